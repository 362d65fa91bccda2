//! What an operator asks of the cluster: who leads, who is a member. Asked from the router, which no partition cuts off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::{Channel, Endpoint};

use crate::jobtracker::JobTracker;

const STATUS_PATIENCE: Duration = Duration::from_millis(500);
const CHANGE_PATIENCE: Duration = Duration::from_secs(15);
const TRANSFER_PATIENCE: Duration = Duration::from_secs(3);

/// A connection that is made when it is needed, and again when it broke.
///
/// # Panics
/// Never: the address is one that the harness gave.
pub(crate) fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("an ip and a port are an address")
        .connect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .connect_lazy()
}

#[derive(Debug)]
pub(crate) struct Admin {
    nodes: Vec<Arc<JobTracker>>,
    channels: BTreeMap<String, Channel>,
}

impl Admin {
    pub(crate) fn of(nodes: &[Arc<JobTracker>]) -> Admin {
        let channels = nodes.iter().map(|node| (node.name.clone(), channel(&node.client))).collect();
        Admin { nodes: nodes.to_vec(), channels }
    }

    pub(crate) fn channel(&self, node: &str) -> Channel {
        self.channels[node].clone()
    }

    fn cluster(&self, node: &str) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel(node))
    }

    /// Makes the JobTrackers one cluster.
    ///
    /// # Errors
    /// If none of them can.
    pub(crate) async fn init(&self) -> anyhow::Result<()> {
        let addresses: Vec<String> = self.nodes.iter().map(|node| node.peer.clone()).collect();
        let mut first = self.cluster(&self.nodes[0].name);
        timeout(CHANGE_PATIENCE, first.init(pb::InitRequest { addresses }))
            .await
            .context("no answer to the init")??;
        Ok(())
    }

    /// What one JobTracker knows; `None` if it does not answer at once.
    pub(crate) async fn status(&self, node: &str) -> Option<pb::StatusResponse> {
        let answer =
            timeout(STATUS_PATIENCE, async { self.cluster(node).status(pb::StatusRequest {}).await });
        Some(answer.await.ok()?.ok()?.into_inner())
    }

    /// The name of the leader, by the JobTracker that knows the highest term.
    pub(crate) async fn leader(&self) -> Option<String> {
        let mut best: Option<(u64, String)> = None;
        for node in &self.nodes {
            let Some(status) = self.status(&node.name).await else { continue };
            let named =
                status.nodes.iter().find(|one| one.node_id == status.leader_id && !one.name.is_empty());
            if let Some(leader) = named
                && best.as_ref().is_none_or(|(term, _)| status.term > *term)
            {
                best = Some((status.term, leader.name.clone()));
            }
        }
        best.map(|(_, name)| name)
    }

    /// Asks for this JobTracker to lead; says whether it does.
    pub(crate) async fn transfer(&self, to: &str) -> bool {
        let Some(leader) = self.leader().await.filter(|leader| leader != to) else {
            return self.leader().await.is_some_and(|leader| leader == to);
        };
        let request = pb::TransferLeaderRequest { node: to.into(), term: 0 };
        let asked =
            timeout(TRANSFER_PATIENCE, async { self.cluster(&leader).transfer_leader(request).await });
        matches!(asked.await, Ok(Ok(_)))
    }

    /// Waits until all JobTrackers name the same leader; says how long that took.
    ///
    /// # Errors
    /// If they do not within `patience`.
    pub(crate) async fn agree(&self, patience: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        loop {
            let mut leaders = Vec::new();
            for node in &self.nodes {
                leaders
                    .push(self.status(&node.name).await.map(|status| status.leader_id).unwrap_or_default());
            }
            if leaders.iter().all(|leader| !leader.is_empty() && *leader == leaders[0]) {
                return Ok(began.elapsed());
            }
            anyhow::ensure!(began.elapsed() < patience, "no common leader within {patience:?}: {leaders:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Puts a JobTracker whose disk was emptied back into the cluster: its old id goes, the new one comes and votes.
    ///
    /// # Errors
    /// If the cluster does not take it in time.
    pub(crate) async fn readmit(&self, node: &JobTracker, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            match self.readmit_once(node).await {
                Ok(()) => return Ok(()),
                Err(error) if began.elapsed() > patience => return Err(error),
                Err(_) => sleep(Duration::from_millis(250)).await,
            }
        }
    }

    /// One try; every step may be repeated.
    async fn readmit_once(&self, node: &JobTracker) -> anyhow::Result<()> {
        let leader = self.leader().await.context("no leader")?;
        anyhow::ensure!(leader != node.name, "the emptied one seems to lead");
        let status = self.status(&leader).await.context("the leader does not answer")?;
        let own = self.status(&node.name).await.context("the emptied one does not answer")?.node_id;
        let mut cluster = self.cluster(&leader);
        let same_name = |one: &&pb::ClusterNode| one.peer_address == node.peer;
        for old in status.nodes.iter().filter(same_name).filter(|one| one.node_id != own) {
            let remove = cluster.remove_node(pb::RemoveNodeRequest { node: old.node_id.clone() });
            timeout(CHANGE_PATIENCE, remove).await.context("no answer to the removal")??;
        }
        match status.nodes.iter().find(|one| one.node_id == own).map(pb::ClusterNode::role) {
            Some(pb::NodeRole::Follower | pb::NodeRole::Leader | pb::NodeRole::Candidate) => return Ok(()),
            Some(pb::NodeRole::Learner) => {}
            Some(pb::NodeRole::Outsider | pb::NodeRole::Unspecified) | None => {
                let add = cluster.add_node(pb::AddNodeRequest { peer_address: node.peer.clone() });
                timeout(CHANGE_PATIENCE, add).await.context("no answer to the addition")??;
            }
        }
        let promote = cluster.promote_node(pb::PromoteNodeRequest { node: own });
        timeout(CHANGE_PATIENCE, promote).await.context("no answer to the promotion")??;
        Ok(())
    }
}
