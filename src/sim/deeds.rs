//! What is done to the world, one deed a step: requests of JobClients, and faults of every family.

use std::sync::Arc;

use super::cluster::NODES;
use super::history::Broken;
use super::jobs;
use super::rare::Rare;
use super::tracker::{Ms, RECLAIM_AFTER};
use super::world::{Happening, SKEW, World};
use crate::domain::{JobId, NodeGroup, Position, RunId, Schedule, TaskId};
use crate::machine::Command;
use crate::machine::command::{
    Cancel, JobRef, OnJob, RequestKey, Retry, RetryOf, SetLimits, Submit, Terminate,
};
use crate::machine::limits::Limits;

impl World {
    /// Some time passes, then something is done.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn step(&mut self) -> Result<(), Broken> {
        let pause = match self.rng.between(0, 999) {
            0..=599 => self.rng.between(0, 40),
            600..=934 => self.rng.between(40, 250),
            935..=994 => self.rng.between(250, 1_000),
            _ => self.rng.between(1_200, 8_000),
        };
        self.run_until(self.now + pause)?;
        self.deed()?;
        self.lead();
        Ok(())
    }

    fn deed(&mut self) -> Result<(), Broken> {
        match self.rng.between(0, 999) {
            0..=299 => self.submit(1),
            300..=339 => {
                let size = self.rng.between(2, 8);
                self.submit(size);
            }
            340..=459 => self.cancel(),
            460..=499 => self.terminate(),
            500..=539 => self.retry_by_hand(),
            540..=559 => self.trackers_die(),
            560..=589 => self.tracker_freezes(),
            590..=609 => self.stream_breaks(),
            610..=649 => self.stream_slows(),
            650..=659 => self.tracker_drains()?,
            660..=669 => self.leader_goes(Fall::StepsDown),
            670..=679 => self.leader_goes(Fall::Dies),
            680..=689 => self.leader_goes(Fall::CutOff),
            690..=691 => self.leader_goes(Fall::PowerCut),
            692 => self.leader_goes(Fall::Outage),
            693..=712 => self.follower_dies(),
            713..=732 => self.clock_jumps(),
            733..=742 => self.snapshot(),
            743..=842 => {
                let node = self.rng.below(NODES);
                self.cluster.replicas[node].seal();
            }
            843..=942 => {
                let node = self.rng.below(NODES);
                self.cluster.replicas[node].flush();
            }
            943..=982 => self.act_on_a_job(),
            983..=992 => {
                // It leaves while something is on its way to it.
                self.submit(1);
                self.tracker_drains()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the operators set, and the clients' sessions.
    pub(super) fn prepare(&mut self) {
        let reclaims_max = *self.rng.pick(&[1, 2, 5]);
        let limits = Limits { reclaims_max, ..Limits::default() };
        self.ask(1, Command::SetLimits(SetLimits { limits, instead_of: None }), true);
        (0..super::calls::CLIENTS).for_each(|client| self.open_session(client));
    }

    fn submit(&mut self, size: u64) {
        let now = self.truth();
        let jobs = jobs::batch(&mut self.rng, now, size);
        let request = self.key();
        if self.rng.percent(20) {
            self.aim_cancel(&jobs[0]);
        }
        if matches!(jobs[0].schedule, Schedule::Cron(_)) && self.rng.percent(30) {
            self.aim_replace(&jobs[0]);
        }
        let delay = self.rng.between(1, 5);
        let has_key = request != RequestKey::None;
        self.ask(delay, Command::Submit(Submit { request, jobs, refused: Vec::new() }), has_key);
    }

    /// Another expression that comes while the calendar still thinks about the first.
    fn aim_replace(&mut self, spec: &Arc<crate::domain::JobSpec>) {
        let jobs = vec![jobs::with_another_cron(&mut self.rng, spec)];
        let (request, delay) = (self.key(), self.rng.between(5, 1_500));
        let has_key = request != RequestKey::None;
        self.ask(delay, Command::Submit(Submit { request, jobs, refused: Vec::new() }), has_key);
    }

    /// A cancel that arrives when the job is due.
    fn aim_cancel(&mut self, spec: &Arc<crate::domain::JobSpec>) {
        let (group, task) = (spec.node_group.clone(), spec.task_id.clone());
        let due: Ms = match &spec.schedule {
            Schedule::TriggerTime(at) => at.since(self.truth()).get(),
            Schedule::RealTime => 10,
            Schedule::Cron(_) | Schedule::Repeat(_) => self.rng.between(0, 5_000),
        };
        let delay = (due + self.rng.between(0, 60)).saturating_sub(20);
        self.cancel_at(delay, JobRef::Key(group, task));
    }

    fn cancel_at(&mut self, delay: Ms, job: JobRef) {
        let request = self.key();
        let has_key = request != RequestKey::None;
        self.ask(delay, Command::Cancel(Cancel { request, job, reason: String::new() }), has_key);
    }

    fn cancel(&mut self) {
        let job = self.some_job();
        self.cancel_at(2, job);
    }

    /// Suspend, resume, trigger or delete. What is suspended meets what came shortly before, and is resumed, or
    /// submitted anew, or asked for by hand.
    fn act_on_a_job(&mut self) {
        let job = self.some_job();
        let what = self.rng.between(0, 99);
        let of = |request| OnJob { request, job: job.clone(), expected_revision: 0, reason: String::new() };
        let command = |what: u64, act: OnJob| match what {
            0..=59 => Command::Suspend(act),
            60..=74 => Command::Resume(act),
            75..=89 => Command::Trigger(act),
            _ => Command::Delete(act),
        };
        let mut ask = vec![(2, what)];
        if what < 60 {
            let soon = self.rng.between(5, 400);
            ask.extend(self.rng.percent(25).then_some((soon, 80)));
            let later = self.rng.between(200, 6_000);
            ask.extend(self.rng.percent(70).then_some((later, 60)));
        }
        for (delay, what) in ask {
            let request = self.key();
            let has_key = request != RequestKey::None;
            self.ask(delay, command(what, of(request)), has_key);
        }
    }

    fn some_job(&mut self) -> JobRef {
        let recent = self.calls.known.len().saturating_sub(30);
        match self.calls.known.get(recent..).filter(|known| !known.is_empty()) {
            _ if self.rng.percent(5) => JobRef::Id(JobId(Position::new(9_999_999, 0))),
            Some(known) => {
                let (job, group, task) = self.rng.pick(known).clone();
                if self.rng.percent(50) { JobRef::Id(job) } else { JobRef::Key(group, task) }
            }
            None => JobRef::Key(
                NodeGroup::new(jobs::GROUPS[0]).expect("a short name"),
                TaskId::new("nobody").expect("a short name"),
            ),
        }
    }

    fn terminate(&mut self) {
        let runs: Vec<RunId> = self.history.executing().collect();
        if !runs.is_empty() {
            let run = *self.rng.pick(&runs);
            let request = self.key();
            let has_key = request != RequestKey::None;
            self.ask(2, Command::Terminate(Terminate { request, run, reason: String::new() }), has_key);
        }
    }

    fn retry_by_hand(&mut self) {
        if !self.calls.known.is_empty() {
            let (job, _, _) = self.rng.pick(&self.calls.known).clone();
            let of = match self.rng.percent(30) {
                true => RetryOf::LastDead(JobRef::Id(job)),
                false => RetryOf::Run(RunId { job, number: self.rng.between(0, 2) }),
            };
            let request = self.key();
            let has_key = request != RequestKey::None;
            self.ask(2, Command::Retry(Retry { request, of, reason: String::new() }), has_key);
        }
    }

    fn trackers_die(&mut self) {
        let number = self.rng.below(self.trackers.len());
        if self.trackers[number].alive {
            self.kill_tracker(number);
        }
    }

    /// A process that moves no more: for less than the reclaim, or for longer, and then it comes back.
    fn tracker_freezes(&mut self) {
        let number = self.rng.below(self.trackers.len());
        if self.trackers[number].alive && !self.is_frozen(number) {
            let pause = self.rng.between(200, 3 * RECLAIM_AFTER);
            if pause > RECLAIM_AFTER + 1_000 {
                self.history.saw(Rare::Zombies);
            }
            self.trackers[number].frozen_until = self.now + pause;
            self.after(pause, Happening::Thaw { tracker: number });
        }
    }

    fn any_stream(&mut self) -> Option<u64> {
        let open: Vec<u64> = self.trackers.iter().filter_map(|tracker| tracker.stream).collect();
        (!open.is_empty()).then(|| *self.rng.pick(&open))
    }

    fn stream_breaks(&mut self) {
        if let Some(stream) = self.any_stream() {
            let patience = *self.rng.pick(&[5, 50, 2_000]);
            self.break_link(stream, patience);
        }
    }

    fn stream_slows(&mut self) {
        let slow = self.rng.between(100, 3_500);
        if let Some(stream) = self.any_stream()
            && let Some(link) = self.links.get_mut(&stream)
        {
            link.slow = slow;
        }
    }

    fn tracker_drains(&mut self) -> Result<(), Broken> {
        let number = self.rng.below(self.trackers.len());
        if self.is_frozen(number) {
            return Ok(());
        }
        self.with_tracker(number, |tracker, _, acts| tracker.drain(acts))
    }

    fn follower_dies(&mut self) {
        let leader = self.office.as_ref().map(|office| office.node);
        let node = self.rng.below(NODES);
        if Some(node) != leader && self.cluster.replicas.iter().all(|replica| replica.up) {
            self.node_dies(node);
        }
    }

    fn node_dies(&mut self, node: usize) {
        self.history.saw(Rare::Crashes);
        self.cluster.replicas[node].crash();
        let pause = self.rng.between(200, 4_000);
        self.after(pause, Happening::NodeUp { node });
    }

    /// One clock at a time is wrong.
    fn clock_jumps(&mut self) {
        self.history.saw(Rare::ClockJumps);
        for offset in &mut self.cluster.offsets {
            *offset = (*offset).clamp(-(SKEW as i64), SKEW as i64);
        }
        let by = *self.rng.pick(&[2_000, 60_000, 3_600_000]) as i64;
        let node = self.rng.below(NODES);
        self.cluster.offsets[node] = if self.rng.percent(60) { by } else { -by };
    }

    /// A replica that lags gets another one's state.
    fn snapshot(&mut self) {
        let (from, to) = (self.rng.below(NODES), self.rng.below(NODES));
        let leader = self.office.as_ref().map(|office| office.node);
        let [source, target] = [from, to].map(|node| &self.cluster.replicas[node]);
        let is_ahead = source.machine.applied_index() > target.machine.applied_index();
        if from != to && Some(to) != leader && source.up && target.up && is_ahead {
            self.history.saw(Rare::Snapshots);
            self.cluster.replicas[to] = self.cluster.replicas[from].snapshot();
            let up_to = self.cluster.committed();
            self.after(1, Happening::Apply { node: to, up_to });
        }
    }

    /// The leader is gone: of what it had proposed the first part may still be committed, and it never hears of it.
    pub(super) fn leader_goes(&mut self, fall: Fall) {
        let Some(office) = self.office.take() else { return };
        self.history.saw(Rare::LeaderChanges);
        let (node, mut end) = (office.node, office.end());
        if !end.uncommitted.is_empty() {
            self.history.saw(Rare::LeaderChangesMidFlight);
        }
        for _ in 0..self.rng.below(end.uncommitted.len() + 1) {
            let entry = end.uncommitted.pop_front();
            self.history.saw(Rare::ProposalsCommittedLater);
            let index = self.cluster.commit(entry);
            self.spread(index, None);
        }
        self.history.counts.add(Rare::ProposalsLost, end.uncommitted.len() as u64);
        for call in end.unknown {
            let pause = self.rng.between(1, 300);
            self.after(pause, Happening::Unknown { call });
        }
        for call in end.not_applied {
            let pause = self.rng.between(1, 300);
            self.after(pause, Happening::Call { call });
        }
        self.links_of_the_term_break(if fall == Fall::CutOff { 4_000 } else { 20 });
        if matches!(fall, Fall::Dies) && self.cluster.replicas.iter().all(|replica| replica.up) {
            self.node_dies(node);
        }
        if matches!(fall, Fall::PowerCut) {
            self.history.saw(Rare::PowerCuts);
            let up: Vec<usize> = (0..NODES).filter(|node| self.cluster.replicas[*node].up).collect();
            up.into_iter().for_each(|node| self.node_dies(node));
        }
        let pause = match fall {
            Fall::StepsDown => self.rng.between(2, 30),
            Fall::Dies => self.rng.between(5, 700),
            Fall::CutOff => self.rng.between(500, 1_500),
            Fall::PowerCut => 500,
            Fall::Outage => self.rng.between(8_000, 90_000),
        };
        if fall == Fall::Outage {
            self.history.saw(Rare::Outages);
        }
        self.after(pause, Happening::Elect);
    }

    fn links_of_the_term_break(&mut self, patience: Ms) {
        let open: Vec<u64> = self.links.keys().copied().collect();
        open.into_iter().for_each(|stream| self.break_link(stream, patience));
    }
}

/// How a term ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fall {
    StepsDown,
    Dies,
    /// It does not know yet, and neither do its TaskTrackers.
    CutOff,
    PowerCut,
    /// Nobody leads for a long time.
    Outage,
}
