//! Linearizable reads: many askers share one confirmation that this node still leads.
//!
//! Only by asking a majority (ReadIndex), never by a lease: a hand-over elects a new leader within the old one's lease.
//! An asker is served by a confirmation that began after it asked; whoever comes meanwhile shares the next one.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::error::ReadError;

/// Askers that wait; beyond it asking waits too.
const WAITING_MAX: usize = 16_384;

type Asker = oneshot::Sender<Result<u64, ReadError>>;

/// A handle; the loop is `confirm`.
#[derive(Clone, Debug)]
pub(super) struct ReadIndexes {
    askers: mpsc::Sender<Asker>,
}

impl ReadIndexes {
    pub(super) fn channel() -> (ReadIndexes, mpsc::Receiver<Asker>) {
        let (askers, receiver) = mpsc::channel(WAITING_MAX);
        (ReadIndexes { askers }, receiver)
    }

    /// The index that a read must wait for to be applied.
    pub(super) async fn ask(&self) -> Result<u64, ReadError> {
        let (sender, receiver) = oneshot::channel();
        self.askers.send(sender).await.map_err(|_| ReadError::Stopped)?;
        receiver.await.unwrap_or(Err(ReadError::Stopped))
    }
}

/// Serves the askers until consensus stops.
pub(super) async fn confirm(core: Arc<dyn Core>, mut askers: mpsc::Receiver<Asker>, stop: CancellationToken) {
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            count = askers.recv_many(&mut waiting, WAITING_MAX) => if count == 0 { break },
            () = stop.cancelled() => break,
        }
        let confirmed = core.read_index().await.map_err(ReadError::from);
        for asker in waiting.drain(..) {
            // An asker that went away wants no answer.
            let _ = asker.send(confirmed.clone());
        }
    }
}
