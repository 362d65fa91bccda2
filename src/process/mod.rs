//! What this process uses of its machine, and how its machine fares: LTS's JVM info, of a process without a JVM.
//!
//! JobTracker and TaskTracker look through the same [`Probe`]. It reads what the kernel keeps anyway, some files in /proc,
//! so a look takes well under a millisecond and nothing is gathered in between. What the system does not tell is 0. Not
//! here: what a JobTracker knows of its databases and of Raft.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod json;
#[cfg(target_os = "linux")]
mod linux;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(not(target_os = "linux"))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;
use parking_lot::Mutex;

use crate::domain::{Clock, Timestamp};

/// A process as it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessInfo {
    /// When it was looked at.
    pub at: Timestamp,
    pub pid: u32,
    /// Of this package.
    pub version: &'static str,
    /// The machine's name.
    pub host: String,
    /// How long the process looks at itself, which is nearly as long as it runs.
    pub uptime: Duration,
    /// In memory now.
    pub memory_bytes: u64,
    /// The most that was ever in memory.
    pub memory_peak_bytes: u64,
    /// Processor time used since it began.
    pub cpu: Duration,
    /// Processors in use since the last look: 1.5 is one and a half.
    pub cpu_cores: f64,
    pub threads: u64,
    /// Tasks of the runtime that are not over.
    pub tasks: u64,
    /// File descriptors, sockets among them.
    pub open_files: u64,
    /// The most file descriptors that it may have.
    pub open_files_max: u64,
    pub machine: MachineInfo,
}

/// The machine that a process runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineInfo {
    pub processors: u32,
    /// How busy its processors were since the last look: 1 is all of them, all the time.
    pub cpu_busy: f64,
    pub memory_bytes: u64,
    /// What new work may still take without swapping.
    pub memory_available_bytes: u64,
    /// Runnable tasks, averaged over 1, 5 and 15 minutes.
    pub load: [f64; 3],
}

impl MachineInfo {
    /// The part of the machine's memory that is taken, 0 to 1; 0 where the system does not tell.
    pub fn memory_used(&self) -> f64 {
        if self.memory_bytes == 0 {
            return 0.0;
        }
        1.0 - self.memory_available_bytes as f64 / self.memory_bytes as f64
    }
}

/// What the system tells at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    memory_bytes: u64,
    memory_peak_bytes: u64,
    cpu: Duration,
    threads: u64,
    open_files: u64,
    open_files_max: u64,
    /// Of all processors: busy, and in all.
    machine_ticks: (u64, u64),
    machine_memory_bytes: u64,
    machine_available_bytes: u64,
    load: [f64; 3],
}

/// Looks at this process; remembers the last look, since rates are of the time between two.
pub struct Probe {
    clock: Arc<dyn Clock>,
    began: Instant,
    last: Mutex<Last>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    at: Duration,
    cpu: Duration,
    machine_ticks: (u64, u64),
    cpu_cores: f64,
    cpu_busy: f64,
}

/// Looks that follow each other faster share the rates of the first: processor time is counted in hundredths of a second.
const RATE_OVER: Duration = Duration::from_millis(500);

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("last", &*self.last.lock()).finish_non_exhaustive()
    }
}

impl Probe {
    pub fn new(clock: Arc<dyn Clock>) -> Probe {
        let began = clock.monotonic();
        let reading = system::read();
        let last = Last { cpu: reading.cpu, machine_ticks: reading.machine_ticks, ..Last::default() };
        Probe { clock, began, last: Mutex::new(last) }
    }

    /// The process now. Rates are of the time since the last look that was at least half a second earlier.
    pub fn look(&self) -> ProcessInfo {
        let uptime = self.clock.monotonic().saturating_duration_since(self.began);
        let reading = system::read();
        let (cpu_cores, cpu_busy) = self.last.lock().rates(uptime, &reading);
        ProcessInfo {
            at: self.clock.wall(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            host: host(),
            uptime,
            memory_bytes: reading.memory_bytes,
            memory_peak_bytes: reading.memory_peak_bytes,
            cpu: reading.cpu,
            cpu_cores,
            threads: reading.threads,
            tasks: tasks(),
            open_files: reading.open_files,
            open_files_max: reading.open_files_max,
            machine: MachineInfo {
                processors: std::thread::available_parallelism()
                    .map_or(0, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
                cpu_busy,
                memory_bytes: reading.machine_memory_bytes,
                memory_available_bytes: reading.machine_available_bytes,
                load: reading.load,
            },
        }
    }
}

impl Last {
    /// Processors in use by this process, and the busy part of all processors.
    fn rates(&mut self, now: Duration, reading: &Reading) -> (f64, f64) {
        let passed = now.saturating_sub(self.at);
        if passed >= RATE_OVER {
            self.cpu_cores = reading.cpu.saturating_sub(self.cpu).as_secs_f64() / passed.as_secs_f64();
            let (busy, all) = reading.machine_ticks;
            let all = all.saturating_sub(self.machine_ticks.1);
            let busy = busy.saturating_sub(self.machine_ticks.0);
            self.cpu_busy = if all == 0 { 0.0 } else { busy as f64 / all as f64 };
            (self.at, self.cpu, self.machine_ticks) = (now, reading.cpu, reading.machine_ticks);
        }
        (self.cpu_cores, self.cpu_busy)
    }
}

/// The name of this machine.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn tasks() -> u64 {
    tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_knows_what_it_uses() {
        let ballast = vec![7_u8; 32 << 20];
        let probe = Probe::new(Arc::new(SystemClock));
        let info = probe.look();
        assert!(info.memory_bytes > ballast.len() as u64, "{info:?}");
        assert!(info.memory_peak_bytes >= info.memory_bytes, "{info:?}");
        assert!(info.memory_bytes < info.machine.memory_bytes, "{info:?}");
        assert!(info.threads >= 1 && info.machine.processors >= 1, "{info:?}");
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert!(info.open_files > 0 && info.open_files <= info.open_files_max, "{info:?} {file:?}");
        assert!((0.0..=1.0).contains(&info.machine.memory_used()), "{info:?}");
        assert_eq!((info.pid, info.host), (std::process::id(), host()));
    }

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let reading = |cpu_ms, busy, all| Reading {
            cpu: Duration::from_millis(cpu_ms),
            machine_ticks: (busy, all),
            ..Reading::default()
        };
        let mut last = Last::default();
        let seconds = Duration::from_secs;
        assert_eq!(last.rates(seconds(2), &reading(3000, 300, 400)), (1.5, 0.75));
        let soon = Duration::from_millis(2400);
        assert_eq!(last.rates(soon, &reading(3010, 301, 401)), (1.5, 0.75), "too soon to tell");
        assert_eq!(last.rates(seconds(4), &reading(3200, 300, 600)), (0.1, 0.0));
        // A clock of the machine that stands still divides nothing by nothing.
        assert_eq!(last.rates(seconds(6), &reading(3200, 300, 600)), (0.0, 0.0));
    }

    #[tokio::test]
    async fn tasks_are_those_of_the_runtime_that_asks() {
        let before = tasks();
        let waiting = tokio::spawn(std::future::pending::<()>());
        assert_eq!(tasks(), before + 1);
        waiting.abort();
    }
}
