//! What the log's replies say of executions and jobs, read without the model: who got which run when, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::agreed_log::AgreedLog;
use super::command::{Action, Command, JobPlan, JobRef, Request, Spec};
use super::replay::Replay;
use super::reply::{ActAnswer, CancelAnswer, CompleteAnswer, Reply, SubmitAnswer};
use super::words::{Id, RunRef};

#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// In the order of the log.
    pub(crate) executions: Vec<Execution>,
    pub(crate) by_id: BTreeMap<Id, usize>,
    by_job: BTreeMap<Id, Vec<usize>>,
    pub(crate) jobs: BTreeMap<Id, JobTrace>,
    pub(crate) completions: Vec<Completed>,
    pub(crate) cancels: Vec<Cancelled>,
    /// How often suspend, resume, trigger and delete were answered with what.
    pub(crate) acts: BTreeMap<&'static str, usize>,
    pub(crate) trackers: BTreeMap<Id, Session>,
    /// Times of the machine at ticks, with their indexes.
    pub(crate) ticks: Vec<(u64, i64)>,
    /// Commands whose reply nobody knows.
    pub(crate) unanswered: usize,
    executing: BTreeMap<Id, usize>,
    current: BTreeMap<(String, String), Id>,
    /// Requests that were performed.
    done: BTreeSet<Request>,
}

#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) id: Id,
    /// Its place among all executions.
    pub(crate) place: usize,
    pub(crate) run: RunRef,
    pub(crate) task_id: String,
    pub(crate) due: i64,
    pub(crate) attempt: u64,
    pub(crate) session: Id,
    pub(crate) dispatched: u64,
    /// The machine's time at that.
    pub(crate) dispatched_at: i64,
    pub(crate) ended: Option<(u64, End)>,
    /// What else of the same job was under way when it was dispatched.
    pub(crate) beside: Vec<Id>,
    /// How many executed on its session with it, and how many may.
    pub(crate) load: (usize, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed(Action),
    /// A push that was not taken.
    Returned,
    /// It had begun, was stopped and given back.
    Interrupted,
    /// Taken back: by name, or with its session.
    Reclaimed,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) node_group: String,
    pub(crate) identity: String,
    pub(crate) capacity: u64,
}

#[derive(Debug)]
pub(crate) struct JobTrace {
    /// Each revision with the index and the machine's time at which it came.
    pub(crate) revisions: Vec<(u64, i64, Rc<Spec>)>,
    /// Indexes at which it was made to live again by hand.
    pub(crate) retried: Vec<u64>,
    pub(crate) plans: Vec<(u64, JobPlan)>,
    /// When it was suspended.
    pub(crate) rests: Vec<Rest>,
    /// The index and the machine's time at which it was deleted.
    pub(crate) deleted: Option<(u64, i64)>,
    /// How many executions of any job had been dispatched before each revision.
    pub(crate) dispatched: Vec<usize>,
}

impl JobTrace {
    pub(crate) fn spec(&self) -> &Spec {
        &self.revisions.last().expect("a job has a first revision").2
    }

    fn asked_for(&mut self, index: u64, run: RunRef) {
        self.retried.push(index);
        if let Some(rest) = self.rests.last_mut().filter(|rest| rest.to.is_none()) {
            rest.asked.push(run);
        }
    }

    /// Whether somebody asked for something of it by hand.
    pub(crate) fn was_acted_on(&self) -> bool {
        !self.retried.is_empty() || !self.rests.is_empty() || self.deleted.is_some()
    }

    /// Whether something after this index could bring it back to life.
    pub(crate) fn revived_between(&self, after: u64, until: u64) -> bool {
        let replaced = self.revisions.iter().skip(1).map(|(index, ..)| *index);
        replaced.chain(self.retried.iter().copied()).any(|index| index >= after && index <= until)
    }
}

/// From a suspend to its resume.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) from: Place,
    /// None while it lasts, and where the job ended in it for good.
    pub(crate) to: Option<Place>,
    /// Runs that somebody asked for meanwhile.
    pub(crate) asked: Vec<RunRef>,
}

/// Where in the log something stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: u64,
    /// The machine's time.
    pub(crate) at: i64,
    /// How many executions of any job had been dispatched before it: entries hold several commands.
    pub(crate) dispatched: usize,
}

#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) index: u64,
    pub(crate) execution: Id,
    pub(crate) action: Action,
    pub(crate) answer: CompleteAnswer,
    /// It was the one that ended the execution.
    pub(crate) ended_it: bool,
}

