//! One call made until it is answered: over another connection when one breaks, at the next leader when one goes, with
//! the same words each time, until a deadline. So whatever is called here must be safe to repeat.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::ClientError;
use crate::link::{Backoff, Link, Target, View};
use crate::wire::{Certainty, Fault, Reason, is_connection_lost};

/// The way to a JobTracker for one call; it tells the JobTracker when the caller will stop waiting.
pub type Via = InterceptedService<Channel, UntilDeadline>;

/// Writes the time that is left into each request.
#[derive(Clone, Copy, Debug)]
pub struct UntilDeadline(Instant);

impl Interceptor for UntilDeadline {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.set_timeout(self.0.saturating_duration_since(Instant::now()));
        Ok(request)
    }
}

fn via(target: &Target, deadline: Instant) -> Via {
    InterceptedService::new(target.channel.clone(), UntilDeadline(deadline))
}

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) link: Link,
    /// How long a call may take with all its repetitions.
    pub(super) patience: Duration,
}

impl Caller {
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Repeats `call` until it is answered or refused for good.
    ///
    /// # Errors
    /// Told apart by whether any of the attempts may have been done.
    pub(super) async fn call<T, Calling>(
        &self,
        deadline: Instant,
        mut call: impl FnMut(Via) -> Calling,
    ) -> Result<T, ClientError>
    where
        Calling: Future<Output = Result<Response<T>, Status>>,
    {
        let mut backoff = Backoff::seeded(fastrand::u64(..));
        let mut maybe_done = false;
        loop {
            let fault = match timeout_at(deadline, self.link.target()).await {
                Ok(target) => match self.attempt(&target, deadline, call(via(&target, deadline))).await {
                    Ok(answer) => return Ok(answer),
                    Err(fault) => fault,
                },
                Err(_) => self.nobody(),
            };
            if !fault.reason.is_retryable() {
                return Err(refused(fault, maybe_done));
            }
            maybe_done |= fault.certainty == Certainty::Unknown;
            let pause = fault.retry_after.unwrap_or_else(|| backoff.next_delay());
            if Instant::now() + pause >= deadline {
                return Err(if maybe_done {
                    ClientError::Unknown(fault)
                } else {
                    ClientError::NotDone(fault)
                });
            }
            self.pause(pause).await;
        }
    }

    async fn attempt<T>(
        &self,
        target: &Target,
        deadline: Instant,
        calling: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Fault> {
        let answered = tokio::select! {
            answered = timeout_at(deadline, async { target.hear(calling).await? }) => answered,
            () = self.another_leads(target) => {
                // The one that was asked may be frozen: what it was told may still be done.
                return Err(Fault::unknown(Reason::OutcomeUnknown, "another jobtracker leads now"));
            }
        };
        match answered {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => {
                if is_connection_lost(&status) {
                    self.link.broken(target);
                }
                Err(status.into())
            }
            Err(_) => {
                Err(Fault::unknown(Reason::DeadlineExceeded, format!("no answer within {:?}", self.patience)))
            }
        }
    }

    /// Ready when a leader other than `asked` can be asked directly.
    pub(super) async fn another_leads(&self, asked: &Target) {
        let other =
            |view: &View| view.target.as_ref().is_some_and(|target| target.leads && !target.is_same(asked));
        // The sender lives as long as the link, which lives in self.
        let _ = self.link.watch().wait_for(other).await;
    }

    /// Waits, but no longer than until there is news of the leader.
    pub(super) async fn pause(&self, pause: Duration) {
        let mut view = self.link.watch();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = view.changed() => {}
        }
    }

    pub(super) fn nobody(&self) -> Fault {
        let addresses: Vec<String> = self.link.addresses().iter().map(ToString::to_string).collect();
        let message = format!("no jobtracker answers at {}", addresses.join(", "));
        Fault::not_applied(Reason::NoJobTracker, message)
    }
}

/// A refusal of a repeated call says nothing about the first attempt when the cluster has forgotten the sequence.
fn refused(fault: Fault, maybe_done: bool) -> ClientError {
    let maybe_done = maybe_done || fault.certainty == Certainty::Unknown;
    let says_nothing = matches!(fault.reason, Reason::ClientUnknown | Reason::Internal);
    if fault.reason == Reason::SequenceForgotten || (says_nothing && maybe_done) {
        ClientError::Unknown(fault)
    } else {
        ClientError::Refused(fault)
    }
}
