//! What was committed, seen from outside the machine: which execution is the current one of which run, what was
//! promised to whom. It knows commands and replies only, never rows, and says when a reply breaks a promise.
//!
//! Not here: what can be judged only when all is over (`promises`).

mod acts;
mod executions;
mod jobs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rare::{Counts, Rare};
use crate::domain::{
    Action, ClientId, ExecutionId, Identity, JobId, JobSpec, Kind, Millis, NodeGroup, RequestId, RunId,
    SessionId, Timestamp,
};
use crate::machine::command::{OfflineReason, ReclaimReason, RequestKey};
use crate::machine::{Applied, Command, LogEntry, Reply};

/// A promise that was broken, for a person to read.
pub(super) type Broken = String;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed(Action),
    Reclaimed(ReclaimReason),
    /// A push that was not taken.
    Returned,
    /// It had begun and was given back.
    Interrupted,
}

#[derive(Debug)]
pub(super) struct Execution {
    pub(super) run: RunId,
    session: SessionId,
    /// Cluster time when it was dispatched, and how long it may take.
    pub(super) since: Timestamp,
    pub(super) timeout: Option<Millis>,
    pub(super) end: Option<End>,
}

/// One revision of a job, as the log made it.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) number: u32,
    pub(super) spec: Arc<JobSpec>,
    /// Cluster time when it came.
    pub(super) from: Timestamp,
    /// When a cancel or a newer revision ended it: what was due before then must have its fate.
    pub(super) until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Session(ClientId, u64),
    Id(RequestId),
}

#[derive(Debug, Default)]
struct Session {
    capacity: u32,
    kinds: BTreeSet<Kind>,
    group: Option<NodeGroup>,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// Cluster time.
    pub(super) now: Timestamp,
    /// What the world's true time is, with the small error that a majority of right clocks has.
    pub(super) truth: Timestamp,
    /// What was due until then was settled by whoever leads.
    pub(super) settled_until: Timestamp,
    index: u64,
    /// Counts the commands, over all entries.
    order: u64,
    pub(super) executions: BTreeMap<ExecutionId, Execution>,
    /// Those whose user code began.
    pub(super) begun: BTreeSet<ExecutionId>,
    current: BTreeMap<RunId, ExecutionId>,
    /// All executions of a run, in the order of the log.
    pub(super) of_run: BTreeMap<RunId, Vec<ExecutionId>>,
    /// A retry may not start earlier.
    not_before: BTreeMap<RunId, Timestamp>,
    sessions: BTreeMap<SessionId, Session>,
    identities: BTreeMap<(NodeGroup, Identity), SessionId>,
    answers: BTreeMap<Asked, Reply>,
    pub(super) jobs: BTreeMap<JobId, Vec<Revision>>,
    /// Jobs that were cancelled, and by which command.
    cancelled: BTreeMap<JobId, u64>,
    /// Runs that were promised to have no further attempt.
    pub(super) sealed: BTreeSet<RunId>,
    /// Runs by hand, and the command that made them.
    pub(super) by_hand: BTreeMap<RunId, u64>,
    /// Jobs that are suspended, unless they have ended since.
    resting: BTreeMap<JobId, acts::Rest>,
    unplanned: BTreeMap<JobId, acts::Resumed>,
    /// Runs that were triggered, and the last command that did.
    triggered: BTreeMap<RunId, u64>,
    pub(super) deleted: BTreeSet<JobId>,
    /// When instants could be settled, in order.
    pub(super) ticks: Vec<Timestamp>,
    pub(super) stale: u64,
    /// Runs whose feedback a handler took.
    pub(super) heard: BTreeSet<RunId>,
    /// Prints the commands whose text, or whose reply's, holds this.
    pub(super) trace: Option<String>,
    pub(super) counts: Counts,
}

impl History {
    pub(super) fn saw(&mut self, what: Rare) {
        self.counts.saw(what);
    }

    /// An entry was committed and applied for the first time.
    pub(super) fn entry(&mut self, entry: &LogEntry, applied: &Applied) -> Result<(), Broken> {
        self.index = applied.index;
        self.saw(Rare::Entries);
        self.now = self.now.max(entry.at);
        if entry.at > self.truth {
            return Err(format!("entry {} is from the future: {} at {}", self.index, entry.at, self.truth));
        }
        for (command, reply) in entry.commands.iter().zip(&applied.replies) {
            if let Some(of) = &self.trace {
                let line = format!("{} at {}: {command:?} -> {reply:?}", self.index, self.now);
                if line.contains(of) {
                    println!("{line}");
                }
            }
            self.command(command, reply).map_err(|broken| format!("at {}: {broken}", self.index))?;
        }
        Ok(())
    }

