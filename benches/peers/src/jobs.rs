//! The jobs of one run: what is to be submitted next, what came of each, and when. Every peer's client tells it the same
//! things at the same moments, so that what is counted and what is checked is the same for all.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::clock::monotonic_ns;
use crate::figures::Times;

pub(crate) const PAYLOAD: usize = 200;

/// How fast jobs are submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as they are acknowledged, with so many under way, for a time.
    Window { under_way: usize, time: Duration },
    /// One job at a time, one each `every`.
    One { jobs: u64, every: Duration },
}

impl Pace {
    /// How long submits go on if none waits.
    pub(crate) fn time(self) -> Duration {
        match self {
            Pace::Window { time, .. } => time,
            Pace::One { jobs, every } => every * u32::try_from(jobs).unwrap_or(u32::MAX),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Job {
    submitted_ns: u64,
    acked_ns: u64,
    started_ns: u64,
    deliveries: u32,
}

#[derive(Debug, Default)]
struct Ledger {
    jobs: Vec<Job>,
    /// Different jobs that were delivered.
    delivered: u64,
    /// No more are submitted, and all that were are acknowledged.
    closed: bool,
    finished_ns: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Jobs {
    pace: Pace,
    /// The number of the first job: no two runs of a peer share one.
    first: u64,
    ends: Mutex<Instant>,
    beat: tokio::sync::Mutex<Interval>,
    ledger: Mutex<Ledger>,
    worker_ready: watch::Sender<bool>,
    closed: watch::Sender<Option<u64>>,
    all_delivered: watch::Sender<bool>,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) jobs: u64,
    pub(crate) doubled: u64,
    /// From the first submit until the last end was known.
    pub(crate) whole: Duration,
    pub(crate) ack: Times,
    pub(crate) start: Times,
}

impl Jobs {
    pub(crate) fn new(run: u32, pace: Pace) -> Jobs {
        let every = match pace {
            Pace::One { every, .. } => every,
            Pace::Window { .. } => Duration::from_secs(1),
        };
        let mut beat = tokio::time::interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Jobs {
            pace,
            first: u64::from(run) << 40,
            ends: Instant::now().into(),
            beat: beat.into(),
            ledger: Mutex::default(),
            worker_ready: watch::Sender::new(false),
            closed: watch::Sender::new(None),
            all_delivered: watch::Sender::new(false),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nobody panics with it")
    }

    /// The time of submits begins: the worker is ready.
    pub(crate) fn begin(&self) {
        *self.ends.lock().expect("nobody panics with it") = Instant::now() + self.pace.time();
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Jobs that may be under way at a time.
    pub(crate) fn under_way(&self) -> usize {
        match self.pace {
            Pace::Window { under_way, .. } => under_way,
            Pace::One { .. } => 1,
        }
    }

    /// The next jobs, at most so many: their submit begins now. None: it is over.
    pub(crate) async fn next(&self, most: usize) -> Option<Range<u64>> {
        let most = match self.pace {
            Pace::Window { .. } if Instant::now() >= *self.ends.lock().expect("nobody panics with it") => {
                return None;
            }
            Pace::Window { .. } => most as u64,
            Pace::One { jobs, .. } if self.ledger().jobs.len() as u64 >= jobs => return None,
            Pace::One { .. } => {
                self.beat.lock().await.tick().await;
                1
            }
        };
        let mut ledger = self.ledger();
        let from = self.first + ledger.jobs.len() as u64;
        let job = Job { submitted_ns: monotonic_ns(), ..Job::default() };
        let length = ledger.jobs.len() + most as usize;
        ledger.jobs.resize(length, job);
        Some(from..from + most)
    }

    fn at(&self, number: u64, ledger: &Ledger) -> anyhow::Result<usize> {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        at.filter(|at| *at < ledger.jobs.len())
            .with_context(|| format!("job {number} is of no submit of this run"))
    }

    pub(crate) fn acked(&self, numbers: Range<u64>) -> anyhow::Result<()> {
        let mut ledger = self.ledger();
        let now = monotonic_ns();
        for number in numbers {
            let at = self.at(number, &ledger)?;
            ledger.jobs[at].acked_ns = now;
        }
        Ok(())
    }

    /// A worker holds the job with this payload.
    pub(crate) fn delivered(&self, payload: &[u8]) -> anyhow::Result<u64> {
        anyhow::ensure!(payload.len() == PAYLOAD, "a payload of {} bytes came", payload.len());
        let number = u64::from_le_bytes(payload[..8].try_into().expect("eight bytes"));
        self.delivered_at(number, monotonic_ns())?;
        Ok(number)
    }

    fn delivered_at(&self, number: u64, now: u64) -> anyhow::Result<()> {
        let mut ledger = self.ledger();
        let at = self.at(number, &ledger)?;
        let job = &mut ledger.jobs[at];
        job.deliveries += 1;
        if job.deliveries == 1 {
            job.started_ns = now;
            ledger.delivered += 1;
            self.tell_if_all(&ledger);
        }
        Ok(())
    }

    /// A job whose clients are in another process: all of it at once, afterwards.
    pub(crate) fn told(&self, submitted_ns: u64, acked_ns: u64) {
        self.ledger().jobs.push(Job { submitted_ns, acked_ns, ..Job::default() });
    }

    pub(crate) fn told_start(&self, at: u64, started_ns: u64) -> anyhow::Result<()> {
        self.delivered_at(self.first + at, started_ns)
    }

    /// Every job that was submitted is acknowledged.
    pub(crate) fn close(&self) -> anyhow::Result<()> {
        let mut ledger = self.ledger();
        let without = ledger.jobs.iter().filter(|job| job.acked_ns == 0).count();
        anyhow::ensure!(without == 0, "{without} submits were never acknowledged");
        ledger.closed = true;
        self.closed.send_replace(Some(ledger.jobs.len() as u64));
        self.tell_if_all(&ledger);
        Ok(())
    }

    /// How many were submitted, once no more will be.
    pub(crate) async fn closed(&self) -> u64 {
        let mut closed = self.closed.subscribe();
        // The sender lives as long as self.
        closed.wait_for(Option::is_some).await.ok().and_then(|count| *count).unwrap_or(0)
    }

    /// The worker's own clock, where the last end was known before this process heard of it.
    pub(crate) fn finished_at(&self, ns: u64) {
        self.ledger().finished_ns = Some(ns);
    }

    fn tell_if_all(&self, ledger: &Ledger) {
        if ledger.closed && ledger.delivered == ledger.jobs.len() as u64 {
            self.all_delivered.send_replace(true);
        }
    }

    /// The worker is subscribed: what is submitted from now on reaches it.
    pub(crate) fn worker_is_ready(&self) {
        self.worker_ready.send_replace(true);
    }

    pub(crate) async fn worker_ready(&self) {
        // The sender lives as long as self.
        let _ = self.worker_ready.subscribe().wait_for(|is| *is).await;
    }

    /// Every job that was submitted has reached the worker, and no more will come.
    pub(crate) async fn all_delivered(&self) {
        let _ = self.all_delivered.subscribe().wait_for(|is| *is).await;
    }

    /// How many are submitted and not delivered: for the message when time is up.
    pub(crate) fn missing(&self) -> u64 {
        let ledger = self.ledger();
        ledger.jobs.len() as u64 - ledger.delivered
    }

    /// Checks that every job was acknowledged and delivered, and counts.
    pub(crate) fn counted(&self, finished_ns: u64) -> anyhow::Result<Counted> {
        let ledger = self.ledger();
        anyhow::ensure!(!ledger.jobs.is_empty(), "no job was submitted");
        let lost = ledger.jobs.iter().filter(|job| job.deliveries == 0).count();
        anyhow::ensure!(lost == 0, "{lost} acknowledged jobs were never delivered");
        let began = ledger.jobs.iter().map(|job| job.submitted_ns).min().unwrap_or(0);
        let doubled = ledger.jobs.iter().filter(|job| job.deliveries > 1).count() as u64;
        Ok(Counted {
            jobs: ledger.jobs.len() as u64,
            doubled,
            whole: Duration::from_nanos(ledger.finished_ns.unwrap_or(finished_ns).saturating_sub(began)),
            ack: Times::of_ns(ledger.jobs.iter().map(|job| job.acked_ns - job.submitted_ns)),
            // A worker can hold a job before its submit is acknowledged, never before it began.
            start: Times::of_ns(
                ledger.jobs.iter().map(|job| job.started_ns.saturating_sub(job.submitted_ns)),
            ),
        })
    }
}

/// 200 bytes that begin with the job's number.
pub(crate) fn payload(number: u64) -> Vec<u8> {
    let mut bytes = vec![b'.'; PAYLOAD];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Jobs, Pace, payload};
    use std::time::Duration;

    fn one(jobs: u64) -> Jobs {
        Jobs::new(1, Pace::One { jobs, every: Duration::from_nanos(1) })
    }

    #[tokio::test]
    async fn a_job_that_was_never_delivered_is_lost() {
        let jobs = one(1);
        let numbers = jobs.next(1).await.expect("one job");
        jobs.acked(numbers).expect("it was submitted");
        jobs.close().expect("it was acknowledged");
        assert!(!*jobs.all_delivered.borrow());
        let error = jobs.counted(1).expect_err("it is lost");
        assert_eq!(error.to_string(), "1 acknowledged jobs were never delivered");
    }

    #[tokio::test]
    async fn a_second_delivery_is_counted_and_does_not_stand_for_another_job() {
        let jobs = one(2);
        for _ in 0..2 {
            let numbers = jobs.next(1).await.expect("another job");
            jobs.acked(numbers).expect("it was submitted");
        }
        assert!(jobs.next(1).await.is_none());
        jobs.close().expect("both were acknowledged");
        let first = 1 << 40;
        jobs.delivered(&payload(first)).expect("it was submitted");
        jobs.delivered(&payload(first)).expect("it was submitted");
        assert!(!*jobs.all_delivered.borrow());
        jobs.delivered(&payload(first + 1)).expect("it was submitted");
        assert!(*jobs.all_delivered.borrow());
        let counted = jobs.counted(u64::MAX).expect("none is lost");
        assert_eq!((counted.jobs, counted.doubled), (2, 1));
    }

    #[tokio::test]
    async fn a_submit_without_an_acknowledgement_is_an_error() {
        let jobs = one(1);
        jobs.next(1).await.expect("one job");
        assert!(jobs.close().is_err());
    }

    #[tokio::test]
    async fn a_job_of_another_run_is_an_error() {
        let jobs = one(1);
        jobs.next(1).await.expect("one job");
        assert!(jobs.delivered(&payload(7)).is_err());
        assert!(jobs.delivered(b"short").is_err());
    }
}
