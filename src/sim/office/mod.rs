//! One term of a leader: the real dispatcher and the real planner, and around them the protocol of the leader's loop.
//!
//! It follows `jobtracker::leader` rule by rule, without its channels: messages and applied entries come in, entries and
//! messages go out. All of it is lost with the term.

mod sessions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use sessions::executions_of;

use super::tracker::{Hello, Ms, ToTracker};
use crate::dispatch::planner::Unplanned;
use crate::dispatch::{Dispatcher, Event, Intent, Patience, Ready};
use crate::domain::{ExecutionId, Kind, NodeGroup, SessionId, Timestamp};
use crate::machine::command::{Dispatch, JobPlan, OfflineReason, Plan, Reclaim, ReclaimReason};
use crate::machine::limits::PLAN_JOBS_MAX;
use crate::machine::reply::Refusal;
use crate::machine::{Applied, Command, Effect, LogEntry, Machine, Reply};

const COMMANDS_MAX: usize = 64;
const EXPIRE_EVERY: Ms = 10_000;
const IN_FLIGHT_MAX: usize = 2;

/// Who wants to know what became of a command.
#[derive(Debug)]
pub(super) enum Origin {
    Caller(u64),
    Hello { hello: Box<Hello>, stream: u64 },
    Completed { session: SessionId, executions: Vec<ExecutionId> },
    Dispatch { session: SessionId, asked: u32 },
    Offline(SessionId),
    Plan,
    Tick,
    Own,
}

#[derive(Debug)]
pub(super) struct Proposed {
    pub(super) entry: Option<LogEntry>,
    /// Where it is in the log, once it is committed.
    pub(super) index: Option<u64>,
    pub(super) origins: Vec<Origin>,
    expected: Vec<(NodeGroup, Kind, usize)>,
}

#[derive(Debug)]
pub(super) enum Out {
    Tell(u64, ToTracker),
    Close(u64),
    Answer(u64, Reply),
}

#[derive(Debug)]
pub(super) struct Office {
    pub(super) term: u64,
    pub(super) node: usize,
    dispatcher: Dispatcher,
    urgent: VecDeque<(Command, Origin)>,
    requests: VecDeque<(Command, Origin)>,
    pub(super) in_flight: VecDeque<Proposed>,
    streams: BTreeMap<SessionId, u64>,
    by_stream: BTreeMap<u64, SessionId>,
    dirty: BTreeSet<NodeGroup>,
    expected: BTreeMap<NodeGroup, Ready>,
    ticking: bool,
    next_due: Option<Timestamp>,
    needs_plan: bool,
    planning: bool,
    ending: BTreeSet<SessionId>,
    expire_at: Ms,
    pub(super) since: Ms,
    pub(super) out: Vec<Out>,
    /// Pushes that a hello did not know.
    pub(super) pushed_again: u64,
    /// Hellos of a second holder of an identity.
    pub(super) refused: u64,
}

/// The present, on the leader's own monotonic clock and as the world counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) ms: Ms,
}

impl Office {
    /// What a new leader must know is found in the tables.
    pub(super) fn recover(term: u64, node: usize, machine: &Machine, patience: Patience, now: Now) -> Office {
        let mut dispatcher = Dispatcher::new(patience);
        for (session, (group, who)) in machine.tables().indexes().sessions() {
            let row = machine.tables().tracker_row(group, who).expect("memory does not fail");
            if row.is_some_and(|row| row.is_online()) {
                dispatcher.step(now.instant, Event::Known { session, node_group: group.clone() });
                let pushes =
                    executions_of(machine, session, |_| true).into_iter().map(|(push, _)| push).collect();
                dispatcher.step(now.instant, Event::Started { session, asked: 0, pushes });
            }
        }
        Office {
            term,
            node,
            dispatcher,
            urgent: VecDeque::new(),
            requests: VecDeque::new(),
            in_flight: VecDeque::new(),
            streams: BTreeMap::new(),
            by_stream: BTreeMap::new(),
            dirty: machine.tables().indexes().ready_groups().map(|(group, _)| group.clone()).collect(),
            expected: BTreeMap::new(),
            ticking: false,
            next_due: machine.tables().indexes().next_due(),
            needs_plan: true,
            planning: false,
            ending: BTreeSet::new(),
            expire_at: now.ms + EXPIRE_EVERY,
            since: now.ms,
            out: Vec::new(),
            pushed_again: 0,
            refused: 0,
        }
    }

