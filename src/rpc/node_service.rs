//! `NodeService`: JobTrackers, TaskTrackers and the JobClients that listen, on or off and since when.

use std::fmt;
use std::str::FromStr;

use tonic::{Request, Response, Status};

use super::edge::{command, committed, read, refused, wrong};
use super::holds;
use super::job_client_service::listeners;
use super::lists::{self, Problems};
use super::page::{self, Filters};
use crate::domain::{FieldError, Identity, NodeGroup, Position};
use crate::jobtracker::{JobTracker, Listening};
use crate::machine::command::{DeleteGroup, OfflineReason};
use crate::machine::row::{NodeEvent, NodeType};
use crate::machine::{Command, GroupView, Machine, NodeEventFilter, NodeEventView, Reply, TrackerView};
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
        let same = pb::ListNodesRequest {
            page_size: 0,
            page_token: String::new(),
            consistency: 0,
            ..request.clone()
        };
        let (filters, limit) = (Filters::of("nodes", &same), page::size(request.page_size));
        let after: Option<Place> = filters.place(&request.page_token)?;
        let (trackers, mark) =
            read(&self.0, request.consistency, |machine| machine.tables().trackers()).await?;
        let mut nodes = jobtrackers(&self.0.raft().metrics());
        nodes.extend(trackers.iter().map(tasktracker));
        nodes.extend(listeners(&self.0).await.iter().map(jobclient));
        let wanted = |node: &pb::Node| {
            (request.r#type == 0 || request.r#type == node.r#type)
                && (request.node_group.is_empty() || request.node_group == node.node_group)
                && (request.identity.is_empty() || request.identity == node.identity)
                && (!request.online_only || node.online)
        };
        nodes.retain(wanted);
        let (nodes, next) = one_page(nodes, after.as_ref(), limit);
        let next_page_token = next.map(|place| filters.token(&place)).unwrap_or_default();
        Ok(Response::new(pb::ListNodesResponse { nodes, next_page_token, read: mark }))
    }

    async fn list_node_events(
        &self,
        request: Request<pb::ListNodeEventsRequest>,
    ) -> Result<Response<pb::ListNodeEventsResponse>, Status> {
        let request = request.into_inner();
        let filter = event_filter(&request)?;
        let same = pb::ListNodeEventsRequest {
            page_size: 0,
            page_token: String::new(),
            consistency: 0,
            ..request.clone()
        };
        let (filters, limit) = (Filters::of("node events", &same), page::size(request.page_size));
        let before: Option<Position> = filters.place(&request.page_token)?;
        let look = |machine: &Machine| machine.tables().node_events(&filter, before, limit);
        let (found, mark) = read(&self.0, request.consistency, look).await?;
        let next_page_token = found.next.map(|position| filters.token(&position)).unwrap_or_default();
        let events = found.rows.iter().map(event).collect();
        Ok(Response::new(pb::ListNodeEventsResponse { events, next_page_token, read: mark }))
    }

    async fn list_node_groups(
        &self,
        request: Request<pb::ListNodeGroupsRequest>,
    ) -> Result<Response<pb::ListNodeGroupsResponse>, Status> {
        let request = request.into_inner();
        let mut problems = Problems::default();
        let only = problems.name("node_group", &request.node_group, NodeGroup::new);
        let only = problems.done(only)?;
        let look = |machine: &Machine| machine.tables().groups();
        let (groups, mark) = read(&self.0, request.consistency, look).await?;
        let wanted = groups.iter().filter(|view| only.as_ref().is_none_or(|only| *only == view.node_group));
        let node_groups = wanted.map(node_group).collect();
        Ok(Response::new(pb::ListNodeGroupsResponse { node_groups, read: mark }))
    }

    async fn delete_node_group(
        &self,
        request: Request<pb::DeleteNodeGroupRequest>,
    ) -> Result<Response<pb::DeleteNodeGroupResponse>, Status> {
        let node_group = NodeGroup::new(request.into_inner().name);
        let node_group = node_group.map_err(|e| wrong(vec![FieldError::new("name", e.problem)]))?;
        let done = command(&self.0, Command::DeleteGroup(DeleteGroup { node_group })).await?;
        match &done.reply {
            Reply::Refused(refusal) => Err(refused(&done, refusal)),
            _ => Ok(Response::new(pb::DeleteNodeGroupResponse { committed: committed(&done) })),
        }
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

/// Where a node stands in the list; its id tells apart two JobClients of one identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    node_type: i32,
    node_group: String,
    identity: String,
    id: String,
}

