//! What a TaskTracker's session, or a JobClient that listens, and the leader say to each other, in the domain's words; `rpc` turns it into messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::{
    BizLogLine, ExecutionId, Identity, Kind, Millis, NodeGroup, Outcome, RunId, SessionId, Timestamp,
};
use crate::machine::command::FeedbackFailure;
use crate::machine::reply::{CompleteAnswer, Push};
use crate::machine::row::FeedbackRow;
use crate::machine::stats::TrackerStats;

/// Messages that may wait for a session's stream. A TaskTracker that does not read is cut off: it comes back, and what
/// it did not receive is pushed again.
pub const OUTBOX_MESSAGES_MAX: usize = 1024;

/// The way to a session's stream.
pub type Outbox = mpsc::Sender<ToTracker>;

/// A TaskTracker introduces itself.
#[derive(Clone, Debug)]
pub struct Hello {
    pub node_group: NodeGroup,
    pub identity: Identity,
    pub start: u64,
    pub capacity: u32,
    pub kinds: BTreeSet<Kind>,
    pub running: BTreeSet<ExecutionId>,
    pub owed: BTreeSet<ExecutionId>,
    /// It wants no pushes, only to hand in what it owes.
    pub draining: bool,
    /// Counts the streams of its process; 0 if it does not say.
    pub stream_number: u64,
}

/// What comes from a session after its hello.
#[derive(Clone, Debug)]
pub enum FromTracker {
    Completed {
        results: Vec<ExecutionResult>,
        /// Whether it takes another push.
        has_room: bool,
    },
    /// It gives these back; whether they had begun.
    Returned {
        executions: Vec<ExecutionId>,
        began: bool,
    },
    BizLogs(Vec<Lines>),
    /// It is alive, and runs these.
    Heartbeat {
        sequence: u64,
        running: BTreeSet<ExecutionId>,
    },
    /// Asked, it does not know these.
    Unknown(Vec<ExecutionId>),
    /// It takes pushes, or none for now.
    Accepting(bool),
    /// It runs so many executions at a time from now on.
    Resize(u32),
    /// Its minutes.
    Samples(Vec<Sample>),
    /// It has finished everything and goes.
    Left,
}

/// What a TaskTracker tells of a minute.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Counts the samples of its process.
    pub number: u64,
    pub minute: Timestamp,
    pub stats: TrackerStats,
}

#[derive(Clone, Debug)]
pub struct ExecutionResult {
    pub execution: ExecutionId,
    /// Where to write down a stale result, if the TaskTracker said it.
    pub run: Option<RunId>,
    pub outcome: Outcome,
    /// It was sent before and not acknowledged.
    pub resent: bool,
    /// From begin to end, by the TaskTracker's clock, if it said both.
    pub took: Option<Millis>,
}

#[derive(Clone, Debug)]
pub struct Lines {
    pub execution: ExecutionId,
    pub first: u64,
    pub lines: Vec<BizLogLine>,
}

/// What the leader says to a session.
#[derive(Clone, Debug)]
pub enum ToTracker {
    Welcome {
        session: SessionId,
        term: u64,
    },
    Refused(Refused),
    Push {
        term: u64,
        pushes: Vec<Push>,
    },
    /// A majority confirmed, after the heartbeat came, that this leader leads.
    HeartbeatAck(u64),
    CompletedAck(Vec<(ExecutionId, CompleteAnswer)>),
    BizLogsAck(Vec<(ExecutionId, u64)>),
    /// Samples up to this number are committed.
    SamplesAck(u64),
    Terminate {
        execution: ExecutionId,
        why: &'static str,
    },
    Ask(Vec<ExecutionId>),
    /// An operator drains it, or no longer does.
    Drain {
        draining: bool,
        leave: bool,
        reason: String,
    },
    /// How many executions it runs at a time.
    Resize(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another live process has this identity.
    IdentityInUse,
    /// Another stream of the same process carries the session.
    Replaced,
    /// The session is offline in the tables; say hello again.
    SessionEnded,
    NotLeader,
}

/// The way to a JobClient's stream.
pub type ClientOutbox = mpsc::Sender<ToClient>;

/// What comes from a JobClient that listens.
#[derive(Clone, Debug)]
pub enum FromClient {
    /// Its handler succeeded.
    Heard(Vec<RunId>),
    /// Its handler failed.
    Failed(Vec<FeedbackFailure>),
}

/// What the leader says to a JobClient that listens.
#[derive(Clone, Debug)]
pub enum ToClient {
    Welcome { term: u64 },
    Feedback(Vec<(RunId, Arc<FeedbackRow>)>),
}
