//! The log's records on disk: how they look, how they are read, and what is refused when the log is opened.
//!
//! An entry under `e` and its index, in big endian, so that the keys' order is the log's; the vote, the
//! committed and the purged position under `m`. Each entry is preceded by a checksum over its index and bytes. The database
//! drops what follows a torn record in its write-ahead log, which is right for what was never synced; a hole or a wrong
//! checksum before that means that acknowledged entries are gone, and then this node must not start.

use std::sync::Arc;

use bytes::Bytes;

use super::super::encoding::{self, EncodingError};
use super::super::engine::{Change, DiskUsage, EngineError, LogEngine};
use super::super::types::{Entry, LogId, Vote};

/// A record's checksum.
const CRC_BYTES: usize = 4;

mod key {
    pub(super) const VOTE: &[u8] = b"mv";
    pub(super) const COMMITTED: &[u8] = b"mc";
    pub(super) const PURGED: &[u8] = b"mp";
    pub(super) const OPENED: &[u8] = b"mo";
    /// After the last possible entry.
    pub(super) const ENTRIES_END: &[u8] = b"f";

    pub(super) fn entry(index: u64) -> [u8; 9] {
        let mut key = [b'e'; 9];
        key[1..].copy_from_slice(&index.to_be_bytes());
        key
    }

    pub(super) fn index_of(key: &[u8]) -> Option<u64> {
        key.strip_prefix(b"e").and_then(|index| index.try_into().ok()).map(u64::from_be_bytes)
    }
}

/// Why the log cannot be opened, read or written. All of them stop the node.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log's database failed: {0}")]
    Storage(#[from] EngineError),
    #[error("the log has a hole: entry {expected} is missing, the next one is {found}")]
    Hole { expected: u64, found: u64 },
    #[error("entry {expected} of the log is missing, which should reach to before {to}")]
    Short { expected: u64, to: u64 },
    #[error("entry {index} of the log is damaged: {problem}")]
    Damaged { index: u64, problem: String },
    #[error("the log's {what} cannot be read: {error}")]
    Mark { what: &'static str, error: EncodingError },
    #[error("a key of the log is not an entry's")]
    ForeignKey,
    #[error("entry {index} was to be appended where {expected} should come")]
    Gap { expected: u64, index: u64 },
    #[error("the log was to be purged up to {index}, but the state is durable only up to {durable:?}")]
    PurgeBeyondState { index: u64, durable: Option<u64> },
    #[error("the log's sync thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl From<LogError> for std::io::Error {
    fn from(error: LogError) -> std::io::Error {
        std::io::Error::other(error)
    }
}

/// What a log holds when it is opened, verified.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) purged: Option<LogId>,
    /// The last entry; `None` if there is none after the purged ones.
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
}

#[derive(Debug)]
pub(super) struct LogDisk {
    engine: Arc<dyn LogEngine>,
}

impl LogDisk {
    pub(super) fn usage(&self) -> DiskUsage {
        self.engine.usage()
    }

    /// Takes a log into use: verifies every entry, and makes durable what was found.
    pub(super) fn open(engine: Arc<dyn LogEngine>) -> Result<(LogDisk, Found), LogError> {
        let disk = LogDisk { engine };
        let found = disk.verify()?;
        // Recovery has written what it found to tables; a synced write proves that the new write-ahead log works.
        disk.engine.write(&[Change::Put(key::OPENED, b"")])?;
        disk.sync()?;
        Ok((disk, found))
    }

    fn verify(&self) -> Result<Found, LogError> {
        let purged = self.mark(key::PURGED, "purged position", encoding::decode_log_id)?;
        let vote = self.mark(key::VOTE, "vote", encoding::decode_vote)?;
        let mut found = Found { purged, last: None, vote };
        let start = purged.map_or(0, |purged| purged.index + 1);
        for (expected, record) in (start..).zip(self.records(start, u64::MAX)) {
            let (index, value) = record?;
            if index != expected {
                return Err(LogError::Hole { expected, found: index });
            }
            let log_id = encoding::peek_entry_log_id(checked(index, &value)?)
                .map_err(|error| LogError::Damaged { index, problem: error.to_string() })?;
            let newest = found.last.or(purged);
            if log_id.index != index || newest.is_some_and(|newest| log_id < newest) {
                return Err(LogError::Damaged {
                    index,
                    problem: format!("it says {log_id} after {newest:?}"),
                });
            }
            found.last = Some(log_id);
        }
        Ok(found)
    }

