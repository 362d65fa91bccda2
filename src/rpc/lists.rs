//! `JobService.ListJobs` and `.CountJobs`.

use bytes::Bytes;
use tonic::{Response, Status};

use super::edge::{read, wrong};
use super::page::{self, Filters};
use super::views;
use crate::domain::{FieldError, Identity, Kind, NodeGroup, TaskId};
use crate::jobtracker::JobTracker;
use crate::machine::{Entry, GroupView, JobFilter, Machine, Place, Queue, Span};
use crate::wire::{parse_id, pb, read_timestamp};

/// Job ids that one request may name.
const IDS_MAX: usize = 1_000;

pub(super) async fn list_jobs(
    tracker: &JobTracker,
    request: pb::ListJobsRequest,
) -> Result<Response<pb::ListJobsResponse>, Status> {
    let (queue, filter) = filter(&request)?;
    let (filters, limit) = (filters(&request), page::size(request.page_size));
    let after: Option<Place> = filters.place(&request.page_token)?;
    let ((jobs, next), mark) = read(tracker, request.consistency, |machine| {
        let found = machine.tables().list(queue, &filter, after.as_ref(), limit)?;
        let jobs: Result<Vec<_>, _> = found.rows.iter().map(|entry| job(machine, entry)).collect();
        Ok((jobs?, found.next))
    })
    .await?;
    let next_page_token = next.map(|place| filters.token(&place)).unwrap_or_default();
    Ok(Response::new(pb::ListJobsResponse { jobs, next_page_token, read: mark }))
}

fn job(machine: &Machine, entry: &Entry) -> Result<pb::StoredJob, crate::machine::BaseError> {
    let mut job = views::job(machine, &entry.view)?;
    if let Some(spec) = &mut job.spec {
        spec.payload = Bytes::new();
    }
    Ok(job)
}

pub(super) fn filters(request: &pb::ListJobsRequest) -> Filters {
    let same =
        pb::ListJobsRequest { page_size: 0, page_token: String::new(), consistency: 0, ..request.clone() };
    Filters::of("jobs", &same)
}

/// What a request lists; all that is wrong with it is told at once.
pub(super) fn filter(request: &pb::ListJobsRequest) -> Result<(Queue, JobFilter), Status> {
    let mut problems = Problems::default();
    let mut filter = JobFilter { task_id_prefix: request.task_id_prefix.clone(), ..JobFilter::default() };
    filter.node_group = problems.name("node_group", &request.node_group, NodeGroup::new);
    filter.kind = problems.name("kind", &request.kind, Kind::new);
    filter.task_id = problems.name("task_id", &request.task_id, TaskId::new);
    filter.tracker = problems.name("tasktracker", &request.tasktracker, Identity::new);
    filter.job_type = request.job_type().to_domain();
    (filter.priority_min, filter.priority_max) = (request.priority_min, request.priority_max);
    if request.job_ids.len() > IDS_MAX {
        problems.add("job_ids", format!("has {} ids; at most {IDS_MAX}", request.job_ids.len()));
    }
    filter.ids = request.job_ids.iter().filter_map(|id| problems.take(parse_id("job_ids", id))).collect();
    for state in request.states() {
        match views::wanted_state(state) {
            Some(state) => filter.states.push(state),
            None => problems.add("states", format!("{state:?} is not a state to filter by")),
        }
    }
    filter.created = problems.span("create_time", request.create_time);
    filter.updated = problems.span("update_time", request.update_time);
    filter.due = problems.span("due_time", request.due_time);
    filter.ended = problems.span("end_time", request.end_time);
    let queue = match request.queue() {
        pb::Queue::Unspecified => Queue::Jobs,
        pb::Queue::Waiting => Queue::Waiting,
        pb::Queue::Ready => Queue::Ready,
        pb::Queue::Executing => Queue::Executing,
        pb::Queue::Cron => Queue::Cron,
        pb::Queue::Repeat => Queue::Repeat,
        pb::Queue::Finished => Queue::Finished,
        pb::Queue::Dead => Queue::Dead,
        pb::Queue::Suspended => {
            problems.add("queue", "QUEUE_SUSPENDED is not available in this release");
            Queue::Jobs
        }
    };
    if pb::Queue::try_from(request.queue).is_err() {
        problems.add("queue", format!("{} is not known to this JobTracker", request.queue));
    }
    problems.done((queue, filter))
}

