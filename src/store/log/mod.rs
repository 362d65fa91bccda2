//! The Raft log: what openraft asks of a log, on a database of its own.
//!
//! An append is written by the caller and readable when it returns; it is acknowledged by the sync thread, after the
//! fsync. Votes take the same way. What the log promises: no holes, nothing acknowledged is lost, nothing is purged that
//! the state has not made durable. What happens on failure: the process ends.

mod disk;
mod flushed;
mod sync;
mod tail;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::RwLock;
use tokio::sync::oneshot;

pub use disk::LogError;
pub use flushed::FlushedIndex;

use self::disk::LogDisk;
use self::sync::{Item, Syncer};
use self::tail::Tail;
use super::engine::{DiskUsage, LogEngine};
use super::fatal::OnFatal;
use super::state::DurableIndex;
use super::types::{Entry, LogId, Types, Vote};
use crate::failpoint::failpoint;
use crate::planted::{self, Bug};

/// What one read for replication or for `apply` may take, decoded copies aside; one larger entry is still given.
const READ_BYTES_MAX: usize = 1 << 20;
/// Decoded entries kept in memory.
const TAIL_BYTES_MAX: usize = 64 << 20;

/// A handle to the log; clones share it. The last one to go syncs and closes it.
#[derive(Clone, Debug)]
pub struct LogStore {
    inner: Arc<Inner>,
}

struct Inner {
    // Dropped first: it joins the thread that still uses the disk.
    syncer: Syncer,
    disk: Arc<LogDisk>,
    memory: RwLock<Memory>,
    flushed: Arc<FlushedIndex>,
    state: Arc<DurableIndex>,
    on_fatal: OnFatal,
    appended_bytes: AtomicU64,
}

/// What readers and the writer agree on.
#[derive(Debug)]
struct Memory {
    /// The index of the first entry that is or will be there.
    start: u64,
    purged: Option<LogId>,
    last: Option<LogId>,
    vote: Option<Vote>,
    tail: Tail,
    /// How often entries were cut off, so that a reader notices that it read across a cut.
    cuts: u64,
}

impl LogStore {
    /// Opens or creates the log in RocksDB in `path`. `state` says how far the state is durable, which bounds purging.
    ///
    /// # Errors
    /// If the database cannot be opened, or the log has a hole or a damaged entry.
    #[cfg(feature = "server")]
    pub fn open(
        path: &std::path::Path,
        state: Arc<DurableIndex>,
        on_fatal: OnFatal,
    ) -> Result<LogStore, LogError> {
        LogStore::open_on(super::engine::Engines::open_log(&super::RocksEngines, path)?, state, on_fatal)
    }

    /// Takes the log in this database into use.
    ///
    /// # Errors
    /// If the log has a hole or a damaged entry, or the disk fails.
    pub fn open_on(
        engine: Arc<dyn LogEngine>,
        state: Arc<DurableIndex>,
        on_fatal: OnFatal,
    ) -> Result<LogStore, LogError> {
        LogStore::open_with(engine, state, on_fatal, |disk| disk.sync().map_err(|error| error.to_string()))
    }

    fn open_with(
        engine: Arc<dyn LogEngine>,
        state: Arc<DurableIndex>,
        on_fatal: OnFatal,
        sync: impl Fn(&LogDisk) -> Result<(), String> + Send + 'static,
    ) -> Result<LogStore, LogError> {
        let awaited = engine.awaited();
        let (disk, found) = LogDisk::open(engine)?;
        let disk = Arc::new(disk);
        let flushed = Arc::new(FlushedIndex::default());
        if let Some(newest) = found.last.or(found.purged) {
            flushed.raise(newest.index);
        }
        let syncer = match awaited {
            Some(sync) => Syncer::start_task(sync, Arc::clone(&flushed), Arc::clone(&on_fatal)),
            None => {
                let synced_disk = Arc::clone(&disk);
                let sync = Box::new(move || sync(&synced_disk));
                Syncer::start(sync, Arc::clone(&flushed), Arc::clone(&on_fatal)).map_err(LogError::Thread)?
            }
        };
        let tail = Tail::new(TAIL_BYTES_MAX);
        let start = found.purged.map_or(0, |purged| purged.index + 1);
        let memory =
            Memory { start, purged: found.purged, last: found.last, vote: found.vote, tail, cuts: 0 };
        let (memory, appended_bytes) = (RwLock::new(memory), AtomicU64::new(0));
        let inner = Inner { syncer, disk, memory, flushed, state, on_fatal, appended_bytes };
        Ok(LogStore { inner: Arc::new(inner) })
    }

    /// The vote that was given last. The simulation watches that none is taken back.
    #[cfg(feature = "simulation")]
    pub fn promised(&self) -> Option<Vote> {
        self.inner.memory.read().vote
    }

