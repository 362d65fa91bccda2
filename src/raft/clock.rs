//! Time by majority: the cluster's time is the latest instant that a majority of voters have reached.
//!
//! Every answer between JobTrackers carries the sender's wall clock. A reading is carried forward by the monotonic
//! clock, so it lags its sender by the answer's way and is never ahead of it. One clock that is wrong then makes nothing
//! early, whichever node it sits on, the leader's own included; and the time never goes back. Pure: readings and the
//! present come in. Not here: who reads the wall clock (`domain::Clock`), what an entry's time does (`machine`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::{Millis, Timestamp};
use crate::store::NodeId;

/// A clock that nobody has heard for so long confirms nothing: its host may have been suspended since.
const READING_AGE_MAX: Duration = Duration::from_secs(60);

/// What a node's clock was seen to show.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: Timestamp,
    received: Instant,
}

impl Reading {
    fn carried_to(&self, now: Instant) -> Option<Timestamp> {
        let age = now.saturating_duration_since(self.received);
        (age <= READING_AGE_MAX).then(|| self.wall + Millis::from(age))
    }
}

/// How far a voter's clock is from the majority's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    pub node: NodeId,
    /// Positive when it is fast. Readings lag by the network's way, so a few milliseconds mean nothing.
    pub ms: i64,
}

impl Skew {
    /// Further off than `bound`, in either direction.
    pub fn exceeds(&self, bound: Millis) -> bool {
        self.ms.unsigned_abs() > bound.get()
    }
}

/// The present, as the caller's own clocks show it.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    pub wall: Timestamp,
    pub monotonic: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct MajorityClock {
    me: NodeId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// One set of voters, two while they change: time then needs a majority of both.
    configs: Vec<BTreeSet<NodeId>>,
    readings: BTreeMap<NodeId, Reading>,
    /// The latest time given out.
    floor: Timestamp,
}

impl MajorityClock {
    pub fn new(me: NodeId) -> MajorityClock {
        MajorityClock { me, state: Mutex::default() }
    }

    /// Whose clocks count. Readings of others are forgotten.
    pub fn set_voters(&self, configs: Vec<BTreeSet<NodeId>>) {
        let mut state = self.state.lock();
        state.readings.retain(|id, _| configs.iter().any(|config| config.contains(id)));
        state.configs = configs;
    }

    /// An answer of `peer` said `wall` and arrived at `received`. The latest answer counts: clocks may be set back.
    pub fn heard(&self, peer: NodeId, wall: Timestamp, received: Instant) {
        let mut state = self.state.lock();
        let known = state.configs.is_empty() || state.configs.iter().any(|config| config.contains(&peer));
        let newer = state.readings.get(&peer).is_none_or(|reading| reading.received <= received);
        if peer != self.me && known && newer {
            state.readings.insert(peer, Reading { wall, received });
        }
    }

    /// Time never shows less than this: what the log says already.
    pub fn raise(&self, floor: Timestamp) {
        let mut state = self.state.lock();
        state.floor = state.floor.max(floor);
    }

    /// The latest instant that a majority of voters have reached; while too few are known, what was given out last.
    pub fn now(&self, present: Present) -> Timestamp {
        let mut state = self.state.lock();
        if let Some(confirmed) = state.confirmed(self.me, present) {
            state.floor = state.floor.max(confirmed);
        }
        state.floor
    }

    /// How far each voter's clock is off, this node's included; empty while too few are known to tell.
    pub fn skews(&self, present: Present) -> Vec<Skew> {
        let state = self.state.lock();
        let Some(majority) = state.confirmed(self.me, present) else { return Vec::new() };
        let voters: BTreeSet<NodeId> = state.configs.iter().flatten().copied().collect();
        let shown = voters.into_iter().filter_map(|node| Some((node, state.shown(node, self.me, present)?)));
        shown.map(|(node, shown)| Skew { node, ms: signed_difference(shown, majority) }).collect()
    }
}

impl State {
    fn shown(&self, node: NodeId, me: NodeId, present: Present) -> Option<Timestamp> {
        if node == me {
            return Some(present.wall);
        }
        self.readings.get(&node).and_then(|reading| reading.carried_to(present.monotonic))
    }

    fn confirmed(&self, me: NodeId, present: Present) -> Option<Timestamp> {
        let majorities = self.configs.iter().map(|config| {
            let shown = config.iter().filter_map(|node| self.shown(*node, me, present)).collect();
            reached_by_majority(shown, config.len())
        });
        majorities.min().flatten()
    }
}

/// The greatest of `shown` that more than half of `voters` clocks have reached; those that are not known have not.
fn reached_by_majority(mut shown: Vec<Timestamp>, voters: usize) -> Option<Timestamp> {
    shown.sort_unstable_by(|a, b| b.cmp(a));
    shown.get(voters / 2).copied()
}

