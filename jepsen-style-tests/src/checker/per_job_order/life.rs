//! The life of one job as clients may see it: what an operation may answer in each state, and what the cluster may do by
//! itself in between.

use crate::checker::command::{JobType, OnConflict};
use crate::checker::operation::{Answer, Operation};
use crate::checker::reply::{CancelAnswer, Fate, SubmitAnswer};
use crate::checker::words::Id;

/// An operation with its answer; none of one whose answer never came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    Submit { periodic: bool, replaces: bool, answer: Option<SubmitAnswer> },
    Cancel { answer: Option<CancelAnswer> },
    Get { seen: Option<Seen> },
}

/// What a read showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seen {
    /// There is no such job.
    Nothing,
    NotExecuting(Id),
    Executing(Id),
    Ended(Id, Fate),
}

impl Op {
    /// None of what is not looked at here.
    pub(super) fn of(operation: &Operation, i: usize) -> Option<Op> {
        match (operation.f.as_str(), &operation.answer) {
            // Nothing happened.
            (_, Answer::Refused(_)) => None,
            ("submit" | "submit_batch", answer) => {
                let answer = match answer {
                    Answer::Submitted(answers) => Some(answers.get(i)?.clone()),
                    _ => None,
                };
                let spec = operation.specs().ok().and_then(|specs| specs.into_iter().nth(i));
                let job_type = spec.as_ref().map(|spec| spec.job_type);
                let periodic = matches!(job_type, Some(JobType::Cron | JobType::Repeat));
                let replaces = spec.is_some_and(|spec| spec.on_conflict == OnConflict::Replace);
                Some(Op::Submit { periodic, replaces, answer })
            }
            ("cancel", Answer::Cancelled(answer)) => Some(Op::Cancel { answer: Some(answer.clone()) }),
            ("cancel", _) => Some(Op::Cancel { answer: None }),
            ("get", Answer::Got(None)) => Some(Op::Get { seen: Some(Seen::Nothing) }),
            ("get", Answer::Got(Some(job))) => {
                let seen = match (job.fate(), job.word().as_str()) {
                    (Some(fate), _) => Seen::Ended(job.id, fate),
                    (None, "executing") => Seen::Executing(job.id),
                    (None, "waiting" | "ready") => Seen::NotExecuting(job.id),
                    (None, _) => return None,
                };
                Some(Op::Get { seen: Some(seen) })
            }
            _ => None,
        }
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    #[default]
    Absent,
    /// The id is none where the submit's answer never came and nobody saw it yet.
    Live { id: Option<Id>, phase: Phase },
    /// The fate is none until somebody saw it.
    Ended { id: Option<Id>, fate: Option<Fate> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Nothing of it was ever executed.
    Fresh,
    Executing,
    /// Was executed and waits to be again.
    Between,
    /// Executes, and was cancelled.
    Stopping,
    /// Periodic, or replaced: runs come and go.
    Cycling,
    /// Periodic or replaced, cancelled, and something still executes.
    CyclingStopping,
}

impl Life {
    /// What the cluster may do by itself.
    pub(super) fn steps(self) -> Vec<Life> {
        let Life::Live { id, phase } = self else { return Vec::new() };
        let live = |phase| Life::Live { id, phase };
        let ended = |fate| Life::Ended { id, fate };
        match phase {
            Phase::Fresh => vec![live(Phase::Executing), ended(Some(Fate::Skipped))],
            // A push that was not taken counts as never made.
            Phase::Executing => vec![live(Phase::Between), live(Phase::Fresh), ended(None)],
            Phase::Between => vec![live(Phase::Executing), ended(None)],
            Phase::Stopping | Phase::Cycling | Phase::CyclingStopping => vec![ended(None)],
        }
    }

    /// The states in which the operation may leave it, if it takes effect here with its answer.
    pub(super) fn after(self, op: &Op) -> Vec<Life> {
        match op {
            Op::Submit { periodic, replaces, answer } => {
                self.after_submit(*periodic, *replaces, answer.as_ref())
            }
            Op::Cancel { answer } => self.after_cancel(answer.as_ref()),
            Op::Get { seen } => seen.and_then(|seen| self.shows(seen)).into_iter().collect(),
        }
    }

    fn after_submit(self, periodic: bool, replaces: bool, answer: Option<&SubmitAnswer>) -> Vec<Life> {
        // At the door: it did nothing.
        if let Some(SubmitAnswer::Refused(_)) = answer {
            return vec![self];
        }
        let phase = if periodic { Phase::Cycling } else { Phase::Fresh };
        let new = |id| vec![Life::Live { id, phase }];
        match (self, answer) {
            (Life::Absent | Life::Ended { .. }, None) => new(None),
            (Life::Absent | Life::Ended { .. }, Some(SubmitAnswer::Accepted(id))) => new(Some(*id)),
            (Life::Live { id, .. }, None) if replaces => vec![Life::Live { id, phase: Phase::Cycling }],
            (Life::Live { .. }, None) => vec![self],
            (Life::Live { phase, .. }, Some(SubmitAnswer::Exists(id) | SubmitAnswer::Conflict(id))) => {
                self.is(*id).map(|id| Life::Live { id: Some(id), phase }).into_iter().collect()
            }
            (Life::Live { .. }, Some(SubmitAnswer::Replaced { job, .. })) => {
                let cycling = |id| Life::Live { id: Some(id), phase: Phase::Cycling };
                self.is(*job).map(cycling).into_iter().collect()
            }
            (_, Some(_)) => Vec::new(),
        }
    }

    fn after_cancel(self, answer: Option<&CancelAnswer>) -> Vec<Life> {
        let Some(answer) = answer else {
            // Whatever it was told.
            let Life::Live { id, phase } = self else { return vec![self] };
            let cancelled = Life::Ended { id, fate: Some(Fate::Cancelled) };
            return match phase {
                Phase::Fresh | Phase::Between => vec![cancelled],
                Phase::Executing | Phase::Stopping => vec![Life::Live { id, phase: Phase::Stopping }],
                Phase::Cycling | Phase::CyclingStopping => {
                    vec![Life::Live { id, phase: Phase::CyclingStopping }, Life::Ended { id, fate: None }]
                }
            };
        };
        if let CancelAnswer::AlreadyFinished { job, .. } = answer
            && self.is_of_an_earlier(*job)
        {
            return vec![self];
        }
        let known = answer.job().and_then(|job| self.is(job));
        match (self, answer, known) {
            (Life::Absent, CancelAnswer::NotFound, _) => vec![self],
            (Life::Live { phase: Phase::Fresh, .. }, CancelAnswer::Cancelled(_), Some(id)) => {
                vec![Life::Ended { id: Some(id), fate: Some(Fate::Cancelled) }]
            }
            (Life::Live { phase: Phase::Cycling, .. }, CancelAnswer::Cancelled(_), Some(id)) => {
                vec![Life::Ended { id: Some(id), fate: None }]
            }
            (Life::Live { phase, .. }, CancelAnswer::CancelRequested(_), Some(id)) => {
                let live = |phase| Life::Live { id: Some(id), phase };
                match phase {
                    Phase::Fresh => Vec::new(),
                    Phase::Between => vec![Life::Ended { id: Some(id), fate: Some(Fate::Cancelled) }],
                    Phase::Executing | Phase::Stopping => vec![live(Phase::Stopping)],
                    Phase::Cycling | Phase::CyclingStopping => {
                        vec![live(Phase::CyclingStopping), Life::Ended { id: Some(id), fate: None }]
                    }
                }
            }
            (Life::Ended { fate, .. }, CancelAnswer::AlreadyFinished { fate: told, .. }, Some(id)) => {
                let fits = fate.is_none_or(|fate| fate == *told);
                fits.then_some(Life::Ended { id: Some(id), fate: Some(*told) }).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the answer is about an earlier job of the same name, which has ended: nothing is said of this one.
    fn is_of_an_earlier(self, told: Id) -> bool {
        match self {
            Life::Live { id: Some(id), .. } | Life::Ended { id: Some(id), .. } => told < id,
            Life::Absent | Life::Live { id: None, .. } | Life::Ended { id: None, .. } => false,
        }
    }

    /// The id, if this job may be that one.
    fn is(self, told: Id) -> Option<Id> {
        match self {
            Life::Absent => None,
            Life::Live { id, .. } | Life::Ended { id, .. } => id.is_none_or(|id| id == told).then_some(told),
        }
    }

    fn shows(self, seen: Seen) -> Option<Life> {
        let phase = match self {
            Life::Live { phase, .. } => Some(phase),
            Life::Absent | Life::Ended { .. } => None,
        };
        let live = |id: Id| Some(Life::Live { id: Some(self.is(id)?), phase: phase? });
        let cycles = matches!(phase, Some(Phase::Cycling | Phase::CyclingStopping));
        match seen {
            Seen::Nothing => (self == Life::Absent).then_some(self),
            Seen::NotExecuting(id) if cycles || matches!(phase, Some(Phase::Fresh | Phase::Between)) => {
                live(id)
            }
            Seen::Executing(id) if cycles || matches!(phase, Some(Phase::Executing | Phase::Stopping)) => {
                live(id)
            }
            Seen::NotExecuting(_) | Seen::Executing(_) => None,
            Seen::Ended(id, _) if self.is_of_an_earlier(id) => Some(self),
            Seen::Ended(id, told) => {
                let Life::Ended { fate, .. } = self else { return None };
                let id = self.is(id)?;
                fate.is_none_or(|fate| fate == told).then_some(Life::Ended { id: Some(id), fate: Some(told) })
            }
        }
    }
}
