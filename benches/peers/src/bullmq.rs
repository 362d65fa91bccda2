//! BullMQ on one Redis that syncs its append-only file at each write. Its clients are two Node processes, since BullMQ is a
//! library of Node: `bullmq/queue.mjs`. They keep the times of every job and tell them afterwards.
//!
//! The documented pattern: `addBulk`, a worker with a concurrency, and jobs that are removed when they complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::Mutex;

use crate::jobs::{Jobs, Pace};
use crate::measure::Peer;
use crate::server::{Server, first_line, free_port, installed, program, until_ready};

const SCRIPT: &str = include_str!("../bullmq/queue.mjs");
const TOGETHER: usize = 500;

pub(crate) const SETTINGS: &str = "1 Redis, ONE copy; appendonly yes, appendfsync always; addBulk of 500, a worker with \
concurrency 200, removeOnComplete";

pub(crate) fn version() -> anyhow::Result<String> {
    let redis = program("redis-server", &[]).context("redis-server is not installed")?;
    let node = program("node", &[]).context("node is not installed")?;
    let package =
        std::fs::read_to_string(modules().join("bullmq/package.json")).context("bullmq is not installed")?;
    let package: serde_json::Value = serde_json::from_str(&package)?;
    let redis = first_line(Command::new(redis).arg("--version"))?;
    let redis =
        redis.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or_default().to_owned();
    let node = first_line(Command::new(node).arg("--version"))?;
    Ok(format!("BullMQ {}, Redis {redis}, Node {node}", package["version"].as_str().unwrap_or_default()))
}

fn modules() -> PathBuf {
    installed().join("bullmq/node_modules")
}

/// A Node process that plays a role: told by lines, answering by lines. It ends with its handle.
#[derive(Debug)]
struct Role {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Role {
    fn start(dir: &Path, role: &str, port: u16) -> anyhow::Result<Role> {
        let mut command =
            tokio::process::Command::new(program("node", &[]).context("node is not installed")?);
        command.arg(dir.join("queue.mjs")).args([role, &port.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take().context("it has a stdin")?;
        let stdout = child.stdout.take().context("it has a stdout")?;
        Ok(Role { _child: child, stdin, lines: BufReader::new(stdout).lines() })
    }

    async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.context("a Node process has ended")
    }

    /// The next line, as its word and its numbers.
    async fn hear(&mut self) -> anyhow::Result<(String, Vec<u64>)> {
        let line = self.lines.next_line().await?.context("a Node process has ended")?;
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default().to_owned();
        let numbers = words.map(str::parse).collect::<Result<_, _>>();
        Ok((word, numbers.with_context(|| format!("a Node process says {line}"))?))
    }

    async fn expect(&mut self, expected: &str) -> anyhow::Result<()> {
        let (word, _) = self.hear().await?;
        anyhow::ensure!(word == expected, "a Node process says {word}, not {expected}");
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct BullMq {
    submitter: Mutex<Role>,
    worker: Mutex<Role>,
    _server: Vec<Server>,
}

impl BullMq {
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<BullMq> {
        let port = free_port(&mut BTreeSet::new())?;
        let redis = program("redis-server", &[]).context("redis-server is not installed")?;
        let mut command = Command::new(redis);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(dir);
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        let mut server = vec![Server::start(&mut command, &dir.join("redis.out"))?];
        until_ready("Redis", &mut server, async || Ok(TcpStream::connect(("127.0.0.1", port)).await?))
            .await?;
        std::fs::write(dir.join("queue.mjs"), SCRIPT)?;
        std::os::unix::fs::symlink(modules(), dir.join("node_modules"))?;
        let (submitter, worker) = (Role::start(dir, "submitter", port)?, Role::start(dir, "worker", port)?);
        Ok(BullMq { submitter: submitter.into(), worker: worker.into(), _server: server })
    }
}

impl Peer for BullMq {
    async fn submit(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let mut submitter = self.submitter.lock().await;
        let line = match jobs.pace() {
            Pace::Window { under_way, time } => {
                let together = under_way.min(TOGETHER);
                format!("window {} {together} {}", under_way / together, time.as_millis())
            }
            Pace::One { jobs, every } => format!("one {jobs} {}", every.as_millis()),
        };
        submitter.tell(&line).await?;
        loop {
            match submitter.hear().await? {
                (word, numbers) if word == "job" => jobs.told(numbers[0], numbers[1]),
                (word, _) if word == "over" => return Ok(()),
                (word, _) => anyhow::bail!("the submitter says {word}"),
            }
        }
    }

    async fn work(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let mut worker = self.worker.lock().await;
        worker.tell("begin").await?;
        worker.expect("ready").await?;
        jobs.worker_is_ready();
        worker.tell(&format!("until {}", jobs.closed().await)).await?;
        loop {
            match worker.hear().await? {
                (word, numbers) if word == "done" => jobs.finished_at(numbers[0]),
                (word, numbers) if word == "start" => jobs.told_start(numbers[0], numbers[1])?,
                (word, _) if word == "over" => return Ok(()),
                (word, _) => anyhow::bail!("the worker says {word}"),
            }
        }
    }

    async fn left(&self) -> anyhow::Result<u64> {
        let mut worker = self.worker.lock().await;
        worker.tell("left").await?;
        let (word, numbers) = worker.hear().await?;
        anyhow::ensure!(word == "left" && numbers.len() == 1, "the worker says {word}");
        Ok(numbers[0])
    }
}
