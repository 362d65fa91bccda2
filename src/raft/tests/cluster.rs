//! Starts, kills and restarts real nodes in this process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::server::ServeError;
use super::super::{
    Digest, ForwardError, ForwardTarget, Forwarded, Member, NotApplied, PeerIdentity, ProposeError,
    RaftConfig, RaftNode, RaftSetup, server,
};
use super::cut::{Board, CutDial};
use crate::domain::{Identity, SystemClock};
use crate::machine::command::ClientOpen;
use crate::machine::{Applied, Command, LogEntry};
use crate::store::{Node, NodeId, State, StateOptions, Store};

/// Far above what anything here takes, far below what a person waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One JobTracker without its jobs.
pub(super) struct TestNode {
    pub(super) member: Member,
    pub(super) node: RaftNode,
    pub(super) state: State,
    stop: CancellationToken,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
    runtime: Option<Runtime>,
    dir: Option<TempDir>,
}

/// Proposes what is forwarded to it.
struct Target {
    node: RaftNode,
    state: State,
}

impl ForwardTarget for Target {
    fn forward(&self, command: Command, _: Duration) -> BoxFuture<'static, Result<Forwarded, ForwardError>> {
        let term = self.node.leadership().borrow().term;
        let proposed = self.node.propose(LogEntry { at: self.node.now(), commands: vec![command] });
        Box::pin(async move {
            match proposed.await {
                Ok(Applied { index, mut replies, .. }) => {
                    Ok(Forwarded { index, term, reply: replies.pop().expect("one command, one reply") })
                }
                Err(error @ ProposeError::Unknown) => {
                    Err(ForwardError::Unknown { reason: error.to_string() })
                }
                Err(error @ (ProposeError::NotLeader { .. } | ProposeError::Stopped)) => {
                    Err(ForwardError::NotApplied { cause: NotApplied::Elsewhere, reason: error.to_string() })
                }
            }
        })
    }

    fn digest(&self) -> Digest {
        let machine = self.state.machine().read();
        Digest { index: machine.applied_index(), value: machine.digest() }
    }
}

impl TestNode {
    fn start(dir: TempDir, address: &str, board: &Arc<Board>, config: RaftConfig) -> TestNode {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads can be made");
        let (member, node, state, stop, serving) = runtime.block_on(async {
            let store = Store::open(dir.path(), StateOptions::production()).expect("a directory of its own");
            let id = store.data_dir.node_id();
            let listener = TcpListener::bind(address).await.expect("the address is free");
            let address = listener.local_addr().expect("it is bound").to_string();
            board.place(&address, id);
            let node = Node { name: format!("n{id}"), peer_addr: address, client_addr: String::new() };
            let member = Member { id, node: node.clone() };
            let dial = Arc::new(CutDial { from: id, board: board.clone() });
            let Store { log, state, data_dir } = store;
            // The directory's lock lives as long as the node does.
            let remember = Box::new(move |_: &str| {
                let _locked = &data_dir;
                Ok(())
            });
            let identity = PeerIdentity::new(id, node, None, remember);
            let setup = RaftSetup { config, identity, clock: Arc::new(SystemClock), dial };
            let node =
                RaftNode::start(setup, log, state.state_machine(), state.clone()).await.expect("it starts");
            let target = Arc::new(Target { node: node.clone(), state: state.clone() });
            let stop = CancellationToken::new();
            let serving = tokio::spawn(server::serve(listener, node.clone(), target, stop.clone()));
            (member, node, state, stop, serving)
        });
        let (serving, runtime, dir) = (Some(serving), Some(runtime), Some(dir));
        TestNode { member, node, state, stop, serving, runtime, dir }
    }

    pub(super) fn id(&self) -> NodeId {
        self.member.id
    }

    pub(super) fn digest(&self) -> Digest {
        let machine = self.state.machine().read();
        Digest { index: machine.applied_index(), value: machine.digest() }
    }

