//! `NodeService`: JobTrackers and TaskTrackers, on or off and since when.

use tonic::{Request, Response, Status};

use super::edge::read;
use super::holds;
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
        let wanted = |node: &pb::Node| {
            (request.r#type == 0 || request.r#type == node.r#type)
                && (request.node_group.is_empty() || request.node_group == node.node_group)
                && (!request.online_only || node.online)
        };
        nodes.retain(wanted);
        Ok(Response::new(pb::ListNodesResponse { nodes, next_page_token: String::new(), read: mark }))
    }

    async fn pause_group(
        &self,
        request: Request<pb::PauseGroupRequest>,
    ) -> Result<Response<pb::PauseGroupResponse>, Status> {
        holds::pause(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn resume_group(
        &self,
        request: Request<pb::ResumeGroupRequest>,
    ) -> Result<Response<pb::ResumeGroupResponse>, Status> {
        holds::resume(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn drain_task_tracker(
        &self,
        request: Request<pb::DrainTaskTrackerRequest>,
    ) -> Result<Response<pb::DrainTaskTrackerResponse>, Status> {
        holds::drain(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn undrain_task_tracker(
        &self,
        request: Request<pb::UndrainTaskTrackerRequest>,
    ) -> Result<Response<pb::UndrainTaskTrackerResponse>, Status> {
        holds::undrain(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn set_slots(
        &self,
        request: Request<pb::SetSlotsRequest>,
    ) -> Result<Response<pb::SetSlotsResponse>, Status> {
        holds::set_slots(&self.0, request.into_inner()).await.map(Response::new)
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
        capacity: view.row.slots.unwrap_or(view.row.capacity),
        own_capacity: view.row.slots.map_or(0, |_| view.row.capacity),
        draining: view.row.drained.is_some(),
        leaving: view.row.drained.as_ref().is_some_and(|drained| drained.leave),
        drained: view.row.drained.as_ref().map(|drained| holds::hold(&drained.hold)),
        executing: u32::try_from(view.executing).unwrap_or(u32::MAX),
        kinds: view.row.kinds.iter().map(ToString::to_string).collect(),
        ..pb::Node::default()
    }
}
