//! `raftsman fail-store`: what a JobClient has saved in a directory, and what becomes of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::failure::{Failure, Outcome};
use super::output::{Column, Row, Shape, column, say, wide};
use crate::client::{ClientError, DeadLetter, FailStoreContents, JobClient, SavedJob};
use crate::domain::{Millis, Timestamp};
use crate::wire::{Fault, Reason};

/// See and steer what a JobClient has saved while no JobTracker answered
#[derive(Debug, clap::Args)]
pub(super) struct FailStoreCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show how much waits in a FailStore, also while a JobClient uses it
    ///
    /// Example:
    ///   raftsman fail-store status /var/lib/shop/failstore
    #[command(verbatim_doc_comment)]
    Status {
        /// The FailStore's directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// List the jobs that wait and the dead letters, in the order in which they were saved
    ///
    /// WAITING: was not sent yet. TRIED: was sent and not answered; it is sent again as the same request. DEAD: the
    /// cluster refused it, or can no longer tell whether it was done. Nothing is changed.
    ///
    /// Example:
    ///   raftsman fail-store list /var/lib/shop/failstore --dead -o wide
    #[command(verbatim_doc_comment)]
    List {
        /// The FailStore's directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Only the dead letters
        #[arg(long)]
        dead: bool,
    },
    /// Send what waits, for a JobClient that does not run
    ///
    /// Exits 4 if something still waits, 6 if the cluster refused some of it (see `list --dead`).
    ///
    /// Example:
    ///   raftsman fail-store replay /var/lib/shop/failstore --timeout 5m
    #[command(verbatim_doc_comment)]
    Replay {
        /// The FailStore's directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// How long to try
        #[arg(long, value_name = "SPAN", default_value = "60s")]
        timeout: Millis,
    },
    /// Let dead letters wait again, as new requests
    ///
    /// One that may have been done is only taken with --maybe-done: look for its job by the task id first.
    ///
    /// Example:
    ///   raftsman fail-store resend /var/lib/shop/failstore 12.0
    #[command(verbatim_doc_comment)]
    Resend {
        #[command(flatten)]
        letters: Letters,
        /// Also those that may have been done
        #[arg(long)]
        maybe_done: bool,
    },
    /// Forget dead letters
    ///
    /// Example:
    ///   raftsman fail-store discard /var/lib/shop/failstore --all
    #[command(verbatim_doc_comment)]
    Discard {
        #[command(flatten)]
        letters: Letters,
    },
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Letters {
    /// The FailStore's directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Dead letters, as `list` names them
    #[arg(value_name = "LETTER", required_unless_present = "all")]
    ids: Vec<String>,
    /// All dead letters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

impl FailStoreCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Status { directory } => status(global, &directory),
            Verb::List { directory, dead } => list(global, &directory, dead),
            Verb::Replay { directory, timeout } => replay(global, &directory, timeout).await,
            Verb::Resend { letters, maybe_done } => letters.resend(global, maybe_done).await,
            Verb::Discard { letters } => letters.discard(global).await,
        }
    }
}

fn look(directory: &Path) -> Result<FailStoreContents, Failure> {
    FailStoreContents::look(directory).map_err(|error| Failure::NotFound(format!("no failstore: {error}")))
}

fn status(global: &Global, directory: &Path) -> Outcome {
    let contents = look(directory)?;
    let columns = [column("DIRECTORY"), column("WAITING"), column("DEAD"), column("OLDEST")];
    let (waiting, dead) = (contents.waiting.len(), contents.dead_letters.len());
    let oldest = contents.waiting.first().map(|saved| saved.saved_at);
    let shown = directory.display().to_string();
    let row = Row {
        id: shown.clone(),
        cells: vec![shown.clone(), waiting.to_string(), dead.to_string(), told(oldest)],
        json: json!({
            "directory": shown, "waiting_jobs": waiting, "dead_letters": dead,
            "oldest_saved_time": oldest.map(|at| at.to_string()),
        }),
    };
    Ok(global.output().print(Shape::One, &columns, &[row])?)
}

