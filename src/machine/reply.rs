//! What became of a command. A refusal is data: any decodable command on any state gets a reply.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::{LAST_RUNS_SEEN, LIVE_RUNS_MAX};
use super::row::Fate;
use crate::domain::{
    ClientId, ExecutionId, FieldError, Identity, JobId, JobSpec, NodeGroup, RunId, SessionId, Timestamp,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The command has nothing to say beyond having been applied.
    Done,
    ClientOpened(ClientId),
    /// One answer for each element of the request, in their order.
    Submitted(Vec<SubmitAnswer>),
    Cancelled(CancelAnswer),
    Terminating(ExecutionId),
    Retried(RunId),
    /// What became of Suspend, Resume, Trigger or Delete.
    Acted(ActAnswer),
    Updated(UpdateAnswer),
    /// Whether a pause, a drain or a number of slots changed anything; else it was so before.
    Switched(bool),
    Online(SessionId),
    Dispatched(Dispatched),
    /// One answer for each result, in their order.
    Completed(Vec<CompleteAnswer>),
    /// How much feedback an operator moved; fewer than a batch is all there was.
    FeedbackMoved(u32),
    Refused(Refusal),
    /// The first answer to a request that came again; nothing was done now.
    Again(Box<Reply>),
}

impl Reply {
    /// What was answered, now or when the request first came.
    pub fn answer(&self) -> &Reply {
        match self {
            Reply::Again(first) => first,
            now => now,
        }
    }
}

/// What became of one submitted job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubmitAnswer {
    Accepted(JobId),
    /// A live job has this key; nothing changed.
    Exists(JobId),
    /// The live job took the new specification as this revision.
    Replaced(JobId, u32),
    /// A live job has this key and the submitter wanted a new one.
    Conflict(JobId),
    /// It was refused before it came into the log.
    Refused,
}

/// LTS's "job may be running", made exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelAnswer {
    /// Nothing of it was or will be dispatched.
    Cancelled(JobId),
    /// Something executes, or was executed and waits for a retry: asked to stop, no further attempt.
    CancelRequested(JobId),
    /// It had ended like this.
    AlreadyFinished(JobId, Fate),
    NotFound,
}

/// What became of an act on a job. docs/operations-by-state.md has all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActAnswer {
    /// What executes finishes; nothing else of it is dispatched until it is resumed.
    Suspended(JobId),
    AlreadySuspended(JobId),
    /// It goes on from now.
    Resumed(JobId),
    NotSuspended(JobId),
    /// It was suspended or resumed, and nothing of it is left to come: it has ended.
    Ended(JobId),
    /// This run of it is ready now.
    Triggered(RunId),
    /// A one-shot job whose run may be dispatched already; nothing changed.
    AlreadyReady(RunId),
    /// A one-shot job whose run executes; nothing changed.
    AlreadyRunning(RunId),
    /// It is forgotten, with its history.
    Deleted(JobId),
    /// This run executes: cancel its job or terminate it first; nothing changed.
    StillExecuting(RunId),
    /// It was cancelled, and what executes was asked to stop; nothing changed.
    CancelRequested(JobId),
    /// It had ended like this; nothing changed.
    AlreadyFinished(JobId, Fate),
    NotFound,
}

/// LTS's "deleted or running", made exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateAnswer {
    /// The job has this revision now.
    Updated(JobId, u32),
    /// It is not at the expected revision but at this one; nothing changed.
    RevisionConflict(JobId, u32),
    /// It had ended like this.
    AlreadyFinished(JobId, Fate),
    NotFound,
    /// In the other node group this live job has its task id.
    KeyTaken(JobId),
    /// The job is of another type than the new schedule; that takes a replacing submit.
    TypeDiffers(JobId),
    /// What would come of it is no job that could be submitted.
    Wrong(String),
    /// It was refused before it came into the log.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompleteAnswer {
    /// The result is recorded, now or when it came before.
    Accepted,
    /// The execution is not the run's current one: acknowledged, changes nothing.
    Stale,
}

/// The executions that a `Dispatch` started, to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatched {
    pub session: SessionId,
    pub pushes: Vec<Push>,
}

