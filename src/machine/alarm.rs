//! The life of an alarm: raised, seen again, recovered, and told to the targets.
//!
//! A row by rule and subject, so that an alarm is one whoever leads and however often it is evaluated. A row that was told
//! remembers it: what it does not remember is told again, so a target hears at least once. Alarms that only one node can
//! know have the same life in its memory.

use serde::{Deserialize, Serialize};

use super::limits::{ALARM_TARGETS_MAX, ALARM_TOLD_WITHIN};
use crate::domain::{AlarmId, AlarmSeverity, AlarmTarget, Millis, Timestamp};

/// An alarm, raised or recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmRow {
    /// Of this time that it was raised.
    pub id: AlarmId,
    pub raised: Timestamp,
    /// None while it is raised.
    pub recovered: Option<Timestamp>,
    /// When it was last found to hold; refreshed about once a minute.
    pub seen: Timestamp,
    pub reading: AlarmReading,
    /// It recovered under a silence: who did not hear of its beginning need not hear of its end.
    pub hushed: bool,
    /// Who was told what, oldest first.
    pub told: Vec<Told>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmReading {
    pub severity: AlarmSeverity,
    /// In the rule's unit.
    pub value: i64,
    pub threshold: i64,
    /// One line for people.
    pub text: String,
}

/// What a target is told of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlarmNews {
    Raised,
    Recovered,
}

/// What a target was told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub target: AlarmTarget,
    pub news: AlarmNews,
    pub at: Timestamp,
    /// How often: more than once if it is repeated while the alarm stays.
    pub times: u32,
}

/// What a target is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    pub news: AlarmNews,
    /// How often it was told before.
    pub times: u32,
}

/// Nobody is told of it until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRow {
    pub since: Timestamp,
    pub until: Timestamp,
    pub by: crate::domain::Identity,
}

impl AlarmRow {
    /// The row after a reading that is bad; `id` is for an alarm that was not raised.
    pub fn raise(before: Option<&AlarmRow>, id: AlarmId, reading: AlarmReading, now: Timestamp) -> AlarmRow {
        match before.filter(|row| row.is_raised()) {
            Some(row) => AlarmRow { seen: now, reading, ..row.clone() },
            None => AlarmRow {
                id,
                raised: now,
                recovered: None,
                seen: now,
                reading,
                hushed: false,
                told: Vec::new(),
            },
        }
    }

    pub fn is_raised(&self) -> bool {
        self.recovered.is_none()
    }

    /// The row after it is over; none if it was over before.
    #[must_use]
    pub fn recover(&self, now: Timestamp, hushed: bool) -> Option<AlarmRow> {
        self.is_raised().then(|| AlarmRow { recovered: Some(now), hushed, ..self.clone() })
    }

    /// The row after a target was told; none if that was of another time, or is known already.
    #[must_use]
    pub fn tell(
        &self,
        id: AlarmId,
        target: &AlarmTarget,
        news: AlarmNews,
        now: Timestamp,
    ) -> Option<AlarmRow> {
        let before = self.told.iter().find(|told| told.target == *target);
        if id != self.id || before.is_some_and(|told| told.news > news) {
            return None;
        }
        let times = before.filter(|told| told.news == news).map_or(0, |told| told.times);
        let mut row = self.clone();
        row.told.retain(|told| told.target != *target);
        row.told.push(Told { target: target.clone(), news, at: now, times: times.saturating_add(1) });
        let too_many = row.told.len().saturating_sub(ALARM_TARGETS_MAX);
        row.told.drain(..too_many);
        Some(row)
    }

