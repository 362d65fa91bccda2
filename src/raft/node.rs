//! The replicated log as the rest of the JobTracker sees it: propose, read, watch who leads, change who belongs.
//!
//! No openraft type gets out of here. Proposals are handed over at once and answered later, so that a loop can keep
//! several in flight. What was surely not applied and what nobody can tell are different errors. There is no deadline
//! inside: a proposal of a leader that is cut off waits until it hears from the others; whoever must not wait puts a
//! timeout around it and takes the outcome for unknown.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use openraft::Raft;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use openraft::storage::{RaftLogStorage, RaftStateMachine};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Skew;
use super::config::RaftConfig;
use super::core::{Core, Engine};
use super::dial::Dial;
use super::error::{ForwardError, Member, NotApplied, ProposeError, ReadError, StartError};
use super::forward::{self, Forwarded};
use super::hand_over::{Survivor, ask_standing};
use super::identity::PeerIdentity;
use super::leadership::{self, Leader, Leadership};
use super::network::Network;
use super::pb;
use super::peers::{CallError, Lane, Peers};
use super::read_index::{self, ReadIndexes};
use super::snapshot::{SnapshotIntake, SnapshotParcel};
use super::status::{self, NodeMetrics, PeerStatus};
use crate::domain::{Clock, Timestamp};
use crate::machine::{Command, LogEntry};
use crate::store::{Applied, Node, NodeId, Proposal, Types};

/// How often each voter is asked how it stands, so that connections are warm and clocks heard before they are needed.
const KEEP_IN_TOUCH: Duration = Duration::from_secs(1);

/// What a node is made of, besides its storage.
#[derive(Clone, Debug)]
pub struct RaftSetup {
    pub config: RaftConfig,
    pub identity: Arc<PeerIdentity>,
    /// This machine's clocks.
    pub clock: Arc<dyn Clock>,
    /// How it reaches the others.
    pub dial: Arc<dyn Dial>,
}

