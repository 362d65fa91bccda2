//! Where logs go: stderr, so that stdout stays data.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Text,
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "only the jobtracker's configuration asks for it")
    )]
    Json,
}

/// Starts logging; RAFTSMAN_LOG wins over `filter`.
///
/// # Errors
/// If the filter cannot be read.
pub(super) fn start(style: Style, filter: &str) -> anyhow::Result<()> {
    let filter = std::env::var("RAFTSMAN_LOG").unwrap_or_else(|_| filter.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        anyhow::anyhow!(
            "the log filter {filter:?} cannot be read: {error}; give one such as info,raftsman=debug"
        )
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match style {
        Style::Text => subscriber.with_target(false).with_ansi(colours()).try_init(),
        Style::Json => subscriber.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging is started already: {error}"))
}

/// Colours only for a person at a terminal who did not say no.
fn colours() -> bool {
    use std::io::IsTerminal as _;
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stderr().is_terminal()
}
