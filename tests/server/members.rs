//! Changes of the cluster, as an operator asks for them.

use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_of_leadership_that_is_repeated_happens_once() {
    let cluster = Cluster::of(3).await;
    let first = cluster.leader().await;
    let mut client = ClusterServiceClient::new(cluster.channel((first + 1) % 3).await);
    let term = client.status(pb::StatusRequest {}).await.expect("it answers").into_inner().term;
    let request = pb::TransferLeaderRequest { node: String::new(), term };
    let moved = client.transfer_leader(request.clone()).await.expect("it moves").into_inner();
    assert!(moved.term > term);
    let repeated = client.transfer_leader(request).await.expect("it answers").into_inner();
    assert_eq!((repeated.term, repeated.leader), (moved.term, moved.leader), "nothing moved again");
    cluster.stop().await;
}
