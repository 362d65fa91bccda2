//! `raftsman job get`, `list` and `runs`.

use clap::ValueEnum;

use super::super::Global;
use super::super::failure::Outcome;
use super::super::output::Shape;
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

/// List jobs in the order of their ids
///
/// Examples:
///   raftsman job list -g trade --state ready --state executing
///   raftsman job list --state dead -o id
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls", verbatim_doc_comment)]
pub(super) struct List {
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
    /// Only jobs whose task id begins so
    #[arg(long, value_name = "TEXT")]
    task_id_prefix: Option<String>,
    /// At most so many; 0 lists all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    /// Whatever the asked JobTracker has, however old, also without a leader
    #[arg(long)]
    stale: bool,
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
fn page_size(limit: usize, have: usize) -> i32 {
    let left = if limit == 0 { PAGE_MAX } else { (limit - have).min(PAGE_MAX) };
    i32::try_from(left).expect("at most a page")
}

/// Whether another page is wanted.
fn wants_more(limit: usize, have: usize, next_page_token: &str) -> bool {
    !next_page_token.is_empty() && (limit == 0 || have < limit)
}

impl List {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let consistency = if self.stale { pb::Consistency::Stale } else { pb::Consistency::Linearizable };
        let mut request = pb::ListJobsRequest {
            node_group: self.node_group.unwrap_or_default(),
            states: self.states.into_iter().map(|state| pb::JobState::from(state).into()).collect(),
            job_type: self.job_type.map_or(pb::JobType::Unspecified, Into::into).into(),
            kind: self.kind.unwrap_or_default(),
            task_id_prefix: self.task_id_prefix.unwrap_or_default(),
            page_size: page_size(self.limit, 0),
            page_token: String::new(),
            consistency: consistency.into(),
        };
        let mut rows = Vec::new();
        loop {
            let page = client.list_jobs(request.clone()).await?;
            rows.extend(page.jobs.iter().map(job_row));
            if !wants_more(self.limit, rows.len(), &page.next_page_token) {
                break;
            }
            request.page_size = page_size(self.limit, rows.len());
            request.page_token = page.next_page_token;
        }
        Ok(global.output().print(Shape::Many, &JOB_COLUMNS, &rows)?)
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
