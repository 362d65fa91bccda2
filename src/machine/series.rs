//! Series: what the rows of minutes say over a stretch of time, in steps. The names are LTS's where LTS had the thing.
//!
//! Counts of a step add up; of what stands at the end of a minute (queues, memory) a step has the greatest; quantiles are of
//! all spans of a step. Over groups and nodes counts and stands add up too. A step in which nothing was told has no point.

use std::ops::Bound;

use super::base::BaseError;
use super::key::Key;
use super::row::{GroupRow, Row};
use super::stats::{GroupStats, Histogram, JobTrackerStats, MINUTE, TrackerStats, minute_of};
use super::tables::Tables;
use crate::domain::{FieldError, Identity, Millis, NodeGroup, Timestamp};

/// Points of one series in one answer.
pub const POINTS_MAX: u64 = 10_000;
/// Minutes that are read at a time, so that the tables are not held for long.
const CHUNK_MINUTES: u64 = 60;

/// What a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    NodeGroup,
    TaskTracker,
    JobTracker,
}

/// How a series is called, and what it tells.
#[derive(Debug)]
pub struct Series {
    pub name: &'static str,
    pub of: Of,
    /// `count`, `ms` or `bytes`.
    pub unit: &'static str,
    pub meaning: &'static str,
    take: Take,
}

/// Where its values are, and how they are joined.
#[derive(Clone, Copy, Debug)]
enum Take {
    GroupCount(fn(&GroupRow) -> u64),
    GroupStand(fn(&GroupStats) -> u64),
    GroupSpans(fn(&GroupStats) -> &Histogram, u64),
    /// The oldest of all groups, not their sum.
    GroupMost(fn(&GroupStats) -> u64),
    TrackerCount(fn(&TrackerStats) -> u64),
    TrackerStand(fn(&TrackerStats) -> u64),
    JobTrackerCount(fn(&JobTrackerStats) -> u64),
    JobTrackerStand(fn(&JobTrackerStats) -> u64),
}

const fn group(name: &'static str, take: Take, unit: &'static str, meaning: &'static str) -> Series {
    Series { name, of: Of::NodeGroup, unit, meaning, take }
}

const fn tracker(name: &'static str, take: Take, unit: &'static str, meaning: &'static str) -> Series {
    Series { name, of: Of::TaskTracker, unit, meaning, take }
}

const fn jobtracker(name: &'static str, take: Take, unit: &'static str, meaning: &'static str) -> Series {
    Series { name, of: Of::JobTracker, unit, meaning, take }
}

