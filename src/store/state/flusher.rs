//! One thread (in the simulation, a task) that writes sealed layers to disk, oldest first, each as one batch, and only behind the log.
//!
//! State must never be durable ahead of its own log: after a power cut the log could then hold, at an index that the
//! state has already taken in, another entry. So a layer waits until the log's own sync covers it. What the thread writes
//! is not durable yet; a flush begins when enough has gathered, runs in the database's background, and raises the durable index
//! when it is over.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Notify, oneshot};

use super::super::engine::{StateEngine, Waiting};
use super::super::fatal::OnFatal;
use super::super::log::FlushedIndex;
use super::durable::DurableIndex;
use crate::failpoint::failpoint;
use crate::machine::{BaseError, Layer, Machine};

/// How often a waiting thread looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(50);
/// Sealed layers that may wait; with the active one they bound the state in memory.
pub(super) const SEALED_MAX: usize = 2;

/// When changes go to disk.
#[derive(Clone, Copy, Debug)]
pub struct FlushPolicy {
    /// An active layer of this size is sealed. A layer is one batch, of at most about twice this.
    pub seal_bytes: usize,
    /// An active layer is sealed at the latest after this.
    pub seal_age: Duration,
    /// So many bytes of layers make a flush begin; what is younger is applied again after a restart.
    pub flush_bytes: usize,
}

impl Default for FlushPolicy {
    fn default() -> FlushPolicy {
        FlushPolicy { seal_bytes: 16 << 20, seal_age: Duration::from_secs(2), flush_bytes: 64 << 20 }
    }
}

/// What the thread and the state share.
pub(super) struct Shared {
    pub(super) machine: Arc<RwLock<Machine>>,
    pub(super) log: Arc<FlushedIndex>,
    pub(super) durable: Arc<DurableIndex>,
    pub(super) policy: FlushPolicy,
    pub(super) on_fatal: OnFatal,
    /// Held while a layer is written and while the database is exchanged, never while waiting.
    target: Mutex<Target>,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// The same for a task, where there is no thread.
    bell: Notify,
    /// A layer was written, so there may be room for another.
    room: Notify,
    /// Nothing will be written any more: the disk failed, or the state is closed.
    stopped: AtomicBool,
    rows_written: AtomicU64,
}

/// Why nothing is applied or flushed any more.
pub(super) fn stopped() -> io::Error {
    io::Error::other("the state is not written any more: its disk failed, or it was closed")
}

struct Target {
    base: Arc<dyn StateEngine>,
    /// Grows when a snapshot replaces everything; layers of before are void.
    generation: u64,
    /// The last index that was written, and whether a flush that covers it is under way.
    written: Option<u64>,
    flushing: Option<u64>,
    unflushed_bytes: usize,
    failed: Option<BaseError>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    generation: u64,
    closed: bool,
}

enum Job {
    Write {
        layer: Arc<Layer>,
        generation: u64,
    },
    /// Make all that was queued before durable.
    Flush(oneshot::Sender<Result<(), BaseError>>),
}

impl Shared {
    pub(super) fn new(
        machine: Machine,
        base: Arc<dyn StateEngine>,
        log: Arc<FlushedIndex>,
        durable: Arc<DurableIndex>,
        policy: FlushPolicy,
        on_fatal: OnFatal,
    ) -> Shared {
        let machine = Arc::new(RwLock::new(machine));
        let target = Target {
            base,
            generation: 0,
            written: durable.get(),
            flushing: None,
            unflushed_bytes: 0,
            failed: None,
        };
        let (target, queue) = (Mutex::new(target), Mutex::default());
        let (wake, bell, room) = (Condvar::new(), Notify::new(), Notify::new());
        let (stopped, rows_written) = (AtomicBool::new(false), AtomicU64::new(0));
        Shared {
            machine,
            log,
            durable,
            policy,
            on_fatal,
            target,
            queue,
            wake,
            bell,
            room,
            stopped,
            rows_written,
        }
    }

    /// Rows that went to the database since it was opened, deletions included.
    pub(super) fn rows_written(&self) -> u64 {
        self.rows_written.load(Ordering::Relaxed)
    }

    /// Whether an entry may be applied: the layer that takes it can be sealed.
    pub(super) fn has_room(&self) -> bool {
        let machine = self.machine.read();
        machine.sealed_layers() < SEALED_MAX || machine.active_bytes() < self.policy.seal_bytes
    }

