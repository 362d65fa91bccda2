//! What a batch of seeds must have met: green worlds in which nothing ever went wrong prove nothing.

use std::collections::BTreeMap;

/// Fewer seeds may be green without having met anything.
const SEEDS_MIN: u64 = 40;

/// What must be met, and how often by a hundred seeds.
const LEAST: &[(&str, u64)] = &[
    ("TaskTrackers cut off", 10),
    ("blackouts", 10),
    ("cancels answered ALREADY_FINISHED", 100),
    ("cancels answered CANCELLED", 100),
    ("cancels answered CANCEL_REQUESTED", 100),
    ("cancels answered NOT_FOUND", 100),
    ("dead TaskTrackers", 10),
    ("drifting clocks", 10),
    ("ends by a bad disk", 10),
    ("ends by a full disk", 10),
    ("executions begun", 5_000),
    ("executions interrupted because the cluster was silent", 10),
    ("freezes", 10),
    ("frozen TaskTrackers", 5),
    ("hand-overs asked for", 10),
    ("isolations", 10),
    ("kills", 20),
    ("leader changes", 200),
    ("linearizable reads", 1_000),
    ("lossy networks", 10),
    ("one-way cuts", 10),
    ("power cuts", 20),
    ("processes asked to end", 10),
    ("reclaims from a silent TaskTracker", 100),
    ("records taken by power cuts", 10),
    ("requests that came again and got the first answer", 500),
    ("requests whose outcome was unknown", 500),
    ("slow disks", 10),
    ("snapshots asked for", 10),
    ("split networks", 10),
    ("wiped hosts that are voters again", 10),
    ("wrong clocks", 10),
];

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
