//! Many seeds, each in a process of its own, so that nothing is left over from the one before: one line per seed, and in
//! the end what they met, which must be enough.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::least;
use super::minimise::minimise;
use crate::domain::{Clock, SystemClock};

/// Without `--twice` each so manyth seed is run twice all the same.
const TWICE_EVERY: u64 = 20;

#[derive(Clone, Debug)]
pub(super) enum Seeds {
    Listed(Vec<u64>),
    /// These, and then all from `from` on that begin within this.
    While {
        listed: Vec<u64>,
        from: u64,
        within: Duration,
        at_least: u64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) seeds: Seeds,
    pub(super) twice: bool,
    pub(super) minimise: bool,
    pub(super) skip: BTreeSet<usize>,
    pub(super) jobs: usize,
}

/// What a process said about its seed.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) green: bool,
    trace: String,
    simulated: f64,
    cpu: f64,
    line: String,
    options: String,
    met: Vec<(u64, String)>,
    pub(super) broken: String,
}

/// Lives a seed in a process of its own, with a planted bug if one is named.
pub(super) fn ask_process(seed: u64, skip: &BTreeSet<usize>, bug: Option<&str>) -> Said {
    let mut command = Command::new(std::env::current_exe().expect("a process knows its program"));
    command.args(["--seed", &seed.to_string(), "--here"]).stderr(Stdio::null());
    #[cfg(feature = "planted-bugs")]
    if let Some(bug) = bug {
        command.env(crate::planted::VARIABLE, bug);
    }
    #[cfg(not(feature = "planted-bugs"))]
    debug_assert_eq!(bug, None, "no bug can be planted here");
    if !skip.is_empty() {
        let skip: Vec<String> = skip.iter().map(ToString::to_string).collect();
        command.args(["--skip", &skip.join(",")]);
    }
    let output = command.output().expect("the program can be started once more");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut said = Said { green: output.status.success(), ..Said::default() };
    for line in text.lines() {
        if let Some(options) = line.strip_prefix("  options: ") {
            options.clone_into(&mut said.options);
        } else if let Some(met) = line.strip_prefix("  met: ") {
            let count = |one: &str| {
                one.split_once(' ').and_then(|(count, what)| Some((count.parse().ok()?, what.to_owned())))
            };
            said.met = met.split("; ").filter_map(count).collect();
        } else if let Some(broken) = line.strip_prefix("  broken ") {
            broken.clone_into(&mut said.broken);
        } else {
            line.clone_into(&mut said.line);
            let word = |before: &str| {
                line.split(", ").find_map(|part| part.strip_suffix(before)).unwrap_or_default()
            };
            let last_number = |text: &str| {
                text.split(' ').next_back().and_then(|number| number.parse().ok()).unwrap_or(0.0)
            };
            said.simulated = last_number(word(" s simulated"));
            said.cpu = last_number(word(" s of a core"));
            said.trace = line.split("trace ").nth(1).unwrap_or_default().chars().take(16).collect();
        }
    }
    if said.line.is_empty() {
        (said.green, said.line) =
            (false, format!("seed {seed}: the process ended as {}, BROKEN", output.status));
    }
    said
}

#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    broken: BTreeSet<u64>,
    differs: BTreeSet<u64>,
    twice: u64,
    simulated: f64,
    cpu: f64,
    met: BTreeMap<String, u64>,
}

/// Hands out one seed after the other.
#[derive(Debug)]
struct Next {
    handed_out: u64,
    began: Instant,
}

impl Next {
    fn seed(&mut self, seeds: &Seeds) -> Option<u64> {
        let number = self.handed_out;
        self.handed_out += 1;
        let place = usize::try_from(number).expect("nobody runs so many seeds");
        match seeds {
            Seeds::Listed(seeds) => seeds.get(place).copied(),
            Seeds::While { listed, from, within, at_least } => {
                let beyond = number.saturating_sub(listed.len() as u64);
                let goes_on =
                    beyond < *at_least || SystemClock.monotonic().duration_since(self.began) < *within;
                listed.get(place).copied().or_else(|| goes_on.then(|| from + beyond))
            }
        }
    }
}

/// Runs them all.
pub(super) fn run(batch: &Batch) -> ExitCode {
    let began = SystemClock.monotonic();
    let next = Mutex::new(Next { handed_out: 0, began });
    let sum = Mutex::new(Sum::default());
    let work = || {
        while let Some(seed) = { next.lock().seed(&batch.seeds) } {
            run_seed(seed, batch, &sum);
        }
    };
    std::thread::scope(|scope| (0..batch.jobs).for_each(|_| drop(scope.spawn(work))));
    report(&sum.into_inner(), SystemClock.monotonic().saturating_duration_since(began))
}

fn run_seed(seed: u64, batch: &Batch, sum: &Mutex<Sum>) {
    let said = ask_process(seed, &batch.skip, None);
    // What broke has to break again.
    let twice = batch.twice || seed.is_multiple_of(TWICE_EVERY) || !said.green;
    let again = twice.then(|| ask_process(seed, &batch.skip, None));
    let mut lines = format!("{} | {}", said.line, said.options);
    if !said.green {
        lines += &format!("\n  broken {}", said.broken);
    }
    {
        let mut sum = sum.lock();
        sum.seeds += 1;
        for said in [Some(&said), again.as_ref()].into_iter().flatten() {
            sum.simulated += said.simulated;
            sum.cpu += said.cpu;
            if !said.green {
                sum.broken.insert(seed);
            }
        }
        for (count, what) in &said.met {
            *sum.met.entry(what.clone()).or_default() += count;
        }
        if let Some(again) = &again {
            sum.twice += 1;
            if again.trace != said.trace || again.broken != said.broken {
                sum.differs.insert(seed);
                lines += &format!("\n  DIFFERS: the second run's trace is {} {}", again.trace, again.broken);
            }
        }
        println!("{lines}");
    }
    if batch.minimise && !said.green {
        minimise(seed, &batch.skip, &said.broken);
    }
}

fn report(sum: &Sum, took: Duration) -> ExitCode {
    for (what, count) in &sum.met {
        println!("{count:>9} {what}");
    }
    let missing = least::missing(&sum.met, sum.seeds);
    for missing in &missing {
        println!("UNKNOWN: {missing}");
    }
    let failed: BTreeSet<u64> = sum.broken.union(&sum.differs).copied().collect();
    if !failed.is_empty() {
        println!("broken: {:?}, with another trace: {:?}", sum.broken, sum.differs);
    }
    println!(
        "{} run twice; {:.0} s simulated in {:.0} s of a core, {:.1} a second, and {:.0} s by the clock",
        sum.twice,
        sum.simulated,
        sum.cpu,
        sum.simulated / sum.cpu.max(0.001),
        took.as_secs_f64(),
    );
    println!(
        "{} passed, {} failed{}, {:.2} simulated hours",
        sum.seeds - failed.len() as u64,
        failed.len(),
        if missing.is_empty() { "" } else { ", unknown: too little was met" },
        sum.simulated / 3_600.0,
    );
    match (failed.is_empty(), missing.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(2),
        (true, true) => ExitCode::SUCCESS,
    }
}
