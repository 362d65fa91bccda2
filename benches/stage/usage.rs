//! What a process uses of the machine, as Linux tells it.

use std::path::Path;

use anyhow::Context as _;

/// The unit of /proc/<pid>/stat on Linux, whatever the kernel's own tick is.
const TICK_US: u64 = 10_000;

/// User and system time that a process has used, in microseconds.
pub(crate) fn cpu_us(pid: u32) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("a stat line has a name")?.1;
    let ticks: Vec<u64> =
        after_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() * TICK_US)
}

/// Time that all processors were busy, in microseconds.
pub(crate) fn machine_busy_us() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().context("it has a line for all processors")?;
    let ticks: Vec<u64> = first.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
    // user nice system idle iowait irq softirq steal
    let busy = |(at, _): &(usize, &u64)| matches!(at, 0..=2 | 5..=7);
    Ok(ticks.iter().enumerate().filter(busy).map(|(_, ticks)| ticks).sum::<u64>() * TICK_US)
}

/// Resident memory of a process, in bytes.
pub(crate) fn memory_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has a VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}

/// What the files below a directory take, in bytes; a file that goes meanwhile takes none.
pub(crate) fn disk_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(of) if of.is_dir() => disk_bytes(&entry.path()),
        Ok(of) => of.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
