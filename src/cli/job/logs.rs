//! `raftsman job logs`: what happened to jobs, and what their code said; searched, and followed as it grows.

use std::collections::BTreeSet;

use clap::ValueEnum;

use super::super::Global;
use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::level::Level;
use super::super::output::{Column, Output, Row, Shape, column, say, wide};
use super::super::span::{When, between};
use super::NODE_GROUP_DEFAULT;
use super::show::{page_size, wants_more};
use crate::client::{JobClient, JobRef};
use crate::wire::pb;

/// Show the job log: what happened, and the lines that the code of jobs wrote
///
/// Of one job, of one run, or searched through all jobs. The runs are in the order in which they
/// ended, those that have not ended come last; the lines of a run are in the order of time.
/// --follow goes on with each line as it comes, across a change of the leader too; without a job it
/// begins with what comes from now on, or with --since.
///
/// Examples:
///   raftsman job logs 42.0 -f
///   raftsman job logs 42.0/3 --level warn -o jsonl
///   raftsman job logs -g trade --failed --since 15m --newest
///   raftsman job logs --type fixed-dead --tasktracker w3 -f
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Logs {
    /// A job's id, such as 42.0, or a run's, such as 42.0/3; else all jobs
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// The submitter's name of the job, instead of its id
    #[arg(long, value_name = "TASK_ID", conflicts_with = "job")]
    task_id: Option<String>,
    /// Only jobs of this node group; with --task-id the one that it is of
    #[arg(short = 'g', long, value_name = "GROUP", conflicts_with = "job")]
    node_group: Option<String>,
    /// Only lines of this type; can be given many times
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    types: Vec<Type>,
    /// Only lines of this level or above
    #[arg(long, value_enum, default_value = "debug")]
    level: Level,
    /// Only lines that tell of a failure
    #[arg(long, conflicts_with = "succeeded")]
    failed: bool,
    /// Only lines that tell of no failure
    #[arg(long)]
    succeeded: bool,
    /// Only of this TaskTracker
    #[arg(long, value_name = "NAME")]
    tasktracker: Option<String>,
    /// Only lines from this time on, such as 2031-04-05T06:07:08Z, or 15m for so long ago
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only lines before this time
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<When>,
    /// The newest first
    #[arg(long, conflicts_with = "follow")]
    newest: bool,
    /// At most so many; 0 shows all
    #[arg(short = 'n', long, default_value_t = 0, value_name = "COUNT")]
    limit: usize,
    /// Go on showing what is written later
    #[arg(short, long)]
    follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    Receive,
    Sent,
    Finished,
    FixedDead,
    Biz,
    Update,
    Cancel,
    Terminate,
    Dead,
    Retry,
    Skipped,
    Returned,
    Suspend,
    Resume,
    Trigger,
    Resend,
}

impl From<Type> for pb::JobLogType {
    fn from(line: Type) -> pb::JobLogType {
        match line {
            Type::Receive => pb::JobLogType::Receive,
            Type::Sent => pb::JobLogType::Sent,
            Type::Finished => pb::JobLogType::Finished,
            Type::FixedDead => pb::JobLogType::FixedDead,
            Type::Biz => pb::JobLogType::Biz,
            Type::Update => pb::JobLogType::Update,
            Type::Cancel => pb::JobLogType::Cancel,
            Type::Terminate => pb::JobLogType::Terminate,
            Type::Dead => pb::JobLogType::Dead,
            Type::Retry => pb::JobLogType::Retry,
            Type::Skipped => pb::JobLogType::Skipped,
            Type::Returned => pb::JobLogType::Returned,
            Type::Suspend => pb::JobLogType::Suspend,
            Type::Resume => pb::JobLogType::Resume,
            Type::Trigger => pb::JobLogType::Trigger,
            Type::Resend => pb::JobLogType::Resend,
        }
    }
}

const COLUMNS: [Column; 10] = [
    column("TIME"),
    column("LEVEL"),
    column("TYPE"),
    column("TASK_ID"),
    column("RUN"),
    column("TEXT"),
    wide("NODE_GROUP"),
    wide("TASKTRACKER"),
    wide("EXECUTION"),
    wide("SUCCESS"),
];

