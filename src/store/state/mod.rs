//! The replicated state on disk: the machine, its write-behind layers and its snapshots, for openraft and for readers.
//!
//! Applying touches memory only; a thread of its own brings sealed layers to disk, behind the log. After a restart the
//! state is what was last flushed, and openraft applies the log again from there. A snapshot is durable before it is
//! named, and an installed one replaces everything by the exchange of one small file.
//!
//! ```text
//! state/CURRENT      names the generation in use
//! state/db-3/        a generation: one RocksDB database
//! state/snap-7/      the current snapshot
//! state/building-8/  one that is being made
//! state/recv-9/      one that is being received
//! ```

mod durable;
mod feed;
mod flusher;
pub(super) mod marks;
mod openraft_port;
mod place;
mod snapshots;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

pub use durable::DurableIndex;
pub use feed::{AppliedEntry, AppliedOutcome};
pub use flusher::FlushPolicy;
pub use openraft_port::{SnapshotBuilder, StateMachine};

use self::feed::AppliedFeed;
use self::flusher::{Flusher, Shared};
use self::marks::Position;
use self::place::{Opened, Place, Role};
use super::engine::{DiskUsage, Engines};
use super::fatal::OnFatal;
use super::log::FlushedIndex;
use super::snapshot::{SnapshotData, SnapshotReceiver};
use super::types::{Applied, Entry, Payload};
use crate::failpoint::failpoint;
use crate::machine::{BaseError, Machine};

/// Called for each applied entry on every node, in their order, after the entry shows in the machine. It must be quick.
/// An installed snapshot calls it once, with its last index and nothing else.
pub type OnApplied = Arc<dyn Fn(&Applied) + Send + Sync>;

/// Why the state cannot be opened or replaced.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state's directory failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Base(#[from] BaseError),
    #[error("the state's directory has {0} but no CURRENT to say which generation is in use")]
    NoCurrent(String),
    #[error("the snapshot is not at the position that it claims")]
    Position,
}

/// How the state behaves beside its place on disk.
#[derive(Clone)]
pub struct StateOptions {
    pub flush: FlushPolicy,
    pub on_applied: OnApplied,
    pub on_fatal: OnFatal,
}

/// A handle to the state; clones share it. The last one to go ends the flusher and closes the database.
#[derive(Clone, Debug)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    // Dropped first: it joins the thread that still uses the rest.
    _flusher: Flusher,
    shared: Arc<Shared>,
    engines: Arc<dyn Engines>,
    place: Place,
    current_snapshot: Mutex<Option<SnapshotData>>,
    /// Held while a snapshot is built or installed.
    snapshot_work: Mutex<()>,
    on_applied: OnApplied,
    feed: AppliedFeed,
}

impl State {
    /// Opens or creates the state in `dir`. Layers go to disk only behind `log`; `durable` is told how far they are there.
    ///
    /// # Errors
    /// If the directory or its database cannot be read.
    pub fn open(
        dir: &Path,
        engines: Arc<dyn Engines>,
        log: Arc<FlushedIndex>,
        durable: Arc<DurableIndex>,
        options: StateOptions,
    ) -> Result<State, StateError> {
        let Opened { place, base, snapshot } = Place::open(dir, &*engines)?;
        if let (Some(applied), _) = marks::read(&*base)? {
            durable.raise(applied.index);
        }
        let machine = Machine::open(Arc::clone(&base).as_base())?;
        let shared = Arc::new(Shared::new(machine, base, log, durable, options.flush, options.on_fatal));
        let flusher = Flusher::start(Arc::clone(&shared), engines.waiting())?;
        let inner = Inner {
            _flusher: flusher,
            shared,
            engines,
            place,
            current_snapshot: Mutex::new(snapshot),
            snapshot_work: Mutex::new(()),
            on_applied: options.on_applied,
            feed: AppliedFeed::new(),
        };
        Ok(State { inner: Arc::new(inner) })
    }

