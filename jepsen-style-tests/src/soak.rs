//! `jst soak`: one run after another, each a process of its own with the next seed, and a row in RESULTS.md for all of
//! them together. Nothing stands there that the runs did not write down themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use tokio::task::JoinSet;
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
    /// So many runs side by side.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
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
    /// In how many runs each family of faults came about.
    families: BTreeMap<String, u64>,
}

/// What one run came to.
struct Outcome {
    name: String,
    dir: PathBuf,
    verdict: Verdict,
    families: Vec<Family>,
    /// None if it did not come to its end.
    figures: Option<Summary>,
}

impl Soak {
    /// Runs until the time is over; says whether all was well.
    ///
    /// # Errors
    /// If a run cannot be started or the row cannot be written.
    pub(crate) async fn run(self, binary: &Path) -> anyhow::Result<bool> {
        let mut deck = Deck::of(self.seed, self.allowed().await?);
        let began = Instant::now();
        let started_at = wall_text();
        let mut total = Total::default();
        let mut seed = self.seed;
        let mut under_way = JoinSet::new();
        loop {
            let time_is_left = began.elapsed() < Duration::from_secs_f64(self.hours * 3600.0)
                && self.runs.is_none_or(|runs| seed - self.seed < runs);
            if time_is_left && under_way.len() < self.jobs.max(1) {
                let order = draw(seed, self.workload, &mut deck);
                under_way.spawn(self.one(binary, seed, order)?);
                seed += 1;
            } else if let Some(ended) = under_way.join_next().await {
                self.count(ended??, &mut total)?;
            } else {
                break;
            }
        }
        let row = self.row(&started_at, seed, &total);
        println!("{row}");
        append(&self.results, &row)?;
        bars(&total).iter().for_each(|bar| println!("{bar}"));
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

    /// A run in a process of its own.
    fn one(
        &self,
        binary: &Path,
        seed: u64,
        order: Order,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<Outcome>> + use<>> {
        let name = format!("{}-{seed}", order.workload.name());
        let dir = self.dir.join(&name);
        let families: Vec<String> = order.families.iter().map(|family| family.name()).collect();
        let program = std::env::current_exe().context("this program has a path")?;
        let mut command = tokio::process::Command::new(program);
        command.args(["run", "--workload", &order.workload.name(), "--nemesis", &families.join(",")]);
        command.args(["--seed", &seed.to_string(), "--time", &self.time.to_string()]);
        command.arg("--binary").arg(binary).arg("--dir").arg(&dir).kill_on_drop(true);
        Ok(async move {
            let verdict = verdict(command.status().await?);
            let figures = Summary::read(&dir).ok();
            Ok(Outcome { name, dir, verdict, families: order.families, figures })
        })
    }

    fn count(&self, outcome: Outcome, total: &mut Total) -> anyhow::Result<()> {
        let Outcome { name, dir, verdict, families, figures } = outcome;
        total.runs += 1;
        // It may have been judged by nobody.
        let Some(figures) = figures else {
            total.unknown.push(name);
            return Ok(());
        };
        for family in families.iter().filter(|family| came_about(**family, &figures)) {
            *total.families.entry(family.name()).or_default() += 1;
        }
        total.figures.add(figures);
        match verdict {
            Verdict::Valid => {
                total.valid += 1;
                if !self.keep {
                    fs::remove_dir_all(&dir)?;
                }
            }
            Verdict::Invalid => total.invalid.push(name),
            Verdict::Unknown => total.unknown.push(name),
        }
        Ok(())
    }

    fn row(&self, started_at: &str, next_seed: u64, total: &Total) -> String {
        let Total { runs, valid, invalid, unknown, figures, .. } = total;
        format!(
            "| {started_at} | {}, configuration {} | {runs} × {} s, seeds {} to {} | {} answered, of them {} changes, \
             {} sent again by a successor, {} refused, {} unknown | {} power cuts, {} kills of a leader: {} | \
             {valid} valid, {} invalid{}, {} unknown{} |",
            self.commit,
            figures.config_hash,
            self.time,
            self.seed,
            next_seed.saturating_sub(1),
            figures.answered,
            figures.changes,
            figures.inherited,
            figures.refused,
            figures.unknown,
            figures.power_cuts(),
            figures.leader_kills(),
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

/// Deals families of faults: each comes as often as any other, in an order that is drawn from the soak's first seed.
#[derive(Debug)]
pub(crate) struct Deck {
    rng: Rng,
    all: Vec<Family>,
    left: Vec<Family>,
}

impl Deck {
    pub(crate) fn of(seed: u64, all: Vec<Family>) -> Deck {
        Deck { rng: Rng::with_seed(seed), all, left: Vec::new() }
    }

    /// So many that are not among those that were taken already.
    fn deal(&mut self, count: usize, taken: &mut Vec<Family>) {
        while taken.len() < count.min(self.all.len()) {
            match self.left.iter().rposition(|family| !taken.contains(family)) {
                Some(i) => taken.push(self.left.remove(i)),
                None => {
                    let mut fresh = self.all.clone();
                    self.rng.shuffle(&mut fresh);
                    fresh.append(&mut self.left);
                    self.left = fresh;
                }
            }
        }
    }
}

/// Workloads take turns; what a workload is named after is always there, and so is the death of leaders.
pub(crate) fn draw(seed: u64, only: Option<Workload>, deck: &mut Deck) -> Order {
    let turn = usize::try_from(seed % Workload::SOAKED.len() as u64).expect("a small number");
    let workload = only.unwrap_or(Workload::SOAKED[turn]);
    let mut rng = Rng::with_seed(seed);
    let wanted = workload.must_have().iter().chain(&[Family::Kill]).copied();
    let mut families: Vec<Family> = wanted.filter(|family| deck.all.contains(family)).collect();
    deck.deal(rng.usize(FAMILIES), &mut families);
    Order { workload, families }
}

/// A setting comes about by itself; others may have found no time, or were not installed.
fn came_about(family: Family, figures: &Summary) -> bool {
    let name = family.name();
    let of = format!("{name} of ");
    family.lane().is_none() || figures.faults.keys().any(|kind| *kind == name || kind.starts_with(&of))
}

/// What a soak is to reach, and whether this one did.
fn bars(total: &Total) -> Vec<String> {
    let fewest = Family::of_the_shipped()
        .iter()
        .map(|family| (total.families.get(&family.name()).copied().unwrap_or(0), family.name()))
        .min();
    let (fewest, which) = fewest.unwrap_or_default();
    let bars = [
        ("valid runs".to_owned(), total.valid, 60),
        ("power cuts".to_owned(), total.figures.power_cuts(), 60),
        ("kills of a leader".to_owned(), total.figures.leader_kills(), 150),
        ("operations answered".to_owned(), total.figures.answered, 300_000),
        (format!("runs of the rarest family, {which}"), fewest, 5),
    ];
    let mut told: Vec<String> = bars
        .into_iter()
        .map(|(what, is, least)| {
            let word = if is >= least { "met" } else { "NOT MET" };
            format!("bar {word}: {is} {what}, at least {least}")
        })
        .collect();
    let well = total.invalid.is_empty() && total.unknown.is_empty();
    told.push(format!("bar {}: all runs valid", if well { "met" } else { "NOT MET" }));
    told
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
    use crate::generator::schedule::{Aim, schedule};

    #[test]
    fn in_six_rounds_every_workload_and_every_family_has_its_turns_and_a_seed_always_draws_the_same() {
        let runs = 6 * Workload::SOAKED.len() as u64;
        for first in [1, 1000, 77_777] {
            let drawn = || {
                let mut deck = Deck::of(first, Family::ALL.to_vec());
                (first..first + runs).map(|seed| draw(seed, None, &mut deck)).collect::<Vec<Order>>()
            };
            let orders = drawn();
            for workload in Workload::SOAKED {
                assert!(orders.iter().filter(|order| order.workload == workload).count() >= 6);
            }
            for order in &orders {
                assert!(FAMILIES.contains(&order.families.len()), "{order:?}");
                assert!(order.families.contains(&Family::Kill), "{order:?}");
            }
            for family in Family::ALL {
                let runs = orders.iter().filter(|order| order.families.contains(family)).count();
                assert!(runs >= 6, "first seed {first}: {family:?} in {runs} runs");
            }
            assert_eq!(format!("{:?}", drawn()), format!("{orders:?}"));
        }
    }

    #[test]
    fn sixty_runs_of_forty_seconds_kill_enough_leaders() {
        let mut deck = Deck::of(1, Family::ALL.to_vec());
        let planned = (1..=60).flat_map(|seed| {
            let order = draw(seed, None, &mut deck);
            schedule(seed, &order.families, Duration::from_secs(40))
        });
        let kills =
            planned.filter(|plan| plan.family == Family::Kill && matches!(plan.aim, Aim::Leader | Aim::All));
        let kills = kills.count();
        println!("{kills} kills of a leader are planned");
        assert!(kills >= 180, "{kills}");
    }

    #[test]
    fn a_soak_says_which_bars_it_met() {
        let figures = Summary { answered: 300_000, ..Summary::default() };
        let total =
            Total { runs: 60, valid: 59, invalid: vec!["cron-7".into()], figures, ..Total::default() };
        let told = bars(&total);
        assert!(told.contains(&"bar NOT MET: 59 valid runs, at least 60".to_owned()), "{told:?}");
        assert!(
            told.contains(&"bar met: 300000 operations answered, at least 300000".to_owned()),
            "{told:?}"
        );
        assert!(told.contains(&"bar NOT MET: all runs valid".to_owned()), "{told:?}");
    }
}
