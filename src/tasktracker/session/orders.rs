//! What its own process asks of a TaskTracker: another number of slots, a pause, an end, a look.

use super::heartbeat::plus;
use super::words::Act;
use super::{Phase, Session, ToCluster};
use crate::domain::{ExecutionId, Millis};
use crate::tasktracker::StopCause;
use crate::tasktracker::handle::{RunningJob, TaskTrackerState};
use crate::wire::pb;

impl Session {
    /// Its own number of slots; the hello of the next stream says it too.
    pub(super) fn wish_slots(&mut self, slots: u32, acts: &mut Vec<Act>) {
        self.me.capacity = slots;
        self.announce = true;
        if self.phase == Phase::Attached {
            acts.push(Act::Send(ToCluster::Resize(pb::Resize { slots })));
        }
    }

    /// Takes nothing new for a reason, or again.
    pub(super) fn pause(&mut self, reason: Option<String>) {
        self.paused = reason;
        self.announce = true;
    }

    /// Tells the executions of a job to stop, named by execution, run or job; tells how many there were.
    pub(in crate::tasktracker) fn terminate(
        &mut self,
        which: &str,
        reason: &str,
        now: Millis,
        acts: &mut Vec<Act>,
    ) -> usize {
        let is_meant = |(execution, running): &(&u64, &super::Running)| {
            running.run_id == which
                || running.job_id == which
                || ExecutionId::from_u64(**execution).to_string() == which
        };
        let meant: Vec<u64> = self.running.iter().filter(is_meant).map(|(execution, _)| *execution).collect();
        for execution in &meant {
            self.stop(*execution, StopCause::Terminated(reason.into()), plus(now, self.grace), acts);
        }
        meant.len()
    }

    pub(in crate::tasktracker) fn state(&self, now: Millis) -> TaskTrackerState {
        let job = |(execution, running): (&u64, &super::Running)| RunningJob {
            execution_id: ExecutionId::from_u64(*execution).to_string(),
            job_id: running.job_id.clone(),
            run_id: running.run_id.clone(),
            task_id: running.task_id.clone(),
            kind: running.kind.clone(),
            attempt: running.attempt,
            running_ms: now.get().saturating_sub(running.since.get()),
            stopping: running.stopping.as_ref().map(ToString::to_string),
        };
        TaskTrackerState {
            identity: self.me.identity.clone(),
            node_group: self.me.node_group.clone(),
            attached: self.phase == Phase::Attached,
            slots: self.slots.unwrap_or(self.me.capacity),
            free_slots: self.free_slots(),
            paused: self.paused.clone(),
            cut_off: self.cut_off,
            draining: self.draining.is_some(),
            results_owed: self.owed.len(),
            running: self.running.iter().map(job).collect(),
        }
    }
}
