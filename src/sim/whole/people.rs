//! TaskTrackers in the whole world: the rules of the SDK's session (`sim::tracker`), and streams to whichever JobTracker
//! leads, over links of their own.
//!
//! Outside: the SDK's own code and the client port; what is between a stream and the leader's loop is as in `rpc`.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::super::history::{Broken, End};
use super::super::jobs;
use super::super::rare::Rare;
use super::super::tracker::{
    Act, FromTracker, Hello, Ms, RECLAIM_AFTER, STOP_GRACE, Stopping, ToTracker, Tracker,
};
use super::world::{Happening, World};
use crate::domain::{Action, ExecutionId, Millis, Outcome};
use crate::jobtracker::leader::{LeaderHandle, ToLeader, weight_of};
use crate::jobtracker::session::{
    self, ExecutionResult, FromTracker as Said, Lines, OUTBOX_MESSAGES_MAX, Outbox, ToTracker as Tells,
};
use crate::machine::command::{Completion, ReclaimReason};
use crate::machine::reply::Push;
use crate::planted::{self, Bug};

/// A connection that is silent for so long is dead.
pub(super) const KEEPALIVE: Ms = 3_000;
/// What a cut holds is sent again after this.
const SENT_AGAIN: Ms = 200;

/// One open stream.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) tracker: usize,
    pub(super) host: usize,
    leader: LeaderHandle,
    outbox: Outbox,
    inbox: mpsc::Receiver<Tells>,
    to_leader: VecDeque<FromTracker>,
    to_tracker: VecDeque<ToTracker>,
    to_leader_at: Ms,
    to_tracker_at: Ms,
}

impl World {
    pub(super) fn with_tracker(
        &mut self,
        number: usize,
        what: impl FnOnce(&mut Tracker, Ms, &mut Vec<Act>),
    ) -> Result<(), Broken> {
        if !self.trackers[number].alive {
            return Ok(());
        }
        let mut acts = Vec::new();
        what(&mut self.trackers[number], self.now, &mut acts);
        let mut acts = VecDeque::from(acts);
        while let Some(act) = acts.pop_front() {
            let mut more = Vec::new();
            self.act(number, act, &mut more)?;
            acts.extend(more);
        }
        Ok(())
    }

    fn act(&mut self, number: usize, act: Act, more: &mut Vec<Act>) -> Result<(), Broken> {
        match act {
            Act::Open => self.open(number, more),
            Act::Close => {
                let stream = (self.links.iter()).find(|(_, link)| link.tracker == number).map(|(id, _)| *id);
                if let Some(stream) = stream {
                    self.after(2, Happening::Detached { stream });
                }
            }
            Act::Send(message) => self.say(number, message),
            Act::Begin(push) => self.begin_execution(number, &push)?,
            Act::Interrupt(execution, why) => {
                if why == Stopping::CutOff {
                    self.history.saw(Rare::SelfFenced);
                }
                let start = self.trackers[number].start;
                if !self.deaf.contains(&execution) {
                    let delay = self.rng.between(1, STOP_GRACE);
                    self.after(
                        delay,
                        Happening::Ended { tracker: number, start, execution, interrupted: true },
                    );
                }
            }
            Act::Leave => {
                self.history.saw(Rare::Drains);
                self.trackers[number].die();
                let delay = self.rng.between(200, 3_000);
                self.after(delay, Happening::Restart { tracker: number });
            }
        }
        Ok(())
    }

    fn open(&mut self, number: usize, more: &mut Vec<Act>) {
        let leads = |host: &usize| {
            let up = self.hosts[*host].up.as_ref();
            up.and_then(|up| up.tracker.leader()).map(|leader| (*host, leader))
        };
        if self.cut_until[number] > self.now {
            return;
        }
        // Two may think that they lead; either may be found first.
        let first = self.rng.below(self.hosts.len());
        let order = (0..self.hosts.len()).map(|host| (host + first) % self.hosts.len());
        let Some((host, leader)) = order.into_iter().find_map(|host| leads(&host)) else { return };
        let (outbox, inbox) = mpsc::channel(OUTBOX_MESSAGES_MAX);
        self.streams += 1;
        let link = Link {
            tracker: number,
            host,
            leader,
            outbox,
            inbox,
            to_leader: VecDeque::new(),
            to_tracker: VecDeque::new(),
            to_leader_at: 0,
            to_tracker_at: 0,
        };
        self.links.insert(self.streams, link);
        self.trackers[number].opened(self.now, self.streams, more);
    }

