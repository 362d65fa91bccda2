//! Everything that reads bytes of strangers, by name, for a fuzzer: `jepsen-style-tests/fuzz/README.md`.
//!
//! A target is one function for any bytes. It returns whatever they are; if it panics, or takes much more memory than its
//! input, something is wrong. The functions live beside the code that they try. `tests` replays the corpora and mutates
//! them in every `cargo test`; `jepsen-style-tests/fuzz` runs them guided by coverage.

#[cfg(test)]
mod tests;

/// One way in.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the name of its corpus' directory.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// The targets of the features that are compiled in.
pub fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |name, run| targets.push(Target { name, run });
    #[cfg(feature = "machine")]
    {
        use crate::machine::fuzz;
        add("entry", fuzz::entry);
        add("command", fuzz::command);
        add("reply", fuzz::reply);
        add("row", fuzz::row);
        add("key", fuzz::key);
        add("log", fuzz::log);
        add("history", fuzz::history);
        add("cron", crate::calendar::fuzz::cron);
    }
    #[cfg(feature = "sdk")]
    {
        add("job", crate::wire::fuzz::job);
        add("result", crate::wire::fuzz::result);
        add("words", crate::wire::fuzz::words);
        add("fail_store", crate::link::fuzz::fail_store);
    }
    #[cfg(feature = "node")]
    {
        add("encoding", crate::store::fuzz::encoding);
        add("manifest", crate::store::fuzz::manifest);
        add("peer", crate::raft::fuzz::peer);
    }
    #[cfg(feature = "server")]
    {
        add("snapshot", crate::store::fuzz::snapshot);
        add("config", crate::jobtracker::config::fuzz::config);
        add("request", crate::rpc::fuzz::request);
        add("session", crate::rpc::fuzz::session);
        add("export", crate::rpc::fuzz::export);
        add("page", crate::rpc::fuzz::page);
        add("command_line", crate::cli::fuzz::command_line);
    }
    targets
}

/// Runs one of [`targets`] on `data`.
///
/// # Panics
/// If the target finds something, or there is none of this name.
pub fn run(name: &str, data: &[u8]) {
    let target = targets().into_iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("there is no target {name:?}")).run)(data);
}
