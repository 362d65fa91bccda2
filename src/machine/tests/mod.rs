//! The proof of the machine: stories, golden bytes, a model, the count of keys.

mod alarm_model;
mod arbitrary;
mod bounds;
mod budget;
mod codec;
mod determinism;
mod listing;
mod memory_base;
mod model;
mod operations_by_state;
mod random;
mod script;
mod stories;
mod story;
mod tally;
mod transcript;
