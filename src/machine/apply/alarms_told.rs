//! Targets were told of alarms. What is not written here is told again by whoever leads next.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::AlarmsTold;
use crate::machine::key::Key;
use crate::machine::reply::Reply;
use crate::machine::row::Row;

pub(super) fn apply(change: &mut Change<'_>, told: &AlarmsTold) -> Result<Reply, BaseError> {
    for one in &told.told {
        let Some(known) = change.alarm(one.rule, &one.subject)? else { continue };
        if let Some(row) = known.tell(one.id, &one.target, one.news, change.now()) {
            change.put_plain(Key::Alarm(one.rule, one.subject.clone()), Row::Alarm(Box::new(row)))?;
        }
    }
    Ok(Reply::Done)
}
