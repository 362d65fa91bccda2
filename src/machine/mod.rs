//! The replicated JobTracker as one pure function: `apply(index, entry) -> replies, effects`.
//!
//! Same entries, same tables, on every replica and for ever. So there is no clock here, no randomness, no await, no
//! unordered iteration, no leader flag, no cron, no time zone and no local configuration: time comes with the entry,
//! ids come from the index, instants come from the leader's calendar by `Plan`.

mod base;
pub mod codec;
pub mod command;
mod effect;
mod key;
mod layer;
pub mod limits;
pub mod reply;
pub mod row;

pub use base::{Base, BaseError, NoBase};
pub use command::{Command, LogEntry};
pub use effect::Effect;
pub use key::Key;
pub use layer::Layer;
pub use reply::Reply;