    /// The entries in `from..to`, until they take more than `bytes_max`; at least one if there is one.
    pub(super) fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for record in self.records(from, to) {
            let (index, value) = record?;
            bytes += value.len();
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(decode(index, value)?);
        }
        Ok(entries)
    }

    /// Writes records made by [`encode`]; readable at once, durable after a sync.
    pub(super) fn append(&self, records: &[(u64, Bytes)]) -> Result<(), LogError> {
        let keys: Vec<[u8; 9]> = records.iter().map(|(index, _)| key::entry(*index)).collect();
        let puts = keys.iter().zip(records).map(|(key, (_, record))| Change::Put(key, record));
        Ok(self.engine.write(&puts.collect::<Vec<_>>())?)
    }

    pub(super) fn save_vote(&self, vote: &Vote) -> Result<(), LogError> {
        Ok(self.engine.write(&[Change::Put(key::VOTE, &encoding::encode_vote(vote))])?)
    }

    pub(super) fn save_committed(&self, committed: Option<&LogId>) -> Result<(), LogError> {
        match committed {
            Some(id) => {
                Ok(self.engine.write(&[Change::Put(key::COMMITTED, &encoding::encode_log_id(id))])?)
            }
            None => Ok(self.engine.write(&[Change::Delete(key::COMMITTED)])?),
        }
    }

    pub(super) fn committed(&self) -> Result<Option<LogId>, LogError> {
        self.mark(key::COMMITTED, "committed position", encoding::decode_log_id)
    }

    /// Removes the entries from `first` on.
    pub(super) fn cut(&self, first: u64) -> Result<(), LogError> {
        Ok(self.engine.write(&[Change::DeleteRange(&key::entry(first), key::ENTRIES_END)])?)
    }

    /// Removes the entries from `first` up to `upto`, together with the note that says so.
    pub(super) fn purge(&self, first: u64, upto: &LogId) -> Result<(), LogError> {
        let (purged, from, to) =
            (encoding::encode_log_id(upto), key::entry(first), key::entry(upto.index + 1));
        let changes = [Change::Put(key::PURGED, &purged), Change::DeleteRange(&from, &to)];
        let count = if first <= upto.index { 2 } else { 1 };
        Ok(self.engine.write(&changes[..count])?)
    }

    /// Gives back the files that hold nothing but purged entries, without waiting for a compaction.
    ///
    /// An older version of a purged entry may come to light by it; no one looks below the purged position.
    pub(super) fn drop_purged_files(&self, upto: u64) {
        self.engine.give_back(&key::entry(0), &key::entry(upto));
    }

    pub(super) fn sync(&self) -> Result<(), LogError> {
        Ok(self.engine.sync()?)
    }

    fn mark<T>(
        &self,
        key: &[u8],
        what: &'static str,
        decode: impl FnOnce(Bytes) -> Result<T, EncodingError>,
    ) -> Result<Option<T>, LogError> {
        self.engine.get(key)?.map(decode).transpose().map_err(|error| LogError::Mark { what, error })
    }

    fn records(&self, from: u64, to: u64) -> impl Iterator<Item = Result<(u64, Bytes), LogError>> + '_ {
        let end = if to == u64::MAX { key::ENTRIES_END.to_vec() } else { key::entry(to).to_vec() };
        self.engine.scan(&key::entry(from), &end).map(|record| {
            let (key, value) = record?;
            Ok((key::index_of(&key).ok_or(LogError::ForeignKey)?, value))
        })
    }
}

/// An entry as its record: checksum, then bytes.
pub(super) fn encode(entry: &Entry) -> Bytes {
    let bytes = encoding::encode_entry(entry);
    let mut record = Vec::with_capacity(CRC_BYTES + bytes.len());
    record.extend_from_slice(&checksum(entry.log_id.index, &bytes).to_be_bytes());
    record.extend_from_slice(&bytes);
    Bytes::from(record)
}

fn decode(index: u64, record: Bytes) -> Result<Entry, LogError> {
    checked(index, &record)?;
    let entry = encoding::decode_entry(record.slice(CRC_BYTES..))
        .map_err(|error| LogError::Damaged { index, problem: error.to_string() })?;
    if entry.log_id.index == index {
        Ok(entry)
    } else {
        Err(LogError::Damaged { index, problem: format!("it says {}", entry.log_id) })
    }
}

/// The entry's bytes within its record, if the checksum fits.
fn checked(index: u64, record: &[u8]) -> Result<&[u8], LogError> {
    let damaged = |problem: &str| LogError::Damaged { index, problem: problem.into() };
    let (crc, bytes) = record.split_first_chunk::<CRC_BYTES>().ok_or_else(|| damaged("it is too short"))?;
    let fits = u32::from_be_bytes(*crc) == checksum(index, bytes);
    if fits { Ok(bytes) } else { Err(damaged("its checksum is wrong")) }
}

fn checksum(index: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&index.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
impl LogDisk {
    /// Breaks one byte of a record, as a failing disk would.
    pub(super) fn damage(&self, index: u64) {
        let mut record = self.engine.get(&key::entry(index)).unwrap().unwrap().to_vec();
        let last = record.len() - 1;
        record[last] ^= 1;
        self.engine.write(&[Change::Put(&key::entry(index), &record)]).unwrap();
    }

    pub(super) fn lose(&self, index: u64) {
        self.engine.write(&[Change::Delete(&key::entry(index))]).unwrap();
    }
}
