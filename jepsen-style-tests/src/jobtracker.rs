//! One JobTracker: its host, its disk, its process, and all that a nemesis may do to them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::disk::{Disk, text};
use crate::netns::Host;
use crate::process::{Process, Recipe};
use crate::record::FaultRecord;

const CLIENT_PORT: u16 = 5870;
const PEER_PORT: u16 = 5871;
/// The shipped drain timeout is 25 s.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
const DEATH_PATIENCE: Duration = Duration::from_secs(20);
/// A frozen process takes no part in anything after this.
const FREEZE: Duration = Duration::from_millis(20);
const LISTEN_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct JobTracker {
    pub(crate) name: String,
    /// `ip:port` for clients.
    pub(crate) client: String,
    /// `ip:port` for the other JobTrackers.
    pub(crate) peer: String,
    pub(crate) disk: Disk,
    /// The group that its writes are throttled in.
    pub(crate) throttle: String,
    /// Where its faked wall clock is told, if it has one.
    pub(crate) clock: Option<std::path::PathBuf>,
    recipe: Recipe,
    life: Mutex<Option<Life>>,
    faults: Arc<FaultRecord>,
}

#[derive(Debug)]
struct Life {
    process: Arc<Process>,
    /// The harness ends it; else its end is a finding.
    expected: Arc<AtomicBool>,
}

/// What differs between runs; the rest is the shipped default.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) binary: std::path::PathBuf,
    /// `--set` of the configuration, `KEY=VALUE`.
    pub(crate) settings: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) tracker_env: Vec<(String, String)>,
    /// What the binary can panic at; empty if it cannot.
    pub(crate) failpoints: Vec<String>,
}

impl JobTracker {
    /// A JobTracker that was never started, on an empty disk.
    ///
    /// # Errors
    /// If its disk cannot be made.
    pub(crate) async fn make(
        host: Host,
        dir: &Path,
        log: &Path,
        options: &Options,
        faults: Arc<FaultRecord>,
    ) -> anyhow::Result<JobTracker> {
        let disk = Disk::make(dir, &host.name).await?;
        let [client, peer] = [CLIENT_PORT, PEER_PORT].map(|port| format!("{}:{port}", host.ip));
        let mut args = vec!["jobtracker".to_owned(), "--insecure".into()];
        let data = disk.mount().join("data");
        for (flag, value) in [
            ("--node-name", host.name.as_str()),
            ("--data-dir", text(&data)),
            ("--listen-client", &client),
            ("--listen-peer", &peer),
        ] {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
        for setting in &options.settings {
            args.extend(["--set".to_owned(), setting.clone()]);
        }
        let mut env = options.env.clone();
        let clock = env.iter().any(|(name, _)| name == crate::clock::MARK).then(|| {
            let file = dir.join(format!("{}.clock", host.name));
            env.push((crate::clock::FILE.into(), text(&file).into()));
            file
        });
        if let Some(file) = &clock {
            fs::write(file, crate::clock::RIGHT)?;
        }
        let throttle = host.namespace.clone();
        let name = host.name.clone();
        let recipe = Recipe { host, program: options.binary.clone(), args, env, log: log.to_owned() };
        Ok(JobTracker { name, client, peer, disk, throttle, clock, recipe, life: Mutex::new(None), faults })
    }

    /// Starts it on what its disk holds, unless it lives, and waits until it listens or ends.
    ///
    /// # Errors
    /// If it does not listen.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        self.start_with(false, &[]).await
    }

    /// The same where it may refuse what it finds on its disk.
    ///
    /// # Errors
    /// If it does not listen.
    pub(crate) async fn try_start(&self) -> anyhow::Result<()> {
        self.start_with(true, &[]).await
    }

    /// Starts it with more in its environment; it may end by itself, even before it listens.
    ///
    /// # Errors
    /// If it lives and does not listen.
    pub(crate) async fn start_armed(&self, env: &[(String, String)]) -> anyhow::Result<()> {
        match self.start_with(true, env).await {
            Err(error) if self.lives().await => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn start_with(&self, may_end: bool, env: &[(String, String)]) -> anyhow::Result<()> {
        let mut life = self.life.lock().await;
        if life.as_ref().is_some_and(|life| !life.process.has_ended()) {
            return Ok(());
        }
        let process = Arc::new(self.recipe.start_with(env)?);
        let expected = Arc::new(AtomicBool::new(may_end));
        self.report_an_unexpected_end(Arc::clone(&process), Arc::clone(&expected));
        *life = Some(Life { process: Arc::clone(&process), expected });
        drop(life);
        let listens = async {
            while tokio::net::TcpStream::connect(&self.client).await.is_err() && !process.has_ended() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LISTEN_PATIENCE, listens).await.with_context(|| format!("{} does not listen", self.name))?;
        anyhow::ensure!(!process.has_ended(), "{} ended at its start; see its log", self.name);
        Ok(())
    }

    fn report_an_unexpected_end(&self, process: Arc<Process>, expected: Arc<AtomicBool>) {
        let (faults, name) = (Arc::clone(&self.faults), self.name.clone());
        tokio::spawn(async move {
            let status = process.its_end().await;
            if !expected.load(Ordering::SeqCst) {
                println!("  {name} ended by itself: {status}");
                faults.open("unexpected_end", status.to_string(), vec![name]).happened();
            }
        });
    }

    pub(crate) async fn lives(&self) -> bool {
        self.life.lock().await.as_ref().is_some_and(|life| !life.process.has_ended())
    }

    pub(crate) async fn pid(&self) -> Option<u32> {
        let life = self.life.lock().await;
        life.as_ref().filter(|life| !life.process.has_ended()).map(|life| life.process.pid())
    }

    /// Its end, from now on, is no finding.
    pub(crate) async fn expect_end(&self) {
        if let Some(life) = self.life.lock().await.as_ref() {
            life.expected.store(true, Ordering::SeqCst);
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended_within(&self, patience: Duration) -> bool {
        let process = self.life.lock().await.as_ref().map(|life| Arc::clone(&life.process));
        match process {
            Some(process) => process.end(patience).await.is_some(),
            None => true,
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it does not die.
    pub(crate) async fn kill(&self) -> anyhow::Result<()> {
        self.expect_end().await;
        self.signal(Signal::KILL).await;
        anyhow::ensure!(self.ended_within(DEATH_PATIENCE).await, "{} does not die", self.name);
        Ok(())
    }

    /// SIGTERM; it hands its leadership over and drains.
    ///
    /// # Errors
    /// If it does not end in time.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.expect_end().await;
        self.signal(Signal::TERM).await;
        anyhow::ensure!(self.ended_within(STOP_PATIENCE).await, "{} does not stop on SIGTERM", self.name);
        Ok(())
    }

    pub(crate) async fn signal(&self, signal: Signal) {
        if let Some(life) = self.life.lock().await.as_ref() {
            life.process.signal(signal);
        }
    }

    /// Freezes it, so that nothing that it says from here on is heard, and takes its disk away without a flush.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) async fn lose_power(&self) -> anyhow::Result<()> {
        self.expect_end().await;
        self.signal(Signal::STOP).await;
        sleep(FREEZE).await;
        self.disk.cut().await?;
        self.kill().await
    }

    /// After [`JobTracker::lose_power`] or a dead disk: whatever had reached the disk is there again.
    ///
    /// # Errors
    /// If the disk cannot be mounted again.
    pub(crate) async fn remount(&self) -> anyhow::Result<()> {
        self.kill().await?;
        self.disk.unmount().await?;
        self.disk.mount_it().await
    }
}
