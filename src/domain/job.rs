//! A job as it was submitted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    ContentType, FieldError, Kind, Millis, MisfirePolicy, NodeGroup, RetryPolicy, Schedule, TaskId, Timestamp,
};

/// LTS's default; smaller runs first.
pub const PRIORITY_DEFAULT: i32 = 100;

/// Bounds of a single job that hold everywhere; the replicated limits may only be lower.
pub mod limits {
    /// The largest payload in bytes.
    pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
    /// The largest result of an execution in bytes.
    pub const RESULT_BYTES_MAX: usize = 64 << 10;
    /// The longest error text of an execution in bytes.
    pub const ERROR_BYTES_MAX: usize = 8 << 10;
    /// The most string parameters of a job.
    pub const PARAMS_MAX: usize = 128;
    /// All parameters' names and values together, in bytes (LTS: a 64 KB column).
    pub const PARAMS_BYTES_MAX: usize = 64 << 10;
    /// The longest cron expression in bytes (LTS: 128).
    pub const EXPRESSION_BYTES_MAX: usize = 256;
    /// The most executions that one TaskTracker runs at a time.
    pub const CAPACITY_MAX: u32 = 4096;
    /// The most instants that the misfire policy may catch up.
    pub const CATCH_UP_MAX: u32 = 1000;
    /// The longest run timeout, start deadline or interval, in milliseconds: ten years.
    pub const SPAN_MS_MAX: u64 = 10 * 366 * 24 * 3600 * 1000;
    /// The longest trace header in bytes (W3C asks for at least 512).
    pub const TRACE_BYTES_MAX: usize = 1024;
}

/// W3C trace context, carried from the submit to the runner and not interpreted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    pub traceparent: String,
    pub tracestate: String,
}

/// LTS's four job types, derived from the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobType {
    RealTime,
    TriggerTime,
    Cron,
    Repeat,
}

/// What a submit does when a live job has the same task id in the same node group. Stored order: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnConflict {
    /// The live job stays; the answer says EXISTS and names it.
    #[default]
    Ignore,
    /// The live job takes the new specification as its next revision (LTS: `replaceOnExist`).
    Replace,
    /// The submit is refused.
    Reject,
}

/// Everything that a submitter says about a job. Immutable: a change makes a new revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    pub task_id: TaskId,
    /// The TaskTrackers that may run it.
    pub node_group: NodeGroup,
    pub kind: Kind,
    pub content_type: ContentType,
    /// Opaque bytes, at most [`limits::PAYLOAD_BYTES_MAX`]. Travels and rests beside the other fields: see `codec`.
    #[serde(skip)]
    pub payload: Bytes,
    pub params: BTreeMap<String, String>,
    /// Smaller runs first.
    pub priority: i32,
    pub schedule: Schedule,
    pub retry: RetryPolicy,
    /// An execution is told to stop after this; `None` lets it run.
    pub run_timeout: Option<Millis>,
    /// A run that has not started this long after its due time is skipped; `None` waits for ever.
    pub start_deadline: Option<Millis>,
    /// LTS's `relyOnPrevCycle`: an instant is skipped while a run of the job executes or waits for a retry.
    pub rely_on_previous_cycle: bool,
    pub misfire: MisfirePolicy,
    /// How late an instant may ripen before the misfire policy decides.
    pub misfire_after: Millis,
    pub on_conflict: OnConflict,
    /// LTS's `submitNodeGroup`: the JobClients that the job comes from.
    pub submit_node_group: Option<NodeGroup>,
    /// LTS's `needFeedback`: a JobClient of that group shall hear how each run ended.
    pub need_feedback: bool,
    pub trace: Option<TraceContext>,
}

/// Lets the jobs of a batch share the texts that they have in common with its first one: ordered maps compare them by
/// the dozen for each job, and a text of its own for each would be a cache miss each time.
pub fn share_names<'a>(jobs: impl IntoIterator<Item = &'a mut Arc<JobSpec>>) {
    let mut jobs = jobs.into_iter();
    let Some(first) = jobs.next().map(|first| Arc::clone(first)) else { return };
    for job in jobs.filter_map(Arc::get_mut) {
        if job.node_group == first.node_group {
            job.node_group = first.node_group.clone();
        }
        if job.kind == first.kind {
            job.kind = first.kind.clone();
        }
        if job.content_type == first.content_type {
            job.content_type = first.content_type.clone();
        }
    }
}

impl JobSpec {
    /// A real-time job with LTS's defaults.
    pub fn new(node_group: NodeGroup, task_id: TaskId, kind: Kind) -> JobSpec {
        JobSpec {
            task_id,
            node_group,
            kind,
            content_type: ContentType::new("application/octet-stream")
                .expect("a fixed name within the limits"),
            payload: Bytes::new(),
            params: BTreeMap::new(),
            priority: PRIORITY_DEFAULT,
            schedule: Schedule::RealTime,
            retry: RetryPolicy::default(),
            run_timeout: None,
            start_deadline: None,
            rely_on_previous_cycle: true,
            misfire: MisfirePolicy::default(),
            misfire_after: Millis::from_secs(60),
            on_conflict: OnConflict::default(),
            submit_node_group: None,
            need_feedback: false,
            trace: None,
        }
    }

