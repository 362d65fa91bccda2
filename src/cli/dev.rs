//! `raftsman dev`: a cluster in one process, with a TaskTracker, to look at and to try things.
//!
//! Everything listens on loopback, the data is thrown away, and nobody is asked who they are: not for production.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connect::cluster;
use super::failure::{Failure, Outcome};
use super::job::NODE_GROUP_DEFAULT;
use super::jobtracker::Running;
use super::logging::{self, Style};
use super::output::tell;
use crate::client::{JobClient, SubmitOutcome};
use crate::jobtracker::NodeOptions;
use crate::tasktracker::{ShellRunner, TaskTracker, TaskTrackerError, shutdown_signal};
use crate::wire::pb;

/// More nodes in one process show nothing new.
const NODES_MAX: u16 = 5;
/// Executions at a time.
const CONCURRENCY: u32 = 8;
/// How long a call may take: longer than the first election.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long running jobs may finish after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(2);

/// Run a cluster in this process to try things: no configuration, no authentication, throw-away data
///
/// A TaskTracker of node group `default` runs two kinds: `echo` gives the payload back, `sh` runs it
/// as a shell script.
///
/// Examples:
///   raftsman dev
///   raftsman dev --nodes 3 --demo
///   raftsman dev --once
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Dev {
    /// How many JobTrackers: 1 to 5
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    nodes: u16,
    /// The client port of the first JobTracker; the next ports are its peer port and those of the others; 0 takes any
    #[arg(long, default_value_t = 5870)]
    port: u16,
    /// Keep the data here; else it is thrown away
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Run a first job and show it, and keep a job running every 10 seconds
    #[arg(long)]
    demo: bool,
    /// Run one job, show it, and exit
    #[arg(long, conflicts_with = "demo")]
    once: bool,
    /// Which events are logged; RAFTSMAN_LOG wins
    #[arg(long, default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Where the data is.
enum Data {
    Kept(PathBuf),
    ThrownAway(TempDir),
}

impl Data {
    fn path(&self) -> &Path {
        match self {
            Data::Kept(path) => path,
            Data::ThrownAway(directory) => directory.path(),
        }
    }
}

/// All that runs, in the order in which it is stopped.
struct Everything {
    tasktracker: JoinHandle<Result<(), TaskTrackerError>>,
    stop_tasktracker: CancellationToken,
    nodes: Vec<Running>,
    data: Data,
}

impl Dev {
    pub(super) async fn run(self) -> Outcome {
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return Err(Failure::usage("--nodes", format!("is {}; 1 to {NODES_MAX}", self.nodes)));
        }
        logging::start(Style::Text, &self.log)?;
        let stopped = shutdown_signal();
        let everything = self.start().await?;
        let shown = tokio::select! {
            shown = self.show(&everything) => shown,
            () = stopped => Ok(()),
        };
        everything.stop().await;
        shown
    }

    async fn start(&self) -> Result<Everything, Failure> {
        let data = match &self.data_dir {
            Some(path) => Data::Kept(path.clone()),
            None => Data::ThrownAway(
                TempDir::with_prefix("raftsman-dev-").context("cannot make a temporary directory")?,
            ),
        };
        let mut nodes = Vec::new();
        for number in 0..self.nodes {
            nodes.push(Running::start(self.options(number, data.path())?).await?);
        }
        let stop_tasktracker = CancellationToken::new();
        let tasktracker = TaskTracker::builder(NODE_GROUP_DEFAULT)
            .addresses(addresses(&nodes))
            .identity("dev")
            .concurrency(CONCURRENCY)
            .drain_timeout(DRAIN)
            .register_raw("echo", ShellRunner::command("cat"))
            .register_raw("sh", ShellRunner::script_from_payload())
            .run_until(stop_tasktracker.clone().cancelled_owned());
        let tasktracker = tokio::spawn(tasktracker);
        Ok(Everything { tasktracker, stop_tasktracker, nodes, data })
    }

    fn options(&self, number: u16, data: &Path) -> Result<NodeOptions, Failure> {
        let port = |offset: u16| match self.port {
            0 => Ok(0),
            first => first.checked_add(2 * number + offset).ok_or_else(|| {
                Failure::usage("--port", format!("is {first}; too near to the last port, 65535"))
            }),
        };
        let name = format!("n{}", number + 1);
        Ok(NodeOptions {
            listen_client: format!("127.0.0.1:{}", port(0)?),
            listen_peer: format!("127.0.0.1:{}", port(1)?),
            ..NodeOptions::on_loopback(name.clone(), data.join(name))
        })
    }

    /// Says what is there, does what was asked for, and waits unless it was only once.
    async fn show(&self, everything: &Everything) -> Outcome {
        let client = JobClient::builder()
            .addresses(addresses(&everything.nodes))
            .identity("dev")
            .node_group(NODE_GROUP_DEFAULT)
            .patience(PATIENCE)
            .connect()
            .await?;
        init(&client, &everything.nodes).await?;
        tell(banner(everything))?;
        if self.once || self.demo {
            first_job(&client).await?;
        }
        if self.once {
            return Ok(());
        }
        if self.demo {
            heartbeat(&client).await?;
        }
        tell(try_this(&everything.nodes))?;
        std::future::pending().await
    }
}

