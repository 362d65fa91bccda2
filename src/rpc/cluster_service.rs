//! `ClusterService`: who belongs to the cluster, how each stands, and changes of both.
//!
//! Any JobTracker answers; what only the leader can do is passed on to it, one hop.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use super::leadership_service::address;
use super::{limits, log_export};
use crate::domain::Millis;
use crate::jobtracker::JobTracker;
use crate::raft::{CallError, Leader, Member, MembershipError, NodeMetrics, PeerStatus, Role};
use crate::store::NodeId;
use crate::wire::pb::cluster_service_client::ClusterServiceClient;
use crate::wire::pb::cluster_service_server::ClusterService;
use crate::wire::{Fault, Reason, duration, pb, timestamp};

/// How long another JobTracker may take to say how it stands.
const ASK_WITHIN: Duration = Duration::from_millis(800);
/// How long the first members may take to be found and to elect a leader.
const INIT_WITHIN: Duration = Duration::from_secs(5);
/// How long a node may take to hear who leads now.
const HEAR_WITHIN: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const RELAYED: &str = "x-raftsman-relayed";

pub(super) struct Cluster(pub(super) JobTracker);

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn status(
        &self,
        _request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        let raft = self.0.raft();
        let metrics = raft.metrics();
        let members = metrics.voters.iter().chain(&metrics.learners);
        let nodes = join_all(members.map(|member| self.node(&metrics, member))).await;
        let newest = nodes.iter().map(|node| node.last_log_index).max().unwrap_or(0);
        let lag = |node: pb::ClusterNode| pb::ClusterNode {
            lag: newest.saturating_sub(node.applied_index),
            ..node
        };
        Ok(Response::new(pb::StatusResponse {
            cluster_id: raft.identity().cluster().unwrap_or_default(),
            node_id: raft.id().to_string(),
            leader_id: metrics.leader.map(|id| id.to_string()).unwrap_or_default(),
            term: metrics.term,
            nodes: nodes.into_iter().map(lag).collect(),
            time: Some(timestamp(self.0.now())),
        }))
    }

    async fn init(&self, request: Request<pb::InitRequest>) -> Result<Response<pb::InitResponse>, Status> {
        let mut addresses = request.into_inner().addresses;
        if addresses.is_empty() {
            addresses.clone_from(&self.0.options().join);
        }
        // Called after the node that makes it: so a node that was stopped half-way knows the cluster as its own.
        let cluster_id = format!("{:016x}", self.0.raft().id());
        let known = self.0.raft().identity().cluster();
        if let Some(known) = known.filter(|known| *known != cluster_id || self.has_members()) {
            return Ok(Response::new(pb::InitResponse { cluster_id: known, already: true }));
        }
        let members = self.find_members(addresses).await?;
        let made = self.0.raft().initialize(&cluster_id, members).await;
        made.map_err(|error| membership(&error))?;
        let mut leadership = self.0.leadership();
        let elected = leadership.wait_for(|seen| seen.leader.is_some());
        let elected = tokio::time::timeout(INIT_WITHIN, elected).await;
        if elected.is_err() {
            let text =
                "the cluster is made, and no leader was elected within 5s; see `raftsman cluster status`";
            return Err(Fault::unknown(Reason::NoLeader, text).into());
        }
        Ok(Response::new(pb::InitResponse { cluster_id, already: false }))
    }

    async fn add_node(
        &self,
        request: Request<pb::AddNodeRequest>,
    ) -> Result<Response<pb::AddNodeResponse>, Status> {
        if let Some(mut leader) = self.leader_elsewhere(&request).await? {
            return leader.add_node(relayed(request)).await;
        }
        let greeting = self.0.raft().greet(&request.into_inner().peer_address, None, ASK_WITHIN).await;
        let greeting = greeting.map_err(|error| unreachable(&error))?;
        let ours = self.0.raft().identity().cluster();
        if greeting.cluster.is_some() && greeting.cluster != ours {
            let text =
                format!("{} belongs to another cluster; wipe its data directory first", greeting.member);
            return Err(Fault::not_applied(Reason::InvalidArgument, text).into());
        }
        let node = Some(address(&greeting.member));
        self.0.raft().add_learner(greeting.member).await.map_err(|error| membership(&error))?;
        Ok(Response::new(pb::AddNodeResponse { node }))
    }

    async fn promote_node(
        &self,
        request: Request<pb::PromoteNodeRequest>,
    ) -> Result<Response<pb::PromoteNodeResponse>, Status> {
        if let Some(mut leader) = self.leader_elsewhere(&request).await? {
            return leader.promote_node(relayed(request)).await;
        }
        let node = self.find(&request.into_inner().node)?;
        self.0.raft().promote(node).await.map_err(|error| membership(&error))?;
        Ok(Response::new(pb::PromoteNodeResponse { voters: self.voters() }))
    }

    async fn remove_node(
        &self,
        request: Request<pb::RemoveNodeRequest>,
    ) -> Result<Response<pb::RemoveNodeResponse>, Status> {
        if let Some(mut leader) = self.leader_elsewhere(&request).await? {
            return leader.remove_node(relayed(request)).await;
        }
        let node = self.find(&request.into_inner().node)?;
        self.check_majority_without(node)?;
        self.0.raft().remove(node).await.map_err(|error| membership(&error))?;
        Ok(Response::new(pb::RemoveNodeResponse { voters: self.voters() }))
    }

    async fn transfer_leader(
        &self,
        request: Request<pb::TransferLeaderRequest>,
    ) -> Result<Response<pb::TransferLeaderResponse>, Status> {
        if let Some(mut leader) = self.leader_elsewhere(&request).await? {
            return leader.transfer_leader(relayed(request)).await;
        }
        let pb::TransferLeaderRequest { node: wanted, term } = request.into_inner();
        let metrics = self.0.raft().metrics();
        if term != 0 && metrics.term != term {
            return Ok(Response::new(self.leads_now().await));
        }
        let to = if wanted.is_empty() { best_successor(&metrics)? } else { self.find(&wanted)? };
        self.0.raft().transfer_leader(to).await.map_err(|error| membership(&error))?;
        Ok(Response::new(self.leads_now().await))
    }

    type ExportLogStream = ReceiverStream<Result<pb::ExportLogResponse, Status>>;

    async fn export_log(
        &self,
        request: Request<pb::ExportLogRequest>,
    ) -> Result<Response<Self::ExportLogStream>, Status> {
        log_export::export(&self.0, &request.into_inner()).map(ReceiverStream::new).map(Response::new)
    }

    async fn digest(
        &self,
        request: Request<pb::DigestRequest>,
    ) -> Result<Response<pb::DigestResponse>, Status> {
        log_export::digest_at(&self.0, &request.into_inner()).await.map(Response::new)
    }

    async fn get_limits(
        &self,
        request: Request<pb::GetLimitsRequest>,
    ) -> Result<Response<pb::GetLimitsResponse>, Status> {
        limits::get(&self.0, &request.into_inner()).await.map(Response::new)
    }

    async fn set_limits(
        &self,
        request: Request<pb::SetLimitsRequest>,
    ) -> Result<Response<pb::SetLimitsResponse>, Status> {
        limits::set(&self.0, &request.into_inner()).await.map(Response::new)
    }
}

