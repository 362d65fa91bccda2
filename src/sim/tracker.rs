//! A TaskTracker's process, with the rules of the SDK's session: an execution is begun once, a result is owed until it
//! is acknowledged, pushes of an older term do not count, silence stops the work, a hello tells all.
//!
//! Not here: how long user code runs and how it ends, what becomes of messages on their way; the world draws those.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    Action, BizLogLevel, BizLogLine, ExecutionId, Identity, Kind, NodeGroup, Outcome, RunId, Timestamp,
};
use crate::machine::command::{Completion, ExecutionLines};
use crate::machine::reply::{CompleteAnswer, Push};

/// The world's milliseconds since its beginning.
pub(super) type Ms = u64;

pub(super) const HEARTBEAT: Ms = 500;
pub(super) const STOP_WORKING_AFTER: Ms = 2_100;
/// Longer than `STOP_WORKING_AFTER` and the time to stop.
pub(super) const RECLAIM_AFTER: Ms = 3_000;
/// How long an interrupted execution takes to stop, at most.
pub(super) const STOP_GRACE: Ms = 400;
const WELCOME_PATIENCE: Ms = 1_500;
const SILENCE_MAX: Ms = 2_000;
const REOPEN_PAUSE: Ms = 100;

#[derive(Clone, Debug)]
pub(super) struct Hello {
    pub(super) node_group: NodeGroup,
    pub(super) identity: Identity,
    pub(super) start: u64,
    pub(super) capacity: u32,
    pub(super) kinds: BTreeSet<Kind>,
    pub(super) running: BTreeSet<ExecutionId>,
    pub(super) owed: BTreeSet<ExecutionId>,
    pub(super) draining: bool,
}

#[derive(Clone, Debug)]
pub(super) enum FromTracker {
    Hello(Hello),
    Completed(Vec<Completion>),
    /// Whether they had begun.
    Returned(Vec<ExecutionId>, bool),
    Heartbeat {
        sequence: u64,
        running: BTreeSet<ExecutionId>,
    },
    /// Asked about, and neither running nor owed.
    Unknown(Vec<ExecutionId>),
    BizLogs(Vec<ExecutionLines>),
    Accepting(bool),
    Left,
}

#[derive(Clone, Debug)]
pub(super) enum ToTracker {
    Welcome { term: u64 },
    Refused,
    Push { term: u64, pushes: Vec<Push> },
    CompletedAck(Vec<(ExecutionId, CompleteAnswer)>),
    HeartbeatAck(u64),
    Terminate(ExecutionId),
    Ask(Vec<ExecutionId>),
}

#[derive(Debug)]
pub(super) enum Act {
    Open,
    Close,
    Send(FromTracker),
    Begin(Push),
    /// User code is asked to stop.
    Interrupt(ExecutionId, Stopping),
    /// It has drained and ends.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Detached { reopen_at: Ms },
    Greeting { since: Ms },
    Attached,
}

/// Why user code was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    No,
    Ordered,
    CutOff,
}

#[derive(Clone, Debug)]
struct Running {
    run: RunId,
    stopping: Stopping,
}

#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) node_group: NodeGroup,
    pub(super) identity: Identity,
    pub(super) kinds: BTreeSet<Kind>,
    pub(super) capacity: u32,
    /// Which process it is; grows with each start.
    pub(super) start: u64,
    pub(super) alive: bool,
    /// Nothing of it moves until then.
    pub(super) frozen_until: Ms,
    pub(super) stream: Option<u64>,
    phase: Phase,
    term: u64,
    running: BTreeMap<ExecutionId, Running>,
    /// In the FailStore.
    owed: BTreeMap<ExecutionId, Completion>,
    unsent: BTreeSet<ExecutionId>,
    finished: BTreeSet<ExecutionId>,
    returned: Vec<ExecutionId>,
    interrupted: Vec<ExecutionId>,
    /// All that it ever interrupted for reasons of its own: none is begun again.
    given_up: BTreeSet<ExecutionId>,
    lines: Vec<ExecutionLines>,
    heartbeat_at: Ms,
    sequence: u64,
    /// When the heartbeats that are not answered were sent.
    sent: BTreeMap<u64, Ms>,
    /// When the last one that was answered was sent; `None` before the first welcome.
    answered: Option<Ms>,
    heard: Ms,
    cut_off: bool,
    pub(super) draining: bool,
}

