//! What is said to the cluster when its time has come: heartbeats, lines, results, farewell.

use super::heartbeat::plus;
use super::words::Act;
use super::{Phase, Session};
use crate::domain::Millis;
use crate::wire::pb;
use pb::session_request::Message as ToCluster;

/// How long a draining TaskTracker waits for the last acknowledgements after its drain timeout.
pub(super) const LEAVE_PATIENCE: Millis = Millis::from_secs(2);
/// What one Completed carries at most.
const COMPLETED_MAX: usize = 512;
const COMPLETED_BYTES_MAX: usize = 1 << 20;

impl Session {
    /// Everything that the cluster should hear now, results before all else that can wait.
    pub(super) fn report(&mut self, now: Millis, acts: &mut Vec<Act>) {
        if let Some(draining) = self.draining.as_mut().filter(|draining| !draining.told) {
            draining.told = true;
            acts.push(Act::Send(ToCluster::Leave(pb::Leave { done: false })));
        }
        self.report_lines(now, acts);
        self.report_results(acts);
        for (reason, executions) in std::mem::take(&mut self.returned) {
            acts.push(Act::Send(ToCluster::Returned(pb::Returned { executions, reason: reason.into() })));
        }
        while let Some(message) = self.samples.next_message() {
            acts.push(Act::Send(ToCluster::Samples(message)));
        }
        let free_slots = self.free_slots();
        let has_room_again = self.said_full && free_slots > 0;
        if (std::mem::take(&mut self.announce) || has_room_again) && self.draining.is_none() {
            self.said_full = free_slots == 0;
            acts.push(Act::Send(ToCluster::Pull(pb::Pull { free_slots })));
        }
        if self.heartbeats.due_at() <= now {
            acts.push(Act::Send(ToCluster::Heartbeat(self.heartbeat(now))));
        }
    }

    fn heartbeat(&mut self, now: Millis) -> pb::Heartbeat {
        pb::Heartbeat {
            sequence: self.heartbeats.send(now),
            sent_at_ms: now.get(),
            running: self.running.keys().copied().collect(),
            free_slots: self.free_slots(),
        }
    }

    fn report_lines(&mut self, now: Millis, acts: &mut Vec<Act>) {
        if self.lines_due.is_some_and(|due| due <= now) {
            self.lines_due = None;
            if !self.progress.is_empty() {
                let executions = std::mem::take(&mut self.progress).into_values().collect();
                acts.push(Act::Send(ToCluster::Progress(pb::Progress { executions })));
            }
            while let Some(message) = self.lines.next_message() {
                acts.push(Act::Send(ToCluster::BizLogs(message)));
            }
        }
    }

    fn report_results(&mut self, acts: &mut Vec<Act>) {
        let free_slots = self.free_slots();
        while !self.unsent.is_empty() {
            let mut results = Vec::new();
            let mut bytes = 0;
            while results.len() < COMPLETED_MAX && bytes < COMPLETED_BYTES_MAX {
                let Some(execution) = self.unsent.pop_first() else { break };
                let owed = self.owed.get_mut(&execution).expect("what is not sent is owed");
                bytes += owed.result.len() + owed.error.len();
                results.push(owed.clone());
                owed.resent = true;
            }
            acts.push(Act::Send(ToCluster::Completed(pb::Completed { results, free_slots })));
            // The free slots rode along.
            self.announce = false;
            self.said_full &= free_slots == 0;
        }
    }

    pub(super) fn leave_when_done(&mut self, now: Millis, acts: &mut Vec<Act>) {
        let Some(draining) = &self.draining else { return };
        let attached = self.phase == Phase::Attached;
        let patience_is_over = now >= plus(draining.until, LEAVE_PATIENCE);
        let nothing_to_say = self.owed.is_empty() && (!attached || draining.told);
        if self.over || !self.running.is_empty() || !(nothing_to_say || patience_is_over) {
            return;
        }
        self.over = true;
        if attached {
            acts.push(Act::Send(ToCluster::Leave(pb::Leave { done: true })));
        }
        acts.push(Act::Finished);
    }
}
