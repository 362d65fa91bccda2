//! A drained TaskTracker gets work again. One that was told to leave leaves all the same: it may have begun to.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Undrain;
use crate::machine::effect::Effect;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::TrackerRow;

pub(super) fn apply(change: &mut Change<'_>, undrain: &Undrain) -> Result<Reply, BaseError> {
    let (group, who) = (&undrain.node_group, &undrain.identity);
    let Some(row) = change.tracker(group, who)? else {
        return Ok(Reply::Refused(Refusal::UnknownTracker(group.clone(), who.clone())));
    };
    if row.drained.is_none() {
        return Ok(Reply::Switched(false));
    }
    change.put_tracker(group, who, TrackerRow { drained: None, ..TrackerRow::clone(&row) })?;
    change.effect(Effect::Held(row.session));
    change.effect(Effect::Ready(group.clone()));
    Ok(Reply::Switched(true))
}
