//! The sessions of TaskTrackers with the leader of a term: hellos, what comes over an open stream, the audit, the end.

use std::collections::BTreeSet;

use super::{Now, Office, Origin, Out};
use crate::dispatch::{Attached, Event};
use crate::domain::{ExecutionId, Millis, RunId, SessionId};
use crate::machine::command::{
    BizLog, Complete, OfflineReason, Reclaim, ReclaimReason, Return, TrackerOffline, TrackerOnline,
};
use crate::machine::reply::Push;
use crate::machine::row::LiveState;
use crate::machine::{Command, Machine};
use crate::sim::tracker::{FromTracker, Hello, ToTracker};

const AUDIT_EVERY: u64 = 4;
/// What was pushed within this time may still be on its way.
const AUDIT_SPARES: Millis = Millis::from_secs(2);

impl Office {
    pub(in crate::sim) fn hear(&mut self, now: Now, machine: &Machine, stream: u64, message: FromTracker) {
        if let FromTracker::Hello(hello) = message {
            return self.hello(machine, hello, stream);
        }
        let Some(session) = self.by_stream.get(&stream).copied() else { return };
        self.dispatcher.step(now.instant, Event::Heard { session });
        match message {
            FromTracker::Hello(_) => {}
            FromTracker::Completed(results) => {
                let executions = results.iter().map(|result| result.execution).collect();
                let origin = Origin::Completed { session, executions };
                self.urgent.push_back((Command::Complete(Complete { results }), origin));
            }
            FromTracker::Returned(executions, began) => {
                self.dispatcher.step(now.instant, Event::Returned { session });
                let origin = Origin::Completed { session, executions: executions.clone() };
                self.urgent.push_back((Command::Return(Return { executions, began }), origin));
            }
            FromTracker::Heartbeat { sequence, running } => {
                if sequence.is_multiple_of(AUDIT_EVERY) {
                    self.audit(machine, session, &running);
                }
                self.tell(session, ToTracker::HeartbeatAck(sequence));
            }
            FromTracker::Unknown(executions) => {
                let indexes = machine.tables().indexes();
                let held = |id: &ExecutionId| indexes.execution(*id).is_some_and(|(_, by)| by == session);
                let executions: Vec<ExecutionId> = executions.into_iter().filter(held).collect();
                let origin = Origin::Completed { session, executions: executions.clone() };
                let reason = ReclaimReason::Unknown;
                self.urgent.push_back((Command::Reclaim(Reclaim { executions, reason }), origin));
            }
            FromTracker::BizLogs(lines) => {
                self.requests.push_back((Command::BizLog(BizLog { lines }), Origin::Own));
            }
            FromTracker::Accepting(accepting) => {
                self.dispatcher.step(now.instant, Event::Accepting { session, accepting });
                self.mark_dirty(machine, session);
            }
            FromTracker::Left => self.propose_offline(session, OfflineReason::Left),
        }
    }

    fn hello(&mut self, machine: &Machine, hello: Hello, stream: u64) {
        let known = machine.tables().tracker_row(&hello.node_group, &hello.identity).expect("memory");
        let rival = known.filter(|row| row.is_online() && row.start != hello.start).map(|row| row.session);
        if rival.is_some_and(|session| self.dispatcher.roster().is_attached(session)) {
            self.refused += 1;
            self.out.push(Out::Tell(stream, ToTracker::Refused));
            return;
        }
        let command = Command::TrackerOnline(TrackerOnline {
            node_group: hello.node_group.clone(),
            identity: hello.identity.clone(),
            start: hello.start,
            capacity: hello.capacity,
            kinds: hello.kinds.iter().cloned().collect(),
            holds: hello.running.union(&hello.owed).copied().collect(),
        });
        self.urgent.push_back((command, Origin::Hello { hello: Box::new(hello), stream }));
    }

    fn audit(&mut self, machine: &Machine, session: SessionId, running: &BTreeSet<ExecutionId>) {
        let (indexes, now) = (machine.tables().indexes(), machine.now());
        let is_old = |execution: &ExecutionId| {
            let run = indexes.execution(*execution).map(|(run, _)| run);
            let live = run.and_then(|run| machine.tables().live_run(run).expect("memory"));
            live.is_some_and(|live| match live.state {
                LiveState::Executing { since, .. } => now.since(since) > AUDIT_SPARES,
                LiveState::Waiting { .. } | LiveState::Ready { .. } | LiveState::Suspended { .. } => false,
            })
        };
        let missing: Vec<ExecutionId> =
            indexes.executions_of(session).filter(|id| !running.contains(id) && is_old(id)).collect();
        if !missing.is_empty() {
            self.tell(session, ToTracker::Ask(missing));
        }
    }

