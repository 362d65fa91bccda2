//! `make demo`: real jobs on a real cluster whose leader is killed while they run; then the ledger is checked.
//!
//! Three JobTrackers and two TaskTracker agents, each a process of its own, run one shell job for each of a few thousand
//! files, a cron, a repeat and some awkward jobs. Two leaders are killed, one is frozen, one agent is killed. Then every
//! fate in the ledger is compared with what was submitted and with what the jobs themselves wrote down as they ran.
//! Exits with 0 only if all of it is as promised. It is a client like any other: it knows the `raftsman` binary and the
//! SDK, and nothing of the inside.

mod check;
mod cluster;
mod effects;
mod faults;
mod files;
mod ledger;
mod process;
mod progress;
mod report;
mod story;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use raftsman::tasktracker::shutdown_signal;
use tempfile::TempDir;

/// Ctrl-C, as shells count it.
const INTERRUPTED: u8 = 130;

/// Runs real jobs on a three-node cluster, kills its leaders meanwhile, and checks every run.
#[derive(Debug, Parser)]
struct Options {
    /// How many files become jobs, at most
    #[arg(long, default_value_t = 2500)]
    files: usize,
    /// The binary that is demonstrated; else the one that was built beside this
    #[arg(long, value_name = "PATH")]
    raftsman: Option<PathBuf>,
    /// Keep the data and the logs, even if all went well
    #[arg(long)]
    keep: bool,
}

/// How the demonstration ended.
enum Ending {
    AsPromised,
    Off,
    Interrupted,
}

fn main() -> ExitCode {
    if let Some(failed) = process::become_child() {
        eprintln!("demo: {failed}");
        return ExitCode::FAILURE;
    }
    match demonstrate(&Options::parse()) {
        Ok(Ending::AsPromised) => ExitCode::SUCCESS,
        Ok(Ending::Off) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the story in a directory that stays behind only if something was off.
fn demonstrate(options: &Options) -> anyhow::Result<Ending> {
    let binary = options.raftsman.clone().map_or_else(process::raftsman_beside, Ok)?;
    let directory = TempDir::with_prefix("raftsman-demo-").context("cannot make a temporary directory")?;
    // One thread, the main one: children are bound to the life of the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(async {
        let stopped = shutdown_signal();
        tokio::select! {
            played = story::play(&binary, directory.path(), options.files) => played.map(|problems| match problems.is_empty() {
                true => Ending::AsPromised,
                false => Ending::Off,
            }),
            () = stopped => Ok(Ending::Interrupted),
        }
    });
    let went_wrong = matches!(ending, Ok(Ending::Off) | Err(_));
    if options.keep || went_wrong {
        eprintln!("demo: data, logs and effects are in {}", directory.keep().display());
    }
    ending
}
