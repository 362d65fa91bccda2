//! One JobTracker: opened, wired and running; and what the edges may ask of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::{Mutex, RwLock};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::alarms;
use super::leader::lanes::weight;
use super::leader::{self, Desk, Lane, LaneBytes, LeaderHandle, Outcome, ToLeader};
use super::log_tail::{LogTail, LogTailError};
use super::snapshots;
use super::waiters::{JobMoves, Waiters};
use crate::dispatch::Patience;
#[cfg(feature = "server")]
use crate::domain::SystemClock;
use crate::domain::{Clock, JobId, Timestamp};
use crate::machine::{BaseError, Command, Machine, Reply};
use crate::planted::{self, Bug};
use crate::raft::{
    Dial, Digest, ForwardError, ForwardTarget, Forwarded, Leadership, NotApplied, PeerIdentity, RaftConfig,
    RaftNode, RaftSetup, ReadError, StartError,
};
#[cfg(feature = "server")]
use crate::raft::{TcpDial, server};
#[cfg(feature = "server")]
use crate::store::fatal;
use crate::store::{DataDir, FlushPolicy, LogStore, Node, OnFatal, State, StateOptions, Store, StoreError};

/// How long a command that found no leader waits before it looks again, unless leadership changes first.
const LEADER_POLL: Duration = Duration::from_millis(20);
/// What a caller is told to wait when a lane is full.
const BUSY_RETRY: Duration = Duration::from_millis(50);
/// How long the peer port stays open after leadership was handed over.
const PEER_LINGER: Duration = Duration::from_millis(50);

/// How a node is run.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub name: String,
    pub data_dir: PathBuf,
    /// Where clients connect; port 0 takes any.
    pub listen_client: String,
    /// Where the other JobTrackers connect; port 0 takes any.
    pub listen_peer: String,
    /// How the others reach this node, if not by what it listens on.
    pub advertise_peer: Option<String>,
    pub advertise_client: Option<String>,
    /// Peer addresses of the cluster's first members, for `cluster init`.
    pub join: Vec<String>,
    pub raft: RaftConfig,
    pub flush: FlushPolicy,
    pub lanes: LaneBytes,
    pub sessions: SessionTimes,
    /// Below this, submits and logs are refused.
    pub disk_free_min_percent: u64,
    /// How long a stop waits for the answers to calls under way.
    pub drain: Duration,
}

/// What TaskTrackers are told, and when they count as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    pub heartbeat: Duration,
    pub stop_working_after: Duration,
    pub reclaim_after: Duration,
    pub terminate_grace: Duration,
}

impl Default for SessionTimes {
    fn default() -> SessionTimes {
        SessionTimes {
            heartbeat: Duration::from_secs(1),
            stop_working_after: Duration::from_secs(7),
            reclaim_after: Duration::from_secs(10),
            terminate_grace: Duration::from_secs(10),
        }
    }
}

impl NodeOptions {
    /// A node with the defaults, on any free ports of loopback.
    pub fn on_loopback(name: impl Into<String>, data_dir: impl Into<PathBuf>) -> NodeOptions {
        NodeOptions {
            name: name.into(),
            data_dir: data_dir.into(),
            listen_client: "127.0.0.1:0".into(),
            listen_peer: "127.0.0.1:0".into(),
            advertise_peer: None,
            advertise_client: None,
            join: Vec::new(),
            raft: RaftConfig::default(),
            flush: FlushPolicy::default(),
            lanes: LaneBytes::default(),
            sessions: SessionTimes::default(),
            disk_free_min_percent: 10,
            drain: Duration::from_secs(25),
        }
    }
}

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("cannot listen on {address}: {error}")]
    Listen { address: String, error: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("storage failed: {0}")]
    Storage(#[from] BaseError),
}

