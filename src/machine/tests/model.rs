//! The machine told again, as plainly as possible: jobs with their runs in one map, everything by looking at all of it.
//!
//! Written from the contract, not from the machine: no layers, no indexes, no budgets, an instant at a time. It shares
//! only the words (commands, replies, ids) with what it is compared with. Not here: the job log's lines, and the limit
//! on the number of finished runs.

mod holds;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::alarm_model::Alarms;
use crate::domain::{
    Action, AlarmId, ClientId, ExecutionId, Identity, JobId, JobSpec, Millis, MisfirePolicy, NodeGroup,
    OnConflict, Position, RequestId, RunId, Schedule, SessionId, TaskId, Timestamp,
};
use crate::machine::command::{
    Command, Completion, FeedbackFailure, FeedbackWhich, Fingerprint, JobPlan, JobRef, LogEntry, OnJob,
    ReclaimReason, RequestKey, RetryOf, Stats, TrackerOnline,
};
use crate::machine::limits::{CLIENT_WINDOW, LAST_RUNS_SEEN, LIVE_RUNS_MAX, Limits};
use crate::machine::reply::{
    ActAnswer, CancelAnswer, CompleteAnswer, Dispatched, Push, Refusal, Reply, SubmitAnswer,
};
use crate::machine::row::{Fate, SkipReason, Stop};

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
    index: u64,
    ordinal: u32,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Who has, or last had, a key.
    keys: BTreeMap<(NodeGroup, TaskId), JobId>,
    pub(super) trackers: BTreeMap<(NodeGroup, Identity), Tracker>,
    pub(super) clients: BTreeMap<ClientId, Client>,
    requests: BTreeMap<RequestId, (Timestamp, (Fingerprint, Reply))>,
    /// The node groups of which nothing is dispatched.
    pub(super) paused: BTreeSet<NodeGroup>,
    pub(super) alarms: Alarms,
    /// When a periodic job ended: its own end keeps it like a finished run would.
    ends: BTreeSet<(Timestamp, JobId)>,
    /// By the group of JobClients that shall hear it, in the order of their runs.
    pub(super) feedback: BTreeMap<NodeGroup, Feedback>,
    /// The history of nodes: when, who, which session, whether it came.
    pub(super) events: Vec<(Timestamp, (NodeGroup, Identity), SessionId, bool)>,
    /// Groups that were ever counted.
    groups: BTreeSet<NodeGroup>,
    /// What was counted of each group that cannot be seen any more by looking at what is left.
    pub(super) counts: BTreeMap<NodeGroup, Counts>,
    /// How many runs of deleted jobs the next `Expire` takes away.
    leftover: BTreeMap<NodeGroup, u64>,
    /// The rows of the series: minute, table, group and node.
    pub(super) series: BTreeSet<(Timestamp, u8, String, String)>,
    /// How often something rare happened.
    pub(super) rare: BTreeMap<&'static str, u64>,
}

/// What a group of JobClients shall hear, and what became of the rest.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    pub(super) told: BTreeMap<RunId, Telling>,
    pub(super) made: u64,
    pub(super) heard: u64,
    pub(super) dropped: u64,
    pub(super) expired: u64,
    pub(super) discarded: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Telling {
    pub(super) fate: Fate,
    ended: Timestamp,
    pub(super) tries: u32,
    /// None is a dead letter.
    pub(super) next_try: Option<Timestamp>,
}

impl Feedback {
    pub(super) fn pending(&self) -> u64 {
        self.told.values().filter(|it| it.next_try.is_some()).count() as u64
    }

    pub(super) fn dead(&self) -> u64 {
        self.told.len() as u64 - self.pending()
    }
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) spec: Arc<JobSpec>,
    pub(super) revision: u32,
    /// The revision that brought its schedule and misfire policy: what a plan must be about.
    pub(super) planned_by: u32,
    next_number: u64,
    pub(super) runs: BTreeMap<u64, Run>,
    pub(super) rhythm: Option<Rhythm>,
    alive: bool,
    pub(super) suspended: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    pub(super) settled: Timestamp,
    pub(super) next: Next,
    pub(super) stalled: bool,
    /// When the job was resumed, until the next plan.
    pub(super) resumed: Option<Timestamp>,
    /// The run number of the last settled instants if they were skipped, and why.
    skipping: Option<(u64, SkipReason)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Planned {
        ahead: Vec<Timestamp>,
        ended: bool,
    },
    Grid {
        next: Timestamp,
        interval: Millis,
        left: Option<u64>,
    },
    /// Nothing comes; a one-shot revision may wait for what executes.
    Stopped {
        restart: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    spec: Arc<JobSpec>,
    /// Where it is dispatched: that of its job until it has executed.
    pub(super) group: NodeGroup,
    pub(super) revision: u32,
    pub(super) due: Timestamp,
    pub(super) by_hand: bool,
    start_by: Option<Timestamp>,
    pub(super) state: State,
    pub(super) executions: u32,
    pub(super) retries: u32,
    pub(super) reclaims: u32,
    pub(super) stop: Option<Stop>,
    superseded: bool,
    /// Asked for by hand while its job was suspended.
    despite: bool,
    /// Completions that counted.
    recorded: BTreeSet<(ExecutionId, Action)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting(Timestamp),
    Ready,
    /// Held: it goes on waiting until then, or is ready.
    Suspended(Option<Timestamp>),
    Executing(ExecutionId, SessionId),
    Ended(Fate, Timestamp),
}

