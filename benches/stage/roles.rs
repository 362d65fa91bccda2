//! What a child process does: `jobtracker NAME DIR CLIENT PEER` or `tasktracker GROUP ADDRESSES DIR SLOTS`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use raftsman::jobtracker::{JobTracker, NodeOptions};
use raftsman::tasktracker::RawRun;
use raftsman::{JobContext, RawRunner, TaskTracker, rpc};
use tokio::sync::mpsc;

use super::clock::monotonic_ns;
use super::load::job_number;
use super::starts::{Start, Starts};

/// Plays the role that the arguments name; false if they name none, and then this is the parent.
pub(crate) fn play() -> anyhow::Result<bool> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["jobtracker", name, dir, client, peer] => block_on(jobtracker(name, dir, client, peer)),
        ["tasktracker", group, addresses, dir, slots] => {
            block_on(tasktracker(group, addresses, dir.into(), slots.parse()?))
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
    while commands().recv().await.is_some() {}
    node.shutdown().await;
    Ok(())
}

async fn tasktracker(group: &str, addresses: &str, dir: PathBuf, slots: u32) -> anyhow::Result<()> {
    let starts = Arc::new(Starts::default());
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
        starts.write(&dir.join("starts"))?;
        println!("saved");
    }
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

/// Writes down that a job started, and has nothing else to do.
struct NoOp(Arc<Starts>);

impl RawRunner for NoOp {
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_> {
        let at_ns = monotonic_ns();
        let done = job_number(&payload).context("the payload is of this benchmark").map(|job| {
            self.0.note(Start { job, fence: context.fencing_token(), at_ns });
            Bytes::new()
        });
        Box::pin(std::future::ready(done))
    }
}
