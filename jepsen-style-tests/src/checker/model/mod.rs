//! The life of jobs, told a second time: small, plain, written from the contract, the stories and the promises, and not
//! from the product's code. Replayed over the agreed log it must give every reply that the product gave.
//!
//! What the contract leaves open is adopted from the recorded reply where that is one of the allowed ones: the numbers
//! of new ids within an entry, and by which of its runs an ended job is judged. What it cannot follow (expiry, more due
//! at once than an entry takes, chance in a delay) it says, and the replay ends as unknown.

mod acts;
mod begin;
mod end;
mod request;
mod rhythm;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use super::command::{Command, Spec};
use super::reply::{CompleteAnswer, Fate, Reply};
use super::words::{Id, RunRef};
use request::Requests;
use rhythm::Rhythm;

/// Why the model cannot go on.
pub(crate) type Beyond = String;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The greatest time of any entry, milliseconds.
    pub(crate) now: i64,
    pub(crate) jobs: BTreeMap<Id, Job>,
    /// What became of the instants of jobs that were deleted since.
    deleted: BTreeMap<Id, Vec<Settled>>,
    /// The live job that has a key, else the last one that had it.
    keys: BTreeMap<(String, String), Id>,
    trackers: BTreeMap<(String, String), Tracker>,
    /// By node group, priority, due time and id.
    ready: BTreeSet<(String, i64, i64, RunRef)>,
    waiting: BTreeSet<(i64, i64, RunRef)>,
    executing: BTreeMap<Id, (RunRef, Id)>,
    /// Of which run every execution ever was.
    known: BTreeMap<Id, RunRef>,
    periodic: BTreeSet<Id>,
    requests: Requests,
    reclaims_max: Option<u64>,
    ids: Ids,
}

/// The product's default for how often a run is taken back before it is dead.
const RECLAIMS_MAX: u64 = 5;

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: Rc<Spec>,
    pub(crate) revision: u64,
    pub(crate) lives: bool,
    pub(crate) runs: BTreeMap<u64, Run>,
    live: usize,
    rhythm: Rhythm,
    /// Whether it counts as periodic: it has instants, runs of them, or a one-shot revision waits for such runs.
    periodic: bool,
    pub(crate) suspended: bool,
    /// When a cron was resumed, until its next plan.
    resumed: Option<i64>,
    /// A new revision of a one-shot job begins when the last execution of the old one has ended.
    restart: bool,
    cancelled: bool,
    last_ended: Option<Fate>,
    /// Why the latest rows were skipped, if they were skipped as instants: neighbours share a row.
    skipping: Option<(u64, Skip)>,
    settled: Vec<Settled>,
}

/// What became of an instant of a periodic job, or of a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    first: i64,
    last: i64,
    /// None of one that became a run.
    skipped: Option<Skip>,
}

impl Settled {
    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    pub(crate) fn was_skipped(&self) -> bool {
        self.skipped.is_some()
    }

    pub(crate) fn covers(&self, due: i64) -> bool {
        (self.first..=self.last).contains(&due)
    }

    pub(crate) fn word(&self) -> &'static str {
        match self.skipped {
            None => "became a run that was never dispatched",
            Some(Skip::PreviousLive) => "skipped, previous still live",
            Some(Skip::Misfired) => "skipped, missed",
            Some(Skip::Deadline) => "skipped, past the start deadline",
            Some(Skip::TooManyLive) => "skipped, too many live",
            Some(Skip::Suspended) => "skipped, suspended",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    PreviousLive,
    Misfired,
    Deadline,
    TooManyLive,
    Suspended,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) due: i64,
    pub(crate) state: State,
    spec: Rc<Spec>,
    executions: u64,
    retries: u64,
    reclaims: u64,
    stop: Stop,
    superseded: bool,
    /// Whether its job's periodic side counts it.
    periodic: bool,
    /// Somebody asked for it by hand: it has no start deadline.
    asked: bool,
    /// The same while its job was suspended: that does not hold it.
    despite: bool,
    /// What executions of it said.
    said: Vec<(Id, super::command::Action)>,
}

