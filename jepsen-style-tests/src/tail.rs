//! What each JobTracker applied, told by itself: its log export is followed from the begin of a run to its end, since
//! snapshots purge logs and only what is applied while somebody listens comes with replies and digests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::generator::spec::ns_of;
use crate::history::{Applied, AppliedCommand};
use crate::record::Record;
use crate::stamp::{monotonic_ns, text_of_ns};

/// A record may hold a whole batch of jobs.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
const DIGEST_PATIENCE: Duration = Duration::from_secs(2);

/// The tails of all JobTrackers.
#[derive(Debug)]
pub(crate) struct Tails {
    tails: Vec<Arc<Tail>>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Tail {
    node: String,
    channel: Channel,
    record: Record,
    /// The last index that was written.
    last: AtomicU64,
}

/// One line of `digests.jsonl`: all JobTrackers were asked at the same moment of the run.
#[derive(Debug, Serialize)]
struct Digested<'a> {
    t: u64,
    when: &'a str,
    node: &'a str,
    index: u64,
    digest: &'a str,
    now: String,
}

impl Tails {
    /// Follows each JobTracker through all its restarts.
    ///
    /// # Errors
    /// If a file cannot be made.
    pub(crate) fn follow(cluster: &Cluster, kept: &Path) -> anyhow::Result<Tails> {
        let mut tails = Tails { tails: Vec::new(), tasks: Vec::new() };
        for node in &cluster.nodes {
            let record = Record::create(&kept.join("nodes").join(&node.name).join("log.jsonl"))?;
            let channel = cluster.admin.channel(&node.name);
            let tail = Tail { node: node.name.clone(), channel, record, last: AtomicU64::new(0) };
            let tail = Arc::new(tail);
            tails.tasks.push(tokio::spawn(Arc::clone(&tail).forever()));
            tails.tails.push(tail);
        }
        Ok(tails)
    }

    /// Waits until every tail has what its JobTracker has applied, up to this index.
    pub(crate) async fn reach(&self, index: u64, patience: Duration) {
        let began = Instant::now();
        for tail in &self.tails {
            while tail.last.load(Ordering::SeqCst) < index && !tail.has_ended(&self.tasks) {
                if began.elapsed() > patience {
                    let last = tail.last.load(Ordering::SeqCst);
                    println!("  the export of {} ends at {last} before {index}", tail.node);
                    break;
                }
                sleep(BETWEEN_TRIES).await;
            }
        }
    }

    /// # Errors
    /// If the disk of the harness is full.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.tails.iter().try_for_each(|tail| tail.record.flush())
    }
}

impl Tail {
    /// Tails end by themselves only where there is no export at all.
    fn has_ended(&self, tasks: &[JoinHandle<()>]) -> bool {
        tasks.iter().all(JoinHandle::is_finished)
    }

    async fn forever(self: Arc<Tail>) {
        loop {
            if let Err(status) = self.once().await
                && status.code() == Code::Unimplemented
            {
                return println!("  {} exports no log", self.node);
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    async fn once(&self) -> Result<(), tonic::Status> {
        let mut cluster =
            ClusterServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let from_index = self.last.load(Ordering::SeqCst) + 1;
        let mut records =
            cluster.export_log(pb::ExportLogRequest { from_index, follow: true }).await?.into_inner();
        while let Some(record) = records.message().await? {
            let index = record.index;
            let applied = applied(record).map_err(|error| tonic::Status::internal(format!("{error:#}")))?;
            self.record.append(|_| applied);
            self.last.store(index, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn applied(record: pb::ExportLogResponse) -> anyhow::Result<Applied> {
    let mut commands = Vec::new();
    for command in &record.commands {
        let reply = (!command.reply_json.is_empty()).then(|| serde_json::from_str(&command.reply_json));
        commands.push(AppliedCommand {
            command: serde_json::from_str(&command.command_json).context("a command is no JSON")?,
            reply: reply.transpose().context("a reply is no JSON")?,
        });
    }
    Ok(Applied {
        index: record.index,
        term: record.term,
        at: record.at.map(|at| text_of_ns(ns_of(&at))).unwrap_or_default(),
        digest: (!record.digest.is_empty()).then_some(record.digest),
        commands,
    })
}

/// Asks all JobTrackers for the digest of their tables until they stand at the same index; writes the answers down and
/// returns the index. `None` if they offer none.
///
/// # Errors
/// If the digests differ: the JobTrackers do not have the same state. If they never stand at the same index.
pub(crate) async fn digests(
    cluster: &Cluster,
    record: &Record,
    when: &str,
    patience: Duration,
) -> anyhow::Result<Option<u64>> {
    let began = Instant::now();
    let mut at_least_index = 1;
    loop {
        let mut answers = Vec::new();
        for node in &cluster.nodes {
            match digest(cluster.admin.channel(&node.name), at_least_index).await {
                Ok(answer) => answers.push((node.name.as_str(), answer)),
                Err(status) if status.code() == Code::Unimplemented => return Ok(None),
                Err(_) => {}
            }
        }
        let greatest = answers.iter().map(|(_, answer)| answer.index).max().unwrap_or(1);
        let together = answers.iter().all(|(_, answer)| answer.index == greatest);
        if together && answers.len() == cluster.nodes.len() {
            for (node, answer) in &answers {
                let now = answer.now.map(|at| text_of_ns(ns_of(&at))).unwrap_or_default();
                let (index, digest) = (answer.index, answer.digest.as_str());
                record.append(|_| Digested { t: monotonic_ns(), when, node, index, digest, now });
            }
            let same = answers.iter().all(|(_, answer)| answer.digest == answers[0].1.digest);
            anyhow::ensure!(same, "{when}: the digests at {greatest} differ: {answers:?}");
            println!("  {when}: digest {} at {greatest} on all", answers[0].1.digest);
            return Ok(Some(greatest));
        }
        anyhow::ensure!(
            began.elapsed() < patience,
            "{when}: the JobTrackers do not come to rest: {answers:?}"
        );
        at_least_index = greatest;
        sleep(BETWEEN_TRIES).await;
    }
}

async fn digest(channel: Channel, at_least_index: u64) -> Result<pb::DigestResponse, tonic::Status> {
    let mut cluster = ClusterServiceClient::new(channel);
    let asked = cluster.digest(pb::DigestRequest { at_least_index });
    let answered = timeout(DIGEST_PATIENCE, asked).await;
    Ok(answered.map_err(|_| tonic::Status::deadline_exceeded("no digest in time"))??.into_inner())
}
