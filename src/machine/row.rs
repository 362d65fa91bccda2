//! What the tables hold. The order of variants and fields is part of the stored format: see `codec`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::alarm::{AlarmRow, SilenceRow};
use super::command::{Fingerprint, OfflineReason, ReclaimReason, RequestKey};
use super::limits::Limits;
use super::reply::{ActAnswer, CancelAnswer, Refusal, SubmitAnswer, UpdateAnswer};
use super::stats::{GroupStats, JobTrackerStats, TrackerStats};
use crate::domain::{
    Action, BizLogLevel, ClientId, ExecutionId, Identity, JobId, JobSpec, Kind, Millis, NodeGroup, Position,
    RunId, SessionId, TaskId, Timestamp,
};

/// A value of one of the tables, of the variant that its key says.
///
/// Small, since layers and overlays keep rows in ordered maps that move them about: what is large is behind a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Job(Arc<JobRow>),
    Body(BodyRow),
    /// Who has, or last had, a task key.
    TaskKey(JobId),
    Live(Arc<LiveRun>),
    Periodic(Arc<PeriodicRow>),
    Ledger(Arc<LedgerRow>),
    Finished,
    JobLog(Box<JobLogRow>),
    Tracker(Arc<TrackerRow>),
    Group(Box<GroupRow>),
    Client(ClientRow),
    Answer(Box<AnswerRow>),
    Request(Box<RequestRow>),
    RequestAge,
    /// The node group of a job that was deleted or forgotten, as long as rows of it are left.
    Deleted(NodeGroup),
    NodeEvent(Box<NodeEventRow>),
    LogAge(LogAgeRow),
    Paused(Box<Hold>),
    /// A group's counters as they were when its last row of the series was made.
    Sampled(Box<GroupRow>),
    GroupStats(Box<GroupStats>),
    TrackerStats(Box<TrackerStats>),
    JobTrackerStats(Box<JobTrackerStats>),
    Alarm(Box<AlarmRow>),
    Silence(Box<SilenceRow>),
    Meta(Box<MetaRow>),
    /// Opaque to the machine: consensus keeps its marks in the same layer as the rows they belong to.
    Mark(Bytes),
    Feedback(Arc<FeedbackRow>),
    FeedbackGroup(Box<FeedbackGroupRow>),
}

const _: () = assert!(size_of::<Row>() <= 40, "a row is moved often");

/// A job as of its newest revision. Put once a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    pub revision: u32,
    pub created: Timestamp,
    /// When this revision came.
    pub updated: Timestamp,
    /// The number of the next run, unless a periodic row knows it.
    pub next_number: u64,
    /// Since when it is suspended; only a job that lives is.
    pub suspended: Option<Timestamp>,
    /// Where the index of finished runs has its end, if it ended without a run that would be found there.
    pub end_marked: Option<(NodeGroup, Timestamp)>,
    /// The revision that brought its schedule and misfire policy: an update of something else leaves its plan alone.
    pub schedule_revision: u32,
    /// When its schedule came: what an expression such as `@every 90s` counts from.
    pub schedule_since: Timestamp,
    pub spec: Arc<JobSpec>,
}

/// The specification of an older revision that executing runs still use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyRow {
    /// How many runs use it; the last one takes it away.
    pub users: u32,
    pub spec: Arc<JobSpec>,
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRun {
    pub node_group: NodeGroup,
    pub kind: Kind,
    pub priority: i32,
    /// The revision of the job that it runs: the newest, unless it was dispatched before that came.
    pub revision: u32,
    /// The revision whose schedule it is an instant of.
    pub schedule_revision: u32,
    /// The planned instant, or the time of the request for a run by hand.
    pub due: Timestamp,
    pub created: Timestamp,
    /// It is skipped if it has not started by then.
    pub start_by: Option<Timestamp>,
    /// Whether the job's periodic row counts it.
    pub periodic: bool,
    /// Whether an operator asked for it, so that it is no planned instant.
    pub by_hand: bool,
    /// The job was replaced while it executed: there is no further attempt.
    pub superseded: bool,
    /// The JobClients that shall hear how it ends.
    pub feedback_to: Option<NodeGroup>,
    pub state: LiveState,
    pub retries: u32,
    pub reclaims: u32,
    /// Set by Cancel and Terminate: there is no further attempt.
    pub stop: Option<Stop>,
    /// Asked for by hand while its job was suspended: that does not hold it.
    pub despite_suspend: bool,
    /// Executions so far, the current one included.
    pub executions: u32,
    /// The last ones that ended, oldest first, at most [`super::limits::ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// Biz log lines of the current execution that were written or dropped.
    pub log_lines: u64,
    /// Biz log bytes of the current execution that were written.
    pub log_bytes: u32,
    /// The job log's line that says how many lines of the current execution were dropped, and how many.
    pub log_dropped: Option<(Position, u64)>,
}

