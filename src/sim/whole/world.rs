//! The whole world of one seed, a millisecond at a time: the network delivers, people do what they do, then each host runs.
//!
//! Within a millisecond the order is fixed, all chance comes from the seed, and no thread but this one does anything: the
//! same seed is the same history, which `trace` sums up in a number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::super::history::{Broken, History};
use super::super::jobs;
use super::super::rare::Rare;
use super::super::rng::Rng;
use super::super::tracker::{Ms, Tracker};
use super::asking::Asking;
use super::book::Book;
use super::host::{Host, Parts};
use super::net::{Net, address_of};
use super::options::Options;
use super::people::Link;
use super::trace::Trace;
use crate::domain::{ExecutionId, Identity, Millis, NodeGroup, Timestamp};
use crate::machine::command::JobRef;
use crate::raft::Member;
use crate::store::Node;

const TRACKER_WAKES: Ms = 100;
/// How far right clocks are off.
pub(super) const SKEW: Ms = 15;
/// How often all tables of a JobTracker are checked.
const CHECK_EVERY: Ms = 1_000;
/// A cluster without faults, led for so long, has settled all that was due when that began.
const SETTLES_WITHIN: Ms = 6_000;

#[derive(Debug)]
pub(super) enum Happening {
    Ask,
    Call { call: u64 },
    CancelAt { job: JobRef },
    ToLeader { stream: u64 },
    ToTracker { tracker: usize, stream: u64 },
    Lost { tracker: usize, stream: u64 },
    Detached { stream: u64 },
    Ended { tracker: usize, start: u64, execution: ExecutionId, interrupted: bool },
    TimedOut { tracker: usize, start: u64, execution: ExecutionId },
    TrackerDies { tracker: usize, start: u64 },
    Restart { tracker: usize },
    Thaw { tracker: usize },
    Keepalive { tracker: usize },
    TrackerWake { tracker: usize },
    Fault { number: usize },
    Heals { number: usize, host: usize },
    HostUp { host: usize },
    Ends { host: usize, start: u64 },
    Readmit { host: usize },
    Check,
}

pub(super) struct World {
    pub(super) options: Options,
    pub(super) rng: Rng,
    pub(super) now: Ms,
    clock: Arc<AtomicU64>,
    epoch: Timestamp,
    queue: BTreeMap<(Ms, u64), Happening>,
    happenings: u64,
    pub(super) trace: Trace,
    pub(super) net: Net,
    pub(super) hosts: Vec<Host>,
    pub(super) book: Book,
    pub(super) history: History,
    pub(super) asking: Asking,
    /// Who led which term.
    terms: BTreeMap<u64, usize>,
    pub(super) trackers: Vec<Tracker>,
    pub(super) backlogs: Vec<Vec<Happening>>,
    pub(super) thawed: Vec<Ms>,
    /// Until when each TaskTracker reaches no JobTracker.
    pub(super) cut_until: Vec<Ms>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) streams: u64,
    pub(super) deaf: BTreeSet<ExecutionId>,
    /// Faults that are under way, by what they disturb.
    pub(super) active: usize,
    /// When the last fault ended, or the leader changed.
    good_since: Ms,
    led_by: Option<usize>,
    /// No more faults: the world heals.
    pub(super) calm: bool,
    pub(super) met: BTreeMap<&'static str, u64>,
    // Dropped last: the hosts' directories.
    _dir: TempDir,
}

