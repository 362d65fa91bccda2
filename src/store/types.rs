//! openraft, made ours: what an entry carries, what applying it gives, who a node is.
//!
//! openraft's own serde support is off, so that nothing of it gets onto disk or wire by accident; `encoding` is the one
//! place that turns these into bytes. Leader ids are classic Raft's, at most one leader in a term, so that the term alone
//! orders leaders. This choice is part of the stored format.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::machine::LogEntry;
use crate::machine::codec::{self, CodecError};

pub use crate::machine::Applied;

openraft::declare_raft_types!(
    /// Raftsman's choice of openraft's types.
    pub Types:
        D = Proposal,
        R = Applied,
        NodeId = NodeId,
        Node = Node,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = Runtime,
);

#[cfg(not(feature = "simulation"))]
type Runtime = openraft::TokioRuntime;
/// The same, but chance comes from where the simulation can seed it.
#[cfg(feature = "simulation")]
type Runtime = super::seeded::SeededRuntime;

/// Random per data directory; a wiped directory is a new node.
pub type NodeId = u64;
pub type LogId = openraft::alias::LogIdOf<Types>;
pub type Vote = openraft::alias::VoteOf<Types>;
pub type Entry = openraft::alias::EntryOf<Types>;
pub type Payload = openraft::alias::PayloadOf<Types>;
pub type Membership = openraft::Membership<NodeId, Node>;
pub type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
pub type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;

/// How the others reach a JobTracker. Stored in the membership, so it travels with the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    /// Where the other JobTrackers connect, `host:port`.
    pub peer_addr: String,
    /// Where JobClients and TaskTrackers connect, `host:port`.
    pub client_addr: String,
}

/// One entry of the machine, encoded once and decoded once: log and sends share the bytes, `apply` shares the entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Proposal {
    bytes: Bytes,
    entry: Arc<LogEntry>,
}

impl Proposal {
    pub fn new(entry: LogEntry) -> Proposal {
        Proposal { bytes: codec::encode_entry(&entry), entry: Arc::new(entry) }
    }

    /// # Errors
    /// If the bytes are not exactly one entry that this version knows.
    pub fn from_bytes(bytes: Bytes) -> Result<Proposal, CodecError> {
        let entry = Arc::new(codec::decode_entry(bytes.clone())?);
        Ok(Proposal { bytes, entry })
    }

    /// The entry as log and wire carry it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn entry(&self) -> &Arc<LogEntry> {
        &self.entry
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Proposal {
    /// The measure, not the content: openraft logs entries, and payloads are the users' own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands, {} bytes, at {}", self.entry.commands.len(), self.bytes.len(), self.entry.at)
    }
}

impl From<LogEntry> for Proposal {
    fn from(entry: LogEntry) -> Proposal {
        Proposal::new(entry)
    }
}

/// The log position `index` of the leader of `term`.
pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}
