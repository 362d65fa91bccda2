//! The FailStore: what must not be forgotten until the cluster has it, in an append-only file.
//!
//! A record is put under a number (an execution, a sequence) before anybody relies on it, and forgotten when it is
//! acknowledged. A record is in the kernel's hands when `write` returns, so it survives the process; `sync`, called
//! every 100 ms, makes it survive the host. Checksums tell a torn tail, which is cut off; everything before it counts.
//! The directory also keeps the node's identity, so that a restarted node opens its own store. One process at a time.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::FlockOperation;

use crate::domain::Identity;

/// Length (u32), checksum (u32), tag (u8), number (u64).
const HEADER_BYTES: usize = 17;
/// The largest record; a length beyond it is garbage. A batch of submissions is the largest that anybody keeps.
const RECORD_BYTES_MAX: usize = 5 << 20;
/// The file is rewritten when it is larger than this and mostly forgotten.
const COMPACT_BYTES_MIN: u64 = 1 << 20;
/// How many times larger than its live records the file may grow.
const COMPACT_FACTOR: u64 = 4;
const FILE: &str = "failstore.log";
const TAG_PUT: u8 = 1;
const TAG_FORGET: u8 = 2;
const TAG_FORGET_THROUGH: u8 = 3;

/// Why the FailStore cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FailStoreError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is in use by another process; give each node its own directory")]
    InUse(PathBuf),
    #[error("record {number} of {path} is of another version; use that version, or another directory")]
    Foreign { path: PathBuf, number: u64 },
    #[error("{path} says {found:?}, which is no identity: remove the file to get a new one")]
    BadIdentity { path: PathBuf, found: String },
    #[error(
        "{bytes} bytes wait for the cluster and {bytes_max} is the most; they stay, this one was not kept"
    )]
    Full { bytes: usize, bytes_max: usize },
}

/// Records by number, in memory and, unless it was made without a directory, in a file.
#[derive(Debug)]
pub struct FailStore {
    live: BTreeMap<u64, Bytes>,
    live_bytes: usize,
    bytes_max: usize,
    file: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    /// Where the whole records end.
    bytes: u64,
    unsynced: bool,
    /// A write failed: what is in memory and what the file has differ, so the file is written anew.
    broken: bool,
    /// Held, not used: the lock ends with it.
    _lock: File,
}

impl FailStore {
    /// A store that does not outlive the process.
    pub fn in_memory(bytes_max: usize) -> FailStore {
        FailStore { live: BTreeMap::new(), live_bytes: 0, bytes_max, file: None }
    }

