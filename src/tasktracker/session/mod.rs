//! The session with the cluster as a state machine: an event and the time come in, acts go out. No sockets, no tasks,
//! no clock, no files, so that every order of events can be tested.
//!
//! It keeps these rules. A push counts only from the highest term seen. An execution that it runs, or owes, or has
//! finished lately is not begun a second time. A result is kept before its slot is freed, and until it is acknowledged.
//! A new stream changes nothing that runs: the hello tells it. An execution that was interrupted for the TaskTracker's
//! own reasons is given back, not failed.

mod heartbeat;
mod lines;
mod orders;
mod reports;
mod samples;
mod stopping;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::StopCause;
use super::kept::{self, Left};
use super::pool::Ended;
use crate::domain::{Action, Millis, Outcome};
use crate::wire::{Reason, pb, read_duration, result_to_wire, timestamp};
use heartbeat::{Heartbeats, plus};
use lines::Lines;
use pb::session_request::Message as ToCluster;
use pb::session_response::Message as FromCluster;
use reports::LEAVE_PATIENCE;
use samples::Samples;
pub(super) use samples::Standing as MinuteStanding;
pub(super) use words::{Act, Event, Me};

/// Until the cluster says otherwise.
const HEARTBEAT_DEFAULT: Millis = Millis::from_secs(1);
const STOP_WORKING_DEFAULT: Millis = Millis::from_secs(7);
const GRACE_DEFAULT: Millis = Millis::from_secs(10);
/// How long a hello may wait for its welcome; a new leader answers after its recovery.
const WELCOME_PATIENCE: Millis = Millis::from_secs(5);
/// Lines are gathered this long before they are sent.
const LINES_PAUSE: Millis = Millis::new(100);
/// Finished and acknowledged executions that are remembered against a push that comes twice.
const FINISHED_MAX: usize = 4096;
/// Results that may wait for an acknowledgement before no more work is taken.
const OWED_MAX: usize = 10_000;

#[derive(Debug, PartialEq)]
enum Phase {
    Detached,
    Greeting { since: Millis },
    Attached,
}

#[derive(Debug)]
struct Running {
    run_id: String,
    job_id: String,
    task_id: String,
    kind: String,
    attempt: u32,
    since: Millis,
    /// When its run timeout ends, or when it is killed after it was told to stop.
    timer: Option<Millis>,
    stopping: Option<StopCause>,
}

#[derive(Debug)]
struct Draining {
    until: Millis,
    told: bool,
}

#[derive(Debug)]
pub(super) struct Session {
    me: Me,
    phase: Phase,
    session_id: String,
    /// How many streams were opened.
    streams: u64,
    /// The highest term seen.
    term: u64,
    running: BTreeMap<u64, Running>,
    /// When an execution has to be stopped or killed.
    timers: BTreeSet<(Millis, u64)>,
    /// Results that are not acknowledged.
    owed: BTreeMap<u64, pb::ExecutionResult>,
    /// Those of them that were not sent on this stream.
    unsent: BTreeSet<u64>,
    finished: BTreeSet<u64>,
    highest_finished: u64,
    /// Begun, interrupted for the TaskTracker's own reasons and given back: pushed again, they are given back again.
    interrupted: BTreeSet<u64>,
    returned: BTreeMap<pb::ReturnReason, Vec<u64>>,
    heartbeats: Heartbeats,
    grace: Millis,
    lines: Lines,
    lines_due: Option<Millis>,
    samples: Samples,
    progress: BTreeMap<u64, pb::ExecutionProgress>,
    /// No heartbeat was answered for too long: nothing may run.
    cut_off: bool,
    /// The cluster should hear how many slots are free.
    announce: bool,
    /// The last that it heard was that none is, so it sends nothing until it hears otherwise.
    said_full: bool,
    draining: Option<Draining>,
    /// How many executions an operator wants at a time, in place of the own capacity.
    slots: Option<u32>,
    /// Whether an operator drained it.
    drained: bool,
    /// Why the machine is too busy for more.
    paused: Option<String>,
    over: bool,
}

