//! `raftsman feedback`: what JobClients shall hear, and hearing it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tokio::sync::Notify;

use super::Global;
use super::connect::clients;
use super::failure::{Failure, Outcome};
use super::interruptible;
use super::json::{self, word};
use super::output::{Column, Row, Shape, column, wide};
use crate::client::{Feedback, JobClient};
use crate::tasktracker::shutdown_signal;
use crate::wire::pb;
use pb::feedback_selection::Which;

/// The largest page that the cluster gives.
const PAGE: i32 = 1_000;
/// Runs that one call may name.
const SELECTED_MAX: usize = 1_000;

/// See and move what JobClients shall hear: how the runs of their jobs ended
#[derive(Debug, clap::Args)]
pub(super) struct FeedbackCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the groups of JobClients with their counters; anything but 0 under DROPPED or EXPIRED wants a look
    Groups,
    /// List what a group has not heard yet, and its dead letters
    ///
    /// Examples:
    ///   raftsman feedback list shop
    ///   raftsman feedback list shop --state dead -o json
    #[command(visible_alias = "ls", verbatim_doc_comment)]
    List {
        /// The group of JobClients
        group: String,
        /// Only this state
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// Listen for a group: print one JSON object a line, and acknowledge what was printed
    ///
    /// What this hears no other JobClient of the group hears. It ends at a signal, or after --count.
    ///
    /// Examples:
    ///   raftsman feedback listen shop
    ///   raftsman feedback listen shop --count 1
    #[command(verbatim_doc_comment)]
    Listen {
        /// The group of JobClients
        group: String,
        /// End after so many
        #[arg(long, value_name = "COUNT")]
        count: Option<u64>,
    },
    /// Have feedback told now, with all its tries again
    ///
    /// Examples:
    ///   raftsman feedback retry shop 42.0/0 42.1/0
    ///   raftsman feedback retry shop --dead
    #[command(verbatim_doc_comment)]
    Retry(Selection),
    /// Give feedback up: nobody will hear it, and it is counted as discarded
    ///
    /// Examples:
    ///   raftsman feedback drop shop 42.0/0
    ///   raftsman feedback drop shop --dead
    #[command(verbatim_doc_comment)]
    Drop(Selection),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Waits for a JobClient, or for its next try
    Pending,
    /// Its tries are used up: waits for an operator
    Dead,
}

#[derive(Debug, clap::Args)]
struct Selection {
    /// The group of JobClients
    group: String,
    /// Whose feedback, such as 42.0/0
    #[arg(value_name = "RUN", required_unless_present_any = ["dead", "pending"])]
    runs: Vec<String>,
    /// All dead letters
    #[arg(long, conflicts_with_all = ["runs", "pending"])]
    dead: bool,
    /// All that waits to be heard
    #[arg(long, conflicts_with = "runs")]
    pending: bool,
}

impl FeedbackCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Groups => interruptible(groups(global)).await,
            Verb::List { group, state } => interruptible(list(global, group, state)).await,
            Verb::Listen { group, count } => listen(global, group, count).await,
            Verb::Retry(selection) => interruptible(selection.retry(global)).await,
            Verb::Drop(selection) => interruptible(selection.drop(global)).await,
        }
    }
}

async fn groups(global: &Global) -> Outcome {
    let columns = [
        column("GROUP"),
        column("PENDING"),
        column("DEAD"),
        column("HEARD"),
        column("DROPPED"),
        column("EXPIRED"),
        wide("DISCARDED"),
        wide("FAILED"),
        wide("MADE"),
    ];
    let client = global.connect.client().await?;
    let call = async |via, request| clients(via).list_feedback_groups(request).await;
    let answer = client.read(pb::ListFeedbackGroupsRequest { consistency: 0 }, call).await?;
    let rows: Vec<Row> = answer.groups.iter().map(group_row).collect();
    Ok(global.output().print(Shape::Many, &columns, &rows)?)
}

fn group_row(group: &pb::FeedbackGroup) -> Row {
    let counts = [
        group.pending,
        group.dead,
        group.heard,
        group.dropped,
        group.expired,
        group.discarded,
        group.failed,
        group.made,
    ];
    let counts = counts.iter().map(ToString::to_string);
    Row {
        id: group.node_group.clone(),
        cells: std::iter::once(group.node_group.clone()).chain(counts).collect(),
        json: json!({
            "node_group": group.node_group, "made": group.made, "pending": group.pending, "dead": group.dead,
            "heard": group.heard, "dropped": group.dropped, "expired": group.expired,
            "discarded": group.discarded, "failed": group.failed,
        }),
    }
}

const COLUMNS: [Column; 8] = [
    column("RUN"),
    column("TASK_ID"),
    column("STATE"),
    column("FEEDBACK"),
    column("TRIES"),
    column("SINCE"),
    wide("NODE_GROUP"),
    wide("HANDLER_ERROR"),
];

async fn list(global: &Global, node_group: String, state: Option<State>) -> Outcome {
    let client = global.connect.client().await?;
    let state = match state {
        None => pb::FeedbackState::Unspecified,
        Some(State::Pending) => pb::FeedbackState::Pending,
        Some(State::Dead) => pb::FeedbackState::Dead,
    };
    let mut request =
        pb::ListFeedbackRequest { node_group, state: state.into(), page_size: PAGE, ..Default::default() };
    let mut rows = Vec::new();
    loop {
        let call = async |via, request| clients(via).list_feedback(request).await;
        let page = client.read(request.clone(), call).await.map_err(Failure::from)?;
        rows.extend(page.feedback.iter().map(row));
        if page.next_page_token.is_empty() {
            return Ok(global.output().print(Shape::Many, &COLUMNS, &rows)?);
        }
        request.page_token = page.next_page_token;
    }
}

