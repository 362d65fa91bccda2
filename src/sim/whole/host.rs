//! One JobTracker's host: its clocks, its disk, and, while the process runs, a runtime of its own on virtual time.
//!
//! The node is the product's: leader loop, consensus, peer port over tonic, store. A process that dies is a runtime that
//! is dropped between two milliseconds; one that is frozen is not run, and its clocks jump when it thaws.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{broadcast, watch};

use super::super::tracker::Ms;
use super::net::{Net, address_of};
use crate::domain::{Clock, Millis, Timestamp};
use crate::jobtracker::{Addresses, JobTracker, NodeOptions, Surroundings};
use crate::raft::{Leadership, server};
use crate::store::mem_disk::{Crash, MemDisk};
use crate::store::{AppliedEntry, LogStore, NodeId, State, Store, Vote};

/// A host's wall clock follows the world's time, with an error; its monotonic clock is its runtime's.
#[derive(Debug)]
pub(super) struct HostClock {
    epoch: Timestamp,
    now: Arc<AtomicU64>,
    offset: AtomicI64,
    /// How it goes wrong, in microseconds a second, and since when.
    drift: AtomicI64,
    drifts_since: AtomicU64,
}

impl HostClock {
    /// Right from now on, but for this.
    pub(super) fn set_offset(&self, ms: i64) {
        self.offset.store(ms, Ordering::Relaxed);
        self.drift.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_drift(&self, microseconds_a_second: i64) {
        self.drifts_since.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
        self.drift.store(microseconds_a_second, Ordering::Relaxed);
    }

    fn error_ms(&self, now: u64) -> i64 {
        let drifted = now.saturating_sub(self.drifts_since.load(Ordering::Relaxed)) as i64
            * self.drift.load(Ordering::Relaxed)
            / 1_000_000;
        self.offset.load(Ordering::Relaxed) + drifted
    }
}

impl Clock for HostClock {
    fn wall(&self) -> Timestamp {
        let now = self.now.load(Ordering::Relaxed);
        let (true_now, error) = (self.epoch + Millis::new(now), self.error_ms(now));
        let off = Millis::new(error.unsigned_abs());
        if error < 0 { true_now - off } else { true_now + off }
    }

    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// A process that has come up.
pub(super) struct Up {
    pub(super) tracker: JobTracker,
    pub(super) log: LogStore,
    pub(super) state: State,
    pub(super) entries: broadcast::Receiver<AppliedEntry>,
    pub(super) leadership: watch::Receiver<Leadership>,
}

impl std::fmt::Debug for Up {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Up").field("tracker", &self.tracker).finish_non_exhaustive()
    }
}

/// What the process says of itself while it comes up, and why it ended.
#[derive(Debug, Default)]
struct Word {
    opened: Option<(State, LogStore, broadcast::Receiver<AppliedEntry>)>,
    up: Option<JobTracker>,
    failed: Option<String>,
    fatal: Option<String>,
}

#[derive(Debug)]
struct Process {
    runtime: Runtime,
    word: Arc<Mutex<Word>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) number: usize,
    pub(super) clock: Arc<HostClock>,
    pub(super) disk: MemDisk,
    net: Net,
    dir: PathBuf,
    options: NodeOptions,
    process: Option<Process>,
    pub(super) up: Option<Up>,
    /// Which node it is, or was when it ran last.
    pub(super) id: Option<NodeId>,
    /// The vote that it gave last.
    pub(super) promised: Option<Vote>,
    /// A node of this host that lost all it had and is a member still.
    pub(super) gone: Option<NodeId>,
    /// It is to be made a voter again.
    pub(super) stranger: bool,
    pub(super) frozen_until: Ms,
    /// How far the runtime's time is behind the world's.
    behind: Ms,
    /// Counts the processes.
    pub(super) start: u64,
}

/// What a host is made of.
pub(super) struct Parts {
    pub(super) number: usize,
    pub(super) seed: u64,
    pub(super) epoch: Timestamp,
    pub(super) now: Arc<AtomicU64>,
    pub(super) net: Net,
    pub(super) dir: PathBuf,
    pub(super) options: NodeOptions,
}

