//! The leader's loop: one task owns the term's soft state; `select` is its only await, and it never awaits a proposal.
//!
//! Proposals gather while entries are in flight, at most two; when idle there is no linger. What came of an entry goes
//! out only after it was committed and applied.

pub mod lanes;
mod leading;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use parking_lot::RwLock;
use tokio::sync::{mpsc, watch};

pub use lanes::{Door, Full, Lane, LaneBytes, weight_of};
pub use leading::{Outcome, ToLeader};

use crate::dispatch::Patience;
use crate::dispatch::planner::{self, Unplanned};
use crate::domain::{Clock, Millis, Timestamp};
use crate::failpoint::failpoint;
use crate::machine::{Applied, BaseError, Machine};
use crate::planted::{self, Bug};
use crate::raft::{Leadership, ProposeError, RaftNode};
use crate::store::blocking;
use leading::{Leading, Proposed};

/// Entries that may be under way at once: one is synced while the next gathers.
const IN_FLIGHT_MAX: usize = 2;
/// Messages taken at a time before proposals are looked at again.
const MESSAGES_MAX: usize = 4096;
/// A loop that comes round this late was frozen: it sleeps half a second at most.
const FROZEN: Duration = Duration::from_secs(2);
/// The longest sleep, so that a clock that jumps is seen soon.
const SLEEP_MAX: Duration = Duration::from_millis(500);

/// The way to the loop of one term.
#[derive(Clone, Debug)]
pub struct LeaderHandle {
    pub term: u64,
    pub door: Door,
    /// Bounded by the door: each message of a call or a session has its pass until it is applied; a stream has one hello.
    pub messages: mpsc::UnboundedSender<ToLeader>,
}

/// What is overdue when the loop is about to sleep waits for an entry that is under way, and its end wakes the loop. A
/// leader without a majority would spin.
const OVERDUE_AGAIN: Duration = Duration::from_millis(1);

/// What the loop works with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) raft: RaftNode,
    pub(super) machine: Arc<RwLock<Machine>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) patience: Patience,
    pub(super) lane_bytes: LaneBytes,
    /// How often the series of the groups get a row.
    pub(super) stats_every: Millis,
}

/// Leads whenever this node is the leader; shows the way to the loop in `shown`. Ends when consensus does.
///
/// # Errors
/// If storage fails, and then the node must stop.
pub(super) async fn run(desk: Desk, shown: watch::Sender<Option<LeaderHandle>>) -> Result<(), BaseError> {
    let mut leadership = desk.raft.leadership();
    loop {
        let leads = leadership.wait_for(|now| now.am_leader).await;
        let Ok(term) = leads.map(|now| now.term) else { return Ok(()) };
        lead(&desk, term, &mut leadership, &shown).await?;
    }
}

async fn lead(
    desk: &Desk,
    term: u64,
    leadership: &mut watch::Receiver<Leadership>,
    shown: &watch::Sender<Option<LeaderHandle>>,
) -> Result<(), BaseError> {
    if planted::is(Bug::NewLeaderDawdles) && term > 1 {
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    failpoint!("leader::before_recover");
    let began = desk.clock.monotonic();
    desk.raft.raise_time(desk.machine.read().now());
    let (messages, inbox) = mpsc::unbounded_channel();
    let mut office = Office {
        desk,
        leading: Leading::recover(term, Arc::clone(&desk.machine), desk.patience, desk.stats_every, began)?,
        inbox,
        own: messages.clone(),
        in_flight: FuturesOrdered::new(),
    };
    let took = desk.clock.monotonic().saturating_duration_since(began);
    tracing::info!(term, ?took, "this JobTracker leads");
    shown.send_replace(Some(LeaderHandle { term, door: Door::new(desk.lane_bytes), messages }));
    failpoint!("leader::recovered");
    let outcome = office.work(term, leadership).await;
    failpoint!("leader::before_step_down");
    shown.send_replace(None);
    office.close().await;
    tracing::info!(term, "this JobTracker no longer leads");
    outcome
}

type InFlight = std::pin::Pin<Box<dyn Future<Output = (Proposed, Result<Applied, ProposeError>)> + Send>>;

/// One term's work.
struct Office<'a> {
    desk: &'a Desk,
    leading: Leading,
    inbox: mpsc::UnboundedReceiver<ToLeader>,
    own: mpsc::UnboundedSender<ToLeader>,
    in_flight: FuturesOrdered<InFlight>,
}

