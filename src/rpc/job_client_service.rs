//! `JobClientService`: JobClients hear how runs ended, and operators see and move what nobody has heard.
//!
//! A listener's stream is at the leader only: a follower refuses with NOT_LEADER, and the SDK follows the leader.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::at_leader::{Place, greeting, not_leader, place};
use super::edge::{command, committed, mismatch, read, wrong};
use super::feedback::{feedback, listening, read_answer, selection, stored};
use super::page;
use crate::domain::NodeGroup;
use crate::jobtracker::leader::{Lane, LeaderHandle, ToLeader};
use crate::jobtracker::session::{FromClient, ToClient};
use crate::jobtracker::{Committed, JobTracker, Listening};
use crate::machine::command::{FeedbackDrop, FeedbackRetry};
use crate::machine::limits::FEEDBACK_BATCH_MAX;
use crate::machine::{Command, Reply};
use crate::wire::pb::job_client_service_server::JobClientService;
use crate::wire::pb::listen_request::Message;
use crate::wire::pb::listen_response::Message as Told;
use crate::wire::{Fault, pb};

/// Messages that may wait for a listener's stream, each of at most 1 MiB or one record. One that does not read is cut off.
const OUTBOX_MESSAGES_MAX: usize = 32;
/// What an answer weighs until it is applied, beside its errors.
const ANSWER_BYTES: usize = 128;

pub(super) struct Clients(pub(super) JobTracker);

type Responses = Pin<Box<dyn Stream<Item = Result<pb::ListenResponse, Status>> + Send>>;

#[tonic::async_trait]
impl JobClientService for Clients {
    type ListenStream = Responses;

    async fn listen(
        &self,
        request: Request<Streaming<pb::ListenRequest>>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        match place(&self.0).await? {
            Place::Here(leader) => self.attach(leader, request.into_inner()).await.map(Response::new),
            Place::At(leader) => {
                let (address, name) = (&leader.node.client_addr, &leader.node.name);
                Err(not_leader(&format!("listen at the leader, {address} ({name})")))
            }
        }
    }

    async fn list_feedback(
        &self,
        request: Request<pb::ListFeedbackRequest>,
    ) -> Result<Response<pb::ListFeedbackResponse>, Status> {
        let request = request.into_inner();
        let dead = match request.state() {
            pb::FeedbackState::Unspecified => None,
            pb::FeedbackState::Pending => Some(false),
            pb::FeedbackState::Dead => Some(true),
        };
        let (after, limit) = (page::after(&request.page_token)?, page::size(request.page_size));
        let group = group(request.node_group)?;
        let look = |machine: &crate::machine::Machine| machine.tables().feedback(&group, dead, after, limit);
        let (found, mark) = read(&self.0, request.consistency, look).await?;
        let next_page_token = found.next.map(|run| run.to_string()).unwrap_or_default();
        let feedback = found.rows.iter().map(|(run, row)| stored(*run, row)).collect();
        Ok(Response::new(pb::ListFeedbackResponse { feedback, next_page_token, read: mark }))
    }

    async fn list_feedback_groups(
        &self,
        request: Request<pb::ListFeedbackGroupsRequest>,
    ) -> Result<Response<pb::ListFeedbackGroupsResponse>, Status> {
        let look = |machine: &crate::machine::Machine| machine.tables().feedback_groups();
        let (found, mark) = read(&self.0, request.into_inner().consistency, look).await?;
        let group = |(name, row): (NodeGroup, crate::machine::row::FeedbackGroupRow)| pb::FeedbackGroup {
            node_group: name.to_string(),
            made: row.made,
            pending: row.pending,
            dead: row.dead,
            heard: row.heard,
            dropped: row.dropped,
            expired: row.expired,
            discarded: row.discarded,
            failed: row.failed,
        };
        let groups = found.into_iter().map(group).collect();
        Ok(Response::new(pb::ListFeedbackGroupsResponse { groups, read: mark }))
    }

    async fn retry_feedback(
        &self,
        request: Request<pb::RetryFeedbackRequest>,
    ) -> Result<Response<pb::RetryFeedbackResponse>, Status> {
        let request = request.into_inner();
        let (client_group, which) =
            (group(request.node_group)?, selection(request.selection).map_err(wrong)?);
        let (moved, last) =
            self.until_done(Command::FeedbackRetry(FeedbackRetry { client_group, which })).await?;
        Ok(Response::new(pb::RetryFeedbackResponse { moved, committed: committed(&last) }))
    }

