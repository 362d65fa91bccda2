//! Processes of a peer: each is the first of a group of its own and ends with its handle. Ports are free ones of loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};

/// Below the range from which the system takes ports by itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// A cluster of three on two busy cores can take long to be one.
const READY_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    end: Signal,
}

impl Server {
    /// Starts it with its output in a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Server> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Server { child, log: log.into(), end: Signal::KILL })
    }

    /// Ends by this signal, for one whose other processes are not in its group.
    pub(crate) fn ends_by(mut self, signal: Signal) -> Server {
        self.end = signal;
        self
    }

    /// Fails if it has ended, with the end of what it wrote.
    pub(crate) fn ensure_runs(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(8)..].join("\n");
        anyhow::bail!("it ended by itself ({status}):\n{end}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process_group(group, self.end);
        }
        let _ = self.child.wait();
    }
}

/// Asks again until it succeeds; the last error, if it never does.
pub(crate) async fn until_ready<T>(
    what: &str,
    servers: &mut [Server],
    mut ask: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = tokio::time::Instant::now() + READY_MAX;
    loop {
        for server in &mut *servers {
            server.ensure_runs().with_context(|| what.to_owned())?;
        }
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if tokio::time::Instant::now() > end => {
                return Err(error.context(format!("{what} is not ready after {READY_MAX:?}")));
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// A port that nobody has, and that was not given out before.
pub(crate) fn free_port(given: &mut BTreeSet<u16>) -> anyhow::Result<u16> {
    for _ in 0..1_000 {
        let port = fastrand::u16(PORTS);
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    anyhow::bail!("no free port was found between {} and {}", PORTS.start, PORTS.end)
}

/// The first line that a program writes.
pub(crate) fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Runs it to its end; an error says what it wrote.
pub(crate) fn complete(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{:?} failed: {}", command.get_program(), said.trim());
    Ok(())
}

/// A program of this name on the search path, or in one of these directories before.
pub(crate) fn program(name: &str, before: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = before.iter().cloned().chain(std::env::split_paths(&path));
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

/// Where `scripts/setup-peers.sh` puts what is not a package of the system.
pub(crate) fn installed() -> PathBuf {
    let cache = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/raftsman/peers");
    std::env::var_os("RAFTSMAN_PEERS").map_or_else(cache, PathBuf::from)
}

/// Processor time that this process and all that descend from it have used, in microseconds.
///
/// The time of children that ended is in their parents, so nothing is lost and nothing counted twice.
pub(crate) fn tree_cpu_us() -> anyhow::Result<u64> {
    let mut processes = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may end while this looks.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let after_name = stat.rsplit_once(')').context("a stat line has a name")?.1;
        let fields: Vec<i64> =
            after_name.split_whitespace().skip(1).take(14).map(str::parse).collect::<Result<_, _>>()?;
        // Parent; then the times of itself and of its children that ended.
        let ticks: i64 = fields[10..14].iter().sum();
        processes.insert(pid, (u32::try_from(fields[0]).unwrap_or(0), ticks));
    }
    let own = std::process::id();
    let is_own = |pid: u32| {
        let ancestors = std::iter::successors(Some(pid), |pid| processes.get(pid).map(|(parent, _)| *parent));
        ancestors.take(processes.len() + 1).any(|pid| pid == own)
    };
    let ticks = processes.iter().filter(|(pid, _)| is_own(**pid)).map(|(_, (_, ticks))| *ticks).sum::<i64>();
    /// The unit of /proc/<pid>/stat on Linux, whatever the kernel's own tick is.
    const TICK_US: u64 = 10_000;
    Ok(u64::try_from(ticks)? * TICK_US)
}
