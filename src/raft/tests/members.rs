//! Nodes that come and go, and calls that reach the wrong one.

use std::time::Duration;

use super::super::{CallError, MembershipError, RaftConfig, Role, pb};
use super::cluster::{Cluster, PATIENCE, TestNode, story};
use super::garbage::{client, from_a_peer};
use crate::store::NodeId;

async fn joined_by_learner(config: RaftConfig) -> (Cluster, usize, NodeId) {
    let mut cluster = Cluster::start(3, config).await;
    for n in 0..20 {
        cluster.apply(&format!("early-{n}")).await;
    }
    let leader = cluster.leader().await;
    let learner = cluster.add_node();
    let member = cluster.nodes[learner].member.clone();
    cluster.nodes[leader].node.add_learner(member.clone()).await.expect("a learner is added");
    (cluster, leader, member.id)
}

fn names(members: &[super::super::Member]) -> Vec<NodeId> {
    members.iter().map(|member| member.id).collect()
}

#[test]
fn a_learner_catches_up_is_promoted_and_removed() {
    story(async {
        let (mut cluster, leader, id) = joined_by_learner(RaftConfig::default()).await;
        let written = cluster.apply("with-learner").await;
        cluster.agree_at(written).await;
        let boss = &cluster.nodes[leader].node;
        assert_eq!(names(&boss.metrics().learners), [id]);

        boss.promote(id).await.expect("it has caught up");
        assert!(names(&boss.metrics().voters).contains(&id));
        let written = cluster.apply("with-four").await;
        cluster.agree_at(written).await;

        let boss = &cluster.nodes[leader].node;
        boss.remove(id).await.expect("it can go");
        let metrics = boss.metrics();
        assert!(!names(&metrics.voters).contains(&id) && metrics.learners.is_empty());
        assert_eq!(boss.remove(id).await, Err(MembershipError::UnknownNode(id)));
        cluster.nodes.retain(|node| node.id() != id);
        let written = cluster.apply("with-three").await;
        cluster.agree_at(written).await;
    });
}

#[test]
fn a_learner_far_behind_is_fed_by_a_snapshot() {
    story(async {
        let config = RaftConfig { snapshot_entries: 1_000_000, keep_entries: 0, ..RaftConfig::default() };
        let mut cluster = Cluster::start(3, config).await;
        let leader = cluster.leader().await;
        let mut written = 0;
        for n in 0..1_100 {
            let boss = &cluster.nodes[leader];
            written = boss
                .node
                .propose(super::cluster::entry(boss, &format!("c{n}")))
                .await
                .expect("applied")
                .index;
        }
        cluster.nodes[leader].node.trigger_snapshot().await.expect("it runs");
        until(&cluster.nodes[leader], |metrics| metrics.purged_index > 0).await;

        let learner = cluster.add_node();
        let member = cluster.nodes[learner].member.clone();
        cluster.nodes[leader].node.add_learner(member).await.expect("a learner is added");
        cluster.agree_at(written + 1).await;
        assert!(cluster.nodes[learner].node.metrics().snapshot_index > 0, "it came as a snapshot");
    });
}

/// Looks again whenever the node's applied index may have moved, or a moment has passed.
async fn until(node: &TestNode, reached: impl Fn(&super::super::NodeMetrics) -> bool) {
    let looking = async {
        let mut beat = tokio::time::interval(Duration::from_millis(5));
        while !reached(&node.node.metrics()) {
            beat.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it comes about");
}

#[test]
fn only_a_leader_changes_the_membership_and_only_one_cluster_is_made() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let leader = cluster.leader().await;
        let follower = &cluster.nodes[(leader + 1) % 3];
        let known = Some(cluster.nodes[leader].member.clone());
        cluster.apply("so that everybody knows who leads").await;
        let mut seen = follower.node.leadership();
        seen.wait_for(|seen| seen.leader.is_some()).await.expect("it runs");
        let refused = follower.node.remove(cluster.nodes[leader].id()).await;
        assert_eq!(refused, Err(MembershipError::NotLeader { leader: known }));
        let members = cluster.nodes.iter().map(|node| node.member.clone()).collect();
        let again = cluster.nodes[leader].node.initialize("test-cluster", members).await;
        assert_eq!(again, Err(MembershipError::AlreadyInitialized));
        assert_eq!(follower.node.initialize("other", vec![]).await, Err(MembershipError::AlreadyInitialized));
    });
}

#[test]
fn a_handshake_tells_who_is_there_and_refuses_whoever_was_meant_instead() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let (asks, answers) = (&cluster.nodes[0], &cluster.nodes[1]);
        let address = answers.member.node.peer_addr.clone();
        cluster.apply("so that everybody has joined").await;
        let greeting = asks.node.greet(&address, None, PATIENCE).await.expect("it answers");
        assert_eq!(greeting.member, answers.member);
        assert_eq!((greeting.cluster.as_deref(), greeting.initialized), (Some("test-cluster"), true));

        let refused = asks.node.greet(&address, Some(77), PATIENCE).await.expect_err("nobody is 77");
        assert!(matches!(refused, CallError::Unreachable { .. }), "{refused}");
        assert!(refused.to_string().contains("and not 77"), "{refused}");
    });
}

#[test]
fn the_status_of_each_peer_can_be_asked() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let written = cluster.apply("something").await;
        cluster.agree_at(written).await;
        let leader = cluster.leader().await;
        let asks = &cluster.nodes[(leader + 1) % 3];
        let status =
            asks.node.peer_status(&cluster.nodes[leader].member, PATIENCE).await.expect("it answers");
        assert_eq!((status.role, status.leader), (Role::Leader, Some(cluster.nodes[leader].id())));
        assert_eq!((status.applied_index, status.digest), (written, cluster.nodes[leader].digest()));
        assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    });
}

#[test]
fn while_a_leader_is_heard_nobody_votes_for_another_without_a_transfer() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let written = cluster.apply("something").await;
        // Also the one that is asked, which the majority may have done without.
        cluster.agree_at(written).await;
        let leader = cluster.leader().await;
        let asked = &cluster.nodes[(leader + 1) % 3];
        let term = asked.node.metrics().term;
        let candidacy = Some(pb::Candidacy {
            vote: Some(pb::Ballot { term: term + 1, node_id: 42, committed: false }),
            last_log: Some(pb::LogId { term, index: 1_000 }),
            leadership_transfer: false,
        });
        let mut client = client(asked).await;
        let pre =
            client.pre_vote(from_a_peer(asked, pb::PreVoteRequest { candidacy })).await.expect("an answer");
        let vote = client.vote(from_a_peer(asked, pb::VoteRequest { candidacy })).await.expect("an answer");
        let granted = [pre.into_inner().verdict, vote.into_inner().verdict]
            .map(|verdict| verdict.expect("a verdict").granted);
        assert_eq!((granted, asked.node.metrics().term), ([false, false], term));
    });
}
