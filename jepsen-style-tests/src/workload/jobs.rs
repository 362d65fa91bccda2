//! The jobs of each workload, drawn from the client's generator.

use fastrand::Rng;
use raftsman::wire::pb;
use raftsman::wire::pb::job::Schedule;

use super::Workload;
use crate::generator::spec::{Kind, Work, in_ms, job, span_ms};
use crate::listener::EARS;

/// Instants that ripen later than this are the misfire policy's: short, so that a failover makes some.
const MISFIRE_AFTER_MS: u64 = 3_000;

/// The next job of a client.
pub(super) fn draw(workload: Workload, rng: &mut Rng, task_id: String) -> pb::Job {
    match workload {
        Workload::Submit | Workload::SnapshotRejoin | Workload::Rolling | Workload::FailStore => {
            one_shot(rng, task_id)
        }
        Workload::Feedback => {
            let one = if rng.u8(..40) == 0 { repeat(rng, task_id) } else { one_shot(rng, task_id) };
            let wants = rng.u8(..10) < 8;
            pb::Job { need_feedback: wants, submit_node_group: EARS.into(), ..one }
        }
        // Of every type, so that every filter divides them.
        Workload::Lists => match rng.u8(..12) {
            0 => cron(rng, task_id),
            1 => repeat(rng, task_id),
            _ => one_shot(rng, task_id),
        },
        Workload::Suspend => match rng.u8(..20) {
            0..=3 => cron(rng, task_id),
            4..=7 => repeat(rng, task_id),
            _ => one_shot(rng, task_id),
        },
        Workload::Executions => execution(rng, task_id),
        Workload::Cron => cron(rng, task_id),
        Workload::Repeat => repeat(rng, task_id),
        Workload::Marathon => marathon(rng, task_id),
        Workload::Mixed => match rng.u8(..200) {
            0 => cron(rng, task_id),
            1 => repeat(rng, task_id),
            2..=20 => job(task_id, Kind::Effect, Work { ms: rng.u64(500..3_000), failures: 0 }),
            _ => one_shot(rng, task_id),
        },
    }
}

/// A job that is due soon, so that a cancel can be aimed at that moment.
pub(super) fn soon(rng: &mut Rng, task_id: String, due_in_ms: u64) -> pb::Job {
    let mut soon = job(task_id, Kind::Sleep, Work { ms: rng.u64(20..400), failures: 0 });
    soon.schedule = Some(Schedule::TriggerTime(in_ms(due_in_ms)));
    soon
}

fn one_shot(rng: &mut Rng, task_id: String) -> pb::Job {
    let mut one = match rng.u8(..10) {
        0..=6 => job(task_id, Kind::Sleep, Work { ms: rng.u64(0..150), failures: 0 }),
        7..=8 => failing(rng, task_id),
        _ => job(task_id, Kind::Effect, Work { ms: rng.u64(100..800), failures: 0 }),
    };
    if rng.u8(..10) < 4 {
        one.schedule = Some(Schedule::TriggerTime(in_ms(rng.u64(100..4_000))));
    }
    if rng.u8(..10) < 2 {
        one.priority = Some(rng.i32(1..200));
    }
    one
}

fn execution(rng: &mut Rng, task_id: String) -> pb::Job {
    match rng.u16(..1000) {
        0..=499 => job(task_id, Kind::Effect, Work { ms: rng.u64(500..5_000), failures: 0 }),
        500..=749 => job(task_id, Kind::Sleep, Work { ms: rng.u64(500..9_000), failures: 0 }),
        750..=899 => failing(rng, task_id),
        900..=996 => job(task_id, Kind::Stubborn, Work { ms: rng.u64(1_000..8_000), failures: 0 }),
        _ => job(task_id, Kind::Poison, Work { ms: 50, failures: 0 }),
    }
}

/// Half of them outlast the patience of the cluster with a TaskTracker, and what follows from a fault.
fn marathon(rng: &mut Rng, task_id: String) -> pb::Job {
    let ms = if rng.bool() { rng.u64(30_000..45_000) } else { rng.u64(100..2_000) };
    job(task_id, Kind::Sleep, Work { ms, failures: 0 })
}

/// Fails once or more; some use up their retries.
fn failing(rng: &mut Rng, task_id: String) -> pb::Job {
    let mut one = job(task_id, Kind::Fail, Work { ms: rng.u64(0..100), failures: rng.u32(1..=3) });
    let backoff = pb::retry_policy::Backoff::Fixed(span_ms(rng.u64(100..800)));
    one.retry = Some(pb::RetryPolicy { retries_max: rng.i32(0..=3), backoff: Some(backoff) });
    one
}

fn cron(rng: &mut Rng, task_id: String) -> pb::Job {
    let expression = ["* * * * * ?", "*/2 * * * * ?", "*/3 * * * * *", "* * * * * ? *"][rng.usize(..4)];
    let ms = if rng.bool() { rng.u64(0..200) } else { rng.u64(800..1_500) };
    let mut one = job(task_id, Kind::Sleep, Work { ms, failures: 0 });
    let (expression, dst) = (expression.into(), pb::DstRule::Unspecified.into());
    let time_zone = ["", "Asia/Shanghai", "Europe/Berlin"][rng.usize(..3)].into();
    one.schedule = Some(Schedule::Cron(pb::CronSchedule { expression, time_zone, dst }));
    recurring(rng, one)
}

/// There is no such day: it is refused.
pub(super) fn hopeless(rng: &mut Rng, task_id: String) -> pb::Job {
    let mut one = cron(rng, task_id);
    if let Some(Schedule::Cron(cron)) = &mut one.schedule {
        cron.expression = "0 0 0 30 2 ?".into();
    }
    one
}

fn repeat(rng: &mut Rng, task_id: String) -> pb::Job {
    let mut one = job(task_id, Kind::Sleep, Work { ms: rng.u64(0..300), failures: 0 });
    let count = (rng.u8(..10) < 7).then(|| rng.i64(1..=30));
    let interval = Some(span_ms(rng.u64(250..2_000)));
    let first_time = rng.bool().then(|| in_ms(rng.u64(200..2_000)));
    one.schedule = Some(Schedule::Repeat(pb::RepeatSchedule { interval, count, first_time }));
    recurring(rng, one)
}

/// Each misfire policy, with and without overlap.
fn recurring(rng: &mut Rng, mut one: pb::Job) -> pb::Job {
    use pb::misfire_policy::Policy;
    let policy = match rng.u8(..3) {
        0 => Policy::RunOnceLate(pb::RunOnceLate {}),
        1 => Policy::Skip(pb::SkipMissed {}),
        _ => Policy::CatchUp(rng.i32(1..=5)),
    };
    one.misfire = Some(pb::MisfirePolicy { policy: Some(policy) });
    one.misfire_after = Some(span_ms(MISFIRE_AFTER_MS));
    one.rely_on_previous_cycle = Some(rng.bool());
    one
}
