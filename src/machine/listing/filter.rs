//! Which jobs a list shows.

use crate::domain::{Identity, JobId, JobType, Kind, NodeGroup, TaskId, Timestamp};
use crate::machine::query::JobState;
use crate::machine::row::JobRow;

/// A time from `from` up to but without `to`; what is not given is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Span {
    pub fn contains(self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    pub fn is_open(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether the time is within; one that there is not is within an open span only.
    fn admits(self, at: Option<Timestamp>) -> bool {
        self.is_open() || at.is_some_and(|at| self.contains(at))
    }
}

/// Which jobs to list; what is not given matches all.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Empty matches all.
    pub ids: Vec<JobId>,
    pub node_group: Option<NodeGroup>,
    pub task_id: Option<TaskId>,
    pub task_id_prefix: String,
    pub job_type: Option<JobType>,
    pub kind: Option<Kind>,
    pub priority_min: Option<i32>,
    pub priority_max: Option<i32>,
    /// Empty matches all; an ended state matches any fate of its sort.
    pub states: Vec<JobState>,
    /// Which TaskTracker executes it, or executed it last.
    pub tracker: Option<Identity>,
    pub created: Span,
    pub updated: Span,
    pub due: Span,
    pub ended: Span,
}

/// What an entry of a list says beside its job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'a> {
    pub(super) due: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) tracker: Option<&'a Identity>,
}

impl JobFilter {
    /// What the job alone tells.
    pub(super) fn matches_job(&self, id: JobId, row: &JobRow) -> bool {
        let spec = &row.spec;
        (self.ids.is_empty() || self.ids.contains(&id))
            && self.node_group.as_ref().is_none_or(|group| *group == spec.node_group)
            && self.task_id.as_ref().is_none_or(|task| *task == spec.task_id)
            && spec.task_id.as_str().starts_with(&self.task_id_prefix)
            && self.job_type.is_none_or(|job_type| job_type == spec.job_type())
            && self.kind.as_ref().is_none_or(|kind| *kind == spec.kind)
            && self.priority_min.is_none_or(|least| spec.priority >= least)
            && self.priority_max.is_none_or(|most| spec.priority <= most)
            && self.created.contains(row.created)
            && self.updated.contains(row.updated)
    }

    /// What the entry tells.
    pub(super) fn matches_entry(&self, state: JobState, about: About<'_>) -> bool {
        self.matches_state(state)
            && self.tracker.as_ref().is_none_or(|tracker| about.tracker == Some(tracker))
            && self.due.admits(about.due)
            && self.ended.admits(about.ended)
    }

    fn matches_state(&self, state: JobState) -> bool {
        let same = |wanted: &JobState| std::mem::discriminant(wanted) == std::mem::discriminant(&state);
        let matches = |wanted: &JobState| match (wanted, &state) {
            (JobState::Ended(wanted), JobState::Ended(is)) => {
                std::mem::discriminant(wanted) == std::mem::discriminant(is)
            }
            (wanted, _) => same(wanted),
        };
        self.states.is_empty() || self.states.iter().any(matches)
    }
}
