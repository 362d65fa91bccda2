//! `jst`: real clusters under faults, checked exactly.

mod act;
mod admin;
mod armed;
mod canary;
mod check;
mod checker;
mod ci;
mod client;
mod clock;
mod cluster;
mod command;
mod control;
mod delay;
mod disk;
mod doctor;
mod edn;
mod effects;
mod failpoints;
mod fuzz;
mod generator;
mod history;
mod hunt;
mod jobtracker;
mod launch;
mod listener;
mod nemesis;
mod netns;
mod place;
mod process;
mod product;
mod record;
mod report;
mod run;
mod soak;
mod stamp;
mod submitter;
mod summary;
mod tail;
mod test_submitter;
mod test_tracker;
mod throttle;
mod tracker;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use control::Control;
use nemesis::Family;
use run::Order;
use workload::Workload;

/// The exit code of a run that shows neither that all is well nor that something is wrong.
const UNKNOWN: u8 = 2;

/// Runs real clusters under faults and checks what they did.
#[derive(clap::Parser, Debug)]
#[command(name = "jst")]
struct Jst {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// One cluster under faults. Needs root, and a binary of Raftsman.
    Run(RunArgs),
    /// One run after another with different seeds, and a row in RESULTS.md.
    Soak(soak::Soak),
    /// Plants each bug and looks whether the tests see it; exit code 1 is a miss.
    Planted(hunt::Planted),
    /// Some minutes of all of it, drawn from a seed: exit code 0 if nothing failed.
    Ci(ci::Ci),
    /// Panics at every failpoint of the product, and judges what the cluster made of it.
    Failpoints(failpoints::Failpoints),
    /// Judges a run's directory: exit code 0 is valid, 1 invalid, 2 unknown.
    Check(check::Check),
    /// Writes a run's history as EDN, for the checkers of Jepsen.
    ExportEdn(edn::ExportEdn),
    Fuzz(fuzz::Fuzz),
    /// Tries which faults this machine allows.
    Doctor,
    /// Takes away what runs that were killed left on this machine.
    Clean,
    #[command(hide = true)]
    TestTracker(test_tracker::TestTracker),
    #[command(hide = true)]
    TestSubmitter(test_submitter::TestSubmitter),
}

#[derive(clap::Args, Debug)]
struct RunArgs {
    #[arg(long, value_enum)]
    workload: Workload,
    /// Families of faults; those of the workload unless told.
    #[arg(long, value_enum, value_delimiter = ',')]
    nemesis: Vec<Family>,
    /// What all choices are drawn from; chance unless told.
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds under faults.
    #[arg(long, default_value_t = 60)]
    time: u64,
    /// The product.
    #[arg(long, env = "JST_BINARY")]
    binary: Option<PathBuf>,
    /// Where the run is kept; `runs/<workload>-<seed>` unless told.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Switches off what a promise rests on; the checkers must say so.
    #[arg(long, value_enum)]
    control: Option<Control>,
    /// A fault that is told instead of drawn: `kill:at=1000,hold=0,aim=leader`; then none is drawn.
    #[arg(long = "fault")]
    told: Vec<generator::schedule::Plan>,
    /// Disks are written back every two seconds, whatever is synced: else what was not is all lost.
    #[arg(long)]
    write_back: bool,
    /// NAME=VALUE for the environment of the JobTrackers and the TaskTrackers.
    #[arg(long = "env")]
    environment: Vec<String>,
}