impl Tracker {
    pub(super) fn new(
        node_group: NodeGroup,
        identity: Identity,
        kinds: BTreeSet<Kind>,
        capacity: u32,
    ) -> Tracker {
        Tracker {
            node_group,
            identity,
            kinds,
            capacity,
            start: 1,
            alive: true,
            frozen_until: 0,
            stream: None,
            phase: Phase::Detached { reopen_at: 0 },
            term: 0,
            running: BTreeMap::new(),
            owed: BTreeMap::new(),
            unsent: BTreeSet::new(),
            finished: BTreeSet::new(),
            returned: Vec::new(),
            interrupted: Vec::new(),
            given_up: BTreeSet::new(),
            lines: Vec::new(),
            heartbeat_at: 0,
            sequence: 0,
            sent: BTreeMap::new(),
            answered: None,
            heard: 0,
            cut_off: false,
            draining: false,
        }
    }

    pub(super) fn die(&mut self) {
        (self.alive, self.stream) = (false, None);
        self.running.clear();
        self.frozen_until = 0;
    }

    /// A new process of the same identity; with its FailStore, or on a host that lost it.
    pub(super) fn restart(&mut self, keeps_owed: bool) {
        let mut fresh =
            Tracker::new(self.node_group.clone(), self.identity.clone(), self.kinds.clone(), self.capacity);
        fresh.start = self.start + 1;
        if keeps_owed {
            fresh.owed = std::mem::take(&mut self.owed);
        }
        *self = fresh;
    }

    pub(super) fn owes(&self) -> usize {
        self.owed.len()
    }

    /// The execution of this run that its user code is in.
    pub(super) fn running_of(&self, run: RunId) -> Option<ExecutionId> {
        self.running.iter().find(|(_, running)| running.run == run).map(|(execution, _)| *execution)
    }

    pub(super) fn is_running(&self, execution: ExecutionId) -> bool {
        self.running.contains_key(&execution)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.owed.is_empty()
    }

    /// The stream is open: the hello goes first.
    pub(super) fn opened(&mut self, now: Ms, stream: u64, acts: &mut Vec<Act>) {
        (self.stream, self.phase) = (Some(stream), Phase::Greeting { since: now });
        self.unsent = self.owed.keys().copied().collect();
        self.returned.clear();
        self.interrupted.clear();
        self.sent.clear();
        acts.push(Act::Send(FromTracker::Hello(Hello {
            node_group: self.node_group.clone(),
            identity: self.identity.clone(),
            start: self.start,
            capacity: self.capacity,
            kinds: self.kinds.clone(),
            running: self.running.keys().copied().collect(),
            owed: self.owed.keys().copied().collect(),
            draining: self.draining,
        })));
    }

    pub(super) fn lost(&mut self, now: Ms) {
        (self.stream, self.phase) = (None, Phase::Detached { reopen_at: now + REOPEN_PAUSE });
    }

    pub(super) fn heard(&mut self, now: Ms, message: ToTracker, acts: &mut Vec<Act>) {
        self.heard = now;
        match message {
            ToTracker::Welcome { term } => self.welcome(now, term, acts),
            ToTracker::Refused => self.close(now, acts),
            ToTracker::Push { term, pushes } => {
                if self.phase == Phase::Attached && term >= self.term {
                    self.term = term;
                    pushes.into_iter().for_each(|push| self.pushed(push, acts));
                }
            }
            ToTracker::CompletedAck(answers) => {
                for (execution, _) in answers {
                    if self.owed.remove(&execution).is_some() {
                        self.unsent.remove(&execution);
                        self.finished.insert(execution);
                    }
                }
            }
            ToTracker::HeartbeatAck(sequence) => {
                if let Some(sent) = self.sent.remove(&sequence) {
                    self.answered = self.answered.max(Some(sent));
                    self.cut_off &= self.is_cut_off(now);
                }
            }
            ToTracker::Terminate(execution) => self.stop(execution, Stopping::Ordered, acts),
            ToTracker::Ask(executions) => {
                let known = |id: &ExecutionId| self.running.contains_key(id) || self.owed.contains_key(id);
                let unknown = executions.into_iter().filter(|id| !known(id)).collect();
                acts.push(Act::Send(FromTracker::Unknown(unknown)));
            }
        }
        self.report(acts);
    }

    fn welcome(&mut self, now: Ms, term: u64, acts: &mut Vec<Act>) {
        let Phase::Greeting { since } = self.phase else { return };
        if term < self.term {
            return self.close(now, acts);
        }
        (self.term, self.phase) = (term, Phase::Attached);
        self.answered = self.answered.or(Some(since));
        self.heartbeat_at = now;
    }

    fn close(&mut self, now: Ms, acts: &mut Vec<Act>) {
        self.lost(now);
        acts.push(Act::Close);
    }

