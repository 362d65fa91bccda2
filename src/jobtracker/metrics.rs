//! What Prometheus sees of a JobTracker. Names are pinned by a test; values of the whole cluster (queues, groups) come
//! from the leader only, so that sums over nodes are right.

use std::fmt::Write as _;

use super::JobTracker;
use super::leader::Lane;
use crate::machine::Key;
use crate::machine::row::{GroupRow, Row};
use crate::raft::Role;

/// The metrics as Prometheus text.
pub fn render(tracker: &JobTracker) -> String {
    let mut text = Text(String::with_capacity(4096));
    node(&mut text, tracker);
    if let Some(leader) = tracker.leader() {
        cluster(&mut text, tracker);
        text.head("raftsman_lane_bytes", "gauge", "Bytes of commands that wait for an entry.");
        for (name, lane) in [("drain", Lane::Drain), ("request", Lane::Request), ("log", Lane::Log)] {
            text.line("raftsman_lane_bytes", &[("lane", name)], leader.door.used(lane) as f64);
        }
    }
    text.0
}

fn node(text: &mut Text, tracker: &JobTracker) {
    let metrics = tracker.raft().metrics();
    text.head("raftsman_build_info", "gauge", "Always 1; the labels tell the version.");
    text.line("raftsman_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let leads = f64::from(u8::from(metrics.role == Role::Leader));
    text.one("raftsman_raft_is_leader", "gauge", "Whether this node leads.", leads);
    text.one("raftsman_raft_term", "gauge", "The highest term seen.", metrics.term as f64);
    text.one(
        "raftsman_raft_last_log_index",
        "gauge",
        "The last entry of the log.",
        metrics.last_log_index as f64,
    );
    text.one(
        "raftsman_raft_commit_index",
        "gauge",
        "The last committed entry.",
        metrics.committed_index as f64,
    );
    text.one("raftsman_raft_applied_index", "gauge", "The last applied entry.", metrics.applied_index as f64);
    text.one(
        "raftsman_raft_snapshot_index",
        "gauge",
        "The last entry of the snapshot.",
        metrics.snapshot_index as f64,
    );
    text.one(
        "raftsman_disk_low",
        "gauge",
        "Whether submits are refused for want of disk.",
        f64::from(u8::from(tracker.is_disk_low())),
    );
    text.one(
        "raftsman_uptime_seconds",
        "gauge",
        "How long the process runs.",
        tracker.uptime().as_secs_f64(),
    );
    if !metrics.matched.is_empty() {
        text.head("raftsman_raft_replication_lag", "gauge", "Entries that a member is behind the leader.");
        for (id, matched) in &metrics.matched {
            let lag = metrics.last_log_index.saturating_sub(*matched);
            text.line("raftsman_raft_replication_lag", &[("peer", &id.to_string())], lag as f64);
        }
    }
    text.head("raftsman_clock_skew_seconds", "gauge", "How far a voter's clock is from the majority's.");
    for skew in tracker.raft().clock_skews() {
        text.line(
            "raftsman_clock_skew_seconds",
            &[("peer", &skew.node.to_string())],
            skew.ms as f64 / 1000.0,
        );
    }
}

fn cluster(text: &mut Text, tracker: &JobTracker) {
    let (groups, ready, executing, waiting, trackers) = tracker.look(|machine| {
        let tables = machine.tables();
        let ready: Vec<(String, usize)> =
            tables.indexes().ready_groups().map(|(group, ready)| (group.to_string(), ready.len())).collect();
        let (executing, waiting) = (tables.indexes().executing(), tables.indexes().waiting());
        (groups(machine), ready, executing, waiting, tables.trackers().unwrap_or_default())
    });
    text.head("raftsman_queue_jobs", "gauge", "Runs in a queue; ready ones by node group.");
    for (group, count) in &ready {
        text.line("raftsman_queue_jobs", &[("node_group", group), ("state", "ready")], *count as f64);
    }
    text.line("raftsman_queue_jobs", &[("node_group", ""), ("state", "executing")], executing as f64);
    text.line("raftsman_queue_jobs", &[("node_group", ""), ("state", "waiting")], waiting as f64);
    text.head("raftsman_tasktrackers", "gauge", "TaskTrackers that are known.");
    for (state, online) in [("online", true), ("offline", false)] {
        let count = trackers.iter().filter(|tracker| tracker.row.is_online() == online).count();
        text.line("raftsman_tasktrackers", &[("state", state)], count as f64);
    }
    text.head("raftsman_jobs_submitted_total", "counter", "Jobs accepted.");
    for (group, row) in &groups {
        text.line("raftsman_jobs_submitted_total", &[("node_group", group)], row.submitted as f64);
    }
    text.head("raftsman_jobs_started_total", "counter", "Executions dispatched.");
    for (group, row) in &groups {
        text.line("raftsman_jobs_started_total", &[("node_group", group)], row.dispatched as f64);
    }
    text.head("raftsman_jobs_finished_total", "counter", "Runs by their fate.");
    for (group, row) in &groups {
        for (outcome, count) in outcomes(row) {
            text.line(
                "raftsman_jobs_finished_total",
                &[("node_group", group), ("outcome", outcome)],
                count as f64,
            );
        }
    }
    text.head("raftsman_job_retries_total", "counter", "Retries planned.");
    for (group, row) in &groups {
        text.line("raftsman_job_retries_total", &[("node_group", group)], row.retried as f64);
    }
    text.head("raftsman_job_reclaims_total", "counter", "Executions taken back (LTS: fixExecutingJobNum).");
    for (group, row) in &groups {
        text.line("raftsman_job_reclaims_total", &[("node_group", group)], row.reclaimed as f64);
    }
    text.head(
        "raftsman_stale_fence_rejected_total",
        "counter",
        "Results of older executions, which changed nothing.",
    );
    for (group, row) in &groups {
        text.line("raftsman_stale_fence_rejected_total", &[("node_group", group)], row.stale as f64);
    }
}

fn outcomes(row: &GroupRow) -> [(&'static str, u64); 5] {
    [
        ("success", row.succeeded),
        ("failed", row.failed),
        ("dead", row.dead),
        ("cancelled", row.cancelled),
        ("skipped", row.skipped),
    ]
}

fn groups(machine: &crate::machine::Machine) -> Vec<(String, GroupRow)> {
    let (from, to) = (Key::first_group(), Key::first_client());
    let rows = machine.tables().scan(std::ops::Bound::Included(&from), &to).filter_map(Result::ok);
    rows.filter_map(|row| match row {
        (Key::Group(group), Row::Group(row)) => Some((group.to_string(), *row)),
        _ => None,
    })
    .collect()
}

/// Prometheus' text format.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
        }
        self.0.push_str(if labels.is_empty() { "" } else { "}" });
        let _ = writeln!(self.0, " {value}");
    }
}
