//! Reads: jobs, runs, TaskTrackers and the job log, as the tables have them. Bounded, so that the lock is held shortly.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::base::BaseError;
use super::key::Key;
use super::row::{
    Attempt, AttemptEnd, Fate, FeedbackGroupRow, FeedbackRow, FeedbackState, Hold, JobAct, JobLogKind,
    JobRow, LedgerRow, LiveRun, LiveState, PeriodicRow, Row, Stop, TrackerRow, Why,
};
use super::tables::Tables;
use crate::domain::{
    BizLogLevel, ExecutionId, Identity, JobId, NodeGroup, Position, RunId, TaskId, Timestamp,
};

/// Rows that one page of a filtered listing looks at, so that a rare match does not hold the lock for long.
const SCANNED_MAX: usize = 20_000;

/// Some of the rows, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    pub rows: Vec<T>,
    /// The last row seen; `None` at the end.
    pub next: Option<C>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    Waiting,
    Ready,
    Executing,
    /// Nothing of it is dispatched until it is resumed; what executes runs out.
    Suspended,
    Ended(Fate),
}

/// A job with what is live of it.
#[derive(Clone, Debug)]
pub struct JobView {
    pub id: JobId,
    pub row: Arc<JobRow>,
    pub state: JobState,
    pub periodic: Option<Arc<PeriodicRow>>,
    /// The newest run: live if there is one, else the last that ended.
    pub run: Option<RunView>,
}

/// A run, live or ended.
#[derive(Clone, Debug)]
pub struct RunView {
    pub id: RunId,
    pub state: RunState,
}

#[derive(Clone, Debug)]
pub enum RunState {
    Live(Arc<LiveRun>),
    Ended(Arc<LedgerRow>),
}

/// A TaskTracker as the tables know it.
#[derive(Clone, Debug)]
pub struct TrackerView {
    pub node_group: NodeGroup,
    pub identity: Identity,
    pub row: Arc<TrackerRow>,
    pub executing: usize,
}

/// A line of the job log, whichever row it is a view of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    pub at: Timestamp,
    pub run: RunId,
    pub execution: Option<ExecutionId>,
    pub tracker: Option<Identity>,
    /// Of a line that was written as such: its place in the log.
    pub position: Option<Position>,
    pub what: LogWhat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogWhat {
    Received,
    Sent,
    Ended(AttemptEnd, String),
    StopRequested(Stop),
    Fate(Fate, String),
    Biz(BizLogLevel, String),
    BizDropped(u64),
    /// Its result came again, or came only when it was sent again.
    Resent,
    Stale,
    /// Somebody did something to the job or to the run.
    Act(JobAct, Why),
}

impl Tables {
    /// The job that has, or last had, this key.
    ///
    /// # Errors
    /// If the disk fails; so for all reads here.
    pub fn find_job(&self, group: &NodeGroup, task: &TaskId) -> Result<Option<JobId>, BaseError> {
        match self.get(&Key::TaskKey(group.clone(), task.clone()))? {
            Some(Row::TaskKey(job)) => Ok(Some(job)),
            Some(_) | None => Ok(None),
        }
    }

    pub fn job_row(&self, job: JobId) -> Result<Option<Arc<JobRow>>, BaseError> {
        match self.get(&Key::Job(job))? {
            Some(Row::Job(row)) => Ok(Some(row)),
            Some(_) | None => Ok(None),
        }
    }

    pub fn periodic_row(&self, job: JobId) -> Result<Option<Arc<PeriodicRow>>, BaseError> {
        match self.get(&Key::Periodic(job))? {
            Some(Row::Periodic(row)) => Ok(Some(row)),
            Some(_) | None => Ok(None),
        }
    }

    pub fn tracker_row(
        &self,
        group: &NodeGroup,
        who: &Identity,
    ) -> Result<Option<Arc<TrackerRow>>, BaseError> {
        match self.get(&Key::Tracker(group.clone(), who.clone()))? {
            Some(Row::Tracker(row)) => Ok(Some(row)),
            Some(_) | None => Ok(None),
        }
    }

    pub fn feedback_row(&self, group: &NodeGroup, run: RunId) -> Result<Option<Arc<FeedbackRow>>, BaseError> {
        match self.get(&Key::Feedback(group.clone(), run))? {
            Some(Row::Feedback(row)) => Ok(Some(row)),
            Some(_) | None => Ok(None),
        }
    }

