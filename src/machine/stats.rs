//! What is told of a minute: the rows of the series, and how spans of time are counted by their size.
//!
//! A row of a node group has what its counters grew by since its last row, whenever that was: the tables remember where
//! they stood then, so nothing is lost or counted twice, whoever led meanwhile, and the rows add up to the counters.
//! Spans are counted in a [`Histogram`], which adds up over minutes and groups as a quantile would not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::row::GroupRow;
use crate::domain::{Millis, Timestamp};

/// What series are made of.
pub const MINUTE: Millis = Millis::from_secs(60);
/// Samples of each sort in one `Stats`; what is beyond it is not kept.
pub const SAMPLES_MAX: usize = 512;
/// Each power of two has so many buckets: the bound of one is at most an eighth above what is in it.
const STEPS: u64 = 8;
const STEP_BITS: u32 = STEPS.ilog2();
/// That of `u64::MAX`.
const LAST_BUCKET: u16 = 495;

/// The beginning of the minute that `at` is in.
pub fn minute_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis() % MINUTE.get())
}

/// How many spans there were of each size, in steps of at most an eighth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(BTreeMap<u16, u64>);

impl Histogram {
    pub fn add(&mut self, span: Millis) {
        let count = self.0.entry(bucket(span.get())).or_default();
        *count = count.saturating_add(1);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, more) in &other.0 {
            let count = self.0.entry(*bucket).or_default();
            *count = count.saturating_add(*more);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// A span that so many of a hundred are not longer than, rounded up by at most an eighth; none of nothing.
    pub fn quantile(&self, percent: u64) -> Option<Millis> {
        let count = self.count();
        let rank =
            u64::try_from((u128::from(count) * u128::from(percent.min(100))).div_ceil(100)).ok()?.max(1);
        let mut seen = 0_u64;
        for (bucket, count) in &self.0 {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some(Millis::new(upper(*bucket)));
            }
        }
        None
    }
}

/// Spans below eight milliseconds have a bucket each; above, each power of two has eight.
fn bucket(ms: u64) -> u16 {
    let power = u64::from(ms.max(1).ilog2().saturating_sub(STEP_BITS));
    let bucket = if ms < STEPS { ms } else { (power + 1) * STEPS + (ms >> power) - STEPS };
    u16::try_from(bucket).expect("64 powers of 8 steps fit")
}

/// The longest span of a bucket.
fn upper(bucket: u16) -> u64 {
    let bucket = u64::from(bucket.min(LAST_BUCKET));
    if bucket < STEPS {
        return bucket;
    }
    let (power, step) = (bucket / STEPS - 1, bucket % STEPS + STEPS);
    let next = (u128::from(step) + 1) << power;
    u64::try_from(next - 1).expect("the last bucket ends with the last number")
}

/// What a process used in a minute, and what it had at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStats {
    pub memory_bytes: u64,
    /// Processor time within the minute.
    pub cpu: Millis,
    pub threads: u64,
    pub tasks: u64,
    pub open_files: u64,
}

/// A node group at the end of a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStats {
    /// By how much the counters grew since the last row; of what is kept, how much there is.
    pub counts: GroupRow,
    pub waiting: u64,
    pub ready: u64,
    pub executing: u64,
    /// How long the oldest of those that are next had been ready.
    pub oldest_ready: Millis,
    /// From due to the first dispatch, of what was dispatched.
    pub wait: Histogram,
    /// Of executions that ended, as their TaskTrackers measured it.
    pub run: Histogram,
    /// The wait of cron runs alone.
    pub cron_lateness: Histogram,
}

/// What a TaskTracker did in a minute, under LTS's names, and how it stood at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerStats {
    pub exe_success: u64,
    pub exe_failed: u64,
    pub exe_later: u64,
    pub exe_exception: u64,
    /// Of all executions that ended in the minute.
    pub running_time: Millis,
    pub fail_store_bytes: u64,
    pub running: u64,
    pub slots: u64,
    pub process: ProcessStats,
}

/// How a JobTracker stood at the end of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTrackerStats {
    pub process: ProcessStats,
    pub memtable_bytes: u64,
    pub block_cache_bytes: u64,
    pub sst_bytes: u64,
    pub pending_compaction_bytes: u64,
    /// Entries of the log that were committed and not applied.
    pub apply_lag: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(spans: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        spans.iter().for_each(|span| histogram.add(Millis::new(*span)));
        histogram
    }

    proptest! {
        #[test]
        fn a_span_lies_below_its_bound_by_an_eighth_at_most(ms in prop_oneof![any::<u64>(), 0..5000_u64]) {
            let bound = upper(bucket(ms));
            prop_assert!(ms <= bound && bound - ms <= ms / 8, "{ms} in {} up to {bound}", bucket(ms));
            if let Some(next) = bound.checked_add(1) {
                prop_assert_eq!(bucket(next), bucket(ms) + 1);
            }
        }

        #[test]
        fn quantiles_of_a_merge_are_those_of_all(
            a in proptest::collection::vec(0..100_000_u64, 1..40),
            b in proptest::collection::vec(0..100_000_u64, 0..40),
            percent in 0..=100_u64,
        ) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let mut all = [a, b].concat();
            prop_assert_eq!(&merged, &of(&all));
            all.sort();
            let rank = (all.len() * percent as usize).div_ceil(100).max(1);
            prop_assert_eq!(merged.quantile(percent), Some(Millis::new(upper(bucket(all[rank - 1])))));
        }
    }

    #[test]
    fn the_buckets_end_with_the_last_number() {
        assert_eq!(
            (bucket(u64::MAX), upper(LAST_BUCKET), upper(u16::MAX)),
            (LAST_BUCKET, u64::MAX, u64::MAX)
        );
        assert_eq!([0, 1, 7, 8, 9, 15, 16, 17, 18].map(bucket), [0, 1, 7, 8, 9, 15, 16, 16, 17]);
    }

    #[test]
    fn quantiles_of_few_spans() {
        assert_eq!(of(&[]).quantile(50), None);
        let hundred: Vec<u64> = (1..=100).collect();
        let quantiles = [0, 50, 90, 99, 100].map(|percent| of(&hundred).quantile(percent).map(Millis::get));
        assert_eq!(quantiles, [Some(1), Some(51), Some(95), Some(103), Some(103)]);
    }

    #[test]
    fn a_minute_begins_at_its_beginning() {
        assert_eq!(minute_of(Timestamp::from_millis(119_999)), Timestamp::from_millis(60_000));
        assert_eq!(minute_of(Timestamp::from_millis(60_000)), Timestamp::from_millis(60_000));
    }
}
