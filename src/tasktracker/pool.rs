//! The RunnerPool: one task for each execution, its order to stop, and how it ended.
//!
//! It decides nothing: the session says what begins, stops and is killed. A panic of user code ends one execution, not
//! the TaskTracker.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::context::StopOrder;
use super::runner::{ended, outcome};
use super::{JobContext, JobError, JobResult, Journal, RawRunner, StopCause};
use crate::domain::{Action, Clock, ExecutionId, Outcome, Timestamp};
use crate::wire::{pb, read_duration, read_timestamp};

/// How an execution ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) execution: ExecutionId,
    pub(super) outcome: Outcome,
    /// It was killed, or noticed that it was told to stop: an error it ended with says nothing about the job.
    pub(super) interrupted: bool,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
}

/// The runners by kind, and one for all other kinds if there is one.
#[derive(Clone, Default)]
pub(super) struct Runners {
    pub(super) by_kind: BTreeMap<String, Arc<dyn RawRunner>>,
    pub(super) any: Option<Arc<dyn RawRunner>>,
}

impl fmt::Debug for Runners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}

impl Runners {
    /// The kinds to ask for; empty means all.
    pub(super) fn kinds(&self) -> Vec<String> {
        if self.any.is_some() { Vec::new() } else { self.by_kind.keys().cloned().collect() }
    }

    fn of(&self, kind: &str) -> Option<Arc<dyn RawRunner>> {
        self.by_kind.get(kind).or(self.any.as_ref()).cloned()
    }
}

#[derive(Debug)]
pub(super) struct RunnerPool {
    runners: Runners,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    live: BTreeMap<ExecutionId, Live>,
    /// Where the ends go; as many fit as executions can run, so no end waits for room.
    ends: mpsc::Sender<Ended>,
}

#[derive(Debug)]
struct Live {
    stop: StopOrder,
    kill: CancellationToken,
    task: AbortHandle,
}

impl RunnerPool {
    pub(super) fn new(
        runners: Runners,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        ends: mpsc::Sender<Ended>,
    ) -> RunnerPool {
        RunnerPool { runners, journal, clock, live: BTreeMap::new(), ends }
    }

    /// Begins an execution; its end is told once, however it comes.
    pub(super) fn begin(&mut self, push: pb::JobPush) {
        let execution = ExecutionId::from_u64(push.execution);
        let stop = StopOrder::default();
        self.journal.open(execution);
        let started_at = self.clock.wall();
        let kill = CancellationToken::new();
        let running = until_killed(self.run(push, stop.clone(), started_at), kill.clone());
        let order = stop.clone();
        let (ends, clock) = (self.ends.clone(), Arc::clone(&self.clock));
        let task = tokio::spawn(async move {
            let (outcome, killed) = running.await;
            let interrupted = killed || order.is_heard();
            // Nobody listens only when the TaskTracker itself is gone.
            let _ = ends
                .send(Ended { execution, outcome, interrupted, started_at, ended_at: clock.wall() })
                .await;
        });
        self.live.insert(execution, Live { stop, kill, task: task.abort_handle() });
    }

    fn run(
        &self,
        mut push: pb::JobPush,
        stop: StopOrder,
        now: Timestamp,
    ) -> impl Future<Output = JobResult<Bytes>> + Send + 'static + use<> {
        let runner = self.runners.of(&push.kind);
        let span =
            tracing::info_span!("job", job = push.job_id, run = push.run_id, execution = push.execution_id);
        let payload = std::mem::take(&mut push.payload);
        let timeout = push.run_timeout.and_then(|span| read_duration(span).ok());
        let start_at = push.start_at.and_then(|at| read_timestamp(at).ok()).unwrap_or(now);
        let begin = Instant::now() + start_at.since(now).into();
        let deadline = timeout.map(|span| begin + span.into());
        let context = JobContext::new(Arc::new(push), stop, Arc::clone(&self.journal), deadline);
        let running = async move {
            let runner =
                runner.ok_or_else(|| JobError::fail(format!("no runner for {:?}", context.kind())))?;
            if start_at > now {
                tokio::select! {
                    () = tokio::time::sleep_until(begin) => {}
                    () = context.cancelled() => return Err(JobError::Cancelled.into()),
                }
            }
            runner.run_raw(context, payload).await
        };
        running.instrument(span)
    }

    /// Asks an execution to stop.
    pub(super) fn stop(&self, execution: ExecutionId, cause: StopCause) {
        if let Some(live) = self.live.get(&execution) {
            live.stop.give(cause);
        }
    }

    /// Drops the future of an execution at its next await.
    pub(super) fn kill(&self, execution: ExecutionId) {
        if let Some(live) = self.live.get(&execution) {
            live.kill.cancel();
        }
    }

    /// Forgets an execution that ended; its last lines are returned.
    pub(super) fn forget(&mut self, execution: ExecutionId) -> Vec<pb::BizLogLine> {
        self.live.remove(&execution);
        self.journal.close(execution)
    }
}

impl Drop for RunnerPool {
    fn drop(&mut self) {
        self.live.values().for_each(|live| live.task.abort());
    }
}

