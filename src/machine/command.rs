//! What the log carries. A command says what somebody asked for; `apply` says what became of it.
//!
//! The order of variants and fields is part of the stored format: see `codec`. A command is bounded by the limits of
//! `limits`, which the edges check.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::alarm::{AlarmNews, AlarmReading};
use super::limits::Limits;
use super::stats::{Histogram, JobTrackerStats, TrackerStats};
use crate::domain::{
    AlarmId, AlarmRule, AlarmSubject, AlarmTarget, BizLogLine, ClientId, ExecutionId, Identity, JobId,
    JobPatch, JobSpec, Kind, Millis, NodeGroup, Outcome, RequestId, RunId, SessionId, TaskId, Timestamp,
};

/// One entry of the log: the leader's confirmed time and the commands that share its fsync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub at: Timestamp,
    pub commands: Vec<Command>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    ClientOpen(ClientOpen),
    Submit(Submit),
    Cancel(Cancel),
    Terminate(Terminate),
    Retry(Retry),
    Suspend(OnJob),
    Resume(OnJob),
    Trigger(OnJob),
    Delete(OnJob),
    Update(Update),
    TrackerOnline(TrackerOnline),
    TrackerOffline(TrackerOffline),
    Dispatch(Dispatch),
    Return(Return),
    Complete(Complete),
    Reclaim(Reclaim),
    Plan(Plan),
    Tick,
    BizLog(BizLog),
    Expire,
    SetLimits(SetLimits),
    FeedbackHeard(FeedbackHeard),
    FeedbackFailed(FeedbackFailed),
    FeedbackRetry(FeedbackRetry),
    FeedbackDrop(FeedbackDrop),
    DeleteGroup(DeleteGroup),
    PauseQueue(PauseQueue),
    ResumeQueue(ResumeQueue),
    Drain(Drain),
    Undrain(Undrain),
    SetSlots(SetSlots),
    Stats(Stats),
    SetAlarms(SetAlarms),
    AlarmsTold(AlarmsTold),
    SilenceAlarm(SilenceAlarm),
}

/// How a mutating request is recognised when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestKey {
    /// Not at all: a resend is a new request.
    None,
    /// By client session and sequence number.
    Session { client: ClientId, sequence: u64, asks: Fingerprint },
    /// By an id that the caller chose, within the request window.
    Id { id: RequestId, asks: Fingerprint },
}

/// What a request asks for, as a hash of what its caller sent: a retry asks for the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of a call's name and what it was sent with, but for the key.
    pub fn of(call: &str, sent: &[u8]) -> Fingerprint {
        Fingerprint(xxh3_64_with_seed(sent, xxh3_64(call.as_bytes())))
    }
}

/// Which job: by id, or by LTS's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobRef {
    Id(JobId),
    Key(NodeGroup, TaskId),
}

/// A JobClient process starts a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientOpen {
    pub identity: Identity,
}

/// New jobs; each gets an answer of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    pub request: RequestKey,
    /// At most [`super::limits::SUBMIT_JOBS_MAX`].
    pub jobs: Vec<Arc<JobSpec>>,
    /// Places in the request, in order, of what was refused before it came here; `jobs` are the others in theirs. It is
    /// remembered, since a cron that would be refused today may have been accepted when the request first came.
    pub refused: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    pub request: RequestKey,
    pub job: JobRef,
    /// For the job log; at most [`super::limits::REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// Stops the execution of a run; there is no further attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminate {
    pub request: RequestKey,
    pub run: RunId,
    /// For the job log; at most [`super::limits::REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// Runs a finished run again, by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    pub request: RequestKey,
    pub of: RetryOf,
    /// For the job log; at most [`super::limits::REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// Which run is to run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryOf {
    Run(RunId),
    /// The last dead run of a job.
    LastDead(JobRef),
}

/// An act on one job: Suspend, Resume, Trigger or Delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnJob {
    pub request: RequestKey,
    pub job: JobRef,
    /// Refused unless the job has this revision; 0 is any.
    pub expected_revision: u32,
    /// For the job log; at most [`super::limits::REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// Changes some of what was submitted, for all that was not dispatched yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    pub request: RequestKey,
    pub job: JobRef,
    /// The revision that its caller saw; 0 takes any.
    pub expected_revision: u32,
    /// None if it was refused before it came here: then only the first answer is wanted, since a cron that would be
    /// refused today may have been accepted when the request first came.
    pub patch: Option<Box<JobPatch>>,
    /// In the asker's words, for the job log.
    pub reason: String,
}

