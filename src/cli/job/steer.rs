//! `raftsman job suspend`, `resume`, `trigger` and `delete`: each says exactly what it meant.

use serde_json::json;

use super::super::Global;
use super::super::connect::jobs;
use super::super::failure::{Failure, Outcome};
use super::super::json::{job_state, time, word};
use super::super::output::{Row, Shape, column};
use super::Target;
use super::act::named;
use crate::client::JobRef;
use crate::wire::pb;

/// What all of them may be told.
#[derive(Debug, clap::Args)]
struct Told {
    /// Only if the job has this revision; see `raftsman job get`
    #[arg(long, value_name = "REVISION", default_value_t = 0, hide_default_value = true)]
    expected_revision: u64,
    /// Shown in the job log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Suspend a job: what executes finishes, nothing else of it is dispatched until it is resumed
///
/// A one-shot job's run is held where it is; no instant of a cron or repeat job ripens. Submitting the
/// job again does not revive it. Exits 6 if it had ended or was cancelled, 3 if there is no such job.
///
/// Examples:
///   raftsman job suspend 42.0 --reason 'database is moved'
///   raftsman job suspend --task-id nightly -g reports
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Suspend {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    told: Told,
}

/// Let a suspended job go on from now; what fell due meanwhile is skipped
///
/// ENDED: no instant of it comes any more. Exits 6 if it was not suspended, 3 if there is no such job.
///
/// Example:
///   raftsman job resume --task-id nightly -g reports
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Resume {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    told: Told,
}

/// Run a job now, suspended or not; its schedule stays as it is
///
/// A cron or repeat job gets a run beside its instants, a finished job a new run; a one-shot job that
/// waits runs now. Exits 6 if its only run is ready or executes already, 3 if there is no such job.
///
/// Example:
///   raftsman job trigger --task-id nightly -g reports
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Trigger {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    told: Told,
}

/// Forget a job with its history; what waits is cancelled
///
/// Exits 6 if something of it executes (cancel it or terminate its run first), 3 if there is no such job.
///
/// Example:
///   raftsman job list --state succeeded -o id | xargs -n1 raftsman job delete
#[derive(Debug, clap::Args)]
#[command(visible_alias = "rm", verbatim_doc_comment)]
pub(super) struct Delete {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    told: Told,
}

/// What an answer says, in one row.
struct Answer {
    job_id: String,
    outcome: &'static str,
    /// A run, a state or a time.
    detail: (&'static str, String),
}

impl Answer {
    fn print(&self, global: &Global) -> Outcome {
        let (name, detail) = &self.detail;
        let row = Row {
            id: self.job_id.clone(),
            cells: vec![self.job_id.clone(), self.outcome.into(), detail.clone()],
            json: json!({ "id": self.job_id, "outcome": self.outcome, *name: detail }),
        };
        let heading = if detail.is_empty() { "" } else { *name };
        let columns = [column("ID"), column("OUTCOME"), column(heading)];
        Ok(global.output().print(Shape::One, &columns, &[row])?)
    }
}

fn unknown() -> Outcome {
    Err(Failure::NotFound("no such job is known; look for it with `raftsman job list`".into()))
}

macro_rules! target {
    ($of:ident, $target:expr) => {
        Some(match $target.job_ref() {
            JobRef::Id(id) => pb::$of::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::$of::Target::Task(pb::TaskKey { node_group, task_id })
            }
        })
    };
}

impl Suspend {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Told { expected_revision, reason } = self.told;
        let target = target!(suspend_request, self.target);
        let request = pb::SuspendRequest { target, expected_revision, reason, idempotency: named() };
        let answer = client.call(request, async |via, request| jobs(via).suspend(request).await).await?;
        let (outcome, ended) = (answer.outcome(), job_state(answer.finished_as()));
        if outcome != pb::SuspendOutcome::NotFound {
            let outcome = word(outcome.as_str_name(), "SUSPEND_OUTCOME_");
            let detail = ("state", ended.to_owned());
            Answer { job_id: answer.job_id.clone(), outcome, detail }.print(global)?;
        }
        suspended(outcome, &answer.job_id, ended)
    }
}

fn suspended(outcome: pb::SuspendOutcome, job_id: &str, ended: &str) -> Outcome {
    use pb::SuspendOutcome::{
        AlreadyFinished, AlreadySuspended, CancelRequested, Ended, NotFound, Suspended, Unspecified,
    };
    match outcome {
        Suspended | AlreadySuspended | Ended => Ok(()),
        CancelRequested => Err(Failure::Conflict(format!("job {job_id} was cancelled; nothing changed"))),
        AlreadyFinished => {
            Err(Failure::Conflict(format!("job {job_id} had ended as {ended}; nothing changed")))
        }
        NotFound | Unspecified => unknown(),
    }
}

