//! The state's tables in RocksDB: one column family, no write-ahead log.
//!
//! A batch is durable only when the memtable that took it was flushed; until then the Raft log has it. One batch is never
//! parted, since with one column family a flush takes whole batches in their order.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, FlushOptions, IteratorMode, LogLevel, Options,
    ReadOptions, WriteBatch, WriteOptions,
};

use super::engine::{DiskUsage, EngineError, Engines, LogEngine, StateEngine, Waiting};
use super::files::OwnedDir;
use super::rocks_log::RocksLog;
use crate::machine::{Base, BaseError, Layer, RawRow};

/// Twice what is written between two flushes, so that RocksDB does not flush on its own.
const WRITE_BUFFER_BYTES: usize = 128 << 20;
/// Blocks of tables that reads keep in memory.
const BLOCK_CACHE_BYTES: usize = 64 << 20;
/// About one in a hundred looks for an absent key reads a block in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// The part of a memtable that its own filter takes: most looks for a new task key end there.
const MEMTABLE_BLOOM_RATIO: f64 = 0.02;

/// What a JobTracker runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct RocksEngines;

impl Engines for RocksEngines {
    fn open_log(&self, dir: &Path) -> Result<Arc<dyn LogEngine>, EngineError> {
        Ok(Arc::new(RocksLog::open(dir)?))
    }

    fn open_state(&self, dir: &Path) -> Result<Arc<dyn StateEngine>, BaseError> {
        Ok(Arc::new(RocksBase::open(dir)?))
    }

    fn read_state(&self, dir: &Path) -> Result<Arc<dyn Base>, BaseError> {
        Ok(Arc::new(RocksBase::open_for_reading(dir)?))
    }

    fn waiting(&self) -> Waiting {
        Waiting::Threads
    }
}

/// One generation of the state on disk. Its directory goes away with it once it is obsolete.
pub struct RocksBase {
    // Closed before its directory goes.
    db: DB,
    dir: OwnedDir,
}

impl RocksBase {
    /// # Errors
    /// If the database cannot be opened or created.
    pub fn open(dir: &Path) -> Result<RocksBase, BaseError> {
        let db = DB::open(&options(), dir).map_err(failed)?;
        Ok(RocksBase { db, dir: OwnedDir::kept(dir.to_owned()) })
    }

    fn open_for_reading(dir: &Path) -> Result<RocksBase, BaseError> {
        let db = DB::open_for_read_only(&options(), dir, false).map_err(failed)?;
        Ok(RocksBase { db, dir: OwnedDir::kept(dir.to_owned()) })
    }

    /// For keys and rows that are no machine's.
    #[cfg(test)]
    pub(super) fn write_bytes(&self, changes: Vec<(Vec<u8>, Option<bytes::Bytes>)>) -> Result<(), BaseError> {
        let mut batch = WriteBatch::default();
        for (key, row) in changes {
            match row {
                Some(row) => batch.put(key, row),
                None => batch.delete(key),
            }
        }
        self.write_batch(batch)
    }

    fn rows(
        &self,
        from: &[u8],
        to: &[u8],
        mode: IteratorMode<'_>,
        limit: usize,
    ) -> Result<Vec<RawRow>, BaseError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        let rows = self.db.iterator_opt(mode, options).take(limit);
        rows.map(|row| row.map(|(key, value)| (key.into_vec(), value.into_vec())).map_err(failed)).collect()
    }

    fn write_batch(&self, batch: WriteBatch) -> Result<(), BaseError> {
        let mut without_log = WriteOptions::default();
        without_log.disable_wal(true);
        self.db.write_opt(batch, &without_log).map_err(failed)
    }
}

impl StateEngine for RocksBase {
    fn write(&self, layer: &Layer) -> Result<(), BaseError> {
        // A batch that grows by doubling copies itself, and touches fresh pages each time.
        let mut batch = WriteBatch::with_capacity_bytes(layer.bytes());
        layer.each_encoded(|key, row| match row {
            Some(row) => batch.put(key, row),
            None => batch.delete(key),
        });
        self.write_batch(batch)
    }

    fn flush(&self) -> Result<(), BaseError> {
        self.db.flush().map_err(failed)
    }

    fn begin_flush(&self) -> Result<(), BaseError> {
        let mut options = FlushOptions::default();
        options.set_wait(false);
        self.db.flush_opt(&options).map_err(failed)
    }

    fn flush_ended(&self) -> Result<bool, BaseError> {
        let waiting = self.db.property_int_value("rocksdb.num-immutable-mem-table").map_err(failed)?;
        Ok(waiting == Some(0))
    }

    /// Tables are linked, not copied.
    fn checkpoint(&self, to: &Path) -> Result<(), BaseError> {
        Checkpoint::new(&self.db).and_then(|checkpoint| checkpoint.create_checkpoint(to)).map_err(failed)
    }

    fn usage(&self) -> DiskUsage {
        usage(&self.db)
    }

    fn let_go(&self) {
        self.dir.let_go();
    }

    fn as_base(self: Arc<Self>) -> Arc<dyn Base> {
        self
    }
}

impl Base for RocksBase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        self.db.get(key).map_err(failed)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        self.rows(from, to, IteratorMode::Start, limit)
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        self.rows(from, to, IteratorMode::End, limit)
    }
}

impl fmt::Debug for RocksBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RocksBase").field(&self.dir.path()).finish()
    }
}

/// What RocksDB counts anyway; what it does not tell is 0.
pub(super) fn usage(db: &DB) -> DiskUsage {
    let tell = |property: &str| db.property_int_value(property).ok().flatten().unwrap_or(0);
    DiskUsage {
        memtable_bytes: tell("rocksdb.cur-size-all-mem-tables"),
        block_cache_bytes: tell("rocksdb.block-cache-usage"),
        sst_bytes: tell("rocksdb.total-sst-files-size"),
        pending_compaction_bytes: tell("rocksdb.estimate-pending-compaction-bytes"),
    }
}

fn failed(error: rocksdb::Error) -> BaseError {
    BaseError::Storage(error.into_string())
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    table.set_whole_key_filtering(true);
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(3);
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_max_open_files(512);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Error);
    options
}