    fn say(&mut self, number: usize, message: FromTracker) {
        let delay = self.rng.between(1, 4);
        let Some(stream) = self.trackers[number].stream else { return };
        let Some(link) = self.links.get_mut(&stream) else { return };
        link.to_leader_at = link.to_leader_at.max(self.now + delay);
        link.to_leader.push_back(message);
        let at = link.to_leader_at;
        self.at(at, Happening::ToLeader { stream });
    }

    /// The next message of a stream reaches the JobTracker.
    pub(super) fn tell_leader(&mut self, stream: u64) {
        let Some(link) = self.links.get_mut(&stream) else { return };
        if self.cut_until[link.tracker] > self.now {
            return self.after(SENT_AGAIN, Happening::ToLeader { stream });
        }
        let Some(message) = link.to_leader.pop_front() else { return };
        let (leader, outbox, host, tracker) =
            (link.leader.clone(), link.outbox.clone(), link.host, link.tracker);
        let message = match message {
            FromTracker::Hello(hello) => ToLeader::Hello { hello: introduce(hello, stream), outbox, stream },
            message => {
                if let FromTracker::Heartbeat { sequence, .. } = &message {
                    self.answer_heartbeat(host, outbox, *sequence);
                }
                let what = said(message);
                let (lane, weight) = weight_of(&what);
                let pass = leader.door.enter(lane, weight).expect("lanes hold far more than this world says");
                ToLeader::From { stream, what, pass }
            }
        };
        if leader.messages.send(message).is_err() {
            self.links.remove(&stream);
            self.after(2, Happening::Lost { tracker, stream });
        }
    }

    /// As `rpc` does: acknowledged only when a majority confirms that this node leads.
    fn answer_heartbeat(&self, host: usize, outbox: Outbox, sequence: u64) {
        let Some(up) = self.hosts[host].up.as_ref() else { return };
        let raft = up.tracker.raft().clone();
        self.hosts[host].spawn(async move {
            if planted::is(Bug::HeartbeatWithoutQuorum) || raft.read_index().await.is_ok() {
                // A stream that is gone wants no answer.
                let _ = outbox.try_send(Tells::HeartbeatAck(sequence));
            }
        });
    }

    /// What the leaders said goes on its way.
    pub(super) fn collect_outboxes(&mut self) {
        let streams: Vec<u64> = self.links.keys().copied().collect();
        for stream in streams {
            while let Some(link) = self.links.get_mut(&stream)
                && let Ok(message) = link.inbox.try_recv()
            {
                let Some(message) = heard(message) else { continue };
                let delay = self.rng.between(1, 4);
                let is_push = matches!(message, ToTracker::Push { .. }) && !self.calm;
                let copies = if is_push && self.rng.percent(2) { 2 } else { 1 };
                let link = self.links.get_mut(&stream).expect("it was just seen");
                link.to_tracker_at = link.to_tracker_at.max(self.now + delay);
                let (at, tracker) = (link.to_tracker_at, link.tracker);
                for _ in 0..copies {
                    link.to_tracker.push_back(message.clone());
                }
                for _ in 0..copies {
                    self.at(at, Happening::ToTracker { tracker, stream });
                }
            }
        }
    }

    pub(super) fn tell_tracker(&mut self, number: usize, stream: u64) -> Result<(), Broken> {
        if self.cut_until[number] > self.now {
            self.after(SENT_AGAIN, Happening::ToTracker { tracker: number, stream });
            return Ok(());
        }
        let Some(message) = self.links.get_mut(&stream).and_then(|link| link.to_tracker.pop_front()) else {
            return Ok(());
        };
        if self.trackers[number].alive && self.trackers[number].stream == Some(stream) {
            self.with_tracker(number, |tracker, now, acts| tracker.heard(now, message, acts))?;
        }
        Ok(())
    }

    pub(super) fn detached(&mut self, stream: u64) {
        if let Some(link) = self.links.remove(&stream) {
            // A term that is over has forgotten the stream already.
            let _ = link.leader.messages.send(ToLeader::Detached { stream });
        }
    }

