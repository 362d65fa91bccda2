//! Runs are dispatched, executed, completed, given back and taken back, told again.

use std::sync::Arc;

use super::{Model, Rhythm, Run, State, Tracker, given_up};
use crate::domain::{Action, ExecutionId, Millis, RunId, SessionId, Timestamp};
use crate::machine::command::{Completion, ReclaimReason};
use crate::machine::reply::{CompleteAnswer, Dispatched, Push, Refusal, Reply};
use crate::machine::row::{Fate, SkipReason};

impl Model {
    pub(super) fn find(&self, execution: ExecutionId) -> Option<RunId> {
        let runs = self.jobs.iter().flat_map(|(job, it)| it.runs.iter().map(move |run| (*job, run)));
        let mut current = runs.filter(|(_, (_, run))| run.execution().is_some_and(|(id, _)| id == execution));
        current.next().map(|(job, (number, _))| RunId { job, number: *number })
    }

    pub(super) fn executions_of(&self, session: SessionId) -> Vec<ExecutionId> {
        let runs = self.jobs.values().flat_map(|job| job.runs.values());
        let on = runs.filter_map(Run::execution).filter(|(_, on)| *on == session);
        let mut executions: Vec<ExecutionId> = on.map(|(execution, _)| execution).collect();
        executions.sort();
        executions
    }

    pub(super) fn dispatch(&mut self, session: SessionId, want: u32) -> Reply {
        let online = |tracker: &&Tracker| tracker.session == session && tracker.online;
        let Some(group) =
            self.trackers.iter().find(|(_, it)| online(it)).map(|((group, _), _)| group.clone())
        else {
            return Reply::Refused(Refusal::UnknownSession(session));
        };
        let tracker = self.trackers.values().find(online).expect("found just now");
        if tracker.drained.is_some() {
            self.rare("dispatch to a drained TaskTracker");
            return Reply::Refused(Refusal::Draining(session));
        }
        if self.paused.contains(&group) {
            self.rare("dispatch in a paused group");
            return Reply::Refused(Refusal::Paused(group));
        }
        let free = (tracker.slots.unwrap_or(tracker.capacity) as usize)
            .saturating_sub(self.executions_of(session).len());
        let mut ready: Vec<(i32, Timestamp, RunId)> = Vec::new();
        for (job, it) in &self.jobs {
            for (number, run) in it.runs.iter().filter(|(_, run)| run.state == State::Ready) {
                let takes = tracker.kinds.is_empty() || tracker.kinds.contains(&run.spec.kind);
                if takes && run.group == group {
                    ready.push((run.spec.priority, run.due, RunId { job: *job, number: *number }));
                }
            }
        }
        ready.sort();
        ready.truncate(free.min(want as usize));
        let pushes = ready.into_iter().filter_map(|(_, _, run)| self.push(run, session)).collect();
        Reply::Dispatched(Dispatched { session, pushes })
    }

    pub(super) fn push(&mut self, id: RunId, session: SessionId) -> Option<Push> {
        let now = self.now;
        let run = self.run(id)?;
        if run.executions == 0 && run.start_by.is_some_and(|start_by| now > start_by) {
            let fate = Fate::Skipped { reason: SkipReason::DeadlinePassed, last: run.due, count: 1 };
            self.end(id, fate);
            return None;
        }
        let execution = ExecutionId(self.id());
        let run = self.run_mut(id)?;
        run.executions += 1;
        run.state = State::Executing(execution, session);
        Some(Push {
            execution,
            run: id,
            spec: Arc::clone(&run.spec),
            due: run.due,
            attempt: run.executions,
            retries: run.retries,
            reclaims: run.reclaims,
        })
    }

    pub(super) fn complete(&mut self, result: &Completion) -> CompleteAnswer {
        let action = result.outcome.action;
        let Some(id) = self.find(result.execution) else {
            let Some(run) = self.run(result.run) else { return CompleteAnswer::Stale };
            if run.recorded.contains(&(result.execution, action)) {
                self.rare("completed again");
                return CompleteAnswer::Accepted;
            }
            let group = self.jobs[&result.run.job].spec.node_group.clone();
            self.counts(&group).stale += 1;
            self.rare("stale completion");
            self.id();
            return CompleteAnswer::Stale;
        };
        let group = self.run(id).expect("found just now").group.clone();
        *self.counts(&group).executed.entry(action.as_str()).or_default() += 1;
        let run = self.run_mut(id).expect("found just now");
        run.recorded.insert((result.execution, action));
        match action {
            Action::ExecuteSuccess => self.end(id, Fate::Succeeded),
            Action::ExecuteFailed => self.end(id, Fate::Failed),
            Action::ExecuteLater | Action::ExecuteException => {
                let run = run.clone();
                self.try_again(id, &run, result.outcome.retry_after);
            }
        }
        CompleteAnswer::Accepted
    }

    fn try_again(&mut self, id: RunId, run: &Run, after: Option<Millis>) {
        if let Some(fate) = given_up(run) {
            return self.end(id, fate);
        }
        // The newest revision decides.
        let spec = Arc::clone(&self.jobs[&id.job].spec);
        if run.retries >= spec.retry.retries_max {
            return self.end(id, Fate::Dead);
        }
        let until = self.now + after.unwrap_or_else(|| spec.retry.delay(id, run.retries + 1));
        let held = self.is_held(id);
        if held && self.jobs[&id.job].rhythm.is_some() {
            self.rare("no retry of a suspended job");
            return self.end(id, Fate::Failed);
        }
        let job = &self.jobs[&id.job];
        let next = job.rhythm.as_ref().filter(|_| !job.suspended).and_then(Rhythm::first);
        if spec.rely_on_previous_cycle && next.is_some_and(|next| next <= until) {
            self.rare("next cycle before retry");
            return self.end(id, Fate::Failed);
        }
        let run = self.run_mut(id).expect("its job was just looked at");
        (run.retries, run.state) = (run.retries + 1, State::Waiting(until));
        if held {
            self.hold(id);
            self.rare("no retry of a suspended job");
        }
        self.take_newest(id);
    }

    pub(super) fn give_back(&mut self, execution: ExecutionId, began: bool) {
        let Some(id) = self.find(execution) else { return };
        let run = self.run_mut(id).expect("found just now");
        run.executions -= u32::from(!began);
        let group = run.group.clone();
        self.counts(&group).returned += u64::from(!began);
        let run = self.run_mut(id).expect("found just now");
        match given_up(run) {
            Some(fate) => self.end(id, fate),
            None => self.ready_or_held(id),
        }
        self.rare(if began { "interrupted" } else { "returned" });
    }

    pub(super) fn reclaim(&mut self, execution: ExecutionId, reason: ReclaimReason) {
        let Some(id) = self.find(execution) else { return };
        let limit = self.limits.reclaims_max;
        let run = self.run_mut(id).expect("found just now");
        run.reclaims += 1;
        let worn_out = run.reclaims > limit;
        let dead = reason == ReclaimReason::TimedOut || worn_out;
        match given_up(run).or(dead.then_some(Fate::Dead)) {
            Some(fate) => self.end(id, fate),
            None => self.ready_or_held(id),
        }
        self.rare(if worn_out { "dead by reclaims" } else { "reclaimed" });
    }

    fn ready_or_held(&mut self, id: RunId) {
        self.run_mut(id).expect("it lives").state = State::Ready;
        if self.is_held(id) {
            self.hold(id);
        }
        self.take_newest(id);
    }
}
