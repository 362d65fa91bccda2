//! Who waits for a job to move: woken on every node when an entry is applied that ended one of its runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::domain::JobId;
use crate::machine::{Applied, Effect};

#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<BTreeMap<JobId, Vec<oneshot::Sender<()>>>>,
    /// So that nobody waiting costs one load an entry.
    count: AtomicUsize,
}

impl Waiters {
    /// Resolves when a run of the job ends after this call.
    pub(super) fn watch(&self, job: JobId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let of_job = waiting.entry(job).or_default();
        of_job.retain(|waiter| !waiter.is_closed());
        of_job.push(sender);
        self.count.store(waiting.len(), Ordering::Release);
        receiver
    }

    pub(super) fn applied(&self, applied: &Applied) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        for effect in &applied.effects {
            if let Effect::Finished(run) = effect {
                for waiter in waiting.remove(&run.job).unwrap_or_default() {
                    // One that went away wants no call.
                    let _ = waiter.send(());
                }
            }
        }
        self.count.store(waiting.len(), Ordering::Release);
    }
}
