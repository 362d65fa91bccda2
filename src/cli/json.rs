//! Messages of the cluster as JSON: snake_case names of the proto, ids and 64-bit numbers that are ids as strings, times in
//! RFC 3339, spans as text. What is absent is left out.

use serde_json::{Map, Value, json};

use crate::domain::{Millis, Timestamp};
use crate::wire::{pb, read_duration, read_timestamp};

/// A JSON object that leaves out what is not there.
#[derive(Debug, Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Object {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Leaves out an empty text.
    pub(super) fn text(self, name: &str, text: &str) -> Object {
        if text.is_empty() { self } else { self.with(name, text) }
    }

    pub(super) fn time(self, name: &str, at: Option<prost_types::Timestamp>) -> Object {
        match at.is_some() {
            true => self.with(name, time(at)),
            false => self,
        }
    }

    pub(super) fn span(self, name: &str, span: Option<prost_types::Duration>) -> Object {
        match span {
            Some(span) => self.with(name, millis(span).to_string()),
            None => self,
        }
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// `2031-04-05T06:07:08.009Z`; empty when absent or out of bounds.
pub(super) fn time(at: Option<prost_types::Timestamp>) -> String {
    timestamp(at).map(|at| at.to_string()).unwrap_or_default()
}

pub(super) fn timestamp(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| read_timestamp(at).ok())
}

pub(super) fn millis(span: prost_types::Duration) -> Millis {
    read_duration(span).unwrap_or_default()
}

/// `JOB_STATE_SUCCEEDED` is `SUCCEEDED`; nothing for what is not given.
pub(super) fn word<'a>(name: &'a str, prefix: &str) -> &'a str {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    if word == "UNSPECIFIED" { "" } else { word }
}

pub(super) fn job_state(state: pb::JobState) -> &'static str {
    word(state.as_str_name(), "JOB_STATE_")
}

pub(super) fn run_state(state: pb::RunState) -> &'static str {
    word(state.as_str_name(), "RUN_STATE_")
}

/// `real_time`, as LTS's job types are written everywhere.
pub(super) fn job_type(job_type: pb::JobType) -> String {
    word(job_type.as_str_name(), "JOB_TYPE_").to_lowercase()
}

/// Bytes as a JSON value where they are one, as text where they are that, else as an object that says so.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.into()),
        Err(_) => json!({ "binary_bytes": bytes.len() }),
    }
}

pub(super) fn job(job: &pb::StoredJob) -> Value {
    let counts = job.counts.unwrap_or_default();
    let object = Object::default()
        .with("job_id", job.job_id.as_str())
        .with("revision", job.revision)
        .with("job_type", job_type(job.job_type()))
        .with("state", job_state(job.state()))
        .with("cancel_requested", job.cancel_requested)
        .time("create_time", job.create_time)
        .time("end_time", job.end_time)
        .time("next_time", job.next_time)
        .text("why_waiting", &job.why_waiting)
        .with(
            "counts",
            json!({
                "succeeded": counts.succeeded, "failed": counts.failed, "dead": counts.dead,
                "skipped": counts.skipped, "cancelled": counts.cancelled,
            }),
        );
    let object = match &job.spec {
        Some(spec) => object.with("spec", self::spec(spec)),
        None => object,
    };
    match &job.run {
        Some(run) => object.with("run", self::run(run)).done(),
        None => object.done(),
    }
}

fn spec(spec: &pb::Job) -> Value {
    let object = Object::default()
        .with("task_id", spec.task_id.as_str())
        .with("node_group", spec.node_group.as_str())
        .with("kind", spec.kind.as_str())
        .text("content_type", &spec.content_type)
        .with("params", json!(spec.params))
        .with("priority", spec.priority.unwrap_or(crate::domain::PRIORITY_DEFAULT))
        .span("run_timeout", spec.run_timeout)
        .span("start_deadline", spec.start_deadline)
        .with("rely_on_previous_cycle", spec.rely_on_previous_cycle.unwrap_or(true))
        .span("misfire_after", spec.misfire_after)
        .with("retries_max", spec.retry.as_ref().map_or(0, |retry| retry.retries_max));
    let object = if spec.payload.is_empty() { object } else { object.with("payload", bytes(&spec.payload)) };
    match &spec.schedule {
        None | Some(pb::job::Schedule::RealTime(_)) => object,
        Some(pb::job::Schedule::TriggerTime(at)) => object.time("trigger_time", Some(*at)),
        Some(pb::job::Schedule::TriggerDelay(delay)) => object.span("trigger_delay", Some(*delay)),
        Some(pb::job::Schedule::Cron(cron)) => object.with(
            "cron",
            json!({
                "expression": cron.expression, "time_zone": cron.time_zone,
                "dst": word(cron.dst().as_str_name(), "DST_RULE_"),
            }),
        ),
        Some(pb::job::Schedule::Repeat(repeat)) => object.with(
            "repeat",
            Object::default()
                .span("interval", repeat.interval)
                .with("count", repeat.count.unwrap_or(-1))
                .time("first_time", repeat.first_time)
                .done(),
        ),
    }
    .done()
}

