//! Nodes that stop half-way, and what others find then.

use std::time::Duration;

use raftsman::domain::Identity;
use raftsman::jobtracker::lane_of;
use raftsman::machine::Command;
use raftsman::machine::command::ClientOpen;
use raftsman::wire::pb;

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, job};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_died_half_way_is_done_again() {
    let cluster = Cluster::unmade(3).await;
    let maker = cluster.nodes[0].raft();
    // As far as it came: the id of the cluster is stored, and nothing else.
    maker.identity().join(&format!("{:016x}", maker.id())).expect("it is stored");
    assert!(!cluster.init().await.already);
    let request = pb::SubmitRequest { jobs: vec![job("t1")], idempotency: None };
    let answer = cluster.jobs(1).await.submit(request).await.expect("there is a leader").into_inner();
    assert_eq!(answer.results[0].outcome(), pb::SubmitOutcome::Accepted);
    assert!(cluster.init().await.already);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_answers_the_calls_under_way() {
    let cluster = Cluster::of(3).await;
    let node = cluster.nodes[cluster.leader().await].clone();
    let under_way = node.answering();
    let stop = tokio::spawn({
        let node = node.clone();
        async move { node.shutdown().await }
    });
    let mut leadership = node.leadership();
    let another =
        leadership.wait_for(|seen| seen.leader.as_ref().is_some_and(|leader| leader.id != node.raft().id()));
    another.await.expect("it hears of the next leader");
    let command = Command::ClientOpen(ClientOpen { identity: Identity::new("c1").expect("a name") });
    let done = node.command(lane_of(&command), command, Duration::from_secs(10)).await;
    done.expect("the next leader does it");
    drop(under_way);
    stop.await.expect("it stops");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminate_through_a_follower_knows_what_has_finished() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let mut tracker = RawTracker::attach(cluster.channel(leader).await, "trade", 4).await;
    let (mut jobs, mut follower) = (cluster.jobs(leader).await, cluster.jobs((leader + 1) % 3).await);
    for n in 0..30 {
        let request = pb::SubmitRequest { jobs: vec![job(&format!("t{n}"))], idempotency: None };
        jobs.submit(request).await.expect("it is accepted");
        let push = tracker.next_push().await.remove(0);
        let request = pb::TerminateRequest { run_id: push.run_id.clone(), ..pb::TerminateRequest::default() };
        let (_, told) = tokio::join!(tracker.complete(push.execution, b""), follower.terminate(request));
        let outcome = told.expect("it is answered").into_inner().outcome();
        let right = [pb::TerminateOutcome::Requested, pb::TerminateOutcome::AlreadyFinished];
        assert!(right.contains(&outcome), "it executed until it had finished: {outcome:?}");
    }
    cluster.stop().await;
}