fn signed_difference(shown: Timestamp, majority: Timestamp) -> i64 {
    let ahead = i64::try_from(shown.since(majority).get()).unwrap_or(i64::MAX);
    let behind = i64::try_from(majority.since(shown).get()).unwrap_or(i64::MAX);
    ahead - behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clock, SystemClock};

    /// Three voters; this is node 1. Times are milliseconds after an arbitrary start.
    struct Story {
        clock: MajorityClock,
        start: Instant,
    }

    const EPOCH: u64 = 1_000_000;

    impl Story {
        fn new(voters: &[NodeId]) -> Story {
            let clock = MajorityClock::new(1);
            clock.set_voters(vec![voters.iter().copied().collect()]);
            Story { clock, start: SystemClock.monotonic() }
        }

        fn heard(&self, peer: NodeId, shows: u64, at: u64) {
            self.clock.heard(
                peer,
                Timestamp::from_millis(EPOCH + shows),
                self.start + Duration::from_millis(at),
            );
        }

        fn present(&self, own: u64, at: u64) -> Present {
            Present {
                wall: Timestamp::from_millis(EPOCH + own),
                monotonic: self.start + Duration::from_millis(at),
            }
        }

        fn now(&self, own: u64, at: u64) -> u64 {
            self.clock.now(self.present(own, at)).as_millis().saturating_sub(EPOCH)
        }

        fn skews(&self, own: u64, at: u64) -> Vec<(NodeId, i64)> {
            self.clock.skews(self.present(own, at)).into_iter().map(|skew| (skew.node, skew.ms)).collect()
        }
    }

    #[test]
    fn one_fast_clock_makes_nothing_early() {
        let story = Story::new(&[1, 2, 3]);
        story.heard(2, 9_000, 0);
        story.heard(3, 0, 0);
        assert_eq!(story.now(100, 100), 100);
        assert_eq!(story.skews(100, 100), [(1, 0), (2, 9_000), (3, 0)]);
    }

    #[test]
    fn the_own_clock_may_be_the_fast_one() {
        let story = Story::new(&[1, 2, 3]);
        story.heard(2, 0, 0);
        story.heard(3, 10, 0);
        assert_eq!(story.now(3_600_000, 100), 110);
        assert_eq!(story.skews(3_600_000, 100), [(1, 3_599_890), (2, -10), (3, 0)]);
    }

    #[test]
    fn one_slow_clock_delays_nothing() {
        let story = Story::new(&[1, 2, 3]);
        story.heard(2, 1_000, 0);
        story.heard(3, 0, 0);
        assert_eq!(story.now(1_000, 0), 1_000);
        assert_eq!(story.skews(1_000, 0), [(1, 0), (2, 0), (3, -1_000)]);
    }

    #[test]
    fn a_clock_that_jumps_moves_nothing_and_the_rest_carries_on() {
        let story = Story::new(&[1, 2, 3]);
        story.heard(2, 0, 0);
        story.heard(3, 0, 0);
        assert_eq!(story.now(0, 0), 0);
        story.heard(2, 3_600_000, 100);
        assert_eq!(story.now(100, 100), 100);
        story.heard(2, 200, 200);
        assert_eq!(story.now(200, 200), 200);
    }

    #[test]
    fn one_unknown_clock_counts_as_behind() {
        let story = Story::new(&[1, 2, 3]);
        assert_eq!(story.now(500, 500), 0, "one of three is no majority");
        assert_eq!(story.skews(500, 500), []);
        story.heard(2, 400, 500);
        assert_eq!(story.now(500, 500), 400, "both known ones have reached it");
        assert_eq!(story.now(600, 600), 500);
    }

    #[test]
    fn time_never_goes_back() {
        let story = Story::new(&[1, 2, 3]);
        story.heard(2, 1_000, 0);
        story.heard(3, 1_000, 0);
        assert_eq!(story.now(1_000, 0), 1_000);
        story.heard(2, 10, 10);
        story.heard(3, 10, 10);
        assert_eq!(story.now(10, 10), 1_000);
        story.clock.raise(Timestamp::from_millis(EPOCH + 2_000));
        assert_eq!(story.now(20, 20), 2_000);
    }

    #[test]
    fn a_reading_is_carried_forward_until_it_is_too_old() {
        let story = Story::new(&[1, 2, 3]);
        story.heard(2, 0, 0);
        assert_eq!(story.now(60_000, 60_000), 60_000);
        assert_eq!(story.now(60_001, 60_001), 60_000, "nobody confirms more");
        assert_eq!(story.skews(60_001, 60_001), []);
    }

    #[test]
    fn while_voters_change_both_majorities_must_have_reached_it() {
        let story = Story::new(&[1, 2, 3]);
        story.clock.set_voters(vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([3, 4, 5])]);
        story.heard(2, 1_000, 0);
        story.heard(3, 1_000, 0);
        assert_eq!(story.now(1_000, 0), 0, "of the new set only node 3 is known");
        story.heard(4, 700, 0);
        assert_eq!(story.now(1_000, 0), 700);
    }

    #[test]
    fn a_single_voter_is_its_own_majority_and_learners_do_not_count() {
        let story = Story::new(&[1]);
        story.heard(7, 9_000, 0);
        assert_eq!(story.now(5, 5), 5);
        assert_eq!(story.skews(5, 5), [(1, 0)]);
    }

    #[test]
    fn the_alarm_looks_in_both_directions() {
        let alarm = Millis::new(500);
        assert!(Skew { node: 1, ms: 501 }.exceeds(alarm) && Skew { node: 1, ms: -501 }.exceeds(alarm));
        assert!(!Skew { node: 1, ms: -500 }.exceeds(alarm));
    }
}