/// What became of a command that has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Surely not applied.
    #[error("too much is waiting")]
    Busy { retry_after: Duration },
    /// Surely not applied.
    #[error("the leader's disk is almost full")]
    DiskLow,
    /// Surely not applied.
    #[error("no leader was found in time")]
    NoLeader,
    /// Surely not applied.
    #[error("this JobTracker is not part of a cluster yet")]
    NotInitialized,
    #[error("{0}")]
    Unknown(String),
}

/// A command that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub index: u64,
    pub term: u64,
    pub reply: Reply,
    /// It is the first answer to a request that came again.
    pub replayed: bool,
}

impl Committed {
    fn of(index: u64, term: u64, reply: Reply) -> Committed {
        let (reply, replayed) = match reply {
            Reply::Again(first) => (*first, true),
            now => (now, false),
        };
        Committed { index, term, reply, replayed }
    }

    /// As the machine said it.
    pub(crate) fn into_reply(self) -> Reply {
        if self.replayed { Reply::Again(Box::new(self.reply)) } else { self.reply }
    }
}

/// A running JobTracker; clones are the same node.
#[derive(Clone)]
pub struct JobTracker {
    shared: Arc<Shared>,
}

struct Shared {
    options: NodeOptions,
    raft: RaftNode,
    node: Node,
    machine: Arc<RwLock<Machine>>,
    leader: watch::Receiver<Option<LeaderHandle>>,
    waiters: Arc<Waiters>,
    clock: Arc<dyn Clock>,
    started: Instant,
    disk_low: AtomicBool,
    next_stream: AtomicU64,
    state: State,
    log: LogStore,
    data_dir: Arc<Mutex<DataDir>>,
    client_addr: SocketAddr,
    peer_addr: SocketAddr,
    stopping: CancellationToken,
    /// What still answers clients.
    answering: TaskTracker,
    stopped: CancellationToken,
}

impl std::fmt::Debug for JobTracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobTracker").field("name", &self.shared.options.name).finish_non_exhaustive()
    }
}

/// What a node is put into, besides its data directory: a machine, or the simulation.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    /// How it reaches the others.
    pub dial: Arc<dyn Dial>,
    pub open: OpenStore,
    /// Told why storage cannot go on; in production it does not return.
    pub on_fatal: OnFatal,
}

/// Opens the store in a data directory.
pub type OpenStore = Box<dyn FnOnce(&Path, StateOptions) -> Result<Store, StoreError> + Send>;

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("clock", &self.clock)
            .field("dial", &self.dial)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// This machine's clocks, TCP and RocksDB; a disk that fails ends the process.
    #[cfg(feature = "server")]
    fn production() -> Surroundings {
        Surroundings {
            clock: Arc::new(SystemClock),
            dial: Arc::new(TcpDial),
            open: Box::new(Store::open),
            on_fatal: fatal::end_process(),
        }
    }
}

/// What a node listens on.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub client: SocketAddr,
    pub peer: SocketAddr,
}

/// What the peer port serves: see [`server::serve`].
pub struct PeerPort {
    pub raft: RaftNode,
    pub target: Arc<dyn ForwardTarget>,
    pub stop: CancellationToken,
}

impl std::fmt::Debug for PeerPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerPort").field("raft", &self.raft).finish_non_exhaustive()
    }
}

/// The listener for clients, bound and not served yet.
#[derive(Debug)]
pub struct ClientPort(pub TcpListener);

impl JobTracker {
    /// Opens the data directory and takes part in consensus. The client port is bound, and served by whoever calls.
    ///
    /// # Errors
    /// If a port is taken, the data directory cannot be used, or consensus cannot start.
    #[cfg(feature = "server")]
    pub async fn start(options: NodeOptions) -> Result<(JobTracker, ClientPort), NodeError> {
        let (client_port, client_addr) = bind(&options.listen_client).await?;
        let (peer_port, peer_addr) = bind(&options.listen_peer).await?;
        let addresses = Addresses { client: client_addr, peer: peer_addr };
        let surroundings = Surroundings::production();
        let (tracker, port) = JobTracker::start_in(options, addresses, surroundings).await?;
        tokio::spawn(async move {
            if let Err(error) = server::serve(peer_port, port.raft, port.target, port.stop).await {
                tracing::error!(%error, "the peer port closed");
            }
        });
        Ok((tracker, ClientPort(client_port)))
    }

