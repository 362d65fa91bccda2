//! Tests of the checkers: an oracle that never fires proves nothing.

mod late_lies;
mod lies;
mod random_lies;
mod stories;
mod world;
mod written;
