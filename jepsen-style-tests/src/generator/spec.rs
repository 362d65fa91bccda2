//! Jobs as the harness submits them, and the same as JSON in the history: the shape that the log export has.

use raftsman::wire::pb;
use raftsman::wire::pb::job::Schedule;
use serde_json::{Map, Value, json};

use crate::stamp::{text_of_ns, wall_ns};

/// The node group of all jobs of a run.
pub(crate) const GROUP: &str = "work";

/// What the TaskTracker of the harness does, as the payload tells it.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Work {
    /// How long it takes.
    pub(crate) ms: u64,
    /// How many attempts fail before one succeeds.
    #[serde(default)]
    pub(crate) failures: u32,
}

/// What kinds of jobs there are; the kind is the runner's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Sleeps and succeeds; stops when it is told to.
    Sleep,
    /// Fails a given number of times.
    Fail,
    /// Writes to the fenced store at its begin, on its way and at its end.
    Effect,
    /// As `Effect`, and does not stop when it is told to.
    Stubborn,
    /// Kills its TaskTracker.
    Poison,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [Kind::Sleep, Kind::Fail, Kind::Effect, Kind::Stubborn, Kind::Poison];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Sleep => "sleep",
            Kind::Fail => "fail",
            Kind::Effect => "effect",
            Kind::Stubborn => "stubborn",
            Kind::Poison => "poison",
        }
    }
}

/// A real-time job without retries.
pub(crate) fn job(task_id: String, kind: Kind, work: Work) -> pb::Job {
    pb::Job {
        task_id,
        node_group: GROUP.into(),
        kind: kind.name().into(),
        content_type: "application/json".into(),
        payload: serde_json::to_vec(&work).expect("two numbers can be written").into(),
        ..pb::Job::default()
    }
}

/// So many milliseconds from now, on the wall clock, in whole milliseconds.
pub(crate) fn in_ms(ms: u64) -> prost_types::Timestamp {
    let at_ms = wall_ns() / 1_000_000 + i64::try_from(ms).unwrap_or(0);
    let nanos = i32::try_from(at_ms % 1000).expect("less than 1000") * 1_000_000;
    prost_types::Timestamp { seconds: at_ms / 1000, nanos }
}

pub(crate) fn span_ms(ms: u64) -> prost_types::Duration {
    let nanos = i32::try_from(ms % 1000).expect("less than 1000") * 1_000_000;
    prost_types::Duration { seconds: i64::try_from(ms / 1000).unwrap_or(i64::MAX), nanos }
}

/// Nanoseconds since 1970.
pub(crate) fn ns_of(at: &prost_types::Timestamp) -> i64 {
    at.seconds * 1_000_000_000 + i64::from(at.nanos)
}

pub(crate) fn time_text(at: Option<&prost_types::Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(text_of_ns(ns_of(at))))
}

fn ms_of(span: Option<&prost_types::Duration>) -> Value {
    span.map_or(Value::Null, |span| json!(span.seconds * 1000 + i64::from(span.nanos) / 1_000_000))
}

/// The job as JSON.
pub(crate) fn to_json(job: &pb::Job) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| {
        all.insert(name.into(), value);
    };
    put("node_group", json!(job.node_group));
    put("task_id", json!(job.task_id));
    put("kind", json!(job.kind));
    put("payload", json!({ "bytes": job.payload.len() }));
    put("priority", json!(job.priority.unwrap_or(100)));
    match &job.schedule {
        None | Some(Schedule::RealTime(_)) => put("job_type", json!("real_time")),
        Some(Schedule::TriggerTime(at)) => {
            put("job_type", json!("trigger_time"));
            put("due", time_text(Some(at)));
        }
        Some(Schedule::TriggerDelay(delay)) => {
            put("job_type", json!("trigger_time"));
            put("delay_ms", ms_of(Some(delay)));
        }
        Some(Schedule::Cron(cron)) => {
            put("job_type", json!("cron"));
            put("expression", json!(cron.expression));
            put("zone", json!(if cron.time_zone.is_empty() { "UTC" } else { &cron.time_zone }));
        }
        Some(Schedule::Repeat(repeat)) => {
            put("job_type", json!("repeat"));
            put("interval_ms", ms_of(repeat.interval.as_ref()));
            put("count", repeat.count.filter(|count| *count >= 0).map_or(Value::Null, |count| json!(count)));
            put("first", time_text(repeat.first_time.as_ref()));
        }
    }
    put("max_retries", json!(job.retry.as_ref().map_or(0, |retry| retry.retries_max)));
    put("rely_on_prev_cycle", json!(job.rely_on_previous_cycle.unwrap_or(true)));
    put("misfire", misfire(job.misfire.as_ref()));
    put("misfire_after_ms", job.misfire_after.as_ref().map_or(json!(60_000), |span| ms_of(Some(span))));
    put("run_timeout_ms", ms_of(job.run_timeout.as_ref()));
    put("start_deadline_ms", ms_of(job.start_deadline.as_ref()));
    put(
        "on_conflict",
        json!(match job.on_conflict() {
            pb::OnConflict::Unspecified | pb::OnConflict::Ignore => "ignore",
            pb::OnConflict::Replace => "replace",
            pb::OnConflict::Reject => "reject",
        }),
    );
    Value::Object(all)
}

fn misfire(policy: Option<&pb::MisfirePolicy>) -> Value {
    match policy.and_then(|policy| policy.policy.as_ref()) {
        None | Some(pb::misfire_policy::Policy::RunOnceLate(_)) => json!("run_once_late"),
        Some(pb::misfire_policy::Policy::Skip(_)) => json!("skip"),
        Some(pb::misfire_policy::Policy::CatchUp(count)) => json!({ "catch_up": count }),
    }
}