/// Runs user code to its end, its panic or its kill, whichever comes first; says whether it was killed.
async fn until_killed(
    running: impl Future<Output = JobResult<Bytes>> + Send,
    kill: CancellationToken,
) -> (Outcome, bool) {
    let mut running = Box::pin(AssertUnwindSafe(async { outcome(running.await) }).catch_unwind());
    let told = tokio::select! {
        biased;
        told = &mut running => (told.unwrap_or_else(|panic| panicked(panic.as_ref())), false),
        () = kill.cancelled() => {
            (ended(Action::ExecuteException, "killed: it did not stop when it was told to".into()), true)
        }
    };
    // What user code drops may panic as well.
    if std::panic::catch_unwind(AssertUnwindSafe(move || drop(running))).is_err() {
        tracing::error!("an execution panicked while it was dropped");
    }
    told
}

fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text =
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into());
    ended(Action::ExecuteException, format!("panicked: {text}"))
}

#[cfg(test)]
mod tests {
    use super::super::{JobRunner, runner::Typed};
    use super::*;
    use crate::domain::{BizLogLevel, Millis, SystemClock};
    use crate::wire::{Payload, timestamp};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order {
        what: String,
    }
    impl Payload for Order {
        const KIND: &'static str = "order";
    }

    /// User code whose end is as bad as it gets.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while dropping");
        }
    }

    async fn handle(context: JobContext, order: Order) -> JobResult<String> {
        match order.what.as_str() {
            "panic" => panic!("at the disco"),
            "fail" => Err(JobError::fail("no carrier")),
            "wait" => {
                context.cancelled().await;
                Err(JobError::Cancelled.into())
            }
            "hang" => {
                let _bomb = Bomb;
                std::future::pending().await
            }
            what => Ok(format!("{what} {}", context.fencing_token())),
        }
    }

    fn pool() -> (RunnerPool, mpsc::Receiver<Ended>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runner: Arc<dyn RawRunner> = Arc::new(Typed::<Order, _>::new(handle));
        let runners = Runners { by_kind: [("order".to_owned(), runner)].into(), any: None };
        let (ends, ended) = mpsc::channel(8);
        (
            RunnerPool::new(runners, Arc::new(Journal::new(clock.clone(), BizLogLevel::Debug)), clock, ends),
            ended,
        )
    }

    fn push(kind: &str, payload: &str) -> pb::JobPush {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        pb::JobPush { execution: 7, kind: kind.into(), payload, ..Default::default() }
    }

    async fn end_of(kind: &str, payload: &str, act: impl FnOnce(&mut RunnerPool)) -> (Action, String) {
        let (mut pool, mut ends) = pool();
        pool.begin(push(kind, payload));
        act(&mut pool);
        let ended = ends.recv().await.expect("every execution ends").outcome;
        let said = if ended.error.is_empty() {
            String::from_utf8(ended.result.to_vec()).unwrap()
        } else {
            ended.error
        };
        (ended.action, said)
    }

    #[tokio::test]
    async fn what_a_runner_returns_becomes_one_of_four_outcomes() {
        let order = |what: &str| format!(r#"{{"what":"{what}"}}"#);
        let just_run = |_: &mut RunnerPool| {};
        assert_eq!(
            end_of("order", &order("ship"), just_run).await,
            (Action::ExecuteSuccess, "\"ship 7\"".into())
        );
        assert_eq!(
            end_of("order", &order("fail"), just_run).await,
            (Action::ExecuteFailed, "no carrier".into())
        );
        let panicked = end_of("order", &order("panic"), just_run).await;
        assert_eq!(panicked, (Action::ExecuteException, "panicked: at the disco".into()));
        let (action, error) = end_of("order", "not json", just_run).await;
        assert!(
            action == Action::ExecuteFailed && error.starts_with("the payload is not a order"),
            "{error}"
        );
        assert_eq!(end_of("other", "", just_run).await.0, Action::ExecuteFailed);
    }

    #[tokio::test]
    async fn an_execution_stops_when_it_is_asked_and_is_killed_when_it_does_not() {
        let asked = end_of("order", r#"{"what":"wait"}"#, |pool| {
            pool.stop(ExecutionId::from_u64(7), StopCause::TimedOut);
        });
        assert_eq!(asked.await, (Action::ExecuteException, "cancelled".into()));
        let killed = end_of("order", r#"{"what":"hang"}"#, |pool| pool.kill(ExecutionId::from_u64(7)));
        assert!(killed.await.1.starts_with("killed"));
    }

    #[tokio::test]
    async fn only_what_noticed_its_order_was_interrupted() {
        for (what, interrupted) in [("panic", false), ("wait", true)] {
            let (mut pool, mut ends) = pool();
            pool.begin(push("order", &format!(r#"{{"what":"{what}"}}"#)));
            pool.stop(ExecutionId::from_u64(7), StopCause::CutOff);
            let ended = ends.recv().await.expect("it ends");
            assert_eq!(
                (ended.outcome.action, ended.interrupted),
                (Action::ExecuteException, interrupted),
                "{what}"
            );
        }
    }

    #[tokio::test]
    async fn what_begins_later_can_be_stopped_before_it_begins() {
        let (mut pool, mut ends) = pool();
        let start_at = Some(timestamp(SystemClock.wall() + Millis::from_secs(3600)));
        pool.begin(pb::JobPush { start_at, ..push("order", r#"{"what":"panic"}"#) });
        pool.stop(ExecutionId::from_u64(7), StopCause::Terminated("by ann".into()));
        assert_eq!(ends.recv().await.expect("it ends").outcome.error, "cancelled");
    }

    #[test]
    fn a_plain_async_function_is_a_runner() {
        fn takes<P: Payload, R: JobRunner<P>>(_: R) {}
        takes(handle);
    }
}