impl Resume {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Told { expected_revision, reason } = self.told;
        let target = target!(resume_request, self.target);
        let request = pb::ResumeRequest { target, expected_revision, reason, idempotency: named() };
        let answer = client.call(request, async |via, request| jobs(via).resume(request).await).await?;
        let (outcome, ended) = (answer.outcome(), job_state(answer.finished_as()));
        if outcome != pb::ResumeOutcome::NotFound {
            let outcome = word(outcome.as_str_name(), "RESUME_OUTCOME_");
            let detail = ("next_time", time(answer.next_time));
            Answer { job_id: answer.job_id.clone(), outcome, detail }.print(global)?;
        }
        resumed(outcome, &answer.job_id, ended)
    }
}

fn resumed(outcome: pb::ResumeOutcome, job_id: &str, ended: &str) -> Outcome {
    use pb::ResumeOutcome::{
        AlreadyFinished, CancelRequested, Ended, NotFound, NotSuspended, Resumed, Unspecified,
    };
    match outcome {
        Resumed | Ended => Ok(()),
        NotSuspended => Err(Failure::Conflict(format!("job {job_id} is not suspended; nothing changed"))),
        CancelRequested => Err(Failure::Conflict(format!("job {job_id} was cancelled; nothing changed"))),
        AlreadyFinished => {
            Err(Failure::Conflict(format!("job {job_id} had ended as {ended}; nothing changed")))
        }
        NotFound | Unspecified => unknown(),
    }
}

impl Trigger {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Told { expected_revision, reason } = self.told;
        let target = target!(trigger_request, self.target);
        let request = pb::TriggerRequest { target, expected_revision, reason, idempotency: named() };
        let answer = client.call(request, async |via, request| jobs(via).trigger(request).await).await?;
        let outcome = answer.outcome();
        if outcome != pb::TriggerOutcome::NotFound {
            let outcome = word(outcome.as_str_name(), "TRIGGER_OUTCOME_");
            let detail = ("run", answer.run_id.clone());
            Answer { job_id: answer.job_id.clone(), outcome, detail }.print(global)?;
        }
        triggered(outcome, &answer.run_id)
    }
}

fn triggered(outcome: pb::TriggerOutcome, run_id: &str) -> Outcome {
    use pb::TriggerOutcome::{AlreadyReady, AlreadyRunning, NotFound, Triggered, Unspecified};
    match outcome {
        Triggered => Ok(()),
        AlreadyReady => Err(Failure::Conflict(format!("run {run_id} is ready already; nothing changed"))),
        AlreadyRunning => Err(Failure::Conflict(format!("run {run_id} executes already; nothing changed"))),
        NotFound | Unspecified => unknown(),
    }
}

impl Delete {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Told { expected_revision, reason } = self.told;
        let target = target!(delete_request, self.target);
        let request = pb::DeleteRequest { target, expected_revision, reason, idempotency: named() };
        let answer = client.call(request, async |via, request| jobs(via).delete(request).await).await?;
        let outcome = answer.outcome();
        if outcome != pb::DeleteOutcome::NotFound {
            let outcome = word(outcome.as_str_name(), "DELETE_OUTCOME_");
            let detail = ("run", answer.run_id.clone());
            Answer { job_id: answer.job_id.clone(), outcome, detail }.print(global)?;
        }
        deleted(outcome, &answer.run_id)
    }
}

fn deleted(outcome: pb::DeleteOutcome, run_id: &str) -> Outcome {
    use pb::DeleteOutcome::{Deleted, Executing, NotFound, Unspecified};
    match outcome {
        Deleted => Ok(()),
        Executing => Err(Failure::Conflict(format!(
            "run {run_id} executes; `raftsman job cancel` or `raftsman job terminate {run_id}` it first"
        ))),
        NotFound | Unspecified => unknown(),
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
        let suspends = (1..=6).map(|n| pb::SuspendOutcome::try_from(n).expect("an outcome"));
        let suspends: Vec<u8> = suspends.map(|outcome| code(suspended(outcome, "42.0", "DEAD"))).collect();
        assert_eq!(suspends, [0, 0, 0, 6, 6, 3]);
        let resumes = (1..=6).map(|n| pb::ResumeOutcome::try_from(n).expect("an outcome"));
        let resumes: Vec<u8> = resumes.map(|outcome| code(resumed(outcome, "42.0", "DEAD"))).collect();
        assert_eq!(resumes, [0, 6, 0, 6, 6, 3]);
        let triggers = (1..=4).map(|n| pb::TriggerOutcome::try_from(n).expect("an outcome"));
        let triggers: Vec<u8> = triggers.map(|outcome| code(triggered(outcome, "42.0/1"))).collect();
        assert_eq!(triggers, [0, 6, 6, 3]);
        let deletes = (1..=3).map(|n| pb::DeleteOutcome::try_from(n).expect("an outcome"));
        let deletes: Vec<u8> = deletes.map(|outcome| code(deleted(outcome, "42.0/1"))).collect();
        assert_eq!(deletes, [0, 6, 3]);
    }
}
