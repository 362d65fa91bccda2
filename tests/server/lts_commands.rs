//! LTS's HTTP commands on the client port.

use std::net::SocketAddr;

use raftsman::wire::pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::Cluster;

/// Status and JSON of a command; a form goes by POST.
async fn ask(address: SocketAddr, path: &str, form: Option<&str>) -> (u16, serde_json::Value) {
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let method = if form.is_some() { "POST" } else { "GET" };
    let body = form.unwrap_or_default();
    let kind = "content-type: application/x-www-form-urlencoded\r\nconnection: close";
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: n1\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).await.expect("it takes bytes");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(serde_json::Value::Null))
}

fn code(answer: &(u16, serde_json::Value)) -> (u16, bool, &str) {
    let (status, said) = answer;
    (*status, said["success"].as_bool().expect("success is told"), said["code"].as_str().unwrap_or(""))
}

/// A job of a group without TaskTrackers, so that it stays.
const JOB: &str =
    r#"{"taskId":"t1","taskTrackerNodeGroup":"trade","extParams":{"city":"北京 100%"},"priority":7}"#;

fn form(job: &str) -> String {
    let escaped: String = job.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("job={escaped}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ltss_commands_of_a_jobtracker_answer_in_ltss_form() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let leader = &cluster.nodes[leader];
    let follower = cluster.nodes.iter().find(|node| node.name() != leader.name()).expect("there are three");
    let (address, name) = (follower.client_addr(), follower.name());

    let ok = ask(address, &format!("/{name}/status_check_cmd"), None).await;
    assert_eq!(code(&ok), (200, true, ""));
    assert_eq!(code(&ask(address, "/-/status_check_cmd", Some("")).await), (200, true, ""));
    let stranger = ask(address, "/n9/status_check_cmd", None).await;
    assert_eq!(code(&stranger), (400, false, "INVALID_ARGUMENT"));
    let (_, info) = ask(address, "/-/jvm_info_get_cmd", None).await;
    assert_eq!(info["obj"]["pid"].as_u64(), Some(std::process::id().into()), "{info}");

    // A follower takes a job as any JobTracker does.
    let added = ask(address, "/-/job_add_cmd", Some(&form(JOB))).await;
    assert_eq!(code(&added), (200, true, ""));
    assert_eq!(added.1["obj"]["outcome"], "ACCEPTED");
    let path = format!("/-/job_add_cmd?{}", form(JOB));
    let again = ask(leader.client_addr(), &path, None).await;
    assert_eq!(
        (again.1["obj"]["outcome"].as_str(), &again.1["obj"]["job_id"]),
        (Some("EXISTS"), &added.1["obj"]["job_id"])
    );
    let id = added.1["obj"]["job_id"].as_str().expect("an id").to_owned();
    let request = pb::GetJobRequest { target: Some(pb::get_job_request::Target::JobId(id)), consistency: 0 };
    let stored = cluster.jobs(0).await.get_job(request).await.expect("it is there").into_inner();
    let spec = stored.job.and_then(|job| job.spec).expect("a specification");
    assert_eq!((spec.kind.as_str(), spec.priority), ("lts", Some(7)));
    assert_eq!(spec.params.get("city").map(String::as_str), Some("北京 100%"));

    assert_eq!(code(&ask(address, "/-/job_add_cmd", Some("")).await), (400, false, "INVALID_ARGUMENT"));
    let never = r#"{"taskId":"t2","taskTrackerNodeGroup":"trade","cronExpression":"0 0 0 31 2 ?"}"#;
    let never = ask(address, "/-/job_add_cmd", Some(&form(never))).await;
    assert_eq!(code(&never), (400, false, "INVALID_ARGUMENT"));
    let load = ask(address, "/-/job_load_cmd?nodeGroup=trade", None).await;
    assert_eq!(
        (code(&load), load.1["msg"].as_str()),
        ((200, true, ""), Some("not needed: jobs are not preloaded"))
    );
    const CRON: &str = r#"{"taskId":"t3","taskTrackerNodeGroup":"trade","cronExpression":"0 0 0 1 1 ?"}"#;
    let cron = ask(address, "/-/job_add_cmd", Some(&form(CRON))).await;
    let cron = cron.1["obj"]["job_id"].as_str().expect("an id");
    for (job, outcome) in [(cron, "TRIGGERED"), ("t3", "TRIGGERED"), ("t1", "ALREADY_READY")] {
        let path = format!("/-/trigger_job_manually_cmd?nodeGroup=trade&jobId={job}");
        let told = ask(address, &path, None).await;
        assert_eq!(
            (code(&told), told.1["obj"]["outcome"].as_str()),
            ((200, true, ""), Some(outcome)),
            "{told:?}"
        );
    }
    let unknown = ask(address, "/-/trigger_job_manually_cmd?nodeGroup=trade&jobId=t9", None).await;
    assert_eq!(code(&unknown), (400, false, "JOB_NOT_FOUND"));
    let nobody = ask(address, "/-/trigger_job_manually_cmd?nodeGroup=trade", None).await;
    assert_eq!(code(&nobody), (400, false, "INVALID_ARGUMENT"));
    // One byte too many: all of it is read, so the answer is not lost with the connection.
    let large = "x".repeat((256 << 10) + 1);
    assert_eq!(ask(address, "/-/job_add_cmd", Some(&large)).await.0, 413);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_needs_a_cluster_says_503_before_there_is_one() {
    let cluster = Cluster::unmade(1).await;
    let address = cluster.nodes[0].client_addr();
    assert_eq!(code(&ask(address, "/-/status_check_cmd", None).await), (200, true, ""));
    let added = ask(address, "/-/job_add_cmd", Some(&form(JOB))).await;
    assert_eq!(code(&added), (503, false, "NOT_INITIALIZED"));
    cluster.stop().await;
}
