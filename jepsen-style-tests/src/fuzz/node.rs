//! The node that is tried: `raftsman dev`, a whole product in one process, with a TaskTracker that runs `echo`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use raftsman::wire::pb;
use raftsman::wire::pb::job_service_client::JobServiceClient;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::channel;

/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How long a job may take from its submit to its end when the node is whole.
const JOB_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Node {
    child: Child,
    log: PathBuf,
    pub(super) client: String,
    pub(super) peer: String,
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    pub(super) memory_bytes: u64,
    pub(super) files: usize,
}

impl Node {
    /// # Errors
    /// If it does not run a job soon.
    pub(super) async fn start(binary: &Path, dir: &Path, port: u16) -> anyhow::Result<Node> {
        fs::create_dir_all(dir)?;
        let log = dir.join("node.log");
        let output = File::create(&log)?;
        let mut command = Command::new(binary);
        command.args(["dev", "--port", &port.to_string(), "--data-dir"]).arg(dir.join("data"));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let (client, peer) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", port + 1));
        let mut node = Node { child, log, client, peer };
        let begun = Instant::now();
        while let Err(error) = node.run_a_job("start").await {
            anyhow::ensure!(node.lives(), "the node ended at its start; see {}", node.log.display());
            anyhow::ensure!(begun.elapsed() < START_WITHIN, "the node does not start: {error:#}");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(node)
    }

    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Submits a job and waits until it has succeeded; says how long it took.
    ///
    /// # Errors
    /// If it does not within [`JOB_WITHIN`].
    pub(super) async fn run_a_job(&self, task: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut jobs = JobServiceClient::new(channel(&self.client));
        let conversation = async {
            let job = pb::Job {
                task_id: task.into(),
                node_group: "default".into(),
                kind: "echo".into(),
                ..pb::Job::default()
            };
            let asked = pb::SubmitRequest { jobs: vec![job], ..pb::SubmitRequest::default() };
            let submitted = jobs.submit(asked).await?.into_inner();
            let id = submitted.results.into_iter().next().context("one result a job")?.job_id;
            let target = Some(pb::wait_request::Target::JobId(id));
            let ended =
                jobs.wait(pb::WaitRequest { target, ..pb::WaitRequest::default() }).await?.into_inner();
            anyhow::ensure!(ended.state() == pb::JobState::Succeeded, "the job is {:?}", ended.state());
            Ok(())
        };
        timeout(JOB_WITHIN, conversation).await.with_context(|| format!("{task} took too long"))??;
        Ok(begun.elapsed())
    }

    pub(super) fn footprint(&self) -> anyhow::Result<Footprint> {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status")).context("the process is gone")?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has RSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("RSS is a number")?;
        Ok(Footprint { memory_bytes: kib << 10, files: fs::read_dir(format!("{process}/fd"))?.count() })
    }

    /// Lines of its log that tell of a panic.
    pub(super) fn panics(&self) -> anyhow::Result<Vec<String>> {
        let log = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        Ok(log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself, and that was noticed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
