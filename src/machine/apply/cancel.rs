//! LTS's cancel, with an exact answer.
//!
//! CANCELLED promises that nothing of the job was or will be dispatched from now on. What executes, or was executed and
//! waits for its retry, is CANCEL_REQUESTED: it is asked to stop and gets no further attempt. An instant that is due and has
//! not ripened gets its fate first, so that none ends with its job unseen.

use crate::domain::{JobId, RunId};
use crate::machine::apply::request;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{Cancel, JobRef};
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::instant;
use crate::machine::reply::{CancelAnswer, Reply};
use crate::machine::row::{Answer, Fate, JobAct, LiveRun, PeriodicRow, Rhythm, Row, Stop, Why};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, cancel: &Cancel) -> Result<Reply, BaseError> {
    request::once(change, &cancel.request, |change| {
        let answer = match find(change, &cancel.job)? {
            Some(job) => cancel_job(change, job, cancel)?,
            None => CancelAnswer::NotFound,
        };
        Ok(Answer::Cancelled(answer))
    })
}

pub(super) fn find(change: &Change<'_>, job: &JobRef) -> Result<Option<JobId>, BaseError> {
    match job {
        JobRef::Id(job) => Ok(Some(*job)),
        JobRef::Key(group, task) => Ok(change.task_key(group, task)?.map(|row| row.job)),
    }
}

fn cancel_job(change: &mut Change<'_>, job: JobId, cancel: &Cancel) -> Result<CancelAnswer, BaseError> {
    instant::settle_before_the_end(change, job)?;
    let Some(row) = change.job(job)? else { return Ok(CancelAnswer::NotFound) };
    let key = change.task_key(&row.spec.node_group, &row.spec.task_id)?;
    if !key.is_some_and(|key| key.job == job && key.live) {
        return Ok(CancelAnswer::AlreadyFinished(job, finished_as(change, job)?));
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

/// How the job's last run ended.
pub(super) fn finished_as(change: &Change<'_>, job: JobId) -> Result<Fate, BaseError> {
    let number = change.job(job)?.map_or(0, |row| row.next_number.saturating_sub(1));
    let last = first_ended_from(change, RunId { job, number })?;
    // Runs that overlap are forgotten in the order in which they ended, so an earlier one may be left.
    let left = if last.is_none() { first_ended_from(change, RunId { job, number: 0 })? } else { last };
    Ok(left.unwrap_or(Fate::Cancelled))
}

fn first_ended_from(change: &Change<'_>, run: RunId) -> Result<Option<Fate>, BaseError> {
    let (from, to) = (Key::Ledger(run), Key::Ledger(RunId { number: u64::MAX, ..run }));
    Ok(match change.scan(&from, &to, 1)?.pop() {
        Some((_, Row::Ledger(row))) => Some(row.fate),
        Some(_) | None => None,
    })
}
