//! An operator wants feedback told now: dead letters wait again, with all their tries. What finds no room stays dead.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::FeedbackRetry;
use crate::machine::effect::Effect;
use crate::machine::queue::feedback;
use crate::machine::reply::Reply;
use crate::machine::row::{FeedbackRow, FeedbackState};

pub(super) fn apply(change: &mut Change<'_>, retry: &FeedbackRetry) -> Result<Reply, BaseError> {
    let (group, now) = (&retry.client_group, change.now());
    let pending_max = change.limits().feedback_max;
    let mut moved = 0;
    for run in feedback::chosen(change, group, &retry.which) {
        let Some(row) = change.feedback(group, run)? else { continue };
        let due = matches!(row.state, FeedbackState::Pending { next_try } if next_try <= now);
        let was_dead = matches!(row.state, FeedbackState::Dead { .. });
        let waiting = change.feedback_group(group)?.map_or(0, |counts| counts.pending);
        if due || was_dead && waiting >= pending_max {
            continue;
        }
        change.count_feedback(group, |counts| {
            counts.dead -= u64::from(was_dead);
            counts.pending += u64::from(was_dead);
        })?;
        let state = FeedbackState::Pending { next_try: now };
        change.put_feedback(group, run, FeedbackRow { state, tries: 0, ..FeedbackRow::clone(&row) })?;
        moved += 1;
    }
    if moved > 0 {
        change.effect(Effect::Feedback(group.clone()));
    }
    Ok(Reply::FeedbackMoved(moved))
}
