//! One batch of jobs on its way to the cluster: sent under a key of its own, or saved when nobody answers.

use std::sync::Arc;

use prost::Message as _;

use super::ClientError;
use super::caller::Caller;
use super::counters::Tally;
use super::fail_store::{Fate, Keeper};
use super::sequences::{Sequences, mutate};
use crate::wire::{Fault, Reason, pb};
use pb::job_service_client::JobServiceClient;

/// Jobs in one batch.
pub(super) const BATCH_JOBS_MAX: usize = 1000;
/// Bytes in one batch, beside its last job; the cluster takes 4 MiB.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

/// What the cluster said about one job, and where that was committed.
pub(super) type Submitted = Result<(pb::SubmitResult, pb::Committed), ClientError>;

/// The answer to one job.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Committed(pb::SubmitResult, pb::Committed),
    /// It waits in the FailStore.
    Saved(Fate),
}

/// The way of batches to the cluster.
#[derive(Debug)]
pub(super) struct Batches {
    pub(super) caller: Arc<Caller>,
    pub(super) sequences: Arc<Sequences>,
    pub(super) keeper: Option<Keeper>,
    pub(super) tally: Arc<Tally>,
}

impl Batches {
    /// Submits `jobs` as one batch; as many answers come back.
    pub(super) async fn submit(&self, jobs: Vec<pb::Job>) -> Result<Vec<Answer>, ClientError> {
        let count = jobs.len();
        let answers = match &self.keeper {
            None => self.send(&jobs, None).await.map_err(|(error, _)| error),
            Some(keeper) => self.send_or_save(jobs, keeper).await,
        };
        self.count(&answers, count);
        answers
    }

    async fn send_or_save(&self, jobs: Vec<pb::Job>, keeper: &Keeper) -> Result<Vec<Answer>, ClientError> {
        if !keeper.is_drained().await {
            return keeper.keep(jobs, None, None).await;
        }
        match self.send(&jobs, Some(keeper)).await {
            Err((ClientError::NotDone(fault), _)) if fault.reason.is_retryable() => {
                keeper.keep(jobs, None, Some(fault)).await
            }
            Err((ClientError::Unknown(fault), Some(key))) if fault.reason.is_retryable() => {
                keeper.keep(jobs, Some(key), Some(fault)).await
            }
            Err((error, _)) => Err(error),
            Ok(answers) => Ok(answers),
        }
    }

    /// The error comes with the key that was used last.
    async fn send(
        &self,
        jobs: &[pb::Job],
        keeper: Option<&Keeper>,
    ) -> Result<Vec<Answer>, (ClientError, Option<pb::Idempotency>)> {
        let patience = keeper.map_or(self.caller.patience, Keeper::save_after);
        let (answer, key) = mutate(&self.caller, &self.sequences, patience, |via, idempotency| {
            let request = pb::SubmitRequest { jobs: jobs.to_vec(), idempotency };
            async move { JobServiceClient::new(via).submit(request).await }
        })
        .await;
        let answers = answer.and_then(|response| each_answer(response, jobs.len()));
        match answers {
            Ok(answers) => {
                Ok(answers.into_iter().map(|(result, at)| Answer::Committed(result, at)).collect())
            }
            Err(error) => Err((error, key)),
        }
    }

    fn count(&self, answers: &Result<Vec<Answer>, ClientError>, jobs: usize) {
        let Ok(answers) = answers else { return Tally::add(&self.tally.submit_failed, jobs) };
        let refused = |answer: &&Answer| matches!(answer, Answer::Committed(result, _) if result.outcome() == pb::SubmitOutcome::Refused);
        let saved = answers.iter().filter(|answer| matches!(answer, Answer::Saved(_))).count();
        let failed = answers.iter().filter(refused).count();
        Tally::add(&self.tally.submit_failed, failed);
        Tally::add(&self.tally.submit_success, jobs - failed - saved);
    }
}

/// The answers of a batch, one for each job.
pub(super) fn each_answer(
    response: pb::SubmitResponse,
    jobs: usize,
) -> Result<Vec<(pb::SubmitResult, pb::Committed)>, ClientError> {
    if response.results.len() != jobs {
        let message = format!("{} answers for {jobs} jobs", response.results.len());
        return Err(ClientError::Unknown(Fault::unknown(Reason::Internal, message)));
    }
    let committed = response.committed.unwrap_or_default();
    Ok(response.results.into_iter().map(|result| (result, committed)).collect())
}

/// `jobs` as batches that the cluster takes, in order.
pub(super) fn in_batches(jobs: Vec<pb::Job>) -> Vec<Vec<pb::Job>> {
    let mut batches: Vec<Vec<pb::Job>> = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        match batches.last_mut().filter(|batch| batch.len() < BATCH_JOBS_MAX && bytes < BATCH_BYTES_MAX) {
            Some(batch) => {
                bytes += job.encoded_len();
                batch.push(job);
            }
            None => {
                bytes = job.encoded_len();
                batches.push(vec![job]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_jobs_and_in_bytes_and_keep_the_order() {
        let job = |n: usize, bytes: usize| pb::Job {
            task_id: n.to_string(),
            payload: vec![0; bytes].into(),
            ..Default::default()
        };
        let sizes = |jobs: Vec<pb::Job>| in_batches(jobs).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..2500).map(|n| job(n, 1)).collect()), [1000, 1000, 500]);
        assert_eq!(sizes((0..5).map(|n| job(n, 600 << 10)).collect()), [2, 2, 1]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
        let order: Vec<String> = in_batches((0..1500).map(|n| job(n, 1)).collect())
            .into_iter()
            .flatten()
            .map(|job| job.task_id)
            .collect();
        assert!(order.iter().enumerate().all(|(n, task_id)| *task_id == n.to_string()));
    }
}
