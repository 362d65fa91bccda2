//! openraft's messages as the peer protocol's, and back. Total on the way out, checked on the way in.
//!
//! openraft's own structs are never serialised: they change between its versions, ours only grow. A proposal travels as
//! the bytes that the log stores and is decoded here once, by whoever receives it.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::pb;
use crate::machine::codec::CodecError;
use crate::store::encoding;
use crate::store::types::log_id;
use crate::store::{
    Entry, LogId, Membership, Node, Payload, Proposal, SnapshotMeta, StoredMembership, Types, Vote,
};

/// A message that no JobTracker of a known version sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("a proposal cannot be read: {0}")]
    Proposal(#[from] CodecError),
    #[error("a membership is wrong: {0}")]
    Membership(String),
}

fn required<T>(field: Option<T>, name: &'static str) -> Result<T, Malformed> {
    field.ok_or(Malformed::Missing(name))
}

pub(super) fn ballot(vote: &Vote) -> pb::Ballot {
    pb::Ballot { term: vote.leader_id.term, node_id: vote.leader_id.voted_for, committed: vote.committed }
}

pub(super) fn vote(ballot: &pb::Ballot) -> Vote {
    if ballot.committed {
        Vote::new_committed(ballot.term, ballot.node_id)
    } else {
        Vote::new(ballot.term, ballot.node_id)
    }
}

pub(super) fn required_vote(field: Option<pb::Ballot>) -> Result<Vote, Malformed> {
    required(field, "a vote").map(|ballot| vote(&ballot))
}

pub(super) fn log_id_out(id: &LogId) -> pb::LogId {
    pb::LogId { term: id.leader_id.term, index: id.index }
}

pub(super) fn log_id_in(id: pb::LogId) -> LogId {
    log_id(id.term, id.index)
}

pub(super) fn optional_out(id: Option<&LogId>) -> Option<pb::LogId> {
    id.map(log_id_out)
}

pub(super) fn optional_in(id: Option<pb::LogId>) -> Option<LogId> {
    id.map(log_id_in)
}

pub(super) fn node_out(node: &Node) -> pb::Node {
    pb::Node {
        name: node.name.clone(),
        peer_address: node.peer_addr.clone(),
        client_address: node.client_addr.clone(),
    }
}

pub(super) fn node_in(node: pb::Node) -> Node {
    Node { name: node.name, peer_addr: node.peer_address, client_addr: node.client_address }
}

fn membership_out(membership: &Membership) -> pb::Membership {
    let ids =
        |config: &std::collections::BTreeSet<u64>| pb::NodeIds { ids: config.iter().copied().collect() };
    pb::Membership {
        configs: membership.get_joint_config().iter().map(ids).collect(),
        nodes: membership.nodes().map(|(id, node)| (*id, node_out(node))).collect(),
    }
}

fn membership_in(membership: pb::Membership) -> Result<Membership, Malformed> {
    let configs = membership.configs.into_iter().map(|config| config.ids.into_iter().collect()).collect();
    let nodes: std::collections::BTreeMap<u64, Node> =
        membership.nodes.into_iter().map(|(id, node)| (id, node_in(node))).collect();
    let membership =
        Membership::new(configs, nodes).map_err(|error| Malformed::Membership(error.to_string()))?;
    // It goes into the log, and must come out of it again.
    encoding::check_membership(&membership).map_err(|error| Malformed::Membership(error.to_string()))?;
    Ok(membership)
}

fn entry_out(entry: &Entry) -> pb::Entry {
    let payload = match &entry.payload {
        Payload::Blank => pb::entry::Payload::Blank(pb::Blank {}),
        Payload::Normal(proposal) => pb::entry::Payload::Normal(proposal.bytes().clone()),
        Payload::Membership(membership) => pb::entry::Payload::Membership(membership_out(membership)),
    };
    pb::Entry { log_id: Some(log_id_out(&entry.log_id)), payload: Some(payload) }
}

