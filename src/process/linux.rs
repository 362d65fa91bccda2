//! Linux tells in /proc.

use std::time::Duration;

use procfs::process::{LimitValue, Process};
use procfs::{Current as _, CurrentSI as _, KernelStats, LoadAverage, Meminfo};

use super::Reading;

/// What cannot be read stays 0: a container may hide some of it.
pub(super) fn read() -> Reading {
    let mut reading = Reading::default();
    if let Ok(myself) = Process::myself() {
        read_process(&myself, &mut reading);
    }
    if let Ok(load) = LoadAverage::current() {
        reading.load = [load.one, load.five, load.fifteen].map(f64::from);
    }
    if let Ok(memory) = Meminfo::current() {
        reading.machine_memory_bytes = memory.mem_total;
        reading.machine_available_bytes = memory.mem_available.unwrap_or(memory.mem_free);
    }
    if let Ok(kernel) = KernelStats::current() {
        let cpu = kernel.total;
        let waits = cpu.idle + cpu.iowait.unwrap_or(0);
        let interrupts = cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0) + cpu.steal.unwrap_or(0);
        let busy = cpu.user + cpu.nice + cpu.system + interrupts;
        reading.machine_ticks = (busy, busy + waits);
    }
    reading
}

fn read_process(myself: &Process, reading: &mut Reading) {
    const KIB: u64 = 1024;
    if let Ok(stat) = myself.stat() {
        let ticks = (stat.utime + stat.stime) as f64;
        reading.cpu = Duration::from_secs_f64(ticks / procfs::ticks_per_second().max(1) as f64);
        reading.threads = u64::try_from(stat.num_threads).unwrap_or(0);
    }
    if let Ok(status) = myself.status() {
        reading.memory_bytes = status.vmrss.unwrap_or(0) * KIB;
        reading.memory_peak_bytes = status.vmhwm.unwrap_or(0) * KIB;
    }
    reading.open_files = myself.fd_count().map_or(0, |count| count as u64);
    if let Ok(limits) = myself.limits() {
        reading.open_files_max = match limits.max_open_files.soft_limit {
            LimitValue::Value(files) => files,
            LimitValue::Unlimited => u64::MAX,
        };
    }
}
