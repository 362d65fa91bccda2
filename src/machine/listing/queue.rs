//! The queues, each in the order that its index gives.

use std::ops::Bound;
use std::sync::Arc;

use super::filter::{About, JobFilter};
use super::place::Place;
use super::{LOOKED_UP_MAX, SCANNED_MAX};
use crate::domain::{JobId, NodeGroup, Position, RunId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::index::Waiter;
use crate::machine::key::Key;
use crate::machine::query::{JobState, JobView, Page, RunState, RunView};
use crate::machine::row::{Fate, JobRow, LiveState, Row};
use crate::machine::tables::Tables;
use crate::planted::{self, Bug};

/// What a list goes over, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// All jobs, by id.
    #[default]
    Jobs,
    /// Runs and instants that are not due, and runs that wait for a retry: by the time at which they ripen.
    Waiting,
    /// Runs that may be dispatched: by node group, then in the order of dispatch (LTS's executable queue).
    Ready,
    /// Runs that execute: by the start of their execution.
    Executing,
    /// Cron jobs that live, by id.
    Cron,
    /// Repeat jobs that live, by id.
    Repeat,
    /// Runs that ended, the newest end first.
    Finished,
    /// Runs that ended dead, the newest end first.
    Dead,
}

/// A row of a list: a job, and in the queues of runs the run that is meant.
#[derive(Clone, Debug)]
pub struct Entry {
    pub view: JobView,
    /// Its run is the one that the row is about, not only the job's newest.
    pub of_run: bool,
}

/// What one page has looked at.
struct Reader<'a> {
    tables: &'a Tables,
    filter: &'a JobFilter,
    limit: usize,
    budget: usize,
    page: Page<Entry, Place>,
}

impl Tables {
    /// The entries of a queue after `after` that match. A page may be short, even empty, before the end. A place of another
    /// queue's order is taken for the beginning: whoever hands out places sees to that.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn list(
        &self,
        queue: Queue,
        filter: &JobFilter,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Entry, Place>, BaseError> {
        if planted::is(Bug::ListPagesByOffset) {
            return self.list_by_offset(queue, filter, after, limit);
        }
        self.list_after(queue, filter, after, limit)
    }