    pub(super) fn call(&mut self, call: u64, command: Command) {
        self.requests.push_back((command, Origin::Caller(call)));
    }

    pub(super) fn answer_feedback(&mut self, answer: Command) {
        self.urgent.push_back((answer, Origin::Own));
    }

    pub(super) fn planned(&mut self, jobs: Vec<JobPlan>) {
        if jobs.is_empty() {
            self.planning = false;
        } else {
            self.urgent.push_back((Command::Plan(Plan { jobs }), Origin::Plan));
        }
    }

    /// Time passed: silence, overdue runs, old rows.
    pub(super) fn tick(&mut self, now: Now) {
        for intent in self.dispatcher.step(now.instant, Event::Tick) {
            match intent {
                Intent::Offline { session } if !self.ending.contains(&session) => {
                    self.propose_offline(session, OfflineReason::Silent);
                }
                Intent::Terminate { session, execution, .. } => {
                    self.tell(session, ToTracker::Terminate(execution));
                }
                Intent::Reclaim { execution } => {
                    let (executions, reason) = (vec![execution], ReclaimReason::TimedOut);
                    self.urgent.push_back((Command::Reclaim(Reclaim { executions, reason }), Origin::Own));
                }
                Intent::Look { node_group } => {
                    self.dirty.insert(node_group);
                }
                Intent::Offline { .. } | Intent::Dispatch { .. } => {}
            }
        }
        if now.ms >= self.expire_at {
            self.expire_at = now.ms + EXPIRE_EVERY;
            self.urgent.push_back((Command::Expire, Origin::Own));
        }
    }

    /// The jobs for which the calendar is to be asked, once each until it has answered.
    pub(super) fn take_unplanned(&mut self, machine: &Machine) -> Vec<Unplanned> {
        if self.planning || !std::mem::take(&mut self.needs_plan) {
            return Vec::new();
        }
        let tables = machine.tables();
        let unplanned: Vec<Unplanned> = (tables.indexes().needs_plan().take(PLAN_JOBS_MAX))
            .filter_map(|id| {
                let (job, row) =
                    (tables.job_row(id).expect("memory")?, tables.periodic_row(id).expect("memory")?);
                Some(Unplanned { id, job, row })
            })
            .collect();
        self.planning = !unplanned.is_empty();
        unplanned
    }

