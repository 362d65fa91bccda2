//! Who waits for a job to move: woken on every node when an entry is applied that ended one of its runs, or the job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::domain::JobId;
use crate::machine::{Applied, Effect};

#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<Waiting>,
    /// So that nobody waiting costs one load an entry.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: BTreeMap<JobId, BTreeMap<u64, oneshot::Sender<()>>>,
    next_number: u64,
}

/// One wait; it is forgotten when this goes away.
#[derive(Debug)]
pub struct JobMoves {
    waiters: Arc<Waiters>,
    job: JobId,
    number: u64,
    moved: oneshot::Receiver<()>,
}

impl JobMoves {
    /// Resolves when a run of the job, or the job itself, has ended after this was made.
    pub async fn moved(&mut self) {
        // The sender goes away only by sending.
        let _ = (&mut self.moved).await;
    }
}

impl Drop for JobMoves {
    fn drop(&mut self) {
        self.waiters.forget(self.job, self.number);
    }
}

impl Waiters {
    pub(super) fn watch(self: &Arc<Waiters>, job: JobId) -> JobMoves {
        let (sender, moved) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let number = waiting.next_number;
        waiting.next_number += 1;
        waiting.jobs.entry(job).or_default().insert(number, sender);
        self.count.store(waiting.jobs.len(), Ordering::Release);
        JobMoves { waiters: Arc::clone(self), job, number, moved }
    }

    fn forget(&self, job: JobId, number: u64) {
        let mut waiting = self.waiting.lock();
        if let Some(of_job) = waiting.jobs.get_mut(&job) {
            of_job.remove(&number);
            if of_job.is_empty() {
                waiting.jobs.remove(&job);
            }
        }
        self.count.store(waiting.jobs.len(), Ordering::Release);
    }

    pub(super) fn applied(&self, applied: &Applied) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        for effect in &applied.effects {
            if let Effect::Finished(run) = effect {
                for waiter in waiting.jobs.remove(&run.job).unwrap_or_default().into_values() {
                    // One that went away wants no call.
                    let _ = waiter.send(());
                }
            }
        }
        self.count.store(waiting.jobs.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::domain::RunId;

    #[test]
    fn a_wait_is_woken_by_its_own_job_and_leaves_nothing_behind() {
        let waiters = Arc::new(Waiters::default());
        let ended = |job: u64| Applied {
            index: 1,
            replies: Vec::new(),
            effects: vec![Effect::Finished(RunId { job: JobId::from_u64(job), number: 0 })],
        };
        let (mut first, second) = (waiters.watch(JobId::from_u64(7)), waiters.watch(JobId::from_u64(7)));
        waiters.applied(&ended(8));
        assert!(first.moved().now_or_never().is_none());
        waiters.applied(&ended(7));
        assert!(first.moved().now_or_never().is_some());
        drop((first, second));
        drop(waiters.watch(JobId::from_u64(9)));
        assert!(waiters.waiting.lock().jobs.is_empty(), "who went away is forgotten");
        assert_eq!(waiters.count.load(Ordering::Relaxed), 0);
    }
}