impl Host {
    pub(super) fn new(parts: Parts) -> Host {
        let Parts { number, seed, epoch, now, net, dir, options } = parts;
        Host {
            number,
            clock: Arc::new(HostClock {
                epoch,
                now,
                offset: AtomicI64::new(0),
                drift: AtomicI64::new(0),
                drifts_since: AtomicU64::new(0),
            }),
            disk: MemDisk::new(seed),
            net,
            dir,
            options,
            process: None,
            up: None,
            id: None,
            promised: None,
            gone: None,
            stranger: false,
            frozen_until: 0,
            behind: 0,
            start: 0,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Starts the process; it is up some ticks later.
    pub(super) fn start(&mut self, seed: u64) {
        let runtime = runtime(seed);
        let word = Arc::new(Mutex::new(Word::default()));
        let surroundings = self.surroundings(&word);
        let address = address_of(self.number);
        let mut options = self.options.clone();
        options.advertise_peer = Some(address.clone());
        options.data_dir.clone_from(&self.dir);
        let (net, host, told) = (self.net.clone(), self.number, Arc::clone(&word));
        runtime.spawn(async move {
            let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 5871));
            let addresses = Addresses { client: anywhere, peer: anywhere };
            match JobTracker::start_in(options, addresses, surroundings).await {
                Ok((tracker, port)) => {
                    let incoming = net.listen(host, &address);
                    tokio::spawn(server::serve_on(incoming, port.raft, port.target, port.stop));
                    told.lock().up = Some(tracker);
                }
                Err(error) => told.lock().failed = Some(error.to_string()),
            }
        });
        (self.process, self.behind, self.frozen_until) = (Some(Process { runtime, word }), 0, 0);
        self.start += 1;
    }

    fn surroundings(&self, word: &Arc<Mutex<Word>>) -> Surroundings {
        let (disk, opened, fatal) = (self.disk.clone(), Arc::clone(word), Arc::clone(word));
        Surroundings {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            dial: self.net.dialer(self.number),
            open: Box::new(move |dir, options| {
                let store = Store::open_on(dir, &(Arc::new(disk) as Arc<_>), options)?;
                let state = store.state.clone();
                let entries = state.watch_entries();
                opened.lock().opened = Some((state, store.log.clone(), entries));
                Ok(store)
            }),
            on_fatal: Arc::new(move |why| {
                fatal.lock().fatal.get_or_insert_with(|| why.to_owned());
            }),
            process: None,
        }
    }

    /// One millisecond of this host's life. Gives the reason when the process ended itself.
    pub(super) fn tick(&mut self, now: Ms) -> Option<String> {
        let process = self.process.as_ref()?;
        if self.frozen_until > now {
            self.behind += 1;
            return None;
        }
        let behind = std::mem::take(&mut self.behind);
        process.runtime.block_on(async {
            if behind > 0 {
                tokio::time::advance(Duration::from_millis(behind)).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        let mut word = process.word.lock();
        if let Some(tracker) = word.up.take()
            && let Some((state, log, entries)) = word.opened.take()
        {
            let leadership = tracker.leadership();
            self.id = Some(tracker.raft().id());
            self.up = Some(Up { tracker, log, state, entries, leadership });
        }
        word.fatal.take().or_else(|| word.failed.take().map(|why| format!("it did not start: {why}")))
    }

    /// Runs something in the process.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(process) = &self.process {
            process.runtime.spawn(task);
        }
    }

    /// The end of the process, or of the host's power.
    pub(super) fn crash(&mut self, how: Crash) {
        self.net.down(self.number, how);
        let Some(process) = self.process.take() else { return };
        self.up = None;
        drop(process.runtime);
        process.word.lock().opened = None;
        self.disk.crash(how);
    }

    /// The host is down and loses all that it had; what starts there next is a new node.
    ///
    /// # Errors
    /// If the directory of its snapshots cannot be removed.
    pub(super) fn wipe(&mut self) -> std::io::Result<()> {
        self.disk.wipe();
        std::fs::remove_dir_all(&self.dir)?;
        (self.gone, self.stranger, self.promised) = (self.id.take(), true, None);
        Ok(())
    }
}

#[cfg(tokio_unstable)]
fn runtime(seed: u64) -> Runtime {
    let seed = tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes());
    let built = Builder::new_current_thread().enable_time().start_paused(true).rng_seed(seed).build();
    built.expect("a runtime without threads can be made")
}

/// Without `--cfg tokio_unstable` tokio's own chance cannot be seeded, so the same seed need not be the same history.
#[cfg(not(tokio_unstable))]
fn runtime(_seed: u64) -> Runtime {
    let built = Builder::new_current_thread().enable_time().start_paused(true).build();
    built.expect("a runtime without threads can be made")
}