    async fn drop_feedback(
        &self,
        request: Request<pb::DropFeedbackRequest>,
    ) -> Result<Response<pb::DropFeedbackResponse>, Status> {
        let request = request.into_inner();
        let (client_group, which) =
            (group(request.node_group)?, selection(request.selection).map_err(wrong)?);
        let (moved, last) =
            self.until_done(Command::FeedbackDrop(FeedbackDrop { client_group, which })).await?;
        Ok(Response::new(pb::DropFeedbackResponse { moved, committed: committed(&last) }))
    }
}

fn group(name: String) -> Result<NodeGroup, Status> {
    NodeGroup::new(name).map_err(|violation| wrong(vec![violation]))
}

impl Clients {
    /// A command is bounded; what it leaves over the next one does.
    async fn until_done(&self, asked: Command) -> Result<(u64, Committed), Status> {
        let mut all = 0;
        loop {
            let done = command(&self.0, asked.clone()).await?;
            let Reply::FeedbackMoved(moved) = done.reply else { return Err(mismatch(&done)) };
            all += u64::from(moved);
            if (moved as usize) < FEEDBACK_BATCH_MAX {
                return Ok((all, done));
            }
        }
    }

    async fn attach(
        &self,
        leader: LeaderHandle,
        mut messages: Streaming<pb::ListenRequest>,
    ) -> Result<Responses, Status> {
        let said = greeting(&mut messages, |first| match first.message? {
            Message::Hello(said) => Some(said),
            _ => None,
        });
        let listening = listening(said.await?, self.0.now()).map_err(wrong)?;
        let (outbox, inbox) = mpsc::channel(OUTBOX_MESSAGES_MAX);
        let stream = self.0.next_stream();
        // The leader's loop alone keeps the outbox: when it lets go, the responses end.
        let listens = leader.messages.send(ToLeader::Listen { listening, outbox, stream });
        listens.map_err(|_| not_leader("this JobTracker no longer leads"))?;
        let ended = CancellationToken::new();
        let responses_live = ended.clone().drop_guard();
        tokio::spawn(hear(self.0.clone(), leader, stream, messages, ended));
        let responses = ReceiverStream::new(inbox).map(move |message| {
            let _ = &responses_live;
            Ok(told(message))
        });
        Ok(Box::pin(responses.take_until(self.0.stopping().clone().cancelled_owned())))
    }
}

fn told(message: ToClient) -> pb::ListenResponse {
    let message = match message {
        ToClient::Welcome { term } => Told::Welcome(pb::ListenWelcome { term }),
        ToClient::Feedback(letters) => {
            let feedback = letters.iter().map(|(run, row)| feedback(*run, row)).collect();
            Told::Feedback(pb::FeedbackBatch { feedback })
        }
    };
    pb::ListenResponse { message: Some(message) }
}

/// Reads a listener's answers until its stream ends, no faster than they are applied.
async fn hear(
    tracker: JobTracker,
    leader: LeaderHandle,
    stream: u64,
    mut messages: Streaming<pb::ListenRequest>,
    ended: CancellationToken,
) {
    let reading = async {
        while let Ok(Some(pb::ListenRequest { message: Some(message) })) = messages.message().await {
            match read_answer(message) {
                Ok(what) => {
                    let pass = leader.door.wait(Lane::Drain, weight(&what)).await;
                    if leader.messages.send(ToLeader::FromClient { stream, what, pass }).is_err() {
                        break;
                    }
                }
                Err(wrong) => {
                    let problems = Fault::wrong_fields(wrong).to_string();
                    tracing::warn!(stream, problems, "a JobClient's message is wrong");
                    break;
                }
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = ended.cancelled() => {}
        () = tracker.stopping().cancelled() => {}
    }
    // A term that is over has forgotten the stream already.
    let _ = leader.messages.send(ToLeader::Unlisten { stream });
}

fn weight(what: &FromClient) -> usize {
    match what {
        FromClient::Heard(runs) => ANSWER_BYTES + 16 * runs.len(),
        FromClient::Failed(failures) => {
            ANSWER_BYTES + failures.iter().map(|failure| 24 + failure.error.len()).sum::<usize>()
        }
    }
}

/// How long the leader's loop may take to say who listens.
const SHOW_WITHIN: Duration = Duration::from_secs(1);

/// The JobClients that listen, if this node leads: nobody else knows them.
pub(super) async fn listeners(tracker: &JobTracker) -> Vec<Listening> {
    let Some(leader) = tracker.leader() else { return Vec::new() };
    let (asked, answer) = tokio::sync::oneshot::channel();
    if leader.messages.send(ToLeader::Listeners(asked)).is_err() {
        return Vec::new();
    }
    tokio::time::timeout(SHOW_WITHIN, answer).await.ok().and_then(Result::ok).unwrap_or_default()
}
