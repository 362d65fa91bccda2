//! LTS's JobRunnerTester: runs a JobRunner without a cluster, as a TaskTracker would.
//!
//! ```
//! use raftsman::tasktracker::testing::{Tester, TestJob};
//! use raftsman::{JobContext, JobResult};
//! # #[derive(serde::Serialize, serde::Deserialize)] struct ShipOrder { order_id: u64 }
//! # impl raftsman::Payload for ShipOrder { const KIND: &'static str = "order.ship"; }
//! async fn ship(context: JobContext, order: ShipOrder) -> JobResult<String> {
//!     context.biz_logger().info(format_args!("order {}", order.order_id));
//!     Ok(format!("tracking-{}", order.order_id))
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let ended = Tester::of(ship).run(TestJob::of(&ShipOrder { order_id: 7 })).await;
//! assert!(ended.is_success());
//! assert_eq!(ended.result::<String>().unwrap(), "tracking-7");
//! assert_eq!(ended.lines, ["INFO order 7"]);
//! # }
//! ```
//!
//! The same code decodes the payload, catches a panic and maps an error to an outcome as in a TaskTracker. Not here: retries,
//! schedules, leases; `raftsman dev` has all of them in one process.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::pool::{Ended, RunnerPool, Runners};
use super::runner::Typed;
use super::{JobRunner, Journal, RawRunner, StopCause, TaskTrackerBuilder};
use crate::domain::{Action, BizLogLevel, Clock, ExecutionId, Millis, Outcome, SystemClock};
use crate::wire::{JSON, Payload, duration, pb};

/// The execution that a tester makes.
const EXECUTION: u64 = 42 << 20;
/// How long an execution has to end after it was told to stop, before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// Runs one runner.
#[derive(Debug)]
pub struct Tester {
    runners: Runners,
}

/// The job that is run: a payload, and what a submitter may say about it.
#[derive(Clone, Debug)]
pub struct TestJob {
    push: pb::JobPush,
    stop_after: Option<Duration>,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    pub action: Action,
    /// The bytes that the runner returned, where it succeeded.
    pub result: Bytes,
    /// What went wrong.
    pub error: String,
    /// The delay that the runner asked for.
    pub retry_after: Option<Duration>,
    /// The biz log, each line with its level.
    pub lines: Vec<String>,
}

impl Tester {
    /// Of a typed runner, or of an async function of a context and a payload.
    pub fn of<P: Payload, R: JobRunner<P>>(runner: R) -> Tester {
        Tester::raw(Typed::<P, R>::new(runner))
    }

    /// Of a runner of bytes.
    pub fn raw(runner: impl RawRunner) -> Tester {
        Tester { runners: Runners { any: Some(Arc::new(runner)), ..Runners::default() } }
    }

    /// Of all that a TaskTracker would register: the kind of a job chooses, as there.
    pub fn of_tracker(builder: TaskTrackerBuilder) -> Tester {
        Tester { runners: builder.runners }
    }

    /// Runs a job once and waits for its end.
    ///
    /// # Panics
    /// If there is no tokio runtime.
    pub async fn run(&self, job: TestJob) -> TestOutcome {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let journal = Arc::new(Journal::new(Arc::clone(&clock), BizLogLevel::Debug));
        let (ends, mut ended) = mpsc::channel(1);
        let mut pool = RunnerPool::new(self.runners.clone(), Arc::clone(&journal), clock, ends);
        let execution = ExecutionId::from_u64(EXECUTION);
        let timeout = job.push.run_timeout.and_then(|span| crate::wire::read_duration(span).ok());
        pool.begin(job.push);
        let end = match (job.stop_after, timeout) {
            (Some(after), _) => {
                stopped(&pool, &mut ended, after, StopCause::Terminated("by the test".into())).await
            }
            (None, Some(after)) => stopped(&pool, &mut ended, after.into(), StopCause::TimedOut).await,
            (None, None) => ended.recv().await,
        };
        let outcome = end.expect("every execution ends").outcome;
        let said = journal.fetch().lines.into_iter().flat_map(|(_, lines)| lines);
        let lines = said.chain(pool.forget(execution)).map(|line| text(&line)).collect();
        let Outcome { action, result, error, retry_after } = outcome;
        TestOutcome { action, result, error, retry_after: retry_after.map(Duration::from), lines }
    }
}

