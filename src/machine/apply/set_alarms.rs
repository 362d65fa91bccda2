//! Alarms begin, go on and end. A rule has a bounded number of subjects: a new one takes the place of the one that
//! recovered longest ago, and finds none while all of them are raised.

use crate::domain::{AlarmId, AlarmRule, AlarmSubject};
use crate::machine::alarm::{AlarmReading, AlarmRow};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{AlarmState, SetAlarms};
use crate::machine::key::Key;
use crate::machine::limits::ALARM_SUBJECTS_MAX;
use crate::machine::reply::Reply;
use crate::machine::row::Row;

pub(super) fn apply(change: &mut Change<'_>, set: &SetAlarms) -> Result<Reply, BaseError> {
    for one in &set.changes {
        match &one.to {
            AlarmState::Raised(reading) => raise(change, one.rule, &one.subject, reading)?,
            AlarmState::Recovered => recover(change, one.rule, &one.subject)?,
        }
    }
    Ok(Reply::Done)
}

fn raise(
    change: &mut Change<'_>,
    rule: AlarmRule,
    subject: &AlarmSubject,
    reading: &AlarmReading,
) -> Result<(), BaseError> {
    let known = change.alarm(rule, subject)?;
    if known.is_none() && !has_room(change, rule)? {
        return Ok(());
    }
    let id = match known.as_deref().filter(|row| row.is_raised()) {
        Some(row) => row.id,
        None => AlarmId(change.new_id()),
    };
    let row = AlarmRow::raise(known.as_deref(), id, reading.clone(), change.now());
    change.put_plain(Key::Alarm(rule, subject.clone()), Row::Alarm(Box::new(row)))
}

fn has_room(change: &mut Change<'_>, rule: AlarmRule) -> Result<bool, BaseError> {
    let (from, to) = Key::alarms_of(rule);
    let rows = change.scan(&from, &to, ALARM_SUBJECTS_MAX)?;
    if rows.len() < ALARM_SUBJECTS_MAX {
        return Ok(true);
    }
    let recovered = rows.into_iter().filter_map(|(key, row)| match row {
        Row::Alarm(row) => row.recovered.map(|at| (at, key)),
        _ => None,
    });
    let Some((_, oldest)) = recovered.min() else { return Ok(false) };
    change.delete(oldest)?;
    Ok(true)
}

fn recover(change: &mut Change<'_>, rule: AlarmRule, subject: &AlarmSubject) -> Result<(), BaseError> {
    let Some(known) = change.alarm(rule, subject)? else { return Ok(()) };
    let hushed = change.is_silenced(rule, subject)?;
    match known.recover(change.now(), hushed) {
        Some(row) => change.put_plain(Key::Alarm(rule, subject.clone()), Row::Alarm(Box::new(row))),
        None => Ok(()),
    }
}