    /// The same wherever it is put; the peer port is served by whoever calls.
    ///
    /// # Errors
    /// If the data directory cannot be used, or consensus cannot start.
    pub async fn start_in(
        options: NodeOptions,
        addresses: Addresses,
        surroundings: Surroundings,
    ) -> Result<(JobTracker, PeerPort), NodeError> {
        let Addresses { client: client_addr, peer: peer_addr } = addresses;
        let waiters = Arc::new(Waiters::default());
        let Surroundings { clock, dial, open, on_fatal } = surroundings;
        let told = Arc::clone(&waiters);
        let state_options = StateOptions {
            flush: options.flush,
            on_applied: Arc::new(move |applied| told.applied(applied)),
            on_fatal: Arc::clone(&on_fatal),
        };
        let Store { log, state, data_dir } = open(&options.data_dir, state_options)?;
        let data_dir = Arc::new(Mutex::new(data_dir));
        let node = Node {
            name: options.name.clone(),
            peer_addr: options.advertise_peer.clone().unwrap_or_else(|| peer_addr.to_string()),
            client_addr: options.advertise_client.clone().unwrap_or_else(|| client_addr.to_string()),
        };
        let started = clock.monotonic();
        let setup = RaftSetup {
            config: options.raft.clone(),
            identity: identity(&data_dir, &node),
            clock: Arc::clone(&clock),
            dial,
        };
        let machine = Arc::clone(state.machine());
        let raft = RaftNode::start(setup, log.clone(), state.state_machine(), state.clone()).await?;
        let (shown, leader) = watch::channel(None);
        let desk = Desk {
            raft: raft.clone(),
            machine: Arc::clone(&machine),
            clock: Arc::clone(&clock),
            patience: Patience {
                reclaim_after: options.sessions.reclaim_after,
                terminate_grace: options.sessions.terminate_grace,
            },
            lane_bytes: options.lanes,
        };
        let shared = Arc::new(Shared {
            options,
            raft,
            node,
            machine,
            leader,
            waiters,
            clock,
            started,
            disk_low: AtomicBool::new(false),
            next_stream: AtomicU64::new(1),
            state,
            log: log.clone(),
            data_dir,
            client_addr,
            peer_addr,
            stopping: CancellationToken::new(),
            answering: TaskTracker::new(),
            stopped: CancellationToken::new(),
        });
        let tracker = JobTracker { shared };
        tokio::spawn(snapshots::keep_small(tracker.clone(), log));
        let port = PeerPort {
            raft: desk.raft.clone(),
            target: Arc::new(tracker.clone()),
            stop: tracker.shared.stopped.clone(),
        };
        tokio::spawn(async move {
            if let Err(error) = leader::run(desk, shown).await {
                on_fatal(&error.to_string());
            }
        });
        tokio::spawn(alarms::watch(tracker.clone()));
        Ok((tracker, port))
    }

    pub fn name(&self) -> &str {
        &self.shared.options.name
    }

    pub fn options(&self) -> &NodeOptions {
        &self.shared.options
    }

    pub fn node(&self) -> &Node {
        &self.shared.node
    }

    pub fn client_addr(&self) -> SocketAddr {
        self.shared.client_addr
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.shared.peer_addr
    }

    pub fn raft(&self) -> &RaftNode {
        &self.shared.raft
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.raft.leadership()
    }

    /// The way to the leader's loop, while it runs on this node.
    pub fn leader(&self) -> Option<LeaderHandle> {
        self.shared.leader.borrow().clone()
    }

