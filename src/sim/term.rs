//! A leader's term in the world: its loop is woken, what it proposes is committed and applied by the replicas, what it
//! tells is on its way, and in the end somebody else is elected.

use std::time::Duration;

use super::cluster::NODES;
use super::history::Broken;
use super::office::{Office, Out};
use super::pages::PAGE_EVERY;
use super::rare::Rare;
use super::tracker::{FromTracker, Ms, RECLAIM_AFTER, ToTracker};
use super::world::{Happening, SKEW, World};
use crate::dispatch::{Patience, planner};
use crate::domain::Millis;

/// A leader that is in office for so long has settled all that was due when it came.
const SETTLES_WITHIN: Ms = 2_000;

impl World {
    /// A node takes over: it has all that was committed, its first entry is blank.
    pub(super) fn elect(&mut self) -> Result<(), Broken> {
        let up: Vec<usize> = (0..NODES).filter(|node| self.cluster.replicas[*node].up).collect();
        if up.len() * 2 <= NODES {
            self.after(100, Happening::Elect);
            return Ok(());
        }
        if self.office.is_some() {
            return Ok(());
        }
        let node = *self.rng.pick(&up);
        let index = self.cluster.commit(None);
        self.apply(node, index)?;
        self.spread(index, None);
        self.term += 1;
        let patience = Patience {
            reclaim_after: Duration::from_millis(RECLAIM_AFTER),
            terminate_grace: Duration::from_millis(1_000),
        };
        let machine = &self.cluster.replicas[node].machine;
        self.office = Some(Office::recover(self.term, node, machine, patience, self.present()));
        self.after(1, Happening::LeaderWake { term: self.term });
        Ok(())
    }

    pub(super) fn leader_wake(&mut self, term: u64) {
        let (now, truth) = (self.present(), self.truth());
        let Some(office) = self.office.as_mut().filter(|office| office.term == term) else { return };
        office.tick(now);
        if office.since + SETTLES_WITHIN < now.ms {
            self.history.settled_until = self.epoch + Millis::new(now.ms - SETTLES_WITHIN);
        }
        let machine = &self.cluster.replicas[office.node].machine;
        let unplanned = office.take_unplanned(machine);
        if !unplanned.is_empty() {
            let at = self.cluster.time(truth);
            let plans = unplanned.iter().filter_map(|unplanned| planner::plan(unplanned, at)).collect();
            // An expression that hardly ever fires takes long, and its job may be another one by then.
            let longest = *self.rng.pick(&[40, 40, 40, 1_500]);
            let delay = self.rng.between(1, longest);
            self.after(delay, Happening::Planned { term, plans });
        }
        self.clients_hear();
        let pause = self.rng.between(5, 30);
        self.after(pause, Happening::LeaderWake { term });
    }

    /// What the leader's loop does after whatever woke it: propose, send.
    pub(super) fn lead(&mut self) {
        let (now, truth) = (self.present(), self.truth());
        let Some(office) = &mut self.office else { return };
        let (at, term) = (self.cluster.time(truth), office.term);
        let machine = &self.cluster.replicas[office.node].machine;
        let mut proposals = 0;
        while office.propose(now, at, machine) {
            proposals += 1;
        }
        let out = std::mem::take(&mut office.out);
        self.history.counts.add(Rare::LostPushesAgain, std::mem::take(&mut office.pushed_again));
        self.history.counts.add(Rare::IdentityInUse, std::mem::take(&mut office.refused));
        for _ in 0..proposals {
            let at = self.commit_at.max(self.now) + self.rng.between(1, 8);
            self.commit_at = at;
            self.at(at, Happening::Commit { term });
        }
        out.into_iter().for_each(|out| self.send(out));
    }

    fn send(&mut self, out: Out) {
        match out {
            Out::Tell(stream, message) => self.tell(stream, message),
            Out::Close(stream) => self.break_link(stream, 5),
            Out::Answer(call, _) if !self.calm && self.rng.percent(3) => {
                self.after(50, Happening::Unknown { call });
            }
            Out::Answer(call, reply) => self.after(2, Happening::Answer { call, reply }),
        }
    }

