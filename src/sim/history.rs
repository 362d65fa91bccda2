//! What was committed, seen from outside the machine: which execution is the current one of which run, what was
//! promised to whom. It knows commands and replies only, never rows, and says when a reply breaks a promise.
//!
//! Not here: what can be judged only when all is over (`promises`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rare::{Counts, Rare};
use crate::domain::{
    Action, ClientId, ExecutionId, Identity, JobId, JobSpec, JobType, Kind, NodeGroup, RequestId, RunId,
    SessionId, Timestamp,
};
use crate::machine::command::{
    Completion, JobRef, OfflineReason, ReclaimReason, RequestKey, Submit, TrackerOnline,
};
use crate::machine::reply::{CancelAnswer, CompleteAnswer, Push, Refusal, SubmitAnswer};
use crate::machine::{Applied, Command, LogEntry, Reply};

/// A promise that was broken, for a person to read.
pub(super) type Broken = String;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed(Action),
    Reclaimed(ReclaimReason),
    /// A push that was not taken.
    Returned,
    /// It had begun and was given back.
    Interrupted,
}

#[derive(Debug)]
pub(super) struct Execution {
    pub(super) run: RunId,
    session: SessionId,
    pub(super) end: Option<End>,
}

/// One revision of a job, as the log made it.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) number: u32,
    pub(super) spec: Arc<JobSpec>,
    /// Cluster time when it came.
    pub(super) from: Timestamp,
    /// When a cancel or a newer revision ended it: what was due before then must have its fate.
    pub(super) until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Session(ClientId, u64),
    Id(RequestId),
}

#[derive(Debug, Default)]
struct Session {
    capacity: u32,
    kinds: BTreeSet<Kind>,
    group: Option<NodeGroup>,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// Cluster time.
    pub(super) now: Timestamp,
    /// What the world's true time is, with the small error that a majority of right clocks has.
    pub(super) truth: Timestamp,
    /// What was due until then was settled by whoever leads.
    pub(super) settled_until: Timestamp,
    index: u64,
    /// Counts the commands, over all entries.
    order: u64,
    pub(super) executions: BTreeMap<ExecutionId, Execution>,
    /// Those whose user code began.
    pub(super) begun: BTreeSet<ExecutionId>,
    current: BTreeMap<RunId, ExecutionId>,
    /// All executions of a run, in the order of the log.
    pub(super) of_run: BTreeMap<RunId, Vec<ExecutionId>>,
    /// A retry may not start earlier.
    not_before: BTreeMap<RunId, Timestamp>,
    sessions: BTreeMap<SessionId, Session>,
    identities: BTreeMap<(NodeGroup, Identity), SessionId>,
    answers: BTreeMap<Asked, Reply>,
    pub(super) jobs: BTreeMap<JobId, Vec<Revision>>,
    /// Jobs that were cancelled, and by which command.
    cancelled: BTreeMap<JobId, u64>,
    /// Runs that were promised to have no further attempt.
    pub(super) sealed: BTreeSet<RunId>,
    /// Runs by hand, and the command that made them.
    pub(super) by_hand: BTreeMap<RunId, u64>,
    pub(super) stale: u64,
    /// Prints the commands whose text, or whose reply's, holds this.
    pub(super) trace: Option<String>,
    pub(super) counts: Counts,
}

impl History {
    pub(super) fn saw(&mut self, what: Rare) {
        self.counts.saw(what);
    }

    /// An entry was committed and applied for the first time.
    pub(super) fn entry(&mut self, entry: &LogEntry, applied: &Applied) -> Result<(), Broken> {
        self.index = applied.index;
        self.saw(Rare::Entries);
        self.now = self.now.max(entry.at);
        if entry.at > self.truth {
            return Err(format!("entry {} is from the future: {} at {}", self.index, entry.at, self.truth));
        }
        for (command, reply) in entry.commands.iter().zip(&applied.replies) {
            if let Some(of) = &self.trace {
                let line = format!("{} at {}: {command:?} -> {reply:?}", self.index, self.now);
                if line.contains(of) {
                    println!("{line}");
                }
            }
            self.command(command, reply).map_err(|broken| format!("at {}: {broken}", self.index))?;
        }
        Ok(())
    }

