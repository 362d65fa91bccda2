//! Raftsman: a Raft-replicated, highly available JobTracker.

pub mod domain;
#[cfg(feature = "sdk")]
pub mod wire;
