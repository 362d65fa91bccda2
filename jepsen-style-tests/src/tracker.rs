//! A TaskTracker of a run: its host, its process, and what a nemesis may do to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::sync::Mutex;

use crate::disk::text;
use crate::generator::spec::GROUP;
use crate::netns::Host;
use crate::process::{Process, Recipe};
use crate::record::FaultRecord;

/// In `nemesis.jsonl`: a job has killed it, or it has ended by itself.
pub(crate) const KILLED: &str = "tracker-killed";
/// Executions at a time.
const CONCURRENCY: u32 = 16;
const DEATH_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) name: String,
    recipe: Recipe,
    /// There while it is meant to live, even if it has ended.
    life: Mutex<Option<Life>>,
    faults: Arc<FaultRecord>,
}

#[derive(Debug)]
struct Life {
    process: Arc<Process>,
    /// The harness ends it; else a job did.
    expected: Arc<AtomicBool>,
}

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'a> {
    /// Client addresses of the JobTrackers, with commas between.
    pub(crate) addresses: String,
    /// For data directories.
    pub(crate) dir: &'a Path,
    /// For what is kept of the run.
    pub(crate) kept: &'a Path,
    /// The fenced store.
    pub(crate) effects: PathBuf,
    pub(crate) faults: Arc<FaultRecord>,
    pub(crate) env: &'a [(String, String)],
}

impl Tracker {
    /// A TaskTracker that was never started. Its identity may be another's: a second process of the same name.
    ///
    /// # Errors
    /// If its directory cannot be made.
    pub(crate) fn make(host: Host, identity: &str, around: &Surroundings<'_>) -> anyhow::Result<Tracker> {
        let name = host.name.clone();
        let data = around.dir.join(format!("{name}-data"));
        let node = around.kept.join("nodes").join(&name);
        std::fs::create_dir_all(&node).with_context(|| node.display().to_string())?;
        let exec = node.join("exec.jsonl");
        let mut args = vec!["test-tracker".to_owned()];
        for (flag, value) in [
            ("--group", GROUP),
            ("--identity", identity),
            ("--addresses", &around.addresses),
            ("--concurrency", &CONCURRENCY.to_string()),
            ("--data-dir", text(&data)),
            ("--exec", text(&exec)),
            ("--effects", text(&around.effects)),
        ] {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
        let program = std::env::current_exe().context("this program has a path")?;
        let (env, log) = (around.env.to_vec(), node.join("tasktracker.log"));
        let recipe = Recipe { host, program, args, env, log };
        Ok(Tracker { name, recipe, life: Mutex::new(None), faults: Arc::clone(&around.faults) })
    }

    /// Starts it unless it lives.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let mut life = self.life.lock().await;
        if life.as_ref().is_none_or(|life| life.process.has_ended()) {
            *life = Some(self.begin()?);
        }
        Ok(())
    }

    /// Kills it and starts it with more in its environment; it may end by itself, and is started again then.
    ///
    /// # Errors
    /// If it does not die, or cannot be started.
    pub(crate) async fn start_armed(&self, env: &[(String, String)]) -> anyhow::Result<Arc<Process>> {
        self.kill().await?;
        let armed = self.begin_with(env, true)?;
        let process = Arc::clone(&armed.process);
        *self.life.lock().await = Some(armed);
        Ok(process)
    }

    fn begin(&self) -> anyhow::Result<Life> {
        self.begin_with(&[], false)
    }

    fn begin_with(&self, env: &[(String, String)], may_end: bool) -> anyhow::Result<Life> {
        let process = Arc::new(self.recipe.start_with(env)?);
        let expected = Arc::new(AtomicBool::new(may_end));
        let life = Life { process: Arc::clone(&process), expected: Arc::clone(&expected) };
        let (faults, name) = (Arc::clone(&self.faults), self.name.clone());
        tokio::spawn(async move {
            let status = process.its_end().await;
            if !expected.load(Ordering::SeqCst) {
                faults.open(KILLED, status.to_string(), vec![name]).happened();
            }
        });
        Ok(life)
    }

    /// Starts it again if it ended by itself: a job may kill it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn revive(&self) -> anyhow::Result<()> {
        let mut life = self.life.lock().await;
        if life.as_ref().is_some_and(|life| life.process.has_ended()) {
            *life = Some(self.begin()?);
        }
        Ok(())
    }

    pub(crate) async fn signal(&self, signal: Signal) {
        if let Some(life) = self.life.lock().await.as_ref() {
            life.process.signal(signal);
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it does not die.
    pub(crate) async fn kill(&self) -> anyhow::Result<()> {
        self.end_by(Signal::KILL).await
    }

    /// SIGTERM; it drains and leaves.
    ///
    /// # Errors
    /// If it does not end in time.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.end_by(Signal::TERM).await
    }

    async fn end_by(&self, signal: Signal) -> anyhow::Result<()> {
        if let Some(Life { process, expected }) = self.life.lock().await.take() {
            expected.store(true, Ordering::SeqCst);
            process.signal(signal);
            anyhow::ensure!(process.end(DEATH_PATIENCE).await.is_some(), "{} does not end", self.name);
        }
        Ok(())
    }
}
