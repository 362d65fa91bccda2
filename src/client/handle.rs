//! A job that was submitted, and the answers about it.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::batches::Answer;
use super::fail_store::Fate;
use super::{ClientError, JobClient};
use crate::domain::FieldError;
use crate::wire::{Fault, Reason, pb};

/// What a submit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// A new job.
    Accepted,
    /// A live job with this task id exists and stays as it is.
    Exists,
    /// The live job with this task id took the specification as its next revision.
    Replaced,
    /// No JobTracker answered: it is in the FailStore and will be sent. LTS answered success with code 12.
    SavedLocally,
}

/// What a cancel meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// Nothing of it runs, and nothing of it will be dispatched.
    Cancelled { job_id: String },
    /// Something executes, or waits for a retry: asked to stop; no further attempt, no further run.
    CancelRequested { job_id: String },
    /// It had ended before.
    AlreadyFinished { job_id: String, finished_as: pb::JobState },
    /// No such job is known.
    NotFound,
}

/// Names a job: by its id, or by what its submitter calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobRef {
    Id(String),
    Task { node_group: String, task_id: String },
}

impl JobRef {
    pub fn task(node_group: impl Into<String>, task_id: impl Into<String>) -> JobRef {
        JobRef::Task { node_group: node_group.into(), task_id: task_id.into() }
    }

    pub(super) fn key(node_group: String, task_id: String) -> pb::TaskKey {
        pb::TaskKey { node_group, task_id }
    }
}

impl From<&str> for JobRef {
    fn from(id: &str) -> JobRef {
        JobRef::Id(id.into())
    }
}

impl From<String> for JobRef {
    fn from(id: String) -> JobRef {
        JobRef::Id(id)
    }
}

impl From<&JobHandle> for JobRef {
    fn from(job: &JobHandle) -> JobRef {
        JobRef::Id(job.job_id.clone())
    }
}

/// A job that the cluster has, or that is saved and will be sent. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct JobHandle {
    client: JobClient,
    job_id: String,
    outcome: SubmitOutcome,
    revision: u64,
    log_index: u64,
    replayed: bool,
    /// What becomes of it, if it was saved.
    fate: Option<Fate>,
}

impl JobHandle {
    /// The handle of what was accepted or saved, or why it was not.
    pub(super) fn of(client: &JobClient, answer: Answer) -> Result<JobHandle, ClientError> {
        match answer {
            Answer::Committed(result, committed) => JobHandle::of_committed(client, result, committed),
            Answer::Saved(fate) => Ok(JobHandle {
                client: client.clone(),
                job_id: String::new(),
                outcome: SubmitOutcome::SavedLocally,
                revision: 0,
                log_index: 0,
                replayed: false,
                fate: Some(fate),
            }),
        }
    }

    fn of_committed(
        client: &JobClient,
        result: pb::SubmitResult,
        committed: pb::Committed,
    ) -> Result<JobHandle, ClientError> {
        let outcome = match result.outcome() {
            pb::SubmitOutcome::Accepted => SubmitOutcome::Accepted,
            pb::SubmitOutcome::Exists => SubmitOutcome::Exists,
            pb::SubmitOutcome::Replaced => SubmitOutcome::Replaced,
            pb::SubmitOutcome::Refused | pb::SubmitOutcome::Unspecified => {
                return Err(ClientError::Refused(refusal(result.refusal.unwrap_or_default())));
            }
        };
        let client = client.clone();
        let pb::Committed { log_index, replayed, .. } = committed;
        Ok(JobHandle {
            client,
            job_id: result.job_id,
            outcome,
            revision: result.revision,
            log_index,
            replayed,
            fate: None,
        })
    }

