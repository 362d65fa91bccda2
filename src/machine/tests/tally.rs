//! What a group's counters must be, found by looking at all runs that there are and were.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::model::{Model, Run, State};
use crate::domain::{NodeGroup, Timestamp};
use crate::machine::row::{Fate, Row};
use crate::machine::{Key, Machine};

type Tally = BTreeMap<&'static str, u64>;

/// The machine's counters by group.
pub(super) fn of_machine(machine: &Machine) -> BTreeMap<NodeGroup, Tally> {
    let (from, to) = (Key::first_group(), Key::first_client());
    let rows = machine.tables().scan(Bound::Included(&from), &to);
    let tally = |row| match row {
        (Key::Group(group), Row::Group(row)) => {
            let tally = [
                ("received", row.submitted),
                ("pushed", row.dispatched),
                ("succeeded", row.succeeded),
                ("failed", row.failed),
                ("dead", row.dead),
                ("cancelled", row.cancelled),
                ("skipped", row.skipped),
                ("retried", row.retried),
                ("fixed", row.reclaimed),
                ("stale", row.stale),
                ("EXECUTE_SUCCESS", row.exe_success),
                ("EXECUTE_FAILED", row.exe_failed),
                ("EXECUTE_LATER", row.exe_later),
                ("EXECUTE_EXCEPTION", row.exe_exception),
            ];
            (group, nonzero(tally.into_iter()))
        }
        other => panic!("{other:?} is among the groups"),
    };
    rows.map(|row| tally(row.unwrap())).collect()
}

/// The same from the model's runs, those that are left and those that were forgotten.
pub(super) fn of_model(model: &Model) -> BTreeMap<NodeGroup, Tally> {
    let mut tallies = BTreeMap::<NodeGroup, Tally>::new();
    for (group, counts) in &model.counts {
        let tally = tallies.entry(group.clone()).or_default();
        tally.insert("received", counts.received);
        tally.insert("pushed", counts.returned);
        tally.insert("stale", counts.stale);
        tally.extend(&counts.executed);
        counts.forgotten.iter().for_each(|run| add(tally, run));
    }
    for job in model.jobs.values() {
        job.runs.values().for_each(|run| add(tallies.entry(run.group.clone()).or_default(), run));
    }
    tallies.into_iter().map(|(group, tally)| (group, nonzero(tally.into_iter()))).collect()
}

fn add(tally: &mut Tally, run: &Run) {
    *tally.entry("pushed").or_default() += u64::from(run.executions);
    *tally.entry("retried").or_default() += u64::from(run.retries);
    *tally.entry("fixed").or_default() += u64::from(run.reclaims);
    let State::Ended(fate, _) = run.state else { return };
    let (what, count) = match fate {
        Fate::Succeeded => ("succeeded", 1),
        Fate::Failed => ("failed", 1),
        Fate::Dead => ("dead", 1),
        Fate::Cancelled => ("cancelled", 1),
        Fate::Skipped { count, .. } => ("skipped", count),
    };
    *tally.entry(what).or_default() += count;
}

fn nonzero(tally: impl Iterator<Item = (&'static str, u64)>) -> Tally {
    tally.filter(|(_, count)| *count > 0).collect()
}

/// The rows of the series.
pub(super) fn series_of(machine: &Machine) -> BTreeSet<(Timestamp, u8, String, String)> {
    let [first, ..] = Key::first_stats(Timestamp::ZERO);
    let [.., last] = Key::first_stats(Timestamp::MAX);
    let rows = machine.tables().scan(Bound::Included(&first), &last);
    let named = |key| match key {
        Key::GroupStats(minute, group) => (minute, 0, group.to_string(), String::new()),
        Key::TrackerStats(minute, group, who) => (minute, 1, group.to_string(), who.to_string()),
        Key::JobTrackerStats(minute, name) => (minute, 2, String::new(), name.to_string()),
        other => panic!("{other:?} is among the series"),
    };
    rows.map(|row| named(row.unwrap().0)).collect()
}
