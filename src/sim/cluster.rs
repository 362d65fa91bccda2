//! Consensus, modelled simply: one list of committed entries, three replicas that apply it at their own pace, and three
//! wall clocks of which a minority may be wrong.
//!
//! Kept here: what is committed stays, all replicas give the same replies, effects and digest at the same index, also
//! when they replay. Not here: how entries get committed (`world`), what a leader does with them (`office`).

use super::replica::Replica;
use crate::domain::{Millis, Timestamp};
use crate::machine::{Applied, LogEntry};

pub(super) const NODES: usize = 3;

/// A committed entry; a new leader's first is blank.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) entry: Option<LogEntry>,
    /// What the first replica that applied it said, and its digest after.
    pub(super) applied: Option<(Applied, u64)>,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) log: Vec<Logged>,
    pub(super) replicas: [Replica; NODES],
    /// How far each node's wall clock is off, in milliseconds.
    pub(super) offsets: [i64; NODES],
    /// The latest time that a leader has given out.
    floor: Timestamp,
}

impl Cluster {
    pub(super) fn new() -> Cluster {
        let replicas = std::array::from_fn(|_| Replica::new());
        Cluster { log: Vec::new(), replicas, offsets: [0; NODES], floor: Timestamp::ZERO }
    }

    /// The latest instant that a majority of the clocks have reached; it never goes back.
    pub(super) fn time(&mut self, truth: Timestamp) -> Timestamp {
        let mut shown = self.offsets;
        shown.sort_unstable();
        let median = shown[NODES / 2];
        let off = Millis::new(median.unsigned_abs());
        let time = if median < 0 { truth - off } else { truth + off };
        self.floor = self.floor.max(time);
        self.floor
    }

    /// An entry of the log; `None` for a blank one.
    pub(super) fn entry(&self, index: u64) -> Option<&LogEntry> {
        let at = usize::try_from(index - 1).expect("a short log");
        self.log.get(at).and_then(|logged| logged.entry.as_ref())
    }

    pub(super) fn commit(&mut self, entry: Option<LogEntry>) -> u64 {
        self.log.push(Logged { entry, applied: None });
        self.log.len() as u64
    }

    pub(super) fn committed(&self) -> u64 {
        self.log.len() as u64
    }

    /// A node applies its next entry. Gives back what came of it, and whether it is the first to apply it.
    ///
    /// # Errors
    /// If it differs from what another replica said.
    pub(super) fn apply_next(&mut self, node: usize) -> Result<Option<(u64, bool)>, String> {
        let machine = &mut self.replicas[node].machine;
        let index = machine.applied_index() + 1;
        let Some(logged) = usize::try_from(index - 1).ok().and_then(|at| self.log.get_mut(at)) else {
            return Ok(None);
        };
        let applied = match &logged.entry {
            Some(entry) => machine.apply(index, entry).expect("a disk in memory does not fail"),
            None => {
                machine.skip(index);
                Applied { index, ..Applied::default() }
            }
        };
        let digest = machine.digest();
        match &logged.applied {
            None => {
                logged.applied = Some((applied, digest));
                Ok(Some((index, true)))
            }
            Some((first, same)) if *first == applied && *same == digest => Ok(Some((index, false))),
            Some((first, _)) => Err(format!(
                "replicas differ at {index}: node {node} says {applied:?} where another said {first:?}, or their digests differ"
            )),
        }
    }

    pub(super) fn applied(&self, index: u64) -> &Applied {
        let at = usize::try_from(index - 1).expect("a short log");
        &self.log[at].applied.as_ref().expect("somebody applied it").0
    }
}