/// Nothing of the node group is dispatched until it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseQueue {
    pub node_group: NodeGroup,
    pub by: String,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeQueue {
    pub node_group: NodeGroup,
}

/// The TaskTracker gets nothing new until it is undrained, however often it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub node_group: NodeGroup,
    pub identity: Identity,
    pub by: String,
    pub reason: String,
    /// Its process shall also end.
    pub leave: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undrain {
    pub node_group: NodeGroup,
    pub identity: Identity,
}

/// How many executions the TaskTracker runs at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSlots {
    pub node_group: NodeGroup,
    pub identity: Identity,
    /// 1 to [`super::limits::CAPACITY_MAX`]; none leaves it to the TaskTracker again.
    pub slots: Option<u32>,
}

/// A TaskTracker said hello to a leader that does not know its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerOnline {
    pub node_group: NodeGroup,
    pub identity: Identity,
    /// Drawn once per process start: the same start keeps its session.
    pub start: u64,
    /// Slots, 1 to [`super::limits::CAPACITY_MAX`].
    pub capacity: u32,
    /// The kinds that it takes; empty takes all.
    pub kinds: Vec<Kind>,
    /// Executions that it runs or whose results it still owes; all others of its earlier session are reclaimed.
    pub holds: Vec<ExecutionId>,
}

/// Why a TaskTracker is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OfflineReason {
    /// It was silent for longer than `reclaim_after`.
    Silent,
    /// It drained and left.
    Left,
    /// A new start of the same identity took its place.
    Replaced,
}

/// The session ends; its executions are reclaimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerOffline {
    pub session: SessionId,
    pub reason: OfflineReason,
}

/// Starts up to `want` ready runs on a session, as many as it has free slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub session: SessionId,
    pub want: u32,
}

/// Executions that the TaskTracker gives back: to ready, no retry and no reclaim counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    pub executions: Vec<ExecutionId>,
    /// Whether user code has run: then each was an attempt. Else they were pushes that it could not take.
    pub began: bool,
}

/// Results of executions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    pub results: Vec<Completion>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    pub execution: ExecutionId,
    /// Where to write down a stale completion.
    pub run: RunId,
    pub outcome: Outcome,
    /// It was sent before, and whether that arrived is not known to its sender.
    pub resent: bool,
}

/// Why an execution is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReclaimReason {
    /// Its TaskTracker was silent for longer than `reclaim_after`.
    TrackerSilent,
    /// Its TaskTracker left without a result.
    TrackerLeft,
    /// Its TaskTracker's process started anew and does not know it.
    TrackerRestarted,
    /// Its TaskTracker, asked, does not know it.
    Unknown,
    /// It did not stop in time after its run timeout.
    TimedOut,
}

/// Takes executions back: ready again, or dead after too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    pub executions: Vec<ExecutionId>,
    pub reason: ReclaimReason,
}

/// Instants that the leader's calendar computed, for jobs that need them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// At most [`super::limits::PLAN_JOBS_MAX`].
    pub jobs: Vec<JobPlan>,
}

/// The next instants of one cron job. Refused unless `revision` and `after` are what the tables say: no gap, no
/// duplicate, no double plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlan {
    pub job: JobId,
    pub revision: u32,
    /// The last instant that is settled or planned.
    pub after: Timestamp,
    /// When the job was resumed, if it has had no plan since.
    pub resumed: Option<Timestamp>,
    /// With `resumed`: the instants after `after` up to and including it, which fell due while the job was suspended.
    pub suspended: Option<SkippedRange>,
    /// Instants that are past and that the misfire policy drops, as one range before `instants`.
    pub skipped: Option<SkippedRange>,
    /// Strictly increasing, later than `after` and than the skipped range.
    pub instants: Vec<Timestamp>,
    /// The expression has no instant after these.
    pub ended: bool,
}

