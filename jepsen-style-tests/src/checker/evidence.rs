//! All that a run left behind, in memory. Who loads it from a directory, or records it in a simulation, is not known here.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::history::{Applied, Effect, Event, Exec, Fault, Heard, RunInfo, Save};

#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) info: RunInfo,
    pub(crate) history: Vec<Event>,
    pub(crate) execs: Vec<Exec>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) faults: Vec<Fault>,
    /// What JobClients with a FailStore submitted and were answered.
    pub(crate) saves: Vec<Save>,
    /// What each node exported, by its name.
    pub(crate) logs: BTreeMap<String, Vec<Applied>>,
    /// What nodes answered when they were asked for their digest.
    pub(crate) digests: Vec<Digested>,
    /// What nodes wrote to their standard error that only a crash writes.
    pub(crate) crashes: Vec<CrashMarker>,
    /// Lines that could not be read, and files that are missing: nothing is skipped in silence.
    pub(crate) unreadable: Vec<String>,
}

/// One line of `digests.jsonl`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Digested {
    pub(crate) node: String,
    pub(crate) index: u64,
    pub(crate) digest: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CrashMarker {
    pub(crate) node: String,
    pub(crate) line: String,
}

impl Evidence {
    /// The end of the recorded time.
    pub(crate) fn end_ns(&self) -> u64 {
        let ends = [
            self.history.iter().map(|event| event.t).max(),
            self.execs.iter().map(|exec| exec.t).max(),
            self.faults.iter().map(|fault| fault.t).max(),
            Some(self.info.drained_ns),
        ];
        ends.into_iter().flatten().max().unwrap_or(0)
    }

    /// The wall clock at the start of the run, nanoseconds since 1970, as its file says.
    pub(crate) fn started_wall_ns(&self) -> Option<i128> {
        self.info.started_at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
    }

    /// The machine's own wall clock at a monotonic moment: no clock of a node, which a fault may have bent.
    pub(crate) fn wall_ns(&self, t: u64) -> Option<i128> {
        self.started_wall_ns().map(|start| start + i128::from(t) - i128::from(self.info.started_ns))
    }
}
