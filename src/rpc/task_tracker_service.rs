//! `TaskTrackerService`: one session a stream, at the leader; a follower relays it, one hop.
//!
//! A heartbeat is answered only after a majority confirmed, after it came, that this leader leads: so a deposed or
//! thawed leader cannot keep its TaskTrackers working.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status, Streaming};

use super::edge::wrong;
use super::session::{Terms, from_tracker, hello, to_tracker};
use super::{KEEPALIVE, KEEPALIVE_TIMEOUT, SESSION_BYTES_MAX};
use crate::domain::FieldError;
use crate::jobtracker::JobTracker;
use crate::jobtracker::leader::{Lane, LeaderHandle, ToLeader};
use crate::jobtracker::session::{FromTracker, OUTBOX_MESSAGES_MAX, Outbox, ToTracker};
use crate::planted::{self, Bug};
use crate::raft::Leader;
use crate::wire::pb::session_request::Message;
use crate::wire::pb::task_tracker_service_client::TaskTrackerServiceClient;
use crate::wire::pb::task_tracker_service_server::TaskTrackerService;
use crate::wire::{Fault, Reason, pb};

/// A stream whose hello does not come is closed.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long a stream waits for a leader to be known.
const LEADER_WITHIN: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Marks a relayed session, so that it is relayed once only.
const RELAYED: &str = "x-raftsman-relayed";

pub(super) struct Sessions(pub(super) JobTracker);

type Responses = Pin<Box<dyn Stream<Item = Result<pb::SessionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TaskTrackerService for Sessions {
    type SessionStream = Responses;

    async fn session(
        &self,
        request: Request<Streaming<pb::SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let relayed = request.metadata().contains_key(RELAYED);
        let messages = request.into_inner();
        match self.place(relayed).await? {
            Place::Here(leader) => self.attach(leader, messages).await.map(Response::new),
            Place::At(leader) => self.relay(&leader, messages).await.map(Response::new),
        }
    }
}

/// Where a session goes.
enum Place {
    Here(LeaderHandle),
    At(Leader),
}

fn not_leader(text: &str) -> Status {
    Fault::not_applied(Reason::NotLeader, text).retry_after(Duration::from_millis(50)).into()
}

impl Sessions {
    /// This node, if it leads; else, for a session that was not relayed yet, the node that does. A leader that is being
    /// elected, or recovers, is waited for.
    async fn place(&self, relayed: bool) -> Result<Place, Status> {
        let (mut here, mut leadership) = (self.0.watch_leader(), self.0.leadership());
        let within = tokio::time::sleep(LEADER_WITHIN);
        tokio::pin!(within);
        loop {
            if let Some(leader) = here.borrow_and_update().clone() {
                return Ok(Place::Here(leader));
            }
            let seen = leadership.borrow_and_update().leader.clone();
            match seen.filter(|leader| leader.id != self.0.raft().id()) {
                Some(_) if relayed => return Err(not_leader("relayed to a JobTracker that does not lead")),
                Some(leader) => return Ok(Place::At(leader)),
                None => {}
            }
            tokio::select! {
                _ = here.changed() => {}
                _ = leadership.changed() => {}
                () = &mut within => return Err(not_leader("no leader is known")),
            }
        }
    }

    async fn attach(
        &self,
        leader: LeaderHandle,
        mut messages: Streaming<pb::SessionRequest>,
    ) -> Result<Responses, Status> {
        let first = tokio::time::timeout(HELLO_WITHIN, messages.message()).await;
        let first = first.map_err(|_| wrong(vec![FieldError::new("hello", "did not come within 5s")]))??;
        let Some(Message::Hello(said)) = first.and_then(|request| request.message) else {
            return Err(wrong(vec![FieldError::new(
                "hello",
                "is missing; it is the first message of a session",
            )]));
        };
        let hello = hello(said).map_err(wrong)?;
        let (outbox, inbox) = mpsc::channel(OUTBOX_MESSAGES_MAX);
        let stream = self.0.next_stream();
        let said_hello = leader.messages.send(ToLeader::Hello { hello, outbox: outbox.clone(), stream });
        said_hello.map_err(|_| not_leader("this JobTracker no longer leads"))?;
        tokio::spawn(listen(self.0.clone(), leader, messages, outbox, stream));
        let terms = Terms {
            times: self.0.options().sessions,
            limits: self.0.look(|machine| machine.tables().meta().limits),
            leader: self.0.name().to_owned(),
        };
        let responses = ReceiverStream::new(inbox).map(move |message| Ok(to_tracker(message, &terms)));
        // The leader's loop may not know yet that the node stops; the TaskTracker looks for the next leader at once.
        Ok(Box::pin(responses.take_until(self.0.stopping().clone().cancelled_owned())))
    }

