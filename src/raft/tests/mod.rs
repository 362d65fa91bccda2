//! Real nodes on real storage over loopback: what consensus promises, seen from its facade.
//!
//! `cluster` starts, kills and restarts nodes, `cut` severs them from each other. Each node has a runtime of its own, so
//! that killing it drops its sockets as the end of a process would.

mod cluster;
mod cut;
mod garbage;
mod members;
mod survival;
