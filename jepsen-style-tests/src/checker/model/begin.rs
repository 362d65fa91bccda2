//! How jobs, runs, sessions and executions begin.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::rhythm::{LIVE_MAX, Rhythm};
use super::{Beyond, Job, Model, Run, Settled, Skip, State, Stop, Tracker};
use crate::checker::command::{JobType, OnConflict, Spec};
use crate::checker::reply::{Fate, Push, Reply, SubmitAnswer};
use crate::checker::words::{At, Id, RunRef};

impl Model {
    pub(super) fn submit(&mut self, spec: &Spec) -> Result<SubmitAnswer, Beyond> {
        let key = (spec.node_group.clone(), spec.task_id.clone());
        let holder = self.keys.get(&key).copied().filter(|id| self.jobs[id].lives);
        match (holder, spec.on_conflict) {
            (Some(id), OnConflict::Ignore) => return Ok(SubmitAnswer::Exists(id)),
            (Some(id), OnConflict::Reject) => return Ok(SubmitAnswer::Conflict(id)),
            (Some(id), OnConflict::Replace) => {
                self.settle_before_the_end(id);
                // The last of its instants may have ended it.
                if self.jobs[&id].lives {
                    return self.replace(id, spec);
                }
            }
            (None, _) => {}
        }
        let id = self.ids.make();
        self.keys.insert(key, id);
        let job = Job {
            spec: Rc::new(spec.clone()),
            revision: 1,
            lives: true,
            runs: BTreeMap::new(),
            live: 0,
            rhythm: Rhythm::None,
            periodic: false,
            suspended: false,
            resumed: None,
            restart: false,
            cancelled: false,
            last_ended: None,
            skipping: None,
            settled: Vec::new(),
        };
        self.jobs.insert(id, job);
        self.start_schedule(id)?;
        Ok(SubmitAnswer::Accepted(id))
    }

    /// A one-shot job gets its run, a periodic one its rhythm.
    pub(super) fn start_schedule(&mut self, id: Id) -> Result<(), Beyond> {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("only called for a job that is there");
        match job.spec.job_type {
            JobType::RealTime => {
                self.new_run(id, now);
            }
            JobType::TriggerTime => {
                let due = job.spec.due.ok_or("a trigger-time job without due")?.0.max(now);
                self.new_run(id, due);
            }
            JobType::Cron => {
                job.rhythm = Rhythm::Planned { settled: now, ahead: Vec::new(), ended: false };
                job.periodic = true;
                self.periodic.insert(id);
            }
            JobType::Repeat => {
                let every = job.spec.interval_ms.ok_or("a repeat job without interval")?.0;
                // As a trigger time that is past: now.
                let next = job.spec.first.map_or(now, |first| first.0.max(now));
                job.rhythm = Rhythm::Grid { next, every, left: job.spec.repeats() };
                job.periodic = true;
                self.periodic.insert(id);
            }
        }
        Ok(())
    }

    pub(super) fn new_run(&mut self, id: Id, due: i64) -> RunRef {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("only called for a job that is there");
        let number = job.next_number();
        let spec = Rc::clone(&job.spec);
        let run = RunRef { job: id, number };
        let periodic = job.periodic;
        job.runs.insert(number, Run { periodic, ..Run::new(due, spec, State::Ready) });
        job.live += 1;
        if job.suspended {
            self.make_held(run, (due > now).then_some(due));
        } else if due <= now {
            self.make_ready(run);
        } else {
            self.make_wait(run, due);
        }
        run
    }

    /// A run that somebody asked for, beside the instants of a periodic job.
    pub(super) fn new_run_by_hand(&mut self, id: Id) -> RunRef {
        let job = self.jobs.get_mut(&id).expect("only called for a job that is there");
        job.lives = true;
        let suspended = std::mem::take(&mut job.suspended);
        let at = self.new_run(id, self.now);
        self.jobs.get_mut(&id).expect("it is there").suspended = suspended;
        let run = self.run(at).expect("made just now");
        (run.asked, run.despite) = (true, suspended);
        at
    }

    pub(super) fn make_held(&mut self, at: RunRef, until: Option<i64>) {
        self.run(at).expect("only called for a run that is there").state = State::Suspended { until };
    }

