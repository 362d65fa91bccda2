//! openraft behind one object: what the facade and the peer service ask of it, whatever storage it runs on.
//!
//! `Raft<Types, StateMachine>` is generic and compiled anew wherever it is named; here it is named once. Nothing is
//! decided here.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{BoxStream, StreamExt};
use openraft::alias::{WatchReceiverOf, WriteResponderOf};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, InitializeError, LinearizableReadError, RaftError};
use openraft::metrics::{RaftDataMetrics, RaftMetrics, RaftServerMetrics};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{ChangeMembers, Raft, ReadPolicy};
use tokio::sync::watch;

use super::snapshot::{SnapshotIntake, SnapshotReceiver};
use crate::store::{LogId, Node, NodeId, Proposal, SnapshotChunk, SnapshotMeta, Types, Vote};

pub(super) type Stopped = Fatal<Types>;
pub(super) type Change = ChangeMembers<NodeId, Node>;
pub(super) type Append = AppendEntriesRequest<Types>;
pub(super) type WriteError = RaftError<Types, ClientWriteError<Types>>;

/// An arriving snapshot that ends in consensus.
pub(super) trait Arriving: Send {
    fn push(&mut self, chunk: SnapshotChunk) -> io::Result<()>;
    /// Verifies it, blocking; what it returns installs it.
    fn finish(self: Box<Self>) -> io::Result<Install>;
}

/// Installs a verified snapshot and answers with the vote of now.
pub(super) type Install = BoxFuture<'static, Result<Vote, Stopped>>;

/// See the module.
pub(super) trait Core: Send + Sync + 'static {
    fn append(&self, request: Append) -> BoxFuture<'_, Result<AppendEntriesResponse<Types>, Stopped>>;
    fn stream_append(
        &self,
        requests: BoxStream<'static, Append>,
    ) -> BoxStream<'static, Result<StreamAppendResult<Types>, Stopped>>;
    fn vote(&self, request: VoteRequest<Types>) -> BoxFuture<'_, Result<VoteResponse<Types>, Stopped>>;
    fn pre_vote(&self, request: VoteRequest<Types>) -> BoxFuture<'_, Result<VoteResponse<Types>, Stopped>>;
    fn begin_snapshot(&self, vote: Vote, meta: SnapshotMeta) -> io::Result<Box<dyn Arriving>>;
    fn handle_transfer(
        &self,
        request: TransferLeaderRequest<Types>,
    ) -> BoxFuture<'_, Result<TransferLeaderResponse<Types>, Stopped>>;

    fn write(
        self: Arc<Self>,
        proposal: Proposal,
        responder: WriteResponderOf<Types>,
    ) -> BoxFuture<'static, Result<(), Stopped>>;
    fn read_index(&self) -> BoxFuture<'_, Result<u64, RaftError<Types, LinearizableReadError<Types>>>>;
    fn vote_and_last_log(&self) -> BoxFuture<'_, Result<(Vote, Option<LogId>), Stopped>>;

    fn initialize(
        &self,
        members: BTreeMap<NodeId, Node>,
    ) -> BoxFuture<'_, Result<(), RaftError<Types, InitializeError<Types>>>>;
    fn add_learner(&self, id: NodeId, node: Node) -> BoxFuture<'_, Result<(), WriteError>>;
    fn change_membership(&self, change: Change) -> BoxFuture<'_, Result<(), WriteError>>;
    fn trigger_transfer(&self, to: NodeId) -> BoxFuture<'_, Result<(), Stopped>>;
    fn trigger_snapshot(&self) -> BoxFuture<'_, Result<(), Stopped>>;
    fn shutdown(&self) -> BoxFuture<'_, ()>;

    fn metrics(&self) -> RaftMetrics<Types>;
    fn data_metrics(&self) -> RaftDataMetrics<Types>;
    fn watch_server(&self) -> WatchReceiverOf<Types, RaftServerMetrics<Types>>;
    /// The last applied entry, as it moves.
    fn watch_applied(&self) -> watch::Receiver<Option<LogId>>;
}

/// openraft and where its snapshots arrive.
pub(super) struct Engine<SM, I>
where
    SM: RaftStateMachine<Types>,
{
    raft: Raft<Types, SM>,
    intake: Arc<I>,
    applied: watch::Receiver<Option<LogId>>,
}

impl<SM, I> Engine<SM, I>
where
    SM: RaftStateMachine<Types>,
{
    pub(super) fn new(raft: Raft<Types, SM>, intake: Arc<I>) -> Engine<SM, I> {
        let mut progress = raft.watch_apply_progress();
        let (sender, applied) = watch::channel(progress.get());
        tokio::spawn(async move {
            while progress.changed().await.is_ok() && !sender.is_closed() {
                sender.send_replace(progress.get());
            }
        });
        Engine { raft, intake, applied }
    }
}

