//! Bytes on disk: the Raft log with its one fsync thread, the state with its write-behind layers, and snapshots.
//!
//! Two RocksDB databases per JobTracker. The log is synced before anything is acknowledged; the state never is per
//! entry, since the log is its write-ahead log. What holds them together: the state is never durable ahead of its own
//! log, and the log is purged only below durable state. No Raft is decided here and no job is understood here.

pub mod encoding;
pub mod types;

pub use types::{
    Applied, Entry, LogId, Membership, Node, NodeId, Payload, Proposal, SnapshotMeta, StoredMembership,
    Types, Vote,
};