    fn tell(&mut self, stream: u64, message: ToTracker) {
        let delay = self.rng.between(1, 4);
        let is_push = matches!(message, ToTracker::Push { .. }) && !self.calm;
        if is_push && self.rng.percent(1) {
            return self.history.saw(Rare::PushesDropped);
        }
        let twice = is_push && self.rng.percent(2);
        let Some(link) = self.links.get_mut(&stream) else { return };
        link.to_tracker_at = link.to_tracker_at.max(self.now) + delay + std::mem::take(&mut link.slow);
        let (at, tracker, sent) = (link.to_tracker_at, link.tracker, self.now);
        if twice {
            self.history.saw(Rare::DuplicatePushes);
            let message = message.clone();
            self.at(at, Happening::ToTracker { tracker, stream, sent, message });
        }
        self.at(at, Happening::ToTracker { tracker, stream, sent, message });
    }

    /// A stream breaks: both ends hear of it some time, what is on its way until then still arrives.
    pub(super) fn break_link(&mut self, stream: u64, patience: Ms) {
        if let Some(link) = self.links.get(&stream) {
            let tracker = link.tracker;
            let (one, other) = (self.rng.between(0, patience), self.rng.between(0, patience));
            self.after(one, Happening::Lost { tracker, stream });
            self.after(other, Happening::Detached { stream });
        }
    }

    pub(super) fn tell_leader(&mut self, stream: u64, message: FromTracker) {
        let (now, term) = (self.present(), self.links.get(&stream).map(|link| link.term));
        if let Some(office) = self.office.as_mut().filter(|office| Some(office.term) == term) {
            let machine = &self.cluster.replicas[office.node].machine;
            office.hear(now, machine, stream, message);
        }
    }

    pub(super) fn commit(&mut self, term: u64) {
        let Some(office) = self.office.as_mut().filter(|office| office.term == term) else { return };
        let Some(next) = office.in_flight.iter_mut().find(|proposed| proposed.index.is_none()) else {
            return;
        };
        let index = self.cluster.commit(next.entry.take());
        next.index = Some(index);
        let leader = office.node;
        self.spread(index, Some(leader));
    }

    /// The replicas will apply an entry, each at its own pace.
    pub(super) fn spread(&mut self, index: u64, leader: Option<usize>) {
        for node in 0..NODES {
            let lag = if leader == Some(node) { 3 } else { *self.rng.pick(&[4, 20, 20, 400]) };
            let delay = self.rng.between(0, lag);
            self.after(delay, Happening::Apply { node, up_to: index });
        }
    }

    pub(super) fn apply(&mut self, node: usize, up_to: u64) -> Result<(), Broken> {
        while self.cluster.replicas[node].up && self.cluster.replicas[node].machine.applied_index() < up_to {
            let Some((index, first)) = self.cluster.apply_next(node)? else { return Ok(()) };
            if first {
                self.first_applied(index)?;
            }
            if index % PAGE_EVERY == 0 && first {
                self.pages.turn(&self.cluster.replicas[node].machine)?;
            }
            if index % self.check_every == 0 && first {
                self.check(node)?;
            }
            if let Some(term) =
                self.office.as_ref().filter(|office| office.node == node).map(|office| office.term)
            {
                let at = self.heard_at.max(self.now) + self.rng.between(0, 2);
                self.heard_at = at;
                self.at(at, Happening::Heard { term, index });
            }
        }
        Ok(())
    }

    fn first_applied(&mut self, index: u64) -> Result<(), Broken> {
        self.history.truth = self.truth() + Millis::new(SKEW);
        match self.cluster.entry(index) {
            Some(entry) => self.history.entry(entry, self.cluster.applied(index)),
            None => Ok(()),
        }
    }

    pub(super) fn check(&mut self, node: usize) -> Result<(), Broken> {
        self.history.saw(Rare::Checks);
        let machine = &self.cluster.replicas[node].machine;
        let found = machine.check().expect("memory does not fail");
        match found.first() {
            Some(violation) => Err(format!("after {}: {violation}", machine.applied_index())),
            None => Ok(()),
        }
    }
}
