//! `raftsman job cancel`, `terminate` and `retry`: each says exactly what it meant.

use serde_json::json;

use super::super::Global;
use super::super::connect::{fresh_name, jobs};
use super::super::failure::{Failure, Outcome};
use super::super::json::{job_state, run_state, word};
use super::super::output::{Row, Shape, column};
use super::Target;
use crate::client::{JobClient, JobRef};
use crate::wire::pb;

/// Cancel a job: nothing of it will be dispatched any more, and what executes is asked to stop
///
/// CANCELLED: nothing of it runs. CANCEL_REQUESTED: something executes and was asked to stop.
/// Exits 6 if it had ended, 3 if there is no such job.
///
/// Examples:
///   raftsman job cancel 42.0
///   raftsman job cancel --task-id nightly -g reports
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Cancel {
    #[command(flatten)]
    target: Target,
    /// Shown in the job log
    #[arg(long, default_value = "")]
    reason: String,
}

/// Stop what executes now: asked first, killed after a grace; there is no further attempt
///
/// Example:
///   raftsman job terminate 42.0/3 --reason 'wrong input'
#[derive(Debug, clap::Args)]
#[command(visible_alias = "kill", verbatim_doc_comment)]
pub(super) struct Terminate {
    /// A run's id such as 42.0/3, or a job's such as 42.0 for its live run
    #[arg(value_name = "RUN|JOB")]
    id: String,
    /// Shown in the job log
    #[arg(long, default_value = "")]
    reason: String,
}

/// Run a finished run again, as a new run of its job
///
/// Example:
///   raftsman job list --state dead -o id | xargs -n1 raftsman job retry
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Retry {
    /// A run's id such as 42.0/3, or a job's such as 42.0 for its last dead run
    #[arg(value_name = "RUN|JOB")]
    id: String,
    /// Shown in the job log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(super) fn named() -> Option<pb::Idempotency> {
    Some(pb::Idempotency { request_id: fresh_name(), ..Default::default() })
}

/// The run that an id names: of a job its live one, else its last.
async fn run_id(client: &JobClient, id: &str) -> Result<String, Failure> {
    if id.contains('/') {
        return Ok(id.to_owned());
    }
    let run = client.get(id).await?.run;
    run.map(|run| run.run_id).ok_or_else(|| Failure::Conflict(format!("job {id} has no run yet")))
}

fn print(global: &Global, id: &str, outcome: &str, state: &str) -> Outcome {
    let row = Row {
        id: id.into(),
        cells: vec![id.into(), outcome.into(), state.into()],
        json: json!({ "id": id, "outcome": outcome, "state": state }),
    };
    Ok(global.output().print(Shape::One, &[column("ID"), column("OUTCOME"), column("STATE")], &[row])?)
}

impl Cancel {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let target = match self.target.job_ref() {
            JobRef::Id(id) => pb::cancel_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::cancel_request::Target::Task(pb::TaskKey { node_group, task_id })
            }
        };
        let request = pb::CancelRequest { target: Some(target), idempotency: named(), reason: self.reason };
        let answer = client.call(request, async |via, request| jobs(via).cancel(request).await).await?;
        let (outcome, ended) = (answer.outcome(), job_state(answer.finished_as()));
        if outcome != pb::CancelOutcome::NotFound {
            print(global, &answer.job_id, word(outcome.as_str_name(), "CANCEL_OUTCOME_"), ended)?;
        }
        cancelled(outcome, &answer.job_id, ended)
    }
}

fn cancelled(outcome: pb::CancelOutcome, job_id: &str, ended: &str) -> Outcome {
    match outcome {
        pb::CancelOutcome::Cancelled | pb::CancelOutcome::CancelRequested => Ok(()),
        pb::CancelOutcome::AlreadyFinished => {
            Err(Failure::Conflict(format!("job {job_id} had ended as {ended}; nothing changed")))
        }
        pb::CancelOutcome::NotFound | pb::CancelOutcome::Unspecified => {
            Err(Failure::NotFound("no such job is known; look for it with `raftsman job list`".into()))
        }
    }
}