#[derive(Debug)]
pub(crate) struct Cancelled {
    pub(crate) index: u64,
    /// The machine's time.
    pub(crate) at: i64,
    pub(crate) target: JobRef,
    pub(crate) answer: CancelAnswer,
    /// The job's executions under way at that place.
    pub(crate) executing: Vec<Id>,
    /// How many executions of any job had been dispatched before it: entries hold several commands.
    pub(crate) dispatched: usize,
}

impl Trace {
    pub(crate) fn follow(log: &AgreedLog, replay: &Replay) -> Trace {
        let mut trace = Trace::default();
        let mut now = i64::MIN;
        for entry in log.entries.values() {
            now = entry.at.map_or(now, |at| now.max(at.0));
            let replies = replay.replies.get(&entry.index).map(Vec::as_slice).unwrap_or_default();
            for (logged, reply) in entry.commands.iter().zip(replies) {
                match reply {
                    Some(reply) if trace.came_before(&logged.command, reply) => {}
                    Some(reply) => trace.step(entry.index, now, &logged.command, reply),
                    None => trace.unanswered += 1,
                }
            }
        }
        trace
    }

    /// A request that comes again gets the answer of its first time, and nothing happens: a suspend that was stuck in the
    /// network may come after its job was resumed.
    fn came_before(&mut self, command: &Command, reply: &Reply) -> bool {
        let performed = command.request().filter(|_| !matches!(reply, Reply::Refused(_)));
        performed.is_some_and(|request| !self.done.insert(request.clone()))
    }

    fn step(&mut self, index: u64, now: i64, command: &Command, reply: &Reply) {
        match (command, reply) {
            (Command::Submit { jobs, .. }, Reply::Submitted(answers)) => {
                for (spec, answer) in jobs.iter().zip(answers) {
                    self.submitted(index, now, spec, answer);
                }
            }
            (Command::Retry { .. }, Reply::Retried(run)) => {
                if let Some(job) = self.jobs.get_mut(&run.job) {
                    job.asked_for(index, *run);
                }
            }
            (_, Reply::Acted(answer)) => self.acted(index, now, answer),
            (Command::Cancel { job, .. }, Reply::Cancelled(answer)) => {
                let of = answer.job();
                let executing = of.map(|of| self.under_way(of)).unwrap_or_default();
                let dispatched = self.executions.len();
                self.cancels.push(Cancelled {
                    index,
                    at: now,
                    target: job.clone(),
                    answer: answer.clone(),
                    executing,
                    dispatched,
                });
            }
            (Command::Plan(plans), Reply::Done {}) => {
                for plan in plans.jobs() {
                    if let Some(job) = self.jobs.get_mut(&plan.job) {
                        job.plans.push((index, plan.clone()));
                    }
                }
            }
            (Command::Tick {}, _) => self.ticks.push((index, now)),
            (
                Command::TrackerOnline { node_group, identity, capacity, holds, .. },
                Reply::Online(session),
            ) => {
                let names = Session {
                    node_group: node_group.clone(),
                    identity: identity.clone(),
                    capacity: *capacity,
                };
                self.trackers.insert(*session, names);
                let old = self.current.insert((node_group.clone(), identity.clone()), *session);
                if let Some(old) = old.filter(|old| old != session) {
                    self.session_over(index, old, Some((*session, holds)));
                }
            }
            (Command::TrackerOffline { session }, Reply::Done {}) => self.session_over(index, *session, None),
            (Command::Dispatch { .. }, Reply::Dispatched { session, pushes }) => {
                for push in pushes {
                    let on_it = self.executing.values();
                    let on_it = on_it.filter(|i| self.executions[**i].session == *session).count();
                    let capacity = self.trackers.get(session).map_or(0, |session| session.capacity);
                    let beside = self.under_way(push.run.job);
                    self.by_id.insert(push.execution, self.executions.len());
                    self.by_job.entry(push.run.job).or_default().push(self.executions.len());
                    self.executing.insert(push.execution, self.executions.len());
                    self.executions.push(Execution {
                        id: push.execution,
                        place: self.executions.len(),
                        run: push.run,
                        task_id: push.task_id.clone(),
                        due: push.due.0,
                        attempt: push.attempt,
                        session: *session,
                        dispatched: index,
                        dispatched_at: now,
                        ended: None,
                        beside,
                        load: (on_it + 1, capacity),
                    });
                }
            }
            (Command::Return { executions, began }, Reply::Done {}) => {
                for id in executions {
                    self.end(index, *id, if *began { End::Interrupted } else { End::Returned });
                }
            }
            (Command::Reclaim { executions, .. }, Reply::Done {}) => {
                for id in executions {
                    self.end(index, *id, End::Reclaimed);
                }
            }
            (Command::Complete { results }, Reply::Completed(answers)) => {
                for (result, answer) in results.iter().zip(answers) {
                    let (execution, action, answer) = (result.execution, result.action, *answer);
                    let ended_it = answer == CompleteAnswer::Accepted
                        && self.end(index, execution, End::Completed(action));
                    self.completions.push(Completed { index, execution, action, answer, ended_it });
                }
            }
            _ => {}
        }
    }

