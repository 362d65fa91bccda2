//! One peer, measured as all others are: warm, then unloaded, then as fast as it goes, each time checked to the last job.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::clock::monotonic_ns;
use crate::figures::Times;
use crate::jobs::{Counted, Jobs, Pace};
use crate::server::tree_cpu_us;
use crate::usage::machine_busy_us;

const WARM_UP: Duration = Duration::from_millis(1_500);
const TRICKLE_JOBS: u64 = 1_000;
const TRICKLE_EVERY: Duration = Duration::from_millis(5);
/// Longer than any peer needs for what is under way when the submits end; then it has lost something.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// What a peer's client does. It is one submitter and one worker, each with connections of its own.
pub(crate) trait Peer: Send + Sync + 'static {
    /// Submits what `jobs` gives out, until it gives no more and all of it is acknowledged.
    fn submit(&self, jobs: &Jobs) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Takes jobs and ends them. Returns when all were delivered and the peer knows that all are done.
    fn work(&self, jobs: &Jobs) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// How many jobs the peer still holds: none, after a run.
    fn left(&self) -> impl Future<Output = anyhow::Result<u64>> + Send;
    /// Whether jobs reach a worker, so that there is a time from submit to start.
    fn delivers(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) seconds: u64,
    pub(crate) window: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Latency {
    /// p50 and p99, in milliseconds.
    pub(crate) ack_ms: [f64; 2],
    pub(crate) start_ms: [f64; 2],
}

/// What one system did in one round.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) jobs: u64,
    pub(crate) jobs_per_second: f64,
    pub(crate) doubled: u64,
    pub(crate) cpu_us_a_job: Option<f64>,
    pub(crate) others_cores: f64,
    pub(crate) unloaded: Option<Latency>,
}

pub(crate) async fn measure<P: Peer>(peer: P, settings: Settings) -> anyhow::Result<Measured> {
    let peer = Arc::new(peer);
    let window = |time| Pace::Window { under_way: settings.window, time };
    run(&peer, 1, window(WARM_UP)).await.context("warm-up")?;
    let unloaded = match peer.delivers() {
        true => {
            let pace = Pace::One { jobs: TRICKLE_JOBS, every: TRICKLE_EVERY };
            let counted = run(&peer, 2, pace).await.context("unloaded")?;
            Some(Latency { ack_ms: two(&counted.ack), start_ms: two(&counted.start) })
        }
        false => None,
    };
    let (own_before, busy_before) = (tree_cpu_us()?, machine_busy_us()?);
    let began = monotonic_ns();
    let counted = run(&peer, 3, window(Duration::from_secs(settings.seconds))).await.context("peak")?;
    let took = (monotonic_ns() - began) as f64 / 1e9;
    let (own, busy) = (tree_cpu_us()? - own_before, machine_busy_us()? - busy_before);
    Ok(Measured {
        jobs: counted.jobs,
        jobs_per_second: counted.jobs as f64 / counted.whole.as_secs_f64(),
        doubled: counted.doubled,
        cpu_us_a_job: Some(own as f64 / counted.jobs as f64),
        others_cores: busy.saturating_sub(own) as f64 / 1e6 / took,
        unloaded,
    })
}

fn two(times: &Times) -> [f64; 2] {
    [50.0, 99.0].map(|percent| times.percentile(percent))
}

/// Submitter and worker side by side, as tasks of their own; every job is checked.
async fn run<P: Peer>(peer: &Arc<P>, number: u32, pace: Pace) -> anyhow::Result<Counted> {
    let jobs = Arc::new(Jobs::new(number, pace));
    let mut tasks = JoinSet::new();
    let finished = side_by_side(peer, &jobs, &mut tasks).await;
    // When one of them has failed the other must end too: it holds the peer's servers.
    tasks.shutdown().await;
    let counted = jobs.counted(finished?)?;
    let left = peer.left().await.context("what is left")?;
    anyhow::ensure!(left == 0, "{left} jobs are left though all were acknowledged as done");
    Ok(counted)
}

/// Returns when the last job was known to be done; that is for the worker to say.
async fn side_by_side<P: Peer>(
    peer: &Arc<P>,
    jobs: &Arc<Jobs>,
    tasks: &mut JoinSet<anyhow::Result<Option<u64>>>,
) -> anyhow::Result<u64> {
    let (worker, work) = (Arc::clone(peer), Arc::clone(jobs));
    tasks.spawn(async move {
        worker.work(&work).await.context("worker")?;
        Ok(Some(monotonic_ns()))
    });
    tokio::select! {
        () = jobs.worker_ready() => {}
        Some(ended) = tasks.join_next() => {
            ended??;
            anyhow::bail!("the worker ended before it was ready");
        }
    }
    jobs.begin();
    let (submitter, submit) = (Arc::clone(peer), Arc::clone(jobs));
    tasks.spawn(async move {
        submitter.submit(&submit).await.context("submitter")?;
        submit.close()?;
        Ok(None)
    });
    let longest = DRAIN_MAX + jobs.pace().time();
    let both = async {
        let mut finished = None;
        while let Some(ended) = tasks.join_next().await {
            finished = ended??.or(finished);
        }
        finished.context("the worker ended")
    };
    let missing = || format!("{} jobs were not delivered in {longest:?}", jobs.missing());
    tokio::time::timeout(longest, both).await.with_context(missing)?
}
