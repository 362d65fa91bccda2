//! A world from one seed: the machine, the dispatcher and the planner as they ship, in a world of TaskTrackers that die,
//! stall and come back late, of leaders that change in the middle of things, of proposals that are lost or committed
//! behind their proposer's back, of clocks that are wrong, of clients that ask again.
//!
//! One thread, virtual time, no sockets, no files. The same seed gives the same history, so a seed is a bug report:
//! `RAFTSMAN_SEED=n` runs one again (with `RAFTSMAN_TRACE=42.0` it prints what the log says of that job or execution),
//! `RAFTSMAN_SEEDS=n` runs the first n. What is checked while it goes is in `history`,
//! what is checked in the end in `promises`; `rare` counts what a run must have met to prove anything.
//!
//! Not here: consensus, storage and the network, which the `whole` world has as they ship, and the SDK itself.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod deeds;
#[cfg(test)]
mod drain;
#[cfg_attr(not(test), expect(dead_code, reason = "some of it serves the seeded world alone"))]
mod history;
#[cfg_attr(not(test), expect(dead_code, reason = "some of it serves the seeded world alone"))]
mod jobs;
#[cfg(test)]
mod office;
#[cfg(test)]
mod pages;
#[cfg(all(test, feature = "planted-bugs"))]
mod planted;
mod promises;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the whole world meets less, and its runner adds up by text")
)]
mod rare;
#[cfg(test)]
mod replica;
mod rng;
#[cfg(test)]
mod term;
#[cfg(test)]
mod tests;
#[cfg_attr(not(test), expect(dead_code, reason = "in the whole world no TaskTracker drains"))]
mod tracker;
#[cfg(test)]
mod trackers;
#[cfg(feature = "simulation")]
mod whole;
#[cfg(test)]
mod world;

#[cfg(feature = "simulation")]
pub use whole::main;
