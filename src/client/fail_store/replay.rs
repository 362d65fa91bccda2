//! Sends what is saved, in order, as soon as a JobTracker answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shelf::Head;
use super::{DeadLetter, Keeper};
use crate::client::ClientError;
use crate::client::batches::{Submitted, each_answer};
use crate::client::caller::Caller;
use crate::client::counters::Tally;
use crate::client::handle::refusal;
use crate::client::sequences::Sequences;
use crate::domain::{Clock, SystemClock};
use crate::link::FailStoreError;
use crate::planted::{self, Bug};
use crate::wire::{Fault, Reason, pb};
use pb::job_service_client::JobServiceClient;

/// The pause after a try that failed, unless the cluster named one.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest pause, whatever was named.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why what goes next has to wait.
#[derive(Debug, thiserror::Error)]
enum Later {
    #[error("{0}")]
    Cluster(Fault),
    #[error("{0}")]
    Store(#[from] FailStoreError),
}

/// Sends what is saved until the client is dropped.
pub(in crate::client) async fn replay(keeper: Keeper, caller: Arc<Caller>, sequences: Arc<Sequences>) {
    let mut stats = keeper.0.stats.subscribe();
    // The store lives in the keeper.
    while stats.wait_for(|stats| stats.waiting_jobs > 0).await.is_ok() {
        // Somebody is there; the call itself follows the leader.
        caller.link.target().await;
        match keeper.send_next(&caller, &sequences).await {
            Ok(()) => keeper.0.away.store(false, Ordering::Relaxed),
            Err(later) => {
                keeper.0.away.store(true, Ordering::Relaxed);
                tracing::info!(why = %later, "what is saved in the failstore waits on");
                let named = match &later {
                    Later::Cluster(fault) => fault.retry_after,
                    Later::Store(_) => None,
                };
                caller.pause(named.unwrap_or(PAUSE).min(PAUSE_MAX)).await;
            }
        }
    }
}

impl Keeper {
    async fn send_next(&self, caller: &Caller, sequences: &Sequences) -> Result<(), Later> {
        let Some(head) = self.on_books(|books| books.shelf.head()).await? else { return Ok(()) };
        let fresh = planted::is(Bug::ReplayUnderANewKey);
        let (head, key) = match head.key.clone().filter(|_| !fresh) {
            Some(key) => (head, key),
            None => {
                let ticket = sequences.take(caller, caller.deadline()).await.map_err(later)?;
                self.mark(head, ticket.idempotency()).await?
            }
        };
        let call = |via| {
            let request = pb::SubmitRequest { jobs: head.jobs.clone(), idempotency: Some(key.clone()) };
            async move { JobServiceClient::new(via).submit(request).await }
        };
        let response = caller.call(caller.deadline(), call).await;
        match response.and_then(|response| each_answer(response, head.jobs.len())) {
            Ok(answers) => self.settle(head, answers.into_iter().map(Ok).collect(), false).await,
            // The session that was to be used is gone, and nothing was done in it: another one will do.
            Err(ClientError::Refused(fault)) if fault.reason == Reason::ClientUnknown && head.certain => {
                sequences.forget(&key.client_id).await;
                self.on_books(|books| books.shelf.unmark()).await?;
                Err(Later::Cluster(fault))
            }
            // Nobody can say any more what became of an earlier try.
            Err(ClientError::Refused(fault)) if fault.reason == Reason::ClientUnknown => {
                self.settle_all(head, fault, true).await
            }
            Err(ClientError::Refused(fault)) => self.settle_all(head, fault, false).await,
            Err(ClientError::Unknown(fault)) if !fault.reason.is_retryable() => {
                self.settle_all(head, fault, true).await
            }
            Err(error) => {
                if error.is_unknown() {
                    self.on_books(|books| books.shelf.left()).await;
                }
                Err(later(error))
            }
        }
    }

    async fn mark(
        &self,
        mut head: Head,
        key: pb::Idempotency,
    ) -> Result<(Head, pb::Idempotency), FailStoreError> {
        self.on_books(move |books| {
            books.shelf.mark(&mut head, key.clone())?;
            Ok((head, key))
        })
        .await
    }

    async fn settle_all(&self, head: Head, fault: Fault, maybe_done: bool) -> Result<(), Later> {
        let error = match maybe_done {
            true => ClientError::Unknown(fault),
            false => ClientError::Refused(fault),
        };
        let answers = vec![Err(error); head.jobs.len()];
        self.settle(head, answers, maybe_done).await
    }

    /// Writes down what became of what went, then tells those who wait for it.
    async fn settle(&self, head: Head, answers: Vec<Submitted>, maybe_done: bool) -> Result<(), Later> {
        let refused: BTreeMap<usize, Fault> =
            answers.iter().enumerate().filter_map(|(at, answer)| Some((at, why_dead(answer)?))).collect();
        let taken = answers.len() - refused.len();
        let tally = Arc::clone(&self.0.tally);
        let letters: Vec<DeadLetter> = self
            .on_books(move |books| {
                let letters = books.shelf.settle(&head, &refused, maybe_done, SystemClock.wall())?;
                // Before anybody hears that nothing waits any more.
                Tally::add(&tally.submit_fail_store, taken);
                for (place, answer) in head.places().zip(answers) {
                    if let Some(fate) = books.fates.remove(&place) {
                        fate.send_replace(Some(answer));
                    }
                }
                Ok::<_, FailStoreError>(letters)
            })
            .await?;
        for letter in &letters {
            let (id, task_id) = (letter.id(), &letter.job.task_id);
            tracing::warn!(%id, %task_id, reason = letter.reason, message = letter.message, "a dead letter");
            if let Some(handler) = &self.0.on_dead_letter {
                handler(letter);
            }
        }
        Ok(())
    }
}

/// Why a job that was sent is not in the cluster, if it is not.
fn why_dead(answer: &Submitted) -> Option<Fault> {
    match answer {
        Ok((result, _)) if result.outcome() == pb::SubmitOutcome::Refused => {
            Some(refusal(result.refusal.clone().unwrap_or_default()))
        }
        Ok(_) => None,
        Err(ClientError::Refused(fault) | ClientError::NotDone(fault) | ClientError::Unknown(fault)) => {
            Some(fault.clone())
        }
        Err(other) => Some(Fault::unknown(Reason::Internal, other.to_string())),
    }
}

fn later(error: ClientError) -> Later {
    Later::Cluster(match error {
        ClientError::Refused(fault) | ClientError::NotDone(fault) | ClientError::Unknown(fault) => fault,
        other => Fault::unknown(Reason::Internal, other.to_string()),
    })
}
