//! LTS's JobCompletedHandler: a JobClient hears how the runs of its group's jobs ended.
//!
//! It listens at the leader and follows it. A handler that succeeds is acknowledged, one that fails is told again later,
//! here or at another JobClient of the group. What this process has handled and hears again, since its answer was lost,
//! it acknowledges without calling the handler a second time. Not here: that another process of the group, or the next
//! start of this one, may hear it again: feedback comes at least once, with the same id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::counters::Tally;
use super::{ClientError, JobClient};
use crate::domain::FieldError;
use crate::link::{Backoff, MESSAGE_BYTES_MAX, Target};
use crate::planted::{self, Bug};
use crate::wire::{Fault, Reason, is_connection_lost, pb};
use pb::job_client_service_client::JobClientServiceClient;
use pb::listen_request::Message as ToCluster;
use pb::listen_response::Message as FromCluster;

/// Handlers at a time, unless told.
const CONCURRENCY_DEFAULT: u32 = 16;
/// The most handlers at a time: what the cluster takes as a window.
const CONCURRENCY_MAX: u32 = 1024;
/// How long handlers may run on after the shutdown.
const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);
/// Handled runs that are remembered against one that comes again.
const HANDLED_MAX: usize = 16_384;
/// Answers that may wait to be sent: never more than are under way.
const QUEUE_MAX: usize = 2 * CONCURRENCY_MAX as usize;
/// How long the cluster may take to end a stream that was closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How one run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback(pb::Feedback);

impl Feedback {
    /// The unique id, such as `42.0/3`: what comes again has the same one.
    pub fn run_id(&self) -> &str {
        &self.0.run_id
    }

    pub fn job_id(&self) -> &str {
        &self.0.job_id
    }

    /// The submitter's name for the job.
    pub fn task_id(&self) -> &str {
        &self.0.task_id
    }

    /// The TaskTrackers that executed it.
    pub fn node_group(&self) -> &str {
        &self.0.node_group
    }

    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// As they were submitted.
    pub fn params(&self) -> &BTreeMap<String, String> {
        &self.0.params
    }

    pub fn is_success(&self) -> bool {
        self.0.success
    }

    /// Why it did not succeed.
    pub fn error(&self) -> &str {
        &self.0.error
    }

    /// What the runner returned, as JSON.
    ///
    /// # Errors
    /// [`ClientError::Undecodable`] if it is not what the caller takes it for.
    pub fn result<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        let json: &[u8] = if self.0.result.is_empty() { b"null" } else { &self.0.result };
        serde_json::from_slice(json).map_err(|error| ClientError::Undecodable {
            job_id: self.0.job_id.clone(),
            problem: error.to_string(),
        })
    }

    /// Which try this is, from 1; it grows with each handler that failed.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// All that was told.
    pub fn message(&self) -> &pb::Feedback {
        &self.0
    }
}

type Handler = Arc<dyn Fn(Feedback) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A JobClient that is about to listen for a group.
#[must_use = "nothing is heard before run_until"]
pub struct Listen {
    client: JobClient,
    group: String,
    handler: Handler,
    concurrency: u32,
    drain_timeout: Duration,
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listen").field("group", &self.group).finish_non_exhaustive()
    }
}

impl JobClient {
    /// Hears how the runs of the jobs ended that were submitted with `feedback_to(group)`, and calls `handler` for each.
    ///
    /// ```no_run
    /// use raftsman::client::Feedback;
    ///
    /// async fn book(feedback: Feedback) -> std::io::Result<()> {
    ///     println!("{} of {}: success {}", feedback.run_id(), feedback.task_id(), feedback.is_success());
    ///     Ok(())
    /// }
    /// # async fn example() -> Result<(), raftsman::ClientError> {
    /// let client = raftsman::JobClient::from_env().await?;
    /// client.listen("shop", book).run_until(raftsman::shutdown_signal()).await
    /// # }
    /// ```
    pub fn listen<H, Handling, Failed>(&self, group: impl Into<String>, handler: H) -> Listen
    where
        H: Fn(Feedback) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<(), Failed>> + Send + 'static,
        Failed: fmt::Display,
    {
        let handler: Handler = Arc::new(move |feedback| {
            let handling = handler(feedback);
            async move { handling.await.map_err(|failed| failed.to_string()) }.boxed()
        });
        Listen {
            client: self.clone(),
            group: group.into(),
            handler,
            concurrency: CONCURRENCY_DEFAULT,
            drain_timeout: DRAIN_TIMEOUT_DEFAULT,
        }
    }
}

impl Listen {
    /// How many handlers run at a time: 1 to 1,024; 16 unless told.
    pub fn concurrency(mut self, handlers: u32) -> Listen {
        self.concurrency = handlers;
        self
    }

