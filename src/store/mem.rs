//! Tables in memory, for tests and for the simulation: what RocksDB does here, without the disk.
//!
//! The conformance test below holds the two to the same answers, also after a reopen.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::machine::{Base, BaseError, RawRow};

#[derive(Debug, Default)]
pub struct MemBase {
    rows: RwLock<BTreeMap<Vec<u8>, Bytes>>,
}

impl MemBase {
    /// Writes one batch: a value puts a row, none deletes it.
    pub fn write(&self, changes: impl Iterator<Item = (Vec<u8>, Option<Bytes>)>) {
        let mut rows = self.rows.write();
        for (key, row) in changes {
            match row {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
    }

    pub fn len(&self) -> usize {
        self.rows.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.read().is_empty()
    }
}

impl Base for MemBase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(self.rows.read().get(key).map(|row| row.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let rows = self.rows.read();
        let range = rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        Ok(range.take(limit).map(|(key, row)| (key.clone(), row.to_vec())).collect())
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let rows = self.rows.read();
        let range = rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).rev();
        Ok(range.take(limit).map(|(key, row)| (key.clone(), row.to_vec())).collect())
    }
}

#[cfg(test)]
#[cfg(feature = "server")]
mod tests {
    use super::super::engine::StateEngine as _;
    use super::super::rocks::RocksBase;
    use super::super::tests::seed;
    use super::*;

    /// Short keys over few letters, so that they collide, share prefixes and are empty.
    fn key(random: &mut fastrand::Rng) -> Vec<u8> {
        (0..random.usize(0..4)).map(|_| *random.choice(&[0, 1, b'a', 255]).unwrap()).collect()
    }

    fn batch(random: &mut fastrand::Rng) -> Vec<(Vec<u8>, Option<Bytes>)> {
        let change = |random: &mut fastrand::Rng| {
            let row = random.bool().then(|| Bytes::from(vec![random.u8(..); random.usize(0..300)]));
            (key(random), row)
        };
        (0..random.usize(0..20)).map(|_| change(random)).collect()
    }

    fn compare(memory: &MemBase, disk: &RocksBase, random: &mut fastrand::Rng) {
        let (one, other) = (key(random), key(random));
        assert_eq!(memory.get(&one), disk.get(&one));
        let limit = random.usize(0..40);
        assert_eq!(memory.scan(&one, &other, limit), disk.scan(&one, &other, limit));
        assert_eq!(memory.scan_back(&one, &other, limit), disk.scan_back(&one, &other, limit));
        let everything = (&[][..], &[255; 8][..]);
        assert_eq!(
            memory.scan(everything.0, everything.1, 1000),
            disk.scan(everything.0, everything.1, 1000)
        );
    }

    #[test]
    fn memory_and_rocksdb_give_the_same_answers() {
        let mut random = fastrand::Rng::with_seed(seed("store_mem_conformance"));
        let dir = tempfile::tempdir().unwrap();
        let memory = MemBase::default();
        let mut disk = RocksBase::open(dir.path()).unwrap();
        let mut reopened = 0;
        for _ in 0..2000 {
            match random.u8(0..100) {
                0 => {
                    disk.flush().unwrap();
                    drop(disk);
                    disk = RocksBase::open(dir.path()).unwrap();
                    reopened += 1;
                }
                1..5 => disk.flush().unwrap(),
                5..50 => {
                    let batch = batch(&mut random);
                    memory.write(batch.clone().into_iter());
                    disk.write_bytes(batch).unwrap();
                }
                _ => compare(&memory, &disk, &mut random),
            }
        }
        assert!(reopened > 3 && !memory.is_empty(), "the run met {reopened} reopens, {} rows", memory.len());
    }
}
