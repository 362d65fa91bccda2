//! `raftsman tasktracker`: the built-in agent with its shell and http runners.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use super::failure::{Failure, Outcome};
use super::level::Level;
use super::logging::{self, Style};
use super::{Global, hold, node};
use crate::domain::Millis;
use crate::tasktracker::{
    ExitCodes, HttpRunner, RawRunner, ShellRunner, TaskTracker, TaskTrackerBuilder, Thresholds,
    shutdown_signal,
};

/// Run TaskTrackers, and see them
#[derive(Debug, clap::Args)]
pub(super) struct TaskTrackerCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Box<Run>),
    /// List TaskTrackers: the same as `raftsman node list --type tasktracker`
    #[command(visible_alias = "ls")]
    List(node::List),
    Drain(hold::Drain),
    Undrain(hold::Undrain),
    Slots(hold::Slots),
}

/// Run a TaskTracker that executes jobs by a command or by a call
///
/// SIGTERM drains: nothing new is taken, what runs may finish, results are reported.
///
/// The shell runner runs a command for each job: the payload on its stdin, params in its
/// environment, each line of output becomes a line of the job log, stdout is the result. With
/// --script-from-payload the payload itself is the command: whoever may submit to the node group
/// may then run anything here.
///
/// The http runner posts the payload to a URL with the ids and the fencing token in headers. 2xx is
/// success with the body as the result; 409, 425, 429 and 503 are EXECUTE_LATER; other 4xx are
/// EXECUTE_FAILED; all else is EXECUTE_EXCEPTION.
///
/// Examples:
///   raftsman tasktracker run -g trade --runner shell --command 'jq .order_id' --concurrency 8
///   raftsman tasktracker run -g hooks --runner http --url http://127.0.0.1:8080/jobs --kind order.ship
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Run {
    /// The group whose jobs it runs
    #[arg(short = 'g', long = "node-group", visible_alias = "group", value_name = "GROUP")]
    node_group: String,
    /// How it runs them
    #[arg(long, value_enum)]
    runner: Runner,
    /// shell: the command, run by /bin/sh -c
    #[arg(long, value_name = "COMMAND", conflicts_with = "script_from_payload")]
    command: Option<String>,
    /// shell: the payload is the command
    #[arg(long)]
    script_from_payload: bool,
    /// http: where to post
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Only jobs of this kind; can be given many times. Else jobs of any kind
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// How many executions run at a time
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    concurrency: u32,
    /// Its stable name, the same after a restart; else the one that --data-dir keeps, else one is made
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Where results that are not acknowledged yet outlive the process
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// How long executions may run on after SIGTERM
    #[arg(long, default_value = "25s", value_name = "SPAN")]
    drain_timeout: Millis,
    /// shell: how long a stopped command has between TERM and KILL
    #[arg(long, default_value = "5s", value_name = "SPAN")]
    grace: Millis,
    /// shell: exit codes that are EXECUTE_SUCCESS
    #[arg(long, default_value = "0", value_delimiter = ',', value_name = "CODES")]
    exit_success: Vec<i32>,
    /// shell: exit codes that are EXECUTE_LATER
    #[arg(long, default_value = "75", value_delimiter = ',', value_name = "CODES")]
    exit_later: Vec<i32>,
    /// shell: exit codes that are EXECUTE_FAILED, never retried; all others are EXECUTE_EXCEPTION
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    exit_failed: Vec<i32>,
    /// What jobs log below this level does not go into the job log; the shell runner logs output as INFO and WARN
    #[arg(long, value_enum, default_value_t = Level::Info, value_name = "LEVEL")]
    biz_log_level: Level,
    /// Take nothing new while the processors are busier than so many percent
    #[arg(long, value_name = "PERCENT")]
    cpu_max: Option<f64>,
    /// Take nothing new while more than so many percent of the machine's memory are taken
    #[arg(long, value_name = "PERCENT")]
    memory_max: Option<f64>,
    /// Take nothing new while the load average of a minute is higher than this for each processor
    #[arg(long, value_name = "LOAD")]
    load_max: Option<f64>,
    /// Serve status, running jobs, terminate, metrics and LTS's commands over HTTP: PORT on loopback, or
    /// ADDRESS:PORT. Whoever reaches it may terminate jobs
    #[arg(long, value_name = "[ADDRESS:]PORT", env = "RAFTSMAN_TASKTRACKER_HTTP", hide_env_values = true)]
    http: Option<String>,
    /// Which events are logged; RAFTSMAN_LOG wins
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Runner {
    /// A command
    Shell,
    /// A call
    Http,
}

impl TaskTrackerCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Run(run) => run.run(global).await,
            Verb::List(list) => super::interruptible(list.of_tasktrackers().run(global)).await,
            Verb::Drain(drain) => super::interruptible(drain.run(global)).await,
            Verb::Undrain(undrain) => super::interruptible(undrain.run(global)).await,
            Verb::Slots(slots) => super::interruptible(slots.run(global)).await,
        }
    }
}

