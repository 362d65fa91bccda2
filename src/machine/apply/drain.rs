//! An operator drains a TaskTracker: it gets nothing new, through all its reconnects and starts, until it is undrained.
//! What it executes goes on. An offline one may be drained as well, so that it stays empty when it comes back; only one
//! that is online can be told to leave.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Drain;
use crate::machine::effect::Effect;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{Drained, Hold, TrackerRow};

/// A second drain keeps who drained first, and may still say leave.
pub(super) fn apply(change: &mut Change<'_>, drain: &Drain) -> Result<Reply, BaseError> {
    let (group, who) = (&drain.node_group, &drain.identity);
    let Some(row) = change.tracker(group, who)? else {
        return Ok(Reply::Refused(Refusal::UnknownTracker(group.clone(), who.clone())));
    };
    if drain.leave && !row.is_online() {
        return Ok(Reply::Refused(Refusal::TrackerOffline(group.clone(), who.clone())));
    }
    let fresh = || Hold { since: change.now(), by: drain.by.clone(), reason: drain.reason.clone() };
    let (hold, leave) = match &row.drained {
        Some(drained) if drained.leave || !drain.leave => return Ok(Reply::Switched(false)),
        Some(drained) => (drained.hold.clone(), drain.leave),
        None => (fresh(), drain.leave),
    };
    let drained = Some(Drained { hold, leave });
    change.put_tracker(group, who, TrackerRow { drained, ..TrackerRow::clone(&row) })?;
    change.effect(Effect::Held(row.session));
    Ok(Reply::Switched(true))
}
