//! The replicated JobTracker as one pure function: `apply(index, entry) -> replies, effects`.
//!
//! Same entries, same tables, on every replica and for ever. So there is no clock here, no randomness, no await, no
//! unordered iteration, no leader flag, no cron, no time zone and no local configuration: time comes with the entry,
//! ids come from the index, instants come from the leader's calendar by `Plan`.

pub mod alarm;
mod apply;
mod base;
mod change;
mod check;
pub mod codec;
pub mod command;
mod depth;
mod effect;
mod feed;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod index;
mod job_log;
mod key;
mod layer;
pub mod limits;
mod listing;
mod node_history;
mod query;
mod queue;
pub mod reply;
pub mod row;
mod scan;
pub mod series;
pub mod stats;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

pub use base::{Base, BaseError, NoBase, RawRow};
pub use check::Violation;
pub use command::{Command, LogEntry};
pub use depth::Depth;
pub use effect::Effect;
pub use feed::{Cursor, Fed, Feed, LineNumber, LineRef};
pub use index::{FeedbackGroup, GroupCounts, Indexes, ReadyGroup, ReadyRank, Waiter};
pub use key::Key;
pub use layer::Layer;
pub use listing::{
    Entry, GroupView, JobFilter, LogFilter, LogLine, LogOf, LogOrder, LogPlace, NodeEventFilter,
    NodeEventView, Place, Queue, Span,
};
pub use query::{JobState, JobView, LogView, LogWhat, Page, RunState, RunView, TrackerView};
pub use reply::Reply;
pub use tables::Tables;

use crate::domain::Timestamp;
use change::{Change, Ids};
use row::{MetaRow, Row};

/// The tables, and the only way to change them.
#[derive(Debug)]
pub struct Machine {
    tables: Tables,
    feed: Feed,
}

/// What came of one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub index: u64,
    /// One for each command, in their order.
    pub replies: Vec<Reply>,
    pub effects: Vec<Effect>,
}

impl Machine {
    /// Opens what is on disk and rebuilds the indexes: as long as there are live runs.
    ///
    /// # Errors
    /// If the disk fails or holds what this version cannot read.
    pub fn open(base: Arc<dyn Base>) -> Result<Machine, BaseError> {
        let tables = Tables::open(base)?;
        let feed = Feed::since(tables.meta().applied);
        Ok(Machine { tables, feed })
    }

    /// Applies one entry, its commands in their order, each as a whole.
    ///
    /// # Errors
    /// Only storage can fail, and then the node must stop.
    ///
    /// # Panics
    /// If `index` is not later than the last applied one.
    pub fn apply(&mut self, index: u64, entry: &LogEntry) -> Result<Applied, BaseError> {
        self.advance(index);
        self.tables.meta.now = self.tables.meta.now.max(entry.at);
        let mut ids = Ids::of_entry(self.tables.meta.id_base, index);
        let mut applied =
            Applied { index, replies: Vec::with_capacity(entry.commands.len()), effects: Vec::new() };
        let mut digest = Digest::new(self.tables.meta.digest, index);
        for command in &entry.commands {
            let mut change = Change::new(&self.tables, &mut ids, &mut applied.effects);
            applied.replies.push(apply::apply(&mut change, command)?);
            let (writes, meta) = change.finish();
            writes.iter().for_each(|(key, write)| digest.add(key, write.new.as_ref()));
            self.feed.watch(index, &writes);
            self.tables.commit(index, writes);
            if let Some(meta) = meta {
                digest.add(&Key::Meta, Some(&Row::Meta(Box::new(meta))));
                self.tables.meta = meta;
            }
        }
        self.tables.meta.digest = digest.finish();
        Ok(applied)
    }

    /// Passes over an entry that is not the machine's: a blank one, or a change of membership.
    ///
    /// # Panics
    /// If `index` is not later than the last applied one.
    pub fn skip(&mut self, index: u64) {
        self.advance(index);
    }

    fn advance(&mut self, index: u64) {
        let MetaRow { applied, .. } = self.tables.meta;
        assert!(index > applied, "entry {index} comes after {applied}, each is applied once");
        self.tables.meta.applied = index;
    }

    /// The job log's newest lines, in the order in which they came.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    pub fn applied_index(&self) -> u64 {
        self.tables.meta.applied
    }

    /// Cluster time: the greatest `at` of all applied entries.
    pub fn now(&self) -> Timestamp {
        self.tables.meta.now
    }

    /// Equal on all replicas at an equal index.
    pub fn digest(&self) -> u64 {
        self.tables.meta.digest
    }

    /// Stores consensus' own bytes with the rows that they belong to.
    pub fn put_mark(&mut self, which: u8, bytes: Bytes) {
        self.tables.put_unindexed(self.tables.meta.applied, Key::Mark(which), Row::Mark(bytes));
    }

    /// # Errors
    /// If the disk fails.
    pub fn mark(&self, which: u8) -> Result<Option<Bytes>, BaseError> {
        match self.tables.get(&Key::Mark(which))? {
            Some(Row::Mark(bytes)) => Ok(Some(bytes)),
            Some(_) | None => Ok(None),
        }
    }

    /// Roughly how many bytes wait to be sealed.
    pub fn active_bytes(&self) -> usize {
        self.tables.active_bytes()
    }

    /// How many layers are on their way to disk.
    pub fn sealed_layers(&self) -> usize {
        self.tables.sealed_layers()
    }

    /// Closes the active layer, so that it can be written to disk; `None` if nothing changed.
    pub fn seal(&mut self) -> Option<Arc<Layer>> {
        self.tables.seal()
    }

    /// The oldest sealed layer is on disk.
    ///
    /// # Panics
    /// If it is another one.
    pub fn flushed(&mut self, layer: &Arc<Layer>) {
        self.tables.flushed(layer);
    }
}

/// A hash chained over the write sets of all entries.
struct Digest {
    hasher: Xxh3,
    bytes: BytesMut,
    key: Vec<u8>,
    previous: u64,
    is_empty: bool,
}

/// Most encoded rows and keys are shorter.
const ROW_BYTES: usize = 512;
const KEY_BYTES: usize = 64;

impl Digest {
    fn new(previous: u64, index: u64) -> Digest {
        let mut hasher = Xxh3::with_seed(previous);
        hasher.update(&index.to_le_bytes());
        let (bytes, key) = (BytesMut::with_capacity(ROW_BYTES), Vec::with_capacity(KEY_BYTES));
        Digest { hasher, bytes, key, previous, is_empty: true }
    }

    fn add(&mut self, key: &Key, row: Option<&Row>) {
        self.is_empty = false;
        self.key.clear();
        key.write(&mut self.key);
        self.hasher.update(&self.key);
        self.bytes.clear();
        if let Some(row) = row {
            codec::put_row(&mut self.bytes, row);
        }
        self.hasher.update(&self.bytes);
    }

    /// An entry that changed nothing leaves the digest as it was.
    fn finish(self) -> u64 {
        if self.is_empty { self.previous } else { self.hasher.digest() }
    }
}
