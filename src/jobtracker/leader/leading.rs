//! A leader's term as a synchronous core: messages and applied entries come in, entries and pushes go out.
//!
//! The loop around it (`mod.rs`) does the waiting. All that is here is soft: it is found again in the tables and in the
//! hellos by the next leader. Commit, then push; act, then ack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::lanes::{Lane, Lanes, Pass};
use crate::dispatch::planner::Unplanned;
use crate::dispatch::{Attached, Dispatcher, Event, Intent, Patience, Ready};
use crate::domain::{ExecutionId, JobId, Kind, NodeGroup, RunId, SessionId, Timestamp};
use crate::failpoint::failpoint;
use crate::jobtracker::session::{ExecutionResult, FromTracker, Hello, Lines, Outbox, Refused, ToTracker};
use crate::machine::command::{
    BizLog, Complete, Completion, Dispatch, ExecutionLines, JobPlan, OfflineReason, Plan, Reclaim,
    ReclaimReason, Return, TrackerOffline, TrackerOnline,
};
use crate::machine::limits::PLAN_JOBS_MAX;
use crate::machine::reply::Push;
use crate::machine::row::LiveState;
use crate::machine::{Applied, BaseError, Command, Effect, LogEntry, Machine, Reply};
use crate::planted::{self, Bug};

/// How often the leader lets old rows expire.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// How soon again while there is more: not at once, so that forgetting leaves most of the log to what is new.
const EXPIRE_MORE_AFTER: Duration = Duration::from_millis(20);
/// How long nothing is proposed after consensus refused an entry, as it does to a leader that hears no majority.
const REST: Duration = Duration::from_millis(50);
/// Every so many heartbeats a session's executions are compared with what it says it runs.
const AUDIT_EVERY: u64 = 10;
/// What was pushed within this time may still be on its way.
const AUDIT_SPARES: crate::domain::Millis = crate::domain::Millis::from_secs(5);

/// What became of a caller's command.
#[derive(Debug)]
pub enum Outcome {
    Applied {
        index: u64,
        reply: Reply,
    },
    /// Surely never proposed.
    NotApplied,
    /// Proposed, and then leadership was lost: nobody can tell yet.
    Unknown,
}

/// What reaches the leader's loop.
#[derive(Debug)]
pub enum ToLeader {
    Propose { lane: Lane, command: Command, pass: Pass, reply: oneshot::Sender<Outcome> },
    Hello { hello: Hello, outbox: Outbox, stream: u64 },
    From { stream: u64, what: FromTracker, pass: Pass },
    Detached { stream: u64 },
    Planned(Vec<JobPlan>),
}

/// Who wants to know what became of a command.
#[derive(Debug)]
pub(super) enum Origin {
    Caller { reply: oneshot::Sender<Outcome>, _pass: Pass },
    Hello(Box<Attaching>),
    Completed { session: SessionId, executions: Vec<ExecutionId>, _pass: Pass },
    BizLogs { session: SessionId, up_to: Vec<(ExecutionId, u64)>, _pass: Pass },
    Dispatch { session: SessionId, asked: u32 },
    Offline { session: SessionId, reason: OfflineReason },
    Plan,
    Tick,
    Own,
}

/// A session whose `TrackerOnline` is under way.
#[derive(Debug)]
pub(super) struct Attaching {
    hello: Hello,
    outbox: Outbox,
    stream: u64,
}

/// A session's open stream.
#[derive(Debug)]
struct Stream {
    number: u64,
    /// Which one of its process it is, as the hello said.
    stream_number: u64,
    outbox: Outbox,
}

/// An entry to propose, and who waits for what in it.
pub(super) type Closed = (LogEntry, Proposed);

/// What a proposed entry will bring.
#[derive(Debug)]
pub(super) struct Proposed {
    origins: Vec<Origin>,
    /// Runs that its submits make ready, so that an entry after it does not forget them.
    expected: Vec<(NodeGroup, Kind, usize)>,
}

