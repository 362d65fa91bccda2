//! What a run puts on the machine, all of it under one name: namespaces `jst<id>-*`, images and mounts in
//! `/tmp/jst-<id>`, processes in those namespaces. A guard takes it away again, also on a panic or Ctrl-C; `jst clean`
//! does it for runs that were killed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::command::run_now;
use crate::throttle::Cpu;

const PREFIX: &str = "jst-";
/// How often an unmount is tried while the kernel still lets go of a process that was killed.
const UNMOUNT_TRIES: u32 = 50;

/// Takes everything away when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: String,
    dir: PathBuf,
}

impl Place {
    /// A name that no other live process has.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub(crate) fn take() -> anyhow::Result<Place> {
        let pid = std::process::id();
        let place =
            Place { id: format!("{pid:x}"), dir: std::env::temp_dir().join(format!("{PREFIX}{pid:x}")) };
        place.remove();
        fs::create_dir_all(&place.dir).with_context(|| place.dir.display().to_string())?;
        fs::write(place.dir.join("pid"), pid.to_string())?;
        Ok(place)
    }

    /// Images, mounts and sockets.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The network namespace of a host of this run.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("jst{}-{host}", self.id)
    }

    fn remove(&self) {
        let ours = format!("jst{}-", self.id);
        let namespaces: Vec<String> =
            namespaces().into_iter().filter(|name| name.starts_with(&ours)).collect();
        for namespace in &namespaces {
            kill_all_in(namespace);
        }
        for mount in mounts_under(&self.dir) {
            unmount(&mount);
        }
        for namespace in &namespaces {
            complain(run_now(&["ip", "netns", "del", namespace]).map(drop));
        }
        Cpu::remove_all(&ours);
        if self.dir.exists() {
            complain(fs::remove_dir_all(&self.dir).with_context(|| self.dir.display().to_string()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Takes away what runs left that no longer live; returns their names.
///
/// # Errors
/// If the temporary directory cannot be read.
pub(crate) fn clean() -> anyhow::Result<Vec<String>> {
    let mut cleaned = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir())? {
        let dir = entry?.path();
        let Some(id) =
            dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(PREFIX))
        else {
            continue;
        };
        // What has no owner's number is somebody else's.
        let Ok(owner) = fs::read_to_string(dir.join("pid")) else { continue };
        let owner = owner.parse().ok();
        let lives = owner.and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid).is_ok());
        if !lives {
            cleaned.push(id.to_owned());
            drop(Place { id: id.to_owned(), dir: dir.clone() });
        }
    }
    Ok(cleaned)
}

fn namespaces() -> Vec<String> {
    let listed = run_now(&["ip", "netns", "list"]).unwrap_or_default();
    listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn kill_all_in(namespace: &str) {
    let listed = run_now(&["ip", "netns", "pids", namespace]).unwrap_or_default();
    for pid in listed.lines().filter_map(|line| line.trim().parse::<i32>().ok()) {
        if u32::try_from(pid) != Ok(std::process::id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn mounts_under(dir: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    points.filter(|point| Path::new(point).starts_with(dir)).map(str::to_owned).collect()
}

fn unmount(mount: &str) {
    let mut last = Ok(String::new());
    for _ in 0..UNMOUNT_TRIES {
        last = run_now(&["umount", mount]);
        if last.is_ok() {
            return;
        }
        complain(run_now(&["sleep", "0.1"]).map(drop));
    }
    complain(last.map(drop));
}

/// Cleaning up goes on whatever happens, and says what did not work.
fn complain(result: anyhow::Result<()>) {
    if let Err(error) = result {
        eprintln!("while cleaning up: {error:#}");
    }
}