    /// Opens it for a test that wants to know what is durable: `before` each sync and `after` it, before anybody is told.
    #[cfg(test)]
    pub(super) fn open_watched(
        engine: Arc<dyn LogEngine>,
        state: Arc<DurableIndex>,
        on_fatal: OnFatal,
        before: impl Fn() + Send + 'static,
        after: impl Fn() + Send + 'static,
    ) -> Result<LogStore, LogError> {
        LogStore::open_with(engine, state, on_fatal, move |disk| {
            before();
            disk.sync().map_err(|error| error.to_string())?;
            after();
            Ok(())
        })
    }

    /// The entries in `from..to` that are kept, as many as one bounded read gives; at least one if there is one. It may wait
    /// for the disk.
    ///
    /// # Errors
    /// If the disk fails or the log is damaged.
    pub fn entries(&self, from: u64, to: u64) -> Result<Vec<Entry>, LogError> {
        self.inner.read(from, to, READ_BYTES_MAX)
    }

    /// How far the log is durable.
    pub fn flushed_index(&self) -> &Arc<FlushedIndex> {
        &self.inner.flushed
    }

    /// The last entry, or the last purged one if there is none after it.
    pub fn last_log_id(&self) -> Option<LogId> {
        let memory = self.inner.memory.read();
        memory.last.or(memory.purged)
    }

    pub fn purged_log_id(&self) -> Option<LogId> {
        self.inner.memory.read().purged
    }

    /// Bytes appended since the log was opened: what a snapshot policy by bytes counts.
    pub fn appended_bytes(&self) -> u64 {
        self.inner.appended_bytes.load(Ordering::Relaxed)
    }

    /// What the log's database uses.
    pub fn usage(&self) -> DiskUsage {
        self.inner.disk.usage()
    }

    /// Fsyncs since the log was opened.
    pub fn syncs(&self) -> u64 {
        self.inner.syncer.syncs()
    }
}

impl Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = self.memory.read();
        f.debug_struct("Log")
            .field("purged", &memory.purged)
            .field("last", &memory.last)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// A failure to write ends the process; where it does not, in tests, openraft is told and stops.
    fn written<T>(&self, result: Result<T, LogError>) -> io::Result<T> {
        result.map_err(|error| {
            (self.on_fatal)(&error.to_string());
            io::Error::from(error)
        })
    }

    fn append(&self, entries: Vec<Entry>, records: &[(u64, Bytes)]) -> Result<(), LogError> {
        let mut memory = self.memory.write();
        memory.check_follows(records)?;
        self.disk.append(records)?;
        for (entry, (_, record)) in entries.into_iter().zip(records) {
            memory.last = Some(entry.log_id);
            memory.tail.push(entry, record.len());
        }
        Ok(())
    }

    fn cut(&self, last: Option<LogId>) -> Result<(), LogError> {
        let mut memory = self.memory.write();
        let next = last.map_or(0, |last| last.index + 1);
        self.disk.cut(next)?;
        if memory.end() > next {
            memory.last = last.filter(|last| last.index >= memory.start);
        }
        memory.tail.cut(last.map(|last| last.index));
        memory.cuts += 1;
        self.flushed.cut(next.max(memory.start).checked_sub(1));
        Ok(())
    }

    fn purge(&self, upto: LogId) -> Result<(), LogError> {
        let durable = self.state.get();
        if durable < Some(upto.index) {
            return Err(LogError::PurgeBeyondState { index: upto.index, durable });
        }
        let mut memory = self.memory.write();
        self.disk.purge(memory.start, &upto)?;
        memory.start = memory.start.max(upto.index + 1);
        memory.purged = memory.purged.max(Some(upto));
        memory.last = memory.last.filter(|last| last.index > upto.index);
        memory.tail.purge(upto.index);
        self.flushed.raise(upto.index);
        Ok(())
    }

    /// The entries in `from..to` that the log has, until they take more than `bytes_max`; at least one if there is one.
    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        loop {
            let read = self.read_once(from, to, bytes_max)?;
            let memory = self.memory.read();
            // A cut between the two halves of a read would look like a hole.
            if memory.cuts == read.cuts {
                read.check(from.max(memory.start), bytes_max)?;
                return Ok(read.entries);
            }
        }
    }

    fn read_once(&self, from: u64, to: u64, bytes_max: usize) -> Result<Read, LogError> {
        let (newest, disk_end, to, cuts) = {
            let memory = self.memory.read();
            let (to, cuts) = (to.min(memory.end()), memory.cuts);
            let disk_end = memory.tail.first().unwrap_or(to).min(to);
            // A bounded read that begins on disk ends there; the next one begins in the tail.
            let wanted = from >= disk_end || bytes_max == usize::MAX;
            let newest = if wanted { memory.tail.read(from, to, bytes_max) } else { Vec::new() };
            (newest, disk_end, to, cuts)
        };
        let mut entries =
            if from < disk_end { self.disk.read(from, disk_end, bytes_max)? } else { Vec::new() };
        entries.extend(newest);
        Ok(Read { entries, to, cuts })
    }
}

