//! What a run was, in figures: `summary.json` beside its history, and what `jst soak` adds up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::history::{Fault, FaultEdge, FaultOutcome};
use crate::tracker::KILLED;

const FILE: &str = "summary.json";

/// The figures of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Operations that were answered, reads included.
    pub(crate) answered: u64,
    /// Of those, how many were to change something: the acknowledged ones in the narrow sense.
    #[serde(default)]
    pub(crate) changes: u64,
    /// Requests whose client died while it waited, and that a successor sent again.
    #[serde(default)]
    pub(crate) inherited: u64,
    /// Of the shipped default configuration.
    #[serde(default)]
    pub(crate) config_hash: String,
    /// Surely not done.
    pub(crate) refused: u64,
    /// Nobody knows.
    pub(crate) unknown: u64,
    /// Faults that were begun, by kind and by whom they hit.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Faults that were not begun, or not undone, as they should.
    pub(crate) indeterminate: u64,
    /// What the harness saw without any checker: jobs that do not end, digests that differ, processes that end.
    pub(crate) wrong: Vec<String>,
}

impl Summary {
    /// Counts the faults.
    pub(crate) fn count(&mut self, faults: &[Fault]) {
        for fault in faults {
            if fault.outcome == FaultOutcome::Indeterminate {
                self.indeterminate += 1;
            }
            if fault.what == "unexpected_end" {
                self.wrong.push(format!("{} ended by itself: {}", fault.targets.join(" "), fault.detail));
            } else if fault.what != KILLED
                && fault.f == FaultEdge::Start
                && fault.outcome == FaultOutcome::Installed
            {
                *self.faults.entry(kind(fault)).or_default() += 1;
            }
        }
    }

    /// # Errors
    /// If the disk of the harness is full.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        Ok(fs::write(dir.join(FILE), serde_json::to_string_pretty(self)?)?)
    }

    /// # Errors
    /// If the run did not come to its end.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Summary> {
        let path = dir.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Adds another run.
    pub(crate) fn add(&mut self, other: Summary) {
        self.answered += other.answered;
        self.changes += other.changes;
        self.inherited += other.inherited;
        self.config_hash = other.config_hash;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.indeterminate += other.indeterminate;
        self.wrong.extend(other.wrong);
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }

    /// Losses of power, whoever was hit.
    pub(crate) fn power_cuts(&self) -> u64 {
        self.of(&["power", "power of all", "power of the leader"])
    }

    /// How often the leader got a SIGKILL, alone or with all.
    pub(crate) fn leader_kills(&self) -> u64 {
        self.of(&["kill of the leader", "kill of all"])
    }

    fn of(&self, kinds: &[&str]) -> u64 {
        kinds.iter().filter_map(|kind| self.faults.get(*kind)).sum()
    }

    pub(crate) fn faults_text(&self) -> String {
        let all: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        all.join(", ")
    }
}

/// `kill of the leader`, `power of all`, `partition`: the counts that the goals name.
fn kind(fault: &Fault) -> String {
    let aimed = ["kill", "pause", "power"].contains(&fault.what.as_str());
    match fault.detail.as_str() {
        detail if aimed && detail.starts_with("all") => format!("{} of all", fault.what),
        "the leader" if aimed => format!("{} of the leader", fault.what),
        _ => fault.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(what: &str, detail: &str, outcome: FaultOutcome) -> Fault {
        let targets = vec!["n1".to_owned()];
        Fault { t: 1, id: 1, f: FaultEdge::Start, what: what.into(), detail: detail.into(), targets, outcome }
    }

    #[test]
    fn only_what_was_begun_counts_and_an_unexpected_end_is_a_finding() {
        let mut summary = Summary::default();
        summary.count(&[
            fault("kill", "the leader", FaultOutcome::Installed),
            fault("kill", "one", FaultOutcome::Installed),
            fault("power", "all, at the end", FaultOutcome::Installed),
            fault("disk-slow", "the leader: 60 KiB/s", FaultOutcome::Indeterminate),
            fault("unexpected_end", "signal: 6", FaultOutcome::Installed),
        ]);
        assert_eq!(summary.faults_text(), "kill 1, kill of the leader 1, power of all 1");
        assert_eq!((summary.indeterminate, summary.wrong.len()), (1, 1));
    }
}
