//! Rows through layers: the active one, the sealed ones that are on their way to disk, the disk.
//!
//! Reads see the newest. Writes go to the active layer only, command by command, each as a whole.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::base::{Base, BaseError, RawRow};
use super::codec;
use super::index::Indexes;
use super::key::Key;
use super::layer::Layer;
use super::row::{MetaRow, Row};

/// Rows that a scan reads from disk at a time.
const SCAN_CHUNK: usize = 256;

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
        for layer in std::iter::once(&self.active).chain(self.sealed.iter().rev().map(Arc::as_ref)) {
            if let Some(row) = layer.get(key) {
                return Ok(row.clone());
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
        to: &'a Key,
    ) -> impl Iterator<Item = Result<(Key, Row), BaseError>> + 'a {
        let layers = std::iter::once(&self.active)
            .chain(self.sealed.iter().rev().map(Arc::as_ref))
            .map(|layer| {
                let rows: Box<dyn Iterator<Item = (&'a Key, &'a Option<Row>)>> =
                    Box::new(layer.range(from, to));
                rows.peekable()
            })
            .collect();
        Merge { layers, disk: DiskScan::new(self.base.as_ref(), from, to).peekable() }
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
            self.active.put(index, key, write.new);
        }
    }

    pub(super) fn put_unindexed(&mut self, index: u64, key: Key, row: Row) {
        self.active.put(index, key, Some(row));
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
        self.active.put(self.meta.applied, Key::Meta, Some(Row::Meta(Box::new(self.meta))));
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

fn decode(key: &Key, bytes: Vec<u8>) -> Result<Row, BaseError> {
    codec::decode_row(Bytes::from(bytes))
        .map_err(|error| BaseError::Corrupt { key: format!("{key:?}"), problem: error.to_string() })
}

type LayerRows<'a> = Box<dyn Iterator<Item = (&'a Key, &'a Option<Row>)> + 'a>;

/// The layers, newest first, over the disk: the newest row of each key, without the deleted ones.
struct Merge<'a> {
    layers: Vec<Peekable<LayerRows<'a>>>,
    disk: Peekable<DiskScan<'a>>,
}

impl Iterator for Merge<'_> {
    type Item = Result<(Key, Row), BaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let in_layers =
                self.layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| *key)).min();
            let (key, is_on_disk) = match (in_layers, self.disk.peek()) {
                (Some(key), None) => (key, false),
                (Some(key), Some(Ok((other, _)))) if key <= other => (key, key == other),
                (None | Some(_), _) => return self.disk.next().map(read),
            };
            if is_on_disk {
                self.disk.next();
            }
            let mut newest = None;
            for layer in self.layers.iter_mut().rev() {
                if let Some((_, row)) = layer.next_if(|(other, _)| *other == key) {
                    newest = row.as_ref();
                }
            }
            if let Some(row) = newest {
                return Some(Ok((key.clone(), row.clone())));
            }
        }
    }
}

/// A row that no layer hides is decoded.
fn read(stored: Result<(Key, Vec<u8>), BaseError>) -> Result<(Key, Row), BaseError> {
    let (key, bytes) = stored?;
    let row = decode(&key, bytes)?;
    Ok((key, row))
}

/// A scan of the disk in bounded chunks, so that no iterator of the disk lives for long.
struct DiskScan<'a> {
    base: &'a dyn Base,
    from: Vec<u8>,
    to: Vec<u8>,
    chunk: std::vec::IntoIter<RawRow>,
    ended: bool,
}

impl<'a> DiskScan<'a> {
    fn new(base: &'a dyn Base, from: Bound<&Key>, to: &Key) -> DiskScan<'a> {
        let from = match from {
            Bound::Included(key) => key.to_bytes(),
            Bound::Excluded(key) => after(key.to_bytes()),
            Bound::Unbounded => Vec::new(),
        };
        DiskScan { base, from, to: to.to_bytes(), chunk: Vec::new().into_iter(), ended: false }
    }

    fn refill(&mut self) -> Result<(), BaseError> {
        let rows = self.base.scan(&self.from, &self.to, SCAN_CHUNK)?;
        self.ended = rows.len() < SCAN_CHUNK;
        if let Some((last, _)) = rows.last() {
            self.from = after(last.clone());
        }
        self.chunk = rows.into_iter();
        Ok(())
    }
}

impl Iterator for DiskScan<'_> {
    type Item = Result<(Key, Vec<u8>), BaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0
            && !self.ended
            && let Err(error) = self.refill()
        {
            self.ended = true;
            return Some(Err(error));
        }
        let (key, row) = self.chunk.next()?;
        let Some(key) = Key::from_bytes(&key) else {
            let problem = "these bytes are no key of this version".to_owned();
            return Some(Err(BaseError::Corrupt { key: format!("{key:02x?}"), problem }));
        };
        Some(Ok((key, row)))
    }
}

/// The smallest key after this one.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