fn entry_in(entry: pb::Entry) -> Result<Entry, Malformed> {
    let payload = match required(entry.payload, "an entry's payload")? {
        pb::entry::Payload::Blank(pb::Blank {}) => Payload::Blank,
        pb::entry::Payload::Normal(bytes) => Payload::Normal(Proposal::from_bytes(bytes)?),
        pb::entry::Payload::Membership(membership) => Payload::Membership(membership_in(membership)?),
    };
    Ok(Entry { log_id: log_id_in(required(entry.log_id, "an entry's log id")?), payload })
}

pub(super) fn append_out(request: &AppendEntriesRequest<Types>) -> pb::AppendRequest {
    pb::AppendRequest {
        vote: Some(ballot(&request.vote)),
        previous: optional_out(request.prev_log_id.as_ref()),
        entries: request.entries.iter().map(entry_out).collect(),
        leader_commit: optional_out(request.leader_commit.as_ref()),
    }
}

pub(super) fn append_in(request: pb::AppendRequest) -> Result<AppendEntriesRequest<Types>, Malformed> {
    Ok(AppendEntriesRequest {
        vote: required_vote(request.vote)?,
        prev_log_id: optional_in(request.previous),
        entries: request.entries.into_iter().map(entry_in).collect::<Result<_, _>>()?,
        leader_commit: optional_in(request.leader_commit),
    })
}

pub(super) fn stream_result_out(result: &StreamAppendResult<Types>) -> pb::append_response::Result {
    use pb::append_response::Result as Out;
    match result {
        Ok(matched) => Out::Matched(pb::Matched { log_id: optional_out(matched.as_ref()) }),
        Err(StreamAppendError::Conflict(at)) => Out::Conflict(log_id_out(at)),
        Err(StreamAppendError::HigherVote(higher)) => Out::HigherVote(ballot(higher)),
    }
}

pub(super) fn stream_result_in(response: pb::AppendResponse) -> Result<StreamAppendResult<Types>, Malformed> {
    use pb::append_response::Result as In;
    Ok(match required(response.result, "the result of an append")? {
        In::Matched(matched) => Ok(optional_in(matched.log_id)),
        In::Conflict(at) => Err(StreamAppendError::Conflict(log_id_in(at))),
        In::HigherVote(higher) => Err(StreamAppendError::HigherVote(vote(&higher))),
    })
}

/// A unary append answers in less detail: openraft does not say up to where, and a conflict is at `previous`.
pub(super) fn append_result_out(
    result: AppendEntriesResponse<Types>,
    previous: Option<LogId>,
    last: Option<LogId>,
) -> pb::append_response::Result {
    stream_result_out(&result.into_stream_result(previous, last))
}

pub(super) fn append_result_in(
    response: pb::AppendResponse,
) -> Result<AppendEntriesResponse<Types>, Malformed> {
    stream_result_in(response).map(AppendEntriesResponse::from)
}

