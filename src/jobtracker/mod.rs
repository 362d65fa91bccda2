//! The node: consensus, storage and the leader's loop, wired together. It knows nothing of gRPC or HTTP for clients;
//! the edges (`rpc`) call in.

mod alarms;
pub mod config;
pub mod leader;
mod log_tail;
pub mod metrics;
mod node;
pub mod session;
mod snapshots;
mod waiters;

pub use log_tail::{LogTail, LogTailError};
pub use node::{
    ClientPort, CommandError, Committed, JobTracker, NodeError, NodeOptions, SessionTimes, lane_of,
};
pub use waiters::JobMoves;