impl Proposed {
    /// After the term: the callers hear what became of their commands; the sessions have gone to the next leader.
    pub(super) fn conclude(self, result: Result<Applied, Outcome>) {
        let callers = self.origins.into_iter().map(|origin| match origin {
            Origin::Caller { reply, .. } => Some(reply),
            Origin::Hello(_)
            | Origin::Completed { .. }
            | Origin::BizLogs { .. }
            | Origin::Dispatch { .. }
            | Origin::Offline { .. }
            | Origin::Plan
            | Origin::Tick
            | Origin::Own => None,
        });
        let (index, replies, unknown) = match result {
            Ok(applied) => (applied.index, applied.replies, Outcome::Unknown),
            Err(outcome) => (0, Vec::new(), outcome),
        };
        let definite = matches!(unknown, Outcome::NotApplied);
        let mut replies = replies.into_iter();
        for caller in callers {
            let outcome = match replies.next() {
                Some(reply) => Outcome::Applied { index, reply },
                None if definite => Outcome::NotApplied,
                None => Outcome::Unknown,
            };
            // A caller that went away wants no answer.
            let _ = caller.map(|caller| caller.send(outcome));
        }
    }
}

#[derive(Debug)]
pub(super) struct Leading {
    term: u64,
    machine: Arc<RwLock<Machine>>,
    dispatcher: Dispatcher,
    lanes: Lanes<Origin>,
    streams: BTreeMap<SessionId, Stream>,
    by_stream: BTreeMap<u64, SessionId>,
    /// Sessions whose streams did not take a message.
    unread: Vec<SessionId>,
    /// Groups in which something may be dispatched.
    dirty: BTreeSet<NodeGroup>,
    /// Runs that entries in flight make ready.
    expected: BTreeMap<NodeGroup, Ready>,
    ticking: bool,
    next_due: Option<Timestamp>,
    /// Something needs a plan.
    needs_plan: bool,
    /// The calendar was asked, and its answer is not applied yet.
    planning: bool,
    /// Sessions whose end is proposed.
    ending: BTreeSet<SessionId>,
    expire_at: Instant,
    /// No majority is heard: until then nothing is tried.
    rests_until: Instant,
}

impl Leading {
    /// A leader begins: what it must know is found in the tables.
    pub(super) fn recover(
        term: u64,
        machine: Arc<RwLock<Machine>>,
        patience: Patience,
        now: Instant,
    ) -> Result<Leading, BaseError> {
        let mut leading = Leading {
            term,
            machine: Arc::clone(&machine),
            dispatcher: Dispatcher::new(patience),
            lanes: Lanes::new(),
            streams: BTreeMap::new(),
            by_stream: BTreeMap::new(),
            unread: Vec::new(),
            dirty: BTreeSet::new(),
            expected: BTreeMap::new(),
            ticking: false,
            next_due: None,
            needs_plan: true,
            planning: false,
            ending: BTreeSet::new(),
            expire_at: now + EXPIRE_EVERY,
            rests_until: now,
        };
        let machine = machine.read();
        for (session, (group, who)) in machine.tables().indexes().sessions() {
            let online = machine.tables().tracker_row(group, who)?.is_some_and(|row| row.is_online());
            if online {
                leading.dispatcher.step(now, Event::Known { session, node_group: group.clone() });
                let pushes = executions_of(&machine, session, |_| true)?.into_iter().map(|(push, _)| push);
                let pushes = pushes.collect();
                leading.dispatcher.step(now, Event::Started { session, asked: 0, pushes });
            }
        }
        leading.dirty = machine.tables().indexes().ready_groups().map(|(group, _)| group.clone()).collect();
        leading.next_due = machine.tables().indexes().next_due();
        Ok(leading)
    }

