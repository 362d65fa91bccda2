//! What the agreed log says, as the export writes it. More fields than these are welcome; these are needed.

use serde::Deserialize;
use serde_json::Value;

use super::words::{At, Id, RunRef, Span};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    ClientOpen {},
    Submit {
        request: Option<Request>,
        jobs: Vec<Spec>,
    },
    Cancel {
        request: Option<Request>,
        job: JobRef,
    },
    Terminate {
        request: Option<Request>,
        run: RunRef,
    },
    Retry {
        request: Option<Request>,
        run: Option<RunRef>,
        #[serde(default)]
        last_dead_of: Option<JobRef>,
    },
    Suspend(OnJob),
    Resume(OnJob),
    Trigger(OnJob),
    Delete(OnJob),
    TrackerOnline {
        node_group: String,
        identity: String,
        start: Value,
        capacity: u64,
        #[serde(default)]
        kinds: Vec<String>,
        #[serde(default)]
        holds: Vec<Id>,
    },
    TrackerOffline {
        session: Id,
    },
    Dispatch {
        session: Id,
        want: u64,
    },
    Return {
        executions: Vec<Id>,
        /// Whether user code had begun.
        #[serde(default)]
        began: bool,
    },
    Complete {
        results: Vec<Completion>,
    },
    Reclaim {
        executions: Vec<Id>,
        #[serde(default)]
        reason: String,
    },
    Plan(Plans),
    Tick {},
    BizLog(Value),
    Expire {},
    SetLimits(Value),
    /// Series: no job is touched.
    Stats {},
    SetAlarms(Value),
    AlarmsTold(Value),
    SilenceAlarm(Value),
    FeedbackHeard {
        client_group: String,
        runs: Vec<RunRef>,
    },
    FeedbackFailed {
        client_group: String,
        failures: Vec<FeedbackFailure>,
    },
    FeedbackRetry(Value),
    FeedbackDrop(Value),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct FeedbackFailure {
    pub(crate) run: RunRef,
    pub(crate) attempt: u32,
}

impl Command {
    /// The name by which the request is recognised when it comes again.
    pub(crate) fn request(&self) -> Option<&Request> {
        match self {
            Command::Submit { request, .. }
            | Command::Cancel { request, .. }
            | Command::Terminate { request, .. }
            | Command::Retry { request, .. } => request.as_ref(),
            Command::Suspend(act) | Command::Resume(act) | Command::Trigger(act) | Command::Delete(act) => {
                act.request.as_ref()
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub(crate) enum Request {
    Session { client: Id, sequence: u64 },
    Id { id: String },
}

impl Request {
    /// As a history names it: the request id, or `client:sequence`.
    pub(crate) fn name(&self) -> String {
        match self {
            Request::Id { id } => id.clone(),
            Request::Session { client, sequence } => format!("{client}:{sequence}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum JobRef {
    Id { id: Id },
    Key { node_group: String, task_id: String },
}

/// Suspend, resume, trigger or delete.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct OnJob {
    pub(crate) request: Option<Request>,
    pub(crate) job: JobRef,
    /// 0 is any.
    #[serde(default)]
    pub(crate) expected_revision: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Completion {
    pub(crate) execution: Id,
    pub(crate) action: Action,
    #[serde(default, alias = "retry_after_ms")]
    pub(crate) retry_after: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Success,
    Failed,
    Later,
    Exception,
}

impl Action {
    pub(crate) fn is_success(self) -> bool {
        self == Action::Success
    }
}

/// Plans of one job or of several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Plans {
    Several { jobs: Vec<JobPlan> },
    One(JobPlan),
}

impl Plans {
    pub(crate) fn jobs(&self) -> &[JobPlan] {
        match self {
            Plans::Several { jobs } => jobs,
            Plans::One(plan) => std::slice::from_ref(plan),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct JobPlan {
    pub(crate) job: Id,
    pub(crate) revision: u64,
    pub(crate) after: At,
    /// When the job was resumed, if no plan came since.
    #[serde(default)]
    pub(crate) resumed: Option<At>,
    /// What fell due while it was suspended.
    #[serde(default)]
    pub(crate) suspended: Option<Skipped>,
    #[serde(default)]
    pub(crate) skipped: Option<Skipped>,
    pub(crate) instants: Vec<At>,
    #[serde(default)]
    pub(crate) ended: bool,
}

/// Instants that a plan goes over, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(crate) struct Skipped {
    #[serde(alias = "from")]
    pub(crate) first: At,
    #[serde(alias = "to")]
    pub(crate) last: At,
    pub(crate) count: u64,
}

/// A job as it was submitted, without its payload.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Spec {
    pub(crate) node_group: String,
    pub(crate) task_id: String,
    #[serde(default)]
    pub(crate) kind: String,
    pub(crate) job_type: JobType,
    /// Of a trigger-time job.
    #[serde(default)]
    pub(crate) due: Option<At>,
    #[serde(default)]
    pub(crate) expression: Option<String>,
    #[serde(default, alias = "time_zone")]
    pub(crate) zone: Option<String>,
    #[serde(default, alias = "interval")]
    pub(crate) interval_ms: Option<Span>,
    /// -1 or absent is for ever.
    #[serde(default)]
    pub(crate) count: Option<i64>,
    #[serde(default, alias = "first_time")]
    pub(crate) first: Option<At>,
    #[serde(default = "yes", alias = "rely_on_previous_cycle")]
    pub(crate) rely_on_prev_cycle: bool,
    #[serde(default)]
    pub(crate) misfire: Misfire,
    #[serde(default = "minute", alias = "misfire_after")]
    pub(crate) misfire_after_ms: Span,
    #[serde(default, alias = "start_deadline")]
    pub(crate) start_deadline_ms: Option<Span>,
    #[serde(default, alias = "retries_max")]
    pub(crate) max_retries: u64,
    #[serde(default)]
    pub(crate) backoff: Backoff,
    #[serde(default = "hundred")]
    pub(crate) priority: i64,
    #[serde(default)]
    pub(crate) on_conflict: OnConflict,
    #[serde(default)]
    pub(crate) submit_node_group: Option<String>,
    #[serde(default)]
    pub(crate) need_feedback: bool,
}

fn yes() -> bool {
    true
}

fn minute() -> Span {
    Span(60_000)
}

fn hundred() -> i64 {
    100
}

impl Spec {
    pub(crate) fn is_periodic(&self) -> bool {
        matches!(self.job_type, JobType::Cron | JobType::Repeat)
    }

    /// How many instants a repeat job has; none for ever.
    pub(crate) fn repeats(&self) -> Option<u64> {
        self.count.and_then(|count| u64::try_from(count).ok())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobType {
    RealTime,
    TriggerTime,
    Cron,
    Repeat,
}

impl JobType {
    /// As a list's filter names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            JobType::RealTime => "real_time",
            JobType::TriggerTime => "trigger_time",
            JobType::Cron => "cron",
            JobType::Repeat => "repeat",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Misfire {
    #[default]
    RunOnceLate,
    Skip,
    CatchUp(u64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnConflict {
    #[default]
    Ignore,
    Replace,
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Backoff {
    Fixed { fixed_ms: Span },
    Exponential { initial_ms: Span, max_ms: Span, jitter_percent: u64 },
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::Fixed { fixed_ms: Span(30_000) }
    }
}
