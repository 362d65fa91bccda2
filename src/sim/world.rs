//! The world of one seed: what happens, when, and to whom. One queue of happenings in virtual time, one source of
//! chance; the same seed is the same history to the last digest.
//!
//! Here is what goes by itself: messages on their way, proposals, replicas, user code, timers. What somebody does to the
//! world is in `deeds`, how it ends in `drain`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::calls::Calls;
use super::cluster::{Cluster, NODES};
use super::history::{Broken, End, History};
use super::jobs;
use super::office::{Now, Office, Out};
use super::rare::Rare;
use super::rng::Rng;
use super::tracker::{Act, FromTracker, Ms, RECLAIM_AFTER, STOP_GRACE, Stopping, ToTracker, Tracker};
use crate::dispatch::{Patience, planner};
use crate::domain::{
    Action, Clock, ExecutionId, Identity, Millis, NodeGroup, Outcome, SystemClock, Timestamp,
};
use crate::machine::Reply;
use crate::machine::command::JobPlan;
use crate::machine::reply::Push;

const TRACKER_WAKES: Ms = 100;
/// Every so many entries all tables are checked.
const CHECK_EVERY: u64 = 151;
/// A leader that is in office for so long has settled all that was due when it came.
const SETTLES_WITHIN: Ms = 2_000;
/// How far right clocks are off.
pub(super) const SKEW: Ms = 15;

#[derive(Debug)]
pub(super) enum Happening {
    Commit {
        term: u64,
    },
    Apply {
        node: usize,
        up_to: u64,
    },
    /// The leader's loop hears what came of an entry; its tables may be ahead by then.
    Heard {
        term: u64,
        index: u64,
    },
    ToLeader {
        stream: u64,
        message: FromTracker,
    },
    ToTracker {
        tracker: usize,
        stream: u64,
        sent: Ms,
        message: ToTracker,
    },
    Lost {
        tracker: usize,
        stream: u64,
    },
    Detached {
        stream: u64,
    },
    Ended {
        tracker: usize,
        start: u64,
        execution: ExecutionId,
        interrupted: bool,
    },
    TimedOut {
        tracker: usize,
        start: u64,
        execution: ExecutionId,
    },
    Crash {
        tracker: usize,
        start: u64,
    },
    Restart {
        tracker: usize,
    },
    Thaw {
        tracker: usize,
    },
    TrackerWake {
        tracker: usize,
    },
    LeaderWake {
        term: u64,
    },
    Planned {
        term: u64,
        plans: Vec<JobPlan>,
    },
    Elect,
    NodeUp {
        node: usize,
    },
    Call {
        call: u64,
    },
    Answer {
        call: u64,
        reply: Reply,
    },
    Unknown {
        call: u64,
    },
}

