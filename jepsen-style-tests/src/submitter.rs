//! A JobClient with a FailStore, as a process of a run: it submits until it is stopped, dies when its host's clients are
//! killed, and is started again on the same directory.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::sync::Mutex;

use crate::disk::text;
use crate::netns::Host;
use crate::process::{Process, Recipe};
use crate::tracker::Surroundings;

/// It sends what it has saved before it ends.
const END_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Submitter {
    name: String,
    recipe: Recipe,
    life: Mutex<Option<Process>>,
}

impl Submitter {
    /// One that was never started.
    ///
    /// # Errors
    /// If its directories cannot be made.
    pub(crate) fn make(host: Host, around: &Surroundings<'_>) -> anyhow::Result<Submitter> {
        let name = host.name.clone();
        let kept = around.kept.join("nodes").join(&name);
        std::fs::create_dir_all(&kept).with_context(|| kept.display().to_string())?;
        let (saves, store): (PathBuf, PathBuf) =
            (kept.join("saves.jsonl"), around.dir.join(format!("{name}-failstore")));
        let mut args = vec!["test-submitter".to_owned()];
        for (flag, value) in [
            ("--client", name.as_str()),
            ("--addresses", &around.addresses),
            ("--fail-store", text(&store)),
            ("--saves", text(&saves)),
        ] {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
        let program = std::env::current_exe().context("this program has a path")?;
        let (env, log) = (around.env.to_vec(), kept.join("submitter.log"));
        let recipe = Recipe { host, program, args, env, log };
        Ok(Submitter { name, recipe, life: Mutex::new(None) })
    }

    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        *self.life.lock().await = Some(self.recipe.start()?);
        Ok(())
    }

    /// SIGKILL; whether there was one that lived.
    ///
    /// # Errors
    /// If it does not die.
    pub(crate) async fn kill(&self) -> anyhow::Result<bool> {
        self.end_by(Signal::KILL).await
    }

    /// SIGTERM: it submits no more, sends what it has saved, and ends.
    ///
    /// # Errors
    /// If it does not end in time.
    pub(crate) async fn stop(&self) -> anyhow::Result<bool> {
        self.end_by(Signal::TERM).await
    }

    async fn end_by(&self, signal: Signal) -> anyhow::Result<bool> {
        let Some(process) = self.life.lock().await.take() else { return Ok(false) };
        process.signal(signal);
        anyhow::ensure!(
            process.end(END_PATIENCE).await.is_some(),
            "the submitter {} does not end",
            self.name
        );
        Ok(true)
    }
}
