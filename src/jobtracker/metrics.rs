//! What Prometheus sees of a JobTracker. Names are pinned by a test; values of the whole cluster (queues, groups) come
//! from the leader only, so that sums over nodes are right.
//!
//! Nearly all of it is read from what the node knows anyway, so a scrape fills a recorder of its own and prints it.

use std::ops::Bound;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::JobTracker;
use super::leader::Lane;
use crate::machine::row::{GroupRow, Row};
use crate::machine::{Key, Machine};
use crate::raft::Role;

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
    describe_gauge!("raftsman_build_info", "Always 1; the labels tell the version.");
    describe_gauge!("raftsman_raft_is_leader", "Whether this node leads.");
    describe_gauge!("raftsman_raft_term", "The highest term seen.");
    describe_gauge!("raftsman_raft_last_log_index", "The last entry of the log.");
    describe_gauge!("raftsman_raft_commit_index", "The last committed entry.");
    describe_gauge!("raftsman_raft_applied_index", "The last applied entry.");
    describe_gauge!("raftsman_raft_snapshot_index", "The last entry of the newest snapshot.");
    describe_gauge!("raftsman_raft_replication_lag", "Entries that a member is behind this leader.");
    describe_gauge!("raftsman_clock_skew_seconds", "How far a voter's clock is from the majority's.");
    describe_gauge!("raftsman_disk_low", "Whether submits are refused for want of disk.");
    describe_gauge!(
        "raftsman_alarm_raised",
        "Alarms that are raised, by rule: of the cluster on the leader, of its own on each node."
    );
    describe_counter!("raftsman_alarm_notifications_total", "What this node told its targets, by outcome.");
    describe_gauge!("raftsman_client_connections", "Connections of clients and TaskTrackers.");
    describe_gauge!("raftsman_uptime_seconds", "How long the node runs.");
    describe_gauge!("raftsman_lane_bytes", "Bytes of commands that wait for an entry, on the leader.");
    describe_gauge!("raftsman_queue_jobs", "Runs by queue, on the leader; ready ones by node group.");
    describe_gauge!("raftsman_tasktrackers", "TaskTrackers that are known, on the leader.");
    describe_counter!("raftsman_jobs_submitted_total", "Jobs accepted.");
    describe_counter!("raftsman_jobs_started_total", "Executions dispatched.");
    describe_counter!("raftsman_jobs_finished_total", "Runs by their fate.");
    describe_counter!("raftsman_job_retries_total", "Retries planned.");
    describe_counter!("raftsman_job_reclaims_total", "Executions taken back.");
    describe_counter!(
        "raftsman_stale_fence_rejected_total",
        "Results of older executions, which changed nothing."
    );
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
}

fn cluster(machine: &Machine) {
    let (tables, indexes) = (machine.tables(), machine.tables().indexes());
    for (group, ready) in indexes.ready_groups() {
        gauge!("raftsman_queue_jobs", "node_group" => group.to_string(), "state" => "ready")
            .set(ready.len() as f64);
    }
    gauge!("raftsman_queue_jobs", "node_group" => "", "state" => "executing").set(indexes.executing() as f64);
    gauge!("raftsman_queue_jobs", "node_group" => "", "state" => "waiting").set(indexes.waiting() as f64);
    // A disk that fails here fails the next entry too, and that ends the node; a scrape just shows less.
    let trackers = tables.trackers().unwrap_or_default();
    let online = trackers.iter().filter(|tracker| tracker.row.is_online()).count();
    gauge!("raftsman_tasktrackers", "state" => "online").set(online as f64);
    gauge!("raftsman_tasktrackers", "state" => "offline").set((trackers.len() - online) as f64);
    let (from, to) = (Key::first_group(), Key::first_client());
    let rows = tables.scan(Bound::Included(&from), &to).filter_map(Result::ok);
    for row in rows {
        if let (Key::Group(name), Row::Group(counts)) = row {
            group(&name.to_string(), &counts);
        }
    }
}

fn group(name: &str, counts: &GroupRow) {
    let name = name.to_owned();
    counter!("raftsman_jobs_submitted_total", "node_group" => name.clone()).absolute(counts.submitted);
    counter!("raftsman_jobs_started_total", "node_group" => name.clone()).absolute(counts.dispatched);
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
    counter!("raftsman_stale_fence_rejected_total", "node_group" => name).absolute(counts.stale);
}
