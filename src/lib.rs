//! Raftsman: a Raft-replicated, highly available JobTracker.

#[cfg(feature = "machine")]
pub mod dispatch;
pub mod domain;
#[cfg(feature = "machine")]
pub mod machine;
#[cfg(feature = "server")]
pub mod raft;
#[cfg(feature = "server")]
pub mod store;
