//! `raftsman job get`, `list` and `runs`.

use clap::ValueEnum;

use super::super::Global;
use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::output::{Column, Row, Shape, column, wide};
use super::super::span::{When, between};
use super::{JOB_COLUMNS, RUN_COLUMNS, Target, job_row, run_row};
use crate::client::JobRef;
use crate::wire::pb;

/// The largest page that the cluster gives.
const PAGE_MAX: usize = 1_000;

/// Show one job, with its live or last run in -o json
///
/// Examples:
///   raftsman job get 42.0 -o json
///   raftsman job get --task-id ship-1 -g trade
#[derive(Debug, clap::Args)]
#[command(visible_alias = "describe", verbatim_doc_comment)]
pub(super) struct Get {
    #[command(flatten)]
    target: Target,
}

/// List jobs, or what is in one of the queues
///
/// Jobs are listed by their ids. A queue has its own order: waiting by due time, ready in the order
/// of dispatch, executing by start, finished and dead with the newest end first; of those each row
/// is a run.
///
/// Examples:
///   raftsman job list -g trade --state ready --state executing
///   raftsman job list --queue executing --tasktracker w3
///   raftsman job list --queue dead --ended-since 1h --all -o id
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls", verbatim_doc_comment)]
pub(super) struct List {
    /// What to list, in its order; else all jobs
    #[arg(long, value_enum)]
    queue: Option<Queue>,
    /// Only this job; can be given many times
    #[arg(long = "id", value_name = "JOB")]
    ids: Vec<String>,
    /// Only jobs of this node group
    #[arg(short = 'g', long, value_name = "GROUP")]
    node_group: Option<String>,
    /// Only jobs in this state; can be given many times
    #[arg(long = "state", value_enum)]
    states: Vec<State>,
    /// Only jobs of this type
    #[arg(long = "type", value_enum)]
    job_type: Option<JobType>,
    /// Only jobs of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs with this task id
    #[arg(long, value_name = "TASK_ID")]
    task_id: Option<String>,
    /// Only jobs whose task id begins so
    #[arg(long, value_name = "TEXT")]
    task_id_prefix: Option<String>,
    /// Only jobs of this priority number or a greater one; smaller runs first
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority_min: Option<i32>,
    /// Only jobs of this priority number or a smaller one
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority_max: Option<i32>,
    /// Only what this TaskTracker executes, or executed last
    #[arg(long, value_name = "NAME")]
    tasktracker: Option<String>,
    /// Only jobs that were accepted from then on: a time such as 2031-04-05T06:07:08Z, or 15m for so long ago
    #[arg(long, value_name = "TIME")]
    created_since: Option<When>,
    /// Only jobs that were accepted before
    #[arg(long, value_name = "TIME")]
    created_until: Option<When>,
    /// Only jobs whose newest revision came from then on
    #[arg(long, value_name = "TIME")]
    updated_since: Option<When>,
    /// Only jobs whose newest revision came before
    #[arg(long, value_name = "TIME")]
    updated_until: Option<When>,
    /// Only what is, or was, due from then on
    #[arg(long, value_name = "TIME")]
    due_since: Option<When>,
    /// Only what is, or was, due before
    #[arg(long, value_name = "TIME")]
    due_until: Option<When>,
    /// Only what ended from then on
    #[arg(long, value_name = "TIME")]
    ended_since: Option<When>,
    /// Only what ended before
    #[arg(long, value_name = "TIME")]
    ended_until: Option<When>,
    /// At most so many; 0 lists all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    /// All, page after page: the same as -n 0
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Whatever the asked JobTracker has, however old, also without a leader
    #[arg(long)]
    stale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Queue {
    /// Not due yet, or waiting for a retry
    Waiting,
    /// To be dispatched (LTS's executable queue)
    Ready,
    /// On a TaskTracker
    Executing,
    /// Cron jobs that live
    Cron,
    /// Repeat jobs that live
    Repeat,
    /// Jobs that are suspended
    Suspended,
    /// Runs that ended
    Finished,
    /// Runs that ended dead
    Dead,
}

impl From<Queue> for pb::Queue {
    fn from(queue: Queue) -> pb::Queue {
        match queue {
            Queue::Waiting => pb::Queue::Waiting,
            Queue::Ready => pb::Queue::Ready,
            Queue::Executing => pb::Queue::Executing,
            Queue::Cron => pb::Queue::Cron,
            Queue::Repeat => pb::Queue::Repeat,
            Queue::Suspended => pb::Queue::Suspended,
            Queue::Finished => pb::Queue::Finished,
            Queue::Dead => pb::Queue::Dead,
        }
    }
}

impl Queue {
    /// Whether its rows are runs.
    fn is_of_runs(self) -> bool {
        match self {
            Queue::Waiting | Queue::Ready | Queue::Executing | Queue::Finished | Queue::Dead => true,
            Queue::Cron | Queue::Repeat | Queue::Suspended => false,
        }
    }
}

/// List the ledger of a job: one fate for each planned instant
///
/// Example:
///   raftsman job runs --task-id nightly -n 5
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Runs {
    #[command(flatten)]
    target: Target,
    /// At most so many; 0 lists all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Waiting,
    Ready,
    Executing,
    Suspended,
    Succeeded,
    Failed,
    Dead,
    Skipped,
    Cancelled,
}

impl From<State> for pb::JobState {
    fn from(state: State) -> pb::JobState {
        match state {
            State::Waiting => pb::JobState::Waiting,
            State::Ready => pb::JobState::Ready,
            State::Executing => pb::JobState::Executing,
            State::Suspended => pb::JobState::Suspended,
            State::Succeeded => pb::JobState::Succeeded,
            State::Failed => pb::JobState::Failed,
            State::Dead => pb::JobState::Dead,
            State::Skipped => pb::JobState::Skipped,
            State::Cancelled => pb::JobState::Cancelled,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JobType {
    RealTime,
    TriggerTime,
    Cron,
    Repeat,
}

impl From<JobType> for pb::JobType {
    fn from(job_type: JobType) -> pb::JobType {
        match job_type {
            JobType::RealTime => pb::JobType::RealTime,
            JobType::TriggerTime => pb::JobType::TriggerTime,
            JobType::Cron => pb::JobType::Cron,
            JobType::Repeat => pb::JobType::Repeat,
        }
    }
}

impl Get {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let job = client.get(self.target.job_ref()).await?;
        Ok(global.output().print(Shape::One, &JOB_COLUMNS, &[job_row(&job)])?)
    }
}

/// How much is still to be asked for, as a page size.
pub(in crate::cli) fn page_size(limit: usize, have: usize) -> i32 {
    let left = if limit == 0 { PAGE_MAX } else { (limit - have).min(PAGE_MAX) };
    i32::try_from(left).expect("at most a page")
}

/// Whether another page is wanted.
pub(in crate::cli) fn wants_more(limit: usize, have: usize, next_page_token: &str) -> bool {
    !next_page_token.is_empty() && (limit == 0 || have < limit)
}

impl List {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let limit = if self.all { 0 } else { self.limit };
        let of_runs = self.queue.is_some_and(Queue::is_of_runs);
        let mut request = self.request(limit)?;
        let mut rows = Vec::new();
        loop {
            let page = client.list_jobs(request.clone()).await?;
            let now = page.read.and_then(|read| read.time);
            rows.extend(page.jobs.iter().map(|job| if of_runs { entry_row(job, now) } else { job_row(job) }));
            if !wants_more(limit, rows.len(), &page.next_page_token) {
                break;
            }
            request.page_size = page_size(limit, rows.len());
            request.page_token = page.next_page_token;
        }
        let output = global.output();
        match of_runs {
            true => Ok(output.print(Shape::Many, &ENTRY_COLUMNS, &rows)?),
            false => Ok(output.print(Shape::Many, &JOB_COLUMNS, &rows)?),
        }
    }

    fn request(self, limit: usize) -> Result<pb::ListJobsRequest, Failure> {
        let consistency = if self.stale { pb::Consistency::Stale } else { pb::Consistency::Linearizable };
        Ok(pb::ListJobsRequest {
            queue: self.queue.map_or(pb::Queue::Unspecified, Into::into).into(),
            job_ids: self.ids,
            node_group: self.node_group.unwrap_or_default(),
            states: self.states.into_iter().map(|state| pb::JobState::from(state).into()).collect(),
            job_type: self.job_type.map_or(pb::JobType::Unspecified, Into::into).into(),
            kind: self.kind.unwrap_or_default(),
            task_id: self.task_id.unwrap_or_default(),
            task_id_prefix: self.task_id_prefix.unwrap_or_default(),
            priority_min: self.priority_min,
            priority_max: self.priority_max,
            tasktracker: self.tasktracker.unwrap_or_default(),
            create_time: between(self.created_since, self.created_until)?,
            update_time: between(self.updated_since, self.updated_until)?,
            due_time: between(self.due_since, self.due_until)?,
            end_time: between(self.ended_since, self.ended_until)?,
            page_size: page_size(limit, 0),
            page_token: String::new(),
            consistency: consistency.into(),
        })
    }
}

const ENTRY_COLUMNS: [Column; 13] = [
    column("RUN"),
    column("TASK_ID"),
    column("NODE_GROUP"),
    column("KIND"),
    column("STATE"),
    column("DUE"),
    column("TASKTRACKER"),
    column("STARTED"),
    column("ELAPSED"),
    column("ENDED"),
    wide("TYPE"),
    wide("PRIORITY"),
    wide("RETRIES"),
];

/// A row of a queue of runs; an instant that has no run yet goes by its job. `now` is the cluster's time.
fn entry_row(job: &pb::StoredJob, now: Option<prost_types::Timestamp>) -> Row {
    let spec = job.spec.clone().unwrap_or_default();
    let run = job.run.clone().unwrap_or_default();
    let attempt = run.attempts.last().cloned().unwrap_or_default();
    let id = if run.run_id.is_empty() { job.job_id.clone() } else { run.run_id.clone() };
    let started = json::timestamp(attempt.dispatch_time);
    let until = json::timestamp(attempt.end_time.or(now));
    let elapsed = started.zip(until).map(|(from, until)| until.since(from).to_string());
    Row {
        id: id.clone(),
        cells: vec![
            id,
            spec.task_id,
            spec.node_group,
            spec.kind,
            json::job_state(job.state()).into(),
            json::time(run.due_time.or(job.next_time)),
            attempt.tasktracker,
            json::time(attempt.dispatch_time),
            elapsed.unwrap_or_default(),
            json::time(run.end_time),
            json::job_type(job.job_type()),
            spec.priority.unwrap_or(crate::domain::PRIORITY_DEFAULT).to_string(),
            run.retries.to_string(),
        ],
        json: json::job(job),
    }
}

impl Runs {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let target = match self.target.job_ref() {
            JobRef::Id(id) => pb::list_runs_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::list_runs_request::Target::Task(pb::TaskKey { node_group, task_id })
            }
        };
        let page_size_first = page_size(self.limit, 0);
        let mut request =
            pb::ListRunsRequest { target: Some(target), page_size: page_size_first, ..Default::default() };
        let mut rows = Vec::new();
        loop {
            let page = client.list_runs(request.clone()).await?;
            rows.extend(page.runs.iter().map(run_row));
            if !wants_more(self.limit, rows.len(), &page.next_page_token) {
                break;
            }
            request.page_size = page_size(self.limit, rows.len());
            request.page_token = page.next_page_token;
        }
        Ok(global.output().print(Shape::Many, &RUN_COLUMNS, &rows)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_until_the_limit_or_the_end() {
        assert_eq!((page_size(50, 0), page_size(0, 7), page_size(2_500, 2_000)), (50, 1_000, 500));
        assert!(wants_more(0, 1_000, "more") && wants_more(2_500, 2_000, "more"));
        assert!(!wants_more(50, 50, "more") && !wants_more(0, 1_000, ""));
    }
}