    fn command(&mut self, command: &Command, reply: &Reply) -> Result<(), Broken> {
        self.order += 1;
        match (command, reply) {
            (Command::Submit(submit), reply) if self.is_first(&submit.request, reply)? => {
                self.submitted(submit, reply)
            }
            (Command::Cancel(cancel), reply) if self.is_first(&cancel.request, reply)? => {
                self.cancel(&cancel.job, reply)
            }
            (Command::Terminate(terminate), reply) if self.is_first(&terminate.request, reply)? => {
                self.terminate(terminate.run, reply)
            }
            (Command::Retry(retry), reply) if self.is_first(&retry.request, reply)? => {
                self.retried(&retry.of, reply)
            }
            (
                Command::Suspend(act) | Command::Resume(act) | Command::Trigger(act) | Command::Delete(act),
                reply,
            ) if self.is_first(&act.request, reply)? => self.acted(reply),
            (Command::TrackerOnline(online), Reply::Online(session)) => {
                self.online(online, *session);
                Ok(())
            }
            (Command::TrackerOffline(offline), Reply::Done) => {
                let reason = match offline.reason {
                    OfflineReason::Silent => ReclaimReason::TrackerSilent,
                    OfflineReason::Left => ReclaimReason::TrackerLeft,
                    OfflineReason::Replaced => ReclaimReason::TrackerRestarted,
                };
                for execution in self.executing_on(offline.session) {
                    self.reclaimed(execution, reason);
                }
                Ok(())
            }
            (Command::Dispatch(dispatch), Reply::Dispatched(dispatched)) => {
                if dispatched.pushes.is_empty() {
                    self.saw(Rare::IdleDispatches);
                }
                for push in &dispatched.pushes {
                    self.dispatched(dispatch.session, push)?;
                }
                Ok(())
            }
            (Command::Return(give_back), _) => {
                let (end, rare) = match give_back.began {
                    true => (End::Interrupted, Rare::Interrupts),
                    false => (End::Returned, Rare::Returns),
                };
                for execution in &give_back.executions {
                    if self.end(*execution, end).is_some() {
                        self.saw(rare);
                    }
                }
                Ok(())
            }
            (Command::Complete(complete), Reply::Completed(answers)) => {
                let mut results = complete.results.iter().zip(answers);
                results.try_for_each(|(result, answer)| self.completed(result, *answer))
            }
            (Command::Reclaim(reclaim), _) => {
                for execution in &reclaim.executions {
                    self.reclaimed(*execution, reclaim.reason);
                }
                Ok(())
            }
            (Command::Plan(plan), _) => {
                self.planned(plan);
                Ok(())
            }
            (Command::Tick, _) => {
                self.ticks.push(self.now);
                Ok(())
            }
            (Command::BizLog(_), _) => {
                self.saw(Rare::BizLines);
                Ok(())
            }
            (Command::FeedbackHeard(heard), _) => {
                for run in &heard.runs {
                    if self.heard.insert(*run) {
                        self.saw(Rare::FeedbackHeard);
                    }
                }
                Ok(())
            }
            (_, _) => Ok(()),
        }
    }

    /// The same request gets the same answer.
    fn is_first(&mut self, request: &RequestKey, reply: &Reply) -> Result<bool, Broken> {
        let asked = match request {
            RequestKey::None => return Ok(true),
            RequestKey::Session { client, sequence, .. } => Asked::Session(*client, *sequence),
            RequestKey::Id { id, .. } => Asked::Id(id.clone()),
        };
        match self.answers.get(&asked) {
            None if matches!(reply, Reply::Again(_)) => {
                Err(format!("request {asked:?} was never answered before {reply:?}"))
            }
            None => {
                self.answers.insert(asked, reply.clone());
                Ok(true)
            }
            Some(first) if matches!(reply, Reply::Again(again) if **again == *first) => {
                self.saw(Rare::AnswersAgain);
                Ok(false)
            }
            Some(first) => Err(format!("request {asked:?} was answered {first:?} and then {reply:?}")),
        }
    }

    pub(super) fn ends_of(&self, run: RunId) -> impl Iterator<Item = Option<End>> + '_ {
        self.of_run.get(&run).into_iter().flatten().map(|execution| self.executions[execution].end)
    }

    /// All runs that execute.
    pub(super) fn executing(&self) -> impl Iterator<Item = RunId> + '_ {
        self.current.keys().copied()
    }

    fn executing_on(&self, session: SessionId) -> Vec<ExecutionId> {
        let on = |execution: &&ExecutionId| self.executions[*execution].session == session;
        self.current.values().filter(on).copied().collect()
    }

    fn runs_of(&self, job: JobId) -> impl Iterator<Item = RunId> + '_ {
        let all = RunId { job, number: 0 }..=RunId { job, number: u64::MAX };
        self.of_run.range(all).map(|(run, _)| *run)
    }

    pub(super) fn executing_of(&self, job: JobId) -> impl Iterator<Item = RunId> + '_ {
        let all = RunId { job, number: 0 }..=RunId { job, number: u64::MAX };
        self.current.range(all).map(|(run, _)| *run)
    }
}
