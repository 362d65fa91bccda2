//! A TaskTracker said hello: it gets its session, the same one for the same process start.
//!
//! A new start of an identity takes over what the hello still owes; whatever else its earlier process ran is lost and
//! reclaimed at once. That a second process with a live identity is refused is the leader's business: it knows which
//! streams are open.

use crate::domain::{Identity, NodeGroup, SessionId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{OfflineReason, ReclaimReason, TrackerOnline};
use crate::machine::effect::Effect;
use crate::machine::node_history;
use crate::machine::queue::take_back;
use crate::machine::reply::Reply;
use crate::machine::row::{
    Drained, LiveRun, LiveState, NodeEvent, NodeEventRow, NodeType, TrackerRow, TrackerState,
};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, online: &TrackerOnline) -> Result<Reply, BaseError> {
    let known = change.tracker(&online.node_group, &online.identity)?;
    let same = known.as_ref().filter(|row| row.is_online() && row.start == online.start);
    let session = match same {
        Some(row) => row.session,
        None => SessionId(change.new_id()),
    };
    let since = same.map_or(change.now(), |row| row.since);
    if same.is_none() {
        write_events(change, online, known.as_deref(), session);
    }
    if let Some(old) = known.as_ref().filter(|old| old.session != session) {
        take_over(change, old.session, session, online)?;
    }
    let (start, state) = (online.start, TrackerState::Online);
    let (capacity, kinds) = (online.capacity, online.kinds.clone());
    let (drained, slots) = known.as_ref().map_or((None, None), |row| (row.drained.clone(), row.slots));
    // Who was to leave has left; whoever starts anew stays, and gets nothing.
    let leave = same.is_some();
    let drained = drained.map(|drained| Drained { leave: drained.leave && leave, ..drained });
    let row = TrackerRow { session, start, state, since, capacity, kinds, drained, slots };
    if same.is_some_and(|same| same.capacity != row.capacity) {
        change.effect(Effect::Held(session));
    }
    change.put_tracker(&online.node_group, &online.identity, row)?;
    Ok(Reply::Online(session))
}

/// A start that takes the place of one that is online ends that one: both are history.
fn write_events(
    change: &mut Change<'_>,
    online: &TrackerOnline,
    known: Option<&TrackerRow>,
    session: SessionId,
) {
    let (group, who) = (&online.node_group, &online.identity);
    if let Some(old) = known.filter(|old| old.is_online() && !planted::is(Bug::ReplacedSessionHasNoEnd)) {
        write_event(change, group, who, old.session, NodeEvent::Offline(OfflineReason::Replaced));
    }
    write_event(change, group, who, session, NodeEvent::Online);
}

pub(super) fn write_event(
    change: &mut Change<'_>,
    group: &NodeGroup,
    who: &Identity,
    session: SessionId,
    event: NodeEvent,
) {
    let row = NodeEventRow {
        at: change.now(),
        node_type: NodeType::TaskTracker,
        node_group: Some(group.clone()),
        identity: who.clone(),
        id: session.as_u64(),
        event,
    };
    node_history::write(change, row);
}

fn take_over(
    change: &mut Change<'_>,
    old: SessionId,
    new: SessionId,
    online: &TrackerOnline,
) -> Result<(), BaseError> {
    let executions: Vec<_> = change.indexes().executions_of(old).collect();
    for execution in executions {
        let Some((run, _)) = change.indexes().execution(execution) else { continue };
        if planted::is(Bug::OwedResultsReclaimed) || !online.holds.contains(&execution) {
            take_back::reclaim(change, run, ReclaimReason::TrackerRestarted)?;
            continue;
        }
        let Some(live) = change.live(run)? else { continue };
        let mut live = LiveRun::clone(&live);
        if let LiveState::Executing { session, .. } = &mut live.state {
            *session = new;
        }
        change.put_live(run, live)?;
    }
    Ok(())
}
