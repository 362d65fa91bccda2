//! Whole clusters from one seed: three JobTrackers as they ship, consensus, store, leader's loop and peer port over tonic
//! included, on hosts, disks and a network that are simulated, in one process and one thread, on virtual time.
//!
//! What is real and what is not: `docs/decisions/simulation.md`. A run has two phases: faults, then healing, after which it
//! must come to rest; what is checked on the way is in `book` (all apply the same, what is acknowledged is there) and
//! `sim::history`, what is checked in the end in `sim::promises`.

mod alone;
mod asking;
mod batch;
mod book;
mod faults;
mod finale;
mod host;
#[cfg(feature = "planted-bugs")]
mod hunt;
mod least;
mod minimise;
mod net;
mod options;
mod people;
mod readmit;
mod run;
mod trace;
mod world;

pub use run::main;