pub(super) fn run(run: &pb::Run) -> Value {
    let attempts: Vec<Value> = run.attempts.iter().map(attempt).collect();
    let object = Object::default()
        .with("run_id", run.run_id.as_str())
        .with("revision", run.revision)
        .time("planned_time", run.planned_time)
        .time("planned_until_time", run.planned_until_time)
        .with("count", run.count)
        .with("state", run_state(run.state()))
        .text("skip_reason", word(run.skip_reason().as_str_name(), "SKIP_REASON_"))
        .time("due_time", run.due_time)
        .with("retries", run.retries)
        .with("reclaims", run.reclaims)
        .time("end_time", run.end_time)
        .text("error", &run.error)
        .with("attempts", attempts);
    let object = if run.result.is_empty() { object } else { object.with("result", bytes(&run.result)) };
    match &run.progress {
        Some(progress) => {
            object.with("progress", json!({"done": progress.done, "total": progress.total})).done()
        }
        None => object.done(),
    }
}

fn attempt(attempt: &pb::Attempt) -> Value {
    Object::default()
        .with("execution", attempt.execution.to_string())
        .with("execution_id", attempt.execution_id.as_str())
        .with("tasktracker", attempt.tasktracker.as_str())
        .text("session_id", &attempt.session_id)
        .time("dispatch_time", attempt.dispatch_time)
        .time("start_time", attempt.start_time)
        .time("end_time", attempt.end_time)
        .text("end", word(attempt.end().as_str_name(), "ATTEMPT_END_"))
        .text("action", word(attempt.action().as_str_name(), "ACTION_"))
        .text("error", &attempt.error)
        .text("reclaim_reason", word(attempt.reclaim_reason().as_str_name(), "RECLAIM_REASON_"))
        .done()
}