    fn command(&mut self, command: &Command, reply: &Reply) -> Result<(), Broken> {
        self.order += 1;
        match (command, reply) {
            (Command::Submit(submit), reply) if self.is_first(&submit.request, reply)? => {
                self.submitted(submit, reply)
            }
            (Command::Cancel(cancel), reply) if self.is_first(&cancel.request, reply)? => {
                self.cancel(&cancel.job, reply)
            }
            (Command::Terminate(terminate), reply) if self.is_first(&terminate.request, reply)? => {
                self.terminate(terminate.run, reply)
            }
            (Command::Retry(retry), reply) if self.is_first(&retry.request, reply)? => {
                self.retried(retry.run, reply)
            }
            (Command::TrackerOnline(online), Reply::Online(session)) => {
                self.online(online, *session);
                Ok(())
            }
            (Command::TrackerOffline(offline), Reply::Done) => {
                let reason = match offline.reason {
                    OfflineReason::Silent => ReclaimReason::TrackerSilent,
                    OfflineReason::Left => ReclaimReason::TrackerLeft,
                    OfflineReason::Replaced => ReclaimReason::TrackerRestarted,
                };
                for execution in self.executing_on(offline.session) {
                    self.reclaimed(execution, reason);
                }
                Ok(())
            }
            (Command::Dispatch(dispatch), Reply::Dispatched(dispatched)) => {
                if dispatched.pushes.is_empty() {
                    self.saw(Rare::IdleDispatches);
                }
                for push in &dispatched.pushes {
                    self.dispatched(dispatch.session, push)?;
                }
                Ok(())
            }
            (Command::Return(give_back), _) => {
                let (end, rare) = match give_back.began {
                    true => (End::Interrupted, Rare::Interrupts),
                    false => (End::Returned, Rare::Returns),
                };
                for execution in &give_back.executions {
                    if self.end(*execution, end).is_some() {
                        self.saw(rare);
                    }
                }
                Ok(())
            }
            (Command::Complete(complete), Reply::Completed(answers)) => {
                let mut results = complete.results.iter().zip(answers);
                results.try_for_each(|(result, answer)| self.completed(result, *answer))
            }
            (Command::Reclaim(reclaim), _) => {
                for execution in &reclaim.executions {
                    self.reclaimed(*execution, reclaim.reason);
                }
                Ok(())
            }
            (Command::BizLog(_), _) => {
                self.saw(Rare::BizLines);
                Ok(())
            }
            (_, _) => Ok(()),
        }
    }

    /// The same request gets the same answer.
    fn is_first(&mut self, request: &RequestKey, reply: &Reply) -> Result<bool, Broken> {
        let asked = match request {
            RequestKey::None => return Ok(true),
            RequestKey::Session { client, sequence } => Asked::Session(*client, *sequence),
            RequestKey::Id(id) => Asked::Id(id.clone()),
        };
        match self.answers.get(&asked) {
            None => {
                self.answers.insert(asked, reply.clone());
                Ok(true)
            }
            Some(first) if first == reply => {
                self.saw(Rare::AnswersAgain);
                Ok(false)
            }
            Some(first) => Err(format!("request {asked:?} was answered {first:?} and then {reply:?}")),
        }
    }

    fn submitted(&mut self, submit: &Submit, reply: &Reply) -> Result<(), Broken> {
        let Reply::Submitted(answers) = reply else {
            return Err(format!("a submit was answered {reply:?}"));
        };
        for (spec, answer) in submit.jobs.iter().zip(answers) {
            let from = self.now;
            let revision = |number| Revision { number, spec: Arc::clone(spec), from, until: None };
            match answer {
                SubmitAnswer::Accepted(job) => {
                    if self.jobs.insert(*job, vec![revision(1)]).is_some() {
                        return Err(format!("job {job} was accepted twice"));
                    }
                }
                SubmitAnswer::Exists(job) | SubmitAnswer::Conflict(job) => {
                    if !self.jobs.contains_key(job) {
                        return Err(format!("job {job} exists and was never accepted"));
                    }
                    self.saw(Rare::Exists);
                }
                SubmitAnswer::Replaced(job, number) => self.replaced(*job, revision(*number))?,
            }
        }
        Ok(())
    }

