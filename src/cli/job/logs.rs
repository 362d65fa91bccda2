//! `raftsman job logs`: what happened to a job, and what its code said.

use std::time::Duration;

use clap::ValueEnum;

use super::super::Global;
use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::output::{Column, Row, Shape, column, wide};
use super::Target;
use crate::wire::pb;

/// How often `--follow` looks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
const PAGE: i32 = 1_000;

/// Show the job log: what happened to it, and the lines that its code wrote
///
/// Examples:
///   raftsman job logs 42.0 -f
///   raftsman job logs 42.0/3 --level warn -o jsonl
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Logs {
    #[command(flatten)]
    target: Target,
    /// Go on showing what is written later
    #[arg(short, long)]
    follow: bool,
    /// Only lines of this level or above
    #[arg(long, value_enum, default_value = "debug")]
    level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for pb::LogLevel {
    fn from(level: Level) -> pb::LogLevel {
        match level {
            Level::Debug => pb::LogLevel::Debug,
            Level::Info => pb::LogLevel::Info,
            Level::Warn => pb::LogLevel::Warn,
            Level::Error => pb::LogLevel::Error,
        }
    }
}

const COLUMNS: [Column; 7] = [
    column("TIME"),
    column("LEVEL"),
    column("TYPE"),
    column("RUN"),
    column("TEXT"),
    wide("TASKTRACKER"),
    wide("EXECUTION"),
];

impl Logs {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let id = self.target.job_id(&client).await?;
        let target = match id.contains('/') {
            true => pb::get_logs_request::Target::RunId(id),
            false => pb::get_logs_request::Target::JobId(id),
        };
        let level_min = pb::LogLevel::from(self.level).into();
        let mut request =
            pb::GetLogsRequest { target: Some(target), level_min, page_size: PAGE, ..Default::default() };
        let mut output = global.output();
        let mut gathered = Vec::new();
        loop {
            let page = client.logs(request.clone()).await.map_err(Failure::from)?;
            gathered.extend(page.entries.iter().map(row));
            if page.at_end && !self.follow {
                return Ok(output.print(Shape::Many, &COLUMNS, &gathered)?);
            }
            request.page_token = page.next_page_token;
            if self.follow && !gathered.is_empty() {
                output.print(Shape::Many, &COLUMNS, &gathered)?;
                gathered.clear();
                output.headers = false;
            }
            if page.at_end {
                tokio::time::sleep(FOLLOW_EVERY).await;
            }
        }
    }
}

fn row(entry: &pb::JobLogEntry) -> Row {
    let execution = if entry.execution == 0 { String::new() } else { entry.execution.to_string() };
    Row {
        id: entry.run_id.clone(),
        cells: vec![
            json::time(entry.time),
            json::word(entry.level().as_str_name(), "LOG_LEVEL_").into(),
            json::word(entry.r#type().as_str_name(), "JOB_LOG_TYPE_").into(),
            entry.run_id.clone(),
            entry.text.clone(),
            entry.tasktracker.clone(),
            execution,
        ],
        json: json::log_entry(entry),
    }
}
