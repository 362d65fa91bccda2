//! What TaskTrackers say on their streams, and what they are told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::Leading;
use super::proposal::{Attaching, Origin};
use crate::dispatch::{Attached, Event};
use crate::domain::{ExecutionId, Millis, RunId, SessionId};
use crate::failpoint::failpoint;
use crate::jobtracker::leader::lanes::{Lane, Pass};
use crate::jobtracker::session::{
    ExecutionResult, FromTracker, Hello, Lines, Outbox, Refused, Sample, ToTracker,
};
use crate::machine::command::{
    BizLog, Complete, Completion, ExecutionLines, OfflineReason, Reclaim, ReclaimReason, Return, Stats,
    TrackerOffline, TrackerOnline, TrackerSample,
};
use crate::machine::reply::Push;
use crate::machine::row::{LiveState, TrackerRow};
use crate::machine::{BaseError, Command, Machine};
use crate::planted::{self, Bug};

/// Every so many heartbeats a session's executions are compared with what it says it runs.
const AUDIT_EVERY: u64 = 10;
/// What was pushed within this time may still be on its way.
const AUDIT_SPARES: Millis = Millis::from_secs(5);

/// A session's open stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) number: u64,
    /// Which one of its process it is, as the hello said.
    pub(super) stream_number: u64,
    pub(super) outbox: Outbox,
}

impl Leading {
    pub(super) fn hello(&mut self, hello: Hello, outbox: Outbox, stream: u64) -> Result<(), BaseError> {
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

    pub(super) fn hear(
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
            FromTracker::Resize(capacity) => self.resize(session, capacity)?,
            FromTracker::Samples(samples) => self.samples(session, samples, pass),
            FromTracker::Left => self.propose_offline(session, OfflineReason::Left),
        }
        Ok(())
    }

    /// The TaskTracker's own wish: as if its hello had said so.
    fn resize(&mut self, session: SessionId, capacity: u32) -> Result<(), BaseError> {
        let machine = Arc::clone(&self.machine);
        let machine = machine.read();
        let Some((node_group, identity)) = machine.tables().indexes().session(session).cloned() else {
            return Ok(());
        };
        let Some(row) = machine.tables().tracker_row(&node_group, &identity)? else { return Ok(()) };
        if row.is_online() && row.session == session {
            let (start, kinds) = (row.start, row.kinds.clone());
            let holds = machine.tables().indexes().executions_of(session).collect();
            let online = TrackerOnline { node_group, identity, start, capacity, kinds, holds };
            self.lanes.push(Lane::Drain, Command::TrackerOnline(online), Origin::Own);
        }
        Ok(())
    }

    fn completed(&mut self, session: SessionId, results: Vec<ExecutionResult>, pass: Pass) {
        // An execution that has ended may write no more, so what it said goes before its result.
        let said = |origin: &Origin| matches!(origin, Origin::BizLogs { session: by, .. } if *by == session);
        self.lanes.promote(Lane::Log, Lane::Drain, said);
        self.gather(session, &results);
        let executions = results.iter().map(|result| result.execution).collect();
        let completion = |result: ExecutionResult| Completion {
            execution: result.execution,
            run: result.run.unwrap_or_default(),
            outcome: result.outcome,
            resent: result.resent,
        };
        let command = Command::Complete(Complete { results: results.into_iter().map(completion).collect() });
        self.lanes.push(Lane::Drain, command, Origin::Completed { session, executions, _pass: pass });
    }

