//! What operators hold back and change: paused node groups, drained TaskTrackers, slots, updates; also across a failover.

use raftsman::wire::pb;
use raftsman::wire::pb::node_service_client::NodeServiceClient;
use raftsman::wire::pb::session_response::Message as Heard;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, hello, job};

async fn nodes(cluster: &Cluster, node: usize) -> NodeServiceClient<Channel> {
    NodeServiceClient::new(cluster.channel(node).await)
}

async fn submit(cluster: &Cluster, node: usize, spec: pb::Job) -> String {
    let request = pb::SubmitRequest { jobs: vec![spec], idempotency: None };
    let answer = cluster.jobs(node).await.submit(request).await.expect("it is accepted").into_inner();
    answer.results[0].job_id.clone()
}

async fn get(cluster: &Cluster, node: usize, id: &str) -> pb::StoredJob {
    let target = Some(pb::get_job_request::Target::JobId(id.to_owned()));
    let request = pb::GetJobRequest { target, ..pb::GetJobRequest::default() };
    cluster
        .jobs(node)
        .await
        .get_job(request)
        .await
        .expect("it is known")
        .into_inner()
        .job
        .expect("it is there")
}

fn pause() -> pb::PauseGroupRequest {
    pb::PauseGroupRequest { node_group: "trade".into(), by: "ann".into(), reason: "disk".into() }
}

fn drain(leave: bool) -> pb::DrainTaskTrackerRequest {
    let (identity, by, reason) = ("w1".into(), "ann".into(), "disk".into());
    pb::DrainTaskTrackerRequest { identity, by, reason, leave, ..pb::DrainTaskTrackerRequest::default() }
}