    /// Opens the store of `directory`, made if it is missing, that holds at most `bytes_max` bytes of live records.
    ///
    /// # Errors
    /// If the directory cannot be used or another process uses it. A torn tail is no error.
    pub fn open(directory: &Path, bytes_max: usize) -> Result<FailStore, FailStoreError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        let lock = lock(directory)?;
        let path = directory.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(at(&path))?;
        sync_directory(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at(&path))?;
        let (live, whole) = replay(&bytes);
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(at(&path))?;
        let live_bytes = live.values().map(Bytes::len).sum();
        let segment = Segment { path, file, bytes: whole, unsynced: false, broken: false, _lock: lock };
        Ok(FailStore { live, live_bytes, bytes_max, file: Some(segment) })
    }

    /// What the store of `directory` holds, also while a process uses it; nothing is changed.
    ///
    /// # Errors
    /// If there is no store or it cannot be read.
    pub fn look(directory: &Path) -> Result<BTreeMap<u64, Bytes>, FailStoreError> {
        let path = directory.join(FILE);
        let bytes = fs::read(&path).map_err(at(&path))?;
        Ok(replay(&bytes).0)
    }

    /// What is not acknowledged yet, by number.
    pub fn live(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.live.iter().map(|(number, record)| (*number, record))
    }

    /// The same from a number on.
    pub fn live_from(&self, number: u64) -> impl Iterator<Item = (u64, &Bytes)> {
        self.live.range(number..).map(|(number, record)| (*number, record))
    }

    pub fn get(&self, number: u64) -> Option<&Bytes> {
        self.live.get(&number)
    }

    /// Bytes of the live records.
    pub fn bytes(&self) -> usize {
        self.live_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Keeps `records`; one that is kept already is replaced. They survive the process when this returns.
    ///
    /// # Errors
    /// [`FailStoreError::Full`] keeps none of them. After an error of the file they are kept in memory only, until a later
    /// call can write the file anew.
    pub fn put(&mut self, records: Vec<(u64, Bytes)>) -> Result<(), FailStoreError> {
        let added: usize = records.iter().map(|(_, record)| record.len()).sum();
        if self.live_bytes + added > self.bytes_max {
            return Err(FailStoreError::Full { bytes: self.live_bytes, bytes_max: self.bytes_max });
        }
        let mut frames = Vec::with_capacity(added + records.len() * HEADER_BYTES);
        for (number, record) in records {
            frame(&mut frames, TAG_PUT, number, &record);
            self.live_bytes += record.len();
            self.live_bytes -= self.live.insert(number, record).map_or(0, |old| old.len());
        }
        self.append(&frames)
    }

    /// Forgets what was acknowledged. If this is lost, it is sent and acknowledged again.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn forget(&mut self, numbers: impl IntoIterator<Item = u64>) -> Result<(), FailStoreError> {
        let mut frames = Vec::new();
        for number in numbers {
            if let Some(record) = self.live.remove(&number) {
                self.live_bytes -= record.len();
                frame(&mut frames, TAG_FORGET, number, &[]);
            }
        }
        if frames.is_empty() {
            return Ok(());
        }
        self.append(&frames)?;
        self.compact()
    }

    /// Forgets every record up to `number`: all of them or, if the process ends meanwhile, none.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn forget_through(&mut self, number: u64) -> Result<(), FailStoreError> {
        let later = number.checked_add(1).map(|next| self.live.split_off(&next)).unwrap_or_default();
        let gone = std::mem::replace(&mut self.live, later);
        if gone.is_empty() {
            return Ok(());
        }
        self.live_bytes -= gone.values().map(Bytes::len).sum::<usize>();
        let mut frames = Vec::new();
        frame(&mut frames, TAG_FORGET_THROUGH, number, &[]);
        self.append(&frames)?;
        self.compact()
    }

    /// Makes what was written survive the host; cheap when nothing was.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&mut self) -> Result<(), FailStoreError> {
        let Some(segment) = self.file.as_mut().filter(|segment| segment.unsynced) else { return Ok(()) };
        segment.unsynced = false;
        segment.file.sync_data().map_err(at(&segment.path))
    }

    /// A second handle on the file, for a sync on another thread; `None` when nothing was written since the last one.
    pub fn unsynced(&mut self) -> Option<File> {
        let segment = self.file.as_mut().filter(|segment| segment.unsynced)?;
        segment.unsynced = false;
        segment.file.try_clone().ok()
    }

    fn append(&mut self, frames: &[u8]) -> Result<(), FailStoreError> {
        let Some(segment) = &mut self.file else { return Ok(()) };
        if segment.broken {
            // All that is live is in memory, these records too.
            return self.rewrite();
        }
        segment.append(frames)
    }

    /// Rewrites the file when most of it is forgotten.
    fn compact(&mut self) -> Result<(), FailStoreError> {
        let Some(segment) = &self.file else { return Ok(()) };
        if segment.bytes < COMPACT_BYTES_MIN.max(COMPACT_FACTOR * self.live_bytes as u64) {
            return Ok(());
        }
        self.rewrite()
    }

    /// Writes what is live: a new file takes the old one's name at once or not at all.
    fn rewrite(&mut self) -> Result<(), FailStoreError> {
        let Some(segment) = &mut self.file else { return Ok(()) };
        let frames = frames(&self.live);
        let new = segment.path.with_extension("new");
        let mut file = File::create(&new).map_err(at(&new))?;
        file.write_all(&frames).and_then(|()| file.sync_data()).map_err(at(&new))?;
        fs::rename(&new, &segment.path).map_err(at(&segment.path))?;
        // From here on the new file is the one: what were written to the old one would be lost.
        (segment.file, segment.bytes) = (file, frames.len() as u64);
        (segment.unsynced, segment.broken) = (true, false);
        sync_directory(&segment.path)
    }
}

impl Segment {
    /// After an error the file ends where it ended before, if the disk lets it, and is to be written anew.
    fn append(&mut self, frames: &[u8]) -> Result<(), FailStoreError> {
        if let Err(error) = self.file.write_all(frames) {
            self.broken = true;
            // A torn record would hide what comes after it; if this fails too, the file is still written anew.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(at(&self.path)(error));
        }
        self.bytes += frames.len() as u64;
        self.unsynced = true;
        Ok(())
    }
}

/// A file's name survives the host only with its directory.
fn sync_directory(path: &Path) -> Result<(), FailStoreError> {
    let directory = path.parent().expect("it is a file in the store's directory");
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}