    /// The feedback of a group after `after`, by run, of one state or of both.
    pub fn feedback(
        &self,
        group: &NodeGroup,
        dead: Option<bool>,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Page<(RunId, Arc<FeedbackRow>), RunId>, BaseError> {
        let first = Bound::Included(Key::Feedback(group.clone(), RunId::default()));
        let from = after.map_or(first, |run| Bound::Excluded(Key::Feedback(group.clone(), run)));
        let end = RunId { job: JobId(Position::MAX), number: u64::MAX };
        let to = Key::Feedback(group.clone(), end);
        let mut page = Page { rows: Vec::new(), next: None };
        for row in self.scan(from.as_ref(), &to).take(SCANNED_MAX) {
            let (Key::Feedback(_, run), Row::Feedback(row)) = row? else { continue };
            let is_dead = matches!(row.state, FeedbackState::Dead { .. });
            page.next = Some(run);
            if dead.is_none_or(|wanted| wanted == is_dead) {
                page.rows.push((run, row));
            }
            if page.rows.len() == limit {
                return Ok(page);
            }
        }
        if let Some(last) = page.next
            && self.scan(Bound::Excluded(&Key::Feedback(group.clone(), last)), &to).next().is_none()
        {
            page.next = None;
        }
        Ok(page)
    }

    /// The counters of all groups that have, or had, feedback.
    pub fn feedback_groups(&self) -> Result<Vec<(NodeGroup, FeedbackGroupRow)>, BaseError> {
        let (from, to) = (Key::first_feedback_group(), Key::after_feedback_groups());
        let mut groups = Vec::new();
        for row in self.scan(Bound::Included(&from), &to) {
            if let (Key::FeedbackGroup(group), Row::FeedbackGroup(row)) = row? {
                groups.push((group, *row));
            }
        }
        Ok(groups)
    }

    pub fn live_run(&self, run: RunId) -> Result<Option<Arc<LiveRun>>, BaseError> {
        match self.get(&Key::Live(run))? {
            Some(Row::Live(row)) => Ok(Some(row)),
            Some(_) | None => Ok(None),
        }
    }

    pub fn run(&self, id: RunId) -> Result<Option<RunView>, BaseError> {
        if let Some(live) = self.live_run(id)? {
            return Ok(Some(RunView { id, state: RunState::Live(live) }));
        }
        match self.get(&Key::Ledger(id))? {
            // Rows of a deleted job are left for a while.
            Some(Row::Ledger(_)) if self.job_row(id.job)?.is_none() => Ok(None),
            Some(Row::Ledger(row)) => Ok(Some(RunView { id, state: RunState::Ended(row) })),
            Some(_) | None => Ok(None),
        }
    }

    /// The specification that an execution of this run uses.
    pub fn spec_of(
        &self,
        run: RunId,
        live: &LiveRun,
    ) -> Result<Option<Arc<crate::domain::JobSpec>>, BaseError> {
        let newest = self.job_row(run.job)?;
        if let Some(job) = newest.filter(|job| job.revision == live.revision) {
            return Ok(Some(Arc::clone(&job.spec)));
        }
        match self.get(&Key::Body(run.job, live.revision))? {
            Some(Row::Body(old)) => Ok(Some(old.spec)),
            Some(_) | None => Ok(None),
        }
    }

    pub fn job_view(&self, id: JobId) -> Result<Option<JobView>, BaseError> {
        match self.job_row(id)? {
            Some(row) => self.view_of(id, row).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn view_of(&self, id: JobId, row: Arc<JobRow>) -> Result<JobView, BaseError> {
        let periodic = self.periodic_row(id)?;
        let run = match self.first_live(id)? {
            Some(run) => Some(run),
            None => self.last_ended(id, &row, periodic.as_deref())?,
        };
        let state = match (&run, &periodic) {
            _ if row.suspended.is_some() => JobState::Suspended,
            (Some(RunView { state: RunState::Live(live), .. }), _) => JobState::of_live(live),
            (_, Some(_)) => JobState::Waiting,
            (Some(RunView { state: RunState::Ended(row), .. }), None) => JobState::Ended(row.fate),
            (None, None) => JobState::Ended(Fate::Cancelled),
        };
        Ok(JobView { id, row, state, periodic, run })
    }

    fn first_live(&self, job: JobId) -> Result<Option<RunView>, BaseError> {
        let (from, to) = (Key::Live(RunId { job, number: 0 }), Key::Live(RunId { job, number: u64::MAX }));
        let mut rows = self.scan(Bound::Included(&from), &to);
        match rows.next().transpose()? {
            Some((Key::Live(id), Row::Live(live))) => Ok(Some(RunView { id, state: RunState::Live(live) })),
            Some(_) | None => Ok(None),
        }
    }

    fn last_ended(
        &self,
        job: JobId,
        row: &JobRow,
        periodic: Option<&PeriodicRow>,
    ) -> Result<Option<RunView>, BaseError> {
        let next = periodic.map_or(row.next_number, |row| row.next_number);
        match next.checked_sub(1) {
            Some(number) => self.run(RunId { job, number }),
            None => Ok(None),
        }
    }

    /// The runs of a job after `after`, by number; live and ended ones together.
    pub fn runs(
        &self,
        job: JobId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<RunView, u64>, BaseError> {
        let first = after.map_or(0, |number| number + 1);
        let end = RunId { job, number: u64::MAX };
        let start = RunId { job, number: first };
        let mut rows = Vec::new();
        for row in self.scan(Bound::Included(&Key::Live(start)), &Key::Live(end)).take(limit + 1) {
            if let (Key::Live(id), Row::Live(live)) = row? {
                rows.push(RunView { id, state: RunState::Live(live) });
            }
        }
        for row in self.scan(Bound::Included(&Key::Ledger(start)), &Key::Ledger(end)).take(limit + 1) {
            if let (Key::Ledger(id), Row::Ledger(ended)) = row? {
                rows.push(RunView { id, state: RunState::Ended(ended) });
            }
        }
        rows.sort_by_key(|run| run.id);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|run| run.id.number);
        Ok(Page { rows, next })
    }

    /// How many instants of a job came to which fate, over its first [`SCANNED_MAX`] kept runs.
    pub fn fates(&self, job: JobId) -> Result<BTreeMap<&'static str, u64>, BaseError> {
        let (from, to) =
            (Key::Ledger(RunId { job, number: 0 }), Key::Ledger(RunId { job, number: u64::MAX }));
        let mut fates = BTreeMap::new();
        for row in self.scan(Bound::Included(&from), &to).take(SCANNED_MAX) {
            let (_, Row::Ledger(row)) = row? else { continue };
            let (name, count) = match row.fate {
                Fate::Succeeded => ("succeeded", 1),
                Fate::Failed => ("failed", 1),
                Fate::Dead => ("dead", 1),
                Fate::Cancelled => ("cancelled", 1),
                Fate::Skipped { count, .. } => ("skipped", count),
            };
            *fates.entry(name).or_default() += count;
        }
        Ok(fates)
    }

    /// Who paused a node group, if it is paused.
    pub fn paused(&self, group: &NodeGroup) -> Result<Option<Hold>, BaseError> {
        match self.get(&Key::Paused(group.clone()))? {
            Some(Row::Paused(hold)) => Ok(Some(*hold)),
            Some(_) | None => Ok(None),
        }
    }

    /// All TaskTrackers that are known, online or not.
    pub fn trackers(&self) -> Result<Vec<TrackerView>, BaseError> {
        let (from, to) = (Key::first_tracker(), Key::first_group());
        let mut trackers = Vec::new();
        for row in self.scan(Bound::Included(&from), &to) {
            if let (Key::Tracker(node_group, identity), Row::Tracker(row)) = row? {
                let executing = self.indexes().executing_on(row.session);
                trackers.push(TrackerView { node_group, identity, row, executing });
            }
        }
        Ok(trackers)
    }

    /// The job log of a run, oldest first: a view over its row and the lines that were written about it.
    pub fn run_log(&self, id: RunId) -> Result<Vec<LogView>, BaseError> {
        let Some(run) = self.run(id)? else { return Ok(Vec::new()) };
        let mut lines = match &run.state {
            RunState::Live(live) => live_log(id, live),
            RunState::Ended(row) => ended_log(id, row),
        };
        let who = |execution| lines.iter().find(|line| line.execution == Some(execution))?.tracker.clone();
        let mut written = self.written_log(id)?;
        written.iter_mut().for_each(|line| line.tracker = line.execution.and_then(who));
        lines.extend(written);
        lines.sort_by_key(LogView::key);
        Ok(lines)
    }

    /// What was done to a job itself, oldest first; of its runs see [`Tables::run_log`].
    pub fn job_log(&self, job: JobId) -> Result<Vec<LogView>, BaseError> {
        self.written_log(RunId::of_whole(job))
    }

    /// The lines that are rows of their own.
    fn written_log(&self, id: RunId) -> Result<Vec<LogView>, BaseError> {
        let (from, to) = (Key::JobLog(id, Position::MIN), Key::JobLog(id, Position::MAX));
        let mut lines = Vec::new();
        for row in self.scan(Bound::Included(&from), &to) {
            if let (Key::JobLog(_, position), Row::JobLog(row)) = row? {
                let what = match row.what {
                    JobLogKind::Biz { level, text } => LogWhat::Biz(level, text),
                    JobLogKind::BizDropped { lines } => LogWhat::BizDropped(lines),
                    JobLogKind::StaleCompletion { .. } => LogWhat::Stale,
                    JobLogKind::Act { act, why } => LogWhat::Act(act, why),
                };
                lines.push(LogView {
                    at: row.at,
                    run: id,
                    execution: row.execution,
                    tracker: None,
                    position: Some(position),
                    what,
                });
            }
        }
        Ok(lines)
    }
}

impl JobState {
    pub(super) fn of_live(live: &LiveRun) -> JobState {
        match live.state {
            LiveState::Waiting { .. } => JobState::Waiting,
            LiveState::Ready { .. } => JobState::Ready,
            LiveState::Executing { .. } => JobState::Executing,
            LiveState::Suspended { .. } => JobState::Suspended,
        }
    }
}

impl LogView {
    /// Its place among the lines of its run: by time, and the same whatever else is written.
    pub(super) fn key(&self) -> (Timestamp, u8, u64) {
        let only = self.position.or(self.execution.map(|execution| execution.0));
        (self.at, self.rank(), only.map_or(0, Position::as_u64))
    }

    /// Where it belongs among lines of the same millisecond.
    fn rank(&self) -> u8 {
        match self.what {
            LogWhat::Received => 0,
            LogWhat::Sent => 1,
            LogWhat::Biz(..) | LogWhat::BizDropped(_) => 2,
            LogWhat::StopRequested(_) | LogWhat::Act(..) => 3,
            LogWhat::Ended(..) => 4,
            LogWhat::Fate(..) => 5,
            LogWhat::Stale | LogWhat::Resent => 6,
        }
    }
}

fn live_log(run: RunId, live: &LiveRun) -> Vec<LogView> {
    let mut lines = attempts_log(run, &live.attempts);
    lines.push(LogView {
        at: live.created,
        run,
        execution: None,
        tracker: None,
        position: None,
        what: LogWhat::Received,
    });
    if let LiveState::Executing { execution, tracker, since, .. } = &live.state {
        let (execution, tracker) = (Some(*execution), Some(tracker.clone()));
        lines.push(LogView {
            at: *since,
            run,
            execution,
            tracker: tracker.clone(),
            position: None,
            what: LogWhat::Sent,
        });
        if let Some(stop) = live.stop {
            lines.push(LogView {
                at: *since,
                run,
                execution,
                tracker,
                position: None,
                what: LogWhat::StopRequested(stop),
            });
        }
    }
    lines
}

fn ended_log(run: RunId, row: &LedgerRow) -> Vec<LogView> {
    let mut lines = attempts_log(run, &row.attempts);
    lines.push(LogView {
        at: row.due.min(row.ended),
        run,
        execution: None,
        tracker: None,
        position: None,
        what: LogWhat::Received,
    });
    let what = LogWhat::Fate(row.fate, row.error.clone());
    lines.push(LogView { at: row.ended, run, execution: None, tracker: None, position: None, what });
    lines
}

fn attempts_log(run: RunId, attempts: &[Attempt]) -> Vec<LogView> {
    let line = |attempt: &Attempt, at, what| {
        let (execution, tracker) = (Some(attempt.execution), Some(attempt.tracker.clone()));
        LogView { at, run, execution, tracker, position: None, what }
    };
    let of_attempt = |attempt: &Attempt| {
        let ended = LogWhat::Ended(attempt.end, attempt.error.clone());
        let lines = [line(attempt, attempt.started, LogWhat::Sent), line(attempt, attempt.ended, ended)];
        let resent = attempt.resent.then(|| line(attempt, attempt.ended, LogWhat::Resent));
        lines.into_iter().chain(resent)
    };
    attempts.iter().flat_map(of_attempt).collect()
}
