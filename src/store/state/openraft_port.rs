//! What openraft asks of a state machine, handed on to [`State`].

use std::io;

use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};

use super::super::blocking;
use super::super::snapshot::SnapshotData;
use super::super::types::{LogId, SnapshotMeta, StoredMembership, Types};
use super::{State, StateError};
use crate::failpoint::failpoint;

type Snapshot = openraft::alias::SnapshotOf<Types, SnapshotData>;

/// openraft's one writer.
#[derive(Debug)]
pub struct StateMachine {
    state: State,
}

/// Builds one snapshot of the state as it is when asked, beside the writer.
#[derive(Debug)]
pub struct SnapshotBuilder {
    state: State,
}

impl StateMachine {
    pub(super) fn new(state: State) -> StateMachine {
        StateMachine { state }
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        self.state.position().map_err(io::Error::other)
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let applied = self.state.apply(&entry).await?;
            failpoint!("state::before_reply");
            if let Some(responder) = responder {
                responder.send(applied);
            }
            failpoint!("state::mid_batch");
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { state: self.state.clone() }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let (state, meta) = (self.state.clone(), meta.clone());
        blocked(blocking(move || state.install(&meta, &snapshot)).await)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let snapshot = self.state.current_snapshot();
        Ok(snapshot.map(|snapshot| Snapshot { meta: snapshot.meta().clone(), snapshot }))
    }
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        self.state.flush().await?;
        let state = self.state.clone();
        let snapshot = blocked(blocking(move || state.build_snapshot()).await)?;
        Ok(Snapshot { meta: snapshot.meta().clone(), snapshot })
    }
}

fn blocked<T>(done: Result<Result<T, StateError>, tokio::task::JoinError>) -> Result<T, io::Error> {
    done.map_err(io::Error::other)?.map_err(io::Error::other)
}
