//! The client session: opened at the first mutating call, and a sequence number for each of them, so that a repeated
//! call is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::{Response, Status};

use super::ClientError;
use super::caller::{Caller, Via};
use crate::domain::Identity;
use crate::wire::{Reason, pb};
use pb::job_service_client::JobServiceClient;

/// Calls under way at a time, whatever the cluster's window: more would only wait there.
const UNDER_WAY_MAX: u32 = 64;
/// How often a client session is opened anew for one call.
const REOPENS_MAX: u32 = 2;

#[derive(Debug)]
pub(super) struct Sequences {
    identity: Identity,
    /// Held while a session is opened, so that one is opened.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

#[derive(Debug)]
struct Session {
    client_id: String,
    window: Arc<Semaphore>,
    /// The last number that was given out.
    last: AtomicU64,
}

/// The right to make one mutating call, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    session: Arc<Session>,
    sequence: u64,
    _room: OwnedSemaphorePermit,
}

impl Sequences {
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn new(identity: Identity) -> Sequences {
        Sequences { identity, session: tokio::sync::Mutex::new(None) }
    }

    pub(super) async fn take(&self, caller: &Caller, deadline: Instant) -> Result<Ticket, ClientError> {
        let session = self.session(caller, deadline).await?;
        let room = Arc::clone(&session.window).acquire_owned().await.expect("the window is never closed");
        let sequence = session.last.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Ticket { session, sequence, _room: room })
    }

    /// The cluster does not know this session any more: the next call opens another.
    pub(super) async fn forget(&self, client_id: &str) {
        let mut session = self.session.lock().await;
        if session.as_ref().is_some_and(|session| session.client_id == client_id) {
            *session = None;
        }
    }

    async fn session(&self, caller: &Caller, deadline: Instant) -> Result<Arc<Session>, ClientError> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(Arc::clone(session));
        }
        let request = pb::OpenClientRequest {
            identity: self.identity.as_str().into(),
            start_number: fastrand::u64(1..),
        };
        let open = |via| {
            let request = request.clone();
            async move { JobServiceClient::new(via).open_client(request).await }
        };
        // A session more or less is no harm, and the call itself was not made yet.
        let opened = caller.call(deadline, open).await.map_err(|error| match error {
            ClientError::Unknown(fault) => ClientError::NotDone(fault),
            other => other,
        })?;
        let room = usize::try_from(opened.window.clamp(1, UNDER_WAY_MAX)).expect("at most 64");
        let (client_id, window) = (opened.client_id, Arc::new(Semaphore::new(room)));
        let opened = Arc::new(Session { client_id, window, last: AtomicU64::new(0) });
        Ok(Arc::clone(session.insert(opened)))
    }
}

impl Ticket {
    pub(super) fn idempotency(&self) -> pb::Idempotency {
        pb::Idempotency {
            client_id: self.session.client_id.clone(),
            sequence: self.sequence,
            request_id: String::new(),
        }
    }
}

/// Makes a mutating call with a sequence of its own; opens another client session when the cluster forgot this one.
/// What the call went under is returned too, if it got so far.
pub(super) async fn mutate<T, Calling>(
    caller: &Caller,
    sequences: &Sequences,
    patience: Duration,
    call: impl Fn(Via, Option<pb::Idempotency>) -> Calling,
) -> (Result<T, ClientError>, Option<pb::Idempotency>)
where
    Calling: Future<Output = Result<Response<T>, Status>>,
{
    let deadline = Instant::now() + patience;
    let mut reopens = 0;
    loop {
        let ticket = match sequences.take(caller, deadline).await {
            Ok(ticket) => ticket,
            Err(error) => return (Err(error), None),
        };
        let key = ticket.idempotency();
        let answer = caller.call(deadline, |via| call(via, Some(key.clone()))).await;
        match answer {
            Err(ClientError::Refused(fault))
                if fault.reason == Reason::ClientUnknown && reopens < REOPENS_MAX =>
            {
                reopens += 1;
                sequences.forget(&key.client_id).await;
            }
            answer => return (answer, Some(key)),
        }
    }
}
