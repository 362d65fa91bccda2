//! The log as each node applied it: the same entries, replies and digests everywhere.

use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use serde_json::Value;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::jobs::job;

async fn export(
    cluster: &Cluster,
    node: usize,
    from_index: u64,
    follow: bool,
) -> Streaming<pb::ExportLogResponse> {
    let mut client = ClusterServiceClient::new(cluster.channel(node).await);
    let request = pb::ExportLogRequest { from_index, follow };
    client.export_log(request).await.expect("it is answered").into_inner()
}

async fn until(records: &mut Streaming<pb::ExportLogResponse>, index: u64) -> Vec<pb::ExportLogResponse> {
    let mut read = Vec::new();
    loop {
        let record = records.message().await.expect("the stream is open").expect("the stream goes on");
        let index_read = record.index;
        read.push(record);
        if index_read >= index {
            return read;
        }
    }
}

async fn submit(
    jobs: &mut raftsman::wire::pb::job_service_client::JobServiceClient<Channel>,
    task: &str,
) -> u64 {
    let idempotency = Some(pb::Idempotency { request_id: format!("r-{task}"), ..Default::default() });
    let request = pb::SubmitRequest { jobs: vec![job(task)], idempotency };
    let answer = jobs.submit(request).await.expect("it is accepted").into_inner();
    answer.committed.expect("it was committed").log_index
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_export_the_same_entries_replies_and_digests() {
    let cluster = Cluster::of(3).await;
    let mut tails = Vec::new();
    for node in 0..3 {
        tails.push(export(&cluster, node, 0, true).await);
    }
    let mut jobs = cluster.jobs(0).await;
    let first = submit(&mut jobs, "t1").await;
    let repeated = submit(&mut jobs, "t1").await;
    let mut read = Vec::new();
    for tail in &mut tails {
        read.push(until(tail, repeated).await);
    }
    let indexes: Vec<u64> = read[0].iter().map(|record| record.index).collect();
    assert_eq!(indexes, (0..=repeated).collect::<Vec<_>>(), "nothing is left out");
    // What a node applied before it was asked has neither reply nor digest; the submits came after.
    let told = |records: &[pb::ExportLogResponse]| -> Vec<_> {
        records.iter().filter(|record| record.index >= first).cloned().collect()
    };
    assert_eq!(told(&read[0]), told(&read[1]));
    assert_eq!(told(&read[0]), told(&read[2]));
    let submits: Vec<_> = told(&read[0])
        .iter()
        .flat_map(|record| &record.commands)
        .filter(|applied| applied.command_json.contains("submit"))
        .map(|applied| (json(&applied.command_json), json(&applied.reply_json)))
        .collect();
    assert_eq!(submits.len(), 2, "the repetition has a place of its own");
    assert_eq!(submits[0].0["submit"]["request"]["id"], "r-t1");
    assert_eq!(submits[0].0["submit"]["jobs"][0]["payload"]["bytes"], 2);
    assert_eq!(submits[0].1["submitted"][0]["accepted"].as_str().map(|id| id.contains('.')), Some(true));
    assert_eq!(submits[0].1, submits[1].1, "a repetition gets the first answer");
    assert_eq!(told(&read[0])[0].digest.len(), 16);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_before_comes_from_the_log_and_ends_there() {
    let cluster = Cluster::of(1).await;
    let mut jobs = cluster.jobs(0).await;
    let first = submit(&mut jobs, "t1").await;
    let mut old = export(&cluster, 0, first, false).await;
    let record = old.message().await.expect("the stream is open").expect("there is one");
    assert_eq!((record.index, record.digest.as_str()), (first, ""));
    let submit = &record.commands[0];
    assert_eq!(
        (json(&submit.command_json)["submit"]["jobs"][0]["task_id"].as_str(), &*submit.reply_json),
        (Some("t1"), "")
    );
    while old.message().await.expect("the stream is open").is_some() {}
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_digests_are_equal_at_an_equal_index_and_a_refusal_has_its_place() {
    let cluster = Cluster::of(3).await;
    let mut jobs = cluster.jobs(0).await;
    submit(&mut jobs, "t1").await;
    let named = pb::Idempotency { request_id: "r-t1".into(), ..Default::default() };
    let target = Some(pb::cancel_request::Target::JobId("1.0".into()));
    let refused =
        jobs.cancel(pb::CancelRequest { target, idempotency: Some(named), reason: String::new() }).await;
    let refused = refused.expect_err("the request id is a submit's");
    let place = refused.metadata().get(raftsman::wire::LOG_INDEX_TRAILER).expect("it was refused in the log");
    let at_least_index: u64 = place.to_str().expect("a number").parse().expect("a number");
    let mut seen = Vec::new();
    for node in 0..3 {
        let mut client = ClusterServiceClient::new(cluster.channel(node).await);
        let answer = client.digest(pb::DigestRequest { at_least_index }).await.expect("it is applied");
        let answer = answer.into_inner();
        assert!(answer.index >= at_least_index);
        seen.push(answer.digest);
    }
    // Nothing but the clock moves meanwhile, and that alone is no change of the tables.
    assert_eq!(seen, vec![seen[0].clone(); 3]);
    cluster.stop().await;
}
