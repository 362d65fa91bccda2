//! What is done to jobs and runs by hand: terminate, retry, suspend, resume, trigger, delete. Wire to domain, one call,
//! domain to wire.

use tonic::Status;

use super::edge::{command, committed, job_ref, mismatch, refused, request_key, wrong};
use super::job_service::{after_entry, failed, reason};
use super::views;
use crate::calendar::PreparedCron;
use crate::domain::{FieldError, JobId, RunId, Schedule, Timestamp};
use crate::jobtracker::{Committed, JobTracker};
use crate::machine::command::{JobRef, OnJob, Retry, RetryOf, Terminate};
use crate::machine::reply::{ActAnswer, Refusal};
use crate::machine::row::Rhythm;
use crate::machine::{BaseError, Command, Machine, Reply, RunState, RunView};
use crate::wire::{parse_id, pb, timestamp};

pub(super) async fn terminate(
    tracker: &JobTracker,
    mut request: pb::TerminateRequest,
) -> Result<pb::TerminateResponse, Status> {
    let run: RunId = parse_id("run_id", &request.run_id).map_err(|e| wrong(vec![e]))?;
    let reason = reason(&request.reason)?;
    let key = request_key(request.idempotency.take(), "terminate", &request)?;
    let done = command(tracker, Command::Terminate(Terminate { request: key, run, reason })).await?;
    let (outcome, execution) = match &done.reply {
        Reply::Terminating(execution) => (pb::TerminateOutcome::Requested, execution.as_u64()),
        Reply::Refused(Refusal::UnknownRun(_)) => (pb::TerminateOutcome::NotFound, 0),
        Reply::Refused(Refusal::NotExecuting(_)) => {
            let ended = after_entry(tracker, done.index, |machine| is_ended(machine, run)).await?;
            let finished = pb::TerminateOutcome::AlreadyFinished;
            (if ended { finished } else { pb::TerminateOutcome::NotExecuting }, 0)
        }
        _ => return Err(failed(&done)),
    };
    Ok(pb::TerminateResponse { outcome: outcome.into(), execution, committed: committed(&done) })
}

fn is_ended(machine: &Machine, run: RunId) -> Result<bool, BaseError> {
    Ok(matches!(machine.tables().run(run)?, Some(RunView { state: RunState::Ended(_), .. })))
}

pub(super) async fn retry(
    tracker: &JobTracker,
    mut request: pb::RetryRequest,
) -> Result<pb::RetryResponse, Status> {
    let of = retry_of(&request)?;
    let reason = reason(&request.reason)?;
    let key = request_key(request.idempotency.take(), "retry", &request)?;
    let done = command(tracker, Command::Retry(Retry { request: key, of, reason })).await?;
    let (outcome, state, again) = match &done.reply {
        Reply::Retried(again) => (pb::RetryOutcome::Accepted, pb::RunState::Ready, again.to_string()),
        Reply::Refused(Refusal::UnknownRun(_) | Refusal::UnknownJob) => {
            (pb::RetryOutcome::NotFound, pb::RunState::Unspecified, String::new())
        }
        Reply::Refused(Refusal::StillLive(_) | Refusal::NoDeadRun(_)) => {
            (pb::RetryOutcome::NotDead, pb::RunState::Unspecified, String::new())
        }
        _ => return Err(failed(&done)),
    };
    let (outcome, state, committed) = (outcome.into(), state.into(), committed(&done));
    Ok(pb::RetryResponse { outcome, state, committed, run_id: again })
}

/// A run, or the last dead one of a job.
pub(super) fn retry_of(request: &pb::RetryRequest) -> Result<RetryOf, Status> {
    use pb::retry_request::LastDeadOf;
    let (id, task) = match request.last_dead_of.clone() {
        None => {
            let run = parse_id("run_id", &request.run_id).map_err(|e| wrong(vec![e]))?;
            return Ok(RetryOf::Run(run));
        }
        Some(_) if !request.run_id.is_empty() => {
            let problem = "is given together with a job; give one of them";
            return Err(wrong(vec![FieldError::new("run_id", problem)]));
        }
        Some(LastDeadOf::JobId(id)) => (Some(id), None),
        Some(LastDeadOf::Task(task)) => (None, Some(task)),
    };
    Ok(RetryOf::LastDead(job_ref(id, task)?))
}

