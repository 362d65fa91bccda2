//! How a world ends: everything heals, and then it has to come to rest, agree, and have kept every promise.

use super::super::history::Broken;
use super::super::promises;
use super::super::tracker::Ms;
use super::world::{Happening, World};
use crate::domain::JobId;
use crate::machine::Machine;
use crate::machine::command::JobRef;
use crate::store::mem_disk::Temper;

/// A healed cluster has a leader that works within this.
const LEADS_WITHIN: Ms = 10_000;
/// And has admitted a node that came back empty within this.
const READMITS_WITHIN: Ms = 20_000;
/// All must be over so soon after the world has healed.
const DRAIN_MAX: Ms = 300_000;
/// And all JobTrackers have the same then.
const CONVERGES_WITHIN: Ms = 20_000;

impl World {
    /// # Errors
    /// The first promise that was broken, or that something never ended.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.heal()?;
        self.await_leader()?;
        self.await_voters()?;
        let limit = self.now + DRAIN_MAX;
        while !self.is_drained() {
            if self.now > limit {
                return Err(format!("V1: it did not drain: {}", self.what_is_left()));
            }
            self.cancel_rhythms();
            self.run_until(self.now + 500)?;
        }
        self.converge()?;
        self.refused_stay_out()?;
        for host in 0..self.hosts.len() {
            self.check(host)?;
        }
        let up = self.hosts[0].up.as_ref().ok_or("n1 is down")?;
        let machine = up.state.machine().clone();
        promises::check(&mut self.history, &machine.read())
    }

    fn heal(&mut self) -> Result<(), Broken> {
        self.calm = true;
        self.set_ways();
        for host in &mut self.hosts {
            host.frozen_until = 0;
            host.disk.set_temper(Temper::default());
            host.clock.set_offset(0);
        }
        for host in 0..self.hosts.len() {
            self.host_up(host);
        }
        self.active = 0;
        for tracker in 0..self.trackers.len() {
            self.cut_until[tracker] = 0;
            self.trackers[tracker].frozen_until = self.trackers[tracker].frozen_until.min(self.now);
            self.thaw_tracker(tracker)?;
            self.after(1, Happening::Restart { tracker });
        }
        Ok(())
    }

    fn await_leader(&mut self) -> Result<(), Broken> {
        let limit = self.now + LEADS_WITHIN;
        while self.hosts.iter().any(|host| host.up.is_none()) || self.leader().is_none() {
            if self.now > limit {
                let standing: Vec<String> = (self.hosts.iter())
                    .map(|host| match &host.up {
                        Some(up) => format!("{:?}", up.tracker.raft().metrics()),
                        None => "down".to_owned(),
                    })
                    .collect();
                return Err(format!("V1: no leader {LEADS_WITHIN} ms after all has healed: {standing:?}"));
            }
            self.tick()?;
        }
        Ok(())
    }

    /// Whoever lost all it had is a voter again.
    fn await_voters(&mut self) -> Result<(), Broken> {
        let limit = self.now + READMITS_WITHIN;
        while let Some(host) = self.hosts.iter().find(|host| host.stranger) {
            if self.now > limit {
                return Err(format!(
                    "V1: n{} is no voter {READMITS_WITHIN} ms after all has healed",
                    host.number + 1
                ));
            }
            self.tick()?;
        }
        Ok(())
    }

    fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> Option<T> {
        let up = self.hosts[self.leader()?].up.as_ref()?;
        Some(up.tracker.look(look))
    }

    fn is_drained(&self) -> bool {
        let nothing_live = self.look(|machine| {
            let indexes = machine.tables().indexes();
            indexes.executing() == 0 && indexes.waiting() == 0 && indexes.ready_groups().next().is_none()
        });
        let nobody_works = self.trackers.iter().all(|tracker| tracker.alive && tracker.is_idle());
        nothing_live == Some(true) && nobody_works && self.asking.open.is_empty() && self.rhythms().is_empty()
    }

    fn what_is_left(&self) -> String {
        let live = self.look(|machine| {
            let indexes = machine.tables().indexes();
            let ready: Vec<_> = indexes.ready_groups().map(|(group, _)| group.to_string()).collect();
            format!("{} executing, {} waiting, ready {ready:?}", indexes.executing(), indexes.waiting())
        });
        format!(
            "{live:?}, rhythms {:?}, calls {:?}, trackers {:?}",
            self.rhythms(),
            self.asking.open,
            self.trackers
        )
    }

    /// Jobs that have a rhythm.
    fn rhythms(&self) -> Vec<JobId> {
        let has_rhythm =
            |machine: &Machine, job: &JobId| matches!(machine.tables().periodic_row(*job), Ok(Some(_)));
        let jobs = self.history.jobs.keys().copied();
        self.look(|machine| jobs.filter(|job| has_rhythm(machine, job)).collect()).unwrap_or_default()
    }

    fn cancel_rhythms(&mut self) {
        if self.asking.open.is_empty() {
            self.rhythms().into_iter().for_each(|job| self.cancel(JobRef::Id(job)));
        }
    }

    /// All JobTrackers get to the same index, with the same digest.
    fn converge(&mut self) -> Result<(), Broken> {
        let limit = self.now + CONVERGES_WITHIN;
        loop {
            let mut stands = Vec::new();
            for host in &self.hosts {
                let up = host.up.as_ref().ok_or_else(|| format!("n{} is down", host.number + 1))?;
                stands.push(up.tracker.look(|machine| (machine.applied_index(), machine.digest())));
            }
            let same = stands.iter().all(|(index, _)| *index == stands[0].0);
            if same && stands.iter().all(|stand| *stand == stands[0]) {
                return Ok(());
            }
            if same {
                return Err(format!("A1: digests differ: {stands:x?}"));
            }
            if self.now > limit {
                return Err(format!("V1: the JobTrackers do not get to the same index: {stands:x?}"));
            }
            self.tick()?;
        }
    }
}