#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) session: SessionId,
    start: u64,
    pub(super) online: bool,
    since: Timestamp,
    pub(super) capacity: u32,
    kinds: Vec<crate::domain::Kind>,
    /// Whether an operator drained it, and whether it shall leave.
    pub(super) drained: Option<bool>,
    pub(super) slots: Option<u32>,
}

/// What happened to a group's runs, beyond what those that are left show.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) executed: BTreeMap<&'static str, u64>,
    pub(super) returned: u64,
    pub(super) stale: u64,
    /// Runs that were forgotten.
    pub(super) forgotten: Vec<Run>,
}

#[derive(Debug, Default)]
pub(super) struct Client {
    high: u64,
    used: Timestamp,
    answers: BTreeMap<u64, (Fingerprint, Reply)>,
}

impl Run {
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended(..))
    }

    fn execution(&self) -> Option<(ExecutionId, SessionId)> {
        match self.state {
            State::Executing(execution, session) => Some((execution, session)),
            State::Waiting(_) | State::Ready | State::Suspended(_) | State::Ended(..) => None,
        }
    }
}

impl Rhythm {
    fn new(settled: Timestamp, next: Next) -> Rhythm {
        Rhythm { settled, next, stalled: false, resumed: None, skipping: None }
    }

    fn is_exhausted(&self) -> bool {
        match &self.next {
            Next::Planned { ahead, ended } => *ended && ahead.is_empty(),
            Next::Grid { left, .. } => *left == Some(0),
            Next::Stopped { restart } => !restart,
        }
    }

    fn first(&self) -> Option<Timestamp> {
        match &self.next {
            Next::Planned { ahead, .. } => ahead.first().copied(),
            Next::Grid { left: Some(0), .. } | Next::Stopped { .. } => None,
            Next::Grid { next, .. } => Some(*next),
        }
    }

    pub(super) fn planned_until(&self) -> Timestamp {
        match &self.next {
            Next::Planned { ahead, .. } => ahead.last().copied().unwrap_or(self.settled),
            Next::Grid { .. } | Next::Stopped { .. } => self.settled,
        }
    }

    /// Takes the next instant.
    fn take(&mut self) -> Timestamp {
        match &mut self.next {
            Next::Planned { ahead, .. } => ahead.remove(0),
            Next::Grid { next, interval, left } => {
                let instant = *next;
                *next = instant + *interval;
                *left = left.map(|left| left - 1);
                instant
            }
            Next::Stopped { .. } => unreachable!("a stopped job has no instant"),
        }
    }

    /// The known instants that are before `limit`; the second says that there may be more of them.
    fn before(&self, limit: Timestamp) -> (u64, bool) {
        match &self.next {
            Next::Planned { ahead, ended } => {
                let count = ahead.iter().filter(|instant| **instant < limit).count();
                (count as u64, count == ahead.len() && !ended)
            }
            Next::Grid { .. } => {
                let mut ahead = self.clone();
                let mut count = 0;
                while ahead.first().is_some_and(|first| first < limit) {
                    ahead.take();
                    count += 1;
                }
                (count, false)
            }
            Next::Stopped { .. } => (0, false),
        }
    }
}

impl Job {
    pub(super) fn live(&self) -> usize {
        self.runs.values().filter(|run| run.is_live()).count()
    }

    fn live_numbers(&self) -> Vec<u64> {
        self.runs.iter().filter(|(_, run)| run.is_live()).map(|(number, _)| *number).collect()
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }
}

impl Model {
    pub(super) fn apply(&mut self, index: u64, entry: &LogEntry) -> Vec<Reply> {
        (self.index, self.ordinal) = (index, 0);
        self.now = self.now.max(entry.at);
        entry.commands.iter().map(|command| self.command(command)).collect()
    }

    fn id(&mut self) -> Position {
        self.ordinal += 1;
        Position::new(self.index, self.ordinal - 1)
    }

    fn counts(&mut self, group: &NodeGroup) -> &mut Counts {
        self.counts.entry(group.clone()).or_default()
    }

    fn rare(&mut self, what: &'static str) {
        *self.rare.entry(what).or_default() += 1;
    }

