//! Which revision a run runs: the newest, unless it executes since before that came. What executes keeps the
//! specification that it was dispatched with; what was not dispatched, or is tried again, takes the newest.

use std::sync::Arc;

use crate::domain::{JobId, JobSpec, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::key::Key;
use crate::machine::row::{BodyRow, JobRow, LiveRun};

/// The job is about to have a newer revision than `old`, and the executing run needs its own when it is pushed again.
pub(in crate::machine) fn keep_body(
    change: &mut Change<'_>,
    job: JobId,
    old: &JobRow,
    live: &LiveRun,
) -> Result<(), BaseError> {
    if live.revision != old.revision {
        return Ok(());
    }
    let users = change.body(job, live.revision)?.map_or(0, |body| body.users);
    change.put_body(job, live.revision, BodyRow { users: users + 1, spec: Arc::clone(&old.spec) })
}

/// One run less uses an old specification; the last one takes it away.
pub(in crate::machine) fn release_body(
    change: &mut Change<'_>,
    job: JobId,
    revision: u32,
) -> Result<(), BaseError> {
    match change.body(job, revision)? {
        Some(mut old) if old.users > 1 => {
            old.users -= 1;
            change.put_body(job, revision, old)
        }
        Some(_) => change.delete(Key::Body(job, revision)),
        None => Ok(()),
    }
}

/// The run executes no more and will be dispatched again.
pub(in crate::machine) fn take_newest(
    change: &mut Change<'_>,
    run: RunId,
    live: &mut LiveRun,
) -> Result<(), BaseError> {
    let Some(job) = change.job(run.job)?.filter(|job| job.revision != live.revision) else { return Ok(()) };
    release_body(change, run.job, live.revision)?;
    adopt(live, &job.spec, job.revision);
    Ok(())
}

/// What a run keeps of its specification, of another one. Its instant is its own, and so is its node group once it has
/// executed there: what was dispatched is counted where it was, and is tried again where it was.
pub(in crate::machine) fn adopt(live: &mut LiveRun, spec: &JobSpec, revision: u32) {
    live.revision = revision;
    if live.executions == 0 {
        live.node_group = spec.node_group.clone();
    }
    live.kind = spec.kind.clone();
    live.priority = spec.priority;
    live.feedback_to = spec.feedback_group().cloned();
    live.start_by = spec.start_deadline.filter(|_| !live.by_hand).map(|deadline| live.due + deadline);
}