    pub fn watch_leader(&self) -> watch::Receiver<Option<LeaderHandle>> {
        self.shared.leader.clone()
    }

    /// Cancelled when the node begins to stop: streams end then.
    pub fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// Held by what answers clients: a stop waits for it, up to the drain timeout.
    pub fn answering(&self) -> TaskTrackerToken {
        self.shared.answering.token()
    }

    /// Numbers the session streams of this process.
    pub fn next_stream(&self) -> u64 {
        self.shared.next_stream.fetch_add(1, Ordering::Relaxed)
    }

    pub fn is_disk_low(&self) -> bool {
        self.shared.disk_low.load(Ordering::Relaxed)
    }

    /// The free part of the data directory's disk now; whether that is too little is remembered. Also tells whether that
    /// has changed.
    ///
    /// # Errors
    /// If the file system does not tell.
    pub(super) fn look_at_disk(&self) -> std::io::Result<(u64, bool)> {
        let free_percent = self.shared.data_dir.lock().disk_space()?.free_percent();
        let low = free_percent < self.shared.options.disk_free_min_percent;
        Ok((free_percent, self.shared.disk_low.swap(low, Ordering::Relaxed) != low))
    }

    /// Looks at the tables as they are on this node; the lock is held as long as `look` runs, so it is bounded.
    pub fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.shared.machine.read())
    }

    /// The entries that this node has applied, from this index on; `follow` goes on with each one to come.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn tail_log(&self, from: u64, follow: bool) -> Result<LogTail, LogTailError> {
        LogTail::new(self.shared.log.clone(), &self.shared.state, from, follow)
    }

    /// Makes this node's tables fit for a linearizable read.
    ///
    /// # Errors
    /// If no majority confirms in time.
    pub async fn linearize(&self, within: Duration) -> Result<u64, ReadError> {
        if self.shared.raft.identity().cluster().is_none() {
            return Err(ReadError::NotLeader { leader: None });
        }
        if planted::is(Bug::ReadWithoutQuorum) {
            return Ok(self.look(Machine::applied_index));
        }
        let deadline = tokio::time::Instant::now() + within;
        let mut news = self.leader_news();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            match self.shared.raft.linearize(left).await {
                Ok(index) => return Ok(index),
                Err(error) if left.is_zero() => return Err(error),
                Err(_) => news.wait(LEADER_POLL.min(left)).await,
            }
        }
    }

    /// Tells when a run of the job, or the job, ends on this node.
    pub fn job_moves(&self, job: JobId) -> JobMoves {
        self.shared.waiters.watch(job)
    }

    /// Proposes a command here or, by one hop, at the leader. What was surely not applied is tried again until the
    /// deadline, so that a change of leadership is a delay.
    ///
    /// # Errors
    /// What surely was not applied and what nobody can tell, apart.
    pub async fn command(
        &self,
        lane: Lane,
        command: Command,
        within: Duration,
    ) -> Result<Committed, CommandError> {
        if self.shared.raft.identity().cluster().is_none() {
            return Err(CommandError::NotInitialized);
        }
        let deadline = tokio::time::Instant::now() + within;
        let mut news = self.leader_news();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let tried = match self.leader() {
                Some(leader) => self.propose(&leader, lane, command.clone(), left).await,
                None => self.forward(&command, left).await,
            };
            match tried {
                Err(CommandError::NoLeader) if !left.is_zero() => news.wait(LEADER_POLL.min(left)).await,
                outcome => return outcome,
            }
        }
    }

    fn leader_news(&self) -> LeaderNews<Leadership, Option<LeaderHandle>> {
        LeaderNews::from_now(self.leadership(), self.watch_leader())
    }

    async fn propose(
        &self,
        leader: &LeaderHandle,
        lane: Lane,
        command: Command,
        within: Duration,
    ) -> Result<Committed, CommandError> {
        if self.is_disk_low() && matches!(command, Command::Submit(_) | Command::BizLog(_)) {
            return Err(CommandError::DiskLow);
        }
        let busy = CommandError::Busy { retry_after: BUSY_RETRY };
        let pass = leader.door.enter(lane, weight(&command)).map_err(|_| busy)?;
        let (reply, answer) = oneshot::channel();
        let message = ToLeader::Propose { lane, command, pass, reply };
        if leader.messages.send(message).is_err() {
            return Err(CommandError::NoLeader);
        }
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(Outcome::Applied { index, reply })) => Ok(Committed::of(index, leader.term, reply)),
            Ok(Ok(Outcome::NotApplied)) => Err(CommandError::NoLeader),
            // The loop ended with the message unread in its inbox: it was never proposed.
            Ok(Err(_)) => Err(CommandError::NoLeader),
            Ok(Ok(Outcome::Unknown)) => {
                Err(CommandError::Unknown("leadership was lost before it was committed".into()))
            }
            Err(_) => Err(CommandError::Unknown("it was not committed in time".into())),
        }
    }

    async fn forward(&self, command: &Command, within: Duration) -> Result<Committed, CommandError> {
        match self.shared.raft.forward(command, within).await {
            Ok(Forwarded { index, term, reply }) => Ok(Committed::of(index, term, reply)),
            Err(ForwardError::NotApplied { cause, .. }) => Err(match cause {
                NotApplied::DiskLow => CommandError::DiskLow,
                NotApplied::Busy { retry_after } => CommandError::Busy { retry_after },
                NotApplied::Elsewhere => CommandError::NoLeader,
            }),
            Err(ForwardError::Unknown { reason }) => Err(CommandError::Unknown(reason)),
        }
    }

    /// Hands leadership over if this node has it, answers the calls under way (the next leader may have to do them), and
    /// closes the disk.
    pub async fn shutdown(&self) {
        self.shared.stopping.cancel();
        self.shared.raft.give_up_leadership().await;
        self.shared.answering.close();
        let drain = self.shared.options.drain;
        if tokio::time::timeout(drain, self.shared.answering.wait()).await.is_err() {
            tracing::warn!(?drain, "stopping, though not all calls under way were answered in time");
        }
        self.shared.raft.shutdown().await;
        tokio::time::sleep(PEER_LINGER).await;
        self.shared.stopped.cancel();
        if let Err(error) = self.shared.state.flush().await {
            tracing::error!(%error, "the state could not be flushed; it is applied again from the log");
        }
        tracing::info!(name = self.name(), "stopped");
    }

    /// How long this process has run the node.
    pub fn uptime(&self) -> Duration {
        self.shared.clock.monotonic().saturating_duration_since(self.shared.started)
    }

    /// Cluster time as this node reckons it.
    pub fn now(&self) -> Timestamp {
        self.shared.raft.now()
    }
}