    /// What the target is to be told now. An alarm that is raised is told again after `repeat` if that is not zero.
    pub fn owes(&self, target: &AlarmTarget, now: Timestamp, repeat: Millis) -> Option<Owed> {
        let told = self.told.iter().find(|told| told.target == *target);
        match (self.recovered, told) {
            (None, None) => Some(Owed { news: AlarmNews::Raised, times: 0 }),
            (None, Some(told)) => {
                let again = !repeat.is_zero() && now.since(told.at) >= repeat;
                again.then_some(Owed { news: AlarmNews::Raised, times: told.times })
            }
            (Some(_), Some(told)) => {
                let owed = Owed { news: AlarmNews::Recovered, times: 0 };
                (told.news == AlarmNews::Raised).then_some(owed)
            }
            // It came and went before anybody could be told: worth a word while it is fresh.
            (Some(recovered), None) => {
                let owed = Owed { news: AlarmNews::Recovered, times: 0 };
                (!self.hushed && now.since(recovered) <= ALARM_TOLD_WITHIN).then_some(owed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPEAT: Millis = Millis::from_secs(60);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn reading(value: i64) -> AlarmReading {
        AlarmReading { severity: AlarmSeverity::Warning, value, threshold: 1, text: "it is bad".into() }
    }

    fn raised(id: u64, secs: u64, before: Option<&AlarmRow>) -> AlarmRow {
        AlarmRow::raise(before, AlarmId::from_u64(id), reading(2), at(secs))
    }

    fn ops() -> AlarmTarget {
        AlarmTarget::new("ops").unwrap()
    }

    fn owed(row: &AlarmRow, secs: u64) -> Option<AlarmNews> {
        row.owes(&ops(), at(secs), Millis::ZERO).map(|owed| owed.news)
    }

    #[test]
    fn an_alarm_that_is_found_again_stays_the_same_one_and_is_told_once() {
        let row = raised(1, 10, None);
        assert_eq!(owed(&row, 10), Some(AlarmNews::Raised));
        let told = row.tell(row.id, &ops(), AlarmNews::Raised, at(11)).unwrap();
        let again = raised(2, 20, Some(&told));
        assert_eq!((again.id, again.raised, again.seen), (row.id, at(10), at(20)));
        assert_eq!(owed(&again, 9_000), None);
        assert_eq!(owed(&again.recover(at(30), false).unwrap(), 9_000), Some(AlarmNews::Recovered));
    }

    #[test]
    fn an_alarm_that_comes_back_is_another_one() {
        let told = raised(1, 10, None).tell(AlarmId::from_u64(1), &ops(), AlarmNews::Raised, at(11)).unwrap();
        let over = told.recover(at(20), false).unwrap();
        assert_eq!(over.recover(at(21), false), None);
        let back = raised(2, 30, Some(&over));
        assert_eq!((back.id.as_u64(), back.raised, owed(&back, 30)), (2, at(30), Some(AlarmNews::Raised)));
        // A word about the first time comes late and says nothing about the second.
        assert_eq!(back.tell(AlarmId::from_u64(1), &ops(), AlarmNews::Raised, at(31)), None);
    }

    #[test]
    fn what_is_repeated_counts_and_only_while_it_is_raised() {
        let row = raised(1, 10, None).tell(AlarmId::from_u64(1), &ops(), AlarmNews::Raised, at(10)).unwrap();
        assert_eq!(row.owes(&ops(), at(69), REPEAT), None);
        assert_eq!(row.owes(&ops(), at(70), REPEAT), Some(Owed { news: AlarmNews::Raised, times: 1 }));
        let row = row.tell(row.id, &ops(), AlarmNews::Raised, at(70)).unwrap();
        assert_eq!(row.told[0].times, 2);
        let over = row.recover(at(80), false).unwrap();
        let over = over.tell(row.id, &ops(), AlarmNews::Recovered, at(81)).unwrap();
        assert_eq!(over.owes(&ops(), at(9_000), REPEAT), None);
        assert_eq!(over.tell(row.id, &ops(), AlarmNews::Raised, at(82)), None, "the end was told already");
    }

    #[test]
    fn an_end_that_nobody_waits_for_is_told_while_it_is_fresh_unless_it_was_silenced() {
        let row = raised(1, 10, None);
        assert_eq!(owed(&row.recover(at(20), true).unwrap(), 21), None);
        let over = row.recover(at(20), false).unwrap();
        assert_eq!(owed(&over, 21), Some(AlarmNews::Recovered));
        assert_eq!(owed(&over, 21 + 3_600), None);
    }

    #[test]
    fn only_so_many_targets_are_remembered() {
        let mut row = raised(1, 10, None);
        for n in 0..ALARM_TARGETS_MAX + 3 {
            let target = AlarmTarget::new(format!("t{n}")).unwrap();
            row = row.tell(row.id, &target, AlarmNews::Raised, at(11)).unwrap();
        }
        assert_eq!(row.told.len(), ALARM_TARGETS_MAX);
        assert_eq!(row.told[0].target.as_str(), "t3");
    }
}