/// Suspend, Resume, Trigger and Delete ask for the same fields.
macro_rules! on_job {
    ($parse:ident, $request:ident, $target:ident, $call:literal) => {
        /// What a call asks for, checked.
        pub(super) fn $parse(mut request: pb::$request) -> Result<OnJob, Status> {
            let (id, task) = match request.target.clone() {
                Some(pb::$target::Target::JobId(id)) => (Some(id), None),
                Some(pb::$target::Target::Task(task)) => (None, Some(task)),
                None => (None, None),
            };
            let job: JobRef = job_ref(id, task)?;
            let Ok(expected_revision) = u32::try_from(request.expected_revision) else {
                let problem = format!("is {}; no job has it", request.expected_revision);
                return Err(wrong(vec![FieldError::new("expected_revision", problem)]));
            };
            let reason = reason(&request.reason)?;
            let key = request_key(request.idempotency.take(), $call, &request)?;
            Ok(OnJob { request: key, job, expected_revision, reason })
        }
    };
}

on_job!(suspend_of, SuspendRequest, suspend_request, "suspend");
on_job!(resume_of, ResumeRequest, resume_request, "resume");
on_job!(trigger_of, TriggerRequest, trigger_request, "trigger");
on_job!(delete_of, DeleteRequest, delete_request, "delete");

/// The answer, if it is one to an act on a job.
fn answer(done: &Committed) -> Result<&ActAnswer, Status> {
    match &done.reply {
        Reply::Acted(answer) => Ok(answer),
        Reply::Refused(refusal) => Err(refused(done, refusal)),
        _ => Err(mismatch(done)),
    }
}

pub(super) async fn suspend(
    tracker: &JobTracker,
    request: pb::SuspendRequest,
) -> Result<pb::SuspendResponse, Status> {
    use pb::SuspendOutcome as Outcome;
    let done = command(tracker, Command::Suspend(suspend_of(request)?)).await?;
    let (outcome, job, fate) = match answer(&done)? {
        ActAnswer::Suspended(job) => (Outcome::Suspended, Some(job), None),
        ActAnswer::AlreadySuspended(job) => (Outcome::AlreadySuspended, Some(job), None),
        ActAnswer::Ended(job) => (Outcome::Ended, Some(job), None),
        ActAnswer::CancelRequested(job) => (Outcome::CancelRequested, Some(job), None),
        ActAnswer::AlreadyFinished(job, fate) => (Outcome::AlreadyFinished, Some(job), Some(*fate)),
        ActAnswer::NotFound => (Outcome::NotFound, None, None),
        _ => return Err(mismatch(&done)),
    };
    Ok(pb::SuspendResponse {
        outcome: outcome.into(),
        job_id: job.map(ToString::to_string).unwrap_or_default(),
        committed: committed(&done),
        finished_as: fate.map_or(0, |fate| views::fate_as_job_state(fate).into()),
    })
}

