//! Whole clusters from seeds: all of it is `raftsman::sim::whole`.

fn main() {}
