//! LTS's cancel, with an exact answer.
//!
//! CANCELLED promises that nothing of the job was or will be dispatched from now on. What executes, or was executed and
//! waits for its retry, is CANCEL_REQUESTED: it is asked to stop and gets no further attempt. An instant that is due and has
//! not ripened gets its fate first, so that none ends with its job unseen.

use crate::domain::{JobId, RunId};
use crate::machine::apply::{on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Cancel;
use crate::machine::effect::Effect;
use crate::machine::queue::alive::is_alive;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::instant;
use crate::machine::reply::{CancelAnswer, Reply};
use crate::machine::row::{Answer, Fate, JobAct, LiveRun, PeriodicRow, Rhythm, Stop, Why};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, cancel: &Cancel) -> Result<Reply, BaseError> {
    request::once(change, &cancel.request, |change| {
        let answer = match on_job::find(change, &cancel.job)? {
            Some(job) => cancel_job(change, job, cancel)?,
            None => CancelAnswer::NotFound,
        };
        Ok(Answer::Cancelled(answer))
    })
}

fn cancel_job(change: &mut Change<'_>, job: JobId, cancel: &Cancel) -> Result<CancelAnswer, BaseError> {
    instant::settle_before_the_end(change, job)?;
    if change.job(job)?.is_none() {
        return Ok(CancelAnswer::NotFound);
    }
    if !is_alive(change, job)? {
        return Ok(CancelAnswer::AlreadyFinished(job, on_job::last_fate(change, job)?));
    }
    change.log_job(job, JobAct::Cancelled, Why::of(&cancel.request, &cancel.reason))?;
    stop_rhythm(change, job)?;
    let mut touched = false;
    for (run, live) in change.live_runs(job)? {
        let unseen = live.execution().is_some() && planted::is(Bug::CancelledWhileExecuting);
        touched |= live.executions > 0 && !unseen;
        if live.execution().is_some() && planted::is(Bug::ExecutingIsNotFound) {
            return Ok(CancelAnswer::NotFound);
        }
        cancel_run(change, run, &live)?;
    }
    end_if_idle(change, job)?;
    Ok(if touched { CancelAnswer::CancelRequested(job) } else { CancelAnswer::Cancelled(job) })
}

/// Ends what lives of a job of which nothing executes.
pub(super) fn stop(change: &mut Change<'_>, job: JobId) -> Result<(), BaseError> {
    stop_rhythm(change, job)?;
    for (run, live) in change.live_runs(job)? {
        cancel_run(change, run, &live)?;
    }
    end_if_idle(change, job)
}

/// No instant of the job comes any more.
fn stop_rhythm(change: &mut Change<'_>, job: JobId) -> Result<(), BaseError> {
    let Some(row) = change.periodic(job)? else { return Ok(()) };
    change.put_periodic(
        job,
        PeriodicRow { rhythm: Rhythm::Stopped { restart: false }, ..PeriodicRow::clone(&row) },
    )
}

fn cancel_run(change: &mut Change<'_>, run: RunId, live: &LiveRun) -> Result<(), BaseError> {
    match live.execution() {
        Some((execution, session)) => {
            change.effect(Effect::Terminate { session, execution, run });
            change.put_live(run, LiveRun { stop: Some(Stop::Cancel), ..live.clone() })
        }
        None if planted::is(Bug::CancelledRunStays) && live.executions == 0 => Ok(()),
        None => end::run(change, run, live.clone(), End::without_result(Fate::Cancelled, "cancelled")),
    }
}

/// A periodic job between its instants has no run whose end would end it.
fn end_if_idle(change: &mut Change<'_>, job: JobId) -> Result<(), BaseError> {
    match change.periodic(job)? {
        Some(row) if row.live == 0 => end::settle_or_end(change, job, PeriodicRow::clone(&row)),
        Some(_) | None => Ok(()),
    }
}
