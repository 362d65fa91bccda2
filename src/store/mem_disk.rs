//! A disk in memory that forgets: what was written and not synced is lost by a power cut, from a random record on.
//!
//! It models what the store relies on of RocksDB. A write is one record, readable at once. The log's records survive the
//! end of the process, and a power cut leaves those that were synced and a random prefix of the others; the record that is
//! torn does not count, as in a write-ahead log. The state has no such log: what was not flushed is gone either way.
//! A sync takes simulated time, and fails when it is told to; so does a write when there is no room. Snapshots are files of their own, written by the same code
//! as RocksDB's, and lie in a directory that the simulation throws away.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::engine::{Change, EngineError, Engines, LogEngine, Records, StateEngine, SyncTask, Waiting};
use super::files::OwnedDir;
use crate::machine::{Base, BaseError, Layer, RawRow};

/// The one file of a checkpoint.
const TABLE: &str = "000001.sst";

/// Why a disk refuses, as the operating system says it.
pub const IO_ERROR: &str = "input/output error";
pub const NO_ROOM: &str = "no space left on device";

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// What it handed to the operating system is there.
    Killed,
    /// Only what was synced is sure to be there.
    PowerCut,
}

/// How the disk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temper {
    /// How long a sync takes, in milliseconds, from and to.
    pub sync_ms: (u64, u64),
    /// The next sync, and every one after it, fails.
    pub fails: bool,
    /// There is no room for what is written.
    pub full: bool,
}

impl Default for Temper {
    fn default() -> Temper {
        Temper { sync_ms: (1, 2), fails: false, full: false }
    }
}

/// One JobTracker's disk; it outlives the process. Clones are the same disk.
#[derive(Clone)]
pub struct MemDisk {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    logs: BTreeMap<PathBuf, Arc<Mutex<Database>>>,
    states: BTreeMap<PathBuf, Arc<Mutex<Database>>>,
    temper: Temper,
    random: fastrand::Rng,
    /// Records that power cuts took.
    lost: u64,
}

/// What is there, and what of it is durable.
#[derive(Default)]
struct Database {
    rows: Rows,
    durable: Rows,
    /// Written since, oldest first.
    pending: VecDeque<Record>,
    /// How many records there ever were.
    written: u64,
    /// Flushes that have begun: when each ends, and how many records it covers.
    flushes: VecDeque<(Instant, u64)>,
}

type Record = Vec<Step>;

enum Step {
    Put(Vec<u8>, Bytes),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

impl Step {
    fn take_effect(&self, rows: &mut Rows) {
        match self {
            Step::Put(key, value) => drop(rows.insert(key.clone(), value.clone())),
            Step::Delete(key) => drop(rows.remove(key)),
            Step::DeleteRange(from, to) if from < to => {
                let keys: Vec<_> = rows.range(from.clone()..to.clone()).map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| drop(rows.remove(key)));
            }
            Step::DeleteRange(..) => {}
        }
    }
}

impl Database {
    fn write(&mut self, record: Record) {
        record.iter().for_each(|step| step.take_effect(&mut self.rows));
        self.pending.push_back(record);
        self.written += 1;
    }

    /// The first `count` records that there ever were are durable.
    fn keep(&mut self, count: u64) {
        let before = self.written - self.pending.len() as u64;
        for _ in before..count {
            let record = self.pending.pop_front().expect("it was counted");
            record.iter().for_each(|step| step.take_effect(&mut self.durable));
        }
    }

    fn end_flushes(&mut self, now: Instant) {
        while let Some((_, count)) = self.flushes.front().filter(|(at, _)| *at <= now).copied() {
            self.flushes.pop_front();
            self.keep(count);
        }
    }

    /// What is not durable is gone; says how many records.
    fn forget(&mut self) -> u64 {
        let lost = self.pending.len() as u64;
        self.written -= lost;
        self.pending.clear();
        self.flushes.clear();
        self.rows = self.durable.clone();
        lost
    }
}