impl Run {
    /// Whether JobClients are to hear how it ended: it asked for it, it has ended, and it was not skipped or cancelled
    /// before anything of it was executed.
    pub(crate) fn is_told(&self) -> bool {
        let ran = match self.state {
            State::Ended(Fate::Succeeded | Fate::Failed | Fate::Dead) => true,
            State::Ended(Fate::Cancelled) => self.executions > 0,
            State::Ended(Fate::Skipped)
            | State::Waiting { .. }
            | State::Ready
            | State::Suspended { .. }
            | State::Executing(_) => false,
        };
        ran && self.spec.need_feedback
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting {
        until: i64,
    },
    Ready,
    /// Held, as its job is suspended; until when it had to wait.
    Suspended {
        until: Option<i64>,
    },
    Executing(Id),
    Ended(Fate),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    Terminate,
    Cancel,
}

#[derive(Debug)]
struct Tracker {
    session: Id,
    start: Value,
    online: bool,
    capacity: usize,
    kinds: Vec<String>,
}

/// The ids of one entry: one counter for all that are made in it.
#[derive(Debug, Default)]
struct Ids {
    index: u64,
    next: u64,
    /// The ids that the recorded reply made, in their order.
    hints: Vec<Id>,
    /// Something that is not seen here may have taken ids: a note of a stale completion or of what somebody did to a
    /// job, lines of user code.
    unsure: bool,
    guessed: bool,
}

impl Ids {
    fn make(&mut self) -> Id {
        let hint = (!self.hints.is_empty()).then(|| self.hints.remove(0));
        let hint = hint.filter(|id| id.index() == self.index && id.ordinal() >= self.next);
        self.guessed |= hint.is_none() && self.unsure;
        let id = hint.unwrap_or(Id::new(self.index, self.next));
        self.next = id.ordinal() + 1;
        id
    }
}

impl Model {
    /// A new entry begins.
    pub(crate) fn enter(&mut self, index: u64, at: i64) {
        self.now = self.now.max(at);
        self.ids = Ids { index, ..Ids::default() };
    }

    /// # Errors
    /// What of it the model does not know.
    pub(crate) fn apply(&mut self, command: &Command, recorded: Option<&Reply>) -> Result<Reply, Beyond> {
        let index = self.ids.index;
        let hints = recorded.map(Reply::ids).unwrap_or_default();
        self.ids.hints = hints.into_iter().filter(|id| id.index() == index).collect();
        if let Some(reply) = self.requests.first_answer(command) {
            return Ok(reply);
        }
        let reply = self.perform(command, recorded)?;
        if recorded.is_none() && self.ids.guessed {
            return Err("the ids that an unrecorded reply made".into());
        }
        self.requests.remember(command, &reply);
        Ok(reply)
    }

    fn perform(&mut self, command: &Command, recorded: Option<&Reply>) -> Result<Reply, Beyond> {
        Ok(match command {
            Command::ClientOpen {} => {
                let client = self.ids.make();
                self.requests.open(client);
                Reply::ClientOpened(client)
            }
            Command::Submit { jobs, .. } => {
                let answers = jobs.iter().map(|spec| self.submit(spec));
                Reply::Submitted(answers.collect::<Result<_, _>>()?)
            }
            Command::Cancel { job, .. } => {
                let answer = self.cancel(job, recorded);
                self.ids.unsure = true;
                Reply::Cancelled(answer)
            }
            Command::Terminate { run, .. } => {
                let answer = self.terminate(*run);
                self.ids.unsure = true;
                answer
            }
            Command::Retry { run, last_dead_of, .. } => {
                let answer = match (run, last_dead_of) {
                    (Some(run), _) => self.retry(*run, recorded),
                    (None, Some(job)) => self.retry_last_dead(job, recorded),
                    (None, None) => return Err("a retry of nothing".into()),
                };
                self.ids.unsure = true;
                answer
            }
            Command::Suspend(act) => self.act(act, recorded, Model::suspend)?,
            Command::Resume(act) => self.act(act, recorded, Model::resume)?,
            Command::Trigger(act) => self.act(act, recorded, Model::trigger)?,
            Command::Delete(act) => self.act(act, recorded, Model::delete)?,
            Command::TrackerOnline { node_group, identity, start, capacity, kinds, holds } => {
                let tracker = Tracker {
                    session: Id(0),
                    start: start.clone(),
                    online: true,
                    capacity: usize::try_from(*capacity).unwrap_or(usize::MAX),
                    kinds: kinds.clone(),
                };
                Reply::Online(self.online((node_group.clone(), identity.clone()), tracker, holds))
            }
            Command::TrackerOffline { session } => self.offline(*session),
            Command::Dispatch { session, want } => self.dispatch(*session, *want),
            Command::Return { executions, began } => {
                executions.iter().for_each(|execution| self.give_back(*execution, *began));
                Reply::Done {}
            }
            Command::Complete { results } => {
                let answers = results.iter().map(|result| self.complete(result));
                Reply::Completed(answers.collect::<Result<Vec<CompleteAnswer>, _>>()?)
            }
            Command::Reclaim { executions, reason } => {
                executions.iter().for_each(|execution| self.reclaim(*execution, reason == "timed_out"));
                Reply::Done {}
            }
            Command::Plan(plans) => self.plan(plans, recorded),
            Command::Tick {} => {
                self.tick()?;
                Reply::Done {}
            }
            Command::BizLog(_) => {
                self.ids.unsure = true;
                Reply::Done {}
            }
            // What JobClients hear changes nothing for the jobs; `feedback` judges it.
            Command::FeedbackHeard { .. } | Command::FeedbackFailed { .. } => Reply::Done {},
            Command::FeedbackRetry(_) | Command::FeedbackDrop(_) => {
                recorded.cloned().unwrap_or(Reply::FeedbackMoved(0))
            }
            // Alarms change nothing of a job; those that begin take ids.
            Command::SetAlarms(_) => {
                self.ids.unsure = true;
                Reply::Done {}
            }
            Command::AlarmsTold(_) | Command::SilenceAlarm(_) => Reply::Done {},
            // Nothing of a test is old enough to be forgotten under the default limits.
            Command::Expire {} | Command::Stats {} => Reply::Done {},
            Command::SetLimits(limits) => {
                if let Some(refused @ Reply::Refused(_)) = recorded {
                    return Ok(refused.clone());
                }
                self.reclaims_max = limits.get("reclaims_max").and_then(Value::as_u64).or(self.reclaims_max);
                Reply::Done {}
            }
        })
    }

