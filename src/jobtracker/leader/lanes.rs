//! Admission: commands wait in lanes until an entry has room, the urgent ones first.
//!
//! Each lane is bounded in bytes, what waits for the loop included; beyond its bound a call's answer is BUSY with a hint, a
//! TaskTracker's stream is read no further, and lines of user code are dropped: at the door, before anything was promised. Completions and time come before dispatches, those before submits, those before logs, so that a full
//! system drains.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::jobtracker::session::{ExecutionResult, FromTracker};
use crate::machine::Command;

/// Commands in one entry.
const ENTRY_COMMANDS_MAX: usize = 4096;
/// Bytes in one entry; a single larger command still goes, alone.
const ENTRY_BYTES_MAX: usize = 1 << 20;
/// What a command weighs beside its payloads, roughly.
const COMMAND_BYTES: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Completions, hellos, plans, reclaims: what drains or keeps time.
    Drain,
    /// What clients ask for.
    Request,
    /// What may wait, and may be lost first.
    Log,
}

const LANES: [Lane; 3] = [Lane::Drain, Lane::Request, Lane::Log];

/// How many bytes may wait in each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneBytes {
    pub drain: usize,
    pub request: usize,
    pub log: usize,
}

impl Default for LaneBytes {
    fn default() -> LaneBytes {
        LaneBytes { drain: 256 << 20, request: 64 << 20, log: 8 << 20 }
    }
}

impl LaneBytes {
    fn of(self, lane: Lane) -> usize {
        match lane {
            Lane::Drain => self.drain,
            Lane::Request => self.request,
            Lane::Log => self.log,
        }
    }
}

/// The lane is full; try again soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Bytes that wait, counted at the door.
#[derive(Clone, Debug)]
pub struct Door {
    bounds: LaneBytes,
    used: Arc<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: [AtomicUsize; 3],
    /// How many wait for room.
    waiting: AtomicUsize,
    left: Notify,
}

/// A command's weight in its lane, given back when it leaves.
#[derive(Debug)]
pub struct Pass {
    used: Arc<Used>,
    lane: Lane,
    bytes: usize,
}

impl Door {
    pub fn new(bounds: LaneBytes) -> Door {
        Door { bounds, used: Arc::default() }
    }

    /// # Errors
    /// If the lane has no room for so many bytes; an empty lane lets anything in.
    pub fn enter(&self, lane: Lane, bytes: usize) -> Result<Pass, Full> {
        let bound = self.bounds.of(lane);
        let admit = |used: usize| {
            let after = used.saturating_add(bytes);
            (used == 0 || after <= bound).then_some(after)
        };
        // In one order with `waiting`, so that who finds no room is seen by who leaves.
        let entered = self.used.bytes[lane as usize].fetch_update(Ordering::SeqCst, Ordering::SeqCst, admit);
        entered.map(|_| Pass { used: Arc::clone(&self.used), lane, bytes }).map_err(|_| Full)
    }

    /// Waits until the lane has room.
    pub async fn wait(&self, lane: Lane, bytes: usize) -> Pass {
        if let Ok(pass) = self.enter(lane, bytes) {
            return pass;
        }
        let _waiting = Waiting::begin(&self.used);
        loop {
            let mut left = pin!(self.used.left.notified());
            left.as_mut().enable();
            if let Ok(pass) = self.enter(lane, bytes) {
                return pass;
            }
            left.await;
        }
    }

    /// Bytes that wait in a lane.
    pub fn used(&self, lane: Lane) -> usize {
        self.used.bytes[lane as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.used.bytes[self.lane as usize].fetch_sub(self.bytes, Ordering::SeqCst);
        if self.used.waiting.load(Ordering::SeqCst) > 0 {
            self.used.left.notify_waiters();
        }
    }
}

/// Counts one that waits, as long as it does.
struct Waiting<'a>(&'a Used);

impl Waiting<'_> {
    fn begin(used: &Used) -> Waiting<'_> {
        used.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(used)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a message of a session weighs until what it asks for is applied, and in which lane.
