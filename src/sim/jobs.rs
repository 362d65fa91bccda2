//! What JobClients ask for: specifications of every sort, small enough to drain soon.

use std::sync::Arc;

use super::rng::Rng;
use crate::domain::{
    Backoff, CronSchedule, DstRule, JobSpec, Kind, Millis, MisfirePolicy, NodeGroup, OnConflict,
    RepeatSchedule, RetryPolicy, Schedule, TaskId, Timestamp,
};

pub(super) const GROUPS: [&str; 2] = ["trade", "mail"];
pub(super) const KINDS: [&str; 3] = ["count", "mail", "poison"];
/// Few names, so that submits meet live jobs.
const NAMES: u64 = 24;

/// The JobClients that hear how jobs ended.
pub(super) fn client_group() -> NodeGroup {
    NodeGroup::new("shop").expect("a short name")
}

pub(super) fn kind(name: &str) -> Kind {
    Kind::new(name).expect("a short name")
}

/// A job whose user code kills its process.
pub(super) fn is_poison(spec: &JobSpec) -> bool {
    spec.kind.as_str() == KINDS[2]
}

pub(super) fn spec(rng: &mut Rng, now: Timestamp) -> JobSpec {
    let group = NodeGroup::new(rng.pick(&GROUPS)).expect("a short name");
    // Half of the names are new, so that the same key is met, but not always.
    let name = if rng.percent(50) { rng.between(0, NAMES) } else { rng.next() };
    let task = TaskId::new(format!("t{name}")).expect("a short name");
    let wants_feedback = name.is_multiple_of(3);
    let name = if rng.percent(1) { KINDS[2] } else { KINDS[rng.below(2)] };
    let mut spec = JobSpec::new(group, task, kind(name));
    spec.schedule = schedule(rng, now);
    spec.priority = *rng.pick(&[1, 100, 100, 100, 200]);
    spec.retry = retry(rng);
    spec.rely_on_previous_cycle = rng.percent(60);
    spec.misfire = *rng.pick(&[MisfirePolicy::RunOnceLate, MisfirePolicy::Skip, MisfirePolicy::CatchUp(3)]);
    spec.misfire_after = Millis::new(*rng.pick(&[1_000, 5_000, 60_000]));
    spec.start_deadline = rng.percent(15).then(|| Millis::new(rng.between(200, 4_000)));
    spec.run_timeout = rng.percent(30).then(|| Millis::new(rng.between(300, 4_000)));
    spec.on_conflict = *rng.pick(&[OnConflict::Ignore, OnConflict::Replace, OnConflict::Reject]);
    spec.submit_node_group = wants_feedback.then(client_group);
    spec.need_feedback = wants_feedback;
    spec
}

fn schedule(rng: &mut Rng, now: Timestamp) -> Schedule {
    match rng.between(0, 99) {
        0..=52 => Schedule::RealTime,
        53..=84 => Schedule::TriggerTime(now + Millis::new(rng.between(0, 8_000))),
        85..=93 => Schedule::Cron(cron(rng)),
        _ => Schedule::Repeat(repeat(rng, now)),
    }
}

fn cron(rng: &mut Rng) -> CronSchedule {
    let expression = *rng.pick(&[
        "* * * * * ?",
        "*/2 * * * * ?",
        "*/7 * * * * ?",
        "10-40/3 * * * * ?",
        "0,30 * * * * ?",
        "@every 3s",
        "@every 1s",
        "*/3 * * * * ? 2030",
        "*/5 * * * *",
        "*/5 59 1,23 * * ?",
    ]);
    let (time_zone, dst) = (*rng.pick(&["UTC", "Europe/Berlin", "Australia/Lord_Howe"]), DstRule::Auto);
    CronSchedule { expression: expression.into(), time_zone: time_zone.into(), dst }
}

/// The same job with another expression, to take the first one's place.
pub(super) fn with_another_cron(rng: &mut Rng, spec: &JobSpec) -> Arc<JobSpec> {
    let (schedule, on_conflict) = (Schedule::Cron(cron(rng)), OnConflict::Replace);
    Arc::new(JobSpec { schedule, on_conflict, ..spec.clone() })
}

fn repeat(rng: &mut Rng, now: Timestamp) -> RepeatSchedule {
    let interval = Millis::new(*rng.pick(&[500, 900, 1_500, 5_000]));
    let count = rng.percent(60).then(|| rng.between(1, 12));
    let first = rng.percent(40).then(|| now + Millis::new(rng.between(0, 3_000)));
    RepeatSchedule { interval, count, first }
}

fn retry(rng: &mut Rng) -> RetryPolicy {
    let (initial, max) = (Millis::new(rng.between(50, 800)), Millis::new(2_000));
    let backoff = if rng.percent(50) {
        Backoff::Fixed(initial)
    } else {
        Backoff::Exponential { initial, max, jitter_percent: 40 }
    };
    let retries_max = *rng.pick(&[0, 0, 1, 2, 3]);
    RetryPolicy { retries_max, backoff }
}

/// A batch is one submit.
pub(super) fn batch(rng: &mut Rng, now: Timestamp, size: u64) -> Vec<Arc<JobSpec>> {
    (0..size).map(|_| Arc::new(spec(rng, now))).collect()
}