impl MemDisk {
    pub fn new(seed: u64) -> MemDisk {
        let inner = Inner {
            logs: BTreeMap::new(),
            states: BTreeMap::new(),
            temper: Temper::default(),
            random: fastrand::Rng::with_seed(seed),
            lost: 0,
        };
        MemDisk { inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn set_temper(&self, temper: Temper) {
        self.inner.lock().temper = temper;
    }

    /// Records of logs that power cuts took so far.
    pub fn lost(&self) -> u64 {
        self.inner.lock().lost
    }

    /// The process has ended, and nothing of it uses the disk any more.
    pub fn crash(&self, how: Crash) {
        let mut inner = self.inner.lock();
        let Inner { logs, states, random, lost, .. } = &mut *inner;
        for log in logs.values() {
            let mut log = log.lock();
            let pending = log.pending.len();
            let kept = if how == Crash::Killed { pending } else { random.usize(0..=pending) };
            let durable = log.written - (pending - kept) as u64;
            log.keep(durable);
            *lost += log.forget();
        }
        for state in states.values() {
            let mut state = state.lock();
            // A flush under way may just have ended.
            if let Some((_, count)) = state.flushes.front().copied().filter(|_| random.bool()) {
                state.keep(count);
            }
            state.forget();
        }
    }

    /// Everything on it is gone; no process uses it.
    pub fn wipe(&self) {
        let mut inner = self.inner.lock();
        inner.logs.clear();
        inner.states.clear();
    }

    fn state(&self, dir: &Path) -> io::Result<Arc<Mutex<Database>>> {
        let mut inner = self.inner.lock();
        if !dir.exists() {
            inner.states.remove(dir);
        }
        if let Some(known) = inner.states.get(dir) {
            return Ok(Arc::clone(known));
        }
        fs::create_dir_all(dir)?;
        let rows = if dir.join(TABLE).exists() { read_table(&dir.join(TABLE))? } else { Rows::new() };
        let database = Database { durable: rows.clone(), rows, ..Database::default() };
        let database = Arc::new(Mutex::new(database));
        inner.states.insert(dir.to_owned(), Arc::clone(&database));
        Ok(database)
    }
}

impl Engines for MemDisk {
    fn open_log(&self, dir: &Path) -> Result<Arc<dyn LogEngine>, EngineError> {
        let database = Arc::clone(self.inner.lock().logs.entry(dir.to_owned()).or_default());
        Ok(Arc::new(MemLog { disk: self.clone(), database }))
    }

    fn open_state(&self, dir: &Path) -> Result<Arc<dyn StateEngine>, BaseError> {
        let database = self.state(dir).map_err(failed)?;
        Ok(Arc::new(MemState { disk: self.clone(), database, dir: OwnedDir::kept(dir.to_owned()) }))
    }

    fn read_state(&self, dir: &Path) -> Result<Arc<dyn Base>, BaseError> {
        Ok(Arc::new(Table(read_table(&dir.join(TABLE)).map_err(failed)?)))
    }

    fn waiting(&self) -> Waiting {
        Waiting::Tasks
    }
}

impl fmt::Debug for MemDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDisk").field("temper", &self.inner.lock().temper).finish_non_exhaustive()
    }
}

struct MemLog {
    disk: MemDisk,
    database: Arc<Mutex<Database>>,
}

impl LogEngine for MemLog {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.database.lock().rows.get(key).cloned())
    }

    fn write(&self, changes: &[Change<'_>]) -> Result<(), EngineError> {
        if self.disk.inner.lock().temper.full {
            return Err(EngineError(NO_ROOM.into()));
        }
        let step = |change: &Change<'_>| match change {
            Change::Put(key, value) => Step::Put(key.to_vec(), Bytes::copy_from_slice(value)),
            Change::Delete(key) => Step::Delete(key.to_vec()),
            Change::DeleteRange(from, to) => Step::DeleteRange(from.to_vec(), to.to_vec()),
        };
        self.database.lock().write(changes.iter().map(step).collect());
        Ok(())
    }

    fn scan(&self, from: &[u8], to: &[u8]) -> Records<'_> {
        let database = self.database.lock();
        let found: Vec<_> = within(&database.rows, from, to)
            .map(|(key, value)| Ok((key.clone().into_boxed_slice(), value.clone())))
            .collect();
        Box::new(found.into_iter())
    }

    fn sync(&self) -> Result<(), EngineError> {
        let mut database = self.database.lock();
        let all = database.written;
        database.keep(all);
        Ok(())
    }

    fn give_back(&self, _from: &[u8], _to: &[u8]) {}

    fn awaited(&self) -> Option<SyncTask> {
        let (disk, database) = (self.disk.clone(), Arc::clone(&self.database));
        Some(Box::new(move || {
            let (disk, database) = (disk.clone(), Arc::clone(&database));
            Box::pin(async move {
                let written = database.lock().written;
                let took = {
                    let mut inner = disk.inner.lock();
                    let (from, to) = inner.temper.sync_ms;
                    inner.random.u64(from..=to)
                };
                tokio::time::sleep(Duration::from_millis(took)).await;
                if disk.inner.lock().temper.fails {
                    return Err(EngineError(IO_ERROR.into()));
                }
                database.lock().keep(written);
                Ok(())
            })
        }))
    }
}

impl fmt::Debug for MemLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemLog").field("written", &self.database.lock().written).finish_non_exhaustive()
    }
}

struct MemState {
    disk: MemDisk,
    database: Arc<Mutex<Database>>,
    dir: OwnedDir,
}

