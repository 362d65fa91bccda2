//! What became of executions: who was given which run, how each of them ended, and what must not have been dispatched.

use super::{Broken, End, Execution, History, Session};
use crate::domain::{ExecutionId, JobSpec, JobType, RunId, SessionId, Timestamp};
use crate::machine::command::{Completion, ReclaimReason, TrackerOnline};
use crate::machine::reply::{CompleteAnswer, Push};
use crate::sim::rare::Rare;

impl History {
    pub(super) fn online(&mut self, online: &TrackerOnline, session: SessionId) {
        let who = (online.node_group.clone(), online.identity.clone());
        let old = self.identities.insert(who, session);
        if let Some(old) = old.filter(|old| *old != session) {
            for execution in self.executing_on(old) {
                if online.holds.contains(&execution) {
                    self.saw(Rare::TakenOver);
                    self.executions.get_mut(&execution).expect("it executes").session = session;
                } else {
                    self.reclaimed(execution, ReclaimReason::TrackerRestarted);
                }
            }
        }
        let kinds = online.kinds.iter().cloned().collect();
        let group = Some(online.node_group.clone());
        self.sessions.insert(session, Session { capacity: online.capacity, kinds, group });
    }

    pub(super) fn dispatched(&mut self, session: SessionId, push: &Push) -> Result<(), Broken> {
        let Push { execution, run, .. } = push;
        self.saw(Rare::Executions);
        self.has_room(session, push)?;
        if push.due > self.now {
            return Err(format!("run {run} was dispatched at {} before its due {}", self.now, push.due));
        }
        if let Some(until) = self.not_before.get(run).filter(|until| **until > self.now) {
            return Err(format!("the retry of run {run} was dispatched at {} before {until}", self.now));
        }
        if let Some(other) = self.current.get(run) {
            return Err(format!("run {run} was dispatched as {execution} while {other} executes"));
        }
        let last = self.of_run.get(run).and_then(|executions| executions.last());
        if last.is_some_and(|last| last >= execution) {
            return Err(format!("the fencing token of run {run} went from {last:?} to {execution}"));
        }
        self.may_start(*run)?;
        self.may_be_dispatched(*run)?;
        if let Some(other) = self.overlaps(*run, &push.spec) {
            return Err(format!("run {run} was dispatched while its previous cycle {other} executes"));
        }
        self.current.insert(*run, *execution);
        self.of_run.entry(*run).or_default().push(*execution);
        let (since, timeout) = (self.now, push.spec.run_timeout);
        let known =
            self.executions.insert(*execution, Execution { run: *run, session, since, timeout, end: None });
        known.map_or(Ok(()), |_| Err(format!("execution {execution} was given twice")))
    }

    /// Whether somebody asked for this execution to stop, or its time was up at `truth`.
    pub(in crate::sim) fn may_be_stopped(&self, execution: ExecutionId, truth: Timestamp) -> bool {
        let Some(known) = self.executions.get(&execution) else { return true };
        let is_late = known.timeout.is_some_and(|timeout| truth >= known.since + timeout);
        known.end.is_some() || self.sealed.contains(&known.run) || is_late
    }

    fn has_room(&self, session: SessionId, push: &Push) -> Result<(), Broken> {
        let Some(known) = self.sessions.get(&session) else {
            return Err(format!("dispatched to unknown session {session}"));
        };
        if self.executing_on(session).len() >= known.capacity as usize {
            return Err(format!("session {session} was given more than its {} slots", known.capacity));
        }
        if !known.kinds.is_empty() && !known.kinds.contains(&push.spec.kind) {
            return Err(format!("session {session} was given kind {}", push.spec.kind));
        }
        if known.group.as_ref() != Some(&push.spec.node_group) {
            return Err(format!("session {session} was given a run of group {}", push.spec.node_group));
        }
        Ok(())
    }