    /// As the end of its process: sockets close, nothing is said. Returns at once; the handle waits for the last thread.
    pub(super) fn kill(mut self) -> Killed {
        let runtime = self.runtime.take().expect("it runs");
        let ending = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE));
        let dir = self.dir.take().expect("it has one");
        Killed { address: self.member.node.peer_addr.clone(), dir, ending }
    }

    /// As SIGTERM: leadership first, then the peer port with all its streams.
    pub(super) async fn stop_gracefully(&mut self) {
        self.node.shutdown().await;
        self.stop.cancel();
        let serving = self.serving.take().expect("it is stopped once");
        let served = tokio::time::timeout(PATIENCE, serving).await.expect("no stream holds it up");
        served.expect("it does not panic").expect("its listener is sound");
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What is left of a killed node.
pub(super) struct Killed {
    address: String,
    dir: TempDir,
    ending: std::thread::JoinHandle<()>,
}

/// Nodes and the network between them.
pub(super) struct Cluster {
    pub(super) board: Arc<Board>,
    pub(super) nodes: Vec<TestNode>,
    config: RaftConfig,
}

impl Cluster {
    /// `count` voters and the first leader.
    pub(super) async fn start(count: usize, config: RaftConfig) -> Cluster {
        let mut cluster = Cluster { board: Board::new(), nodes: Vec::new(), config };
        for _ in 0..count {
            cluster.add_node();
        }
        let members = cluster.nodes.iter().map(|node| node.member.clone()).collect();
        cluster.nodes[0].node.initialize("test-cluster", members).await.expect("new nodes make a cluster");
        cluster.leader().await;
        cluster
    }

    /// A node that belongs to nothing yet; returns its index.
    pub(super) fn add_node(&mut self) -> usize {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (board, config) = (self.board.clone(), self.config.clone());
        self.nodes.push(outside(move || TestNode::start(dir, "127.0.0.1:0", &board, config)));
        self.nodes.len() - 1
    }

    pub(super) fn restart(&mut self, killed: Killed) {
        let Killed { address, dir, ending } = killed;
        let (board, config) = (self.board.clone(), self.config.clone());
        self.nodes.push(outside(move || {
            ending.join().expect("its threads end");
            TestNode::start(dir, &address, &board, config)
        }));
    }

    /// Where a leader is that can decide, among all nodes.
    pub(super) async fn leader(&self) -> usize {
        self.leader_among(|_| true).await
    }

    pub(super) async fn leader_among(&self, wanted: impl Fn(NodeId) -> bool) -> usize {
        let waiting =
            self.nodes.iter().enumerate().filter(|(_, node)| wanted(node.id())).map(|(at, node)| {
                let mut leadership = node.node.leadership();
                Box::pin(async move {
                    // A node that stops never leads.
                    match leadership.wait_for(|seen| seen.am_leader).await {
                        Ok(_) => at,
                        Err(_) => std::future::pending().await,
                    }
                })
            });
        let first = futures_util::future::select_all(waiting);
        tokio::time::timeout(PATIENCE, first).await.expect("somebody leads").0
    }

    /// Proposes on whoever leads until it is applied; what was refused or lost is tried again.
    pub(super) async fn apply(&self, name: &str) -> u64 {
        let trying = async {
            loop {
                let leader = &self.nodes[self.leader().await];
                match leader.node.propose(entry(leader, name)).await {
                    Ok(applied) => return applied.index,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, trying).await.expect("it is applied")
    }

    /// All nodes have applied `index`, and all tables are the same.
    pub(super) async fn agree_at(&self, index: u64) {
        for node in &self.nodes {
            node.node.wait_applied(index, PATIENCE).await.expect("it catches up");
        }
        let digests: Vec<Digest> = self.nodes.iter().map(TestNode::digest).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}

/// Starting a runtime is not allowed inside another.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().expect("the node starts"))
}

pub(super) fn command(name: &str) -> Command {
    Command::ClientOpen(ClientOpen { identity: Identity::new(name).expect("a right name") })
}

pub(super) fn entry(node: &TestNode, name: &str) -> LogEntry {
    LogEntry { at: node.node.now(), commands: vec![command(name)] }
}

/// Runs a story beside the nodes' own runtimes.
pub(super) fn story(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(story);
}
