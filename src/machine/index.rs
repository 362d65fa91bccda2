//! In-memory indexes over the live rows: what waits, what is ready, what executes where, who needs a plan.
//!
//! An index is a function of the rows. [`Indexes::update`] is told the old and the new row of each change, and the same
//! call rebuilds everything when the machine is opened, so an index can only mirror its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::key::Key;
use super::limits::PLAN_AHEAD_MIN;
use super::row::{FeedbackRow, FeedbackState, LiveRun, LiveState, PeriodicRow, Rhythm, Row};
use crate::domain::{ExecutionId, Identity, JobId, Kind, Millis, NodeGroup, RunId, SessionId, Timestamp};
use crate::planted::{self, Bug};

/// What ripens: a run, or the next instant of a periodic job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiter {
    Run(RunId),
    Instant(JobId),
}

/// The order of dispatch within a kind: priority, due, id.
pub type ReadyRank = (i32, Timestamp, RunId);

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    /// By the time at which they ripen, then priority, then id.
    waiting: BTreeSet<(Timestamp, i32, Waiter)>,
    /// How many runs of each group wait.
    waiting_runs: BTreeMap<NodeGroup, usize>,
    ready: BTreeMap<NodeGroup, ReadyGroup>,
    /// Ready runs that may start until then and no later.
    start_by: BTreeSet<(Timestamp, RunId)>,
    executing: BTreeMap<ExecutionId, (RunId, SessionId)>,
    by_session: BTreeMap<SessionId, BTreeSet<ExecutionId>>,
    sessions: BTreeMap<SessionId, (NodeGroup, Identity)>,
    /// How many executions each known TaskTracker may have at a time.
    slots: BTreeMap<SessionId, u32>,
    paused: BTreeSet<NodeGroup>,
    needs_plan: BTreeSet<JobId>,
    /// What of each group lives and has no other index that is by group.
    by_group: BTreeMap<NodeGroup, OfGroup>,
    feedback: BTreeMap<NodeGroup, FeedbackGroup>,
    /// All feedback by its age, for expiry.
    feedback_ages: BTreeSet<(Timestamp, NodeGroup, RunId)>,
}

/// The feedback of one group of JobClients.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FeedbackGroup {
    /// By the time from which each is told.
    pending: BTreeSet<(Timestamp, RunId)>,
    dead: BTreeSet<RunId>,
}

impl FeedbackGroup {
    /// What waits to be told, with the time from which on, in that order.
    pub fn pending(&self) -> impl Iterator<Item = (Timestamp, RunId)> {
        self.pending.iter().copied()
    }

    /// The dead letters.
    pub fn dead(&self) -> impl Iterator<Item = RunId> {
        self.dead.iter().copied()
    }

    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.dead.is_empty()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfGroup {
    waiting: u64,
    suspended: u64,
    cron: u64,
    repeat: u64,
    /// Periodic jobs of which only executing runs are left.
    ending: u64,
}

/// What of a node group lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Runs that are not due yet, or wait for a retry.
    pub waiting: u64,
    pub ready: u64,
    pub executing: u64,
    /// Runs that are held because their job is suspended.
    pub suspended: u64,
    /// Cron jobs that still have instants.
    pub cron: u64,
    /// Repeat jobs that still have instants.
    pub repeat: u64,
    /// Periodic jobs of which only live runs are left.
    pub ending: u64,
}

impl GroupCounts {
    /// Live runs and periodic jobs: nothing lives if it is 0.
    pub fn live(&self) -> u64 {
        let runs = self.waiting + self.ready + self.executing + self.suspended;
        runs + self.cron + self.repeat + self.ending
    }
}

/// The ready runs of one node group.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReadyGroup {
    kinds: BTreeMap<Kind, BTreeSet<ReadyRank>>,
    count: usize,
    /// Planned instants of periodic jobs that have not started, by the time at which they were due.
    instants: BTreeSet<(Timestamp, RunId)>,
}

impl ReadyGroup {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Of each kind and priority the run that was due first.
    pub fn first_due(&self) -> impl Iterator<Item = RunId> {
        self.kinds.values().flat_map(|ranks| {
            std::iter::successors(ranks.first(), |(priority, _, _)| {
                let next = (priority.checked_add(1)?, Timestamp::ZERO, RunId::default());
                ranks.range(next..).next()
            })
            .map(|rank| rank.2)
        })
    }

