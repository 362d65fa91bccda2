//! One JobTracker: opened, wired and running; and what the edges may ask of it.

mod commands;
mod leader_news;
mod options;
mod surroundings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
#[cfg(feature = "server")]
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::alarm::{self, Alarms};
use super::leader::{self, Desk, LeaderHandle};
use super::log_tail::{LogTail, LogTailError};
use super::monitor;
use super::snapshots;
use super::waiters::{JobMoves, Waiters};
use crate::dispatch::Patience;
use crate::domain::{Clock, JobId, Timestamp};
use crate::machine::{BaseError, Machine};
use crate::planted::{self, Bug};
use crate::process::{Probe, ProcessInfo};
#[cfg(feature = "server")]
use crate::raft::server;
use crate::raft::{Leadership, PeerIdentity, RaftNode, RaftSetup, ReadError, StartError};
use crate::store::{DataDir, DiskUsage, LogStore, Node, State, StateOptions, Store, StoreError};
pub use commands::{CommandError, Committed, lane_of};
use leader_news::LEADER_POLL;
pub use options::{ConnectionLimits, NodeOptions, SessionTimes};
pub use surroundings::{Addresses, ClientPort, OpenStore, PeerPort, Surroundings};

/// How long the peer port stays open after leadership was handed over.
const PEER_LINGER: Duration = Duration::from_millis(50);

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
    /// Changes with each entry that is applied here.
    applied: watch::Sender<()>,
    clock: Arc<dyn Clock>,
    process: Option<Arc<Probe>>,
    started: Instant,
    disk_low: AtomicBool,
    alarms: Alarms,
    /// A place for each connection of the client port.
    places: Arc<Semaphore>,
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

/// What log and state wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub log_syncs: u64,
    pub log_bytes: u64,
    /// Deletions included.
    pub state_rows: u64,
}

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
        let Surroundings { clock, dial, open, on_fatal, process } = surroundings;
        let told = Arc::clone(&waiters);
        let applied = watch::Sender::new(());
        let tell_applied = applied.clone();
        let state_options = StateOptions {
            flush: options.flush,
            on_applied: Arc::new(move |applied| {
                told.applied(applied);
                tell_applied.send_replace(());
            }),
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
            stats_every: options.stats_every.into(),
        };
        let alarms = Alarms::new(&options.alarms);
        let places = Arc::new(Semaphore::new(options.connections.max));
        let shared = Arc::new(Shared {
            options,
            raft,
            node,
            machine,
            leader,
            waiters,
            applied,
            clock,
            process,
            started,
            disk_low: AtomicBool::new(false),
            alarms,
            places,
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
        tokio::spawn(monitor::tell(tracker.clone()));
        alarm::start(&tracker);
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

    /// The places that connections of the client port take.
    pub fn connection_places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.shared.places)
    }

    pub(super) fn alarms(&self) -> &Alarms {
        &self.shared.alarms
    }

    /// The free part of the data directory's disk now; whether that is too little is remembered.
    ///
    /// # Errors
    /// If the file system does not tell.
    pub(super) fn look_at_disk(&self) -> std::io::Result<u64> {
        let free_percent = self.shared.data_dir.lock().disk_space()?.free_percent();
        let low = free_percent < self.shared.options.disk_free_min_percent;
        self.shared.disk_low.store(low, Ordering::Relaxed);
        Ok(free_percent)
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

    /// Changes with each entry that is applied here.
    pub fn applied(&self) -> watch::Receiver<()> {
        self.shared.applied.subscribe()
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

    /// What this process uses; none where processes are only told of.
    pub fn process(&self) -> Option<ProcessInfo> {
        self.shared.process.as_ref().map(|probe| probe.look())
    }

    /// What the databases of log and state use.
    pub fn disk_usage(&self) -> DiskUsage {
        self.shared.log.usage() + self.shared.state.usage()
    }

    /// What was written since this process opened log and state.
    pub fn written(&self) -> Written {
        let (log, state) = (&self.shared.log, &self.shared.state);
        Written { log_syncs: log.syncs(), log_bytes: log.appended_bytes(), state_rows: state.rows_written() }
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
