//! The TaskTrackers as the leader sees them: attached or not, how busy, when last heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::domain::{Kind, NodeGroup, SessionId};
use crate::planted::{self, Bug};

/// What a hello said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Which stream of the session this is; a broken older one must not detach it.
    pub stream: u64,
    pub node_group: NodeGroup,
    pub kinds: BTreeSet<Kind>,
    pub capacity: u32,
}

/// The leader's view of one session.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) node_group: NodeGroup,
    attached: Option<Attached>,
    accepting: bool,
    /// It gave pushes back and gets none until then.
    rests_until: Option<Instant>,
    /// What the tables said that it executes.
    executing: usize,
    /// How many the tables let it have at a time; what its hello said until they were asked.
    slots: u32,
    /// Executions whose end is proposed.
    freeing: usize,
    /// Slots that proposals in flight have asked for.
    asked: u32,
    /// A running number: the smaller, the longer ago it got work.
    pub(super) last_used: u64,
    heard: Instant,
}

impl Tracker {
    /// How many more executions it may be given.
    pub(super) fn free(&self) -> u32 {
        let takes_work = self.accepting && self.rests_until.is_none();
        if !takes_work || self.attached.is_none() {
            return 0;
        }
        let executing = self.executing.saturating_sub(self.freeing);
        let taken = u32::try_from(executing).unwrap_or(u32::MAX).saturating_add(self.asked);
        self.slots.saturating_sub(taken)
    }

    pub(super) fn kinds(&self) -> Option<&BTreeSet<Kind>> {
        self.attached.as_ref().map(|attached| &attached.kinds)
    }
}

#[derive(Debug, Default)]
pub struct Roster {
    trackers: BTreeMap<SessionId, Tracker>,
    groups: BTreeMap<NodeGroup, BTreeSet<SessionId>>,
    /// When each session was last heard, the longest silence first.
    heard: BTreeSet<(Instant, SessionId)>,
    /// Until when sessions rest.
    resting: BTreeSet<(Instant, SessionId)>,
    uses: u64,
}

impl Roster {
    pub fn is_attached(&self, session: SessionId) -> bool {
        self.trackers.get(&session).is_some_and(|tracker| tracker.attached.is_some())
    }

    /// How long ago the session was last heard; a new leader counts from its own beginning.
    pub fn silence(&self, now: Instant, session: SessionId) -> Option<Duration> {
        self.trackers.get(&session).map(|tracker| now.saturating_duration_since(tracker.heard))
    }

    /// Slots that the group's TaskTrackers have free.
    pub fn free(&self, group: &NodeGroup) -> u64 {
        self.of_group(group).map(|(_, tracker)| u64::from(tracker.free())).sum()
    }

    /// Slots of the group that proposals in flight have asked for.
    pub fn asked(&self, group: &NodeGroup) -> u32 {
        self.of_group(group).map(|(_, tracker)| tracker.asked).sum()
    }

    /// The sessions of a group.
    pub fn sessions(&self, group: &NodeGroup) -> impl Iterator<Item = SessionId> {
        self.of_group(group).map(|(session, _)| session)
    }

    pub(super) fn of_group(&self, group: &NodeGroup) -> impl Iterator<Item = (SessionId, &Tracker)> {
        let sessions = self.groups.get(group).into_iter().flatten();
        sessions.filter_map(|session| self.trackers.get(session).map(|tracker| (*session, tracker)))
    }

    pub(super) fn attach(&mut self, now: Instant, session: SessionId, attached: Attached, executing: usize) {
        let (asked, freeing, last_used) = self
            .trackers
            .get(&session)
            .map_or((0, 0, 0), |known| (known.asked, known.freeing, known.last_used));
        self.groups.entry(attached.node_group.clone()).or_default().insert(session);
        self.forget_times(session);
        self.heard.insert((now, session));
        let (node_group, slots) = (attached.node_group.clone(), attached.capacity);
        let (attached, accepting, rests_until) = (Some(attached), true, None);
        let tracker = Tracker {
            node_group,
            attached,
            accepting,
            rests_until,
            executing,
            slots,
            freeing,
            asked,
            last_used,
            heard: now,
        };
        self.trackers.insert(session, tracker);
    }

    pub(super) fn detach(&mut self, session: SessionId, stream: u64) {
        if let Some(tracker) = self.trackers.get_mut(&session)
            && tracker.attached.as_ref().is_some_and(|attached| attached.stream == stream)
        {
            tracker.attached = None;
        }
    }