impl<SM, I> Core for Engine<SM, I>
where
    SM: RaftStateMachine<Types>,
    I: SnapshotIntake<Parcel = SM::SnapshotData>,
{
    fn append(&self, request: Append) -> BoxFuture<'_, Result<AppendEntriesResponse<Types>, Stopped>> {
        self.raft.append_entries(request).map(only_fatal).boxed()
    }

    fn stream_append(
        &self,
        requests: BoxStream<'static, Append>,
    ) -> BoxStream<'static, Result<StreamAppendResult<Types>, Stopped>> {
        self.raft.stream_append(requests).boxed()
    }

    fn vote(&self, request: VoteRequest<Types>) -> BoxFuture<'_, Result<VoteResponse<Types>, Stopped>> {
        self.raft.vote(request).map(only_fatal).boxed()
    }

    fn pre_vote(&self, request: VoteRequest<Types>) -> BoxFuture<'_, Result<VoteResponse<Types>, Stopped>> {
        self.raft.pre_vote(request).map(only_fatal).boxed()
    }

    fn begin_snapshot(&self, vote: Vote, meta: SnapshotMeta) -> io::Result<Box<dyn Arriving>> {
        let receiver = self.intake.begin()?;
        Ok(Box::new(Arrival { raft: self.raft.clone(), vote, meta, receiver }))
    }

    fn handle_transfer(
        &self,
        request: TransferLeaderRequest<Types>,
    ) -> BoxFuture<'_, Result<TransferLeaderResponse<Types>, Stopped>> {
        self.raft.handle_transfer_leader(request).boxed()
    }

    fn write(
        self: Arc<Self>,
        proposal: Proposal,
        responder: WriteResponderOf<Types>,
    ) -> BoxFuture<'static, Result<(), Stopped>> {
        async move { self.raft.client_write_ff(proposal, Some(responder)).await }.boxed()
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, RaftError<Types, LinearizableReadError<Types>>>> {
        async {
            let linearizer = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await?;
            Ok(linearizer.read_log_id().index())
        }
        .boxed()
    }

    fn vote_and_last_log(&self) -> BoxFuture<'_, Result<(Vote, Option<LogId>), Stopped>> {
        async {
            let vote = self.raft.with_raft_state(|state| *state.vote_ref()).await?;
            Ok((vote, self.data_metrics().last_log))
        }
        .boxed()
    }

    fn initialize(
        &self,
        members: BTreeMap<NodeId, Node>,
    ) -> BoxFuture<'_, Result<(), RaftError<Types, InitializeError<Types>>>> {
        self.raft.initialize(members).boxed()
    }

    fn add_learner(&self, id: NodeId, node: Node) -> BoxFuture<'_, Result<(), WriteError>> {
        self.raft.add_learner(id, node, false).map(|done| done.map(drop)).boxed()
    }

    fn change_membership(&self, change: Change) -> BoxFuture<'_, Result<(), WriteError>> {
        self.raft.change_membership(change, false).map(|done| done.map(drop)).boxed()
    }

    fn trigger_transfer(&self, to: NodeId) -> BoxFuture<'_, Result<(), Stopped>> {
        async move { self.raft.trigger().transfer_leader(to).await }.boxed()
    }

    fn trigger_snapshot(&self) -> BoxFuture<'_, Result<(), Stopped>> {
        async { self.raft.trigger().snapshot().await }.boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        // Its error is about the task that ran it, which has ended either way.
        self.raft.shutdown().map(drop).boxed()
    }

    fn metrics(&self) -> RaftMetrics<Types> {
        // Copied at once: openraft's loop waits while somebody looks.
        self.raft.metrics().borrow_watched().clone()
    }

    fn data_metrics(&self) -> RaftDataMetrics<Types> {
        self.raft.data_metrics().borrow_watched().clone()
    }

    fn watch_server(&self) -> WatchReceiverOf<Types, RaftServerMetrics<Types>> {
        self.raft.server_metrics()
    }

    fn watch_applied(&self) -> watch::Receiver<Option<LogId>> {
        self.applied.clone()
    }
}

/// Calls of the protocol have no error of their own.
fn only_fatal<T>(result: Result<T, RaftError<Types>>) -> Result<T, Stopped> {
    result.map_err(|error| match error {
        RaftError::Fatal(fatal) => fatal,
        RaftError::APIError(never) => match never {},
    })
}

struct Arrival<SM: RaftStateMachine<Types>> {
    raft: Raft<Types, SM>,
    vote: Vote,
    meta: SnapshotMeta,
    receiver: Box<dyn SnapshotReceiver<SM::SnapshotData>>,
}

impl<SM> Arriving for Arrival<SM>
where
    SM: RaftStateMachine<Types>,
{
    fn push(&mut self, chunk: SnapshotChunk) -> io::Result<()> {
        self.receiver.push(chunk)
    }

    fn finish(self: Box<Self>) -> io::Result<Install> {
        let Arrival { raft, vote, meta, receiver } = *self;
        let snapshot = Snapshot { meta, snapshot: receiver.finish()? };
        Ok(async move { raft.install_full_snapshot(vote, snapshot).await.map(|response| response.vote) }
            .boxed())
    }
}
