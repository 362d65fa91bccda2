//! Submits that come together travel together: whatever waits while earlier batches are under way is the next batch.
//! Nothing lingers: a submit that comes alone goes alone.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::ClientError;
use super::caller::Caller;
use super::sequences::Sequences;
use crate::wire::{Fault, Reason, pb};
use pb::job_service_client::JobServiceClient;

/// Jobs in one batch.
pub(super) const BATCH_JOBS_MAX: usize = 1000;
/// Bytes in one batch, beside its last job; the cluster takes 4 MiB.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Batches under way: enough to hide the way there and back, few enough that batches become large under load.
const UNDER_WAY_MAX: usize = 4;
/// Submits that wait; beyond it callers wait to hand theirs over.
const WAITING_MAX: usize = 4096;

/// What became of one job, and where that was committed.
pub(super) type Submitted = Result<(pb::SubmitResult, pb::Committed), ClientError>;

#[derive(Debug)]
struct Waiting {
    job: pb::Job,
    answer: oneshot::Sender<Submitted>,
}

/// A handle on the task that sends batches; the task ends with it.
#[derive(Debug)]
pub(super) struct Submitter(mpsc::Sender<Waiting>);

impl Submitter {
    pub(super) fn start(caller: Arc<Caller>, sequences: Arc<Sequences>) -> Submitter {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(gather(waiting, caller, sequences));
        Submitter(sender)
    }

    pub(super) async fn submit(&self, job: pb::Job) -> Submitted {
        let (answer, answered) = oneshot::channel();
        let gone =
            || ClientError::Unknown(Fault::unknown(Reason::ShuttingDown, "the client's runtime is stopping"));
        self.0.send(Waiting { job, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn gather(mut waiting: mpsc::Receiver<Waiting>, caller: Arc<Caller>, sequences: Arc<Sequences>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    while let Some(first) = waiting.recv().await {
        let room = Arc::clone(&under_way).acquire_owned().await.expect("it is never closed");
        let batch = batch(first, &mut waiting);
        let (caller, sequences) = (Arc::clone(&caller), Arc::clone(&sequences));
        tokio::spawn(async move {
            send(batch, &caller, &sequences).await;
            drop(room);
        });
    }
}

/// All that waits, up to the bounds of a batch.
fn batch(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut bytes = first.job.encoded_len();
    let mut batch = vec![first];
    while batch.len() < BATCH_JOBS_MAX && bytes < BATCH_BYTES_MAX {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += next.job.encoded_len();
        batch.push(next);
    }
    batch
}

async fn send(batch: Vec<Waiting>, caller: &Caller, sequences: &Sequences) {
    let (jobs, answers): (Vec<pb::Job>, Vec<_>) = batch.into_iter().map(|one| (one.job, one.answer)).unzip();
    let submitted = submit_all(jobs, caller, sequences).await;
    for (index, answer) in answers.into_iter().enumerate() {
        let one = submitted.as_ref().map_err(Clone::clone).map(|all| all[index].clone());
        // Whoever stopped waiting does not want to know.
        let _ = answer.send(one);
    }
}

/// Submits `jobs` as one batch; as many answers come back.
pub(super) async fn submit_all(
    jobs: Vec<pb::Job>,
    caller: &Caller,
    sequences: &Sequences,
) -> Result<Vec<(pb::SubmitResult, pb::Committed)>, ClientError> {
    let count = jobs.len();
    let response = super::mutate(caller, sequences, |via, idempotency| {
        let request = pb::SubmitRequest { jobs: jobs.clone(), idempotency };
        async move { JobServiceClient::new(via).submit(request).await }
    })
    .await?;
    if response.results.len() != count {
        let message = format!("{} answers for {count} jobs", response.results.len());
        return Err(ClientError::Unknown(Fault::unknown(Reason::Internal, message)));
    }
    let committed = response.committed.unwrap_or_default();
    Ok(response.results.into_iter().map(|result| (result, committed)).collect())
}
