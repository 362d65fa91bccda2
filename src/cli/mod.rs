//! The command line: one file a noun; each parses, makes one call, and prints.
//!
//! Data goes to stdout, everything else to stderr; the exit code tells scripts what happened (`failure`). Not here: what
//! the calls do (`client`, `tasktracker`, `jobtracker`).

mod alarm;
mod cluster;
#[cfg(feature = "server")]
mod config;
mod connect;
mod cron;
#[cfg(feature = "server")]
mod dev;
mod fail_store;
#[cfg(feature = "failpoints")]
mod failpoints;
mod failure;
mod feedback;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg(feature = "server")]
pub(crate) mod fuzz;
mod group;
mod hold;
mod import;
mod job;
#[cfg(feature = "server")]
mod jobtracker;
mod json;
mod level;
mod limits;
mod log;
mod logging;
mod monitor;
mod node;
mod output;
#[cfg(feature = "planted-bugs")]
mod planted;
#[cfg(test)]
#[cfg(feature = "server")]
mod reference;
mod span;
mod tasktracker;
mod version;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use connect::Connect;
use failure::{Failure, Outcome};
use output::{Format, Output};

/// How long tasks that still run may hold up the exit.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

const ABOUT_EXIT_CODES: &str = "Exit codes:
  0    ok
  1    the operation failed
  2    the command or a field is wrong
  3    not found
  4    unavailable: no connection, no leader, or no answer in time
  5    unauthenticated or denied
  6    conflict, or not in the state that this needs
  7    the job ended unsuccessfully (job wait, job submit --wait)
  8    the cluster is unhealthy
  9    saved in the FailStore, to be sent later (job submit --fail-store)
  130  interrupted";

/// A Raft-replicated, highly available JobTracker: jobs that are never lost and never fired twice.
#[derive(Debug, Parser)]
#[command(name = "raftsman", version, infer_subcommands = true, disable_help_subcommand = true)]
#[command(after_long_help = ABOUT_EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
struct Global {
    #[command(flatten)]
    connect: Connect,
    /// How to print
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "RAFTSMAN_OUTPUT",
        hide_env_values = true
    )]
    output: Format,
    /// Leave out the line with the names of the columns
    #[arg(long, global = true)]
    no_headers: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "server")]
    Dev(dev::Dev),
    #[cfg(feature = "server")]
    #[command(visible_alias = "server")]
    Jobtracker(jobtracker::Run),
    #[command(visible_alias = "worker")]
    Tasktracker(tasktracker::TaskTrackerCommand),
    #[command(visible_alias = "jobs")]
    Job(job::JobCommand),
    Cron(self::cron::CronCommand),
    #[command(visible_alias = "nodes")]
    Node(node::NodeCommand),
    Feedback(feedback::FeedbackCommand),
    #[command(visible_alias = "stats")]
    Monitor(monitor::MonitorCommand),
    #[command(visible_alias = "groups")]
    Group(group::GroupCommand),
    Cluster(cluster::ClusterCommand),
    #[command(visible_alias = "alarms")]
    Alarm(alarm::AlarmCommand),
    Log(log::LogCommand),
    Import(import::ImportCommand),
    FailStore(fail_store::FailStoreCommand),
    #[cfg(feature = "server")]
    Config(config::ConfigCommand),
    /// List the places where this build can be made to fail, one JSON object a line
    #[cfg(feature = "failpoints")]
    #[command(hide = true)]
    Failpoints,
    /// List the bugs that this build can have, one JSON object a line
    #[cfg(feature = "planted-bugs")]
    #[command(hide = true)]
    PlantedBugs,
    Version(version::Version),
    /// Print the completions of a shell
    ///
    /// Example:
    ///   raftsman completions bash > /etc/bash_completion.d/raftsman
    #[command(verbatim_doc_comment)]
    Completions {
        shell: clap_complete::Shell,
    },
}

impl Global {
    fn output(&self) -> Output {
        Output { format: self.output, headers: !self.no_headers }
    }
}

