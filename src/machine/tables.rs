//! Rows through layers: the active one, the sealed ones that are on their way to disk, the disk.
//!
//! Reads see the newest. Writes go to the active layer only, command by command, each as a whole.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::base::{Base, BaseError};
use super::codec;
use super::index::Indexes;
use super::key::Key;
use super::layer::Layer;
use super::row::{MetaRow, Row};
use super::scan::Scan;

#[derive(Debug)]
pub struct Tables {
    base: Arc<dyn Base>,
    active: Layer,
    /// Oldest first.
    sealed: VecDeque<Arc<Layer>>,
    pub(super) indexes: Indexes,
    pub(super) meta: MetaRow,
}

/// One command's changes: the new row, or its absence, and the old row where an index wants to know it.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) new: Option<Row>,
    pub(super) old: Option<Row>,
    /// The key was never used before.
    pub(super) is_new: bool,
}

impl Tables {
    /// Reads the meta row and rebuilds the indexes from the live rows.
    pub(super) fn open(base: Arc<dyn Base>) -> Result<Tables, BaseError> {
        let (active, sealed) = (Layer::default(), VecDeque::new());
        let mut tables =
            Tables { base, active, sealed, indexes: Indexes::default(), meta: MetaRow::default() };
        if let Some(Row::Meta(meta)) = tables.get(&Key::Meta)? {
            tables.meta = *meta;
        }
        let mut indexes = Indexes::default();
        for (from, to) in Key::indexed_ranges() {
            for row in tables.scan(Bound::Included(&from), &to) {
                let (key, row) = row?;
                indexes.update(&key, None, Some(&row));
            }
        }
        tables.indexes = indexes;
        Ok(tables)
    }

    pub fn get(&self, key: &Key) -> Result<Option<Row>, BaseError> {
        for layer in self.newest_first() {
            if let Some(row) = layer.get(key) {
                return Ok(row.cloned());
            }
        }
        match self.base.get(&key.to_bytes())? {
            Some(bytes) => decode(key, bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The rows from `from` up to but without `to`, in the order of their keys. Bounded by whoever takes from it.
    pub fn scan<'a>(
        &'a self,
        from: Bound<&Key>,
        to: &Key,
    ) -> impl Iterator<Item = Result<(Key, Row), BaseError>> + use<'a> {
        Scan::forward(self.newest_first(), self.base.as_ref(), from, to)
    }

    /// The rows from `from` up to but without `to`, from the last one back. Bounded by whoever takes from it.
    pub fn scan_back<'a>(
        &'a self,
        from: &Key,
        to: &Key,
    ) -> impl Iterator<Item = Result<(Key, Row), BaseError>> + use<'a> {
        Scan::back(self.newest_first(), self.base.as_ref(), from, to)
    }

    fn newest_first(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.active).chain(self.sealed.iter().rev().map(Arc::as_ref))
    }

    pub fn meta(&self) -> &MetaRow {
        &self.meta
    }

    pub fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// Takes over what one command changed.
    pub(super) fn commit(&mut self, index: u64, writes: BTreeMap<Key, Write>) {
        for (key, write) in writes {
            if Indexes::watches(&key) {
                self.indexes.update(&key, write.old.as_ref(), write.new.as_ref());
            }
            self.active.put(index, key, write.new, write.is_new);
        }
    }

    pub(super) fn put_unindexed(&mut self, index: u64, key: Key, row: Row) {
        self.active.put(index, key, Some(row), false);
    }

    pub(super) fn active_bytes(&self) -> usize {
        self.active.bytes()
    }

    pub(super) fn sealed_layers(&self) -> usize {
        self.sealed.len()
    }

    pub(super) fn seal(&mut self) -> Option<Arc<Layer>> {
        if self.active.is_empty() {
            return None;
        }
        self.active.put(self.meta.applied, Key::Meta, Some(Row::Meta(Box::new(self.meta))), false);
        let layer = Arc::new(std::mem::take(&mut self.active));
        self.sealed.push_back(Arc::clone(&layer));
        Some(layer)
    }

    /// # Panics
    /// If `layer` is not the oldest sealed one: layers reach the disk in their order.
    pub(super) fn flushed(&mut self, layer: &Arc<Layer>) {
        let oldest = self.sealed.pop_front().expect("a flushed layer was sealed");
        assert!(Arc::ptr_eq(&oldest, layer), "layers reach the disk in the order in which they were sealed");
    }
}

pub(super) fn decode(key: &Key, bytes: Vec<u8>) -> Result<Row, BaseError> {
    codec::decode_row(Bytes::from(bytes))
        .map_err(|error| BaseError::Corrupt { key: format!("{key:?}"), problem: error.to_string() })
}