    pub(super) fn know(&mut self, now: Instant, session: SessionId, node_group: NodeGroup) {
        if self.trackers.contains_key(&session) {
            return;
        }
        self.heard.insert((now, session));
        self.groups.entry(node_group.clone()).or_default().insert(session);
        let (attached, accepting, executing, asked) = (None, false, 0, 0);
        let (freeing, last_used, rests_until, slots) = (0, 0, None, 0);
        let tracker = Tracker {
            node_group,
            attached,
            accepting,
            rests_until,
            executing,
            slots,
            freeing,
            asked,
            last_used,
            heard: now,
        };
        self.trackers.insert(session, tracker);
    }

    fn forget_times(&mut self, session: SessionId) {
        let Some(tracker) = self.trackers.get(&session) else { return };
        self.heard.remove(&(tracker.heard, session));
        if let Some(until) = tracker.rests_until {
            self.resting.remove(&(until, session));
        }
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        self.forget_times(session);
        let Some(tracker) = self.trackers.remove(&session) else { return };
        if let Some(sessions) = self.groups.get_mut(&tracker.node_group) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.groups.remove(&tracker.node_group);
            }
        }
    }

    pub(super) fn heard(&mut self, now: Instant, session: SessionId) {
        if let Some(tracker) = self.trackers.get_mut(&session).filter(|tracker| tracker.heard < now) {
            self.heard.remove(&(tracker.heard, session));
            self.heard.insert((now, session));
            tracker.heard = now;
        }
    }

    pub(super) fn accept(&mut self, session: SessionId, accepting: bool) {
        if accepting {
            self.rest(session, None);
        }
        if let Some(tracker) = self.trackers.get_mut(&session) {
            tracker.accepting = accepting;
        }
    }

    /// It is given no work until then; with `None` again at once.
    pub(super) fn rest(&mut self, session: SessionId, until: Option<Instant>) {
        let Some(tracker) = self.trackers.get_mut(&session) else { return };
        if let Some(old) = std::mem::replace(&mut tracker.rests_until, until) {
            self.resting.remove(&(old, session));
        }
        self.resting.extend(until.map(|until| (until, session)));
    }

    /// The groups of those whose rest is over.
    pub(super) fn rested(&mut self, now: Instant) -> BTreeSet<NodeGroup> {
        let mut groups = BTreeSet::new();
        while let Some((_, session)) = self.resting.first().copied().filter(|(until, _)| *until <= now) {
            self.rest(session, None);
            groups.extend(self.trackers.get(&session).map(|tracker| tracker.node_group.clone()));
        }
        groups
    }

    pub(super) fn earliest_rested(&self) -> Option<Instant> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// A `Dispatch` that asked for `asked` slots started `got` executions.
    pub(super) fn started(&mut self, session: SessionId, asked: u32, got: usize) {
        if let Some(tracker) = self.trackers.get_mut(&session) {
            tracker.asked = tracker.asked.saturating_sub(asked);
            tracker.executing += got;
        }
    }

    pub(super) fn freed(&mut self, session: SessionId, count: usize) {
        if let Some(tracker) = self.trackers.get_mut(&session) {
            tracker.freeing += count;
        }
    }

    pub(super) fn concluded(&mut self, session: SessionId, count: usize) {
        if let Some(tracker) = self.trackers.get_mut(&session) {
            tracker.freeing = tracker.freeing.saturating_sub(count);
        }
    }

    /// Gives every session a new grace.
    pub(super) fn thawed(&mut self, now: Instant) {
        self.trackers.values_mut().for_each(|tracker| tracker.heard = now);
        self.heard = self.trackers.keys().map(|session| (now, *session)).collect();
    }

    pub(super) fn counted(&mut self, session: SessionId, executing: usize, slots: u32) {
        if let Some(tracker) = self.trackers.get_mut(&session) {
            (tracker.executing, tracker.slots) = (executing, slots);
        }
    }

    /// Reserves slots for a `Dispatch` that is about to be proposed.
    pub(super) fn ask(&mut self, session: SessionId, want: u32) {
        self.uses += 1;
        if let Some(tracker) = self.trackers.get_mut(&session) {
            tracker.asked += want;
            tracker.last_used = self.uses;
        }
    }

    /// The sessions that were not heard for at least `limit`.
    pub(super) fn silent_since(&self, now: Instant, limit: Duration) -> Vec<SessionId> {
        if planted::is(Bug::BrokenStreamIsDeath) {
            let broken = |tracker: &Tracker| tracker.accepting && tracker.attached.is_none();
            return self.trackers.iter().filter(|(_, it)| broken(it)).map(|(session, _)| *session).collect();
        }
        let silent = |heard: Instant| now.saturating_duration_since(heard) >= limit;
        self.heard.iter().take_while(|(heard, _)| silent(*heard)).map(|(_, session)| *session).collect()
    }

    pub(super) fn earliest_heard(&self) -> Option<Instant> {
        self.heard.first().map(|(heard, _)| *heard)
    }
}
