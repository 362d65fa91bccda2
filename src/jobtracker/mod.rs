//! The node: consensus, storage and the leader's loop, wired together.

pub mod config;
pub mod leader;
pub mod session;