    /// The planned instant of a periodic job that was due first and has not started.
    pub fn first_instant(&self) -> Option<(Timestamp, RunId)> {
        self.instants.first().copied()
    }

    /// The ready runs of each kind, in the order of dispatch.
    pub fn kinds(&self) -> impl Iterator<Item = (&Kind, &BTreeSet<ReadyRank>)> {
        self.kinds.iter()
    }
}

impl Indexes {
    /// When the next Tick would change something.
    pub fn next_due(&self) -> Option<Timestamp> {
        let ripens = self.waiting.first().map(|(at, _, _)| *at);
        let expires = self.start_by.first().map(|(start_by, _)| *start_by + Millis::new(1));
        [ripens, expires].into_iter().flatten().min()
    }

    /// The ready runs that can no longer start at `now`, in order.
    pub fn too_late(&self, now: Timestamp) -> impl Iterator<Item = RunId> {
        self.start_by.iter().take_while(move |(start_by, _)| *start_by < now).map(|(_, run)| *run)
    }

    /// What is due at `now`, in order.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = Waiter> {
        self.waiting.iter().take_while(move |(at, _, _)| *at <= now).map(|(_, _, waiter)| *waiter)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The groups that have runs which wait, and how many.
    pub fn waiting_runs(&self) -> impl Iterator<Item = (&NodeGroup, usize)> {
        self.waiting_runs.iter().map(|(group, count)| (group, *count))
    }

    pub fn ready(&self, group: &NodeGroup) -> Option<&ReadyGroup> {
        self.ready.get(group)
    }

    /// The groups that have ready runs.
    pub fn ready_groups(&self) -> impl Iterator<Item = (&NodeGroup, &ReadyGroup)> {
        self.ready.iter()
    }

    pub fn execution(&self, execution: ExecutionId) -> Option<(RunId, SessionId)> {
        self.executing.get(&execution).copied()
    }

    pub fn executing(&self) -> usize {
        self.executing.len()
    }

    /// The executions of a session, oldest first.
    pub fn executions_of(&self, session: SessionId) -> impl Iterator<Item = ExecutionId> {
        self.by_session.get(&session).into_iter().flatten().copied()
    }

    pub fn executing_on(&self, session: SessionId) -> usize {
        self.by_session.get(&session).map_or(0, BTreeSet::len)
    }

    pub fn session(&self, session: SessionId) -> Option<&(NodeGroup, Identity)> {
        self.sessions.get(&session)
    }

