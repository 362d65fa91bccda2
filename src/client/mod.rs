//! The JobClient of the SDK: submits, cancels and reads jobs, at whichever JobTracker leads.
//!
//! ```no_run
//! # #[derive(serde::Serialize, serde::Deserialize)] struct ShipOrder { order_id: u64 }
//! # impl raftsman::Payload for ShipOrder { const KIND: &'static str = "order.ship"; }
//! # async fn example() -> Result<(), raftsman::client::ClientError> {
//! let client = raftsman::JobClient::from_env().await?;
//! let job = client.submit(ShipOrder { order_id: 1 }).node_group("order_trackers").task_id("ship-1").await?;
//! let tracking_number: String = job.result().await?;
//! # Ok(()) }
//! ```
//!
//! Every mutating call has a sequence in a client session, so that it may be repeated, here and across a failover, and
//! is done once. An error says whether the call was surely not done or may have been. With a
//! [FailStore](FailStoreOptions) a submission that nobody answers is saved on disk and sent later.

mod acts;
mod batches;
mod builder;
mod caller;
mod counters;
mod error;
mod fail_store;
mod handle;
mod limiter;
mod listen;
mod log_tail;
mod sequences;
mod submit;
mod submitter;
#[cfg(test)]
mod tests;
mod update;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Response, Status};

pub use acts::Act;
pub use builder::JobClientBuilder;
pub use counters::ClientCounters;
pub use error::ClientError;
pub use fail_store::{DeadLetter, FailStoreContents, FailStoreOptions, FailStoreStats, SavedJob};
pub use handle::{CancelAnswer, JobHandle, JobRef, SubmitOutcome};
pub use listen::{Feedback, Listen};
pub use log_tail::LogTail;
pub use submit::{Retry, Submit};
pub use update::{JobUpdate, UpdateAnswer};

use crate::link::{MESSAGE_BYTES_MAX, View};
use crate::wire::{Fault, Payload, Reason, duration, pb};
use batches::{Batches, in_batches};
use caller::Caller;
pub use caller::{UntilDeadline, Via};
use counters::Tally;
use fail_store::Keeper;
use limiter::Limiter;
use pb::job_service_client::JobServiceClient;
use sequences::{Sequences, mutate};
use submitter::Submitter;

/// One question of a long wait.
const WAIT_SLICE: Duration = Duration::from_secs(20);
/// Talks to a cluster. Cloning is cheap; the connections end with the last clone.
#[derive(Clone, Debug)]
pub struct JobClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    caller: Arc<Caller>,
    sequences: Arc<Sequences>,
    batches: Arc<Batches>,
    submitter: Submitter,
    limiter: Option<Limiter>,
    /// Sends what is saved, as long as the client lives.
    _replaying: Option<AbortOnDropHandle<()>>,
    node_group: String,
    /// Names this start of this client in task ids that are made.
    start_number: u64,
    task_ids: AtomicU64,
}

