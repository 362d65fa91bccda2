//! The one binary: all of it is `raftsman::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    raftsman::cli::main()
}