impl Cluster {
    /// Whether the first entry of the cluster's log is written: it says who is a member.
    fn has_members(&self) -> bool {
        !self.0.raft().metrics().voters.is_empty()
    }

    /// A node that has just given the leadership away may hear of its successor a moment later.
    async fn leads_now(&self) -> pb::TransferLeaderResponse {
        let mut leadership = self.0.leadership();
        // After that it says what it knows: nobody.
        let _ = tokio::time::timeout(HEAR_WITHIN, leadership.wait_for(|seen| seen.leader.is_some())).await;
        let seen = leadership.borrow().clone();
        let leader = seen.leader.map(|leader| address(&Member { id: leader.id, node: leader.node }));
        pb::TransferLeaderResponse { leader, term: seen.term }
    }

    async fn node(&self, metrics: &NodeMetrics, member: &Member) -> pb::ClusterNode {
        let learner = metrics.learners.iter().any(|learner| learner.id == member.id);
        let status = if member.id == metrics.id {
            Ok(None)
        } else {
            self.0.raft().peer_status(member, ASK_WITHIN).await.map(Some)
        };
        let base = pb::ClusterNode {
            node_id: member.id.to_string(),
            name: member.node.name.clone(),
            peer_address: member.node.peer_addr.clone(),
            client_address: member.node.client_addr.clone(),
            ..pb::ClusterNode::default()
        };
        match status {
            Ok(None) => pb::ClusterNode {
                role: role(metrics.role, learner).into(),
                health: pb::NodeHealth::Up.into(),
                term: metrics.term,
                last_log_index: metrics.last_log_index,
                commit_index: metrics.committed_index,
                applied_index: metrics.applied_index,
                snapshot_index: metrics.snapshot_index,
                version: env!("CARGO_PKG_VERSION").into(),
                uptime: Some(duration(Millis::from(self.0.uptime()))),
                ..base
            },
            Ok(Some(status)) => answered(base, &status, learner),
            Err(error) => pb::ClusterNode {
                role: if learner { pb::NodeRole::Learner } else { pb::NodeRole::Follower }.into(),
                health: pb::NodeHealth::Down.into(),
                note: error.to_string(),
                ..base
            },
        }
    }

