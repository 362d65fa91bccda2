//! A JobClient's handler failed: it is told again, after a time that doubles up to a bound, and in the end it is a dead
//! letter that waits for an operator. Each has a time of its own, so one that always fails delays no other.

use crate::domain::{Millis, NodeGroup};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{FeedbackFailed, FeedbackFailure};
use crate::machine::effect::Effect;
use crate::machine::limits::{
    FEEDBACK_BATCH_MAX, FEEDBACK_DELAY_FIRST, FEEDBACK_DELAY_MAX, HANDLER_ERROR_BYTES_MAX,
};
use crate::machine::queue::feedback;
use crate::machine::reply::Reply;
use crate::machine::row::{FeedbackRow, FeedbackState};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, failed: &FeedbackFailed) -> Result<Reply, BaseError> {
    for failure in failed.failures.iter().take(FEEDBACK_BATCH_MAX) {
        one(change, &failed.client_group, failure)?;
    }
    Ok(Reply::Done)
}

fn one(change: &mut Change<'_>, group: &NodeGroup, failure: &FeedbackFailure) -> Result<(), BaseError> {
    let Some(row) = change.feedback(group, failure.run)? else { return Ok(()) };
    let is_current = matches!(row.state, FeedbackState::Pending { .. }) && row.tries + 1 == failure.attempt;
    if !is_current {
        return Ok(());
    }
    let (dead_max, tries_max) = (change.limits().feedback_max, change.limits().feedback_tries_max);
    let mut row = FeedbackRow::clone(&row);
    row.tries += 1;
    row.handler_error = cut(&failure.error).to_owned();
    change.count_feedback(group, |counts| counts.failed += 1)?;
    if row.tries < tries_max {
        row.state = FeedbackState::Pending { next_try: change.now() + delay(row.tries) };
        // The leader looks when the next one is due.
        change.effect(Effect::Feedback(group.clone()));
        return change.put_feedback(group, failure.run, row);
    }
    feedback::forget(change, group, failure.run, &row)?;
    let mut has_room = false;
    change.count_feedback(group, |counts| {
        has_room = counts.dead < dead_max;
        counts.dead += u64::from(has_room);
        counts.dropped += u64::from(!has_room);
    })?;
    if has_room {
        row.state = FeedbackState::Dead { since: change.now() };
        change.put_feedback(group, failure.run, row)?;
    }
    Ok(())
}

/// How long it waits after so many failed tries.
fn delay(tries: u32) -> Millis {
    if planted::is(Bug::FailedFeedbackRestsForEver) {
        return Millis::new(u64::from(u32::MAX));
    }
    let doubled = FEEDBACK_DELAY_FIRST.get() << (tries - 1).min(20);
    Millis::new(doubled).min(FEEDBACK_DELAY_MAX)
}

/// The beginning of a text, as much as is kept.
fn cut(error: &str) -> &str {
    let longest = error.len().min(HANDLER_ERROR_BYTES_MAX);
    let end = (0..=longest).rev().find(|at| error.is_char_boundary(*at)).unwrap_or(0);
    &error[..end]
}
