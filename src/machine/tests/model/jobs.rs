//! Jobs come, are replaced, start, end, and are cancelled, told again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Job, Model, Next, Rhythm, Run, State};
use crate::domain::{JobId, JobSpec, OnConflict, RunId, Schedule, Timestamp};
use crate::machine::command::JobRef;
use crate::machine::reply::{CancelAnswer, SubmitAnswer};
use crate::machine::row::{Fate, SkipReason, Stop};

impl Model {
    pub(super) fn submit(&mut self, spec: &Arc<JobSpec>) -> SubmitAnswer {
        let key = (spec.node_group.clone(), spec.task_id.clone());
        let holder = self.keys.get(&key).copied().filter(|job| self.jobs.get(job).is_some_and(Job::is_alive));
        match (holder, spec.on_conflict) {
            (None, _) => {
                let job = JobId(self.id());
                self.groups.insert(spec.node_group.clone());
                self.counts(&spec.node_group).received += 1;
                self.keys.insert(key, job);
                let new = Job {
                    spec: Arc::clone(spec),
                    revision: 1,
                    planned_by: 1,
                    next_number: 0,
                    runs: BTreeMap::new(),
                    rhythm: None,
                    alive: true,
                    suspended: false,
                };
                self.jobs.insert(job, new);
                self.start(job);
                SubmitAnswer::Accepted(job)
            }
            (Some(job), OnConflict::Ignore) => SubmitAnswer::Exists(job),
            (Some(job), OnConflict::Reject) => SubmitAnswer::Conflict(job),
            (Some(job), OnConflict::Replace) => {
                self.settle_before_the_end(job);
                if self.jobs[&job].is_alive() { self.replace(job, spec) } else { self.submit(spec) }
            }
        }
    }

    fn replace(&mut self, id: JobId, spec: &Arc<JobSpec>) -> SubmitAnswer {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it holds its key");
        job.rhythm = None;
        let mut ended = Vec::new();
        for (number, run) in job.runs.iter_mut().filter(|(_, run)| run.is_live()) {
            if run.execution().is_some() {
                run.superseded = true;
            } else {
                let skipped = Fate::Skipped { reason: SkipReason::Superseded, last: run.due, count: 1 };
                let fate = if run.executions == 0 { skipped } else { Fate::Failed };
                run.state = State::Ended(fate, now);
                ended.push(RunId { job: id, number: *number });
            }
        }
        ended.into_iter().for_each(|run| self.tell(run));
        let job = self.jobs.get_mut(&id).expect("it holds its key");
        (job.spec, job.revision) = (Arc::clone(spec), job.revision + 1);
        job.planned_by = job.revision;
        let revision = job.revision;
        let one_shot = matches!(spec.schedule, Schedule::RealTime | Schedule::TriggerTime(_));
        if one_shot && job.live() > 0 {
            job.rhythm = Some(Rhythm::new(now, Next::Stopped { restart: true }));
            self.rare("replaced while executing");
        } else {
            self.start(id);
        }
        SubmitAnswer::Replaced(id, revision)
    }

    /// Starts the schedule of the newest revision.
    fn start(&mut self, id: JobId) {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it is about to start");
        let next = match &job.spec.schedule {
            Schedule::RealTime => return self.make(id, now, false),
            Schedule::TriggerTime(at) => {
                let due = (*at).max(now);
                return self.make(id, due, false);
            }
            Schedule::Cron(_) => Next::Planned { ahead: Vec::new(), ended: false },
            Schedule::Repeat(it) => {
                let next = it.first.unwrap_or(now).max(now);
                Next::Grid { next, interval: it.interval, left: it.count }
            }
        };
        job.rhythm = Some(Rhythm::new(now, next));
    }