    /// How long handlers may run on after the shutdown; what has not ended by then is told to somebody else.
    pub fn drain_timeout(mut self, timeout: Duration) -> Listen {
        self.drain_timeout = timeout;
        self
    }

    /// Listens until `shutdown` is ready, then lets the handlers that run end, and acknowledges them.
    ///
    /// # Errors
    /// If what was configured is wrong. A cluster that cannot be reached is no error: it is waited for.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ClientError> {
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            let problem = format!("is {}; 1 to {CONCURRENCY_MAX}", self.concurrency);
            return Err(FieldError::new("concurrency", problem).into());
        }
        let drain_timeout = self.drain_timeout;
        let mut hearing = Hearing::new(self);
        tokio::select! {
            Err(wrong) = hearing.forever() => return Err(wrong),
            () = shutdown => {}
        }
        // What has not ended in time is heard by another, or by the next start.
        let _late = tokio::time::timeout(drain_timeout, hearing.finish()).await;
        Ok(())
    }
}

/// One stream to a leader.
struct Stream {
    target: Target,
    queue: mpsc::Sender<pb::ListenRequest>,
    responses: Streaming<pb::ListenResponse>,
}

/// What became of a handler.
struct Handled {
    run_id: String,
    attempt: u32,
    outcome: Result<(), String>,
}

struct Hearing {
    listen: Listen,
    stream: Option<Stream>,
    running: JoinSet<Handled>,
    /// Runs whose handlers are under way.
    in_hand: BTreeSet<String>,
    handled: Remembered,
    backoff: Backoff,
}

/// The last runs that were handled.
#[derive(Default)]
struct Remembered {
    runs: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Remembered {
    fn add(&mut self, run_id: String) {
        if self.runs.insert(run_id.clone()) {
            self.order.push_back(run_id);
        }
        if self.order.len() > HANDLED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.runs.remove(&oldest);
        }
    }
}

impl Hearing {
    fn new(listen: Listen) -> Hearing {
        let backoff = Backoff::seeded(fastrand::u64(..));
        let (running, in_hand, handled) = (JoinSet::new(), BTreeSet::new(), Remembered::default());
        Hearing { listen, stream: None, running, in_hand, handled, backoff }
    }

    /// Ends only when the cluster refuses it for good. May be dropped at any await.
    async fn forever(&mut self) -> Result<(), ClientError> {
        loop {
            match self.once().await {
                Ok(()) => {}
                Err(status) => {
                    let lost = is_connection_lost(&status);
                    if let Some(stream) = self.stream.take().filter(|_| lost) {
                        self.listen.client.0.caller.link.broken(&stream.target);
                    }
                    let fault = Fault::from(status);
                    if matches!(fault.reason, Reason::InvalidArgument | Reason::Unsupported) {
                        return Err(ClientError::Refused(fault));
                    }
                    tracing::debug!(%fault, "the feedback stream ended");
                    self.pause().await;
                }
            }
        }
    }

