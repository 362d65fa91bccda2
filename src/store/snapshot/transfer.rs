//! A snapshot on its way from one JobTracker to another: files in chunks, then an end marker.
//!
//! A stream that breaks must not look complete, since openraft stops for good when an install fails. So the receiver
//! believes nothing before the end marker: number of files, number of bytes and one checksum over all must agree, each
//! file must be as the manifest says, and the state in them must be at the position that it claims.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::super::engine::Engines;
use super::super::files::{self, OwnedDir};
use super::super::state::marks;
use super::manifest::{FILES_MAX, NAME_BYTES_MAX};
use super::{MANIFEST, Manifest, SnapshotData};
use crate::machine::BaseError;

/// The most data in one chunk.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;

/// A part of a snapshot's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotChunk {
    /// A file begins; its data follows.
    File { name: String, bytes: u64 },
    /// At most [`CHUNK_BYTES_MAX`] of the file that has begun.
    Data(Bytes),
    /// Everything was sent: so many files, so many bytes of data, and the CRC-32 of all of it.
    End { files: u64, bytes: u64, checksum: u32 },
}

/// Why a snapshot that was received is not used. The sender may send it again.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("the snapshot could not be written: {0}")]
    Io(#[from] io::Error),
    #[error("{0} came out of order")]
    Order(&'static str),
    #[error("{0:?} is no name of a snapshot's file")]
    Name(String),
    #[error("more than {FILES_MAX} files")]
    TooManyFiles,
    #[error("the stream ended before its end marker")]
    Incomplete,
    #[error("{what} is {is}, but {claimed} was announced")]
    Differs { what: &'static str, is: u64, claimed: u64 },
    #[error("file {0} is not as the manifest says")]
    FileDiffers(String),
    #[error("the manifest cannot be read: {0}")]
    Manifest(String),
    #[error("the state in the snapshot cannot be read: {0}")]
    State(#[from] BaseError),
    #[error("the state in the snapshot is not at the position that the snapshot claims")]
    Position,
}

/// Gives a snapshot's chunks in their order; reads as it goes, so use it where reading a file is allowed.
#[derive(Debug)]
pub struct SnapshotReader {
    // Keeps the files while they are read.
    data: SnapshotData,
    names: std::vec::IntoIter<String>,
    open: Option<File>,
    tally: Tally,
    ended: bool,
}

/// What both ends count.
#[derive(Debug, Default)]
struct Tally {
    files: u64,
    bytes: u64,
    hasher: crc32fast::Hasher,
}

impl Tally {
    fn data(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        self.hasher.update(data);
    }

    fn checksum(&self) -> u32 {
        self.hasher.clone().finalize()
    }
}

impl SnapshotReader {
    pub(super) fn new(data: SnapshotData) -> io::Result<SnapshotReader> {
        let mut names = vec![MANIFEST.to_owned()];
        names.extend(data.manifest().files.iter().map(|file| file.name.clone()));
        Ok(SnapshotReader {
            data,
            names: names.into_iter(),
            open: None,
            tally: Tally::default(),
            ended: false,
        })
    }

    fn read(&mut self) -> io::Result<SnapshotChunk> {
        if let Some(file) = &mut self.open {
            let mut data = Vec::with_capacity(CHUNK_BYTES_MAX);
            file.take(CHUNK_BYTES_MAX as u64).read_to_end(&mut data)?;
            if !data.is_empty() {
                self.tally.data(&data);
                return Ok(SnapshotChunk::Data(Bytes::from(data)));
            }
        }
        match self.names.next() {
            Some(name) => self.begin(name),
            None => Ok(self.end()),
        }
    }

    fn begin(&mut self, name: String) -> io::Result<SnapshotChunk> {
        let file = File::open(self.data.path().join(&name))?;
        let bytes = file.metadata()?.len();
        self.open = Some(file);
        self.tally.files += 1;
        Ok(SnapshotChunk::File { name, bytes })
    }

    fn end(&mut self) -> SnapshotChunk {
        (self.open, self.ended) = (None, true);
        SnapshotChunk::End {
            files: self.tally.files,
            bytes: self.tally.bytes,
            checksum: self.tally.checksum(),
        }
    }
}

impl Iterator for SnapshotReader {
    type Item = io::Result<SnapshotChunk>;

    fn next(&mut self) -> Option<io::Result<SnapshotChunk>> {
        if self.ended {
            return None;
        }
        let chunk = self.read();
        self.ended |= chunk.is_err();
        Some(chunk)
    }
}

/// Takes a snapshot's chunks into a directory of its own, which goes away unless the snapshot proves complete.
#[derive(Debug)]
pub struct SnapshotReceiver {
    dir: OwnedDir,
    engines: Arc<dyn Engines>,
    open: Option<Incoming>,
    /// Name, size and checksum of each file that has arrived, beside the manifest's own.
    arrived: Vec<super::FileEntry>,
    tally: Tally,
    ended: bool,
}

#[derive(Debug)]
struct Incoming {
    file: File,
    name: String,
    left: u64,
    bytes: u64,
    hasher: crc32fast::Hasher,
}

impl SnapshotReceiver {
    pub(in super::super) fn new(path: PathBuf, engines: Arc<dyn Engines>) -> io::Result<SnapshotReceiver> {
        fs::create_dir(&path)?;
        let dir = OwnedDir::temporary(path);
        let (arrived, tally) = (Vec::new(), Tally::default());
        Ok(SnapshotReceiver { dir, engines, open: None, arrived, tally, ended: false })
    }

    /// Takes the next chunk; blocks while it writes.
    ///
    /// # Errors
    /// If the chunk does not fit, or cannot be written. The transfer is over then.
    pub fn push(&mut self, chunk: SnapshotChunk) -> Result<(), TransferError> {
        if self.ended {
            return Err(TransferError::Order("a chunk after the end"));
        }
        match chunk {
            SnapshotChunk::File { name, bytes } => self.begin(name, bytes),
            SnapshotChunk::Data(data) => self.data(&data),
            SnapshotChunk::End { files, bytes, checksum } => self.end(files, bytes, checksum),
        }
    }

    /// Verifies what has arrived, makes it durable, and gives the snapshot to install.
    ///
    /// # Errors
    /// If anything is missing or differs from what was announced.
    pub fn finish(self) -> Result<SnapshotData, TransferError> {
        if !self.ended {
            return Err(TransferError::Incomplete);
        }
        let path = self.dir.path().to_owned();
        let manifest = Manifest::read(&path).map_err(|error| TransferError::Manifest(error.to_string()))?;
        check_files(&manifest, &self.arrived)?;
        files::sync_dir(&path)?;
        check_position(&*self.engines, &path, &manifest)?;
        Ok(SnapshotData::new(self.dir, manifest))
    }

    fn begin(&mut self, name: String, bytes: u64) -> Result<(), TransferError> {
        self.close()?;
        check_name(&name)?;
        if self.tally.files as usize > FILES_MAX {
            return Err(TransferError::TooManyFiles);
        }
        let file = File::create_new(self.dir.path().join(&name))?;
        self.tally.files += 1;
        self.open = Some(Incoming { file, name, left: bytes, bytes, hasher: crc32fast::Hasher::new() });
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), TransferError> {
        let open = self.open.as_mut().ok_or(TransferError::Order("data without a file"))?;
        let length = data.len() as u64;
        open.left = open.left.checked_sub(length).ok_or(TransferError::Order("data beyond a file's end"))?;
        open.file.write_all(data)?;
        open.hasher.update(data);
        self.tally.data(data);
        Ok(())
    }

    /// Completes the file that is open, durably.
    fn close(&mut self) -> Result<(), TransferError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.left > 0 {
            return Err(TransferError::Order("the next file before the end of one"));
        }
        open.file.sync_all()?;
        if open.name != MANIFEST {
            let crc = open.hasher.finalize();
            self.arrived.push(super::FileEntry { name: open.name, bytes: open.bytes, crc });
        }
        Ok(())
    }

    fn end(&mut self, files: u64, bytes: u64, checksum: u32) -> Result<(), TransferError> {
        self.close()?;
        same("the number of files", self.tally.files, files)?;
        same("the number of bytes", self.tally.bytes, bytes)?;
        same("the checksum", self.tally.checksum().into(), checksum.into())?;
        self.ended = true;
        Ok(())
    }
}

fn same(what: &'static str, is: u64, claimed: u64) -> Result<(), TransferError> {
    if is == claimed { Ok(()) } else { Err(TransferError::Differs { what, is, claimed }) }
}

/// Only names that cannot leave the directory.
fn check_name(name: &str) -> Result<(), TransferError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('.');
    if fits && name.bytes().all(plain) { Ok(()) } else { Err(TransferError::Name(name.to_owned())) }
}

fn check_files(manifest: &Manifest, arrived: &[super::FileEntry]) -> Result<(), TransferError> {
    let differs = |file: &&super::FileEntry| !arrived.contains(file);
    if let Some(file) = manifest.files.iter().find(differs) {
        return Err(TransferError::FileDiffers(file.name.clone()));
    }
    same("the manifest's number of files", arrived.len() as u64, manifest.files.len() as u64)
}

fn check_position(engines: &dyn Engines, path: &Path, manifest: &Manifest) -> Result<(), TransferError> {
    let base = engines.read_state(path)?;
    if marks::read(&*base)?.0 == manifest.meta.last_log_id { Ok(()) } else { Err(TransferError::Position) }
}
