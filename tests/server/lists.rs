//! Lists, counts, the history of nodes, and the job log searched and followed, over the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use raftsman::wire::pb::node_service_client::NodeServiceClient;
use raftsman::wire::{Fault, Reason, pb};

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, job};
use crate::sdk::{Agent, Double, client};

fn in_an_hour(task: &str) -> pb::Job {
    let delay = prost_types::Duration { seconds: 3_600, nanos: 0 };
    pb::Job { schedule: Some(pb::job::Schedule::TriggerDelay(delay)), ..job(task) }
}

fn list(queue: pb::Queue) -> pb::ListJobsRequest {
    pb::ListJobsRequest { queue: queue.into(), page_size: 3, ..Default::default() }
}

fn names(jobs: &[pb::StoredJob]) -> Vec<String> {
    jobs.iter().filter_map(|job| Some(job.spec.as_ref()?.task_id.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_listed_page_by_page_counted_and_their_tokens_are_of_their_filters() {
    let cluster = Cluster::of(1).await;
    let mut jobs = cluster.jobs(0).await;
    let later: Vec<pb::Job> = (0..7).map(|n| in_an_hour(&format!("later-{n}"))).collect();
    let now = (0..2).map(|n| job(&format!("now-{n}")));
    let submit = pb::SubmitRequest { jobs: later.into_iter().chain(now).collect(), idempotency: None };
    jobs.submit(submit).await.expect("they are accepted");

    let (mut seen, mut request) = (Vec::new(), list(pb::Queue::Waiting));
    let mut tokens = Vec::new();
    loop {
        let page = jobs.list_jobs(request.clone()).await.expect("it lists").into_inner();
        assert!(page.jobs.iter().all(|job| job.spec.as_ref().is_some_and(|spec| spec.payload.is_empty())));
        seen.extend(names(&page.jobs));
        tokens.push(page.next_page_token.clone());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<String> = (0..7).map(|n| format!("later-{n}")).collect();
    assert_eq!((seen, tokens.len()), (expected, 3));

    let other = pb::ListJobsRequest { page_token: tokens[0].clone(), ..list(pb::Queue::Ready) };
    let refused = jobs.list_jobs(other).await.expect_err("it is of another queue");
    assert_eq!(Fault::from(refused).reason, Reason::PageTokenInvalid);
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let wrong = pb::ListJobsRequest {
        job_ids: vec!["42".into()],
        task_id: "x".repeat(65),
        due_time: Some(pb::TimeSpan { from_time: at(9), to_time: at(9) }),
        ..Default::default()
    };
    let told = Fault::from(jobs.list_jobs(wrong).await.expect_err("much is wrong"));
    let fields: Vec<&str> = told.violations.iter().map(|wrong| wrong.field.as_ref()).collect();
    assert_eq!(fields, ["task_id", "job_ids", "due_time"]);

    let mut tracker = RawTracker::attach(cluster.channel(0).await, "trade", 1).await;
    assert_eq!(tracker.next_push().await.len(), 1);
    let executing = pb::ListJobsRequest { tasktracker: "w1".into(), ..list(pb::Queue::Executing) };
    let executing = jobs.list_jobs(executing).await.expect("it lists").into_inner();
    let run = executing.jobs[0].run.clone().expect("it is a run");
    assert_eq!((names(&executing.jobs), run.attempts[0].tasktracker.as_str()), (vec!["now-0".into()], "w1"));
    let ms = |at: Option<prost_types::Timestamp>| at.map(|at| (at.seconds, at.nanos));
    assert!(ms(run.attempts[0].dispatch_time) <= ms(executing.read.and_then(|read| read.time)));
    let counts = jobs.count_jobs(pb::CountJobsRequest::default()).await.expect("it counts").into_inner();
    let total = counts.total.expect("there is a total");
    assert_eq!((total.waiting, total.ready, total.executing, total.submitted), (7, 1, 1, 9));
    assert_eq!(counts.groups.len(), 1);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_nodes_shows_who_came_and_went_and_a_group_in_use_is_not_deleted() {
    let cluster = Cluster::of(1).await;
    let mut nodes = NodeServiceClient::new(cluster.channel(0).await);
    let agent = Agent::of(&cluster);
    let events =
        |online| pb::ListNodeEventsRequest { online, node_group: "trade".into(), ..Default::default() };
    while nodes.list_node_events(events(None)).await.expect("it lists").into_inner().events.is_empty() {
        tokio::task::yield_now().await;
    }
    let delete = || pb::DeleteNodeGroupRequest { name: "trade".into() };
    let refused = nodes.delete_node_group(delete()).await.expect_err("a TaskTracker is online");
    assert_eq!(Fault::from(refused).reason, Reason::GroupInUse);
    let groups = nodes.list_node_groups(pb::ListNodeGroupsRequest::default()).await.expect("it lists");
    let group = groups.into_inner().node_groups.remove(0);
    assert_eq!((group.name.as_str(), group.tasktrackers_online, group.slots), ("trade", 1, 16));

    agent.stop().await;
    while nodes.list_node_events(events(Some(false))).await.expect("it lists").into_inner().events.is_empty()
    {
        tokio::task::yield_now().await;
    }
    let all = nodes.list_node_events(events(None)).await.expect("it lists").into_inner().events;
    let told: Vec<_> = all.iter().map(|event| (event.online, event.offline_reason())).collect();
    assert_eq!(told, [(false, pb::OfflineReason::Left), (true, pb::OfflineReason::Unspecified)]);
    assert!(all.iter().all(|event| event.identity == "w1" && event.id == all[0].id));
    nodes.delete_node_group(delete()).await.expect("nothing of it is left");
    let gone = nodes.delete_node_group(delete()).await.expect_err("it is gone");
    assert_eq!(Fault::from(gone).reason, Reason::GroupNotFound);
    cluster.stop().await;
}

/// How often each line of a run was told, by type.
type Told = BTreeMap<(String, i32, String), u32>;

fn tell(told: &mut Told, entries: &[pb::JobLogEntry]) {
    for entry in entries {
        *told.entry((entry.task_id.clone(), entry.r#type, entry.text.clone())).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_log_is_followed_across_a_change_of_the_leader_and_searched() {
    let cluster = Cluster::of(3).await;
    let (agent, client) = (Agent::of(&cluster), client(&cluster).await);
    let before = client.submit(Double { number: 1 }).task_id("before").await.expect("it is accepted");
    before.result::<u64>().await.expect("it succeeds");

    let filter = pb::LogFilter { node_group: "trade".into(), ..Default::default() };
    let mut tail = client.tail_logs(filter.clone(), "");
    let begun = tail.next().await.expect("it says where it begins");
    assert!(begun.entries.is_empty() && !begun.token.is_empty() && !begun.gap);
    let mut told = Told::new();
    let ended = |told: &Told, task: &str| told.keys().any(|(of, _, text)| of == task && text == "succeeded");
    for n in 0..6 {
        if n == 3 {
            cluster.nodes[cluster.leader().await].shutdown().await;
        }
        let task = format!("t{n}");
        let job = client.submit(Double { number: n }).task_id(task.as_str()).await.expect("it is accepted");
        job.result::<u64>().await.expect("it succeeds");
        while !ended(&told, &task) {
            let message = tail.next().await.expect("it goes on");
            assert_eq!((message.missed, message.gap), (0, false));
            tell(&mut told, &message.entries);
        }
    }
    assert!(told.values().all(|times| *times == 1), "{told:#?}");
    assert!(!told.keys().any(|(task, ..)| task == "before"), "it was over when the tail began");
    let types = [pb::JobLogType::Receive, pb::JobLogType::Sent, pb::JobLogType::Finished];
    for n in 0..6 {
        for line in types {
            let found = told.keys().any(|(task, of, _)| *task == format!("t{n}") && *of == i32::from(line));
            assert!(found, "{line:?} of t{n} is missing: {told:#?}");
        }
    }
    // Another reader that goes on where the first one began gets the same, or is told that it does not.
    let mut again = client.tail_logs(filter.clone(), begun.token);
    let (mut second, mut has_gap) = (Told::new(), false);
    while !has_gap && !ended(&second, "t5") {
        let message = again.next().await.expect("it goes on");
        has_gap |= message.gap;
        tell(&mut second, &message.entries);
    }
    assert!(has_gap || second == told, "{second:#?}");

    let mut request = pb::SearchLogsRequest {
        filter: Some(pb::LogFilter { types: vec![pb::JobLogType::Sent.into()], ..filter }),
        newest_first: true,
        page_size: 2,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client.search_logs(request.clone()).await.expect("it searches");
        found.extend(page.entries.iter().map(|entry| entry.task_id.clone()));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ["t5", "t4", "t3", "t2", "t1", "t0", "before"]);
    agent.stop().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_filter_of_the_job_log_is_named() {
    let cluster = Cluster::of(1).await;
    let client = client(&cluster).await;
    let filter = pb::LogFilter { job_id: "42.0".into(), run_id: "42.0/1".into(), ..Default::default() };
    let mut tail = client.tail_logs(filter, "");
    let refused = tokio::time::timeout(Duration::from_secs(20), tail.next()).await.expect("at once");
    let told = refused.expect_err("both are given").to_string();
    assert!(told.contains("filter.run_id"), "{told}");
    let filter = pb::LogFilter::default();
    let told = client.tail_logs(filter, "nonsense").next().await.expect_err("it is no token").to_string();
    assert!(told.contains("no token of a followed log"), "{told}");
    cluster.stop().await;
}
