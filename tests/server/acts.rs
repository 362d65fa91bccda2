//! Suspend, resume, trigger and delete, through a real node.

use raftsman::wire::pb;
use raftsman::wire::pb::job_service_client::JobServiceClient;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, job};

type Jobs = JobServiceClient<Channel>;

async fn get(jobs: &mut Jobs, job_id: &str) -> Result<pb::StoredJob, tonic::Status> {
    let target = Some(pb::get_job_request::Target::JobId(job_id.into()));
    let answer = jobs.get_job(pb::GetJobRequest { target, consistency: 0 }).await?;
    Ok(answer.into_inner().job.expect("a job that is found is told"))
}

async fn submit(jobs: &mut Jobs, spec: pb::Job) -> pb::SubmitResult {
    let request = pb::SubmitRequest { jobs: vec![spec], idempotency: None };
    jobs.submit(request).await.expect("it is answered").into_inner().results.remove(0)
}

async fn suspend(
    jobs: &mut Jobs,
    job_id: &str,
    expected_revision: u64,
) -> Result<pb::SuspendOutcome, String> {
    let target = Some(pb::suspend_request::Target::JobId(job_id.into()));
    let request = pb::SuspendRequest { target, expected_revision, ..Default::default() };
    let answer = jobs.suspend(request).await.map_err(|status| status.message().to_owned())?;
    Ok(answer.into_inner().outcome())
}

async fn resume(jobs: &mut Jobs, job_id: &str) -> pb::ResumeResponse {
    let target = Some(pb::resume_request::Target::JobId(job_id.into()));
    let request = pb::ResumeRequest { target, reason: "moved".into(), ..Default::default() };
    jobs.resume(request).await.expect("it is answered").into_inner()
}

async fn trigger(jobs: &mut Jobs, job_id: &str) -> pb::TriggerResponse {
    let target = Some(pb::trigger_request::Target::JobId(job_id.into()));
    jobs.trigger(pb::TriggerRequest { target, ..Default::default() })
        .await
        .expect("it is answered")
        .into_inner()
}

async fn delete(jobs: &mut Jobs, job_id: &str) -> pb::DeleteResponse {
    let target = Some(pb::delete_request::Target::JobId(job_id.into()));
    jobs.delete(pb::DeleteRequest { target, ..Default::default() })
        .await
        .expect("it is answered")
        .into_inner()
}

/// What each planned second of a job came to: those between the first and the last one told, without a gap.
async fn seconds(jobs: &mut Jobs, job_id: &str, by_hand: &str) -> Vec<i64> {
    let target = Some(pb::list_runs_request::Target::JobId(job_id.into()));
    let request = pb::ListRunsRequest { target, page_size: 1_000, ..Default::default() };
    let runs = jobs.list_runs(request).await.expect("it is known").into_inner().runs;
    let mut seconds = Vec::new();
    for run in runs.iter().filter(|run| run.run_id != by_hand) {
        let first = run.planned_time.expect("it was planned").seconds;
        let last = run.planned_until_time.map_or(first, |until| until.seconds);
        assert_eq!(i64::try_from(run.count), Ok(last - first + 1), "{run:?}");
        seconds.extend(first..=last);
    }
    seconds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_cron_rests_until_it_is_resumed_and_every_instant_has_its_fate() {
    let cluster = Cluster::of(1).await;
    let mut tracker = RawTracker::attach(cluster.channel(0).await, "trade", 4).await;
    let mut jobs = cluster.jobs(0).await;
    let cron = pb::CronSchedule { expression: "* * * * * ?".into(), ..pb::CronSchedule::default() };
    let mut spec = job("tick");
    spec.schedule = Some(pb::job::Schedule::Cron(cron));
    let id = submit(&mut jobs, spec.clone()).await.job_id;
    let first = tracker.next_push().await.remove(0);
    tracker.complete(first.execution, b"").await;

    let conflict = suspend(&mut jobs, &id, 9).await.expect_err("it has another revision");
    assert!(conflict.contains("has revision 1"), "{conflict}");
    assert_eq!(suspend(&mut jobs, &id, 1).await, Ok(pb::SuspendOutcome::Suspended));
    assert_eq!(suspend(&mut jobs, &id, 0).await, Ok(pb::SuspendOutcome::AlreadySuspended));
    assert_eq!(submit(&mut jobs, spec).await.outcome(), pb::SubmitOutcome::Exists);
    let rests = get(&mut jobs, &id).await.expect("it is known");
    assert_eq!(rests.state(), pb::JobState::Suspended);
    assert!(rests.why_waiting.starts_with("it is suspended since "), "{}", rests.why_waiting);

    // What comes now is what was asked for, whatever seconds pass meanwhile.
    let by_hand = trigger(&mut jobs, &id).await;
    assert_eq!(by_hand.outcome(), pb::TriggerOutcome::Triggered);
    let asked = tracker.next_push().await.remove(0);
    assert_eq!(asked.run_id, by_hand.run_id);
    assert_eq!(delete(&mut jobs, &id).await.outcome(), pb::DeleteOutcome::Executing);
    tracker.complete(asked.execution, b"").await;

    let resumed = resume(&mut jobs, &id).await;
    assert_eq!(resumed.outcome(), pb::ResumeOutcome::Resumed);
    assert!(resumed.next_time.is_some());
    let next = tracker.next_push().await.remove(0);
    tracker.complete(next.execution, b"").await;
    let seconds = seconds(&mut jobs, &id, &by_hand.run_id).await;
    assert!(seconds.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seconds:?}");
    assert!(seconds.contains(&next.planned_time.expect("it was planned").seconds), "{seconds:?}");

    let target = Some(pb::get_logs_request::Target::JobId(id.clone()));
    let logs = jobs.get_logs(pb::GetLogsRequest { target, page_size: 1_000, ..Default::default() }).await;
    let logs = logs.expect("it is known").into_inner().entries;
    let acts: Vec<(pb::JobLogType, &str)> = logs
        .iter()
        .filter(|line| line.run_id.is_empty())
        .map(|line| (line.r#type(), line.text.as_str()))
        .collect();
    let triggered = format!("as run {}", by_hand.run_id);
    let expected = [
        (pb::JobLogType::Suspend, ""),
        (pb::JobLogType::Trigger, triggered.as_str()),
        (pb::JobLogType::Resume, "moved"),
    ];
    assert_eq!(acts, expected);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_unknown_at_once_and_its_key_is_free() {
    let cluster = Cluster::of(1).await;
    let mut jobs = cluster.jobs(0).await;
    let id = submit(&mut jobs, job("t1")).await.job_id;
    let deleted = delete(&mut jobs, &id).await;
    assert_eq!((deleted.outcome(), deleted.job_id), (pb::DeleteOutcome::Deleted, id.clone()));
    assert_eq!(delete(&mut jobs, &id).await.outcome(), pb::DeleteOutcome::NotFound);
    assert!(get(&mut jobs, &id).await.is_err());
    let again = submit(&mut jobs, job("t1")).await;
    assert_eq!(again.outcome(), pb::SubmitOutcome::Accepted);
    assert_ne!(again.job_id, id);
    assert_eq!(trigger(&mut jobs, &again.job_id).await.outcome(), pb::TriggerOutcome::AlreadyReady);
    cluster.stop().await;
}