    /// Waits until `ready` says so; asks again after each layer that was written.
    pub(super) async fn wait_until(&self, ready: impl Fn() -> bool) -> io::Result<()> {
        loop {
            let written = self.room.notified();
            if self.stopped.load(Ordering::Acquire) {
                return Err(stopped());
            }
            if ready() {
                return Ok(());
            }
            written.await;
        }
    }

    fn wake(&self) {
        self.wake.notify_one();
        self.bell.notify_one();
    }

    /// Lets nobody wait for what will not come.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.room.notify_waiters();
    }

    /// Seals the active layer and queues it, unless two are waiting. Says whether nothing is left unsealed.
    ///
    /// Layers are queued under the machine's lock, so in the order in which they were sealed.
    pub(super) fn seal(&self, machine: &mut Machine) -> bool {
        if machine.sealed_layers() >= SEALED_MAX {
            return machine.active_bytes() == 0;
        }
        if let Some(layer) = machine.seal() {
            let mut queue = self.queue.lock();
            let generation = queue.generation;
            queue.jobs.push_back(Job::Write { layer, generation });
            self.wake();
        }
        true
    }

    /// Seals what is active and makes everything durable.
    pub(super) async fn flush(&self) -> io::Result<()> {
        self.wait_until(|| self.seal(&mut self.machine.write())).await?;
        let (done, flushed) = oneshot::channel();
        {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Err(stopped());
            }
            queue.jobs.push_back(Job::Flush(done));
        }
        self.wake();
        flushed.await.map_err(|_| stopped())?.map_err(io::Error::other)
    }

    pub(super) fn base(&self) -> Arc<dyn StateEngine> {
        Arc::clone(&self.target.lock().base)
    }

    /// Replaces database and machine by those of a snapshot at `index`; layers that wait are void. Gives what was there.
    pub(super) fn replace(
        &self,
        base: Arc<dyn StateEngine>,
        machine: Machine,
        index: Option<u64>,
    ) -> (Arc<dyn StateEngine>, Machine) {
        let mut target = self.target.lock();
        let old_machine = {
            let mut locked = self.machine.write();
            self.queue.lock().generation += 1;
            std::mem::replace(&mut *locked, machine)
        };
        let old_base = std::mem::replace(&mut target.base, base);
        target.generation += 1;
        (target.written, target.flushing, target.unflushed_bytes) = (index, None, 0);
        if let Some(index) = index {
            self.durable.raise(index);
        }
        self.room.notify_waiters();
        (old_base, old_machine)
    }

    /// Notes how far flushes in the background have come.
    pub(super) fn look_at_flush(&self) {
        let mut target = self.target.lock();
        let ended = target.see_flush_end(&self.durable);
        self.check(&mut target, ended);
    }

    fn check(&self, target: &mut Target, result: Result<(), BaseError>) {
        if let Err(error) = result {
            (self.on_fatal)(&format!("the state could not be written: {error}"));
            target.failed = Some(error);
            self.stop();
        }
    }
}

impl Target {
    fn write(&mut self, layer: &Layer, policy: &FlushPolicy) -> Result<(), BaseError> {
        failpoint!("state::before_layer_write");
        self.base.write(layer)?;
        failpoint!("state::after_layer_write");
        self.written = Some(layer.last_index());
        self.unflushed_bytes += layer.bytes();
        if self.unflushed_bytes >= policy.flush_bytes && self.flushing.is_none() {
            self.base.begin_flush()?;
            (self.flushing, self.unflushed_bytes) = (self.written, 0);
        }
        Ok(())
    }

    fn see_flush_end(&mut self, durable: &DurableIndex) -> Result<(), BaseError> {
        if let Some(index) = self.flushing
            && self.base.flush_ended()?
        {
            durable.raise(index);
            self.flushing = None;
        }
        Ok(())
    }

    fn flush(&mut self, durable: &DurableIndex) -> Result<(), BaseError> {
        failpoint!("state::before_flush");
        self.base.flush()?;
        failpoint!("state::after_flush");
        (self.flushing, self.unflushed_bytes) = (None, 0);
        if let Some(written) = self.written {
            durable.raise(written);
        }
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("durable", &self.durable.get()).finish_non_exhaustive()
    }
}

