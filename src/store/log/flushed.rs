//! How far the log is durable, observable by whoever must stay behind it.
//!
//! The state's flusher waits here: a layer goes to disk only when the log that made it is there. The index never claims an
//! entry that is not synced, also when entries are cut off and others take their indexes: a sync that began before a cut
//! says nothing about what came after, so each cut opens a new epoch.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Every entry of the log up to here is on disk. Starts at "none".
#[derive(Debug, Default)]
pub struct FlushedIndex {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    index: Option<u64>,
    epoch: u64,
}

impl FlushedIndex {
    /// For a state without a log below it.
    pub fn everything() -> FlushedIndex {
        let flushed = FlushedIndex::default();
        flushed.raise(u64::MAX);
        flushed
    }

    pub fn get(&self) -> Option<u64> {
        self.state.lock().index
    }

    pub fn covers(&self, index: u64) -> bool {
        self.get() >= Some(index)
    }

    /// Waits until `index` is durable or `patience` is over; says whether it is.
    pub fn wait(&self, index: u64, patience: Duration) -> bool {
        let mut state = self.state.lock();
        self.moved.wait_while_for(&mut state, |state| state.index < Some(index), patience);
        state.index >= Some(index)
    }

    /// The epoch that an entry is written in, to be handed back with [`FlushedIndex::synced`].
    pub(super) fn epoch(&self) -> u64 {
        self.state.lock().epoch
    }

    /// Entries up to `index`, written in `epoch`, are on disk.
    pub(super) fn synced(&self, index: u64, epoch: u64) {
        if self.epoch() == epoch {
            self.raise(index);
        }
    }

    /// Entries up to `index` are on disk, or are not needed any more because they were purged.
    pub(in super::super) fn raise(&self, index: u64) {
        let mut state = self.state.lock();
        state.index = state.index.max(Some(index));
        self.moved.notify_all();
    }

    /// Entries after `last` were cut off; others may take their indexes.
    pub(super) fn cut(&self, last: Option<u64>) {
        let mut state = self.state.lock();
        state.index = state.index.min(last);
        state.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_from_before_a_cut_says_nothing_about_what_came_after() {
        let flushed = FlushedIndex::default();
        let before = flushed.epoch();
        flushed.synced(5, before);
        flushed.cut(Some(3));
        flushed.synced(9, before);
        assert_eq!(flushed.get(), Some(3));
        flushed.synced(4, flushed.epoch());
        assert_eq!(flushed.get(), Some(4));
    }

    #[test]
    fn a_waiter_is_woken_by_the_sync_it_waits_for() {
        let flushed = FlushedIndex::default();
        std::thread::scope(|threads| {
            threads.spawn(|| flushed.raise(7));
            assert!(flushed.wait(7, Duration::from_secs(60)));
        });
        assert!(!flushed.wait(8, Duration::from_millis(1)));
    }
}
