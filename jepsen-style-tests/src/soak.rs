//! `jst soak`: one run after another, each a process of its own with the next seed, and a row in RESULTS.md for all of
//! them together. Nothing stands there that the runs did not write down themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use tokio::time::Instant;

use crate::doctor::ask;
use crate::nemesis::Family;
use crate::stamp::wall_text;
use crate::summary::Summary;
use crate::workload::Workload;

/// Families of faults in a run, at least and at most.
const FAMILIES: std::ops::RangeInclusive<usize> = 3..=5;

/// What to repeat.
#[derive(clap::Args, Debug)]
pub(crate) struct Soak {
    /// No run begins after so many hours.
    #[arg(long)]
    hours: f64,
    /// The first seed; the others follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds under faults in each run.
    #[arg(long, default_value_t = 60)]
    time: u64,
    /// No more runs than this.
    #[arg(long)]
    runs: Option<u64>,
    /// The product.
    #[arg(long, env = "JST_BINARY")]
    pub(crate) binary: Option<PathBuf>,
    /// One workload only.
    #[arg(long, value_enum)]
    workload: Option<Workload>,
    /// Among these families of faults; all that the machine allows unless told.
    #[arg(long, value_enum, value_delimiter = ',')]
    nemesis: Vec<Family>,
    /// The commit of the binary, for the row.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Where the row is appended.
    #[arg(long, default_value = "jepsen-style-tests/RESULTS.md")]
    results: PathBuf,
    /// Where runs are kept; those that found nothing are removed unless `--keep`.
    #[arg(long, default_value = "runs")]
    dir: PathBuf,
    #[arg(long)]
    keep: bool,
}

/// What all runs came to.
#[derive(Debug, Default)]
struct Total {
    runs: u64,
    valid: u64,
    invalid: Vec<String>,
    unknown: Vec<String>,
    figures: Summary,
}

impl Soak {
    /// Runs until the time is over; says whether all was well.
    ///
    /// # Errors
    /// If a run cannot be started or the row cannot be written.
    pub(crate) async fn run(self, binary: &Path) -> anyhow::Result<bool> {
        let allowed = self.allowed().await?;
        let began = Instant::now();
        let started_at = wall_text();
        let mut total = Total::default();
        let mut seed = self.seed;
        while began.elapsed() < Duration::from_secs_f64(self.hours * 3600.0)
            && self.runs.is_none_or(|runs| total.runs < runs)
        {
            let order = draw(seed, self.workload, &allowed);
            self.one(binary, seed, &order, &mut total).await?;
            seed += 1;
        }
        let row = self.row(&started_at, seed, &total);
        println!("{row}");
        append(&self.results, &row)?;
        Ok(total.invalid.is_empty() && total.unknown.is_empty())
    }

    async fn allowed(&self) -> anyhow::Result<Vec<Family>> {
        let wanted = if self.nemesis.is_empty() { Family::of_the_shipped() } else { self.nemesis.clone() };
        let findings = ask(wanted.clone()).await?;
        for finding in findings.iter().filter(|finding| finding.problem.is_some()) {
            println!("skipped: {}", finding.family.name());
        }
        let allowed =
            findings.iter().filter(|finding| finding.problem.is_none()).map(|finding| finding.family);
        let allowed: Vec<Family> = allowed.filter(|family| wanted.contains(family)).collect();
        anyhow::ensure!(!allowed.is_empty(), "this machine allows none of the faults");
        Ok(allowed)
    }

    async fn one(&self, binary: &Path, seed: u64, order: &Order, total: &mut Total) -> anyhow::Result<()> {
        let name = format!("{}-{seed}", order.workload.name());
        let dir = self.dir.join(&name);
        let families: Vec<String> = order.families.iter().map(|family| family.name()).collect();
        let program = std::env::current_exe().context("this program has a path")?;
        let mut command = tokio::process::Command::new(program);
        command.args(["run", "--workload", &order.workload.name(), "--nemesis", &families.join(",")]);
        command.args(["--seed", &seed.to_string(), "--time", &self.time.to_string()]);
        command.arg("--binary").arg(binary).arg("--dir").arg(&dir).kill_on_drop(true);
        let status = command.status().await?;
        total.runs += 1;
        match (verdict(status), Summary::read(&dir)) {
            (Verdict::Valid, Ok(figures)) => {
                total.valid += 1;
                total.figures.add(figures);
                if !self.keep {
                    fs::remove_dir_all(&dir)?;
                }
            }
            (Verdict::Invalid, Ok(figures)) => {
                total.invalid.push(name);
                total.figures.add(figures);
            }
            (Verdict::Unknown, Ok(figures)) => {
                total.unknown.push(name);
                total.figures.add(figures);
            }
            // It did not come to its end.
            (_, Err(_)) => total.unknown.push(name),
        }
        Ok(())
    }

    fn row(&self, started_at: &str, next_seed: u64, total: &Total) -> String {
        let Total { runs, valid, invalid, unknown, figures } = total;
        format!(
            "| {started_at} | {} | {runs} × {} s, seeds {} to {} | {} answered, {} refused, {} unknown | {} | \
             {valid} valid, {} invalid{}, {} unknown{} |",
            self.commit,
            self.time,
            self.seed,
            next_seed.saturating_sub(1),
            figures.answered,
            figures.refused,
            figures.unknown,
            figures.faults_text(),
            invalid.len(),
            listed(invalid),
            unknown.len(),
            listed(unknown),
        )
    }
}

/// One run to come.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) workload: Workload,
    pub(crate) families: Vec<Family>,
}

/// Workloads take turns; the families are drawn from the seed, and what a workload is named after is always there.
pub(crate) fn draw(seed: u64, only: Option<Workload>, allowed: &[Family]) -> Order {
    let turn = usize::try_from(seed % Workload::ALL.len() as u64).expect("less than six");
    let workload = only.unwrap_or(Workload::ALL[turn]);
    let mut rng = Rng::with_seed(seed);
    let mut families: Vec<Family> =
        workload.must_have().iter().copied().filter(|family| allowed.contains(family)).collect();
    let count = rng.usize(FAMILIES).min(allowed.len());
    let mut others: Vec<Family> =
        allowed.iter().copied().filter(|family| !families.contains(family)).collect();
    rng.shuffle(&mut others);
    families.extend(others.into_iter().take(count.saturating_sub(families.len())));
    Order { workload, families }
}

enum Verdict {
    Valid,
    Invalid,
    Unknown,
}

/// The exit code of `jst run`.
fn verdict(status: ExitStatus) -> Verdict {
    match status.code() {
        Some(0) => Verdict::Valid,
        Some(1) => Verdict::Invalid,
        _ => Verdict::Unknown,
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn append(results: &Path, row: &str) -> anyhow::Result<()> {
    let before = fs::read_to_string(results).with_context(|| results.display().to_string())?;
    // The table of soaks is the last thing in the file.
    Ok(fs::write(results, format!("{}\n{row}\n", before.trim_end()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_and_every_family_has_its_turn_and_a_seed_always_draws_the_same() {
        let orders: Vec<Order> = (0..160).map(|seed| draw(seed, None, Family::ALL)).collect();
        for workload in Workload::ALL {
            assert_eq!(orders.iter().filter(|order| order.workload == workload).count(), 20);
        }
        for family in Family::ALL {
            let runs = orders.iter().filter(|order| order.families.contains(family)).count();
            assert!(runs >= 5, "{family:?} in {runs} runs");
        }
        assert_eq!(format!("{:?}", draw(7, None, Family::ALL)), format!("{:?}", orders[7]));
    }
}
