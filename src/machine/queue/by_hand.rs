//! A run that somebody asked for: due now, with the newest revision, beside the instants of a periodic job.

use crate::domain::{JobId, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::effect::Effect;
use crate::machine::limits::LIVE_RUNS_MAX;
use crate::machine::queue::{alive, start};
use crate::machine::reply::Refusal;
use crate::machine::row::{JobRow, LiveState, PeriodicRow};

/// Makes the run, ready. The job lives from now on; a one-shot job must have nothing live.
pub(in crate::machine) fn run(
    change: &mut Change<'_>,
    id: JobId,
    job: &JobRow,
) -> Result<Result<RunId, Refusal>, BaseError> {
    let holder = alive::holder(change, &job.spec.node_group, &job.spec.task_id)?;
    if let Some(other) = holder.filter(|holder| *holder != id) {
        return Ok(Err(Refusal::KeyTaken(other)));
    }
    let periodic = change.periodic(id)?;
    if periodic.as_ref().is_some_and(|row| row.live >= LIVE_RUNS_MAX) {
        return Ok(Err(Refusal::TooManyLive(id)));
    }
    let number = match &periodic {
        Some(row) => {
            let (next_number, live) = (row.next_number + 1, row.live + 1);
            change.put_periodic(id, PeriodicRow { next_number, live, ..PeriodicRow::clone(row) })?;
            row.next_number
        }
        None => {
            change.put_job(id, JobRow { next_number: job.next_number + 1, ..job.clone() })?;
            job.next_number
        }
    };
    change.put_task_key(&job.spec, id)?;
    let (run, now) = (RunId { job: id, number }, change.now());
    let revisions = (job.revision, job.schedule_revision);
    let mut live = start::live_run(now, &job.spec, revisions, now, LiveState::Ready { since: now });
    live.periodic = periodic.is_some();
    (live.start_by, live.by_hand, live.despite_suspend) = (None, true, job.suspended.is_some());
    change.put_new_live(run, live);
    change.effect(Effect::Ready(job.spec.node_group.clone()));
    Ok(Ok(run))
}