pub(super) fn log_entry(entry: &pb::JobLogEntry) -> Value {
    let object = Object::default()
        .with("type", word(entry.r#type().as_str_name(), "JOB_LOG_TYPE_"))
        .text("level", word(entry.level().as_str_name(), "LOG_LEVEL_"))
        .time("time", entry.time)
        .text("job_id", &entry.job_id)
        .text("run_id", &entry.run_id)
        .text("node_group", &entry.node_group)
        .text("task_id", &entry.task_id)
        .text("tasktracker", &entry.tasktracker)
        .with("success", entry.success)
        .with("text", entry.text.as_str());
    let object =
        if entry.execution == 0 { object } else { object.with("execution", entry.execution.to_string()) };
    if entry.line_number == 0 { object.done() } else { object.with("line_number", entry.line_number).done() }
}

pub(super) fn node_event(event: &pb::NodeEvent) -> Value {
    Object::default()
        .with("event_id", event.event_id.as_str())
        .time("time", event.time)
        .with("type", node_type(event.r#type()))
        .text("node_group", &event.node_group)
        .with("identity", event.identity.as_str())
        .text("id", &event.id)
        .with("online", event.online)
        .text("offline_reason", word(event.offline_reason().as_str_name(), "OFFLINE_REASON_"))
        .done()
}

pub(super) fn node_group(group: &pb::NodeGroup) -> Value {
    let counts = group.counts.unwrap_or_default();
    json!({
        "node_group": group.name, "tasktrackers_online": group.tasktrackers_online,
        "tasktrackers_offline": group.tasktrackers_offline, "slots": group.slots,
        "waiting": counts.waiting, "ready": counts.ready, "executing": counts.executing,
        "suspended": counts.suspended, "cron": counts.cron, "repeat": counts.repeat, "ending": counts.ending,
        "finished": counts.finished, "submitted": counts.submitted, "dispatched": counts.dispatched,
        "succeeded": counts.succeeded, "failed": counts.failed, "dead": counts.dead,
        "cancelled": counts.cancelled, "skipped": counts.skipped, "retried": counts.retried,
        "reclaimed": counts.reclaimed, "paused": group.paused.as_ref().map(hold),
    })
}

fn hold(hold: &pb::Hold) -> Value {
    json!({ "since": time(hold.since_time), "by": hold.by, "reason": hold.reason })
}

/// What is 0 is not known, and left out.
pub(super) fn process(of: &pb::ProcessInfo) -> Value {
    let numbers = [
        ("pid", u64::from(of.pid)),
        ("memory_bytes", of.memory_bytes),
        ("memory_peak_bytes", of.memory_peak_bytes),
        ("threads", of.threads),
        ("tasks", of.tasks),
        ("open_files", of.open_files),
        ("open_files_max", of.open_files_max),
        ("machine_processors", u64::from(of.machine_processors)),
        ("machine_memory_bytes", of.machine_memory_bytes),
        ("machine_memory_available_bytes", of.machine_memory_available_bytes),
        ("memtable_bytes", of.memtable_bytes),
        ("block_cache_bytes", of.block_cache_bytes),
        ("sst_bytes", of.sst_bytes),
        ("pending_compaction_bytes", of.pending_compaction_bytes),
        ("raft_term", of.raft_term),
        ("raft_last_log_index", of.raft_last_log_index),
        ("raft_applied_index", of.raft_applied_index),
        ("fail_store_bytes", of.fail_store_bytes),
        ("running", of.running),
        ("slots", of.slots),
    ];
    let mut object = Object::default()
        .text("identity", &of.identity)
        .text("type", &of.r#type)
        .text("node_group", &of.node_group)
        .text("version", &of.version)
        .text("host", &of.host)
        .text("raft_role", &of.raft_role)
        .time("time", of.time)
        .span("uptime", of.uptime)
        .span("cpu", of.cpu)
        .with("cpu_cores", of.cpu_cores);
    for (name, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
        object = object.with(name, number);
    }
    if !of.machine_load.is_empty() {
        object = object
            .with("machine_load", of.machine_load.clone())
            .with("machine_cpu_busy", of.machine_cpu_busy);
    }
    object.done()
}

pub(super) fn node(node: &pb::Node) -> Value {
    let object = Object::default()
        .with("type", node_type(node.r#type()))
        .with("identity", node.identity.as_str())
        .text("node_group", &node.node_group)
        .text("id", &node.id)
        .with("online", node.online)
        .time("since_time", node.since_time)
        .text("version", &node.version)
        .text("host", &node.host)
        .text("role", &node.role);
    if node.r#type() != pb::NodeType::Tasktracker {
        return object.done();
    }
    object
        .with("capacity", node.capacity)
        .with("executing", node.executing)
        .with("kinds", node.kinds.clone())
        .with("draining", node.draining)
        .done()
}

pub(super) fn node_type(node_type: pb::NodeType) -> &'static str {
    match node_type {
        pb::NodeType::Unspecified => "",
        pb::NodeType::Jobtracker => "jobtracker",
        pb::NodeType::Tasktracker => "tasktracker",
        pb::NodeType::Jobclient => "jobclient",
    }
}

pub(super) fn cluster_node(node: &pb::ClusterNode) -> Value {
    Object::default()
        .with("node_id", node.node_id.as_str())
        .with("name", node.name.as_str())
        .with("peer_address", node.peer_address.as_str())
        .with("client_address", node.client_address.as_str())
        .with("role", word(node.role().as_str_name(), "NODE_ROLE_").to_lowercase())
        .with("health", word(node.health().as_str_name(), "NODE_HEALTH_").to_lowercase())
        .with("term", node.term)
        .with("last_log_index", node.last_log_index)
        .with("commit_index", node.commit_index)
        .with("applied_index", node.applied_index)
        .with("lag", node.lag)
        .with("snapshot_index", node.snapshot_index)
        .text("version", &node.version)
        .span("uptime", node.uptime)
        .text("note", &node.note)
        .done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_shown_with_its_run_and_without_what_is_absent() {
        let at = Some(crate::wire::timestamp(Timestamp::from_millis(1_933_135_628_009)));
        let cron = pb::CronSchedule { expression: "0 * * * *".into(), time_zone: "UTC".into(), dst: 0 };
        let stored = pb::StoredJob {
            job_id: "42.0".into(),
            spec: Some(pb::Job {
                task_id: "t1".into(),
                node_group: "trade".into(),
                kind: "sh".into(),
                payload: "{\"x\":1}".into(),
                schedule: Some(pb::job::Schedule::Cron(cron)),
                ..Default::default()
            }),
            revision: 1,
            job_type: pb::JobType::Cron.into(),
            state: pb::JobState::Dead.into(),
            create_time: at,
            run: Some(pb::Run {
                run_id: "42.0/0".into(),
                count: 1,
                state: pb::RunState::Dead.into(),
                result: vec![0xff, 0xfe].into(),
                attempts: vec![pb::Attempt {
                    execution: 44_040_192,
                    execution_id: "42.0".into(),
                    tasktracker: "w1".into(),
                    end: pb::AttemptEnd::Reclaimed.into(),
                    reclaim_reason: pb::ReclaimReason::Silence.into(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            ..Default::default()
        };
        expect_test::expect![[r#"
            {
              "cancel_requested": false,
              "counts": {
                "cancelled": 0,
                "dead": 0,
                "failed": 0,
                "skipped": 0,
                "succeeded": 0
              },
              "create_time": "2031-04-05T06:07:08.009Z",
              "job_id": "42.0",
              "job_type": "cron",
              "revision": 1,
              "run": {
                "attempts": [
                  {
                    "end": "RECLAIMED",
                    "execution": "44040192",
                    "execution_id": "42.0",
                    "reclaim_reason": "SILENCE",
                    "tasktracker": "w1"
                  }
                ],
                "count": 1,
                "reclaims": 0,
                "result": {
                  "binary_bytes": 2
                },
                "retries": 0,
                "revision": 0,
                "run_id": "42.0/0",
                "state": "DEAD"
              },
              "spec": {
                "cron": {
                  "dst": "",
                  "expression": "0 * * * *",
                  "time_zone": "UTC"
                },
                "kind": "sh",
                "node_group": "trade",
                "params": {},
                "payload": {
                  "x": 1
                },
                "priority": 100,
                "rely_on_previous_cycle": true,
                "retries_max": 0,
                "task_id": "t1"
              },
              "state": "DEAD"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&job(&stored)).unwrap());
    }
}
