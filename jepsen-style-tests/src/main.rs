//! `jst`: real clusters under faults, checked exactly.

mod history;

fn main() {}
