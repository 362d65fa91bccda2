//! Child processes that die with this one, however it dies.
//!
//! A child is started through this same executable, which asks the kernel to be killed when its parent is gone and then
//! becomes the wanted program: asking in the child before `exec` by other means would take unsafe code. On systems other
//! than Linux only the orderly ways to end are covered.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// The first argument of this executable in the role of a child; the parent's pid and the command follow.
const CHILD_ROLE: &str = "--as-child-of";

/// Becomes the wanted program if this process was started to do so; returns only why that failed.
pub(crate) fn become_child() -> Option<anyhow::Error> {
    let mut args = std::env::args_os().skip(1);
    args.next().filter(|first| first == CHILD_ROLE)?;
    Some(become_program(args).unwrap_or_else(|error| error))
}

fn become_program(mut args: impl Iterator<Item = OsString>) -> anyhow::Result<anyhow::Error> {
    let parent: i32 =
        args.next().and_then(|pid| pid.to_str()?.parse().ok()).context("no parent was named")?;
    let program = args.next().context("no program was named")?;
    die_with_parent(parent)?;
    let error = Command::new(&program).args(args).exec();
    Ok(anyhow::Error::from(error).context(format!("cannot run {}", program.display())))
}

#[cfg(target_os = "linux")]
fn die_with_parent(parent: i32) -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have gone before the kernel was asked.
    let lives = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
    anyhow::ensure!(lives, "the parent is gone");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_parent: i32) -> anyhow::Result<()> {
    Ok(())
}

/// The binary of the same build: examples lie in a directory beside it.
///
/// # Errors
/// If it was not built.
pub(crate) fn raftsman_beside() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe()?;
    let binary = me.parent().and_then(Path::parent).context("this executable lies nowhere")?.join("raftsman");
    anyhow::ensure!(binary.is_file(), "{} was not built; use `make demo`", binary.display());
    Ok(binary)
}

/// A program that can be started again after it was killed.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    log: PathBuf,
    running: Option<Child>,
}

impl Process {
    /// Starts it; what it says goes to `logs/NAME.log`, all its starts in one file.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        args: Vec<String>,
        env: Vec<(String, String)>,
        logs: &Path,
    ) -> anyhow::Result<Process> {
        let log = logs.join(format!("{name}.log"));
        let mut process =
            Process { name: name.into(), program: program.into(), args, env, log, running: None };
        process.start_again()?;
        Ok(process)
    }

    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(CHILD_ROLE).arg(std::process::id().to_string()).arg(&self.program).args(&self.args);
        // What the caller has set for its own cluster is not meant for this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RAFTSMAN_") && name != "RAFTSMAN_LOG" {
                command.env_remove(name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        // Ctrl-C on the terminal reaches this process only, which then ends its children.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.running = Some(command.spawn().with_context(|| format!("cannot start {}", self.name))?);
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP, and waits until all its threads stand still: it is there, and does nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        // It may be gone already; then there is nothing to wait for.
        let _ = waitpid(self.pid(), WaitOptions::UNTRACED);
    }

    /// SIGCONT: it goes on as if nothing had been.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: it ends in its own way, see [`Process::ended`].
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.running.as_mut()?.try_wait().ok().flatten()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It may be gone already.
            let _ = kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.running.as_ref()?.id()).ok()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
