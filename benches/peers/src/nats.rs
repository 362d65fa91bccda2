//! NATS JetStream: three servers, a stream of three replicas on disk with work-queue retention, which drops a message when
//! it is acknowledged. By default it syncs its files every two minutes; with `sync_interval: always` before it answers.
//!
//! The documented pattern: publishes whose acknowledgements are awaited while more are under way, and one pull consumer
//! that asks for batches and acknowledges each message (a work queue allows no other way).

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt as _;

use crate::jobs::{Jobs, payload};
use crate::measure::Peer;
use crate::server::{Server, first_line, free_port, installed, program, until_ready};

const NODES: usize = 3;
const STREAM: &str = "jobs";
const BATCH: usize = 500;
const ACK_PENDING_MAX: i64 = 20_000;
const LOOK_EVERY: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Every two minutes.
    Default,
    /// Before each acknowledgement.
    Always,
}

impl Sync {
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Sync::Default => {
                "3 servers, file stream with 3 replicas, work-queue retention, default sync: every 2 minutes, so NO sync \
before an acknowledgement; pull batches of 500, an ack each, clients at the stream's leader"
            }
            Sync::Always => {
                "3 servers, file stream with 3 replicas, work-queue retention, sync_interval: always; pull batches of 500, \
an ack each, clients at the stream's leader"
            }
        }
    }
}

pub(crate) fn version(sync: Sync) -> anyhow::Result<String> {
    let said = first_line(Command::new(binary()?).arg("--version"))?;
    let version = said.rsplit('v').next().unwrap_or_default().trim();
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let knows_sync = (parts.next(), parts.next()) >= (Some(2), Some(10));
    anyhow::ensure!(
        sync == Sync::Default || knows_sync,
        "nats-server {version} has no sync_interval; 2.10 has"
    );
    Ok(format!("nats-server {version}"))
}

fn binary() -> anyhow::Result<PathBuf> {
    let before = [installed().join("nats/bin"), "/usr/sbin".into()];
    program("nats-server", &before).context("nats-server is not installed")
}

pub(crate) struct Nats {
    submitter: Context,
    worker: Context,
    _servers: Vec<Server>,
}

impl Nats {
    pub(crate) async fn start(dir: &Path, sync: Sync) -> anyhow::Result<Nats> {
        let mut given = BTreeSet::new();
        let mut ports = || (0..NODES).map(|_| free_port(&mut given)).collect::<anyhow::Result<Vec<_>>>();
        let (clients, routes) = (ports()?, ports()?);
        let mut servers = Vec::new();
        for node in 0..NODES {
            let file = dir.join(format!("n{node}.conf"));
            std::fs::write(&file, configuration(dir, node, sync, &clients, &routes))?;
            let log = dir.join(format!("n{node}.out"));
            servers.push(Server::start(Command::new(binary()?).arg("--config").arg(file), &log)?);
        }
        let any = until_ready("NATS", &mut servers, async || connect(clients[0]).await).await?;
        // It takes a stream of three replicas only when all three have found each other.
        let stream =
            until_ready("NATS", &mut servers, async || Ok(any.create_stream(stream()).await?)).await?;
        let consumer = pull::Config {
            durable_name: Some("worker".into()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: ACK_PENDING_MAX,
            ..Default::default()
        };
        until_ready("NATS", &mut servers, async || Ok(stream.create_consumer(consumer.clone()).await?))
            .await?;
        let cluster = stream.get_info().await?.cluster.context("a stream of a cluster")?;
        anyhow::ensure!(
            cluster.replicas.len() == NODES - 1,
            "the stream has {} replicas",
            cluster.replicas.len() + 1
        );
        let leader = cluster.leader.context("the stream has a leader")?;
        let leader: usize = leader.trim_start_matches('n').parse()?;
        let (submitter, worker) = (connect(clients[leader]).await?, connect(clients[leader]).await?);
        Ok(Nats { submitter, worker, _servers: servers })
    }

    async fn stream(&self) -> anyhow::Result<Stream> {
        Ok(self.worker.get_stream(STREAM).await?)
    }
}

fn configuration(dir: &Path, node: usize, sync: Sync, clients: &[u16], routes: &[u16]) -> String {
    let store = dir.join(format!("n{node}"));
    let others: Vec<String> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let sync = match sync {
        Sync::Default => "",
        Sync::Always => "sync_interval: always",
    };
    format!(
        "server_name: n{node}\nlisten: 127.0.0.1:{client}\njetstream {{ store_dir: \"{store}\"\n {sync} }}\n\
cluster {{ name: bench, listen: 127.0.0.1:{route}, routes: [{others}] }}\n",
        client = clients[node],
        store = store.display(),
        route = routes[node],
        others = others.join(", "),
    )
}

fn stream() -> Config {
    Config {
        name: STREAM.into(),
        subjects: vec![STREAM.into()],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        num_replicas: NODES,
        ..Default::default()
    }
}

async fn connect(port: u16) -> anyhow::Result<Context> {
    Ok(jetstream::new(async_nats::connect(format!("127.0.0.1:{port}")).await?))
}

impl Peer for Nats {
    async fn submit(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let mut under_way = VecDeque::new();
        let mut over = false;
        while !over || !under_way.is_empty() {
            while !over && under_way.len() < jobs.under_way() {
                let Some(numbers) = jobs.next(1).await else {
                    over = true;
                    break;
                };
                let ack = self.submitter.publish(STREAM, payload(numbers.start).into()).await?;
                under_way.push_back((numbers, ack));
            }
            if let Some((numbers, ack)) = under_way.pop_front() {
                ack.await?;
                jobs.acked(numbers)?;
            }
        }
        Ok(())
    }

    async fn work(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let stream = self.stream().await?;
        let consumer: PullConsumer =
            stream.get_consumer("worker").await.map_err(anyhow::Error::from_boxed)?;
        let mut messages = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
        jobs.worker_is_ready();
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message.context("the consumer ended")??,
                () = jobs.all_delivered() => break,
            };
            jobs.delivered(&message.payload)?;
            message.ack().await.map_err(anyhow::Error::from_boxed)?;
        }
        // An acknowledgement has no answer; a work queue drops what is acknowledged.
        while stream.get_info().await?.state.messages > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn left(&self) -> anyhow::Result<u64> {
        Ok(self.stream().await?.get_info().await?.state.messages)
    }
}