/// Waits for the end; tells the execution to stop after a while, and kills it if it does not.
async fn stopped(
    pool: &RunnerPool,
    ended: &mut mpsc::Receiver<Ended>,
    after: Duration,
    cause: StopCause,
) -> Option<Ended> {
    let execution = ExecutionId::from_u64(EXECUTION);
    if let Ok(end) = tokio::time::timeout(after, ended.recv()).await {
        return end;
    }
    pool.stop(execution, cause);
    if let Ok(end) = tokio::time::timeout(GRACE, ended.recv()).await {
        return end;
    }
    pool.kill(execution);
    ended.recv().await
}

fn text(line: &pb::BizLogLine) -> String {
    let level = line.level().as_str_name().trim_start_matches("LOG_LEVEL_");
    format!("{level} {}", line.text)
}

impl TestJob {
    /// A job with this payload, as JSON.
    ///
    /// # Panics
    /// If the payload cannot be written as JSON.
    pub fn of<P: Payload>(payload: &P) -> TestJob {
        let json = serde_json::to_vec(payload).expect("a payload can be written as JSON");
        let job = TestJob::raw(P::KIND, json);
        TestJob { push: pb::JobPush { content_type: JSON.into(), ..job.push }, ..job }
    }

    /// A job of bytes.
    pub fn raw(kind: impl Into<String>, payload: impl Into<Bytes>) -> TestJob {
        let push = pb::JobPush {
            execution: EXECUTION,
            execution_id: ExecutionId::from_u64(EXECUTION).to_string(),
            run_id: "7.0/1".into(),
            job_id: "7.0".into(),
            task_id: "test".into(),
            node_group: "test".into(),
            kind: kind.into(),
            content_type: "application/octet-stream".into(),
            payload: payload.into(),
            attempt: 1,
            ..pb::JobPush::default()
        };
        TestJob { push, stop_after: None }
    }

    #[must_use]
    pub fn task_id(mut self, task_id: impl Into<String>) -> TestJob {
        self.push.task_id = task_id.into();
        self
    }

    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> TestJob {
        self.push.params.insert(name.into(), value.into());
        self
    }

    /// Which attempt at the run it is, from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> TestJob {
        self.push.attempt = attempt;
        self
    }

    /// The job's run timeout: then it is told to stop, and a second later it is killed.
    #[must_use]
    pub fn run_timeout(mut self, timeout: Duration) -> TestJob {
        self.push.run_timeout = Some(duration(Millis::from(timeout)));
        self
    }

    /// Terminates it after this, as an operator would.
    #[must_use]
    pub fn stop_after(mut self, after: Duration) -> TestJob {
        self.stop_after = Some(after);
        self
    }
}

impl TestOutcome {
    pub fn is_success(&self) -> bool {
        self.action == Action::ExecuteSuccess
    }

    /// What a typed runner returned.
    ///
    /// # Errors
    /// If it is not the JSON of a `T`.
    pub fn result<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasktracker::{JobContext, JobError, JobResult, RawRun, TaskTracker};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order {
        what: String,
    }
    impl Payload for Order {
        const KIND: &'static str = "order";
    }

    async fn ship(context: JobContext, order: Order) -> JobResult<u32> {
        context.biz_logger().info(format_args!("{} {}", context.task_id(), order.what));
        match order.what.as_str() {
            "later" => Err(JobError::retry_in(Duration::from_secs(5), "busy")),
            "fail" => Err(JobError::fail("no carrier")),
            "panic" => panic!("at the disco"),
            "wait" => {
                context.cancelled().await;
                Err(anyhow::anyhow!("stopped: {}", context.stop_cause().expect("it was told why")))
            }
            "hang" => std::future::pending().await,
            _ => Ok(context.attempt()),
        }
    }

    async fn ended(what: &str, with: impl FnOnce(TestJob) -> TestJob) -> TestOutcome {
        Tester::of(ship).run(with(TestJob::of(&Order { what: what.into() }))).await
    }

    #[tokio::test]
    async fn a_runner_is_run_without_a_cluster_and_tells_what_a_tasktracker_would_report() {
        let success = ended("ship", |job| job.task_id("t1").attempt(3)).await;
        assert_eq!((success.is_success(), success.result::<u32>().ok()), (true, Some(3)));
        assert_eq!(success.lines, ["INFO t1 ship"]);
        let later = ended("later", |job| job).await;
        assert_eq!((later.action, later.retry_after), (Action::ExecuteLater, Some(Duration::from_secs(5))));
        let failed = ended("fail", |job| job).await;
        assert_eq!((failed.action, failed.error.as_str()), (Action::ExecuteFailed, "no carrier"));
        assert_eq!(failed.lines, ["INFO test fail"], "what was said before the end is there");
        let panicked = ended("panic", |job| job).await;
        assert_eq!(panicked.error, "panicked: at the disco");
        let wrong = Tester::of(ship).run(TestJob::raw("order", "not json")).await;
        assert_eq!(wrong.action, Action::ExecuteFailed);
    }

