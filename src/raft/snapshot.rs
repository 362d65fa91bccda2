//! What consensus needs of a snapshot in order to send and to receive it, and how the store's snapshots offer it.
//!
//! A stream that breaks must never look complete, because an install that fails ends openraft: the end marker and the
//! checks behind it are the store's. Files are read and written on blocking threads.

use std::io;

use super::pb;
use super::pb::install_snapshot_request::Part;
use crate::store::{self, SnapshotChunk, SnapshotData, SnapshotReader, State};

/// A snapshot that can be sent.
pub trait SnapshotParcel: Send + 'static {
    type Reader: Iterator<Item = io::Result<SnapshotChunk>> + Send + 'static;

    /// Its chunks in their order, the end marker last; blocks while it reads.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn reader(&self) -> io::Result<Self::Reader>;
}

/// Where an arriving snapshot goes.
pub trait SnapshotIntake: Send + Sync + 'static {
    type Parcel: SnapshotParcel;

    /// # Errors
    /// If there is no room for it.
    fn begin(&self) -> io::Result<Box<dyn SnapshotReceiver<Self::Parcel>>>;
}

/// One arriving snapshot; dropped before its end it leaves nothing behind.
pub trait SnapshotReceiver<P>: Send {
    /// Blocks while it writes.
    ///
    /// # Errors
    /// If it cannot be written, or is not the next chunk.
    fn push(&mut self, chunk: SnapshotChunk) -> io::Result<()>;

    /// Verifies and keeps it, blocking.
    ///
    /// # Errors
    /// If it is not complete, or not what was sent.
    fn finish(self: Box<Self>) -> io::Result<P>;
}

impl SnapshotParcel for SnapshotData {
    type Reader = SnapshotReader;

    fn reader(&self) -> io::Result<SnapshotReader> {
        SnapshotData::reader(self)
    }
}

impl SnapshotIntake for State {
    type Parcel = SnapshotData;

    fn begin(&self) -> io::Result<Box<dyn SnapshotReceiver<SnapshotData>>> {
        Ok(Box::new(self.receive_snapshot()?))
    }
}

impl SnapshotReceiver<SnapshotData> for store::SnapshotReceiver {
    fn push(&mut self, chunk: SnapshotChunk) -> io::Result<()> {
        store::SnapshotReceiver::push(self, chunk).map_err(io::Error::other)
    }

    fn finish(self: Box<Self>) -> io::Result<SnapshotData> {
        store::SnapshotReceiver::finish(*self).map_err(io::Error::other)
    }
}

pub(super) fn part_out(chunk: SnapshotChunk) -> Part {
    match chunk {
        SnapshotChunk::File { name, bytes } => Part::File(pb::SnapshotFile { name, bytes }),
        SnapshotChunk::Data(data) => Part::Data(data),
        SnapshotChunk::End { files, bytes, checksum } => {
            Part::End(pb::SnapshotEnd { files, bytes, checksum })
        }
    }
}

/// None for a header, which is no chunk.
pub(super) fn chunk_in(part: Part) -> Option<SnapshotChunk> {
    match part {
        Part::Header(_) => None,
        Part::File(file) => Some(SnapshotChunk::File { name: file.name, bytes: file.bytes }),
        Part::Data(data) => Some(SnapshotChunk::Data(data)),
        Part::End(end) => {
            Some(SnapshotChunk::End { files: end.files, bytes: end.bytes, checksum: end.checksum })
        }
    }
}
