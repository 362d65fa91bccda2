//! A child process that plays a role: told what to do by lines on its stdin, answering by lines on its stdout. It ends
//! with its handle, and also when the parent is gone, since its stdin ends then.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;

/// The unit of /proc/<pid>/stat on Linux, whatever the kernel's own tick is.
const TICK_US: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(name: &str, args: &[&str]) -> anyhow::Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take().context("it has a stdin")?;
        let stdout = child.stdout.take().context("it has a stdout")?;
        Ok(Process { name: name.into(), child, stdin, lines: BufReader::new(stdout).lines() })
    }

    pub(crate) fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.stdin, "{line}").with_context(|| format!("{} is gone", self.name))
    }

    /// Waits for a line that begins with `word`; returns the rest of it.
    pub(crate) fn expect(&mut self, word: &str) -> anyhow::Result<String> {
        loop {
            let line =
                self.lines.next().with_context(|| format!("{} ended before it {word}", self.name))??;
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
