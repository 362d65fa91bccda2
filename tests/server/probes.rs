//! Health and metrics on the client port.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::Cluster;

pub(crate) async fn get(address: std::net::SocketAddr, path: &str) -> (String, String) {
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: raftsman\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("it takes bytes");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_alive_at_once_and_ready_with_a_leader() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = raftsman::jobtracker::NodeOptions::on_loopback("n1", dir.path());
    let (node, port) = raftsman::jobtracker::JobTracker::start(options).await.expect("it starts");
    tokio::spawn(raftsman::rpc::serve(node.clone(), port));
    assert_eq!(get(node.client_addr(), "/livez").await.0, "HTTP/1.1 200 OK");
    assert!(get(node.client_addr(), "/readyz").await.0.starts_with("HTTP/1.1 503"), "it has no cluster yet");
    node.shutdown().await;

    let cluster = Cluster::of(1).await;
    cluster.leader().await;
    assert_eq!(get(cluster.nodes[0].client_addr(), "/readyz").await.0, "HTTP/1.1 200 OK");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_protocol_of_grpc_tells_of_a_leader_and_of_the_end() {
    use tonic_health::ServingStatus;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    let cluster = Cluster::of(1).await;
    cluster.leader().await;
    let address = format!("http://{}", cluster.nodes[0].client_addr());
    let endpoint = tonic::transport::Endpoint::from_shared(address).expect("an address");
    let mut client = HealthClient::new(endpoint.connect().await.expect("it listens"));
    let request = HealthCheckRequest { service: "raftsman.v1.JobService".into() };
    let mut states = client.watch(request).await.expect("the service is known").into_inner();
    let mut serving = async || states.message().await.ok().flatten().map(|state| state.status);
    while serving().await.expect("it goes on") != ServingStatus::Serving as i32 {}
    cluster.nodes[0].shutdown().await;
    assert_ne!(serving().await, Some(ServingStatus::Serving as i32));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_names_of_the_metrics_are_pinned() {
    let cluster = Cluster::of(1).await;
    cluster.leader().await;
    let request = raftsman::wire::pb::SubmitRequest { jobs: vec![crate::jobs::job("t1")], idempotency: None };
    cluster.jobs(0).await.submit(request).await.expect("it is accepted");
    let (_, body) = get(cluster.nodes[0].client_addr(), "/metrics").await;
    let mut names: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    names.retain(|name| name.starts_with("raftsman_"));
    names.sort_unstable();
    expect_test::expect_file!["metrics.txt"].assert_eq(&names.join("\n"));
    // What is told is in docs/metrics.md, under the same type.
    for told in names {
        let known = raftsman::jobtracker::metrics::METRICS.iter();
        let mut known = known.map(|metric| format!("{} {}", metric.name, metric.sort));
        assert!(known.any(|known| known == told), "{told} is not in METRICS");
    }
    assert!(body.contains("raftsman_jobs_submitted_total{node_group=\"trade\"} 1"), "{body}");
    cluster.stop().await;
}