/// The identity that `directory` keeps; at first use it takes `fresh`.
///
/// # Errors
/// If the directory cannot be used or the file holds no identity.
pub fn identity(directory: &Path, fresh: impl FnOnce() -> Identity) -> Result<Identity, FailStoreError> {
    fs::create_dir_all(directory).map_err(at(directory))?;
    let path = directory.join("identity");
    match fs::read_to_string(&path) {
        Ok(text) => Identity::new(text.trim()).map_err(|_| FailStoreError::BadIdentity { path, found: text }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = fresh();
            let mut file = File::create(&path).map_err(at(&path))?;
            file.write_all(identity.as_str().as_bytes()).and_then(|()| file.sync_all()).map_err(at(&path))?;
            sync_directory(&path)?;
            Ok(identity)
        }
        Err(source) => Err(FailStoreError::Io { path, source }),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FailStoreError {
    let path = path.to_owned();
    |source| FailStoreError::Io { path, source }
}

fn lock(directory: &Path) -> Result<File, FailStoreError> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(at(&path))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| FailStoreError::InUse(directory.to_owned()))?;
    Ok(file)
}

/// A file that says what is live, and nothing else.
pub(super) fn frames(live: &BTreeMap<u64, Bytes>) -> Vec<u8> {
    let bytes: usize = live.values().map(Bytes::len).sum();
    let mut frames = Vec::with_capacity(bytes + live.len() * HEADER_BYTES);
    live.iter().for_each(|(number, record)| frame(&mut frames, TAG_PUT, *number, record));
    frames
}

fn frame(into: &mut Vec<u8>, tag: u8, number: u64, record: &[u8]) {
    let length = u32::try_from(record.len()).expect("a record is at most 2 MiB");
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&[tag]);
    checksum.update(&number.to_le_bytes());
    checksum.update(record);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&checksum.finalize().to_le_bytes());
    into.push(tag);
    into.extend_from_slice(&number.to_le_bytes());
    into.extend_from_slice(record);
}

/// The live records, and how many bytes of the file are whole records.
pub(super) fn replay(bytes: &[u8]) -> (BTreeMap<u64, Bytes>, u64) {
    let mut live = BTreeMap::new();
    let mut rest = bytes;
    while let Some((tag, number, record, after)) = read_frame(rest) {
        match tag {
            TAG_PUT => drop(live.insert(number, Bytes::copy_from_slice(record))),
            TAG_FORGET => drop(live.remove(&number)),
            _ => live = number.checked_add(1).map(|next| live.split_off(&next)).unwrap_or_default(),
        }
        rest = after;
    }
    (live, (bytes.len() - rest.len()) as u64)
}