    /// The handle of the job in the cluster: this one, or, of a job that was saved, the one that it gets when it is sent.
    ///
    /// # Errors
    /// What the cluster said when it was sent, if it refused.
    pub async fn sent(&self) -> Result<JobHandle, ClientError> {
        let Some(mut fate) = self.fate.clone() else { return Ok(self.clone()) };
        let gone = || {
            let message = "the client's runtime is stopping; the submission stays in the failstore";
            ClientError::Unknown(Fault::unknown(Reason::ShuttingDown, message))
        };
        let known = fate.wait_for(Option::is_some).await.map_err(|_| gone())?.clone();
        let (result, committed) = known.ok_or_else(gone)??;
        JobHandle::of_committed(&self.client, result, committed)
    }

    /// Such as `42.0`; empty for a job that is saved and has no id yet: see [`JobHandle::sent`].
    pub fn id(&self) -> &str {
        &self.job_id
    }

    pub fn outcome(&self) -> SubmitOutcome {
        self.outcome
    }

    /// 1 for a new job.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Where the submit was committed.
    pub fn log_index(&self) -> u64 {
        self.log_index
    }

    /// Whether the cluster had done the submit at an earlier attempt and repeated its answer.
    pub fn replayed(&self) -> bool {
        self.replayed
    }

    /// Waits until the job is final; no longer than `timeout` if one is given.
    ///
    /// # Errors
    /// [`ClientError::NotDone`] with DEADLINE_EXCEEDED when the timeout comes first.
    pub async fn wait(&self, timeout: Option<Duration>) -> Result<pb::WaitResponse, ClientError> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let job_id = match until {
            None => self.sent().await?.job_id,
            Some(until) => {
                let late = || {
                    let message = format!("it is not sent within {:?}", timeout.unwrap_or_default());
                    ClientError::NotDone(Fault::not_applied(Reason::DeadlineExceeded, message))
                };
                timeout_at(until, self.sent()).await.map_err(|_| late())??.job_id
            }
        };
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.client.wait(&job_id, left).await
    }

    /// Waits until the job is final and reads the result of its last run as JSON.
    ///
    /// # Errors
    /// [`ClientError::Unsuccessful`] with the error and the attempts if it did not succeed.
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        let job = self.sent().await?;
        let ended = job.wait(None).await?;
        let (state, job_id) = (ended.state(), job.job_id);
        let run = ended.run.unwrap_or_default();
        if state != pb::JobState::Succeeded {
            let attempts = u32::try_from(run.attempts.len()).unwrap_or(u32::MAX);
            return Err(ClientError::Unsuccessful { job_id, state, error: run.error, attempts });
        }
        // A runner without a result sends none, which is JSON's null.
        let json: &[u8] = if run.result.is_empty() { b"null" } else { &run.result };
        serde_json::from_slice(json)
            .map_err(|error| ClientError::Undecodable { job_id, problem: error.to_string() })
    }

    /// See [`JobClient::cancel`]. What is saved is sent first.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart.
    pub async fn cancel(&self) -> Result<CancelAnswer, ClientError> {
        self.client.cancel(&self.sent().await?).await
    }
}

pub(super) fn refusal(refusal: pb::Refusal) -> Fault {
    let violation = |wrong: pb::FieldViolation| FieldError::new(wrong.field, wrong.problem);
    Fault {
        violations: refusal.violations.into_iter().map(violation).collect(),
        ..Fault::not_applied(Reason::from_wire(&refusal.reason).unwrap_or(Reason::Internal), refusal.message)
    }
}

pub(super) fn cancel_answer(response: pb::CancelResponse) -> CancelAnswer {
    let finished_as = response.finished_as();
    let (outcome, job_id) = (response.outcome(), response.job_id);
    match outcome {
        pb::CancelOutcome::Cancelled => CancelAnswer::Cancelled { job_id },
        pb::CancelOutcome::CancelRequested => CancelAnswer::CancelRequested { job_id },
        pb::CancelOutcome::AlreadyFinished => CancelAnswer::AlreadyFinished { job_id, finished_as },
        pb::CancelOutcome::NotFound | pb::CancelOutcome::Unspecified => CancelAnswer::NotFound,
    }
}
