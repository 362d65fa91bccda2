//! Consensus: one replicated log, who leads it, who belongs to it, and what time it is.
//!
//! `RaftNode` is what the rest of the JobTracker uses; `server::serve` is the peer port. openraft does Raft itself, and
//! its types stay in here and in `store`. Ours is what it leaves open: the connections (`network`, `peers`, `dial`), the
//! check of who calls whom (`identity`), the hand-over by a survivor (`hand_over`), shared read confirmations
//! (`read_index`), leadership that means something (`leadership`), time by majority (`clock`).
//!
//! Not here: what entries mean (`machine`), when they are proposed (`jobtracker`), how they are stored (`store`).

mod clock;
mod config;
mod convert;
mod core;
mod dial;
mod error;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod hand_over;
mod identity;
mod leadership;
mod membership;
mod network;
mod node;
mod peers;
mod read_index;
pub mod server;
mod snapshot;
mod status;
#[cfg(test)]
mod tests;

/// The peer protocol, generated from `proto/raftsman/internal/v1`.
#[rustfmt::skip]
#[path = "../wire/generated/raftsman.internal.v1.rs"]
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_imports,
    missing_debug_implementations,
    unreachable_pub,
    reason = "generated"
)]
mod pb;

pub use clock::{MajorityClock, Present, Skew};
pub use config::RaftConfig;
pub use dial::{Dial, DialError, Dialing, Socket, TcpDial};
pub use error::{ForwardError, Member, MembershipError, NotApplied, ProposeError, ReadError, StartError};
pub use forward::{Digest, ForwardTarget, Forwarded};
pub use identity::{PeerIdentity, RememberCluster, Stranger};
pub use leadership::{Leader, Leadership};
pub use membership::Greeting;
pub use node::{Proposed, RaftNode, RaftSetup};
pub use peers::CallError;
pub use snapshot::{SnapshotIntake, SnapshotParcel, SnapshotReceiver};
pub use status::{NodeMetrics, PeerStatus, Role};
