//! Whole clusters from seeds: all of it is `raftsman::sim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    raftsman::sim::main()
}
