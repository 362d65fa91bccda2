//! What a JobClient did since it started: LTS's five counters, and the same as Prometheus text for whoever embeds it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fail_store::FailStoreStats;

/// Counts of one JobClient since its start, under LTS's names. A job counts once in the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounters {
    /// Jobs that the cluster has: accepted, existing or replaced (submitSuccessNum).
    pub submit_success: u64,
    /// Jobs whose submit ended with an error (submitFailedNum).
    pub submit_failed: u64,
    /// Jobs that were saved in the FailStore (failStoreNum).
    pub fail_store: u64,
    /// Jobs that the cluster took from the FailStore (submitFailStoreNum).
    pub submit_fail_store: u64,
    /// Feedback that this client's handler took (handleFeedbackNum).
    pub handle_feedback: u64,
}

/// The same while they grow.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) submit_success: AtomicU64,
    pub(super) submit_failed: AtomicU64,
    pub(super) fail_store: AtomicU64,
    pub(super) submit_fail_store: AtomicU64,
    pub(super) handle_feedback: AtomicU64,
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> ClientCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClientCounters {
            submit_success: read(&self.submit_success),
            submit_failed: read(&self.submit_failed),
            fail_store: read(&self.fail_store),
            submit_fail_store: read(&self.submit_fail_store),
            handle_feedback: read(&self.handle_feedback),
        }
    }
}

/// The text that Prometheus scrapes; the names are pinned by a test.
pub(super) fn prometheus(counters: &ClientCounters, store: Option<&FailStoreStats>) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, value: u64| {
        let name = format!("raftsman_jobclient_{name}");
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
            .expect("a String takes everything");
    };
    let ClientCounters { submit_success, submit_failed, fail_store, submit_fail_store, handle_feedback } =
        *counters;
    metric("submit_success_total", "counter", "Jobs that the cluster has.", submit_success);
    metric("submit_failed_total", "counter", "Jobs whose submit ended with an error.", submit_failed);
    metric("fail_store_total", "counter", "Jobs that were saved in the FailStore.", fail_store);
    metric(
        "submit_fail_store_total",
        "counter",
        "Jobs that the cluster took from the FailStore.",
        submit_fail_store,
    );
    metric("handle_feedback_total", "counter", "Feedback that this client's handler took.", handle_feedback);
    if let Some(store) = store {
        metric("fail_store_jobs", "gauge", "Jobs that wait in the FailStore.", store.waiting_jobs as u64);
        metric("fail_store_bytes", "gauge", "Bytes of the FailStore that are in use.", store.bytes as u64);
        metric(
            "fail_store_dead_letters",
            "gauge",
            "Jobs that the FailStore kept for a person to look at.",
            store.dead_letters as u64,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prometheus_text_has_pinned_names() {
        let tally = Tally::default();
        Tally::add(&tally.submit_success, 3);
        Tally::add(&tally.handle_feedback, 1);
        let stats = FailStoreStats { waiting_jobs: 2, bytes: 70, ..FailStoreStats::default() };
        let text = prometheus(&tally.read(), Some(&stats));
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "raftsman_jobclient_submit_success_total 3",
                "raftsman_jobclient_submit_failed_total 0",
                "raftsman_jobclient_fail_store_total 0",
                "raftsman_jobclient_submit_fail_store_total 0",
                "raftsman_jobclient_handle_feedback_total 1",
                "raftsman_jobclient_fail_store_jobs 2",
                "raftsman_jobclient_fail_store_bytes 70",
                "raftsman_jobclient_fail_store_dead_letters 0",
            ]
        );
        assert_eq!(text.lines().filter(|line| line.starts_with("# TYPE")).count(), samples.len());
    }
}