pub(super) async fn count_jobs(
    tracker: &JobTracker,
    request: pb::CountJobsRequest,
) -> Result<Response<pb::CountJobsResponse>, Status> {
    let mut problems = Problems::default();
    let only = problems.name("node_group", &request.node_group, NodeGroup::new);
    let only = problems.done(only)?;
    let (found, mark) = read(tracker, request.consistency, |machine| machine.tables().groups()).await?;
    let found = found.into_iter().filter(|view| only.as_ref().is_none_or(|only| *only == view.node_group));
    let mut total = pb::JobCounts::default();
    let mut groups = Vec::new();
    for view in found {
        let counts = counts(&view);
        add(&mut total, &counts);
        groups.push(pb::GroupCounts { node_group: view.node_group.to_string(), counts: Some(counts) });
    }
    Ok(Response::new(pb::CountJobsResponse { total: Some(total), groups, read: mark }))
}

pub(super) fn counts(view: &GroupView) -> pb::JobCounts {
    let (live, row) = (&view.live, &view.counters);
    pb::JobCounts {
        waiting: live.waiting,
        ready: live.ready,
        executing: live.executing,
        suspended: live.suspended,
        cron: live.cron,
        repeat: live.repeat,
        ending: live.ending,
        finished: row.kept,
        submitted: row.submitted,
        dispatched: row.dispatched,
        succeeded: row.succeeded,
        failed: row.failed,
        dead: row.dead,
        cancelled: row.cancelled,
        skipped: row.skipped,
        retried: row.retried,
        reclaimed: row.reclaimed,
    }
}

fn add(total: &mut pb::JobCounts, one: &pb::JobCounts) {
    total.waiting += one.waiting;
    total.ready += one.ready;
    total.executing += one.executing;
    total.suspended += one.suspended;
    total.cron += one.cron;
    total.repeat += one.repeat;
    total.ending += one.ending;
    total.finished += one.finished;
    total.submitted += one.submitted;
    total.dispatched += one.dispatched;
    total.succeeded += one.succeeded;
    total.failed += one.failed;
    total.dead += one.dead;
    total.cancelled += one.cancelled;
    total.skipped += one.skipped;
    total.retried += one.retried;
    total.reclaimed += one.reclaimed;
}

/// All that is wrong with a request's filters.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<FieldError>);

impl Problems {
    pub(super) fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(FieldError::new(field, problem));
    }

    pub(super) fn take<T>(&mut self, read: Result<T, FieldError>) -> Option<T> {
        read.map_err(|problem| self.0.push(problem)).ok()
    }

    /// A name to filter by; empty is none.
    pub(super) fn name<T>(
        &mut self,
        field: &'static str,
        text: &str,
        new: impl FnOnce(String) -> Result<T, FieldError>,
    ) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        new(text.to_owned()).map_err(|problem| self.add(field, problem.problem)).ok()
    }

    pub(super) fn span(&mut self, field: &'static str, span: Option<pb::TimeSpan>) -> Span {
        let Some(span) = span else { return Span::default() };
        let mut time = |at: Option<prost_types::Timestamp>| {
            let at = at.map(read_timestamp).transpose();
            at.map_err(|problem| self.add(field, problem)).ok().flatten()
        };
        let span = Span { from: time(span.from_time), to: time(span.to_time) };
        if let (Some(from), Some(to)) = (span.from, span.to)
            && from >= to
        {
            self.add(field, format!("begins at {from} and ends at {to}: nothing is within"));
        }
        span
    }

    pub(super) fn done<T>(self, value: T) -> Result<T, Status> {
        if self.0.is_empty() { Ok(value) } else { Err(wrong(self.0)) }
    }
}
