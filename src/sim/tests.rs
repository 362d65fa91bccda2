//! Runs seeds on all cores, counts what they met, and prints the seed of what they broke.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::rare::Counts;
use super::world::World;
use crate::domain::{Clock, SystemClock};

const STEPS: usize = 500;
/// A seed takes about ten times as long unoptimised; `make test` runs both, and `make jepsen` asks for more.
const SEEDS_DEFAULT: u64 = if cfg!(debug_assertions) { 40 } else { 400 };
/// Fewer seeds need not have met everything.
const SEEDS_TO_COUNT: u64 = 40;
/// To check all tables costs as much as twenty entries.
pub(super) const CHECK_EVERY: u64 = 151;
/// So many broken seeds are enough to look at.
const BROKEN_MAX: usize = 3;

/// What a world that kept its promises met, and the digest that it ended with.
pub(super) struct Life {
    counts: Counts,
    digest: u64,
}

/// The whole life of one world.
pub(super) fn live(seed: u64, check_every: u64) -> Result<Life, String> {
    let mut world = World::new(seed, check_every);
    world.history.trace = std::env::var("RAFTSMAN_TRACE").ok();
    let mut step = 0;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        world.prepare();
        while step < STEPS {
            world.step()?;
            step += 1;
        }
        world.end()
    }));
    let broken = match lived {
        Ok(Ok(())) => {
            let digest = world.cluster.replicas[0].machine.digest();
            return Ok(Life { counts: world.history.counts.clone(), digest });
        }
        Ok(Err(broken)) => broken,
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(text) => format!("panic: {text}"),
            None => format!("panic: {:?}", panic.downcast_ref::<&str>()),
        },
    };
    Err(format!("step {step}, {} ms: {broken}", world.now))
}

/// Lives a seed; if it breaks a promise, then once more with all tables checked after every entry, since what is seen
/// late may have gone wrong early.
fn judge(seed: u64) -> Result<Life, String> {
    live(seed, CHECK_EVERY).map_err(|seen| {
        let first = live(seed, 1).err().unwrap_or_else(|| "nothing".to_owned());
        let earlier =
            if first == seen { String::new() } else { format!("  checking every entry: {first}\n") };
        let again =
            format!("RAFTSMAN_SEED={seed} cargo test --no-default-features --features machine --lib sim");
        format!("seed {seed}, {seen}\n{earlier}  again: {again}")
    })
}

pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_world_keeps_its_promises() {
    if let Some(seed) = number("RAFTSMAN_SEED") {
        let life = judge(seed).unwrap_or_else(|broken| panic!("{broken}"));
        println!("seed {seed} is green, digest {:016x}\n{}", life.digest, life.counts.report());
        return;
    }
    let seeds = number("RAFTSMAN_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let began = SystemClock.monotonic();
    let (next, met, broken) = (AtomicU64::new(0), Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || broken.lock().len() >= BROKEN_MAX {
                return;
            }
            match judge(seed) {
                Ok(life) => met.lock().merge(&life.counts),
                Err(text) => broken.lock().push(text),
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let (met, broken) = (met.into_inner(), broken.into_inner());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let seconds = SystemClock.monotonic().duration_since(began).as_secs_f64();
    println!("{seeds} seeds of {STEPS} steps in {seconds:.1} s on {cores} cores met\n{}", met.report());
    let missing = met.missing(seeds);
    assert!(seeds < SEEDS_TO_COUNT || missing.is_empty(), "met too rarely:\n{}", missing.join("\n"));
}

#[test]
fn a_seed_is_the_same_history_again() {
    // How often the tables are checked changes nothing either.
    let digests = [CHECK_EVERY, 1].map(|check_every| live(7, check_every).expect("seed 7 is green").digest);
    assert_eq!(digests[0], digests[1]);
}
