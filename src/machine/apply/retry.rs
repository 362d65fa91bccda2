//! Runs a finished run again by hand: a new run of the same job, due now, with the newest revision.

use crate::domain::{JobId, RunId};
use crate::machine::apply::{on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{Retry, RetryOf};
use crate::machine::limits::LAST_RUNS_SEEN;
use crate::machine::queue::alive::is_alive;
use crate::machine::queue::by_hand;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{Answer, Fate, JobAct, Why};

pub(super) fn apply(change: &mut Change<'_>, retry: &Retry) -> Result<Reply, BaseError> {
    request::once(change, &retry.request, |change| {
        let again = match &retry.of {
            RetryOf::Run(run) => again(change, *run, retry)?,
            RetryOf::LastDead(job) => match on_job::find(change, job)? {
                Some(job) => last_dead(change, job, retry)?,
                None => Err(Refusal::UnknownJob),
            },
        };
        Ok(again.map_or_else(Answer::Refused, Answer::Retried))
    })
}

fn last_dead(change: &mut Change<'_>, id: JobId, retry: &Retry) -> Result<Result<RunId, Refusal>, BaseError> {
    let Some(job) = change.job(id)? else { return Ok(Err(Refusal::UnknownJob)) };
    let next = change.periodic(id)?.map_or(job.next_number, |row| row.next_number);
    for number in (next.saturating_sub(LAST_RUNS_SEEN)..next).rev() {
        let run = RunId { job: id, number };
        if change.ledger(run)?.is_some_and(|row| row.fate == Fate::Dead) {
            return again(change, run, retry);
        }
    }
    Ok(Err(Refusal::NoDeadRun(id)))
}

fn again(change: &mut Change<'_>, run: RunId, retry: &Retry) -> Result<Result<RunId, Refusal>, BaseError> {
    if change.live(run)?.is_some() {
        return Ok(Err(Refusal::StillLive(run)));
    }
    let (Some(_), Some(job)) = (change.ledger(run)?, change.job(run.job)?) else {
        return Ok(Err(Refusal::UnknownRun(run)));
    };
    if !is_between_runs(change, run.job)? {
        return Ok(Err(Refusal::StillLive(run)));
    }
    let made = by_hand::run(change, run.job, &job)?;
    if let Ok(new) = made {
        change.log_act(run, JobAct::Retried(new), Why::of(&retry.request, &retry.reason))?;
    }
    Ok(made)
}

/// A one-shot job has at most one live run; a periodic one may have one by hand beside its instants.
fn is_between_runs(change: &Change<'_>, id: JobId) -> Result<bool, BaseError> {
    Ok(change.periodic(id)?.is_some() || !is_alive(change, id)?)
}