/// All series. `docs/metrics.md` shows them.
pub const SERIES: &[Series] = &[
    group("receiveJobNum", Take::GroupCount(|it| it.submitted), "count", "jobs accepted"),
    group("pushJobNum", Take::GroupCount(|it| it.dispatched), "count", "executions dispatched"),
    group(
        "exeSuccessNum",
        Take::GroupCount(|it| it.exe_success),
        "count",
        "executions that said EXECUTE_SUCCESS",
    ),
    group(
        "exeFailedNum",
        Take::GroupCount(|it| it.exe_failed),
        "count",
        "executions that said EXECUTE_FAILED",
    ),
    group("exeLaterNum", Take::GroupCount(|it| it.exe_later), "count", "executions that said EXECUTE_LATER"),
    group(
        "exeExceptionNum",
        Take::GroupCount(|it| it.exe_exception),
        "count",
        "executions that said EXECUTE_EXCEPTION",
    ),
    group(
        "fixExecutingJobNum",
        Take::GroupCount(|it| it.reclaimed),
        "count",
        "executions taken back from TaskTrackers that were gone",
    ),
    group("succeeded", Take::GroupCount(|it| it.succeeded), "count", "runs that ended with success"),
    group("failed", Take::GroupCount(|it| it.failed), "count", "runs that failed for good"),
    group("dead", Take::GroupCount(|it| it.dead), "count", "runs whose retries or reclaims were used up"),
    group("cancelled", Take::GroupCount(|it| it.cancelled), "count", "runs that were cancelled"),
    group(
        "skipped",
        Take::GroupCount(|it| it.skipped),
        "count",
        "instants that never ran, by a policy of their job",
    ),
    group("retried", Take::GroupCount(|it| it.retried), "count", "retries planned"),
    group(
        "stale",
        Take::GroupCount(|it| it.stale),
        "count",
        "results of older executions, which changed nothing",
    ),
    group(
        "logLinesDropped",
        Take::GroupCount(|it| it.log_lines_dropped),
        "count",
        "lines of user code that the job log has not",
    ),
    group("waiting", Take::GroupStand(|it| it.waiting), "count", "runs not due yet, or waiting for a retry"),
    group("ready", Take::GroupStand(|it| it.ready), "count", "runs that may be dispatched"),
    group("executing", Take::GroupStand(|it| it.executing), "count", "runs that execute"),
    group(
        "oldestReady",
        Take::GroupMost(|it| it.oldest_ready.get()),
        "ms",
        "for how long the oldest of what is dispatched next had been ready",
    ),
    group(
        "waitP50",
        Take::GroupSpans(|it| &it.wait, 50),
        "ms",
        "from due to the first dispatch: half of the runs waited no longer",
    ),
    group("waitP90", Take::GroupSpans(|it| &it.wait, 90), "ms", "the same for nine in ten"),
    group("waitP99", Take::GroupSpans(|it| &it.wait, 99), "ms", "the same for 99 in a hundred"),
    group(
        "runP50",
        Take::GroupSpans(|it| &it.run, 50),
        "ms",
        "from begin to end of an execution, by its TaskTracker's clock: half took no longer",
    ),
    group("runP90", Take::GroupSpans(|it| &it.run, 90), "ms", "the same for nine in ten"),
    group("runP99", Take::GroupSpans(|it| &it.run, 99), "ms", "the same for 99 in a hundred"),
    group(
        "cronLatenessP50",
        Take::GroupSpans(|it| &it.cron_lateness, 50),
        "ms",
        "the wait of cron runs alone: half were no later",
    ),
    group("cronLatenessP90", Take::GroupSpans(|it| &it.cron_lateness, 90), "ms", "the same for nine in ten"),
    group(
        "cronLatenessP99",
        Take::GroupSpans(|it| &it.cron_lateness, 99),
        "ms",
        "the same for 99 in a hundred",
    ),
    tracker(
        "exeSuccessNum",
        Take::TrackerCount(|it| it.exe_success),
        "count",
        "executions that said EXECUTE_SUCCESS",
    ),
    tracker(
        "exeFailedNum",
        Take::TrackerCount(|it| it.exe_failed),
        "count",
        "executions that said EXECUTE_FAILED",
    ),
    tracker(
        "exeLaterNum",
        Take::TrackerCount(|it| it.exe_later),
        "count",
        "executions that said EXECUTE_LATER",
    ),
    tracker(
        "exeExceptionNum",
        Take::TrackerCount(|it| it.exe_exception),
        "count",
        "executions that said EXECUTE_EXCEPTION",
    ),
    tracker(
        "totalRunningTime",
        Take::TrackerCount(|it| it.running_time.get()),
        "ms",
        "running time of the executions that ended",
    ),
    tracker(
        "failStoreBytes",
        Take::TrackerStand(|it| it.fail_store_bytes),
        "bytes",
        "results that are not acknowledged, in the FailStore",
    ),
    tracker("running", Take::TrackerStand(|it| it.running), "count", "executions that run"),
    tracker("slots", Take::TrackerStand(|it| it.slots), "count", "executions that it runs at a time"),
    tracker(
        "memoryBytes",
        Take::TrackerStand(|it| it.process.memory_bytes),
        "bytes",
        "memory of the process",
    ),
    tracker("cpuTime", Take::TrackerCount(|it| it.process.cpu.get()), "ms", "processor time used"),
    tracker("threads", Take::TrackerStand(|it| it.process.threads), "count", "threads of the process"),
    tracker("tasks", Take::TrackerStand(|it| it.process.tasks), "count", "tasks of the runtime"),
    tracker("openFiles", Take::TrackerStand(|it| it.process.open_files), "count", "file descriptors"),
    jobtracker(
        "memoryBytes",
        Take::JobTrackerStand(|it| it.process.memory_bytes),
        "bytes",
        "memory of the process",
    ),
    jobtracker("cpuTime", Take::JobTrackerCount(|it| it.process.cpu.get()), "ms", "processor time used"),
    jobtracker("threads", Take::JobTrackerStand(|it| it.process.threads), "count", "threads of the process"),
    jobtracker("tasks", Take::JobTrackerStand(|it| it.process.tasks), "count", "tasks of the runtime"),
    jobtracker("openFiles", Take::JobTrackerStand(|it| it.process.open_files), "count", "file descriptors"),
    jobtracker(
        "memtableBytes",
        Take::JobTrackerStand(|it| it.memtable_bytes),
        "bytes",
        "RocksDB's memtables, of log and state",
    ),
    jobtracker(
        "blockCacheBytes",
        Take::JobTrackerStand(|it| it.block_cache_bytes),
        "bytes",
        "RocksDB's block caches",
    ),
    jobtracker("sstBytes", Take::JobTrackerStand(|it| it.sst_bytes), "bytes", "RocksDB's files"),
    jobtracker(
        "pendingCompactionBytes",
        Take::JobTrackerStand(|it| it.pending_compaction_bytes),
        "bytes",
        "what RocksDB has still to compact",
    ),
    jobtracker(
        "applyLag",
        Take::JobTrackerStand(|it| it.apply_lag),
        "count",
        "entries committed and not applied",
    ),
];

