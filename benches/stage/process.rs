//! A child process that plays a role: told what to do by lines on its stdin, answering by lines on its stdout. It ends
//! with its handle, and also when the parent is gone, since its stdin ends then.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) child: Child,
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
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
