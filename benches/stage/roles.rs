//! What a child process does: `jobtracker NAME DIR CLIENT PEER` until it is told to stop, `tasktracker GROUP ADDRESSES DIR SLOTS`, or
//! `crowd FIRST COUNT GROUPS ADDRESSES DIR` for many TaskTrackers in one process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use raftsman::jobtracker::{JobTracker, NodeOptions};
use raftsman::tasktracker::RawRun;
use raftsman::{JobContext, RawRunner, TaskTracker, rpc};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clock::monotonic_ns;
use super::load::job_number;
use super::starts::{Start, Starts};

/// Executions at a time of each TaskTracker of a crowd.
const CROWD_SLOTS: u32 = 4;
/// Between the starts of two TaskTrackers of a crowd.
const CROWD_EVERY: Duration = Duration::from_millis(20);

/// Plays the role that the arguments name; false if they name none, and then this is the parent.
pub(crate) fn play() -> anyhow::Result<bool> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["jobtracker", name, dir, client, peer] => block_on(jobtracker(name, dir, client, peer)),
        ["tasktracker", group, addresses, dir, slots] => {
            block_on(tasktracker(group, addresses, dir.into(), slots.parse()?))
        }
        ["crowd", first, count, groups, addresses, dir] => {
            block_on(crowd(first.parse()?, count.parse()?, groups.parse()?, addresses, dir.into()))
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn block_on(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    if std::env::var_os("RAFTSMAN_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_env("RAFTSMAN_LOG");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(role)
}

async fn jobtracker(name: &str, dir: &str, client: &str, peer: &str) -> anyhow::Result<()> {
    let options = NodeOptions {
        listen_client: client.into(),
        listen_peer: peer.into(),
        ..NodeOptions::on_loopback(name, dir)
    };
    let (node, port) = JobTracker::start(options).await?;
    tokio::spawn(rpc::serve(node.clone(), port));
    println!("listens");
    // Whatever it is told is to stop, and so is the end of its parent.
    commands().recv().await;
    node.shutdown().await;
    Ok(())
}

async fn tasktracker(group: &str, addresses: &str, dir: PathBuf, slots: u32) -> anyhow::Result<()> {
    let starts = Arc::new(Starts::into_file(&dir.join("starts"))?);
    let mut commands = commands();
    let running = TaskTracker::builder(group)
        .addresses(addresses)
        .data_dir(&dir)
        .concurrency(slots)
        .register_any(NoOp(Arc::clone(&starts)))
        .run_until(until_told(&mut commands, &starts));
    running.await?;
    println!("drained {}", monotonic_ns());
    if commands.recv().await.as_deref() == Some("save") {
        starts.save()?;
        println!("saved");
    }
    Ok(())
}

/// As many sessions as there are TaskTrackers, each with what a TaskTracker of its own process would have.
async fn crowd(first: u32, count: u32, groups: u32, addresses: &str, dir: PathBuf) -> anyhow::Result<()> {
    let starts = Arc::new(Starts::into_file(&dir.join("starts"))?);
    let mut commands = commands();
    let stop = CancellationToken::new();
    let mut trackers = JoinSet::new();
    for number in first..first + count {
        let tracker = TaskTracker::builder(format!("g{}", number % groups))
            .addresses(addresses)
            .identity(format!("t{number}"))
            .concurrency(CROWD_SLOTS)
            .register_any(NoOp(Arc::clone(&starts)))
            .run_until(stop.clone().cancelled_owned());
        trackers.spawn(tracker);
        tokio::time::sleep(CROWD_EVERY).await;
    }
    println!("started");
    let mut ended_early = 0;
    loop {
        tokio::select! {
            Some(ended) = trackers.join_next() => {
                ended_early += 1;
                println!("a TaskTracker ended: {ended:?}");
            }
            line = commands.recv() => match line.as_deref() {
                Some("save") => {
                    starts.save()?;
                    println!("saved");
                    break;
                }
                Some(until) => {
                    let jobs = until.strip_prefix("until ").and_then(|jobs| jobs.parse().ok());
                    starts.stop_at(jobs.context("the parent says `until JOBS`")?);
                    starts.enough().await;
                    println!("drained {}", monotonic_ns());
                }
                None => break,
            },
        }
    }
    stop.cancel();
    trackers.join_all().await.into_iter().collect::<Result<Vec<()>, _>>()?;
    anyhow::ensure!(ended_early == 0, "{ended_early} TaskTrackers ended before they were told to");
    Ok(())
}

async fn until_told(commands: &mut mpsc::Receiver<String>, starts: &Starts) {
    if let Some(until) = commands.recv().await {
        let jobs = until.strip_prefix("until ").and_then(|jobs| jobs.parse().ok());
        starts.stop_at(jobs.expect("the parent says `until JOBS` first"));
        starts.enough().await;
    }
}

/// The lines of stdin; ends when the parent does.
fn commands() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Writes down that a job started, and has nothing else to do. An empty payload is of a job that is not counted.
struct NoOp(Arc<Starts>);

impl RawRunner for NoOp {
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_> {
        let at_ns = monotonic_ns();
        let note = |job| self.0.note(Start { job, fence: context.fencing_token(), at_ns });
        let done = match job_number(&payload) {
            None if payload.is_empty() => Ok(Bytes::new()),
            job => job.map(note).context("the payload is of this benchmark").map(|()| Bytes::new()),
        };
        Box::pin(std::future::ready(done))
    }
}
