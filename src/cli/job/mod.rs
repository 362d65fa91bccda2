//! `raftsman job`: submit, look, wait, stop, try again.

mod act;
mod logs;
mod show;
mod steer;
mod submit;
mod update;
mod wait;

use clap::Subcommand;

pub(super) use show::{page_size, wants_more};

use super::Global;
use super::failure::Outcome;
use super::json;
use super::output::{Column, Row, column, wide};
use crate::client::JobRef;
use crate::wire::pb;

/// The node group that a command means when it names none; `raftsman dev` runs a TaskTracker for it.
pub(super) const NODE_GROUP_DEFAULT: &str = "default";

/// Submit, see and steer jobs
#[derive(Debug, clap::Args)]
pub(super) struct JobCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Submit(Box<submit::Submit>),
    Get(show::Get),
    List(show::List),
    Runs(show::Runs),
    Wait(wait::Wait),
    Update(Box<update::Update>),
    Cancel(act::Cancel),
    Terminate(act::Terminate),
    Retry(act::Retry),
    Suspend(steer::Suspend),
    Resume(steer::Resume),
    Trigger(steer::Trigger),
    Delete(steer::Delete),
    Logs(logs::Logs),
}

impl JobCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Submit(submit) => submit.run(global).await,
            Verb::Get(get) => get.run(global).await,
            Verb::List(list) => list.run(global).await,
            Verb::Runs(runs) => runs.run(global).await,
            Verb::Wait(wait) => wait.run(global).await,
            Verb::Update(update) => update.run(global).await,
            Verb::Cancel(cancel) => cancel.run(global).await,
            Verb::Terminate(terminate) => terminate.run(global).await,
            Verb::Retry(retry) => retry.run(global).await,
            Verb::Suspend(suspend) => suspend.run(global).await,
            Verb::Resume(resume) => resume.run(global).await,
            Verb::Trigger(trigger) => trigger.run(global).await,
            Verb::Delete(delete) => delete.run(global).await,
            Verb::Logs(logs) => logs.run(global).await,
        }
    }
}

/// Which job: by the id that the cluster gave, or by the name that its submitter gave.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false, args = ["job", "task_id"])]
pub(super) struct Target {
    /// The job's id, such as 42.0
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// The submitter's name of the job, instead of its id
    #[arg(long, value_name = "TASK_ID")]
    task_id: Option<String>,
    /// The node group of the task id
    #[arg(short = 'g', long, value_name = "GROUP", default_value = NODE_GROUP_DEFAULT)]
    node_group: String,
}

impl Target {
    fn job_ref(&self) -> JobRef {
        match (&self.job, &self.task_id) {
            (Some(id), _) => JobRef::Id(id.clone()),
            (None, task_id) => JobRef::task(&self.node_group, task_id.clone().unwrap_or_default()),
        }
    }
}

const JOB_COLUMNS: [Column; 12] = [
    column("JOB"),
    column("TASK_ID"),
    column("NODE_GROUP"),
    column("KIND"),
    column("TYPE"),
    column("STATE"),
    column("NEXT"),
    column("ENDED"),
    wide("CREATED"),
    wide("PRIORITY"),
    wide("RUNS"),
    wide("WHY"),
];

fn job_row(job: &pb::StoredJob) -> Row {
    let spec = job.spec.clone().unwrap_or_default();
    let counts = job.counts.unwrap_or_default();
    let ended = counts.succeeded + counts.failed + counts.dead + counts.skipped + counts.cancelled;
    let state = json::job_state(job.state());
    Row {
        id: job.job_id.clone(),
        cells: vec![
            job.job_id.clone(),
            spec.task_id,
            spec.node_group,
            spec.kind,
            json::job_type(job.job_type()),
            if job.cancel_requested { format!("{state} (cancel requested)") } else { state.into() },
            json::time(job.next_time),
            json::time(job.end_time),
            json::time(job.create_time),
            spec.priority.unwrap_or(crate::domain::PRIORITY_DEFAULT).to_string(),
            ended.to_string(),
            job.why_waiting.clone(),
        ],
        json: json::job(job),
    }
}

const RUN_COLUMNS: [Column; 10] = [
    column("RUN"),
    column("PLANNED"),
    column("STATE"),
    column("RETRIES"),
    column("RECLAIMS"),
    column("TASKTRACKER"),
    column("ENDED"),
    column("RESULT"),
    wide("INSTANTS"),
    wide("ERROR"),
];

/// A result in a cell is told in full by `-o json`.
const CELL_CHARS_MAX: usize = 80;

fn run_row(run: &pb::Run) -> Row {
    let state = json::run_state(run.state());
    let why = json::word(run.skip_reason().as_str_name(), "SKIP_REASON_");
    let last = run.attempts.last().map(|attempt| attempt.tasktracker.clone()).unwrap_or_default();
    Row {
        id: run.run_id.clone(),
        cells: vec![
            run.run_id.clone(),
            json::time(run.planned_time),
            if why.is_empty() { state.into() } else { format!("{state} ({why})") },
            run.retries.to_string(),
            run.reclaims.to_string(),
            last,
            json::time(run.end_time),
            shortened(&run.result),
            run.count.to_string(),
            run.error.clone(),
        ],
        json: json::run(run),
    }
}

/// A result as a cell shows it: one line, not longer than a person reads.
fn shortened(result: &[u8]) -> String {
    let text = String::from_utf8_lossy(result);
    let line: String = text.trim_end().chars().take(CELL_CHARS_MAX).collect();
    if line.len() < text.trim_end().len() { line + "…" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_is_cut_for_its_cell_and_a_final_line_break_is_not_told() {
        assert_eq!(shortened(b"hi\n"), "hi");
        let long = shortened("é".repeat(200).as_bytes());
        assert_eq!(long.chars().count(), CELL_CHARS_MAX + 1);
    }
}
