//! The end of a run: its one fate goes to the ledger and, where JobClients want to hear of it, into their feedback; with
//! the last run the job ends.

use bytes::Bytes;

use super::{feedback, revision, start};
use crate::domain::{Action, JobId, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::row::{Fate, GroupRow, JobRow, LedgerRow, LiveRun, PeriodicRow, Rhythm, Row, SkipReason};
use crate::planted::{self, Bug};

/// How a run ended.
#[derive(Clone, Debug)]
pub(in crate::machine) struct End {
    pub(in crate::machine) fate: Fate,
    pub(in crate::machine) result: Bytes,
    pub(in crate::machine) error: String,
    /// What the runner said, if that is how it ended.
    pub(in crate::machine) said: Option<Action>,
}

impl End {
    /// An end without a result.
    pub(in crate::machine) fn without_result(fate: Fate, error: impl Into<String>) -> End {
        End { fate, result: Bytes::new(), error: error.into(), said: None }
    }
}

/// Moves a live run to the ledger.
pub(in crate::machine) fn run(
    change: &mut Change<'_>,
    run: RunId,
    live: LiveRun,
    end: End,
) -> Result<(), BaseError> {
    change.delete(Key::Live(run))?;
    let fate = end.fate;
    let ledger = LedgerRow {
        revision: live.revision,
        schedule_revision: live.schedule_revision,
        by_hand: live.by_hand,
        due: live.due,
        ended: change.now(),
        fate,
        retries: live.retries,
        reclaims: live.reclaims,
        executions: live.executions,
        attempts: live.attempts,
        result: end.result,
        error: end.error,
    };
    if let Some(client_group) = &live.feedback_to {
        feedback::write(change, client_group, run, &ledger)?;
    }
    change.put_ledger(run, ledger)?;
    change.put_plain(Key::Finished(live.node_group.clone(), change.now(), run), Row::Finished)?;
    change.count(&live.node_group, |group| {
        group.kept += 1;
        if let Some(action) = end.said {
            group.executed(action);
        }
        tally(group, fate);
    })?;
    change.effect(Effect::Finished(run));
    let newest = change.job(run.job)?;
    if newest.as_ref().is_some_and(|newest| newest.revision != live.revision) {
        revision::release_body(change, run.job, live.revision)?;
    }
    if live.periodic { periodic_run_ended(change, run.job) } else { job(change, run.job, newest.as_deref()) }
}

/// The end of a ready run that nobody started in time.
pub(in crate::machine) fn without_a_start(
    change: &mut Change<'_>,
    id: RunId,
    live: LiveRun,
) -> Result<(), BaseError> {
    let fate = Fate::Skipped { reason: SkipReason::DeadlinePassed, last: live.due, count: 1 };
    run(change, id, live, End::without_result(fate, "could not start before its deadline"))
}

/// Counts a fate.
pub(in crate::machine) fn tally(group: &mut GroupRow, fate: Fate) {
    match fate {
        Fate::Succeeded => group.succeeded += 1,
        Fate::Failed => group.failed += 1,
        Fate::Dead => group.dead += 1,
        Fate::Cancelled => group.cancelled += 1,
        Fate::Skipped { count, .. } => group.skipped += count,
    }
}

fn periodic_run_ended(change: &mut Change<'_>, id: JobId) -> Result<(), BaseError> {
    let Some(row) = change.periodic(id)? else { return Ok(()) };
    let mut row = PeriodicRow::clone(&row);
    row.live = row.live.saturating_sub(u32::from(!planted::is(Bug::CompletionWithoutNextCycle)));
    settle_or_end(change, id, row)
}

/// Stores a periodic row, or ends it when nothing is live and no instant will come.
pub(in crate::machine) fn settle_or_end(
    change: &mut Change<'_>,
    id: JobId,
    row: PeriodicRow,
) -> Result<(), BaseError> {
    let endless = matches!(row.rhythm, Rhythm::Grid { remaining: None, .. });
    let is_over = row.is_exhausted() || endless && planted::is(Bug::EndlessRepeatEnds);
    if row.live > 0 || !is_over {
        return change.put_periodic(id, row);
    }
    change.delete(Key::Periodic(id))?;
    let Some(newest) = change.job(id)? else { return Ok(()) };
    change.put_job(id, JobRow { next_number: row.next_number, ..JobRow::clone(&newest) })?;
    match row.rhythm {
        Rhythm::Stopped { restart: true } => restart(change, id, &newest, row.next_number),
        Rhythm::Stopped { restart: false } | Rhythm::Planned { .. } | Rhythm::Grid { .. } => {
            mark_end(change, id)?;
            let newest = change.job(id)?;
            job(change, id, newest.as_deref())
        }
    }
}

/// A periodic job may end without a run that is still remembered, so its own end is written down for expiry.
fn mark_end(change: &mut Change<'_>, id: JobId) -> Result<(), BaseError> {
    let Some(row) = change.job(id)? else { return Ok(()) };
    unmark_end(change, id, &row)?;
    let mark = (row.spec.node_group.clone(), change.now());
    let end = RunId::of_whole(id);
    change.effect(Effect::Finished(end));
    change.put_plain(Key::Finished(mark.0.clone(), mark.1, end), Row::Finished)?;
    change.put_job(id, JobRow { end_marked: Some(mark), ..JobRow::clone(&row) })
}

/// The job lives again, or is forgotten: an earlier end of it says nothing any more.
pub(in crate::machine) fn unmark_end(
    change: &mut Change<'_>,
    id: JobId,
    row: &JobRow,
) -> Result<(), BaseError> {
    match &row.end_marked {
        Some((group, at)) => change.delete(Key::Finished(group.clone(), *at, RunId::of_whole(id))),
        None => Ok(()),
    }
}

/// A one-shot revision came while older runs executed; now it may run.
fn restart(change: &mut Change<'_>, id: JobId, newest: &JobRow, number: u64) -> Result<(), BaseError> {
    change.put_job(id, JobRow { next_number: number + 1, ..newest.clone() })?;
    let (revision, schedule_revision) = (newest.revision, newest.schedule_revision);
    let suspended = newest.suspended.is_some();
    let from = start::From { revision, schedule_revision, number, live: 0, suspended };
    start::job(change, id, &newest.spec, from)
}

/// The job ends: its task key is free, since nothing of it lives, and still leads to what became of it.
fn job(change: &mut Change<'_>, id: JobId, row: Option<&JobRow>) -> Result<(), BaseError> {
    match row {
        // Run again by hand, it is not held.
        Some(row) if row.suspended.is_some() => change.put_job(id, JobRow { suspended: None, ..row.clone() }),
        Some(_) | None => Ok(()),
    }
}
