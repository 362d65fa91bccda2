//! A process of a run, inside the namespace of its host. It dies with the harness, whatever ends that.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::netns::Host;

/// What is started, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) host: Host,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Both of its outputs are appended here.
    pub(crate) log: PathBuf,
}

/// A live process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Recipe {
    /// Needs the harness's one thread: the process dies with the thread that started it.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(crate) fn start(&self) -> anyhow::Result<Process> {
        self.start_with(&[])
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    /// As [`Recipe::start`].
    pub(crate) fn start_with(&self, more: &[(String, String)]) -> anyhow::Result<Process> {
        let log = open_log(&self.log)?;
        let mut command = tokio::process::Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.host.namespace))
            .args(["setpriv", "--pdeathsig", "KILL"])
            .arg(&self.program)
            .args(&self.args)
            .envs(self.env.iter().chain(more).map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.context("a process that was just started has a pid")?;
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                let _ = tell.send(Some(status));
            }
        });
        Ok(Process { pid, ended })
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        u32::try_from(self.pid.as_raw_nonzero().get()).expect("a pid is positive")
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Sends a signal; one that has ended gets none.
    pub(crate) fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            // It may end at this very moment.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Waits for its end, however long that takes.
    pub(crate) async fn its_end(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.map_or(None, |status| *status);
        match status {
            Some(status) => status,
            // Nobody tells any more: the runtime is ending.
            None => std::future::pending().await,
        }
    }

    /// Waits for its end; `None` if that does not come in time.
    pub(crate) async fn end(&self, within: Duration) -> Option<ExitStatus> {
        let mut ended = self.ended.clone();
        let status = timeout(within, ended.wait_for(Option::is_some)).await.ok()?.ok()?;
        *status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new().create(true).append(true).open(path).with_context(|| path.display().to_string())
}
