//! What becomes of a run that would be dispatched if its job were not suspended, and of one whose job is resumed.

use crate::domain::{JobId, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::effect::Effect;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::{revision, ripen};
use crate::machine::row::{Fate, LiveRun, LiveState, SkipReason};
use crate::planted::{self, Bug};

/// Whether nothing of this run may be dispatched.
pub(in crate::machine) fn is_held(
    change: &Change<'_>,
    job: JobId,
    live: &LiveRun,
) -> Result<bool, BaseError> {
    let suspended = change.job(job)?.is_some_and(|job| job.suspended.is_some());
    Ok(suspended && !live.despite_suspend && !planted::is(Bug::RetryOfSuspended))
}

/// Holds a run that waits or is ready; of a periodic job it ends.
pub(in crate::machine) fn run(
    change: &mut Change<'_>,
    id: RunId,
    mut live: LiveRun,
) -> Result<(), BaseError> {
    if live.periodic {
        return end_of_periodic(change, id, live);
    }
    live.state = held(&live.state);
    revision::take_newest(change, id, &mut live)?;
    change.put_live(id, live)
}

/// The state in which a run is held that would be in this one.
pub(in crate::machine) fn held(state: &LiveState) -> LiveState {
    match state {
        LiveState::Waiting { until } => LiveState::Suspended { until: Some(*until) },
        LiveState::Suspended { until } => LiveState::Suspended { until: *until },
        LiveState::Ready { .. } | LiveState::Executing { .. } => LiveState::Suspended { until: None },
    }
}

fn end_of_periodic(change: &mut Change<'_>, id: RunId, live: LiveRun) -> Result<(), BaseError> {
    let skipped = Fate::Skipped { reason: SkipReason::Suspended, last: live.due, count: 1 };
    let fate = if live.executions == 0 { skipped } else { Fate::Failed };
    end::run(change, id, live, End::without_result(fate, "its job was suspended"))
}

/// Lets a held run go on where it was: what fell due meanwhile ripens, late or not.
pub(in crate::machine) fn release(
    change: &mut Change<'_>,
    id: RunId,
    mut live: LiveRun,
) -> Result<(), BaseError> {
    let LiveState::Suspended { until } = live.state else { return Ok(()) };
    let now = change.now();
    match until {
        Some(until) if until > now => {
            live.state = LiveState::Waiting { until };
            change.put_live(id, live)
        }
        Some(_) => ripen::run(change, id, live),
        None => {
            live.state = LiveState::Ready { since: now };
            change.effect(Effect::Ready(live.node_group.clone()));
            change.put_live(id, live)
        }
    }
}
