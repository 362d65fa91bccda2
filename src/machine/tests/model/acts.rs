//! What operators do to a job or a run, told again.

use super::{Job, Model, Next, State};
use crate::domain::{JobId, RunId, Timestamp};
use crate::machine::command::{JobRef, OnJob};
use crate::machine::limits::{LAST_RUNS_SEEN, LIVE_RUNS_MAX};
use crate::machine::reply::{ActAnswer, Refusal, Reply};
use crate::machine::row::{Fate, SkipReason, Stop};

impl Model {
    pub(super) fn act(&mut self, act: &OnJob, does: fn(&mut Model, JobId) -> Reply) -> Reply {
        let Some(id) = self.find_job(&act.job) else { return Reply::Acted(ActAnswer::NotFound) };
        let revision = self.jobs[&id].revision;
        if ![0, revision].contains(&act.expected_revision) {
            self.rare("another revision");
            return Reply::Refused(Refusal::RevisionDiffers { job: id, revision });
        }
        does(self, id)
    }

    /// Why a job can neither be suspended nor resumed.
    fn is_beyond(&self, id: JobId) -> Option<Reply> {
        let job = &self.jobs[&id];
        if !job.alive {
            return Some(Reply::Acted(ActAnswer::AlreadyFinished(id, self.jobs[&id].ended_as())));
        }
        let cancelled = match &job.rhythm {
            Some(rhythm) => rhythm.next == Next::Stopped { restart: false },
            None => job.runs.values().any(|run| run.is_live() && run.stop == Some(Stop::Cancel)),
        };
        cancelled.then_some(Reply::Acted(ActAnswer::CancelRequested(id)))
    }

    pub(super) fn suspend(&mut self, id: JobId) -> Reply {
        self.settle_before_the_end(id);
        if let Some(beyond) = self.is_beyond(id) {
            return beyond;
        }
        let job = self.jobs.get_mut(&id).expect("looked up just now");
        if std::mem::replace(&mut job.suspended, true) {
            return Reply::Acted(ActAnswer::AlreadySuspended(id));
        }
        if let Some(rhythm) = &mut job.rhythm {
            (rhythm.stalled, rhythm.resumed) = (false, None);
            if let Next::Planned { ahead, ended } = &mut rhythm.next {
                *ended &= ahead.is_empty();
                ahead.clear();
            }
        }
        self.id();
        for number in self.jobs[&id].live_numbers() {
            let run = RunId { job: id, number };
            let live = self.run_mut(run).expect("it lives");
            live.despite = false;
            if live.execution().is_none() {
                self.hold(run);
            }
        }
        self.rare("suspended");
        let alive = self.jobs[&id].alive;
        Reply::Acted(if alive { ActAnswer::Suspended(id) } else { ActAnswer::Ended(id) })
    }

    /// What becomes of a run that would be ready or wait if its job were not suspended.
    pub(super) fn hold(&mut self, id: RunId) {
        let periodic = self.jobs[&id.job].rhythm.is_some();
        let run = self.run_mut(id).expect("it lives");
        if periodic {
            let skipped = Fate::Skipped { reason: SkipReason::Suspended, last: run.due, count: 1 };
            let fate = if run.executions == 0 { skipped } else { Fate::Failed };
            return self.end(id, fate);
        }
        run.state = match run.state {
            State::Waiting(until) => State::Suspended(Some(until)),
            _ => State::Suspended(None),
        };
        self.rare("held");
    }

    pub(super) fn is_held(&self, id: RunId) -> bool {
        self.jobs[&id.job].suspended && self.run(id).is_some_and(|run| !run.despite)
    }

    pub(super) fn resume(&mut self, id: JobId) -> Reply {
        if let Some(beyond) = self.is_beyond(id) {
            return beyond;
        }
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("looked up just now");
        if !std::mem::replace(&mut job.suspended, false) {
            return Reply::Acted(ActAnswer::NotSuspended(id));
        }
        self.id();
        for number in self.jobs[&id].live_numbers() {
            let run = RunId { job: id, number };
            let live = self.run_mut(run).expect("it lives");
            match live.state {
                State::Suspended(None) => live.state = State::Ready,
                State::Suspended(Some(until)) => live.state = State::Waiting(until),
                _ => {}
            }
            if live.is_live() {
                self.ripen(run);
            }
        }
        let job = self.jobs.get_mut(&id).expect("looked up just now");
        if let Some(rhythm) = &mut job.rhythm {
            match &rhythm.next {
                Next::Planned { ended: false, .. } => rhythm.resumed = Some(now),
                Next::Planned { ended: true, .. } | Next::Grid { .. } | Next::Stopped { .. } => {}
            }
            while let Some(instant) = self.grid_until(id, now) {
                self.skip(id, instant, instant, 1, SkipReason::Suspended);
            }
        }
        self.end_job_if_done(id);
        self.rare("resumed");
        let alive = self.jobs[&id].alive;
        Reply::Acted(if alive { ActAnswer::Resumed(id) } else { ActAnswer::Ended(id) })
    }

