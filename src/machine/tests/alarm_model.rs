//! Alarms told again, as plainly as possible: a map of them, a map of silences. Not here: the limit on their number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::domain::{AlarmId, AlarmRule, AlarmSubject, Millis, Timestamp};
use crate::machine::alarm::AlarmNews;
use crate::machine::command::{AlarmChange, AlarmState, AlarmTold, SilenceAlarm};
use crate::machine::row::Row;
use crate::machine::{Key, Machine};

const WEEK: Millis = Millis::from_secs(7 * 24 * 3600);

#[derive(Debug, Default)]
pub(super) struct Alarms {
    alarms: BTreeMap<(AlarmRule, AlarmSubject), Alarm>,
    silences: BTreeMap<(AlarmRule, Option<AlarmSubject>), Timestamp>,
}

#[derive(Debug)]
struct Alarm {
    id: AlarmId,
    since: Timestamp,
    value: i64,
    over: Option<Timestamp>,
    hushed: bool,
    /// The targets that know of its beginning and, those of them that do, of its end.
    heard: BTreeSet<String>,
    heard_the_end: BTreeSet<String>,
}

impl Alarms {
    /// Says whether it took the id.
    pub(super) fn change(&mut self, now: Timestamp, id: AlarmId, change: &AlarmChange) -> bool {
        let place = (change.rule, change.subject.clone());
        let known = self.alarms.get_mut(&place).filter(|alarm| alarm.over.is_none());
        match (&change.to, known) {
            (AlarmState::Raised(reading), Some(known)) => {
                known.value = reading.value;
                false
            }
            (AlarmState::Raised(reading), None) => {
                let (heard, heard_the_end) = (BTreeSet::new(), BTreeSet::new());
                let value = reading.value;
                let alarm = Alarm { id, since: now, value, over: None, hushed: false, heard, heard_the_end };
                self.alarms.insert(place, alarm);
                true
            }
            (AlarmState::Recovered, Some(known)) => {
                let covers = |subject: Option<AlarmSubject>| {
                    self.silences.get(&(change.rule, subject)).is_some_and(|until| *until > now)
                };
                known.hushed = covers(None) || covers(Some(change.subject.clone()));
                known.over = Some(now);
                false
            }
            (AlarmState::Recovered, None) => false,
        }
    }

    pub(super) fn told(&mut self, told: &AlarmTold) {
        let place = (told.rule, told.subject.clone());
        let Some(alarm) = self.alarms.get_mut(&place).filter(|alarm| alarm.id == told.id) else { return };
        let ears = match told.news {
            AlarmNews::Raised => &mut alarm.heard,
            AlarmNews::Recovered => &mut alarm.heard_the_end,
        };
        ears.insert(told.target.to_string());
    }

    pub(super) fn silence(&mut self, now: Timestamp, silence: &SilenceAlarm) {
        let place = (silence.rule, silence.subject.clone());
        match silence.until {
            Some(until) if until > now => self.silences.insert(place, until),
            Some(_) | None => self.silences.remove(&place),
        };
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        self.alarms.retain(|_, alarm| alarm.over.is_none_or(|over| over >= now - WEEK));
        self.silences.retain(|_, until| *until > now);
    }

    pub(super) fn id_of(&self, rule: AlarmRule, subject: &AlarmSubject) -> Option<AlarmId> {
        self.alarms.get(&(rule, subject.clone())).map(|alarm| alarm.id)
    }

    pub(super) fn view(&self) -> String {
        let mut text = String::new();
        for ((rule, subject), alarm) in &self.alarms {
            let Alarm { id, since, value, over, hushed, heard, heard_the_end } = alarm;
            let only_the_beginning: BTreeSet<_> = heard.difference(heard_the_end).collect();
            writeln!(text, "{rule} {subject} {id} {since} {value} {over:?} {hushed} {only_the_beginning:?} {heard_the_end:?}")
                .unwrap();
        }
        for ((rule, subject), until) in &self.silences {
            writeln!(text, "silence {rule} {subject:?} {until}").unwrap();
        }
        text
    }
}

/// The same of the machine's rows.
pub(super) fn view_of(machine: &Machine) -> String {
    let mut text = String::new();
    let ((from, _), end) = (Key::alarms(), Key::end());
    for row in machine.tables().scan(std::ops::Bound::Included(&from), &end) {
        match row.unwrap() {
            (Key::Alarm(rule, subject), Row::Alarm(row)) => {
                let heard = |news| -> BTreeSet<String> {
                    row.told
                        .iter()
                        .filter(|told| told.news == news)
                        .map(|told| told.target.to_string())
                        .collect()
                };
                let (id, since, value) = (row.id, row.raised, row.reading.value);
                let (over, hushed) = (row.recovered, row.hushed);
                let (beginning, end) = (heard(AlarmNews::Raised), heard(AlarmNews::Recovered));
                writeln!(
                    text,
                    "{rule} {subject} {id} {since} {value} {over:?} {hushed} {beginning:?} {end:?}"
                )
                .unwrap();
            }
            (Key::Silence(rule, subject), Row::Silence(row)) => {
                writeln!(text, "silence {rule} {subject:?} {}", row.until).unwrap();
            }
            other => panic!("{other:?} is no alarm"),
        }
    }
    text
}