impl Session {
    /// `left` are the results that an earlier process left behind, with what was said before them.
    pub(super) fn new(me: Me, left: Left) -> Session {
        let Left { owed, lines: said } = left;
        let mut lines = Lines::default();
        said.into_iter().for_each(|of| lines.add(of.execution, of.lines));
        let unsent = owed.iter().map(|result| result.execution).collect::<BTreeSet<u64>>();
        Session {
            me,
            phase: Phase::Detached,
            session_id: String::new(),
            streams: 0,
            term: 0,
            running: BTreeMap::new(),
            timers: BTreeSet::new(),
            highest_finished: unsent.last().copied().unwrap_or(0),
            unsent,
            owed: owed.into_iter().map(|result| (result.execution, resent(result))).collect(),
            finished: BTreeSet::new(),
            interrupted: BTreeSet::new(),
            returned: BTreeMap::new(),
            heartbeats: Heartbeats::new(HEARTBEAT_DEFAULT, STOP_WORKING_DEFAULT),
            grace: GRACE_DEFAULT,
            lines,
            lines_due: None,
            samples: Samples::default(),
            progress: BTreeMap::new(),
            cut_off: false,
            announce: false,
            said_full: false,
            draining: None,
            slots: None,
            drained: false,
            paused: None,
            over: false,
        }
    }

    pub(super) fn on(&mut self, event: Event, now: Millis, acts: &mut Vec<Act>) {
        match event {
            Event::Opened => self.greet(now, acts),
            Event::Heard(message) => self.heard(message, now, acts),
            Event::Lost => self.phase = Phase::Detached,
            Event::Ended(ended, lines) => self.ended(ended, lines, now, acts),
            Event::Lines(execution, lines) => self.add_lines(execution.as_u64(), lines, now),
            Event::Progress(told) => {
                self.lines_due.get_or_insert(plus(now, LINES_PAUSE));
                self.progress.extend(told.into_iter().map(|one| (one.execution, one)));
            }
            Event::Minute(standing) => {
                let slots = self.me.capacity.into();
                self.samples.minute(standing, self.running.len() as u64, slots);
            }
            Event::Drain { timeout } => self.drain(timeout, now),
            Event::Slots(slots) => self.wish_slots(slots, acts),
            Event::Pause(reason) => self.pause(reason),
        }
    }

    /// What is due now: stops, kills, heartbeats, and what was gathered since. Call it after each batch of events.
    pub(super) fn flush(&mut self, now: Millis, acts: &mut Vec<Act>) {
        self.stop_what_is_late(now, acts);
        self.stop_working_if_cut_off(now, acts);
        self.stop_what_drains_too_long(now, acts);
        match self.phase {
            Phase::Attached => self.report(now, acts),
            Phase::Greeting { since } if now >= plus(since, WELCOME_PATIENCE) => {
                self.reopen("no welcome in time".into(), None, acts);
            }
            Phase::Greeting { .. } | Phase::Detached => {}
        }
        self.leave_when_done(now, acts);
    }

