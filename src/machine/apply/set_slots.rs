//! How many executions a TaskTracker runs at a time, as an operator wants it. A smaller number takes back nothing: it takes
//! effect as executions end.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::SetSlots;
use crate::machine::effect::Effect;
use crate::machine::limits::CAPACITY_MAX;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::TrackerRow;

/// A number beyond the bounds, which the edges check, becomes the nearest one within.
pub(super) fn apply(change: &mut Change<'_>, set: &SetSlots) -> Result<Reply, BaseError> {
    let (group, who) = (&set.node_group, &set.identity);
    let Some(row) = change.tracker(group, who)? else {
        return Ok(Reply::Refused(Refusal::UnknownTracker(group.clone(), who.clone())));
    };
    let slots = set.slots.map(|slots| slots.clamp(1, CAPACITY_MAX));
    if row.slots == slots {
        return Ok(Reply::Switched(false));
    }
    change.put_tracker(group, who, TrackerRow { slots, ..TrackerRow::clone(&row) })?;
    change.effect(Effect::Held(row.session));
    change.effect(Effect::Ready(group.clone()));
    Ok(Reply::Switched(true))
}