pub fn weight_of(message: &FromTracker) -> (Lane, usize) {
    let ids = |count: usize| (Lane::Drain, COMMAND_BYTES + 16 * count);
    match message {
        FromTracker::Completed { results, .. } => {
            let weigh = |r: &ExecutionResult| COMMAND_BYTES + r.outcome.result.len() + r.outcome.error.len();
            (Lane::Drain, COMMAND_BYTES + results.iter().map(weigh).sum::<usize>())
        }
        FromTracker::BizLogs(lines) => {
            let lines = lines.iter().flat_map(|of| &of.lines).map(|line| 32 + line.text.len());
            (Lane::Log, COMMAND_BYTES + lines.sum::<usize>())
        }
        FromTracker::Returned { executions, .. } => ids(executions.len()),
        FromTracker::Unknown(executions) => ids(executions.len()),
        FromTracker::Heartbeat { running, .. } => ids(running.len()),
        FromTracker::Samples(samples) => (Lane::Log, COMMAND_BYTES * (1 + samples.len())),
        FromTracker::Accepting(_) | FromTracker::Resize(_) | FromTracker::Left => ids(0),
    }
}

/// What a command weighs in the log, roughly.
pub fn weight(command: &Command) -> usize {
    let variable = match command {
        Command::Submit(submit) => {
            submit.jobs.iter().map(|job| COMMAND_BYTES + job.payload.len() + 32 * job.params.len()).sum()
        }
        Command::Complete(complete) => complete
            .results
            .iter()
            .map(|r| COMMAND_BYTES + r.outcome.result.len() + r.outcome.error.len())
            .sum(),
        Command::BizLog(log) => {
            log.lines.iter().flat_map(|l| &l.lines).map(|line| 32 + line.text.len()).sum()
        }
        Command::Plan(plan) => plan.jobs.iter().map(|job| 64 + 8 * job.instants.len()).sum(),
        Command::SetAlarms(set) => COMMAND_BYTES * set.changes.len(),
        Command::TrackerOnline(online) => 8 * online.holds.len(),
        Command::Update(update) => update.patch.as_ref().map_or(0, |patch| {
            patch.payload.as_ref().map_or(0, |payload| payload.len())
                + patch.params.as_ref().map_or(0, |params| 32 * params.len())
        }),
        Command::PauseQueue(pause) => pause.by.len() + pause.reason.len(),
        Command::Drain(drain) => drain.by.len() + drain.reason.len(),
        Command::Stats(told) => {
            COMMAND_BYTES * (told.groups.len() + told.trackers.len() + told.jobtrackers.len())
        }
        Command::ClientOpen(_)
        | Command::Cancel(_)
        | Command::Terminate(_)
        | Command::Retry(_)
        | Command::Suspend(_)
        | Command::Resume(_)
        | Command::Trigger(_)
        | Command::Delete(_)
        | Command::TrackerOffline(_)
        | Command::Dispatch(_)
        | Command::Return(_)
        | Command::Reclaim(_)
        | Command::Tick
        | Command::Expire
        | Command::AlarmsTold(_)
        | Command::SilenceAlarm(_)
        | Command::DeleteGroup(_)
        | Command::SetLimits(_)
        | Command::ResumeQueue(_)
        | Command::Undrain(_)
        | Command::SetSlots(_)
        | Command::FeedbackRetry(_)
        | Command::FeedbackDrop(_) => 0,
        Command::FeedbackHeard(heard) => 16 * heard.runs.len(),
        Command::FeedbackFailed(failed) => {
            failed.failures.iter().map(|failure| 24 + failure.error.len()).sum()
        }
    };
    COMMAND_BYTES + variable
}

/// Commands that wait for an entry, each with whoever wants to know what became of it.
#[derive(Debug)]
pub(super) struct Lanes<O> {
    queues: [VecDeque<(Command, O)>; 3],
}

impl<O> Lanes<O> {
    pub(super) fn new() -> Lanes<O> {
        Lanes { queues: std::array::from_fn(|_| VecDeque::new()) }
    }