    /// Closes an entry and has it proposed; false if there is nothing to propose, or too much is under way.
    pub(super) fn propose(&mut self, now: Now, at: Timestamp, machine: &Machine) -> bool {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return false;
        }
        let mut taken: Vec<(Command, Origin)> = Vec::new();
        while taken.len() < COMMANDS_MAX {
            let Some(next) = self.urgent.pop_front().or_else(|| self.requests.pop_front()) else { break };
            taken.push(next);
        }
        if !self.ticking && self.next_due.is_some_and(|due| due <= at) {
            self.ticking = true;
            taken.push((Command::Tick, Origin::Tick));
        }
        let expected = self.foresee(now, at, machine, &taken);
        taken.extend(self.dispatches(now, machine));
        if taken.is_empty() {
            return false;
        }
        let (commands, origins) = taken.into_iter().unzip();
        let entry = Some(LogEntry { at, commands });
        self.in_flight.push_back(Proposed { entry, index: None, origins, expected });
        true
    }

    fn foresee(
        &mut self,
        now: Now,
        at: Timestamp,
        machine: &Machine,
        taken: &[(Command, Origin)],
    ) -> Vec<(NodeGroup, Kind, usize)> {
        let mut expected: BTreeMap<(NodeGroup, Kind), usize> = BTreeMap::new();
        for (command, origin) in taken {
            if let Command::Submit(submit) = command {
                for spec in
                    submit.jobs.iter().filter(|spec| spec.one_shot_due(at).is_some_and(|due| due <= at))
                {
                    *expected.entry((spec.node_group.clone(), spec.kind.clone())).or_default() += 1;
                }
            }
            if let Origin::Completed { session, executions } = origin {
                let (session, executions) = (*session, executions.clone());
                self.dispatcher.step(now.instant, Event::Freed { session, executions });
                self.mark_dirty(machine, session);
            }
        }
        let expected: Vec<_> =
            expected.into_iter().map(|((group, kind), count)| (group, kind, count)).collect();
        for (group, kind, count) in &expected {
            *self.expected.entry(group.clone()).or_default().entry(kind.clone()).or_default() += count;
            self.dirty.insert(group.clone());
        }
        expected
    }

    fn dispatches(&mut self, now: Now, machine: &Machine) -> Vec<(Command, Origin)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.iter().for_each(|group| self.count_executing(now, machine, group));
        let groups: BTreeMap<NodeGroup, Ready> = dirty
            .into_iter()
            .filter_map(|group| self.estimate(machine, &group).map(|ready| (group, ready)))
            .collect();
        if groups.is_empty() {
            return Vec::new();
        }
        let dispatch = |intent| match intent {
            Intent::Dispatch { session, want } => {
                let origin = Origin::Dispatch { session, asked: want };
                Some((Command::Dispatch(Dispatch { session, want }), origin))
            }
            Intent::Offline { .. }
            | Intent::Terminate { .. }
            | Intent::Reclaim { .. }
            | Intent::Look { .. } => None,
        };
        self.dispatcher.step(now.instant, Event::Ready { groups }).into_iter().filter_map(dispatch).collect()
    }

    /// The tables may be ahead of the replies that were seen here, so only they tell what is executing.
    fn count_executing(&mut self, now: Now, machine: &Machine, group: &NodeGroup) {
        let sessions: Vec<SessionId> = self.dispatcher.roster().sessions(group).collect();
        for session in sessions {
            let indexes = machine.tables().indexes();
            let (executing, slots) = (indexes.executing_on(session), indexes.slots(session));
            self.dispatcher.step(now.instant, Event::Counted { session, executing, slots });
        }
    }

    /// What is ready in a group, with what is in flight, without what was asked for.
    fn estimate(&self, machine: &Machine, group: &NodeGroup) -> Option<Ready> {
        if self.dispatcher.roster().free(group) == 0 || machine.tables().indexes().is_paused(group) {
            return None;
        }
        let mut ready: Ready = self.expected.get(group).cloned().unwrap_or_default();
        if let Some(kinds) = machine.tables().indexes().ready(group) {
            for (kind, ranks) in kinds.kinds() {
                *ready.entry(kind.clone()).or_default() += ranks.len();
            }
        }
        let mut asked = self.dispatcher.roster().asked(group) as usize;
        for count in ready.values_mut() {
            let taken = asked.min(*count);
            *count -= taken;
            asked -= taken;
        }
        Some(ready)
    }

    /// This node applied the entry at `index`; if it was the term's own, its callers hear of it.
    pub(super) fn applied(&mut self, now: Now, machine: &Machine, index: u64, applied: Applied) {
        if self.in_flight.front().is_none_or(|proposed| proposed.index != Some(index)) {
            return;
        }
        let Some(proposed) = self.in_flight.pop_front() else { return };
        for (group, kind, count) in &proposed.expected {
            self.expect_less(group, kind, *count);
        }
        for (origin, reply) in proposed.origins.into_iter().zip(applied.replies) {
            if let Origin::Completed { session, executions } = &origin {
                let (session, executions) = (*session, executions.len());
                self.dispatcher.step(now.instant, Event::Concluded { session, executions });
                self.mark_dirty(machine, session);
            }
            self.answer(now, machine, origin, reply);
        }
        applied.effects.into_iter().for_each(|effect| self.effect(effect));
        self.next_due = machine.tables().indexes().next_due();
    }

    fn expect_less(&mut self, group: &NodeGroup, kind: &Kind, count: usize) {
        let Some(ready) = self.expected.get_mut(group) else { return };
        if let Some(expected) = ready.get_mut(kind) {
            *expected = expected.saturating_sub(count);
        }
        ready.retain(|_, count| *count > 0);
    }

    fn answer(&mut self, now: Now, machine: &Machine, origin: Origin, reply: Reply) {
        match (origin, reply) {
            (Origin::Caller(call), reply) => self.out.push(Out::Answer(call, reply)),
            (Origin::Hello { hello, stream }, Reply::Online(session)) => {
                self.attach(now, machine, session, *hello, stream);
            }
            (Origin::Hello { stream, .. }, _) => self.out.push(Out::Tell(stream, ToTracker::Refused)),
            (Origin::Completed { session, executions }, Reply::Completed(answers)) => {
                self.tell(session, ToTracker::CompletedAck(executions.into_iter().zip(answers).collect()));
            }
            (Origin::Dispatch { session, asked }, Reply::Dispatched(dispatched)) => {
                let pushes = dispatched.pushes;
                self.dispatcher.step(now.instant, Event::Started { session, asked, pushes: pushes.clone() });
                self.mark_dirty(machine, session);
                if !pushes.is_empty() {
                    self.tell(session, ToTracker::Push { term: self.term, pushes });
                }
            }
            (
                Origin::Dispatch { session, asked },
                Reply::Refused(Refusal::Draining(_) | Refusal::Paused(_)),
            ) => {
                self.dispatcher.step(now.instant, Event::Lost { session, asked });
                self.mark_dirty(machine, session);
            }
            (Origin::Dispatch { session, asked }, _) => {
                self.dispatcher.step(now.instant, Event::Lost { session, asked });
                self.end_session(now, session);
            }
            (Origin::Offline(session), _) => {
                self.ending.remove(&session);
                self.end_session(now, session);
            }
            (Origin::Plan, _) => (self.needs_plan, self.planning) = (true, false),
            (Origin::Tick, _) => self.ticking = false,
            (Origin::Completed { .. } | Origin::Own, _) => {}
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Ready(group) => {
                self.dirty.insert(group);
            }
            Effect::Terminate { session, execution, .. } => {
                self.tell(session, ToTracker::Terminate(execution))
            }
            Effect::NeedsPlan(_) => self.needs_plan = true,
            // What a TaskTracker is told of its slots is for people: it is given no more than the tables let it have.
            Effect::Held(_) | Effect::Finished(_) | Effect::MoreToExpire | Effect::Feedback(_) => {}
        }
    }

    fn mark_dirty(&mut self, machine: &Machine, session: SessionId) {
        if let Some((group, _)) = machine.tables().indexes().session(session) {
            self.dirty.insert(group.clone());
        }
    }

    /// The term is over. Gives back what was not committed, oldest first, and the callers who cannot know.
    pub(super) fn end(self) -> End {
        let callers = |origins: Vec<Origin>| {
            origins.into_iter().filter_map(|origin| match origin {
                Origin::Caller(call) => Some(call),
                Origin::Hello { .. }
                | Origin::Completed { .. }
                | Origin::Dispatch { .. }
                | Origin::Offline(_)
                | Origin::Plan
                | Origin::Tick
                | Origin::Own => None,
            })
        };
        let mut end = End::default();
        for proposed in self.in_flight {
            end.unknown.extend(callers(proposed.origins));
            end.uncommitted.extend(proposed.entry.filter(|_| proposed.index.is_none()));
        }
        let waiting = self.urgent.into_iter().chain(self.requests).map(|(_, origin)| origin).collect();
        end.not_applied = callers(waiting).collect();
        end.streams = self.by_stream.into_keys().collect();
        end
    }
}

/// What a term leaves behind.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) uncommitted: VecDeque<LogEntry>,
    pub(super) unknown: Vec<u64>,
    pub(super) not_applied: Vec<u64>,
    pub(super) streams: Vec<u64>,
}
