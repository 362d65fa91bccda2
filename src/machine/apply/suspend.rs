//! What executes finishes; nothing else of the job is dispatched until it is resumed, neither a retry nor an instant.
//!
//! A one-shot job's run is held where it was. Of a periodic job no instant ripens; what fell due gets its fate first,
//! and a run of it that does not execute ends, since its instant is over when the job goes on.

use crate::domain::JobId;
use crate::machine::apply::{on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::OnJob;
use crate::machine::queue::alive::is_alive;
use crate::machine::queue::{hold, instant};
use crate::machine::reply::{ActAnswer, Reply};
use crate::machine::row::{Answer, JobAct, JobRow, LiveRun, PeriodicRow, Rhythm, Why};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, act: &OnJob) -> Result<Reply, BaseError> {
    request::once(change, &act.request, |change| match on_job::expected(change, act)? {
        Ok((id, _)) => suspend(change, id, act).map(Answer::Acted),
        Err(answer) => Ok(answer),
    })
}

fn suspend(change: &mut Change<'_>, id: JobId, act: &OnJob) -> Result<ActAnswer, BaseError> {
    instant::settle_before_the_end(change, id)?;
    let Some(job) = change.job(id)? else { return Ok(ActAnswer::NotFound) };
    if !is_alive(change, id)? {
        return Ok(ActAnswer::AlreadyFinished(id, on_job::last_fate(change, id)?));
    }
    if on_job::is_being_cancelled(change, id)? {
        return Ok(ActAnswer::CancelRequested(id));
    }
    if job.suspended.is_some() {
        return Ok(ActAnswer::AlreadySuspended(id));
    }
    let suspended = Some(change.now());
    change.put_job(id, JobRow { suspended, ..JobRow::clone(&job) })?;
    change.log_job(id, JobAct::Suspended, Why::of(&act.request, &act.reason))?;
    stop_planning(change, id)?;
    for (run, live) in change.live_runs(id)? {
        let live = LiveRun { despite_suspend: false, ..LiveRun::clone(&live) };
        if live.execution().is_some() {
            change.put_live(run, live)?;
        } else if !planted::is(Bug::SuspendLeavesReady) {
            hold::run(change, run, live)?;
        }
    }
    Ok(if is_alive(change, id)? { ActAnswer::Suspended(id) } else { ActAnswer::Ended(id) })
}

/// What was planned ahead is planned anew when the job is resumed.
fn stop_planning(change: &mut Change<'_>, id: JobId) -> Result<(), BaseError> {
    let Some(row) = change.periodic(id)? else { return Ok(()) };
    let mut row = PeriodicRow { suspended: true, resumed: None, ..PeriodicRow::clone(&row) };
    if let Rhythm::Planned { ahead, ended, stalled } = &mut row.rhythm {
        *ended &= ahead.is_empty();
        ahead.clear();
        *stalled = false;
    }
    change.put_periodic(id, row)
}
