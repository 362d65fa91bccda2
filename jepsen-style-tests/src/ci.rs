//! `jst ci`: what fits into some minutes, drawn from a seed: real clusters under faults, some failpoints, some planted
//! bugs. What this machine does not allow is skipped and counted; what is unknown is run once more, and both are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::checker::Verdict;
use crate::doctor::ask;
use crate::failpoints::Failpoints;
use crate::hunt::Planted;
use crate::launch::{Launch, Ran};
use crate::nemesis::Family;
use crate::product;
use crate::soak::{Deck, draw};
use crate::workload::Workload;

/// Under faults; booting, draining and reading back take as long again.
const TIME: Duration = Duration::from_secs(25);
/// What a run takes at most before it is over, as far as its begin is concerned.
const RUN_TAKES: Duration = Duration::from_secs(80);
const FAILPOINTS: usize = 10;
const FAILPOINTS_TIME_S: u64 = 70;
const BUGS: usize = 2;

/// How long, and drawn from what.
#[derive(clap::Args, Debug)]
pub(crate) struct Ci {
    /// No process run begins that would not be over after so many seconds; planted bugs come on top.
    #[arg(long, default_value_t = 480)]
    seconds: u64,
    /// What all choices are drawn from.
    #[arg(long)]
    seed: u64,
    /// The product as it is shipped.
    #[arg(long, env = "JST_BINARY")]
    pub(crate) binary: Option<PathBuf>,
    /// The product with the features `planted-bugs` and `failpoints`.
    #[arg(long, env = "JST_HURT_BINARY")]
    hurt_binary: PathBuf,
    /// `raftsman-simulation` with the feature `planted-bugs`.
    #[arg(long, env = "JST_HURT_SIMULATION")]
    simulation: Option<PathBuf>,
    /// Where the runs are kept.
    #[arg(long, default_value = "runs/ci")]
    dir: PathBuf,
}

