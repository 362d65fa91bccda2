//! The ledger, read through the public API as any client could.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use raftsman::JobClient;
use raftsman::domain::Timestamp;
use raftsman::wire::{pb, read_timestamp};

use crate::workload::NODE_GROUP;

/// The largest page.
const PAGE: i32 = 1000;
/// Reads under way at a time.
const READS: usize = 32;
/// How often the ledger is asked whether something still lives.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// When each execution was dispatched, by its id.
pub(crate) type Dispatched = BTreeMap<u64, Timestamp>;

/// Every job of the group, and every run of each.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) jobs: Vec<pb::StoredJob>,
    pub(crate) runs: BTreeMap<String, Vec<pb::Run>>,
}

impl Ledger {
    /// Reads all of it.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub(crate) async fn read(client: &JobClient) -> anyhow::Result<Ledger> {
        let jobs = jobs(client).await.context("cannot list the jobs")?;
        let reads = jobs.iter().map(|job| job.job_id.clone()).map(|job_id| async {
            let runs =
                runs(client, &job_id).await.with_context(|| format!("cannot list the runs of {job_id}"))?;
            anyhow::Ok((job_id, runs))
        });
        let runs = stream::iter(reads).buffer_unordered(READS).try_collect().await?;
        Ok(Ledger { jobs, runs })
    }

    pub(crate) fn dispatched(&self) -> Dispatched {
        let attempts = self.runs.values().flatten().flat_map(|run| &run.attempts);
        attempts.map(|attempt| (attempt.execution, at(attempt.dispatch_time))).collect()
    }
}

async fn jobs(client: &JobClient) -> anyhow::Result<Vec<pb::StoredJob>> {
    let mut jobs = Vec::new();
    let mut request =
        pb::ListJobsRequest { node_group: NODE_GROUP.into(), page_size: PAGE, ..Default::default() };
    loop {
        let page = client.list_jobs(request.clone()).await?;
        jobs.extend(page.jobs);
        if page.next_page_token.is_empty() {
            return Ok(jobs);
        }
        request.page_token = page.next_page_token;
    }
}

async fn runs(client: &JobClient, job_id: &str) -> anyhow::Result<Vec<pb::Run>> {
    let mut runs = Vec::new();
    let target = Some(pb::list_runs_request::Target::JobId(job_id.into()));
    let mut request = pb::ListRunsRequest { target, page_size: PAGE, ..Default::default() };
    loop {
        let page = client.list_runs(request.clone()).await?;
        runs.extend(page.runs);
        if page.next_page_token.is_empty() {
            return Ok(runs);
        }
        request.page_token = page.next_page_token;
    }
}

/// Waits until no job of the group lives but those named.
///
/// # Errors
/// If the cluster cannot be asked, or something lives for too long, with its names.
pub(crate) async fn all_final_but(client: &JobClient, but: &[&str], within: Duration) -> anyhow::Result<()> {
    let mut last = Vec::new();
    let waiting = async {
        loop {
            last = living(client, but).await?;
            if last.is_empty() {
                return anyhow::Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    match tokio::time::timeout(within, waiting).await {
        Ok(settled) => settled,
        Err(_) => anyhow::bail!("not final after {within:?}: {}", last.join("; ")),
    }
}

/// Some that live, with why.
async fn living(client: &JobClient, but: &[&str]) -> anyhow::Result<Vec<String>> {
    let states = [pb::JobState::Waiting, pb::JobState::Ready, pb::JobState::Executing];
    let mut request = pb::ListJobsRequest {
        node_group: NODE_GROUP.into(),
        states: states.map(i32::from).into(),
        page_size: 10,
        ..Default::default()
    };
    loop {
        let page = client.list_jobs(request.clone()).await?;
        let described: Vec<String> = page.jobs.iter().filter_map(|job| describe(job, but)).collect();
        // Pages of a filtered list may be empty.
        if !described.is_empty() || page.next_page_token.is_empty() {
            return Ok(described);
        }
        request.page_token = page.next_page_token;
    }
}

fn describe(job: &pb::StoredJob, but: &[&str]) -> Option<String> {
    let task_id = job.spec.as_ref().map(|spec| spec.task_id.as_str()).unwrap_or_default();
    let line = || format!("{task_id} ({}) is {:?}: {}", job.job_id, job.state(), job.why_waiting);
    (!but.contains(&task_id)).then(line)
}

/// A time of the wire; the epoch if there is none.
pub(crate) fn at(time: Option<prost_types::Timestamp>) -> Timestamp {
    time.and_then(|time| read_timestamp(time).ok()).unwrap_or(Timestamp::ZERO)
}
