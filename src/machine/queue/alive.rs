//! Whether a job lives, and so holds its task key. No row says so: it follows from what is left of the job, so that the end
//! of a run need not touch the key.

use crate::domain::{JobId, JobType, NodeGroup, RunId, TaskId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;

/// Something of it executes or waits, or will come.
pub(in crate::machine) fn is_alive(change: &Change<'_>, id: JobId) -> Result<bool, BaseError> {
    let Some(job) = change.job(id)? else { return Ok(false) };
    let is_periodic = matches!(job.spec.job_type(), JobType::Cron | JobType::Repeat);
    // A first revision of a one-shot job never had a rhythm.
    if (is_periodic || job.revision > 1) && change.periodic(id)?.is_some() {
        return Ok(true);
    }
    // Without a rhythm only the newest run can be live.
    let newest = job.next_number.checked_sub(1).map(|number| RunId { job: id, number });
    Ok(match newest {
        Some(run) => change.live(run)?.is_some(),
        None => false,
    })
}

/// The live job that has this task key.
pub(in crate::machine) fn holder(
    change: &Change<'_>,
    group: &NodeGroup,
    task: &TaskId,
) -> Result<Option<JobId>, BaseError> {
    let Some(id) = change.task_key(group, task)? else { return Ok(None) };
    Ok(is_alive(change, id)?.then_some(id))
}
