//! `TaskTrackerService`: one session a stream, at the leader; a follower relays it, one hop.
//!
//! A heartbeat is answered only after a majority confirmed, after it came, that this leader leads: so a deposed or
//! thawed leader cannot keep its TaskTrackers working.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::{self, WeakSender};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status, Streaming};

use super::at_leader::{Place, greeting, not_leader, place};
use super::edge::wrong;
use super::session::{Terms, from_tracker, hello, to_tracker};
use super::{KEEPALIVE_TIMEOUT, SESSION_BYTES_MAX};
use crate::domain::ExecutionId;
use crate::jobtracker::JobTracker;
use crate::jobtracker::leader::{Lane, LeaderHandle, ToLeader, weight_of};
use crate::jobtracker::session::{FromTracker, Lines, OUTBOX_MESSAGES_MAX, ToTracker};
use crate::planted::{self, Bug};
use crate::raft::Leader;
use crate::wire::pb;
use crate::wire::pb::session_request::Message;
use crate::wire::pb::task_tracker_service_client::TaskTrackerServiceClient;
use crate::wire::pb::task_tracker_service_server::TaskTrackerService;

const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// A relay sends a ping to the leader after so long without traffic: the TaskTracker hears from the relay alone.
const RELAY_KEEPALIVE: Duration = Duration::from_secs(1);
/// Heartbeats that may fail to come before a stream is taken for dead: nothing more is pushed to it.
const HEARTBEATS_MISSED: u32 = 3;
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
        match place(&self.0).await? {
            Place::Here(leader) => self.attach(leader, messages).await.map(Response::new),
            Place::At(_) if relayed => Err(not_leader("relayed to a JobTracker that does not lead")),
            Place::At(leader) => self.relay(&leader, messages).await.map(Response::new),
        }
    }
}

