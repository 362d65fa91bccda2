//! The peer port: checks that a call is for this node, hands it to consensus, stamps the answer with the wall clock.
//!
//! Streams end at their first bad message, with the reason, after what came before it was answered. All streams end when
//! the server is told to stop, so that stopping needs no deadline.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::{BoxStream, StreamExt};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic::{Request, Response, Status, Streaming};

use super::convert::{self, Malformed};
use super::core::{Append, Stopped};
use super::error::ReadError;
use super::forward::{self, ForwardTarget};
use super::node::{RaftNode, Shared};
use super::pb;
use super::pb::install_snapshot_request::Part;
use super::pb::peer_service_server::{PeerService, PeerServiceServer};
use super::peers::{
    CONNECTION_WINDOW_BYTES, KEEPALIVE, KEEPALIVE_TIMEOUT, MESSAGE_BYTES_MAX, STREAM_WINDOW_BYTES,
};
use super::snapshot::chunk_in;
use crate::store::SnapshotChunk;

/// How often a watched leader shows its clock.
const WATCH_BEAT: Duration = Duration::from_millis(500);

/// Why the peer port closed.
#[derive(Debug, thiserror::Error)]
#[error("the peer port failed: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves the other JobTrackers until `stop`; shut the node down before, so that it can still hand leadership over.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    node: RaftNode,
    target: Arc<dyn ForwardTarget>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    // tonic ignores its own nodelay for listeners that it did not bind: 43 ms for each small answer.
    serve_on(TcpIncoming::from(listener).with_nodelay(Some(true)), node, target, stop).await
}

/// The same on connections of any kind.
///
/// # Errors
/// If `incoming` fails.
pub async fn serve_on<IO>(
    incoming: impl Stream<Item = io::Result<IO>>,
    node: RaftNode,
    target: Arc<dyn ForwardTarget>,
    stop: CancellationToken,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(service(node, target, stop.clone()))
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await?;
    Ok(())
}

