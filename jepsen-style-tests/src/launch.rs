//! A run as a process of its own, and what it left: for commands that start many.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::checker::Verdict;
use crate::generator::schedule::Plan;
use crate::history::Fault;
use crate::nemesis::Family;
use crate::summary::Summary;
use crate::workload::Workload;

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) workload: Workload,
    pub(crate) families: Vec<Family>,
    pub(crate) told: Vec<Plan>,
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) env: Vec<(String, String)>,
    /// Disks are written back every two seconds, whatever is synced.
    pub(crate) write_back: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Unknown, too, if it did not come to its end.
    pub(crate) verdict: Verdict,
    /// The rules that were broken, each with its first violation.
    pub(crate) broken: Vec<(String, String)>,
    /// What the harness saw without any rule.
    pub(crate) summary: Summary,
    pub(crate) dir: PathBuf,
}

#[derive(Deserialize)]
struct Results {
    rules: Vec<RuleResult>,
}

#[derive(Deserialize)]
struct RuleResult {
    id: String,
    verdict: Verdict,
    examples: Vec<String>,
}

impl Launch {
    /// Runs it; what it prints is seen.
    ///
    /// # Errors
    /// If this program cannot start itself.
    pub(crate) async fn run(&self, binary: &Path, dir: &Path) -> anyhow::Result<Ran> {
        if dir.exists() {
            fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        let program = std::env::current_exe().context("this program has a path")?;
        let mut command = tokio::process::Command::new(program);
        command.args(["run", "--workload", &self.workload.name(), "--seed", &self.seed.to_string()]);
        command.args(["--time", &self.time.as_secs().to_string()]);
        if !self.families.is_empty() {
            let families: Vec<String> = self.families.iter().map(|family| family.name()).collect();
            command.args(["--nemesis", &families.join(",")]);
        }
        for plan in &self.told {
            command.args(["--fault", &plan.to_string()]);
        }
        for (name, value) in &self.env {
            command.args(["--env", &format!("{name}={value}")]);
        }
        if self.write_back {
            command.arg("--write-back");
        }
        command.arg("--binary").arg(binary).arg("--dir").arg(dir).kill_on_drop(true);
        let status = command.status().await?;
        let (summary, results) = (Summary::read(dir), read::<Results>(&dir.join("results.json")));
        let (Ok(summary), Ok(results)) = (summary, results) else {
            let (verdict, broken) = (Verdict::Unknown, Vec::new());
            return Ok(Ran { verdict, broken, summary: Summary::default(), dir: dir.to_owned() });
        };
        let verdict = match status.code() {
            Some(0) => Verdict::Valid,
            Some(1) => Verdict::Invalid,
            _ => Verdict::Unknown,
        };
        let broken = results.rules.into_iter().filter(|rule| rule.verdict == Verdict::Invalid);
        let broken = broken.map(|rule| (rule.id, rule.examples.into_iter().next().unwrap_or_default()));
        Ok(Ran { verdict, broken: broken.collect(), summary, dir: dir.to_owned() })
    }
}

impl Ran {
    /// The faults that it wrote down.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let text = fs::read_to_string(self.dir.join("nemesis.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// `A2, B1`, or what the harness saw.
    pub(crate) fn said(&self) -> String {
        let rules: Vec<&str> = self.broken.iter().map(|(id, _)| id.as_str()).collect();
        let all: Vec<&str> = rules.into_iter().chain(self.summary.wrong.iter().map(String::as_str)).collect();
        all.join(", ")
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}
