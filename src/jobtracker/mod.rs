//! The node: consensus, storage and the leader's loop, wired together. It knows nothing of gRPC or HTTP for clients;
//! the edges (`rpc`) call in.

pub mod alarm;
#[cfg(feature = "server")]
pub mod config;
mod groups;
pub mod leader;
mod log_tail;
#[cfg(feature = "server")]
pub mod metrics;
mod monitor;
mod node;
pub mod session;
mod snapshots;
mod waiters;

pub use groups::{GroupNow, groups_now};
pub use log_tail::{LogTail, LogTailError};
pub use node::{
    Addresses, ClientPort, CommandError, Committed, ConnectionLimits, JobTracker, NodeError, NodeOptions,
    OpenStore, PeerPort, SessionTimes, Surroundings, lane_of,
};
pub use waiters::JobMoves;

pub use crate::dispatch::client_notifier::{Listening, WINDOW_DEFAULT, WINDOW_MAX};
