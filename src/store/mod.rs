//! Bytes on disk: the Raft log with its one fsync thread, the state with its write-behind layers, and snapshots.
//!
//! Two RocksDB databases per JobTracker. The log is synced before anything is acknowledged; the state never is per
//! entry, since the log is its write-ahead log. What holds them together: the state is never durable ahead of its own
//! log, and the log is purged only below durable state. No Raft is decided here and no job is understood here.

mod blocking;
pub mod data_dir;
pub mod encoding;
pub mod engine;
pub mod fatal;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod log;
pub mod mem;
#[cfg(any(test, feature = "simulation"))]
pub mod mem_disk;
#[cfg(feature = "server")]
mod rocks;
#[cfg(feature = "server")]
mod rocks_log;
#[cfg(feature = "simulation")]
mod seeded;
pub mod snapshot;
pub mod state;
#[cfg(test)]
#[cfg(feature = "server")]
mod tests;
pub mod types;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use engine::{Engines, LogEngine};

pub use blocking::blocking;
pub use data_dir::{DataDir, DataDirError, DiskSpace};
pub use engine::DiskUsage;
pub use fatal::OnFatal;
pub use log::{FlushedIndex, LogError, LogStore};
pub use mem::MemBase;
#[cfg(feature = "server")]
pub use rocks::{RocksBase, RocksEngines};
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
    #[error("the log's database cannot be opened: {0}")]
    Engine(#[from] engine::EngineError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "the state has applied entry {applied}, but the log ends at {last:?}: acknowledged entries are gone, so this node must \
         not vote; remove it from the cluster, wipe its directory and add it again"
    )]
    LogBehindState { applied: LogId, last: Option<LogId> },
}

impl Store {
    /// On RocksDB, as a JobTracker runs.
    ///
    /// # Errors
    /// If the directory is not usable, or what is in it is damaged.
    #[cfg(feature = "server")]
    pub fn open(dir: &Path, options: StateOptions) -> Result<Store, StoreError> {
        Store::open_on(dir, &(Arc::new(RocksEngines) as Arc<dyn Engines>), options)
    }

    /// # Errors
    /// If the directory is not usable, or what is in it is damaged.
    pub fn open_on(
        dir: &Path,
        engines: &Arc<dyn Engines>,
        options: StateOptions,
    ) -> Result<Store, StoreError> {
        Store::open_with(dir, engines, options, LogStore::open_on)
    }

    fn open_with(
        dir: &Path,
        engines: &Arc<dyn Engines>,
        options: StateOptions,
        open_log: impl FnOnce(Arc<dyn LogEngine>, Arc<DurableIndex>, OnFatal) -> Result<LogStore, LogError>,
    ) -> Result<Store, StoreError> {
        let data_dir = DataDir::open(dir)?;
        let durable = Arc::new(DurableIndex::default());
        let engine = engines.open_log(&data_dir.log_dir())?;
        let log = open_log(engine, Arc::clone(&durable), Arc::clone(&options.on_fatal))?;
        let flushed = Arc::clone(log.flushed_index());
        let state = State::open(&data_dir.state_dir(), Arc::clone(engines), flushed, durable, options)?;
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
