//! Requests that come again.

use raftsman::wire::{Fault, Reason, pb};

use crate::cluster::Cluster;
use crate::jobs::job;

fn batch(task: &str) -> pb::SubmitRequest {
    let expression = "0 0 0 31 2 ?".into();
    let never = pb::CronSchedule { expression, ..pb::CronSchedule::default() };
    let never = pb::Job { schedule: Some(pb::job::Schedule::Cron(never)), ..job("never") };
    let request_id = "r1".into();
    let idempotency = Some(pb::Idempotency { request_id, ..pb::Idempotency::default() });
    pb::SubmitRequest { jobs: vec![never, job(task)], idempotency }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_gets_the_first_answer_and_says_so_and_another_request_is_refused() {
    let cluster = Cluster::of(3).await;
    let mut replayed = Vec::new();
    let mut answers = Vec::new();
    for node in 0..3 {
        let answer = cluster.jobs(node).await.submit(batch("t1")).await.expect("it is answered").into_inner();
        replayed.push(answer.committed.expect("it is committed").replayed);
        answers.push(answer.results);
    }
    assert_eq!(replayed, [false, true, true]);
    assert_eq!(answers[0][0].outcome(), pb::SubmitOutcome::Refused);
    assert_eq!(answers[0][1].outcome(), pb::SubmitOutcome::Accepted);
    let ids = |results: &[pb::SubmitResult]| results.iter().map(|one| one.job_id.clone()).collect::<Vec<_>>();
    assert!(answers.iter().all(|again| ids(again) == ids(&answers[0])), "{answers:?}");
    let other = cluster.jobs(1).await.submit(batch("t2")).await.expect_err("it asks for something else");
    assert_eq!(Fault::from(other).reason, Reason::IdempotencyMismatch);
    cluster.stop().await;
}
