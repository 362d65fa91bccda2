//! What is asked of a leader, who wants to know what became of it, and what a proposed entry will bring.

use tokio::sync::oneshot;

use crate::dispatch::client_notifier::Listening;
use crate::domain::{ExecutionId, Kind, NodeGroup, RunId, SessionId};
use crate::jobtracker::leader::lanes::{Lane, Pass};
use crate::jobtracker::session::{ClientOutbox, FromClient, FromTracker, Hello, Outbox};
use crate::machine::command::{JobPlan, OfflineReason};
use crate::machine::{Applied, Command, LogEntry, Reply};

/// What became of a caller's command.
#[derive(Debug)]
pub enum Outcome {
    Applied {
        index: u64,
        reply: Reply,
    },
    /// Surely never proposed.
    NotApplied,
    /// Proposed, and then leadership was lost: nobody can tell yet.
    Unknown,
}

/// What reaches the leader's loop.
#[derive(Debug)]
pub enum ToLeader {
    Propose {
        lane: Lane,
        command: Command,
        pass: Pass,
        reply: oneshot::Sender<Outcome>,
    },
    Hello {
        hello: Hello,
        outbox: Outbox,
        stream: u64,
    },
    From {
        stream: u64,
        what: FromTracker,
        pass: Pass,
    },
    Detached {
        stream: u64,
    },
    Planned(Vec<JobPlan>),
    /// A JobClient listens.
    Listen {
        listening: Listening,
        outbox: ClientOutbox,
        stream: u64,
    },
    FromClient {
        stream: u64,
        what: FromClient,
        pass: Pass,
    },
    /// A JobClient's stream ended.
    Unlisten {
        stream: u64,
    },
    /// Who listens now.
    Listeners(oneshot::Sender<Vec<Listening>>),
}

/// Who wants to know what became of a command.
#[derive(Debug)]
pub(super) enum Origin {
    Caller {
        reply: oneshot::Sender<Outcome>,
        _pass: Pass,
    },
    Hello(Box<Attaching>),
    Completed {
        session: SessionId,
        executions: Vec<ExecutionId>,
        _pass: Pass,
    },
    BizLogs {
        session: SessionId,
        up_to: Vec<(ExecutionId, u64)>,
        _pass: Pass,
    },
    Samples {
        session: SessionId,
        up_to: u64,
        _pass: Pass,
    },
    Dispatch {
        session: SessionId,
        asked: u32,
    },
    Offline {
        session: SessionId,
        reason: OfflineReason,
    },
    Plan,
    Tick,
    /// What JobClients answered, or did not.
    Feedback {
        group: NodeGroup,
        runs: Vec<RunId>,
        _pass: Option<Pass>,
    },
    Own,
}

/// A session whose `TrackerOnline` is under way.
#[derive(Debug)]
pub(super) struct Attaching {
    pub(super) hello: Hello,
    pub(super) outbox: Outbox,
    pub(super) stream: u64,
}

/// An entry to propose, and who waits for what in it.
pub(in crate::jobtracker::leader) type Closed = (LogEntry, Proposed);

/// What a proposed entry will bring.
#[derive(Debug)]
pub(in crate::jobtracker::leader) struct Proposed {
    pub(super) origins: Vec<Origin>,
    /// Runs that its submits make ready, so that an entry after it does not forget them.
    pub(super) expected: Vec<(NodeGroup, Kind, usize)>,
}

impl Proposed {
    /// After the term: the callers hear what became of their commands; the sessions have gone to the next leader.
    pub(in crate::jobtracker::leader) fn conclude(self, result: Result<Applied, Outcome>) {
        let callers = self.origins.into_iter().map(|origin| match origin {
            Origin::Caller { reply, .. } => Some(reply),
            Origin::Hello(_)
            | Origin::Completed { .. }
            | Origin::BizLogs { .. }
            | Origin::Samples { .. }
            | Origin::Dispatch { .. }
            | Origin::Offline { .. }
            | Origin::Plan
            | Origin::Tick
            | Origin::Feedback { .. }
            | Origin::Own => None,
        });
        let (index, replies, unknown) = match result {
            Ok(applied) => (applied.index, applied.replies, Outcome::Unknown),
            Err(outcome) => (0, Vec::new(), outcome),
        };
        let definite = matches!(unknown, Outcome::NotApplied);
        let mut replies = replies.into_iter();
        for caller in callers {
            let outcome = match replies.next() {
                Some(reply) => Outcome::Applied { index, reply },
                None if definite => Outcome::NotApplied,
                None => Outcome::Unknown,
            };
            // A caller that went away wants no answer.
            let _ = caller.map(|caller| caller.send(outcome));
        }
    }
}