    /// The members-to-be: whoever listens at the addresses, this node among them.
    async fn find_members(&self, addresses: Vec<String>) -> Result<Vec<Member>, Status> {
        let me = Member { id: self.0.raft().id(), node: self.0.node().clone() };
        let mut members = vec![me.clone()];
        for peer in addresses.into_iter().filter(|peer| *peer != me.node.peer_addr) {
            let greeting = self.0.raft().greet(&peer, None, INIT_WITHIN).await;
            let greeting = greeting.map_err(|error| unreachable(&error))?;
            if greeting.cluster.is_some() || greeting.initialized {
                let text = format!(
                    "{} at {peer} belongs to a cluster already; add this node to it",
                    greeting.member
                );
                return Err(Fault::not_applied(Reason::InvalidArgument, text).into());
            }
            if members.iter().all(|member| member.id != greeting.member.id) {
                members.push(greeting.member);
            }
        }
        Ok(members)
    }

    fn find(&self, name_or_id: &str) -> Result<NodeId, Status> {
        let metrics = self.0.raft().metrics();
        let mut members = metrics.voters.iter().chain(&metrics.learners);
        let found =
            members.find(|member| member.node.name == name_or_id || member.id.to_string() == name_or_id);
        found.map(|member| member.id).ok_or_else(|| {
            let text = format!("no member is called {name_or_id:?}");
            Fault::not_applied(Reason::NodeNotFound, text).into()
        })
    }

    /// Their names, in order.
    fn voters(&self) -> Vec<String> {
        let voters = self.0.raft().metrics().voters;
        let mut names: Vec<_> = voters.into_iter().map(|member| member.node.name).collect();
        names.sort();
        names
    }

    /// The voters that would be left must have a majority that answers.
    fn check_majority_without(&self, node: NodeId) -> Result<(), Status> {
        let metrics = self.0.raft().metrics();
        let left: Vec<_> = metrics.voters.iter().filter(|member| member.id != node).collect();
        let answers =
            |id: NodeId| id == metrics.id || metrics.silence.get(&id).is_some_and(|s| s.as_secs() < 2);
        let alive = left.iter().filter(|member| answers(member.id)).count();
        if left.is_empty() || alive * 2 <= left.len() {
            let text = format!("{alive} of the {} voters that would be left answer", left.len());
            return Err(Fault::not_applied(Reason::MajorityAtRisk, text).into());
        }
        Ok(())
    }

