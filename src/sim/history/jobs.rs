//! What was promised of jobs: which there are and in which revision, what a cancel meant, what runs no more.

use std::sync::Arc;

use super::{Broken, End, History, Revision};
use crate::domain::{ExecutionId, JobId, JobType, RunId};
use crate::machine::Reply;
use crate::machine::command::{JobRef, RetryOf, Submit};
use crate::machine::reply::{CancelAnswer, Refusal, SubmitAnswer};
use crate::sim::rare::Rare;

impl History {
    pub(super) fn submitted(&mut self, submit: &Submit, reply: &Reply) -> Result<(), Broken> {
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
                SubmitAnswer::Refused => return Err("a job was refused before it came".into()),
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
        let settled_until = self.settled_of(job);
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

    pub(super) fn cancel(&mut self, asked: &JobRef, reply: &Reply) -> Result<(), Broken> {
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
                    JobRef::Id(job) if self.jobs.contains_key(job) && !self.deleted.contains(job) => {
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
        if !is_one_shot || self.by_hand.keys().chain(self.triggered.keys()).any(|run| run.job == job) {
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
        let settled_until = self.settled_of(job);
        let revisions = self.jobs.get_mut(&job).ok_or_else(|| format!("unknown job {job} was cancelled"))?;
        if let Some(last) = revisions.last_mut() {
            last.until = last.until.or(Some(settled_until));
        }
        // It ends, or has nothing left to start: there is nothing that could rest.
        self.resting.remove(&job);
        self.unplanned.remove(&job);
        Ok(())
    }

    pub(super) fn terminate(&mut self, run: RunId, reply: &Reply) -> Result<(), Broken> {
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

    pub(super) fn retried(&mut self, of: &RetryOf, reply: &Reply) -> Result<(), Broken> {
        let Reply::Retried(run) = reply else { return Ok(()) };
        self.saw(Rare::RetriedByHand);
        let is_of_another = matches!(of, RetryOf::Run(of) if of.job != run.job);
        if is_of_another || self.by_hand.insert(*run, self.order).is_some() || self.of_run.contains_key(run) {
            return Err(format!("{of:?} was retried as {run}, which is not new"));
        }
        if self.has_run_once(run.job) {
            self.resting.remove(&run.job);
        }
        Ok(())
    }
}
