//! The TaskTrackers of the world: what reaches a process, what it wants done, how long its user code runs and how that
//! ends. Here is also held what user code may take for granted when it begins.

use std::collections::VecDeque;

use super::history::{Broken, End};
use super::jobs;
use super::rare::Rare;
use super::tracker::{Act, FromTracker, Ms, RECLAIM_AFTER, STOP_GRACE, Stopping, ToTracker, Tracker};
use super::world::{Happening, Link, World};
use crate::domain::{Action, ExecutionId, Millis, Outcome};
use crate::machine::command::ReclaimReason;
use crate::machine::reply::Push;

/// Cluster time and the true time are no further apart than this.
const CLOCK_SLACK: Millis = Millis::new(100);

impl World {
    pub(super) fn is_frozen(&self, tracker: usize) -> bool {
        self.trackers[tracker].frozen_until > self.now
    }

    pub(super) fn tell_tracker(&mut self, what: Happening) -> Result<(), Broken> {
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
        let mut todo: VecDeque<Act> = acts.into();
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
                } else if !self.history.may_be_stopped(execution, self.truth() + CLOCK_SLACK) {
                    return Err(format!("execution {execution} was told to stop, and nobody asked for it"));
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
        if known.end == Some(End::Returned) {
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
        let timed_out = End::Reclaimed(ReclaimReason::TimedOut);
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

    pub(super) fn restart(&mut self, number: usize) {
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
