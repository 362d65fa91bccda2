//! Submits that come together travel together: whatever waits while earlier batches are under way is the next batch.
//! Nothing lingers: a submit that comes alone goes alone.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::ClientError;
use super::batches::{Answer, BATCH_BYTES_MAX, BATCH_JOBS_MAX, Batches};
use crate::wire::{Fault, Reason, pb};

/// Batches under way: enough to hide the way there and back, few enough that batches become large under load.
const UNDER_WAY_MAX: usize = 4;
/// Submits that wait; beyond it callers wait to hand theirs over.
const WAITING_MAX: usize = 4096;

/// What became of one job.
type Answered = Result<Answer, ClientError>;

#[derive(Debug)]
struct Waiting {
    job: pb::Job,
    answer: oneshot::Sender<Answered>,
}

/// A handle on the task that sends batches; the task ends with it.
#[derive(Debug)]
pub(super) struct Submitter(mpsc::Sender<Waiting>);

impl Submitter {
    pub(super) fn start(batches: Arc<Batches>) -> Submitter {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(gather(waiting, batches));
        Submitter(sender)
    }

    pub(super) async fn submit(&self, job: pb::Job) -> Answered {
        let (answer, answered) = oneshot::channel();
        let gone =
            || ClientError::Unknown(Fault::unknown(Reason::ShuttingDown, "the client's runtime is stopping"));
        self.0.send(Waiting { job, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn gather(mut waiting: mpsc::Receiver<Waiting>, batches: Arc<Batches>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    while let Some(first) = waiting.recv().await {
        let room = Arc::clone(&under_way).acquire_owned().await.expect("it is never closed");
        let batch = batch(first, &mut waiting);
        let batches = Arc::clone(&batches);
        tokio::spawn(async move {
            send(batch, &batches).await;
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

async fn send(batch: Vec<Waiting>, batches: &Batches) {
    let (jobs, answers): (Vec<pb::Job>, Vec<_>) = batch.into_iter().map(|one| (one.job, one.answer)).unzip();
    let submitted = batches.submit(jobs).await;
    for (index, answer) in answers.into_iter().enumerate() {
        let one = submitted.as_ref().map_err(Clone::clone).map(|all| all[index].clone());
        // Whoever stopped waiting does not want to know.
        let _ = answer.send(one);
    }
}
