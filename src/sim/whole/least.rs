//! What a batch of seeds must have met: green worlds in which nothing ever went wrong prove nothing.

use std::collections::BTreeMap;

/// Fewer seeds may be green without having met anything.
const SEEDS_MIN: u64 = 40;

/// What must be met, and how often by a hundred seeds.
const LEAST: &[(&str, u64)] = &[];

/// What was met too rarely by so many seeds.
pub(super) fn missing(met: &BTreeMap<String, u64>, seeds: u64) -> Vec<String> {
    if seeds < SEEDS_MIN {
        return Vec::new();
    }
    let missing = |(what, least): &(&str, u64)| {
        let (count, least) = (met.get(*what).copied().unwrap_or(0), least * seeds / 100);
        (count < least).then(|| format!("{count} {what}, at least {least} wanted of {seeds} seeds"))
    };
    LEAST.iter().filter_map(missing).collect()
}
