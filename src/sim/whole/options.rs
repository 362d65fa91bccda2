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

#[derive(Clone, Debug)]
pub(super) struct Options {
    /// How many JobTrackers there are.
    pub(super) hosts: usize,
    /// How long faults go on.
    pub(super) safety: Ms,
    pub(super) trackers: usize,
    /// Something is asked every so many milliseconds, on average.
    pub(super) asks_every: Ms,
    /// How long the longest executions take.
    pub(super) longest_work: Ms,
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
    /// So many hosts, from the first on, are cut off from the others.
    Split {
        first: usize,
        count: usize,
    },
    /// One direction between two hosts.
    OneWay(usize, usize),
    Lossy(Way),
    SlowDisk(Aim, Temper),
    /// Syncs fail, so the node stops itself.
    BadDisk(Aim),
    /// Nothing more can be written, so the node stops itself.
    FullDisk(Aim),
    /// A host loses all that it had, and comes back as a new node that has to be admitted.
    Wipe(usize),
    Clock(usize, i64),
    /// A wall clock that goes wrong by so many microseconds a second.
    Drift(usize, i64),
    /// A process is asked to end, and comes back.
    Restart(usize),
    /// The leader is asked to hand over to this host.
    HandOver(usize),
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

const FAMILIES: usize = 19;

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
        let (trackers, asks_every) = (2 + rng.below(4), *rng.pick(&[20, 60, 200]));
        let (hosts, longest_work) = (if rng.percent(15) { 5 } else { 3 }, *rng.pick(&[3_000, 6_000, 15_000]));
        let faults = draw_faults(rng, safety, hosts, trackers);
        let way = Way { delay, ..Way::GOOD };
        Options { hosts, safety, trackers, asks_every, longest_work, way, raft, flush, faults }
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

fn draw_faults(rng: &mut Rng, safety: Ms, hosts: usize, trackers: usize) -> Vec<Fault> {
    let mut families: Vec<usize> = (0..FAMILIES).filter(|_| rng.percent(40)).collect();
    if families.len() < 2 {
        families = vec![0, rng.below(FAMILIES)];
    }
    let gap = *rng.pick(&[600, 1_500, 4_000]);
    // One clock at most is wrong in a seed: what others heard of it is believed for a minute, also while it is down.
    let wrong_clock = rng.below(hosts);
    let (mut faults, mut at) = (Vec::new(), 3_000);
    while at < safety {
        let family = *rng.pick(&families);
        let lasts = match rng.between(0, 99) {
            0..=44 => rng.between(50, 600),
            45..=84 => rng.between(600, 4_000),
            // Longer than it takes to lead elsewhere and to take a silent TaskTracker's work back.
            _ => rng.between(4_000, 14_000),
        };
        faults.push(Fault { at, lasts, what: draw(rng, family, hosts, trackers, wrong_clock) });
        at += rng.between(gap / 4, gap * 2);
    }
    faults
}

fn draw(rng: &mut Rng, family: usize, hosts: usize, trackers: usize, wrong_clock: usize) -> What {
    let aim = if rng.percent(50) { Aim::Leader } else { Aim::Host(rng.below(hosts)) };
    let (host, tracker) = (rng.below(hosts), rng.below(trackers));
    match family {
        0 => What::Crash(aim, Crash::Killed),
        1 => What::Crash(aim, Crash::PowerCut),
        2 => What::Blackout,
        3 => What::Freeze(aim),
        4 => What::Isolate(aim),
        5 => What::OneWay(host, (host + 1 + rng.below(hosts - 1)) % hosts),
        6 => {
            let to = rng.between(5, 80);
            What::Lossy(Way { cut: false, delay: (1, to), loss_percent: *rng.pick(&[0, 2, 20]) })
        }
        7 => {
            let to = *rng.pick(&[20, 150, 800]);
            What::SlowDisk(aim, Temper { sync_ms: (1, to), ..Temper::default() })
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
        12 => What::Snapshot(host),
        13 => What::Split { first: host, count: hosts / 2 },
        14 => What::FullDisk(aim),
        15 => What::Wipe(host),
        16 => What::Drift(wrong_clock, *rng.pick(&[-50_000, -1_000, 1_000, 50_000])),
        17 => What::Restart(host),
        _ => What::HandOver(host),
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RaftConfig { election_timeout_min, snapshot_entries, keep_entries, hand_over, .. } = &self.raft;
        write!(
            f,
            "faults {} in {}s, JobTrackers {}, TaskTrackers {}, work {}ms, ask/{}ms, delay {:?}ms, election {election_timeout_min}, snapshot/{snapshot_entries} keep \
             {keep_entries}, hand over {hand_over}, seal {}B/{:?} flush {}B",
            self.faults.len(),
            self.safety / 1000,
            self.hosts,
            self.trackers,
            self.longest_work,
            self.asks_every,
            self.way.delay,
            self.flush.seal_bytes,
            self.flush.seal_age,
            self.flush.flush_bytes,
        )
    }
}