impl Tables {
    /// What a TaskTracker told last, within so many minutes.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn newest_sample(
        &self,
        group: &NodeGroup,
        who: &Identity,
        minutes: u64,
    ) -> Result<Option<(Timestamp, TrackerStats)>, BaseError> {
        let mut minute = minute_of(self.meta().now) + MINUTE;
        for _ in 0..=minutes {
            if let Some(Row::TrackerStats(told)) =
                self.get(&Key::TrackerStats(minute, group.clone(), who.clone()))?
            {
                return Ok(Some((minute, *told)));
            }
            minute = minute - MINUTE;
        }
        Ok(None)
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    pub of: Of,
    pub series: Vec<&'static Series>,
    /// Of a node group, or of its TaskTrackers; else of all.
    pub node_group: Option<NodeGroup>,
    /// Of one TaskTracker or JobTracker; else of all together.
    pub identity: Option<Identity>,
    from: Timestamp,
    steps: u64,
    step: Millis,
}

impl Query {
    /// All series of that sort, in whole minutes from the one that `from` is in up to and without `to`.
    ///
    /// # Errors
    /// If the stretch or the step cannot be answered.
    pub fn new(of: Of, from: Timestamp, to: Timestamp, step: Millis) -> Result<Query, FieldError> {
        if step.is_zero() || !step.get().is_multiple_of(MINUTE.get()) {
            return Err(FieldError::new("step", format!("is {step}; whole minutes, at least one")));
        }
        let from = minute_of(from);
        let steps = to.since(from).get().div_ceil(step.get());
        if steps == 0 {
            return Err(FieldError::new("to", format!("is {to}, which is not after `from`, {from}")));
        }
        if steps > POINTS_MAX {
            let problem = format!("is {step}, which makes {steps} points; at most {POINTS_MAX}");
            return Err(FieldError::new("step", problem));
        }
        let series = SERIES.iter().filter(|series| series.of == of).collect();
        Ok(Query { of, series, node_group: None, identity: None, from, steps, step })
    }