    fn submitted(&mut self, index: u64, now: i64, spec: &Spec, answer: &SubmitAnswer) {
        let revision = (index, now, Rc::new(spec.clone()));
        let dispatched = self.executions.len();
        match answer {
            SubmitAnswer::Accepted(id) if id.index() == index => {
                let job = JobTrace {
                    revisions: vec![revision],
                    retried: Vec::new(),
                    plans: Vec::new(),
                    rests: Vec::new(),
                    deleted: None,
                    dispatched: vec![dispatched],
                };
                self.jobs.entry(*id).or_insert(job);
            }
            SubmitAnswer::Replaced { job, revision: number } => {
                if let Some(job) = self.jobs.get_mut(job)
                    && job.revisions.len() as u64 + 1 == *number
                {
                    job.revisions.push(revision);
                    job.dispatched.push(dispatched);
                }
            }
            SubmitAnswer::Accepted(_)
            | SubmitAnswer::Exists(_)
            | SubmitAnswer::Conflict(_)
            | SubmitAnswer::Refused(_) => {}
        }
    }

    fn acted(&mut self, index: u64, at: i64, answer: &ActAnswer) {
        *self.acts.entry(answer.word()).or_default() += 1;
        let place = Place { index, at, dispatched: self.executions.len() };
        let Some(job) = answer.job().and_then(|id| self.jobs.get_mut(&id)) else { return };
        match answer {
            ActAnswer::Suspended(_) => {
                // It ended in the rest before, and was made to live again.
                if let Some(rest) = job.rests.last_mut() {
                    rest.to.get_or_insert(place);
                }
                job.rests.push(Rest { from: place, to: None, asked: Vec::new() });
            }
            ActAnswer::Resumed(_) => {
                if let Some(rest) = job.rests.last_mut() {
                    rest.to.get_or_insert(place);
                }
            }
            ActAnswer::Triggered(run) => job.asked_for(index, *run),
            ActAnswer::Deleted(_) => job.deleted = Some((index, at)),
            ActAnswer::AlreadySuspended(_)
            | ActAnswer::NotSuspended(_)
            | ActAnswer::Ended(_)
            | ActAnswer::AlreadyReady(_)
            | ActAnswer::AlreadyRunning(_)
            | ActAnswer::StillExecuting(_)
            | ActAnswer::CancelRequested(_)
            | ActAnswer::AlreadyFinished { .. }
            | ActAnswer::NotFound => {}
        }
    }

    /// Whether it was under way.
    fn end(&mut self, index: u64, id: Id, how: End) -> bool {
        let Some(i) = self.executing.remove(&id) else { return false };
        self.executions[i].ended = Some((index, how));
        true
    }

    fn session_over(&mut self, index: u64, session: Id, heir: Option<(Id, &[Id])>) {
        let on_it: Vec<Id> = self
            .executing
            .iter()
            .filter(|(_, i)| self.executions[**i].session == session)
            .map(|(id, _)| *id)
            .collect();
        for id in on_it {
            match heir {
                Some((heir, holds)) if holds.contains(&id) => {
                    let i = self.executing[&id];
                    self.executions[i].session = heir;
                }
                _ => {
                    self.end(index, id, End::Reclaimed);
                }
            }
        }
    }

    fn under_way(&self, job: Id) -> Vec<Id> {
        let executing = self.of_job(job).filter(|execution| execution.ended.is_none());
        executing.map(|execution| execution.id).collect()
    }

    /// All executions of a job, in the order of the log.
    pub(crate) fn of_job(&self, id: Id) -> impl Iterator<Item = &Execution> {
        self.by_job.get(&id).into_iter().flatten().map(|i| &self.executions[*i])
    }

    /// The first tick at or behind an index that saw this time.
    pub(crate) fn first_tick(&self, index: u64, due: i64) -> Option<(u64, i64)> {
        let i = self.ticks.partition_point(|(at, now)| *at < index || *now < due);
        self.ticks.get(i).copied()
    }
}
