//! Entries as they are applied, for whoever wants to see each of them. While nobody does, it costs one look at a lock.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::super::types::{Applied, Entry, LogId, Payload};
use crate::machine::{LogEntry, Reply};

/// So many entries may wait for the slowest reader; what it misses it finds in the log, without what became of it.
const WAITING_MAX: usize = 1024;

/// An entry that is applied.
#[derive(Clone, Debug)]
pub struct AppliedEntry {
    pub log_id: LogId,
    /// `None` for what is consensus' own.
    pub entry: Option<Arc<LogEntry>>,
    /// `None` when it was applied before anybody asked.
    pub outcome: Option<AppliedOutcome>,
}

/// What an entry led to.
#[derive(Clone, Debug)]
pub struct AppliedOutcome {
    /// Of the tables after it.
    pub digest: u64,
    /// One for each command, in their order.
    pub replies: Arc<[Reply]>,
}

#[derive(Debug)]
pub(super) struct AppliedFeed {
    sender: broadcast::Sender<AppliedEntry>,
}

impl AppliedFeed {
    pub(super) fn new() -> AppliedFeed {
        AppliedFeed { sender: broadcast::channel(WAITING_MAX).0 }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<AppliedEntry> {
        self.sender.subscribe()
    }

    /// Tells the readers, if there are any. `digest` is asked for only then.
    pub(super) fn tell(&self, entry: &Entry, applied: &Applied, digest: impl FnOnce() -> u64) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let outcome = AppliedOutcome { digest: digest(), replies: applied.replies.clone().into() };
        // The last reader may have gone meanwhile.
        let _ = self.sender.send(AppliedEntry { outcome: Some(outcome), ..AppliedEntry::from(entry) });
    }
}

impl From<&Entry> for AppliedEntry {
    fn from(entry: &Entry) -> AppliedEntry {
        let machines = match &entry.payload {
            Payload::Normal(proposal) => Some(Arc::clone(proposal.entry())),
            Payload::Blank | Payload::Membership(_) => None,
        };
        AppliedEntry { log_id: entry.log_id, entry: machines, outcome: None }
    }
}
