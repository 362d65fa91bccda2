//! How a node stands, for `cluster status` and for metrics: plain numbers, no openraft types.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::metrics::RaftMetrics;
use openraft::{Instant as _, ServerState};

use super::error::Member;
use super::forward::Digest;
use super::pb;
use crate::domain::Timestamp;
use crate::store::{LogId, NodeId, Types};

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Learner,
    Follower,
    Candidate,
    Leader,
    Stopped,
}

/// This node's consensus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMetrics {
    pub id: NodeId,
    pub role: Role,
    pub term: u64,
    pub leader: Option<NodeId>,
    pub last_log_index: u64,
    pub committed_index: u64,
    pub applied_index: u64,
    /// 0 without one.
    pub snapshot_index: u64,
    pub purged_index: u64,
    /// On a leader: how long ago a majority last answered. A leader that is cut off shows it only here.
    pub quorum_silence: Option<Duration>,
    pub voters: Vec<Member>,
    pub learners: Vec<Member>,
    /// On a leader: up to where each other member's log agrees.
    pub matched: BTreeMap<NodeId, u64>,
    /// On a leader: how long ago each other member answered.
    pub silence: BTreeMap<NodeId, Duration>,
}

/// Another node's consensus, as it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    pub id: NodeId,
    pub role: Role,
    pub term: u64,
    pub leader: Option<NodeId>,
    pub last_log_index: u64,
    pub committed_index: u64,
    pub applied_index: u64,
    pub snapshot_index: u64,
    pub digest: Digest,
    pub version: String,
    pub uptime: Duration,
    pub wall: Timestamp,
}

fn index(id: Option<&LogId>) -> u64 {
    id.map_or(0, |id| id.index)
}

fn role(metrics: &RaftMetrics<Types>) -> Role {
    if metrics.running_state.is_err() {
        return Role::Stopped;
    }
    match metrics.state {
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Stopped,
    }
}

/// None on whoever does not lead.
pub(super) fn quorum_silence(metrics: &RaftMetrics<Types>) -> Option<Duration> {
    metrics.last_quorum_acked.map(|acked| acked.elapsed())
}

impl NodeMetrics {
    pub(super) fn from_openraft(metrics: &RaftMetrics<Types>) -> NodeMetrics {
        let membership = metrics.membership_config.membership();
        let member = |id: NodeId| Some(Member { id, node: membership.get_node(&id)?.clone() });
        let silence = metrics.heartbeat.iter().flatten();
        let matched = metrics.replication.iter().flatten();
        NodeMetrics {
            id: metrics.id,
            role: role(metrics),
            term: metrics.current_term,
            leader: metrics.current_leader,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            committed_index: index(metrics.local_committed.as_ref()),
            applied_index: index(metrics.last_applied.as_ref()),
            snapshot_index: index(metrics.snapshot.as_ref()),
            purged_index: index(metrics.purged.as_ref()),
            quorum_silence: quorum_silence(metrics),
            voters: membership.voter_ids().filter_map(member).collect(),
            learners: membership.learner_ids().filter_map(member).collect(),
            matched: matched.map(|(id, log_id)| (*id, index(log_id.as_ref()))).collect(),
            silence: silence.filter_map(|(id, acked)| Some((*id, (*acked)?.elapsed()))).collect(),
        }
    }

    pub(super) fn to_wire(&self, digest: Digest, uptime: Duration, wall_ms: u64) -> pb::PeerStatusResponse {
        pb::PeerStatusResponse {
            wall_ms,
            node_id: self.id,
            role: role_out(self.role).into(),
            term: self.term,
            leader_id: self.leader.unwrap_or(0),
            last_log_index: self.last_log_index,
            commit_index: self.committed_index,
            applied_index: self.applied_index,
            snapshot_index: self.snapshot_index,
            digest: digest.value,
            digest_index: digest.index,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn role_out(role: Role) -> pb::Role {
    match role {
        Role::Learner => pb::Role::Learner,
        Role::Follower => pb::Role::Follower,
        Role::Candidate => pb::Role::Candidate,
        Role::Leader => pb::Role::Leader,
        Role::Stopped => pb::Role::Stopped,
    }
}

impl From<pb::PeerStatusResponse> for PeerStatus {
    /// A role that this version does not know cannot be a working one.
    fn from(status: pb::PeerStatusResponse) -> PeerStatus {
        let role = match status.role() {
            pb::Role::Learner => Role::Learner,
            pb::Role::Follower => Role::Follower,
            pb::Role::Candidate => Role::Candidate,
            pb::Role::Leader => Role::Leader,
            pb::Role::Stopped | pb::Role::Unspecified => Role::Stopped,
        };
        PeerStatus {
            id: status.node_id,
            role,
            term: status.term,
            leader: Some(status.leader_id).filter(|id| *id != 0),
            last_log_index: status.last_log_index,
            committed_index: status.commit_index,
            applied_index: status.applied_index,
            snapshot_index: status.snapshot_index,
            digest: Digest { index: status.digest_index, value: status.digest },
            version: status.version,
            uptime: Duration::from_millis(status.uptime_ms),
            wall: Timestamp::from_millis(status.wall_ms),
        }
    }
}
