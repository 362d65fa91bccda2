//! What travels: the generated protobuf types, and the way between them and the domain.
//!
//! `pb` is the public protocol, `raftsman.v1`. A request is parsed here, once, and everything below trusts it. The
//! generated Rust is checked in; `generate.rs` says when it is stale and rewrites it. Not here: sockets and streams
//! (`link`, `rpc`).

mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod generate;
mod job;
mod lts_command;
mod payload;
mod reason;
mod time;
mod words;

pub use fault::{
    Certainty, ERROR_DOMAIN, Fault, LOG_INDEX_TRAILER, NOT_APPLIED, OUTCOME_TRAILER, is_connection_lost,
};
pub use job::parse_job;
pub use lts_command::{ANY_IDENTITY, LtsAnswer, lts_parameters};
pub use payload::{JSON, Payload};
pub use reason::Reason;
pub use time::{duration, read_duration, read_timestamp, timestamp};
pub use words::{cut, line_to_wire, parse_id, parse_result, result_to_wire};

/// The public protocol, generated from `proto/raftsman/v1`.
#[rustfmt::skip]
#[path = "generated/raftsman.v1.rs"]
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_imports,
    missing_debug_implementations,
    unreachable_pub,
    reason = "generated"
)]
pub mod pb;