    pub(super) fn handle(&mut self, now: Instant, message: ToLeader) -> Result<(), BaseError> {
        match message {
            ToLeader::Propose { lane, command, pass, reply } => {
                self.lanes.push(lane, command, Origin::Caller { reply, _pass: pass });
            }
            ToLeader::Hello { hello, outbox, stream } => self.hello(hello, outbox, stream)?,
            ToLeader::From { stream, what, pass } => {
                // A stream that another one replaced, or that was broken, has nothing to say.
                if let Some(session) = self.by_stream.get(&stream).copied() {
                    self.dispatcher.step(now, Event::Heard { session });
                    self.hear(now, session, what, pass)?;
                }
            }
            ToLeader::Detached { stream } => self.detach(now, stream),
            ToLeader::Planned(jobs) if jobs.is_empty() => self.planning = false,
            ToLeader::Planned(jobs) => {
                self.lanes.push(Lane::Drain, Command::Plan(Plan { jobs }), Origin::Plan)
            }
        }
        Ok(())
    }

    fn hello(&mut self, hello: Hello, outbox: Outbox, stream: u64) -> Result<(), BaseError> {
        let known = self.machine.read().tables().tracker_row(&hello.node_group, &hello.identity)?;
        let rival = known.filter(|row| row.is_online() && row.start != hello.start).map(|row| row.session);
        if rival.is_some_and(|session| self.dispatcher.roster().is_attached(session)) {
            // The stream is there and its process may live: two holders of one identity would each think they are it.
            send(&outbox, ToTracker::Refused(Refused::IdentityInUse));
            return Ok(());
        }
        let command = Command::TrackerOnline(TrackerOnline {
            node_group: hello.node_group.clone(),
            identity: hello.identity.clone(),
            start: hello.start,
            capacity: hello.capacity,
            kinds: hello.kinds.iter().cloned().collect(),
            holds: hello.running.union(&hello.owed).copied().collect(),
        });
        self.lanes.push(Lane::Drain, command, Origin::Hello(Box::new(Attaching { hello, outbox, stream })));
        Ok(())
    }

    fn hear(
        &mut self,
        now: Instant,
        session: SessionId,
        what: FromTracker,
        pass: Pass,
    ) -> Result<(), BaseError> {
        match what {
            FromTracker::Completed { results, has_room } => {
                if has_room {
                    self.dispatcher.step(now, Event::Accepting { session, accepting: true });
                }
                self.completed(session, results, pass);
            }
            FromTracker::Returned { executions, began } => {
                self.dispatcher.step(now, Event::Returned { session });
                let command = Command::Return(Return { executions: executions.clone(), began });
                self.lanes.push(Lane::Drain, command, Origin::Completed { session, executions, _pass: pass });
            }
            FromTracker::BizLogs(lines) => self.biz_logs(session, lines, pass),
            FromTracker::Heartbeat { sequence, running } => {
                if sequence.is_multiple_of(AUDIT_EVERY) {
                    self.audit(session, &running)?;
                }
            }
            FromTracker::Unknown(executions) => {
                let known = self.held(session, executions);
                let command =
                    Command::Reclaim(Reclaim { executions: known.clone(), reason: ReclaimReason::Unknown });
                self.lanes.push(
                    Lane::Drain,
                    command,
                    Origin::Completed { session, executions: known, _pass: pass },
                );
            }
            FromTracker::Accepting(accepting) => {
                self.dispatcher.step(now, Event::Accepting { session, accepting });
                self.mark_dirty_group_of(session);
            }
            FromTracker::Left => self.propose_offline(session, OfflineReason::Left),
        }
        Ok(())
    }

    fn completed(&mut self, session: SessionId, results: Vec<ExecutionResult>, pass: Pass) {
        // An execution that has ended may write no more, so what it said goes before its result.
        let said = |origin: &Origin| matches!(origin, Origin::BizLogs { session: by, .. } if *by == session);
        self.lanes.promote(Lane::Log, Lane::Drain, said);
        let executions = results.iter().map(|result| result.execution).collect();
        let completion = |result: ExecutionResult| Completion {
            execution: result.execution,
            run: result.run.unwrap_or_default(),
            outcome: result.outcome,
        };
        let command = Command::Complete(Complete { results: results.into_iter().map(completion).collect() });
        self.lanes.push(Lane::Drain, command, Origin::Completed { session, executions, _pass: pass });
    }