impl ForwardTarget for JobTracker {
    fn forward(
        &self,
        command: Command,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>> {
        let tracker = self.clone();
        async move {
            let Some(leader) = tracker.leader() else {
                return Err(not_applied(NotApplied::Elsewhere, &CommandError::NoLeader));
            };
            let lane = lane_of(&command);
            match tracker.propose(&leader, lane, command, deadline).await {
                Ok(committed) => {
                    let (index, term) = (committed.index, committed.term);
                    Ok(Forwarded { index, term, reply: committed.into_reply() })
                }
                Err(error) => Err(match error {
                    CommandError::Busy { retry_after } => {
                        not_applied(NotApplied::Busy { retry_after }, &error)
                    }
                    CommandError::DiskLow => not_applied(NotApplied::DiskLow, &error),
                    CommandError::NoLeader | CommandError::NotInitialized => {
                        not_applied(NotApplied::Elsewhere, &error)
                    }
                    CommandError::Unknown(reason) => ForwardError::Unknown { reason },
                }),
            }
        }
        .boxed()
    }

    fn digest(&self) -> Digest {
        self.look(|machine| Digest { index: machine.applied_index(), value: machine.digest() })
    }
}

fn not_applied(cause: NotApplied, error: &CommandError) -> ForwardError {
    ForwardError::NotApplied { cause, reason: error.to_string() }
}

/// What clients ask for goes behind what drains the system.
pub fn lane_of(command: &Command) -> Lane {
    match command {
        Command::ClientOpen(_)
        | Command::Submit(_)
        | Command::Cancel(_)
        | Command::Terminate(_)
        | Command::Retry(_)
        | Command::SetLimits(_) => Lane::Request,
        Command::BizLog(_) => Lane::Log,
        Command::TrackerOnline(_)
        | Command::TrackerOffline(_)
        | Command::Dispatch(_)
        | Command::Return(_)
        | Command::Complete(_)
        | Command::Reclaim(_)
        | Command::Plan(_)
        | Command::Tick
        | Command::Expire => Lane::Drain,
    }
}

#[cfg(feature = "server")]
async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |error| NodeError::Listen { address: address.to_owned(), error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn identity(data_dir: &Arc<Mutex<DataDir>>, node: &Node) -> Arc<PeerIdentity> {
    let (id, cluster) = {
        let data_dir = data_dir.lock();
        (data_dir.node_id(), data_dir.cluster_id().map(ToOwned::to_owned))
    };
    let data_dir = Arc::clone(data_dir);
    let remember = move |cluster: &str| data_dir.lock().join_cluster(cluster).map_err(std::io::Error::other);
    PeerIdentity::new(id, node.clone(), cluster, Box::new(remember))
}

/// What a call that found no leader waits for. It is made before the first try, so that it misses no change.
struct LeaderNews<A, B> {
    leadership: watch::Receiver<A>,
    leader: watch::Receiver<B>,
}

impl<A, B> LeaderNews<A, B> {
    /// Changes from now on. A receiver that was cloned shows old ones as new.
    fn from_now(mut leadership: watch::Receiver<A>, mut leader: watch::Receiver<B>) -> LeaderNews<A, B> {
        leadership.mark_unchanged();
        leader.mark_unchanged();
        LeaderNews { leadership, leader }
    }

    /// A node that stops has no more news, and is no reason to look again at once.
    async fn wait(&mut self, at_most: Duration) {
        tokio::select! {
            Ok(()) = self.leadership.changed() => {}
            Ok(()) = self.leader.changed() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn news_of_a_leader_are_waited_for_also_after_earlier_ones() {
        let (leadership, leader) = (watch::Sender::new(1), watch::Sender::new(None));
        let kept = (leadership.subscribe(), leader.subscribe());
        leadership.send_replace(2);
        leader.send_replace(Some(7));
        let mut news = LeaderNews::from_now(kept.0.clone(), kept.1.clone());
        assert!(news.wait(LEADER_POLL).now_or_never().is_none(), "nothing has changed since");
        leadership.send_replace(3);
        assert!(news.wait(Duration::MAX).now_or_never().is_some());
    }

    /// Found by seeds 13 and 23 of the simulation: calls spun on a node whose consensus had ended.
    #[tokio::test]
    async fn a_node_whose_consensus_has_ended_is_not_asked_again_at_once() {
        let (leadership, leader) = (watch::Sender::new(1), watch::Sender::new(None::<u64>));
        let mut news = LeaderNews::from_now(leadership.subscribe(), leader.subscribe());
        drop(leadership);
        assert!(news.wait(LEADER_POLL).now_or_never().is_none(), "there is no news");
        leader.send_replace(Some(7));
        assert!(news.wait(Duration::MAX).now_or_never().is_some(), "the other one still has");
        drop(leader);
        assert!(news.wait(LEADER_POLL).now_or_never().is_none(), "there is no news");
    }
}
