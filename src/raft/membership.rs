//! Who belongs to the cluster and who leads it, when a person or a shutdown says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;

use super::convert;
use super::error::{Member, MembershipError};
use super::identity::Stranger;
use super::node::RaftNode;
use super::pb;
use super::peers::CallError;
use super::status::{NodeMetrics, Role};
use crate::domain::Millis;
use crate::store::{Node, NodeId};

/// What another node said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub member: Member,
    pub cluster: Option<String>,
    /// It has a log already, so it is or was a member of a cluster.
    pub initialized: bool,
    pub version: String,
}

impl RaftNode {
    /// Asks who is at an address and whether it belongs to this cluster. `expected` refuses another node there.
    ///
    /// # Errors
    /// If nobody answers, or the node there refuses, with its reason.
    pub async fn greet(
        &self,
        address: &str,
        expected: Option<NodeId>,
        within: Duration,
    ) -> Result<Greeting, CallError> {
        let peers = &self.shared.peers;
        let request = pb::HandshakeRequest {
            cluster_id: peers.identity.cluster().unwrap_or_default(),
            node_id: self.id(),
            node: Some(convert::node_out(&peers.identity.node)),
            expected_id: expected.unwrap_or(0),
            expected_address: address.to_owned(),
        };
        let to = expected.unwrap_or(0);
        let mut client = peers.stranger(address);
        let answer = peers.call(to, within, client.handshake(peers.request(to, request))).await?;
        let node = answer.node.map(convert::node_in).unwrap_or_default();
        Ok(Greeting {
            member: Member { id: answer.node_id, node },
            cluster: Some(answer.cluster_id).filter(|id| !id.is_empty()),
            initialized: answer.initialized,
            version: answer.version,
        })
    }

    /// Makes a new cluster of these voters, this node among them. Call it on one node only, and only once; after a crash
    /// in between, when the node has the cluster's id and no log yet, it may be called again with the same id.
    ///
    /// # Errors
    /// If this node has a log or another cluster already, or is not among them.
    pub async fn initialize(&self, cluster: &str, members: Vec<Member>) -> Result<(), MembershipError> {
        if self.identity().cluster().is_some_and(|known| known != cluster) {
            return Err(MembershipError::AlreadyInitialized);
        }
        if !members.iter().any(|member| member.id == self.id()) {
            // Before the id is stored: a node that has one cannot be made part of another cluster.
            return Err(MembershipError::Refused(format!("node {} is not among the members", self.id())));
        }
        self.identity().join(cluster).map_err(|stranger| match stranger {
            Stranger::OtherCluster { .. } => MembershipError::AlreadyInitialized,
            other => MembershipError::Refused(other.to_string()),
        })?;
        let members: BTreeMap<NodeId, Node> =
            members.into_iter().map(|member| (member.id, member.node)).collect();
        self.shared.core.initialize(members).await.map_err(MembershipError::from)
    }

    /// Adds a node that receives the log and does not vote; returns when the change is committed, not when it has caught
    /// up.
    ///
    /// # Errors
    /// If this node does not lead, or another change is under way.
    pub async fn add_learner(&self, member: Member) -> Result<(), MembershipError> {
        self.shared.core.add_learner(member.id, member.node).await.map_err(MembershipError::from)
    }

    /// Makes a learner that has caught up a voter.
    ///
    /// # Errors
    /// If it lags, is no member, or as for [`RaftNode::add_learner`].
    pub async fn promote(&self, node: NodeId) -> Result<(), MembershipError> {
        self.check_caught_up(node)?;
        let change = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
        self.shared.core.change_membership(change).await.map_err(MembershipError::from)
    }

    fn check_caught_up(&self, node: NodeId) -> Result<(), MembershipError> {
        let metrics = self.leading_metrics()?;
        let max = self.shared.config.promote_lag_max;
        if metrics.voters.iter().any(|voter| voter.id == node) {
            return Ok(());
        }
        if !metrics.learners.iter().any(|learner| learner.id == node) {
            return Err(MembershipError::UnknownNode(node));
        }
        let matched = metrics.matched.get(&node).copied().unwrap_or(0);
        let lag = metrics.last_log_index.saturating_sub(matched);
        if lag > max { Err(MembershipError::Lagging { node, lag, max }) } else { Ok(()) }
    }

