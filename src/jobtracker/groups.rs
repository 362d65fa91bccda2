//! The node groups as they are now: for the monitor's calls and for Prometheus.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::domain::NodeGroup;
use crate::machine::row::{GroupRow, Row};
use crate::machine::stats::{GroupStats, MINUTE, minute_of};
use crate::machine::{BaseError, Depth, Key, Machine};

/// One node group.
#[derive(Clone, Debug, Default)]
pub struct GroupNow {
    /// Since the cluster began.
    pub counts: GroupRow,
    pub depth: Depth,
    /// What was told of the minute that ended last; nothing, if nothing was.
    pub last: GroupStats,
}

/// Every group that ever had a job. Takes as long as there are groups and TaskTrackers, however long the queues.
///
/// # Errors
/// If the disk fails.
pub fn groups_now(machine: &Machine) -> Result<BTreeMap<NodeGroup, GroupNow>, BaseError> {
    let tables = machine.tables();
    let mut depths = tables.depths()?;
    let mut groups = BTreeMap::new();
    let (from, to) = (Key::first_group(), Key::first_client());
    for row in tables.scan(Bound::Included(&from), &to) {
        let (Key::Group(name), Row::Group(counts)) = row? else { continue };
        let depth = depths.remove(&name).unwrap_or_default();
        groups.insert(name, GroupNow { counts: *counts, depth, last: GroupStats::default() });
    }
    let this = minute_of(machine.now());
    // The row of the minute that has ended is made when the next one begins; until then the one before is the last.
    for minute in [this - MINUTE - MINUTE, this - MINUTE] {
        let (from, to) = (&Key::first_stats(minute)[0], &Key::first_stats(minute + MINUTE)[0]);
        for row in tables.scan(Bound::Included(from), to) {
            let (Key::GroupStats(_, name), Row::GroupStats(last)) = row? else { continue };
            if let Some(group) = groups.get_mut(&name) {
                group.last = *last;
            }
        }
    }
    Ok(groups)
}
