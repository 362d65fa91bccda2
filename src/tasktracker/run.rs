//! The TaskTracker's loop: select, then a synchronous step of the session, then its acts. The loop owns everything;
//! the tasks around it carry messages and decide nothing.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::gate::{self, Change, Gate};
use super::handle::Order;
use super::kept::{self, Left};
use super::pool::{Ended, RunnerPool};
use super::session::{Act, Event, Me, MinuteStanding, Session};
use super::stream::{Stream, StreamEvent};
use super::{Hooks, Journal, TaskTrackerError};
use crate::domain::{Clock, Millis, Timestamp};
use crate::failpoint::failpoint;
use crate::link::{Backoff, FailStore, Leader, Link, Target, View};
use crate::planted::{self, Bug};
use crate::process::{MachineInfo, Probe};
use crate::wire::{pb, timestamp};

/// What the FailStore wrote reaches the disk within this.
const SYNC_PAUSE: Duration = Duration::from_millis(100);
/// Messages of the cluster that wait for the loop.
const HEARD_MAX: usize = 256;
/// Ends of executions that are handled in one turn, so that their results share a message.
const ENDED_MAX: usize = 256;
/// How long to wait for a direct way to the leader before a session is relayed: after a failover the next leader is
/// usually there sooner, and moving a session costs two entries in the log.
const RELAY_AFTER: Duration = Duration::from_millis(100);
/// What a sample is of.
const MINUTE: Millis = Millis::from_secs(60);
const HALF_A_MINUTE: Millis = Millis::from_secs(30);
/// So much later than the clock's at most are a TaskTracker's minutes over: thousands of them must not tell at once.
const MINUTES_SPREAD: Millis = Millis::from_secs(10);
/// How long the last message may take to leave.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// What the loop is made of.
pub(super) struct Parts {
    pub(super) me: Me,
    pub(super) link: Link,
    pub(super) store: FailStore,
    pub(super) journal: Arc<Journal>,
    pub(super) pool: RunnerPool,
    pub(super) ends: mpsc::Receiver<Ended>,
    pub(super) hooks: Hooks,
    pub(super) drain_timeout: Duration,
    pub(super) seed: u64,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Absent where no threshold is set.
    pub(super) gate: Option<(Gate, MachineLook)>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Tells how the machine fares now.
pub(super) type MachineLook = Box<dyn FnMut() -> MachineInfo + Send>;

struct Tracker {
    session: Session,
    link: Link,
    store: FailStore,
    journal: Arc<Journal>,
    pool: RunnerPool,
    hooks: Hooks,
    leader: Option<Leader>,
    stream: Option<Stream>,
    streams_opened: u64,
    events: mpsc::Sender<StreamEvent>,
    backoff: Backoff,
    /// When the next stream may be opened.
    open_at: Instant,
    /// When the next stream may be opened at a JobTracker that does not lead.
    relay_at: Instant,
    /// When the FailStore is synced; `None` while nothing was written.
    sync_at: Option<Instant>,
    began: Instant,
    minutes: Minutes,
    over: bool,
}

/// Tells at the end of each minute how the process stands.
struct Minutes {
    clock: Arc<dyn Clock>,
    probe: Probe,
    /// How much later than the clock's its minutes are over.
    late: Millis,
    /// When the minute is over.
    over_at: Instant,
    /// Processor time at the end of the last one.
    cpu: Duration,
}

impl Minutes {
    fn new(clock: Arc<dyn Clock>, seed: u64) -> Minutes {
        let probe = Probe::new(Arc::clone(&clock));
        let cpu = probe.look().cpu;
        let late = Millis::new(seed % MINUTES_SPREAD.get());
        let over_at = Instant::now() + until_next_minute(clock.wall() - late);
        Minutes { clock, probe, late, over_at, cpu }
    }