impl Place {
    fn of(node: &pb::Node) -> Place {
        let (node_group, identity) = (node.node_group.clone(), node.identity.clone());
        Place { node_type: node.r#type, node_group, identity, id: node.id.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No name has a line break.
        write!(f, "{}\n{}\n{}\n{}", self.node_type, self.node_group, self.identity, self.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let parts: Vec<&str> = text.split('\n').collect();
        let [node_type, node_group, identity, id] = parts[..] else { return Err(()) };
        let [node_group, identity, id] = [node_group, identity, id].map(str::to_owned);
        Ok(Place { node_type: node_type.parse().map_err(|_| ())?, node_group, identity, id })
    }
}

/// The first `limit` nodes after a place, and the last one's place if there are more.
fn one_page(nodes: Vec<pb::Node>, after: Option<&Place>, limit: usize) -> (Vec<pb::Node>, Option<Place>) {
    let mut placed: Vec<(Place, pb::Node)> = nodes.into_iter().map(|node| (Place::of(&node), node)).collect();
    placed.retain(|(place, _)| after.is_none_or(|after| place > after));
    placed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let next = placed.get(limit).and_then(|_| Some(placed[limit.checked_sub(1)?].0.clone()));
    (placed.into_iter().take(limit).map(|(_, node)| node).collect(), next)
}

fn event_filter(request: &pb::ListNodeEventsRequest) -> Result<NodeEventFilter, Status> {
    let mut problems = Problems::default();
    if pb::NodeType::try_from(request.r#type).is_err() {
        problems.add("type", format!("{} is not known to this JobTracker", request.r#type));
    }
    let filter = NodeEventFilter {
        node_type: match request.r#type() {
            pb::NodeType::Unspecified => None,
            pb::NodeType::Jobtracker => Some(NodeType::JobTracker),
            pb::NodeType::Tasktracker => Some(NodeType::TaskTracker),
            pb::NodeType::Jobclient => Some(NodeType::JobClient),
        },
        node_group: problems.name("node_group", &request.node_group, NodeGroup::new),
        identity: problems.name("identity", &request.identity, Identity::new),
        online: request.online,
        at: problems.span("time", request.time),
    };
    problems.done(filter)
}

fn event(view: &NodeEventView) -> pb::NodeEvent {
    let row = &view.row;
    let (online, reason) = match row.event {
        NodeEvent::Online => (true, pb::OfflineReason::Unspecified),
        NodeEvent::Offline(OfflineReason::Silent) => (false, pb::OfflineReason::Silent),
        NodeEvent::Offline(OfflineReason::Left) => (false, pb::OfflineReason::Left),
        NodeEvent::Offline(OfflineReason::Replaced) => (false, pb::OfflineReason::Replaced),
    };
    let (node_type, id) = match row.node_type {
        NodeType::JobTracker => (pb::NodeType::Jobtracker, row.id.to_string()),
        NodeType::TaskTracker => (pb::NodeType::Tasktracker, Position::from_u64(row.id).to_string()),
        NodeType::JobClient => (pb::NodeType::Jobclient, Position::from_u64(row.id).to_string()),
    };
    pb::NodeEvent {
        event_id: view.position.to_string(),
        time: Some(timestamp(row.at)),
        r#type: node_type.into(),
        node_group: row.node_group.as_ref().map(ToString::to_string).unwrap_or_default(),
        identity: row.identity.to_string(),
        id,
        online,
        offline_reason: reason.into(),
    }
}

fn node_group(view: &GroupView) -> pb::NodeGroup {
    pb::NodeGroup {
        name: view.node_group.to_string(),
        tasktrackers_online: view.trackers_online,
        tasktrackers_offline: view.trackers_offline,
        slots: view.slots,
        counts: Some(lists::counts(view)),
        paused: view.paused.as_ref().map(holds::hold),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node_type: pb::NodeType, node_group: &str, identity: &str) -> pb::Node {
        pb::Node {
            r#type: node_type.into(),
            node_group: node_group.into(),
            identity: identity.into(),
            ..pb::Node::default()
        }
    }

    #[test]
    fn every_node_is_on_one_page_whoever_comes_and_goes_meanwhile() {
        let all = |workers: &[&str]| {
            let workers = workers.iter().map(|name| node(pb::NodeType::Tasktracker, "g", name));
            let others = [node(pb::NodeType::Jobclient, "", "a b"), node(pb::NodeType::Jobtracker, "", "n1")];
            workers.chain(others).collect::<Vec<_>>()
        };
        let names = |page: &[pb::Node]| page.iter().map(|node| node.identity.clone()).collect::<Vec<_>>();
        let (page, next) = one_page(all(&["w3", "w1", "w2"]), None, 2);
        assert_eq!(names(&page), ["n1", "w1"]);
        let next: Place = next.expect("there is more").to_string().parse().expect("it reads what it wrote");
        let (page, next) = one_page(all(&["w0", "w2", "w3"]), Some(&next), 3);
        assert_eq!(names(&page), ["w2", "w3", "a b"]);
        assert_eq!(next, None, "that was the last page");
        assert_eq!("1\nx".parse::<Place>(), Err(()));
    }
}
