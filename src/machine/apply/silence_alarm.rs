//! A silence begins, changes or ends. The alarm is raised and recovers as ever; only nobody is told.

use crate::machine::alarm::SilenceRow;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::SilenceAlarm;
use crate::machine::key::Key;
use crate::machine::reply::Reply;
use crate::machine::row::Row;

pub(super) fn apply(change: &mut Change<'_>, silence: &SilenceAlarm) -> Result<Reply, BaseError> {
    let key = Key::Silence(silence.rule, silence.subject.clone());
    match silence.until.filter(|until| *until > change.now()) {
        Some(until) => {
            let row = SilenceRow { since: change.now(), until, by: silence.by.clone() };
            change.put_plain(key, Row::Silence(Box::new(row)))?;
        }
        None => change.delete(key)?,
    }
    Ok(Reply::Done)
}
