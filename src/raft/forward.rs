//! Commands that reached a follower: one hop to the leader, with what is left of their deadline.
//!
//! The leader's JobTracker takes them like its own. What surely was not applied and what nobody can tell are kept
//! apart all the way back to the client.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::error::ForwardError;
use super::pb;
use super::pb::forward_response::Outcome;
use super::peers::{CallError, Lane, Peers};
use crate::machine::codec::{self, CodecError};
use crate::machine::{Command, Reply};
use crate::store::NodeId;

/// More than one request ever holds.
const COMMANDS_MAX: usize = 16_384;

/// Replies of commands that were applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The entry that carried the last of them.
    pub index: u64,
    /// One for each command.
    pub replies: Vec<Reply>,
}

/// What the tables add up to at an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub index: u64,
    pub value: u64,
}

/// The JobTracker behind the peer port.
pub trait ForwardTarget: Send + Sync + 'static {
    /// Proposes commands as its own and waits for their replies; refuses them when it does not lead, since there is only
    /// one hop. Boxed, because the target is chosen when the node is wired.
    fn forward(
        &self,
        commands: Vec<Command>,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>>;

    fn digest(&self) -> Digest;
}

pub(super) fn request(commands: &[Command], deadline: Duration) -> pb::ForwardRequest {
    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    pb::ForwardRequest { commands: commands.iter().map(codec::encode_command).collect(), deadline_ms }
}

/// Serves one forwarded request.
pub(super) async fn serve(target: &dyn ForwardTarget, request: pb::ForwardRequest) -> Outcome {
    let deadline = Duration::from_millis(request.deadline_ms);
    let outcome = match decode(request.commands) {
        Ok(commands) => match tokio::time::timeout(deadline, target.forward(commands, deadline)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ForwardError::Unknown { reason: "the deadline passed".to_owned() }),
        },
        Err(reason) => Err(ForwardError::NotApplied { reason, leader: None, retry_after: None }),
    };
    outcome_out(outcome)
}

fn decode(commands: Vec<Bytes>) -> Result<Vec<Command>, String> {
    if commands.len() > COMMANDS_MAX {
        return Err(format!("{} commands; at most {COMMANDS_MAX}", commands.len()));
    }
    let decoded: Result<_, CodecError> = commands.into_iter().map(codec::decode_command).collect();
    decoded.map_err(|error| format!("a command cannot be read: {error}"))
}

fn outcome_out(outcome: Result<Forwarded, ForwardError>) -> Outcome {
    match outcome {
        Ok(done) => {
            let replies = done.replies.iter().map(codec::encode_reply).collect();
            Outcome::Forwarded(pb::Forwarded { index: done.index, replies })
        }
        Err(ForwardError::NotApplied { reason, leader, retry_after }) => {
            Outcome::NotApplied(pb::NotApplied {
                reason,
                leader_id: leader.unwrap_or(0),
                retry_after_ms: retry_after
                    .map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1)),
            })
        }
        Err(ForwardError::Unknown { reason }) => Outcome::Unknown(pb::OutcomeUnknown { reason }),
    }
}

pub(super) fn outcome_in(outcome: Option<Outcome>, asked: usize) -> Result<Forwarded, ForwardError> {
    let unknown = |reason: String| ForwardError::Unknown { reason };
    match outcome.ok_or_else(|| unknown("the leader's answer is empty".to_owned()))? {
        Outcome::Forwarded(done) => {
            let replies: Result<Vec<Reply>, CodecError> =
                done.replies.into_iter().map(codec::decode_reply).collect();
            let replies = replies.map_err(|error| unknown(format!("a reply cannot be read: {error}")))?;
            if replies.len() != asked {
                return Err(unknown(format!("{} replies to {asked} commands", replies.len())));
            }
            Ok(Forwarded { index: done.index, replies })
        }
        Outcome::NotApplied(not) => Err(ForwardError::NotApplied {
            reason: not.reason,
            leader: Some(not.leader_id).filter(|id| *id != 0),
            retry_after: Some(not.retry_after_ms).filter(|ms| *ms != 0).map(Duration::from_millis),
        }),
        Outcome::Unknown(outcome) => Err(unknown(outcome.reason)),
    }
}

/// What was never sent was surely not applied; all else is unknown.
fn failed(error: CallError) -> ForwardError {
    let reason = error.to_string();
    match error {
        CallError::Unreachable { .. } => ForwardError::NotApplied { reason, leader: None, retry_after: None },
        CallError::Timeout { .. } | CallError::Failed { .. } => ForwardError::Unknown { reason },
    }
}

/// Sends commands to the leader.
pub(super) async fn send(
    peers: &Peers,
    leader: NodeId,
    address: &str,
    commands: &[Command],
    deadline: Duration,
) -> Result<Forwarded, ForwardError> {
    let mut client = peers.client(leader, address, Lane::Forward);
    let call = client.forward(peers.request(leader, request(commands, deadline)));
    let response = peers.call(leader, deadline, call).await.map_err(failed)?;
    outcome_in(response.outcome, commands.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_survives_the_wire() {
        let outcomes = [
            Ok(Forwarded { index: 7, replies: vec![Reply::Done] }),
            Err(ForwardError::NotApplied {
                reason: "busy".into(),
                leader: Some(3),
                retry_after: Some(Duration::from_millis(20)),
            }),
            Err(ForwardError::NotApplied { reason: "not leading".into(), leader: None, retry_after: None }),
            Err(ForwardError::Unknown { reason: "lost".into() }),
        ];
        for outcome in outcomes {
            assert_eq!(outcome_in(Some(outcome_out(outcome.clone())), 1), outcome);
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_is_an_unknown_outcome() {
        let short = outcome_in(Some(outcome_out(Ok(Forwarded { index: 7, replies: vec![] }))), 1);
        assert!(matches!(short, Err(ForwardError::Unknown { .. })));
        assert!(matches!(outcome_in(None, 1), Err(ForwardError::Unknown { .. })));
    }

    #[test]
    fn garbage_is_refused_before_anything_is_proposed() {
        let error = decode(vec![Bytes::from_static(b"garbage garbage")]).expect_err("no command");
        assert!(error.starts_with("a command cannot be read"), "{error}");
        assert!(decode(vec![Bytes::new(); COMMANDS_MAX + 1]).is_err());
    }
}