/// Runs the command of this process and says how it ended.
pub fn main() -> ExitCode {
    // clap prints its errors and exits by itself: 2 for a wrong command, 0 for help.
    let cli = Cli::parse();
    #[cfg(feature = "failpoints")]
    let _until_the_end = failpoints::arm();
    #[cfg(feature = "planted-bugs")]
    planted::tell();
    let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
    let outcome = runtime.block_on(run(cli));
    // A JobTracker's databases are closed by the last task that lets go of them. That must be over before the process
    // exits, since RocksDB's exit handlers take away what closing needs; then the process would abort.
    runtime.shutdown_timeout(TASKS_END_WITHIN);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _unheard = io::stderr().write_all(failure.message().as_bytes());
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(cli: Cli) -> Outcome {
    let global = cli.global;
    match cli.command {
        // These end by themselves at a signal.
        #[cfg(feature = "server")]
        Command::Dev(dev) => dev.run().await,
        #[cfg(feature = "server")]
        Command::Jobtracker(jobtracker) => jobtracker.run().await,
        Command::Tasktracker(tasktracker) => tasktracker.run(&global).await,
        // The others end at once.
        Command::Job(job) => interruptible(job.run(&global)).await,
        Command::Cron(cron) => cron.run(&global),
        Command::Node(node) => interruptible(node.run(&global)).await,
        // `listen` ends by itself at a signal.
        Command::Feedback(feedback) => feedback.run(&global).await,
        Command::Monitor(monitor) => interruptible(monitor.run(&global)).await,
        Command::Group(group) => interruptible(group.run(&global)).await,
        Command::Cluster(cluster) => interruptible(cluster.run(&global)).await,
        Command::Alarm(alarm) => interruptible(alarm.run(&global)).await,
        Command::Log(log) => interruptible(log.run(&global)).await,
        Command::Import(import) => interruptible(import.run(&global)).await,
        Command::FailStore(store) => interruptible(store.run(&global)).await,
        #[cfg(feature = "server")]
        Command::Config(config) => config.run(&global),
        #[cfg(feature = "failpoints")]
        Command::Failpoints => failpoints::list(),
        #[cfg(feature = "planted-bugs")]
        Command::PlantedBugs => planted::list(),
        Command::Version(version) => version.run(&global),
        Command::Completions { shell } => completions(shell),
    }
}

async fn interruptible(running: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        outcome = running => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "raftsman", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn verbs_have_their_aliases_and_short_forms() {
        let lines = [
            "raftsman jobs ls",
            "raftsman job describe 42.0",
            "raftsman job kill 42.0/3",
            "raftsman worker list",
            "raftsman worker drain w1 --and-leave --wait",
            "raftsman tasktracker slots w1 --reset",
            "raftsman group pause trade --reason disk",
            "raftsman job update 42.0 --priority 1 --timeout none",
            "raftsman nodes list -o json",
            "raftsman feedback drop shop --dead",
            "raftsman node history -g trade --went --since 1h",
            "raftsman groups ls",
            "raftsman job list --queue executing --tasktracker w1 --all",
            "raftsman job logs --type fixed-dead --failed --since 15m --newest",
            "raftsman job logs 42.0 -f",
            "raftsman cluster transfer-leader",
            "raftsman alarms ls --raised",
            "raftsman alarm silence dead_run trade --for 2h",
            "raftsman cron preview @daily",
            "raftsman ver",
        ];
        for line in lines {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn silent(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            if command.get_about().is_none() {
                found.push(path.clone());
            }
            let mute = command.get_arguments().filter(|arg| arg.get_help().is_none());
            found.extend(mute.map(|arg| format!("{path} {}", arg.get_id())));
            command.get_subcommands().for_each(|inner| silent(inner, &path, found));
        }
        let mut found = Vec::new();
        silent(&Cli::command(), "", &mut found);
        // The shell of `completions` is told by its possible values.
        assert_eq!(found, [" raftsman completions shell"]);
    }

    #[test]
    fn completions_know_the_nouns() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "raftsman", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("transfer-leader") && script.contains("--payload-file"));
    }
}