fn jobs(via: Via) -> JobServiceClient<Via> {
    JobServiceClient::new(via).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

impl JobClient {
    pub fn builder() -> JobClientBuilder {
        JobClientBuilder::default()
    }

    /// Connects to the JobTrackers of RAFTSMAN_ADDR, else `127.0.0.1:5870`.
    ///
    /// # Errors
    /// As [`JobClientBuilder::connect`].
    pub async fn from_env() -> Result<JobClient, ClientError> {
        JobClient::builder().connect().await
    }

    /// Connects to some JobTrackers: `host:port`, with commas between.
    ///
    /// # Errors
    /// As [`JobClientBuilder::connect`].
    pub async fn connect(addresses: impl Into<String>) -> Result<JobClient, ClientError> {
        JobClient::builder().addresses(addresses).connect().await
    }

    /// Says what to run; awaiting it submits it.
    pub fn submit<P: Payload>(&self, payload: P) -> Submit {
        Submit::typed(self.clone(), &payload)
    }

    /// Says what to run as bytes of a kind; awaiting it submits it.
    pub fn submit_raw(&self, kind: impl Into<String>, payload: impl Into<Bytes>) -> Submit {
        Submit::raw(self.clone(), kind.into(), payload.into())
    }

    /// Submits a job that is written out in full; awaiting it submits it.
    pub fn submit_job(&self, job: pb::Job) -> Submit {
        Submit::whole(self.clone(), job)
    }

    /// Submits many jobs in batches of up to 1,000; each has its own answer, in the same order.
    pub async fn submit_all(
        &self,
        submits: impl IntoIterator<Item = Submit>,
    ) -> Vec<Result<JobHandle, ClientError>> {
        let mut right = Vec::new();
        let wrong: Vec<Option<ClientError>> =
            submits.into_iter().map(|submit| submit.into_job().map(|job| right.push(job)).err()).collect();
        let mut answers = Vec::with_capacity(right.len());
        for batch in in_batches(right) {
            answers.extend(self.submit_batch(batch).await);
        }
        let mut answers = answers.into_iter();
        let mut answer = |wrong: Option<ClientError>| match wrong {
            Some(error) => Err(error),
            None => answers.next().expect("each right job was submitted"),
        };
        wrong.into_iter().map(&mut answer).collect()
    }

    async fn submit_batch(&self, batch: Vec<pb::Job>) -> Vec<Result<JobHandle, ClientError>> {
        let count = batch.len();
        let answers = match self.admit(count).await {
            Ok(()) => self.0.batches.submit(batch).await,
            Err(error) => Err(error),
        };
        match answers {
            Ok(answers) => answers.into_iter().map(|answer| JobHandle::of(self, answer)).collect(),
            Err(error) => vec![Err(error); count],
        }
    }

    async fn submit_one(&self, job: pb::Job) -> Result<JobHandle, ClientError> {
        self.admit(1).await?;
        JobHandle::of(self, self.0.submitter.submit(job).await?)
    }

    /// Waits for the submit limiter.
    async fn admit(&self, jobs: usize) -> Result<(), ClientError> {
        let Some(limiter) = &self.0.limiter else { return Ok(()) };
        let admitted = limiter.admit(jobs).await;
        if admitted.is_err() {
            Tally::add(&self.0.batches.tally.submit_failed, jobs);
        }
        admitted
    }

    /// What this client did since it started.
    pub fn counters(&self) -> ClientCounters {
        self.0.batches.tally.read()
    }

    /// The counters, and how full the FailStore is, as Prometheus scrapes them: for an endpoint of your own.
    pub fn prometheus(&self) -> String {
        counters::prometheus(&self.counters(), self.fail_store_stats().as_ref())
    }

    /// How full the FailStore is; `None` without one.
    pub fn fail_store_stats(&self) -> Option<FailStoreStats> {
        self.0.batches.keeper.as_ref().map(Keeper::stats)
    }

    /// What was saved and will not be sent: the cluster refused it, or no longer knows whether it was done. Empty without
    /// a FailStore.
    ///
    /// # Errors
    /// If the FailStore cannot be read.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, ClientError> {
        match &self.0.batches.keeper {
            Some(keeper) => Ok(keeper.dead_letters().await?),
            None => Ok(Vec::new()),
        }
    }

    /// Forgets a dead letter; whether there was one.
    ///
    /// # Errors
    /// If the FailStore cannot be written.
    pub async fn discard(&self, letter: &DeadLetter) -> Result<bool, ClientError> {
        match &self.0.batches.keeper {
            Some(keeper) => Ok(keeper.discard(letter.clone()).await?),
            None => Ok(false),
        }
    }

    /// Sends a dead letter again, behind what waits and as a new request; whether there was one. If it
    /// [may have been done](DeadLetter::maybe_done), look for the job first.
    ///
    /// # Errors
    /// If the FailStore is full or cannot be written.
    pub async fn resend(&self, letter: &DeadLetter) -> Result<bool, ClientError> {
        match &self.0.batches.keeper {
            Some(keeper) => keeper.resend(letter.clone()).await,
            None => Ok(false),
        }
    }

    /// Waits until the FailStore has sent all that waits; at once without one.
    pub async fn fail_store_drained(&self) {
        if let Some(keeper) = &self.0.batches.keeper {
            keeper.drained().await;
        }
    }

    /// Changes a live job: its next revision. What was not dispatched takes it in place, what executes keeps its own.
    ///
    /// # Errors
    /// If a field is wrong or cannot be changed, or nothing answers in time.
    pub async fn update(
        &self,
        job: impl Into<JobRef>,
        update: JobUpdate,
    ) -> Result<UpdateAnswer, ClientError> {
        let target = match job.into() {
            JobRef::Id(id) => pb::update_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::update_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let call = |via, idempotency| {
            let request = pb::UpdateRequest { target: Some(target.clone()), idempotency, ..update.request() };
            async move { jobs(via).update(request).await }
        };
        Ok(update::answer(self.mutate(call).await?))
    }

    /// Cancels a job and says exactly what that meant.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart.
    pub async fn cancel(&self, job: impl Into<JobRef>) -> Result<CancelAnswer, ClientError> {
        let target = match job.into() {
            JobRef::Id(id) => pb::cancel_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::cancel_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let call = |via, idempotency| {
            let request =
                pb::CancelRequest { target: Some(target.clone()), idempotency, reason: String::new() };
            async move { jobs(via).cancel(request).await }
        };
        Ok(handle::cancel_answer(self.mutate(call).await?))
    }

    /// Tells the TaskTracker that executes a run to stop it: asked, then killed; there is no further attempt.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart.
    pub async fn terminate(&self, run_id: &str, reason: &str) -> Result<pb::TerminateResponse, ClientError> {
        let call = |via, idempotency| {
            let request = pb::TerminateRequest { run_id: run_id.into(), reason: reason.into(), idempotency };
            async move { jobs(via).terminate(request).await }
        };
        self.mutate(call).await
    }

    /// Runs a finished run again, as a new run of its job.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart.
    pub async fn retry(&self, run_id: &str) -> Result<pb::RetryResponse, ClientError> {
        self.retry_with(pb::RetryRequest { run_id: run_id.into(), ..Default::default() }).await
    }

    /// Runs the last dead run of a job again, as a new run.
    ///
    /// # Errors
    /// If the cluster cannot be asked; whether it was done is told apart.
    pub async fn retry_last_dead(&self, job: impl Into<JobRef>) -> Result<pb::RetryResponse, ClientError> {
        use pb::retry_request::LastDeadOf;
        let last_dead_of = Some(match job.into() {
            JobRef::Id(id) => LastDeadOf::JobId(id),
            JobRef::Task { node_group, task_id } => LastDeadOf::Task(JobRef::key(node_group, task_id)),
        });
        self.retry_with(pb::RetryRequest { last_dead_of, ..Default::default() }).await
    }

    async fn retry_with(&self, request: pb::RetryRequest) -> Result<pb::RetryResponse, ClientError> {
        let call = |via, idempotency| {
            let request = pb::RetryRequest { idempotency, ..request.clone() };
            async move { jobs(via).retry(request).await }
        };
        self.mutate(call).await
    }

    /// Reads a job, linearizable.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with JOB_NOT_FOUND if there is none.
    pub async fn get(&self, job: impl Into<JobRef>) -> Result<pb::StoredJob, ClientError> {
        let target = match job.into() {
            JobRef::Id(id) => pb::get_job_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::get_job_request::Target::Task(JobRef::key(node_group, task_id))
            }
        };
        let request = pb::GetJobRequest { target: Some(target), consistency: 0 };
        Ok(self.get_job(request).await?.job.unwrap_or_default())
    }

    /// Reads a job with what the answer reflects.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with JOB_NOT_FOUND if there is none.
    pub async fn get_job(&self, request: pb::GetJobRequest) -> Result<pb::GetJobResponse, ClientError> {
        self.read(request, async |via, request| jobs(via).get_job(request).await).await
    }

    /// Reads one page of jobs.
    ///
    /// # Errors
    /// If the cluster cannot be asked or the page token is wrong.
    pub async fn list_jobs(&self, request: pb::ListJobsRequest) -> Result<pb::ListJobsResponse, ClientError> {
        self.read(request, async |via, request| jobs(via).list_jobs(request).await).await
    }

    /// Reads one page of a job's ledger.
    ///
    /// # Errors
    /// If the cluster cannot be asked or the page token is wrong.
    pub async fn list_runs(&self, request: pb::ListRunsRequest) -> Result<pb::ListRunsResponse, ClientError> {
        self.read(request, async |via, request| jobs(via).list_runs(request).await).await
    }

    /// Counts what is in the queues, by node group; of one, or of all if it is empty.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn count_jobs(&self, node_group: &str) -> Result<pb::CountJobsResponse, ClientError> {
        let request = pb::CountJobsRequest { node_group: node_group.into(), consistency: 0 };
        self.read(request, async |via, request| jobs(via).count_jobs(request).await).await
    }

    /// Reads one page of a search through the job log.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or a filter or the page token is wrong.
    pub async fn search_logs(
        &self,
        request: pb::SearchLogsRequest,
    ) -> Result<pb::SearchLogsResponse, ClientError> {
        self.read(request, async |via, request| jobs(via).search_logs(request).await).await
    }

    /// Reads one page of a job log.
    ///
    /// # Errors
    /// If the cluster cannot be asked or the page token is wrong.
    pub async fn logs(&self, request: pb::GetLogsRequest) -> Result<pb::GetLogsResponse, ClientError> {
        self.read(request, async |via, request| jobs(via).get_logs(request).await).await
    }

    /// Waits until a job (`42.0`) or a run (`42.0/3`) is final; no longer than `timeout` if one is given.
    ///
    /// # Errors
    /// [`ClientError::NotDone`] with DEADLINE_EXCEEDED when the timeout comes first.
    pub async fn wait(&self, id: &str, timeout: Option<Duration>) -> Result<pb::WaitResponse, ClientError> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let target = match id.contains('/') {
            true => pb::wait_request::Target::RunId(id.into()),
            false => pb::wait_request::Target::JobId(id.into()),
        };
        let longest = WAIT_SLICE.min(self.0.caller.patience / 2);
        loop {
            let left = until.map_or(longest, |until| until.saturating_duration_since(Instant::now()));
            let slice = Some(duration(left.min(longest).into()));
            let request = pb::WaitRequest { target: Some(target.clone()), timeout: slice };
            let answer = self.read(request, async |via, request| jobs(via).wait(request).await).await?;
            if answer.done {
                return Ok(answer);
            }
            if left.is_zero() {
                let message = format!("{id} is not final within {:?}", timeout.unwrap_or_default());
                return Err(ClientError::NotDone(Fault::not_applied(Reason::DeadlineExceeded, message)));
            }
        }
    }

    /// Makes a call that changes nothing, at whichever JobTracker leads: for services without a method here.
    ///
    /// # Errors
    /// If the cluster refuses or cannot be asked.
    pub async fn read<Q: Clone, T>(
        &self,
        request: Q,
        call: impl AsyncFn(Via, Q) -> Result<Response<T>, Status>,
    ) -> Result<T, ClientError> {
        self.call(request, call).await.map_err(|error| match error {
            ClientError::Unknown(fault) => ClientError::NotDone(fault),
            other => other,
        })
    }

    /// Makes any call that is safe to repeat, at whichever JobTracker leads: for services without a method here.
    ///
    /// # Errors
    /// If the cluster refuses or cannot be asked; whether it may have been done is told apart.
    pub async fn call<Q: Clone, T>(
        &self,
        request: Q,
        call: impl AsyncFn(Via, Q) -> Result<Response<T>, Status>,
    ) -> Result<T, ClientError> {
        let caller = &self.0.caller;
        caller.call(caller.deadline(), |via| call(via, request.clone())).await
    }

    /// Who leads, as far as is known now.
    pub fn view(&self) -> View {
        self.0.caller.link.watch().borrow().clone()
    }

    async fn mutate<T, Calling>(
        &self,
        call: impl Fn(Via, Option<pb::Idempotency>) -> Calling,
    ) -> Result<T, ClientError>
    where
        Calling: Future<Output = Result<Response<T>, Status>>,
    {
        let caller = &self.0.caller;
        mutate(caller, &self.0.sequences, caller.patience, call).await.0
    }

    fn default_node_group(&self) -> String {
        self.0.node_group.clone()
    }

    /// A task id that no other submit has.
    fn fresh_task_id(&self) -> String {
        let number = self.0.task_ids.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number}", self.0.start_number)
    }
}
