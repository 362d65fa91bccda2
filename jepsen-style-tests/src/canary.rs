//! Canaries: threads that only ask to be woken soon, one a core. Where they come late, everything on this machine did, and
//! what a run shows of punctuality and patience is about the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

const REST: Duration = Duration::from_millis(10);
/// Coming later than this is a stall.
const LATE: Duration = Duration::from_millis(250);

/// They sing until this is dropped.
#[derive(Debug)]
pub(crate) struct Canaries {
    over: Arc<AtomicBool>,
    stalled_ms: Vec<Arc<AtomicU64>>,
}

impl Canaries {
    /// # Errors
    /// If the machine has no threads left.
    pub(crate) fn sing() -> anyhow::Result<Canaries> {
        let over = Arc::new(AtomicBool::new(false));
        let mut stalled_ms = Vec::new();
        for _ in 0..std::thread::available_parallelism()?.get() {
            let (over, stalled) = (Arc::clone(&over), Arc::new(AtomicU64::new(0)));
            stalled_ms.push(Arc::clone(&stalled));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let sing = move || runtime.block_on(one(&over, &stalled));
            std::thread::Builder::new().name("canary".into()).spawn(sing)?;
        }
        Ok(Canaries { over, stalled_ms })
    }

    /// How long the one that was kept waiting most was late beyond what is usual, all in all.
    pub(crate) fn stalled_ms(&self) -> u64 {
        self.stalled_ms.iter().map(|stalled| stalled.load(Ordering::Relaxed)).max().unwrap_or(0)
    }
}

impl Drop for Canaries {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

async fn one(over: &AtomicBool, stalled_ms: &AtomicU64) {
    while !over.load(Ordering::Relaxed) {
        let asleep = Instant::now();
        sleep(REST).await;
        let late = asleep.elapsed().saturating_sub(REST);
        if late > LATE {
            stalled_ms.fetch_add(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}