/// What a read found, before it is believed.
struct Read {
    entries: Vec<Entry>,
    /// Where the log ended at that time, or the read was to end.
    to: u64,
    cuts: u64,
}

impl Read {
    /// Only what was purged, before `start`, and what did not fit may be missing.
    fn check(&self, start: u64, bytes_max: usize) -> Result<(), LogError> {
        let first = self.entries.first().map(|entry| entry.log_id.index);
        let mut expected = first.map_or(start, |first| first.min(start));
        for entry in &self.entries {
            if entry.log_id.index != expected {
                return Err(LogError::Hole { expected, found: entry.log_id.index });
            }
            expected += 1;
        }
        let may_end_early = bytes_max < usize::MAX && !self.entries.is_empty();
        if expected < self.to && !may_end_early {
            return Err(LogError::Short { expected, to: self.to });
        }
        Ok(())
    }
}

impl Memory {
    /// After the last index.
    fn end(&self) -> u64 {
        self.last.map_or(self.start, |last| last.index + 1)
    }

    /// Entries are consecutive. The first one of a new log may be any, which only openraft's test suite makes use of.
    fn check_follows(&mut self, records: &[(u64, Bytes)]) -> Result<(), LogError> {
        let Some((first, _)) = records.first() else { return Ok(()) };
        if self.last.is_none() && self.purged.is_none() {
            self.start = *first;
        }
        let consecutive = records.iter().zip(self.end()..);
        for ((index, _), expected) in consecutive {
            if *index != expected {
                return Err(LogError::Gap { expected, index: *index });
            }
        }
        Ok(())
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        Ok(self.inner.read(from, to, usize::MAX)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.inner.memory.read().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.inner.read(start, end, READ_BYTES_MAX)?)
    }

    /// In bounded reads, so that a long outage does not bring the whole log into memory.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        let log = Arc::clone(&self.inner);
        let chunks = futures_util::stream::try_unfold(from, move |from| {
            let chunk = if from < to { log.read(from, to, READ_BYTES_MAX) } else { Ok(Vec::new()) };
            let chunk = chunk.map(|entries| {
                let next = entries.last()?.log_id.index + 1;
                Some((futures_util::stream::iter(entries.into_iter().map(Ok)), next))
            });
            std::future::ready(chunk.map_err(io::Error::from))
        });
        chunks.try_flatten()
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let memory = self.inner.memory.read();
        let last_log_id = memory.last.or(memory.purged);
        Ok(LogState { last_purged_log_id: memory.purged, last_log_id })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        failpoint!("vote::before_save");
        self.inner.written(self.inner.disk.save_vote(vote))?;
        let (done, synced) = oneshot::channel();
        if planted::is(Bug::VoteNotSynced) {
            self.inner.memory.write().vote = Some(*vote);
            return Ok(());
        }
        self.inner.syncer.push(Item::Vote(done));
        synced.await.map_err(|_| io::Error::other("the log's sync thread is gone"))??;
        failpoint!("vote::after_save");
        self.inner.memory.write().vote = Some(*vote);
        Ok(())
    }

    /// Not synced: it only saves work after a restart, and the next sync takes it along.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.inner.written(self.inner.disk.save_committed(committed.as_ref()))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.inner.disk.committed()?)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let records: Vec<_> = entries.iter().map(|entry| (entry.log_id.index, disk::encode(entry))).collect();
        let bytes = records.iter().map(|(_, record)| record.len()).sum();
        let room = self.inner.syncer.room(bytes).await;
        failpoint!("log::before_append");
        self.inner.written(self.inner.append(entries, &records))?;
        failpoint!("log::after_append");
        self.inner.appended_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let (last, epoch) = (records.last().map(|(index, _)| *index), self.inner.flushed.epoch());
        self.inner.syncer.push(Item::Appended { last, epoch, room, done: callback });
        Ok(())
    }

    /// Not synced: whatever is appended next to be acknowledged syncs it too.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        failpoint!("log::before_truncate");
        self.inner.written(self.inner.cut(last_log_id))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        failpoint!("log::before_purge");
        self.inner.written(self.inner.purge(log_id))?;
        failpoint!("log::after_purge");
        let disk = Arc::clone(&self.inner.disk);
        self.inner.syncer.push(Item::Chore(Box::new(move || disk.drop_purged_files(log_id.index))));
        Ok(())
    }
}

/// A range of indexes as its first and the one after its last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

#[cfg(test)]
mod tests;
