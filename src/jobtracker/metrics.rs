//! What Prometheus sees of a JobTracker. Names are pinned by a test; values of the whole cluster (queues, groups) come
//! from the leader only, so that sums over nodes are right.
//!
//! Nearly all of it is read from what the node knows anyway, so a scrape fills a recorder of its own and prints it. The
//! number of time series is bounded: of many node groups the busiest have names, the others are `other` together.

use std::collections::BTreeMap;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::JobTracker;
use super::groups::{GroupNow, groups_now};
use super::leader::Lane;
use crate::machine::Machine;
use crate::machine::stats::Histogram;
use crate::raft::Role;

/// Node groups that are told by name.
const GROUPS_MAX: usize = 256;
/// The name that the groups beyond share.
const OTHER: &str = "other";

/// A metric: `docs/metrics.md` shows what is here.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub sort: &'static str,
    /// With commas between; empty means none.
    pub labels: &'static str,
    pub meaning: &'static str,
}

const fn g(name: &'static str, labels: &'static str, meaning: &'static str) -> Metric {
    Metric { name, sort: "gauge", labels, meaning }
}

const fn c(name: &'static str, labels: &'static str, meaning: &'static str) -> Metric {
    Metric { name, sort: "counter", labels, meaning }
}

/// All that a JobTracker tells under its own name; beside them are the usual `process_*` ones.
pub const METRICS: &[Metric] = &[
    g("raftsman_build_info", "version", "Always 1; the label tells the version."),
    g("raftsman_uptime_seconds", "", "How long the node runs."),
    g("raftsman_runtime_tasks", "", "Tasks of the runtime that are not over."),
    g("raftsman_raft_is_leader", "", "Whether this node leads."),
    g("raftsman_raft_term", "", "The highest term seen."),
    g("raftsman_raft_last_log_index", "", "The last entry of the log."),
    g("raftsman_raft_commit_index", "", "The last committed entry."),
    g("raftsman_raft_applied_index", "", "The last applied entry."),
    g("raftsman_raft_snapshot_index", "", "The last entry of the newest snapshot."),
    g("raftsman_raft_replication_lag", "peer", "Entries that a member is behind this leader."),
    g("raftsman_clock_skew_seconds", "peer", "How far a voter's clock is from the majority's."),
    g(
        "raftsman_alarm_raised",
        "rule",
        "Alarms that are raised: of the cluster on the leader, of its own on each node.",
    ),
    c("raftsman_alarm_notifications_total", "target, outcome", "What this node told its targets."),
    g("raftsman_client_connections", "", "Connections of clients and TaskTrackers."),
    g("raftsman_disk_low", "", "Whether submits are refused for want of disk."),
    g("raftsman_rocksdb_memtable_bytes", "", "RocksDB's memtables, of log and state."),
    g("raftsman_rocksdb_block_cache_bytes", "", "RocksDB's block caches."),
    g("raftsman_rocksdb_sst_bytes", "", "RocksDB's files."),
    g("raftsman_rocksdb_pending_compaction_bytes", "", "What RocksDB has still to compact."),
    c("raftsman_log_syncs_total", "", "Fsyncs of the log since the process started; so the next two."),
    c("raftsman_log_appended_bytes_total", "", "Bytes appended to the log."),
    c("raftsman_state_rows_written_total", "", "Rows written to the state's database, deletions included."),
    g(
        "raftsman_lane_bytes",
        "lane",
        "Bytes of commands that wait for an entry, on the leader; so all below.",
    ),
    g("raftsman_tasktrackers", "state", "TaskTrackers that are known."),
    g("raftsman_queue_jobs", "node_group, state", "Runs by queue: waiting, ready, executing."),
    g(
        "raftsman_queue_oldest_ready_seconds",
        "node_group",
        "For how long the oldest of what is dispatched next has been ready.",
    ),
    g(
        "raftsman_periodic_instants_waiting",
        "",
        "Instants of crons and repeats that are planned next, a job once.",
    ),
    g(
        "raftsman_job_wait_seconds",
        "node_group, quantile",
        "From due to the first dispatch, in the last minute.",
    ),
    g(
        "raftsman_job_run_seconds",
        "node_group, quantile",
        "From begin to end of executions, in the last minute.",
    ),
    g(
        "raftsman_cron_lateness_seconds",
        "node_group, quantile",
        "The wait of cron runs alone, in the last minute.",
    ),
    c("raftsman_jobs_submitted_total", "node_group", "Jobs accepted: LTS's receiveJobNum."),
    c("raftsman_jobs_started_total", "node_group", "Executions dispatched: LTS's pushJobNum."),
    c(
        "raftsman_executions_total",
        "node_group, action",
        "Executions by what their runners said: success, failed, later, exception.",
    ),
    c("raftsman_jobs_finished_total", "node_group, outcome", "Runs by their fate."),
    c("raftsman_job_retries_total", "node_group", "Retries planned."),
    c("raftsman_job_reclaims_total", "node_group", "Executions taken back: LTS's fixExecutingJobNum."),
    c(
        "raftsman_stale_fence_rejected_total",
        "node_group",
        "Results of older executions, which changed nothing.",
    ),
    c(
        "raftsman_biz_log_lines_dropped_total",
        "node_group",
        "Lines of user code that the job log has not: beyond the limit, or dropped on their way.",
    ),
];

