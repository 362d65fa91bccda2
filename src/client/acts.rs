//! What is done to a job by hand: suspend, resume, trigger, delete. Each answers exactly what it meant.

use super::{ClientError, JobClient, JobRef, jobs};
use crate::wire::pb;

/// Which job an act is about, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    job: JobRef,
    expected_revision: u64,
    reason: String,
}

impl Act {
    pub fn on(job: impl Into<JobRef>) -> Act {
        Act { job: job.into(), expected_revision: 0, reason: String::new() }
    }

    /// Only if the job has this revision.
    #[must_use]
    pub fn of_revision(mut self, revision: u64) -> Act {
        self.expected_revision = revision;
        self
    }

    /// Shown in the job log; at most 256 printable characters.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Act {
        self.reason = reason.into();
        self
    }
}

impl<T: Into<JobRef>> From<T> for Act {
    fn from(job: T) -> Act {
        Act::on(job)
    }
}

impl JobClient {
    /// Suspends a job: what executes finishes; nothing else of it is dispatched until it is resumed.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart. [`ClientError::Refused`] with REVISION_CONFLICT
    /// if the job has not the revision that [`Act::of_revision`] names.
    pub async fn suspend(&self, act: impl Into<Act>) -> Result<pb::SuspendResponse, ClientError> {
        let Act { job, expected_revision, reason } = act.into();
        let target = match job {
            JobRef::Id(id) => pb::suspend_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::suspend_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let call = |via, idempotency| {
            let (target, reason) = (Some(target.clone()), reason.clone());
            let request = pb::SuspendRequest { target, expected_revision, reason, idempotency };
            async move { jobs(via).suspend(request).await }
        };
        self.mutate(call).await
    }

    /// Lets a suspended job go on from now; what fell due meanwhile is skipped.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart. [`ClientError::Refused`] with REVISION_CONFLICT
    /// if the job has not the revision that [`Act::of_revision`] names.
    pub async fn resume(&self, act: impl Into<Act>) -> Result<pb::ResumeResponse, ClientError> {
        let Act { job, expected_revision, reason } = act.into();
        let target = match job {
            JobRef::Id(id) => pb::resume_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::resume_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let call = |via, idempotency| {
            let (target, reason) = (Some(target.clone()), reason.clone());
            let request = pb::ResumeRequest { target, expected_revision, reason, idempotency };
            async move { jobs(via).resume(request).await }
        };
        self.mutate(call).await
    }

    /// Runs a job now, suspended or not; its schedule stays as it is.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart. [`ClientError::Refused`] with REVISION_CONFLICT
    /// if the job has not the revision that [`Act::of_revision`] names.
    pub async fn trigger(&self, act: impl Into<Act>) -> Result<pb::TriggerResponse, ClientError> {
        let Act { job, expected_revision, reason } = act.into();
        let target = match job {
            JobRef::Id(id) => pb::trigger_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::trigger_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let call = |via, idempotency| {
            let (target, reason) = (Some(target.clone()), reason.clone());
            let request = pb::TriggerRequest { target, expected_revision, reason, idempotency };
            async move { jobs(via).trigger(request).await }
        };
        self.mutate(call).await
    }

    /// Forgets a job with its history; what executes must have ended.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart. [`ClientError::Refused`] with REVISION_CONFLICT
    /// if the job has not the revision that [`Act::of_revision`] names.
    pub async fn delete(&self, act: impl Into<Act>) -> Result<pb::DeleteResponse, ClientError> {
        let Act { job, expected_revision, reason } = act.into();
        let target = match job {
            JobRef::Id(id) => pb::delete_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::delete_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let call = |via, idempotency| {
            let (target, reason) = (Some(target.clone()), reason.clone());
            let request = pb::DeleteRequest { target, expected_revision, reason, idempotency };
            async move { jobs(via).delete(request).await }
        };
        self.mutate(call).await
    }
}
