//! How asking consensus can fail, named by what the caller can do next.

use std::fmt;
use std::time::Duration;

use openraft::errors::{
    ChangeMembershipError, ClientWriteError, ForwardToLeader, InitializeError, LinearizableReadError,
    RaftError,
};

use super::core::WriteError;
use crate::domain::FieldError;
use crate::store::{Node, NodeId, Types};

/// A member of the cluster and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: NodeId,
    pub node: Node,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.node.name, self.id)
    }
}

/// Where to go instead, as a fragment.
fn instead(leader: &Option<Member>) -> String {
    leader.as_ref().map_or_else(|| "nobody is known to lead".to_owned(), |leader| format!("{leader} leads"))
}

/// What became of a proposal that was not applied, as far as this node knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Never proposed, so surely not applied: ask the leader. Right after an election nobody may be known; also a leader
    /// that has not heard from a majority for long refuses like this.
    #[error("this node does not lead; {}", instead(.leader))]
    NotLeader { leader: Option<Member> },
    /// It was proposed, and leadership was lost before it was committed. It may have been applied or may be later.
    #[error("leadership was lost before the proposal was committed; its outcome is unknown")]
    Unknown,
    /// Never proposed, so surely not applied: consensus has stopped.
    #[error("consensus has stopped")]
    Stopped,
}

/// Why there is no linearizable read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("this node does not lead; {}", instead(.leader))]
    NotLeader { leader: Option<Member> },
    #[error("no majority confirmed that this node still leads")]
    NoQuorum,
    #[error("the leader cannot be asked: {0}")]
    Leader(String),
    #[error("index {index} was not applied within {within:?}")]
    Behind { index: u64, within: Duration },
    #[error("consensus has stopped")]
    Stopped,
}

/// Why the membership did not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    #[error("this node does not lead; {}", instead(.leader))]
    NotLeader { leader: Option<Member> },
    /// Try again soon.
    #[error("another change of the membership is under way")]
    InProgress,
    #[error("node {0} is not a member")]
    UnknownNode(NodeId),
    #[error("learner {node} is {lag} entries behind; at most {max} to be promoted")]
    Lagging { node: NodeId, lag: u64, max: u64 },
    #[error("node {to} did not take over within {within:?}")]
    TransferFailed { to: NodeId, within: Duration },
    /// It may still come about.
    #[error("leadership was lost before the change was committed; its outcome is unknown")]
    Unknown,
    #[error("the cluster exists already")]
    AlreadyInitialized,
    #[error("refused: {0}")]
    Refused(String),
    #[error("consensus has stopped")]
    Stopped,
}

/// Why consensus did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the configuration is wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<FieldError>),
    #[error("consensus cannot start: {0}")]
    Storage(String),
}

/// Why a forwarded command was not proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// The node that was asked does not lead, is out of reach, or cannot read the command.
    Elsewhere,
    /// Too much is waiting there.
    Busy { retry_after: Duration },
    /// The leader's disk is almost full.
    DiskLow,
}

/// What became of a command that was forwarded to the leader and has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Surely not applied, neither now nor later.
    #[error("not applied: {reason}")]
    NotApplied { cause: NotApplied, reason: String },
    /// Nobody can tell.
    #[error("the outcome is unknown: {reason}")]
    Unknown { reason: String },
}

fn member(forward: ForwardToLeader<Types>) -> Option<Member> {
    Some(Member { id: forward.leader_id?, node: forward.leader_node? })
}

impl From<ClientWriteError<Types>> for ProposeError {
    /// openraft forwards only what it did not append; what it appended and lost it calls discarded.
    fn from(error: ClientWriteError<Types>) -> ProposeError {
        match error {
            ClientWriteError::ForwardToLeader(forward) => ProposeError::NotLeader { leader: member(forward) },
            ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_) => ProposeError::Unknown,
        }
    }
}

impl From<RaftError<Types, LinearizableReadError<Types>>> for ReadError {
    fn from(error: RaftError<Types, LinearizableReadError<Types>>) -> ReadError {
        match error {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => {
                ReadError::NotLeader { leader: member(forward) }
            }
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => ReadError::NoQuorum,
            RaftError::Fatal(_) => ReadError::Stopped,
        }
    }
}

impl From<WriteError> for MembershipError {
    fn from(error: WriteError) -> MembershipError {
        let error = match error {
            RaftError::APIError(error) => error,
            RaftError::Fatal(_) => return MembershipError::Stopped,
        };
        match error {
            ClientWriteError::ForwardToLeader(forward) => {
                MembershipError::NotLeader { leader: member(forward) }
            }
            ClientWriteError::LogEntryDiscarded(_) => MembershipError::Unknown,
            ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
            )
            | ClientWriteError::PreconditionFailed(_) => MembershipError::InProgress,
            ClientWriteError::ChangeMembershipError(ChangeMembershipError::LearnerNotFound(missing)) => {
                MembershipError::UnknownNode(missing.node_id)
            }
            ClientWriteError::ChangeMembershipError(
                error @ (ChangeMembershipError::EmptyMembership(_)
                | ChangeMembershipError::UnsupportedMembershipTransition(_)
                | ChangeMembershipError::NodeMetadataChanged(_)),
            ) => MembershipError::Refused(error.to_string()),
        }
    }
}

impl From<RaftError<Types, InitializeError<Types>>> for MembershipError {
    fn from(error: RaftError<Types, InitializeError<Types>>) -> MembershipError {
        match error {
            RaftError::APIError(InitializeError::NotAllowed(_)) => MembershipError::AlreadyInitialized,
            RaftError::APIError(error @ InitializeError::NotInMembers(_)) => {
                MembershipError::Refused(error.to_string())
            }
            RaftError::Fatal(_) => MembershipError::Stopped,
        }
    }
}