    pub(super) fn make_ready(&mut self, at: RunRef) {
        let run = self.run(at).expect("only called for a run that is there");
        run.state = State::Ready;
        let key = (run.spec.node_group.clone(), run.spec.priority, run.due, at);
        self.ready.insert(key);
    }

    pub(super) fn make_wait(&mut self, at: RunRef, until: i64) {
        let run = self.run(at).expect("only called for a run that is there");
        run.state = State::Waiting { until };
        let key = (until, run.spec.priority, at);
        self.waiting.insert(key);
    }

    /// A live job takes a new specification: what did not start gives way, what executes goes on without another try.
    fn replace(&mut self, id: Id, spec: &Spec) -> Result<SubmitAnswer, Beyond> {
        let job = self.jobs.get_mut(&id).expect("the holder of a key is a job");
        job.revision += 1;
        job.spec = Rc::new(spec.clone());
        job.rhythm = Rhythm::None;
        job.restart = false;
        job.cancelled = false;
        (job.periodic, job.resumed, job.skipping) = (false, None, None);
        let revision = job.revision;
        self.periodic.remove(&id);
        let live: Vec<u64> = self.jobs[&id].live_numbers();
        for number in live {
            let at = RunRef { job: id, number };
            let run = self.run(at).expect("just listed");
            match run.state {
                State::Executing(_) => (run.superseded, run.periodic) = (true, true),
                State::Waiting { .. } | State::Ready | State::Suspended { .. } => {
                    let fate = if run.executions == 0 { Fate::Skipped } else { Fate::Failed };
                    self.set_ended(at, fate);
                }
                State::Ended(_) => {}
            }
        }
        let job = self.jobs.get_mut(&id).expect("the holder of a key is a job");
        if job.live > 0 && !spec.is_periodic() {
            (job.restart, job.periodic) = (true, true);
        } else {
            self.start_schedule(id)?;
        }
        Ok(SubmitAnswer::Replaced { job: id, revision })
    }

    /// Runs an ended run again, as a new run of the same job. Whether a periodic job whose other runs live may be
    /// retried is not written anywhere: there the product's answer counts.
    pub(super) fn retry(&mut self, at: RunRef, recorded: Option<&Reply>) -> Reply {
        let Some(run) = self.run(at) else { return Reply::refused("unknown_run") };
        if !matches!(run.state, State::Ended(_)) {
            return Reply::refused("still_live");
        }
        let job = &self.jobs[&at.job];
        let still_live = Reply::refused("still_live");
        if job.live > 0 && (!job.spec.is_periodic() || recorded == Some(&still_live)) {
            return still_live;
        }
        self.by_hand(at.job).map_or_else(Reply::refused, Reply::Retried)
    }

