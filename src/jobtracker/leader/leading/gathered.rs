//! What a leader gathers for the series of the node groups: how long runs waited and ran. Soft: what was not told when the
//! term ends is lost with it. Counters never are, since the tables have them.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::domain::{JobType, Millis, NodeGroup, Timestamp};
use crate::machine::command::{GroupSample, Stats};
use crate::machine::reply::Push;
use crate::machine::row::{GroupRow, Row};
use crate::machine::stats::{Histogram, SAMPLES_MAX};
use crate::machine::{BaseError, Depth, Key, Machine};

/// Groups of which spans are gathered between two samples; of more, counters alone are told.
const GROUPS_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Gathered {
    every: Millis,
    /// When to tell next.
    due: Timestamp,
    spans: BTreeMap<NodeGroup, Spans>,
    /// The counters when they were last told, so that groups in which nothing happens cost no rows.
    told: BTreeMap<NodeGroup, GroupRow>,
}

#[derive(Debug, Default)]
struct Spans {
    wait: Histogram,
    run: Histogram,
    cron_lateness: Histogram,
}

impl Gathered {
    /// Told for the first time when a multiple of `every` has passed.
    pub(super) fn new(every: Millis, now: Timestamp) -> Gathered {
        let mut gathered =
            Gathered { every, due: Timestamp::ZERO, spans: BTreeMap::new(), told: BTreeMap::new() };
        gathered.after(now);
        gathered
    }

    fn after(&mut self, now: Timestamp) {
        let every = self.every.get().max(1);
        self.due = Timestamp::from_millis((now.as_millis() / every + 1).saturating_mul(every));
    }

    fn of(&mut self, group: &NodeGroup) -> Option<&mut Spans> {
        if !self.spans.contains_key(group) {
            if self.spans.len() >= GROUPS_MAX {
                return None;
            }
            self.spans.insert(group.clone(), Spans::default());
        }
        self.spans.get_mut(group)
    }

    /// Runs were dispatched at `now`; a run's first time tells how long it waited.
    pub(super) fn dispatched(&mut self, now: Timestamp, pushes: &[Push]) {
        for push in pushes.iter().filter(|push| push.attempt == 1) {
            let Some(spans) = self.of(&push.spec.node_group) else { continue };
            let wait = now.since(push.due);
            spans.wait.add(wait);
            if push.spec.job_type() == JobType::Cron {
                spans.cron_lateness.add(wait);
            }
        }
    }

    /// Executions of a group's TaskTracker ended after these times.
    pub(super) fn ran(&mut self, group: &NodeGroup, took: impl Iterator<Item = Millis>) {
        if let Some(spans) = self.of(group) {
            took.for_each(|span| spans.run.add(span));
        }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now
    }

    /// What is to be told of the time since the last call.
    pub(super) fn tell(&mut self, now: Timestamp, machine: &Machine) -> Result<Vec<Stats>, BaseError> {
        self.after(now);
        let tables = machine.tables();
        let mut depths = tables.depths()?;
        let mut samples = Vec::new();
        let (from, to) = (Key::first_group(), Key::first_client());
        for row in tables.scan(Bound::Included(&from), &to) {
            let (Key::Group(group), Row::Group(counts)) = row? else { continue };
            let (spans, depth) = (self.spans.remove(&group), depths.remove(&group));
            // What is forgotten changes no counter.
            let counts = GroupRow { kept: 0, ..*counts };
            let is_quiet = self.told.get(&group) == Some(&counts);
            if spans.is_some() || depth.is_some() || !is_quiet {
                samples.push(sample(
                    group.clone(),
                    now,
                    depth.unwrap_or_default(),
                    spans.unwrap_or_default(),
                ));
                self.told.insert(group, counts);
            }
        }
        self.spans.clear();
        let stats = |groups: &[GroupSample]| Stats { groups: groups.to_vec(), ..Stats::default() };
        Ok(samples.chunks(SAMPLES_MAX).map(stats).collect())
    }
}

fn sample(node_group: NodeGroup, now: Timestamp, depth: Depth, spans: Spans) -> GroupSample {
    GroupSample {
        node_group,
        waiting: depth.waiting,
        ready: depth.ready,
        executing: depth.executing,
        oldest_ready: depth.ready_since.map_or(Millis::ZERO, |since| now.since(since)),
        wait: spans.wait,
        run: spans.run,
        cron_lateness: spans.cron_lateness,
    }
}