    /// Nothing that was cancelled or terminated runs again, unless somebody asks for it by hand.
    fn may_start(&self, run: RunId) -> Result<(), Broken> {
        if self.sealed.contains(&run) {
            return Err(format!("run {run} was promised no further attempt and was dispatched"));
        }
        let by_hand = self.by_hand.get(&run).copied().unwrap_or(0);
        match self.cancelled.get(&run.job) {
            Some(at) if *at >= by_hand.max(self.triggered.get(&run).copied().unwrap_or(0)) => {
                Err(format!("run {run} was dispatched after its job was cancelled"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Another planned run that executes, though the job relies on its previous cycle.
    fn overlaps(&self, run: RunId, spec: &JobSpec) -> Option<RunId> {
        let periodic = matches!(spec.job_type(), JobType::Cron | JobType::Repeat);
        let is_by_hand = |run: &RunId| self.by_hand.contains_key(run) || self.triggered.contains_key(run);
        if !periodic || !spec.rely_on_previous_cycle || is_by_hand(&run) {
            return None;
        }
        self.executing_of(run.job).find(|other| !is_by_hand(other))
    }

    pub(super) fn completed(&mut self, result: &Completion, answer: CompleteAnswer) -> Result<(), Broken> {
        let (execution, action) = (result.execution, result.outcome.action);
        let known = self.executions.get(&execution).map(|execution| (execution.run, execution.end));
        match (answer, known) {
            (_, None) => Err(format!("a result of execution {execution}, which was never dispatched")),
            (CompleteAnswer::Accepted, Some((run, None))) => {
                self.saw(Rare::Completions);
                self.end(execution, End::Completed(action));
                self.note_retry(run, result);
                Ok(())
            }
            (CompleteAnswer::Accepted, Some((_, Some(End::Completed(first))))) if first == action => {
                self.saw(Rare::ResultsAgain);
                Ok(())
            }
            (CompleteAnswer::Accepted, Some((run, Some(end)))) => {
                Err(format!("run {run} was completed by {execution}, which had ended: {end:?}"))
            }
            (CompleteAnswer::Stale, Some((run, None))) => {
                Err(format!("the result of {execution}, the current one of run {run}, was stale"))
            }
            (CompleteAnswer::Stale, Some((run, _))) if self.deleted.contains(&run.job) => Ok(()),
            (CompleteAnswer::Stale, Some((run, Some(End::Completed(first))))) if first == action => {
                Err(format!(
                    "the result of {execution} of run {run} was accepted first and stale when it came again"
                ))
            }
            (CompleteAnswer::Stale, Some(_)) => {
                self.stale += 1;
                self.saw(Rare::StaleCompletions);
                Ok(())
            }
        }
    }

    fn note_retry(&mut self, run: RunId, result: &Completion) {
        if !result.outcome.action.is_retryable() {
            return;
        }
        let retryable =
            |end: Option<End>| matches!(end, Some(End::Completed(action)) if action.is_retryable());
        let retry = self.ends_of(run).filter(|end| retryable(*end)).count();
        let retry = u32::try_from(retry).expect("few retries");
        let policy = self.spec_of(run).map(|spec| spec.retry);
        let delay = result.outcome.retry_after.or(policy.map(|policy| policy.delay(run, retry)));
        let until = delay.map_or(self.now, |delay| self.now + delay);
        self.not_before.insert(run, until);
    }

    /// The specification of a run that has executed: jobs of more than one revision are judged by the machine's rows.
    fn spec_of(&self, run: RunId) -> Option<&JobSpec> {
        match self.jobs.get(&run.job)?.as_slice() {
            [only] => Some(&only.spec),
            _ => None,
        }
    }

    pub(super) fn reclaimed(&mut self, execution: ExecutionId, reason: ReclaimReason) {
        let Some(run) = self.end(execution, End::Reclaimed(reason)) else { return };
        self.not_before.remove(&run);
        self.saw(match reason {
            ReclaimReason::TrackerSilent => Rare::ReclaimsSilent,
            ReclaimReason::TrackerLeft => Rare::ReclaimsLeft,
            ReclaimReason::TrackerRestarted => Rare::ReclaimsRestarted,
            ReclaimReason::Unknown => Rare::ReclaimsUnknown,
            ReclaimReason::TimedOut => Rare::ReclaimsTimedOut,
        });
    }

    /// The execution is over, if it was not before.
    pub(super) fn end(&mut self, execution: ExecutionId, end: End) -> Option<RunId> {
        let known = self.executions.get_mut(&execution).filter(|execution| execution.end.is_none())?;
        known.end = Some(end);
        self.current.remove(&known.run);
        Some(known.run)
    }
}
