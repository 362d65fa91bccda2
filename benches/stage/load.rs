//! The client: submits jobs of 200 bytes through the SDK and notes when each was submitted and acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raftsman::JobClient;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::clock::monotonic_ns;

pub(crate) const PAYLOAD_BYTES: usize = 200;

/// One submit, as the client saw it.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) job: u64,
    pub(crate) at_ns: u64,
    /// When it was acknowledged, or why it was not.
    pub(crate) acked: Result<u64, String>,
}

/// Where jobs go; each gets the next number.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    client: JobClient,
    groups: Arc<[String]>,
    next: Arc<AtomicU64>,
}

impl Load {
    pub(crate) fn on(client: &JobClient, group: &str) -> Load {
        Load::over(client, vec![group.into()])
    }

    /// One group after the other.
    pub(crate) fn over(client: &JobClient, groups: Vec<String>) -> Load {
        Load { client: client.clone(), groups: groups.into(), next: Arc::new(AtomicU64::new(0)) }
    }

    /// How many jobs have a number.
    pub(crate) fn made(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    pub(crate) async fn submit(&self) -> Submitted {
        let job = self.next.fetch_add(1, Ordering::Relaxed);
        let at_ns = monotonic_ns();
        let submit = self.client.submit_raw("noop", payload(job));
        let group = &self.groups[job as usize % self.groups.len()];
        let answer = submit.node_group(group).task_id(job.to_string()).await;
        let acked = answer.map(|_| monotonic_ns()).map_err(|error| error.to_string());
        Submitted { job, at_ns, acked }
    }

    /// So many jobs a second, however long each takes, until `stop` is ready.
    pub(crate) async fn flow(&self, jobs_per_s: f64, stop: impl Future<Output = ()>) -> Vec<Submitted> {
        let mut stop = std::pin::pin!(stop);
        let mut beat = tokio::time::interval(Duration::from_millis(1));
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        let mut made = 0.0;
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = &mut stop => break,
            }
            while made < began.elapsed().as_secs_f64() * jobs_per_s {
                made += 1.0;
                let load = self.clone();
                tasks.spawn(async move { load.submit().await });
            }
        }
        tasks.join_all().await
    }
}

/// The job's number, then zeros.
fn payload(job: u64) -> Bytes {
    let mut bytes = vec![0; PAYLOAD_BYTES];
    bytes[..8].copy_from_slice(&job.to_le_bytes());
    bytes.into()
}

pub(crate) fn job_number(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<8>().map(|number| u64::from_le_bytes(*number))
}