    /// The minute that ended just now.
    fn next(&mut self) -> MinuteStanding {
        let (wall, process) = (self.clock.wall(), self.probe.look());
        self.over_at = Instant::now() + until_next_minute(wall - self.late);
        let used = process.cpu.saturating_sub(std::mem::replace(&mut self.cpu, process.cpu));
        // Timers and the wall clock may differ by a little: half a minute ago it was surely not over.
        let within = wall - self.late - HALF_A_MINUTE;
        let began = Timestamp::from_millis(within.as_millis() - within.as_millis() % MINUTE.get());
        MinuteStanding {
            minute: Some(timestamp(began)),
            fail_store_bytes: 0,
            memory_bytes: process.memory_bytes,
            cpu: used.into(),
            threads: process.threads,
            tasks: process.tasks,
            open_files: process.open_files,
        }
    }
}

fn until_next_minute(wall: Timestamp) -> Duration {
    Duration::from_millis(MINUTE.get() - wall.as_millis() % MINUTE.get())
}

/// Runs until `shutdown` and then until everything is drained.
pub(super) async fn run(parts: Parts, shutdown: impl Future<Output = ()>) -> Result<(), TaskTrackerError> {
    let mut view = parts.link.watch();
    let mut ends = parts.ends;
    let (events, mut heard) = mpsc::channel(HEARD_MAX);
    let drain_timeout = parts.drain_timeout.into();
    let left = match planted::is(Bug::OwedNotReadAtStart) {
        true => Left::default(),
        false => Left::behind(&parts.store),
    };
    let now = Instant::now();
    let (mut orders, mut gate) = (parts.orders, parts.gate);
    let mut looks = tokio::time::interval(gate::PERIOD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tracker = Tracker {
        session: Session::new(parts.me, left),
        link: parts.link,
        store: parts.store,
        journal: parts.journal,
        pool: parts.pool,
        hooks: parts.hooks,
        leader: None,
        stream: None,
        streams_opened: 0,
        events,
        backoff: Backoff::seeded(parts.seed),
        open_at: now,
        relay_at: now + RELAY_AFTER,
        sync_at: None,
        began: now,
        minutes: Minutes::new(parts.clock, parts.seed),
        over: false,
    };
    let mut shutdown = pin!(shutdown);
    let mut draining = false;
    let mut ended = Vec::new();
    let journal = Arc::clone(&tracker.journal);
    view.mark_changed();
    while !tracker.over {
        let wake_at = tracker.wake_at();
        let mut acts = Vec::new();
        tokio::select! {
            () = gather(&mut ends, &mut ended) => {}
            Some(event) = heard.recv() => tracker.stream_events(event, &mut heard, &mut acts),
            Ok(()) = view.changed() => tracker.leadership(&mut view, &mut acts),
            () = journal.written() => tracker.said(&mut acts),
            Some(order) = orders.recv() => tracker.order(order, &mut acts),
            _ = looks.tick(), if gate.is_some() => tracker.look_at_machine(gate.as_mut(), &mut acts),
            () = tokio::time::sleep_until(wake_at) => {}
            () = &mut shutdown, if !draining => {
                draining = true;
                tracker.on(Event::Drain { timeout: drain_timeout }, &mut acts);
            }
        }
        tracker.ended(&mut ended, &mut acts);
        tracker.minute_if_over(&mut acts);
        tracker.turn(acts)?;
    }
    tracker.close().await;
    Ok(())
}

/// Waits for an end, and lets those who are about to end do so: their results then share a message. What was received
/// stays in `ended` if this is not waited for any longer.
async fn gather(ends: &mut mpsc::Receiver<Ended>, ended: &mut Vec<Ended>) {
    ends.recv_many(ended, ENDED_MAX).await;
    tokio::task::yield_now().await;
    ended.extend(std::iter::from_fn(|| ends.try_recv().ok()).take(ENDED_MAX));
}

impl Tracker {
    fn now(&self) -> Millis {
        self.began.elapsed().into()
    }

    fn on(&mut self, event: Event, acts: &mut Vec<Act>) {
        self.session.on(event, self.now(), acts);
    }

    /// When the loop has something to do though nothing happens.
    fn wake_at(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        // A millisecond is rounded up: waking before the time would find nothing due and wake again.
        let session =
            self.session.wake_at().and_then(|at| self.began.checked_add(Duration::from_millis(at.get())));
        let open = self.next_stream().map(|(at, _)| at);
        let minute = Some(self.minutes.over_at);
        [session, open, self.sync_at, minute].into_iter().flatten().min().unwrap_or(far).min(far)
    }

    fn minute_if_over(&mut self, acts: &mut Vec<Act>) {
        if Instant::now() >= self.minutes.over_at {
            let fail_store_bytes = self.store.bytes() as u64;
            let standing = MinuteStanding { fail_store_bytes, ..self.minutes.next() };
            self.on(Event::Minute(standing), acts);
        }
    }

    /// Does what the last event asked for, and what is due.
    fn turn(&mut self, mut acts: Vec<Act>) -> Result<(), TaskTrackerError> {
        self.open_if_due(&mut acts);
        self.session.flush(self.now(), &mut acts);
        // Sending may lose the stream, which is an event of its own.
        while !acts.is_empty() {
            for act in self.keep_first(std::mem::take(&mut acts)) {
                self.perform(act, &mut acts)?;
            }
        }
        self.sync_if_due();
        Ok(())
    }

    /// All results of one turn are written at once, before anything is sent.
    fn keep_first(&mut self, acts: Vec<Act>) -> Vec<Act> {
        let mut records: Vec<(u64, Bytes)> = Vec::new();
        let mut lines: Vec<(u64, Bytes)> = Vec::new();
        let mut others = Vec::with_capacity(acts.len());
        for act in acts {
            match act {
                Act::Keep(results) => records.extend(results),
                Act::KeepLines(said) => lines.extend(said),
                other => others.push(other),
            }
        }
        if !records.is_empty() {
            failpoint!("tracker::before_keep");
            if let Err(error) = self.store.put(records) {
                tracing::error!(%error, "a result is not in the failstore: it is lost if this process ends now");
            }
            // After the results, so that where there is room for one of both it is not theirs.
            if let Err(error) = self.store.put(lines) {
                tracing::warn!(%error, "lines of user code are not in the failstore: they are lost if this process ends now");
            }
            failpoint!("tracker::after_keep");
            self.sync_at.get_or_insert(Instant::now() + SYNC_PAUSE);
        }
        others
    }

    fn perform(&mut self, act: Act, more: &mut Vec<Act>) -> Result<(), TaskTrackerError> {
        match act {
            Act::Send(message) => {
                failpoint!("tracker::before_send");
                if let Some(Err(why)) = self.stream.as_ref().map(|stream| stream.send(message)) {
                    self.lost(&why, more);
                }
            }
            Act::Begin(push) => self.pool.begin(*push),
            Act::Stop(execution, cause) => self.pool.stop(execution, cause),
            Act::Kill(execution) => self.pool.kill(execution),
            kept @ (Act::Keep(_) | Act::KeepLines(_)) => drop(self.keep_first(vec![kept])),
            Act::Forget(executions) => {
                failpoint!("tracker::before_forget");
                if let Err(error) = self.store.forget(executions.into_iter().flat_map(kept::numbers)) {
                    tracing::warn!(%error, "the failstore cannot forget: results will be sent again");
                }
                failpoint!("tracker::after_forget");
            }
            Act::LimitLines(bytes) => self.journal.set_bytes_max(bytes),
            Act::Reopen { why, after } => {
                self.lost(&why, more);
                if let Some(after) = after {
                    self.open_at = Instant::now() + after.into();
                }
            }
            Act::GiveUp { reason, message } => return Err(TaskTrackerError::Refused { reason, message }),
            Act::Finished => self.over = true,
        }
        Ok(())
    }

    /// When and where the next stream is to be opened; `None` while one is open or nobody can be reached.
    fn next_stream(&self) -> Option<(Instant, Target)> {
        if self.over || self.stream.is_some() {
            return None;
        }
        let target = self.link.watch().borrow().target.clone()?;
        let at = if target.leads { self.open_at } else { self.open_at.max(self.relay_at) };
        Some((at, target))
    }

    fn open_if_due(&mut self, acts: &mut Vec<Act>) {
        let due = self.next_stream().filter(|(at, _)| *at <= Instant::now());
        let Some((_, target)) = due else { return };
        self.streams_opened += 1;
        tracing::debug!(?target, "opening a session");
        self.stream = Some(Stream::open(self.streams_opened, target, self.events.clone()));
        self.on(Event::Opened, acts);
    }

    /// The stream is of no use any more; the next one is opened soon.
    fn lost(&mut self, why: &str, acts: &mut Vec<Act>) {
        if let Some(stream) = self.stream.take() {
            tracing::info!(target = ?stream.target, why, "the session's stream ended");
            self.open_at = Instant::now() + self.backoff.next_delay();
            if stream.target.leads {
                self.relay_at = Instant::now() + RELAY_AFTER;
            }
            self.on(Event::Lost, acts);
        }
    }

    fn stream_events(
        &mut self,
        first: StreamEvent,
        heard: &mut mpsc::Receiver<StreamEvent>,
        acts: &mut Vec<Act>,
    ) {
        let waiting = std::iter::from_fn(|| heard.try_recv().ok()).take(HEARD_MAX);
        for event in std::iter::once(first).chain(waiting) {
            self.stream_event(event, acts);
        }
    }

    fn stream_event(&mut self, event: StreamEvent, acts: &mut Vec<Act>) {
        let current = self.stream.as_ref().map(|stream| stream.number);
        match event {
            StreamEvent::Heard(number, message) if Some(number) == current => {
                if matches!(message, pb::session_response::Message::Welcome(_)) {
                    self.backoff.reset();
                }
                self.on(Event::Heard(message), acts);
            }
            StreamEvent::Lost(number, lost) if Some(number) == current => {
                if let Some(stream) = self.stream.as_ref().filter(|_| lost.connection_lost) {
                    self.link.broken(&stream.target);
                }
                self.lost(&lost.why, acts);
                if let Some(reason) = lost.refused {
                    acts.push(Act::GiveUp { reason: Some(reason), message: lost.why });
                }
            }
            // Of a stream that was given up before.
            StreamEvent::Heard(..) | StreamEvent::Lost(..) => {}
        }
    }

    /// A new leader is gone to at once, whatever the back-off says.
    fn leadership(&mut self, view: &mut watch::Receiver<View>, acts: &mut Vec<Act>) {
        let View { target, leader } = view.borrow_and_update().clone();
        match (&self.leader, &leader) {
            (old, Some(new)) if old.as_ref() != Some(new) => self.hooks.available(new),
            (Some(_), None) => self.hooks.unavailable(),
            (_, Some(_)) | (None, None) => {}
        }
        let new_leader =
            leader.as_ref().map(|leader| leader.term) != self.leader.as_ref().map(|leader| leader.term);
        self.leader = leader;
        let Some(target) = target else { return };
        let elsewhere = self.stream.as_ref().is_some_and(|stream| !stream.target.is_same(&target));
        if target.leads && elsewhere {
            self.lost("another jobtracker leads", acts);
        }
        if new_leader {
            self.open_at = Instant::now();
        }
    }

    fn ended(&mut self, ended: &mut Vec<Ended>, acts: &mut Vec<Act>) {
        if ended.is_empty() {
            return;
        }
        failpoint!("tracker::ended");
        self.said(acts);
        for end in ended.drain(..) {
            let lines = self.pool.forget(end.execution);
            self.on(Event::Ended(end, lines), acts);
        }
    }

    fn said(&mut self, acts: &mut Vec<Act>) {
        let said = self.journal.fetch();
        for (execution, lines) in said.lines {
            self.on(Event::Lines(execution, lines), acts);
        }
        if !said.progress.is_empty() {
            self.on(Event::Progress(said.progress), acts);
        }
    }

    fn sync_if_due(&mut self) {
        if self.sync_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.sync_at = None;
        if let Some(file) = self.store.unsynced() {
            tokio::task::spawn_blocking(move || {
                if let Err(error) = file.sync_data() {
                    tracing::error!(%error, "the failstore cannot be synced: results may be lost with the host");
                }
            });
        }
    }

    fn order(&mut self, order: Order, acts: &mut Vec<Act>) {
        match order {
            Order::Slots(slots) => {
                tracing::info!(slots, "another number of slots");
                self.on(Event::Slots(slots), acts);
            }
            Order::Terminate { which, reason, answer } => {
                let meant = self.session.terminate(&which, &reason, self.now(), acts);
                tracing::info!(which, reason, meant, "asked to terminate");
                // Whoever asked may have gone; it is done all the same.
                let _ = answer.send(meant);
            }
            Order::Look(answer) => drop(answer.send(self.session.state(self.now()))),
        }
    }

    fn look_at_machine(&mut self, gate: Option<&mut (Gate, MachineLook)>, acts: &mut Vec<Act>) {
        let Some((gate, machine)) = gate else { return };
        match gate.look(&machine()) {
            Some(Change::Close(why)) => {
                tracing::warn!(why, "paused: nothing new is taken while the machine is this busy");
                self.on(Event::Pause(Some(why)), acts);
            }
            Some(Change::Open) => {
                tracing::info!("resumed: the machine has room again");
                self.on(Event::Pause(None), acts);
            }
            None => {}
        }
    }

    async fn close(mut self) {
        if let Some(stream) = self.stream.take() {
            let _ = tokio::time::timeout(CLOSE_PATIENCE, stream.close()).await;
        }
        if let Err(error) = self.store.sync() {
            tracing::error!(%error, "the failstore cannot be synced: results may be lost with the host");
        }
    }
}