    fn biz_logs(&mut self, session: SessionId, lines: Vec<Lines>, pass: Pass) {
        let last = |lines: &Lines| (lines.first + lines.lines.len() as u64).saturating_sub(1);
        let up_to = lines.iter().map(|lines| (lines.execution, last(lines))).collect();
        let lines = lines.into_iter().map(|lines| {
            let Lines { execution, first, lines } = lines;
            ExecutionLines { execution, first, lines }
        });
        let command = Command::BizLog(BizLog { lines: lines.collect() });
        self.lanes.push(Lane::Log, command, Origin::BizLogs { session, up_to, _pass: pass });
    }

    /// JobAsk: executions that the tables have and the TaskTracker does not name, old enough to have arrived.
    fn audit(&mut self, session: SessionId, running: &BTreeSet<ExecutionId>) -> Result<(), BaseError> {
        let machine = self.machine.read();
        let (indexes, now) = (machine.tables().indexes(), machine.now());
        let mut missing = Vec::new();
        for execution in indexes.executions_of(session).filter(|execution| !running.contains(execution)) {
            let Some((run, _)) = indexes.execution(execution) else { continue };
            let Some(live) = machine.tables().live_run(run)? else { continue };
            if let LiveState::Executing { since, .. } = live.state
                && now.since(since) > AUDIT_SPARES
            {
                missing.push(execution);
            }
        }
        drop(machine);
        if !missing.is_empty() && !planted::is(Bug::LostPushStaysLost) {
            self.tell(session, ToTracker::Ask(missing));
        }
        Ok(())
    }

    /// Those of the executions that are still this session's.
    fn held(&self, session: SessionId, executions: Vec<ExecutionId>) -> Vec<ExecutionId> {
        let machine = self.machine.read();
        let indexes = machine.tables().indexes();
        let is_held = |id: &ExecutionId| indexes.execution(*id).is_some_and(|(_, holder)| holder == session);
        executions.into_iter().filter(is_held).collect()
    }

    fn detach(&mut self, now: Instant, stream: u64) {
        if let Some(session) = self.by_stream.get(&stream).copied() {
            self.close_stream(session);
            self.dispatcher.step(now, Event::Detached { session, stream });
        }
    }

    /// Forgets a session's stream; what was said on it and not read is read no more.
    fn close_stream(&mut self, session: SessionId) -> Option<Stream> {
        let stream = self.streams.remove(&session)?;
        self.by_stream.remove(&stream.number);
        Some(stream)
    }

    fn propose_offline(&mut self, session: SessionId, reason: OfflineReason) {
        self.ending.insert(session);
        let command = Command::TrackerOffline(TrackerOffline { session, reason });
        self.lanes.push(Lane::Drain, command, Origin::Offline { session, reason });
    }

    /// The loop was away for so long that it must have been frozen.
    pub(super) fn thawed(&mut self, now: Instant) {
        self.dispatcher.step(now, Event::Thawed);
    }

    /// Time passed: silence, overdue runs, old rows.
    pub(super) fn tick(&mut self, now: Instant) {
        if planted::is(Bug::LaterTermsKeepNoTime) && self.term > 1 {
            return;
        }
        for intent in self.dispatcher.step(now, Event::Tick) {
            match intent {
                Intent::Offline { session } if !self.ending.contains(&session) => {
                    self.propose_offline(session, OfflineReason::Silent);
                }
                Intent::Terminate { session, execution, .. } => {
                    self.tell(session, ToTracker::Terminate { execution, why: "run timeout" });
                }
                Intent::Reclaim { execution } => {
                    let (executions, reason) = (vec![execution], ReclaimReason::TimedOut);
                    self.lanes.push(
                        Lane::Drain,
                        Command::Reclaim(Reclaim { executions, reason }),
                        Origin::Own,
                    );
                }
                Intent::Look { node_group } => {
                    self.dirty.insert(node_group);
                }
                Intent::Offline { .. } | Intent::Dispatch { .. } => {}
            }
        }
        if now >= self.expire_at {
            self.expire_at = now + EXPIRE_EVERY;
            self.lanes.push(Lane::Drain, Command::Expire, Origin::Own);
        }
    }

