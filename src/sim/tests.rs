//! Runs seeds on all cores, counts what they met, and prints the seed of what they broke.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::rare::Counts;
use super::world::World;

const STEPS: usize = 500;
/// What `make test` runs; `make jepsen` asks for more.
const SEEDS_DEFAULT: u64 = 200;
/// Fewer seeds need not have met everything.
const SEEDS_TO_COUNT: u64 = 200;

/// The whole life of one world: what it met, and the digest that it ended with.
pub(super) fn live(seed: u64) -> Result<(Counts, u64), String> {
    let mut world = World::new(seed);
    world.history.trace = std::env::var("RAFTSMAN_TRACE").ok();
    let lived = catch_unwind(AssertUnwindSafe(|| {
        world.prepare();
        (0..STEPS).try_for_each(|_| world.step())?;
        world.end()
    }));
    let broken = match lived {
        Ok(Ok(())) => return Ok((world.history.counts.clone(), world.cluster.replicas[0].machine.digest())),
        Ok(Err(broken)) => broken,
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(text) => format!("panic: {text}"),
            None => format!("panic: {:?}", panic.downcast_ref::<&str>()),
        },
    };
    let again = format!("RAFTSMAN_SEED={seed} cargo test --no-default-features --features machine --lib sim");
    Err(format!("seed {seed}, {} ms: {broken}\n  again: {again}", world.now))
}

pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_world_keeps_its_promises() {
    if let Some(seed) = number("RAFTSMAN_SEED") {
        let (counts, digest) = live(seed).unwrap_or_else(|broken| panic!("{broken}"));
        println!("seed {seed} is green, digest {digest:016x}\n{}", counts.report());
        return;
    }
    let seeds = number("RAFTSMAN_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let (next, met, broken) = (AtomicU64::new(0), Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || broken.lock().len() >= 3 {
                return;
            }
            match live(seed) {
                Ok((counts, _)) => met.lock().merge(&counts),
                Err(text) => broken.lock().push(text),
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let (met, broken) = (met.into_inner(), broken.into_inner());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    println!("{seeds} seeds of {STEPS} steps met\n{}", met.report());
    let missing = met.missing(seeds);
    assert!(seeds < SEEDS_TO_COUNT || missing.is_empty(), "met too rarely:\n{}", missing.join("\n"));
}

#[test]
fn a_seed_is_the_same_history_again() {
    let digests = [7, 7].map(|seed| live(seed).expect("seed 7 is green").1);
    assert_eq!(digests[0], digests[1]);
}
