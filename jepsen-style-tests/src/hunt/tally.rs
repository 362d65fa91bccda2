//! The table at the end of a hunt: caught and missed.

use std::collections::BTreeMap;

use crate::product::Bug;

/// How much of what is said fits on a line.
const SAID_MAX: usize = 90;

/// What became of one bug.
#[derive(Clone, Debug)]
pub(super) struct Caught {
    pub(super) runs: u64,
    /// What is counted: runs, seeds.
    pub(super) unit: &'static str,
    pub(super) seconds: u64,
    /// What its checker said; none if it was missed.
    pub(super) said: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: Vec<(Bug, Caught)>,
    /// Of the chases without a bug, what was wrong; by bug.
    sound: BTreeMap<String, Result<(), String>>,
    /// Bugs that nobody looked for, and why.
    skipped: Vec<(Bug, String)>,
}

impl Tally {
    pub(super) fn add(&mut self, bug: &Bug, caught: Caught) {
        self.rows.push((bug.clone(), caught));
    }

    pub(super) fn sound(&mut self, bug: &Bug, verdict: Result<(), String>) {
        self.sound.insert(bug.name.clone(), verdict);
    }

    pub(super) fn skip(&mut self, bug: &Bug, why: &str) {
        self.skipped.push((bug.clone(), why.to_owned()));
    }

    /// All that were asked for were looked for and caught, and nothing is wrong without them.
    pub(super) fn is_well(&self) -> bool {
        let caught = self.verdicts().all(|(_, caught)| caught);
        caught && self.skipped.is_empty() && self.sound.values().all(Result::is_ok)
    }

    /// Each bug that was looked for, and whether it was caught.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = (&str, bool)> {
        self.rows.iter().map(|(bug, caught)| (bug.name.as_str(), caught.said.is_some()))
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<30} {:<10} {:<8} {:<5} {:<6} {:>4} {:>7}  said\n",
            "bug", "lane", "promise", "by", "", "", "seconds"
        );
        for (bug, caught) in &self.rows {
            let verdict = if caught.said.is_some() { "caught" } else { "MISSED" };
            let Caught { runs, unit, seconds, said } = caught;
            let said: String = said.clone().unwrap_or_default().chars().take(SAID_MAX).collect();
            text += &format!(
                "{:<30} {:<10} {:<8} {:<5} {verdict} {runs:>4} {unit:<5} {seconds:>5}  {said}\n",
                bug.name, bug.lane, bug.promise, bug.checker
            );
        }
        for (bug, verdict) in &self.sound {
            if let Err(wrong) = verdict {
                text += &format!("{bug}: NOT SOUND without it: {wrong}\n");
            }
        }
        for (bug, why) in &self.skipped {
            text += &format!(
                "{:<30} {:<10} {:<8} {:<5} SKIPPED: {why}\n",
                bug.name, bug.lane, bug.promise, bug.checker
            );
        }
        let missed = self.rows.iter().filter(|(_, caught)| caught.said.is_none());
        let missed: Vec<&str> = missed.map(|(bug, _)| bug.name.as_str()).collect();
        let caught = self.rows.len() - missed.len();
        let (names, missed, skipped) = (missed.join(" "), missed.len(), self.skipped.len());
        text += &format!("planted bugs: {caught} caught, {missed} missed, {skipped} skipped {names}\n");
        let sound = self.sound.values().filter(|verdict| verdict.is_ok()).count();
        if !self.sound.is_empty() {
            text += &format!("without a bug: {sound} of {} valid\n", self.sound.len());
        }
        text
    }
}