    pub(super) fn attach(
        &mut self,
        now: Now,
        machine: &Machine,
        session: SessionId,
        hello: Hello,
        stream: u64,
    ) {
        let held: BTreeSet<ExecutionId> = hello.running.union(&hello.owed).copied().collect();
        self.out.push(Out::Tell(stream, ToTracker::Welcome { term: self.term }));
        for execution in &hello.running {
            let is_wanted = match machine.tables().indexes().execution(*execution) {
                Some((run, holder)) if holder == session => !is_stopped(machine, run),
                Some(_) | None => false,
            };
            if !is_wanted {
                self.out.push(Out::Tell(stream, ToTracker::Terminate(*execution)));
            }
        }
        let missing = executions_of(machine, session, |execution| !held.contains(&execution));
        let (stopped, wanted): (Vec<_>, Vec<_>) = missing.into_iter().partition(|(_, stopped)| *stopped);
        if !stopped.is_empty() {
            let executions = stopped.into_iter().map(|(push, _)| push.execution).collect();
            let reclaim = Reclaim { executions, reason: ReclaimReason::Unknown };
            self.urgent.push_back((Command::Reclaim(reclaim), Origin::Own));
        }
        let pushes: Vec<Push> = wanted.into_iter().map(|(push, _)| push).collect();
        self.pushed_again += pushes.len() as u64;
        if !pushes.is_empty() {
            self.out.push(Out::Tell(stream, ToTracker::Push { term: self.term, pushes }));
        }
        let executing = machine.tables().indexes().executing_on(session);
        let attached = Attached {
            stream,
            node_group: hello.node_group.clone(),
            kinds: hello.kinds,
            capacity: hello.capacity,
        };
        self.dispatcher.step(now.instant, Event::Attached { session, attached, executing });
        if hello.draining {
            self.dispatcher.step(now.instant, Event::Accepting { session, accepting: false });
        }
        if let Some(old) = self.close_stream(session) {
            self.out.push(Out::Close(old));
        }
        self.streams.insert(session, stream);
        self.by_stream.insert(stream, session);
        self.dirty.insert(hello.node_group);
    }

    pub(in crate::sim) fn detached(&mut self, now: Now, stream: u64) {
        if let Some(session) = self.by_stream.get(&stream).copied() {
            self.close_stream(session);
            self.dispatcher.step(now.instant, Event::Detached { session, stream });
        }
    }

    fn close_stream(&mut self, session: SessionId) -> Option<u64> {
        let stream = self.streams.remove(&session)?;
        self.by_stream.remove(&stream);
        Some(stream)
    }

    pub(super) fn propose_offline(&mut self, session: SessionId, reason: OfflineReason) {
        self.ending.insert(session);
        let command = Command::TrackerOffline(TrackerOffline { session, reason });
        self.urgent.push_back((command, Origin::Offline(session)));
    }

    pub(super) fn end_session(&mut self, now: Now, session: SessionId) {
        self.dispatcher.step(now.instant, Event::Gone { session });
        if let Some(stream) = self.close_stream(session) {
            self.out.push(Out::Tell(stream, ToTracker::Refused));
        }
    }

    pub(super) fn tell(&mut self, session: SessionId, message: ToTracker) {
        if let Some(stream) = self.streams.get(&session) {
            self.out.push(Out::Tell(*stream, message));
        }
    }
}

fn is_stopped(machine: &Machine, run: RunId) -> bool {
    machine.tables().live_run(run).expect("memory").is_none_or(|live| live.stop.is_some())
}

/// The session's executions as pushes, found again in the tables, and whether they were told to stop.
pub(super) fn executions_of(
    machine: &Machine,
    session: SessionId,
    wanted: impl Fn(ExecutionId) -> bool,
) -> Vec<(Push, bool)> {
    let tables = machine.tables();
    let push = |execution: ExecutionId| {
        let (run, _) = tables.indexes().execution(execution)?;
        let live = tables.live_run(run).expect("memory")?;
        let spec = tables.spec_of(run, &live).expect("memory")?;
        let (due, attempt, retries, reclaims) = (live.due, live.executions, live.retries, live.reclaims);
        Some((Push { execution, run, spec, due, attempt, retries, reclaims }, live.stop.is_some()))
    };
    tables.indexes().executions_of(session).filter(|execution| wanted(*execution)).filter_map(push).collect()
}
