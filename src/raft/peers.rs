//! The connections to the other JobTrackers, and one call over them: deadline, marks, clock, kind of failure.
//!
//! Each purpose has a connection of its own, made when it is first used and kept: a heartbeat or a vote never waits
//! behind a snapshot. What a call's failure says is kept apart: nobody there, no answer in time, or an answer that is an
//! error. Not here: what openraft makes of it (`network`).

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::clock::{MajorityClock, Present, Skew};
use super::convert::Malformed;
use super::dial::{Connector, Dial, DialError};
use super::identity::PeerIdentity;
use super::pb;
use super::pb::peer_service_client::PeerServiceClient;
use crate::domain::{Clock, Timestamp};
use crate::store::NodeId;

/// The longest message, both ways: an append of the log store's 2 MiB plus its last entry fits many times.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Connections find out about a peer that vanished without a word after both together.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(1);
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A stream may run so far ahead of its reader: appends and snapshots should not stall on it.
pub(super) const STREAM_WINDOW_BYTES: u32 = 4 << 20;
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// The connector ignores it; each channel has its own address.
const ORIGIN: &str = "http://peer.raftsman";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Append,
    /// Heartbeats, votes and all that must not wait.
    Urgent,
    Snapshot,
    Forward,
    Watch,
}

pub(super) type PeerClient = PeerServiceClient<Channel>;

/// How a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, or one that says that it is not the right one: trying again at once is of no use.
    #[error("node {to} cannot be reached: {reason}")]
    Unreachable { to: NodeId, reason: String },
    #[error("node {to} did not answer within {after:?}")]
    Timeout { to: NodeId, after: Duration },
    #[error("node {to} answered with an error: {reason}")]
    Failed { to: NodeId, reason: String },
}

/// An answer that carries its sender's wall clock.
pub(super) trait Stamped {
    fn wall_ms(&self) -> u64;
}

macro_rules! stamped {
    ($($response:ident),* $(,)?) => {
        $(impl Stamped for pb::$response {
            fn wall_ms(&self) -> u64 {
                self.wall_ms
            }
        })*
    };
}

stamped!(
    AppendResponse,
    ForwardResponse,
    HandshakeResponse,
    InstallSnapshotResponse,
    PeerStatusResponse,
    PreVoteResponse,
    ReadIndexResponse,
    StandingResponse,
    TransferLeaderResponse,
    VoteResponse,
    WatchResponse,
);

/// All connections of one node.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) identity: Arc<PeerIdentity>,
    pub(super) clock: MajorityClock,
    /// This machine's own clocks.
    pub(super) own: Arc<dyn Clock>,
    dial: Arc<dyn Dial>,
    channels: Mutex<BTreeMap<(NodeId, Lane), (String, Channel)>>,
}

impl Peers {
    pub(super) fn new(identity: Arc<PeerIdentity>, own: Arc<dyn Clock>, dial: Arc<dyn Dial>) -> Arc<Peers> {
        let clock = MajorityClock::new(identity.id);
        Arc::new(Peers { identity, clock, own, dial, channels: Mutex::default() })
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.own.wall().as_millis()
    }

    fn present(&self) -> Present {
        Present { wall: self.own.wall(), monotonic: self.own.monotonic() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now(self.present())
    }

    pub(super) fn skews(&self) -> Vec<Skew> {
        self.clock.skews(self.present())
    }

    /// For a look whether anybody listens at all.
    pub(super) fn dialer(&self) -> Arc<dyn Dial> {
        self.dial.clone()
    }

    pub(super) fn client(&self, to: NodeId, address: &str, lane: Lane) -> PeerClient {
        limited(PeerServiceClient::new(self.channel(to, address, lane)))
    }

    /// For an address of which nothing is known yet; its connection is not kept.
    pub(super) fn stranger(&self, address: &str) -> PeerClient {
        limited(PeerServiceClient::new(self.connect(address)))
    }

    fn channel(&self, to: NodeId, address: &str, lane: Lane) -> Channel {
        let mut channels = self.channels.lock();
        match channels.get(&(to, lane)) {
            Some((known, channel)) if known == address => channel.clone(),
            _ => {
                let channel = self.connect(address);
                channels.insert((to, lane), (address.to_owned(), channel.clone()));
                channel
            }
        }
    }

    fn connect(&self, address: &str) -> Channel {
        let endpoint = Endpoint::from_static(ORIGIN);
        // HTTP/2 forgets such streams by the real clock, and the order of all others changes with that; so never there.
        #[cfg(feature = "simulation")]
        let endpoint = endpoint.http2_reset_stream_duration(Duration::from_secs(86_400));
        endpoint
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_with_connector_lazy(Connector::new(self.dial.clone(), address))
    }

    /// Forgets the connections to nodes that are no members any more.
    pub(super) fn keep_only(&self, members: &std::collections::BTreeSet<NodeId>) {
        self.channels.lock().retain(|(id, _), _| members.contains(id));
    }

    /// A request with this node's marks on it.
    pub(super) fn request<T>(&self, to: NodeId, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.identity.envelope(to).write(request.metadata_mut());
        request
    }

    /// Runs one call to its end or its deadline, and hears the clock in its answer.
    pub(super) async fn call<T: Stamped>(
        &self,
        to: NodeId,
        deadline: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let answered = tokio::time::timeout(deadline, call).await;
        let answered = answered.map_err(|_| CallError::Timeout { to, after: deadline })?;
        let response = answered.map_err(|status| CallError::from_status(to, &status))?.into_inner();
        self.hear(to, &response);
        Ok(response)
    }

    pub(super) fn hear(&self, from: NodeId, response: &impl Stamped) {
        self.clock.heard(from, Timestamp::from_millis(response.wall_ms()), self.own.monotonic());
    }
}

fn limited(client: PeerClient) -> PeerClient {
    client.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

impl CallError {
    /// Whether there was a connection is in the sources of the error; a node that refuses the marks or has stopped counts
    /// as unreachable as well, because asking again at once changes nothing.
    pub(super) fn from_status(to: NodeId, status: &Status) -> CallError {
        if let Some(error) = dial_error(status) {
            return CallError::Unreachable { to, reason: error.to_string() };
        }
        match status.code() {
            Code::FailedPrecondition | Code::Aborted => {
                CallError::Unreachable { to, reason: status.message().to_owned() }
            }
            _ => CallError::Failed { to, reason: format!("{}: {}", status.code(), status.message()) },
        }
    }

    pub(super) fn malformed(to: NodeId, malformed: &Malformed) -> CallError {
        CallError::Failed { to, reason: malformed.to_string() }
    }
}

fn dial_error(status: &Status) -> Option<&DialError> {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<DialError>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}
