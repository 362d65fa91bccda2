//! What user code is told about the execution it runs, and what it may tell back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{BizLogger, Journal};
use crate::domain::{ExecutionId, Timestamp, TraceContext};
use crate::wire::{pb, read_timestamp};

/// Why an execution is told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody cancelled or terminated it.
    Terminated(String),
    /// It ran longer than the job's run timeout.
    TimedOut,
    /// The TaskTracker is cut off from the cluster, which will soon run it elsewhere.
    CutOff,
    /// The TaskTracker is stopping and its drain timeout has passed.
    Draining,
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopCause::Terminated(reason) if reason.is_empty() => f.write_str("terminated"),
            StopCause::Terminated(reason) => write!(f, "terminated: {reason}"),
            StopCause::TimedOut => f.write_str("ran longer than its run timeout"),
            StopCause::CutOff => f.write_str("stopped: the tasktracker was cut off from the cluster"),
            StopCause::Draining => f.write_str("stopped: the tasktracker is draining"),
        }
    }
}

/// The order to stop; shared by the session that gives it and the code that obeys.
#[derive(Clone, Debug, Default)]
pub(super) struct StopOrder {
    token: CancellationToken,
    cause: Arc<OnceLock<StopCause>>,
    heard: Arc<AtomicBool>,
}

impl StopOrder {
    /// The first cause stays.
    pub(super) fn give(&self, cause: StopCause) {
        let _ = self.cause.set(cause);
        self.token.cancel();
    }

    /// Whether user code noticed it. What ends with an error before that has failed by itself.
    pub(super) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }
}

/// One execution, as user code sees it. Cloning is cheap.
#[derive(Clone)]
pub struct JobContext {
    push: Arc<pb::JobPush>,
    stop: StopOrder,
    journal: Arc<Journal>,
    deadline: Option<Instant>,
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobContext({} {})", self.run_id(), self.execution_id())
    }
}

impl JobContext {
    pub(super) fn new(
        push: Arc<pb::JobPush>,
        stop: StopOrder,
        journal: Arc<Journal>,
        deadline: Option<Instant>,
    ) -> JobContext {
        JobContext { push, stop, journal, deadline }
    }

    /// A number that only grows from one execution of a run to the next: hand it to what the job writes to, and let
    /// that refuse a smaller one than it has seen.
    pub fn fencing_token(&self) -> u64 {
        self.push.execution
    }

    /// The execution's id; as a number it is the fencing token.
    pub fn execution_id(&self) -> ExecutionId {
        ExecutionId::from_u64(self.push.execution)
    }

    /// Such as `42.0`.
    pub fn job_id(&self) -> &str {
        &self.push.job_id
    }

    /// Such as `42.0/3`.
    pub fn run_id(&self) -> &str {
        &self.push.run_id
    }

    /// The submitter's name of the job.
    pub fn task_id(&self) -> &str {
        &self.push.task_id
    }

    pub fn node_group(&self) -> &str {
        &self.push.node_group
    }

    pub fn kind(&self) -> &str {
        &self.push.kind
    }

    /// The media type of the payload.
    pub fn content_type(&self) -> &str {
        &self.push.content_type
    }

    /// The job's string parameters.
    pub fn params(&self) -> &BTreeMap<String, String> {
        &self.push.params
    }

    /// Which attempt at the run this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.push.attempt
    }

    /// Whether the run was attempted before.
    pub fn is_retry(&self) -> bool {
        self.push.attempt > 1
    }

    /// The planned instant of the run; a retry does not change it. The epoch if the cluster did not tell.
    pub fn planned_time(&self) -> Timestamp {
        self.push.planned_time.and_then(|at| read_timestamp(at).ok()).unwrap_or_default()
    }

    /// When the run timeout will stop the execution; `None` without one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// W3C trace context of the submit.
    pub fn trace(&self) -> Option<TraceContext> {
        let trace = self.push.trace.clone()?;
        Some(TraceContext { traceparent: trace.traceparent, tracestate: trace.tracestate })
    }

    /// Waits until the execution is told to stop; some time later its future is dropped.
    pub async fn cancelled(&self) {
        self.stop.token.cancelled().await;
        self.stop.hear();
    }

    pub fn is_cancelled(&self) -> bool {
        self.stop_cause().is_some()
    }

    /// Why it is told to stop; `None` while it is not.
    pub fn stop_cause(&self) -> Option<&StopCause> {
        self.stop.cause.get().inspect(|_| self.stop.hear())
    }

    /// Tells how far it is; `total` 0 means unknown. Only the latest is sent.
    pub fn progress(&self, done: u64, total: u64) {
        self.journal.progress(self.execution_id(), done, total);
    }

    /// Writes lines into the job log.
    pub fn biz_logger(&self) -> BizLogger {
        BizLogger::new(self.execution_id(), Arc::clone(&self.journal))
    }
}