/// The first record of `bytes` and what follows it; `None` at the end and at a torn or foreign record.
fn read_frame(bytes: &[u8]) -> Option<(u8, u64, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length =
        usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= RECORD_BYTES_MAX)?;
    let covered = rest.get(..length + 9)?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (tag, number) = covered.split_first()?;
    let (number, record) = number.split_first_chunk::<8>()?;
    let known = [TAG_PUT, TAG_FORGET, TAG_FORGET_THROUGH].contains(tag);
    known.then_some((*tag, u64::from_le_bytes(*number), record, &rest[length + 9..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn record(n: u64) -> (u64, Bytes) {
        (n, Bytes::from(format!("record {n}")))
    }

    fn numbers(store: &FailStore) -> Vec<u64> {
        store.live().map(|(number, _)| number).collect()
    }

    #[test]
    fn what_was_put_and_not_forgotten_is_there_after_a_restart_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FailStore::open(directory.path(), MIB).unwrap();
        store.put([5, 3, 9, 1].map(record).to_vec()).unwrap();
        store.forget([3]).unwrap();
        drop(store);
        let store = FailStore::open(directory.path(), MIB).unwrap();
        assert_eq!(numbers(&store), [1, 5, 9]);
        assert_eq!(store.live().next(), Some((1, &Bytes::from_static(b"record 1"))));
    }

    #[test]
    fn what_is_forgotten_together_is_gone_together_wherever_the_tail_is_torn() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FailStore::open(directory.path(), MIB).unwrap();
        store.put([1, 2, 3, 7, 9].map(record).to_vec()).unwrap();
        let before = store.file.as_ref().unwrap().bytes;
        store.forget_through(7).unwrap();
        store.forget_through(8).unwrap();
        assert_eq!((numbers(&store), store.bytes()), (vec![9], record(9).1.len()));
        drop(store);
        assert_eq!(numbers(&FailStore::open(directory.path(), MIB).unwrap()), [9]);
        let path = directory.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for length in before..whole.len() as u64 {
            fs::write(&path, &whole[..usize::try_from(length).unwrap()]).unwrap();
            let live: Vec<u64> = FailStore::look(directory.path()).unwrap().into_keys().collect();
            assert_eq!(live, [1, 2, 3, 7, 9], "cut at {length}");
        }
    }

    #[test]
    fn a_tail_torn_at_any_byte_costs_only_the_torn_record() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FailStore::open(directory.path(), MIB).unwrap();
        let mut ends = vec![0];
        for n in 0..4 {
            store.put(vec![record(n)]).unwrap();
            ends.push(store.file.as_ref().unwrap().bytes);
        }
        drop(store);
        let path = directory.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut store = FailStore::open(directory.path(), MIB).unwrap();
            let survived = ends.iter().filter(|end| **end > 0 && **end <= length as u64).count() as u64;
            assert_eq!(numbers(&store), (0..survived).collect::<Vec<_>>(), "cut at {length}");
            store.put(vec![record(77)]).unwrap();
            drop(store);
            let store = FailStore::open(directory.path(), MIB).unwrap();
            assert_eq!(
                numbers(&store).last(),
                Some(&77),
                "what is written after a torn tail counts, cut at {length}"
            );
        }
    }

    /// A file of the store's that the kernel lets write nothing: a full disk, for the code above it.
    fn unwritable(store: &mut FailStore) -> File {
        let segment = store.file.as_mut().unwrap();
        std::mem::replace(&mut segment.file, OpenOptions::new().write(true).open("/dev/full").unwrap())
    }

    #[test]
    fn a_failed_write_costs_nothing_that_is_written_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FailStore::open(directory.path(), MIB).unwrap();
        store.put(vec![record(1), record(2)]).unwrap();
        // The disk takes half a record before it is full, and then nothing.
        let path = directory.path().join(FILE);
        let mut torn = Vec::new();
        frame(&mut torn, TAG_PUT, 3, b"record 3");
        store.file.as_mut().unwrap().file.write_all(&torn[..10]).unwrap();
        let _file = unwritable(&mut store);
        store.put(vec![record(3)]).expect_err("the disk is full");
        assert_eq!(numbers(&store), [1, 2, 3], "in memory it is kept");
        // The disk has room again.
        store.put(vec![record(4)]).unwrap();
        store.forget([1]).unwrap();
        drop(store);
        assert!(path.exists());
        assert_eq!(numbers(&FailStore::open(directory.path(), MIB).unwrap()), [2, 3, 4]);
    }

    #[test]
    fn what_could_not_be_forgotten_on_disk_is_gone_after_the_next_write() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FailStore::open(directory.path(), MIB).unwrap();
        store.put(vec![record(1), record(2)]).unwrap();
        let _file = unwritable(&mut store);
        store.forget([1]).expect_err("the disk is full");
        store.put(vec![record(3)]).unwrap();
        drop(store);
        assert_eq!(numbers(&FailStore::open(directory.path(), MIB).unwrap()), [2, 3]);
    }

    #[test]
    fn a_flipped_bit_anywhere_never_makes_up_a_record() {
        let mut bytes = Vec::new();
        (0..3).for_each(|n| frame(&mut bytes, TAG_PUT, n, format!("record {n}").as_bytes()));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (live, _) = replay(&damaged);
            for (number, record) in live {
                assert_eq!(record, format!("record {number}"), "bit {bit}");
            }
        }
    }

    #[test]
    fn it_is_bounded_and_what_is_kept_stays() {
        let mut store = FailStore::in_memory(20);
        store.put(vec![record(1), record(2)]).unwrap();
        let full = store.put(vec![record(3)]).expect_err("8 bytes too many");
        assert!(matches!(full, FailStoreError::Full { bytes: 16, bytes_max: 20 }), "{full}");
        store.forget([1]).unwrap();
        store.put(vec![record(3)]).unwrap();
        assert_eq!(numbers(&store), [2, 3]);
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FailStore::open(directory.path(), 8 * MIB).unwrap();
        store.put(vec![record(0)]).unwrap();
        for n in 1..200 {
            store.put(vec![(n, Bytes::from(vec![7; 64 << 10]))]).unwrap();
            store.forget([n]).unwrap();
        }
        store.sync().unwrap();
        assert!(fs::metadata(directory.path().join("failstore.log")).unwrap().len() < 2 * MIB as u64);
        drop(store);
        assert_eq!(numbers(&FailStore::open(directory.path(), MIB).unwrap()), [0]);
    }

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _first = FailStore::open(directory.path(), MIB).unwrap();
        assert!(matches!(FailStore::open(directory.path(), MIB), Err(FailStoreError::InUse(_))));
    }

    #[test]
    fn an_identity_stays_the_same_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let name = |text: &'static str| move || Identity::new(text).unwrap();
        assert_eq!(identity(directory.path(), name("w1")).unwrap().as_str(), "w1");
        assert_eq!(identity(directory.path(), name("w2")).unwrap().as_str(), "w1");
        fs::write(directory.path().join("identity"), "\u{1}").unwrap();
        assert!(matches!(identity(directory.path(), name("w3")), Err(FailStoreError::BadIdentity { .. })));
    }
}
