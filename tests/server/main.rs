//! Real nodes in one process, on loopback, spoken to as any client would.
//!
//! One binary for all of them: each binary that names openraft costs a minute to build.

mod acts;
mod alarms;
mod bad_input;
mod cluster;
mod connections;
mod fail_store;
mod feedback;
mod gates;
mod holds;
mod jobs;
mod lists;
mod log_export;
mod lts_commands;
mod members;
mod monitor;
mod probes;
mod requests;
mod sdk;
mod sessions;
mod stops;
