//! What the rules judge: numbers of the groups, of the TaskTrackers and of the JobTrackers, read from what the leader has
//! in memory anyway. The work grows with the number of groups and TaskTrackers, never with the number of jobs.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use crate::domain::{Identity, NodeGroup, RunId, Timestamp};
use crate::jobtracker::JobTracker;
use crate::machine::command::OfflineReason;
use crate::machine::row::{LiveState, Row, TrackerRow, TrackerState};
use crate::machine::{BaseError, Key, Machine};

/// TaskTrackers that are read at a time, so that the lock is never held for long.
const TRACKERS_CHUNK: usize = 500;
/// Ready runs of a group that are looked at for the oldest: one for each kind and priority.
const CANDIDATES_MAX: usize = 64;

/// The cluster as its leader sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) now: Timestamp,
    /// Groups that have ready runs.
    pub(super) groups: BTreeMap<NodeGroup, Backlog>,
    pub(super) online: BTreeMap<NodeGroup, usize>,
    /// TaskTrackers that fell silent, and when.
    pub(super) silent: Vec<(NodeGroup, Identity, Timestamp)>,
    /// Feedback that is kept for each group of JobClients, waiting or dead, and how much may be.
    pub(super) feedback: BTreeMap<NodeGroup, (u64, u64)>,
    /// How long ago each other JobTracker answered, by its name.
    pub(super) silences: Vec<(String, Duration)>,
    /// How many milliseconds each JobTracker's clock is from the majority's, by its name.
    pub(super) skews: Vec<(String, i64)>,
}

/// The ready runs of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    pub(super) count: usize,
    /// Since when the one is ready that was due first, over all kinds and priorities.
    pub(super) oldest: Option<Timestamp>,
    /// The earliest instant of a periodic job that was due and has not started.
    pub(super) late: Option<(RunId, Timestamp)>,
}

/// What finished in a group since the cluster began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) dead: u64,
}

impl Numbers {
    pub(super) fn read(tracker: &JobTracker) -> Result<Numbers, BaseError> {
        let mut numbers = tracker.look(|machine| -> Result<Numbers, BaseError> {
            Ok(Numbers { groups: backlogs(machine)?, feedback: feedback(machine)?, ..Numbers::default() })
        })?;
        numbers.now = tracker.now();
        let mut from = Some(Bound::Included(Key::first_tracker()));
        while let Some(first) = from {
            let rows = tracker.look(|machine| trackers(machine, first.as_ref()))?;
            let more = rows.last().filter(|_| rows.len() == TRACKERS_CHUNK);
            from = more.map(|(key, _)| Bound::Excluded(key.clone()));
            rows.into_iter().for_each(|(key, row)| numbers.add_tracker(key, &row));
        }
        numbers.add_jobtrackers(tracker);
        Ok(numbers)
    }

    fn add_tracker(&mut self, key: Key, row: &TrackerRow) {
        let Key::Tracker(group, who) = key else { return };
        match row.state {
            TrackerState::Online => *self.online.entry(group).or_default() += 1,
            TrackerState::Offline(OfflineReason::Silent) => self.silent.push((group, who, row.since)),
            TrackerState::Offline(_) => {}
        }
    }

    fn add_jobtrackers(&mut self, tracker: &JobTracker) {
        let metrics = tracker.raft().metrics();
        let members = metrics.voters.iter().chain(&metrics.learners);
        let names: BTreeMap<_, _> = members.map(|member| (member.id, member.node.name.clone())).collect();
        let name = |id| names.get(&id).filter(|name| !name.is_empty()).cloned();
        // Whom this leader has never heard is silent since it leads.
        let leads_since = tracker.leadership().borrow().since;
        let leads_for = tracker.clock().monotonic().saturating_duration_since(leads_since);
        let silence = |id| metrics.silence.get(&id).copied().unwrap_or(leads_for);
        let others = names.keys().copied().filter(|id| *id != metrics.id);
        self.silences = others.filter_map(|id| Some((name(id)?, silence(id)))).collect();
        let skews = tracker.raft().clock_skews();
        self.skews = skews.iter().filter_map(|skew| Some((name(skew.node)?, skew.ms))).collect();
    }
}

fn backlogs(machine: &Machine) -> Result<BTreeMap<NodeGroup, Backlog>, BaseError> {
    let mut backlogs = BTreeMap::new();
    for (group, ready) in machine.tables().indexes().ready_groups() {
        let mut oldest: Option<Timestamp> = None;
        for run in ready.first_due().take(CANDIDATES_MAX) {
            if let Some(live) = machine.tables().live_run(run)?
                && let LiveState::Ready { since } = live.state
            {
                oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
            }
        }
        let late = ready.first_instant().map(|(due, run)| (run, due));
        backlogs.insert(group.clone(), Backlog { count: ready.len(), oldest, late });
    }
    Ok(backlogs)
}

fn feedback(machine: &Machine) -> Result<BTreeMap<NodeGroup, (u64, u64)>, BaseError> {
    let most = machine.tables().meta().limits.feedback_max;
    let groups = machine.tables().feedback_groups()?;
    Ok(groups.into_iter().map(|(group, row)| (group, (row.pending.max(row.dead), most))).collect())
}

/// Some TaskTrackers from a key on.
fn trackers(machine: &Machine, from: Bound<&Key>) -> Result<Vec<(Key, TrackerRow)>, BaseError> {
    let to = Key::first_group();
    let rows = machine.tables().scan(from, &to).take(TRACKERS_CHUNK);
    let row = |row: Result<(Key, Row), BaseError>| match row {
        Ok((key, Row::Tracker(row))) => Some(Ok((key, TrackerRow::clone(&row)))),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    };
    rows.filter_map(row).collect()
}

/// What finished in each group.
pub(super) fn finished(machine: &Machine) -> Result<BTreeMap<NodeGroup, Finished>, BaseError> {
    let (from, to) = (Key::first_group(), Key::first_client());
    let mut groups = BTreeMap::new();
    for row in machine.tables().scan(Bound::Included(&from), &to) {
        if let (Key::Group(group), Row::Group(row)) = row? {
            let finished = Finished { succeeded: row.succeeded, failed: row.failed, dead: row.dead };
            groups.insert(group, finished);
        }
    }
    Ok(groups)
}