    /// Makes a run of the newest revision.
    pub(super) fn make(&mut self, id: JobId, due: Timestamp, by_hand: bool) {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("its job is known");
        let held = job.suspended && !by_hand;
        let state = match due <= now {
            true if held => State::Suspended(None),
            true => State::Ready,
            false if held => State::Suspended(Some(due)),
            false => State::Waiting(due),
        };
        let run = Run {
            spec: Arc::clone(&job.spec),
            group: job.spec.node_group.clone(),
            revision: job.revision,
            due,
            by_hand,
            start_by: job.spec.start_deadline.filter(|_| !by_hand).map(|deadline| due + deadline),
            state,
            executions: 0,
            retries: 0,
            reclaims: 0,
            stop: None,
            superseded: false,
            despite: by_hand && job.suspended,
            recorded: BTreeSet::new(),
        };
        job.runs.insert(job.next_number, run);
        job.next_number += 1;
    }

    pub(super) fn end(&mut self, run: RunId, fate: Fate) {
        let now = self.now;
        match fate {
            Fate::Dead => self.rare("dead"),
            Fate::Skipped { reason: SkipReason::DeadlinePassed, .. } => self.rare("deadline passed"),
            Fate::Skipped { .. } | Fate::Succeeded | Fate::Failed | Fate::Cancelled => {}
        }
        if let Some(live) = self.run_mut(run) {
            live.state = State::Ended(fate, now);
        }
        self.tell(run);
        self.end_job_if_done(run.job);
    }

    /// With its last run and its last instant a job ends, or its waiting one-shot revision starts.
    pub(super) fn end_job_if_done(&mut self, id: JobId) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !job.alive || job.live() > 0 {
            return;
        }
        match &job.rhythm {
            Some(Rhythm { next: Next::Stopped { restart: true }, .. }) => {
                job.rhythm = None;
                self.start(id);
            }
            Some(rhythm) if rhythm.is_exhausted() => {
                (job.rhythm, job.alive, job.suspended) = (None, false, false);
                self.ends.retain(|(_, ended)| *ended != id);
                self.ends.insert((now, id));
            }
            Some(_) => {}
            None => (job.alive, job.suspended) = (false, false),
        }
    }

    pub(super) fn run_mut(&mut self, run: RunId) -> Option<&mut Run> {
        self.jobs.get_mut(&run.job)?.runs.get_mut(&run.number)
    }

    pub(super) fn run(&self, run: RunId) -> Option<&Run> {
        self.jobs.get(&run.job)?.runs.get(&run.number)
    }

    pub(super) fn cancel(&mut self, job: &JobRef) -> CancelAnswer {
        let Some(id) = self.find_job(job) else { return CancelAnswer::NotFound };
        self.settle_before_the_end(id);
        if !self.jobs[&id].alive {
            return CancelAnswer::AlreadyFinished(id, self.jobs[&id].ended_as());
        }
        // The line in the job log.
        self.id();
        let job = self.jobs.get_mut(&id).expect("looked up just now");
        if let Some(rhythm) = &mut job.rhythm {
            rhythm.next = Next::Stopped { restart: false };
        }
        let (mut touched, mut ended) = (false, Vec::new());
        for number in job.live_numbers() {
            let run = job.runs.get_mut(&number).expect("it lives");
            touched |= run.executions > 0;
            match run.execution() {
                Some(_) => run.stop = Some(Stop::Cancel),
                None => {
                    run.state = State::Ended(Fate::Cancelled, self.now);
                    ended.push(RunId { job: id, number });
                }
            }
        }
        ended.into_iter().for_each(|run| self.tell(run));
        self.end_job_if_done(id);
        if touched { CancelAnswer::CancelRequested(id) } else { CancelAnswer::Cancelled(id) }
    }

    pub(super) fn find_job(&self, job: &JobRef) -> Option<JobId> {
        let id = match job {
            JobRef::Id(job) => Some(*job),
            JobRef::Key(group, task) => self.keys.get(&(group.clone(), task.clone())).copied(),
        };
        id.filter(|id| self.jobs.contains_key(id))
    }
}
