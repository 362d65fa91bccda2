//! The client session: opened at the first mutating call, and a sequence number for each of them, so that a repeated
//! call is done once.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::ClientError;
use super::caller::Caller;
use crate::domain::Identity;
use crate::wire::pb;
use pb::job_service_client::JobServiceClient;

/// Calls under way at a time, whatever the cluster's window: more would only wait there.
const UNDER_WAY_MAX: u32 = 64;

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
    numbers: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    under_way: BTreeSet<u64>,
}

/// The right to make one mutating call; the number is settled when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    session: Arc<Session>,
    sequence: u64,
    _room: OwnedSemaphorePermit,
}

impl Sequences {
    pub(super) fn new(identity: Identity) -> Sequences {
        Sequences { identity, session: tokio::sync::Mutex::new(None) }
    }

    pub(super) async fn take(&self, caller: &Caller, deadline: Instant) -> Result<Ticket, ClientError> {
        let session = self.session(caller, deadline).await?;
        let room = Arc::clone(&session.window).acquire_owned().await.expect("the window is never closed");
        let sequence = session.numbers.lock().begin();
        Ok(Ticket { session, sequence, _room: room })
    }

    /// The cluster does not know this session any more: the next call opens another.
    pub(super) async fn forget(&self, ticket: &Ticket) {
        let mut session = self.session.lock().await;
        if session.as_ref().is_some_and(|session| Arc::ptr_eq(session, &ticket.session)) {
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
        let opened = Arc::new(Session { client_id, window, numbers: Mutex::default() });
        Ok(Arc::clone(session.insert(opened)))
    }
}

impl Numbers {
    fn begin(&mut self) -> u64 {
        self.last += 1;
        self.under_way.insert(self.last);
        self.last
    }

    /// All below this are answered.
    fn settled_below(&self) -> u64 {
        self.under_way.first().copied().unwrap_or(self.last + 1)
    }
}

impl Ticket {
    pub(super) fn idempotency(&self) -> Option<pb::Idempotency> {
        Some(pb::Idempotency {
            client_id: self.session.client_id.clone(),
            sequence: self.sequence,
            settled_below: self.session.numbers.lock().settled_below(),
            request_id: String::new(),
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.session.numbers.lock().under_way.remove(&self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_rises_only_when_the_oldest_is_answered() {
        let mut numbers = Numbers::default();
        assert_eq!((numbers.begin(), numbers.begin(), numbers.begin()), (1, 2, 3));
        assert_eq!(numbers.settled_below(), 1);
        numbers.under_way.remove(&2);
        assert_eq!(numbers.settled_below(), 1);
        numbers.under_way.remove(&1);
        assert_eq!(numbers.settled_below(), 3);
        numbers.under_way.remove(&3);
        assert_eq!(numbers.settled_below(), 4);
    }
}
