//! The world of one seed: what happens, when, and to whom. One queue of happenings in virtual time, one source of
//! chance; the same seed is the same history to the last digest.
//!
//! Here is only the queue. What leaders do in their terms is in `term`, what happens to TaskTrackers in `trackers`, what
//! somebody does to the world in `deeds`, how it ends in `drain`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::calls::Calls;
use super::cluster::{Cluster, NODES};
use super::history::{Broken, History};
use super::jobs;
use super::office::{Now, Office};
use super::pages::Pages;
use super::rare::Rare;
use super::rng::Rng;
use super::tracker::{FromTracker, Ms, ToTracker, Tracker};
use crate::domain::{Clock, ExecutionId, Identity, Millis, NodeGroup, SystemClock, Timestamp};
use crate::machine::Reply;
use crate::machine::command::JobPlan;

const TRACKER_WAKES: Ms = 100;
/// How far right clocks are off.
pub(super) const SKEW: Ms = 15;

#[derive(Debug)]
pub(super) enum Happening {
    Commit {
        term: u64,
    },
    Apply {
        node: usize,
        up_to: u64,
    },
    /// The leader's loop hears what came of an entry; its tables may be ahead by then.
    Heard {
        term: u64,
        index: u64,
    },
    ToLeader {
        stream: u64,
        message: FromTracker,
    },
    ToTracker {
        tracker: usize,
        stream: u64,
        sent: Ms,
        message: ToTracker,
    },
    Lost {
        tracker: usize,
        stream: u64,
    },
    Detached {
        stream: u64,
    },
    Ended {
        tracker: usize,
        start: u64,
        execution: ExecutionId,
        interrupted: bool,
    },
    TimedOut {
        tracker: usize,
        start: u64,
        execution: ExecutionId,
    },
    Crash {
        tracker: usize,
        start: u64,
    },
    Restart {
        tracker: usize,
    },
    Thaw {
        tracker: usize,
    },
    TrackerWake {
        tracker: usize,
    },
    LeaderWake {
        term: u64,
    },
    Planned {
        term: u64,
        plans: Vec<JobPlan>,
    },
    Elect,
    NodeUp {
        node: usize,
    },
    Call {
        call: u64,
    },
    Answer {
        call: u64,
        reply: Reply,
    },
    Unknown {
        call: u64,
    },
}

/// One stream between a TaskTracker and the leader of a term; messages keep their order.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) tracker: usize,
    pub(super) term: u64,
    pub(super) to_tracker_at: Ms,
    pub(super) to_leader_at: Ms,
    /// The next message to the TaskTracker takes so much longer.
    pub(super) slow: Ms,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Ms,
    pub(super) epoch: Timestamp,
    beginning: Instant,
    queue: BTreeMap<(Ms, u64), Happening>,
    happenings: u64,
    pub(super) cluster: Cluster,
    pub(super) office: Option<Office>,
    pub(super) term: u64,
    /// When the last proposal is committed.
    pub(super) commit_at: Ms,
    pub(super) heard_at: Ms,
    pub(super) trackers: Vec<Tracker>,
    /// What reached a TaskTracker while it was frozen.
    pub(super) backlogs: Vec<Vec<Happening>>,
    /// When each TaskTracker was frozen last.
    pub(super) thawed: Vec<Ms>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) streams: u64,
    /// Executions whose user code does not stop when asked.
    pub(super) deaf: BTreeSet<ExecutionId>,
    pub(super) calls: Calls,
    pub(super) history: History,
    pub(super) pages: Pages,
    /// Every so many entries all tables are checked.
    pub(super) check_every: u64,
    /// No more faults: the world heals.
    pub(super) calm: bool,
}

impl World {
    pub(super) fn new(seed: u64, check_every: u64) -> World {
        let mut rng = Rng::new(seed);
        // An ordinary day, the eve of 2031, Berlin's and Lord Howe's clocks about to change.
        let epoch = *rng.pick(&[1_900_000_000_000, 1_924_991_970_000, 1_900_630_760_000, 1_901_199_500_000]);
        let mut world = World {
            rng,
            now: 0,
            epoch: Timestamp::from_millis(epoch),
            beginning: SystemClock.monotonic(),
            queue: BTreeMap::new(),
            happenings: 0,
            cluster: Cluster::new(),
            office: None,
            term: 0,
            commit_at: 0,
            heard_at: 0,
            trackers: Vec::new(),
            backlogs: Vec::new(),
            thawed: Vec::new(),
            links: BTreeMap::new(),
            streams: 0,
            deaf: BTreeSet::new(),
            calls: Calls::default(),
            history: History::default(),
            pages: Pages::default(),
            check_every,
            calm: false,
        };
        world.people();
        world.after(1, Happening::Elect);
        world
    }

