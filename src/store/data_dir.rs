//! A JobTracker's data directory: whose it is, that one process uses it, and how full its disk is.
//!
//! ```text
//! node.json   format version, node id, cluster id
//! LOCK        held while a process uses the directory
//! log/        the Raft log
//! state/      the tables and their snapshots
//! ```
//! The node id is random and made with the directory: a wiped directory is a new node, which has no vote and no history,
//! so that a node that forgot its votes cannot vote twice.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};
use serde::{Deserialize, Serialize};

use super::files;
use super::types::NodeId;

/// The layout of the directory and of everything in it.
const FORMAT: u32 = 1;
/// Ids stay below this, so that readers of JSON who take numbers for floats see them right.
const NODE_ID_END: u64 = 1 << 53;
/// What a file system may put into an empty directory.
const NOT_OURS: [&str; 2] = ["lost+found", "LOCK"];

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("another process uses {}", .0.display())]
    Locked(PathBuf),
    #[error("{} holds files but no node.json, so it is not a data directory; give an empty one", .0.display())]
    Foreign(PathBuf),
    #[error("node.json cannot be read: {0}")]
    Unreadable(String),
    #[error("the directory has format {is}; this release reads up to {FORMAT}: use the newer release")]
    Newer { is: u32 },
    #[error("the directory belongs to cluster {is}, not to {wanted}")]
    OtherCluster { is: String, wanted: String },
}

/// A data directory in use; dropping it lets another process in.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    node: NodeFile,
    /// Holds the lock as long as it is open.
    _lock: File,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NodeFile {
    format: u32,
    /// A string, like all ids in JSON.
    node_id: String,
    cluster_id: Option<String>,
}

/// How much of a disk is left for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl DataDir {
    /// Takes the directory into use, and makes it if it is not there.
    ///
    /// # Errors
    /// If another process uses it, if it is something else, or was written by a newer release.
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        fs::create_dir_all(path).map_err(at(path))?;
        let lock = lock(path)?;
        let node = match fs::read_to_string(path.join("node.json")) {
            Ok(text) => read_node(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(at(path)(error)),
        };
        Ok(DataDir { path: path.to_owned(), node, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn node_id(&self) -> NodeId {
        self.node.node_id.parse().expect("it was checked when it was read")
    }

    /// `None` until the cluster was initialised or joined.
    pub fn cluster_id(&self) -> Option<&str> {
        self.node.cluster_id.as_deref()
    }

    /// Makes the directory the cluster's, once and for all.
    ///
    /// # Errors
    /// If it belongs to another cluster, or cannot be written.
    pub fn join_cluster(&mut self, cluster_id: &str) -> Result<(), DataDirError> {
        match &self.node.cluster_id {
            Some(is) if is == cluster_id => Ok(()),
            Some(is) => Err(DataDirError::OtherCluster { is: is.clone(), wanted: cluster_id.to_owned() }),
            None => {
                self.node.cluster_id = Some(cluster_id.to_owned());
                write_node(&self.path, &self.node)
            }
        }
    }

    pub fn log_dir(&self) -> PathBuf {
        self.path.join("log")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path.join("state")
    }

    /// # Errors
    /// If the file system does not tell.
    pub fn disk_space(&self) -> io::Result<DiskSpace> {
        let stat = statvfs(&self.path)?;
        Ok(DiskSpace {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

impl DiskSpace {
    /// Whole percents, rounded down; a disk without a size is full.
    pub fn free_percent(self) -> u64 {
        (u128::from(self.free_bytes) * 100).checked_div(u128::from(self.total_bytes)).unwrap_or(0) as u64
    }
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let file =
        File::options().create(true).truncate(false).write(true).open(path.join("LOCK")).map_err(at(path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DataDirError::Locked(path.to_owned())),
        Err(error) => Err(at(path)(error.into())),
    }
}

fn create(path: &Path) -> Result<NodeFile, DataDirError> {
    let names = files::names(path).map_err(at(path))?;
    // A node.tmp is ours: the process ended between making and naming it.
    if names.iter().any(|name| !NOT_OURS.contains(&name.as_str()) && name != "node.tmp") {
        return Err(DataDirError::Foreign(path.to_owned()));
    }
    let node_id = fastrand::u64(1..NODE_ID_END).to_string();
    let node = NodeFile { format: FORMAT, node_id, cluster_id: None };
    write_node(path, &node)?;
    Ok(node)
}

fn read_node(text: &str) -> Result<NodeFile, DataDirError> {
    let unreadable = |problem: String| DataDirError::Unreadable(problem);
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    // The format first: a newer file may look different.
    let format = json.get("format").and_then(serde_json::Value::as_u64);
    let format = format.and_then(|format| u32::try_from(format).ok());
    match format {
        Some(FORMAT) => {}
        Some(is) if is > FORMAT => return Err(DataDirError::Newer { is }),
        Some(_) | None => return Err(unreadable("its format is missing or unknown".into())),
    }
    let node: NodeFile = serde_json::from_value(json).map_err(|error| unreadable(error.to_string()))?;
    match node.node_id.parse::<NodeId>() {
        Ok(_) => Ok(node),
        Err(error) => Err(unreadable(format!("node_id: {error}"))),
    }
}

fn write_node(path: &Path, node: &NodeFile) -> Result<(), DataDirError> {
    let mut text = serde_json::to_string_pretty(node).expect("strings and a number can be written as JSON");
    text.push('\n');
    files::replace_file(&path.join("node.json"), text.as_bytes()).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    |error| DataDirError::Io { path, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_identity_and_a_wiped_one_is_another_node() {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = DataDir::open(dir.path()).unwrap();
        let id = opened.node_id();
        assert!((1..NODE_ID_END).contains(&id));
        assert_eq!(opened.cluster_id(), None);
        opened.join_cluster("trade").unwrap();
        drop(opened);
        let opened = DataDir::open(dir.path()).unwrap();
        assert_eq!((opened.node_id(), opened.cluster_id()), (id, Some("trade")));
        drop(opened);
        fs::remove_file(dir.path().join("node.json")).unwrap();
        assert_ne!(DataDir::open(dir.path()).unwrap().node_id(), id);
    }

    #[test]
    fn a_directory_belongs_to_one_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = DataDir::open(dir.path()).unwrap();
        opened.join_cluster("trade").unwrap();
        opened.join_cluster("trade").unwrap();
        let error = opened.join_cluster("other").unwrap_err().to_string();
        assert_eq!(error, "the directory belongs to cluster trade, not to other");
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Locked(_))));
    }

    #[test]
    fn foreign_and_newer_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("photo.jpg"), b"x").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Foreign(_))));
        fs::write(dir.path().join("node.json"), br#"{"format":2,"something":"else"}"#).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Newer { is: 2 })));
        fs::write(dir.path().join("node.json"), b"{").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Unreadable(_))));
    }

    #[test]
    fn the_disk_says_how_full_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let space = DataDir::open(dir.path()).unwrap().disk_space().unwrap();
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
        assert_eq!(DiskSpace { free_bytes: 19, total_bytes: 200 }.free_percent(), 9);
        assert_eq!(DiskSpace { free_bytes: 0, total_bytes: 0 }.free_percent(), 0);
    }
}