impl Sessions {
    async fn attach(
        &self,
        leader: LeaderHandle,
        mut messages: Streaming<pb::SessionRequest>,
    ) -> Result<Responses, Status> {
        let said = greeting(&mut messages, |first| match first.message? {
            Message::Hello(said) => Some(said),
            _ => None,
        });
        let hello = hello(said.await?).map_err(wrong)?;
        let (outbox, inbox) = mpsc::channel(OUTBOX_MESSAGES_MAX);
        let stream = self.0.next_stream();
        // The leader's loop alone keeps the outbox open: when it lets go, the responses end.
        let way_back = outbox.downgrade();
        let said_hello = leader.messages.send(ToLeader::Hello { hello, outbox, stream });
        said_hello.map_err(|_| not_leader("this JobTracker no longer leads"))?;
        let ended = CancellationToken::new();
        let responses_live = ended.clone().drop_guard();
        let (heartbeats, beats) = watch::channel(0);
        tokio::spawn(answer_heartbeats(self.0.clone(), way_back.clone(), beats));
        let dropped = BTreeMap::new();
        let tracker = self.0.clone();
        let silence = HEARTBEATS_MISSED * self.0.options().sessions.heartbeat;
        let listener =
            Listener { tracker, leader, outbox: way_back, heartbeats, stream, dropped, silence, ended };
        tokio::spawn(listener.listen(messages));
        let terms = Terms {
            times: self.0.options().sessions,
            limits: self.0.look(|machine| machine.tables().meta().limits),
            leader: self.0.name().to_owned(),
        };
        let responses = ReceiverStream::new(inbox).map(move |message| {
            let _ = &responses_live;
            Ok(to_tracker(message, &terms))
        });
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
            .http2_keep_alive_interval(RELAY_KEEPALIVE)
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

/// The reading half of a session's stream.
struct Listener {
    tracker: JobTracker,
    leader: LeaderHandle,
    outbox: WeakSender<ToTracker>,
    /// The sequence of the last one.
    heartbeats: watch::Sender<u64>,
    stream: u64,
    /// The number of the next line, for executions whose last lines found no room.
    dropped: BTreeMap<ExecutionId, u64>,
    /// How long the TaskTracker may say nothing.
    silence: Duration,
    /// The responses have ended, and so does the session, whatever the TaskTracker still says.
    ended: CancellationToken,
}

impl Listener {
    /// Reads until the stream ends.
    async fn listen(mut self, mut messages: Streaming<pb::SessionRequest>) {
        loop {
            let message = tokio::select! {
                biased;
                message = messages.message() => message,
                () = self.ended.cancelled() => break,
                () = self.tracker.stopping().cancelled() => break,
                () = tokio::time::sleep(self.silence) => {
                    tracing::info!(stream = self.stream, silence = ?self.silence, "a TaskTracker says nothing");
                    break;
                }
            };
            let Ok(Some(pb::SessionRequest { message: Some(message) })) = message else { break };
            match from_tracker(message) {
                Ok(Some(what)) => {
                    let (ended, tracker) = (self.ended.clone(), self.tracker.clone());
                    let goes_on = tokio::select! {
                        goes_on = self.take(what) => goes_on,
                        () = ended.cancelled() => false,
                        () = tracker.stopping().cancelled() => false,
                    };
                    if !goes_on {
                        break;
                    }
                }
                Ok(None) => {}
                Err(wrong) => {
                    let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                    let problems = problems.join("; ");
                    tracing::warn!(stream = self.stream, problems, "a TaskTracker's message is wrong");
                    break;
                }
            }
        }
        // A term that is over has forgotten the stream already.
        let _ = self.leader.messages.send(ToLeader::Detached { stream: self.stream });
    }

    /// False when the term is over. Waits for room: a TaskTracker is read no faster than its messages are applied.
    async fn take(&mut self, what: FromTracker) -> bool {
        match what {
            FromTracker::BizLogs(lines) => return self.take_lines(lines),
            FromTracker::Heartbeat { sequence, .. } => {
                self.heartbeats.send_replace(sequence);
            }
            FromTracker::Completed { .. }
            | FromTracker::Returned { .. }
            | FromTracker::Unknown(_)
            | FromTracker::Accepting(_)
            | FromTracker::Samples(_)
            | FromTracker::Resize(_)
            | FromTracker::Left => {}
        }
        self.tell_dropped().await && self.tell(what).await
    }

    async fn tell(&self, what: FromTracker) -> bool {
        let (_, weight) = weight_of(&what);
        let pass = self.leader.door.wait(Lane::Drain, weight).await;
        self.leader.messages.send(ToLeader::From { stream: self.stream, what, pass }).is_ok()
    }

    /// Lines that find no room are dropped: logs must not hold up results.
    fn take_lines(&mut self, lines: Vec<Lines>) -> bool {
        let what = FromTracker::BizLogs(lines);
        let (lane, weight) = weight_of(&what);
        let pass = self.leader.door.enter(lane, weight).ok().filter(|_| !self.tracker.is_disk_low());
        let FromTracker::BizLogs(lines) = &what else { return true };
        if let Some(pass) = pass {
            // What was dropped before them shows as a gap.
            self.dropped.retain(|execution, _| lines.iter().all(|of| of.execution != *execution));
            return self.leader.messages.send(ToLeader::From { stream: self.stream, what, pass }).is_ok();
        }
        let next = |of: &Lines| (of.execution, of.first + of.lines.len() as u64);
        self.dropped.extend(lines.iter().map(next));
        if let Some(outbox) = self.outbox.upgrade() {
            // The TaskTracker need not keep them. If this is lost, it sends them again, and they may find room then.
            let up_to = lines.iter().map(|of| (of.execution, next(of).1.saturating_sub(1))).collect();
            let _ = outbox.try_send(ToTracker::BizLogsAck(up_to));
        }
        true
    }

    /// The next number without a line: the machine sees the gap and writes down how many were dropped.
    async fn tell_dropped(&mut self) -> bool {
        if self.dropped.is_empty() {
            return true;
        }
        let nothing = |(execution, first)| Lines { execution, first, lines: Vec::new() };
        let lines = std::mem::take(&mut self.dropped).into_iter().map(nothing).collect();
        self.tell(FromTracker::BizLogs(lines)).await
    }
}

/// One after the other: an answer to a heartbeat is one to all before it. Ends with the stream.
async fn answer_heartbeats(
    tracker: JobTracker,
    outbox: WeakSender<ToTracker>,
    mut heartbeats: watch::Receiver<u64>,
) {
    while heartbeats.changed().await.is_ok() {
        let sequence = *heartbeats.borrow_and_update();
        if (planted::is(Bug::HeartbeatWithoutQuorum) || tracker.raft().read_index().await.is_ok())
            && let Some(outbox) = outbox.upgrade()
        {
            // A stream that does not read misses its answers, and its TaskTracker stops working: so it should.
            let _ = outbox.try_send(ToTracker::HeartbeatAck(sequence));
        }
    }
}