impl LiveRun {
    /// Until when it may start; none if it has started before, or may start at any time.
    pub fn may_start_by(&self) -> Option<Timestamp> {
        self.start_by.filter(|_| self.executions == 0)
    }

    /// Whether it is a planned instant of a periodic job that has not started.
    pub fn is_fresh_instant(&self) -> bool {
        self.periodic && !self.by_hand && self.executions == 0
    }

    pub fn is_too_late(&self, now: Timestamp) -> bool {
        self.may_start_by().is_some_and(|start_by| now > start_by)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LiveState {
    /// Not yet due, or waiting for a retry.
    Waiting {
        until: Timestamp,
    },
    /// May be dispatched.
    Ready {
        since: Timestamp,
    },
    /// Of a one-shot job that is suspended: when it is resumed it waits until then, or is ready if it was.
    Suspended {
        until: Option<Timestamp>,
    },
    Executing {
        execution: ExecutionId,
        session: SessionId,
        tracker: Identity,
        since: Timestamp,
    },
}

/// Why a run shall have no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    Cancel,
    Terminate,
}

/// One ended execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub execution: ExecutionId,
    pub tracker: Identity,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub end: AttemptEnd,
    /// Its result came again, or came only when it was sent again.
    pub resent: bool,
    /// What the runner said went wrong; cut to fit.
    pub error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptEnd {
    Completed(Action),
    Reclaimed(ReclaimReason),
    /// Its TaskTracker interrupted it for reasons of its own and gave it back.
    Interrupted,
}

/// The rhythm of a cron or repeat job that still has instants or live runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodicRow {
    pub node_group: NodeGroup,
    /// The revision that brought the schedule it follows.
    pub revision: u32,
    pub rhythm: Rhythm,
    /// The last instant that has a run or a fate; at first the time from which to plan.
    pub settled: Timestamp,
    /// The number of the next run or skipped range.
    pub next_number: u64,
    /// How many runs are live.
    pub live: u32,
    /// The ledger row of the last settled instants if they were skipped, so that the next skip extends it.
    pub last_skip: Option<(u64, SkipReason)>,
    /// Its job is suspended: no instant ripens and none is planned.
    pub suspended: bool,
    /// When its cron job was resumed: the next plan says which instants until then fell due while it was suspended.
    pub resumed: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rhythm {
    /// Cron: the leader plans ahead.
    ///
    /// `stalled`: the next instants are late and the misfire policy cannot decide before the plan goes on.
    Planned { ahead: VecDeque<Timestamp>, ended: bool, stalled: bool },
    /// Repeat: a grid from `next` by `interval`; `remaining` counts `next` too, `None` is without end.
    Grid { next: Timestamp, interval: Millis, remaining: Option<u64> },
    /// Cancelled, or replaced by a one-shot job that starts when the last live run has ended.
    Stopped { restart: bool },
}

/// What became of a run, or of a range of instants that had none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    pub revision: u32,
    /// The revision whose schedule it is an instant of.
    pub schedule_revision: u32,
    /// Whether an operator asked for it, so that it is no planned instant.
    pub by_hand: bool,
    /// The planned instant; the first one of a skipped range.
    pub due: Timestamp,
    pub ended: Timestamp,
    pub fate: Fate,
    pub retries: u32,
    pub reclaims: u32,
    pub executions: u32,
    pub attempts: Vec<Attempt>,
    /// What the runner returned.
    pub result: Bytes,
    /// Why it did not succeed.
    pub error: String,
}

/// The one fate of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fate {
    Succeeded,
    /// The runner said so, or an operator terminated it: no retry.
    Failed,
    /// Retries or reclaims are used up.
    Dead,
    Cancelled,
    /// The instants from `due` to `last` never ran.
    Skipped {
        reason: SkipReason,
        last: Timestamp,
        count: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SkipReason {
    /// A run of the job was live, and it relies on its previous cycle.
    PreviousStillLive,
    /// It ripened too late, and the misfire policy drops it.
    Misfired,
    /// It could not start before its start deadline.
    DeadlinePassed,
    /// A newer revision of the job came before it started.
    Superseded,
    /// Too many runs of the job were live.
    TooManyLive,
    /// The job was suspended.
    Suspended,
}

/// One line of the job log that is not a view of another row: about a run, or about the job itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLogRow {
    pub at: Timestamp,
    /// None when the line is about the job or about a run as a whole.
    pub execution: Option<ExecutionId>,
    pub what: JobLogKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobLogKind {
    Biz {
        level: BizLogLevel,
        text: String,
    },
    /// Lines that came after the limit, or were dropped on their way.
    BizDropped {
        lines: u64,
    },
    /// A completion of an older execution came late.
    StaleCompletion {
        action: Action,
    },
    /// Somebody did something to the job or to one of its runs.
    Act {
        act: JobAct,
        why: Why,
    },
}

/// What was done to a job by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobAct {
    /// It has this revision now.
    Updated(u32),
    Cancelled,
    Suspended,
    Resumed,
    /// It runs now, as this run.
    Triggered(RunId),
    /// An ended run runs again, as this one.
    Retried(RunId),
    /// The execution shall stop.
    Terminated(ExecutionId),
}

