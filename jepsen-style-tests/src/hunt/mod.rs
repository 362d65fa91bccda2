//! `jst planted`: every bug that the product can have is planted, one after another, and its checker must notice. The
//! catalogue is the product's own. A bug that is missed is a hole in the tests.

mod chase;
mod lanes;
mod tally;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;

use crate::checker::Verdict;
use crate::launch::Ran;
use crate::product::{Bug, planted_bugs};
use tally::Caught;
pub(crate) use tally::Tally;

/// Names the bug that a process has.
const VARIABLE: &str = "RAFTSMAN_PLANTED_BUG";
/// A bug that so many runs do not show is missed.
const RUNS_MAX: u64 = 2;
const PROCESS: &str = "process";

/// What to hunt for.
#[derive(clap::Args, Debug)]
pub(crate) struct Planted {
    /// Only these; all unless told.
    #[arg(long = "bug")]
    bugs: Vec<String>,
    /// Only those of these lanes: world, process, simulation.
    #[arg(long = "lane", value_delimiter = ',')]
    lanes: Vec<String>,
    /// Only the first so many of them in an order that the seed draws.
    #[arg(long)]
    some: Option<usize>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Each chase once more without its bug: it must be valid then.
    #[arg(long)]
    sound: bool,
    /// The product with the feature `planted-bugs`.
    #[arg(long, env = "JST_HURT_BINARY")]
    pub(crate) binary: Option<PathBuf>,
    /// `raftsman-simulation` with the feature `planted-bugs`; without it that lane is skipped, which fails.
    #[arg(long, env = "JST_HURT_SIMULATION")]
    simulation: Option<PathBuf>,
    /// Where the runs are kept.
    #[arg(long, default_value = "runs/planted")]
    dir: PathBuf,
}

impl Planted {
    /// So many of these lanes, drawn from the seed.
    pub(crate) fn some(
        some: usize,
        lanes: Vec<String>,
        seed: u64,
        simulation: Option<PathBuf>,
        dir: PathBuf,
    ) -> Planted {
        let (bugs, some, sound, binary) = (Vec::new(), Some(some), false, None);
        Planted { bugs, lanes, some, seed, sound, binary, simulation, dir }
    }

    /// Hunts; says whether every bug was caught.
    ///
    /// # Errors
    /// As [`Planted::hunt_all`].
    pub(crate) async fn run(self, binary: &Path) -> anyhow::Result<bool> {
        let tally = self.hunt_all(binary).await?;
        print!("{}", tally.table());
        Ok(tally.is_well())
    }

    /// Hunts each bug that was chosen.
    ///
    /// # Errors
    /// If the binary has no planted bugs, or one is asked for that it does not have.
    pub(crate) async fn hunt_all(&self, binary: &Path) -> anyhow::Result<Tally> {
        let bugs = self.chosen(planted_bugs(binary).await?)?;
        let mut tally = Tally::default();
        for bug in bugs.iter().filter(|bug| bug.lane == PROCESS) {
            self.hunt(binary, bug, &mut tally).await?;
        }
        let of = |lane: &str| bugs.iter().filter(|bug| bug.lane == lane).cloned().collect::<Vec<Bug>>();
        lanes::world(&of("world"), &mut tally).await?;
        let program = self.simulation.as_deref();
        lanes::simulation(&of("simulation"), program, &mut tally).await?;
        Ok(tally)
    }

    fn chosen(&self, all: Vec<Bug>) -> anyhow::Result<Vec<Bug>> {
        for name in &self.bugs {
            anyhow::ensure!(all.iter().any(|bug| bug.name == *name), "no bug is called {name}");
        }
        let named = |bug: &Bug| self.bugs.is_empty() || self.bugs.contains(&bug.name);
        let in_lane = |bug: &Bug| self.lanes.is_empty() || self.lanes.contains(&bug.lane);
        let mut bugs: Vec<Bug> = all.into_iter().filter(|bug| named(bug) && in_lane(bug)).collect();
        anyhow::ensure!(!bugs.is_empty(), "no bug is in {}", self.lanes.join(", "));
        if let Some(some) = self.some {
            fastrand::Rng::with_seed(self.seed).shuffle(&mut bugs);
            bugs.truncate(some);
        }
        Ok(bugs)
    }

    async fn hunt(&self, binary: &Path, bug: &Bug, tally: &mut Tally) -> anyhow::Result<()> {
        let began = Instant::now();
        let chase = chase::of(&bug.name).with_context(|| format!("nothing is known to show {}", bug.name))?;
        let env = vec![(VARIABLE.to_owned(), bug.name.clone())];
        let mut caught = None;
        let mut runs = 0;
        while caught.is_none() && runs < RUNS_MAX {
            let seed = self.seed + runs;
            runs += 1;
            let dir = self.dir.join(format!("{}-{seed}", bug.name));
            let ran = chase.launch(seed, env.clone()).run(binary, &dir).await?;
            was_planted(&dir, bug)?;
            let by = ran.broken.iter().find(|(rule, _)| *rule == bug.checker);
            println!("  {}: {} expected, broken: {}", bug.name, bug.checker, ran.said());
            caught = by.map(|(_, example)| example.clone());
        }
        let seconds = began.elapsed().as_secs();
        tally.add(bug, Caught { runs, unit: "runs", seconds, said: caught });
        if self.sound {
            let dir = self.dir.join(format!("{}-sound", bug.name));
            let ran = chase.launch(self.seed, Vec::new()).run(binary, &dir).await?;
            tally.sound(bug, is_sound(&ran));
        }
        Ok(())
    }
}

fn is_sound(ran: &Ran) -> Result<(), String> {
    if ran.verdict == Verdict::Valid { Ok(()) } else { Err(format!("{:?}: {}", ran.verdict, ran.said())) }
}

/// All processes of the run must have said that they have the bug: one that has not proves nothing.
fn was_planted(dir: &Path, bug: &Bug) -> anyhow::Result<()> {
    let said = format!("PLANTED BUG {}:", bug.name);
    let mut processes = 0;
    for entry in std::fs::read_dir(dir.join("nodes")).with_context(|| dir.display().to_string())? {
        let entry = entry?.path();
        for log in ["jobtracker.log", "tasktracker.log"].map(|name| entry.join(name)) {
            let Ok(text) = std::fs::read_to_string(&log) else { continue };
            if !text.is_empty() {
                anyhow::ensure!(text.contains(&said), "{}: {} is not planted", log.display(), bug.name);
                processes += 1;
            }
        }
    }
    anyhow::ensure!(processes > 0, "{}: no process has written anything", dir.display());
    Ok(())
}
