//! Series, queues and processes, as a client sees them.

use std::time::Duration;

use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use raftsman::wire::pb::monitor_service_client::MonitorServiceClient;
use raftsman::wire::pb::session_request::Message as Said;
use raftsman::wire::pb::session_response::Message as Heard;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, job};

/// So that rows come within a test's patience.
const EVERY: Duration = Duration::from_millis(50);

async fn cluster_of(count: usize) -> Cluster {
    let cluster = Cluster::unmade_with(count, |_, mut options| {
        options.stats_every = EVERY;
        options
    })
    .await;
    cluster.init().await;
    cluster
}

async fn monitor(cluster: &Cluster, node: usize) -> MonitorServiceClient<Channel> {
    MonitorServiceClient::new(cluster.channel(node).await)
}

/// What the points of a series add up to, as this node says, and at which entry.
async fn sum(cluster: &Cluster, node: usize, scope: pb::SeriesScope, name: &str) -> (u64, u64) {
    let request =
        pb::QuerySeriesRequest { scope: scope.into(), names: vec![name.into()], ..Default::default() };
    let told = monitor(cluster, node).await.query_series(request).await.expect("an answer").into_inner();
    let sum = told.series[0].points.iter().map(|point| point.value).sum();
    (sum, told.read.expect("a read says what it reflects").read_index)
}

/// Waits until a series adds up to at least this, entry by entry.
async fn reached(cluster: &Cluster, node: usize, scope: pb::SeriesScope, name: &str, least: u64) -> u64 {
    let mut nodes = ClusterServiceClient::new(cluster.channel(node).await);
    loop {
        let (sum, index) = sum(cluster, node, scope, name).await;
        if sum >= least {
            return sum;
        }
        let next = pb::DigestRequest { at_least_index: index + 1 };
        nodes.digest(next).await.expect("another row comes");
    }
}

/// Waits until a group's series add up to this.
async fn wait_for(cluster: &Cluster, node: usize, name: &str, wanted: u64) {
    assert_eq!(reached(cluster, node, pb::SeriesScope::NodeGroup, name, wanted).await, wanted, "{name}");
}

async fn submit(cluster: &Cluster, node: usize, tasks: &[&str]) {
    let jobs = tasks.iter().map(|task| job(task)).collect();
    let request = pb::SubmitRequest { jobs, idempotency: None };
    cluster.jobs(node).await.submit(request).await.expect("they are accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_add_up_to_the_counters_across_a_change_of_leader() {
    let cluster = cluster_of(3).await;
    let first = cluster.leader().await;
    submit(&cluster, first, &["t1", "t2"]).await;
    let mut tracker = RawTracker::attach(cluster.channel(first).await, "trade", 2).await;
    for push in tracker.next_push().await {
        tracker.complete(push.execution, b"").await;
    }
    wait_for(&cluster, first, "receiveJobNum", 2).await;
    wait_for(&cluster, first, "exeSuccessNum", 2).await;

    // What happens between the last row of one leader and the first of the next is in the next one's.
    let second = (first + 1) % 3;
    submit(&cluster, first, &["t3"]).await;
    cluster.nodes[first].shutdown().await;
    submit(&cluster, second, &["t4", "t5"]).await;
    wait_for(&cluster, second, "receiveJobNum", 5).await;
    let request = pb::ListGroupStatsRequest { node_group: "trade".into(), ..Default::default() };
    let told =
        monitor(&cluster, second).await.list_group_stats(request).await.expect("an answer").into_inner();
    let [group] = &told.groups[..] else { panic!("one group: {told:?}") };
    assert_eq!((group.received, group.exe_success, group.ready + group.executing), (5, 2, 3), "{group:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_jobtracker_has_series_of_its_process_and_tells_of_itself() {
    let cluster = cluster_of(3).await;
    cluster.leader().await;
    for node in 0..3 {
        reached(&cluster, node, pb::SeriesScope::Jobtracker, "memoryBytes", 1).await;
        // Asked by name at another one, and without a name at itself.
        let name = format!("n{}", node + 1);
        let by_name = pb::GetProcessRequest { identity: name.clone(), ..Default::default() };
        for (asked, request) in [((node + 1) % 3, by_name), (node, pb::GetProcessRequest::default())] {
            let told = monitor(&cluster, asked).await.get_process(request).await.expect("an answer");
            let process = told.into_inner().process.expect("a process");
            assert_eq!((process.identity.as_str(), process.r#type.as_str()), (name.as_str(), "jobtracker"));
            assert!(
                process.memory_bytes > 0 && process.open_files > 0 && process.raft_term > 0,
                "{process:?}"
            );
            assert_eq!(process.version, env!("CARGO_PKG_VERSION"));
        }
    }
    let stranger = pb::GetProcessRequest { identity: "n9".into(), ..Default::default() };
    let refused = monitor(&cluster, 0).await.get_process(stranger).await.expect_err("nobody has that name");
    assert_eq!(refused.code(), tonic::Code::NotFound, "{refused:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_answered_is_named_by_its_field() {
    let cluster = cluster_of(1).await;
    cluster.leader().await;
    let mut client = monitor(&cluster, 0).await;
    let names = pb::QuerySeriesRequest { names: vec!["jobs".into()], ..Default::default() };
    let step = Some(prost_types::Duration { seconds: 90, nanos: 0 });
    let step = pb::QuerySeriesRequest { step, ..Default::default() };
    for (request, field) in [(names, "names"), (step, "step")] {
        let refused = client.query_series(request).await.expect_err("it is wrong");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tasktracker_tells_of_its_minutes_is_acknowledged_as_rows_of_its_own() {
    let cluster = cluster_of(1).await;
    cluster.leader().await;
    let mut tracker = RawTracker::attach(cluster.channel(0).await, "trade", 4).await;
    let now = cluster.nodes[0].now().as_millis() / 60_000 * 60;
    let sample = |number: u64, minutes_ago: u64| {
        let seconds = i64::try_from(now - 60 * minutes_ago).expect("a time");
        pb::Sample {
            number,
            minute: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            exe_success: 2 * number,
            memory_bytes: 1 << 20,
            slots: 4,
            ..pb::Sample::default()
        }
    };
    // The second is of an hour ago: it was cut off. The third was told before.
    let samples = vec![sample(1, 1), sample(2, 60), sample(2, 60)];
    let said = Said::Samples(pb::Samples { samples });
    tracker.say.send(crate::jobs::message(said)).await.expect("there is room");
    loop {
        if let Heard::SamplesAck(ack) = tracker.next().await {
            assert_eq!(ack.up_to, 2);
            break;
        }
    }
    assert_eq!(sum(&cluster, 0, pb::SeriesScope::Tasktracker, "exeSuccessNum").await.0, 6);
    let request = pb::GetProcessRequest { identity: "w1".into(), ..Default::default() };
    let told = monitor(&cluster, 0).await.get_process(request).await.expect("an answer").into_inner();
    let process = told.process.expect("a process");
    let seen = (process.r#type.as_str(), process.node_group.as_str(), process.memory_bytes, process.slots);
    assert_eq!(seen, ("tasktracker", "trade", 1 << 20, 4));
    cluster.stop().await;
}
