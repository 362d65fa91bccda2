//! Takes an execution back from a TaskTracker: the run is ready again, or it has had enough.

use crate::domain::RunId;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::ReclaimReason;
use crate::machine::effect::Effect;
use crate::machine::limits::ATTEMPTS_KEPT;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::{hold, revision};
use crate::machine::row::{Attempt, AttemptEnd, Fate, LiveRun, LiveState, Stop};
use crate::planted::{self, Bug};

/// Reclaims the current execution of a run, if it has one.
pub(in crate::machine) fn reclaim(
    change: &mut Change<'_>,
    run: RunId,
    reason: ReclaimReason,
) -> Result<(), BaseError> {
    let Some(live) = change.live(run)? else { return Ok(()) };
    let Some((execution, session)) = live.execution() else { return Ok(()) };
    let mut live = LiveRun::clone(&live);
    change.effect(Effect::Terminate { session, execution, run });
    change.count(&live.node_group, |group| group.reclaimed += 1)?;
    end_attempt(change, &mut live, AttemptEnd::Reclaimed(reason), String::new());
    live.reclaims += u32::from(!planted::is(Bug::ReclaimsNotCounted));
    let (dead, reclaims_max) = (live.reclaims > change.limits().reclaims_max, change.limits().reclaims_max);
    match live.stop {
        Some(Stop::Cancel) => end::run(change, run, live, End::without_result(Fate::Cancelled, "cancelled")),
        Some(Stop::Terminate) => end::run(change, run, live, End::without_result(Fate::Failed, "terminated")),
        None if live.superseded => {
            end::run(change, run, live, End::without_result(Fate::Failed, "a newer revision of the job came"))
        }
        None if reason == ReclaimReason::TimedOut => {
            end::run(change, run, live, End::without_result(Fate::Dead, "did not stop after its run timeout"))
        }
        None if dead => {
            let error = format!("reclaimed more than {reclaims_max} times");
            end::run(change, run, live, End::without_result(Fate::Dead, error))
        }
        None => make_ready(change, run, live),
    }
}

/// Puts a run back to the head of its queue. Only what `began` is an attempt; neither is a retry or a reclaim.
pub(in crate::machine) fn give_back(
    change: &mut Change<'_>,
    run: RunId,
    began: bool,
) -> Result<(), BaseError> {
    let Some(live) = change.live(run)? else { return Ok(()) };
    if live.execution().is_none() {
        return Ok(());
    }
    let mut live = LiveRun::clone(&live);
    if began {
        end_attempt(change, &mut live, AttemptEnd::Interrupted, String::new());
    } else {
        live.executions = live.executions.saturating_sub(1);
    }
    match live.stop {
        Some(Stop::Cancel) => end::run(change, run, live, End::without_result(Fate::Cancelled, "cancelled")),
        Some(Stop::Terminate) => end::run(change, run, live, End::without_result(Fate::Failed, "terminated")),
        None if live.superseded => {
            end::run(change, run, live, End::without_result(Fate::Failed, "a newer revision of the job came"))
        }
        None => make_ready(change, run, live),
    }
}

fn make_ready(change: &mut Change<'_>, run: RunId, mut live: LiveRun) -> Result<(), BaseError> {
    live.reset_log();
    live.state = LiveState::Ready { since: change.now() };
    if hold::is_held(change, run.job, &live)? {
        return hold::run(change, run, live);
    }
    revision::take_newest(change, run, &mut live)?;
    change.effect(Effect::Ready(live.node_group.clone()));
    change.put_live(run, live)
}

/// Writes the current execution down as ended.
pub(in crate::machine) fn end_attempt(
    change: &Change<'_>,
    live: &mut LiveRun,
    end: AttemptEnd,
    error: String,
) {
    let LiveState::Executing { execution, tracker, since, .. } = live.state.clone() else { return };
    let resent = false;
    if live.attempts.len() == ATTEMPTS_KEPT {
        live.attempts.remove(0);
    }
    live.attempts.push(Attempt {
        execution,
        tracker,
        started: since,
        ended: change.now(),
        end,
        resent,
        error,
    });
}