    /// When [`Session::flush`] has something to do though nothing happens.
    pub(super) fn wake_at(&self) -> Option<Millis> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let working = self.running.values().any(|running| running.stopping.is_none());
        let cut_off = self.heartbeats.stop_working_at().filter(|_| working);
        let phase = match self.phase {
            Phase::Attached => Some(self.heartbeats.due_at()),
            Phase::Greeting { since } => Some(plus(since, WELCOME_PATIENCE)),
            Phase::Detached => None,
        };
        let lines = self.lines_due.filter(|_| self.phase == Phase::Attached);
        let drained = self.draining.as_ref().filter(|_| !self.over).and_then(|draining| {
            if working {
                Some(draining.until)
            } else {
                self.running.is_empty().then_some(plus(draining.until, LEAVE_PATIENCE))
            }
        });
        [timer, cut_off, phase, lines, drained].into_iter().flatten().min()
    }

    /// How many executions could begin now.
    fn free_slots(&self) -> u32 {
        let takes_nothing = self.cut_off || self.draining.is_some() || self.paused.is_some();
        if takes_nothing || self.owed.len() >= OWED_MAX {
            return 0;
        }
        let running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        self.slots.unwrap_or(self.me.capacity).saturating_sub(running)
    }

    fn greet(&mut self, now: Millis, acts: &mut Vec<Act>) {
        self.phase = Phase::Greeting { since: now };
        self.streams += 1;
        self.unsent.extend(self.owed.keys());
        self.returned.clear();
        self.lines.restart();
        self.samples.restart();
        self.heartbeats.restart();
        acts.push(Act::Send(ToCluster::Hello(pb::Hello {
            node_group: self.me.node_group.clone(),
            identity: self.me.identity.clone(),
            start_number: self.me.start_number,
            session_id: self.session_id.clone(),
            capacity: self.me.capacity,
            kinds: self.me.kinds.clone(),
            running: self.running.keys().copied().collect(),
            owed: self.owed.keys().copied().collect(),
            highest_finished: self.highest_finished,
            sdk_version: env!("CARGO_PKG_VERSION").into(),
            host: self.me.host.clone(),
            draining: self.draining.is_some(),
            stream_number: self.streams,
        })));
    }

    fn heard(&mut self, message: FromCluster, now: Millis, acts: &mut Vec<Act>) {
        match message {
            FromCluster::Welcome(welcome) => self.welcome(welcome, acts),
            FromCluster::Refused(refused) => self.refused(refused, acts),
            FromCluster::Push(push) => push.jobs.into_iter().for_each(|job| self.pushed(job, now, acts)),
            FromCluster::CompletedAck(ack) => self.acknowledged(ack, acts),
            FromCluster::HeartbeatAck(ack) => self.heartbeat_answered(ack.sequence, now),
            FromCluster::Terminate(order) => {
                let grace = order.grace.and_then(|grace| read_duration(grace).ok()).unwrap_or(self.grace);
                self.stop(order.execution, StopCause::Terminated(order.reason), plus(now, grace), acts);
            }
            FromCluster::Ask(ask) => acts.push(Act::Send(ToCluster::AskAnswer(self.standing(ask)))),
            FromCluster::Drain(told) => self.drained(&told, now),
            FromCluster::Resize(pb::Resize { slots }) => self.resized(slots),
            FromCluster::SamplesAck(ack) => self.samples.acknowledged(ack.up_to),
            FromCluster::BizLogsAck(ack) => {
                ack.executions.iter().for_each(|one| self.lines.acknowledged(one.execution, one.up_to));
            }
        }
    }

    /// Whoever was cut off takes work again once it is heard.
    fn heartbeat_answered(&mut self, sequence: u64, now: Millis) {
        self.heartbeats.answered(sequence);
        if self.cut_off && self.heartbeats.stop_working_at().is_some_and(|at| at > now) {
            self.cut_off = false;
            self.announce = true;
        }
    }

    fn welcome(&mut self, welcome: pb::Welcome, acts: &mut Vec<Act>) {
        let Phase::Greeting { since } = self.phase else { return };
        if welcome.term < self.term {
            // A deposed leader that does not know it yet.
            return self.reopen(format!("term {} is over", welcome.term), None, acts);
        }
        self.term = welcome.term;
        if self.session_id.is_empty() {
            self.heartbeats.first_session(since);
        }
        self.session_id = welcome.session_id;
        // What operators said holds if it is said again.
        (self.slots, self.drained) = (None, false);
        self.phase = Phase::Attached;
        self.announce = true;
        self.lines_due = self.lines_due.or((!self.lines.is_empty()).then_some(Millis::ZERO));
        let span = |told: Option<prost_types::Duration>, or: Millis| {
            told.and_then(|told| read_duration(told).ok()).filter(|told| !told.is_zero()).unwrap_or(or)
        };
        self.heartbeats.interval = span(welcome.heartbeat_interval, self.heartbeats.interval);
        self.heartbeats.stop_working_after =
            span(welcome.stop_working_after, self.heartbeats.stop_working_after);
        if let Some(limits) = welcome.limits {
            self.grace = span(limits.terminate_grace, self.grace);
            if limits.biz_log_bytes_max > 0 {
                acts.push(Act::LimitLines(limits.biz_log_bytes_max.into()));
            }
        }
        if let Some(draining) = &mut self.draining {
            // The hello said it already.
            draining.told = true;
        }
    }

    fn refused(&mut self, refused: pb::Refused, acts: &mut Vec<Act>) {
        let reason = Reason::from_wire(&refused.reason);
        let after = refused.retry_after.and_then(|after| read_duration(after).ok());
        if reason == Some(Reason::SessionUnknown) {
            self.session_id.clear();
            self.reopen(refused.message, after, acts);
        } else if after.is_some() || reason.is_some_and(Reason::is_retryable) {
            self.reopen(refused.message, after, acts);
        } else {
            self.phase = Phase::Detached;
            acts.push(Act::GiveUp { reason, message: refused.message });
        }
    }

    fn reopen(&mut self, why: String, after: Option<Millis>, acts: &mut Vec<Act>) {
        self.phase = Phase::Detached;
        acts.push(Act::Reopen { why, after });
    }

    fn pushed(&mut self, job: pb::JobPush, now: Millis, acts: &mut Vec<Act>) {
        if self.phase != Phase::Attached || job.term < self.term {
            return;
        }
        self.term = job.term;
        let execution = job.execution;
        if self.owed.contains_key(&execution) {
            self.unsent.insert(execution);
        } else if self.running.contains_key(&execution) || self.finished.contains(&execution) {
            // It came twice; once is enough.
        } else if self.interrupted.contains(&execution) {
            self.returned.entry(pb::ReturnReason::Interrupted).or_default().push(execution);
        } else if let Some(reason) = self.cannot_take(&job) {
            self.returned.entry(reason).or_default().push(execution);
        } else {
            let timeout = job.run_timeout.and_then(|span| read_duration(span).ok());
            let timer = timeout.map(|timeout| plus(now, timeout));
            self.timers.extend(timer.map(|at| (at, execution)));
            let running = Running {
                run_id: job.run_id.clone(),
                job_id: job.job_id.clone(),
                task_id: job.task_id.clone(),
                kind: job.kind.clone(),
                attempt: job.attempt,
                since: now,
                timer,
                stopping: None,
            };
            self.running.insert(execution, running);
            acts.push(Act::Begin(Box::new(job)));
        }
    }

    fn cannot_take(&self, job: &pb::JobPush) -> Option<pb::ReturnReason> {
        if self.draining.is_some() {
            Some(pb::ReturnReason::Draining)
        } else if !self.me.kinds.is_empty() && !self.me.kinds.contains(&job.kind) {
            Some(pb::ReturnReason::UnknownKind)
        } else if self.free_slots() == 0 {
            Some(pb::ReturnReason::NoSlot)
        } else {
            None
        }
    }

    fn ended(&mut self, ended: Ended, lines: Vec<pb::BizLogLine>, now: Millis, acts: &mut Vec<Act>) {
        let execution = ended.execution.as_u64();
        let Some(running) = self.running.remove(&execution) else { return };
        self.clear_timer(running.timer, execution);
        self.progress.remove(&execution);
        self.announce = true;
        self.add_lines(execution, lines, now);
        self.lines_due = self.lines_due.map(|_| now);
        // What failed before it noticed anything has failed by itself.
        let cause = running.stopping.filter(|_| ended.interrupted);
        let own_doing = matches!(cause, Some(StopCause::CutOff | StopCause::Draining));
        if own_doing && ended.outcome.action == Action::ExecuteException {
            self.interrupted.insert(execution);
            if self.interrupted.len() > FINISHED_MAX {
                self.interrupted.pop_first();
            }
            return self.returned.entry(pb::ReturnReason::Interrupted).or_default().push(execution);
        }
        let outcome = with_cause(ended.outcome, cause.as_ref());
        self.samples.ended(outcome.action, ended.ended_at.since(ended.started_at));
        let result = pb::ExecutionResult {
            start_time: Some(timestamp(ended.started_at)),
            end_time: Some(timestamp(ended.ended_at)),
            run_id: running.run_id,
            ..result_to_wire(ended.execution, outcome)
        };
        acts.push(Act::Keep(vec![kept::result(&result)]));
        if let Some(said) = self.lines.unacknowledged(execution) {
            acts.push(Act::KeepLines(vec![kept::lines(&said)]));
        }
        self.highest_finished = self.highest_finished.max(execution);
        self.owed.insert(execution, result);
        self.unsent.insert(execution);
    }

    fn add_lines(&mut self, execution: u64, lines: Vec<pb::BizLogLine>, now: Millis) {
        if !lines.is_empty() {
            self.lines.add(execution, lines);
            self.lines_due.get_or_insert(plus(now, LINES_PAUSE));
        }
    }

    fn acknowledged(&mut self, ack: pb::CompletedAck, acts: &mut Vec<Act>) {
        let mut forgotten = Vec::with_capacity(ack.answers.len());
        for answer in ack.answers {
            if self.owed.remove(&answer.execution).is_some() {
                self.unsent.remove(&answer.execution);
                self.finished.insert(answer.execution);
                forgotten.push(answer.execution);
            }
        }
        while self.finished.len() > FINISHED_MAX {
            self.finished.pop_first();
        }
        if !forgotten.is_empty() {
            acts.push(Act::Forget(forgotten));
        }
    }

    fn standing(&self, ask: pb::Ask) -> pb::AskAnswer {
        let standing = |execution: &u64| {
            if self.running.contains_key(execution) {
                pb::Standing::Running
            } else if self.owed.contains_key(execution) {
                pb::Standing::Owed
            } else {
                pb::Standing::Unknown
            }
        };
        let answer = |execution| pb::ExecutionStanding { standing: standing(&execution).into(), execution };
        pb::AskAnswer { executions: ask.executions.into_iter().map(answer).collect() }
    }
}

/// An interrupted execution says first why it was interrupted.
fn with_cause(mut outcome: Outcome, cause: Option<&StopCause>) -> Outcome {
    if let Some(cause) = cause.filter(|_| outcome.action == Action::ExecuteException) {
        outcome.error = format!("{cause}: {}", outcome.error);
    }
    outcome
}

/// Whether an earlier process sent it is not known.
fn resent(result: pb::ExecutionResult) -> pb::ExecutionResult {
    pb::ExecutionResult { resent: true, ..result }
}