    fn pushed(&mut self, push: Push, acts: &mut Vec<Act>) {
        let execution = push.execution;
        if self.owed.contains_key(&execution) {
            self.unsent.insert(execution);
        } else if self.running.contains_key(&execution) || self.finished.contains(&execution) {
            // It came twice; once is enough.
        } else if self.given_up.contains(&execution) {
            self.interrupted.push(execution);
        } else if self.draining || self.cut_off || self.running.len() >= self.capacity as usize {
            self.returned.push(execution);
        } else {
            self.running.insert(execution, Running { run: push.run, stopping: Stopping::No });
            acts.push(Act::Begin(push));
        }
    }

    fn stop(&mut self, execution: ExecutionId, why: Stopping, acts: &mut Vec<Act>) {
        if let Some(running) = self.running.get_mut(&execution)
            && running.stopping == Stopping::No
        {
            running.stopping = why;
            acts.push(Act::Interrupt(execution, why));
        }
    }

    /// User code ended, by itself or because it was asked to.
    pub(super) fn ended(&mut self, execution: ExecutionId, outcome: Outcome, acts: &mut Vec<Act>) {
        let Some(running) = self.running.remove(&execution) else { return };
        if running.stopping == Stopping::CutOff && outcome.action == Action::ExecuteException {
            self.interrupted.push(execution);
            self.given_up.insert(execution);
        } else {
            self.owed.insert(execution, Completion { execution, run: running.run, outcome, resent: false });
            self.unsent.insert(execution);
        }
        self.report(acts);
    }

    /// User code wrote a line.
    pub(super) fn line(&mut self, execution: ExecutionId, at: Timestamp) {
        let line = BizLogLine { at, level: BizLogLevel::Info, text: "half done".into() };
        self.lines.push(ExecutionLines { execution, first: 0, lines: vec![line] });
    }

    fn is_cut_off(&self, now: Ms) -> bool {
        self.answered.is_some_and(|answered| answered + STOP_WORKING_AFTER <= now)
    }

    /// Time passed.
    pub(super) fn wake(&mut self, now: Ms, acts: &mut Vec<Act>) {
        if self.is_cut_off(now) {
            self.cut_off = true;
            let running: Vec<ExecutionId> = self.running.keys().copied().collect();
            running.into_iter().for_each(|execution| self.stop(execution, Stopping::CutOff, acts));
        }
        match self.phase {
            Phase::Detached { reopen_at } if reopen_at <= now => acts.push(Act::Open),
            Phase::Greeting { since } if since + WELCOME_PATIENCE <= now => self.close(now, acts),
            Phase::Attached if self.heard + SILENCE_MAX <= now => self.close(now, acts),
            Phase::Attached if self.heartbeat_at <= now => self.heartbeat(now, acts),
            Phase::Detached { .. } | Phase::Greeting { .. } | Phase::Attached => {}
        }
        self.report(acts);
    }

    fn heartbeat(&mut self, now: Ms, acts: &mut Vec<Act>) {
        self.heartbeat_at = now + HEARTBEAT;
        self.sequence += 1;
        self.sent.insert(self.sequence, now);
        let running = self.running.keys().copied().collect();
        acts.push(Act::Send(FromTracker::Heartbeat { sequence: self.sequence, running }));
    }

    /// Everything that the cluster should hear now.
    fn report(&mut self, acts: &mut Vec<Act>) {
        if self.phase != Phase::Attached {
            return;
        }
        if !self.lines.is_empty() {
            acts.push(Act::Send(FromTracker::BizLogs(std::mem::take(&mut self.lines))));
        }
        let unsent = std::mem::take(&mut self.unsent);
        if !unsent.is_empty() {
            let results = unsent.iter().filter_map(|execution| self.owed.get(execution).cloned()).collect();
            acts.push(Act::Send(FromTracker::Completed(results)));
        }
        if !self.returned.is_empty() {
            acts.push(Act::Send(FromTracker::Returned(std::mem::take(&mut self.returned), false)));
        }
        if !self.interrupted.is_empty() {
            acts.push(Act::Send(FromTracker::Returned(std::mem::take(&mut self.interrupted), true)));
        }
        if self.draining && self.is_idle() {
            acts.push(Act::Send(FromTracker::Left));
            acts.push(Act::Leave);
        }
    }

    /// Takes nothing new, finishes, leaves.
    pub(super) fn drain(&mut self, acts: &mut Vec<Act>) {
        self.draining = true;
        if self.phase == Phase::Attached {
            acts.push(Act::Send(FromTracker::Accepting(false)));
        }
    }
}
