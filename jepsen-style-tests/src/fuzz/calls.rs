//! Calls of every method with messages that mean nothing, by a client that is otherwise right: what is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use fastrand::Rng;
use raftsman::wire::ERROR_DOMAIN;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::frames;

/// Every method of the client port.
pub(super) const CLIENT_METHODS: &[&str] = &[
    "/raftsman.v1.CalendarService/PreviewCron",
    "/raftsman.v1.ClusterService/Status",
    "/raftsman.v1.ClusterService/AddNode",
    "/raftsman.v1.ClusterService/Digest",
    "/raftsman.v1.ClusterService/ExportLog",
    "/raftsman.v1.ClusterService/Init",
    "/raftsman.v1.ClusterService/PromoteNode",
    "/raftsman.v1.ClusterService/RemoveNode",
    "/raftsman.v1.ClusterService/TransferLeader",
    "/raftsman.v1.JobService/Cancel",
    "/raftsman.v1.JobService/GetJob",
    "/raftsman.v1.JobService/GetLogs",
    "/raftsman.v1.JobService/ListJobs",
    "/raftsman.v1.JobService/ListRuns",
    "/raftsman.v1.JobService/OpenClient",
    "/raftsman.v1.JobService/Retry",
    "/raftsman.v1.JobService/Submit",
    "/raftsman.v1.JobService/Terminate",
    "/raftsman.v1.JobService/Wait",
    "/raftsman.v1.LeadershipService/Subscribe",
    "/raftsman.v1.NodeService/ListNodes",
    "/raftsman.v1.TaskTrackerService/Session",
];

/// Every method of the peer port. A call without the envelope of a peer is a stranger's; whoever can forge the envelope is
/// beyond what Raft promises anything about.
pub(super) const PEER_METHODS: &[&str] = &[
    "/raftsman.internal.v1.PeerService/Append",
    "/raftsman.internal.v1.PeerService/Forward",
    "/raftsman.internal.v1.PeerService/Handshake",
    "/raftsman.internal.v1.PeerService/InstallSnapshot",
    "/raftsman.internal.v1.PeerService/PeerStatus",
    "/raftsman.internal.v1.PeerService/PreVote",
    "/raftsman.internal.v1.PeerService/ReadIndex",
    "/raftsman.internal.v1.PeerService/Standing",
    "/raftsman.internal.v1.PeerService/StreamAppend",
    "/raftsman.internal.v1.PeerService/TransferLeader",
    "/raftsman.internal.v1.PeerService/Vote",
    "/raftsman.internal.v1.PeerService/Watch",
];

/// How long an answer is waited for; then the call is dropped, which the node has to bear as well.
const PATIENCE: Duration = Duration::from_millis(300);
/// Answers that are read of one call.
const ANSWERS_READ: usize = 3;

/// What calls were answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) by_code: BTreeMap<String, u64>,
    /// Refusals that do not say what is wrong with the request.
    pub(super) wrong: BTreeMap<String, String>,
}

/// Bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Calls a method with one or some messages, and notes what came of it.
pub(super) async fn call(channel: Channel, method: &'static str, random: &mut Rng, answers: &mut Answers) {
    let messages: Vec<Bytes> = (0..random.usize(1..4)).map(|_| frames::message(random, 3).into()).collect();
    let noted = send(channel, method, messages).await;
    answers.note(method, noted);
}

/// A message that is larger than any limit of the method.
pub(super) async fn too_large(channel: Channel, method: &'static str, bytes: usize, answers: &mut Answers) {
    let noted = send(channel, method, vec![vec![0x0a; bytes].into()]).await;
    answers.note(method, noted);
}

async fn send(channel: Channel, method: &'static str, messages: Vec<Bytes>) -> Option<Result<(), Status>> {
    let mut grpc = Grpc::new(channel);
    let conversation = async {
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(method);
        let request = Request::new(tokio_stream::iter(messages));
        let mut answered = grpc.streaming(request, path, Raw).await?.into_inner();
        for _ in 0..ANSWERS_READ {
            if answered.message().await?.is_none() {
                break;
            }
        }
        Ok(())
    };
    timeout(PATIENCE, conversation).await.ok()
}

impl Answers {
    fn note(&mut self, method: &str, outcome: Option<Result<(), Status>>) {
        let name = match outcome {
            None => "dropped by us".to_owned(),
            Some(Ok(())) => "OK".to_owned(),
            Some(Err(status)) => {
                if !self.is_right(method, &status) {
                    let said = format!("{:?}: {}", status.code(), status.message());
                    self.wrong.insert(method.to_owned(), said);
                }
                format!("{:?}", status.code())
            }
        };
        *self.by_code.entry(name).or_default() += 1;
    }

    /// Whether a refusal is one that its caller can act upon.
    fn is_right(&self, method: &str, status: &Status) -> bool {
        if PEER_METHODS.contains(&method) {
            // To a peer all failures are alike, so tonic's own words for bytes that are no message will do.
            return status.code() != Code::Unknown && !status.message().is_empty();
        }
        // A connection that was closed under the call is told by our own side.
        let ours = status.details().is_empty() && status.code() == Code::Unavailable;
        let nameless = matches!(status.code(), Code::Unknown | Code::Internal) || status.message().is_empty();
        !nameless && (ours || contains(status.details(), ERROR_DOMAIN.as_bytes()))
    }

    pub(super) fn add(&mut self, other: Answers) {
        other.by_code.into_iter().for_each(|(code, count)| *self.by_code.entry(code).or_default() += count);
        self.wrong.extend(other.wrong);
    }
}

/// Whether `part` occurs in `whole`.
fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}