    /// When `tick` has something to do.
    pub(super) fn next_tick(&self) -> Instant {
        let next = self.dispatcher.next_check().map_or(self.expire_at, |check| check.min(self.expire_at));
        next.max(self.rests_until)
    }

    /// When something ripens, unless a tick is under way already or would be refused.
    pub(super) fn next_due(&self, now: Instant) -> Option<Timestamp> {
        self.next_due.filter(|_| !self.ticking && !self.rests(now))
    }

    fn rests(&self, now: Instant) -> bool {
        now < self.rests_until
    }

    /// The jobs for which the calendar is to be asked, once each until it has answered.
    pub(super) fn take_unplanned(&mut self, now: Instant) -> Result<Vec<Unplanned>, BaseError> {
        if self.planning || self.rests(now) || !std::mem::take(&mut self.needs_plan) {
            return Ok(Vec::new());
        }
        let machine = self.machine.read();
        let tables = machine.tables();
        let mut unplanned = Vec::new();
        for id in tables.indexes().needs_plan().take(PLAN_JOBS_MAX) {
            if let (Some(job), Some(row)) = (tables.job_row(id)?, tables.periodic_row(id)?) {
                unplanned.push(Unplanned { id, job, row });
            }
        }
        drop(machine);
        self.planning = !unplanned.is_empty();
        Ok(unplanned)
    }

    /// Closes an entry, if there is anything to propose at `at`.
    pub(super) fn close_entry(&mut self, now: Instant, at: Timestamp) -> Option<Closed> {
        if self.rests(now) {
            return None;
        }
        let mut taken = self.lanes.take_entry();
        if !self.ticking && self.next_due.is_some_and(|due| due <= at) {
            self.ticking = true;
            taken.push((Command::Tick, Origin::Tick));
        }
        let expected = self.foresee(now, at, &taken);
        taken.extend(self.dispatches(now));
        if taken.is_empty() {
            return None;
        }
        let (commands, origins) = taken.into_iter().unzip();
        Some((LogEntry { at, commands }, Proposed { origins, expected }))
    }

