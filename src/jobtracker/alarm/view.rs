//! Alarms as they are shown and told: those of the tables and those of this node alike.

use std::ops::Bound;

use super::evaluate::Rows;
use crate::domain::{AlarmRule, AlarmSubject, AlarmTarget, Timestamp};
use crate::jobtracker::JobTracker;
use crate::machine::alarm::{AlarmRow, SilenceRow};
use crate::machine::row::Row;
use crate::machine::{BaseError, Key, Machine, Tables};

/// An alarm, raised or recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmView {
    pub rule: AlarmRule,
    pub subject: AlarmSubject,
    /// Only this node knows it.
    pub local: bool,
    pub row: AlarmRow,
    /// Nobody is told of it until then.
    pub silenced_until: Option<Timestamp>,
}

/// Who silenced what until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceView {
    pub rule: AlarmRule,
    /// None for all subjects of the rule.
    pub subject: Option<AlarmSubject>,
    pub row: SilenceRow,
}

/// How a target fares on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    pub name: AlarmTarget,
    /// `webhook` or `mail`.
    pub kind: &'static str,
    pub sent: u64,
    pub failed: u64,
    /// Why the last try failed; none if it did not.
    pub error: Option<String>,
}

pub(super) fn rows(tables: &Tables) -> Result<Rows, BaseError> {
    let (from, to) = Key::alarms();
    let mut rows = Rows::new();
    for row in tables.scan(Bound::Included(&from), &to) {
        if let (Key::Alarm(rule, subject), Row::Alarm(row)) = row? {
            rows.insert((rule, subject), *row);
        }
    }
    Ok(rows)
}

fn silences(tables: &Tables, now: Timestamp) -> Result<Vec<SilenceView>, BaseError> {
    let (from, to) = Key::silences();
    let mut silences = Vec::new();
    for row in tables.scan(Bound::Included(&from), &to) {
        if let (Key::Silence(rule, subject), Row::Silence(row)) = row?
            && row.until > now
        {
            silences.push(SilenceView { rule, subject, row: *row });
        }
    }
    Ok(silences)
}

/// Until when the silences cover it.
fn silenced_until(silences: &[SilenceView], rule: AlarmRule, subject: &AlarmSubject) -> Option<Timestamp> {
    let covers = |silence: &&SilenceView| {
        silence.rule == rule && silence.subject.as_ref().is_none_or(|of| of == subject)
    };
    silences.iter().filter(covers).map(|silence| silence.row.until).max()
}

fn views(rows: Rows, local: bool, silences: &[SilenceView]) -> impl Iterator<Item = AlarmView> {
    rows.into_iter().map(move |((rule, subject), row)| {
        let silenced_until = silenced_until(silences, rule, &subject);
        AlarmView { rule, subject, local, row, silenced_until }
    })
}

impl JobTracker {
    /// The alarms of the tables, by rule and subject, and what is silenced now.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn alarms_of(
        machine: &Machine,
        now: Timestamp,
    ) -> Result<(Vec<AlarmView>, Vec<SilenceView>), BaseError> {
        let silences = silences(machine.tables(), now)?;
        let alarms = views(rows(machine.tables())?, false, &silences).collect();
        Ok((alarms, silences))
    }

    /// The alarms that only this node knows.
    pub fn local_alarms(&self, silences: &[SilenceView]) -> Vec<AlarmView> {
        views(self.alarms().local.lock().clone(), true, silences).collect()
    }

    /// How many alarms of each rule are raised: of the cluster if this node leads, and of this node.
    pub fn raised_alarms(&self) -> Vec<(AlarmRule, usize)> {
        let mut all = self.alarms().local.lock().clone();
        if self.leader().is_some() {
            // A disk that fails here fails the next entry too, and that ends the node.
            all.extend(self.look(|machine| rows(machine.tables())).unwrap_or_default());
        }
        let raised = |rule: AlarmRule| {
            let is =
                |(place, row): &(&(AlarmRule, AlarmSubject), &AlarmRow)| place.0 == rule && row.is_raised();
            (rule, all.iter().filter(is).count())
        };
        AlarmRule::ALL.iter().copied().map(raised).collect()
    }

    /// How the targets fare on this node; only what this node told or tried counts.
    #[cfg(feature = "server")]
    pub fn alarm_targets(&self) -> Vec<TargetView> {
        self.alarms().targets.iter().map(|target| target.view()).collect()
    }
}
