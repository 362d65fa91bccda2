//! `LeadershipService`: LTS's available and unavailable events, as a stream.

use std::pin::Pin;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::jobtracker::JobTracker;
use crate::raft::{Leadership, Member};
use crate::wire::pb;
use crate::wire::pb::leadership_service_server::LeadershipService;
use crate::wire::pb::subscribe_response::Leadership as Event;

/// Events that may wait for a subscriber; more than that would be a storm of elections.
const EVENTS_MAX: usize = 16;

pub(super) struct LeadershipFeed(pub(super) JobTracker);

#[tonic::async_trait]
impl LeadershipService for LeadershipFeed {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<pb::SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        _request: Request<pb::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(feed(self.0.clone(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn feed(tracker: JobTracker, sender: mpsc::Sender<Result<pb::SubscribeResponse, Status>>) {
    let (mut leadership, mut leader) = (tracker.leadership(), tracker.watch_leader());
    let mut said = None;
    loop {
        let seen = leadership.borrow_and_update().clone();
        leader.borrow_and_update();
        let event = event(&tracker, &seen);
        if said.as_ref() != Some(&event) {
            said = Some(event.clone());
            let response =
                pb::SubscribeResponse { leadership: Some(event), jobtrackers: jobtrackers(&tracker) };
            if sender.send(Ok(response)).await.is_err() {
                return;
            }
        }
        let changed = tokio::select! {
            changed = leadership.changed() => changed.is_ok(),
            changed = leader.changed() => changed.is_ok(),
            () = tracker.stopping().cancelled() => false,
            () = sender.closed() => false,
        };
        if !changed {
            return;
        }
    }
}

/// A leader is available when it has recovered; of another node's recovery this one knows nothing and need not.
fn event(tracker: &JobTracker, seen: &Leadership) -> Event {
    let available =
        seen.leader.as_ref().filter(|leader| leader.id != tracker.raft().id() || tracker.leader().is_some());
    match available {
        Some(leader) => {
            let member = Member { id: leader.id, node: leader.node.clone() };
            Event::Available(pb::Available { leader: Some(address(&member)), term: leader.term })
        }
        None => Event::Unavailable(pb::Unavailable { term: seen.term }),
    }
}

pub(super) fn jobtrackers(tracker: &JobTracker) -> Vec<pb::JobTrackerAddress> {
    let metrics = tracker.raft().metrics();
    metrics.voters.iter().chain(&metrics.learners).map(address).collect()
}

pub(super) fn address(member: &Member) -> pb::JobTrackerAddress {
    pb::JobTrackerAddress {
        node_id: member.id.to_string(),
        name: member.node.name.clone(),
        client_address: member.node.client_addr.clone(),
    }
}