    /// Each group has a TaskTracker that takes all kinds, some have more.
    fn people(&mut self) {
        for node in 0..NODES {
            self.cluster.offsets[node] = self.rng.between(0, 2 * SKEW) as i64 - SKEW as i64;
        }
        let extra = self.rng.below(4);
        for number in 0..jobs::GROUPS.len() + extra {
            let group = NodeGroup::new(jobs::GROUPS[number % 2]).expect("a short name");
            let who = Identity::new(format!("w{number}")).expect("a short name");
            let takes_all = number < jobs::GROUPS.len() || self.rng.percent(50);
            let kinds = if takes_all { BTreeSet::new() } else { [jobs::kind(jobs::KINDS[0])].into() };
            let capacity = self.rng.between(1, 6) as u32;
            self.trackers.push(Tracker::new(group, who, kinds, capacity));
            self.backlogs.push(Vec::new());
            self.thawed.push(0);
            self.after(TRACKER_WAKES, Happening::TrackerWake { tracker: number });
        }
    }

    /// The true time.
    pub(super) fn truth(&self) -> Timestamp {
        self.epoch + Millis::new(self.now)
    }

    pub(super) fn present(&self) -> Now {
        Now { instant: self.beginning + Duration::from_millis(self.now), ms: self.now }
    }

    pub(super) fn after(&mut self, delay: Ms, what: Happening) {
        self.at(self.now + delay, what);
    }

    pub(super) fn at(&mut self, when: Ms, what: Happening) {
        self.happenings += 1;
        self.queue.insert((when, self.happenings), what);
    }

    /// Lets the world go on by itself.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn run_until(&mut self, when: Ms) -> Result<(), Broken> {
        while let Some(next) = self.queue.first_entry() {
            let (at, _) = *next.key();
            if at > when {
                break;
            }
            let what = next.remove();
            self.now = at;
            self.happens(what)?;
        }
        self.now = when;
        Ok(())
    }

    fn happens(&mut self, what: Happening) -> Result<(), Broken> {
        match what {
            Happening::Commit { term } => self.commit(term),
            Happening::Apply { node, up_to } => self.apply(node, up_to)?,
            Happening::Heard { term, index } => {
                let now = self.present();
                if let Some(office) = self.office.as_mut().filter(|office| office.term == term) {
                    let applied = self.cluster.applied(index).clone();
                    office.applied(now, &self.cluster.replicas[office.node].machine, index, applied);
                }
            }
            Happening::ToLeader { stream, message } => self.tell_leader(stream, message),
            Happening::Detached { stream } => {
                self.links.remove(&stream);
                let now = self.present();
                self.office.iter_mut().for_each(|office| office.detached(now, stream));
            }
            Happening::TrackerWake { tracker } => {
                self.after(TRACKER_WAKES, Happening::TrackerWake { tracker });
                if !self.is_frozen(tracker) {
                    self.with_tracker(tracker, |tracker, now, acts| tracker.wake(now, acts))?;
                }
            }
            Happening::ToTracker { .. } | Happening::Lost { .. } | Happening::Ended { .. } => {
                self.tell_tracker(what)?;
            }
            Happening::TimedOut { tracker, start, execution } => {
                if self.trackers[tracker].start == start && !self.is_frozen(tracker) {
                    let terminate = ToTracker::Terminate(execution);
                    self.with_tracker(tracker, |tracker, now, acts| tracker.heard(now, terminate, acts))?;
                }
            }
            Happening::Crash { tracker, start } => {
                if self.trackers[tracker].start == start && self.trackers[tracker].alive {
                    self.kill_tracker(tracker);
                }
            }
            Happening::Restart { tracker } => self.restart(tracker),
            Happening::Thaw { tracker } => self.thaw(tracker)?,
            Happening::LeaderWake { term } => self.leader_wake(term),
            Happening::Planned { term, plans } => {
                let twice = self.rng.percent(2) && !self.calm;
                if let Some(office) = self.office.as_mut().filter(|office| office.term == term) {
                    if twice && !plans.is_empty() {
                        self.history.saw(Rare::PlansTwice);
                        office.planned(plans.clone());
                    }
                    office.planned(plans);
                }
            }
            Happening::Elect => self.elect()?,
            Happening::NodeUp { node } => {
                self.cluster.replicas[node].up = true;
                let up_to = self.cluster.committed();
                self.after(1, Happening::Apply { node, up_to });
            }
            Happening::Call { call } => self.call(call),
            Happening::Answer { call, reply } => self.answered(call, reply)?,
            Happening::Unknown { call } => self.unknown(call),
        }
        self.lead();
        Ok(())
    }
}
