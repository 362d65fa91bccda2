//! Starts ready runs on a session: SENT. The machine decides; the leader only asks.
//!
//! Whatever the leader believed, a session never gets more than its free slots, and never a kind that it does not take.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::domain::{ExecutionId, Identity, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Dispatch;
use crate::machine::index::ReadyGroup;
use crate::machine::limits::CAPACITY_MAX;
use crate::machine::queue::end;
use crate::machine::reply::{Dispatched, Push, Refusal, Reply};
use crate::machine::row::{LiveRun, LiveState, TrackerRow};

pub(super) fn apply(change: &mut Change<'_>, dispatch: &Dispatch) -> Result<Reply, BaseError> {
    let session = dispatch.session;
    let Some((group, who, tracker)) = change.online(session)? else {
        return Ok(Reply::Refused(Refusal::UnknownSession(session)));
    };
    if tracker.drained.is_some() {
        return Ok(Reply::Refused(Refusal::Draining(session)));
    }
    if change.indexes().is_paused(&group) {
        return Ok(Reply::Refused(Refusal::Paused(group)));
    }
    let free = (tracker.slots() as usize).saturating_sub(change.indexes().executing_on(session));
    let want = free.min(dispatch.want as usize).min(CAPACITY_MAX as usize);
    let heads = change.indexes().ready(&group).map_or_else(Vec::new, |ready| heads(ready, &tracker, want));
    let mut pushes = Vec::with_capacity(heads.len());
    for run in heads {
        pushes.extend(start(change, run, dispatch, &who)?);
    }
    if !pushes.is_empty() {
        let started = pushes.len() as u64;
        change.count(&group, |group| group.dispatched += started)?;
    }
    Ok(Reply::Dispatched(Dispatched { session, pushes }))
}

/// The first `want` ready runs of the kinds that the TaskTracker takes, by priority, due, id.
fn heads(ready: &ReadyGroup, tracker: &TrackerRow, want: usize) -> Vec<RunId> {
    let takes = |kind| tracker.kinds.is_empty() || tracker.kinds.contains(kind);
    let mut kinds: Vec<_> =
        ready.kinds().filter(|(kind, _)| takes(kind)).map(|(_, ranks)| ranks.iter()).collect();
    let mut next: BinaryHeap<_> = kinds
        .iter_mut()
        .enumerate()
        .filter_map(|(i, ranks)| ranks.next().map(|rank| Reverse((*rank, i))))
        .collect();
    let mut heads = Vec::with_capacity(want.min(ready.len()));
    while heads.len() < want {
        let Some(Reverse(((_, _, run), i))) = next.pop() else { break };
        heads.push(run);
        next.extend(kinds[i].next().map(|rank| Reverse((*rank, i))));
    }
    heads
}

fn start(
    change: &mut Change<'_>,
    run: RunId,
    dispatch: &Dispatch,
    who: &Identity,
) -> Result<Option<Push>, BaseError> {
    let Some(live) = change.live(run)? else { return Ok(None) };
    let mut live = LiveRun::clone(&live);
    let now = change.now();
    if live.is_too_late(now) {
        end::without_a_start(change, run, live)?;
        return Ok(None);
    }
    let spec = change.spec_of(run.job, live.revision)?;
    let execution = ExecutionId(change.new_id());
    live.executions += 1;
    live.state =
        LiveState::Executing { execution, session: dispatch.session, tracker: who.clone(), since: now };
    let push = Push {
        execution,
        run,
        spec,
        due: live.due,
        attempt: live.executions,
        retries: live.retries,
        reclaims: live.reclaims,
    };
    change.put_live(run, live)?;
    Ok(Some(push))
}
