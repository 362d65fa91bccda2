//! Three JobTrackers and two TaskTracker agents on loopback, as a person would start them by hand.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;

use crate::process::Process;
use crate::workload::NODE_GROUP;

const JOBTRACKERS: usize = 3;
const TASKTRACKERS: usize = 2;
/// Executions at a time on each agent: enough to have some in flight whenever something is killed.
const CONCURRENCY: u32 = 4;
/// Below the range that systems take for outgoing connections: a port must not be taken while its owner is down.
const PORTS: std::ops::Range<u16> = 21_000..31_000;
/// How long the cluster may take to become whole again.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
/// A node that is less behind than this has caught up; under load none is at zero.
const LAG_MAX: u64 = 100;
/// How often a question is asked again.
const ASK_EVERY: Duration = Duration::from_millis(25);
/// How long an orderly end may take.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// All that was started.
pub(crate) struct Cluster {
    pub(crate) jobtrackers: Vec<Process>,
    pub(crate) tasktrackers: Vec<Process>,
    pub(crate) addresses: String,
}

impl Cluster {
    /// Starts everything; the agents wait until there is a cluster.
    ///
    /// # Errors
    /// If something cannot be started.
    pub(crate) fn start(binary: &Path, directory: &Path, effects: &Path) -> anyhow::Result<Cluster> {
        let ports = free_ports(2 * JOBTRACKERS)?;
        let (clients, peers) = ports.split_at(JOBTRACKERS);
        let (addresses, join) = (list(clients), list(peers));
        // An empty file, so that none of this host is read.
        let (logs, config) = (directory.join("logs"), directory.join("raftsman.toml"));
        std::fs::create_dir(&logs)?;
        std::fs::write(&config, "# all defaults\n")?;
        let mut jobtrackers = Vec::new();
        for (index, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let name = format!("n{}", index + 1);
            let line = format!(
                "jobtracker --config {} --node-name {name} --data-dir {} --join {join} \
                 --listen-client 127.0.0.1:{client} --listen-peer 127.0.0.1:{peer}",
                config.display(),
                directory.join(&name).display(),
            );
            jobtrackers.push(Process::start(&name, binary, words(&line), Vec::new(), &logs)?);
        }
        let mut tasktrackers = Vec::new();
        for index in 1..=TASKTRACKERS {
            let name = format!("agent-{index}");
            let line = format!(
                "tasktracker run --addr {addresses} --node-group {NODE_GROUP} --runner shell --script-from-payload \
                 --concurrency {CONCURRENCY} --identity {name} --data-dir {} --grace 2s --drain-timeout 2s",
                directory.join(&name).display(),
            );
            let env = [("DEMO_EFFECTS", effects.display().to_string()), ("DEMO_AGENT", name.clone())];
            let env = env.map(|(name, value)| (name.to_owned(), value)).into();
            tasktrackers.push(Process::start(&name, binary, words(&line), env, &logs)?);
        }
        Ok(Cluster { jobtrackers, tasktrackers, addresses })
    }

    /// `raftsman cluster init`: the nodes know each other by their `--join`.
    ///
    /// # Errors
    /// If no node answers in time.
    pub(crate) async fn init(&self, client: &JobClient) -> anyhow::Result<()> {
        let call = async |via, request| ClusterServiceClient::new(via).init(request).await;
        client.call(pb::InitRequest::default(), call).await.context("the cluster could not be made")?;
        Ok(())
    }

    /// Waits until all JobTrackers are up, one leads, and the others follow closely; says which one leads.
    ///
    /// # Errors
    /// If that takes too long, with what is missing.
    pub(crate) async fn whole(&self, client: &JobClient) -> anyhow::Result<String> {
        let mut last = String::from("no answer");
        let whole = async {
            loop {
                match status(client)
                    .await
                    .map_err(|error| error.to_string())
                    .and_then(|s| leader_if_whole(&s))
                {
                    Ok(leader) => return leader,
                    Err(missing) => last = missing,
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let leader = tokio::time::timeout(WHOLE_WITHIN, whole).await;
        leader.map_err(|_| anyhow::anyhow!("the cluster is not whole after {WHOLE_WITHIN:?}: {last}"))
    }

    pub(crate) fn jobtracker(&mut self, name: &str) -> anyhow::Result<&mut Process> {
        self.jobtrackers
            .iter_mut()
            .find(|node| node.name == name)
            .with_context(|| format!("{name} is not ours"))
    }

    /// Names what ended although nobody ended it.
    pub(crate) fn unexpected_ends(&mut self) -> Vec<String> {
        let all = self.jobtrackers.iter_mut().chain(&mut self.tasktrackers);
        let ended = all.filter_map(|process| process.ended().map(|status| (process.name.clone(), status)));
        ended.map(|(name, status)| format!("{name} ended by itself: {status}")).collect()
    }

    /// Ends everything in its own way, agents first; says what did not want to end or ended badly.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        let mut off = terminate_all(&mut self.tasktrackers).await;
        off.extend(terminate_all(&mut self.jobtrackers).await);
        off
    }
}

async fn terminate_all(processes: &mut [Process]) -> Vec<String> {
    processes.iter().for_each(Process::terminate);
    let mut off = Vec::new();
    for process in processes {
        let ended = tokio::time::timeout(STOP_WITHIN, async {
            loop {
                match process.ended() {
                    Some(status) => return status,
                    None => tokio::time::sleep(ASK_EVERY).await,
                }
            }
        });
        match ended.await {
            Ok(status) if status.success() => {}
            Ok(status) => off.push(format!("{} ended with {status} on SIGTERM", process.name)),
            Err(_) => off.push(format!("{} did not end within {STOP_WITHIN:?} of SIGTERM", process.name)),
        }
    }
    off
}

pub(crate) async fn status(client: &JobClient) -> anyhow::Result<pb::StatusResponse> {
    let call = async |via, request| ClusterServiceClient::new(via).status(request).await;
    Ok(client.read(pb::StatusRequest {}, call).await?)
}

fn leader_if_whole(status: &pb::StatusResponse) -> Result<String, String> {
    if status.nodes.len() != JOBTRACKERS {
        return Err(format!("{} of {JOBTRACKERS} JobTrackers are known", status.nodes.len()));
    }
    if let Some(down) = status.nodes.iter().find(|node| node.health() != pb::NodeHealth::Up) {
        return Err(format!("{} is {:?} {}", down.name, down.health(), down.note));
    }
    if let Some(slow) = status.nodes.iter().find(|node| node.lag > LAG_MAX || node.term != status.term) {
        return Err(format!("{} is {} entries behind, in term {}", slow.name, slow.lag, slow.term));
    }
    let leader = status.nodes.iter().find(|node| node.node_id == status.leader_id);
    leader.map(|node| node.name.clone()).ok_or_else(|| "no leader is known".into())
}

/// Ports that nobody listens on now. Another process could take one before we do; then the node says so and we end.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let first = fastrand::u16(PORTS);
    let around = (first..PORTS.end).chain(PORTS.start..first);
    let free: Vec<u16> =
        around.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(count).collect();
    anyhow::ensure!(free.len() == count, "there are not {count} free ports in {PORTS:?}");
    Ok(free)
}

fn list(ports: &[u16]) -> String {
    ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