    fn replaced(&mut self, job: JobId, revision: Revision) -> Result<(), Broken> {
        self.saw(Rare::Replaced);
        if self.executing_of(job).next().is_some() {
            self.saw(Rare::ReplacedWhileExecuting);
        }
        // What executes of the old revision runs out, and gets no further attempt.
        let executing: Vec<RunId> = self.executing_of(job).collect();
        self.sealed.extend(executing);
        self.cancelled.remove(&job);
        let settled_until = self.settled_until;
        let Some(revisions) = self.jobs.get_mut(&job) else {
            return Err(format!("job {job} was replaced and never accepted"));
        };
        if let Some(last) = revisions.last_mut() {
            last.until = last.until.or(Some(settled_until));
            if revision.number != last.number + 1 {
                return Err(format!("revision {} of job {job} follows {}", revision.number, last.number));
            }
        }
        revisions.push(revision);
        Ok(())
    }

    fn cancel(&mut self, asked: &JobRef, reply: &Reply) -> Result<(), Broken> {
        let Reply::Cancelled(answer) = reply else { return Err(format!("a cancel was answered {reply:?}")) };
        match answer {
            CancelAnswer::Cancelled(job) => {
                self.saw(Rare::Cancelled);
                if let Some(run) = self.executing_of(*job).next() {
                    return Err(format!("job {job} was answered CANCELLED while run {run} executes"));
                }
                self.was_never_dispatched(*job)?;
                self.stop(*job)
            }
            CancelAnswer::CancelRequested(job) => {
                self.saw(Rare::CancelRequested);
                let is_executing = self.executing_of(*job).next().is_some();
                self.saw(if is_executing { Rare::CancelWhileExecuting } else { Rare::CancelBetweenAttempts });
                if self.runs_of(*job).next().is_none() {
                    return Err(format!("job {job} was answered CANCEL_REQUESTED and never ran"));
                }
                self.stop(*job)
            }
            CancelAnswer::AlreadyFinished(job, _) => {
                self.saw(Rare::AlreadyFinished);
                match self.executing_of(*job).next() {
                    Some(run) => {
                        Err(format!("job {job} was answered ALREADY_FINISHED while run {run} executes"))
                    }
                    None => Ok(()),
                }
            }
            CancelAnswer::NotFound => {
                self.saw(Rare::NotFound);
                match asked {
                    JobRef::Id(job) if self.jobs.contains_key(job) => {
                        Err(format!("job {job} was answered NOT_FOUND"))
                    }
                    JobRef::Id(_) | JobRef::Key(..) => Ok(()),
                }
            }
        }
    }

    /// Nothing of the live run of a job was dispatched, unless it was given back.
    fn was_never_dispatched(&mut self, job: JobId) -> Result<(), Broken> {
        let only = self.jobs.get(&job).and_then(|revisions| match revisions.as_slice() {
            [only] => Some(only.spec.job_type()),
            _ => None,
        });
        let is_one_shot = matches!(only, Some(JobType::RealTime | JobType::TriggerTime));
        if !is_one_shot || self.by_hand.keys().any(|run| run.job == job) {
            return Ok(());
        }
        let executions: Vec<ExecutionId> =
            self.runs_of(job).flat_map(|run| self.of_run[&run].iter().copied()).collect();
        for execution in executions {
            if self.executions[&execution].end != Some(End::Returned) {
                return Err(format!("job {job} was answered CANCELLED, and {execution} had been dispatched"));
            }
            if self.begun.contains(&execution) {
                return Err(format!("job {job} was answered CANCELLED, and {execution} had begun"));
            }
        }
        Ok(())
    }

    /// From here on nothing of the job is dispatched.
    fn stop(&mut self, job: JobId) -> Result<(), Broken> {
        self.cancelled.insert(job, self.order);
        let executing: Vec<RunId> = self.executing_of(job).collect();
        self.sealed.extend(executing);
        let settled_until = self.settled_until;
        let revisions = self.jobs.get_mut(&job).ok_or_else(|| format!("unknown job {job} was cancelled"))?;
        if let Some(last) = revisions.last_mut() {
            last.until = last.until.or(Some(settled_until));
        }
        Ok(())
    }

