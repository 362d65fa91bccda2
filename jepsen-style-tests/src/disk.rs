//! A JobTracker's disk: an ext4 or xfs image of its own on a loop device, so that it can lose power, die, fill up or become
//! slow without anybody else noticing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use crate::command::run;

const SIZE: &str = "400M";
/// What a full disk still has: less than any append needs.
const LEFT_BYTES: u64 = 64 << 10;
const UNMOUNT_TRIES: u32 = 50;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(100);
const THROTTLES: &str = "/sys/fs/cgroup/blkio";

/// What an image is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filesystem {
    Ext4,
    Xfs,
}

impl Filesystem {
    /// Every third run has xfs, where the kernel has it.
    pub(crate) fn of_run(seed: u64) -> Filesystem {
        if seed % 3 != 2 {
            return Filesystem::Ext4;
        }
        let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if known.split_whitespace().any(|name| name == Filesystem::Xfs.name()) {
            return Filesystem::Xfs;
        }
        println!("  skipped: xfs, which this kernel has not (/proc/filesystems); ext4 instead");
        Filesystem::Ext4
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Filesystem::Ext4 => "ext4",
            Filesystem::Xfs => "xfs",
        }
    }

    async fn format(self, image: &Path) -> anyhow::Result<()> {
        let image = text(image);
        match self {
            Filesystem::Ext4 => run(&["mkfs.ext4", "-q", "-F", "-m", "0", image]).await.map(drop),
            Filesystem::Xfs => run(&["mkfs.xfs", "-q", "-f", image]).await.map(drop),
        }
    }
}

/// An image and where it is mounted.
#[derive(Debug)]
pub(crate) struct Disk {
    filesystem: Filesystem,
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// A fresh, empty, mounted disk; the image is sparse.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) async fn make(dir: &Path, name: &str, filesystem: Filesystem) -> anyhow::Result<Disk> {
        let disk = Disk { filesystem, image: dir.join(format!("{name}.img")), mount: dir.join(name) };
        fs::create_dir_all(&disk.mount)?;
        run(&["truncate", "-s", SIZE, text(&disk.image)]).await?;
        filesystem.format(&disk.image).await?;
        disk.mount_it().await?;
        Ok(disk)
    }

    pub(crate) fn mount(&self) -> &Path {
        &self.mount
    }

    /// # Errors
    /// If it is mounted already or damaged.
    pub(crate) async fn mount_it(&self) -> anyhow::Result<()> {
        run(&["mount", "-o", "loop", text(&self.image), text(&self.mount)]).await.map(drop)
    }

    /// Waits for the kernel to let go of processes that were killed.
    ///
    /// # Errors
    /// If somebody still uses it.
    pub(crate) async fn unmount(&self) -> anyhow::Result<()> {
        let mut tries = 0;
        loop {
            match run(&["umount", text(&self.mount)]).await {
                Ok(_) => return Ok(()),
                Err(error) if tries == UNMOUNT_TRIES => return Err(error),
                Err(_) => tries += 1,
            }
            sleep(UNMOUNT_PAUSE).await;
        }
    }

    /// A fresh filesystem instead of what was there; nobody may use it meanwhile.
    ///
    /// # Errors
    /// If somebody does.
    pub(crate) async fn empty(&self) -> anyhow::Result<()> {
        self.unmount().await?;
        self.filesystem.format(&self.image).await?;
        self.mount_it().await
    }

    /// From now on nothing reaches the image: what was not flushed is lost, and every call fails with EIO.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) async fn cut(&self) -> anyhow::Result<()> {
        run(&["xfs_io", "-x", "-c", "shutdown", text(&self.mount)]).await.map(drop)
    }

    /// Takes all the room that is left.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub(crate) async fn fill(&self) -> anyhow::Result<()> {
        let stat = rustix::fs::statvfs(&self.mount)?;
        let free = (stat.f_bavail * stat.f_frsize).saturating_sub(LEFT_BYTES);
        if free == 0 {
            return Ok(());
        }
        run(&["fallocate", "-l", &free.to_string(), text(&self.ballast())]).await.map(drop)
    }

    /// # Errors
    /// If the file cannot be removed.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        let ballast = self.ballast();
        if ballast.exists() {
            fs::remove_file(&ballast)?;
        }
        Ok(())
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }

    /// Limits how many bytes a second a process writes to it; the group's name must be the run's.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) fn slow(&self, group: &str, pid: u32, bytes_per_s: u64) -> anyhow::Result<()> {
        let group = Path::new(THROTTLES).join(group);
        fs::create_dir_all(&group).with_context(|| group.display().to_string())?;
        let device = fs::metadata(&self.mount)?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let limit = format!("{major}:{minor} {bytes_per_s}");
        fs::write(group.join("blkio.throttle.write_bps_device"), limit).context("the limit is refused")?;
        fs::write(group.join("cgroup.procs"), pid.to_string()).context("the process cannot be moved")
    }

    /// Lets a process write as fast as it can again.
    ///
    /// # Errors
    /// If the limit cannot be lifted.
    pub(crate) fn fast(&self, group: &str) -> anyhow::Result<()> {
        let group = Path::new(THROTTLES).join(group);
        let device = fs::metadata(&self.mount)?.dev();
        let limit = format!("{}:{} 0", rustix::fs::major(device), rustix::fs::minor(device));
        fs::write(group.join("blkio.throttle.write_bps_device"), limit).context("the limit stays")?;
        for pid in fs::read_to_string(group.join("cgroup.procs"))?.lines() {
            // It may have ended.
            let _ = fs::write(Path::new(THROTTLES).join("cgroup.procs"), pid);
        }
        // The kernel may hold it a moment longer; the run's guard tries again.
        let _ = fs::remove_dir(&group);
        Ok(())
    }
}

/// # Panics
/// Never: paths here are made of ASCII.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the run's paths are ASCII")
}