    /// Takes the next instant of a grid if it is not after `until`.
    pub(super) fn grid_until(&mut self, id: JobId, until: Timestamp) -> Option<Timestamp> {
        let rhythm = self.jobs.get_mut(&id)?.rhythm.as_mut()?;
        let is_grid = matches!(rhythm.next, Next::Grid { .. });
        rhythm.first().filter(|first| is_grid && *first <= until)?;
        Some(rhythm.take())
    }

    pub(super) fn trigger(&mut self, id: JobId) -> Reply {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("looked up just now");
        let has_one = match &job.rhythm {
            Some(rhythm) => rhythm.next == Next::Stopped { restart: true },
            None => true,
        };
        if let Some(number) = job.live_numbers().first().copied().filter(|_| has_one) {
            let run = RunId { job: id, number };
            let live = job.runs.get_mut(&number).expect("it lives");
            match live.state {
                State::Ready => return Reply::Acted(ActAnswer::AlreadyReady(run)),
                State::Executing(..) => return Reply::Acted(ActAnswer::AlreadyRunning(run)),
                State::Suspended(_) => live.despite = true,
                State::Waiting(_) | State::Ended(..) => {}
            }
            (live.state, live.due, live.start_by) = (State::Ready, live.due.min(now), None);
            self.id();
            self.rare("triggered early");
            return Reply::Acted(ActAnswer::Triggered(run));
        }
        match self.by_hand(id) {
            Ok(run) => {
                self.id();
                self.rare("triggered");
                Reply::Acted(ActAnswer::Triggered(run))
            }
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    pub(super) fn delete(&mut self, id: JobId) -> Reply {
        let job = &self.jobs[&id];
        if let Some((number, _)) = job.runs.iter().find(|(_, run)| run.execution().is_some()) {
            return Reply::Acted(ActAnswer::StillExecuting(RunId { job: id, number: *number }));
        }
        // What waited was cancelled first.
        for number in self.jobs[&id].live_numbers() {
            let (run, now) = (RunId { job: id, number }, self.now);
            if let Some(live) = self.run_mut(run) {
                live.state = State::Ended(Fate::Cancelled, now);
            }
            self.tell(run);
        }
        let job = self.jobs.remove(&id).expect("looked up just now");
        for run in job.runs.into_values() {
            *self.leftover.entry(run.group.clone()).or_default() += 1;
            let group = run.group.clone();
            self.counts(&group).forgotten.push(run);
        }
        self.keys.retain(|_, job| *job != id);
        self.ends.retain(|(_, job)| *job != id);
        self.rare("deleted");
        Reply::Acted(ActAnswer::Deleted(id))
    }

    fn by_hand(&mut self, id: JobId) -> Result<RunId, Refusal> {
        let job = &self.jobs[&id];
        let key = (job.spec.node_group.clone(), job.spec.task_id.clone());
        let holder = self.keys.get(&key).copied().filter(|holder| *holder != id);
        if let Some(holder) = holder.filter(|it| self.jobs.get(it).is_some_and(Job::is_alive)) {
            return Err(Refusal::KeyTaken(holder));
        }
        if job.rhythm.is_some() && job.live() >= LIVE_RUNS_MAX as usize {
            return Err(Refusal::TooManyLive(id));
        }
        let run = RunId { job: id, number: job.next_number };
        self.keys.insert(key, id);
        self.jobs.get_mut(&id).expect("it is known").alive = true;
        self.make(id, self.now, true);
        Ok(run)
    }

    pub(super) fn retry_last_dead(&mut self, job: &JobRef) -> Reply {
        let Some(id) = self.find_job(job) else { return Reply::Refused(Refusal::UnknownJob) };
        let job = &self.jobs[&id];
        let seen = job.next_number.saturating_sub(LAST_RUNS_SEEN)..job.next_number;
        let is_dead = |number: &u64| {
            job.runs.get(number).is_some_and(|run| matches!(run.state, State::Ended(Fate::Dead, _)))
        };
        match seen.rev().find(is_dead) {
            Some(number) => self.retry(RunId { job: id, number }),
            None => Reply::Refused(Refusal::NoDeadRun(id)),
        }
    }

    pub(super) fn terminate(&mut self, id: RunId) -> Reply {
        let Some(run) = self.run_mut(id) else { return Reply::Refused(Refusal::UnknownRun(id)) };
        let Some((execution, _)) = run.execution() else {
            return Reply::Refused(Refusal::NotExecuting(id));
        };
        run.stop = run.stop.or(Some(Stop::Terminate));
        self.id();
        self.rare("terminated");
        Reply::Terminating(execution)
    }

    pub(super) fn retry(&mut self, id: RunId) -> Reply {
        let Some(run) = self.run(id) else { return Reply::Refused(Refusal::UnknownRun(id)) };
        if run.is_live() {
            return Reply::Refused(Refusal::StillLive(id));
        }
        let job = &self.jobs[&id.job];
        if job.alive && job.rhythm.is_none() {
            return Reply::Refused(Refusal::StillLive(id));
        }
        match self.by_hand(id.job) {
            Ok(new) => {
                self.id();
                self.rare("retried by hand");
                Reply::Retried(new)
            }
            Err(refusal) => Reply::Refused(refusal),
        }
    }
}