impl MemState {
    fn check(&self) -> Result<(), BaseError> {
        match self.disk.inner.lock().temper {
            Temper { fails: true, .. } => Err(BaseError::Storage(IO_ERROR.into())),
            Temper { full: true, .. } => Err(BaseError::Storage(NO_ROOM.into())),
            Temper { .. } => Ok(()),
        }
    }
}

impl Base for MemState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(self.database.lock().rows.get(key).map(|row| row.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(raw(&self.database.lock().rows, from, to, limit))
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(raw_back(&self.database.lock().rows, from, to, limit))
    }
}

impl StateEngine for MemState {
    fn write(&self, layer: &Layer) -> Result<(), BaseError> {
        self.check()?;
        let mut record = Record::new();
        layer.each_encoded(|key, row| {
            record.push(match row {
                Some(row) => Step::Put(key.to_vec(), Bytes::copy_from_slice(row)),
                None => Step::Delete(key.to_vec()),
            });
        });
        self.database.lock().write(record);
        Ok(())
    }

    fn flush(&self) -> Result<(), BaseError> {
        self.check()?;
        let mut database = self.database.lock();
        let all = database.written;
        database.keep(all);
        database.flushes.clear();
        Ok(())
    }

    fn begin_flush(&self) -> Result<(), BaseError> {
        self.check()?;
        let took = {
            let mut inner = self.disk.inner.lock();
            let (from, to) = inner.temper.sync_ms;
            inner.random.u64(from..=to * 20)
        };
        let mut database = self.database.lock();
        let (at, written) = (Instant::now() + Duration::from_millis(took), database.written);
        database.flushes.push_back((at, written));
        Ok(())
    }

    fn flush_ended(&self) -> Result<bool, BaseError> {
        self.check()?;
        let mut database = self.database.lock();
        database.end_flushes(Instant::now());
        Ok(database.flushes.is_empty())
    }

    fn checkpoint(&self, to: &Path) -> Result<(), BaseError> {
        self.flush()?;
        fs::create_dir(to)
            .and_then(|()| write_table(&to.join(TABLE), &self.database.lock().durable))
            .map_err(failed)
    }

    fn let_go(&self) {
        self.dir.let_go();
    }

    fn as_base(self: Arc<Self>) -> Arc<dyn Base> {
        self
    }
}

impl fmt::Debug for MemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemState").field(&self.dir.path()).finish()
    }
}

/// A checkpoint that is only looked into.
#[derive(Debug)]
struct Table(Rows);

impl Base for Table {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(self.0.get(key).map(|row| row.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(raw(&self.0, from, to, limit))
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(raw_back(&self.0, from, to, limit))
    }
}

fn within<'a>(
    rows: &'a Rows,
    from: &'a [u8],
    to: &'a [u8],
) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Bytes)> {
    let bounds = if from < to {
        (Bound::Included(from), Bound::Excluded(to))
    } else {
        (Bound::Included(from), Bound::Included(from))
    };
    rows.range::<[u8], _>(bounds).filter(move |_| from < to)
}

fn raw(rows: &Rows, from: &[u8], to: &[u8], limit: usize) -> Vec<RawRow> {
    if from >= to {
        return Vec::new();
    }
    within(rows, from, to).take(limit).map(|(key, row)| (key.clone(), row.to_vec())).collect()
}

fn raw_back(rows: &Rows, from: &[u8], to: &[u8], limit: usize) -> Vec<RawRow> {
    if from >= to {
        return Vec::new();
    }
    within(rows, from, to).rev().take(limit).map(|(key, row)| (key.clone(), row.to_vec())).collect()
}

fn write_table(path: &Path, rows: &Rows) -> io::Result<()> {
    let mut out = Vec::new();
    for (key, row) in rows {
        for part in [&key[..], &row[..]] {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    fs::write(path, out)
}

fn read_table(path: &Path) -> io::Result<Rows> {
    let mut bytes = Bytes::from(fs::read(path)?);
    let mut part = || -> io::Result<Option<Bytes>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let short = || io::Error::new(io::ErrorKind::InvalidData, "a checkpoint that ends too early");
        let length = bytes.split_first_chunk::<8>().map(|(length, _)| u64::from_be_bytes(*length));
        let length = usize::try_from(length.ok_or_else(short)?).map_err(|_| short())?;
        if bytes.len() - 8 < length {
            return Err(short());
        }
        let _ = bytes.split_to(8);
        Ok(Some(bytes.split_to(length)))
    };
    let mut rows = Rows::new();
    while let Some(key) = part()? {
        let row = part()?.ok_or(io::ErrorKind::InvalidData)?;
        rows.insert(key.to_vec(), row);
    }
    Ok(rows)
}

fn failed(error: io::Error) -> BaseError {
    BaseError::Storage(error.to_string())
}
