//! Results of executions: FINISHED. A result counts if its execution is the run's current one; sent again because its
//! acknowledgement was lost, it gets the same answer; any other is stale, is acknowledged all the same, and changes
//! nothing but the job log.

use std::sync::Arc;

use crate::domain::{Action, RunId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{Complete, Completion};
use crate::machine::job_log;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::take_back::end_attempt;
use crate::machine::queue::{hold, revision};
use crate::machine::reply::{CompleteAnswer, Reply};
use crate::machine::row::{
    Attempt, AttemptEnd, Fate, JobLogKind, JobLogRow, LedgerRow, LiveRun, LiveState, Stop,
};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, complete: &Complete) -> Result<Reply, BaseError> {
    let answers = complete.results.iter().map(|result| {
        if planted::is(Bug::FirstResultForAll) {
            let outcome = complete.results[0].outcome.clone();
            return one(change, &Completion { outcome, ..result.clone() });
        }
        one(change, result)
    });
    answers.collect::<Result<_, _>>().map(Reply::Completed)
}

fn one(change: &mut Change<'_>, result: &Completion) -> Result<CompleteAnswer, BaseError> {
    let current = match change.indexes().execution(result.execution) {
        Some((run, _)) => change.live(run)?.map(|live| (run, live)),
        None => None,
    };
    // The index shows the state before this command: the same result twice in one batch is stale the second time.
    let current = current.filter(|(_, live)| live.execution().is_some_and(|(id, _)| id == result.execution));
    let by_run = planted::is(Bug::CompleteByRun) && current.is_none();
    let current = if by_run { executing(change, result.run)? } else { current };
    let Some((run, live)) = current else { return late(change, result) };
    let mut live = LiveRun::clone(&live);
    let action = result.outcome.action;
    end_attempt(change, &mut live, AttemptEnd::Completed(action), result.outcome.error.clone());
    if let Some(ended) = live.attempts.last_mut() {
        ended.resent = result.resent;
    }
    match action {
        Action::ExecuteSuccess => end_with(change, run, live, Fate::Succeeded, result),
        Action::ExecuteFailed => end_with(change, run, live, Fate::Failed, result),
        Action::ExecuteLater | Action::ExecuteException => retry_or_end(change, run, live, result),
    }?;
    Ok(CompleteAnswer::Accepted)
}

/// Whatever execution of the run is the current one: only for [`Bug::CompleteByRun`].
fn executing(change: &Change<'_>, run: RunId) -> Result<Option<(RunId, Arc<LiveRun>)>, BaseError> {
    Ok(change.live(run)?.filter(|live| live.execution().is_some()).map(|live| (run, live)))
}

fn end_with(
    change: &mut Change<'_>,
    run: RunId,
    live: LiveRun,
    fate: Fate,
    result: &Completion,
) -> Result<(), BaseError> {
    let said = result.outcome.action;
    let (result, error) = (result.outcome.result.clone(), result.outcome.error.clone());
    end::run(change, run, live, End { fate, result, error, said: Some(said) })
}

fn retry_or_end(
    change: &mut Change<'_>,
    run: RunId,
    mut live: LiveRun,
    result: &Completion,
) -> Result<(), BaseError> {
    let forgotten = |stop: &Stop| *stop == Stop::Cancel && planted::is(Bug::RetryAfterCancel);
    match live.stop.filter(|stop| !forgotten(stop)) {
        Some(Stop::Cancel) => return end_with(change, run, live, Fate::Cancelled, result),
        Some(Stop::Terminate) => return end_with(change, run, live, Fate::Failed, result),
        None if live.superseded => return end_with(change, run, live, Fate::Failed, result),
        None => {}
    }
    // An update that came meanwhile decides whether there is a retry, and the retry runs what it says.
    let Some(job) = change.job(run.job)? else { return end_with(change, run, live, Fate::Dead, result) };
    let spec = Arc::clone(&job.spec);
    if live.retries >= spec.retry.retries_max {
        return end_with(change, run, live, Fate::Dead, result);
    }
    let delay = result.outcome.retry_after.unwrap_or_else(|| spec.retry.delay(run, live.retries + 1));
    let until = change.now() + delay;
    let held = hold::is_held(change, run.job, &live)?;
    if held && live.periodic {
        let failed = End::without_result(Fate::Failed, "its job was suspended");
        return end::run(change, run, live, End { said: Some(result.outcome.action), ..failed });
    }
    if spec.rely_on_previous_cycle && next_cycle_comes_first(change, run, &live, until)? {
        return end_with(change, run, live, Fate::Failed, result);
    }
    live.retries += 1;
    let waiting = LiveState::Waiting { until };
    live.state = if held { hold::held(&waiting) } else { waiting };
    live.reset_log();
    change.count(&live.node_group, |group| {
        group.retried += 1;
        group.executed(result.outcome.action);
    })?;
    revision::take_newest(change, run, &mut live)?;
    change.put_live(run, live)
}

/// LTS's rule: a next cycle that is due before the retry takes its place.
fn next_cycle_comes_first(
    change: &Change<'_>,
    run: RunId,
    live: &LiveRun,
    until: Timestamp,
) -> Result<bool, BaseError> {
    if !live.periodic {
        return Ok(false);
    }
    let next = change.periodic(run.job)?.and_then(|row| row.next_instant());
    Ok(next.is_some_and(|next| next <= until))
}

fn late(change: &mut Change<'_>, result: &Completion) -> Result<CompleteAnswer, BaseError> {
    if change.job(result.run.job)?.is_none() {
        // Forgotten or deleted, though rows of it may be left.
        return Ok(CompleteAnswer::Stale);
    }
    if let Some(live) = change.live(result.run)?
        && let Some(place) = recorded(&live.attempts, result)
    {
        if !live.attempts[place].resent {
            let mut live = LiveRun::clone(&live);
            live.attempts[place].resent = true;
            change.put_live(result.run, live)?;
        }
        return Ok(CompleteAnswer::Accepted);
    }
    if let Some(row) = change.ledger(result.run)?
        && let Some(place) = recorded(&row.attempts, result)
    {
        if !row.attempts[place].resent {
            let mut new = LedgerRow::clone(&row);
            new.attempts[place].resent = true;
            change.put_ledger_again(result.run, row, new)?;
        }
        return Ok(CompleteAnswer::Accepted);
    }
    write_down_stale(change, result)?;
    Ok(CompleteAnswer::Stale)
}

/// Which attempt this result ended when it came before.
fn recorded(attempts: &[Attempt], result: &Completion) -> Option<usize> {
    let end = AttemptEnd::Completed(result.outcome.action);
    attempts.iter().position(|attempt| attempt.execution == result.execution && attempt.end == end)
}

/// Only beside a run that is known: what is written down for another one would never be forgotten.
fn write_down_stale(change: &mut Change<'_>, result: &Completion) -> Result<(), BaseError> {
    if change.live(result.run)?.is_none() && change.ledger(result.run)?.is_none() {
        return Ok(());
    }
    let Some(job) = change.job(result.run.job)? else { return Ok(()) };
    change.count(&job.spec.node_group, |group| group.stale += 1)?;
    let what = JobLogKind::StaleCompletion { action: result.outcome.action };
    let row = JobLogRow { at: change.now(), execution: Some(result.execution), what };
    job_log::write(change, result.run, row);
    Ok(())
}