impl World {
    pub(super) fn new(seed: u64, options: Options, skip: &BTreeSet<usize>, loud: bool) -> World {
        fastrand::seed(seed);
        let mut rng = Rng::new(seed);
        let epoch = *rng.pick(&[1_900_000_000_000, 1_924_991_970_000, 1_900_630_760_000, 1_901_199_500_000]);
        let (trace, clock) = (Trace::new(loud), Arc::new(AtomicU64::new(0)));
        let net = Net::new(options.hosts, rng.next(), trace.clone());
        let dir = snapshots_dir().expect("a directory for snapshots can be made");
        let epoch = Timestamp::from_millis(epoch);
        let host = |number: usize, rng: &mut Rng| {
            Host::new(Parts {
                number,
                seed: rng.next(),
                epoch,
                now: Arc::clone(&clock),
                net: net.clone(),
                dir: dir.path().join(format!("n{}", number + 1)),
                options: options.node(number),
            })
        };
        let hosts: Vec<Host> = (0..options.hosts).map(|number| host(number, &mut rng)).collect();
        let mut world = World {
            options,
            rng,
            now: 0,
            clock,
            epoch,
            queue: BTreeMap::new(),
            happenings: 0,
            trace,
            net,
            hosts,
            book: Book::default(),
            history: History::default(),
            asking: Asking::default(),
            terms: BTreeMap::new(),
            trackers: Vec::new(),
            backlogs: Vec::new(),
            thawed: Vec::new(),
            cut_until: Vec::new(),
            links: BTreeMap::new(),
            streams: 0,
            deaf: BTreeSet::new(),
            active: 0,
            good_since: 0,
            led_by: None,
            calm: false,
            met: BTreeMap::new(),
            _dir: dir,
        };
        world.people();
        world.set_ways();
        for number in (0..world.options.faults.len()).filter(|number| !skip.contains(number)) {
            let at = world.options.faults[number].at;
            world.at(at, Happening::Fault { number });
        }
        world.after(CHECK_EVERY, Happening::Check);
        world
    }

    fn people(&mut self) {
        for host in &self.hosts {
            host.clock.set_offset(self.rng.between(0, 2 * SKEW) as i64 - SKEW as i64);
        }
        for number in 0..self.options.trackers {
            let group = NodeGroup::new(jobs::GROUPS[number % 2]).expect("a short name");
            let who = Identity::new(format!("w{number}")).expect("a short name");
            let kinds = if number < 2 { BTreeSet::new() } else { [jobs::kind(jobs::KINDS[0])].into() };
            let capacity = self.rng.between(1, 6) as u32;
            self.trackers.push(Tracker::new(group, who, kinds, capacity));
            self.backlogs.push(Vec::new());
            self.thawed.push(0);
            self.cut_until.push(0);
            self.after(TRACKER_WAKES, Happening::TrackerWake { tracker: number });
        }
    }

    /// All ways between hosts as the seed has them.
    pub(super) fn set_ways(&self) {
        for from in 0..self.hosts.len() {
            (0..self.hosts.len()).for_each(|to| self.net.set_way(from, to, self.options.way));
        }
    }

    pub(super) fn truth(&self) -> Timestamp {
        self.epoch + Millis::new(self.now)
    }

    pub(super) fn after(&mut self, delay: Ms, what: Happening) {
        self.at(self.now + delay.max(1), what);
    }

    pub(super) fn at(&mut self, when: Ms, what: Happening) {
        self.happenings += 1;
        self.queue.insert((when.max(self.now + 1), self.happenings), what);
    }