/// A handle to this node's consensus; clones are the same node.
#[derive(Clone)]
pub struct RaftNode {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) core: Arc<dyn Core>,
    pub(super) peers: Arc<Peers>,
    pub(super) config: RaftConfig,
    pub(super) leadership: watch::Receiver<Leadership>,
    reads: ReadIndexes,
    pub(super) started: Instant,
    /// Tells this start from all others.
    pub(super) start: u64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for RaftNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftNode").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl RaftNode {
    /// Opens the log and starts to take part. Until `server::serve` runs, this node can be called by nobody.
    ///
    /// # Errors
    /// If the configuration is wrong or the storage cannot be read.
    pub async fn start<L, S, I>(
        setup: RaftSetup,
        log: L,
        state_machine: S,
        intake: I,
    ) -> Result<RaftNode, StartError>
    where
        L: RaftLogStorage<Types>,
        S: RaftStateMachine<Types, SnapshotData: SnapshotParcel>,
        I: SnapshotIntake<Parcel = S::SnapshotData>,
    {
        let RaftSetup { config, identity, clock, dial } = setup;
        let openraft_config = config.to_openraft("raftsman").map_err(StartError::Config)?;
        let id = identity.id;
        let peers = Peers::new(identity, clock, dial);
        let network = Network::<S::SnapshotData>::new(peers.clone());
        let raft = Raft::new(id, openraft_config, network, log, state_machine);
        let raft = raft.await.map_err(|error| StartError::Storage(error.to_string()))?;
        Ok(RaftNode::run(Arc::new(Engine::new(raft, Arc::new(intake))), peers, config))
    }

    fn run(core: Arc<dyn Core>, peers: Arc<Peers>, config: RaftConfig) -> RaftNode {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let started = peers.own.monotonic();
        let (shown, leadership) = watch::channel(Leadership::unknown(started));
        let (reads, askers) = ReadIndexes::channel();
        tasks.spawn(leadership::follow(core.clone(), peers.clone(), shown, stop.clone()));
        tasks.spawn(read_index::confirm(core.clone(), askers, stop.clone()));
        tasks.spawn(keep_in_touch(core.clone(), peers.clone(), stop.clone()));
        if config.hand_over {
            let step = config.hand_over_step.into();
            let (core, peers, leadership) = (core.clone(), peers.clone(), leadership.clone());
            tasks.spawn(Survivor { core, peers, leadership, step }.run(stop.clone()));
        }
        tasks.close();
        let start = fastrand::u64(1..);
        RaftNode {
            shared: Arc::new(Shared { core, peers, config, leadership, reads, started, start, stop, tasks }),
        }
    }

    pub fn id(&self) -> NodeId {
        self.shared.peers.identity.id
    }

    pub fn identity(&self) -> &Arc<PeerIdentity> {
        &self.shared.peers.identity
    }

    /// Hands an entry over and returns at once; what it returns resolves when the entry is applied, or surely is not.
    /// Dropping it does not take the entry back. Entries are appended in the order of the calls.
    pub fn propose(&self, entry: LogEntry) -> Proposed {
        let (responder, receiver) = ProgressResponder::complete_only();
        let mut submission = self.shared.core.clone().write(Proposal::new(entry), responder);
        // The queue has room for 65,536; only beyond it does this wait, in a task of its own.
        match tokio::task::unconstrained(&mut submission).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(_)) => return Proposed(Outcome::Stopped),
            None => drop(tokio::spawn(submission)),
        }
        Proposed(Outcome::Waiting(receiver))
    }

    /// The index that a read must wait for to be linearizable. Confirmed by a majority after this call; many callers share
    /// one confirmation.
    ///
    /// # Errors
    /// If this node does not lead, or no majority confirms it within the election timeout.
    pub async fn read_index(&self) -> Result<u64, ReadError> {
        self.shared.reads.ask().await
    }

    /// Makes this node's own tables fit for a linearizable read, leader or not: one hop to the leader if need be, then a
    /// wait until its index is applied here. Returns that index.
    ///
    /// # Errors
    /// If nobody is known to lead, the leader cannot be asked, or this node is too far behind.
    pub async fn linearize(&self, within: Duration) -> Result<u64, ReadError> {
        let index = if self.leads() { self.read_index().await? } else { self.ask_leader(within).await? };
        self.wait_applied(index, within).await?;
        Ok(index)
    }

    fn leads(&self) -> bool {
        self.shared.leadership.borrow().leader.as_ref().is_some_and(|leader| leader.id == self.id())
    }

    fn other_leader(&self) -> Option<Leader> {
        self.shared.leadership.borrow().leader.clone().filter(|leader| leader.id != self.id())
    }

    async fn ask_leader(&self, within: Duration) -> Result<u64, ReadError> {
        let leader = self.other_leader().ok_or(ReadError::NotLeader { leader: None })?;
        let peers = &self.shared.peers;
        let mut client = peers.client(leader.id, &leader.node.peer_addr, Lane::Forward);
        let call = client.read_index(peers.request(leader.id, pb::ReadIndexRequest {}));
        let answered = peers.call(leader.id, within, call).await;
        answered.map(|response| response.index).map_err(|error| ReadError::Leader(error.to_string()))
    }

    /// Waits until an index is applied on this node.
    ///
    /// # Errors
    /// If it is not within the time.
    pub async fn wait_applied(&self, index: u64, within: Duration) -> Result<(), ReadError> {
        let mut applied = self.shared.core.watch_applied();
        let reached = applied.wait_for(|applied| applied.is_some_and(|applied| applied.index >= index));
        match tokio::time::timeout(within, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::Behind { index, within }),
        }
    }

    /// A command to the leader, when this node is not it.
    ///
    /// # Errors
    /// What surely was not applied and what nobody can tell, apart.
    pub async fn forward(&self, command: &Command, deadline: Duration) -> Result<Forwarded, ForwardError> {
        let Some(leader) = self.other_leader() else {
            let reason = "no other node is known to lead".to_owned();
            return Err(ForwardError::NotApplied { cause: NotApplied::Elsewhere, reason });
        };
        forward::send(&self.shared.peers, leader.id, &leader.node.peer_addr, command, deadline).await
    }

    /// Who leads, as it changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.clone()
    }

    /// On a leader: how long ago a majority last answered. More than the election timeout means that this node may be cut
    /// off and another may lead, whatever `leadership` shows.
    pub fn quorum_silence(&self) -> Option<Duration> {
        status::quorum_silence(&self.shared.core.metrics())
    }

    pub fn metrics(&self) -> NodeMetrics {
        NodeMetrics::from_openraft(&self.shared.core.metrics())
    }

    /// The cluster's time: what a majority of voters' clocks have reached. Never goes back on this node.
    pub fn now(&self) -> Timestamp {
        self.shared.peers.now()
    }

    /// The cluster's time is at least this: call it with the machine's `now` when this node begins to lead.
    pub fn raise_time(&self, floor: Timestamp) {
        self.shared.peers.clock.raise(floor);
    }

    /// How far each voter's clock is from the majority's, for the alarm.
    pub fn clock_skews(&self) -> Vec<Skew> {
        self.shared.peers.skews()
    }

    /// How another member stands.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn peer_status(&self, member: &Member, within: Duration) -> Result<PeerStatus, CallError> {
        let peers = &self.shared.peers;
        let mut client = peers.client(member.id, &member.node.peer_addr, Lane::Forward);
        let call = client.peer_status(peers.request(member.id, pb::PeerStatusRequest {}));
        peers.call(member.id, within, call).await.map(PeerStatus::from)
    }

    /// Takes a snapshot soon and purges the log below it.
    ///
    /// # Errors
    /// If consensus has stopped.
    pub async fn trigger_snapshot(&self) -> Result<(), ProposeError> {
        self.shared.core.trigger_snapshot().await.map_err(|_| ProposeError::Stopped)
    }

    /// Hands leadership over if this node has it, then stops. The peer service must still run, and end after this.
    pub async fn shutdown(&self) {
        self.give_up_leadership().await;
        self.shared.stop.cancel();
        self.shared.core.shutdown().await;
        self.shared.tasks.wait().await;
    }
}