    /// Only these series.
    ///
    /// # Errors
    /// Names the one that does not exist.
    pub fn only(mut self, names: &[String]) -> Result<Query, FieldError> {
        if names.is_empty() {
            return Ok(self);
        }
        let find = |name: &String| {
            let found = self.series.iter().find(|series| series.name.eq_ignore_ascii_case(name));
            found.copied().ok_or_else(|| {
                let known: Vec<&str> = self.series.iter().map(|series| series.name).collect();
                FieldError::new("names", format!("has {name:?}; there are {}", known.join(", ")))
            })
        };
        self.series = names.iter().map(find).collect::<Result<_, _>>()?;
        Ok(self)
    }

    fn end(&self) -> Timestamp {
        self.from + Millis::new(self.step.get().saturating_mul(self.steps))
    }
}

/// What was read so far, a step a place.
#[derive(Debug)]
pub struct Reading {
    query: Query,
    next: Timestamp,
    /// For each series, its steps.
    sums: Vec<Vec<Sum>>,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    is_told: bool,
    total: u64,
    /// The minute that is being read, and what stood at its end.
    minute: Timestamp,
    stood: u64,
    most: u64,
    spans: Histogram,
}

impl Reading {
    pub fn new(query: Query) -> Reading {
        let steps = usize::try_from(query.steps).expect("at most POINTS_MAX");
        let sums = query.series.iter().map(|_| vec![Sum::default(); steps]).collect();
        Reading { next: query.from, query, sums }
    }

    /// Reads on, an hour at a time; false at the end.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn read(&mut self, tables: &Tables) -> Result<bool, BaseError> {
        let from = self.next;
        let to = (from + Millis::new(CHUNK_MINUTES * MINUTE.get())).min(self.query.end());
        self.next = to;
        let (first, last) = (Key::first_stats(from), Key::first_stats(to));
        let table = self.query.of as usize;
        match (self.query.of, self.query.node_group.clone(), self.query.identity.clone()) {
            (Of::NodeGroup, Some(group), _) => {
                self.minutes(tables, from, to, |minute| Key::GroupStats(minute, group.clone()))?;
            }
            (Of::TaskTracker, Some(group), Some(who)) => self
                .minutes(tables, from, to, |minute| Key::TrackerStats(minute, group.clone(), who.clone()))?,
            (Of::JobTracker, _, Some(who)) => {
                self.minutes(tables, from, to, |minute| Key::JobTrackerStats(minute, who.clone()))?;
            }
            (Of::NodeGroup | Of::JobTracker, None, _)
            | (Of::TaskTracker, _, _)
            | (Of::JobTracker, _, None) => {
                for row in tables.scan(Bound::Included(&first[table]), &last[table]) {
                    let (key, row) = row?;
                    self.add(&key, &row);
                }
            }
        }
        Ok(to < self.query.end())
    }

    fn minutes(
        &mut self,
        tables: &Tables,
        from: Timestamp,
        to: Timestamp,
        key: impl Fn(Timestamp) -> Key,
    ) -> Result<(), BaseError> {
        let mut minute = from;
        while minute < to {
            let key = key(minute);
            if let Some(row) = tables.get(&key)? {
                self.add(&key, &row);
            }
            minute = minute + MINUTE;
        }
        Ok(())
    }

    fn add(&mut self, key: &Key, row: &Row) {
        let Some(minute) = key.stats_minute() else { return };
        if let Key::TrackerStats(_, group, who) = key {
            let is_other_group = self.query.node_group.as_ref().is_some_and(|wanted| wanted != group);
            if is_other_group || self.query.identity.as_ref().is_some_and(|wanted| wanted != who) {
                return;
            }
        }
        let place = minute.since(self.query.from).get() / self.query.step.get();
        let place = usize::try_from(place).expect("at most POINTS_MAX");
        for (series, sums) in self.query.series.iter().zip(&mut self.sums) {
            if let Some(sum) = sums.get_mut(place) {
                sum.add(series.take, minute, row);
            }
        }
    }

    /// Each series with its points; the time of a point is that at which its step begins.
    pub fn points(self) -> Vec<(&'static Series, Vec<(Timestamp, u64)>)> {
        let (from, step) = (self.query.from, self.query.step.get());
        let at = |place: usize| from + Millis::new(step.saturating_mul(place as u64));
        let points = |(series, sums): (&'static Series, Vec<Sum>)| {
            let points = sums.iter().enumerate();
            let points = points.filter_map(|(place, sum)| Some((at(place), sum.value(series.take)?)));
            (series, points.collect())
        };
        self.query.series.into_iter().zip(self.sums).map(points).collect()
    }
}

