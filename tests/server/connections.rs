//! The client port takes so many connections and none that says nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::probes::get;

async fn narrow(connections: usize, head: Duration) -> Cluster {
    let cluster = Cluster::with(1, |options| {
        options.connections.max = connections;
        options.connections.head_within = head;
    });
    cluster.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_too_slowly_is_sent_away_and_others_get_the_place() {
    let cluster = narrow(2, Duration::from_millis(300)).await;
    let address = cluster.nodes[0].client_addr();
    let mut silent = TcpStream::connect(address).await.expect("it listens");
    let mut half = TcpStream::connect(address).await.expect("it listens");
    half.write_all(b"GET /livez HTTP/1.1\r\nhost: n1\r\n").await.expect("it takes bytes");
    // Both places are taken, so this one waits until the silent ones are gone.
    assert_eq!(get(address, "/livez").await.0, "HTTP/1.1 200 OK");
    let mut rest = Vec::new();
    for socket in [&mut silent, &mut half] {
        let ended = tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut rest)).await;
        // Closed, or reset since something was not read: gone in both cases.
        let _how = ended.expect("the connection is closed");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_too_many_waits_for_a_place() {
    let cluster = narrow(1, Duration::from_secs(60)).await;
    let address = cluster.nodes[0].client_addr();
    let channel = cluster.channel(0).await;
    let mut jobs = raftsman::wire::pb::job_service_client::JobServiceClient::new(channel);
    jobs.list_jobs(raftsman::wire::pb::ListJobsRequest::default()).await.expect("it answers");
    let waits = tokio::spawn(get(address, "/livez"));
    jobs.list_jobs(raftsman::wire::pb::ListJobsRequest::default()).await.expect("it still answers");
    assert!(!waits.is_finished(), "there is one place, and it is taken");
    drop(jobs);
    assert_eq!(waits.await.expect("it does not panic").0, "HTTP/1.1 200 OK");
    cluster.stop().await;
}
