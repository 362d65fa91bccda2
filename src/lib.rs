//! Raftsman: a Raft-replicated, highly available JobTracker.

#[cfg(feature = "machine")]
pub mod calendar;
pub mod domain;