impl Sum {
    fn add(&mut self, take: Take, minute: Timestamp, row: &Row) {
        match (take, row) {
            (Take::GroupCount(of), Row::GroupStats(row)) => self.count(of(&row.counts)),
            (Take::GroupStand(of), Row::GroupStats(row)) => self.stand(minute, of(row)),
            (Take::GroupMost(of), Row::GroupStats(row)) => self.most = self.most.max(of(row)),
            (Take::GroupSpans(of, _), Row::GroupStats(row)) => self.spans.merge(of(row)),
            (Take::TrackerCount(of), Row::TrackerStats(row)) => self.count(of(row)),
            (Take::TrackerStand(of), Row::TrackerStats(row)) => self.stand(minute, of(row)),
            (Take::JobTrackerCount(of), Row::JobTrackerStats(row)) => self.count(of(row)),
            (Take::JobTrackerStand(of), Row::JobTrackerStats(row)) => self.stand(minute, of(row)),
            (_, _) => return,
        }
        self.is_told = true;
    }

    fn count(&mut self, more: u64) {
        self.total = self.total.saturating_add(more);
    }

    fn stand(&mut self, minute: Timestamp, more: u64) {
        if minute != self.minute {
            (self.minute, self.stood) = (minute, 0);
        }
        self.stood = self.stood.saturating_add(more);
        self.most = self.most.max(self.stood);
    }

    fn value(&self, take: Take) -> Option<u64> {
        let value = match take {
            Take::GroupCount(_) | Take::TrackerCount(_) | Take::JobTrackerCount(_) => self.total,
            Take::GroupStand(_) | Take::GroupMost(_) | Take::TrackerStand(_) | Take::JobTrackerStand(_) => {
                self.most
            }
            Take::GroupSpans(_, percent) => self.spans.quantile(percent)?.get(),
        };
        self.is_told.then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_thing_each() {
        for (place, series) in SERIES.iter().enumerate() {
            let same = |other: &&Series| (other.name, other.of) == (series.name, series.of);
            assert_eq!(SERIES.iter().filter(same).count(), 1, "{} is there twice", series.name);
            assert!(["count", "ms", "bytes"].contains(&series.unit), "{place}: {}", series.unit);
        }
    }

    #[test]
    fn what_cannot_be_answered_is_told_by_its_field() {
        let at = |minutes: u64| Timestamp::from_millis(minutes * MINUTE.get());
        let ask = |from, to, step| Query::new(Of::NodeGroup, from, to, Millis::new(step)).map(|_| ());
        let wrong = [
            ask(at(0), at(1), 0),
            ask(at(0), at(1), 90_000),
            ask(at(2), at(2), 60_000),
            ask(at(0), at(10_001), 60_000),
            Query::new(Of::NodeGroup, at(0), at(1), MINUTE)
                .and_then(|it| it.only(&["jobs".into()]))
                .map(|_| ()),
        ];
        let told: Vec<String> = wrong.into_iter().map(|it| it.expect_err("is wrong").to_string()).collect();
        let begins = [
            "step: is 0ms",
            "step: is 90s",
            "to: is",
            "step: is 60s, which makes 10001 points",
            "names: has \"jobs\"",
        ];
        for (told, begin) in told.iter().zip(begins) {
            assert!(told.starts_with(begin), "{told}");
        }
        assert!(ask(at(0), at(10_000), 60_000).is_ok());
    }
}