    fn reclaims_max(&self) -> u64 {
        self.reclaims_max.unwrap_or(RECLAIMS_MAX)
    }

    fn run(&mut self, run: RunRef) -> Option<&mut Run> {
        self.jobs.get_mut(&run.job)?.runs.get_mut(&run.number)
    }

    /// What became of the instants of a periodic job.
    pub(crate) fn settled(&self, id: Id) -> &[Settled] {
        let deleted = self.deleted.get(&id).map(Vec::as_slice);
        self.jobs.get(&id).map(|job| job.settled.as_slice()).or(deleted).unwrap_or_default()
    }

    pub(crate) fn executing(&self) -> impl Iterator<Item = (Id, RunRef)> {
        self.executing.iter().map(|(execution, (run, _))| (*execution, *run))
    }

    /// The state that a read shows, in the words of the protocol; none where several runs live side by side.
    pub(crate) fn shown_state(&self, id: Id) -> Option<&'static str> {
        let job = self.jobs.get(&id)?;
        if job.suspended {
            return Some("suspended");
        }
        if !job.lives {
            return job.judged_by().first().copied().map(fate_word);
        }
        let mut live = job.runs.values().filter(|run| !matches!(run.state, State::Ended(_)));
        match (live.next().map(|run| run.state), live.next()) {
            (None, _) | (Some(State::Waiting { .. }), None) => Some("waiting"),
            (Some(State::Ready), None) => Some("ready"),
            (Some(State::Executing(_)), None) => Some("executing"),
            // A job whose run is held is suspended.
            (Some(State::Suspended { .. }), None) | (Some(_), _) => None,
        }
    }

    /// The live job that has a key, else the last one that had it.
    pub(crate) fn by_key(&self, node_group: &str, task_id: &str) -> Option<Id> {
        self.keys.get(&(node_group.to_owned(), task_id.to_owned())).copied()
    }
}

fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Succeeded => "succeeded",
        Fate::Failed => "failed",
        Fate::Dead => "dead",
        Fate::Cancelled => "cancelled",
        Fate::Skipped => "skipped",
    }
}

impl Job {
    /// The fates by one of which an ended job may be judged: of its last run, and of the one that ended last.
    fn judged_by(&self) -> Vec<Fate> {
        let last = self.runs.values().next_back().map(|run| run.state);
        let last = match last {
            Some(State::Ended(fate)) => Some(fate),
            _ => None,
        };
        let mut fates: Vec<Fate> = last.into_iter().chain(self.last_ended).collect();
        if fates.is_empty() || self.cancelled {
            fates.push(Fate::Cancelled);
        }
        fates.dedup();
        fates
    }

    /// How the ended job ended: as it was told, where that is allowed.
    fn ended_as(&self, told: Option<Fate>) -> Fate {
        let fates = self.judged_by();
        let told = told.filter(|fate| fates.contains(fate));
        told.or(fates.first().copied()).unwrap_or(Fate::Cancelled)
    }
}
