//! The state's directory: which generation is in use, what is left over, and names that were never used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::engine::{Engines, StateEngine};
use super::super::files;
use super::super::snapshot::SnapshotData;
use super::StateError;

const CURRENT: &str = "CURRENT";

#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    /// The next number for a name; names are never used twice while the process runs.
    next: AtomicU64,
}

/// What a directory held when it was opened.
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) base: Arc<dyn StateEngine>,
    pub(super) snapshot: Option<SnapshotData>,
}

/// What a directory within is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Generation,
    Snapshot,
    /// Becomes a snapshot by its last step, a rename.
    Building,
    Receiving,
}

impl Role {
    const fn prefix(self) -> &'static str {
        match self {
            Role::Generation => "db",
            Role::Snapshot => "snap",
            Role::Building => "building",
            Role::Receiving => "recv",
        }
    }
}

impl Place {
    /// Opens the generation in use and the newest whole snapshot, and removes everything else.
    pub(super) fn open(dir: &Path, engines: &dyn Engines) -> Result<Opened, StateError> {
        fs::create_dir_all(dir)?;
        let names = files::names(dir)?;
        let next = AtomicU64::new(names.iter().filter_map(|name| number(name)).max().unwrap_or(0) + 1);
        let place = Place { dir: dir.to_owned(), next };
        let current = place.current(&names)?;
        let base = engines.open_state(&dir.join(&current))?;
        let snapshot = place.newest_snapshot(&names);
        let kept = snapshot.as_ref().map(|snapshot| snapshot.path().to_owned());
        for name in names.iter().filter(|name| number(name).is_some() && **name != current) {
            let path = dir.join(name);
            if Some(&path) != kept.as_ref() {
                files::remove_dir(&path);
            }
        }
        Ok(Opened { place, base, snapshot })
    }

    /// A path that nothing has.
    pub(super) fn fresh(&self, role: Role) -> PathBuf {
        self.dir.join(format!("{}-{}", role.prefix(), self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes this generation the one in use, also after a crash.
    pub(super) fn set_current(&self, generation: &Path) -> io::Result<()> {
        let name = generation.file_name().expect("a fresh path has a name").to_string_lossy();
        files::sync_dir(&self.dir)?;
        files::replace_file(&self.dir.join(CURRENT), format!("{name}\n").as_bytes())
    }

    /// Gives a whole snapshot its name, durably.
    pub(super) fn name_snapshot(&self, building: &Path) -> io::Result<PathBuf> {
        let path = self.fresh(Role::Snapshot);
        fs::rename(building, &path)?;
        files::sync_dir(&self.dir)?;
        Ok(path)
    }

    /// The generation in use. It is named before it is made, so a directory without `CURRENT` is new, or was tampered with.
    fn current(&self, names: &[String]) -> Result<String, StateError> {
        if names.iter().any(|name| name == CURRENT) {
            return Ok(fs::read_to_string(self.dir.join(CURRENT))?.trim_end().to_owned());
        }
        if let Some(name) = names.iter().find(|name| number(name).is_some()) {
            return Err(StateError::NoCurrent(name.clone()));
        }
        let generation = self.fresh(Role::Generation);
        self.set_current(&generation)?;
        Ok(generation.file_name().expect("a fresh path has a name").to_string_lossy().into_owned())
    }

    fn newest_snapshot(&self, names: &[String]) -> Option<SnapshotData> {
        let is_snapshot =
            |name: &&String| name.starts_with(Role::Snapshot.prefix()) && number(name).is_some();
        let snapshots = names.iter().filter(is_snapshot);
        let whole = snapshots.filter_map(|name| SnapshotData::load(&self.dir.join(name)));
        whole.max_by_key(|snapshot| snapshot.meta().last_log_id)
    }
}

/// The number of a directory that is ours.
fn number(name: &str) -> Option<u64> {
    let (prefix, number) = name.split_once('-')?;
    let ours = [Role::Generation, Role::Snapshot, Role::Building, Role::Receiving];
    ours.iter().any(|role| role.prefix() == prefix).then(|| number.parse().ok())?
}
