//! Feedback through real nodes: kept while nobody listens, told after a failover, told again when a handler failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raftsman::client::{Act, Feedback, JobClient, JobUpdate, UpdateAnswer};
use raftsman::domain::Millis;
use raftsman::jobtracker::lane_of;
use raftsman::machine::Command;
use raftsman::machine::command::SetLimits;
use raftsman::machine::limits::Limits;
use raftsman::tasktracker::TaskTracker;
use raftsman::wire::pb;
use raftsman::wire::pb::job_client_service_client::JobClientServiceClient;
use raftsman::wire::pb::node_service_client::NodeServiceClient;
use raftsman::{JobContext, JobResult, Payload};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Double {
    number: u64,
}

impl Payload for Double {
    const KIND: &'static str = "double";
}

async fn double(_ctx: JobContext, job: Double) -> JobResult<u64> {
    anyhow::ensure!(job.number < 100, "{} is too much", job.number);
    Ok(job.number * 2)
}

fn addresses(cluster: &Cluster) -> String {
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.client_addr().to_string()).collect();
    addresses.join(",")
}

async fn client(cluster: &Cluster, identity: &str) -> JobClient {
    let builder = JobClient::builder().addresses(addresses(cluster)).node_group("trade").identity(identity);
    builder.connect().await.expect("it connects")
}

fn tracker(cluster: &Cluster, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let tracker = TaskTracker::builder("trade").addresses(addresses(cluster)).identity("w1").register(double);
    let until = stop.clone();
    tokio::spawn(
        async move { tracker.run_until(until.cancelled_owned()).await.expect("until it is stopped") },
    )
}

