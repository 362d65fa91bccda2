//! Building and installing snapshots. Both take the disk as it is: they block, and run where blocking is allowed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::engine::StateEngine;
use super::super::files::{self, OwnedDir};
use super::super::snapshot::{Linked, Manifest, SnapshotData};
use super::super::types::{Applied, SnapshotMeta};
use super::place::Role;
use super::{Inner, State, StateError, marks};
use crate::failpoint::failpoint;
use crate::machine::Machine;

impl State {
    /// Builds a snapshot of what is on disk; whoever wants the newest state in it flushes first.
    pub(super) fn build_snapshot(&self) -> Result<SnapshotData, StateError> {
        let inner = &self.inner;
        let _alone = inner.snapshot_work.lock();
        failpoint!("snapshot::before_build");
        let building = OwnedDir::temporary(inner.place.fresh(Role::Building));
        let base = inner.shared.base();
        base.checkpoint(building.path())?;
        // Entries are applied and flushed meanwhile: only the checkpoint knows where it stands.
        let (last_log_id, last_membership) = marks::read(&*inner.engines.read_state(building.path())?)?;
        let meta = SnapshotMeta { last_log_id, last_membership };
        failpoint!("snapshot::before_save");
        let manifest = inner.describe(building.path(), meta)?;
        failpoint!("snapshot::before_rename");
        let path = inner.place.name_snapshot(building.path())?;
        failpoint!("snapshot::after_rename");
        let snapshot = SnapshotData::new(OwnedDir::temporary(path), manifest);
        inner.take_over(&snapshot);
        Ok(snapshot)
    }

    /// Replaces the state by that of a snapshot, which was verified when it was received.
    pub(super) fn install(&self, meta: &SnapshotMeta, data: &SnapshotData) -> Result<(), StateError> {
        let inner = &self.inner;
        let _alone = inner.snapshot_work.lock();
        if data.meta() != meta {
            return Err(StateError::Position);
        }
        failpoint!("snapshot::before_install");
        let adopted = inner.adopt(data)?;
        let generation = OwnedDir::temporary(inner.place.fresh(Role::Generation));
        let base = inner.prepare(data, generation.path())?;
        let machine = Machine::open(Arc::clone(&base).as_base())?;
        // From here on a restart finds the new generation.
        failpoint!("snapshot::before_current");
        inner.place.set_current(generation.path())?;
        failpoint!("snapshot::after_current");
        generation.keep();
        let index = meta.last_log_id.map(|last| last.index);
        let (old_base, old_machine) = inner.shared.replace(base, machine, index);
        old_base.let_go();
        drop((old_base, old_machine));
        inner.take_over(&adopted);
        (inner.on_applied)(&Applied { index: index.unwrap_or(0), ..Applied::default() });
        Ok(())
    }
}

impl Inner {
    /// Writes down what the checkpoint consists of, and makes all of it durable. Tables are so since their flush.
    fn describe(&self, dir: &Path, meta: SnapshotMeta) -> Result<Manifest, StateError> {
        let previous = self.current_snapshot.lock().clone();
        let previous = previous.as_ref().map(|snapshot| (snapshot.path(), snapshot.manifest()));
        let manifest = Manifest::describe(dir, meta, previous)?;
        for file in manifest.files.iter().filter(|file| !file.is_table()) {
            files::sync_file(&dir.join(&file.name))?;
        }
        manifest.write(dir)?;
        files::sync_dir(dir)?;
        Ok(manifest)
    }

    /// Makes a snapshot from elsewhere one of ours.
    fn adopt(&self, data: &SnapshotData) -> Result<SnapshotData, StateError> {
        let building = OwnedDir::temporary(self.place.fresh(Role::Building));
        data.link_into(building.path(), Linked::Snapshot)?;
        let path: PathBuf = self.place.name_snapshot(building.path())?;
        Ok(SnapshotData::new(OwnedDir::temporary(path), data.manifest().clone()))
    }

    /// A database with a snapshot's content, opened and looked into before anything depends on it.
    fn prepare(&self, data: &SnapshotData, dir: &Path) -> Result<Arc<dyn StateEngine>, StateError> {
        data.link_into(dir, Linked::Database)?;
        let base = self.engines.open_state(dir)?;
        let (last_log_id, _) = marks::read(&*base)?;
        if last_log_id == data.meta().last_log_id { Ok(base) } else { Err(StateError::Position) }
    }

    /// Makes it the current snapshot unless there is a newer one; the other goes with its last handle.
    fn take_over(&self, snapshot: &SnapshotData) {
        let mut current = self.current_snapshot.lock();
        let is_newer = |old: &SnapshotData| old.meta().last_log_id > snapshot.meta().last_log_id;
        if current.as_ref().is_some_and(is_newer) {
            return;
        }
        snapshot.keep();
        if let Some(old) = current.replace(snapshot.clone()) {
            old.let_go();
        }
    }
}