    pub fn job_type(&self) -> JobType {
        match self.schedule {
            Schedule::RealTime => JobType::RealTime,
            Schedule::TriggerTime(_) => JobType::TriggerTime,
            Schedule::Cron(_) => JobType::Cron,
            Schedule::Repeat(_) => JobType::Repeat,
        }
    }

    /// The instant of a one-shot job that is submitted at `now`; `None` for periodic jobs.
    pub fn one_shot_due(&self, now: Timestamp) -> Option<Timestamp> {
        match self.schedule {
            Schedule::RealTime => Some(now),
            Schedule::TriggerTime(at) => Some(at.max(now)),
            Schedule::Cron(_) | Schedule::Repeat(_) => None,
        }
    }

    /// The JobClients that shall hear how its runs ended.
    pub fn feedback_group(&self) -> Option<&NodeGroup> {
        self.submit_node_group.as_ref().filter(|_| self.need_feedback)
    }

    /// Checks all bounds but the cron expression and its zone, which only the calendar understands.
    ///
    /// # Errors
    /// One violation for each field that is wrong, named as the wire names it.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        let mut at_most = |field: &'static str, is: usize, max: usize, unit: &str| {
            if is > max {
                wrong.push(FieldError::new(field, format!("has {is} {unit}; at most {max} are allowed")));
            }
        };
        at_most("payload", self.payload.len(), limits::PAYLOAD_BYTES_MAX, "bytes");
        at_most("params", self.params.len(), limits::PARAMS_MAX, "entries");
        let params_bytes = self.params.iter().map(|(name, value)| name.len() + value.len()).sum();
        at_most("params", params_bytes, limits::PARAMS_BYTES_MAX, "bytes");
        if let Some(trace) = &self.trace {
            at_most("trace.traceparent", trace.traceparent.len(), limits::TRACE_BYTES_MAX, "bytes");
            at_most("trace.tracestate", trace.tracestate.len(), limits::TRACE_BYTES_MAX, "bytes");
        }
        if let Schedule::Cron(cron) = &self.schedule {
            at_most("cron.expression", cron.expression.len(), limits::EXPRESSION_BYTES_MAX, "bytes");
        }
        let mut span = |field: &'static str, is: Option<Millis>, min: u64| {
            if let Some(is) = is.filter(|is| !(min..=limits::SPAN_MS_MAX).contains(&is.get())) {
                wrong.push(FieldError::new(
                    field,
                    format!("is {is}; between {} and ten years", Millis::new(min)),
                ));
            }
        };
        span("run_timeout", self.run_timeout, 1);
        span("start_deadline", self.start_deadline, 1);
        span("misfire_after", Some(self.misfire_after), 0);
        if let Schedule::Repeat(repeat) = &self.schedule {
            span("repeat.interval", Some(repeat.interval), 1);
            if repeat.count == Some(0) {
                wrong.push(FieldError::new("repeat.count", "is 0; at least 1, or unlimited"));
            }
        }
        if let MisfirePolicy::CatchUp(n) = self.misfire
            && !(1..=limits::CATCH_UP_MAX).contains(&n)
        {
            wrong.push(FieldError::new("misfire.catch_up", format!("is {n}; 1 to {}", limits::CATCH_UP_MAX)));
        }
        if self.need_feedback && self.submit_node_group.is_none() {
            let problem = "is missing; need_feedback wants the group of JobClients that shall hear";
            wrong.push(FieldError::new("submit_node_group", problem));
        }
        if let Err(violations) = self.retry.check() {
            wrong.extend(violations.into_iter().map(|violation| violation.under("retry")));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobType::RealTime => "real_time",
            JobType::TriggerTime => "trigger_time",
            JobType::Cron => "cron",
            JobType::Repeat => "repeat",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepeatSchedule;

    fn job() -> JobSpec {
        let name = "a name within the limits";
        JobSpec::new(NodeGroup::new(name).unwrap(), TaskId::new(name).unwrap(), Kind::new(name).unwrap())
    }

    #[test]
    fn a_job_with_defaults_is_right() {
        assert_eq!(job().check(), Ok(()));
        assert_eq!(job().job_type(), JobType::RealTime);
    }

    #[test]
    fn each_field_that_is_wrong_is_named_with_what_would_be_right() {
        let mut job = job();
        job.payload = Bytes::from(vec![0; (2 << 20) + 1]);
        job.run_timeout = Some(Millis::ZERO);
        job.schedule =
            Schedule::Repeat(RepeatSchedule { interval: Millis::ZERO, count: Some(0), first: None });
        job.misfire = MisfirePolicy::CatchUp(0);
        job.retry.retries_max = 1_000_000;
        job.need_feedback = true;
        let wrong: Vec<String> =
            job.check().expect_err("much is wrong").iter().map(ToString::to_string).collect();
        expect_test::expect![[r#"
            payload: has 2097153 bytes; at most 1048576 are allowed
            run_timeout: is 0ms; between 1ms and ten years
            repeat.interval: is 0ms; between 1ms and ten years
            repeat.count: is 0; at least 1, or unlimited
            misfire.catch_up: is 0; 1 to 1000
            submit_node_group: is missing; need_feedback wants the group of JobClients that shall hear
            retry.retries_max: is 1000000; at most 10000"#]]
        .assert_eq(&wrong.join("\n"));
    }
}
