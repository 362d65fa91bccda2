//! Snapshots: a directory of RocksDB's files with a manifest that says what they are, and how one travels.
//!
//! A snapshot never changes. Whoever holds its handle keeps its files: a newer snapshot takes over its place, not its
//! directory, so that a transfer under way ends with what it began. Its manifest is written last and checked first.

mod manifest;
mod transfer;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use transfer::{CHUNK_BYTES_MAX, SnapshotChunk, SnapshotReader, SnapshotReceiver, TransferError};

pub(super) use manifest::{FileEntry, MANIFEST, Manifest};

use super::files::{self, OwnedDir};
use super::types::SnapshotMeta;

/// A complete snapshot, pinned: its files stay as long as a clone of the handle does.
#[derive(Clone, Debug)]
pub struct SnapshotData {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: OwnedDir,
    manifest: Manifest,
}

impl SnapshotData {
    /// What openraft knows it by.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.inner.manifest.meta
    }

    /// The size of all its files.
    pub fn bytes(&self) -> u64 {
        self.inner.manifest.files.iter().map(|file| file.bytes).sum()
    }

    pub fn path(&self) -> &Path {
        self.inner.dir.path()
    }

    /// Reads it in chunks, for sending it.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    pub fn reader(&self) -> io::Result<SnapshotReader> {
        SnapshotReader::new(self.clone())
    }

    pub(super) fn new(dir: OwnedDir, manifest: Manifest) -> SnapshotData {
        SnapshotData { inner: Arc::new(Inner { dir, manifest }) }
    }

    /// Opens a snapshot that was completed earlier; `None` if it is not whole.
    pub(super) fn load(path: &Path) -> Option<SnapshotData> {
        let manifest = Manifest::read(path).and_then(|manifest| {
            manifest.check_sizes(path)?;
            Ok(manifest)
        });
        match manifest {
            Ok(manifest) => Some(SnapshotData::new(OwnedDir::kept(path.to_owned()), manifest)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a snapshot is not whole and is dropped");
                None
            }
        }
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// The directory survives its handles: it is the current snapshot.
    pub(super) fn keep(&self) {
        self.inner.dir.keep();
    }

    /// A newer one took its place: the directory goes with the last handle.
    pub(super) fn let_go(&self) {
        self.inner.dir.let_go();
    }

    /// Makes the new directory `to` hold the same files, durably.
    pub(super) fn link_into(&self, to: &Path, with: Linked) -> io::Result<()> {
        fs::create_dir(to)?;
        for file in &self.inner.manifest.files {
            let (from, to) = (self.path().join(&file.name), to.join(&file.name));
            // Tables never change, so two directories may share one; RocksDB may append to the rest.
            if file.is_table() { files::link_or_copy(&from, &to)? } else { files::copy(&from, &to)? }
        }
        match with {
            Linked::Snapshot => self.inner.manifest.write(to)?,
            Linked::Database => {}
        }
        files::sync_dir(to)
    }
}

/// What a directory with a snapshot's files is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// Another snapshot, with a manifest.
    Snapshot,
    /// A database to work with.
    Database,
}
