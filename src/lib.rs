//! Raftsman: a Raft-replicated, highly available JobTracker.

pub mod domain;
