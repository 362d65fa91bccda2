//! A submit on its way: what is said about a job, one method a field, sent when it is awaited.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::{ClientError, JobClient, JobHandle};
use crate::domain::{
    Backoff, CronSchedule, DstRule, FieldError, Millis, MisfirePolicy, OnConflict, RepeatSchedule,
    RetryPolicy, Schedule, Timestamp,
};
use crate::wire::{JSON, Payload, duration, pb};

/// How often and when a run is tried again.
#[derive(Debug)]
pub struct Retry;

impl Retry {
    /// `retries` more attempts, each after LTS's 30 s.
    pub fn times(retries: u32) -> RetryPolicy {
        RetryPolicy { retries_max: retries, ..RetryPolicy::default() }
    }

    /// `retries` more attempts, each after `delay`.
    pub fn fixed(retries: u32, delay: Duration) -> RetryPolicy {
        RetryPolicy { retries_max: retries, backoff: Backoff::Fixed(delay.into()) }
    }

    /// `retries` more attempts after 1 s, 2 s, 4 s and so on up to an hour, less up to a fifth by chance.
    pub fn exponential(retries: u32) -> RetryPolicy {
        let (initial, max) = (Millis::from_secs(1), Millis::from_secs(3600));
        RetryPolicy {
            retries_max: retries,
            backoff: Backoff::Exponential { initial, max, jitter_percent: 20 },
        }
    }
}

/// A job that is not submitted yet: awaiting it submits it.
#[derive(Debug)]
#[must_use = "a job is submitted when this is awaited"]
pub struct Submit {
    client: JobClient,
    job: pb::Job,
    wrong: Option<FieldError>,
}

impl Submit {
    pub(super) fn typed<P: Payload>(client: JobClient, payload: &P) -> Submit {
        let json = serde_json::to_vec(payload);
        let wrong =
            json.as_ref().err().map(|error| FieldError::new("payload", format!("is not JSON: {error}")));
        let submit = Submit::raw(client, P::KIND.into(), json.unwrap_or_default().into());
        Submit { wrong, ..submit.content_type(JSON) }
    }

    pub(super) fn raw(client: JobClient, kind: String, payload: Bytes) -> Submit {
        let job = pb::Job { kind, payload, node_group: client.default_node_group(), ..Default::default() };
        Submit { client, job, wrong: None }
    }

    pub(super) fn whole(client: JobClient, mut job: pb::Job) -> Submit {
        if job.node_group.is_empty() {
            job.node_group = client.default_node_group();
        }
        Submit { client, job, wrong: None }
    }

    /// The job as it travels; a task id is made for one that has none.
    pub(super) fn into_job(mut self) -> Result<pb::Job, ClientError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        if self.job.task_id.is_empty() {
            self.job.task_id = self.client.fresh_task_id();
        }
        Ok(self.job)
    }

    /// The submitter's own name of the job, unique in its node group while it lives. Else one is made.
    pub fn task_id(mut self, task_id: impl Into<String>) -> Submit {
        self.job.task_id = task_id.into();
        self
    }

    /// The TaskTrackers that may run it; else the client's default.
    pub fn node_group(mut self, node_group: impl Into<String>) -> Submit {
        self.job.node_group = node_group.into();
        self
    }

    /// The payload's media type.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Submit {
        self.job.content_type = content_type.into();
        self
    }

    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Submit {
        self.job.params.insert(name.into(), value.into());
        self
    }

    /// A JobClient that listens for `group` shall hear how each run ended: [`JobClient::listen`].
    pub fn feedback_to(mut self, group: impl Into<String>) -> Submit {
        (self.job.submit_node_group, self.job.need_feedback) = (group.into(), true);
        self
    }

    /// Smaller runs first; 100 unless given.
    pub fn priority(mut self, priority: i32) -> Submit {
        self.job.priority = Some(priority);
        self
    }

    /// Runs it once, not before `at`.
    pub fn run_at(self, at: Timestamp) -> Submit {
        self.schedule(Schedule::TriggerTime(at))
    }

    /// Runs it once, not before `delay` after the cluster received it.
    pub fn run_in(mut self, delay: Duration) -> Submit {
        self.job.schedule = Some(pb::job::Schedule::TriggerDelay(duration(delay.into())));
        self
    }

    /// Runs it at each instant of an expression; see [`Submit::schedule`] for a rule for changes of the clocks.
    pub fn cron(self, expression: impl Into<String>, time_zone: impl Into<String>) -> Submit {
        let (expression, time_zone) = (expression.into(), time_zone.into());
        self.schedule(Schedule::Cron(CronSchedule { expression, time_zone, dst: DstRule::Auto }))
    }

    /// Runs it every `interval`, `count` times or for ever.
    pub fn repeat(self, interval: Duration, count: Option<u64>) -> Submit {
        self.schedule(Schedule::Repeat(RepeatSchedule { interval: interval.into(), count, first: None }))
    }

    pub fn schedule(mut self, schedule: Schedule) -> Submit {
        self.job.schedule = Some(schedule.into());
        self
    }

    pub fn retry(mut self, retry: RetryPolicy) -> Submit {
        self.job.retry = Some(retry.into());
        self
    }

    /// An execution is told to stop after this.
    pub fn run_timeout(mut self, timeout: Duration) -> Submit {
        self.job.run_timeout = Some(duration(timeout.into()));
        self
    }

    /// A run that has not started this long after its due time is skipped.
    pub fn start_deadline(mut self, deadline: Duration) -> Submit {
        self.job.start_deadline = Some(duration(deadline.into()));
        self
    }

    /// Whether an instant is skipped while a run of the job is live; it is unless told.
    pub fn rely_on_previous_cycle(mut self, rely: bool) -> Submit {
        self.job.rely_on_previous_cycle = Some(rely);
        self
    }

    pub fn misfire(mut self, policy: MisfirePolicy) -> Submit {
        self.job.misfire = Some(policy.into());
        self
    }

    /// How late an instant may ripen before the misfire policy decides.
    pub fn misfire_after(mut self, late: Duration) -> Submit {
        self.job.misfire_after = Some(duration(late.into()));
        self
    }

    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Submit {
        self.job.on_conflict = pb::OnConflict::from(on_conflict).into();
        self
    }

    /// W3C trace context that the runner will see.
    pub fn trace(mut self, traceparent: impl Into<String>, tracestate: impl Into<String>) -> Submit {
        self.job.trace =
            Some(pb::TraceContext { traceparent: traceparent.into(), tracestate: tracestate.into() });
        self
    }
}

impl IntoFuture for Submit {
    type Output = Result<JobHandle, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<JobHandle, ClientError>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.client.clone();
            client.submit_one(self.into_job()?).await
        })
    }
}