    /// Takes a node out, voter or learner. A leader that is to go should hand over first.
    ///
    /// # Errors
    /// If it is no member, the last voter, or as for [`RaftNode::add_learner`].
    pub async fn remove(&self, node: NodeId) -> Result<(), MembershipError> {
        let metrics = self.leading_metrics()?;
        let among = |members: &[Member]| members.iter().any(|member| member.id == node);
        let ids = BTreeSet::from([node]);
        let change = match (among(&metrics.voters), among(&metrics.learners)) {
            (true, _) => ChangeMembers::RemoveVoters(ids),
            (false, true) => ChangeMembers::RemoveNodes(ids),
            (false, false) => return Err(MembershipError::UnknownNode(node)),
        };
        self.shared.core.change_membership(change).await.map_err(MembershipError::from)
    }

    /// Hands leadership to another voter and returns when it leads.
    ///
    /// # Errors
    /// If this node does not lead, the other is no voter, or it does not lead within the election timeout.
    pub async fn transfer_leader(&self, to: NodeId) -> Result<(), MembershipError> {
        let metrics = self.leading_metrics()?;
        if !metrics.voters.iter().any(|voter| voter.id == to) {
            return Err(MembershipError::UnknownNode(to));
        }
        self.shared.core.trigger_transfer(to).await.map_err(|_| MembershipError::Stopped)?;
        self.until_it_leads(to).await
    }

    /// Only a leader judges who is a member: what a follower has seen may be old.
    fn leading_metrics(&self) -> Result<NodeMetrics, MembershipError> {
        let metrics = self.metrics();
        if metrics.role == Role::Leader {
            return Ok(metrics);
        }
        let leader = self.shared.leadership.borrow().leader.clone();
        let leader = leader.map(|leader| Member { id: leader.id, node: leader.node });
        Err(MembershipError::NotLeader { leader })
    }

    async fn until_it_leads(&self, to: NodeId) -> Result<(), MembershipError> {
        let within = Duration::from(self.shared.config.election_timeout_max);
        let mut leadership = self.leadership();
        let leads = leadership.wait_for(|seen| seen.leader.as_ref().is_some_and(|leader| leader.id == to));
        match tokio::time::timeout(within, leads).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(MembershipError::Stopped),
            Err(_) => Err(MembershipError::TransferFailed { to, within }),
        }
    }

    /// Before a shutdown: to the voter that is furthest and answers. Without one the others will find out.
    pub async fn give_up_leadership(&self) {
        let metrics = self.metrics();
        if metrics.role != Role::Leader {
            return;
        }
        let Some(to) = best_successor(&metrics, self.shared.config.election_timeout_min) else { return };
        if let Err(error) = self.transfer_leader(to).await {
            tracing::warn!(%error, "stopping without having handed leadership over");
        }
    }
}

/// Pure. Among equals the lowest id.
fn best_successor(metrics: &NodeMetrics, silent_after: Millis) -> Option<NodeId> {
    let answers = |id: &NodeId| metrics.silence.get(id).is_some_and(|silence| *silence < silent_after.into());
    let others = metrics.voters.iter().map(|voter| voter.id).filter(|id| *id != metrics.id);
    let live = others.filter(answers);
    live.max_by_key(|id| (metrics.matched.get(id).copied(), std::cmp::Reverse(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(matched: [(NodeId, u64); 2], silence: [(NodeId, u64); 2]) -> NodeMetrics {
        let member = |id| Member { id, node: Node::default() };
        NodeMetrics {
            id: 1,
            role: Role::Leader,
            term: 1,
            leader: Some(1),
            last_log_index: 9,
            committed_index: 9,
            applied_index: 9,
            snapshot_index: 0,
            purged_index: 0,
            quorum_silence: None,
            voters: vec![member(1), member(2), member(3)],
            learners: vec![member(4)],
            matched: matched.into(),
            silence: silence.into_iter().map(|(id, ms)| (id, Duration::from_millis(ms))).collect(),
        }
    }

    #[test]
    fn the_successor_is_the_furthest_voter_that_answers() {
        let limit = Millis::new(500);
        assert_eq!(best_successor(&metrics([(2, 9), (3, 9)], [(2, 1), (3, 1)]), limit), Some(2));
        assert_eq!(best_successor(&metrics([(2, 8), (3, 9)], [(2, 1), (3, 1)]), limit), Some(3));
        assert_eq!(best_successor(&metrics([(2, 8), (3, 9)], [(2, 1), (3, 800)]), limit), Some(2));
        assert_eq!(best_successor(&metrics([(2, 8), (3, 9)], [(2, 900), (3, 800)]), limit), None);
    }
}
