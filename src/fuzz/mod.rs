//! Everything that reads bytes of strangers, by name, for a fuzzer: `jepsen-style-tests/fuzz/README.md`.
//!
//! A target is one function for any bytes. It returns whatever they are; if it panics, or takes much more memory than its
//! input, or the state that the input asks for, explains, something is wrong. The functions live beside the code that they try. `tests` replays the corpora and mutates
//! them in every `cargo test`; `jepsen-style-tests/fuzz` runs them guided by coverage.

#[cfg(test)]
mod tests;

/// One way in.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the name of its corpus' directory.
    pub name: &'static str,
    /// Tells how many bytes of rows the input made the machine keep, roughly; 0 where input is only read.
    pub run: fn(&[u8]) -> usize,
}

/// A target that keeps nothing.
macro_rules! reads {
    ($run:path) => {
        |data| {
            $run(data);
            0
        }
    };
}

/// The targets of the features that are compiled in.
pub fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |name, run: fn(&[u8]) -> usize| targets.push(Target { name, run });
    #[cfg(feature = "machine")]
    {
        use crate::machine::fuzz;
        add("entry", reads!(fuzz::entry));
        add("command", reads!(fuzz::command));
        add("reply", reads!(fuzz::reply));
        add("row", reads!(fuzz::row));
        add("key", reads!(fuzz::key));
        add("log", fuzz::log);
        add("history", fuzz::history);
        add("cron", reads!(crate::calendar::fuzz::cron));
    }
    #[cfg(feature = "sdk")]
    {
        add("job", reads!(crate::wire::fuzz::job));
        add("result", reads!(crate::wire::fuzz::result));
        add("words", reads!(crate::wire::fuzz::words));
        add("fail_store", reads!(crate::link::fuzz::fail_store));
    }
    #[cfg(feature = "node")]
    {
        add("encoding", reads!(crate::store::fuzz::encoding));
        add("manifest", reads!(crate::store::fuzz::manifest));
        add("peer", reads!(crate::raft::fuzz::peer));
    }
    #[cfg(feature = "server")]
    {
        add("snapshot", reads!(crate::store::fuzz::snapshot));
        add("config", reads!(crate::jobtracker::config::fuzz::config));
        add("request", reads!(crate::rpc::fuzz::request));
        add("session", reads!(crate::rpc::fuzz::session));
        add("export", reads!(crate::rpc::fuzz::export));
        add("page", reads!(crate::rpc::fuzz::page));
        add("command_line", reads!(crate::cli::fuzz::command_line));
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
