//! The SDK against real nodes: typed jobs, outcomes, cancels, and a leader that leaves in the middle.

use std::time::Duration;

use raftsman::client::{CancelAnswer, JobClient};
use raftsman::tasktracker::TaskTracker;
use raftsman::wire::pb;
use raftsman::{JobContext, JobError, JobResult, Payload, Retry};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Double {
    pub(crate) number: u64,
}

impl Payload for Double {
    const KIND: &'static str = "double";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stubborn {
    failures: u32,
}

impl Payload for Stubborn {
    const KIND: &'static str = "stubborn";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Forever {}

impl Payload for Forever {
    const KIND: &'static str = "forever";
}

async fn double(_ctx: JobContext, job: Double) -> JobResult<u64> {
    Ok(job.number * 2)
}

async fn stubborn(ctx: JobContext, job: Stubborn) -> JobResult<u32> {
    ctx.biz_logger().info(format_args!("attempt {}", ctx.attempt()));
    if ctx.attempt() <= job.failures { Err(JobError::later("not yet")) } else { Ok(ctx.attempt()) }
}

async fn forever(ctx: JobContext, _job: Forever) -> JobResult<()> {
    ctx.cancelled().await;
    Err(JobError::Cancelled.into())
}

pub(crate) struct Agent {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    pub(crate) fn of(cluster: &Cluster) -> Agent {
        let stop = CancellationToken::new();
        let tracker = TaskTracker::builder("trade")
            .addresses(addresses(cluster))
            .identity("w1")
            .concurrency(16)
            .register(double)
            .register(stubborn)
            .register(forever);
        let until = stop.clone();
        let task = tokio::spawn(async move {
            tracker.run_until(until.cancelled_owned()).await.expect("it runs until it is stopped");
        });
        Agent { stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it drains and ends");
    }
}

fn addresses(cluster: &Cluster) -> String {
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.client_addr().to_string()).collect();
    addresses.join(",")
}

pub(crate) async fn client(cluster: &Cluster) -> JobClient {
    JobClient::builder()
        .addresses(addresses(cluster))
        .node_group("trade")
        .connect()
        .await
        .expect("it connects")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_jobs_run_fail_twice_and_are_cancelled() {
    let cluster = Cluster::of(1).await;
    let (agent, client) = (Agent::of(&cluster), client(&cluster).await);
    let doubled = client.submit(Double { number: 21 }).await.expect("it is accepted");
    assert_eq!(doubled.result::<u64>().await.expect("it succeeds"), 42);

    let delay = Retry::fixed(5, Duration::from_millis(1));
    let stubborn = client.submit(Stubborn { failures: 2 }).retry(delay).await.expect("it is accepted");
    assert_eq!(stubborn.result::<u32>().await.expect("the third attempt succeeds"), 3);
    let run = client.get(stubborn.id()).await.expect("it is kept").run.expect("it ran");
    assert_eq!((run.retries, run.reclaims, run.attempts.len()), (2, 0, 3));

    let forever = client.submit(Forever {}).await.expect("it is accepted");
    loop {
        let state = client.get(forever.id()).await.expect("it is known").state();
        if state == pb::JobState::Executing {
            break;
        }
        assert!(matches!(state, pb::JobState::Ready | pb::JobState::Waiting), "{state:?}");
    }
    assert!(matches!(forever.cancel().await.expect("it is known"), CancelAnswer::CancelRequested { .. }));
    let ended = forever.wait(Some(Duration::from_secs(20))).await.expect("it ends");
    assert_eq!((ended.done, ended.state()), (true, pb::JobState::Cancelled));

    let later =
        client.submit(Double { number: 1 }).run_in(Duration::from_secs(3600)).await.expect("it is accepted");
    assert!(matches!(later.cancel().await.expect("it is known"), CancelAnswer::Cancelled { .. }));
    assert!(matches!(later.cancel().await.expect("it is known"), CancelAnswer::AlreadyFinished { .. }));
    agent.stop().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_leaves_costs_no_job_and_doubles_none() {
    let cluster = Cluster::of(3).await;
    let (agent, client) = (Agent::of(&cluster), client(&cluster).await);
    let submitted = watch::Sender::new(0u32);
    let a_hundred = |submitted: &u32| *submitted >= 100;
    let jobs: Vec<_> = (0..300u64)
        .map(|number| {
            let (client, submitted) = (client.clone(), submitted.clone());
            tokio::spawn(async move {
                // The later ones wait for the leader to be going.
                if number >= 100 {
                    submitted.subscribe().wait_for(a_hundred).await.expect("the sender is here");
                }
                let job = client
                    .submit(Double { number })
                    .task_id(format!("t{number}"))
                    .await
                    .expect("it is accepted");
                submitted.send_modify(|submitted| *submitted += 1);
                (job.result::<u64>().await.expect("it succeeds"), job.id().to_owned())
            })
        })
        .collect();
    submitted.subscribe().wait_for(a_hundred).await.expect("the sender is here");
    let leader = cluster.leader().await;
    cluster.nodes[leader].shutdown().await;
    for (number, job) in jobs.into_iter().enumerate() {
        let (doubled, id) = job.await.expect("it does not panic");
        assert_eq!(doubled, 2 * number as u64);
        let request = pb::ListRunsRequest {
            target: Some(pb::list_runs_request::Target::JobId(id)),
            ..pb::ListRunsRequest::default()
        };
        let runs = client.list_runs(request).await.expect("it is known").runs;
        let attempts: Vec<_> = runs.iter().map(|run| run.attempts.len()).collect();
        assert_eq!(attempts, [1], "one run, executed once");
    }
    agent.stop().await;
    cluster.stop().await;
}