/// Who asked for something, and for what reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The client session, if the request came in one.
    pub by: Option<ClientId>,
    /// In the asker's words; may be empty.
    pub reason: String,
}

impl Why {
    pub fn of(request: &RequestKey, reason: &str) -> Why {
        let by = match request {
            RequestKey::Session { client, .. } => Some(*client),
            RequestKey::None | RequestKey::Id { .. } => None,
        };
        Why { by, reason: reason.to_owned() }
    }
}

/// A TaskTracker by its group and identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerRow {
    pub session: SessionId,
    pub start: u64,
    pub state: TrackerState,
    /// When it came into this state.
    pub since: Timestamp,
    /// How many executions it runs at a time, as it said.
    pub capacity: u32,
    pub kinds: Vec<Kind>,
    /// Set by an operator, and kept through all starts of its process until it is undrained.
    pub drained: Option<Drained>,
    /// How many executions it shall run at a time, if an operator said so; kept like `drained`.
    pub slots: Option<u32>,
}

/// Who holds something back, why, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub since: Timestamp,
    pub by: String,
    pub reason: String,
}

/// A TaskTracker gets nothing new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    pub hold: Hold,
    /// Its process shall end when nothing executes; a later start of it stays.
    pub leave: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrackerState {
    Online,
    Offline(OfflineReason),
}

/// A node came, or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEventRow {
    pub at: Timestamp,
    pub node_type: NodeType,
    /// A JobTracker has none.
    pub node_group: Option<NodeGroup>,
    pub identity: Identity,
    /// Which start of the node: a session; of a JobTracker its node id.
    pub id: u64,
    pub event: NodeEvent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeType {
    JobTracker,
    TaskTracker,
    JobClient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeEvent {
    Online,
    Offline(OfflineReason),
}

/// Lines of the job log that were written by one command, for their retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAgeRow {
    pub at: Timestamp,
    /// The last of them; the first is in the key.
    pub last: Position,
}

/// Counters of a node group since the cluster began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    pub submitted: u64,
    pub dispatched: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub dead: u64,
    pub cancelled: u64,
    pub skipped: u64,
    pub retried: u64,
    pub reclaimed: u64,
    pub stale: u64,
    /// Executions by what their runners said: LTS's exeSuccessNum; so the next three.
    pub exe_success: u64,
    pub exe_failed: u64,
    pub exe_later: u64,
    pub exe_exception: u64,
    /// Lines of user code that the job log has not: beyond the limit, or dropped on their way.
    pub log_lines_dropped: u64,
    /// Finished runs that are kept now.
    pub kept: u64,
}

/// How one run ended, until a JobClient of a group has heard it. It is known by its run: there is one for each.
///
/// It holds all that is told, since the run itself may be forgotten sooner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackRow {
    pub node_group: NodeGroup,
    pub task_id: TaskId,
    pub kind: Kind,
    pub params: BTreeMap<String, String>,
    pub revision: u32,
    pub due: Timestamp,
    pub ended: Timestamp,
    pub fate: Fate,
    pub executions: u32,
    /// The last execution, if there was one.
    pub execution: Option<ExecutionId>,
    /// What the runner returned.
    pub result: Bytes,
    /// Why the run did not succeed.
    pub error: String,
    pub state: FeedbackState,
    /// How often a handler failed since it was made, or since an operator wanted it told again.
    pub tries: u32,
    /// What the last handler that failed said.
    pub handler_error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedbackState {
    /// It is told to somebody from then on.
    Pending { next_try: Timestamp },
    /// Its tries are used up: it waits for an operator.
    Dead { since: Timestamp },
}

/// Feedback of a group of JobClients since the cluster began: `made` is the sum of all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackGroupRow {
    pub made: u64,
    /// Waiting to be told now.
    pub pending: u64,
    /// Dead letters now.
    pub dead: u64,
    pub heard: u64,
    /// Lost since a list was full.
    pub dropped: u64,
    /// Lost since nobody heard it in time.
    pub expired: u64,
    /// Given up by an operator.
    pub discarded: u64,
    /// Handlers that failed; no part of the sum.
    pub failed: u64,
}

