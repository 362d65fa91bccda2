//! What the store asks of a disk: two small databases, one for the log and one for the state, and whose threads wait for it.
//!
//! Everything above is the same code on RocksDB and on the simulation's disk in memory: checksums, holes, write-behind
//! layers, the order of sync and acknowledgement, snapshots.

use std::fmt;
use std::ops::Add;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::machine::{Base, BaseError, Layer};

/// Why the log's database failed; the node stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// What a database uses of memory and disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    pub memtable_bytes: u64,
    pub block_cache_bytes: u64,
    /// Its files.
    pub sst_bytes: u64,
    /// What it has still to compact.
    pub pending_compaction_bytes: u64,
}

impl Add for DiskUsage {
    type Output = DiskUsage;
    fn add(self, other: DiskUsage) -> DiskUsage {
        DiskUsage {
            memtable_bytes: self.memtable_bytes + other.memtable_bytes,
            block_cache_bytes: self.block_cache_bytes + other.block_cache_bytes,
            sst_bytes: self.sst_bytes + other.sst_bytes,
            pending_compaction_bytes: self.pending_compaction_bytes + other.pending_compaction_bytes,
        }
    }
}

/// One step of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    Put(&'a [u8], &'a [u8]),
    Delete(&'a [u8]),
    /// Everything from the first key up to and without the second.
    DeleteRange(&'a [u8], &'a [u8]),
}

/// A key and its value.
pub type Record = (Box<[u8]>, Bytes);

/// Records in the order of their keys.
pub type Records<'a> = Box<dyn Iterator<Item = Result<Record, EngineError>> + 'a>;

/// Where the log's records are. What was written is readable at once; a sync makes all of it durable.
pub trait LogEngine: fmt::Debug + Send + Sync + 'static {
    /// # Errors
    /// If the disk fails.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Writes all changes or, after a crash, none.
    ///
    /// # Errors
    /// If the disk fails.
    fn write(&self, changes: &[Change<'_>]) -> Result<(), EngineError>;

    /// Those with `from <= key < to`.
    fn scan(&self, from: &[u8], to: &[u8]) -> Records<'_>;

    /// Blocks until everything written before is durable.
    ///
    /// # Errors
    /// If the disk fails.
    fn sync(&self) -> Result<(), EngineError>;

    /// Nobody looks at keys in this range any more.
    fn give_back(&self, from: &[u8], to: &[u8]);

    /// What the database uses, where it tells.
    fn usage(&self) -> DiskUsage {
        DiskUsage::default()
    }

    /// A disk whose syncs take simulated time: they are awaited by a task, and no thread is made.
    fn awaited(&self) -> Option<SyncTask> {
        None
    }
}

/// Begins a sync of everything written so far.
pub type SyncTask = Box<dyn Fn() -> BoxFuture<'static, Result<(), EngineError>> + Send>;

/// One generation of the state. A batch is durable only when it was flushed; until then the log has it.
pub trait StateEngine: Base {
    /// Writes one layer as one batch.
    ///
    /// # Errors
    /// If the disk fails.
    fn write(&self, layer: &Layer) -> Result<(), BaseError>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// If the disk fails.
    fn flush(&self) -> Result<(), BaseError>;

    /// Begins to make everything written so far durable; [`StateEngine::flush_ended`] tells when.
    ///
    /// # Errors
    /// If the disk fails.
    fn begin_flush(&self) -> Result<(), BaseError>;

    /// Whether all flushes that have begun are over.
    ///
    /// # Errors
    /// If the disk fails.
    fn flush_ended(&self) -> Result<bool, BaseError>;

    /// Flushes, and puts what is on disk into the new directory `to`.
    ///
    /// # Errors
    /// If the disk fails.
    fn checkpoint(&self, to: &Path) -> Result<(), BaseError>;

    /// What the database uses, where it tells.
    fn usage(&self) -> DiskUsage {
        DiskUsage::default()
    }

    /// Another generation took over: the directory goes when the last reader does.
    fn let_go(&self);

    /// The same as the machine reads it.
    fn as_base(self: Arc<Self>) -> Arc<dyn Base>;
}

/// Opens databases by their directories.
pub trait Engines: fmt::Debug + Send + Sync + 'static {
    /// # Errors
    /// If the database cannot be opened or created.
    fn open_log(&self, dir: &Path) -> Result<Arc<dyn LogEngine>, EngineError>;

    /// # Errors
    /// If the database cannot be opened or created.
    fn open_state(&self, dir: &Path) -> Result<Arc<dyn StateEngine>, BaseError>;

    /// For looking into a snapshot, which must not change.
    ///
    /// # Errors
    /// If the database cannot be opened.
    fn read_state(&self, dir: &Path) -> Result<Arc<dyn Base>, BaseError>;

    /// Who waits for the disk: threads, or tasks of the runtime that opens the store.
    fn waiting(&self) -> Waiting;
}

/// Who waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Threads,
    /// Nothing blocks, and time is the runtime's: the simulation.
    Tasks,
}