/// All that a TaskTracker needs to know of an execution. Found again in the tables by a new leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub execution: ExecutionId,
    pub run: RunId,
    pub spec: Arc<JobSpec>,
    pub due: Timestamp,
    /// 1 for the first attempt.
    pub attempt: u32,
    pub retries: u32,
    pub reclaims: u32,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The client session is unknown: never opened, or expired.
    UnknownClient(ClientId),
    /// The request is older than what the session remembers: it may or may not have been applied.
    RequestTooOld {
        client: ClientId,
        sequence: u64,
    },
    /// The session is not a TaskTracker's current one, or it is offline.
    UnknownSession(SessionId),
    /// The session's TaskTracker takes no more work.
    Draining(SessionId),
    UnknownRun(RunId),
    /// The run has no execution that could be terminated.
    NotExecuting(RunId),
    /// The run is still live.
    StillLive(RunId),
    /// A live job holds the task key.
    KeyTaken(JobId),
    /// The plan is not about what the tables say now.
    PlanOutdated(JobId),
    /// The sequence or request id was used for another request.
    RequestMismatch,
    /// The limits would break a promise.
    BadLimits(String),
    /// The job has this revision, not the expected one.
    RevisionDiffers {
        job: JobId,
        revision: u32,
    },
    /// None of the job's last runs is dead.
    NoDeadRun(JobId),
    /// The job is unknown: never accepted, forgotten or deleted.
    UnknownJob,
    /// So many runs of the job live that none is added by hand.
    TooManyLive(JobId),
    /// The limits are not those that were to be replaced.
    LimitsChanged,
    UnknownGroup(NodeGroup),
    /// The node group has jobs that live, finished runs that are kept, or TaskTrackers that are online.
    GroupInUse {
        node_group: NodeGroup,
        live: u64,
        kept: u64,
        online: u64,
    },
    /// The node group is paused.
    Paused(NodeGroup),
    /// No TaskTracker of this node group has this identity.
    UnknownTracker(NodeGroup, Identity),
    /// It is not online, so that nobody could be told to leave.
    TrackerOffline(NodeGroup, Identity),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownClient(client) => write!(f, "client session {client} is unknown or expired"),
            Refusal::RequestTooOld { client, sequence } => {
                write!(
                    f,
                    "request {sequence} of client session {client} is too old to know whether it was applied"
                )
            }
            Refusal::UnknownSession(session) => {
                write!(f, "session {session} is not a TaskTracker's current one")
            }
            Refusal::Draining(session) => write!(f, "session {session} is draining"),
            Refusal::Paused(group) => write!(f, "node group {group} is paused"),
            Refusal::UnknownTracker(group, who) => {
                write!(f, "TaskTracker {who} of node group {group} is unknown or expired")
            }
            Refusal::TrackerOffline(group, who) => {
                write!(f, "TaskTracker {who} of node group {group} is not online")
            }
            Refusal::UnknownRun(run) => write!(f, "run {run} is unknown or expired"),
            Refusal::NotExecuting(run) => write!(f, "run {run} is not executing"),
            Refusal::StillLive(run) => write!(f, "run {run} has not finished"),
            Refusal::KeyTaken(job) => write!(f, "live job {job} has the same task id"),
            Refusal::PlanOutdated(job) => write!(f, "the plan of job {job} is outdated"),
            Refusal::RequestMismatch => {
                f.write_str("the sequence or request id was used for another request")
            }
            Refusal::RevisionDiffers { job, revision } => {
                write!(f, "job {job} has revision {revision}, not the expected one")
            }
            Refusal::NoDeadRun(job) => {
                write!(f, "none of the last {LAST_RUNS_SEEN} runs of job {job} is dead")
            }
            Refusal::UnknownJob => f.write_str("no such job is known"),
            Refusal::TooManyLive(job) => write!(f, "job {job} has {LIVE_RUNS_MAX} live runs already"),
            Refusal::BadLimits(problem) => write!(f, "limits refused: {problem}"),
            Refusal::LimitsChanged => f.write_str("the limits were changed meanwhile"),
            Refusal::UnknownGroup(group) => write!(f, "no node group {group} is known"),
            Refusal::GroupInUse { node_group, live, kept, online } => write!(
                f,
                "node group {node_group} is in use: {live} live jobs, {kept} finished runs kept, {online} \
                 TaskTrackers online"
            ),
        }
    }
}

impl From<Vec<FieldError>> for Refusal {
    fn from(wrong: Vec<FieldError>) -> Refusal {
        let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Refusal::BadLimits(problems.join("; "))
    }
}