    /// The streams of a host whose process has ended.
    pub(super) fn streams_break(&mut self, host: usize, says_so: bool) {
        let on_host = |link: &&Link| link.host == host;
        let broken: Vec<(u64, usize)> = self
            .links
            .iter()
            .filter(|(_, link)| on_host(link))
            .map(|(id, link)| (*id, link.tracker))
            .collect();
        for (stream, tracker) in broken {
            self.links.remove(&stream);
            let delay = if says_so { self.rng.between(1, 10) } else { KEEPALIVE };
            self.after(delay, Happening::Lost { tracker, stream });
        }
    }

    /// User code begins.
    fn begin_execution(&mut self, number: usize, push: &Push) -> Result<(), Broken> {
        let (tracker, start, execution) = (number, self.trackers[number].start, push.execution);
        self.may_begin(number, push)?;
        self.history.begun.insert(execution);
        self.trace.note("begin", &[self.now, number as u64, execution.as_u64()]);
        let long = match self.rng.between(0, 9) {
            0..=5 => self.rng.between(2, 100),
            6..=8 => self.rng.between(100, 1_500),
            _ => self.rng.between(1_500, self.options.longest_work),
        };
        if jobs::is_poison(&push.spec) {
            self.after(long.min(300), Happening::TrackerDies { tracker, start });
            return Ok(());
        }
        if self.rng.percent(3) && !self.calm {
            self.deaf.insert(execution);
        }
        self.after(long, Happening::Ended { tracker, start, execution, interrupted: false });
        if let Some(timeout) = push.spec.run_timeout {
            self.after(timeout.get(), Happening::TimedOut { tracker, start, execution });
        }
        Ok(())
    }

    /// What user code may take for granted.
    fn may_begin(&self, number: usize, push: &Push) -> Result<(), Broken> {
        let (run, execution) = (push.run, push.execution);
        let Some(known) = self.history.executions.get(&execution) else {
            return Err(format!("L2: execution {execution} of run {run} was begun and never committed"));
        };
        if known.run != run {
            return Err(format!(
                "L2: execution {execution} is of run {} and was begun as one of {run}",
                known.run
            ));
        }
        if known.end == Some(End::Returned) {
            return Err(format!(
                "L2: execution {execution} of run {run} was begun after it had been given back"
            ));
        }
        if self.is_stalled(number) {
            return Ok(());
        }
        for (other, tracker) in self.trackers.iter().enumerate().filter(|(other, _)| *other != number) {
            if let Some(older) = tracker.running_of(run).filter(|older| !self.is_excused(other, *older)) {
                return Err(format!(
                    "L4: run {run} was begun as {execution} while {older} runs on w{other}, which was not stalled"
                ));
            }
        }
        Ok(())
    }

    /// A process that was stalled, or user code that does not listen, or was too slow to stop after its run timeout.
    fn is_excused(&self, tracker: usize, execution: ExecutionId) -> bool {
        let timed_out = End::Reclaimed(ReclaimReason::TimedOut);
        let end = self.history.executions.get(&execution).and_then(|execution| execution.end);
        !self.trackers[tracker].alive
            || self.is_stalled(tracker)
            || self.deaf.contains(&execution)
            || end == Some(timed_out)
    }

    pub(super) fn is_frozen(&self, tracker: usize) -> bool {
        self.trackers[tracker].frozen_until > self.now
    }

    fn is_stalled(&self, tracker: usize) -> bool {
        self.is_frozen(tracker) || self.thawed[tracker] + RECLAIM_AFTER > self.now
    }

    pub(super) fn ended(
        &mut self,
        number: usize,
        start: u64,
        execution: ExecutionId,
        interrupted: bool,
    ) -> Result<(), Broken> {
        let at = self.truth();
        let process = &self.trackers[number];
        if !process.alive || process.start != start || !process.is_running(execution) {
            return Ok(());
        }
        let outcome = self.outcome(interrupted);
        let wrote = self.rng.percent(5);
        self.with_tracker(number, |tracker, _, acts| {
            if wrote {
                tracker.line(execution, at);
            }
            tracker.ended(execution, outcome, acts);
        })
    }

