//! `jst`: real clusters under faults, checked exactly.

mod check;
mod checker;
mod history;
mod report;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "jst", version, about = "Real clusters under faults, checked exactly")]
enum Jst {
    /// Judge a run's directory: 0 is valid, 1 invalid, 2 unknown.
    Check(check::Check),
}

fn main() -> anyhow::Result<ExitCode> {
    match Jst::parse() {
        Jst::Check(check) => check.run(),
    }
}
