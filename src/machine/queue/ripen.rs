//! A run that waited falls due: it is ready, unless it may no longer start.

use crate::domain::RunId;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::effect::Effect;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::instant;
use crate::machine::row::{Fate, LiveRun, LiveState, SkipReason};

pub(in crate::machine) fn run(
    change: &mut Change<'_>,
    id: RunId,
    mut live: LiveRun,
) -> Result<(), BaseError> {
    if live.executions == 0
        && let Some(reason) = too_late(change, id, &live)?
    {
        let fate = Fate::Skipped { reason, last: live.due, count: 1 };
        return end::run(change, id, live, End::without_result(fate, "it was due too long ago"));
    }
    live.state = LiveState::Ready { since: change.now() };
    change.effect(Effect::Ready(live.node_group.clone()));
    change.put_live(id, live)
}

/// Whether a one-shot job's instant passed while nobody could see it.
fn too_late(change: &Change<'_>, run: RunId, live: &LiveRun) -> Result<Option<SkipReason>, BaseError> {
    let now = change.now();
    if live.is_too_late(now) {
        return Ok(Some(SkipReason::DeadlinePassed));
    }
    let spec = change.spec_of(run.job, live.revision)?;
    let misfired = now.since(live.due) > spec.misfire_after && instant::kept(spec.misfire) == 0;
    Ok(misfired.then_some(SkipReason::Misfired))
}