impl Office<'_> {
    async fn work(
        &mut self,
        term: u64,
        leadership: &mut watch::Receiver<Leadership>,
    ) -> Result<(), BaseError> {
        let mut messages = Vec::new();
        let mut seen = self.now();
        loop {
            let now = self.now();
            if now.saturating_duration_since(seen) > FROZEN {
                tracing::warn!(away = ?now.saturating_duration_since(seen), "this process was frozen");
                self.leading.thawed(now);
            }
            seen = now;
            self.propose();
            self.leading.tell_clients(now, self.time())?;
            self.ask_calendar()?;
            let sleep = tokio::time::sleep(self.until_next());
            tokio::select! {
                Some((proposed, result)) = self.in_flight.next() => {
                    let now = self.now();
                    self.leading.applied(now, proposed, result.map_err(outcome_of))?;
                }
                _ = self.inbox.recv_many(&mut messages, MESSAGES_MAX) => {}
                changed = leadership.changed() => {
                    let leads = changed.is_ok() && {
                        let seen = leadership.borrow_and_update();
                        seen.am_leader && seen.term == term
                    };
                    if !leads {
                        return Ok(());
                    }
                }
                () = sleep => {
                    let now = self.now();
                    self.leading.tick(now);
                }
            }
            let now = self.now();
            for message in messages.drain(..) {
                self.leading.handle(now, message)?;
            }
        }
    }

    fn now(&self) -> Instant {
        self.desk.clock.monotonic()
    }

    fn time(&self) -> Timestamp {
        self.desk.raft.now()
    }

    fn propose(&mut self) {
        while self.in_flight.len() < IN_FLIGHT_MAX {
            let (now, at) = (self.now(), self.time());
            let Some((entry, proposed)) = self.leading.close_entry(now, at) else { return };
            failpoint!("leader::before_propose");
            let applied = self.desk.raft.propose(entry);
            self.in_flight.push_back(Box::pin(async move { (proposed, applied.await) }));
        }
    }

    /// On a thread of its own: the calendar may take milliseconds.
    fn ask_calendar(&mut self) -> Result<(), BaseError> {
        let unplanned: Vec<Unplanned> = self.leading.take_unplanned(self.desk.clock.monotonic())?;
        if unplanned.is_empty() {
            return Ok(());
        }
        let (own, now) = (self.own.clone(), self.time());
        tokio::spawn(async move {
            let plan = move || {
                unplanned.iter().filter_map(|unplanned| planner::plan_surely(unplanned, now)).collect()
            };
            if let Ok(plans) = blocking(plan).await {
                // A term that is over needs no plan.
                let _ = own.send(ToLeader::Planned(plans));
            }
        });
        Ok(())
    }

    fn until_next(&self) -> Duration {
        let tick = self.leading.next_tick().saturating_duration_since(self.now());
        let due = self.leading.next_due(self.now()).map(|due| Duration::from(due.since(self.time())));
        let until = tick.min(due.unwrap_or(SLEEP_MAX)).min(SLEEP_MAX);
        if until.is_zero() { OVERDUE_AGAIN } else { until }
    }

    /// Tells everybody what is known; what is in flight may still be committed, so it is waited for.
    async fn close(mut self) {
        self.inbox.close();
        while let Ok(message) = self.inbox.try_recv() {
            let now = self.now();
            // A storage failure has been reported where it happened.
            let _ = self.leading.handle(now, message);
        }
        let now = self.now();
        let Office { leading, mut in_flight, .. } = self;
        leading.end(now);
        tokio::spawn(async move {
            while let Some((proposed, result)) = in_flight.next().await {
                proposed.conclude(result.map_err(outcome_of));
            }
        });
    }
}

fn outcome_of(error: ProposeError) -> Outcome {
    match error {
        ProposeError::NotLeader { .. } | ProposeError::Stopped => Outcome::NotApplied,
        ProposeError::Unknown if planted::is(Bug::UnknownToldAsNotApplied) => Outcome::NotApplied,
        ProposeError::Unknown => Outcome::Unknown,
    }
}