    /// The tables, for queries. Never hold the lock across an await.
    pub fn machine(&self) -> &Arc<RwLock<Machine>> {
        &self.inner.shared.machine
    }

    /// What the state's database uses.
    pub fn usage(&self) -> DiskUsage {
        self.inner.shared.base().usage()
    }

    /// Rows that went to the database since it was opened, deletions included.
    pub fn rows_written(&self) -> u64 {
        self.inner.shared.rows_written()
    }

    /// The last entry whose effects no power cut can take back.
    pub fn durable_index(&self) -> Option<u64> {
        self.inner.shared.look_at_flush();
        self.inner.shared.durable.get()
    }

    /// Every entry that is applied from now on, in the log's order; none for a snapshot that is installed.
    pub fn watch_entries(&self) -> broadcast::Receiver<AppliedEntry> {
        self.inner.feed.subscribe()
    }

    /// The last applied log id and the last membership.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn position(&self) -> Result<Position, BaseError> {
        marks::of(&self.inner.shared.machine.read())
    }

    /// Makes everything that was applied durable, so that a restart has little to apply again.
    ///
    /// # Errors
    /// If the disk fails, or the state is closed.
    pub async fn flush(&self) -> io::Result<()> {
        self.inner.shared.flush().await
    }

    /// A place for a snapshot that another JobTracker is about to send.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn receive_snapshot(&self) -> io::Result<SnapshotReceiver> {
        SnapshotReceiver::new(self.inner.place.fresh(Role::Receiving), Arc::clone(&self.inner.engines))
    }

    pub fn current_snapshot(&self) -> Option<SnapshotData> {
        self.inner.current_snapshot.lock().clone()
    }

    /// What openraft drives.
    pub fn state_machine(&self) -> StateMachine {
        StateMachine::new(self.clone())
    }

    /// Applies one entry, after there is room for what it changes.
    async fn apply(&self, entry: &Entry) -> io::Result<Applied> {
        let shared = &self.inner.shared;
        shared.wait_until(|| shared.has_room()).await?;
        failpoint!("state::before_apply");
        let applied = self.apply_now(entry)?;
        failpoint!("state::after_apply");
        // Only this task changes the tables, so the digest is still the one after this entry.
        self.inner.feed.tell(entry, &applied, || shared.machine.read().digest());
        (self.inner.on_applied)(&applied);
        Ok(applied)
    }

    /// A failing disk or a panicking entry ends the process: going on would leave this replica behind or half-way.
    fn apply_now(&self, entry: &Entry) -> io::Result<Applied> {
        let result = catch_unwind(AssertUnwindSafe(|| self.inner.shared.apply(entry)));
        let result = result.unwrap_or_else(|_| Err(BaseError::Storage("applying it panicked".into())));
        result.map_err(|error| {
            let why = format!("entry {} could not be applied: {error}", entry.log_id);
            (self.inner.shared.on_fatal)(&why);
            io::Error::other(why)
        })
    }
}

impl Shared {
    fn apply(&self, entry: &Entry) -> Result<Applied, BaseError> {
        let mut machine = self.machine.write();
        let index = entry.log_id.index;
        let applied = match &entry.payload {
            Payload::Normal(proposal) => machine.apply(index, proposal.entry())?,
            Payload::Blank => skip(&mut machine, index),
            Payload::Membership(membership) => {
                let applied = skip(&mut machine, index);
                marks::put_membership(&mut machine, entry.log_id, membership);
                applied
            }
        };
        marks::put_applied(&mut machine, entry.log_id);
        if machine.active_bytes() >= self.policy.seal_bytes {
            self.seal(&mut machine);
        }
        Ok(applied)
    }
}

/// Passes over an entry that is consensus' own. The very first one has index 0, where a machine begins.
fn skip(machine: &mut Machine, index: u64) -> Applied {
    if index > 0 {
        machine.skip(index);
    }
    Applied { index, ..Applied::default() }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("shared", &self.shared)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateOptions").field("flush", &self.flush).finish_non_exhaustive()
    }
}