    /// A run by hand, or why there can be none.
    pub(super) fn by_hand(&mut self, id: Id) -> Result<RunRef, &'static str> {
        let job = &self.jobs[&id];
        let key = (job.spec.node_group.clone(), job.spec.task_id.clone());
        let holder = self.keys.get(&key).copied().filter(|holder| self.jobs[holder].lives && *holder != id);
        if holder.is_some() {
            return Err("key_taken");
        }
        if job.periodic && job.live >= LIVE_MAX {
            return Err("too_many_live");
        }
        self.keys.insert(key, id);
        Ok(self.new_run_by_hand(id))
    }

    /// The same start keeps its session; a new one takes over what it holds, and the rest is taken back.
    pub(super) fn online(&mut self, key: (String, String), mut tracker: Tracker, holds: &[Id]) -> Id {
        if let Some(known) = self.trackers.get_mut(&key)
            && known.online
            && known.start == tracker.start
        {
            known.capacity = tracker.capacity;
            known.kinds = tracker.kinds;
            return known.session;
        }
        let session = self.ids.make();
        tracker.session = session;
        let old = self.trackers.insert(key, tracker).filter(|old| old.online);
        if let Some(old) = old {
            for execution in self.of_session(old.session) {
                match self.executing.get_mut(&execution) {
                    Some((_, holder)) if holds.contains(&execution) => *holder = session,
                    _ => self.reclaim(execution, false),
                }
            }
        }
        session
    }

    pub(super) fn offline(&mut self, session: Id) -> Reply {
        let mut trackers = self.trackers.values_mut();
        let Some(tracker) = trackers.find(|tracker| tracker.online && tracker.session == session) else {
            return Reply::refused("unknown_session");
        };
        tracker.online = false;
        for execution in self.of_session(session) {
            self.reclaim(execution, false);
        }
        Reply::Done {}
    }

    fn of_session(&self, session: Id) -> Vec<Id> {
        let executing = self.executing.iter();
        executing.filter(|(_, (_, of))| *of == session).map(|(execution, _)| *execution).collect()
    }

    /// From the head of the group's queue, by priority, due time and id, as many as there are free slots.
    pub(super) fn dispatch(&mut self, session: Id, want: u64) -> Reply {
        let mut trackers = self.trackers.iter();
        let tracker = trackers.find(|(_, tracker)| tracker.online && tracker.session == session);
        let Some(((group, _), tracker)) = tracker else {
            return Reply::refused("unknown_session");
        };
        let free = tracker.capacity.saturating_sub(self.of_session(session).len());
        let mut room = free.min(usize::try_from(want).unwrap_or(usize::MAX));
        let mut picked = Vec::new();
        let first = (group.clone(), i64::MIN, i64::MIN, RunRef { job: Id(0), number: 0 });
        for key @ (of, _, due, at) in self.ready.range(first..) {
            if of != group || room == 0 {
                break;
            }
            let run = &self.jobs[&at.job].runs[&at.number];
            if !tracker.kinds.is_empty() && !tracker.kinds.contains(&run.spec.kind) {
                continue;
            }
            let late = run.executions == 0 && run.past_deadline(*due, self.now);
            picked.push((key.clone(), late));
            room -= usize::from(!late);
        }
        let mut pushes = Vec::new();
        for (key, late) in picked {
            self.ready.remove(&key);
            let at = key.3;
            if late {
                self.finish(at, Fate::Skipped);
                continue;
            }
            let execution = self.ids.make();
            self.executing.insert(execution, (at, session));
            self.known.insert(execution, at);
            let task_id = self.jobs[&at.job].spec.task_id.clone();
            let run = self.run(at).expect("it was in the queue");
            run.state = State::Executing(execution);
            run.executions += 1;
            let (attempt, retries, reclaims) = (run.executions, run.retries, run.reclaims);
            pushes.push(Push { execution, run: at, task_id, due: At(key.2), attempt, retries, reclaims });
        }
        Reply::Dispatched { session, pushes }
    }
}

impl Run {
    pub(super) fn new(due: i64, spec: Rc<Spec>, state: State) -> Run {
        Run {
            due,
            state,
            spec,
            executions: 0,
            retries: 0,
            reclaims: 0,
            stop: Stop::No,
            superseded: false,
            periodic: false,
            asked: false,
            despite: false,
            said: Vec::new(),
        }
    }

    pub(super) fn past_deadline(&self, due: i64, now: i64) -> bool {
        let deadline = self.spec.start_deadline_ms.filter(|_| !self.asked);
        deadline.is_some_and(|deadline| now > due.saturating_add(deadline.0))
    }
}

impl Job {
    pub(super) fn next_number(&self) -> u64 {
        self.runs.keys().next_back().map_or(0, |last| last + 1)
    }

    pub(super) fn live_numbers(&self) -> Vec<u64> {
        let live = self.runs.iter().filter(|(_, run)| !matches!(run.state, State::Ended(_)));
        live.map(|(number, _)| *number).collect()
    }

    /// A row for instants that never ran; neighbours of the same reason share it.
    pub(super) fn skip(&mut self, due: i64, last: i64, why: Skip) {
        self.settled.push(Settled { first: due, last, skipped: Some(why) });
        let number = self.next_number();
        if self.skipping.is_some_and(|(_, before)| before == why) {
            return;
        }
        self.runs.insert(number, Run::new(due, Rc::clone(&self.spec), State::Ended(Fate::Skipped)));
        self.skipping = Some((number, why));
        self.last_ended = Some(Fate::Skipped);
    }
}
