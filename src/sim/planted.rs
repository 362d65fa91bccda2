//! Whether the world sees: each planted bug that it must notice is planted, and seeds are lived until one breaks.
//!
//! `RAFTSMAN_PLANTED_BUG=name` looks at one only, `RAFTSMAN_SEEDS=n` gives up after n seeds instead of [`SEEDS_MAX`].

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::tests::{CHECK_EVERY, live, number};
use crate::planted::{ALL, Lane, Planting, VARIABLE, plant_here};

/// A bug that so many seeds do not meet is missed.
const SEEDS_MAX: u64 = 50;

/// What became of one bug: the seed that broke, and what it said.
type Found = Option<(u64, String)>;

fn look_for(planting: &Planting, seeds: u64) -> Found {
    plant_here(Some(planting.bug));
    let found = (0..seeds).find_map(|seed| live(seed, CHECK_EVERY).err().map(|broken| (seed, broken)));
    plant_here(None);
    found
}

fn line(planting: &Planting, found: &Found) -> String {
    let Planting { name, promise, lts, checker, .. } = planting;
    let mut line = format!("{name:<30} promise {promise} {lts:<4} {checker:<3} ");
    match found {
        Some((seed, broken)) => {
            let said: String = broken.lines().next().unwrap_or_default().chars().take(170).collect();
            write!(line, "caught after {:>2} seeds: {said}", seed + 1).expect("a String takes everything");
        }
        None => line += "MISSED",
    }
    line
}

#[test]
fn the_world_sees_every_bug_that_is_planted_in_it() {
    let only = std::env::var(VARIABLE).ok();
    let wanted = |planting: &&Planting| {
        planting.lane == Lane::World && only.as_ref().is_none_or(|only| only == planting.name)
    };
    let bugs: Vec<&Planting> = ALL.iter().filter(wanted).collect();
    let seeds = number("RAFTSMAN_SEEDS").unwrap_or(SEEDS_MAX);
    let (next, found) = (AtomicUsize::new(0), Mutex::new(vec![None; bugs.len()]));
    let work = || {
        while let Some((at, planting)) = Some(next.fetch_add(1, Ordering::Relaxed))
            .and_then(|at| bugs.get(at).map(|planting| (at, planting)))
        {
            let outcome = look_for(planting, seeds);
            println!("{}", line(planting, &outcome));
            found.lock()[at] = outcome;
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let found = found.into_inner();
    let missed: Vec<&str> =
        bugs.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(bug, _)| bug.name).collect();
    println!("{} of {} caught within {seeds} seeds", bugs.len() - missed.len(), bugs.len());
    assert!(!bugs.is_empty(), "no bug of this lane is called {only:?}");
    assert!(missed.is_empty(), "missed: {}", missed.join(", "));
}
