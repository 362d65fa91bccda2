//! Raftsman: a Raft-replicated, highly available JobTracker.

#[cfg(feature = "machine")]
pub mod calendar;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "sdk")]
pub mod client;
#[cfg(feature = "machine")]
pub mod dispatch;
pub mod domain;
pub mod failpoint;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(feature = "node")]
pub mod jobtracker;
#[cfg(feature = "sdk")]
pub mod link;
#[cfg(feature = "cli")]
pub mod lts;
#[cfg(feature = "machine")]
pub mod machine;
pub mod planted;
#[cfg(feature = "sdk")]
pub mod process;
#[cfg(feature = "node")]
pub mod raft;
#[cfg(feature = "server")]
pub mod rpc;
#[cfg(all(test, feature = "machine", not(feature = "simulation")))]
mod sim;
#[cfg(feature = "simulation")]
pub mod sim;
#[cfg(feature = "node")]
pub mod store;
#[cfg(feature = "sdk")]
pub mod tasktracker;
#[cfg(feature = "sdk")]
pub mod wire;

#[cfg(feature = "sdk")]
pub use client::{ClientError, JobClient, JobHandle, Retry};
#[cfg(feature = "sdk")]
pub use domain::BizLogLevel;
#[cfg(feature = "sdk")]
pub use tasktracker::{
    BizLogger, JobContext, JobError, JobResult, JobRunner, RawRunner, TaskTracker, shutdown_signal,
};
#[cfg(feature = "sdk")]
pub use wire::Payload;
