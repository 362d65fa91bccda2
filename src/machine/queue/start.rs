//! Makes what a job's schedule asks for: the run of a one-shot job, the rhythm of a periodic one.

use std::collections::VecDeque;

use crate::domain::{CronSchedule, JobId, JobSpec, JobType, RepeatSchedule, RunId, Schedule, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::effect::Effect;
use crate::machine::queue::hold;
use crate::machine::row::{LiveRun, LiveState, PeriodicRow, Rhythm};
use crate::planted::{self, Bug};

/// Where a job goes on.
#[derive(Clone, Copy, Debug)]
pub(in crate::machine) struct From {
    pub(in crate::machine) revision: u32,
    pub(in crate::machine) schedule_revision: u32,
    pub(in crate::machine) number: u64,
    /// Runs of older revisions that still execute.
    pub(in crate::machine) live: u32,
    /// The job is suspended, so that nothing of it may be dispatched.
    pub(in crate::machine) suspended: bool,
}

impl From {
    pub(in crate::machine) fn the_beginning() -> From {
        From { revision: 1, schedule_revision: 1, number: 0, live: 0, suspended: false }
    }
}

/// Starts a job's schedule now. A one-shot job must have nothing live.
pub(in crate::machine) fn job(
    change: &mut Change<'_>,
    id: JobId,
    spec: &JobSpec,
    from: From,
) -> Result<(), BaseError> {
    let now = change.now();
    let rhythm = match &spec.schedule {
        Schedule::RealTime | Schedule::TriggerTime(_) => {
            let due = spec.one_shot_due(now).unwrap_or(now);
            one_shot(change, RunId { job: id, number: from.number }, spec, due, from);
            return Ok(());
        }
        Schedule::Cron(CronSchedule { .. }) => {
            if !planted::is(Bug::NewCronNotPlanned) && !from.suspended {
                change.effect(Effect::NeedsPlan(id));
            }
            Rhythm::Planned { ahead: VecDeque::new(), ended: false, stalled: false }
        }
        Schedule::Repeat(RepeatSchedule { interval, count, first }) => {
            Rhythm::Grid { next: first.unwrap_or(now).max(now), interval: *interval, remaining: *count }
        }
    };
    change.put_periodic(id, periodic(now, spec, rhythm, from))
}

/// A rhythm of which nothing is settled.
pub(in crate::machine) fn periodic(
    now: Timestamp,
    spec: &JobSpec,
    rhythm: Rhythm,
    from: From,
) -> PeriodicRow {
    PeriodicRow {
        node_group: spec.node_group.clone(),
        revision: from.schedule_revision,
        rhythm,
        settled: now,
        next_number: from.number,
        live: from.live,
        last_skip: None,
        suspended: from.suspended,
        resumed: None,
    }
}

fn one_shot(change: &mut Change<'_>, run: RunId, spec: &JobSpec, due: Timestamp, from: From) {
    let state = state_at(change.now(), due);
    let state = if from.suspended { hold::held(&state) } else { state };
    if matches!(state, LiveState::Ready { .. }) {
        change.effect(Effect::Ready(spec.node_group.clone()));
    }
    let revisions = (from.revision, from.schedule_revision);
    change.put_new_live(run, live_run(change.now(), spec, revisions, due, state));
}

/// Ready if it is due, else waiting.
pub(in crate::machine) fn state_at(now: Timestamp, due: Timestamp) -> LiveState {
    if due <= now { LiveState::Ready { since: now } } else { LiveState::Waiting { until: due } }
}

/// A run that was never executed, of a revision whose schedule came with the second one.
pub(in crate::machine) fn live_run(
    now: Timestamp,
    spec: &JobSpec,
    (revision, schedule_revision): (u32, u32),
    due: Timestamp,
    state: LiveState,
) -> LiveRun {
    LiveRun {
        node_group: spec.node_group.clone(),
        kind: spec.kind.clone(),
        priority: spec.priority,
        revision,
        schedule_revision,
        due,
        created: now,
        start_by: spec.start_deadline.map(|deadline| due + deadline),
        periodic: matches!(spec.job_type(), JobType::Cron | JobType::Repeat),
        by_hand: false,
        superseded: false,
        feedback_to: spec.feedback_group().cloned(),
        state,
        retries: 0,
        reclaims: 0,
        stop: None,
        despite_suspend: false,
        executions: 0,
        attempts: Vec::new(),
        log_lines: 0,
        log_bytes: 0,
        log_dropped: None,
    }
}
