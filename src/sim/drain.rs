//! How a world ends: everything heals, periodic jobs are cancelled, the rest runs out, and then the whole history is
//! held to the promises.

use super::cluster::NODES;
use super::history::Broken;
use super::promises;
use super::world::{Happening, World};
use crate::domain::{Identity, JobId};
use crate::machine::command::{Cancel, JobRef, OnJob, RequestKey};
use crate::machine::{Command, Machine};

/// All must be over so soon after the world has healed.
const DRAIN_MAX: u64 = 300_000;

impl World {
    /// # Errors
    /// The first promise that was broken, or that something never ended.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.heal()?;
        self.run_until(self.now + 4_000)?;
        let limit = self.now + DRAIN_MAX;
        while !self.is_drained() {
            if self.now > limit {
                return Err(format!("it did not drain: {}", self.what_is_left()));
            }
            self.cancel_rhythms();
            self.run_until(self.now + 500)?;
        }
        self.replicas_agree()?;
        promises::check(&mut self.history, &self.cluster.replicas[0].machine)
    }

    fn heal(&mut self) -> Result<(), Broken> {
        self.calm = true;
        self.cluster.offsets = [0; NODES];
        for node in 0..NODES {
            self.after(0, Happening::NodeUp { node });
        }
        if self.office.is_none() {
            self.after(10, Happening::Elect);
        }
        for number in 0..self.trackers.len() {
            self.trackers[number].frozen_until = self.trackers[number].frozen_until.min(self.now);
            self.thaw(number)?;
            self.after(0, Happening::Restart { tracker: number });
        }
        Ok(())
    }

    fn machine(&self) -> &Machine {
        let node = self.office.as_ref().map_or(0, |office| office.node);
        &self.cluster.replicas[node].machine
    }

    fn is_drained(&self) -> bool {
        let indexes = self.machine().tables().indexes();
        let nothing_live =
            indexes.executing() == 0 && indexes.waiting() == 0 && indexes.ready_groups().next().is_none();
        let nobody_works = self.trackers.iter().all(|tracker| tracker.alive && tracker.is_idle());
        let nothing_flies = self.office.as_ref().is_some_and(|office| office.in_flight.is_empty());
        let all_heard = !self.feedback_waits();
        nothing_live
            && nobody_works
            && nothing_flies
            && all_heard
            && self.calls.is_quiet()
            && self.rhythms().is_empty()
            && self.held().is_empty()
    }

    fn what_is_left(&self) -> String {
        let indexes = self.machine().tables().indexes();
        let at_work: Vec<&Identity> = self
            .trackers
            .iter()
            .filter(|process| !process.is_idle())
            .map(|process| &process.identity)
            .collect();
        format!(
            "{} executing, {} waiting, groups ready {:?}, rhythms {:?}, calls quiet: {}, at work {:?}, {:?} in flight, \
             feedback waits: {}",
            indexes.executing(),
            indexes.waiting(),
            indexes.ready_groups().map(|(group, ready)| (group, ready.len())).collect::<Vec<_>>(),
            self.rhythms(),
            self.calls.is_quiet(),
            at_work,
            self.office.as_ref().map(|office| office.in_flight.len()),
            self.feedback_waits(),
        )
    }

    /// Jobs that have a rhythm.
    fn rhythms(&self) -> Vec<JobId> {
        let tables = self.machine().tables();
        let has_rhythm = |job: &JobId| tables.periodic_row(*job).expect("memory").is_some();
        self.history.jobs.keys().copied().filter(has_rhythm).collect()
    }

    /// One-shot jobs that are suspended.
    fn held(&self) -> Vec<JobId> {
        let tables = self.machine().tables();
        let rests = |job: &JobId| {
            let row = tables.job_row(*job).expect("memory");
            let is_periodic = tables.periodic_row(*job).expect("memory").is_some();
            row.is_some_and(|row| row.suspended.is_some()) && !is_periodic
        };
        self.history.jobs.keys().copied().filter(rests).collect()
    }

    fn cancel_rhythms(&mut self) {
        if self.calls.is_quiet() {
            for job in self.held() {
                let (request, job, reason) = (RequestKey::None, JobRef::Id(job), String::new());
                self.ask(1, Command::Resume(OnJob { request, job, expected_revision: 0, reason }), true);
            }
            for job in self.rhythms() {
                let (request, job) = (RequestKey::None, JobRef::Id(job));
                self.ask(1, Command::Cancel(Cancel { request, job, reason: String::new() }), true);
            }
        }
    }

    /// At an equal index all tables are equal, also those that come from the disk and the log.
    fn replicas_agree(&mut self) -> Result<(), Broken> {
        let committed = self.cluster.committed();
        self.cluster.replicas[1].crash();
        self.cluster.replicas[1].up = true;
        for node in 0..NODES {
            self.apply(node, committed)?;
        }
        let digests = [0, 1, 2].map(|node| self.cluster.replicas[node].machine.digest());
        if digests.iter().any(|digest| *digest != digests[0]) {
            return Err(format!("digests differ at {committed}: {digests:x?}"));
        }
        self.check(1)
    }
}
