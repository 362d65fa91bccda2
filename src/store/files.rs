//! Files and directories that survive a power cut, or do not stay: the few file system steps that everything here shares.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory that goes away with its owner, unless it is to be kept.
#[derive(Debug)]
pub(super) struct OwnedDir {
    path: PathBuf,
    keep: AtomicBool,
}

impl OwnedDir {
    pub(super) fn temporary(path: PathBuf) -> OwnedDir {
        OwnedDir { path, keep: AtomicBool::new(false) }
    }

    pub(super) fn kept(path: PathBuf) -> OwnedDir {
        OwnedDir { path, keep: AtomicBool::new(true) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn keep(&self) {
        self.keep.store(true, Ordering::Release);
    }

    /// Lets the directory go when its last user does.
    pub(super) fn let_go(&self) {
        self.keep.store(false, Ordering::Release);
    }
}

impl Drop for OwnedDir {
    fn drop(&mut self) {
        if !*self.keep.get_mut() {
            remove_dir(&self.path);
        }
    }
}

/// Removes a directory that nobody needs; what cannot be removed is removed at the next start.
pub(super) fn remove_dir(path: &Path) {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a directory could not be removed"),
    }
}

/// Makes a file's content durable.
pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names within a directory durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a file as a whole: after a crash it has the old content or the new one.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Gives `to` the content of `from`: by another name of the same file where that works, else by a durable copy.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() { Ok(()) } else { copy(from, to) }
}

/// A durable copy.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    sync_file(to)
}

/// The names in a directory, in their order.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
