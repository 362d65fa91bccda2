//! An operator gives feedback up: it is forgotten unheard, and counted as discarded.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::FeedbackDrop;
use crate::machine::queue::feedback;
use crate::machine::reply::Reply;

pub(super) fn apply(change: &mut Change<'_>, drop: &FeedbackDrop) -> Result<Reply, BaseError> {
    let group = &drop.client_group;
    let mut moved = 0;
    for run in feedback::chosen(change, group, &drop.which) {
        let Some(row) = change.feedback(group, run)? else { continue };
        feedback::forget(change, group, run, &row)?;
        change.count_feedback(group, |counts| counts.discarded += 1)?;
        moved += 1;
    }
    Ok(Reply::FeedbackMoved(moved))
}
