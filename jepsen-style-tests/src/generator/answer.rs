//! What the cluster answered, as JSON in the history.

use raftsman::wire::{Reason, pb};
use serde_json::{Value, json};

use super::spec::time_text;

pub(crate) fn submitted(result: &pb::SubmitResult) -> Value {
    match result.outcome() {
        pb::SubmitOutcome::Accepted => json!({ "accepted": result.job_id }),
        pb::SubmitOutcome::Exists => json!({ "exists": result.job_id }),
        pb::SubmitOutcome::Replaced => {
            json!({ "replaced": { "job": result.job_id, "revision": result.revision } })
        }
        pb::SubmitOutcome::Refused | pb::SubmitOutcome::Unspecified => {
            let refusal = result.refusal.clone().unwrap_or_default();
            if refusal.reason == Reason::JobExists.as_str() {
                return json!({ "conflict": result.job_id });
            }
            json!({ "refused": { "reason": refusal.reason, "message": refusal.message, "job": result.job_id } })
        }
    }
}

pub(crate) fn cancelled(answer: &pb::CancelResponse) -> Value {
    match answer.outcome() {
        pb::CancelOutcome::Cancelled => json!({ "cancelled": answer.job_id }),
        pb::CancelOutcome::CancelRequested => json!({ "cancel_requested": answer.job_id }),
        pb::CancelOutcome::AlreadyFinished => {
            json!({ "already_finished": { "job": answer.job_id, "fate": state(answer.finished_as()) } })
        }
        pb::CancelOutcome::NotFound => json!("not_found"),
        pb::CancelOutcome::Unspecified => Value::Null,
    }
}

pub(crate) fn terminated(answer: &pb::TerminateResponse) -> Value {
    match answer.outcome() {
        pb::TerminateOutcome::Requested => json!({ "terminating": answer.execution.to_string() }),
        other => json!(lower(other.as_str_name(), "TERMINATE_OUTCOME_")),
    }
}

pub(crate) fn retried(answer: &pb::RetryResponse) -> Value {
    match answer.outcome() {
        pb::RetryOutcome::Accepted => json!({ "retried": answer.run_id }),
        other => json!(lower(other.as_str_name(), "RETRY_OUTCOME_")),
    }
}

pub(crate) fn suspended(answer: &pb::SuspendResponse) -> Value {
    match answer.outcome() {
        pb::SuspendOutcome::AlreadyFinished => finished(&answer.job_id, answer.finished_as()),
        other => about(&answer.job_id, other.as_str_name(), "SUSPEND_OUTCOME_"),
    }
}

pub(crate) fn resumed(answer: &pb::ResumeResponse) -> Value {
    match answer.outcome() {
        pb::ResumeOutcome::AlreadyFinished => finished(&answer.job_id, answer.finished_as()),
        other => about(&answer.job_id, other.as_str_name(), "RESUME_OUTCOME_"),
    }
}

pub(crate) fn triggered(answer: &pb::TriggerResponse) -> Value {
    about(&answer.run_id, answer.outcome().as_str_name(), "TRIGGER_OUTCOME_")
}

pub(crate) fn deleted(answer: &pb::DeleteResponse) -> Value {
    match answer.outcome() {
        pb::DeleteOutcome::Executing => json!({ "still_executing": answer.run_id }),
        other => about(&answer.job_id, other.as_str_name(), "DELETE_OUTCOME_"),
    }
}

/// What became of an act, with the job or the run that it is about.
fn about(what: &str, outcome: &str, prefix: &str) -> Value {
    match lower(outcome, prefix).as_str() {
        "not_found" => json!("not_found"),
        word => json!({ word: what }),
    }
}

fn finished(job_id: &str, finished_as: pb::JobState) -> Value {
    json!({ "already_finished": { "job": job_id, "fate": state(finished_as) } })
}

/// `waiting`, `ready`, ..., as in the protocol.
pub(crate) fn state(state: pb::JobState) -> String {
    lower(state.as_str_name(), "JOB_STATE_")
}

/// `real_time`, ...; empty where it is no filter.
pub(crate) fn job_type(job_type: pb::JobType) -> String {
    match job_type {
        pb::JobType::Unspecified => String::new(),
        other => lower(other.as_str_name(), "JOB_TYPE_"),
    }
}

pub(crate) fn consistency(consistency: pb::Consistency) -> String {
    lower(consistency.as_str_name(), "CONSISTENCY_")
}

/// A job without its payload.
pub(crate) fn job(job: &pb::StoredJob) -> Value {
    let spec = job.spec.clone().unwrap_or_default();
    let counts = job.counts.unwrap_or_default();
    json!({
        "job_id": job.job_id,
        "node_group": spec.node_group,
        "task_id": spec.task_id,
        "kind": spec.kind,
        "job_type": lower(job.job_type().as_str_name(), "JOB_TYPE_"),
        "revision": job.revision,
        "state": state(job.state()),
        "cancel_requested": job.cancel_requested,
        "next_time": time_text(job.next_time.as_ref()),
        "end_time": time_text(job.end_time.as_ref()),
        "run": job.run.as_ref().map(run),
        "counts": {
            "succeeded": counts.succeeded, "failed": counts.failed, "dead": counts.dead,
            "skipped": counts.skipped, "cancelled": counts.cancelled,
        },
    })
}

/// A row of the ledger.
pub(crate) fn run(run: &pb::Run) -> Value {
    let attempts: Vec<Value> = run.attempts.iter().map(attempt).collect();
    let reason = run.skip_reason();
    json!({
        "run_id": run.run_id,
        "planned": time_text(run.planned_time.as_ref()),
        "until": time_text(run.planned_until_time.as_ref()),
        "count": run.count,
        "state": lower(run.state().as_str_name(), "RUN_STATE_"),
        "skip_reason": (reason != pb::SkipReason::Unspecified)
            .then(|| lower(reason.as_str_name(), "SKIP_REASON_")),
        "retries": run.retries,
        "reclaims": run.reclaims,
        "manual": run.manual,
        "attempts": attempts,
    })
}

fn attempt(attempt: &pb::Attempt) -> Value {
    json!({
        "execution": attempt.execution.to_string(),
        "tracker": attempt.tasktracker,
        "end": lower(attempt.end().as_str_name(), "ATTEMPT_END_"),
        "action": lower(attempt.action().as_str_name(), "ACTION_"),
    })
}

fn lower(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}
