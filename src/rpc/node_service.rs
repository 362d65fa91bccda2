//! `NodeService`: JobTrackers, TaskTrackers and the JobClients that listen, on or off and since when.

use tonic::{Request, Response, Status};

use super::edge::read;
use super::job_client_service::listeners;
use crate::dispatch::client_notifier::Listening;
use crate::jobtracker::JobTracker;
use crate::machine::TrackerView;
use crate::raft::NodeMetrics;
use crate::wire::pb::node_service_server::NodeService;
use crate::wire::{pb, timestamp};

pub(super) struct Nodes(pub(super) JobTracker);

#[tonic::async_trait]
impl NodeService for Nodes {
    async fn list_nodes(
        &self,
        request: Request<pb::ListNodesRequest>,
    ) -> Result<Response<pb::ListNodesResponse>, Status> {
        let request = request.into_inner();
        let (trackers, mark) =
            read(&self.0, request.consistency, |machine| machine.tables().trackers()).await?;
        let mut nodes = jobtrackers(&self.0.raft().metrics());
        nodes.extend(trackers.iter().map(tasktracker));
        nodes.extend(listeners(&self.0).await.iter().map(jobclient));
        let wanted = |node: &pb::Node| {
            (request.r#type == 0 || request.r#type == node.r#type)
                && (request.node_group.is_empty() || request.node_group == node.node_group)
                && (!request.online_only || node.online)
        };
        nodes.retain(wanted);
        Ok(Response::new(pb::ListNodesResponse { nodes, next_page_token: String::new(), read: mark }))
    }
}

fn jobtrackers(metrics: &NodeMetrics) -> Vec<pb::Node> {
    let learner = |id| metrics.learners.iter().any(|member| member.id == id);
    let node = |member: &crate::raft::Member| pb::Node {
        r#type: pb::NodeType::Jobtracker.into(),
        identity: member.node.name.clone(),
        id: member.id.to_string(),
        online: member.id == metrics.id
            || metrics.silence.get(&member.id).is_none_or(|silence| silence.as_secs() < 2),
        host: member.node.client_addr.clone(),
        role: match () {
            () if metrics.leader == Some(member.id) => "leader",
            () if learner(member.id) => "learner",
            () => "follower",
        }
        .into(),
        ..pb::Node::default()
    };
    metrics.voters.iter().chain(&metrics.learners).map(node).collect()
}

fn tasktracker(view: &TrackerView) -> pb::Node {
    pb::Node {
        r#type: pb::NodeType::Tasktracker.into(),
        identity: view.identity.to_string(),
        node_group: view.node_group.to_string(),
        id: view.row.session.to_string(),
        online: view.row.is_online(),
        since_time: Some(timestamp(view.row.since)),
        capacity: view.row.capacity,
        executing: u32::try_from(view.executing).unwrap_or(u32::MAX),
        kinds: view.row.kinds.iter().map(ToString::to_string).collect(),
        ..pb::Node::default()
    }
}

fn jobclient(listening: &Listening) -> pb::Node {
    pb::Node {
        r#type: pb::NodeType::Jobclient.into(),
        identity: listening.identity.to_string(),
        node_group: listening.node_group.to_string(),
        id: format!("{:016x}", listening.start),
        online: true,
        since_time: Some(timestamp(listening.since)),
        ..pb::Node::default()
    }
}
