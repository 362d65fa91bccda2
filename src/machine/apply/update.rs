//! An update: the next revision of a live job, as one command. Everything that was not dispatched takes it in place.
//!
//! What executes keeps the revision that it was dispatched with; whether it is tried again, and with what, is for the
//! newest to say. A schedule that changes drops the look-ahead and goes on from now; one that does not is left alone, and
//! so is a plan for it that is under way. Instants that are due are settled before, by the old revision. The job's type
//! changes by a replacing submit only.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::{
    JobId, JobPatch, JobSpec, JobType, PatchError, RepeatSchedule, RunId, Schedule, TaskId, Timestamp,
};
use crate::machine::apply::{on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Update;
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::queue::alive::{self, is_alive};
use crate::machine::queue::{end, hold, instant, revision, start};
use crate::machine::reply::{Reply, UpdateAnswer};
use crate::machine::row::{Answer, JobAct, JobRow, LiveRun, LiveState, PeriodicRow, Rhythm, Why};

pub(super) fn apply(change: &mut Change<'_>, update: &Update) -> Result<Reply, BaseError> {
    request::once(change, &update.request, |change| {
        let answer = match (on_job::find(change, &update.job)?, &update.patch) {
            (Some(job), Some(patch)) => one(change, job, update, patch)?,
            (Some(job), None) if change.job(job)?.is_some() => UpdateAnswer::Refused,
            (Some(_) | None, _) => UpdateAnswer::NotFound,
        };
        Ok(Answer::Updated(answer))
    })
}

fn one(
    change: &mut Change<'_>,
    id: JobId,
    update: &Update,
    patch: &JobPatch,
) -> Result<UpdateAnswer, BaseError> {
    let Some(old) = change.job(id)? else { return Ok(UpdateAnswer::NotFound) };
    if !is_alive(change, id)? {
        return Ok(UpdateAnswer::AlreadyFinished(id, on_job::last_fate(change, id)?));
    }
    if ![0, old.revision].contains(&update.expected_revision) {
        return Ok(UpdateAnswer::RevisionConflict(id, old.revision));
    }
    let spec = match patch.applied_to(&old.spec) {
        Ok(spec) => Arc::new(spec),
        Err(PatchError::TypeDiffers) => return Ok(UpdateAnswer::TypeDiffers(id)),
        Err(PatchError::Wrong(wrong)) => {
            let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            return Ok(UpdateAnswer::Wrong(problems.join("; ")));
        }
    };
    if let Some(holder) = holder(change, id, &spec)? {
        return Ok(UpdateAnswer::KeyTaken(holder));
    }
    settle(change, id, &old, &spec)?;
    if !is_alive(change, id)? {
        return Ok(UpdateAnswer::AlreadyFinished(id, on_job::last_fate(change, id)?));
    }
    let act = JobAct::Updated(old.revision + 1);
    change.log_job(id, act, Why::of(&update.request, &update.reason))?;
    revise(change, id, &old, &spec)?;
    Ok(UpdateAnswer::Updated(id, old.revision + 1))
}

/// The live job that has the task id in the group to which this one moves.
fn holder(change: &Change<'_>, id: JobId, spec: &JobSpec) -> Result<Option<JobId>, BaseError> {
    Ok(alive::holder(change, &spec.node_group, &spec.task_id)?.filter(|holder| *holder != id))
}

/// What is due gets its fate by the old revision. A rhythm that goes on may still wait for the calendar, or for a resume.
fn settle(change: &mut Change<'_>, id: JobId, old: &JobRow, new: &JobSpec) -> Result<(), BaseError> {
    if old.spec.schedule == new.schedule {
        return instant::settle(change, id, usize::MAX).map(drop);
    }
    instant::settle_before_the_end(change, id)?;
    match change.periodic(id)? {
        Some(row) if row.suspended => {
            let mut row = PeriodicRow::clone(&row);
            instant::skip_suspended(change, id, &old.spec, &mut row)?;
            end::settle_or_end(change, id, row)
        }
        Some(_) | None => Ok(()),
    }
}

/// The job and all that is live of it take the next revision.
fn revise(change: &mut Change<'_>, id: JobId, old: &JobRow, spec: &Arc<JobSpec>) -> Result<(), BaseError> {
    let (now, revision) = (change.now(), old.revision + 1);
    let is_rescheduled = spec.schedule != old.spec.schedule;
    // A plan that is under way counted its misfires by the old policy; what is skipped from now on counts in the new group.
    let is_moved = spec.node_group != old.spec.node_group;
    let is_replanned = is_moved
        || is_rescheduled
        || (spec.misfire, spec.misfire_after) != (old.spec.misfire, old.spec.misfire_after);
    let new = JobRow {
        revision,
        updated: now,
        schedule_revision: if is_replanned { revision } else { old.schedule_revision },
        schedule_since: if is_rescheduled { now } else { old.schedule_since },
        spec: Arc::clone(spec),
        ..old.clone()
    };
    if is_moved {
        change.delete(Key::TaskKey(old.spec.node_group.clone(), TaskId::clone(&old.spec.task_id)))?;
        change.put_task_key(spec, id)?;
    }
    for (run, live) in change.live_runs(id)? {
        match live.state {
            LiveState::Executing { .. } => revision::keep_body(change, id, old, &live)?,
            LiveState::Waiting { .. } | LiveState::Ready { .. } | LiveState::Suspended { .. } => {
                let waits = is_rescheduled && live.executions == 0 && !live.by_hand;
                revise_run(change, run, LiveRun::clone(&live), (&new, waits))?;
            }
        }
    }
    let schedule_revision = new.schedule_revision;
    change.put_job(id, new)?;
    match change.periodic(id)? {
        Some(row) => {
            let row = revised(&row, schedule_revision, (&old.spec.schedule, &spec.schedule), now);
            let row = PeriodicRow { node_group: spec.node_group.clone(), ..row };
            if row.needs_plan() {
                change.effect(Effect::NeedsPlan(id));
            }
            end::settle_or_end(change, id, row)
        }
        None => Ok(()),
    }
}

/// A run that does not execute: its place in the queues is the new revision's, and a one-shot instant that has not
/// begun moves with its trigger time.
fn revise_run(
    change: &mut Change<'_>,
    run: RunId,
    mut live: LiveRun,
    (job, waits): (&JobRow, bool),
) -> Result<(), BaseError> {
    let now = change.now();
    if waits
        && job.spec.job_type() == JobType::TriggerTime
        && let Some(due) = job.spec.one_shot_due(now)
    {
        (live.due, live.state) = (due, start::state_at(now, due));
        if job.suspended.is_some() {
            (live.despite_suspend, live.state) = (false, hold::held(&live.state));
        }
        live.schedule_revision = job.schedule_revision;
    }
    revision::adopt(&mut live, &job.spec, job.revision);
    if matches!(live.state, LiveState::Ready { .. }) {
        change.effect(Effect::Ready(live.node_group.clone()));
    }
    change.put_live(run, live)
}

/// The rhythm under the new schedule.
fn revised(
    row: &PeriodicRow,
    schedule_revision: u32,
    (old, new): (&Schedule, &Schedule),
    now: Timestamp,
) -> PeriodicRow {
    let mut row = row.clone();
    if row.revision == schedule_revision {
        return row;
    }
    row.revision = schedule_revision;
    // What is skipped from here on is of another plan than what was skipped before.
    row.last_skip = None;
    if old == new || matches!(row.rhythm, Rhythm::Stopped { .. }) {
        return row;
    }
    match (new, old) {
        (Schedule::Repeat(new), Schedule::Repeat(old)) => row.rhythm = grid(&row, old, new, now),
        _ => {
            row.rhythm = Rhythm::Planned { ahead: VecDeque::new(), ended: false, stalled: false };
            (row.settled, row.resumed) = (now, None);
        }
    }
    row
}

/// Another interval counts from the last instant, another first instant from itself, none of them from before now. A
/// count includes what was settled, as far as it was counted: that of a job without an end was not.
fn grid(row: &PeriodicRow, old: &RepeatSchedule, new: &RepeatSchedule, now: Timestamp) -> Rhythm {
    let (next, left) = match row.rhythm {
        Rhythm::Grid { next, remaining, .. } => (next, remaining),
        Rhythm::Planned { .. } | Rhythm::Stopped { .. } => (row.settled + old.interval, old.count),
    };
    let is_after_another = next == row.settled + old.interval;
    let next = match new.first {
        first if first != old.first => first.unwrap_or(now),
        _ if is_after_another => row.settled + new.interval,
        _ => next,
    };
    let next = if next.max(now) > row.settled { next.max(now) } else { row.settled + new.interval };
    let remaining = match (new.count, old.count, left) {
        (Some(new), Some(old), Some(left)) => Some(new.saturating_sub(old.saturating_sub(left))),
        (new, ..) => new,
    };
    Rhythm::Grid { next, interval: new.interval, remaining }
}
