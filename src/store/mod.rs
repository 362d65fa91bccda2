//! Bytes on disk: the Raft log with its one fsync thread, the state with its write-behind layers, and snapshots.
//!
//! Two RocksDB databases per JobTracker. The log is synced before anything is acknowledged; the state never is per
//! entry, since the log is its write-ahead log. What holds them together: the state is never durable ahead of its own
//! log, and the log is purged only below durable state. No Raft is decided here and no job is understood here.

pub mod data_dir;
pub mod encoding;
pub mod fatal;
mod files;
pub mod log;
pub mod mem;
mod rocks;
pub mod snapshot;
pub mod state;
#[cfg(test)]
mod tests;
pub mod types;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use data_dir::{DataDir, DataDirError, DiskSpace};
pub use fatal::OnFatal;
pub use log::{FlushedIndex, LogError, LogStore};
pub use mem::MemBase;
pub use rocks::RocksBase;
pub use snapshot::{SnapshotChunk, SnapshotData, SnapshotReader, SnapshotReceiver, TransferError};
pub use state::{
    AppliedEntry, AppliedOutcome, DurableIndex, FlushPolicy, OnApplied, State, StateError, StateMachine,
    StateOptions,
};
pub use types::{
    Applied, Entry, LogId, Membership, Node, NodeId, Payload, Proposal, SnapshotMeta, StoredMembership,
    Types, Vote,
};

/// Everything that a JobTracker keeps on disk, opened and found consistent.
///
/// Before the process ends, shut the raft down, call [`State::flush`], and drop all handles.
#[derive(Debug)]
pub struct Store {
    pub log: LogStore,
    pub state: State,
    /// Dropped last: it holds the lock.
    pub data_dir: DataDir,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "the state has applied entry {applied}, but the log ends at {last:?}: acknowledged entries are gone, so this node must \
         not vote; remove it from the cluster, wipe its directory and add it again"
    )]
    LogBehindState { applied: LogId, last: Option<LogId> },
}

impl Store {
    /// # Errors
    /// If the directory is not usable, or what is in it is damaged.
    pub fn open(dir: &Path, options: StateOptions) -> Result<Store, StoreError> {
        Store::open_with(dir, options, |path, durable, on_fatal| LogStore::open(path, durable, on_fatal))
    }

    fn open_with(
        dir: &Path,
        options: StateOptions,
        open_log: impl FnOnce(&Path, Arc<DurableIndex>, OnFatal) -> Result<LogStore, LogError>,
    ) -> Result<Store, StoreError> {
        let data_dir = DataDir::open(dir)?;
        let durable = Arc::new(DurableIndex::default());
        let log = open_log(&data_dir.log_dir(), Arc::clone(&durable), Arc::clone(&options.on_fatal))?;
        let state = State::open(&data_dir.state_dir(), Arc::clone(log.flushed_index()), durable, options)?;
        let store = Store { log, state, data_dir };
        store.check()?;
        Ok(store)
    }

    /// The state may be ahead of the log only right after a snapshot was installed, before the log was purged.
    fn check(&self) -> Result<(), StoreError> {
        let (applied, _) = self.state.position().map_err(StateError::from)?;
        let (last, snapshot) = (self.log.last_log_id(), self.state.current_snapshot());
        let installed = snapshot.and_then(|snapshot| snapshot.meta().last_log_id);
        match applied {
            Some(applied) if Some(applied) > last && Some(applied) > installed => {
                Err(StoreError::LogBehindState { applied, last })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl StateOptions {
    /// The defaults of a JobTracker: a failure ends the process, nobody waits for entries.
    pub fn production() -> StateOptions {
        StateOptions {
            flush: FlushPolicy::default(),
            on_applied: Arc::new(|_| ()),
            on_fatal: fatal::end_process(),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} in {}", self.data_dir.node_id(), self.data_dir.path().display())
    }
}