impl Logs {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let filter = self.filter(&client).await?;
        let mut output = global.output();
        let is_of_one = !filter.job_id.is_empty() || !filter.run_id.is_empty();
        if !self.follow {
            let entries = self.search(&client, filter).await?;
            return Ok(output.print(Shape::Many, &COLUMNS, &rows(&entries))?);
        }
        let mut tail = client.tail_logs(filter.clone(), "");
        // It says where it begins, so that nothing falls between what is kept and what comes.
        let begun = tail.next().await?;
        let mut shown = BTreeSet::new();
        if is_of_one || self.since.is_some() {
            let kept = self.search(&client, filter).await?;
            let both = |entry: &&pb::JobLogEntry| json::timestamp(entry.time) >= json::timestamp(begun.time);
            shown = kept.iter().filter(both).map(told).collect();
            show(&mut output, &kept)?;
        }
        loop {
            let mut message = tail.next().await.map_err(Failure::from)?;
            message.entries.retain(|entry| !shown.remove(&told(entry)));
            if message.missed > 0 {
                say(format_args!(
                    "{} lines of all jobs were missed: this reader is too slow",
                    message.missed
                ));
            }
            if message.gap {
                say("some lines were missed: the next jobtracker does not have them any more");
            }
            show(&mut output, &message.entries)?;
        }
    }

    async fn filter(&self, client: &JobClient) -> Result<pb::LogFilter, Failure> {
        let mut filter = pb::LogFilter {
            types: self.types.iter().map(|wanted| pb::JobLogType::from(*wanted).into()).collect(),
            level_min: pb::LogLevel::from(self.level).into(),
            success: (self.failed || self.succeeded).then_some(self.succeeded),
            tasktracker: self.tasktracker.clone().unwrap_or_default(),
            ..pb::LogFilter::default()
        };
        match (&self.job, &self.task_id) {
            (Some(run), _) if run.contains('/') => filter.run_id.clone_from(run),
            (Some(job), _) => filter.job_id.clone_from(job),
            (None, Some(task)) => {
                let group = self.node_group.as_deref().unwrap_or(NODE_GROUP_DEFAULT);
                filter.job_id = client.get(JobRef::task(group, task)).await?.job_id;
            }
            (None, None) => filter.node_group = self.node_group.clone().unwrap_or_default(),
        }
        Ok(filter)
    }

    async fn search(
        &self,
        client: &JobClient,
        filter: pb::LogFilter,
    ) -> Result<Vec<pb::JobLogEntry>, Failure> {
        let mut request = pb::SearchLogsRequest {
            filter: Some(filter),
            time: between(self.since, self.until)?,
            newest_first: self.newest,
            page_size: page_size(self.limit, 0),
            ..Default::default()
        };
        let mut entries = Vec::new();
        loop {
            let page = client.search_logs(request.clone()).await?;
            entries.extend(page.entries);
            if !wants_more(self.limit, entries.len(), &page.next_page_token) {
                return Ok(entries);
            }
            request.page_size = page_size(self.limit, entries.len());
            request.page_token = page.next_page_token;
        }
    }
}

fn rows(entries: &[pb::JobLogEntry]) -> Vec<Row> {
    entries.iter().map(row).collect()
}

/// The names of the columns are shown once.
fn show(output: &mut Output, entries: &[pb::JobLogEntry]) -> Outcome {
    if !entries.is_empty() {
        output.print(Shape::Many, &COLUMNS, &rows(entries))?;
        output.headers = false;
    }
    Ok(())
}

/// What makes a line the only one.
fn told(entry: &pb::JobLogEntry) -> String {
    json::log_entry(entry).to_string()
}

fn row(entry: &pb::JobLogEntry) -> Row {
    let execution = if entry.execution == 0 { String::new() } else { entry.execution.to_string() };
    let of = if entry.run_id.is_empty() { &entry.job_id } else { &entry.run_id };
    Row {
        id: of.clone(),
        cells: vec![
            json::time(entry.time),
            json::word(entry.level().as_str_name(), "LOG_LEVEL_").into(),
            json::word(entry.r#type().as_str_name(), "JOB_LOG_TYPE_").into(),
            entry.task_id.clone(),
            of.clone(),
            entry.text.clone(),
            entry.node_group.clone(),
            entry.tasktracker.clone(),
            execution,
            entry.success.to_string(),
        ],
        json: json::log_entry(entry),
    }
}