/// The thread. Dropping it ends it without writing what waits: the log has it.
#[derive(Debug)]
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start(shared: Arc<Shared>, waiting: Waiting) -> io::Result<Flusher> {
        let worker = Worker { shared: Arc::clone(&shared) };
        let thread = match waiting {
            Waiting::Threads => {
                Some(std::thread::Builder::new().name("state-flush".into()).spawn(move || worker.run())?)
            }
            Waiting::Tasks => {
                tokio::spawn(worker.run_as_task());
                None
            }
        };
        Ok(Flusher { shared, thread })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake();
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|_| tracing::error!("the state's flush thread panicked"));
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
}

/// What the thread does next.
enum Next {
    Job(Job),
    /// Nothing came for as long as a layer may stay unsealed.
    Idle,
    Closed,
}

/// Above 0: whoever answers a client goes first on a processor that both want. What waits is bounded, and then everybody
/// waits for this thread.
const NICE: i32 = 5;

impl Worker {
    fn run(&self) {
        // Of this thread only, as Linux takes it.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "the flush thread keeps its priority");
        }
        loop {
            match self.next() {
                Next::Job(Job::Write { layer, generation }) => {
                    if self.wait_for_log(layer.last_index(), generation) {
                        self.write(&layer, generation);
                    }
                }
                Next::Job(Job::Flush(done)) => self.flush(done),
                Next::Idle => self.seal(),
                Next::Closed => return self.shared.queue.lock().jobs.clear(),
            }
            self.shared.look_at_flush();
        }
    }

    async fn run_as_task(self) {
        loop {
            match self.next_awaited().await {
                Next::Job(Job::Write { layer, generation }) => {
                    while !self.shared.log.covers(layer.last_index()) && self.is_wanted(generation) {
                        tokio::time::sleep(PATIENCE / 10).await;
                    }
                    if self.shared.log.covers(layer.last_index()) {
                        self.write(&layer, generation);
                    }
                }
                Next::Job(Job::Flush(done)) => self.flush(done),
                Next::Idle => self.seal(),
                Next::Closed => return self.shared.queue.lock().jobs.clear(),
            }
            self.shared.look_at_flush();
        }
    }

    async fn next_awaited(&self) -> Next {
        let idle_at = tokio::time::Instant::now() + self.shared.policy.seal_age;
        loop {
            let rung = self.shared.bell.notified();
            {
                let mut queue = self.shared.queue.lock();
                match queue.jobs.pop_front() {
                    _ if queue.closed => return Next::Closed,
                    Some(job) => return Next::Job(job),
                    None => {}
                }
            }
            if tokio::time::timeout_at(idle_at, rung).await.is_err() {
                return Next::Idle;
            }
        }
    }

    fn seal(&self) {
        self.shared.seal(&mut self.shared.machine.write());
    }

    fn next(&self) -> Next {
        let mut queue = self.shared.queue.lock();
        let empty = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
        self.shared.wake.wait_while_for(&mut queue, empty, self.shared.policy.seal_age);
        match queue.jobs.pop_front() {
            _ if queue.closed => Next::Closed,
            Some(job) => Next::Job(job),
            None => Next::Idle,
        }
    }

    fn write(&self, layer: &Arc<Layer>, generation: u64) {
        let mut target = self.shared.target.lock();
        if target.generation != generation || target.failed.is_some() {
            return;
        }
        let written = target.write(layer, &self.shared.policy);
        let is_written = written.is_ok();
        self.shared.check(&mut target, written);
        if is_written {
            self.shared.rows_written.fetch_add(layer.len() as u64, Ordering::Relaxed);
            self.shared.machine.write().flushed(layer);
            self.shared.room.notify_waiters();
        }
    }

    /// Waits until the log is durable up to `index`; false if nobody needs the layer any more.
    fn wait_for_log(&self, index: u64, generation: u64) -> bool {
        while !self.shared.log.wait(index, PATIENCE) {
            if !self.is_wanted(generation) {
                return false;
            }
        }
        true
    }

    fn is_wanted(&self, generation: u64) -> bool {
        let queue = self.shared.queue.lock();
        !queue.closed && queue.generation == generation
    }

    fn flush(&self, done: oneshot::Sender<Result<(), BaseError>>) {
        // Whoever asked may have given up; what was flushed stays flushed.
        let _ = done.send(self.flush_now());
    }

    fn flush_now(&self) -> Result<(), BaseError> {
        let mut target = self.shared.target.lock();
        if let Some(error) = &target.failed {
            return Err(error.clone());
        }
        let flushed = target.flush(&self.shared.durable);
        self.shared.check(&mut target, flushed.clone());
        flushed
    }
}
