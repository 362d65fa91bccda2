//! The log's records in RocksDB: one column family, its write-ahead log synced on demand.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use rocksdb::{
    DB, DBCompressionType, DBRecoveryMode, IteratorMode, LogLevel, Options, ReadOptions, WriteBatch,
};

use super::engine::{Change, DiskUsage, EngineError, LogEngine, Records};
use super::rocks::usage;

/// Large, so that most of the log is purged before it would be compacted.
const WRITE_BUFFER_BYTES: usize = 64 << 20;

pub(super) struct RocksLog {
    db: DB,
}

impl RocksLog {
    pub(super) fn open(dir: &Path) -> Result<RocksLog, EngineError> {
        Ok(RocksLog { db: DB::open(&options(), dir).map_err(failed)? })
    }
}

impl LogEngine for RocksLog {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.db.get(key).map_err(failed)?.map(Bytes::from))
    }

    fn write(&self, changes: &[Change<'_>]) -> Result<(), EngineError> {
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put(key, value) => batch.put(key, value),
                Change::Delete(key) => batch.delete(key),
                Change::DeleteRange(from, to) => batch.delete_range(*from, *to),
            }
        }
        self.db.write(batch).map_err(failed)
    }

    fn scan(&self, from: &[u8], to: &[u8]) -> Records<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        let records = self.db.iterator_opt(IteratorMode::Start, options);
        Box::new(records.map(|record| record.map(|(key, value)| (key, Bytes::from(value))).map_err(failed)))
    }

    fn usage(&self) -> DiskUsage {
        usage(&self.db)
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.db.flush_wal(true).map_err(failed)
    }

    fn give_back(&self, from: &[u8], to: &[u8]) {
        if let Err(error) = self.db.delete_file_in_range(from, to) {
            tracing::warn!(%error, "purged files of the log are kept until the next compaction");
        }
    }
}

impl fmt::Debug for RocksLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RocksLog").field(&self.db.path()).finish()
    }
}

fn failed(error: rocksdb::Error) -> EngineError {
    EngineError(error.into_string())
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(4);
    // Entries are purged before they need an order; late compaction and high limits keep appends from stalling.
    options.set_level_zero_file_num_compaction_trigger(8);
    options.set_level_zero_slowdown_writes_trigger(64);
    options.set_level_zero_stop_writes_trigger(128);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_max_open_files(256);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Error);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options
}
