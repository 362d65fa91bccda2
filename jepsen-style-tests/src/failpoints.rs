//! `jst failpoints`: the product panics at every place that it names, in runs of several places each, and what the
//! cluster makes of it is judged. A place that nothing reached is told and fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;

use crate::checker::Verdict;
use crate::generator::schedule::{Aim, Plan};
use crate::launch::{Launch, Ran};
use crate::nemesis::Family;
use crate::nemesis::failpoint::{struck, wants_a_long_log};
use crate::product;
use crate::workload::Workload;

/// How often a place is tried before it counts as not reached.
const TRIES_MAX: u32 = 3;

/// A run of few places is not longer than these need.
const EACH_S: u64 = 7;
const BASE_S: u64 = 5;
/// By then logs have been shortened, and such a place needs that.
const LONG_LOG_S: u64 = 15;

/// Where to panic.
#[derive(clap::Args, Debug)]
pub(crate) struct Failpoints {
    /// Only these; all unless told.
    #[arg(long = "name")]
    names: Vec<String>,
    /// Only so many of them, drawn from the seed.
    #[arg(long)]
    some: Option<usize>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds under faults in each run.
    #[arg(long, default_value_t = 90)]
    time: u64,
    /// The product with the feature `failpoints`.
    #[arg(long, env = "JST_HURT_BINARY")]
    pub(crate) binary: Option<PathBuf>,
    /// Where the runs are kept.
    #[arg(long, default_value = "runs/failpoints")]
    dir: PathBuf,
}

/// What happened at one place.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Its number in the product's list.
    number: usize,
    tries: u32,
    panicked: u32,
    verdicts: Vec<String>,
}

impl Place {
    fn is_open(&self) -> bool {
        self.panicked == 0 && self.tries < TRIES_MAX
    }
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) unreached: Vec<String>,
    pub(crate) invalid: Vec<String>,
    /// Nobody can say what these runs were.
    pub(crate) unknown: Vec<String>,
}

impl Outcome {
    /// Each was reached and every run was valid.
    pub(crate) fn is_well(&self) -> bool {
        self.unreached.is_empty() && self.invalid.is_empty() && self.unknown.is_empty()
    }
}

impl Failpoints {
    /// So many, drawn from the seed.
    pub(crate) fn some(some: usize, seed: u64, time: u64, dir: PathBuf) -> Failpoints {
        Failpoints { names: Vec::new(), some: Some(some), seed, time, binary: None, dir }
    }

    /// Goes through all of them.
    ///
    /// # Errors
    /// If the binary has no failpoints, one is asked for that it does not have, or a run tried none.
    pub(crate) async fn run(self, binary: &Path) -> anyhow::Result<Outcome> {
        let all = product::failpoints(binary).await?;
        let mut places = self.chosen(&all)?;
        let mut rng = Rng::with_seed(self.seed);
        let (mut runs, mut outcome) = (0, Outcome::default());
        while places.values().any(Place::is_open) {
            let seed = self.seed + runs;
            let dir = self.dir.join(format!("failpoints-{seed}"));
            let ran = self.launch(&places, seed, &mut rng).run(binary, &dir).await?;
            runs += 1;
            let said = || format!("failpoints-{seed}: {:?} {}", ran.verdict, ran.said());
            match ran.verdict {
                Verdict::Valid => {}
                Verdict::Unknown => outcome.unknown.push(said()),
                Verdict::Invalid | Verdict::NotExercised => outcome.invalid.push(said()),
            }
            anyhow::ensure!(note(&mut places, &ran), "failpoints-{seed}: no place was tried");
        }
        let unreached = places.iter().filter(|(_, place)| place.panicked == 0);
        outcome.unreached = unreached.map(|(name, _)| name.clone()).collect();
        tell(&places, runs, &outcome);
        Ok(outcome)
    }

    fn chosen(&self, all: &[String]) -> anyhow::Result<BTreeMap<String, Place>> {
        for name in &self.names {
            anyhow::ensure!(all.contains(name), "no failpoint is called {name}");
        }
        let mut names: Vec<(usize, &String)> = all.iter().enumerate().collect();
        names.retain(|(_, name)| self.names.is_empty() || self.names.contains(name));
        if let Some(some) = self.some {
            Rng::with_seed(self.seed).shuffle(&mut names);
            names.truncate(some);
        }
        let place = |(number, name): (usize, &String)| (name.clone(), Place { number, ..Place::default() });
        Ok(names.into_iter().map(place).collect())
    }

    /// All that are open, one after another as soon as each is over; what does not fit comes in the next run.
    fn launch(&self, places: &BTreeMap<String, Place>, seed: u64, rng: &mut Rng) -> Launch {
        let open = places.iter().filter(|(_, place)| place.is_open());
        let mut open: Vec<(bool, &Place)> =
            open.map(|(name, place)| (wants_a_long_log(name), place)).collect();
        rng.shuffle(&mut open);
        open.sort_by_key(|(long, place)| (place.tries, *long));
        let begin_s = if open.iter().any(|(long, _)| *long) { LONG_LOG_S } else { BASE_S };
        let time_s = self.time.min(begin_s + EACH_S * open.len() as u64);
        let plan = |(number, (long, place)): (usize, (bool, &Place))| Plan {
            family: Family::Failpoint,
            at: Duration::from_secs(if long { LONG_LOG_S } else { 0 })
                + Duration::from_millis(500 + number as u64),
            hold: Duration::ZERO,
            aim: if rng.bool() { Aim::Leader } else { Aim::One(0) },
            variant: place.number,
            measure: rng.u32(..100),
        };
        let told = open.into_iter().enumerate().map(plan).collect();
        let (workload, time) = (Workload::Mixed, Duration::from_secs(time_s));
        Launch {
            workload,
            families: vec![Family::Failpoint],
            told,
            seed,
            time,
            env: Vec::new(),
            write_back: false,
        }
    }
}

/// Counts what a run struck; says whether it struck anything.
fn note(places: &mut BTreeMap<String, Place>, ran: &Ran) -> bool {
    let struck = struck(&ran.faults());
    for one in &struck {
        let Some(place) = places.get_mut(&one.name) else { continue };
        place.tries += 1;
        place.panicked += u32::from(one.panicked);
        place.verdicts.push(crate::check::word(ran.verdict).to_owned());
    }
    !struck.is_empty()
}

fn tell(places: &BTreeMap<String, Place>, runs: u64, outcome: &Outcome) {
    println!("{:<32} {:>5} {:>8}  the runs were", "failpoint", "tries", "panicked");
    for (name, place) in places {
        let reached = if place.panicked == 0 { "NOT REACHED " } else { "" };
        println!(
            "{name:<32} {:>5} {:>8}  {reached}{}",
            place.tries,
            place.panicked,
            place.verdicts.join(", ")
        );
    }
    let reached = places.len() - outcome.unreached.len();
    let panics: u32 = places.values().map(|place| place.panicked).sum();
    let wrong: Vec<&String> = outcome.invalid.iter().chain(&outcome.unknown).collect();
    wrong.iter().for_each(|wrong| println!("{wrong}"));
    println!(
        "failpoints: {reached} of {} reached, {panics} panics in {runs} runs, {} runs not valid",
        places.len(),
        wrong.len()
    );
}