    /// The current session of every known TaskTracker, online or not.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &(NodeGroup, Identity))> {
        self.sessions.iter().map(|(session, who)| (*session, who))
    }

    /// What waits, after `after`, in the order in which it ripens.
    pub fn waiting_after(
        &self,
        after: Option<(Timestamp, i32, Waiter)>,
    ) -> impl Iterator<Item = (Timestamp, i32, Waiter)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.waiting.range((from, Bound::Unbounded)).copied()
    }

    /// What executes, after `after`, in the order of its start.
    pub fn executing_after(&self, after: Option<ExecutionId>) -> impl Iterator<Item = (ExecutionId, RunId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.executing.range((from, Bound::Unbounded)).map(|(execution, (run, _))| (*execution, *run))
    }

    /// The ready runs of a group after `after`, in the order of dispatch.
    pub fn ready_after(
        &self,
        group: &NodeGroup,
        after: Option<ReadyRank>,
    ) -> impl Iterator<Item = ReadyRank> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let kinds = self.ready.get(group).into_iter().flat_map(|ready| ready.kinds.values());
        let mut kinds: Vec<_> =
            kinds.map(|ranks| ranks.range((from, Bound::Unbounded)).copied().peekable()).collect();
        std::iter::from_fn(move || {
            let heads = kinds.iter_mut().enumerate();
            let heads = heads.filter_map(|(at, ranks)| ranks.peek().map(|rank| (*rank, at)));
            let (_, first) = heads.min()?;
            kinds[first].next()
        })
    }

    /// The groups of which something lives or a TaskTracker is known.
    pub fn groups(&self) -> BTreeSet<&NodeGroup> {
        let of_sessions = self.sessions.values().map(|(group, _)| group);
        self.by_group.keys().chain(self.ready.keys()).chain(of_sessions).collect()
    }

    /// What of a group lives: as long as there are sessions.
    pub fn group(&self, group: &NodeGroup) -> GroupCounts {
        let sessions = self.sessions.iter().filter(|(_, (of, _))| of == group);
        let executing = sessions.map(|(session, _)| self.executing_on(*session) as u64).sum();
        GroupCounts { executing, ..self.group_but_for_executing(group) }
    }

    /// The same without what executes, at once.
    pub fn group_but_for_executing(&self, group: &NodeGroup) -> GroupCounts {
        let of = self.by_group.get(group).copied().unwrap_or_default();
        let OfGroup { waiting, suspended, cron, repeat, ending } = of;
        let ready = self.ready.get(group).map_or(0, ReadyGroup::len) as u64;
        GroupCounts { waiting, ready, executing: 0, suspended, cron, repeat, ending }
    }

    /// How many executions the session may have at a time; none if it is drained or unknown.
    pub fn slots(&self, session: SessionId) -> u32 {
        self.slots.get(&session).copied().unwrap_or(0)
    }

    /// Whether nothing of the group may be dispatched.
    pub fn is_paused(&self, group: &NodeGroup) -> bool {
        self.paused.contains(group)
    }

    /// The groups of which nothing may be dispatched.
    pub fn paused_groups(&self) -> impl Iterator<Item = &NodeGroup> {
        self.paused.iter()
    }

    pub fn needs_plan(&self) -> impl Iterator<Item = JobId> {
        self.needs_plan.iter().copied()
    }

    pub fn feedback(&self, group: &NodeGroup) -> Option<&FeedbackGroup> {
        self.feedback.get(group)
    }

    /// The groups of JobClients that have feedback, dead letters included.
    pub fn feedback_groups(&self) -> impl Iterator<Item = (&NodeGroup, &FeedbackGroup)> {
        self.feedback.iter()
    }

    /// Feedback of runs that ended before then, the oldest first.
    pub(super) fn feedback_before(&self, end: Timestamp) -> impl Iterator<Item = (&NodeGroup, RunId)> {
        let old = self.feedback_ages.iter().take_while(move |(ended, _, _)| *ended < end);
        old.map(|(_, group, run)| (group, *run))
    }

    /// The names of those that are not as in `other`.
    pub(super) fn differences(&self, other: &Indexes) -> Vec<&'static str> {
        let same = [
            ("waiting", self.waiting == other.waiting),
            ("waiting runs", self.waiting_runs == other.waiting_runs),
            ("ready", self.ready == other.ready),
            ("start by", self.start_by == other.start_by),
            ("executing", self.executing == other.executing),
            ("by session", self.by_session == other.by_session),
            ("sessions", self.sessions == other.sessions),
            ("slots", self.slots == other.slots),
            ("paused", self.paused == other.paused),
            ("needs plan", self.needs_plan == other.needs_plan),
            ("feedback", self.feedback == other.feedback),
            ("feedback ages", self.feedback_ages == other.feedback_ages),
            ("by group", self.by_group == other.by_group),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// Whether rows under this key are indexed, so that a change must know the old row.
    pub fn watches(key: &Key) -> bool {
        matches!(key, Key::Live(_) | Key::Periodic(_) | Key::Tracker(..) | Key::Paused(_) | Key::Feedback(..))
    }

    /// A row changed from `old` to `new`.
    pub fn update(&mut self, key: &Key, old: Option<&Row>, new: Option<&Row>) {
        match key {
            Key::Live(run) => {
                if let Some(Row::Live(live)) = old {
                    self.remove_live(*run, live);
                }
                if let Some(Row::Live(live)) = new {
                    self.insert_live(*run, live);
                }
            }
            Key::Periodic(job) => {
                if let Some(Row::Periodic(row)) = old {
                    self.remove_periodic(*job, row);
                }
                if let Some(Row::Periodic(row)) = new {
                    self.insert_periodic(*job, row);
                }
            }
            Key::Tracker(group, identity) => {
                if let Some(Row::Tracker(row)) = old {
                    self.sessions.remove(&row.session);
                    self.slots.remove(&row.session);
                }
                if let Some(Row::Tracker(row)) = new {
                    self.sessions.insert(row.session, (group.clone(), identity.clone()));
                    self.slots.insert(row.session, row.slots());
                }
            }
            Key::Paused(group) => {
                self.paused.remove(group);
                if new.is_some() {
                    self.paused.insert(group.clone());
                }
            }
            Key::Feedback(group, run) => {
                if let Some(Row::Feedback(row)) = old {
                    self.remove_feedback(group, *run, row);
                }
                if let Some(Row::Feedback(row)) = new {
                    self.insert_feedback(group, *run, row);
                }
            }
            Key::Mark(_)
            | Key::Meta
            | Key::Job(_)
            | Key::Body(..)
            | Key::TaskKey(..)
            | Key::Ledger(_)
            | Key::Finished(..)
            | Key::JobLog(..)
            | Key::Group(_)
            | Key::Client(_)
            | Key::Answer(..)
            | Key::Request(_)
            | Key::RequestAge(..)
            | Key::FeedbackGroup(_)
            | Key::NodeEvent(_)
            | Key::LogAge(..)
            | Key::GroupStats(..)
            | Key::TrackerStats(..)
            | Key::JobTrackerStats(..)
            | Key::Sampled(_)
            | Key::Deleted(_)
            | Key::Alarm(..)
            | Key::Silence(..) => {}
        }
    }

    fn insert_live(&mut self, run: RunId, live: &LiveRun) {
        match &live.state {
            LiveState::Waiting { until } => {
                self.waiting.insert((*until, live.priority, Waiter::Run(run)));
                self.count(&live.node_group, |of| of.waiting += 1);
                *self.waiting_runs.entry(live.node_group.clone()).or_default() += 1;
            }
            LiveState::Ready { .. } => {
                let group = self.ready.entry(live.node_group.clone()).or_default();
                let ranks = group.kinds.entry(live.kind.clone()).or_default();
                group.count += usize::from(ranks.insert((live.priority, live.due, run)));
                if live.is_fresh_instant() {
                    group.instants.insert((live.due, run));
                }
                if let Some(start_by) = live.may_start_by() {
                    self.start_by.insert((start_by, run));
                }
            }
            LiveState::Suspended { .. } => self.count(&live.node_group, |of| of.suspended += 1),
            LiveState::Executing { execution, session, .. } => {
                self.executing.insert(*execution, (run, *session));
                self.by_session.entry(*session).or_default().insert(*execution);
            }
        }
    }

    fn remove_live(&mut self, run: RunId, live: &LiveRun) {
        match &live.state {
            LiveState::Waiting { until } => {
                self.waiting.remove(&(*until, live.priority, Waiter::Run(run)));
                self.count(&live.node_group, |of| of.waiting -= 1);
                if let Some(count) = self.waiting_runs.get_mut(&live.node_group) {
                    *count -= 1;
                    if *count == 0 {
                        self.waiting_runs.remove(&live.node_group);
                    }
                }
            }
            LiveState::Ready { .. } if planted::is(Bug::ReadyEntryStays) => {}
            LiveState::Ready { .. } => self.remove_ready(run, live),
            LiveState::Suspended { .. } => self.count(&live.node_group, |of| of.suspended -= 1),
            LiveState::Executing { execution, session, .. } => {
                if !planted::is(Bug::StaleExecutionIndex) {
                    self.executing.remove(execution);
                }
                if let Some(executions) = self.by_session.get_mut(session) {
                    executions.remove(execution);
                    if executions.is_empty() {
                        self.by_session.remove(session);
                    }
                }
            }
        }
    }

    fn remove_ready(&mut self, run: RunId, live: &LiveRun) {
        if let Some(start_by) = live.may_start_by() {
            self.start_by.remove(&(start_by, run));
        }
        let Some(group) = self.ready.get_mut(&live.node_group) else { return };
        let Some(ranks) = group.kinds.get_mut(&live.kind) else { return };
        group.count -= usize::from(ranks.remove(&(live.priority, live.due, run)));
        if live.is_fresh_instant() {
            group.instants.remove(&(live.due, run));
        }
        if ranks.is_empty() {
            group.kinds.remove(&live.kind);
        }
        if group.count == 0 {
            self.ready.remove(&live.node_group);
        }
    }

    fn insert_feedback(&mut self, group: &NodeGroup, run: RunId, row: &FeedbackRow) {
        let of_group = self.feedback.entry(group.clone()).or_default();
        match row.state {
            FeedbackState::Pending { next_try } => of_group.pending.insert((next_try, run)),
            FeedbackState::Dead { .. } => of_group.dead.insert(run),
        };
        self.feedback_ages.insert((row.ended, group.clone(), run));
    }

    fn remove_feedback(&mut self, group: &NodeGroup, run: RunId, row: &FeedbackRow) {
        self.feedback_ages.remove(&(row.ended, group.clone(), run));
        let Some(of_group) = self.feedback.get_mut(group) else { return };
        match row.state {
            FeedbackState::Pending { next_try } => of_group.pending.remove(&(next_try, run)),
            FeedbackState::Dead { .. } => of_group.dead.remove(&run),
        };
        if of_group.is_empty() {
            self.feedback.remove(group);
        }
    }

    fn count(&mut self, group: &NodeGroup, change: impl FnOnce(&mut OfGroup)) {
        if !self.by_group.contains_key(group) {
            self.by_group.insert(group.clone(), OfGroup::default());
        }
        let Some(of) = self.by_group.get_mut(group) else { return };
        change(of);
        if *of == OfGroup::default() {
            self.by_group.remove(group);
        }
    }

    fn insert_periodic(&mut self, job: JobId, row: &PeriodicRow) {
        self.count(&row.node_group, |of| *of.of_rhythm(&row.rhythm) += 1);
        if let Some(at) = row.ripens_at() {
            self.waiting.insert((at, 0, Waiter::Instant(job)));
        }
        if row.needs_plan() {
            self.needs_plan.insert(job);
        }
    }

    fn remove_periodic(&mut self, job: JobId, row: &PeriodicRow) {
        self.count(&row.node_group, |of| *of.of_rhythm(&row.rhythm) -= 1);
        if let Some(at) = row.ripens_at() {
            self.waiting.remove(&(at, 0, Waiter::Instant(job)));
        }
        self.needs_plan.remove(&job);
    }
}

