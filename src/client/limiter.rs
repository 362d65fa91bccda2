//! The submit limiter: so many jobs a second leave this JobClient, what comes too fast waits a little, and what would
//! wait too long is refused here. LTS counted batches of ten; this counts jobs.
//!
//! It is off unless it is asked for: the cluster defends itself with BUSY, this defends an application against itself.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ClientError;
use crate::wire::{Fault, Reason};

/// What may be spent at once after a pause: the jobs of one second.
const BURST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Limiter {
    began: Instant,
    bucket: Mutex<Bucket>,
    wait_at_most: Duration,
}

/// Pure: times are spans since the limiter's beginning, moved by a burst so that a new one has its burst too.
#[derive(Debug)]
struct Bucket {
    jobs_per_second: u32,
    /// What was let through is paid for up to this time.
    paid_until: Duration,
}

impl Bucket {
    /// How long to wait before `jobs` may leave; the wait that would be needed if it is longer than `wait_at_most`.
    ///
    /// A batch leaves as a whole as soon as what left before it is paid for; what comes after it pays.
    fn take(&mut self, now: Duration, jobs: usize, wait_at_most: Duration) -> Result<Duration, Duration> {
        let paid_until = self.paid_until.max(now.saturating_sub(BURST));
        let wait = paid_until.saturating_sub(now);
        if wait > wait_at_most {
            return Err(wait);
        }
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        self.paid_until = paid_until + BURST * jobs / self.jobs_per_second;
        Ok(wait)
    }
}

impl Limiter {
    /// `jobs_per_second` is at least 1.
    pub(super) fn new(jobs_per_second: u32, wait_at_most: Duration) -> Limiter {
        let bucket = Mutex::new(Bucket { jobs_per_second, paid_until: Duration::ZERO });
        Limiter { began: Instant::now(), bucket, wait_at_most }
    }

    /// Waits until `jobs` may leave.
    ///
    /// # Errors
    /// SUBMIT_LIMITED, with the time after which to try again, if the wait would be too long.
    pub(super) async fn admit(&self, jobs: usize) -> Result<(), ClientError> {
        let now = self.began.elapsed() + BURST;
        let taken = self.bucket.lock().take(now, jobs, self.wait_at_most);
        match taken {
            Ok(wait) if wait.is_zero() => Ok(()),
            Ok(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Err(wait) => Err(ClientError::NotDone(self.too_fast(wait))),
        }
    }

    fn too_fast(&self, wait: Duration) -> Fault {
        let limit = self.bucket.lock().jobs_per_second;
        let message = format!(
            "this client submits at most {limit} jobs a second, and this would wait {wait:?}; {:?} is the most",
            self.wait_at_most
        );
        Fault::not_applied(Reason::SubmitLimited, message).retry_after(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn bucket(jobs_per_second: u32) -> Bucket {
        Bucket { jobs_per_second, paid_until: Duration::ZERO }
    }

    #[test]
    fn a_second_of_jobs_leaves_at_once_and_then_one_after_another() {
        let mut bucket = bucket(10);
        let at = |ms| BURST + MS(ms);
        let waits: Vec<u128> =
            (0..13).map(|_| bucket.take(at(0), 1, MS(500)).expect("soon").as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
        assert_eq!(bucket.take(at(0), 1, MS(100)), Err(MS(300)), "too long");
        assert_eq!(bucket.take(at(250), 1, MS(100)), Ok(MS(50)), "what was refused cost nothing");
        assert_eq!(bucket.take(at(60_000), 1, MS(0)), Ok(MS(0)), "a pause gives one burst and not more");
        assert_eq!((0..100).filter(|_| bucket.take(at(60_000), 1, MS(0)).is_ok()).count(), 10);
    }

    #[test]
    fn over_any_time_no_more_leaves_than_the_limit_and_one_burst() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bucket = bucket(500);
            let (mut now, mut left) = (BURST, 0);
            while now < BURST + MS(10_000) {
                let jobs = random.usize(1..200);
                if let Ok(wait) = bucket.take(now, jobs, MS(100)) {
                    left += jobs;
                    let allowed = 500.0 * ((now + wait).as_secs_f64() + 1e-6) + 200.0;
                    assert!(left as f64 <= allowed, "seed {seed}: {left} jobs after {:?}", now - BURST);
                }
                now += MS(random.u64(0..50));
            }
            assert!(left > 4_000, "seed {seed}: only {left} jobs in ten seconds");
        }
    }

    #[tokio::test]
    async fn what_is_too_fast_is_refused_with_the_time_to_wait() {
        let limiter = Limiter::new(1, Duration::ZERO);
        limiter.admit(5).await.expect("a batch leaves as a whole");
        let error = limiter.admit(1).await.expect_err("it is not paid for");
        assert_eq!(error.reason(), Some(Reason::SubmitLimited));
        assert!(
            matches!(&error, ClientError::NotDone(fault) if fault.retry_after > Some(MS(2000))),
            "{error}"
        );
        assert!(error.to_string().contains("at most 1 jobs a second"), "{error}");
    }
}
