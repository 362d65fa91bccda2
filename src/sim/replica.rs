//! One JobTracker's tables: a machine over a disk in memory that may lag, flush, crash and replay.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::machine::{Base, BaseError, Layer, Machine, RawRow};

/// What was flushed. Layers are written as one batch each, so a crash finds whole layers only.
#[derive(Debug, Default)]
pub(super) struct Disk(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Disk {
    fn write(&self, layer: &Layer) {
        let mut rows = self.0.lock();
        for (key, row) in layer.encoded() {
            match row {
                Some(row) => rows.insert(key, row.to_vec()),
                None => rows.remove(&key),
            };
        }
    }

    fn copy(&self) -> Disk {
        Disk(Mutex::new(self.0.lock().clone()))
    }
}

impl Base for Disk {
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

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) machine: Machine,
    disk: Arc<Disk>,
    /// On their way to disk, oldest first.
    sealed: VecDeque<Arc<Layer>>,
    pub(super) up: bool,
}

impl Replica {
    pub(super) fn new() -> Replica {
        Replica::on(Disk::default())
    }

    fn on(disk: Disk) -> Replica {
        let disk = Arc::new(disk);
        let machine = Machine::open(disk.clone()).expect("a disk in memory does not fail");
        Replica { machine, disk, sealed: VecDeque::new(), up: true }
    }

    /// At most two layers wait, as in the store.
    pub(super) fn seal(&mut self) {
        if self.sealed.len() < 2 {
            self.sealed.extend(self.machine.seal());
        }
    }

    pub(super) fn flush(&mut self) {
        if let Some(layer) = self.sealed.pop_front() {
            self.disk.write(&layer);
            self.machine.flushed(&layer);
        }
    }

    /// The process dies: what was not flushed is gone from the tables, and will come again from the log.
    pub(super) fn crash(&mut self) {
        self.sealed.clear();
        self.machine = Machine::open(self.disk.clone()).expect("a disk in memory does not fail");
        self.up = false;
    }

    /// Another replica that has this one's state: a snapshot, installed.
    pub(super) fn snapshot(&mut self) -> Replica {
        self.seal();
        while !self.sealed.is_empty() {
            self.flush();
        }
        self.seal();
        self.flush();
        Replica::on(self.disk.copy())
    }
}