impl OfGroup {
    fn of_rhythm(&mut self, rhythm: &Rhythm) -> &mut u64 {
        match rhythm {
            Rhythm::Planned { .. } => &mut self.cron,
            Rhythm::Grid { .. } => &mut self.repeat,
            Rhythm::Stopped { .. } => &mut self.ending,
        }
    }
}

impl PeriodicRow {
    /// When its next instant ripens, if one is known.
    pub fn ripens_at(&self) -> Option<Timestamp> {
        match &self.rhythm {
            Rhythm::Planned { stalled: true, .. } => None,
            Rhythm::Planned { .. } | Rhythm::Grid { .. } | Rhythm::Stopped { .. } => self.next_instant(),
        }
    }

    /// Its next instant, if one is known and its job is not suspended.
    pub fn next_instant(&self) -> Option<Timestamp> {
        match &self.rhythm {
            _ if self.suspended => None,
            Rhythm::Planned { ahead, .. } => ahead.front().copied(),
            Rhythm::Grid { remaining: Some(0), .. } | Rhythm::Stopped { .. } => None,
            Rhythm::Grid { next, .. } => Some(*next),
        }
    }

    /// Whether the leader's calendar should go on.
    pub fn needs_plan(&self) -> bool {
        match &self.rhythm {
            _ if self.suspended => false,
            Rhythm::Planned { ahead, ended, stalled } => !ended && (*stalled || ahead.len() < PLAN_AHEAD_MIN),
            Rhythm::Grid { .. } | Rhythm::Stopped { .. } => false,
        }
    }

    /// The instant after which a plan goes on.
    pub fn planned_until(&self) -> Timestamp {
        match &self.rhythm {
            Rhythm::Planned { ahead, .. } => ahead.back().copied().unwrap_or(self.settled),
            Rhythm::Grid { .. } | Rhythm::Stopped { .. } => self.settled,
        }
    }

    /// Whether no instant will come any more.
    pub fn is_exhausted(&self) -> bool {
        match &self.rhythm {
            Rhythm::Planned { ahead, ended, .. } => *ended && ahead.is_empty(),
            Rhythm::Grid { remaining, .. } => *remaining == Some(0),
            Rhythm::Stopped { .. } => true,
        }
    }
}