impl Terminate {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let run_id = run_id(&client, &self.id).await?;
        let request =
            pb::TerminateRequest { run_id: run_id.clone(), reason: self.reason, idempotency: named() };
        let call = async |via, request| jobs(via).terminate(request).await;
        let outcome = client.call(request, call).await?.outcome();
        print(global, &run_id, word(outcome.as_str_name(), "TERMINATE_OUTCOME_"), "")?;
        terminated(outcome, &run_id)
    }
}

fn terminated(outcome: pb::TerminateOutcome, run_id: &str) -> Outcome {
    match outcome {
        pb::TerminateOutcome::Requested => Ok(()),
        pb::TerminateOutcome::NotExecuting => Err(Failure::Conflict(format!(
            "nothing of run {run_id} executes now; `raftsman job cancel` ends its job"
        ))),
        pb::TerminateOutcome::AlreadyFinished => Err(Failure::Conflict(format!("run {run_id} had ended"))),
        pb::TerminateOutcome::NotFound | pb::TerminateOutcome::Unspecified => {
            Err(Failure::NotFound(format!("no run {run_id} is known; see `raftsman job runs`")))
        }
    }
}

impl Retry {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let mut request =
            pb::RetryRequest { reason: self.reason, idempotency: named(), ..pb::RetryRequest::default() };
        if self.id.contains('/') {
            request.run_id.clone_from(&self.id);
        } else {
            request.last_dead_of = Some(pb::retry_request::LastDeadOf::JobId(self.id.clone()));
        }
        let answer = client.call(request, async |via, request| jobs(via).retry(request).await).await?;
        let (outcome, state) = (answer.outcome(), run_state(answer.state()));
        let shown = if answer.run_id.is_empty() { &self.id } else { &answer.run_id };
        print(global, shown, word(outcome.as_str_name(), "RETRY_OUTCOME_"), state)?;
        retried(outcome, &self.id)
    }
}

fn retried(outcome: pb::RetryOutcome, id: &str) -> Outcome {
    match outcome {
        pb::RetryOutcome::Accepted => Ok(()),
        pb::RetryOutcome::NotDead if id.contains('/') => {
            Err(Failure::Conflict(format!("run {id} or its job has not ended; nothing changed")))
        }
        pb::RetryOutcome::NotDead => Err(Failure::Conflict(format!(
            "job {id} has no dead run; `raftsman job trigger {id}` runs it now"
        ))),
        pb::RetryOutcome::NotFound | pb::RetryOutcome::Unspecified => {
            Err(Failure::NotFound(format!("nothing is known of {id}; see `raftsman job runs`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcome: Outcome) -> u8 {
        outcome.map_or_else(|failure| failure.exit_code(), |()| 0)
    }

    #[test]
    fn each_answer_has_its_exit_code() {
        use pb::{CancelOutcome, RetryOutcome, TerminateOutcome};
        let cancels = [
            CancelOutcome::Cancelled,
            CancelOutcome::CancelRequested,
            CancelOutcome::AlreadyFinished,
            CancelOutcome::NotFound,
        ];
        assert_eq!(cancels.map(|outcome| code(cancelled(outcome, "42.0", "DEAD"))), [0, 0, 6, 3]);
        let terminates = [
            TerminateOutcome::Requested,
            TerminateOutcome::NotExecuting,
            TerminateOutcome::AlreadyFinished,
            TerminateOutcome::NotFound,
        ];
        assert_eq!(terminates.map(|outcome| code(terminated(outcome, "42.0/3"))), [0, 6, 6, 3]);
        let retries = [RetryOutcome::Accepted, RetryOutcome::NotDead, RetryOutcome::NotFound];
        assert_eq!(retries.map(|outcome| code(retried(outcome, "42.0/3"))), [0, 6, 3]);
    }
}
