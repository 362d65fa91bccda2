//! Why and when executions are told to stop, and killed if they do not.

use super::heartbeat::plus;
use super::words::Act;
use super::{Draining, Session};
use crate::domain::{ExecutionId, Millis};
use crate::tasktracker::StopCause;
use crate::wire::pb;

/// What is cut off has to be over before the cluster runs it elsewhere, so it gets little time.
const CUT_OFF_GRACE: Millis = Millis::from_secs(1);

impl Session {
    /// Tells an execution to stop and sets the time of its kill; a second order changes nothing.
    pub(super) fn stop(&mut self, execution: u64, cause: StopCause, kill_at: Millis, acts: &mut Vec<Act>) {
        let Some(running) = self.running.get_mut(&execution).filter(|running| running.stopping.is_none())
        else {
            return;
        };
        running.stopping = Some(cause.clone());
        let old = running.timer.replace(kill_at);
        self.clear_timer(old, execution);
        self.timers.insert((kill_at, execution));
        acts.push(Act::Stop(ExecutionId::from_u64(execution), cause));
    }

    pub(super) fn clear_timer(&mut self, timer: Option<Millis>, execution: u64) {
        if let Some(at) = timer {
            self.timers.remove(&(at, execution));
        }
    }

    pub(super) fn stop_all(&mut self, cause: &StopCause, kill_at: Millis, acts: &mut Vec<Act>) {
        let running: Vec<u64> = self.running.keys().copied().collect();
        running.into_iter().for_each(|execution| self.stop(execution, cause.clone(), kill_at, acts));
    }

    pub(super) fn stop_what_is_late(&mut self, now: Millis, acts: &mut Vec<Act>) {
        while let Some((_, execution)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            let running = self.running.get_mut(&execution).expect("a timer ends with its execution");
            running.timer = None;
            if running.stopping.is_some() {
                acts.push(Act::Kill(ExecutionId::from_u64(execution)));
            } else {
                self.stop(execution, StopCause::TimedOut, plus(now, self.grace), acts);
            }
        }
    }

    pub(super) fn stop_working_if_cut_off(&mut self, now: Millis, acts: &mut Vec<Act>) {
        if self.heartbeats.stop_working_at().is_some_and(|at| at <= now) {
            self.cut_off = true;
            self.stop_all(&StopCause::CutOff, plus(now, self.grace.min(CUT_OFF_GRACE)), acts);
        }
    }

    pub(super) fn drain(&mut self, timeout: Millis, now: Millis) {
        let until = plus(now, timeout);
        match &mut self.draining {
            Some(draining) => draining.until = draining.until.min(until),
            None => self.draining = Some(Draining { until, told: false }),
        }
    }

    /// An operator's drain: the cluster sends nothing new, so there is something to do only if it says leave.
    pub(super) fn drained(&mut self, told: &pb::Drain, now: Millis) {
        if std::mem::replace(&mut self.drained, told.draining) != told.draining {
            let pb::Drain { draining, leave, reason } = told;
            tracing::info!(draining, leave, reason, "an operator drains this TaskTracker, or no longer does");
        }
        if told.draining && told.leave {
            self.drain(Millis::new(u64::MAX), now);
        }
    }

    /// What runs beyond a smaller number runs to its end.
    pub(super) fn resized(&mut self, slots: u32) {
        if slots > 0 && self.slots.unwrap_or(self.me.capacity) != slots {
            tracing::info!(slots, "an operator's number of slots");
            self.slots = Some(slots);
            self.announce = true;
        }
    }

    pub(super) fn stop_what_drains_too_long(&mut self, now: Millis, acts: &mut Vec<Act>) {
        if self.draining.as_ref().is_some_and(|draining| draining.until <= now) {
            self.stop_all(&StopCause::Draining, plus(now, self.grace.min(CUT_OFF_GRACE)), acts);
        }
    }
}
