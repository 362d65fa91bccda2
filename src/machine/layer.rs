//! Rows that changed since the disk was last written, typed and ordered.
//!
//! Changes gather in the active layer; it is sealed, written to disk as one batch, and dropped. A row that changes often
//! is written once, and one that is born and dies within a layer never: most live runs are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use bytes::{Bytes, BytesMut};

use super::codec;
use super::key::Key;
use super::row::Row;
use crate::planted::{self, Bug};

/// A set of changes: a row, or its absence.
#[derive(Debug, Default)]
pub struct Layer {
    rows: BTreeMap<Key, Slot>,
    /// The index of the last entry whose changes are in here.
    last_index: u64,
    /// A rough size in memory and on disk.
    bytes: usize,
}

#[derive(Debug)]
enum Slot {
    /// Its key was never used before this layer.
    Born(Row),
    Changed(Row),
    Deleted,
}

impl Slot {
    fn row(&self) -> Option<&Row> {
        match self {
            Slot::Born(row) | Slot::Changed(row) => Some(row),
            Slot::Deleted => None,
        }
    }
}

/// What a row costs beside its variable parts; a guess that need only be of the right order.
const ROW_BYTES: usize = 160;

impl Layer {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Roughly how many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// It may be written to disk once the log is durable up to here.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// The changes in the order of their keys, as the disk stores them: `None` deletes.
    pub fn encoded(&self) -> impl Iterator<Item = (Vec<u8>, Option<Bytes>)> + '_ {
        self.written().map(|(key, row)| (key.to_bytes(), row.map(codec::encode_row)))
    }

    /// The same, one at a time into memory that is used again.
    pub fn each_encoded(&self, mut tell: impl FnMut(&[u8], Option<&[u8]>)) {
        let (mut key_bytes, mut row_bytes) = (Vec::new(), BytesMut::new());
        for (key, row) in self.written() {
            key_bytes.clear();
            key.write(&mut key_bytes);
            row_bytes.clear();
            if let Some(row) = row {
                codec::put_row(&mut row_bytes, row);
            }
            tell(&key_bytes, row.map(|_| &row_bytes[..]));
        }
    }

    fn written(&self) -> impl Iterator<Item = (&Key, Option<&Row>)> {
        self.rows.iter().map(|(key, slot)| (key, slot.row())).filter(|(key, row)| is_written(key, *row))
    }

    /// `None`: this layer does not know. `Some(None)`: deleted.
    pub(super) fn get(&self, key: &Key) -> Option<Option<&Row>> {
        self.rows.get(key).map(Slot::row)
    }

    pub(super) fn range<'a>(
        &'a self,
        from: Bound<&Key>,
        to: &Key,
    ) -> impl DoubleEndedIterator<Item = (&'a Key, Option<&'a Row>)> + use<'a> {
        self.rows.range::<Key, _>((from, Bound::Excluded(to))).map(|(key, slot)| (key, slot.row()))
    }

    /// `is_new` says that nothing below this layer has the key.
    pub(super) fn put(&mut self, index: u64, key: Key, row: Option<Row>, is_new: bool) {
        self.last_index = index;
        let place = self.rows.entry(key);
        let (freed, is_new) = match &place {
            Entry::Occupied(place) => (cost(place.get()), is_new || matches!(place.get(), Slot::Born(_))),
            Entry::Vacant(_) => (0, is_new),
        };
        let slot = match (row, is_new) {
            (Some(row), true) => Some(Slot::Born(row)),
            (Some(row), false) => Some(Slot::Changed(row)),
            (None, true) => None,
            (None, false) => Some(Slot::Deleted),
        };
        self.bytes = (self.bytes + slot.as_ref().map_or(0, cost)).saturating_sub(freed);
        match (place, slot) {
            (Entry::Occupied(mut place), Some(slot)) => drop(place.insert(slot)),
            (Entry::Occupied(place), None) => drop(place.remove()),
            (Entry::Vacant(place), Some(slot)) => drop(place.insert(slot)),
            (Entry::Vacant(_), None) => {}
        }
    }
}

fn cost(slot: &Slot) -> usize {
    ROW_BYTES + slot.row().map_or(0, payload_bytes)
}

/// All are, but for a bug.
fn is_written(key: &Key, row: Option<&Row>) -> bool {
    let is_answer = matches!(key, Key::Request(_) | Key::Answer(..));
    let executes = matches!(row, Some(Row::Live(live)) if live.execution().is_some());
    let is_feedback = matches!(key, Key::Feedback(..));
    !(is_answer && planted::is(Bug::AnswersNotFlushed)
        || executes && planted::is(Bug::FlushOmitsExecuting)
        || is_feedback && planted::is(Bug::FeedbackNotFlushed))
}

/// The parts of a row that can be large.
fn payload_bytes(row: &Row) -> usize {
    match row {
        Row::Job(job) => job.spec.payload.len(),
        Row::Body(old) => old.spec.payload.len(),
        Row::Ledger(ledger) => ledger.result.len() + ledger.error.len(),
        Row::JobLog(line) => match &line.what {
            super::row::JobLogKind::Biz { text, .. } => text.len(),
            super::row::JobLogKind::Act { why, .. } => why.reason.len(),
            super::row::JobLogKind::BizDropped { .. } | super::row::JobLogKind::StaleCompletion { .. } => 0,
        },
        Row::Answer(row) => match &row.answer {
            super::row::Answer::Submitted(answers) => answers.len() * 16,
            super::row::Answer::Cancelled(_)
            | super::row::Answer::Terminating(_)
            | super::row::Answer::Retried(_)
            | super::row::Answer::Acted(_)
            | super::row::Answer::Updated(_)
            | super::row::Answer::Refused(_) => 0,
        },
        Row::Feedback(row) => row.result.len() + row.error.len() + row.handler_error.len(),
        Row::TaskKey(_)
        | Row::Live(_)
        | Row::Periodic(_)
        | Row::Finished
        | Row::Tracker(_)
        | Row::Group(_)
        | Row::Client(_)
        | Row::Request(_)
        | Row::RequestAge
        | Row::Deleted(_)
        | Row::NodeEvent(_)
        | Row::LogAge(_)
        | Row::Paused(_)
        | Row::Sampled(_)
        | Row::GroupStats(_)
        | Row::TrackerStats(_)
        | Row::JobTrackerStats(_)
        | Row::Alarm(_)
        | Row::Silence(_)
        | Row::Meta(_)
        | Row::Mark(_)
        | Row::FeedbackGroup(_) => 0,
    }
}