    /// Only for [`Bug::ListPagesByOffset`].
    fn list_by_offset(
        &self,
        queue: Queue,
        filter: &JobFilter,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Entry, Place>, BaseError> {
        let skipped = if let Some(Place::Offset(rows)) = after { *rows } else { 0 };
        let mut page = self.list_after(queue, filter, None, skipped + limit)?;
        page.rows.drain(..skipped.min(page.rows.len()));
        page.next = page.next.map(|_| Place::Offset(skipped + page.rows.len()));
        Ok(page)
    }

    fn list_after(
        &self,
        queue: Queue,
        filter: &JobFilter,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Entry, Place>, BaseError> {
        let page = Page { rows: Vec::new(), next: None };
        let mut reader = Reader { tables: self, filter, limit, budget: LOOKED_UP_MAX, page };
        let is_over = match queue {
            Queue::Jobs if !filter.ids.is_empty() => reader.named(after),
            Queue::Jobs => reader.jobs(after),
            Queue::Waiting => reader.waiting(after),
            Queue::Ready => reader.ready(after),
            Queue::Executing => reader.executing(after),
            Queue::Cron | Queue::Repeat => reader.periodic(queue, after),
            Queue::Finished => reader.ended(after, |_| true),
            Queue::Dead => reader.ended(after, |fate| fate == Fate::Dead),
        }?;
        if is_over {
            reader.page.next = None;
        }
        Ok(reader.page)
    }
}

/// Each returns whether its queue was read to its end.
impl Reader<'_> {
    /// Takes note that a key was looked at; whether the page may go on after it.
    fn seen(&mut self, place: Place) -> bool {
        self.page.next = Some(place);
        self.budget -= 1;
        self.budget > 0 && self.page.rows.len() < self.limit
    }

    fn named(&mut self, after: Option<&Place>) -> Result<bool, BaseError> {
        let after = if let Some(Place::Job(job)) = after { Some(*job) } else { None };
        let mut ids: Vec<JobId> =
            self.filter.ids.iter().copied().filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort();
        ids.dedup();
        let last = ids.last().copied();
        for id in ids {
            if let Some(row) = self.tables.job_row(id)? {
                self.job(id, row)?;
            }
            if !self.seen(Place::Job(id)) {
                return Ok(Some(id) == last);
            }
        }
        Ok(true)
    }

    fn jobs(&mut self, after: Option<&Place>) -> Result<bool, BaseError> {
        self.budget = SCANNED_MAX;
        let from = match after {
            Some(Place::Job(job)) => Bound::Excluded(Key::Job(*job)),
            Some(_) | None => Bound::Included(Key::Job(JobId(Position::MIN))),
        };
        let to = Key::Job(JobId(Position::MAX));
        let mut rows = self.tables.scan(from.as_ref(), &to).peekable();
        while let Some(row) = rows.next().transpose()? {
            let (Key::Job(id), Row::Job(row)) = row else { continue };
            self.job(id, row)?;
            if !self.seen(Place::Job(id)) {
                return Ok(rows.peek().is_none());
            }
        }
        Ok(true)
    }

    fn periodic(&mut self, queue: Queue, after: Option<&Place>) -> Result<bool, BaseError> {
        let wanted =
            if queue == Queue::Cron { crate::domain::JobType::Cron } else { crate::domain::JobType::Repeat };
        let from = match after {
            Some(Place::Job(job)) => Bound::Excluded(Key::Periodic(*job)),
            Some(_) | None => Bound::Included(Key::Periodic(JobId(Position::MIN))),
        };
        let to = Key::Periodic(JobId(Position::MAX));
        let mut rows = self.tables.scan(from.as_ref(), &to).peekable();
        while let Some((key, _)) = rows.next().transpose()? {
            let Key::Periodic(id) = key else { continue };
            if let Some(row) = self.tables.job_row(id)?.filter(|row| row.spec.job_type() == wanted) {
                self.job(id, row)?;
            }
            if !self.seen(Place::Job(id)) {
                return Ok(rows.peek().is_none());
            }
        }
        Ok(true)
    }

    /// A job as a whole.
    fn job(&mut self, id: JobId, row: Arc<JobRow>) -> Result<(), BaseError> {
        if !self.filter.matches_job(id, &row) {
            return Ok(());
        }
        let view = self.tables.view_of(id, row)?;
        let live = |run: &RunView| matches!(&run.state, RunState::Live(live) if live.retries > 0);
        let is_retry = view.run.as_ref().is_some_and(live);
        let missed = planted::is(Bug::ListMissesWaiting) && !self.filter.states.is_empty() && is_retry;
        let about = about(view.run.as_ref(), view.periodic.as_ref().and_then(|row| row.next_instant()));
        let ended = about.ended.filter(|_| view.periodic.is_none());
        if self.filter.matches_entry(view.state, About { ended, ..about }) && !missed {
            self.page.rows.push(Entry { view, of_run: false });
        }
        Ok(())
    }

    /// One run of a job.
    fn run(&mut self, run: RunView) -> Result<(), BaseError> {
        let id = run.id.job;
        let Some(row) = self.tables.job_row(id)?.filter(|row| self.filter.matches_job(id, row)) else {
            return Ok(());
        };
        let state = match &run.state {
            RunState::Live(live) => JobState::of_live(live),
            RunState::Ended(row) => JobState::Ended(row.fate),
        };
        if self.filter.matches_entry(state, about(Some(&run), None)) {
            let view = JobView { state, run: Some(run), ..self.tables.view_of(id, row)? };
            self.page.rows.push(Entry { view, of_run: true });
        }
        Ok(())
    }

    fn live(&mut self, id: RunId) -> Result<(), BaseError> {
        match self.tables.live_run(id)? {
            Some(live) => self.run(RunView { id, state: RunState::Live(live) }),
            None => Ok(()),
        }
    }

    fn waiting(&mut self, after: Option<&Place>) -> Result<bool, BaseError> {
        let after = match after {
            Some(Place::Waiting(at, priority, waiter)) => Some((*at, *priority, *waiter)),
            Some(_) | None => None,
        };
        let mut waiting = self.tables.indexes().waiting_after(after).peekable();
        while let Some((at, priority, waiter)) = waiting.next() {
            match waiter {
                Waiter::Run(run) => self.live(run)?,
                Waiter::Instant(job) => self.instant(job, at)?,
            }
            if !self.seen(Place::Waiting(at, priority, waiter)) {
                return Ok(waiting.peek().is_none());
            }
        }
        Ok(true)
    }

    /// The next instant of a periodic job, which has no run yet.
    fn instant(&mut self, id: JobId, at: Timestamp) -> Result<(), BaseError> {
        let Some(row) = self.tables.job_row(id)?.filter(|row| self.filter.matches_job(id, row)) else {
            return Ok(());
        };
        let due = Some(at);
        if self.filter.matches_entry(JobState::Waiting, About { due, ..About::default() }) {
            let view = self.tables.view_of(id, row)?;
            let view = JobView { state: JobState::Waiting, run: None, ..view };
            self.page.rows.push(Entry { view, of_run: true });
        }
        Ok(())
    }

    fn ready(&mut self, after: Option<&Place>) -> Result<bool, BaseError> {
        let (first, mut rank) = match after {
            Some(Place::Ready(group, rank)) => (Some(group.clone()), Some(*rank)),
            Some(_) | None => (None, None),
        };
        let wanted = |group: &NodeGroup| {
            self.filter.node_group.as_ref().is_none_or(|only| only == group)
                && first.as_ref().is_none_or(|first| group >= first)
        };
        let groups: Vec<NodeGroup> =
            self.tables.indexes().ready_groups().map(|(group, _)| group.clone()).filter(wanted).collect();
        let last = groups.last().cloned();
        for group in groups {
            // The place is within the first group only, if that still has ready runs.
            let after = rank.take().filter(|_| Some(&group) == first.as_ref());
            let mut ready = self.tables.indexes().ready_after(&group, after).peekable();
            while let Some(rank) = ready.next() {
                self.live(rank.2)?;
                if !self.seen(Place::Ready(group.clone(), rank)) {
                    return Ok(ready.peek().is_none() && Some(&group) == last.as_ref());
                }
            }
        }
        Ok(true)
    }

    fn executing(&mut self, after: Option<&Place>) -> Result<bool, BaseError> {
        let after = if let Some(Place::Executing(execution)) = after { Some(*execution) } else { None };
        let mut executing = self.tables.indexes().executing_after(after).peekable();
        while let Some((execution, run)) = executing.next() {
            self.live(run)?;
            if !self.seen(Place::Executing(execution)) {
                return Ok(executing.peek().is_none());
            }
        }
        Ok(true)
    }

    fn ended(&mut self, after: Option<&Place>, wanted: impl Fn(Fate) -> bool) -> Result<bool, BaseError> {
        let before = match after {
            Some(Place::Ended(at, run)) => Some((*at, *run)),
            // The rows at the end of the span are not wanted, and the first of them is the first run's.
            Some(_) | None => self.filter.ended.to.map(|to| (to, RunId::default())),
        };
        let groups = self.tables.groups_with_history(self.filter.node_group.as_ref())?;
        let from = self.filter.ended.from.unwrap_or_default();
        let mut ended = self.tables.ended_before(&groups, from, before).peekable();
        while let Some((at, run)) = ended.next().transpose()? {
            if let Some(RunView { id, state: RunState::Ended(row) }) = self.tables.ended_run(run)?
                && wanted(row.fate)
            {
                self.run(RunView { id, state: RunState::Ended(row) })?;
            }
            if !self.seen(Place::Ended(at, run)) {
                return Ok(ended.peek().is_none());
            }
        }
        Ok(true)
    }
}

/// What a run tells a filter.
fn about(run: Option<&RunView>, next: Option<Timestamp>) -> About<'_> {
    match run.map(|run| &run.state) {
        Some(RunState::Live(live)) => match &live.state {
            LiveState::Waiting { until } => About { due: Some(*until), ..About::default() },
            LiveState::Executing { tracker, .. } => {
                About { due: Some(live.due), tracker: Some(tracker), ended: None }
            }
            LiveState::Ready { .. } | LiveState::Suspended { .. } => {
                About { due: Some(live.due), ..About::default() }
            }
        },
        Some(RunState::Ended(row)) => About {
            due: next.or(Some(row.due)),
            ended: Some(row.ended),
            tracker: row.attempts.last().map(|attempt| &attempt.tracker),
        },
        None => About { due: next, ..About::default() },
    }
}
