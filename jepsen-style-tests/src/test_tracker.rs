//! `jst test-tracker`: a TaskTracker on the SDK whose jobs do what their payload says, and which writes down what it
//! sees. Each line goes to the kernel at once, so that it outlives the process.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use raftsman::tasktracker::RawRun;
use raftsman::{JobContext, JobError, JobResult, RawRunner, TaskTracker};
use tokio::time::{Instant, sleep};

use crate::effects::{Store, Write};
use crate::generator::spec::{Kind, Work};
use crate::history::{Exec, ExecEvent};
use crate::stamp::{monotonic_ns, wall_ns};

/// Between two writes of a job that writes.
const WRITE_EVERY: Duration = Duration::from_millis(250);
/// Above what a drain waits for a job that does not stop.
const DRAIN: Duration = Duration::from_secs(5);

/// A TaskTracker of the harness.
#[derive(clap::Args, Debug)]
pub(crate) struct TestTracker {
    #[arg(long)]
    group: String,
    #[arg(long)]
    identity: String,
    /// JobTrackers, with commas between.
    #[arg(long)]
    addresses: String,
    #[arg(long)]
    concurrency: u32,
    /// Of the FailStore.
    #[arg(long)]
    data_dir: PathBuf,
    /// Where it writes down what it sees.
    #[arg(long)]
    exec: PathBuf,
    /// The fenced store.
    #[arg(long)]
    effects: PathBuf,
}

impl TestTracker {
    /// Runs until SIGTERM.
    ///
    /// # Errors
    /// If the SDK ends with one.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let file = OpenOptions::new().create(true).append(true).open(&self.exec);
            let file = file.with_context(|| self.exec.display().to_string())?;
            let witness = Arc::new(Witness { tracker: self.identity.clone(), file: Mutex::new(file) });
            let store = Store::at(self.effects);
            let mut builder = TaskTracker::builder(self.group)
                .addresses(self.addresses)
                .identity(self.identity)
                .data_dir(self.data_dir)
                .concurrency(self.concurrency)
                .drain_timeout(DRAIN);
            for kind in Kind::ALL {
                let runner = Runner { kind, witness: Arc::clone(&witness), store: store.clone() };
                builder = builder.register_raw(kind.name(), runner);
            }
            Ok(builder.run_until(raftsman::shutdown_signal()).await?)
        })
    }
}

/// Writes `exec.jsonl`.
struct Witness {
    tracker: String,
    file: Mutex<File>,
}

impl Witness {
    fn saw(&self, context: &JobContext, ev: ExecEvent) {
        let planned = context.planned_time();
        let mut file = self.file.lock().expect("nobody panics while writing a line");
        let line = Exec {
            t: monotonic_ns(),
            tracker: self.tracker.clone(),
            pid: std::process::id(),
            job: context.task_id().into(),
            run: context.run_id().into(),
            due: planned.to_string(),
            due_ns: i64::try_from(planned.as_millis()).unwrap_or(i64::MAX).saturating_mul(1_000_000),
            wall_ns: wall_ns(),
            attempt: context.attempt(),
            execution: context.fencing_token(),
            ev,
        };
        let mut text = serde_json::to_vec(&line).expect("a line can be written");
        text.push(b'\n');
        file.write_all(&text).expect("a line can be written");
    }
}

#[derive(Clone)]
struct Runner {
    kind: Kind,
    witness: Arc<Witness>,
    store: Store,
}

impl RawRunner for Runner {
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_> {
        let runner = self.clone();
        Box::pin(async move {
            runner.witness.saw(&context, ExecEvent::Begin);
            let work: Work =
                serde_json::from_slice(&payload).map_err(|error| JobError::fail(error.to_string()))?;
            match runner.kind {
                // The SDK drops a future that does not stop; a task of its own it cannot reach.
                Kind::Stubborn => tokio::spawn(async move { runner.disobey(&context, work).await }).await?,
                Kind::Sleep | Kind::Fail | Kind::Effect | Kind::Poison => runner.obey(&context, work).await,
            }
        })
    }
}

impl Runner {
    /// Works, and stops when it is told to.
    async fn obey(&self, context: &JobContext, work: Work) -> JobResult<Bytes> {
        tokio::select! {
            done = self.work(context, work) => done,
            () = context.cancelled() => {
                self.witness.saw(context, ExecEvent::Interrupted);
                Err(JobError::Cancelled.into())
            }
        }
    }

    /// Writes down that it was told to stop, and works on.
    async fn disobey(&self, context: &JobContext, work: Work) -> JobResult<Bytes> {
        let mut working = std::pin::pin!(self.work(context, work));
        tokio::select! {
            done = &mut working => return done,
            () = context.cancelled() => self.witness.saw(context, ExecEvent::Interrupted),
        }
        working.await
    }

    async fn work(&self, context: &JobContext, work: Work) -> JobResult<Bytes> {
        match self.kind {
            Kind::Effect | Kind::Stubborn => return self.write_for(context, work).await,
            Kind::Poison => {
                sleep(Duration::from_millis(work.ms)).await;
                std::process::abort();
            }
            Kind::Sleep | Kind::Fail => sleep(Duration::from_millis(work.ms)).await,
        }
        self.witness.saw(context, ExecEvent::End);
        if context.attempt() <= work.failures {
            anyhow::bail!("attempt {} of {} that fail", context.attempt(), work.failures);
        }
        Ok(Bytes::new())
    }

    /// Writes to the store at the begin, on the way and at the end.
    async fn write_for(&self, context: &JobContext, work: Work) -> JobResult<Bytes> {
        let end = Instant::now() + Duration::from_millis(work.ms);
        let write = Write {
            job: context.task_id().into(),
            run: context.run_id().into(),
            execution: context.fencing_token(),
        };
        loop {
            let accepted = self.store.write(&write).await?;
            if !accepted && self.kind == Kind::Effect {
                self.witness.saw(context, ExecEvent::End);
                return Err(JobError::fail("a later execution has written"));
            }
            if Instant::now() >= end {
                break;
            }
            sleep(WRITE_EVERY.min(end.saturating_duration_since(Instant::now()))).await;
        }
        self.witness.saw(context, ExecEvent::End);
        Ok(Bytes::new())
    }
}
