//! openraft's network over the peer protocol.
//!
//! Each failure is told apart as openraft wants it: nobody there (it backs off), no answer in time, anything else (it
//! tries again at once). Every deadline is kept here by the runtime; openraft's own is only the last resort. Appends
//! are one stream with many in flight, heartbeats are single calls on a connection of their own. Pre-votes and transfers
//! are real calls: openraft's defaults grant the one and refuse the other.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{BoxStream, StreamExt};
use openraft::OptionalSend;
use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{
    Backoff, RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2, stream_append_sequential,
};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::convert::{self, Malformed};
use super::pb;
use super::peers::{CallError, Lane, PeerClient, Peers};
use super::snapshot::{SnapshotParcel, part_out};
use crate::store::{Node, NodeId, Types, Vote, blocking};

/// How long a peer that cannot be reached is left alone.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);
const RETRY_AFTER_MAX: Duration = Duration::from_millis(160);
/// Chunks that are read ahead of the network.
const CHUNKS_AHEAD: usize = 4;

type StreamAnswer = Result<StreamAppendResult<Types>, RPCError<Types>>;

/// Makes the links of one node; `P` is what its storage's snapshots are.
pub(super) struct Network<P> {
    peers: Arc<Peers>,
    parcel: PhantomData<fn() -> P>,
}

impl<P> Network<P> {
    pub(super) fn new(peers: Arc<Peers>) -> Network<P> {
        Network { peers, parcel: PhantomData }
    }

    fn link(&self, target: NodeId, node: &Node, lane: Lane) -> Link<P> {
        let address = node.peer_addr.clone();
        Link { peers: self.peers.clone(), target, address, lane, parcel: PhantomData }
    }
}

impl<P: SnapshotParcel> RaftNetworkFactory<Types> for Network<P> {
    type Network = Link<P>;

    async fn new_client(&mut self, target: NodeId, node: &Node) -> Link<P> {
        self.link(target, node, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Node) -> Link<P> {
        self.link(target, node, Lane::Urgent)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &Node) -> Link<P> {
        self.link(target, node, Lane::Snapshot)
    }
}

/// The way to one node, for one purpose.
pub(super) struct Link<P> {
    peers: Arc<Peers>,
    target: NodeId,
    address: String,
    lane: Lane,
    parcel: PhantomData<fn() -> P>,
}

impl<P> Link<P> {
    /// Votes go where heartbeats go, whatever this link is for.
    fn urgent(&self) -> PeerClient {
        self.peers.client(self.target, &self.address, Lane::Urgent)
    }

    fn failed(&self, error: CallError, action: RPCTypes) -> RPCError<Types> {
        match error {
            CallError::Unreachable { .. } => RPCError::Unreachable(Unreachable::from_string(error)),
            CallError::Failed { .. } => RPCError::Network(NetworkError::from_string(error)),
            CallError::Timeout { after, .. } => RPCError::Timeout(Timeout {
                action,
                id: self.peers.identity.id,
                target: self.target,
                timeout: after,
            }),
        }
    }

    fn malformed(&self, malformed: &Malformed) -> RPCError<Types> {
        RPCError::Network(NetworkError::from_string(CallError::malformed(self.target, malformed)))
    }
}

impl<P: SnapshotParcel> RaftNetworkV2<Types> for Link<P> {
    type SnapshotData = P;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let mut client = self.peers.client(self.target, &self.address, self.lane);
        let call = client.append(self.peers.request(self.target, convert::append_out(&request)));
        let answered = self.peers.call(self.target, option.soft_ttl(), call).await;
        let response = answered.map_err(|error| self.failed(error, RPCTypes::AppendEntries))?;
        convert::append_result_in(response).map_err(|malformed| self.malformed(&malformed))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, StreamAnswer>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        match self.lane {
            Lane::Append => self.pipelined(input, option.soft_ttl()).boxed(),
            Lane::Urgent | Lane::Snapshot | Lane::Forward | Lane::Watch => {
                stream_append_sequential(self, input, option)
            }
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let message = pb::VoteRequest { candidacy: Some(convert::candidacy_out(&request)) };
        let mut client = self.urgent();
        let call = client.vote(self.peers.request(self.target, message));
        let answered = self.peers.call(self.target, option.soft_ttl(), call).await;
        let response = answered.map_err(|error| self.failed(error, RPCTypes::Vote))?;
        convert::verdict_in(response.verdict).map_err(|malformed| self.malformed(&malformed))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let message = pb::PreVoteRequest { candidacy: Some(convert::candidacy_out(&request)) };
        let mut client = self.urgent();
        let call = client.pre_vote(self.peers.request(self.target, message));
        let answered = self.peers.call(self.target, option.soft_ttl(), call).await;
        let response = answered.map_err(|error| self.failed(error, RPCTypes::Vote))?;
        convert::verdict_in(response.verdict).map_err(|malformed| self.malformed(&malformed))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let mut client = self.urgent();
        let call = client.transfer_leader(self.peers.request(self.target, convert::transfer_out(&request)));
        let answered = self.peers.call(self.target, option.soft_ttl(), call).await;
        let response = answered.map_err(|error| self.failed(error, RPCTypes::TransferLeader))?;
        convert::transfer_result_in(response.refused).map_err(|malformed| self.malformed(&malformed))
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(retries()))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, P>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, snapshot, option.soft_ttl()) => sent,
        }
    }
}