    fn outcome(&mut self, interrupted: bool) -> Outcome {
        let action = match self.rng.between(0, 99) {
            _ if interrupted => Action::ExecuteException,
            0..=64 => Action::ExecuteSuccess,
            65..=72 => Action::ExecuteFailed,
            73..=86 => Action::ExecuteLater,
            _ => Action::ExecuteException,
        };
        let wishes = action.is_retryable() && self.rng.percent(10);
        let retry_after = wishes.then(|| Millis::new(self.rng.between(0, 1_000)));
        Outcome { action, result: bytes::Bytes::new(), error: String::new(), retry_after }
    }

    pub(super) fn kill_tracker(&mut self, number: usize) {
        let stream = self.trackers[number].stream;
        self.trackers[number].die();
        self.backlogs[number].clear();
        // A process that dies resets its connections; a host that dies does not.
        let delay = if self.rng.percent(70) { 3 } else { KEEPALIVE };
        if let Some(stream) = stream {
            self.after(delay, Happening::Detached { stream });
        }
        let delay = self.rng.between(100, 4_000);
        self.after(delay, Happening::Restart { tracker: number });
    }

    pub(super) fn restart_tracker(&mut self, number: usize) {
        if self.trackers[number].alive {
            return;
        }
        let keeps = self.calm || self.rng.percent(75);
        if self.trackers[number].owes() > 0 {
            self.history.saw(if keeps { Rare::OwedAfterRestart } else { Rare::OwedLost });
        }
        self.trackers[number].restart(keeps);
    }

    pub(super) fn thaw_tracker(&mut self, number: usize) -> Result<(), Broken> {
        if self.is_frozen(number) || self.trackers[number].frozen_until == 0 {
            return Ok(());
        }
        self.trackers[number].frozen_until = 0;
        self.thawed[number] = self.now;
        if self.rng.percent(50) {
            self.with_tracker(number, |tracker, now, acts| tracker.wake(now, acts))?;
        }
        for what in std::mem::take(&mut self.backlogs[number]) {
            self.happens(what)?;
        }
        Ok(())
    }
}

fn introduce(hello: Hello, stream_number: u64) -> session::Hello {
    let Hello { node_group, identity, start, capacity, kinds, running, owed, draining } = hello;
    session::Hello { node_group, identity, start, capacity, kinds, running, owed, draining, stream_number }
}

/// A message after the hello, in the leader's words.
fn said(message: FromTracker) -> Said {
    match message {
        FromTracker::Hello(_) | FromTracker::Left => Said::Left,
        FromTracker::Completed(results) => {
            let result = |result: Completion| ExecutionResult {
                execution: result.execution,
                run: Some(result.run),
                outcome: result.outcome,
                resent: result.resent,
                took: None,
            };
            Said::Completed { results: results.into_iter().map(result).collect(), has_room: false }
        }
        FromTracker::Returned(executions, began) => Said::Returned { executions, began },
        FromTracker::Heartbeat { sequence, running } => Said::Heartbeat { sequence, running },
        FromTracker::Unknown(executions) => Said::Unknown(executions),
        FromTracker::BizLogs(of) => Said::BizLogs(
            of.into_iter()
                .map(|of| Lines { execution: of.execution, first: of.first, lines: of.lines })
                .collect(),
        ),
        FromTracker::Accepting(accepting) => Said::Accepting(accepting),
    }
}

fn heard(message: Tells) -> Option<ToTracker> {
    Some(match message {
        Tells::Welcome { term, .. } => ToTracker::Welcome { term },
        Tells::Refused(_) => ToTracker::Refused,
        Tells::Push { term, pushes } => ToTracker::Push { term, pushes },
        Tells::HeartbeatAck(sequence) => ToTracker::HeartbeatAck(sequence),
        Tells::CompletedAck(answers) => ToTracker::CompletedAck(answers),
        Tells::BizLogsAck(_) | Tells::SamplesAck(_) => return None,
        // No operator asks for these there.
        Tells::Drain { .. } | Tells::Resize(_) => return None,
        Tells::Terminate { execution, .. } => ToTracker::Terminate(execution),
        Tells::Ask(executions) => ToTracker::Ask(executions),
    })
}