    pub(super) fn push(&mut self, lane: Lane, command: Command, origin: O) {
        self.queues[lane as usize].push_back((command, origin));
    }

    /// Moves the commands of some origins to the end of another lane; they keep their order.
    pub(super) fn promote(&mut self, from: Lane, to: Lane, which: impl Fn(&O) -> bool) {
        if self.queues[from as usize].is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.queues[from as usize]);
        for (command, origin) in waiting {
            let lane = if which(&origin) { to } else { from };
            self.queues[lane as usize].push_back((command, origin));
        }
    }

    /// As many waiting commands as fit into one entry, the urgent lanes first.
    pub(super) fn take_entry(&mut self) -> Vec<(Command, O)> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        for lane in LANES {
            let queue = &mut self.queues[lane as usize];
            while let Some((command, _)) = queue.front() {
                let weight = weight(command);
                let full = taken.len() >= ENTRY_COMMANDS_MAX || bytes + weight > ENTRY_BYTES_MAX;
                if full && !taken.is_empty() {
                    return taken;
                }
                bytes += weight;
                taken.extend(queue.pop_front());
            }
        }
        taken
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Command, O)> {
        self.queues.iter_mut().flat_map(|queue| queue.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::command::{BizLog, Return};

    fn command(n: usize) -> Command {
        match n % 2 {
            0 => Command::Return(Return { executions: Vec::new(), began: false }),
            _ => Command::BizLog(BizLog { lines: Vec::new() }),
        }
    }

    #[test]
    fn the_urgent_lane_goes_first_and_each_keeps_its_order() {
        let mut lanes = Lanes::new();
        for n in 0..6 {
            lanes.push(if n % 2 == 0 { Lane::Drain } else { Lane::Log }, command(n), n);
        }
        let order: Vec<_> = lanes.take_entry().into_iter().map(|(_, n)| n).collect();
        assert_eq!(order, [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn what_is_promoted_goes_before_what_comes_after_it() {
        let mut lanes = Lanes::new();
        (0..4).for_each(|n| lanes.push(Lane::Log, command(1), n));
        lanes.push(Lane::Drain, command(0), 10);
        lanes.promote(Lane::Log, Lane::Drain, |n| n % 2 == 1);
        lanes.push(Lane::Drain, command(0), 11);
        let order: Vec<_> = lanes.take_entry().into_iter().map(|(_, n)| n).collect();
        assert_eq!(order, [10, 1, 3, 11, 0, 2]);
    }

    #[test]
    fn an_entry_is_bounded_and_the_rest_waits() {
        let mut lanes = Lanes::new();
        (0..10_000).for_each(|n| lanes.push(Lane::Drain, Command::Tick, n));
        let sizes: Vec<_> =
            std::iter::from_fn(|| Some(lanes.take_entry().len()).filter(|len| *len > 0)).collect();
        assert_eq!(sizes, [4096, 4096, 1808]);
    }

    #[tokio::test]
    async fn who_waits_for_room_enters_when_enough_has_left() {
        let door = Door::new(LaneBytes { drain: 100, request: 100, log: 100 });
        let (first, second) = (door.enter(Lane::Drain, 60), door.enter(Lane::Drain, 40));
        let mut waiting = pin!(door.wait(Lane::Drain, 50));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(second);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending(), "40 are too few");
        drop(first);
        let pass = waiting.await;
        assert_eq!((pass.bytes, door.used(Lane::Drain)), (50, 50));
    }

    #[test]
    fn a_full_lane_refuses_and_lets_in_again_when_something_left() {
        let door = Door::new(LaneBytes { drain: 100, request: 100, log: 100 });
        let first = door.enter(Lane::Request, 80).expect("it is empty");
        assert_eq!(door.enter(Lane::Request, 30).map(|_| ()), Err(Full));
        assert_eq!(door.used(Lane::Request), 80);
        drop(first);
        let large = door.enter(Lane::Request, 500).map(|pass| pass.bytes);
        assert_eq!(large, Ok(500), "an empty lane takes even what is larger than it");
    }
}