/// A JobClient that listens until it is stopped and says what it heard; what `fails` says of a run's attempt fails.
struct Ear {
    heard: mpsc::UnboundedReceiver<Feedback>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Ear {
    async fn of(
        cluster: &Cluster,
        group: &'static str,
        fails: impl Fn(&Feedback) -> bool + Send + Sync + 'static,
    ) -> Ear {
        let client = client(cluster, &format!("ear-of-{group}")).await;
        let (told, heard) = mpsc::unbounded_channel();
        let handler = move |feedback: Feedback| {
            let outcome = if fails(&feedback) { Err("not today") } else { Ok(()) };
            let _ = told.send(feedback);
            std::future::ready(outcome)
        };
        let stop = CancellationToken::new();
        let until = stop.clone();
        let task = tokio::spawn(async move {
            let listen = client.listen(group, handler);
            listen.run_until(until.cancelled_owned()).await.expect("until it is stopped");
        });
        Ear { heard, stop, task }
    }

    async fn next(&mut self) -> Feedback {
        self.heard.recv().await.expect("it listens")
    }

    /// What it heard beside what was taken already.
    async fn stop(mut self) -> Vec<Feedback> {
        self.stop.cancel();
        self.task.await.expect("it ends");
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

async fn waiting(cluster: &Cluster, node: usize, group: &str) -> Vec<pb::StoredFeedback> {
    let mut clients = JobClientServiceClient::new(cluster.channel(node).await);
    let request = pb::ListFeedbackRequest { node_group: group.into(), ..Default::default() };
    clients.list_feedback(request).await.expect("it is listed").into_inner().feedback
}

async fn counts(cluster: &Cluster, node: usize, group: &str) -> pb::FeedbackGroup {
    let mut clients = JobClientServiceClient::new(cluster.channel(node).await);
    let request = pb::ListFeedbackGroupsRequest { consistency: 0 };
    let groups = clients.list_feedback_groups(request).await.expect("it is listed").into_inner().groups;
    groups.into_iter().find(|one| one.node_group == group).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feedback_waits_for_a_client_of_its_group_and_survives_the_leader() {
    let cluster = Cluster::of(3).await;
    let stop = CancellationToken::new();
    let (tracker, submitter) = (tracker(&cluster, &stop), client(&cluster, "submitter").await);
    let other = Ear::of(&cluster, "mall", |_| false).await;
    let mut runs = BTreeMap::new();
    for number in [1, 2, 100] {
        let submit =
            submitter.submit(Double { number }).feedback_to("shop").param("order", number.to_string());
        let job = submit.await.expect("it is accepted");
        job.wait(None).await.expect("it ends");
        runs.insert(format!("{}/0", job.id()), number);
    }
    let quiet = submitter.submit(Double { number: 3 }).await.expect("it is accepted");
    quiet.wait(None).await.expect("it ends");

    let leader = cluster.leader().await;
    let told = waiting(&cluster, leader, "shop").await;
    assert_eq!(told.len(), 3, "nobody listens, so it waits: {told:?}");
    cluster.nodes[leader].shutdown().await;

    let mut ear = Ear::of(&cluster, "shop", |_| false).await;
    let mut heard = BTreeMap::new();
    for _ in 0..3 {
        let feedback = ear.next().await;
        let number = runs[feedback.run_id()];
        assert_eq!(feedback.params()["order"], number.to_string());
        assert_eq!((feedback.is_success(), feedback.attempt()), (number < 100, 1));
        if feedback.is_success() {
            assert_eq!(feedback.result::<u64>().expect("a number"), number * 2);
        } else {
            assert_eq!(feedback.error(), "100 is too much");
        }
        heard.insert(feedback.run_id().to_owned(), number);
    }
    assert_eq!(heard, runs, "each once");
    let leader = loop {
        // The one that was shut down still stands in the list.
        let next = cluster.leader().await;
        if next != leader {
            break next;
        }
    };
    let mut nodes = NodeServiceClient::new(cluster.channel(leader).await);
    let listed = nodes.list_nodes(pb::ListNodesRequest {
        r#type: pb::NodeType::Jobclient.into(),
        node_group: "shop".into(),
        ..Default::default()
    });
    let listed = listed.await.expect("they are listed").into_inner().nodes;
    assert_eq!(listed.iter().map(|node| node.identity.as_str()).collect::<Vec<_>>(), ["ear-of-shop"]);
    assert!(ear.stop().await.is_empty(), "nothing came twice");
    let left = waiting(&cluster, leader, "shop").await;
    assert!(left.is_empty(), "a graceful end is acknowledged: {left:?}");
    let counted = counts(&cluster, leader, "shop").await;
    assert_eq!((counted.made, counted.heard, counted.dropped), (3, 3, 0));
    assert!(other.stop().await.is_empty(), "another group does not hear");
    stop.cancel();
    tracker.await.expect("it ends");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_fails_is_told_again_and_then_a_dead_letter() {
    let cluster = Cluster::of(1).await;
    let stop = CancellationToken::new();
    let (tracker, submitter) = (tracker(&cluster, &stop), client(&cluster, "submitter").await);
    let limits = Command::SetLimits(SetLimits {
        limits: Limits { feedback_tries_max: 2, ..Limits::default() },
        instead_of: None,
    });
    let lane = lane_of(&limits);
    cluster.nodes[0].command(lane, limits, Millis::from_secs(10).into()).await.expect("limits are set");
    // The handler of "bad" fails until it is repaired.
    let repaired = Arc::new(Mutex::new(false));
    let is_repaired = Arc::clone(&repaired);
    let fails = move |feedback: &Feedback| {
        feedback.task_id() == "bad" && !*is_repaired.lock().expect("nobody panics with it")
    };
    let mut ear = Ear::of(&cluster, "shop", fails).await;
    let bad = submitter.submit(Double { number: 1 }).task_id("bad").feedback_to("shop");
    let bad = bad.await.expect("it is accepted");
    let first = ear.next().await;
    assert_eq!((first.job_id(), first.attempt()), (bad.id(), 1));
    let good = submitter.submit(Double { number: 2 }).task_id("good").feedback_to("shop");
    good.await.expect("it is accepted");
    let second = ear.next().await;
    assert_eq!((second.task_id(), second.attempt()), ("good", 1), "it does not wait behind the bad one");
    let again = ear.next().await;
    assert_eq!((again.run_id(), again.attempt()), (first.run_id(), 2), "told again, under the same id");
    let dead = loop {
        let stored = waiting(&cluster, 0, "shop").await;
        if let Some(dead) = stored.into_iter().find(|one| one.state() == pb::FeedbackState::Dead) {
            break dead;
        }
    };
    assert_eq!((dead.tries, dead.handler_error.as_str()), (2, "not today"));
    assert_eq!(counts(&cluster, 0, "shop").await.dead, 1);

    *repaired.lock().expect("nobody panics with it") = true;
    let mut clients = JobClientServiceClient::new(cluster.channel(0).await);
    let all_dead = pb::feedback_selection::Which::Dead(pb::AllDead {});
    let selection = Some(pb::FeedbackSelection { which: Some(all_dead) });
    let request = pb::RetryFeedbackRequest { node_group: "shop".into(), selection: selection.clone() };
    let moved = clients.retry_feedback(request).await.expect("it is told again").into_inner().moved;
    assert_eq!(moved, 1);
    let at_last = ear.next().await;
    assert_eq!((at_last.run_id(), at_last.attempt()), (first.run_id(), 1), "with all its tries");
    // The acknowledgement follows the handler.
    let counted = loop {
        let counted = counts(&cluster, 0, "shop").await;
        if counted.heard >= 2 {
            break counted;
        }
    };
    ear.stop().await;
    assert_eq!((counted.made, counted.heard, counted.dead, counted.failed), (2, 2, 0, 2));
    let nothing =
        clients.drop_feedback(pb::DropFeedbackRequest { node_group: "shop".into(), selection }).await;
    assert_eq!(nothing.expect("there is none").into_inner().moved, 0);
    stop.cancel();
    tracker.await.expect("it ends");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_a_job_reports_back_can_be_changed_until_it_ends() {
    let cluster = Cluster::of(1).await;
    let stop = CancellationToken::new();
    let (tracker, submitter) = (tracker(&cluster, &stop), client(&cluster, "submitter").await);
    let later = Duration::from_secs(3600);
    let quiet = submitter.submit(Double { number: 1 }).run_in(later).await.expect("it is accepted");
    let loud = submitter.submit(Double { number: 2 }).run_in(later).feedback_to("shop");
    let loud = loud.await.expect("it is accepted");
    for (job, update) in
        [(&quiet, JobUpdate::new().feedback_to("shop")), (&loud, JobUpdate::new().no_feedback())]
    {
        let answer = submitter.update(job.id(), update).await.expect("it is answered");
        assert!(matches!(answer, UpdateAnswer::Updated { revision: 2, .. }), "{answer:?}");
        submitter.trigger(Act::on(job.id())).await.expect("it starts now");
        job.wait(None).await.expect("it ends");
    }
    let told = waiting(&cluster, 0, "shop").await;
    let jobs: Vec<&str> = told.iter().flat_map(|told| &told.feedback).map(|it| it.job_id.as_str()).collect();
    assert_eq!(jobs, [quiet.id()]);
    stop.cancel();
    tracker.await.expect("it ends");
    cluster.stop().await;
}