    fn command(&mut self, command: &Command) -> Reply {
        match command {
            Command::ClientOpen(_) => {
                let client = ClientId(self.id());
                self.clients.insert(client, Client { used: minute(self.now), ..Client::default() });
                Reply::ClientOpened(client)
            }
            Command::Submit(submit) => self.once(&submit.request, |model| {
                let mut answers: Vec<SubmitAnswer> =
                    submit.jobs.iter().map(|spec| model.submit(spec)).collect();
                for place in &submit.refused {
                    if *place as usize <= answers.len() {
                        answers.insert(*place as usize, SubmitAnswer::Refused);
                    }
                }
                Reply::Submitted(answers)
            }),
            Command::Cancel(cancel) => {
                self.once(&cancel.request, |model| Reply::Cancelled(model.cancel(&cancel.job)))
            }
            Command::Terminate(it) => self.once(&it.request, |model| model.terminate(it.run)),
            Command::Retry(it) => self.once(&it.request, |model| match &it.of {
                RetryOf::Run(run) => model.retry(*run),
                RetryOf::LastDead(job) => model.retry_last_dead(job),
            }),
            Command::Suspend(act) => self.once(&act.request, |model| model.act(act, Model::suspend)),
            Command::Resume(act) => self.once(&act.request, |model| model.act(act, Model::resume)),
            Command::Trigger(act) => self.once(&act.request, |model| model.act(act, Model::trigger)),
            Command::Delete(act) => self.once(&act.request, |model| model.act(act, Model::delete)),
            Command::Update(it) => self.once(&it.request, |model| Reply::Updated(model.update(it))),
            Command::PauseQueue(it) => Reply::Switched(self.paused.insert(it.node_group.clone())),
            Command::ResumeQueue(it) => Reply::Switched(self.paused.remove(&it.node_group)),
            Command::Drain(it) => self.drain(it),
            Command::Undrain(it) => self.undrain(it),
            Command::SetSlots(it) => self.set_slots(it),
            Command::TrackerOnline(online) => Reply::Online(self.online(online)),
            Command::TrackerOffline(offline) => self.offline(offline.session),
            Command::Dispatch(dispatch) => self.dispatch(dispatch.session, dispatch.want),
            Command::Return(it) => {
                it.executions.iter().for_each(|execution| self.give_back(*execution, it.began));
                Reply::Done
            }
            Command::Complete(it) => {
                Reply::Completed(it.results.iter().map(|result| self.complete(result)).collect())
            }
            Command::Reclaim(it) => {
                it.executions.iter().for_each(|execution| self.reclaim(*execution, it.reason));
                Reply::Done
            }
            Command::Plan(plan) => {
                let refused: Vec<JobId> =
                    plan.jobs.iter().filter(|job| !self.plan(job)).map(|job| job.job).collect();
                refused.first().map_or(Reply::Done, |job| Reply::Refused(Refusal::PlanOutdated(*job)))
            }
            Command::Tick => {
                self.tick();
                Reply::Done
            }
            Command::BizLog(_) => Reply::Done,
            Command::Expire => {
                self.expire();
                Reply::Done
            }
            Command::Stats(told) => {
                self.stats(told);
                Reply::Done
            }
            Command::SetLimits(set) => match set.limits.check() {
                Ok(()) if set.instead_of.is_some_and(|expected| expected != self.limits) => {
                    Reply::Refused(Refusal::LimitsChanged)
                }
                Ok(()) => {
                    self.limits = set.limits;
                    Reply::Done
                }
                Err(wrong) => Reply::Refused(wrong.into()),
            },
            Command::FeedbackHeard(it) => {
                let feedback = self.feedback.entry(it.client_group.clone()).or_default();
                let heard = it.runs.iter().filter(|run| feedback.told.remove(run).is_some()).count();
                feedback.heard += heard as u64;
                *self.rare.entry("feedback heard").or_default() += heard as u64;
                Reply::Done
            }
            Command::FeedbackFailed(it) => {
                it.failures.iter().for_each(|failure| self.feedback_failed(&it.client_group, failure));
                Reply::Done
            }
            Command::FeedbackRetry(it) => self.tell_again(&it.client_group, &it.which),
            Command::FeedbackDrop(it) => {
                let chosen = self.chosen_feedback(&it.client_group, &it.which);
                let feedback = self.feedback.entry(it.client_group.clone()).or_default();
                let gone = chosen.iter().filter(|run| feedback.told.remove(run).is_some()).count();
                feedback.discarded += gone as u64;
                Reply::FeedbackMoved(gone as u32)
            }
            Command::DeleteGroup(delete) => self.delete_group(&delete.node_group),
            Command::SetAlarms(set) => {
                for one in &set.changes {
                    let id = AlarmId(Position::new(self.index, self.ordinal));
                    self.ordinal += u32::from(self.alarms.change(self.now, id, one));
                }
                Reply::Done
            }
            Command::AlarmsTold(told) => {
                told.told.iter().for_each(|one| self.alarms.told(one));
                Reply::Done
            }
            Command::SilenceAlarm(silence) => {
                self.alarms.silence(self.now, silence);
                Reply::Done
            }
        }
    }

    // -- feedback --------------------------------------------------------------------------------------------------

    /// A run has ended: whoever wants to hear of it shall.
    fn tell(&mut self, id: RunId) {
        let (max, Some(run)) = (self.limits.feedback_max, self.run(id)) else { return };
        let (State::Ended(fate, ended), Some(group)) = (&run.state, run.spec.feedback_group()) else {
            return;
        };
        let (fate, ended, group) = (*fate, *ended, group.clone());
        let never_ran = match fate {
            Fate::Cancelled => run.executions == 0,
            Fate::Skipped { .. } => true,
            Fate::Succeeded | Fate::Failed | Fate::Dead => false,
        };
        if never_ran {
            return self.rare("no feedback of what never ran");
        }
        let feedback = self.feedback.entry(group).or_default();
        feedback.made += 1;
        if feedback.pending() >= max {
            feedback.dropped += 1;
            return self.rare("feedback dropped");
        }
        feedback.told.insert(id, Telling { fate, ended, tries: 0, next_try: Some(ended) });
    }

    fn feedback_failed(&mut self, group: &NodeGroup, failure: &FeedbackFailure) {
        let (now, limits) = (self.now, self.limits);
        let Some(feedback) = self.feedback.get_mut(group) else { return };
        let dead = feedback.dead();
        let Some(it) = feedback.told.get_mut(&failure.run) else { return };
        if it.next_try.is_none() || it.tries + 1 != failure.attempt {
            return self.rare("failed feedback again");
        }
        it.tries += 1;
        if it.tries < limits.feedback_tries_max {
            let seconds = 2_u64.pow((it.tries - 1).min(12)).min(600);
            it.next_try = Some(now + Millis::from_secs(seconds));
        } else if dead < limits.feedback_max {
            it.next_try = None;
            self.rare("dead letter");
        } else {
            feedback.told.remove(&failure.run);
            feedback.dropped += 1;
            self.rare("dead letter dropped");
        }
    }

