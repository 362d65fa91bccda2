//! The job log as it grows, at whichever JobTracker leads: each line once, across a change of leadership too.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tonic::Streaming;

use super::{ClientError, JobClient};
use crate::link::{Backoff, MESSAGE_BYTES_MAX, Target};
use crate::wire::pb::job_service_client::JobServiceClient;
use crate::wire::{Fault, Reason, is_connection_lost, pb};

/// A JobTracker that is silent for longer is left for another one: it says something every three seconds.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Follows the job log. See [`JobClient::tail_logs`].
#[derive(Debug)]
pub struct LogTail {
    client: JobClient,
    request: pb::TailLogsRequest,
    stream: Option<(Target, Streaming<pb::TailLogsResponse>)>,
    backoff: Backoff,
}

impl JobClient {
    /// Follows the job log: the lines that match, from now on or after a token, in the order of the log.
    pub fn tail_logs(&self, filter: pb::LogFilter, token: impl Into<String>) -> LogTail {
        let request = pb::TailLogsRequest { filter: Some(filter), token: token.into() };
        LogTail { client: self.clone(), request, stream: None, backoff: Backoff::seeded(fastrand::u64(..)) }
    }
}

impl LogTail {
    /// After what to go on, in another process too; empty before the first [`LogTail::next`].
    pub fn token(&self) -> &str {
        &self.request.token
    }

    /// The next lines, or that some were missed; also an empty message now and then, and the first one is. When the
    /// JobTracker goes, it goes on at the next one: no line comes twice, and none is left out without being told.
    ///
    /// Dropped, it may be called again.
    ///
    /// # Errors
    /// If the filter is wrong, or no JobTracker answers within the client's patience.
    pub async fn next(&mut self) -> Result<pb::TailLogsResponse, ClientError> {
        let mut deadline = self.client.0.caller.deadline();
        loop {
            let fault = match self.heard(deadline).await {
                Ok(message) => {
                    self.request.token.clone_from(&message.token);
                    self.backoff.reset();
                    return Ok(message);
                }
                Err(fault) => fault,
            };
            if self.stream.take().is_some() {
                // It was well until now.
                deadline = self.client.0.caller.deadline();
            }
            if !fault.reason.is_retryable() {
                return Err(ClientError::Refused(fault));
            }
            let pause = fault.retry_after.unwrap_or_else(|| self.backoff.next_delay());
            if Instant::now() + pause >= deadline {
                return Err(ClientError::NotDone(fault));
            }
            self.client.0.caller.pause(pause).await;
        }
    }

    async fn heard(&mut self, deadline: Instant) -> Result<pb::TailLogsResponse, Fault> {
        if self.stream.is_none() {
            self.stream = Some(self.open(deadline).await?);
        }
        let Some((target, stream)) = &mut self.stream else { return Err(silent()) };
        let caller = &self.client.0.caller;
        let heard = tokio::select! {
            heard = timeout(SILENCE_MAX, async { target.hear(stream.message()).await? }) => heard,
            () = caller.another_leads(target) => return Err(silent()),
        };
        match heard {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) | Err(_) => Err(silent()),
            Ok(Err(status)) => {
                if is_connection_lost(&status) {
                    caller.link.broken(target);
                }
                Err(status.into())
            }
        }
    }

    async fn open(&self, deadline: Instant) -> Result<(Target, Streaming<pb::TailLogsResponse>), Fault> {
        let caller = &self.client.0.caller;
        let Ok(target) = timeout_at(deadline, caller.link.target()).await else {
            return Err(caller.nobody());
        };
        let mut jobs =
            JobServiceClient::new(target.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let opening = async { target.hear(jobs.tail_logs(self.request.clone())).await? };
        let opening = tokio::select! {
            opening = timeout_at(deadline, opening) => opening,
            () = caller.another_leads(&target) => return Err(silent()),
        };
        match opening {
            Ok(Ok(stream)) => Ok((target, stream.into_inner())),
            Ok(Err(status)) => {
                if is_connection_lost(&status) {
                    caller.link.broken(&target);
                }
                Err(status.into())
            }
            Err(_) => Err(silent()),
        }
    }
}

fn silent() -> Fault {
    Fault::not_applied(Reason::NoJobTracker, "the jobtracker that told the log is gone")
}