/// Doubles up to its end: a peer that comes back should not wait for us.
fn retries() -> impl Iterator<Item = Duration> + Send + 'static {
    std::iter::successors(Some(RETRY_AFTER_MIN), |after| Some((*after * 2).min(RETRY_AFTER_MAX)))
}

impl<P: SnapshotParcel> Link<P> {
    /// One stream for all appends of this session; it ends with the first answer that is not one.
    ///
    /// The first request comes before the connection: openraft's backoff delays requests, so whoever connects first and
    /// fails tries again without a pause, thousands of times a second.
    async fn pipelined<'s, S>(
        &'s mut self,
        mut input: S,
        setup: Duration,
    ) -> Result<BoxStream<'s, StreamAnswer>, RPCError<Types>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let Some(first) = input.next().await else { return Ok(futures_util::stream::empty().boxed()) };
        let requests = futures_util::stream::once(std::future::ready(first)).chain(input);
        let requests =
            requests.map(|request| pb::StreamAppendRequest { append: Some(convert::append_out(&request)) });
        let mut client = self.peers.client(self.target, &self.address, Lane::Append);
        let opening = client.stream_append(self.peers.request(self.target, requests));
        let opened = tokio::time::timeout(setup, opening).await;
        let opened = opened
            .map_err(|_| CallError::Timeout { to: self.target, after: setup })
            .and_then(|opened| opened.map_err(|status| CallError::from_status(self.target, &status)));
        let answers = opened.map_err(|error| self.failed(error, RPCTypes::AppendEntries))?.into_inner();
        let answers = answers.map(move |answer| self.stream_answer(answer));
        Ok(until_first_error(answers).boxed())
    }

    fn stream_answer(&self, answer: Result<pb::StreamAppendResponse, tonic::Status>) -> StreamAnswer {
        let answer = answer.map_err(|status| {
            self.failed(CallError::from_status(self.target, &status), RPCTypes::AppendEntries)
        })?;
        let append = answer.append.ok_or(Malformed::Missing("the answer to an append"));
        let append = append.map_err(|malformed| self.malformed(&malformed))?;
        self.peers.hear(self.target, &append);
        convert::stream_result_in(append).map_err(|malformed| self.malformed(&malformed))
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<Types, P>,
        deadline: Duration,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let header =
            part(pb::install_snapshot_request::Part::Header(convert::header_out(&vote, &snapshot.meta)));
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let reading = tokio::spawn(read_parcel(snapshot.snapshot, sender));
        let requests = futures_util::stream::once(async { header }).chain(ReceiverStream::new(receiver));
        let mut client = self.peers.client(self.target, &self.address, Lane::Snapshot);
        let call = client.install_snapshot(self.peers.request(self.target, requests));
        let answered = self.peers.call(self.target, deadline, call).await;
        if let Ok(Err(error)) = reading.await {
            // The receiver saw no end marker and installed nothing; its complaint only repeats this one.
            tracing::error!(%error, to = self.target, "a snapshot cannot be read");
        }
        let response = answered.map_err(|error| self.failed(error, RPCTypes::InstallSnapshot))?;
        let vote = convert::required_vote(response.vote).map_err(|malformed| self.malformed(&malformed))?;
        Ok(SnapshotResponse::new(vote))
    }
}

/// openraft's answers after a refused append are about a log that is not there; the stream ends with it as well.
fn until_first_error<'s>(
    answers: impl Stream<Item = StreamAnswer> + Send + 's,
) -> impl Stream<Item = StreamAnswer> + Send + 's {
    answers.scan(false, |ended, answer| {
        let item = (!*ended).then_some(answer);
        *ended = !matches!(item, Some(Ok(Ok(_))));
        std::future::ready(item)
    })
}

fn part(part: pb::install_snapshot_request::Part) -> pb::InstallSnapshotRequest {
    pb::InstallSnapshotRequest { part: Some(part) }
}

/// Without an end the sender is dropped, and the receiver's stream ends unfinished.
async fn read_parcel(
    parcel: impl SnapshotParcel,
    sender: mpsc::Sender<pb::InstallSnapshotRequest>,
) -> std::io::Result<()> {
    let mut reader = blocking(move || parcel.reader()).await.map_err(std::io::Error::other)??;
    loop {
        let read = blocking(move || (reader.next(), reader)).await.map_err(std::io::Error::other)?;
        let Some(chunk) = read.0 else { return Ok(()) };
        reader = read.1;
        if sender.send(part(part_out(chunk?))).await.is_err() {
            // The call has ended, and its answer says why.
            return Ok(());
        }
    }
}
