//! Whether the simulation sees: each bug that is planted for it, in seeds until one breaks by the rule that must notice it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::batch::ask_process;
use crate::planted::{self, ALL, Lane, Planting};

/// A bug that so many seeds do not meet is missed.
const SEEDS_MAX: u64 = 50;

/// What the seeds said of one bug.
#[derive(Debug, Default)]
struct Found {
    /// The first seed, in the order of seeds, that broke by the bug's rule.
    caught: Option<(u64, String)>,
    /// Seeds that broke otherwise.
    otherwise: BTreeMap<u64, String>,
}

/// All bugs of this lane, or the one that is named, of whatever lane.
pub(super) fn run(only: Option<&str>, jobs: usize) -> ExitCode {
    let bugs: Vec<&Planting> = match only {
        Some(name) => planted::find(name).into_iter().collect(),
        None => ALL.iter().filter(|planting| planting.lane == Lane::Simulation).collect(),
    };
    if bugs.is_empty() {
        eprintln!("no planted bug is called {only:?}");
        return ExitCode::from(2);
    }
    let mut missed = 0;
    for planting in &bugs {
        let found = look_for(planting, jobs);
        println!("{}", line(planting, &found));
        missed += usize::from(found.caught.is_none());
    }
    println!("{} of {} planted bugs caught within {SEEDS_MAX} seeds", bugs.len() - missed, bugs.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn look_for(planting: &Planting, jobs: usize) -> Found {
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS_MAX || found.lock().caught.is_some() {
                return;
            }
            let said = ask_process(seed, &BTreeSet::new(), Some(planting.name));
            if said.green {
                continue;
            }
            let mut found = found.lock();
            let is_rule = said.broken.contains(&format!(": {}: ", planting.checker));
            if !is_rule {
                found.otherwise.insert(seed, said.broken);
            } else if found.caught.as_ref().is_none_or(|(earlier, _)| seed < *earlier) {
                found.caught = Some((seed, said.broken));
            }
        }
    };
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    found.into_inner()
}

fn line(planting: &Planting, found: &Found) -> String {
    let Planting { name, checker, .. } = planting;
    let short = |said: &str| said.chars().take(220).collect::<String>();
    let mut line = match &found.caught {
        Some((seed, said)) => format!("{name}: caught by {checker} at seed {seed}: {}", short(said)),
        None => format!("{name}: MISSED by {checker} in {SEEDS_MAX} seeds"),
    };
    if let Some((seed, said)) = found.otherwise.first_key_value() {
        let others = found.otherwise.len();
        line += &format!("\n  {others} seeds broke by another rule, first {seed}: {}", short(said));
    }
    line
}