    fn chosen_feedback(&self, group: &NodeGroup, which: &FeedbackWhich) -> Vec<RunId> {
        let all = self.feedback.get(group).into_iter().flat_map(|feedback| &feedback.told);
        match which {
            FeedbackWhich::Runs(runs) => runs.clone(),
            FeedbackWhich::Dead => all.filter(|(_, it)| it.next_try.is_none()).map(|(run, _)| *run).collect(),
            FeedbackWhich::Pending => {
                all.filter(|(_, it)| it.next_try.is_some()).map(|(run, _)| *run).collect()
            }
        }
    }

    fn tell_again(&mut self, group: &NodeGroup, which: &FeedbackWhich) -> Reply {
        let (now, max, chosen) = (self.now, self.limits.feedback_max, self.chosen_feedback(group, which));
        let mut moved = 0;
        let Some(feedback) = self.feedback.get_mut(group) else { return Reply::FeedbackMoved(0) };
        for run in chosen {
            let pending = feedback.pending();
            let Some(it) = feedback.told.get_mut(&run) else { continue };
            let stays = it.next_try.map_or(pending >= max, |next_try| next_try <= now);
            if !stays {
                (it.tries, it.next_try) = (0, Some(now));
                moved += 1;
            }
        }
        *self.rare.entry("feedback told again by hand").or_default() += u64::from(moved);
        Reply::FeedbackMoved(moved)
    }

    // -- requests --------------------------------------------------------------------------------------------------

    fn once(&mut self, request: &RequestKey, run: impl FnOnce(&mut Model) -> Reply) -> Reply {
        match request {
            RequestKey::None => run(self),
            RequestKey::Id { id, asks } => {
                if let Some((_, first)) = self.requests.get(id) {
                    let first = first.clone();
                    return self.again(first, *asks);
                }
                let answer = run(self);
                self.requests.insert(id.clone(), (self.now, (*asks, answer.clone())));
                answer
            }
            RequestKey::Session { client, sequence, asks } => {
                let Some(known) = self.clients.get(client) else {
                    return Reply::Refused(Refusal::UnknownClient(*client));
                };
                if let Some(first) = known.answers.get(sequence) {
                    let first = first.clone();
                    return self.again(first, *asks);
                }
                if known.high >= CLIENT_WINDOW && *sequence <= known.high - CLIENT_WINDOW {
                    self.rare("request too old");
                    return Reply::Refused(Refusal::RequestTooOld { client: *client, sequence: *sequence });
                }
                let answer = run(self);
                let now = self.now;
                let known = self.clients.get_mut(client).expect("it was there");
                known.answers.insert(*sequence, (*asks, answer.clone()));
                (known.high, known.used) = (known.high.max(*sequence), minute(now));
                let high = known.high;
                known.answers.retain(|sequence, _| high < CLIENT_WINDOW || *sequence > high - CLIENT_WINDOW);
                answer
            }
        }
    }

    fn again(&mut self, (asked, first): (Fingerprint, Reply), asks: Fingerprint) -> Reply {
        if asked != asks {
            self.rare("another request under the same key");
            return Reply::Refused(Refusal::RequestMismatch);
        }
        self.rare("request again");
        Reply::Again(Box::new(first))
    }

    // -- jobs ------------------------------------------------------------------------------------------------------

