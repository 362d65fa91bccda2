//! The pause of a node group is over: what gathered is dispatched in the usual order.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::ResumeQueue;
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::reply::Reply;

pub(super) fn apply(change: &mut Change<'_>, resume: &ResumeQueue) -> Result<Reply, BaseError> {
    if change.paused(&resume.node_group)?.is_none() {
        return Ok(Reply::Switched(false));
    }
    change.delete(Key::Paused(resume.node_group.clone()))?;
    change.effect(Effect::Ready(resume.node_group.clone()));
    Ok(Reply::Switched(true))
}