/// One start of a JobClient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// The highest sequence number seen.
    pub high: u64,
    /// Rounded down to the minute, so that it rarely changes.
    pub last_used: Timestamp,
}

/// The first answer to a request, for its retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Submitted(Vec<SubmitAnswer>),
    Cancelled(CancelAnswer),
    Terminating(ExecutionId),
    Retried(RunId),
    Refused(Refusal),
    Acted(ActAnswer),
    Updated(UpdateAnswer),
}

/// An answer by client session and sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRow {
    pub asks: Fingerprint,
    pub answer: Answer,
}

/// An answer by request id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    pub at: Timestamp,
    pub asks: Fingerprint,
    pub answer: Answer,
}

/// What belongs to the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaRow {
    /// Added to a log index to make ids; raised far above all that was seen by a restore into a new cluster.
    pub id_base: u64,
    /// The index of the last applied entry.
    pub applied: u64,
    /// The greatest `at` seen.
    pub now: Timestamp,
    /// A hash chained over each entry's write set.
    pub digest: u64,
    pub limits: Limits,
    /// Which changes in what `apply` does are switched on.
    pub feature_level: u32,
    /// Where the last `Expire` stopped looking for old client sessions.
    pub clients_swept: ClientId,
    /// How many events of nodes are kept.
    pub node_events: u64,
    /// What the written lines of the job log take, as `job_log::cost` counts.
    pub job_log_bytes: u64,
    /// How many rows the series have.
    pub stats_rows: u64,
}

impl Default for MetaRow {
    fn default() -> MetaRow {
        MetaRow {
            id_base: 0,
            applied: 0,
            now: Timestamp::ZERO,
            digest: 0,
            limits: Limits::default(),
            feature_level: 1,
            clients_swept: ClientId::default(),
            node_events: 0,
            job_log_bytes: 0,
            stats_rows: 0,
        }
    }
}

impl GroupRow {
    /// Each counter with that of another row. What is kept is no counter, and stays.
    fn with(self, other: &GroupRow, join: impl Fn(u64, u64) -> u64) -> GroupRow {
        GroupRow {
            submitted: join(self.submitted, other.submitted),
            dispatched: join(self.dispatched, other.dispatched),
            succeeded: join(self.succeeded, other.succeeded),
            failed: join(self.failed, other.failed),
            dead: join(self.dead, other.dead),
            cancelled: join(self.cancelled, other.cancelled),
            skipped: join(self.skipped, other.skipped),
            retried: join(self.retried, other.retried),
            reclaimed: join(self.reclaimed, other.reclaimed),
            stale: join(self.stale, other.stale),
            exe_success: join(self.exe_success, other.exe_success),
            exe_failed: join(self.exe_failed, other.exe_failed),
            exe_later: join(self.exe_later, other.exe_later),
            exe_exception: join(self.exe_exception, other.exe_exception),
            log_lines_dropped: join(self.log_lines_dropped, other.log_lines_dropped),
            kept: self.kept,
        }
    }

    /// By how much the counters grew.
    pub fn since(self, earlier: &GroupRow) -> GroupRow {
        self.with(earlier, u64::saturating_sub)
    }

    /// The sum of two growths.
    pub fn plus(self, other: &GroupRow) -> GroupRow {
        self.with(other, u64::saturating_add)
    }

    /// Counts what a runner said.
    pub(crate) fn executed(&mut self, action: Action) {
        match action {
            Action::ExecuteSuccess => self.exe_success += 1,
            Action::ExecuteFailed => self.exe_failed += 1,
            Action::ExecuteLater => self.exe_later += 1,
            Action::ExecuteException => self.exe_exception += 1,
        }
    }
}

impl LiveRun {
    /// The next execution starts with an empty log.
    pub(super) fn reset_log(&mut self) {
        (self.log_lines, self.log_bytes, self.log_dropped) = (0, 0, None);
    }
}

impl TrackerRow {
    pub fn is_online(&self) -> bool {
        self.state == TrackerState::Online
    }

    /// How many executions it may have at a time: what an operator said goes before what it said itself.
    pub fn slots(&self) -> u32 {
        if self.drained.is_some() { 0 } else { self.slots.unwrap_or(self.capacity) }
    }
}

impl LiveRun {
    /// The current execution with its session.
    pub fn execution(&self) -> Option<(ExecutionId, SessionId)> {
        match &self.state {
            LiveState::Executing { execution, session, .. } => Some((*execution, *session)),
            LiveState::Waiting { .. } | LiveState::Ready { .. } | LiveState::Suspended { .. } => None,
        }
    }
}