impl Run {
    async fn run(self, global: &Global) -> Outcome {
        logging::start(Style::Text, &self.log)?;
        let mut builder = TaskTracker::builder(&self.node_group)
            .addresses(&global.connect.addr)
            .concurrency(self.concurrency)
            .drain_timeout(self.drain_timeout.into())
            .biz_log_level(self.biz_log_level.into())
            .thresholds(self.thresholds());
        if let Some(address) = &self.http {
            builder = builder.http(address);
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity);
        }
        if let Some(data_dir) = &self.data_dir {
            builder = builder.data_dir(data_dir);
        }
        let builder = match self.runner {
            Runner::Shell => self.register(builder, self.shell()?),
            Runner::Http => self.register(builder, self.http()?),
        }?;
        builder.run_until(shutdown_signal()).await.context("the tasktracker ended").map_err(Failure::from)
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds { cpu_percent: self.cpu_max, memory_percent: self.memory_max, load_per_cpu: self.load_max }
    }

    fn register(
        &self,
        builder: TaskTrackerBuilder,
        runner: impl RawRunner + Clone,
    ) -> Result<TaskTrackerBuilder, Failure> {
        if self.kinds.is_empty() {
            return Ok(builder.register_any(runner));
        }
        let mut kinds = self.kinds.clone();
        kinds.sort();
        kinds.dedup();
        for kind in &kinds {
            crate::domain::Kind::new(kind)?;
        }
        Ok(kinds.into_iter().fold(builder, |builder, kind| builder.register_raw(kind, runner.clone())))
    }

    fn shell(&self) -> Result<ShellRunner, Failure> {
        if self.url.is_some() {
            return Err(Failure::usage("--url", "is of the http runner; give --command"));
        }
        let runner = match (&self.command, self.script_from_payload) {
            (Some(command), _) => ShellRunner::command(command),
            (None, true) => ShellRunner::script_from_payload(),
            (None, false) => {
                return Err(Failure::usage("--command", "is missing; give it, or --script-from-payload"));
            }
        };
        let exit_codes = ExitCodes {
            success: self.exit_success.clone(),
            later: self.exit_later.clone(),
            failed: self.exit_failed.clone(),
        };
        Ok(runner.exit_codes(exit_codes).grace(self.grace.into()))
    }

    fn http(&self) -> Result<HttpRunner, Failure> {
        if self.command.is_some() || self.script_from_payload {
            return Err(Failure::usage("--command", "is of the shell runner; give --url"));
        }
        let url = self.url.as_deref().ok_or_else(|| Failure::usage("--url", "is missing: where to post"))?;
        Ok(HttpRunner::new(url)?)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: Run,
    }

    fn run(line: &str) -> Run {
        Line::try_parse_from(format!("run -g trade {line}").split(' '))
            .unwrap_or_else(|error| panic!("{error}"))
            .run
    }

    #[test]
    fn each_runner_asks_for_what_it_needs_and_refuses_what_it_does_not() {
        assert!(run("--runner shell --command cat").shell().is_ok());
        assert!(run("--runner shell --script-from-payload").shell().is_ok());
        assert!(run("--runner http --url http://127.0.0.1:1/x").http().is_ok());
        let told = [
            run("--runner shell").shell().unwrap_err().message(),
            run("--runner shell --url http://x:1/").shell().unwrap_err().message(),
            run("--runner http").http().unwrap_err().message(),
            run("--runner http --command cat --url http://x:1/").http().unwrap_err().message(),
            run("--runner http --url ftp://x").http().unwrap_err().message(),
        ];
        expect_test::expect![[r#"
            error: the command is wrong
              --command: is missing; give it, or --script-from-payload
            error: the command is wrong
              --url: is of the http runner; give --command
            error: the command is wrong
              --url: is missing: where to post
            error: the command is wrong
              --command: is of the shell runner; give --url
            error: the command is wrong
              url: "ftp://x" is not a URL such as http://127.0.0.1:8080/jobs
        "#]]
        .assert_eq(&told.concat());
    }

    #[test]
    fn thresholds_have_ltss_units() {
        let thresholds =
            run("--runner shell --command cat --cpu-max 90 --memory-max 80.5 --load-max 2").thresholds();
        let told = (thresholds.cpu_percent, thresholds.memory_percent, thresholds.load_per_cpu);
        assert_eq!(told, (Some(90.0), Some(80.5), Some(2.0)));
    }

    #[test]
    fn exit_codes_are_lists() {
        let run = run("--runner shell --command cat --exit-success 0,3 --exit-failed 64,65");
        assert_eq!((run.exit_success, run.exit_later, run.exit_failed), (vec![0, 3], vec![75], vec![64, 65]));
    }
}
