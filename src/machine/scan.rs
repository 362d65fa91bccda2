//! A range of rows, either way: the newest of each key, from the layers over the disk, without the deleted ones.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;

use super::base::{Base, BaseError, RawRow};
use super::key::Key;
use super::layer::Layer;
use super::row::Row;
use super::tables::decode;

/// Rows that a scan reads from disk at a time.
const SCAN_CHUNK: usize = 256;
/// Rows that a scan back reads at first: one over many groups takes few of each.
const SCAN_BACK_FIRST: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

impl Way {
    /// Which of two keys comes first.
    fn order(self, one: &Key, other: &Key) -> Ordering {
        match self {
            Way::Forward => one.cmp(other),
            Way::Back => other.cmp(one),
        }
    }
}

type LayerRows<'a> = Box<dyn Iterator<Item = (&'a Key, Option<&'a Row>)> + 'a>;

/// The layers, newest first, over the disk.
pub(super) struct Scan<'a> {
    way: Way,
    layers: Vec<Peekable<LayerRows<'a>>>,
    disk: Peekable<DiskScan<'a>>,
}

impl<'a> Scan<'a> {
    pub(super) fn forward(
        layers: impl Iterator<Item = &'a Layer>,
        base: &'a dyn Base,
        from: Bound<&Key>,
        to: &Key,
    ) -> Scan<'a> {
        let rows = |layer: &'a Layer| (Box::new(layer.range(from, to)) as LayerRows<'a>).peekable();
        let disk = DiskScan::new(base, Way::Forward, from, to).peekable();
        Scan { way: Way::Forward, layers: layers.map(rows).collect(), disk }
    }

    pub(super) fn back(
        layers: impl Iterator<Item = &'a Layer>,
        base: &'a dyn Base,
        from: &Key,
        to: &Key,
    ) -> Scan<'a> {
        // A range whose end is not after its start would panic.
        let from = from.min(to);
        let rows = |layer: &'a Layer| {
            (Box::new(layer.range(Bound::Included(from), to).rev()) as LayerRows<'a>).peekable()
        };
        let disk = DiskScan::new(base, Way::Back, Bound::Included(from), to).peekable();
        Scan { way: Way::Back, layers: layers.map(rows).collect(), disk }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Key, Row), BaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let way = self.way;
            let in_layers = self.layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| *key));
            let in_layers = in_layers.min_by(|one, other| way.order(one, other));
            let (key, is_on_disk) = match (in_layers, self.disk.peek()) {
                (Some(key), None) => (key, false),
                (Some(key), Some(Ok((other, _)))) if way.order(key, other).is_le() => (key, key == other),
                (None | Some(_), _) => return self.disk.next().map(read),
            };
            if is_on_disk {
                self.disk.next();
            }
            let mut newest = None;
            for layer in self.layers.iter_mut().rev() {
                if let Some((_, row)) = layer.next_if(|(other, _)| *other == key) {
                    newest = row;
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
    way: Way,
    /// What is left of the range.
    from: Vec<u8>,
    to: Vec<u8>,
    chunk: std::vec::IntoIter<RawRow>,
    chunk_rows: usize,
    ended: bool,
}

impl<'a> DiskScan<'a> {
    fn new(base: &'a dyn Base, way: Way, from: Bound<&Key>, to: &Key) -> DiskScan<'a> {
        let from = match from {
            Bound::Included(key) => key.to_bytes(),
            Bound::Excluded(key) => after(key.to_bytes()),
            Bound::Unbounded => Vec::new(),
        };
        let chunk_rows = if way == Way::Back { SCAN_BACK_FIRST } else { SCAN_CHUNK };
        let chunk = Vec::new().into_iter();
        DiskScan { base, way, from, to: to.to_bytes(), chunk, chunk_rows, ended: false }
    }

    fn refill(&mut self) -> Result<(), BaseError> {
        let rows = match self.way {
            Way::Forward => self.base.scan(&self.from, &self.to, self.chunk_rows)?,
            Way::Back => self.base.scan_back(&self.from, &self.to, self.chunk_rows)?,
        };
        self.ended = rows.len() < self.chunk_rows;
        self.chunk_rows = SCAN_CHUNK;
        match (rows.last(), self.way) {
            (Some((last, _)), Way::Forward) => self.from = after(last.clone()),
            (Some((last, _)), Way::Back) => self.to = last.clone(),
            (None, _) => {}
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
