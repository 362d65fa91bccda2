//! Raftsman: a Raft-replicated, highly available JobTracker.

#[cfg(feature = "sdk")]
pub mod client;
pub mod domain;
#[cfg(feature = "sdk")]
pub mod link;
#[cfg(feature = "sdk")]
pub mod tasktracker;
#[cfg(feature = "sdk")]
pub mod wire;

#[cfg(feature = "sdk")]
pub use client::{ClientError, JobClient, JobHandle, Retry};
#[cfg(feature = "sdk")]
pub use tasktracker::{
    BizLogger, JobContext, JobError, JobResult, JobRunner, RawRunner, TaskTracker, shutdown_signal,
};
#[cfg(feature = "sdk")]
pub use wire::Payload;
