//! What is drawn from the seed: jobs, operations, and when which fault comes.

pub(crate) mod answer;
pub(crate) mod schedule;
pub(crate) mod spec;
pub(crate) mod told;