    pub(super) fn met(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// All processes start, and one of them is told who the cluster is.
    ///
    /// # Errors
    /// If that does not work.
    pub(super) fn begin(&mut self) -> Result<(), Broken> {
        for number in 0..self.hosts.len() {
            self.start_host(number);
        }
        while self.hosts.iter().any(|host| host.up.is_none()) {
            if self.now > 1_000 {
                return Err("the JobTrackers did not start".into());
            }
            self.tick()?;
        }
        let member = |host: &Host| {
            let up = host.up.as_ref().expect("all are up");
            let (name, address) = (format!("n{}", host.number + 1), address_of(host.number));
            let node = Node { name, peer_addr: address.clone(), client_addr: address };
            Member { id: up.tracker.raft().id(), node }
        };
        let members: Vec<Member> = self.hosts.iter().map(member).collect();
        let raft = self.hosts[0].up.as_ref().expect("all are up").tracker.raft().clone();
        self.hosts[0].spawn(async move {
            if let Err(error) = raft.initialize("simulated", members).await {
                panic!("the cluster cannot be made: {error}");
            }
        });
        self.after(500, Happening::Ask);
        Ok(())
    }

    pub(super) fn start_host(&mut self, number: usize) {
        let seed = self.rng.next();
        self.hosts[number].start(seed);
        self.trace.note("start", &[self.now, number as u64]);
    }

    /// # Errors
    /// The first promise that was broken.
    pub(super) fn run_until(&mut self, when: Ms) -> Result<(), Broken> {
        while self.now < when {
            self.tick()?;
        }
        Ok(())
    }

    /// One millisecond.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn tick(&mut self) -> Result<(), Broken> {
        self.now += 1;
        self.clock.store(self.now, Ordering::Relaxed);
        self.net.deliver(self.now);
        while let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= self.now) {
            let what = next.remove();
            self.happens(what)?;
        }
        let mut ended = Vec::new();
        for number in 0..self.hosts.len() {
            ended.extend(self.hosts[number].tick(self.now).map(|why| (number, why)));
        }
        self.read_logs()?;
        // Afterwards: what a process applied and acknowledged before its end counts.
        for (number, why) in ended {
            self.process_ended(number, &why)?;
        }
        self.watch_votes()?;
        self.watch_leaders()?;
        self.hear_answers()?;
        self.collect_outboxes();
        Ok(())
    }

    /// What was applied in this millisecond, on all hosts.
    fn read_logs(&mut self) -> Result<(), Broken> {
        let mut missed = 0;
        for host in &mut self.hosts {
            let number = host.number;
            let Some(up) = host.up.as_mut() else { continue };
            loop {
                match up.entries.try_recv() {
                    Ok(applied) => {
                        let digest = applied.outcome.as_ref().map_or(0, |outcome| outcome.digest);
                        self.trace.note("applied", &[self.now, number as u64, applied.log_id.index, digest]);
                        self.book.write(number, applied)?;
                    }
                    // Applying the log again takes no time here. The oldest are missed, which others have told.
                    Err(tokio::sync::broadcast::error::TryRecvError::Lagged(count)) => missed += count,
                    Err(_) => break,
                }
            }
        }
        *self.met.entry("entries applied again and not compared").or_default() += missed;
        let truth = self.truth() + Millis::new(SKEW);
        self.book.tell(&mut self.history, truth)
    }

    /// A vote that was given is never taken back, also not by a restart.
    fn watch_votes(&mut self) -> Result<(), Broken> {
        for host in &mut self.hosts {
            let Some(now) = host.up.as_ref().and_then(|up| up.log.promised()) else { continue };
            let Some(before) = host.promised.replace(now) else { continue };
            let (was, is) = (&before.leader_id, &now.leader_id);
            // Whoever voted for another one follows the leader that the term got.
            let follows = now.committed && !before.committed;
            let keeps = was.voted_for == is.voted_for && now.committed >= before.committed;
            if is.term < was.term || (is.term == was.term && !keeps && !follows) {
                return Err(format!("M1: n{} voted {before:?}, and now {now:?}", host.number + 1));
            }
        }
        Ok(())
    }

    /// At most one leader in a term; and since when the cluster is well.
    fn watch_leaders(&mut self) -> Result<(), Broken> {
        let mut leaders = Vec::new();
        for host in &self.hosts {
            let Some(up) = host.up.as_ref() else { continue };
            let seen = up.leadership.borrow();
            if seen.am_leader {
                leaders.push((seen.term, host.number));
            }
        }
        for (term, host) in &leaders {
            match self.terms.insert(*term, *host) {
                None => {
                    self.trace.note("leads", &[self.now, *host as u64, *term]);
                    self.history.saw(Rare::LeaderChanges);
                }
                Some(other) if other != *host => {
                    return Err(format!("M1: n{} and n{} both led term {term}", other + 1, host + 1));
                }
                Some(_) => {}
            }
        }
        let leader = leaders.iter().max().map(|(_, host)| *host);
        if leader != self.led_by || leader.is_none() || self.active > 0 {
            (self.led_by, self.good_since) = (leader, self.now);
        } else if self.now > self.good_since + SETTLES_WITHIN {
            self.history.settled_until = self.epoch + Millis::new(self.now - SETTLES_WITHIN);
        }
        Ok(())
    }

    /// Whoever leads the newest term, as far as it knows.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |host: &Host| {
            let seen = host.up.as_ref()?.leadership.borrow().clone();
            seen.am_leader.then_some((seen.term, host.number))
        };
        self.hosts.iter().filter_map(leads).max().map(|(_, host)| host)
    }

    pub(super) fn happens(&mut self, what: Happening) -> Result<(), Broken> {
        match what {
            Happening::Ask => {
                if !self.calm {
                    let pause = self.rng.between(1, 2 * self.options.asks_every);
                    self.after(pause, Happening::Ask);
                    self.ask_anything();
                }
            }
            Happening::Call { call } => self.call(call),
            Happening::CancelAt { job } => self.cancel(job),
            Happening::ToLeader { stream } => self.tell_leader(stream),
            Happening::Detached { stream } => self.detached(stream),
            Happening::TrackerWake { tracker } => {
                self.after(TRACKER_WAKES, Happening::TrackerWake { tracker });
                if !self.is_frozen(tracker) {
                    self.with_tracker(tracker, |tracker, now, acts| tracker.wake(now, acts))?;
                }
            }
            Happening::ToTracker { tracker, .. }
            | Happening::Lost { tracker, .. }
            | Happening::Ended { tracker, .. }
                if self.is_frozen(tracker) =>
            {
                self.backlogs[tracker].push(what);
            }
            Happening::ToTracker { tracker, stream } => self.tell_tracker(tracker, stream)?,
            Happening::Lost { tracker, stream } => {
                if self.trackers[tracker].stream == Some(stream) {
                    self.trackers[tracker].lost(self.now);
                }
            }
            Happening::Ended { tracker, start, execution, interrupted } => {
                self.ended(tracker, start, execution, interrupted)?;
            }
            Happening::TimedOut { tracker, start, execution } => {
                if self.trackers[tracker].start == start && !self.is_frozen(tracker) {
                    let terminate = super::super::tracker::ToTracker::Terminate(execution);
                    self.with_tracker(tracker, |tracker, now, acts| tracker.heard(now, terminate, acts))?;
                }
            }
            Happening::TrackerDies { tracker, start } => {
                if self.trackers[tracker].start == start && self.trackers[tracker].alive {
                    self.kill_tracker(tracker);
                }
            }
            Happening::Restart { tracker } => self.restart_tracker(tracker),
            Happening::Thaw { tracker } => self.thaw_tracker(tracker)?,
            Happening::Keepalive { tracker } => self.keepalive(tracker),
            Happening::Fault { number } => self.fault(number)?,
            Happening::Heals { number, host } => self.heals(number, host),
            Happening::HostUp { host } => self.host_up(host),
            Happening::Ends { host, start } => self.process_ends(host, start),
            Happening::Readmit { host } => self.readmit(host),
            Happening::Check => {
                self.after(CHECK_EVERY, Happening::Check);
                let host = self.rng.below(self.hosts.len());
                self.check(host)?;
            }
        }
        Ok(())
    }

    /// All tables of a JobTracker.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub(super) fn check(&mut self, host: usize) -> Result<(), Broken> {
        let Some(up) = self.hosts[host].up.as_ref() else { return Ok(()) };
        self.history.saw(Rare::Checks);
        let found = up.tracker.look(|machine| machine.check().map_err(|error| error.to_string()))?;
        match found.first() {
            Some(violation) => Err(format!("A1: on n{}: {violation}", host + 1)),
            None => Ok(()),
        }
    }
}

/// In memory where that is possible: snapshots are synced, and nobody needs them after the seed.
fn snapshots_dir() -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("raftsman-simulation-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir())
}