    #[tokio::test]
    async fn a_runner_is_told_to_stop_and_killed_if_it_does_not() {
        let told = ended("wait", |job| job.stop_after(Duration::from_millis(20))).await;
        assert_eq!(told.error, "stopped: terminated: by the test");
        let late = ended("wait", |job| job.run_timeout(Duration::from_millis(20))).await;
        assert_eq!(late.error, "stopped: ran longer than its run timeout");
        let killed = ended("hang", |job| job.run_timeout(Duration::from_millis(20))).await;
        assert!(killed.error.starts_with("killed"), "{}", killed.error);
    }

    #[tokio::test]
    async fn a_context_tells_the_job_its_fence_its_attempt_and_its_deadline() {
        async fn tell(context: JobContext, _: Order) -> JobResult<Vec<String>> {
            let deadline = context.deadline().is_some();
            let ids = format!("{} {} {}", context.job_id(), context.run_id(), context.execution_id());
            let names = format!("{} {} {}", context.task_id(), context.node_group(), context.kind());
            let fence = context.fencing_token();
            let param = context.params().get("a").cloned().unwrap_or_default();
            let retry = format!("{} {}", context.attempt(), context.is_retry());
            let still = format!("{deadline} {} {:?}", context.is_cancelled(), context.stop_cause());
            Ok(vec![ids, names, fence.to_string(), param, retry, still])
        }
        let job = TestJob::of(&Order { what: String::new() }).param("a", "b").attempt(2);
        let told = Tester::of(tell).run(job.run_timeout(Duration::from_secs(60))).await;
        let fence = EXECUTION.to_string();
        let expected = ["7.0 7.0/1 42.0", "test test order", &fence, "b", "2 true", "true false None"];
        assert_eq!(told.result::<Vec<String>>().ok(), Some(expected.map(str::to_owned).into()));
    }

    /// LTS made a new runner for each job unless a Spring bean was shared.
    #[tokio::test]
    async fn a_runner_is_shared_by_all_jobs_and_a_closure_may_make_one_for_each() {
        struct Counting(AtomicU32);
        impl JobRunner<Order> for Counting {
            type Output = u32;
            async fn run(&self, _: JobContext, _: Order) -> JobResult<u32> {
                Ok(self.0.fetch_add(1, Ordering::Relaxed))
            }
        }
        let job = || TestJob::of(&Order { what: String::new() });
        let shared = Tester::of(Counting(AtomicU32::new(0)));
        shared.run(job()).await;
        assert_eq!(shared.run(job()).await.result::<u32>().ok(), Some(1));
        let fresh =
            Tester::of(|context, order| async move { Counting(AtomicU32::new(0)).run(context, order).await });
        fresh.run(job()).await;
        assert_eq!(fresh.run(job()).await.result::<u32>().ok(), Some(0));
    }

    /// LTS's dispatch by shard value, with its `_LTS_DEFAULT`.
    #[tokio::test]
    async fn a_kind_chooses_its_runner_and_other_kinds_go_to_the_fallback_if_there_is_one() {
        struct Fallback;
        impl RawRunner for Fallback {
            fn run_raw(&self, context: JobContext, _: Bytes) -> RawRun<'_> {
                Box::pin(async move { Ok(format!("fallback for {}", context.kind()).into()) })
            }
        }
        let tracker = || TaskTracker::builder("trade").register(ship);
        let other = || TestJob::raw("invoice", "");
        let with_fallback = Tester::of_tracker(tracker().register_any(Fallback));
        let own = with_fallback.run(TestJob::of(&Order { what: "ship".into() })).await;
        assert_eq!(own.result::<u32>().ok(), Some(1));
        assert_eq!(with_fallback.run(other()).await.result, "fallback for invoice");
        let without = Tester::of_tracker(tracker()).run(other()).await;
        assert_eq!(
            (without.action, without.error.as_str()),
            (Action::ExecuteFailed, "no runner for \"invoice\"")
        );
    }
}
