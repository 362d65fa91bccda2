//! Keeps what was told of a minute, a row each: of a node group, a TaskTracker, a JobTracker.
//!
//! What a group's counters grew by is found in the tables here and now, so it is exact whoever asked. What the same minute
//! of a group is told twice, as when the leader changes within it, adds up; what a node tells twice of itself is the same.

use crate::domain::Timestamp;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{GroupSample, Stats, TrackerSample};
use crate::machine::key::Key;
use crate::machine::reply::Reply;
use crate::machine::row::Row;
use crate::machine::stats::{GroupStats, MINUTE, SAMPLES_MAX, minute_of};

pub(super) fn apply(change: &mut Change<'_>, stats: &Stats) -> Result<Reply, BaseError> {
    let minute = ended(change);
    for sample in stats.groups.iter().take(SAMPLES_MAX) {
        group(change, sample)?;
    }
    for sample in stats.trackers.iter().take(SAMPLES_MAX) {
        if !is_of_now(change, sample) {
            continue;
        }
        let (group, who) = (sample.node_group.clone(), sample.identity.clone());
        let key = Key::TrackerStats(minute_of(sample.minute), group, who);
        change.put_stats(key, Row::TrackerStats(Box::new(sample.stats)))?;
    }
    for sample in stats.jobtrackers.iter().take(SAMPLES_MAX) {
        let key = Key::JobTrackerStats(minute, sample.name.clone());
        change.put_stats(key, Row::JobTrackerStats(Box::new(sample.stats)))?;
    }
    Ok(Reply::Done)
}

/// A group without a row never had a job, and there is nothing to tell of it.
fn group(change: &mut Change<'_>, sample: &GroupSample) -> Result<(), BaseError> {
    let (group, minute) = (&sample.node_group, ended(change));
    let Some(counts) = change.group_row(group)? else { return Ok(()) };
    let mut row = change.group_stats(minute, group)?.map_or_else(GroupStats::default, |row| *row);
    let before = change.sampled(group)?.unwrap_or_default();
    row.counts = counts.since(&before).plus(&row.counts);
    change.put_plain(Key::Sampled(group.clone()), Row::Sampled(counts))?;
    (row.waiting, row.ready, row.executing) = (sample.waiting, sample.ready, sample.executing);
    row.oldest_ready = sample.oldest_ready;
    row.wait.merge(&sample.wait);
    row.run.merge(&sample.run);
    row.cron_lateness.merge(&sample.cron_lateness);
    change.put_stats(Key::GroupStats(minute, group.clone()), Row::GroupStats(Box::new(row)))
}

/// The minute that ended last: what is told now is of it.
fn ended(change: &Change<'_>) -> Timestamp {
    minute_of(change.now() - MINUTE)
}

/// A clock that is wrong by more than a minute makes no rows in the future, nor such as would be forgotten at once.
fn is_of_now(change: &Change<'_>, sample: &TrackerSample) -> bool {
    let now = change.now();
    sample.minute <= now + MINUTE && sample.minute >= now - change.limits().stats_kept
}