    async fn relay(
        &self,
        leader: &Leader,
        messages: Streaming<pb::SessionRequest>,
    ) -> Result<Responses, Status> {
        let unreachable =
            |error: tonic::transport::Error| not_leader(&format!("the leader is not reachable: {error}"));
        let channel = Endpoint::from_shared(format!("http://{}", leader.node.client_addr))
            .map_err(unreachable)?
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect()
            .await
            .map_err(unreachable)?;
        let mut client = TaskTrackerServiceClient::new(channel)
            .max_decoding_message_size(SESSION_BYTES_MAX)
            .max_encoding_message_size(SESSION_BYTES_MAX);
        let mut request = Request::new(
            messages
                .take_while(|m| std::future::ready(m.is_ok()))
                .filter_map(|message| std::future::ready(message.ok())),
        );
        request.metadata_mut().insert(RELAYED, MetadataValue::from_static("1"));
        let responses = client.session(request).await?.into_inner();
        Ok(Box::pin(responses.take_until(self.0.stopping().clone().cancelled_owned())))
    }
}

/// Reads a session's stream until it ends.
async fn listen(
    tracker: JobTracker,
    leader: LeaderHandle,
    mut messages: Streaming<pb::SessionRequest>,
    outbox: Outbox,
    stream: u64,
) {
    loop {
        let message = tokio::select! {
            message = messages.message() => message,
            () = outbox.closed() => break,
            () = tracker.stopping().cancelled() => break,
        };
        let Ok(Some(pb::SessionRequest { message: Some(message) })) = message else { break };
        match from_tracker(message) {
            Ok(Some(what)) => {
                if !take(&tracker, &leader, &outbox, stream, what) {
                    break;
                }
            }
            Ok(None) => {}
            Err(wrong) => {
                let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                tracing::warn!(stream, problems = problems.join("; "), "a TaskTracker's message is wrong");
                break;
            }
        }
    }
    // A term that is over has forgotten the stream already.
    let _ = leader.messages.send(ToLeader::Detached { stream });
}

/// False when the term is over.
fn take(
    tracker: &JobTracker,
    leader: &LeaderHandle,
    outbox: &Outbox,
    stream: u64,
    what: FromTracker,
) -> bool {
    if let FromTracker::Heartbeat { sequence, .. } = &what {
        tokio::spawn(answer_heartbeat(tracker.clone(), outbox.clone(), *sequence));
    }
    if matches!(what, FromTracker::BizLogs(_)) && (tracker.is_disk_low() || is_full(leader)) {
        // Not acknowledged, so the TaskTracker keeps the lines as long as it has room and sends them again.
        return true;
    }
    leader.messages.send(ToLeader::From { stream, what }).is_ok()
}

fn is_full(leader: &LeaderHandle) -> bool {
    leader.door.enter(Lane::Log, 1).is_err()
}

async fn answer_heartbeat(tracker: JobTracker, outbox: Outbox, sequence: u64) {
    if planted::is(Bug::HeartbeatWithoutQuorum) || tracker.raft().read_index().await.is_ok() {
        // A stream that does not read misses its answers, and its TaskTracker stops working: so it should.
        let _ = outbox.try_send(ToTracker::HeartbeatAck(sequence));
    }
}