/// One stream between a TaskTracker and the leader of a term; messages keep their order.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) tracker: usize,
    pub(super) term: u64,
    to_tracker_at: Ms,
    to_leader_at: Ms,
    /// The next message to the TaskTracker takes so much longer.
    pub(super) slow: Ms,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Ms,
    epoch: Timestamp,
    beginning: Instant,
    queue: BTreeMap<(Ms, u64), Happening>,
    happenings: u64,
    pub(super) cluster: Cluster,
    pub(super) office: Option<Office>,
    pub(super) term: u64,
    commit_at: Ms,
    heard_at: Ms,
    pub(super) trackers: Vec<Tracker>,
    /// What reached a TaskTracker while it was frozen.
    pub(super) backlogs: Vec<Vec<Happening>>,
    /// When each TaskTracker was frozen last.
    pub(super) thawed: Vec<Ms>,
    pub(super) links: BTreeMap<u64, Link>,
    streams: u64,
    /// Executions whose user code does not stop when asked.
    deaf: BTreeSet<ExecutionId>,
    pub(super) calls: Calls,
    pub(super) history: History,
    /// No more faults: the world heals.
    pub(super) calm: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        // An ordinary day, the eve of 2031, Berlin's and Lord Howe's clocks about to change.
        let epoch = *rng.pick(&[1_900_000_000_000, 1_924_991_970_000, 1_900_630_760_000, 1_901_199_500_000]);
        let mut world = World {
            rng,
            now: 0,
            epoch: Timestamp::from_millis(epoch),
            beginning: SystemClock.monotonic(),
            queue: BTreeMap::new(),
            happenings: 0,
            cluster: Cluster::new(),
            office: None,
            term: 0,
            commit_at: 0,
            heard_at: 0,
            trackers: Vec::new(),
            backlogs: Vec::new(),
            thawed: Vec::new(),
            links: BTreeMap::new(),
            streams: 0,
            deaf: BTreeSet::new(),
            calls: Calls::default(),
            history: History::default(),
            calm: false,
        };
        world.people();
        world.after(1, Happening::Elect);
        world
    }

    /// Each group has a TaskTracker that takes all kinds.
    fn people(&mut self) {
        for node in 0..NODES {
            self.cluster.offsets[node] = self.rng.between(0, 2 * SKEW) as i64 - SKEW as i64;
        }
        let extra = self.rng.below(3);
        for number in 0..jobs::GROUPS.len() + extra {
            let group = NodeGroup::new(jobs::GROUPS[number % 2]).expect("a short name");
            let who = Identity::new(format!("w{number}")).expect("a short name");
            let kinds = if number < 2 { BTreeSet::new() } else { [jobs::kind(jobs::KINDS[0])].into() };
            let capacity = self.rng.between(1, 6) as u32;
            self.trackers.push(Tracker::new(group, who, kinds, capacity));
            self.backlogs.push(Vec::new());
            self.thawed.push(0);
            self.after(TRACKER_WAKES, Happening::TrackerWake { tracker: number });
        }
    }

    /// The true time.
    pub(super) fn truth(&self) -> Timestamp {
        self.epoch + Millis::new(self.now)
    }

    fn present(&self) -> Now {
        Now { instant: self.beginning + Duration::from_millis(self.now), ms: self.now }
    }

    pub(super) fn after(&mut self, delay: Ms, what: Happening) {
        self.at(self.now + delay, what);
    }

    fn at(&mut self, when: Ms, what: Happening) {
        self.happenings += 1;
        self.queue.insert((when, self.happenings), what);
    }

    /// Lets the world go on by itself.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn run_until(&mut self, when: Ms) -> Result<(), Broken> {
        while let Some(next) = self.queue.first_entry() {
            let (at, _) = *next.key();
            if at > when {
                break;
            }
            let what = next.remove();
            self.now = at;
            self.happens(what)?;
        }
        self.now = when;
        Ok(())
    }

    fn happens(&mut self, what: Happening) -> Result<(), Broken> {
        match what {
            Happening::Commit { term } => self.commit(term),
            Happening::Apply { node, up_to } => self.apply(node, up_to)?,
            Happening::Heard { term, index } => {
                let now = self.present();
                if let Some(office) = self.office.as_mut().filter(|office| office.term == term) {
                    let applied = self.cluster.applied(index).clone();
                    office.applied(now, &self.cluster.replicas[office.node].machine, index, applied);
                }
            }
            Happening::ToLeader { stream, message } => self.tell_leader(stream, message),
            Happening::Detached { stream } => {
                self.links.remove(&stream);
                let now = self.present();
                self.office.iter_mut().for_each(|office| office.detached(now, stream));
            }
            Happening::TrackerWake { tracker } => {
                self.after(TRACKER_WAKES, Happening::TrackerWake { tracker });
                if !self.is_frozen(tracker) {
                    self.with_tracker(tracker, |tracker, now, acts| tracker.wake(now, acts))?;
                }
            }
            Happening::ToTracker { .. } | Happening::Lost { .. } | Happening::Ended { .. } => {
                self.tell_tracker(what)?;
            }
            Happening::TimedOut { tracker, start, execution } => {
                if self.trackers[tracker].start == start && !self.is_frozen(tracker) {
                    let terminate = ToTracker::Terminate(execution);
                    self.with_tracker(tracker, |tracker, now, acts| tracker.heard(now, terminate, acts))?;
                }
            }
            Happening::Crash { tracker, start } => {
                if self.trackers[tracker].start == start && self.trackers[tracker].alive {
                    self.kill_tracker(tracker);
                }
            }
            Happening::Restart { tracker } => self.restart(tracker),
            Happening::Thaw { tracker } => self.thaw(tracker)?,
            Happening::LeaderWake { term } => self.leader_wake(term),
            Happening::Planned { term, plans } => {
                self.office
                    .iter_mut()
                    .filter(|office| office.term == term)
                    .for_each(|office| office.planned(plans.clone()));
            }
            Happening::Elect => self.elect()?,
            Happening::NodeUp { node } => {
                self.cluster.replicas[node].up = true;
                let up_to = self.cluster.committed();
                self.after(1, Happening::Apply { node, up_to });
            }
            Happening::Call { call } => self.call(call),
            Happening::Answer { call, reply } => self.answered(call, reply)?,
            Happening::Unknown { call } => self.unknown(call),
        }
        self.lead();
        Ok(())
    }

    /// What the leader's loop does after whatever woke it: propose, send.
    pub(super) fn lead(&mut self) {
        let (now, truth) = (self.present(), self.truth());
        let Some(office) = &mut self.office else { return };
        let (at, term) = (self.cluster.time(truth), office.term);
        let machine = &self.cluster.replicas[office.node].machine;
        let mut proposals = 0;
        while office.propose(now, at, machine) {
            proposals += 1;
        }
        let out = std::mem::take(&mut office.out);
        self.history.counts.add(Rare::LostPushesAgain, std::mem::take(&mut office.pushed_again));
        self.history.counts.add(Rare::IdentityInUse, std::mem::take(&mut office.refused));
        for _ in 0..proposals {
            let at = self.commit_at.max(self.now) + self.rng.between(1, 8);
            self.commit_at = at;
            self.at(at, Happening::Commit { term });
        }
        out.into_iter().for_each(|out| self.send(out));
    }

    fn send(&mut self, out: Out) {
        match out {
            Out::Tell(stream, message) => self.tell(stream, message),
            Out::Close(stream) => self.break_link(stream, 5),
            Out::Answer(call, _) if !self.calm && self.rng.percent(3) => {
                self.after(50, Happening::Unknown { call });
            }
            Out::Answer(call, reply) => self.after(2, Happening::Answer { call, reply }),
        }
    }

    fn tell(&mut self, stream: u64, message: ToTracker) {
        let delay = self.rng.between(1, 4);
        let is_push = matches!(message, ToTracker::Push { .. }) && !self.calm;
        if is_push && self.rng.percent(1) {
            return self.history.saw(Rare::PushesDropped);
        }
        let twice = is_push && self.rng.percent(2);
        let Some(link) = self.links.get_mut(&stream) else { return };
        link.to_tracker_at = link.to_tracker_at.max(self.now) + delay + std::mem::take(&mut link.slow);
        let (at, tracker, sent) = (link.to_tracker_at, link.tracker, self.now);
        if twice {
            self.history.saw(Rare::DuplicatePushes);
            let message = message.clone();
            self.at(at, Happening::ToTracker { tracker, stream, sent, message });
        }
        self.at(at, Happening::ToTracker { tracker, stream, sent, message });
    }

    /// A stream breaks: both ends hear of it some time, what is on its way until then still arrives.
    pub(super) fn break_link(&mut self, stream: u64, patience: Ms) {
        if let Some(link) = self.links.get(&stream) {
            let tracker = link.tracker;
            let (one, other) = (self.rng.between(0, patience), self.rng.between(0, patience));
            self.after(one, Happening::Lost { tracker, stream });
            self.after(other, Happening::Detached { stream });
        }
    }

    fn commit(&mut self, term: u64) {
        let Some(office) = self.office.as_mut().filter(|office| office.term == term) else { return };
        let Some(next) = office.in_flight.iter_mut().find(|proposed| proposed.index.is_none()) else {
            return;
        };
        let index = self.cluster.commit(next.entry.take());
        next.index = Some(index);
        let leader = office.node;
        self.spread(index, Some(leader));
    }

    /// The replicas will apply an entry, each at its own pace.
    pub(super) fn spread(&mut self, index: u64, leader: Option<usize>) {
        for node in 0..NODES {
            let lag = if leader == Some(node) { 3 } else { *self.rng.pick(&[4, 20, 20, 400]) };
            let delay = self.rng.between(0, lag);
            self.after(delay, Happening::Apply { node, up_to: index });
        }
    }

    pub(super) fn apply(&mut self, node: usize, up_to: u64) -> Result<(), Broken> {
        while self.cluster.replicas[node].up && self.cluster.replicas[node].machine.applied_index() < up_to {
            let Some((index, first)) = self.cluster.apply_next(node)? else { return Ok(()) };
            if first {
                self.first_applied(index)?;
            }
            if index % CHECK_EVERY == 0 && first {
                self.check(node)?;
            }
            if let Some(term) =
                self.office.as_ref().filter(|office| office.node == node).map(|office| office.term)
            {
                let at = self.heard_at.max(self.now) + self.rng.between(0, 2);
                self.heard_at = at;
                self.at(at, Happening::Heard { term, index });
            }
        }
        Ok(())
    }

    fn first_applied(&mut self, index: u64) -> Result<(), Broken> {
        self.history.truth = self.truth() + Millis::new(SKEW);
        match self.cluster.entry(index) {
            Some(entry) => self.history.entry(entry, self.cluster.applied(index)),
            None => Ok(()),
        }
    }

    pub(super) fn check(&mut self, node: usize) -> Result<(), Broken> {
        self.history.saw(Rare::Checks);
        let machine = &self.cluster.replicas[node].machine;
        let found = machine.check().expect("memory does not fail");
        match found.first() {
            Some(violation) => Err(format!("after {}: {violation}", machine.applied_index())),
            None => Ok(()),
        }
    }

    fn tell_leader(&mut self, stream: u64, message: FromTracker) {
        let (now, term) = (self.present(), self.links.get(&stream).map(|link| link.term));
        if let Some(office) = self.office.as_mut().filter(|office| Some(office.term) == term) {
            let machine = &self.cluster.replicas[office.node].machine;
            office.hear(now, machine, stream, message);
        }
    }

    fn leader_wake(&mut self, term: u64) {
        let (now, truth) = (self.present(), self.truth());
        let Some(office) = self.office.as_mut().filter(|office| office.term == term) else { return };
        office.tick(now);
        if office.since + SETTLES_WITHIN < now.ms {
            self.history.settled_until = self.epoch + Millis::new(now.ms - SETTLES_WITHIN);
        }
        let machine = &self.cluster.replicas[office.node].machine;
        let unplanned = office.take_unplanned(machine);
        if !unplanned.is_empty() {
            let at = self.cluster.time(truth);
            let plans = unplanned.iter().filter_map(|unplanned| planner::plan(unplanned, at)).collect();
            let delay = self.rng.between(1, 40);
            self.after(delay, Happening::Planned { term, plans });
        }
        let pause = self.rng.between(5, 30);
        self.after(pause, Happening::LeaderWake { term });
    }

    /// A node takes over: it has all that was committed, its first entry is blank.
    fn elect(&mut self) -> Result<(), Broken> {
        let up: Vec<usize> = (0..NODES).filter(|node| self.cluster.replicas[*node].up).collect();
        if up.len() * 2 <= NODES {
            self.after(100, Happening::Elect);
            return Ok(());
        }
        if self.office.is_some() {
            return Ok(());
        }
        let node = *self.rng.pick(&up);
        let index = self.cluster.commit(None);
        self.apply(node, index)?;
        self.spread(index, None);
        self.term += 1;
        let patience = Patience {
            reclaim_after: Duration::from_millis(RECLAIM_AFTER),
            terminate_grace: Duration::from_millis(1_000),
        };
        let machine = &self.cluster.replicas[node].machine;
        self.office = Some(Office::recover(self.term, node, machine, patience, self.present()));
        self.after(1, Happening::LeaderWake { term: self.term });
        Ok(())
    }

    // -- TaskTrackers ---------------------------------------------------------------------------------------------

    pub(super) fn is_frozen(&self, tracker: usize) -> bool {
        self.trackers[tracker].frozen_until > self.now
    }

    fn tell_tracker(&mut self, what: Happening) -> Result<(), Broken> {
        let (Happening::ToTracker { tracker, .. }
        | Happening::Lost { tracker, .. }
        | Happening::Ended { tracker, .. }) = &what
        else {
            return Ok(());
        };
        let tracker = *tracker;
        if self.is_frozen(tracker) {
            self.backlogs[tracker].push(what);
            return Ok(());
        }
        match what {
            Happening::ToTracker { stream, sent, message, .. }
                if self.trackers[tracker].alive && self.trackers[tracker].stream == Some(stream) =>
            {
                if matches!(message, ToTracker::Push { .. }) && sent + 500 < self.now {
                    self.history.saw(Rare::LatePushes);
                }
                self.with_tracker(tracker, |tracker, now, acts| tracker.heard(now, message, acts))?;
            }
            Happening::Lost { stream, .. } if self.trackers[tracker].stream == Some(stream) => {
                self.trackers[tracker].lost(self.now);
            }
            // The stream is not the TaskTracker's any more.
            Happening::ToTracker { .. } | Happening::Lost { .. } => {}
            Happening::Ended { start, execution, interrupted, .. } => {
                let at = self.truth();
                let process = &self.trackers[tracker];
                if process.alive && process.start == start && process.is_running(execution) {
                    let outcome = self.outcome(interrupted);
                    let wrote = self.rng.percent(5);
                    self.with_tracker(tracker, |tracker, _, acts| {
                        if wrote {
                            tracker.line(execution, at);
                        }
                        tracker.ended(execution, outcome, acts);
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
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

    /// Lets a live process do something, and does what it wants done.
    pub(super) fn with_tracker(
        &mut self,
        number: usize,
        does: impl FnOnce(&mut Tracker, Ms, &mut Vec<Act>),
    ) -> Result<(), Broken> {
        let mut acts = Vec::new();
        if self.trackers[number].alive {
            does(&mut self.trackers[number], self.now, &mut acts);
        }
        let mut todo: std::collections::VecDeque<Act> = acts.into();
        while let Some(act) = todo.pop_front() {
            let mut more = Vec::new();
            self.act(number, act, &mut more)?;
            todo.extend(more);
        }
        Ok(())
    }

    fn act(&mut self, number: usize, act: Act, more: &mut Vec<Act>) -> Result<(), Broken> {
        match act {
            Act::Open => self.open(number, more),
            Act::Close => {
                let open =
                    self.links.iter().find(|(_, link)| link.tracker == number).map(|(stream, _)| *stream);
                if let Some(stream) = open {
                    self.after(2, Happening::Detached { stream });
                }
            }
            Act::Send(message) => self.say(number, message),
            Act::Begin(push) => self.begin(number, &push)?,
            Act::Interrupt(execution, why) => {
                if why == Stopping::CutOff {
                    self.history.saw(Rare::SelfFenced);
                }
                let start = self.trackers[number].start;
                if !self.deaf.contains(&execution) {
                    let delay = self.rng.between(1, STOP_GRACE);
                    let ended = Happening::Ended { tracker: number, start, execution, interrupted: true };
                    self.after(delay, ended);
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
        let Some(term) = self.office.as_ref().map(|office| office.term) else { return };
        self.streams += 1;
        let link = Link { tracker: number, term, to_tracker_at: 0, to_leader_at: 0, slow: 0 };
        self.links.insert(self.streams, link);
        self.trackers[number].opened(self.now, self.streams, more);
    }

    fn say(&mut self, number: usize, message: FromTracker) {
        let delay = self.rng.between(1, 4);
        let Some(stream) = self.trackers[number].stream else { return };
        let Some(link) = self.links.get_mut(&stream) else { return };
        link.to_leader_at = link.to_leader_at.max(self.now) + delay;
        let at = link.to_leader_at;
        self.at(at, Happening::ToLeader { stream, message });
    }

    /// User code begins.
    fn begin(&mut self, number: usize, push: &Push) -> Result<(), Broken> {
        let (tracker, start, execution) = (number, self.trackers[number].start, push.execution);
        self.may_begin(number, push)?;
        self.history.begun.insert(execution);
        let long = match self.rng.between(0, 9) {
            0..=5 => self.rng.between(2, 100),
            6..=8 => self.rng.between(100, 1_500),
            _ => self.rng.between(1_500, 8_000),
        };
        if jobs::is_poison(&push.spec) {
            self.after(long.min(300), Happening::Crash { tracker, start });
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
            return Err(format!("execution {execution} of run {run} was begun and never committed"));
        };
        if known.run != run {
            return Err(format!(
                "execution {execution} is of run {} and was begun as one of {run}",
                known.run
            ));
        }
        if matches!(known.end, Some(End::Returned | End::Interrupted)) {
            return Err(format!("execution {execution} of run {run} was begun after it had been given back"));
        }
        if self.is_stalled(number) {
            // It may find in its mailbox what was given to it before it was declared gone.
            return Ok(());
        }
        for (other, tracker) in self.trackers.iter().enumerate().filter(|(other, _)| *other != number) {
            let same = tracker.running_of(run).filter(|older| !self.is_excused(other, *older));
            if let Some(older) = same {
                return Err(format!(
                    "run {run} was begun as {execution} while {older} runs on w{other}, which was not stalled"
                ));
            }
        }
        Ok(())
    }

    /// A process that was stalled, or user code that does not listen, or was too slow to stop after its run timeout.
    fn is_excused(&self, tracker: usize, execution: ExecutionId) -> bool {
        let timed_out = End::Reclaimed(crate::machine::command::ReclaimReason::TimedOut);
        let end = self.history.executions.get(&execution).and_then(|execution| execution.end);
        !self.trackers[tracker].alive
            || self.is_stalled(tracker)
            || self.deaf.contains(&execution)
            || end == Some(timed_out)
    }

    /// It stands still, or did so until a moment ago.
    fn is_stalled(&self, tracker: usize) -> bool {
        self.is_frozen(tracker) || self.thawed[tracker] + RECLAIM_AFTER > self.now
    }

    pub(super) fn kill_tracker(&mut self, number: usize) {
        let stream = self.trackers[number].stream;
        self.trackers[number].die();
        self.backlogs[number].clear();
        // A process that dies resets its connections; a host that dies does not.
        if let Some(stream) = stream.filter(|_| self.rng.percent(70)) {
            self.after(3, Happening::Detached { stream });
        }
        let delay = self.rng.between(100, 4_000);
        self.after(delay, Happening::Restart { tracker: number });
    }

    fn restart(&mut self, number: usize) {
        if self.trackers[number].alive {
            return;
        }
        let keeps = self.calm || self.rng.percent(75);
        if self.trackers[number].owes() > 0 {
            self.history.saw(if keeps { Rare::OwedAfterRestart } else { Rare::OwedLost });
        }
        self.trackers[number].restart(keeps);
    }

    pub(super) fn thaw(&mut self, number: usize) -> Result<(), Broken> {
        if self.is_frozen(number) || self.trackers[number].frozen_until == 0 {
            return Ok(());
        }
        self.trackers[number].frozen_until = 0;
        self.thawed[number] = self.now;
        if self.rng.percent(50) {
            self.with_tracker(number, |tracker, now, acts| tracker.wake(now, acts))?;
        }
        for what in std::mem::take(&mut self.backlogs[number]) {
            self.tell_tracker(what)?;
        }
        Ok(())
    }
}