pub(super) async fn resume(
    tracker: &JobTracker,
    request: pb::ResumeRequest,
) -> Result<pb::ResumeResponse, Status> {
    use pb::ResumeOutcome as Outcome;
    let done = command(tracker, Command::Resume(resume_of(request)?)).await?;
    let mut next = Next::Unknown;
    let (outcome, job, fate) = match answer(&done)? {
        ActAnswer::Resumed(job) => {
            next = after_entry(tracker, done.index, |machine| next_of(machine, *job)).await?;
            let goes_on = if matches!(next, Next::Never) { Outcome::Ended } else { Outcome::Resumed };
            (goes_on, Some(job), None)
        }
        ActAnswer::NotSuspended(job) => (Outcome::NotSuspended, Some(job), None),
        ActAnswer::Ended(job) => (Outcome::Ended, Some(job), None),
        ActAnswer::CancelRequested(job) => (Outcome::CancelRequested, Some(job), None),
        ActAnswer::AlreadyFinished(job, fate) => (Outcome::AlreadyFinished, Some(job), Some(*fate)),
        ActAnswer::NotFound => (Outcome::NotFound, None, None),
        _ => return Err(mismatch(&done)),
    };
    Ok(pb::ResumeResponse {
        outcome: outcome.into(),
        job_id: job.map(ToString::to_string).unwrap_or_default(),
        committed: committed(&done),
        finished_as: fate.map_or(0, |fate| views::fate_as_job_state(fate).into()),
        next_time: if let Next::At(at) = next { Some(timestamp(at)) } else { None },
    })
}

/// When something of a resumed job falls due.
enum Next {
    At(Timestamp),
    /// It is due already, or was told by an earlier call.
    Unknown,
    /// Nothing runs, and its calendar has no instant left: it ends with its next plan.
    Never,
}

/// The machine knows no calendar, so that this is asked here: a cron's plan comes a moment later.
fn next_of(machine: &Machine, id: JobId) -> Result<Next, BaseError> {
    let Some(view) = machine.tables().job_view(id)? else { return Ok(Next::Unknown) };
    if let Some(at) = views::next_time(&view) {
        return Ok(Next::At(at));
    }
    let unplanned = view.periodic.as_ref().filter(|row| matches!(row.rhythm, Rhythm::Planned { .. }));
    let (Some(row), Schedule::Cron(cron)) = (unplanned, &view.row.spec.schedule) else {
        return Ok(Next::Unknown);
    };
    let Ok(calendar) = PreparedCron::new(cron) else { return Ok(Next::Unknown) };
    let after = row.resumed.unwrap_or(row.settled);
    Ok(match calendar.anchored_at(view.row.updated).next_after(after, 1).first() {
        Some(at) => Next::At(*at),
        None if row.live == 0 => Next::Never,
        None => Next::Unknown,
    })
}

pub(super) async fn trigger(
    tracker: &JobTracker,
    request: pb::TriggerRequest,
) -> Result<pb::TriggerResponse, Status> {
    use pb::TriggerOutcome as Outcome;
    let done = command(tracker, Command::Trigger(trigger_of(request)?)).await?;
    let (outcome, run) = match answer(&done)? {
        ActAnswer::Triggered(run) => (Outcome::Triggered, Some(run)),
        ActAnswer::AlreadyReady(run) => (Outcome::AlreadyReady, Some(run)),
        ActAnswer::AlreadyRunning(run) => (Outcome::AlreadyRunning, Some(run)),
        ActAnswer::NotFound => (Outcome::NotFound, None),
        _ => return Err(mismatch(&done)),
    };
    Ok(pb::TriggerResponse {
        outcome: outcome.into(),
        job_id: run.map(|run| run.job.to_string()).unwrap_or_default(),
        committed: committed(&done),
        run_id: run.map(ToString::to_string).unwrap_or_default(),
    })
}

pub(super) async fn delete(
    tracker: &JobTracker,
    request: pb::DeleteRequest,
) -> Result<pb::DeleteResponse, Status> {
    use pb::DeleteOutcome as Outcome;
    let done = command(tracker, Command::Delete(delete_of(request)?)).await?;
    let (outcome, job, run) = match answer(&done)? {
        ActAnswer::Deleted(job) => (Outcome::Deleted, Some(*job), None),
        ActAnswer::StillExecuting(run) => (Outcome::Executing, Some(run.job), Some(run)),
        ActAnswer::NotFound => (Outcome::NotFound, None, None),
        _ => return Err(mismatch(&done)),
    };
    Ok(pb::DeleteResponse {
        outcome: outcome.into(),
        job_id: job.map(|job| job.to_string()).unwrap_or_default(),
        committed: committed(&done),
        run_id: run.map(ToString::to_string).unwrap_or_default(),
    })
}