    /// A result that comes again, on another stream, is gathered again: the series may show it twice, the tables do not.
    fn gather(&mut self, session: SessionId, results: &[ExecutionResult]) {
        let machine = Arc::clone(&self.machine);
        if let Some((group, _)) = machine.read().tables().indexes().session(session) {
            self.gathered.ran(group, results.iter().filter_map(|result| result.took));
        }
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

    fn samples(&mut self, session: SessionId, samples: Vec<Sample>, pass: Pass) {
        let machine = Arc::clone(&self.machine);
        let machine = machine.read();
        let Some((node_group, identity)) = machine.tables().indexes().session(session) else { return };
        let up_to = samples.iter().map(|sample| sample.number).max().unwrap_or(0);
        let trackers = samples.into_iter().map(|sample| TrackerSample {
            minute: sample.minute,
            node_group: node_group.clone(),
            identity: identity.clone(),
            stats: sample.stats,
        });
        let command = Command::Stats(Stats { trackers: trackers.collect(), ..Stats::default() });
        self.lanes.push(Lane::Log, command, Origin::Samples { session, up_to, _pass: pass });
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

    /// Tells a session what operators say of its TaskTracker.
    pub(super) fn tell_holds(&mut self, session: SessionId) -> Result<(), BaseError> {
        let row = {
            let machine = self.machine.read();
            let tables = machine.tables();
            match tables.indexes().session(session) {
                Some((group, who)) => tables.tracker_row(group, who)?,
                None => None,
            }
        };
        if let Some(row) = row.filter(|row| row.session == session) {
            holds(&row).into_iter().for_each(|message| self.tell(session, message));
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

    pub(super) fn detach(&mut self, now: Instant, stream: u64) {
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

    pub(super) fn propose_offline(&mut self, session: SessionId, reason: OfflineReason) {
        self.ending.insert(session);
        let command = Command::TrackerOffline(TrackerOffline { session, reason });
        self.lanes.push(Lane::Drain, command, Origin::Offline { session, reason });
    }

    pub(super) fn attach(
        &mut self,
        now: Instant,
        session: SessionId,
        attaching: Attaching,
    ) -> Result<(), BaseError> {
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
        if let Some(row) = machine.tables().tracker_row(&hello.node_group, &hello.identity)? {
            // A welcome takes back what was said before, so only what holds is to be told.
            let [drain, resize] = holds(&row);
            if row.drained.is_some() {
                send(&outbox, drain);
            }
            if row.slots.is_some() {
                send(&outbox, resize);
            }
        }
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

    pub(super) fn started(&mut self, now: Instant, session: SessionId, asked: u32, pushes: Vec<Push>) {
        self.dispatcher.step(now, Event::Started { session, asked, pushes: pushes.clone() });
        // While it was under way, slots may have been counted as both asked for and executing.
        self.mark_dirty_group_of(session);
        if !pushes.is_empty() {
            self.gathered.dispatched(self.machine.read().now(), &pushes);
            failpoint!("leader::before_push");
            self.tell(session, ToTracker::Push { term: self.term, pushes });
        }
    }

    pub(super) fn mark_dirty_group_of(&mut self, session: SessionId) {
        let machine = self.machine.read();
        if let Some((group, _)) = machine.tables().indexes().session(session) {
            self.dirty.insert(group.clone());
        }
    }

    pub(super) fn end_session(&mut self, now: Instant, session: SessionId) {
        self.dispatcher.step(now, Event::Gone { session });
        if let Some(stream) = self.close_stream(session) {
            send(&stream.outbox, ToTracker::Refused(Refused::SessionEnded));
        }
    }

    /// Makes a session say hello again; it stays known, so that its silence is still seen.
    pub(super) fn break_stream(&mut self, now: Instant, session: SessionId) {
        if let Some(stream) = self.close_stream(session) {
            self.dispatcher.step(now, Event::Detached { session, stream: stream.number });
            send(&stream.outbox, ToTracker::Refused(Refused::SessionEnded));
        }
    }

    /// Sends to a session if its stream is open; one that does not read is cut off and comes back.
    pub(super) fn tell(&mut self, session: SessionId, message: ToTracker) {
        if let Some(stream) = self.streams.get(&session)
            && !send(&stream.outbox, message)
        {
            // Dropping the outbox ends the stream, and the TaskTracker says hello again.
            self.unread.push(session);
        }
    }
}

/// False if the stream does not read or is gone.
pub(super) fn send(outbox: &Outbox, message: ToTracker) -> bool {
    match outbox.try_send(message) {
        Ok(()) => true,
        Err(mpsc::error::TrySendError::Full(_) | mpsc::error::TrySendError::Closed(_)) => false,
    }
}

/// What operators say of a TaskTracker, and what they say no longer.
fn holds(row: &TrackerRow) -> [ToTracker; 2] {
    let drained = row.drained.as_ref();
    let drain = ToTracker::Drain {
        draining: drained.is_some(),
        leave: drained.is_some_and(|drained| drained.leave),
        reason: drained.map(|drained| drained.hold.reason.clone()).unwrap_or_default(),
    };
    [drain, ToTracker::Resize(row.slots.unwrap_or(row.capacity))]
}

fn is_stopped(machine: &Machine, run: RunId) -> Result<bool, BaseError> {
    Ok(machine.tables().live_run(run)?.is_none_or(|live| live.stop.is_some()))
}

/// The session's executions as pushes, found again in the tables, and whether they were told to stop.
pub(super) fn executions_of(
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
