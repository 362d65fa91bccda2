//! A JobClient's handler succeeded: what it heard is forgotten. What is not there was heard before, or given up.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::FeedbackHeard;
use crate::machine::limits::FEEDBACK_BATCH_MAX;
use crate::machine::queue::feedback;
use crate::machine::reply::Reply;

pub(super) fn apply(change: &mut Change<'_>, heard: &FeedbackHeard) -> Result<Reply, BaseError> {
    let group = &heard.client_group;
    for run in heard.runs.iter().take(FEEDBACK_BATCH_MAX) {
        let Some(row) = change.feedback(group, *run)? else { continue };
        feedback::forget(change, group, *run, &row)?;
        change.count_feedback(group, |counts| counts.heard += 1)?;
    }
    Ok(Reply::Done)
}
