//! Tests of the checkers: an oracle that never fires proves nothing.

mod stories;