    fn submit(&mut self, spec: &Arc<JobSpec>) -> SubmitAnswer {
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
    fn make(&mut self, id: JobId, due: Timestamp, by_hand: bool) {
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

    fn end(&mut self, run: RunId, fate: Fate) {
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
    fn end_job_if_done(&mut self, id: JobId) {
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

    fn run_mut(&mut self, run: RunId) -> Option<&mut Run> {
        self.jobs.get_mut(&run.job)?.runs.get_mut(&run.number)
    }

    fn run(&self, run: RunId) -> Option<&Run> {
        self.jobs.get(&run.job)?.runs.get(&run.number)
    }

    fn cancel(&mut self, job: &JobRef) -> CancelAnswer {
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

    fn find_job(&self, job: &JobRef) -> Option<JobId> {
        let id = match job {
            JobRef::Id(job) => Some(*job),
            JobRef::Key(group, task) => self.keys.get(&(group.clone(), task.clone())).copied(),
        };
        id.filter(|id| self.jobs.contains_key(id))
    }

    // -- acts on a job -----------------------------------------------------------------------------------------------

    fn act(&mut self, act: &OnJob, does: fn(&mut Model, JobId) -> Reply) -> Reply {
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

    fn suspend(&mut self, id: JobId) -> Reply {
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
    fn hold(&mut self, id: RunId) {
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

    fn is_held(&self, id: RunId) -> bool {
        self.jobs[&id.job].suspended && self.run(id).is_some_and(|run| !run.despite)
    }

    fn resume(&mut self, id: JobId) -> Reply {
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
    fn grid_until(&mut self, id: JobId, until: Timestamp) -> Option<Timestamp> {
        let rhythm = self.jobs.get_mut(&id)?.rhythm.as_mut()?;
        let is_grid = matches!(rhythm.next, Next::Grid { .. });
        rhythm.first().filter(|first| is_grid && *first <= until)?;
        Some(rhythm.take())
    }

    fn trigger(&mut self, id: JobId) -> Reply {
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

    fn delete(&mut self, id: JobId) -> Reply {
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

    fn retry_last_dead(&mut self, job: &JobRef) -> Reply {
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

    fn terminate(&mut self, id: RunId) -> Reply {
        let Some(run) = self.run_mut(id) else { return Reply::Refused(Refusal::UnknownRun(id)) };
        let Some((execution, _)) = run.execution() else {
            return Reply::Refused(Refusal::NotExecuting(id));
        };
        run.stop = run.stop.or(Some(Stop::Terminate));
        self.id();
        self.rare("terminated");
        Reply::Terminating(execution)
    }

    fn retry(&mut self, id: RunId) -> Reply {
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

    // -- executions ------------------------------------------------------------------------------------------------

    fn find(&self, execution: ExecutionId) -> Option<RunId> {
        let runs = self.jobs.iter().flat_map(|(job, it)| it.runs.iter().map(move |run| (*job, run)));
        let mut current = runs.filter(|(_, (_, run))| run.execution().is_some_and(|(id, _)| id == execution));
        current.next().map(|(job, (number, _))| RunId { job, number: *number })
    }

    fn executions_of(&self, session: SessionId) -> Vec<ExecutionId> {
        let runs = self.jobs.values().flat_map(|job| job.runs.values());
        let on = runs.filter_map(Run::execution).filter(|(_, on)| *on == session);
        let mut executions: Vec<ExecutionId> = on.map(|(execution, _)| execution).collect();
        executions.sort();
        executions
    }

    fn dispatch(&mut self, session: SessionId, want: u32) -> Reply {
        let online = |tracker: &&Tracker| tracker.session == session && tracker.online;
        let Some(group) =
            self.trackers.iter().find(|(_, it)| online(it)).map(|((group, _), _)| group.clone())
        else {
            return Reply::Refused(Refusal::UnknownSession(session));
        };
        let tracker = self.trackers.values().find(online).expect("found just now");
        if tracker.drained.is_some() {
            self.rare("dispatch to a drained TaskTracker");
            return Reply::Refused(Refusal::Draining(session));
        }
        if self.paused.contains(&group) {
            self.rare("dispatch in a paused group");
            return Reply::Refused(Refusal::Paused(group));
        }
        let free = (tracker.slots.unwrap_or(tracker.capacity) as usize)
            .saturating_sub(self.executions_of(session).len());
        let mut ready: Vec<(i32, Timestamp, RunId)> = Vec::new();
        for (job, it) in &self.jobs {
            for (number, run) in it.runs.iter().filter(|(_, run)| run.state == State::Ready) {
                let takes = tracker.kinds.is_empty() || tracker.kinds.contains(&run.spec.kind);
                if takes && run.group == group {
                    ready.push((run.spec.priority, run.due, RunId { job: *job, number: *number }));
                }
            }
        }
        ready.sort();
        ready.truncate(free.min(want as usize));
        let pushes = ready.into_iter().filter_map(|(_, _, run)| self.push(run, session)).collect();
        Reply::Dispatched(Dispatched { session, pushes })
    }

    fn push(&mut self, id: RunId, session: SessionId) -> Option<Push> {
        let now = self.now;
        let run = self.run(id)?;
        if run.executions == 0 && run.start_by.is_some_and(|start_by| now > start_by) {
            let fate = Fate::Skipped { reason: SkipReason::DeadlinePassed, last: run.due, count: 1 };
            self.end(id, fate);
            return None;
        }
        let execution = ExecutionId(self.id());
        let run = self.run_mut(id)?;
        run.executions += 1;
        run.state = State::Executing(execution, session);
        Some(Push {
            execution,
            run: id,
            spec: Arc::clone(&run.spec),
            due: run.due,
            attempt: run.executions,
            retries: run.retries,
            reclaims: run.reclaims,
        })
    }

    fn complete(&mut self, result: &Completion) -> CompleteAnswer {
        let action = result.outcome.action;
        let Some(id) = self.find(result.execution) else {
            let Some(run) = self.run(result.run) else { return CompleteAnswer::Stale };
            if run.recorded.contains(&(result.execution, action)) {
                self.rare("completed again");
                return CompleteAnswer::Accepted;
            }
            let group = self.jobs[&result.run.job].spec.node_group.clone();
            self.counts(&group).stale += 1;
            self.rare("stale completion");
            self.id();
            return CompleteAnswer::Stale;
        };
        let group = self.run(id).expect("found just now").group.clone();
        *self.counts(&group).executed.entry(action.as_str()).or_default() += 1;
        let run = self.run_mut(id).expect("found just now");
        run.recorded.insert((result.execution, action));
        match action {
            Action::ExecuteSuccess => self.end(id, Fate::Succeeded),
            Action::ExecuteFailed => self.end(id, Fate::Failed),
            Action::ExecuteLater | Action::ExecuteException => {
                let run = run.clone();
                self.try_again(id, &run, result.outcome.retry_after);
            }
        }
        CompleteAnswer::Accepted
    }

    fn try_again(&mut self, id: RunId, run: &Run, after: Option<Millis>) {
        if let Some(fate) = given_up(run) {
            return self.end(id, fate);
        }
        // The newest revision decides.
        let spec = Arc::clone(&self.jobs[&id.job].spec);
        if run.retries >= spec.retry.retries_max {
            return self.end(id, Fate::Dead);
        }
        let until = self.now + after.unwrap_or_else(|| spec.retry.delay(id, run.retries + 1));
        let held = self.is_held(id);
        if held && self.jobs[&id.job].rhythm.is_some() {
            self.rare("no retry of a suspended job");
            return self.end(id, Fate::Failed);
        }
        let job = &self.jobs[&id.job];
        let next = job.rhythm.as_ref().filter(|_| !job.suspended).and_then(Rhythm::first);
        if spec.rely_on_previous_cycle && next.is_some_and(|next| next <= until) {
            self.rare("next cycle before retry");
            return self.end(id, Fate::Failed);
        }
        let run = self.run_mut(id).expect("its job was just looked at");
        (run.retries, run.state) = (run.retries + 1, State::Waiting(until));
        if held {
            self.hold(id);
            self.rare("no retry of a suspended job");
        }
        self.take_newest(id);
    }

    fn give_back(&mut self, execution: ExecutionId, began: bool) {
        let Some(id) = self.find(execution) else { return };
        let run = self.run_mut(id).expect("found just now");
        run.executions -= u32::from(!began);
        let group = run.group.clone();
        self.counts(&group).returned += u64::from(!began);
        let run = self.run_mut(id).expect("found just now");
        match given_up(run) {
            Some(fate) => self.end(id, fate),
            None => self.ready_or_held(id),
        }
        self.rare(if began { "interrupted" } else { "returned" });
    }

    fn reclaim(&mut self, execution: ExecutionId, reason: ReclaimReason) {
        let Some(id) = self.find(execution) else { return };
        let limit = self.limits.reclaims_max;
        let run = self.run_mut(id).expect("found just now");
        run.reclaims += 1;
        let worn_out = run.reclaims > limit;
        let dead = reason == ReclaimReason::TimedOut || worn_out;
        match given_up(run).or(dead.then_some(Fate::Dead)) {
            Some(fate) => self.end(id, fate),
            None => self.ready_or_held(id),
        }
        self.rare(if worn_out { "dead by reclaims" } else { "reclaimed" });
    }

    fn ready_or_held(&mut self, id: RunId) {
        self.run_mut(id).expect("it lives").state = State::Ready;
        if self.is_held(id) {
            self.hold(id);
        }
        self.take_newest(id);
    }

    // -- TaskTrackers ----------------------------------------------------------------------------------------------

    fn online(&mut self, online: &TrackerOnline) -> SessionId {
        let key = (online.node_group.clone(), online.identity.clone());
        let known = self.trackers.get(&key).map(|it| (it.session, it.online, it.start, it.since));
        let (session, since) = match known {
            Some((session, true, start, since)) if start == online.start => (session, since),
            Some(_) | None => (SessionId(self.id()), self.now),
        };
        if known.is_none_or(|(old, ..)| old != session) {
            if let Some((old, true, ..)) = known {
                self.event(&key, old, false);
                self.rare("replaced session");
            }
            self.event(&key, session, true);
        }
        if let Some((old, ..)) = known.filter(|(old, ..)| *old != session) {
            for execution in self.executions_of(old) {
                if online.holds.contains(&execution) {
                    let run = self.find(execution).expect("it executes");
                    self.run_mut(run).expect("it executes").state = State::Executing(execution, session);
                    self.rare("taken over");
                } else {
                    self.reclaim(execution, ReclaimReason::TrackerRestarted);
                }
            }
        }
        let (start, capacity, kinds) = (online.start, online.capacity, online.kinds.clone());
        let stays = known.is_some_and(|(old, ..)| old == session);
        let (drained, slots) = self.trackers.get(&key).map_or((None, None), |it| (it.drained, it.slots));
        // Who starts anew stays drained, and does not leave.
        let drained = drained.map(|leave| leave && stays);
        let tracker = Tracker { session, start, online: true, since, capacity, kinds, drained, slots };
        self.trackers.insert(key, tracker);
        session
    }

    fn offline(&mut self, session: SessionId) -> Reply {
        let now = self.now;
        let found = self.trackers.iter_mut().find(|(_, it)| it.session == session && it.online);
        let Some((who, tracker)) = found else {
            return Reply::Refused(Refusal::UnknownSession(session));
        };
        (tracker.online, tracker.since) = (false, now);
        let who = who.clone();
        self.event(&who, session, false);
        for execution in self.executions_of(session) {
            self.reclaim(execution, ReclaimReason::TrackerSilent);
        }
        Reply::Done
    }

    fn event(&mut self, who: &(NodeGroup, Identity), session: SessionId, came: bool) {
        self.id();
        self.events.push((self.now, who.clone(), session, came));
    }

    fn delete_group(&mut self, group: &NodeGroup) -> Reply {
        let trackers = || self.trackers.iter().filter(|((of, _), _)| of == group);
        let online = trackers().filter(|(_, it)| it.online).count() as u64;
        // A run that executed while its job moved stays of the group that it was of.
        let runs: Vec<&Run> = self.jobs.values().flat_map(|job| job.runs.values()).collect();
        let of_group = |run: &&&Run| run.group == *group;
        let live_runs = runs.iter().filter(of_group).filter(|run| run.is_live()).count();
        let jobs: Vec<&Job> = self.jobs.values().filter(|job| job.spec.node_group == *group).collect();
        let live = (live_runs + jobs.iter().filter(|job| job.rhythm.is_some()).count()) as u64;
        let kept = runs.iter().filter(of_group).filter(|run| !run.is_live()).count() as u64
            + self.leftover.get(group).copied().unwrap_or_default();
        if online + live + kept > 0 || !jobs.is_empty() {
            self.rare("group in use");
            return Reply::Refused(Refusal::GroupInUse { node_group: group.clone(), live, kept, online });
        }
        if !self.groups.contains(group) && trackers().next().is_none() {
            return Reply::Refused(Refusal::UnknownGroup(group.clone()));
        }
        self.counts.remove(group);
        self.paused.remove(group);
        self.trackers.retain(|(of, _), _| of != group);
        self.groups.remove(group);
        self.rare("group deleted");
        Reply::Done
    }

    // -- time ------------------------------------------------------------------------------------------------------

    fn tick(&mut self) {
        self.give_up();
        for id in self.jobs.keys().copied().collect::<Vec<_>>() {
            for number in self.jobs[&id].live_numbers() {
                self.ripen(RunId { job: id, number });
            }
            while self.settle_next(id) {}
            self.end_job_if_done(id);
        }
    }

    /// Whatever was ready and could no longer start.
    fn give_up(&mut self) {
        let now = self.now;
        let mut late = Vec::new();
        for (job, it) in &self.jobs {
            for (number, run) in &it.runs {
                let waits_to_start = run.state == State::Ready && run.executions == 0;
                if let Some(start_by) = run.start_by.filter(|start_by| waits_to_start && now > *start_by) {
                    late.push((start_by, RunId { job: *job, number: *number }, run.due));
                }
            }
        }
        late.sort_by_key(|(start_by, run, _)| (*start_by, *run));
        for (_, run, last) in late {
            self.end(run, Fate::Skipped { reason: SkipReason::DeadlinePassed, last, count: 1 });
        }
    }

    fn ripen(&mut self, id: RunId) {
        let now = self.now;
        let run = self.run_mut(id).expect("it lives");
        if !matches!(run.state, State::Waiting(until) if until <= now) {
            return;
        }
        let late = now.since(run.due) > run.spec.misfire_after && run.spec.misfire == MisfirePolicy::Skip;
        let reason = match run.start_by {
            _ if run.executions > 0 => None,
            Some(start_by) if now > start_by => Some(SkipReason::DeadlinePassed),
            Some(_) | None => late.then_some(SkipReason::Misfired),
        };
        match reason {
            Some(reason) => {
                let last = run.due;
                self.end(id, Fate::Skipped { reason, last, count: 1 });
            }
            None => run.state = State::Ready,
        }
    }

    /// Every instant that is due gets its fate; what waits for a plan does so in vain.
    fn settle_before_the_end(&mut self, id: JobId) {
        while self.settle_next(id) {}
        if self.jobs[&id].rhythm.as_ref().is_some_and(|rhythm| rhythm.stalled) {
            self.plan_ends(id, true);
            while self.settle_next(id) {}
            self.plan_ends(id, false);
            self.rare("decided without a plan");
        }
        self.end_job_if_done(id);
    }

    fn plan_ends(&mut self, id: JobId, it_does: bool) {
        let rhythm = self.jobs.get_mut(&id).and_then(|job| job.rhythm.as_mut()).expect("it has stalled");
        rhythm.stalled = false;
        if let Next::Planned { ended, .. } = &mut rhythm.next {
            *ended = it_does;
        }
    }

    /// Settles the next instant of a job that is due; false if none is or none can be decided.
    fn settle_next(&mut self, id: JobId) -> bool {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it is looked at");
        let (live, spec) = (job.live(), Arc::clone(&job.spec));
        if job.suspended {
            return false;
        }
        let Some(rhythm) = &mut job.rhythm else { return false };
        let Some(instant) = rhythm.first().filter(|first| *first <= now && !rhythm.stalled) else {
            return false;
        };
        let kept = match spec.misfire {
            MisfirePolicy::RunOnceLate => 1,
            MisfirePolicy::Skip => 0,
            MisfirePolicy::CatchUp(n) => u64::from(n),
        };
        let late = now.since(instant);
        let mut reason = None;
        if late > spec.misfire_after {
            let (missed, may_be_more) = rhythm.before(now - spec.misfire_after);
            if missed > kept {
                reason = Some(SkipReason::Misfired);
            } else if may_be_more && kept > 0 {
                rhythm.stalled = true;
                self.rare("stalled");
                return false;
            }
        }
        if reason.is_none() && spec.start_deadline.is_some_and(|deadline| late > deadline) {
            reason = Some(SkipReason::DeadlinePassed);
        }
        if reason.is_none() && spec.rely_on_previous_cycle && live > 0 {
            reason = Some(SkipReason::PreviousStillLive);
        }
        if reason.is_none() && live >= LIVE_RUNS_MAX as usize {
            reason = Some(SkipReason::TooManyLive);
        }
        rhythm.take();
        rhythm.settled = instant;
        match reason {
            Some(reason) => self.skip(id, instant, instant, 1, reason),
            None => {
                rhythm.skipping = None;
                self.make(id, instant, false);
            }
        }
        true
    }

    /// Neighbours that were skipped for the same reason share a row.
    fn skip(&mut self, id: JobId, first: Timestamp, last: Timestamp, count: u64, reason: SkipReason) {
        self.rare(match reason {
            SkipReason::Misfired => "misfired",
            SkipReason::PreviousStillLive => "previous still live",
            SkipReason::DeadlinePassed => "deadline passed",
            SkipReason::Suspended => "suspended instants",
            SkipReason::Superseded | SkipReason::TooManyLive => "skipped",
        });
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it is settled");
        let rhythm = job.rhythm.as_mut().expect("it has instants");
        rhythm.settled = last;
        if let Some((number, _)) = rhythm.skipping.filter(|(_, before)| *before == reason)
            && let Some(Run {
                state: State::Ended(Fate::Skipped { last: end, count: all, .. }, began), ..
            }) = job.runs.get_mut(&number)
            && now.since(*began) <= Millis::from_secs(3600)
        {
            (*end, *all) = (last, *all + count);
            self.rare("range extended");
            return;
        }
        rhythm.skipping = Some((job.next_number, reason));
        self.make(id, first, false);
        let job = self.jobs.get_mut(&id).expect("it is settled");
        let (_, run) = job.runs.last_key_value().expect("made just now");
        let state = State::Ended(Fate::Skipped { reason, last, count }, now);
        let run = Run { state, ..run.clone() };
        job.runs.insert(job.next_number - 1, run);
    }

    fn plan(&mut self, plan: &JobPlan) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&plan.job) else { return false };
        let (misfire_after, revision, suspended) = (job.spec.misfire_after, job.planned_by, job.suspended);
        let Some(rhythm) = &mut job.rhythm else { return false };
        let Next::Planned { ahead, ended: false } = &mut rhythm.next else { return false };
        let until = ahead.last().copied().unwrap_or(rhythm.settled);
        let mut right = plan.revision == revision && plan.after == until && plan.resumed == rhythm.resumed;
        right &= !suspended;
        // Each range, and when it may end at the latest; then what comes.
        let mut from = until;
        if let Some(range) = plan.suspended {
            right &= range.count > 0 && from < range.first && range.first <= range.last;
            right &= plan.resumed.is_some_and(|resumed| range.last <= resumed);
        }
        from = from.max(plan.resumed.unwrap_or(from));
        if let Some(range) = plan.skipped {
            right &= range.count > 0 && from < range.first && range.first <= range.last;
            right &= now.since(range.last) > misfire_after;
            from = range.last;
        }
        for instant in &plan.instants {
            right &= from < *instant;
            from = *instant;
        }
        if !right {
            self.rare("plan refused");
            return false;
        }
        let late = if plan.skipped.is_some() { std::mem::take(ahead) } else { Vec::new() };
        ahead.extend(&plan.instants);
        (rhythm.next, rhythm.stalled) =
            (Next::Planned { ahead: std::mem::take(ahead), ended: plan.ended }, false);
        rhythm.resumed = None;
        if let Some(range) = plan.suspended {
            self.skip(plan.job, range.first, range.last, range.count, SkipReason::Suspended);
        }
        for instant in late {
            self.skip(plan.job, instant, instant, 1, SkipReason::Misfired);
        }
        if let Some(range) = plan.skipped {
            self.skip(plan.job, range.first, range.last, range.count, SkipReason::Misfired);
        }
        self.end_job_if_done(plan.job);
        true
    }

    fn expire(&mut self) {
        let (limits, now) = (self.limits, self.now);
        let old = now - limits.finished_kept;
        let gone: Vec<(Timestamp, JobId)> = self.ends.iter().copied().filter(|(at, _)| *at < old).collect();
        let mut touched: BTreeSet<JobId> = gone.iter().map(|(_, job)| *job).collect();
        self.ends.retain(|(at, _)| *at >= old);
        for (id, job) in &mut self.jobs {
            let before = job.runs.len();
            let forgotten =
                job.runs.values().filter(|run| matches!(run.state, State::Ended(_, at) if at < old));
            for run in forgotten {
                self.counts.entry(run.group.clone()).or_default().forgotten.push(run.clone());
            }
            job.runs.retain(|_, run| !matches!(run.state, State::Ended(_, at) if at < old));
            if job.runs.len() < before {
                touched.insert(*id);
                *self.rare.entry("expired").or_default() += 1;
            }
        }
        self.leftover.clear();
        self.jobs.retain(|id, job| job.alive || !job.runs.is_empty() || !touched.contains(id));
        let jobs = &self.jobs;
        self.keys.retain(|_, job| jobs.contains_key(job));
        self.requests.retain(|_, (at, _)| *at >= now - limits.request_window);
        self.clients.retain(|_, client| client.used >= now - limits.client_kept);
        self.trackers.retain(|_, it| it.online || it.since >= now - limits.offline_kept);
        for feedback in self.feedback.values_mut() {
            let before = feedback.told.len();
            feedback.told.retain(|_, it| it.ended >= now - limits.feedback_kept);
            let expired = (before - feedback.told.len()) as u64;
            feedback.expired += expired;
            *self.rare.entry("feedback expired").or_default() += expired;
        }
        let before = self.events.len();
        self.events.retain(|(at, ..)| *at >= now - limits.node_events_kept);
        let most = usize::try_from(limits.node_events_max).unwrap_or(usize::MAX);
        self.events.drain(..self.events.len().saturating_sub(most));
        *self.rare.entry("event forgotten").or_default() += (before - self.events.len()) as u64;
        self.alarms.expire(now);
        let before = self.series.len();
        let oldest_kept = minute(now - limits.stats_kept);
        self.series.retain(|(at, ..)| *at >= oldest_kept);
        while self.series.len() as u64 > limits.stats_rows_max {
            self.series.pop_first();
        }
        *self.rare.entry("series forgotten").or_default() += (before - self.series.len()) as u64;
    }

    fn stats(&mut self, told: &Stats) {
        let now = self.now;
        for of in told.groups.iter().filter(|of| self.counts.contains_key(&of.node_group)) {
            self.series.insert((
                minute(now - Millis::from_secs(60)),
                0,
                of.node_group.to_string(),
                String::new(),
            ));
        }
        let is_of_now =
            |at: Timestamp| at <= now + Millis::from_secs(60) && at >= now - self.limits.stats_kept;
        for of in told.trackers.iter().filter(|of| is_of_now(of.minute)) {
            let (group, who) = (of.node_group.to_string(), of.identity.to_string());
            self.series.insert((minute(of.minute), 1, group, who));
        }
        for of in &told.jobtrackers {
            self.series.insert((minute(now - Millis::from_secs(60)), 2, String::new(), of.name.to_string()));
        }
    }
}

/// The fate of a run that shall have no further attempt.
fn given_up(run: &Run) -> Option<Fate> {
    match run.stop {
        Some(Stop::Cancel) => Some(Fate::Cancelled),
        Some(Stop::Terminate) => Some(Fate::Failed),
        None => run.superseded.then_some(Fate::Failed),
    }
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis() % 60_000)
}
