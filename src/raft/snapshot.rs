//! What consensus needs of a snapshot in order to send and to receive it.
//!
//! A snapshot is a set of files, sent in chunks, with an end marker that counts and sums them: a stream that breaks must
//! never look complete, because installing half a snapshot ends openraft. Files are read and written on blocking
//! threads. Not here: what the files are and how they are installed (`store`).

use std::io;

use bytes::Bytes;

/// A piece of one file; at most 1 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    pub file: String,
    pub offset: u64,
    pub data: Bytes,
}

/// What a complete snapshot must add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotEnd {
    pub files: u64,
    pub bytes: u64,
    /// CRC-32 over all data, in the order of the chunks.
    pub checksum: u32,
}

/// A snapshot that can be sent.
pub trait SnapshotParcel: Send + 'static {
    /// Reads it all, blocking; `each` returns false when nobody wants more.
    ///
    /// # Errors
    /// If a file cannot be read; then the receiver installs nothing.
    fn read(self, each: &mut dyn FnMut(SnapshotChunk) -> bool) -> io::Result<SnapshotEnd>;
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
    /// Blocking.
    ///
    /// # Errors
    /// If it cannot be written, or is not the next piece.
    fn take(&mut self, chunk: SnapshotChunk) -> io::Result<()>;

    /// Verifies and keeps it, blocking.
    ///
    /// # Errors
    /// If it is not complete, or not what was sent.
    fn finish(self: Box<Self>, end: SnapshotEnd) -> io::Result<P>;
}