pub(super) fn candidacy_out(request: &VoteRequest<Types>) -> pb::Candidacy {
    pb::Candidacy {
        vote: Some(ballot(&request.vote)),
        last_log: optional_out(request.last_log_id.as_ref()),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(super) fn candidacy_in(candidacy: Option<pb::Candidacy>) -> Result<VoteRequest<Types>, Malformed> {
    let candidacy = required(candidacy, "a candidacy")?;
    let mut request = VoteRequest::new(required_vote(candidacy.vote)?, optional_in(candidacy.last_log));
    request.leadership_transfer = candidacy.leadership_transfer;
    Ok(request)
}

pub(super) fn verdict_out(response: &VoteResponse<Types>) -> pb::Verdict {
    pb::Verdict {
        vote: Some(ballot(&response.vote)),
        granted: response.vote_granted,
        last_log: optional_out(response.last_log_id.as_ref()),
    }
}

pub(super) fn verdict_in(verdict: Option<pb::Verdict>) -> Result<VoteResponse<Types>, Malformed> {
    let verdict = required(verdict, "a verdict")?;
    Ok(VoteResponse::new(required_vote(verdict.vote)?, optional_in(verdict.last_log), verdict.granted))
}

pub(super) fn transfer_out(request: &TransferLeaderRequest<Types>) -> pb::TransferLeaderRequest {
    pb::TransferLeaderRequest {
        from: Some(ballot(request.from_leader())),
        to: *request.to_node_id(),
        last_log: optional_out(request.last_log_id()),
    }
}

pub(super) fn transfer_in(
    request: pb::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<Types>, Malformed> {
    Ok(TransferLeaderRequest::new(required_vote(request.from)?, request.to, optional_in(request.last_log)))
}

pub(super) fn transfer_result_out(
    result: TransferLeaderResponse<Types>,
) -> Option<pb::transfer_leader_response::Refused> {
    use pb::transfer_leader_response::Refused;
    Some(match result.err()? {
        TransferLeaderError::VoteChanged { expected, actual } => Refused::VoteChanged(pb::VoteChanged {
            expected: Some(ballot(&expected)),
            actual: Some(ballot(&actual)),
        }),
        TransferLeaderError::LogNotFlushed { expected, actual } => {
            Refused::LogNotFlushed(pb::LogNotFlushed {
                expected: optional_out(expected.as_ref()),
                actual: optional_out(actual.as_ref()),
            })
        }
    })
}

pub(super) fn transfer_result_in(
    refused: Option<pb::transfer_leader_response::Refused>,
) -> Result<TransferLeaderResponse<Types>, Malformed> {
    use pb::transfer_leader_response::Refused;
    Ok(match refused {
        None => Ok(()),
        Some(Refused::VoteChanged(changed)) => Err(TransferLeaderError::VoteChanged {
            expected: required_vote(changed.expected)?,
            actual: required_vote(changed.actual)?,
        }),
        Some(Refused::LogNotFlushed(log)) => Err(TransferLeaderError::LogNotFlushed {
            expected: optional_in(log.expected),
            actual: optional_in(log.actual),
        }),
    })
}

pub(super) fn header_out(vote: &Vote, meta: &SnapshotMeta) -> pb::SnapshotHeader {
    let membership = pb::StoredMembership {
        log_id: optional_out(meta.last_membership.log_id().as_ref()),
        membership: Some(membership_out(meta.last_membership.membership())),
    };
    pb::SnapshotHeader {
        vote: Some(ballot(vote)),
        last_log: optional_out(meta.last_log_id.as_ref()),
        membership: Some(membership),
    }
}

pub(super) fn header_in(header: pb::SnapshotHeader) -> Result<(Vote, SnapshotMeta), Malformed> {
    let vote = required_vote(header.vote)?;
    let stored = required(header.membership, "a snapshot's membership")?;
    let membership = membership_in(required(stored.membership, "a snapshot's membership")?)?;
    let meta = SnapshotMeta {
        last_log_id: optional_in(header.last_log),
        last_membership: StoredMembership::new(optional_in(stored.log_id), membership),
    };
    Ok((vote, meta))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost::Message;

    use super::*;
    use crate::domain::Timestamp;
    use crate::machine::{Command, LogEntry};

    fn membership() -> Membership {
        let node = |name: &str| Node {
            name: name.into(),
            peer_addr: format!("{name}:5871"),
            client_addr: format!("{name}:5870"),
        };
        let nodes = BTreeMap::from([(1, node("n1")), (2, node("n2")), (9, node("learner"))]);
        Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], nodes).expect("a right membership")
    }

    fn proposal() -> Proposal {
        Proposal::new(LogEntry {
            at: Timestamp::from_millis(5),
            commands: vec![Command::Tick, Command::Expire],
        })
    }

    #[test]
    fn an_append_survives_the_wire() {
        let entry = |index, payload| Entry { log_id: log_id(3, index), payload };
        let request = AppendEntriesRequest::<Types> {
            vote: Vote::new_committed(3, 1),
            prev_log_id: Some(log_id(2, 6)),
            entries: vec![
                entry(7, Payload::Blank),
                entry(8, Payload::Normal(proposal())),
                entry(9, Payload::Membership(membership())),
            ],
            leader_commit: None,
        };
        let bytes = append_out(&request).encode_to_vec();
        let read =
            append_in(pb::AppendRequest::decode(&*bytes).expect("our own bytes")).expect("our own message");
        assert_eq!(
            (read.vote, read.prev_log_id, read.leader_commit),
            (request.vote, request.prev_log_id, None)
        );
        assert_eq!(read.entries, request.entries);
    }

    #[test]
    fn every_answer_to_an_append_survives_the_wire() {
        let answers: [StreamAppendResult<Types>; 4] = [
            Ok(None),
            Ok(Some(log_id(3, 9))),
            Err(StreamAppendError::Conflict(log_id(2, 6))),
            Err(StreamAppendError::HigherVote(Vote::new(4, 2))),
        ];
        for answer in answers {
            let response = pb::AppendResponse { wall_ms: 1, result: Some(stream_result_out(&answer)) };
            assert_eq!(stream_result_in(response), Ok(answer));
        }
    }

    #[test]
    fn a_candidacy_keeps_that_it_is_a_transfer() {
        let mut request = VoteRequest::<Types>::new(Vote::new(4, 2), Some(log_id(3, 9)));
        request.leadership_transfer = true;
        assert_eq!(candidacy_in(Some(candidacy_out(&request))), Ok(request));
        let response = VoteResponse::<Types>::new(Vote::new(4, 2), None, true);
        assert_eq!(verdict_in(Some(verdict_out(&response))), Ok(response));
    }

    #[test]
    fn a_refused_transfer_says_why() {
        let refused = [
            Ok(()),
            Err(TransferLeaderError::VoteChanged {
                expected: Vote::new(1, 1),
                actual: Vote::new_committed(2, 2),
            }),
            Err(TransferLeaderError::LogNotFlushed { expected: Some(log_id(1, 4)), actual: None }),
        ];
        for result in refused {
            assert_eq!(transfer_result_in(transfer_result_out(result.clone())), Ok(result));
        }
    }

    #[test]
    fn a_snapshot_header_survives_the_wire() {
        let meta = SnapshotMeta {
            last_log_id: Some(log_id(3, 9)),
            last_membership: StoredMembership::new(Some(log_id(2, 4)), membership()),
        };
        let vote = Vote::new_committed(3, 1);
        assert_eq!(header_in(header_out(&vote, &meta)), Ok((vote, meta)));
    }

    #[test]
    fn what_is_missing_or_cannot_be_read_is_named() {
        let missing = append_in(pb::AppendRequest::default()).expect_err("no vote");
        assert_eq!(missing.to_string(), "a vote is missing");
        let garbage = pb::entry::Payload::Normal(bytes::Bytes::from_static(b"\xff garbage, not an entry"));
        let entry = pb::Entry { log_id: Some(pb::LogId { term: 1, index: 1 }), payload: Some(garbage) };
        assert!(matches!(entry_in(entry), Err(Malformed::Proposal(CodecError::Version(255)))));
    }

    #[test]
    fn a_membership_that_the_log_cannot_keep_is_refused() {
        let node = |name: String| pb::Node { name, ..pb::Node::default() };
        let ids = |ids: std::ops::Range<u64>| vec![pb::NodeIds { ids: ids.collect() }];
        let long = [(1, node("n".repeat(70_000)))].into();
        let many = (0..2000).map(|id| (id, node(String::new()))).collect();
        for (nodes, configs) in [(long, ids(1..2)), (many, ids(0..2))] {
            let refused = membership_in(pb::Membership { configs, nodes });
            assert!(matches!(refused, Err(Malformed::Membership(_))), "{refused:?}");
        }
        assert_eq!(membership_in(membership_out(&membership())), Ok(membership()));
    }
}