/// `count` instants from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRange {
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
}

/// Lines that user code wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BizLog {
    pub lines: Vec<ExecutionLines>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionLines {
    pub execution: ExecutionId,
    /// The number of the first line within its execution; lines that are known already are dropped.
    pub first: u64,
    pub lines: Vec<BizLogLine>,
}

/// What is kept of a minute, of whoever it was gathered by: the leader of the node groups, each node of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Of the minute that has ended when the command is applied. At most [`super::stats::SAMPLES_MAX`]; so the others.
    pub groups: Vec<GroupSample>,
    pub trackers: Vec<TrackerSample>,
    pub jobtrackers: Vec<JobTrackerSample>,
}

/// A node group, but for its counters, which the tables know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSample {
    pub node_group: NodeGroup,
    pub waiting: u64,
    pub ready: u64,
    pub executing: u64,
    pub oldest_ready: Millis,
    /// Since the last sample; so the others.
    pub wait: Histogram,
    pub run: Histogram,
    pub cron_lateness: Histogram,
}

/// What a TaskTracker tells of a minute, perhaps of one in which nobody heard it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerSample {
    /// The minute that it is of, by the TaskTracker's clock.
    pub minute: Timestamp,
    pub node_group: NodeGroup,
    pub identity: Identity,
    pub stats: TrackerStats,
}

/// How a JobTracker stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTrackerSample {
    /// Its name.
    pub name: Identity,
    pub stats: JobTrackerStats,
}

/// Other replicated limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLimits {
    pub limits: Limits,
    /// Refused if these are not the limits by now: two operators who change different ones both have their way.
    pub instead_of: Option<Limits>,
}

/// JobClients of a group have handled these: they are told no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackHeard {
    pub client_group: NodeGroup,
    /// At most [`super::limits::FEEDBACK_BATCH_MAX`].
    pub runs: Vec<RunId>,
}

/// Handlers of a group's JobClients failed: each is told again later, or goes among the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackFailed {
    pub client_group: NodeGroup,
    /// At most [`super::limits::FEEDBACK_BATCH_MAX`].
    pub failures: Vec<FeedbackFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackFailure {
    pub run: RunId,
    /// Which try it was, from 1: one that was counted already is not counted again.
    pub attempt: u32,
    /// What went wrong; cut to [`super::limits::HANDLER_ERROR_BYTES_MAX`].
    pub error: String,
}

/// An operator wants feedback to be told now, with all its tries again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackRetry {
    pub client_group: NodeGroup,
    pub which: FeedbackWhich,
}

/// An operator gives feedback up: nobody will hear it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackDrop {
    pub client_group: NodeGroup,
    pub which: FeedbackWhich,
}

/// Which feedback of a group an operator means; at most [`super::limits::FEEDBACK_BATCH_MAX`] a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedbackWhich {
    Runs(Vec<RunId>),
    /// All dead letters, the oldest jobs first.
    Dead,
    /// All that waits to be told, in the order in which it is due.
    Pending,
}

/// Forgets a node group that has no jobs, kept runs or online TaskTrackers; else it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteGroup {
    pub node_group: NodeGroup,
}

/// Alarms that begin, go on or end, as the leader found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAlarms {
    /// At most [`super::limits::ALARM_CHANGES_MAX`].
    pub changes: Vec<AlarmChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmChange {
    pub rule: AlarmRule,
    pub subject: AlarmSubject,
    pub to: AlarmState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    Raised(AlarmReading),
    Recovered,
}

/// Targets that were told of alarms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmsTold {
    /// At most [`super::limits::ALARM_CHANGES_MAX`].
    pub told: Vec<AlarmTold>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmTold {
    pub rule: AlarmRule,
    pub subject: AlarmSubject,
    /// Which time that it was raised.
    pub id: AlarmId,
    pub target: AlarmTarget,
    pub news: AlarmNews,
}

/// Nobody is told of an alarm until some time. It is asked for again without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceAlarm {
    pub rule: AlarmRule,
    /// None for all subjects of the rule.
    pub subject: Option<AlarmSubject>,
    /// None ends a silence.
    pub until: Option<Timestamp>,
    /// Who wants that.
    pub by: Identity,
}