/// What was done.
#[derive(Debug, Default)]
struct Count {
    passed: Vec<String>,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Ci {
    /// Does it; says whether nothing failed.
    ///
    /// # Errors
    /// If a run cannot be started at all.
    pub(crate) async fn run(self, binary: &Path) -> anyhow::Result<bool> {
        println!("seed {}", self.seed);
        let mut count = Count::default();
        let (allowed, no_cluster) = self.allowed(&mut count).await?;
        match no_cluster {
            None => self.clusters(binary, &allowed, &mut count).await?,
            Some(why) => count.skip(format!("all runs of real clusters: {why}")),
        }
        self.bugs(no_cluster.is_none(), &mut count).await?;
        count.tell();
        Ok(count.failed.is_empty())
    }

    /// The faults that can be had; and why there can be no cluster, if so.
    async fn allowed(&self, count: &mut Count) -> anyhow::Result<(Vec<Family>, Option<&'static str>)> {
        let findings = ask(Family::of_the_shipped()).await?;
        let mut allowed = Vec::new();
        for finding in findings {
            match finding.problem {
                None => allowed.push(finding.family),
                Some(problem) => count.skip(format!("{}: {problem}", finding.family.name())),
            }
        }
        // A kill needs no more than a stage: namespaces and mounts.
        let no_cluster =
            (!allowed.contains(&Family::Kill)).then_some("no namespaces or mounts; see jst doctor");
        Ok((allowed, no_cluster))
    }

    async fn clusters(&self, binary: &Path, allowed: &[Family], count: &mut Count) -> anyhow::Result<()> {
        let began = Instant::now();
        let until = Duration::from_secs(self.seconds);
        match product::failpoints(&self.hurt_binary).await {
            Ok(_) => self.failpoints(count).await?,
            Err(error) => count.skip(format!("{FAILPOINTS} failpoints: {error:#}")),
        }
        let mut workloads = Workload::ALL.to_vec();
        Rng::with_seed(self.seed).shuffle(&mut workloads);
        let mut deck = Deck::of(self.seed, allowed.to_vec());
        for (number, workload) in workloads.into_iter().cycle().enumerate() {
            if began.elapsed() + RUN_TAKES > until {
                break;
            }
            let seed = self.seed.wrapping_add(number as u64);
            let order = draw(seed, Some(workload), &mut deck);
            let launch = Launch {
                workload,
                families: order.families,
                told: Vec::new(),
                seed,
                time: TIME,
                env: Vec::new(),
                write_back: false,
            };
            self.one(binary, &launch, count).await?;
        }
        Ok(())
    }

    /// Once more if nobody knows what it was. A place that a slow machine did not reach in time is no fault of the product's:
    /// `jst failpoints` fails for it.
    async fn failpoints(&self, count: &mut Count) -> anyhow::Result<()> {
        let some = |dir: &str| {
            Failpoints::some(FAILPOINTS, self.seed, FAILPOINTS_TIME_S, self.dir.join(dir))
                .run(&self.hurt_binary)
        };
        let mut outcome = some("failpoints").await?;
        if outcome.invalid.is_empty() && !outcome.unknown.is_empty() {
            println!("  the failpoints are unknown; once more");
            outcome = some("failpoints-again").await?;
        }
        outcome.unreached.iter().for_each(|name| count.skip(format!("failpoint {name}: not reached")));
        let well = outcome.invalid.is_empty() && outcome.unknown.is_empty();
        count.note(format!("{FAILPOINTS} failpoints"), well);
        Ok(())
    }

    /// Once more if nobody knows what it was.
    async fn one(&self, binary: &Path, launch: &Launch, count: &mut Count) -> anyhow::Result<()> {
        let name = format!("{}-{}", launch.workload.name(), launch.seed);
        let mut ran = launch.run(binary, &self.dir.join(&name)).await?;
        let mut told = name.clone();
        if ran.verdict == Verdict::Unknown {
            println!("  {name} is unknown; once more");
            told = format!("{name} (unknown at first)");
            ran = launch.run(binary, &self.dir.join(format!("{name}-again"))).await?;
        }
        let well = is_valid(&ran);
        count.note(if well { told } else { format!("{told}: {:?} {}", ran.verdict, ran.said()) }, well);
        Ok(())
    }

    async fn bugs(&self, clusters: bool, count: &mut Count) -> anyhow::Result<()> {
        let mut lanes = vec!["world".to_owned()];
        lanes.extend(clusters.then(|| "process".to_owned()));
        lanes.extend(self.simulation.is_some().then(|| "simulation".to_owned()));
        let dir = self.dir.join("planted");
        let hunt = Planted::some(BUGS, lanes, self.seed, self.simulation.clone(), dir);
        if let Err(error) = product::planted_bugs(&self.hurt_binary).await {
            count.skip(format!("{BUGS} planted bugs: {error:#}"));
            return Ok(());
        }
        let tally = hunt.hunt_all(&self.hurt_binary).await?;
        print!("{}", tally.table());
        for (bug, caught) in tally.verdicts() {
            count.note(format!("planted bug {bug}"), caught);
        }
        Ok(())
    }
}

fn is_valid(ran: &Ran) -> bool {
    ran.verdict == Verdict::Valid
}

impl Count {
    fn skip(&mut self, what: String) {
        println!("SKIPPED {what}");
        self.skipped.push(what);
    }

    fn note(&mut self, what: String, well: bool) {
        if well { &mut self.passed } else { &mut self.failed }.push(what);
    }

    fn tell(&self) {
        for (word, all) in [("passed", &self.passed), ("FAILED", &self.failed), ("skipped", &self.skipped)] {
            all.iter().for_each(|what| println!("{word:<8} {what}"));
        }
        let [passed, failed, skipped] = [&self.passed, &self.failed, &self.skipped].map(Vec::len);
        println!("{passed} passed, {failed} failed, {skipped} skipped");
    }
}