fn row(stored: &pb::StoredFeedback) -> Row {
    let feedback = stored.feedback.clone().unwrap_or_default();
    let waits_for = word(stored.state().as_str_name(), "FEEDBACK_STATE_");
    let json = object(&feedback)
        .with("feedback_state", waits_for)
        .with("tries", stored.tries)
        .text("handler_error", &stored.handler_error)
        .time("since_time", stored.since_time)
        .done();
    Row {
        id: feedback.run_id.clone(),
        cells: vec![
            feedback.run_id.clone(),
            feedback.task_id.clone(),
            word(feedback.state().as_str_name(), "RUN_STATE_").into(),
            waits_for.into(),
            stored.tries.to_string(),
            json::time(stored.since_time),
            feedback.node_group.clone(),
            stored.handler_error.clone(),
        ],
        json,
    }
}

fn object(feedback: &pb::Feedback) -> json::Object {
    let object = json::Object::default()
        .with("run_id", feedback.run_id.as_str())
        .with("job_id", feedback.job_id.as_str())
        .with("node_group", feedback.node_group.as_str())
        .with("task_id", feedback.task_id.as_str())
        .with("kind", feedback.kind.as_str())
        .with("params", json!(feedback.params))
        .with("revision", feedback.revision)
        .with("state", word(feedback.state().as_str_name(), "RUN_STATE_"))
        .with("success", feedback.success)
        .time("planned_time", feedback.planned_time)
        .time("end_time", feedback.end_time)
        .with("executions", feedback.executions)
        .with("execution", feedback.execution.to_string())
        .with("attempt", feedback.attempt)
        .text("error", &feedback.error);
    match std::str::from_utf8(&feedback.result) {
        Ok(text) => object.text("result", text),
        Err(_) => object.with("result_bytes", feedback.result.len()),
    }
}

async fn listen(global: &Global, group: String, count: Option<u64>) -> Outcome {
    let client: JobClient = interruptible_client(global).await?;
    let (done, ended) = (Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)));
    let last = Arc::clone(&done);
    let print = move |feedback: Feedback| {
        let outcome = print_line(&feedback, count, &ended, &last);
        std::future::ready(outcome)
    };
    // One after the other, so that --count is exact.
    let listen = client.listen(group, print).concurrency(if count.is_some() { 1 } else { 16 });
    let until = async {
        tokio::select! {
            () = shutdown_signal() => {}
            () = done.notified() => {}
        }
    };
    Ok(listen.run_until(until).await?)
}

async fn interruptible_client(global: &Global) -> Result<JobClient, Failure> {
    tokio::select! {
        client = global.connect.client() => client,
        () = shutdown_signal() => Err(Failure::Interrupted),
    }
}

/// What could not be printed was not heard.
fn print_line(
    feedback: &Feedback,
    count: Option<u64>,
    ended: &AtomicU64,
    done: &Notify,
) -> Result<(), io::Error> {
    if count.is_some_and(|count| ended.load(Ordering::Relaxed) >= count) {
        return Err(io::Error::other("enough was heard"));
    }
    let line = object(feedback.message()).done().to_string() + "\n";
    let mut out = io::stdout().lock();
    let printed = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    let all = ended.fetch_add(1, Ordering::Relaxed) + 1;
    if printed.is_err() || count.is_some_and(|count| all >= count) {
        done.notify_one();
    }
    printed
}

impl Selection {
    async fn retry(self, global: &Global) -> Outcome {
        let (node_group, selection) = self.read()?;
        let client = global.connect.client().await?;
        let request = pb::RetryFeedbackRequest { node_group, selection };
        let call = async |via, request| clients(via).retry_feedback(request).await;
        let answer = client.call(request, call).await?;
        moved(global, column("RETRIED"), answer.moved)
    }

    async fn drop(self, global: &Global) -> Outcome {
        let (node_group, selection) = self.read()?;
        let client = global.connect.client().await?;
        let request = pb::DropFeedbackRequest { node_group, selection };
        let call = async |via, request| clients(via).drop_feedback(request).await;
        let answer = client.call(request, call).await?;
        moved(global, column("DROPPED"), answer.moved)
    }

    fn read(self) -> Result<(String, Option<pb::FeedbackSelection>), Failure> {
        if self.runs.len() > SELECTED_MAX {
            return Err(Failure::usage("RUN", format!("has {} runs; at most 1,000", self.runs.len())));
        }
        let which = match (self.dead, self.pending) {
            (true, _) => Which::Dead(pb::AllDead {}),
            (_, true) => Which::Pending(pb::AllPending {}),
            (false, false) => Which::Runs(pb::FeedbackRuns { run_ids: self.runs }),
        };
        Ok((self.group, Some(pb::FeedbackSelection { which: Some(which) })))
    }
}

fn moved(global: &Global, what: Column, count: u64) -> Outcome {
    let row = Row { id: count.to_string(), cells: vec![count.to_string()], json: json!({"moved": count}) };
    Ok(global.output().print(Shape::One, &[what], &[row])?)
}
