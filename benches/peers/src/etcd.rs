//! etcd: three members. It is no queue; `Etcd` makes the best one of it, and `Puts` is what it is made for.
//!
//! A queue: a job is a key, put with 99 others in one transaction; the worker watches the prefix and deletes what it has
//! done, 100 in one transaction. (128 operations are the default limit of one.) `Puts`: one put a call, 256 callers.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use etcd_client::{Client, DeleteOptions, GetOptions, Txn, TxnOp, WatchFilterType, WatchOptions};
use tokio::task::JoinSet;

use crate::jobs::{Jobs, payload};
use crate::measure::Peer;
use crate::server::{Server, first_line, free_port, program, until_ready};

const MEMBERS: usize = 3;
const PREFIX: &str = "job/";
const TOGETHER: usize = 100;
/// Delete transactions under way at a time.
const DELETES: usize = 10;
const PUT_CALLERS: usize = 256;
/// Callers share connections, as in etcd's own benchmark.
const CONNECTIONS: usize = 8;

pub(crate) const SETTINGS: &str = "3 members, defaults; puts and deletes 100 in one transaction, watch on the prefix, clients \
at the leader";
pub(crate) const PUTS_SETTINGS: &str = "3 members, defaults; one put a call, 256 callers on 8 connections to the leader; no \
delivery, no end: its figure is acknowledged puts";

pub(crate) fn version() -> anyhow::Result<String> {
    let binary = program("etcd", &[]).context("etcd is not installed")?;
    Ok(first_line(Command::new(binary).arg("--version"))?.replace("Version: ", ""))
}

#[derive(Debug)]
struct Cluster {
    leader: String,
    _servers: Vec<Server>,
}

impl Cluster {
    async fn start(dir: &Path) -> anyhow::Result<Cluster> {
        let mut given = BTreeSet::new();
        let mut addresses = || {
            let ports = (0..MEMBERS).map(|_| free_port(&mut given));
            ports.map(|port| Ok(format!("http://127.0.0.1:{}", port?))).collect::<anyhow::Result<Vec<_>>>()
        };
        let (clients, peers) = (addresses()?, addresses()?);
        let all: Vec<String> =
            peers.iter().enumerate().map(|(member, peer)| format!("n{member}={peer}")).collect();
        let mut servers = Vec::new();
        for member in 0..MEMBERS {
            let (client, peer, name) = (&clients[member], &peers[member], format!("n{member}"));
            let mut command = Command::new(program("etcd", &[]).context("etcd is not installed")?);
            command
                .args(["--name", &name, "--initial-cluster", &all.join(",")])
                .args(["--listen-client-urls", client, "--advertise-client-urls", client])
                .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
                .arg("--data-dir")
                .arg(dir.join(&name));
            servers.push(Server::start(&mut command, &dir.join(format!("{name}.out")))?);
        }
        let leader = until_ready("etcd", &mut servers, async || leader(&clients).await).await?;
        Ok(Cluster { leader, _servers: servers })
    }

    async fn connect(&self) -> anyhow::Result<Client> {
        Ok(Client::connect([&self.leader], None).await?)
    }
}

/// The address of the member that leads, once all answer.
async fn leader(addresses: &[String]) -> anyhow::Result<String> {
    let mut leader = None;
    for address in addresses {
        let mut client = Client::connect([address], None).await?;
        let status = client.status().await?;
        if status.header().is_some_and(|header| header.member_id() == status.leader()) {
            leader = Some(address.clone());
        }
    }
    leader.context("no member leads")
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

async fn count(client: &mut Client) -> anyhow::Result<u64> {
    let options = GetOptions::new().with_prefix().with_count_only();
    Ok(u64::try_from(client.get(PREFIX, Some(options)).await?.count())?)
}

#[derive(Debug)]
pub(crate) struct Etcd(Cluster);

impl Etcd {
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Etcd> {
        Ok(Etcd(Cluster::start(dir).await?))
    }
}

impl Peer for Etcd {
    async fn submit(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let client = self.0.connect().await?;
        let together = jobs.under_way().min(TOGETHER);
        let callers = (0..jobs.under_way() / together).map(|_| {
            let mut client = client.clone();
            async move {
                while let Some(numbers) = jobs.next(together).await {
                    let put = |number| TxnOp::put(key(number), payload(number), None);
                    let puts: Vec<TxnOp> = numbers.clone().map(put).collect();
                    client.txn(Txn::new().and_then(puts)).await?;
                    jobs.acked(numbers)?;
                }
                anyhow::Ok(())
            }
        });
        futures_util::future::try_join_all(callers).await.map(drop)
    }

    async fn work(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let mut client = self.0.connect().await?;
        let options = WatchOptions::new().with_prefix().with_filters([WatchFilterType::NoDelete]);
        let mut watch = client.watch(PREFIX, Some(options)).await?;
        let created = watch.message().await?.context("the watch was not created")?;
        anyhow::ensure!(created.created(), "the watch was not created");
        jobs.worker_is_ready();
        let (mut held, mut deletes) = (Vec::new(), JoinSet::new());
        loop {
            let events = tokio::select! {
                biased;
                events = watch.message() => events?.context("the watch ended")?,
                () = jobs.all_delivered() => break,
            };
            for event in events.events() {
                let put = event.kv().context("a put has a value")?;
                jobs.delivered(put.value())?;
                held.push(TxnOp::delete(put.key(), None));
                if held.len() == TOGETHER {
                    delete(&client, std::mem::take(&mut held), &mut deletes).await?;
                }
            }
        }
        delete(&client, held, &mut deletes).await?;
        while let Some(done) = deletes.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn left(&self) -> anyhow::Result<u64> {
        count(&mut self.0.connect().await?).await
    }
}

/// Begins to delete, when one of those under way has ended.
async fn delete(
    client: &Client,
    keys: Vec<TxnOp>,
    under_way: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    if under_way.len() == DELETES {
        under_way.join_next().await.context("some are under way")???;
    }
    let mut client = client.clone();
    under_way.spawn(async move { Ok(client.txn(Txn::new().and_then(keys)).await.map(drop)?) });
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Puts {
    cluster: Cluster,
    put: std::sync::atomic::AtomicU64,
}

impl Puts {
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Puts> {
        Ok(Puts { cluster: Cluster::start(dir).await?, put: Default::default() })
    }
}

impl Peer for Puts {
    async fn submit(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(self.cluster.connect().await?);
        }
        let callers = (0..PUT_CALLERS).map(|caller| {
            let mut client = clients[caller % CONNECTIONS].clone();
            async move {
                while let Some(numbers) = jobs.next(1).await {
                    let body = payload(numbers.start);
                    client.put(key(numbers.start), body.clone(), None).await?;
                    jobs.acked(numbers)?;
                    jobs.delivered(&body)?;
                }
                anyhow::Ok(())
            }
        });
        futures_util::future::try_join_all(callers).await.map(drop)
    }

    async fn work(&self, jobs: &Jobs) -> anyhow::Result<()> {
        jobs.worker_is_ready();
        jobs.all_delivered().await;
        self.put.store(jobs.closed().await, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    /// None is taken here, so all must be there; then they go, before the next run.
    async fn left(&self) -> anyhow::Result<u64> {
        let mut client = self.cluster.connect().await?;
        let there = count(&mut client).await?;
        let put = self.put.load(std::sync::atomic::Ordering::Relaxed);
        anyhow::ensure!(there == put, "{put} puts were acknowledged, and {there} keys are there");
        client.delete(PREFIX, Some(DeleteOptions::new().with_prefix())).await?;
        count(&mut client).await
    }

    fn delivers(&self) -> bool {
        false
    }
}