fn told(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

const COLUMNS: [Column; 9] = [
    column("ID"),
    column("STATE"),
    column("TASK_ID"),
    column("NODE_GROUP"),
    column("KIND"),
    column("SAVED"),
    column("REASON"),
    wide("DIED"),
    wide("MESSAGE"),
];

fn list(global: &Global, directory: &Path, dead: bool) -> Outcome {
    let contents = look(directory)?;
    let waiting = contents.waiting.iter().filter(|_| !dead).map(saved_row);
    let rows: Vec<Row> = waiting.chain(contents.dead_letters.iter().map(letter_row)).collect();
    Ok(global.output().print(Shape::Many, &COLUMNS, &rows)?)
}

fn saved_row(saved: &SavedJob) -> Row {
    let (id, state) = (saved.id(), if saved.tried { "TRIED" } else { "WAITING" });
    let (job, at) = (&saved.job, saved.saved_at.to_string());
    let cells = [&id, state, &job.task_id, &job.node_group, &job.kind, &at, "", "", ""];
    Row {
        cells: cells.map(str::to_owned).to_vec(),
        json: json!({
            "id": id, "state": state, "task_id": job.task_id, "node_group": job.node_group, "kind": job.kind,
            "saved_time": at,
        }),
        id,
    }
}

fn letter_row(letter: &DeadLetter) -> Row {
    let (id, job) = (letter.id(), &letter.job);
    let (saved, died) = (letter.saved_at.to_string(), letter.died_at.to_string());
    let reason = match letter.maybe_done {
        true => format!("{} (may have been done)", letter.reason),
        false => letter.reason.clone(),
    };
    let message = &letter.message;
    let cells = [&id, "DEAD", &job.task_id, &job.node_group, &job.kind, &saved, &reason, &died, message];
    Row {
        cells: cells.map(str::to_owned).to_vec(),
        json: json!({
            "id": id, "state": "DEAD", "task_id": job.task_id, "node_group": job.node_group, "kind": job.kind,
            "saved_time": saved, "died_time": died, "reason": letter.reason, "message": message,
            "maybe_done": letter.maybe_done,
        }),
        id,
    }
}

async fn replay(global: &Global, directory: &Path, timeout: Millis) -> Outcome {
    let before = look(directory)?;
    let client = global.connect.saving_client(directory)?;
    // What still waits afterwards is told below.
    let _ = tokio::time::timeout(Duration::from(timeout), client.fail_store_drained()).await;
    let stats = client.fail_store_stats().unwrap_or_default();
    let died = stats.dead_letters.saturating_sub(before.dead_letters.len());
    // By what is left: a job is counted as sent a moment after it has left the store.
    let sent = before.waiting.len().saturating_sub(stats.waiting_jobs + died);
    say(format_args!("{sent} sent, {} wait, {died} refused", stats.waiting_jobs));
    if stats.waiting_jobs > 0 {
        let message = format!("{} jobs still wait in {}", stats.waiting_jobs, directory.display());
        return Err(ClientError::NotDone(Fault::not_applied(Reason::NoJobTracker, message)).into());
    }
    match died {
        0 => Ok(()),
        _ => {
            Err(Failure::Conflict(format!("{died} jobs were refused; see `raftsman fail-store list --dead`")))
        }
    }
}

impl Letters {
    async fn chosen(&self, client: &JobClient) -> Result<Vec<DeadLetter>, Failure> {
        let letters = client.dead_letters().await?;
        if self.all {
            return Ok(letters);
        }
        let find = |id: &String| {
            let found = letters.iter().find(|letter| letter.id() == *id).cloned();
            found.ok_or_else(|| {
                Failure::NotFound(format!("no dead letter {id} in {}", self.directory.display()))
            })
        };
        self.ids.iter().map(find).collect()
    }

    async fn discard(self, global: &Global) -> Outcome {
        let client = global.connect.saving_client(&self.directory)?;
        let letters = self.chosen(&client).await?;
        for letter in &letters {
            client.discard(letter).await?;
        }
        say(format_args!("{} forgotten", letters.len()));
        Ok(())
    }

    async fn resend(self, global: &Global, maybe_done: bool) -> Outcome {
        let client = global.connect.saving_client(&self.directory)?;
        let letters = self.chosen(&client).await?;
        if let Some(letter) = letters.iter().find(|letter| letter.maybe_done && !maybe_done) {
            let (id, task_id) = (letter.id(), &letter.job.task_id);
            return Err(Failure::Conflict(format!(
                "{id} may have been done: look for task id {task_id}, then give --maybe-done or discard it"
            )));
        }
        for letter in &letters {
            client.resend(letter).await?;
        }
        say(format_args!(
            "{} wait again; `raftsman fail-store replay` or the JobClient sends them",
            letters.len()
        ));
        Ok(())
    }
}