/// The service alone, for who serves it in another way.
fn service(
    node: RaftNode,
    target: Arc<dyn ForwardTarget>,
    stop: CancellationToken,
) -> PeerServiceServer<PeerPort> {
    PeerServiceServer::new(PeerPort { node, target, stop })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

struct PeerPort {
    node: RaftNode,
    target: Arc<dyn ForwardTarget>,
    stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

impl PeerPort {
    fn shared(&self) -> &Shared {
        &self.node.shared
    }

    fn wall_ms(&self) -> u64 {
        self.shared().peers.wall_ms()
    }

    /// The message of a call that is for this node.
    fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        self.node.identity().admit(request.metadata())?;
        Ok(request.into_inner())
    }
}

fn malformed(error: Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped(error: Stopped) -> Status {
    Status::aborted(format!("consensus has stopped on this node: {error}"))
}

#[tonic::async_trait]
impl PeerService for PeerPort {
    async fn handshake(&self, request: Request<pb::HandshakeRequest>) -> Answer<pb::HandshakeResponse> {
        let request = request.into_inner();
        let identity = self.node.identity();
        identity.greet(&request.cluster_id, request.expected_id, &request.expected_address)?;
        let metrics = self.shared().core.metrics();
        Ok(Response::new(pb::HandshakeResponse {
            wall_ms: self.wall_ms(),
            cluster_id: identity.cluster().unwrap_or_default(),
            node_id: identity.id,
            node: Some(convert::node_out(&identity.node)),
            initialized: metrics.last_log_index.is_some() || metrics.current_term > 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn append(&self, request: Request<pb::AppendRequest>) -> Answer<pb::AppendResponse> {
        let append = convert::append_in(self.admit(request)?).map_err(malformed)?;
        let previous = append.prev_log_id;
        let last = append.entries.last().map(|entry| entry.log_id).or(previous);
        let result = self.shared().core.append(append).await.map_err(stopped)?;
        let result = Some(convert::append_result_out(result, previous, last));
        Ok(Response::new(pb::AppendResponse { wall_ms: self.wall_ms(), result }))
    }

    type StreamAppendStream = BoxStream<'static, Result<pb::StreamAppendResponse, Status>>;

    async fn stream_append(
        &self,
        request: Request<Streaming<pb::StreamAppendRequest>>,
    ) -> Answer<Self::StreamAppendStream> {
        let bad = Arc::new(Mutex::new(None));
        let requests = until_bad(self.admit(request)?, bad.clone());
        let peers = self.shared().peers.clone();
        let answers = self.shared().core.stream_append(requests).map(move |answer| {
            let result = Some(convert::stream_result_out(&answer.map_err(stopped)?));
            let append = pb::AppendResponse { wall_ms: peers.wall_ms(), result };
            Ok(pb::StreamAppendResponse { append: Some(append) })
        });
        let reason = futures_util::stream::once(async move { bad.lock().take() });
        let answers = answers.chain(reason.filter_map(|bad| async move { bad.map(Err) }));
        Ok(Response::new(answers.take_until(self.stop.clone().cancelled_owned()).boxed()))
    }

    async fn vote(&self, request: Request<pb::VoteRequest>) -> Answer<pb::VoteResponse> {
        let candidacy = convert::candidacy_in(self.admit(request)?.candidacy).map_err(malformed)?;
        let verdict = self.shared().core.vote(candidacy).await.map_err(stopped)?;
        let verdict = Some(convert::verdict_out(&verdict));
        Ok(Response::new(pb::VoteResponse { wall_ms: self.wall_ms(), verdict }))
    }

    async fn pre_vote(&self, request: Request<pb::PreVoteRequest>) -> Answer<pb::PreVoteResponse> {
        let candidacy = convert::candidacy_in(self.admit(request)?.candidacy).map_err(malformed)?;
        let verdict = self.shared().core.pre_vote(candidacy).await.map_err(stopped)?;
        let verdict = Some(convert::verdict_out(&verdict));
        Ok(Response::new(pb::PreVoteResponse { wall_ms: self.wall_ms(), verdict }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<pb::InstallSnapshotRequest>>,
    ) -> Answer<pb::InstallSnapshotResponse> {
        let mut parts = self.admit(request)?;
        let (vote, meta) = match next_part(&mut parts).await? {
            Part::Header(header) => convert::header_in(header).map_err(malformed)?,
            Part::File(_) | Part::Data(_) | Part::End(_) => {
                return Err(out_of_order("a snapshot begins with its header"));
            }
        };
        let core = self.shared().core.clone();
        let mut arriving = blocking(move || core.begin_snapshot(vote, meta)).await?;
        let mut ended = false;
        while !ended {
            let chunk = chunk_in(next_part(&mut parts).await?);
            let chunk = chunk.ok_or_else(|| out_of_order("a snapshot has one header"))?;
            ended = matches!(chunk, SnapshotChunk::End { .. });
            arriving = blocking(move || arriving.push(chunk).map(|()| arriving)).await?;
        }
        let install = blocking(move || arriving.finish()).await?;
        let vote = Some(convert::ballot(&install.await.map_err(stopped)?));
        Ok(Response::new(pb::InstallSnapshotResponse { wall_ms: self.wall_ms(), vote }))
    }

    async fn transfer_leader(
        &self,
        request: Request<pb::TransferLeaderRequest>,
    ) -> Answer<pb::TransferLeaderResponse> {
        let transfer = convert::transfer_in(self.admit(request)?).map_err(malformed)?;
        let result = self.shared().core.handle_transfer(transfer).await.map_err(stopped)?;
        let refused = convert::transfer_result_out(result);
        Ok(Response::new(pb::TransferLeaderResponse { wall_ms: self.wall_ms(), refused }))
    }

    async fn read_index(&self, request: Request<pb::ReadIndexRequest>) -> Answer<pb::ReadIndexResponse> {
        self.admit(request)?;
        let index = self.node.read_index().await.map_err(read_refused)?;
        Ok(Response::new(pb::ReadIndexResponse { wall_ms: self.wall_ms(), index }))
    }

    async fn forward(&self, request: Request<pb::ForwardRequest>) -> Answer<pb::ForwardResponse> {
        let request = self.admit(request)?;
        let outcome = Some(forward::serve(&*self.target, request).await);
        Ok(Response::new(pb::ForwardResponse { wall_ms: self.wall_ms(), outcome }))
    }

    async fn peer_status(&self, request: Request<pb::PeerStatusRequest>) -> Answer<pb::PeerStatusResponse> {
        self.admit(request)?;
        let shared = self.shared();
        let uptime = shared.peers.own.monotonic().saturating_duration_since(shared.started);
        let metrics = self.node.metrics();
        Ok(Response::new(metrics.to_wire(self.target.digest(), uptime, self.wall_ms())))
    }

    async fn standing(&self, request: Request<pb::StandingRequest>) -> Answer<pb::StandingResponse> {
        self.admit(request)?;
        let (vote, last_log) = self.shared().core.vote_and_last_log().await.map_err(stopped)?;
        let (vote, last_log) = (Some(convert::ballot(&vote)), convert::optional_out(last_log.as_ref()));
        Ok(Response::new(pb::StandingResponse { wall_ms: self.wall_ms(), vote, last_log }))
    }

    type WatchStream = BoxStream<'static, Result<pb::WatchResponse, Status>>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Answer<Self::WatchStream> {
        self.admit(request)?;
        let (peers, start) = (self.shared().peers.clone(), self.shared().start);
        let beats = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(WATCH_BEAT));
        let beats = beats.map(move |_| Ok(pb::WatchResponse { wall_ms: peers.wall_ms(), start }));
        Ok(Response::new(beats.take_until(self.stop.clone().cancelled_owned()).boxed()))
    }
}

/// Ends with the first message that is not one, and leaves the reason behind.
fn until_bad(
    messages: Streaming<pb::StreamAppendRequest>,
    bad: Arc<Mutex<Option<Status>>>,
) -> BoxStream<'static, Append> {
    let good = messages.scan(bad, |bad, message| {
        let append = message.and_then(|message| {
            let append = message.append.ok_or_else(|| malformed(Malformed::Missing("an append")))?;
            convert::append_in(append).map_err(malformed)
        });
        std::future::ready(append.map_err(|status| *bad.lock() = Some(status)).ok())
    });
    good.boxed()
}

fn read_refused(error: ReadError) -> Status {
    match error {
        ReadError::Stopped => Status::aborted(error.to_string()),
        ReadError::NotLeader { .. }
        | ReadError::NoQuorum
        | ReadError::Leader(_)
        | ReadError::Behind { .. } => Status::unavailable(error.to_string()),
    }
}

fn out_of_order(problem: &str) -> Status {
    Status::invalid_argument(problem)
}

/// A stream that ends before its end marker broke on the way, whatever it looks like.
async fn next_part(parts: &mut Streaming<pb::InstallSnapshotRequest>) -> Result<Part, Status> {
    let message =
        parts.message().await?.ok_or_else(|| Status::data_loss("the snapshot ends without its end"))?;
    message.part.ok_or_else(|| malformed(Malformed::Missing("a snapshot's part")))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Status> {
    let done = crate::store::blocking(work).await;
    let done = done.map_err(|error| Status::internal(format!("writing the snapshot panicked: {error}")))?;
    done.map_err(|error| Status::internal(format!("the snapshot cannot be taken: {error}")))
}
