//! What was promised by Suspend, Resume, Trigger and Delete: a suspended job rests, a trigger is one run, what was deleted
//! is gone.

use super::{Broken, History};
use crate::domain::{JobId, JobType, RunId, Timestamp};
use crate::machine::Reply;
use crate::machine::command::Plan;
use crate::machine::reply::ActAnswer;
use crate::sim::rare::Rare;

/// A job that was suspended and not resumed since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// Which command suspended it.
    order: u64,
    /// Up to when its instants were settled.
    settled_until: Timestamp,
}

/// A cron that was resumed: until it is planned again, nobody knows its instants since it was suspended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resumed {
    at: Timestamp,
    settled_until: Timestamp,
}

impl History {
    pub(super) fn planned(&mut self, plan: &Plan) {
        for job in &plan.jobs {
            let resumed = self.unplanned.get(&job.job).map(|resumed| resumed.at);
            if resumed.is_some() && job.resumed == resumed {
                self.unplanned.remove(&job.job);
            }
        }
    }

    fn is_cron(&self, job: JobId) -> bool {
        let newest = self.jobs.get(&job).and_then(|revisions| revisions.last());
        newest.is_some_and(|revision| revision.spec.job_type() == JobType::Cron)
    }

    pub(super) fn acted(&mut self, reply: &Reply) -> Result<(), Broken> {
        match reply {
            Reply::Acted(ActAnswer::Suspended(job)) => {
                self.saw(Rare::Suspended);
                let executes = self.executing_of(*job).next().is_some();
                self.counts.add(Rare::SuspendedWhileExecuting, u64::from(executes));
                // Resumed before, and suspended again before anybody planned: it is as if it had not been resumed.
                let settled_until = self.settled_of(*job);
                self.unplanned.remove(job);
                self.resting.insert(*job, Rest { order: self.order, settled_until });
                Ok(())
            }
            Reply::Acted(ActAnswer::AlreadySuspended(job)) if !self.resting.contains_key(job) => {
                Err(format!("job {job} was answered ALREADY_SUSPENDED and nobody suspended it"))
            }
            Reply::Acted(ActAnswer::Resumed(job) | ActAnswer::Ended(job)) => {
                self.saw(Rare::Resumed);
                let rest = self.resting.remove(job);
                if let Some(Rest { settled_until, .. }) = rest.filter(|_| self.is_cron(*job)) {
                    self.unplanned.insert(*job, Resumed { at: self.now, settled_until });
                }
                Ok(())
            }
            Reply::Acted(ActAnswer::NotSuspended(job)) if self.surely_rests(*job) => {
                Err(format!("job {job} rests and was answered NOT_SUSPENDED"))
            }
            Reply::Acted(ActAnswer::Triggered(run)) => self.triggered(*run),
            Reply::Acted(ActAnswer::Deleted(job)) => self.deleted(*job),
            Reply::Acted(ActAnswer::NotFound | ActAnswer::StillExecuting(_)) | Reply::Refused(_) => Ok(()),
            Reply::Acted(
                ActAnswer::NotSuspended(_)
                | ActAnswer::AlreadySuspended(_)
                | ActAnswer::AlreadyReady(_)
                | ActAnswer::AlreadyRunning(_)
                | ActAnswer::CancelRequested(_)
                | ActAnswer::AlreadyFinished(..),
            ) => Ok(()),
            other => Err(format!("an act on a job was answered {other:?}")),
        }
    }

    /// A new run, or the only one of a job, which has not begun or waits for a retry.
    fn triggered(&mut self, run: RunId) -> Result<(), Broken> {
        self.saw(Rare::Triggered);
        if let Some(execution) = self.current.get(&run) {
            return Err(format!("run {run} was triggered and executes as {execution}"));
        }
        self.not_before.remove(&run);
        self.triggered.insert(run, self.order);
        if !self.of_run.contains_key(&run) && self.has_run_once(run.job) {
            self.resting.remove(&run.job);
        }
        Ok(())
    }

    /// Of a one-shot job: the run of its newest revision was dispatched, so that another one is made only after it ended, and
    /// with it the job and its rest.
    pub(super) fn has_run_once(&self, job: JobId) -> bool {
        let Some(newest) = self.jobs.get(&job).and_then(|revisions| revisions.last()) else { return false };
        let is_one_shot = matches!(newest.spec.job_type(), JobType::RealTime | JobType::TriggerTime);
        is_one_shot
            && self
                .runs_of(job)
                .any(|run| self.of_run[&run].iter().any(|id| self.executions[id].since > newest.from))
    }

    fn deleted(&mut self, job: JobId) -> Result<(), Broken> {
        self.saw(Rare::Deleted);
        if let Some(run) = self.executing_of(job).next() {
            return Err(format!("job {job} was deleted while run {run} executes"));
        }
        self.resting.remove(&job);
        match self.deleted.insert(job) {
            true => Ok(()),
            false => Err(format!("job {job} was deleted twice")),
        }
    }

    /// A job that ended while it rested, and was asked for by hand since, lives again and does not rest.
    fn surely_rests(&self, job: JobId) -> bool {
        let Some(rest) = self.resting.get(&job) else { return false };
        let asked = self.triggered.iter().chain(&self.by_hand);
        !asked.filter(|(run, _)| run.job == job).any(|(_, order)| *order > rest.order)
    }

    /// Nothing of a job that rests is dispatched but what was asked for by hand since.
    pub(super) fn may_be_dispatched(&self, run: RunId) -> Result<(), Broken> {
        if self.deleted.contains(&run.job) {
            return Err(format!("run {run} was dispatched after its job was deleted"));
        }
        let Some(rest) = self.resting.get(&run.job) else { return Ok(()) };
        let asked = [self.triggered.get(&run), self.by_hand.get(&run)];
        match asked.into_iter().flatten().any(|order| *order > rest.order) {
            true => Ok(()),
            false => Err(format!("run {run} was dispatched while its job is suspended")),
        }
    }

    /// Up to when the instants of a job must have their fates if its revision ends now.
    pub(super) fn settled_of(&self, job: JobId) -> Timestamp {
        let resting = self.resting.get(&job).map(|rest| rest.settled_until);
        let unplanned = self.unplanned.get(&job).map(|resumed| resumed.settled_until);
        resting.or(unplanned).unwrap_or(self.settled_until)
    }

    /// It was taken to the head of the queue, before its time.
    pub(in crate::sim) fn was_triggered(&self, run: RunId) -> bool {
        self.triggered.contains_key(&run)
    }
}
