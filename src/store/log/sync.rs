//! One thread that makes the log durable: it takes all that is queued, syncs once, and answers in order.
//!
//! Entries and votes go through the same queue, so that nothing overtakes. While one sync runs the next batch gathers:
//! a busy log pays few syncs, an idle one does not linger. A failed sync ends the process; should the process survive it,
//! as in a test, everything queued and everything later fails.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, Semaphore, oneshot};

use super::super::engine::SyncTask;
use super::super::fatal::OnFatal;
use super::super::types::Types;
use super::flushed::FlushedIndex;
use crate::failpoint::failpoint;
use crate::planted::{self, Bug};

/// Bytes that may wait for a sync; beyond it `append` waits, and with it the leader's admission.
pub(super) const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Room is counted in these, since a semaphore's permits are few.
const ROOM_UNIT: usize = 1024;

/// Makes everything written so far durable.
pub(super) type SyncFn = Box<dyn Fn() -> Result<(), String> + Send>;

/// Something that is written and now waits to be durable.
pub(super) enum Item {
    /// Entries up to `last`, written in `epoch`.
    Appended {
        last: Option<u64>,
        epoch: u64,
        room: u32,
        done: openraft::storage::IOFlushed<Types>,
    },
    Vote(oneshot::Sender<io::Result<()>>),
    /// Work on the disk that need not be durable, but not before what was queued earlier.
    Chore(Box<dyn FnOnce() + Send>),
}

/// The queue's sending end. Dropping it syncs what is queued and joins the thread.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// The same for a task, where there is no thread.
    bell: Notify,
    room: Semaphore,
    syncs: AtomicU64,
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    closed: bool,
}

impl Syncer {
    pub(super) fn start(sync: SyncFn, flushed: Arc<FlushedIndex>, on_fatal: OnFatal) -> io::Result<Syncer> {
        let worker = Worker::new(flushed, on_fatal);
        let shared = Arc::clone(&worker.shared);
        let thread = std::thread::Builder::new().name("log-sync".into()).spawn(move || worker.run(&sync))?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    /// The same as a task of the runtime, which ends with it.
    pub(super) fn start_task(sync: SyncTask, flushed: Arc<FlushedIndex>, on_fatal: OnFatal) -> Syncer {
        let worker = Worker::new(flushed, on_fatal);
        let shared = Arc::clone(&worker.shared);
        tokio::spawn(worker.run_as_task(sync));
        Syncer { shared, thread: None }
    }

    /// Waits until `bytes` more may be queued. What it gives goes into [`Item::Appended`].
    pub(super) async fn room(&self, bytes: usize) -> u32 {
        let units = bytes.clamp(1, QUEUE_BYTES_MAX).div_ceil(ROOM_UNIT);
        let units = u32::try_from(units).expect("the queue's bound in units fits");
        let permit = self.shared.room.acquire_many(units).await.expect("the semaphore is never closed");
        permit.forget();
        units
    }

    pub(super) fn push(&self, item: Item) {
        self.shared.queue.lock().items.push(item);
        self.shared.wake.notify_one();
        self.shared.bell.notify_one();
    }

    /// How many syncs there were.
    pub(super) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|_| tracing::error!("the log's sync thread panicked"));
        }
    }
}

impl fmt::Debug for Syncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncer").field("syncs", &self.syncs()).finish_non_exhaustive()
    }
}

struct Worker {
    shared: Arc<Shared>,
    flushed: Arc<FlushedIndex>,
    on_fatal: OnFatal,
    failed: Option<String>,
}

impl Worker {
    fn new(flushed: Arc<FlushedIndex>, on_fatal: OnFatal) -> Worker {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            bell: Notify::new(),
            room: Semaphore::new(QUEUE_BYTES_MAX / ROOM_UNIT),
            syncs: AtomicU64::new(0),
        });
        Worker { shared, flushed, on_fatal, failed: None }
    }

    fn run(mut self, sync: &SyncFn) {
        while let Some(items) = self.next() {
            if self.failed.is_none() && !planted::is(Bug::LogNotSynced) {
                failpoint!("log::before_sync");
                self.synced(sync());
                failpoint!("log::after_sync");
            }
            items.into_iter().for_each(|item| self.complete(item));
            failpoint!("log::after_ack");
        }
    }

    async fn run_as_task(mut self, sync: SyncTask) {
        loop {
            let (items, closed) = {
                let mut queue = self.shared.queue.lock();
                (std::mem::take(&mut queue.items), queue.closed)
            };
            if items.is_empty() && closed {
                return;
            }
            if items.is_empty() {
                self.shared.bell.notified().await;
                continue;
            }
            if self.failed.is_none() && !planted::is(Bug::LogNotSynced) {
                let result = sync().await;
                self.synced(result.map_err(|error| error.to_string()));
            }
            items.into_iter().for_each(|item| self.complete(item));
        }
    }

    /// All that is queued; `None` when the queue is closed and empty.
    fn next(&self) -> Option<Vec<Item>> {
        let mut queue = self.shared.queue.lock();
        self.shared.wake.wait_while(&mut queue, |queue| queue.items.is_empty() && !queue.closed);
        let items = std::mem::take(&mut queue.items);
        (!items.is_empty()).then_some(items)
    }

    fn synced(&mut self, result: Result<(), String>) {
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            let why = format!("the log could not be synced: {error}");
            (self.on_fatal)(&why);
            self.failed = Some(why);
        }
    }

    fn complete(&self, item: Item) {
        let result = self.failed.as_ref().map_or(Ok(()), |why| Err(io::Error::other(why.clone())));
        match item {
            Item::Appended { last, epoch, room, done } => {
                if let (Ok(()), Some(last)) = (&result, last) {
                    self.flushed.synced(last, epoch);
                }
                self.shared.room.add_permits(room as usize);
                done.io_completed(result);
            }
            Item::Vote(done) => {
                // The vote's caller may be gone with its raft; the vote is durable all the same.
                let _ = done.send(result);
            }
            Item::Chore(chore) => chore(),
        }
    }
}
