//! An operator pauses a node group: what is ready gathers, what is due still ripens, what executes goes on.
//!
//! A pause is no misfire: an instant that ripens in time runs after it, however long it lasts. Start deadlines count on,
//! and an instant of a job that relies on its previous cycle is skipped while an earlier one waits. A group that nobody
//! knows may be paused before its first job comes.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::PauseQueue;
use crate::machine::reply::Reply;
use crate::machine::row::Hold;

/// A second pause changes nothing: who paused first stays to be asked.
pub(super) fn apply(change: &mut Change<'_>, pause: &PauseQueue) -> Result<Reply, BaseError> {
    if change.paused(&pause.node_group)?.is_some() {
        return Ok(Reply::Switched(false));
    }
    let hold = Hold { since: change.now(), by: pause.by.clone(), reason: pause.reason.clone() };
    change.put_paused(&pause.node_group, hold)?;
    Ok(Reply::Switched(true))
}