    /// What the commands of an entry will make ready or free, so that dispatches may ride along with them.
    fn foresee(
        &mut self,
        now: Instant,
        at: Timestamp,
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
            if let Origin::Completed { session, executions, .. } = origin {
                let (session, executions) = (*session, executions.clone());
                self.dispatcher.step(now, Event::Freed { session, executions });
                self.mark_dirty_group_of(session);
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

    fn dispatches(&mut self, now: Instant) -> Vec<(Command, Origin)> {
        if self.dirty.is_empty() {
            return Vec::new();
        }
        let dirty = std::mem::take(&mut self.dirty);
        let groups: BTreeMap<_, _> = {
            let machine = Arc::clone(&self.machine);
            let machine = machine.read();
            dirty.iter().for_each(|group| self.count_executing(now, &machine, group));
            dirty
                .into_iter()
                .filter_map(|group| self.estimate(&machine, &group).map(|ready| (group, ready)))
                .collect()
        };
        let intents = self.dispatcher.step(now, Event::Ready { groups });
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
        intents.into_iter().filter_map(dispatch).collect()
    }

    /// The tables may be ahead of the replies that were seen here, so only they tell what is executing.
    fn count_executing(&mut self, now: Instant, machine: &Machine, group: &NodeGroup) {
        let sessions: Vec<SessionId> = self.dispatcher.roster().sessions(group).collect();
        for session in sessions {
            let executing = machine.tables().indexes().executing_on(session);
            self.dispatcher.step(now, Event::Counted { session, executing });
        }
    }

    /// What is ready in a group, with what is in flight, without what was asked for.
    fn estimate(&self, machine: &Machine, group: &NodeGroup) -> Option<Ready> {
        if self.dispatcher.roster().free(group) == 0 {
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

    /// An entry was applied, or is lost.
    pub(super) fn applied(
        &mut self,
        now: Instant,
        proposed: Proposed,
        result: Result<Applied, Outcome>,
    ) -> Result<(), BaseError> {
        for (group, kind, count) in &proposed.expected {
            self.expect_less(group, kind, *count);
        }
        let Applied { index, replies, effects } = match result {
            Ok(applied) => applied,
            Err(outcome) => {
                let definite = matches!(outcome, Outcome::NotApplied);
                if definite {
                    self.rests_until = now + REST;
                }
                self.lost(now, proposed.origins, definite);
                return Ok(());
            }
        };
        for (origin, reply) in proposed.origins.into_iter().zip(replies) {
            self.conclude(now, &origin);
            self.answer(now, origin, index, reply)?;
        }
        effects.into_iter().for_each(|effect| self.effect(now, effect));
        for session in std::mem::take(&mut self.unread) {
            self.break_stream(now, session);
        }
        self.next_due = self.machine.read().tables().indexes().next_due();
        Ok(())
    }

    /// Whatever became of a proposal, it is under way no more: slots that it would free are free, or are not.
    fn conclude(&mut self, now: Instant, origin: &Origin) {
        if let Origin::Completed { session, executions, .. } = origin {
            let (session, executions) = (*session, executions.len());
            self.dispatcher.step(now, Event::Concluded { session, executions });
            self.mark_dirty_group_of(session);
        }
    }

    fn expect_less(&mut self, group: &NodeGroup, kind: &Kind, count: usize) {
        let Some(ready) = self.expected.get_mut(group) else { return };
        if let Some(expected) = ready.get_mut(kind) {
            *expected = expected.saturating_sub(count);
            if *expected == 0 {
                ready.remove(kind);
            }
        }
        if ready.is_empty() {
            self.expected.remove(group);
        }
    }

    fn answer(&mut self, now: Instant, origin: Origin, index: u64, reply: Reply) -> Result<(), BaseError> {
        match (origin, reply) {
            (Origin::Caller { reply: caller, .. }, reply) => {
                failpoint!("leader::before_reply");
                // A caller that went away wants no answer.
                let _ = caller.send(Outcome::Applied { index, reply });
            }
            (Origin::Hello(attaching), Reply::Online(session)) => self.attach(now, session, *attaching)?,
            (Origin::Completed { session, executions, .. }, Reply::Completed(answers)) => {
                failpoint!("leader::before_completed_ack");
                self.tell(session, ToTracker::CompletedAck(executions.into_iter().zip(answers).collect()));
            }
            (Origin::BizLogs { session, up_to, .. }, _) => self.tell(session, ToTracker::BizLogsAck(up_to)),
            (Origin::Dispatch { session, asked }, Reply::Dispatched(dispatched)) => {
                self.started(now, session, asked, dispatched.pushes);
            }
            (Origin::Dispatch { session, asked }, _) => {
                self.dispatcher.step(now, Event::Lost { session, asked });
                self.end_session(now, session);
            }
            (Origin::Offline { session, reason }, _) => {
                failpoint!("leader::before_redispatch");
                if reason == OfflineReason::Silent {
                    tracing::warn!(%session, "a TaskTracker was silent for too long; its executions were reclaimed");
                }
                self.ending.remove(&session);
                self.end_session(now, session);
            }
            (Origin::Plan, _) => {
                failpoint!("leader::before_plan_goes_on");
                (self.needs_plan, self.planning) = (true, false);
            }
            (Origin::Tick, _) => self.ticking = false,
            (Origin::Hello(attaching), _) => {
                send(&attaching.outbox, ToTracker::Refused(Refused::SessionEnded));
            }
            (Origin::Completed { .. } | Origin::Own, _) => {}
        }
        Ok(())
    }

    fn attach(&mut self, now: Instant, session: SessionId, attaching: Attaching) -> Result<(), BaseError> {
        failpoint!("leader::before_welcome");
        let Attaching { hello, outbox, stream } = attaching;
        if self.streams.get(&session).is_some_and(|open| open.stream_number > hello.stream_number) {
            // On its way through a relay it was overtaken by the hello of a newer stream.
            send(&outbox, ToTracker::Refused(Refused::Replaced));
            return Ok(());
        }
        if outbox.is_closed() {
            // The stream broke meanwhile: nobody is there, though the session lives until it has been silent for too long.
            self.dispatcher.step(now, Event::Known { session, node_group: hello.node_group });
            return Ok(());
        }
        let machine = Arc::clone(&self.machine);
        let machine = machine.read();
        let held: BTreeSet<ExecutionId> = hello.running.union(&hello.owed).copied().collect();
        send(&outbox, ToTracker::Welcome { session, term: self.term });
        for execution in &hello.running {
            let stopped = match machine.tables().indexes().execution(*execution) {
                Some((run, holder)) if holder == session => is_stopped(&machine, run)?,
                Some(_) | None => true,
            };
            if stopped && !planted::is(Bug::TerminateIsSentOnce) {
                send(&outbox, ToTracker::Terminate { execution: *execution, why: "no longer wanted" });
            }
        }
        let missing = executions_of(&machine, session, |execution| !held.contains(&execution))?;
        let (stopped, wanted): (Vec<_>, Vec<_>) = missing.into_iter().partition(|(_, stopped)| *stopped);
        let pushes: Vec<Push> = wanted.into_iter().map(|(push, _)| push).collect();
        if !stopped.is_empty() {
            // They never began there, and shall not any more.
            let executions = stopped.into_iter().map(|(push, _)| push.execution).collect();
            let reclaim = Reclaim { executions, reason: ReclaimReason::Unknown };
            self.lanes.push(Lane::Drain, Command::Reclaim(reclaim), Origin::Own);
        }
        if !pushes.is_empty() && !planted::is(Bug::LostPushStaysLost) {
            send(&outbox, ToTracker::Push { term: self.term, pushes });
        }
        let executing = machine.tables().indexes().executing_on(session);
        let attached = Attached {
            stream,
            node_group: hello.node_group.clone(),
            kinds: hello.kinds,
            capacity: hello.capacity,
        };
        self.dispatcher.step(now, Event::Attached { session, attached, executing });
        if hello.draining {
            self.dispatcher.step(now, Event::Accepting { session, accepting: false });
        }
        if let Some(old) = self.close_stream(session) {
            send(&old.outbox, ToTracker::Refused(Refused::Replaced));
        }
        self.streams.insert(session, Stream { number: stream, stream_number: hello.stream_number, outbox });
        self.by_stream.insert(stream, session);
        self.dirty.insert(hello.node_group);
        Ok(())
    }

    fn started(&mut self, now: Instant, session: SessionId, asked: u32, pushes: Vec<Push>) {
        self.dispatcher.step(now, Event::Started { session, asked, pushes: pushes.clone() });
        // While it was under way, slots may have been counted as both asked for and executing.
        self.mark_dirty_group_of(session);
        if !pushes.is_empty() {
            failpoint!("leader::before_push");
            self.tell(session, ToTracker::Push { term: self.term, pushes });
        }
    }

    fn effect(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Ready(group) => {
                self.dirty.insert(group);
            }
            Effect::Terminate { session, execution, .. } => {
                failpoint!("leader::before_terminate");
                self.tell(session, ToTracker::Terminate { execution, why: "cancelled or taken back" });
            }
            Effect::NeedsPlan(JobId(_)) => self.needs_plan = true,
            Effect::Finished(RunId { .. }) => {}
            Effect::MoreToExpire => self.expire_at = now + EXPIRE_MORE_AFTER,
        }
    }

    fn mark_dirty_group_of(&mut self, session: SessionId) {
        let machine = self.machine.read();
        if let Some((group, _)) = machine.tables().indexes().session(session) {
            self.dirty.insert(group.clone());
        }
    }

    fn end_session(&mut self, now: Instant, session: SessionId) {
        self.dispatcher.step(now, Event::Gone { session });
        if let Some(stream) = self.close_stream(session) {
            send(&stream.outbox, ToTracker::Refused(Refused::SessionEnded));
        }
    }

    /// Makes a session say hello again; it stays known, so that its silence is still seen.
    fn break_stream(&mut self, now: Instant, session: SessionId) {
        if let Some(stream) = self.close_stream(session) {
            self.dispatcher.step(now, Event::Detached { session, stream: stream.number });
            send(&stream.outbox, ToTracker::Refused(Refused::SessionEnded));
        }
    }

    /// Sends to a session if its stream is open; one that does not read is cut off and comes back.
    fn tell(&mut self, session: SessionId, message: ToTracker) {
        if let Some(stream) = self.streams.get(&session)
            && !send(&stream.outbox, message)
        {
            // Dropping the outbox ends the stream, and the TaskTracker says hello again.
            self.unread.push(session);
        }
    }

    fn lost(&mut self, now: Instant, origins: Vec<Origin>, definite: bool) {
        for origin in origins {
            self.conclude(now, &origin);
            match origin {
                Origin::Caller { reply, .. } => {
                    let outcome = if definite { Outcome::NotApplied } else { Outcome::Unknown };
                    let _ = reply.send(outcome);
                }
                Origin::Hello(attaching) => {
                    send(&attaching.outbox, ToTracker::Refused(Refused::NotLeader));
                }
                Origin::Dispatch { session, asked } => {
                    self.dispatcher.step(now, Event::Lost { session, asked });
                    self.mark_dirty_group_of(session);
                }
                Origin::Tick => self.ticking = false,
                Origin::Plan => (self.needs_plan, self.planning) = (true, false),
                // The TaskTracker keeps what is not acknowledged and sends it to whoever leads next.
                Origin::Completed { session, .. } | Origin::BizLogs { session, .. } => {
                    self.break_stream(now, session)
                }
                Origin::Offline { session, .. } => {
                    self.ending.remove(&session);
                }
                Origin::Own => {}
            }
        }
    }

    /// Leadership is over: what was not proposed surely was not applied, and the sessions look for the next leader.
    pub(super) fn end(mut self, now: Instant) {
        let waiting: Vec<Origin> = self.lanes.drain().map(|(_, origin)| origin).collect();
        self.lost(now, waiting, true);
        for (_, stream) in std::mem::take(&mut self.streams) {
            send(&stream.outbox, ToTracker::Refused(Refused::NotLeader));
        }
    }
}

/// False if the stream does not read or is gone.
fn send(outbox: &Outbox, message: ToTracker) -> bool {
    match outbox.try_send(message) {
        Ok(()) => true,
        Err(mpsc::error::TrySendError::Full(_) | mpsc::error::TrySendError::Closed(_)) => false,
    }
}

fn is_stopped(machine: &Machine, run: RunId) -> Result<bool, BaseError> {
    Ok(machine.tables().live_run(run)?.is_none_or(|live| live.stop.is_some()))
}

/// The session's executions as pushes, found again in the tables, and whether they were told to stop.
fn executions_of(
    machine: &Machine,
    session: SessionId,
    wanted: impl Fn(ExecutionId) -> bool,
) -> Result<Vec<(Push, bool)>, BaseError> {
    let tables = machine.tables();
    let mut found = Vec::new();
    for execution in tables.indexes().executions_of(session).filter(|execution| wanted(*execution)) {
        let Some((run, _)) = tables.indexes().execution(execution) else { continue };
        let Some(live) = tables.live_run(run)? else { continue };
        let Some(spec) = tables.spec_of(run, &live)? else { continue };
        let push = Push {
            execution,
            run,
            spec,
            due: live.due,
            attempt: live.executions,
            retries: live.retries,
            reclaims: live.reclaims,
        };
        found.push((push, live.stop.is_some()));
    }
    Ok(found)
}
