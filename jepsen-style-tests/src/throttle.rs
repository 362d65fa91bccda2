//! Limits on processor time, by control groups of version 1 or 2, whichever this machine has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Version 1, and version 2 where it is mounted alone.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"];
const PERIOD_US: u32 = 100_000;

/// A group in which processes are short of processor time.
#[derive(Debug)]
pub(crate) struct Cpu {
    root: PathBuf,
    group: PathBuf,
}

impl Cpu {
    /// The name must be the run's.
    pub(crate) fn of(name: &str) -> Cpu {
        let root = ROOTS.into_iter().map(Path::new).find(|root| root.join("cgroup.procs").exists());
        let root = root.unwrap_or(Path::new(ROOTS[0])).to_owned();
        Cpu { group: root.join(name), root }
    }

    /// From now on a process, with all its threads, gets so many percent of one core.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) fn limit(&self, pid: u32, percent: u32) -> anyhow::Result<()> {
        fs::create_dir_all(&self.group).with_context(|| self.group.display().to_string())?;
        let quota_us = PERIOD_US / 100 * percent;
        if self.group.join("cpu.max").exists() {
            fs::write(self.group.join("cpu.max"), format!("{quota_us} {PERIOD_US}"))
        } else {
            fs::write(self.group.join("cpu.cfs_period_us"), PERIOD_US.to_string())
                .and_then(|()| fs::write(self.group.join("cpu.cfs_quota_us"), quota_us.to_string()))
        }
        .context("the limit is refused")?;
        fs::write(self.group.join("cgroup.procs"), pid.to_string()).context("the process cannot be moved")
    }

    /// Lets everybody in it run as they can again.
    ///
    /// # Errors
    /// If a process cannot be moved.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        for pid in fs::read_to_string(self.group.join("cgroup.procs"))?.lines() {
            // It may have ended.
            let _ = fs::write(self.root.join("cgroup.procs"), pid);
        }
        // The kernel may hold it a moment longer; the run's guard tries again.
        let _ = fs::remove_dir(&self.group);
        Ok(())
    }

    /// How often a process was kept waiting, as the kernel counts it.
    ///
    /// # Errors
    /// If there is no such group.
    pub(crate) fn throttled(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(self.group.join("cpu.stat"))?;
        let count = text.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap_or("0");
        Ok(count.trim().parse()?)
    }

    /// Takes away the groups whose names begin so.
    pub(crate) fn remove_all(prefix: &str) {
        for root in ROOTS.into_iter().chain(["/sys/fs/cgroup/blkio"]) {
            for entry in fs::read_dir(root).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(prefix) {
                    // A killed process may not have left it yet; an empty group costs nothing.
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }
}
