//! How far the state is on disk for good: what a power cut cannot take back, and so what the log may forget.

use std::sync::atomic::{AtomicU64, Ordering};

/// The index of the last entry whose effects are durable. Starts at "none", only grows.
#[derive(Debug, Default)]
pub struct DurableIndex {
    /// One more than the index; zero is "none".
    next: AtomicU64,
}

impl DurableIndex {
    /// For a log without a state above it.
    pub fn everything() -> DurableIndex {
        DurableIndex { next: AtomicU64::new(u64::MAX) }
    }

    pub fn get(&self) -> Option<u64> {
        self.next.load(Ordering::Acquire).checked_sub(1)
    }

    pub(super) fn raise(&self, index: u64) {
        self.next.fetch_max(index.saturating_add(1), Ordering::AcqRel);
    }
}
