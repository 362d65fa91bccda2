//! What is no message of a JobTracker gets an answer or a closed connection, and the node lives.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request};

use super::super::RaftConfig;
use super::super::identity::Envelope;
use super::super::pb;
use super::super::pb::install_snapshot_request::Part;
use super::super::pb::peer_service_client::PeerServiceClient;
use super::cluster::{Cluster, PATIENCE, TestNode, story};

pub(super) fn from_a_peer<T>(to: &TestNode, message: T) -> Request<T> {
    let mut request = Request::new(message);
    Envelope { cluster: "test-cluster".into(), from: 42, to: to.id() }.write(request.metadata_mut());
    request
}

pub(super) async fn client(to: &TestNode) -> PeerServiceClient<tonic::transport::Channel> {
    let address = format!("http://{}", to.member.node.peer_addr);
    PeerServiceClient::connect(address).await.expect("it listens")
}

#[test]
fn a_connection_that_sends_garbage_is_closed() {
    story(async {
        let cluster = Cluster::start(1, RaftConfig::default()).await;
        let mut socket =
            TcpStream::connect(&cluster.nodes[0].member.node.peer_addr).await.expect("it listens");
        socket.write_all(&[0xff; 4_096]).await.expect("it reads");
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the connection stays open");
        cluster.apply("it lives").await;
    });
}

#[test]
fn an_append_stream_ends_at_its_first_bad_message_with_the_reason() {
    story(async {
        let cluster = Cluster::start(1, RaftConfig::default()).await;
        let node = &cluster.nodes[0];
        let bad = pb::AppendRequest { vote: None, ..pb::AppendRequest::default() };
        let messages = [pb::StreamAppendRequest { append: Some(bad) }];
        let opened = client(node).await.stream_append(from_a_peer(node, tokio_stream::iter(messages))).await;
        let mut answers = opened.expect("the stream opens").into_inner();
        let refused = answers.message().await.expect_err("no answer to what is no append");
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "a vote is missing"));
        cluster.apply("it lives").await;
    });
}

#[test]
fn a_snapshot_that_breaks_off_is_not_installed() {
    story(async {
        let cluster = Cluster::start(1, RaftConfig::default()).await;
        let node = &cluster.nodes[0];
        let header = pb::SnapshotHeader {
            vote: Some(pb::Ballot { term: 9, node_id: 42, committed: true }),
            last_log: Some(pb::LogId { term: 9, index: 1_000 }),
            membership: Some(pb::StoredMembership {
                log_id: None,
                membership: Some(pb::Membership::default()),
            }),
        };
        let file = pb::SnapshotFile { name: "000001.sst".into(), bytes: 10 };
        let parts = [Part::Header(header), Part::File(file), Part::Data(bytes::Bytes::from_static(b"half"))];
        let parts = parts.map(|part| pb::InstallSnapshotRequest { part: Some(part) });
        let refused = client(node).await.install_snapshot(from_a_peer(node, tokio_stream::iter(parts))).await;
        let refused = refused.expect_err("it has no end");
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::DataLoss, "the snapshot ends without its end")
        );
        cluster.apply("it lives").await;
    });
}

#[test]
fn a_call_for_another_node_or_cluster_changes_nothing() {
    story(async {
        let cluster = Cluster::start(1, RaftConfig::default()).await;
        let node = &cluster.nodes[0];
        let term = node.node.metrics().term;
        let candidacy = pb::Candidacy {
            vote: Some(pb::Ballot { term: term + 5, node_id: 42, committed: false }),
            last_log: Some(pb::LogId { term: term + 4, index: 1_000 }),
            leadership_transfer: true,
        };
        for (cluster_id, to) in [("test-cluster", node.id() + 1), ("other", node.id())] {
            let mut request = Request::new(pb::VoteRequest { candidacy: Some(candidacy) });
            Envelope { cluster: cluster_id.into(), from: 42, to }.write(request.metadata_mut());
            let refused = client(node).await.vote(request).await.expect_err("not for this node");
            assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        }
        assert_eq!(node.node.metrics().term, term);
    });
}