/// An entry on its way.
#[must_use = "the entry is proposed either way, but only this tells what became of it"]
#[derive(Debug)]
pub struct Proposed(Outcome);

#[derive(Debug)]
enum Outcome {
    Stopped,
    Waiting(oneshot::Receiver<ClientWriteResult<Types>>),
}

impl Future for Proposed {
    type Output = Result<Applied, ProposeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Outcome::Stopped => Poll::Ready(Err(ProposeError::Stopped)),
            Outcome::Waiting(receiver) => receiver.poll_unpin(context).map(|answered| match answered {
                Ok(Ok(response)) => Ok(response.data),
                Ok(Err(error)) => Err(ProposeError::from(error)),
                // Consensus stopped with it in hand.
                Err(_) => Err(ProposeError::Unknown),
            }),
        }
    }
}

/// See [`KEEP_IN_TOUCH`].
async fn keep_in_touch(core: Arc<dyn Core>, peers: Arc<Peers>, stop: CancellationToken) {
    let mut beat = tokio::time::interval(KEEP_IN_TOUCH);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        let stored = core.metrics().membership_config;
        let others = others(&stored, peers.identity.id);
        let asked = others.iter().map(|(id, node)| ask_standing(&peers, *id, &node.peer_addr, KEEP_IN_TOUCH));
        // Whoever does not answer is not heard, which is all that this is for.
        tokio::select! {
            _ = futures_util::future::join_all(asked) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn others(stored: &crate::store::StoredMembership, me: NodeId) -> Vec<(NodeId, Node)> {
    let membership = stored.membership();
    let voters = membership.voter_ids().filter(|id| *id != me);
    voters.filter_map(|id| Some((id, membership.get_node(&id)?.clone()))).collect()
}