fn main() -> ExitCode {
    match act(Jst::parse().command) {
        Ok(code) => code,
        // Nothing is known of the product then.
        Err(error) => {
            eprintln!("jst: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}

fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run_one(&args.order()?),
        Command::Soak(soak) => {
            let product = binary(soak.binary.clone())?;
            let well = runtime()?.block_on(soak.run(&product))?;
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Ci(ci) => {
            let product = binary(ci.binary.clone())?;
            let well = runtime()?.block_on(ci.run(&product))?;
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Planted(planted) => {
            let product = binary(planted.binary.clone())?;
            let well = runtime()?.block_on(planted.run(&product))?;
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Failpoints(failpoints) => {
            let product = binary(failpoints.binary.clone())?;
            let outcome = runtime()?.block_on(failpoints.run(&product))?;
            Ok(if outcome.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Fuzz(fuzz) => {
            let product = binary(fuzz.binary.clone())?;
            let well = runtime()?.block_on(fuzz.run(&product))?;
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Check(check) => check.run(),
        Command::ExportEdn(export) => export.run().map(|()| ExitCode::SUCCESS),
        Command::Doctor => doctor(),
        Command::Clean => {
            let cleaned = place::clean()?;
            println!("{} runs cleaned up {}", cleaned.len(), cleaned.join(" "));
            Ok(ExitCode::SUCCESS)
        }
        Command::TestSubmitter(submitter) => submitter.run().map(|()| ExitCode::SUCCESS),
        Command::TestTracker(tracker) => {
            let _until_the_end = armed::arm();
            tracker.run().map(|()| ExitCode::SUCCESS)
        }
    }
}

impl RunArgs {
    fn order(self) -> anyhow::Result<Order> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
        let drawn = self.nemesis.is_empty() && self.told.is_empty();
        let nemeses = if drawn { self.workload.nemeses().to_vec() } else { self.nemesis };
        let name = format!("{}-{seed}", self.workload.name());
        let pair = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let env: Option<Vec<_>> = self.environment.iter().map(pair).collect();
        Ok(Order {
            workload: self.workload,
            nemeses,
            seed,
            time: Duration::from_secs(self.time),
            binary: binary(self.binary)?,
            dir: self.dir.unwrap_or_else(|| PathBuf::from("runs").join(name)),
            told: self.told,
            write_back: self.write_back,
            env: env.context("--env takes NAME=VALUE")?,
            control: self.control,
        })
    }
}

/// The one that was named, else the release build.
fn binary(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let built = || {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        target.join("release/raftsman")
    };
    let path = given.unwrap_or_else(built);
    std::fs::canonicalize(&path).with_context(|| {
        format!("{}: build it with `cargo build --release --features server`", path.display())
    })
}

fn run_one(order: &Order) -> anyhow::Result<ExitCode> {
    println!("{}", order.rerun());
    let summary = runtime()?.block_on(async {
        tokio::select! {
            summary = run::run(order) => summary,
            () = raftsman::shutdown_signal() => anyhow::bail!("interrupted"),
        }
    })?;
    println!(
        "  {} operations answered, {} refused, {} unknown; kept in {}",
        summary.answered,
        summary.refused,
        summary.unknown,
        order.dir.display()
    );
    println!("  faults: {}", summary.faults_text());
    summary.wrong.iter().for_each(|what| println!("  WRONG: {what}"));
    let began_ns = stamp::monotonic_ns();
    let verdict = check::judge(&order.dir, true)?;
    println!("  {:.1?} to judge", Duration::from_nanos(stamp::monotonic_ns() - began_ns));
    Ok(if summary.wrong.is_empty() { check::exit_code(verdict) } else { ExitCode::FAILURE })
}

fn doctor() -> anyhow::Result<ExitCode> {
    let findings = runtime()?.block_on(doctor::ask(Family::ALL.to_vec()))?;
    let mut skipped = 0;
    for finding in &findings {
        let name = finding.family.name();
        match &finding.problem {
            None => println!("{name:14} allowed"),
            Some(problem) => println!("{name:14} SKIPPED: {problem}"),
        }
        skipped += usize::from(finding.problem.is_some());
    }
    println!(
        "{} families of faults: {} allowed, {skipped} skipped",
        findings.len(),
        findings.len() - skipped
    );
    Ok(ExitCode::SUCCESS)
}

/// One thread: processes of a run die with the thread that started them, and it is the router's.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        <super::Jst as clap::CommandFactory>::command().debug_assert();
    }
}