    /// A connection to the leader, if it is another node and the call did not come from one.
    async fn leader_elsewhere<T>(
        &self,
        request: &Request<T>,
    ) -> Result<Option<ClusterServiceClient<tonic::transport::Channel>>, Status> {
        let seen = self.0.leadership().borrow().clone();
        let Some(Leader { node, .. }) = seen.leader.filter(|leader| leader.id != self.0.raft().id()) else {
            return Ok(None);
        };
        if request.metadata().contains_key(RELAYED) {
            return Err(Fault::not_applied(Reason::NotLeader, "this JobTracker does not lead").into());
        }
        let failed = |error: tonic::transport::Error| {
            let text = format!("the leader at {} is not reachable: {error}", node.client_addr);
            Status::from(Fault::not_applied(Reason::NoLeader, text))
        };
        let endpoint = Endpoint::from_shared(format!("http://{}", node.client_addr)).map_err(failed)?;
        let channel = endpoint.connect_timeout(CONNECT_WITHIN).connect().await.map_err(failed)?;
        Ok(Some(ClusterServiceClient::new(channel)))
    }
}

fn relayed<T>(request: Request<T>) -> Request<T> {
    let mut request = Request::new(request.into_inner());
    request.metadata_mut().insert(RELAYED, tonic::metadata::MetadataValue::from_static("1"));
    request
}

fn best_successor(metrics: &NodeMetrics) -> Result<NodeId, Status> {
    let matched = |member: &&Member| metrics.matched.get(&member.id).copied().unwrap_or(0);
    let best = metrics.voters.iter().filter(|member| member.id != metrics.id).max_by_key(matched);
    best.map(|member| member.id).ok_or_else(|| {
        Fault::not_applied(Reason::NodeNotFound, "there is no other voter to take over").into()
    })
}

fn role(role: Role, learner: bool) -> pb::NodeRole {
    match role {
        Role::Leader => pb::NodeRole::Leader,
        Role::Candidate => pb::NodeRole::Candidate,
        Role::Follower | Role::Learner if learner => pb::NodeRole::Learner,
        Role::Follower => pb::NodeRole::Follower,
        Role::Learner | Role::Stopped => pb::NodeRole::Outsider,
    }
}

fn answered(base: pb::ClusterNode, status: &PeerStatus, learner: bool) -> pb::ClusterNode {
    pb::ClusterNode {
        role: role(status.role, learner).into(),
        health: pb::NodeHealth::Up.into(),
        term: status.term,
        last_log_index: status.last_log_index,
        commit_index: status.committed_index,
        applied_index: status.applied_index,
        snapshot_index: status.snapshot_index,
        version: status.version.clone(),
        uptime: Some(duration(Millis::from(status.uptime))),
        ..base
    }
}

fn unreachable(error: &CallError) -> Status {
    Fault::not_applied(Reason::NodeNotFound, error.to_string()).into()
}

fn membership(error: &MembershipError) -> Status {
    let text = error.to_string();
    let reason = match error {
        MembershipError::NotLeader { .. } => Reason::NotLeader,
        MembershipError::InProgress => Reason::MembershipBusy,
        MembershipError::UnknownNode(_) => Reason::NodeNotFound,
        MembershipError::Lagging { .. } => Reason::NodeBehind,
        MembershipError::AlreadyInitialized | MembershipError::Refused(_) => Reason::InvalidArgument,
        MembershipError::TransferFailed { .. } | MembershipError::Unknown => {
            return Fault::unknown(Reason::OutcomeUnknown, text).into();
        }
        MembershipError::Stopped => Reason::ShuttingDown,
    };
    Fault::not_applied(reason, text).into()
}