    /// Handlers go on while nobody is connected.
    async fn pause(&mut self) {
        let pause = tokio::time::sleep(self.backoff.next_delay());
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return,
                Some(ended) = self.running.join_next() => self.ended(ended.ok()),
            }
        }
    }

    /// Opens a stream if none is open, then does what comes next.
    async fn once(&mut self) -> Result<(), Status> {
        let Some(stream) = &mut self.stream else {
            self.stream = Some(open(&self.listen).await?);
            return Ok(());
        };
        let target = stream.target.clone();
        let caller = Arc::clone(&self.listen.client.0.caller);
        tokio::select! {
            told = target.hear(stream.responses.message()) => match told?? {
                Some(told) => self.hear(told),
                None => return Err(Status::unavailable("the jobtracker ended the stream")),
            },
            Some(ended) = self.running.join_next() => self.ended(ended.ok()),
            () = caller.another_leads(&target) => self.stream = None,
        }
        Ok(())
    }

    fn hear(&mut self, told: pb::ListenResponse) {
        match told.message {
            Some(FromCluster::Welcome(welcome)) => {
                self.backoff.reset();
                tracing::debug!(term = welcome.term, group = self.listen.group, "listening for feedback");
            }
            Some(FromCluster::Feedback(batch)) => batch.feedback.into_iter().for_each(|one| self.take(one)),
            None => {}
        }
    }

    fn take(&mut self, told: pb::Feedback) {
        if self.handled.runs.contains(&told.run_id) {
            return self.answer(vec![told.run_id], Vec::new());
        }
        if !self.in_hand.insert(told.run_id.clone()) {
            // It is told again while its handler runs, whose end is the answer.
            return;
        }
        let (run_id, attempt) = (told.run_id.clone(), told.attempt);
        let handler = Arc::clone(&self.listen.handler);
        self.running.spawn(async move {
            // Also what comes before the handler's first await may panic.
            let handling = AssertUnwindSafe(async move { handler(Feedback(told)).await }).catch_unwind();
            let outcome = handling.await.unwrap_or_else(|_| Err("the handler panicked".into()));
            Handled { run_id, attempt, outcome }
        });
    }

    /// Answers one handler, and those that have ended with it.
    fn ended(&mut self, first: Option<Handled>) {
        let more = std::iter::from_fn(|| self.running.try_join_next()).filter_map(Result::ok);
        let ended: Vec<Handled> = first.into_iter().chain(more).collect();
        self.in_hand.retain(|run_id| ended.iter().all(|handled| handled.run_id != *run_id));
        let (heard, failures) = answers(ended);
        heard.iter().for_each(|run_id| self.handled.add(run_id.clone()));
        let tally = &self.listen.client.0.batches.tally;
        Tally::add(&tally.handle_feedback, heard.len());
        self.answer(heard, failures);
    }

    /// Without a stream the answer is lost; it is told again, and then answered.
    fn answer(&mut self, run_ids: Vec<String>, failures: Vec<pb::FeedbackFailure>) {
        let heard = (!run_ids.is_empty()).then_some(ToCluster::Heard(pb::FeedbackHeard { run_ids }));
        let failed = (!failures.is_empty()).then_some(ToCluster::Failed(pb::FeedbackFailed { failures }));
        for message in heard.into_iter().chain(failed) {
            let Some(stream) = &self.stream else { return };
            if stream.queue.try_send(pb::ListenRequest { message: Some(message) }).is_err() {
                // It stands still or has ended: a new one hears again what was not answered.
                self.stream = None;
            }
        }
    }

    /// Takes nothing new, waits for the handlers, and for their answers to arrive.
    async fn finish(mut self) {
        while let Some(ended) = self.running.join_next().await {
            self.ended(ended.ok());
        }
        let Some(Stream { queue, mut responses, .. }) = self.stream.take() else { return };
        drop(queue);
        let until_closed = async { while let Ok(Some(_)) = responses.message().await {} };
        let _late = tokio::time::timeout(CLOSE_WITHIN, until_closed).await;
    }
}

/// What is acknowledged, and what is to be told again: only a handler that succeeded has heard.
fn answers(ended: Vec<Handled>) -> (Vec<String>, Vec<pb::FeedbackFailure>) {
    let (mut heard, mut failures) = (Vec::new(), Vec::new());
    for Handled { run_id, attempt, outcome } in ended {
        match outcome {
            Err(error) if !planted::is(Bug::FailedHandlerIsAcknowledged) => {
                failures.push(pb::FeedbackFailure { run_id, attempt, error });
            }
            Ok(()) | Err(_) => heard.push(run_id),
        }
    }
    (heard, failures)
}

async fn open(listen: &Listen) -> Result<Stream, Status> {
    let inner = &listen.client.0;
    let target = inner.caller.link.target().await;
    let (queue, requests) = mpsc::channel(QUEUE_MAX);
    let hello = pb::ListenHello {
        node_group: listen.group.clone(),
        identity: inner.sequences.identity().as_str().into(),
        start_number: inner.start_number,
        window: listen.concurrency,
    };
    let hello = pb::ListenRequest { message: Some(ToCluster::Hello(hello)) };
    queue.try_send(hello).map_err(|_| Status::internal("an empty queue takes a hello"))?;
    let mut client =
        JobClientServiceClient::new(target.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    match async { target.hear(client.listen(ReceiverStream::new(requests))).await? }.await {
        Ok(responses) => Ok(Stream { target, queue, responses: responses.into_inner() }),
        Err(status) => {
            if is_connection_lost(&status) {
                inner.caller.link.broken(&target);
            }
            Err(status)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn handled(run_id: &str, outcome: Result<(), String>) -> Handled {
        Handled { run_id: run_id.into(), attempt: 3, outcome }
    }

    #[test]
    pub(crate) fn a_handler_that_failed_is_not_acknowledged() {
        let ended = vec![handled("1.0/0", Ok(())), handled("2.0/0", Err("down".into()))];
        let (heard, failures) = answers(ended);
        assert_eq!(heard, ["1.0/0"]);
        let failure = pb::FeedbackFailure { run_id: "2.0/0".into(), attempt: 3, error: "down".into() };
        assert_eq!(failures, [failure]);
    }

    #[test]
    fn as_many_handled_runs_are_remembered_as_are_needed_and_no_more() {
        let mut handled = Remembered::default();
        (0..HANDLED_MAX + 5).for_each(|n| handled.add(format!("{n}.0/0")));
        handled.add("5.0/0".into());
        assert_eq!((handled.runs.len(), handled.order.len()), (HANDLED_MAX, HANDLED_MAX));
        assert!(!handled.runs.contains("4.0/0") && handled.runs.contains("5.0/0"));
    }
}
