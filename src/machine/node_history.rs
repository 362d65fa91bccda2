//! The history of nodes: who came and who went, and when. Written with the command that made it so, kept for a time and
//! up to a number.

use super::base::BaseError;
use super::change::Change;
use super::key::Key;
use super::row::{NodeEventRow, Row};
use crate::domain::{Position, Timestamp};

pub(super) fn write(change: &mut Change<'_>, event: NodeEventRow) {
    let position = change.new_id();
    *change.node_events() += 1;
    change.put_new(Key::NodeEvent(position), Row::NodeEvent(Box::new(event)));
}

/// Forgets the oldest events until the rest is young enough and not too many; false if there are more than `budget`.
pub(super) fn forget_old(
    change: &mut Change<'_>,
    oldest_kept: Timestamp,
    most: u64,
    budget: usize,
) -> Result<bool, BaseError> {
    let events = change.scan(&Key::NodeEvent(Position::MIN), &Key::NodeEvent(Position::MAX), budget)?;
    let all = events.len();
    let mut forgotten = 0;
    for (key, row) in events {
        let is_old = matches!(&row, Row::NodeEvent(event) if event.at < oldest_kept);
        if !is_old && *change.node_events() <= most {
            return Ok(true);
        }
        *change.node_events() -= 1;
        change.delete(key)?;
        forgotten += 1;
    }
    Ok(forgotten < budget || all < budget)
}
