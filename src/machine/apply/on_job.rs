//! What the acts on one job have in common: which job is meant, and what keeps them from being done.

use std::sync::Arc;

use crate::domain::{JobId, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{JobRef, OnJob};
use crate::machine::key::Key;
use crate::machine::reply::{ActAnswer, Refusal};
use crate::machine::row::{Answer, Fate, JobRow, Rhythm, Row, Stop};

/// The job that is meant, or why the act cannot be done.
pub(super) type Found = Result<(JobId, Arc<JobRow>), Answer>;

/// The job by its id, or the one that has, or last had, its key.
pub(super) fn find(change: &Change<'_>, job: &JobRef) -> Result<Option<JobId>, BaseError> {
    match job {
        JobRef::Id(job) => Ok(Some(*job)),
        JobRef::Key(group, task) => change.task_key(group, task),
    }
}

/// The job that the act is about, if it is known and has the expected revision.
pub(super) fn expected(change: &Change<'_>, act: &OnJob) -> Result<Found, BaseError> {
    let Some(id) = find(change, &act.job)? else { return Ok(Err(ActAnswer::NotFound.into())) };
    let Some(job) = change.job(id)? else { return Ok(Err(ActAnswer::NotFound.into())) };
    if act.expected_revision != 0 && act.expected_revision != job.revision {
        let differs = Refusal::RevisionDiffers { job: id, revision: job.revision };
        return Ok(Err(Answer::Refused(differs)));
    }
    Ok(Ok((id, job)))
}

/// Whether the job was cancelled and something of it executes still.
pub(super) fn is_being_cancelled(change: &Change<'_>, id: JobId) -> Result<bool, BaseError> {
    if let Some(row) = change.periodic(id)? {
        return Ok(matches!(row.rhythm, Rhythm::Stopped { restart: false }));
    }
    Ok(change.live_runs(id)?.iter().any(|(_, live)| live.stop == Some(Stop::Cancel)))
}

/// How the job's last run ended.
pub(super) fn last_fate(change: &Change<'_>, job: JobId) -> Result<Fate, BaseError> {
    let number = change.job(job)?.map_or(0, |row| row.next_number.saturating_sub(1));
    let last = first_ended_from(change, RunId { job, number })?;
    // Runs that overlap are forgotten in the order in which they ended, so an earlier one may be left.
    let left = if last.is_none() { first_ended_from(change, RunId { job, number: 0 })? } else { last };
    Ok(left.unwrap_or(Fate::Cancelled))
}

fn first_ended_from(change: &Change<'_>, run: RunId) -> Result<Option<Fate>, BaseError> {
    let (from, to) = (Key::Ledger(run), Key::Ledger(RunId::of_whole(run.job)));
    Ok(match change.scan(&from, &to, 1)?.pop() {
        Some((_, Row::Ledger(row))) => Some(row.fate),
        Some(_) | None => None,
    })
}

impl From<ActAnswer> for Answer {
    fn from(answer: ActAnswer) -> Answer {
        Answer::Acted(answer)
    }
}
