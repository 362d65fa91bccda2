//! A leader's term as a synchronous core: messages and applied entries come in, entries and pushes go out.
//!
//! The loop around it (`leader/mod.rs`) does the waiting. All that is here is soft: it is found again in the tables and in
//! the hellos by the next leader. Commit, then push; act, then ack.

mod entry;
mod feedback;
mod gathered;
mod proposal;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::lanes::{Lane, Lanes};
use crate::dispatch::planner::Unplanned;
use crate::dispatch::{Dispatcher, Event, Intent, Patience, Ready};
use crate::domain::{JobId, Millis, NodeGroup, RunId, SessionId, Timestamp};
use crate::failpoint::failpoint;
use crate::jobtracker::session::{Refused, ToTracker};
use crate::machine::command::{OfflineReason, Plan, Reclaim, ReclaimReason};
use crate::machine::limits::PLAN_JOBS_MAX;
use crate::machine::reply::Refusal;
use crate::machine::{Applied, BaseError, Command, Effect, Machine, Reply};
use crate::planted::{self, Bug};
use feedback::Notifying;
use gathered::Gathered;
use proposal::Origin;
pub(super) use proposal::Proposed;
pub use proposal::{Outcome, ToLeader};
use sessions::{Stream, executions_of, send};

/// How often the leader lets old rows expire.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// How soon again while there is more: not at once, so that forgetting leaves most of the log to what is new.
const EXPIRE_MORE_AFTER: Duration = Duration::from_millis(20);
/// How long nothing is proposed after consensus refused an entry, as it does to a leader that hears no majority.
const REST: Duration = Duration::from_millis(50);

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
    notifying: Notifying,
    expire_at: Instant,
    gathered: Gathered,
    /// No majority is heard: until then nothing is tried.
    rests_until: Instant,
}

impl Leading {
    /// A leader begins: what it must know is found in the tables.
    pub(super) fn recover(
        term: u64,
        machine: Arc<RwLock<Machine>>,
        patience: Patience,
        stats_every: Millis,
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
            notifying: Notifying::new(now),
            expire_at: now + EXPIRE_EVERY,
            gathered: Gathered::new(stats_every, machine.read().now()),
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
            ToLeader::Listen { listening, outbox, stream } => self.listen(listening, outbox, stream),
            ToLeader::FromClient { stream, what, pass } => self.hear_client(stream, what, pass),
            ToLeader::Unlisten { stream } => self.unlisten(stream),
            ToLeader::Listeners(asked) => self.notifying.show(asked),
            ToLeader::Planned(jobs) if jobs.is_empty() => self.planning = false,
            ToLeader::Planned(jobs) => {
                self.lanes.push(Lane::Drain, Command::Plan(Plan { jobs }), Origin::Plan)
            }
        }
        Ok(())
    }

    /// The loop was away for so long that it must have been frozen.
    pub(super) fn thawed(&mut self, now: Instant) {
        self.dispatcher.step(now, Event::Thawed);
        self.notifying.thawed(now);
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
        self.count_unanswered(now);
        if now >= self.expire_at {
            self.expire_at = now + EXPIRE_EVERY;
            self.lanes.push(Lane::Drain, Command::Expire, Origin::Own);
        }
    }

    /// When `tick` has something to do.
    pub(super) fn next_tick(&self) -> Instant {
        let checks = self.dispatcher.next_check().into_iter().chain(self.notifying.next_check());
        let next = checks.fold(self.expire_at, Instant::min);
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
        for effect in effects {
            self.effect(now, effect)?;
        }
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
        if let Origin::Feedback { group, runs, .. } = origin {
            self.notifying.concluded(group, runs);
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
            (Origin::Samples { session, up_to, .. }, _) => self.tell(session, ToTracker::SamplesAck(up_to)),
            (Origin::Dispatch { session, asked }, Reply::Dispatched(dispatched)) => {
                self.started(now, session, asked, dispatched.pushes);
            }
            (
                Origin::Dispatch { session, asked },
                Reply::Refused(Refusal::Draining(_) | Refusal::Paused(_)),
            ) => {
                // Held back in the same entry; others of its group may take what it was to get.
                self.dispatcher.step(now, Event::Lost { session, asked });
                self.mark_dirty_group_of(session);
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
            (Origin::Completed { .. } | Origin::Feedback { .. } | Origin::Own, _) => {}
        }
        Ok(())
    }

    fn effect(&mut self, now: Instant, effect: Effect) -> Result<(), BaseError> {
        match effect {
            Effect::Ready(group) => {
                self.dirty.insert(group);
            }
            Effect::Terminate { session, execution, .. } => {
                failpoint!("leader::before_terminate");
                self.tell(session, ToTracker::Terminate { execution, why: "cancelled or taken back" });
            }
            Effect::Held(session) => self.tell_holds(session)?,
            Effect::NeedsPlan(JobId(_)) => self.needs_plan = true,
            Effect::Finished(RunId { .. }) => {}
            Effect::Feedback(group) => self.notifying.look_at(group),
            Effect::MoreToExpire => self.expire_at = now + EXPIRE_MORE_AFTER,
        }
        Ok(())
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
                Origin::Completed { session, .. }
                | Origin::BizLogs { session, .. }
                | Origin::Samples { session, .. } => self.break_stream(now, session),
                Origin::Offline { session, .. } => {
                    self.ending.remove(&session);
                }
                Origin::Feedback { .. } | Origin::Own => {}
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
