//! A TaskTracker is gone: it is remembered as offline, and what it executed is taken back.

use super::tracker_online;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{OfflineReason, ReclaimReason, TrackerOffline};
use crate::machine::queue::take_back;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{NodeEvent, TrackerRow, TrackerState};

pub(super) fn apply(change: &mut Change<'_>, offline: &TrackerOffline) -> Result<Reply, BaseError> {
    let Some((group, who, row)) = change.online(offline.session)? else {
        return Ok(Reply::Refused(Refusal::UnknownSession(offline.session)));
    };
    let (state, since) = (TrackerState::Offline(offline.reason), change.now());
    change.put_tracker(&group, &who, TrackerRow { state, since, ..TrackerRow::clone(&row) })?;
    tracker_online::write_event(change, &group, &who, offline.session, NodeEvent::Offline(offline.reason));
    let reason = match offline.reason {
        OfflineReason::Silent => ReclaimReason::TrackerSilent,
        OfflineReason::Left => ReclaimReason::TrackerLeft,
        OfflineReason::Replaced => ReclaimReason::TrackerRestarted,
    };
    let executions: Vec<_> = change.indexes().executions_of(offline.session).collect();
    for execution in executions {
        if let Some((run, _)) = change.indexes().execution(execution) {
            take_back::reclaim(change, run, reason)?;
        }
    }
    Ok(Reply::Done)
}
