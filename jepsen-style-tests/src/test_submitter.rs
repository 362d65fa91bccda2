//! `jst test-submitter`: a JobClient on the SDK that submits job after job through its FailStore, and writes down what it
//! is answered. Each line goes to the kernel at once, so that it outlives the process.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use raftsman::client::{FailStoreOptions, SubmitOutcome};
use tokio::time::sleep;

use crate::generator::spec::{Kind, Work, job, to_json};
use crate::history::{Save, SaveEvent};
use crate::stamp::monotonic_ns;

/// Callers that submit one after another, beside each other.
const CALLERS: usize = 3;
/// Between two submits of a caller, on average.
const GAP_MS: u64 = 80;
/// Shorter than most outages of a run.
const SAVE_AFTER: Duration = Duration::from_millis(400);
/// How long what is saved may take to be sent at the end, when all is healed.
const DRAIN: Duration = Duration::from_secs(40);

/// A JobClient of the harness.
#[derive(clap::Args, Debug)]
pub(crate) struct TestSubmitter {
    /// Names it in what is written down.
    #[arg(long)]
    client: String,
    /// JobTrackers, with commas between.
    #[arg(long)]
    addresses: String,
    #[arg(long)]
    fail_store: PathBuf,
    /// Where it writes down what it is answered.
    #[arg(long)]
    saves: PathBuf,
}

impl TestSubmitter {
    /// Submits until SIGTERM, then sends what is saved.
    ///
    /// # Errors
    /// If the FailStore cannot be opened, or what it holds cannot be sent.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let file = OpenOptions::new().create(true).append(true).open(&self.saves);
            let file = Mutex::new(file.with_context(|| self.saves.display().to_string())?);
            let options = FailStoreOptions::at(self.fail_store).save_after(SAVE_AFTER);
            let client = JobClient::builder().addresses(self.addresses).fail_store(options).open()?;
            let book = Arc::new(Book { client: self.client, file });
            let mut callers = tokio::task::JoinSet::new();
            for caller in 0..CALLERS {
                callers.spawn(call(client.clone(), Arc::clone(&book), caller));
            }
            raftsman::shutdown_signal().await;
            // What is under way is not answered any more, and may be done or not.
            callers.shutdown().await;
            tokio::time::timeout(DRAIN, client.fail_store_drained())
                .await
                .context("the failstore is not empty")?;
            println!("{:?} {:?}", client.counters(), client.dead_letters().await?);
            Ok(())
        })
    }
}

async fn call(client: JobClient, book: Arc<Book>, caller: usize) {
    for n in 0_u64.. {
        let task_id = format!("s{}-{}-{caller}-{n}", book.client, std::process::id());
        let job = job(task_id.clone(), Kind::Sleep, Work { ms: fastrand::u64(0..60), failures: 0 });
        book.write(&task_id, SaveEvent::Invoke, to_json(&job), None);
        let (ev, err) = match client.submit_job(job).await {
            Ok(job) if job.outcome() == SubmitOutcome::SavedLocally => (SaveEvent::Saved, None),
            Ok(_) => (SaveEvent::Committed, None),
            Err(error) => (SaveEvent::Failed, Some(error.to_string())),
        };
        book.write(&task_id, ev, serde_json::Value::Null, err);
        sleep(Duration::from_millis(fastrand::u64(0..2 * GAP_MS))).await;
    }
}

/// Writes `saves.jsonl`.
#[derive(Debug)]
struct Book {
    client: String,
    file: Mutex<File>,
}

impl Book {
    fn write(&self, task: &str, ev: SaveEvent, spec: serde_json::Value, err: Option<String>) {
        let mut file = self.file.lock().expect("nobody panics while writing a line");
        let (t, client, task) = (monotonic_ns(), self.client.clone(), task.to_owned());
        let line = Save { t, client, task, ev, spec, err };
        let mut text = serde_json::to_vec(&line).expect("a line can be written");
        text.push(b'\n');
        file.write_all(&text).expect("a line can be written");
    }
}
