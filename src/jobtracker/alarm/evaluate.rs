//! From what was found now to what changes: an alarm is raised when its rule has held for long enough and is over when it
//! has not held for long enough. Pure: findings, rows and the clock come in, changes go out.
//!
//! The rows tell what is raised, so that a new leader neither raises again what stands nor ends what it has not watched for
//! as long as the rule looks back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::options::AlarmOptions;
use crate::domain::{AlarmRule, AlarmSubject, Millis, Timestamp};
use crate::machine::alarm::{AlarmReading, AlarmRow};
use crate::machine::command::{AlarmChange, AlarmState};
use crate::machine::limits::ALARM_CHANGES_MAX;

/// An alarm by what it is about.
pub(super) type Place = (AlarmRule, AlarmSubject);
pub(super) type Rows = BTreeMap<Place, AlarmRow>;

/// How often the row of what stays raised is refreshed.
const REFRESH_AFTER: Millis = Millis::from_secs(60);

/// A rule that holds, or nearly does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: AlarmRule,
    pub(super) subject: AlarmSubject,
    pub(super) level: Level,
    pub(super) reading: AlarmReading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Beyond the threshold.
    Bad,
    /// Not far enough below the threshold for the end of an alarm.
    Near,
}

/// Since when what holds or does not.
#[derive(Debug)]
pub(super) struct Evaluation {
    /// Since when this node watches.
    began: Instant,
    bad: BTreeMap<Place, Instant>,
    good: BTreeMap<Place, Instant>,
}

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present {
    pub(super) monotonic: Instant,
    pub(super) time: Timestamp,
}

impl Evaluation {
    pub(super) fn new(began: Instant) -> Evaluation {
        Evaluation { began, bad: BTreeMap::new(), good: BTreeMap::new() }
    }

    /// Another leader has judged meanwhile: only the rows tell what stands.
    pub(super) fn forget(&mut self) {
        self.bad.clear();
        self.good.clear();
    }

    /// What changes. It is found again at the next step if it does not come to pass.
    pub(super) fn step(
        &mut self,
        now: Present,
        options: &AlarmOptions,
        found: Vec<Finding>,
        known: &Rows,
    ) -> Vec<AlarmChange> {
        let found: BTreeMap<Place, Finding> =
            found.into_iter().map(|one| ((one.rule, one.subject.clone()), one)).collect();
        self.bad.retain(|place, _| found.get(place).is_some_and(|one| one.level == Level::Bad));
        self.good.retain(|place, _| !found.contains_key(place) && known.contains_key(place));
        let places: BTreeSet<Place> = found.keys().cloned().collect();
        let mut changes = Vec::new();
        for (place, one) in found {
            changes.extend(self.holds(now, options, place, one, known));
        }
        let stands = |(place, row): &(&Place, &AlarmRow)| row.is_raised() && !places.contains(*place);
        for (place, _) in known.iter().filter(stands) {
            changes.extend(self.is_over(now, options, place));
        }
        changes.truncate(ALARM_CHANGES_MAX);
        changes
    }

    fn holds(
        &mut self,
        now: Present,
        options: &AlarmOptions,
        place: Place,
        found: Finding,
        known: &Rows,
    ) -> Option<AlarmChange> {
        let raised = known.get(&place).filter(|row| row.is_raised());
        let due = match (raised, found.level) {
            (Some(row), _) => now.time.since(row.seen) >= REFRESH_AFTER,
            (None, Level::Near) => false,
            (None, Level::Bad) => {
                let since = *self.bad.entry(place.clone()).or_insert(now.monotonic);
                now.monotonic.saturating_duration_since(since) >= options.hold(place.0)
            }
        };
        let (rule, subject) = place;
        due.then_some(AlarmChange { rule, subject, to: AlarmState::Raised(found.reading) })
    }

    fn is_over(&mut self, now: Present, options: &AlarmOptions, place: &Place) -> Option<AlarmChange> {
        let watched = now.monotonic.saturating_duration_since(self.began);
        if options.is_on(place.0) && watched < options.window(place.0) {
            return None;
        }
        let since = *self.good.entry(place.clone()).or_insert(now.monotonic);
        let over = now.monotonic.saturating_duration_since(since) >= options.recover_after;
        let (rule, subject) = place.clone();
        over.then_some(AlarmChange { rule, subject, to: AlarmState::Recovered })
    }
}
