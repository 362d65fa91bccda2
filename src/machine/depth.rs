//! How full the queues of the node groups are, and how old the oldest of what is ready is.

use std::collections::BTreeMap;

use super::base::BaseError;
use super::index::{ReadyGroup, ReadyRank};
use super::row::LiveState;
use super::tables::Tables;
use crate::domain::{JobId, NodeGroup, Position, RunId, Timestamp};

/// Of each kind and priority so many are looked at: a run that comes back for a retry is dispatched before younger ones,
/// so the one that has been ready for longest need not be the very first.
const HEADS: usize = 16;
/// Priorities of a kind that are looked at.
const PRIORITIES: usize = 64;

/// The queues of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Runs that are not due yet or wait for a retry. The instants to come of crons and repeats are no runs yet.
    pub waiting: u64,
    pub ready: u64,
    pub executing: u64,
    /// Since when the oldest run among those that are dispatched next has been ready.
    pub ready_since: Option<Timestamp>,
}

impl Tables {
    /// Every group that has a live run. Takes as long as there are groups and TaskTrackers, however long the queues.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn depths(&self) -> Result<BTreeMap<NodeGroup, Depth>, BaseError> {
        let mut depths = BTreeMap::<NodeGroup, Depth>::new();
        let indexes = self.indexes();
        for (group, waiting) in indexes.waiting_runs() {
            depths.entry(group.clone()).or_default().waiting = waiting as u64;
        }
        for (group, ready) in indexes.ready_groups() {
            let depth = depths.entry(group.clone()).or_default();
            (depth.ready, depth.ready_since) = (ready.len() as u64, self.ready_since(ready)?);
        }
        for (session, (group, _)) in indexes.sessions() {
            let executing = indexes.executing_on(session) as u64;
            if executing > 0 {
                depths.entry(group.clone()).or_default().executing += executing;
            }
        }
        Ok(depths)
    }

    fn ready_since(&self, ready: &ReadyGroup) -> Result<Option<Timestamp>, BaseError> {
        let mut oldest: Option<Timestamp> = None;
        for (_, ranks) in ready.kinds() {
            let mut from: Option<ReadyRank> = ranks.first().copied();
            for _ in 0..PRIORITIES {
                let Some(first) = from else { break };
                let (priority, ..) = first;
                for (_, _, run) in ranks.range(first..).take_while(|(of, ..)| *of == priority).take(HEADS) {
                    let Some(live) = self.live_run(*run)? else { continue };
                    if let LiveState::Ready { since } = live.state {
                        oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
                    }
                }
                from =
                    ranks.range((priority, Timestamp::MAX, LAST)..).find(|(of, ..)| *of > priority).copied();
            }
        }
        Ok(oldest)
    }
}

/// After every run of a priority that is due at the same time.
const LAST: RunId = RunId { job: JobId(Position::MAX), number: u64::MAX };