fn who() -> pb::UndrainTaskTrackerRequest {
    pb::UndrainTaskTrackerRequest { identity: "w1".into(), ..pb::UndrainTaskTrackerRequest::default() }
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_and_a_drain_outlast_the_leader_that_set_them() {
    let cluster = Cluster::of(3).await;
    let first = cluster.leader().await;
    let mut admin = nodes(&cluster, (first + 1) % 3).await;
    drop(RawTracker::attach(cluster.channel(first).await, "trade", 4).await);
    let paused = admin.pause_group(pause()).await.expect("it is paused").into_inner();
    assert!(paused.changed);
    let again = admin.pause_group(pb::PauseGroupRequest { by: "bob".into(), ..pause() }).await;
    let again = again.expect("it is answered").into_inner();
    assert_eq!((again.changed, again.hold.expect("it holds").by.as_str()), (false, "ann"));
    assert!(admin.drain_task_tracker(drain(false)).await.expect("it is drained").into_inner().changed);
    let id = submit(&cluster, first, job("t1")).await;

    cluster.nodes[first].shutdown().await;
    let left: Vec<bool> = (0..3).map(|node| node != first).collect();
    let second = cluster.leader_among(&left).await;
    let mut tracker = RawTracker::attach(cluster.channel(second).await, "trade", 4).await;
    let Heard::Drain(told) = tracker.next().await else { panic!("it hears that it is drained") };
    assert_eq!((told.draining, told.leave, told.reason.as_str()), (true, false, "disk"));
    let why = get(&cluster, second, &id).await.why_waiting;
    assert!(why.contains("paused") && why.contains("ann") && why.contains("disk"), "{why}");

    let mut admin = nodes(&cluster, second).await;
    let group = pb::ResumeGroupRequest { node_group: "trade".into() };
    assert!(admin.resume_group(group.clone()).await.expect("it is resumed").into_inner().changed);
    assert!(!admin.resume_group(group).await.expect("it is answered").into_inner().changed);
    let why = get(&cluster, second, &id).await.why_waiting;
    assert!(why.contains("drained"), "{why}");
    assert!(admin.undrain_task_tracker(who()).await.expect("it is undrained").into_inner().changed);
    let push = tracker.next_push().await.remove(0);
    assert_eq!(push.job_id, id);
    tracker.complete(push.execution, b"").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_are_told_to_the_session_and_strangers_are_refused_by_name() {
    let cluster = Cluster::of(1).await;
    let mut tracker = RawTracker::attach(cluster.channel(0).await, "trade", 4).await;
    let mut admin = nodes(&cluster, 0).await;
    let slots =
        |slots| pb::SetSlotsRequest { identity: "w1".into(), slots, ..pb::SetSlotsRequest::default() };
    let set = admin.set_slots(slots(Some(1))).await.expect("it is set").into_inner();
    assert_eq!((set.changed, set.slots, set.node_group.as_str()), (true, 1, "trade"));
    loop {
        if let Heard::Resize(told) = tracker.next().await {
            assert_eq!(told.slots, 1);
            break;
        }
    }
    for n in 0..3 {
        submit(&cluster, 0, job(&format!("t{n}"))).await;
    }
    let pushes = tracker.next_push().await;
    assert_eq!(pushes.len(), 1, "one slot, one push");
    let listed = admin.list_nodes(pb::ListNodesRequest { node_group: "trade".into(), ..Default::default() });
    let listed = listed.await.expect("it is listed").into_inner().nodes.remove(0);
    assert_eq!((listed.capacity, listed.own_capacity, listed.executing), (1, 4, 1));
    admin.set_slots(slots(None)).await.expect("it is reset");
    let more = tracker.next_push().await;
    assert!(!more.is_empty());

    let nobody = pb::DrainTaskTrackerRequest { identity: "w9".into(), ..drain(false) };
    let unknown = admin.drain_task_tracker(nobody).await.expect_err("nobody has this name");
    assert_eq!(reason(&unknown), "TASKTRACKER_UNKNOWN");
    let wrong = admin.set_slots(slots(Some(0))).await.expect_err("no slot is a drain");
    assert_eq!(reason(&wrong), "INVALID_ARGUMENT");
    let mut twin = RawTracker::open(cluster.channel(0).await, hello("stock", 1)).await;
    assert!(matches!(twin.next().await, Heard::Welcome(_)));
    let ambiguous = admin.undrain_task_tracker(who()).await.expect_err("two have this name");
    assert!(ambiguous.message().contains("stock") && ambiguous.message().contains("trade"), "{ambiguous}");
    cluster.stop().await;
}

fn update(id: &str, paths: &[&str], job: pb::Job) -> pb::UpdateRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateRequest {
        target: Some(pb::update_request::Target::JobId(id.to_owned())),
        job: Some(job),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..pb::UpdateRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_answered_exactly_and_only_once() {
    let cluster = Cluster::of(1).await;
    let later = pb::job::Schedule::TriggerDelay(prost_types::Duration { seconds: 3600, nanos: 0 });
    let params = [("a".to_owned(), "b".to_owned())].into();
    let id = submit(&cluster, 0, pb::Job { schedule: Some(later), params, ..job("t1") }).await;
    let mut jobs = cluster.jobs(0).await;
    let urgent = pb::Job { priority: Some(1), ..pb::Job::default() };
    let mut first = update(&id, &["priority", "params"], urgent.clone());
    first.expected_revision = 1;
    let request_id = "u1".to_owned();
    first.idempotency = Some(pb::Idempotency { request_id, ..pb::Idempotency::default() });
    let answer = jobs.update(first.clone()).await.expect("it is updated").into_inner();
    assert_eq!((answer.outcome(), answer.revision), (pb::UpdateOutcome::Updated, 2));
    let stored = get(&cluster, 0, &id).await;
    let spec = stored.spec.expect("it has one");
    assert_eq!((stored.revision, spec.priority, spec.params.len()), (2, Some(1), 0));
    let again = jobs.update(first).await.expect("it is answered").into_inner();
    assert_eq!((again.revision, again.committed.expect("it was").replayed), (2, true));
    let mut old = update(&id, &["priority"], urgent.clone());
    old.expected_revision = 1;
    let conflict = jobs.update(old).await.expect("it is answered").into_inner();
    assert_eq!((conflict.outcome(), conflict.revision), (pb::UpdateOutcome::RevisionConflict, 2));

    for (paths, field) in
        [(&["task_id"][..], "task_id"), (&["cron.expression"], "cron.expression"), (&[], "update_mask")]
    {
        let wrong = jobs.update(update(&id, paths, urgent.clone())).await.expect_err("it cannot be changed");
        assert_eq!(reason(&wrong), "INVALID_ARGUMENT");
        assert!(wrong.message().contains(field), "{wrong}");
    }
    let holder = submit(&cluster, 0, pb::Job { node_group: "stock".into(), ..job("t1") }).await;
    let moved = pb::Job { node_group: "stock".into(), ..pb::Job::default() };
    let taken = jobs.update(update(&id, &["node_group"], moved)).await.expect("it is answered").into_inner();
    assert_eq!((taken.outcome(), taken.holder_job_id), (pb::UpdateOutcome::KeyTaken, holder));

    let mut tracker = RawTracker::attach(cluster.channel(0).await, "trade", 4).await;
    let now = pb::job::Schedule::TriggerTime(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let sooner = pb::Job { schedule: Some(now), payload: b"new".to_vec().into(), ..pb::Job::default() };
    jobs.update(update(&id, &["trigger_time", "payload"], sooner)).await.expect("it is updated");
    let push = tracker.next_push().await.remove(0);
    assert_eq!((push.job_id.as_str(), &push.payload[..]), (id.as_str(), &b"new"[..]));
    tracker.complete(push.execution, b"").await;
    let late = jobs.update(update(&id, &["priority"], urgent)).await.expect("it is answered").into_inner();
    assert_eq!(
        (late.outcome(), late.finished_as()),
        (pb::UpdateOutcome::AlreadyFinished, pb::JobState::Succeeded)
    );
    let nobody = jobs.update(update("9.9", &["priority"], pb::Job::default())).await.expect("it is answered");
    assert_eq!(nobody.into_inner().outcome(), pb::UpdateOutcome::NotFound);
    cluster.stop().await;
}
