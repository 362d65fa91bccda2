//! A disk in memory: what a sealed layer would be written to.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::machine::{Base, BaseError, Layer, RawRow};

#[derive(Debug, Default)]
pub(super) struct MemoryBase(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl MemoryBase {
    /// Writes one layer, as one batch.
    pub(super) fn write(&self, layer: &Layer) {
        let mut rows = self.0.lock();
        for (key, row) in layer.encoded() {
            match row {
                Some(row) => rows.insert(key, row.to_vec()),
                None => rows.remove(&key),
            };
        }
    }
}

impl Base for MemoryBase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(self.0.lock().get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        let rows = self.0.lock();
        let range = rows.range(from.to_vec()..to.to_vec());
        Ok(range.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        let rows = self.0.lock();
        let range = rows.range(from.to_vec()..to.to_vec()).rev();
        Ok(range.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }
}