    fn terminate(&mut self, run: RunId, reply: &Reply) -> Result<(), Broken> {
        match reply {
            Reply::Terminating(execution) if self.current.get(&run) == Some(execution) => {
                self.saw(Rare::Terminated);
                self.sealed.insert(run);
                Ok(())
            }
            Reply::Refused(Refusal::NotExecuting(_) | Refusal::UnknownRun(_)) => {
                match self.current.get(&run) {
                    Some(execution) => {
                        Err(format!("run {run} executes as {execution} and could not be terminated"))
                    }
                    None => Ok(()),
                }
            }
            other => Err(format!("terminating run {run} was answered {other:?}")),
        }
    }

    fn retried(&mut self, of: RunId, reply: &Reply) -> Result<(), Broken> {
        let Reply::Retried(run) = reply else { return Ok(()) };
        self.saw(Rare::RetriedByHand);
        if run.job != of.job
            || self.by_hand.insert(*run, self.order).is_some()
            || self.of_run.contains_key(run)
        {
            return Err(format!("run {of} was retried as {run}, which is not new"));
        }
        Ok(())
    }

    fn online(&mut self, online: &TrackerOnline, session: SessionId) {
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

    fn dispatched(&mut self, session: SessionId, push: &Push) -> Result<(), Broken> {
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
        if let Some(other) = self.overlaps(*run, &push.spec) {
            return Err(format!("run {run} was dispatched while its previous cycle {other} executes"));
        }
        self.current.insert(*run, *execution);
        self.of_run.entry(*run).or_default().push(*execution);
        let known = self.executions.insert(*execution, Execution { run: *run, session, end: None });
        known.map_or(Ok(()), |_| Err(format!("execution {execution} was given twice")))
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
            Some(at) if *at >= by_hand => {
                Err(format!("run {run} was dispatched after its job was cancelled"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Another planned run that executes, though the job relies on its previous cycle.
    fn overlaps(&self, run: RunId, spec: &JobSpec) -> Option<RunId> {
        let periodic = matches!(spec.job_type(), JobType::Cron | JobType::Repeat);
        if !periodic || !spec.rely_on_previous_cycle || self.by_hand.contains_key(&run) {
            return None;
        }
        self.executing_of(run.job).find(|other| !self.by_hand.contains_key(other))
    }

    fn completed(&mut self, result: &Completion, answer: CompleteAnswer) -> Result<(), Broken> {
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

    fn reclaimed(&mut self, execution: ExecutionId, reason: ReclaimReason) {
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
    fn end(&mut self, execution: ExecutionId, end: End) -> Option<RunId> {
        let known = self.executions.get_mut(&execution).filter(|execution| execution.end.is_none())?;
        known.end = Some(end);
        self.current.remove(&known.run);
        Some(known.run)
    }

    pub(super) fn ends_of(&self, run: RunId) -> impl Iterator<Item = Option<End>> + '_ {
        self.of_run.get(&run).into_iter().flatten().map(|execution| self.executions[execution].end)
    }

    /// All runs that execute.
    pub(super) fn executing(&self) -> impl Iterator<Item = RunId> + '_ {
        self.current.keys().copied()
    }

    fn executing_on(&self, session: SessionId) -> Vec<ExecutionId> {
        let on = |execution: &&ExecutionId| self.executions[*execution].session == session;
        self.current.values().filter(on).copied().collect()
    }

    fn runs_of(&self, job: JobId) -> impl Iterator<Item = RunId> + '_ {
        let all = RunId { job, number: 0 }..=RunId { job, number: u64::MAX };
        self.of_run.range(all).map(|(run, _)| *run)
    }

    pub(super) fn executing_of(&self, job: JobId) -> impl Iterator<Item = RunId> + '_ {
        let all = RunId { job, number: 0 }..=RunId { job, number: u64::MAX };
        self.current.range(all).map(|(run, _)| *run)
    }
}
