//! Runs a finished run again by hand: a new run of the same job, due now, with the newest revision.

use crate::domain::{JobId, RunId};
use crate::machine::apply::request;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Retry;
use crate::machine::effect::Effect;
use crate::machine::queue::start;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{Answer, JobAct, JobRow, LiveState, PeriodicRow, TaskKeyRow, Why};

pub(super) fn apply(change: &mut Change<'_>, retry: &Retry) -> Result<Reply, BaseError> {
    request::once(change, &retry.request, |change| again(change, retry))
}

fn again(change: &mut Change<'_>, retry: &Retry) -> Result<Answer, BaseError> {
    let run = retry.run;
    if change.live(run)?.is_some() {
        return Ok(Answer::Refused(Refusal::StillLive(run)));
    }
    let (Some(_), Some(job)) = (change.ledger(run)?, change.job(run.job)?) else {
        return Ok(Answer::Refused(Refusal::UnknownRun(run)));
    };
    match change.task_key(&job.spec.node_group, &job.spec.task_id)? {
        Some(key) if key.live && key.job != run.job => {
            return Ok(Answer::Refused(Refusal::KeyTaken(key.job)));
        }
        Some(key) if key.live && !is_between_runs(change, run.job)? => {
            return Ok(Answer::Refused(Refusal::StillLive(run)));
        }
        Some(_) | None => {}
    }
    let number = take_number(change, run.job, &job)?;
    change.put_task_key(&job.spec, TaskKeyRow { job: run.job, live: true })?;
    let new = RunId { job: run.job, number };
    let now = change.now();
    let revisions = (job.revision, job.schedule_revision);
    let mut live = start::live_run(now, &job.spec, revisions, now, LiveState::Ready { since: now });
    live.periodic = change.periodic(run.job)?.is_some();
    (live.start_by, live.by_hand) = (None, true);
    change.put_new_live(new, live);
    change.effect(Effect::Ready(job.spec.node_group.clone()));
    change.log_act(run, JobAct::Retried(new), Why::of(&retry.request, ""))?;
    Ok(Answer::Retried(new))
}

/// A periodic job may have a run by hand beside its instants.
fn is_between_runs(change: &Change<'_>, job: JobId) -> Result<bool, BaseError> {
    Ok(change.periodic(job)?.is_some())
}

fn take_number(change: &mut Change<'_>, id: JobId, job: &JobRow) -> Result<u64, BaseError> {
    let Some(row) = change.periodic(id)? else {
        change.put_job(id, JobRow { next_number: job.next_number + 1, ..job.clone() })?;
        return Ok(job.next_number);
    };
    let row =
        PeriodicRow { next_number: row.next_number + 1, live: row.live + 1, ..PeriodicRow::clone(&row) };
    let number = row.next_number - 1;
    change.put_periodic(id, row)?;
    Ok(number)
}
