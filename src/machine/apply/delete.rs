//! Forgets a job with its history: at once for whoever asks, its rows in bounded steps by `Expire`. What waits is
//! cancelled first; what executes must have ended.

use std::sync::Arc;

use crate::domain::{JobId, RunId};
use crate::machine::apply::{cancel, on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::OnJob;
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::queue::end;
use crate::machine::reply::{ActAnswer, Reply};
use crate::machine::row::{Answer, JobRow};

pub(super) fn apply(change: &mut Change<'_>, act: &OnJob) -> Result<Reply, BaseError> {
    request::once(change, &act.request, |change| match on_job::expected(change, act)? {
        Ok((id, job)) => delete(change, id, job).map(Answer::Acted),
        Err(answer) => Ok(answer),
    })
}

fn delete(change: &mut Change<'_>, id: JobId, job: Arc<JobRow>) -> Result<ActAnswer, BaseError> {
    let executing = change.live_runs(id)?.into_iter().find(|(_, live)| live.execution().is_some());
    if let Some((run, _)) = executing {
        return Ok(ActAnswer::StillExecuting(run));
    }
    cancel::stop(change, id)?;
    let job = change.job(id)?.unwrap_or(job);
    end::unmark_end(change, id, &job)?;
    forget(change, id, &job)?;
    // Whoever waits for the job looks again; the next `Expire` need not wait for its time.
    change.effect(Effect::Finished(RunId::of_whole(id)));
    change.effect(Effect::MoreToExpire);
    Ok(ActAnswer::Deleted(id))
}

/// The job is unknown from now on, and its key is free; nothing of it may be live.
fn forget(change: &mut Change<'_>, id: JobId, job: &JobRow) -> Result<(), BaseError> {
    let key = change.task_key(&job.spec.node_group, &job.spec.task_id)?;
    if key == Some(id) {
        change.delete(Key::TaskKey(job.spec.node_group.clone(), job.spec.task_id.clone()))?;
    }
    change.delete(Key::Job(id))?;
    change.put_deleted(id, job.spec.node_group.clone())
}
