//! A command that reached a follower: one hop to the leader, with what is left of its deadline.
//!
//! The leader's JobTracker takes it like its own. What surely was not applied and what nobody can tell are kept
//! apart all the way back to the client.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::error::{ForwardError, NotApplied};
use super::pb;
use super::pb::forward_response::Outcome;
use super::peers::{CallError, Lane, Peers};
use crate::machine::codec;
use crate::machine::{Command, Reply};
use crate::store::NodeId;

/// A command that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The entry that carried it.
    pub index: u64,
    /// The term of the leader that proposed it.
    pub term: u64,
    pub reply: Reply,
}

/// What the tables add up to at an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub index: u64,
    pub value: u64,
}

/// The JobTracker behind the peer port.
pub trait ForwardTarget: Send + Sync + 'static {
    /// Proposes a command as its own and waits for its reply; refuses it when it does not lead, since there is only one
    /// hop. One at a time: of several, some might be applied and some not. Boxed, because the target is chosen when the
    /// node is wired.
    fn forward(
        &self,
        command: Command,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>>;

    fn digest(&self) -> Digest;
}

pub(super) fn request(command: &Command, deadline: Duration) -> pb::ForwardRequest {
    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    pb::ForwardRequest { command: codec::encode_command(command), deadline_ms }
}

/// Serves one forwarded request.
pub(super) async fn serve(target: &dyn ForwardTarget, request: pb::ForwardRequest) -> Outcome {
    let deadline = Duration::from_millis(request.deadline_ms);
    let outcome = match codec::decode_command(request.command) {
        Ok(command) => match tokio::time::timeout(deadline, target.forward(command, deadline)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ForwardError::Unknown { reason: "the deadline passed".to_owned() }),
        },
        Err(error) => Err(ForwardError::NotApplied {
            cause: NotApplied::Elsewhere,
            reason: format!("the command cannot be read: {error}"),
        }),
    };
    outcome_out(outcome)
}

fn outcome_out(outcome: Result<Forwarded, ForwardError>) -> Outcome {
    match outcome {
        Ok(Forwarded { index, term, reply }) => {
            Outcome::Forwarded(pb::Forwarded { index, term, reply: codec::encode_reply(&reply) })
        }
        Err(ForwardError::NotApplied { cause, reason }) => {
            let (cause, retry_after_ms) = cause_out(cause);
            Outcome::NotApplied(pb::NotApplied { reason, cause: cause.into(), retry_after_ms })
        }
        Err(ForwardError::Unknown { reason }) => Outcome::Unknown(pb::OutcomeUnknown { reason }),
    }
}

fn cause_out(cause: NotApplied) -> (pb::NotAppliedCause, u64) {
    match cause {
        NotApplied::Elsewhere => (pb::NotAppliedCause::Unspecified, 0),
        NotApplied::Busy { retry_after } => {
            (pb::NotAppliedCause::Busy, u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX))
        }
        NotApplied::DiskLow => (pb::NotAppliedCause::DiskLow, 0),
    }
}

fn cause_in(not: &pb::NotApplied) -> NotApplied {
    match not.cause() {
        pb::NotAppliedCause::Unspecified => NotApplied::Elsewhere,
        pb::NotAppliedCause::Busy => {
            NotApplied::Busy { retry_after: Duration::from_millis(not.retry_after_ms) }
        }
        pb::NotAppliedCause::DiskLow => NotApplied::DiskLow,
    }
}

pub(super) fn outcome_in(outcome: Option<Outcome>) -> Result<Forwarded, ForwardError> {
    let unknown = |reason: String| ForwardError::Unknown { reason };
    match outcome.ok_or_else(|| unknown("the leader's answer is empty".to_owned()))? {
        Outcome::Forwarded(pb::Forwarded { index, term, reply }) => {
            let reply = codec::decode_reply(reply);
            let reply = reply.map_err(|error| unknown(format!("the reply cannot be read: {error}")))?;
            Ok(Forwarded { index, term, reply })
        }
        Outcome::NotApplied(not) => {
            Err(ForwardError::NotApplied { cause: cause_in(&not), reason: not.reason })
        }
        Outcome::Unknown(outcome) => Err(unknown(outcome.reason)),
    }
}

/// What was never sent was surely not applied; all else is unknown.
fn failed(error: CallError) -> ForwardError {
    let reason = error.to_string();
    match error {
        CallError::Unreachable { .. } => ForwardError::NotApplied { cause: NotApplied::Elsewhere, reason },
        CallError::Timeout { .. } | CallError::Failed { .. } => ForwardError::Unknown { reason },
    }
}

/// Sends a command to the leader.
pub(super) async fn send(
    peers: &Peers,
    leader: NodeId,
    address: &str,
    command: &Command,
    deadline: Duration,
) -> Result<Forwarded, ForwardError> {
    let mut client = peers.client(leader, address, Lane::Forward);
    let call = client.forward(peers.request(leader, request(command, deadline)));
    let response = peers.call(leader, deadline, call).await.map_err(failed)?;
    outcome_in(response.outcome)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_outcome_survives_the_wire() {
        let not_applied = |cause| Err(ForwardError::NotApplied { cause, reason: "for people".into() });
        let outcomes = [
            Ok(Forwarded { index: 7, term: 3, reply: Reply::Done }),
            not_applied(NotApplied::Busy { retry_after: Duration::from_millis(20) }),
            not_applied(NotApplied::DiskLow),
            not_applied(NotApplied::Elsewhere),
            Err(ForwardError::Unknown { reason: "lost".into() }),
        ];
        for outcome in outcomes {
            assert_eq!(outcome_in(Some(outcome_out(outcome.clone()))), outcome);
        }
    }

    #[test]
    fn an_answer_that_says_nothing_is_an_unknown_outcome() {
        let garbage = pb::Forwarded { index: 7, term: 3, reply: Bytes::from_static(b"?") };
        for answer in [None, Some(Outcome::Forwarded(garbage))] {
            assert!(matches!(outcome_in(answer), Err(ForwardError::Unknown { .. })));
        }
    }

    /// A node that must not be asked.
    struct Nobody;

    impl ForwardTarget for Nobody {
        fn forward(&self, _: Command, _: Duration) -> BoxFuture<'static, Result<Forwarded, ForwardError>> {
            unreachable!("garbage is no command")
        }

        fn digest(&self) -> Digest {
            Digest::default()
        }
    }

    #[tokio::test]
    async fn garbage_is_refused_before_anything_is_proposed() {
        let command = Bytes::from_static(b"garbage garbage");
        let outcome = serve(&Nobody, pb::ForwardRequest { command, deadline_ms: 1000 }).await;
        let Outcome::NotApplied(not) = outcome else { panic!("{outcome:?}") };
        assert!(not.reason.starts_with("the command cannot be read"), "{}", not.reason);
    }
}
