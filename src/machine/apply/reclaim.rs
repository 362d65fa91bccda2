//! Executions that nobody works on any more are taken back.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Reclaim;
use crate::machine::queue::take_back;
use crate::machine::reply::Reply;

pub(super) fn apply(change: &mut Change<'_>, reclaim: &Reclaim) -> Result<Reply, BaseError> {
    for execution in &reclaim.executions {
        if let Some((run, _)) = change.indexes().execution(*execution) {
            take_back::reclaim(change, run, reclaim.reason)?;
        }
    }
    Ok(Reply::Done)
}
