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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_change_by_name_on_all_nodes_and_a_wrong_one_changes_nothing() {
    let cluster = Cluster::of(3).await;
    let follower = (cluster.leader().await + 1) % 3;
    let mut client = ClusterServiceClient::new(cluster.channel(follower).await);
    let change = |name: &str, value| pb::LimitChange { name: name.into(), value };
    let changes = vec![change("finished_kept", 60_000), change("reclaims_max", 2)];
    let set = client.set_limits(pb::SetLimitsRequest { changes }).await.expect("they are right").into_inner();
    for (changes, field) in [
        (vec![change("reclaims_max", 1), change("nonsense", 1)], "nonsense"),
        (vec![change("reclaims_max", 1), change("request_window", 1)], "request_window"),
        (vec![], "changes"),
    ] {
        let refused = client.set_limits(pb::SetLimitsRequest { changes }).await.expect_err("it is wrong");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    for node in 0..3 {
        let mut client = ClusterServiceClient::new(cluster.channel(node).await);
        let seen = client.get_limits(pb::GetLimitsRequest::default()).await.expect("it answers").into_inner();
        assert_eq!(seen.limits, set.limits);
        let value =
            |name: &str| seen.limits.iter().find(|limit| limit.name == name).expect("it is one").value;
        assert_eq!((value("finished_kept"), value("reclaims_max")), (60_000, 2));
    }
    cluster.stop().await;
}
