//! Raftsman's own end-to-end benchmark and the floor, as the programs that they are: what they print as JSON is read.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::measure::{Latency, Measured, Settings};
use crate::server::first_line;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Own {
    EndToEnd,
    Floor,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

impl Own {
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Own::EndToEnd => {
                "3 JobTrackers, shipped defaults, sync on a majority before each acknowledgement, ledger and client session on; \
1 TaskTracker with a FailStore; one submit a task, batches by the SDK"
            }
            Own::Floor => {
                "3 processes, one append and one sync each, acknowledged by a quorum, no queue at all"
            }
        }
    }

    pub(crate) fn version() -> anyhow::Result<String> {
        let commit =
            first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root()))?;
        Ok(format!("commit {commit}"))
    }

    fn cargo(self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["bench", "--quiet", "-p", "raftsman"]).current_dir(root());
        match self {
            Own::EndToEnd => command.args(["--features", "server", "--bench", "end_to_end"]),
            Own::Floor => command.args(["--bench", "floor"]),
        };
        command
    }

    /// Before the first round, so that no build is measured.
    pub(crate) fn build(self) -> anyhow::Result<()> {
        let status = self.cargo().arg("--no-run").status()?;
        anyhow::ensure!(status.success(), "it cannot be built: {status}");
        Ok(())
    }

    pub(crate) fn measure(self, settings: Settings) -> anyhow::Result<Measured> {
        let (seconds, window) = (settings.seconds.to_string(), settings.window.to_string());
        match self {
            Own::EndToEnd => {
                let unloaded = self.run(&["--only", "unloaded"])?;
                let peak = self.run(&["--only", "peak", "--seconds", &seconds, "--callers", &window])?;
                measured(&peak, &unloaded)
            }
            Own::Floor => {
                let both = self.run(&["--seconds", &seconds, "--window", &window])?;
                measured(&both, &both)
            }
        }
    }

    fn run(self, args: &[&str]) -> anyhow::Result<Value> {
        let output = self.cargo().arg("--").args(args).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(output.status.success(), "{self:?} failed ({}):\n{said}", output.status);
        let line =
            said.lines().rev().find(|line| line.starts_with('{')).context("it prints a line of JSON")?;
        Ok(serde_json::from_str(line)?)
    }
}

fn measured(peak: &Value, unloaded: &Value) -> anyhow::Result<Measured> {
    let number = |name: &str| peak[name].as_f64().with_context(|| format!("{name} in {peak}"));
    let two = |name: &str| {
        let of = |percentile: &str| {
            unloaded[name][percentile].as_f64().with_context(|| format!("{name} in {unloaded}"))
        };
        anyhow::Ok([of("p50")?, of("p99")?])
    };
    let lost = peak["lost"].as_u64().unwrap_or(0);
    anyhow::ensure!(lost == 0, "{lost} jobs were lost");
    let cpu_us_a_job = match &peak["cpu_us_a_job"] {
        Value::Object(by_process) => by_process.values().map(Value::as_f64).sum(),
        number => number.as_f64(),
    };
    Ok(Measured {
        jobs: number("jobs")? as u64,
        jobs_per_second: number("jobs_per_second")?,
        doubled: peak["doubled"].as_u64().unwrap_or(0),
        cpu_us_a_job,
        others_cores: number("others_cores")?,
        unloaded: Some(Latency { ack_ms: two("unloaded_ack_ms")?, start_ms: two("unloaded_start_ms")? }),
    })
}

#[cfg(test)]
mod tests {
    use super::measured;
    use serde_json::json;

    #[test]
    fn the_line_of_the_end_to_end_benchmark_is_read() {
        let unloaded = json!({"unloaded_ack_ms": {"p50": 1.0, "p99": 2.0}, "unloaded_start_ms": {"p50": 3.0, "p99": 4.0}});
        let peak = json!({"jobs_per_second": 50, "jobs": 100, "cpu_us_a_job": {"n1": 1.5, "client": 2.0},
            "others_cores": 0.1, "lost": 0, "doubled": 1});
        let read = measured(&peak, &unloaded).expect("all is there");
        assert_eq!((read.jobs, read.doubled, read.cpu_us_a_job), (100, 1, Some(3.5)));
        assert_eq!(read.unloaded.expect("it has latencies").start_ms, [3.0, 4.0]);
    }

    #[test]
    fn a_lost_job_is_an_error() {
        let peak = json!({"jobs_per_second": 50, "jobs": 100, "others_cores": 0.1, "lost": 1});
        assert!(measured(&peak, &json!({})).is_err());
    }
}