impl Everything {
    async fn stop(self) {
        self.stop_tasktracker.cancel();
        match self.tasktracker.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the tasktracker failed"),
            Err(error) => tracing::error!(%error, "the tasktracker panicked"),
        }
        // All at once: those who stop last could hand their leadership to nobody.
        join_all(self.nodes.iter().map(Running::stop)).await;
    }
}

fn addresses(nodes: &[Running]) -> String {
    nodes.iter().map(|node| node.tracker.client_addr().to_string()).collect::<Vec<_>>().join(",")
}

/// Once for a data directory; a kept one has its cluster already.
async fn init(client: &JobClient, nodes: &[Running]) -> Outcome {
    let addresses = nodes.iter().map(|node| node.tracker.peer_addr().to_string()).collect();
    let call = async |via, request| cluster(via).init(request).await;
    client.call(pb::InitRequest { addresses }, call).await?;
    Ok(())
}

async fn first_job(client: &JobClient) -> Outcome {
    let script = "echo hello from $(uname -s); echo one plus one is $((1 + 1))";
    tell(format_args!("\n$ raftsman job submit sh --payload '{script}' --wait"))?;
    let job = client.submit_raw("sh", script).run_timeout(Duration::from_secs(10)).await?;
    let ended = job.wait(Some(PATIENCE)).await?;
    let (state, run) = (ended.state(), ended.run.unwrap_or_default());
    let tasktracker = run.attempts.last().map(|attempt| attempt.tasktracker.clone()).unwrap_or_default();
    tell(format_args!(
        "job {} finished: {} on TaskTracker {tasktracker}",
        job.id(),
        super::json::job_state(state)
    ))?;
    for line in String::from_utf8_lossy(&run.result).lines() {
        tell(format_args!("  {line}"))?;
    }
    match state == pb::JobState::Succeeded {
        true => Ok(()),
        false => Err(Failure::Failed(anyhow::anyhow!("the first job did not succeed: {}", run.error))),
    }
}

/// Something that keeps happening, so that lists are not empty.
async fn heartbeat(client: &JobClient) -> Outcome {
    let submit = client.submit_raw("sh", "date").task_id("demo-every-10s").cron("*/10 * * * * ?", "UTC");
    let job = submit.await?;
    let what = match job.outcome() {
        SubmitOutcome::Accepted => "runs every 10 s",
        SubmitOutcome::Exists | SubmitOutcome::Replaced | SubmitOutcome::SavedLocally => {
            "still runs every 10 s"
        }
    };
    tell(format_args!("job {} (task id demo-every-10s) {what}", job.id()))?;
    Ok(())
}

fn banner(everything: &Everything) -> String {
    let first = &everything.nodes[0].tracker;
    let all: Vec<String> = everything
        .nodes
        .iter()
        .map(|node| format!("{} {}", node.tracker.name(), node.tracker.client_addr()))
        .collect();
    let fate = match &everything.data {
        Data::Kept(_) => "kept",
        Data::ThrownAway(_) => "deleted on exit; --data-dir keeps it",
    };
    format!(
        "raftsman {} dev: no authentication, loopback only; not for production\n  \
         JobTrackers  {}\n  \
         TaskTracker  dev, node group {NODE_GROUP_DEFAULT}, kinds echo and sh\n  \
         Metrics      http://{}/metrics\n  \
         Data         {} ({fate})",
        env!("CARGO_PKG_VERSION"),
        all.join(", "),
        first.client_addr(),
        everything.data.path().display(),
    )
}

fn try_this(nodes: &[Running]) -> String {
    // The first node listens where commands look by themselves, unless it was told otherwise.
    let addr = match nodes[0].tracker.client_addr().port() {
        5870 => String::new(),
        _ => format!(" --addr {}", nodes[0].tracker.client_addr()),
    };
    format!("\nTry:  raftsman{addr} job submit echo --payload '{{\"hi\":1}}' --wait\nCtrl-C ends it.")
}
