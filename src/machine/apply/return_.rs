//! A TaskTracker gives an execution back: the run is ready again. A push that it could not take was no attempt; what had
//! begun was one, so that a later cancel does not say that nothing was dispatched.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Return;
use crate::machine::queue::take_back;
use crate::machine::reply::Reply;

pub(super) fn apply(change: &mut Change<'_>, give_back: &Return) -> Result<Reply, BaseError> {
    for execution in &give_back.executions {
        if let Some((run, _)) = change.indexes().execution(*execution) {
            take_back::give_back(change, run, give_back.began)?;
        }
    }
    Ok(Reply::Done)
}
