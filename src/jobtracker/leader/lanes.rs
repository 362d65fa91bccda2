//! Admission: commands wait in lanes until an entry has room, the urgent ones first.
//!
//! Each lane is bounded in bytes; beyond its bound the answer is BUSY with a hint, at the door and before anything was
//! promised. Completions and time come before dispatches, those before submits, those before logs, so that a full
//! system drains.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    used: Arc<[AtomicUsize; 3]>,
}

/// A command's weight in its lane, given back when it leaves.
#[derive(Debug)]
pub struct Pass {
    used: Arc<[AtomicUsize; 3]>,
    lane: Lane,
    bytes: usize,
}

impl Door {
    pub fn new(bounds: LaneBytes) -> Door {
        Door { bounds, used: Arc::new(std::array::from_fn(|_| AtomicUsize::new(0))) }
    }

    /// # Errors
    /// If the lane has no room for so many bytes; an empty lane lets anything in.
    pub fn enter(&self, lane: Lane, bytes: usize) -> Result<Pass, Full> {
        let before = self.used[lane as usize].fetch_add(bytes, Ordering::Relaxed);
        let pass = Pass { used: Arc::clone(&self.used), lane, bytes };
        if before > 0 && before.saturating_add(bytes) > self.bounds.of(lane) { Err(Full) } else { Ok(pass) }
    }

    /// Bytes that wait in a lane.
    pub fn used(&self, lane: Lane) -> usize {
        self.used[lane as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.used[self.lane as usize].fetch_sub(self.bytes, Ordering::Relaxed);
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
        Command::TrackerOnline(online) => 8 * online.holds.len(),
        Command::ClientOpen(_)
        | Command::Cancel(_)
        | Command::Terminate(_)
        | Command::Retry(_)
        | Command::TrackerOffline(_)
        | Command::Dispatch(_)
        | Command::Return(_)
        | Command::Reclaim(_)
        | Command::Tick
        | Command::Expire
        | Command::SetLimits(_) => 0,
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
