//! What a seed draws before anything happens: the shape of the cluster, how busy it is, and which faults it meets when.
//!
//! Swarm testing: most seeds leave most faults out, so that each gets worlds in which it dominates.

use std::fmt;
use std::time::Duration;

use super::super::rng::Rng;
use super::super::tracker::{Ms, RECLAIM_AFTER};
use super::net::Way;
use crate::domain::Millis;
use crate::jobtracker::leader::LaneBytes;
use crate::jobtracker::{NodeOptions, SessionTimes};
use crate::raft::RaftConfig;
use crate::store::FlushPolicy;
use crate::store::mem_disk::{Crash, Temper};

pub(super) const HOSTS: usize = 3;

#[derive(Clone, Debug)]
pub(super) struct Options {
    /// How long faults go on.
    pub(super) safety: Ms,
    pub(super) trackers: usize,
    /// Something is asked every so many milliseconds, on average.
    pub(super) asks_every: Ms,
    pub(super) way: Way,
    pub(super) raft: RaftConfig,
    pub(super) flush: FlushPolicy,
    pub(super) faults: Vec<Fault>,
}

#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) at: Ms,
    pub(super) lasts: Ms,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A process or a host goes down, and comes up again.
    Crash(Aim, Crash),
    /// All hosts lose their power at once.
    Blackout,
    Freeze(Aim),
    /// One host cut off from the others.
    Isolate(Aim),
    /// One direction between two hosts.
    OneWay(usize, usize),
    Lossy(Way),
    SlowDisk(Aim, Temper),
    /// Syncs fail, so the node stops itself.
    BadDisk(Aim),
    Clock(usize, i64),
    TrackerDies(usize),
    TrackerFreezes(usize),
    TrackerCutOff(usize),
    Snapshot(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    Leader,
    Host(usize),
}

const FAMILIES: usize = 13;

impl Options {
    pub(super) fn draw(seed: u64) -> Options {
        let mut rng = Rng::new(seed ^ 0x6F70_7469_6F6E_7300);
        let rng = &mut rng;
        let safety = rng.between(15_000, 40_000);
        let election = *rng.pick(&[300, 500, 500]);
        let raft = RaftConfig {
            election_timeout_min: Millis::new(election),
            election_timeout_max: Millis::new(2 * election),
            snapshot_entries: *rng.pick(&[30, 200, 2_000, 200_000]),
            keep_entries: *rng.pick(&[0, 20, 1_000]),
            snapshot_timeout: Millis::from_secs(20),
            hand_over: rng.percent(75),
            ..RaftConfig::default()
        };
        let flush = FlushPolicy {
            seal_bytes: *rng.pick(&[2 << 10, 64 << 10, 16 << 20]),
            seal_age: Duration::from_millis(*rng.pick(&[20, 300, 2_000])),
            flush_bytes: *rng.pick(&[4 << 10, 256 << 10, 64 << 20]),
        };
        let delay = *rng.pick(&[(1, 2), (1, 2), (1, 8), (3, 30)]);
        let (trackers, asks_every) = (2 + rng.below(3), *rng.pick(&[20, 60, 200]));
        let faults = draw_faults(rng, safety, trackers);
        Options { safety, trackers, asks_every, way: Way { delay, ..Way::GOOD }, raft, flush, faults }
    }

    pub(super) fn node(&self, number: usize) -> NodeOptions {
        NodeOptions {
            raft: self.raft.clone(),
            flush: self.flush,
            lanes: LaneBytes::default(),
            sessions: SessionTimes {
                reclaim_after: Duration::from_millis(RECLAIM_AFTER),
                terminate_grace: Duration::from_secs(1),
                ..SessionTimes::default()
            },
            // The disk that is looked at is the real one under the snapshots.
            disk_free_min_percent: 0,
            ..NodeOptions::on_loopback(format!("n{}", number + 1), "")
        }
    }
}

fn draw_faults(rng: &mut Rng, safety: Ms, trackers: usize) -> Vec<Fault> {
    let mut families: Vec<usize> = (0..FAMILIES).filter(|_| rng.percent(40)).collect();
    if families.len() < 2 {
        families = vec![0, rng.below(FAMILIES)];
    }
    let gap = *rng.pick(&[600, 1_500, 4_000]);
    // One clock at most is wrong in a seed: what others heard of it is believed for a minute, also while it is down.
    let wrong_clock = rng.below(HOSTS);
    let (mut faults, mut at) = (Vec::new(), 3_000);
    while at < safety {
        let family = *rng.pick(&families);
        let lasts = *rng.pick(&[rng.clone().between(50, 600), rng.clone().between(600, 4_000)]);
        rng.next();
        faults.push(Fault { at, lasts, what: draw(rng, family, trackers, wrong_clock) });
        at += rng.between(gap / 4, gap * 2);
    }
    faults
}

fn draw(rng: &mut Rng, family: usize, trackers: usize, wrong_clock: usize) -> What {
    let aim = if rng.percent(50) { Aim::Leader } else { Aim::Host(rng.below(HOSTS)) };
    let (host, tracker) = (rng.below(HOSTS), rng.below(trackers));
    match family {
        0 => What::Crash(aim, Crash::Killed),
        1 => What::Crash(aim, Crash::PowerCut),
        2 => What::Blackout,
        3 => What::Freeze(aim),
        4 => What::Isolate(aim),
        5 => What::OneWay(host, (host + 1 + rng.below(HOSTS - 1)) % HOSTS),
        6 => {
            let to = rng.between(5, 80);
            What::Lossy(Way { cut: false, delay: (1, to), loss_percent: *rng.pick(&[0, 2, 20]) })
        }
        7 => {
            let to = *rng.pick(&[20, 150, 800]);
            What::SlowDisk(aim, Temper { sync_ms: (1, to), fails: false })
        }
        8 => What::BadDisk(aim),
        9 => {
            let by = *rng.pick(&[2_000, 60_000, 3_600_000]);
            What::Clock(wrong_clock, if rng.percent(60) { by } else { -by })
        }
        10 => What::TrackerDies(tracker),
        11 => {
            if rng.percent(50) {
                What::TrackerFreezes(tracker)
            } else {
                What::TrackerCutOff(tracker)
            }
        }
        _ => What::Snapshot(host),
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RaftConfig { election_timeout_min, snapshot_entries, keep_entries, hand_over, .. } = &self.raft;
        write!(
            f,
            "faults {} in {}s, trackers {}, ask/{}ms, delay {:?}ms, election {election_timeout_min}, snapshot/{snapshot_entries} keep \
             {keep_entries}, hand over {hand_over}, seal {}B/{:?} flush {}B",
            self.faults.len(),
            self.safety / 1000,
            self.trackers,
            self.asks_every,
            self.way.delay,
            self.flush.seal_bytes,
            self.flush.seal_age,
            self.flush.flush_bytes,
        )
    }
}
