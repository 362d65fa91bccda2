//! Percentiles, for people and as JSON.

use std::fmt;

/// Times in milliseconds, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn of_ns(ns: impl IntoIterator<Item = u64>) -> Times {
        let mut ms: Vec<f64> = ns.into_iter().map(|ns| ns as f64 / 1e6).collect();
        ms.sort_by(f64::total_cmp);
        Times(ms)
    }

    /// NaN if there are none.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * percent / 100.0).round() as usize;
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.percentile(100.0)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| self.percentile(percent));
        let (count, max) = (self.0.len(), self.max());
        write!(f, "p50 {p50:8.2} ms  p99 {p99:8.2} ms  p99.9 {p999:8.2} ms  max {max:8.2} ms  ({count})")
    }
}
