//! What this node has applied, entry by entry: from its log as far back as that goes, then as it happens.

use std::collections::VecDeque;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::machine::BaseError;
use crate::store::{AppliedEntry, LogError, LogStore, State};

/// Why there is no next entry.
#[derive(Debug, thiserror::Error)]
pub enum LogTailError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Tables(#[from] BaseError),
    #[error("the node is stopping")]
    Stopping,
}

/// A reader of applied entries. Indexes only grow; what is left out was purged, or came with a snapshot.
#[derive(Debug)]
pub struct LogTail {
    log: LogStore,
    /// The first entry that was not given yet.
    next: u64,
    /// Before this one all are to be taken from the log.
    kept_until: u64,
    ready: VecDeque<AppliedEntry>,
    /// Heard before those that are still to be taken from the log.
    ahead: Option<AppliedEntry>,
    news: Option<broadcast::Receiver<AppliedEntry>>,
}

impl LogTail {
    pub(super) fn new(
        log: LogStore,
        state: &State,
        from: u64,
        follow: bool,
    ) -> Result<LogTail, LogTailError> {
        // Before it is asked how far the state is, so that nothing falls between the two.
        let news = follow.then(|| state.watch_entries());
        let (applied, _) = state.position()?;
        let kept_until = applied.map_or(0, |applied| applied.index + 1);
        Ok(LogTail { log, next: from, kept_until, ready: VecDeque::new(), ahead: None, news })
    }

    /// The next entry; `None` after the last one, of a reader that does not follow.
    ///
    /// # Errors
    /// If the disk fails, or the node stops.
    pub async fn next(&mut self) -> Result<Option<AppliedEntry>, LogTailError> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.next = self.next.max(entry.log_id.index + 1);
                return Ok(Some(entry));
            }
            if self.next < self.kept_until {
                self.read_kept().await?;
                continue;
            }
            if let Some(entry) = self.ahead.take() {
                self.ready.push_back(entry);
                continue;
            }
            let Some(news) = &mut self.news else { return Ok(None) };
            match news.recv().await {
                Ok(entry) => self.take(entry),
                // What was missed is in the log.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(LogTailError::Stopping),
            }
        }
    }

    /// What comes after a gap waits until the log was asked for what is between.
    fn take(&mut self, entry: AppliedEntry) {
        let index = entry.log_id.index;
        if index >= self.next {
            self.kept_until = index;
            self.ahead = Some(entry);
        }
    }

    async fn read_kept(&mut self) -> Result<(), LogTailError> {
        let (log, from, to) = (self.log.clone(), self.next, self.kept_until);
        let read = tokio::task::spawn_blocking(move || log.entries(from, to)).await;
        let entries = read.map_err(|_| LogTailError::Stopping)??;
        match entries.last() {
            Some(last) => self.next = last.log_id.index + 1,
            None => self.next = to,
        }
        self.ready.extend(entries.iter().map(AppliedEntry::from));
        Ok(())
    }
}
