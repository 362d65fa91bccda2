//! The machine told again, as plainly as possible: jobs with their runs in one map, everything by looking at all of it.
//!
//! Written from the contract, not from the machine: no layers, no indexes, no budgets, an instant at a time. It shares
//! only the words (commands, replies, ids) with what it is compared with. Not here: the job log's lines, and the limit
//! on the number of finished runs.

mod acts;
mod executions;
mod feedback;
mod holds;
mod jobs;
mod requests;
mod time;
mod trackers;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::alarm_model::Alarms;
use crate::domain::{
    Action, AlarmId, ClientId, ExecutionId, Identity, JobId, JobSpec, Millis, NodeGroup, Position, RequestId,
    RunId, SessionId, TaskId, Timestamp,
};
use crate::machine::command::{Command, Fingerprint, LogEntry, RetryOf};
use crate::machine::limits::Limits;
use crate::machine::reply::{Refusal, Reply, SubmitAnswer};
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
