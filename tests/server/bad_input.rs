//! What is wrong gets a clear answer, and the node lives.

use raftsman::wire::pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::Cluster;
use crate::jobs::job;

async fn problems(cluster: &Cluster, change: impl FnOnce(&mut pb::Job)) -> String {
    let mut job = job("bad");
    change(&mut job);
    let answer = cluster.jobs(0).await.submit(pb::SubmitRequest { jobs: vec![job], idempotency: None }).await;
    let result = answer.expect("each element has an answer of its own").into_inner().results.remove(0);
    assert_eq!(result.outcome(), pb::SubmitOutcome::Refused);
    let refusal = result.refusal.expect("a refusal says why");
    let problem = |v: &pb::FieldViolation| match v.problem.split_once(" fires after ") {
        Some((before, after)) => {
            format!("{}: {before} fires after NOW{}", v.field, &after[after.find(';').unwrap_or(0)..])
        }
        None => format!("{}: {}", v.field, v.problem),
    };
    refusal.violations.iter().map(problem).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_job_is_refused_with_the_field_and_what_would_be_right() {
    let cluster = Cluster::of(1).await;
    let cron = |expression: &str, zone: &str| {
        let cron = pb::CronSchedule { expression: expression.into(), time_zone: zone.into(), dst: 0 };
        Some(pb::job::Schedule::Cron(cron))
    };
    let repeat = pb::RepeatSchedule {
        interval: Some(prost_types::Duration::default()),
        count: None,
        first_time: None,
    };
    let retry = pb::RetryPolicy { retries_max: -1, backoff: None };
    let all = [
        problems(&cluster, |job| job.payload = vec![0; 2 << 20].into()).await,
        problems(&cluster, |job| job.schedule = cron("every tuesday", "")).await,
        problems(&cluster, |job| job.schedule = cron("0 0 0 31 2 ?", "")).await,
        problems(&cluster, |job| job.schedule = cron("0 0 0 * * ?", "Mars/Olympus")).await,
        problems(&cluster, |job| job.schedule = Some(pb::job::Schedule::Repeat(repeat))).await,
        problems(&cluster, |job| job.retry = Some(retry)).await,
        problems(&cluster, |job| job.task_id = "a\nb".into()).await,
        problems(&cluster, |job| job.need_feedback = true).await,
    ];
    expect_test::expect_file!["bad_input.txt"].assert_eq(&all.join("\n"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_sends_garbage_harms_nobody() {
    let cluster = Cluster::of(1).await;
    for address in [cluster.nodes[0].client_addr(), cluster.nodes[0].peer_addr()] {
        for garbage in [
            &b"\x00\xff\x00\xff garbage \r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff",
        ] {
            let mut socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
            socket.write_all(garbage).await.expect("it takes bytes");
            let mut answer = Vec::new();
            // It is answered with an error or just closed; what matters is that the node lives.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(5), socket.read_to_end(&mut answer))
                .await;
        }
    }
    let request = pb::SubmitRequest { jobs: vec![job("after")], idempotency: None };
    let answer = cluster.jobs(0).await.submit(request).await.expect("the node lives").into_inner();
    assert_eq!(answer.results[0].outcome(), pb::SubmitOutcome::Accepted);
    cluster.stop().await;
}