/// The metrics as Prometheus text.
pub fn render(tracker: &JobTracker) -> String {
    let recorder: PrometheusRecorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        node(tracker);
        if let Some(leader) = tracker.leader() {
            for (name, lane) in [("drain", Lane::Drain), ("request", Lane::Request), ("log", Lane::Log)] {
                gauge!("raftsman_lane_bytes", "lane" => name).set(leader.door.used(lane) as f64);
            }
            tracker.look(cluster);
        }
        let process = metrics_process::Collector::default();
        process.describe();
        process.collect();
    });
    recorder.handle().render()
}

fn describe() {
    for metric in METRICS {
        match metric.sort {
            "counter" => describe_counter!(metric.name, metric.meaning),
            _ => describe_gauge!(metric.name, metric.meaning),
        }
    }
}

fn node(tracker: &JobTracker) {
    let raft = tracker.raft().metrics();
    gauge!("raftsman_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("raftsman_raft_is_leader").set(f64::from(u8::from(raft.role == Role::Leader)));
    gauge!("raftsman_raft_term").set(raft.term as f64);
    gauge!("raftsman_raft_last_log_index").set(raft.last_log_index as f64);
    gauge!("raftsman_raft_commit_index").set(raft.committed_index as f64);
    gauge!("raftsman_raft_applied_index").set(raft.applied_index as f64);
    gauge!("raftsman_raft_snapshot_index").set(raft.snapshot_index as f64);
    for (id, matched) in &raft.matched {
        let lag = raft.last_log_index.saturating_sub(*matched);
        gauge!("raftsman_raft_replication_lag", "peer" => id.to_string()).set(lag as f64);
    }
    for skew in tracker.raft().clock_skews() {
        gauge!("raftsman_clock_skew_seconds", "peer" => skew.node.to_string()).set(skew.ms as f64 / 1000.0);
    }
    gauge!("raftsman_disk_low").set(f64::from(u8::from(tracker.is_disk_low())));
    for (rule, raised) in tracker.raised_alarms() {
        gauge!("raftsman_alarm_raised", "rule" => rule.as_str()).set(raised as f64);
    }
    for target in tracker.alarm_targets() {
        for (outcome, count) in [("sent", target.sent), ("failed", target.failed)] {
            let name = target.name.to_string();
            let told = counter!("raftsman_alarm_notifications_total", "target" => name, "outcome" => outcome);
            told.absolute(count);
        }
    }
    let free = tracker.connection_places().available_permits();
    let connections = tracker.options().connections.max.saturating_sub(free);
    gauge!("raftsman_client_connections").set(connections as f64);
    gauge!("raftsman_uptime_seconds").set(tracker.uptime().as_secs_f64());
    if let Some(process) = tracker.process() {
        gauge!("raftsman_runtime_tasks").set(process.tasks as f64);
    }
    let disk = tracker.disk_usage();
    gauge!("raftsman_rocksdb_memtable_bytes").set(disk.memtable_bytes as f64);
    gauge!("raftsman_rocksdb_block_cache_bytes").set(disk.block_cache_bytes as f64);
    gauge!("raftsman_rocksdb_sst_bytes").set(disk.sst_bytes as f64);
    gauge!("raftsman_rocksdb_pending_compaction_bytes").set(disk.pending_compaction_bytes as f64);
    let written = tracker.written();
    counter!("raftsman_log_syncs_total").absolute(written.log_syncs);
    counter!("raftsman_log_appended_bytes_total").absolute(written.log_bytes);
    counter!("raftsman_state_rows_written_total").absolute(written.state_rows);
}

fn cluster(machine: &Machine) {
    let (tables, indexes) = (machine.tables(), machine.tables().indexes());
    // A disk that fails here fails the next entry too, and that ends the node; a scrape just shows less.
    let trackers = tables.trackers().unwrap_or_default();
    let online = trackers.iter().filter(|tracker| tracker.row.is_online()).count();
    gauge!("raftsman_tasktrackers", "state" => "online").set(online as f64);
    gauge!("raftsman_tasktrackers", "state" => "offline").set((trackers.len() - online) as f64);
    let waiting: usize = indexes.waiting_runs().map(|(_, waiting)| waiting).sum();
    gauge!("raftsman_periodic_instants_waiting").set(indexes.waiting().saturating_sub(waiting) as f64);
    let groups = groups_now(machine).unwrap_or_default();
    let groups = groups.into_iter().map(|(name, group)| (name.to_string(), group)).collect();
    for (name, now) in busiest(groups, GROUPS_MAX) {
        let oldest = now.depth.ready_since.map_or(0, |since| machine.now().since(since).get());
        gauge!("raftsman_queue_oldest_ready_seconds", "node_group" => name.clone()).set(seconds(oldest));
        group(&name, &now);
    }
}

/// The groups that dispatched most keep their names; counters of one that falls behind go on in `other`.
fn busiest(groups: BTreeMap<String, GroupNow>, most: usize) -> BTreeMap<String, GroupNow> {
    if groups.len() <= most {
        return groups;
    }
    let mut ranked: Vec<(String, GroupNow)> = groups.into_iter().collect();
    ranked.sort_by_key(|(_, group)| std::cmp::Reverse(group.counts.dispatched.max(group.counts.submitted)));
    let mut other = GroupNow::default();
    for (_, group) in ranked.drain(most..) {
        other.counts = other.counts.plus(&group.counts);
        other.depth.waiting += group.depth.waiting;
        other.depth.ready += group.depth.ready;
        other.depth.executing += group.depth.executing;
        let since = [other.depth.ready_since, group.depth.ready_since];
        other.depth.ready_since = since.into_iter().flatten().min();
        other.last.wait.merge(&group.last.wait);
        other.last.run.merge(&group.last.run);
        other.last.cron_lateness.merge(&group.last.cron_lateness);
    }
    ranked.push((OTHER.to_owned(), other));
    ranked.into_iter().collect()
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn group(name: &str, now: &GroupNow) {
    let (name, counts) = (name.to_owned(), &now.counts);
    let queues =
        [("waiting", now.depth.waiting), ("ready", now.depth.ready), ("executing", now.depth.executing)];
    for (state, runs) in queues {
        gauge!("raftsman_queue_jobs", "node_group" => name.clone(), "state" => state).set(runs as f64);
    }
    spans("raftsman_job_wait_seconds", &name, &now.last.wait);
    spans("raftsman_job_run_seconds", &name, &now.last.run);
    spans("raftsman_cron_lateness_seconds", &name, &now.last.cron_lateness);
    counter!("raftsman_jobs_submitted_total", "node_group" => name.clone()).absolute(counts.submitted);
    counter!("raftsman_jobs_started_total", "node_group" => name.clone()).absolute(counts.dispatched);
    let actions = [
        ("success", counts.exe_success),
        ("failed", counts.exe_failed),
        ("later", counts.exe_later),
        ("exception", counts.exe_exception),
    ];
    for (action, count) in actions {
        counter!("raftsman_executions_total", "node_group" => name.clone(), "action" => action)
            .absolute(count);
    }
    let outcomes = [
        ("success", counts.succeeded),
        ("failed", counts.failed),
        ("dead", counts.dead),
        ("cancelled", counts.cancelled),
        ("skipped", counts.skipped),
    ];
    for (outcome, count) in outcomes {
        let finished =
            counter!("raftsman_jobs_finished_total", "node_group" => name.clone(), "outcome" => outcome);
        finished.absolute(count);
    }
    counter!("raftsman_job_retries_total", "node_group" => name.clone()).absolute(counts.retried);
    counter!("raftsman_job_reclaims_total", "node_group" => name.clone()).absolute(counts.reclaimed);
    counter!("raftsman_stale_fence_rejected_total", "node_group" => name.clone()).absolute(counts.stale);
    counter!("raftsman_biz_log_lines_dropped_total", "node_group" => name).absolute(counts.log_lines_dropped);
}

fn spans(metric: &'static str, group: &str, spans: &Histogram) {
    for (quantile, percent) in [("0.5", 50), ("0.9", 90), ("0.99", 99)] {
        if let Some(span) = spans.quantile(percent) {
            gauge!(metric, "node_group" => group.to_owned(), "quantile" => quantile).set(seconds(span.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::domain::Millis;
    use crate::machine::series::{Of, SERIES};

    #[test]
    fn many_groups_are_told_as_the_busiest_and_others() {
        let group = |n: u64| {
            let mut group = GroupNow::default();
            (group.counts.submitted, group.counts.dispatched, group.depth.ready) = (n, n, 1);
            group.last.wait.add(Millis::new(n));
            (format!("g{n}"), group)
        };
        let told = busiest((1..=10).map(group).collect(), 3);
        assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), ["g10", "g8", "g9", OTHER]);
        let other = &told[OTHER];
        assert_eq!((other.counts.dispatched, other.depth.ready, other.last.wait.count()), (28, 7, 7));
        assert_eq!(busiest((1..=3).map(group).collect(), 3).len(), 3);
    }

    #[test]
    fn names_follow_the_conventions() {
        for metric in METRICS {
            assert_eq!(metric.sort == "counter", metric.name.ends_with("_total"), "{}", metric.name);
            assert!(!metric.meaning.is_empty() && metric.name.starts_with("raftsman_"), "{}", metric.name);
        }
    }

    /// `UPDATE_EXPECT=1` makes the page anew.
    #[test]
    fn the_page_of_metrics_is_fresh() {
        let mut page = String::from(PAGE);
        page += "| name | type | labels | meaning |\n|---|---|---|---|\n";
        for it in METRICS {
            let labels = if it.labels.is_empty() {
                String::new()
            } else {
                format!("`{}`", it.labels.replace(", ", "`, `"))
            };
            writeln!(page, "| `{}` | {} | {labels} | {} |", it.name, it.sort, it.meaning).expect("a String");
        }
        page += SERIES_PAGE;
        for (of, title) in [
            (Of::NodeGroup, "Of a node group (`--of group`)"),
            (Of::TaskTracker, "Of a TaskTracker (`--of tasktracker`)"),
            (Of::JobTracker, "Of a JobTracker (`--of jobtracker`)"),
        ] {
            write!(page, "\n### {title}\n\n| name | unit | meaning |\n|---|---|---|\n").expect("a String");
            for it in SERIES.iter().filter(|it| it.of == of) {
                writeln!(page, "| `{}` | {} | {} |", it.name, it.unit, it.meaning).expect("a String");
            }
        }
        expect_test::expect_file!["../../docs/metrics.md"].assert_eq(&page);
    }

    const PAGE: &str = "# Metrics and series

This page is made by a test of `src/jobtracker/metrics.rs`.

## Prometheus

`GET /metrics` on the client port of each JobTracker. Values of the whole cluster come from the leader only, so that sums
over nodes are right; a counter is since the cluster began and goes on with the next leader. Beside these are the usual
`process_*` metrics (memory, processor time, threads, file descriptors). Of more than 256 node groups the busiest have
names, the others are `other` together.

";

    const SERIES_PAGE: &str = "
## Series

One row a minute for each node group in which something happened, each TaskTracker and each JobTracker, replicated like
the jobs: `raftsman monitor series`, `MonitorService.QuerySeries`. They outlive every leader: the rows of a group add up to
its counters, whoever led. A TaskTracker's minutes end up to 10 s later than the clock's, each's at its own second; one that
was cut off tells of up to 500 minutes afterwards. Rows are kept for 3 days, at most a million of them; `raftsman cluster
limits --set stats_kept=7d --set stats_rows_max=2000000` changes that. Counts of a step add up, of what stands at the end of
a minute a step has the greatest, quantiles are of all spans of a step and rounded up by at most an eighth. Spans are
gathered by the leader: those of the minute in which a leader dies are lost.
";
}
