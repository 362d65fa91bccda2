//! A job on its way in: the one place where what a submitter wrote becomes a [`JobSpec`], or a list of what is wrong.
//!
//! All violations are collected, named by their paths on the wire. Only the text of a cron expression is left to the
//! calendar, which the SDK does not have.

use super::words::{octet_stream, read_enum};
use super::{duration, pb, read_duration, read_timestamp, timestamp};
use crate::domain::{
    Backoff, ContentType, CronSchedule, DstRule, FieldError, JobSpec, Kind, Millis, MisfirePolicy, NodeGroup,
    OnConflict, PRIORITY_DEFAULT, RepeatSchedule, RetryPolicy, Schedule, TaskId, Timestamp, TraceContext,
};

/// What stands for an exponential backoff's cap when none is given: an hour.
const BACKOFF_CAP_DEFAULT: Millis = Millis::from_secs(3600);

/// Checks and converts a submitted job; `received_at` is the receiver's clock, which a relative trigger counts from.
///
/// # Errors
/// One violation for each field that is wrong, named as the wire names it.
pub fn parse_job(job: pb::Job, received_at: Timestamp) -> Result<JobSpec, Vec<FieldError>> {
    let mut wrong = Violations(Vec::new());
    let content_type =
        if job.content_type.is_empty() { Ok(octet_stream()) } else { ContentType::new(job.content_type) };
    let stand_in = "stand-in for a refused name";
    let submit_node_group = Some(job.submit_node_group).filter(|group| !group.is_empty());
    let submit_node_group = submit_node_group.map(|group| {
        let read =
            NodeGroup::new(group).map_err(|wrong| FieldError { field: "submit_node_group".into(), ..wrong });
        wrong.or(read, || NodeGroup::new(stand_in).expect("within the limits"))
    });
    let spec = JobSpec {
        task_id: wrong.or(TaskId::new(job.task_id), || TaskId::new(stand_in).expect("within the limits")),
        node_group: wrong
            .or(NodeGroup::new(job.node_group), || NodeGroup::new(stand_in).expect("within the limits")),
        kind: wrong.or(Kind::new(job.kind), || Kind::new(stand_in).expect("within the limits")),
        content_type: wrong.or(content_type, octet_stream),
        payload: job.payload,
        params: job.params,
        priority: job.priority.unwrap_or(PRIORITY_DEFAULT),
        schedule: schedule(job.schedule, received_at, &mut wrong),
        retry: job.retry.map(|retry| retry_policy(retry, &mut wrong)).unwrap_or_default(),
        run_timeout: wrong.span("run_timeout", job.run_timeout),
        start_deadline: wrong.span("start_deadline", job.start_deadline),
        rely_on_previous_cycle: job.rely_on_previous_cycle.unwrap_or(true),
        misfire: misfire(job.misfire, &mut wrong),
        misfire_after: wrong.span("misfire_after", job.misfire_after).unwrap_or(Millis::from_secs(60)),
        on_conflict: on_conflict(job.on_conflict, &mut wrong),
        submit_node_group,
        need_feedback: job.need_feedback,
        trace: job.trace.map(|t| TraceContext { traceparent: t.traceparent, tracestate: t.tracestate }),
    };
    wrong.0.extend(spec.check().err().unwrap_or_default().into_iter().map(as_the_wire_names_it));
    if wrong.0.is_empty() { Ok(spec) } else { Err(wrong.0) }
}

/// What was found wrong so far; a wrong field is replaced by a right one, so that the rest can still be checked.
struct Violations(Vec<FieldError>);

impl Violations {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(FieldError::new(field, problem));
    }

    fn or<T>(&mut self, read: Result<T, FieldError>, stand_in: impl FnOnce() -> T) -> T {
        read.unwrap_or_else(|violation| {
            self.0.push(violation);
            stand_in()
        })
    }

    fn span(&mut self, field: &'static str, span: Option<prost_types::Duration>) -> Option<Millis> {
        let read = read_duration(span?).map_err(|problem| FieldError::new(field, problem));
        Some(self.or(read, || Millis::new(1)))
    }

    fn instant(&mut self, field: &'static str, at: prost_types::Timestamp) -> Timestamp {
        let read = read_timestamp(at).map_err(|problem| FieldError::new(field, problem));
        self.or(read, || Timestamp::ZERO)
    }
}

/// The domain names a backoff's fields without saying which backoff it is.
fn as_the_wire_names_it(violation: FieldError) -> FieldError {
    let field = match violation.field.as_ref() {
        "retry.delay" => "retry.fixed",
        "retry.initial" => "retry.exponential.initial",
        "retry.max" => "retry.exponential.max",
        "retry.jitter_percent" => "retry.exponential.jitter_percent",
        _ => return violation,
    };
    FieldError::new(field, violation.problem)
}

fn schedule(schedule: Option<pb::job::Schedule>, received_at: Timestamp, wrong: &mut Violations) -> Schedule {
    match schedule {
        None | Some(pb::job::Schedule::RealTime(pb::RealTime {})) => Schedule::RealTime,
        Some(pb::job::Schedule::TriggerTime(at)) => Schedule::TriggerTime(wrong.instant("trigger_time", at)),
        Some(pb::job::Schedule::TriggerDelay(delay)) => {
            let delay = wrong.span("trigger_delay", Some(delay)).unwrap_or_default();
            Schedule::TriggerTime(received_at + delay)
        }
        Some(pb::job::Schedule::Cron(cron)) => Schedule::Cron(cron_schedule(cron, wrong)),
        Some(pb::job::Schedule::Repeat(repeat)) => Schedule::Repeat(repeat_schedule(repeat, wrong)),
    }
}

fn cron_schedule(cron: pb::CronSchedule, wrong: &mut Violations) -> CronSchedule {
    if cron.expression.trim().is_empty() {
        wrong.add("cron.expression", "is empty; give an expression such as `0 0 2 * * ?` or `@every 90s`");
    }
    let time_zone = if cron.time_zone.is_empty() { "UTC".into() } else { cron.time_zone };
    let dst = wrong.or(read_enum::<pb::DstRule>("cron.dst", cron.dst), || pb::DstRule::Auto);
    CronSchedule { expression: cron.expression, time_zone, dst: dst.to_domain().unwrap_or(DstRule::Auto) }
}

fn repeat_schedule(repeat: pb::RepeatSchedule, wrong: &mut Violations) -> RepeatSchedule {
    if repeat.interval.is_none() {
        wrong.add("repeat.interval", "is missing; give at least 1ms");
    }
    let count = match repeat.count {
        None | Some(-1) => None,
        Some(count) => u64::try_from(count).ok().or_else(|| {
            wrong.add("repeat.count", format!("is {count}; at least 1, or -1 for unlimited"));
            None
        }),
    };
    RepeatSchedule {
        interval: wrong.span("repeat.interval", repeat.interval).unwrap_or(Millis::new(1)),
        count,
        first: repeat.first_time.map(|at| wrong.instant("repeat.first_time", at)),
    }
}

fn retry_policy(retry: pb::RetryPolicy, wrong: &mut Violations) -> RetryPolicy {
    let retries_max = u32::try_from(retry.retries_max).unwrap_or_else(|_| {
        wrong.add("retry.retries_max", format!("is {}; 0 to 10000", retry.retries_max));
        0
    });
    let backoff = match retry.backoff {
        None => RetryPolicy::default().backoff,
        Some(pb::retry_policy::Backoff::Fixed(delay)) => {
            Backoff::Fixed(wrong.span("retry.fixed", Some(delay)).unwrap_or_default())
        }
        Some(pb::retry_policy::Backoff::Exponential(exponential)) => exponential_backoff(exponential, wrong),
    };
    RetryPolicy { retries_max, backoff }
}

fn exponential_backoff(exponential: pb::ExponentialBackoff, wrong: &mut Violations) -> Backoff {
    if exponential.initial.is_none() {
        wrong.add("retry.exponential.initial", "is missing; give at least 1ms");
    }
    let jitter_percent = u8::try_from(exponential.jitter_percent).unwrap_or_else(|_| {
        wrong.add("retry.exponential.jitter_percent", format!("is {}; 0 to 100", exponential.jitter_percent));
        0
    });
    let initial = wrong.span("retry.exponential.initial", exponential.initial).unwrap_or(Millis::new(1));
    let max =
        wrong.span("retry.exponential.max", exponential.max).unwrap_or(BACKOFF_CAP_DEFAULT.max(initial));
    Backoff::Exponential { initial, max, jitter_percent }
}

fn misfire(misfire: Option<pb::MisfirePolicy>, wrong: &mut Violations) -> MisfirePolicy {
    match misfire.and_then(|misfire| misfire.policy) {
        None | Some(pb::misfire_policy::Policy::RunOnceLate(pb::RunOnceLate {})) => {
            MisfirePolicy::RunOnceLate
        }
        Some(pb::misfire_policy::Policy::Skip(pb::SkipMissed {})) => MisfirePolicy::Skip,
        Some(pb::misfire_policy::Policy::CatchUp(n)) => match u32::try_from(n) {
            Ok(n) => MisfirePolicy::CatchUp(n),
            Err(_) => {
                wrong.add("misfire.catch_up", format!("is {n}; 1 to 1000"));
                MisfirePolicy::Skip
            }
        },
    }
}

fn on_conflict(number: i32, wrong: &mut Violations) -> OnConflict {
    let word = wrong.or(read_enum::<pb::OnConflict>("on_conflict", number), || pb::OnConflict::Ignore);
    word.to_domain().unwrap_or(OnConflict::Ignore)
}

impl From<JobSpec> for pb::Job {
    fn from(spec: JobSpec) -> pb::Job {
        pb::Job {
            task_id: spec.task_id.as_str().into(),
            node_group: spec.node_group.as_str().into(),
            kind: spec.kind.as_str().into(),
            content_type: spec.content_type.as_str().into(),
            payload: spec.payload,
            params: spec.params,
            priority: Some(spec.priority),
            schedule: Some(spec.schedule.into()),
            retry: Some(spec.retry.into()),
            run_timeout: spec.run_timeout.map(duration),
            start_deadline: spec.start_deadline.map(duration),
            rely_on_previous_cycle: Some(spec.rely_on_previous_cycle),
            misfire: Some(spec.misfire.into()),
            misfire_after: Some(duration(spec.misfire_after)),
            on_conflict: pb::OnConflict::from(spec.on_conflict).into(),
            need_feedback: spec.need_feedback,
            submit_node_group: spec.submit_node_group.map_or(String::new(), |group| group.as_str().into()),
            trace: spec.trace.map(pb::TraceContext::from),
        }
    }
}

impl From<TraceContext> for pb::TraceContext {
    fn from(trace: TraceContext) -> pb::TraceContext {
        pb::TraceContext { traceparent: trace.traceparent, tracestate: trace.tracestate }
    }
}

impl From<Schedule> for pb::job::Schedule {
    fn from(schedule: Schedule) -> pb::job::Schedule {
        match schedule {
            Schedule::RealTime => pb::job::Schedule::RealTime(pb::RealTime {}),
            Schedule::TriggerTime(at) => pb::job::Schedule::TriggerTime(timestamp(at)),
            Schedule::Cron(cron) => pb::job::Schedule::Cron(pb::CronSchedule {
                expression: cron.expression,
                time_zone: cron.time_zone,
                dst: pb::DstRule::from(cron.dst).into(),
            }),
            Schedule::Repeat(repeat) => pb::job::Schedule::Repeat(pb::RepeatSchedule {
                interval: Some(duration(repeat.interval)),
                count: repeat.count.map(|count| i64::try_from(count).unwrap_or(i64::MAX)),
                first_time: repeat.first.map(timestamp),
            }),
        }
    }
}

impl From<RetryPolicy> for pb::RetryPolicy {
    fn from(retry: RetryPolicy) -> pb::RetryPolicy {
        let backoff = match retry.backoff {
            Backoff::Fixed(delay) => pb::retry_policy::Backoff::Fixed(duration(delay)),
            Backoff::Exponential { initial, max, jitter_percent } => {
                let jitter_percent = i32::from(jitter_percent);
                let (initial, max) = (Some(duration(initial)), Some(duration(max)));
                pb::retry_policy::Backoff::Exponential(pb::ExponentialBackoff {
                    initial,
                    max,
                    jitter_percent,
                })
            }
        };
        pb::RetryPolicy {
            retries_max: i32::try_from(retry.retries_max).unwrap_or(i32::MAX),
            backoff: Some(backoff),
        }
    }
}

impl From<MisfirePolicy> for pb::MisfirePolicy {
    fn from(misfire: MisfirePolicy) -> pb::MisfirePolicy {
        let policy = match misfire {
            MisfirePolicy::RunOnceLate => pb::misfire_policy::Policy::RunOnceLate(pb::RunOnceLate {}),
            MisfirePolicy::Skip => pb::misfire_policy::Policy::Skip(pb::SkipMissed {}),
            MisfirePolicy::CatchUp(n) => {
                pb::misfire_policy::Policy::CatchUp(i32::try_from(n).unwrap_or(i32::MAX))
            }
        };
        pb::MisfirePolicy { policy: Some(policy) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn least() -> pb::Job {
        pb::Job { task_id: "t1".into(), node_group: "trade".into(), kind: "k".into(), ..Default::default() }
    }

    fn span(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    #[test]
    fn a_job_with_only_its_names_gets_the_defaults() {
        let names = (NodeGroup::new("trade").unwrap(), TaskId::new("t1").unwrap(), Kind::new("k").unwrap());
        assert_eq!(parse_job(least(), NOW), Ok(JobSpec::new(names.0, names.1, names.2)));
    }

    #[test]
    fn every_shape_of_a_job_reads_back() {
        let names = (NodeGroup::new("trade").unwrap(), TaskId::new("t1").unwrap(), Kind::new("k").unwrap());
        let base = JobSpec {
            payload: Bytes::from_static(b"{}"),
            params: [("a".to_owned(), "b".to_owned())].into(),
            priority: -5,
            run_timeout: Some(Millis::new(1500)),
            start_deadline: Some(Millis::from_secs(5)),
            rely_on_previous_cycle: false,
            on_conflict: OnConflict::Replace,
            trace: Some(TraceContext { traceparent: "00-ab".into(), tracestate: String::new() }),
            ..JobSpec::new(names.0, names.1, names.2)
        };
        let exponential =
            Backoff::Exponential { initial: Millis::new(10), max: Millis::from_secs(60), jitter_percent: 20 };
        let cron = CronSchedule {
            expression: "0 0 2 * * ?".into(),
            time_zone: "Asia/Shanghai".into(),
            dst: DstRule::ShiftBoth,
        };
        let repeat = RepeatSchedule { interval: Millis::new(1), count: Some(3), first: Some(NOW) };
        let endless = RepeatSchedule { interval: Millis::new(1), count: None, first: None };
        for spec in [
            JobSpec { schedule: Schedule::TriggerTime(NOW), misfire: MisfirePolicy::Skip, ..base.clone() },
            JobSpec { schedule: Schedule::Cron(cron), misfire: MisfirePolicy::CatchUp(3), ..base.clone() },
            JobSpec { schedule: Schedule::Repeat(repeat), ..base.clone() },
            JobSpec { schedule: Schedule::Repeat(endless), ..base.clone() },
            JobSpec { retry: RetryPolicy { retries_max: 5, backoff: exponential }, ..base },
        ] {
            assert_eq!(parse_job(spec.clone().into(), NOW), Ok(spec));
        }
    }

    #[test]
    fn a_relative_trigger_counts_from_the_receivers_clock() {
        let delay = prost_types::Duration { seconds: 5, nanos: 1_999_999 };
        let job = pb::Job { schedule: Some(pb::job::Schedule::TriggerDelay(delay)), ..least() };
        let spec = parse_job(job, NOW).expect("is right");
        assert_eq!(spec.schedule, Schedule::TriggerTime(NOW + Millis::new(5001)));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let exponential =
            pb::ExponentialBackoff { initial: span(-1), max: span(100_000_000), jitter_percent: -3 };
        let repeat = pb::RepeatSchedule { interval: span(0), count: Some(-7), first_time: None };
        let job = pb::Job {
            task_id: "a\nb".into(),
            node_group: String::new(),
            kind: "x".repeat(65),
            payload: vec![0; 2 << 20].into(),
            schedule: Some(pb::job::Schedule::Repeat(repeat)),
            retry: Some(pb::RetryPolicy {
                retries_max: -1,
                backoff: Some(pb::retry_policy::Backoff::Exponential(exponential)),
            }),
            run_timeout: span(-1),
            misfire: Some(pb::MisfirePolicy { policy: Some(pb::misfire_policy::Policy::CatchUp(-1)) }),
            on_conflict: 17,
            need_feedback: true,
            ..Default::default()
        };
        let wrong: Vec<String> =
            parse_job(job, NOW).expect_err("all of it").iter().map(ToString::to_string).collect();
        expect_test::expect![[r#"
            task_id: contains '\n'; only printable characters are allowed
            node_group: is empty; give 1 to 64 printable characters
            kind: has 65 characters; at most 64 are allowed
            repeat.count: is -7; at least 1, or -1 for unlimited
            retry.retries_max: is -1; 0 to 10000
            retry.exponential.jitter_percent: is -3; 0 to 100
            retry.exponential.initial: is negative; give a span of zero or more
            run_timeout: is negative; give a span of zero or more
            misfire.catch_up: is -1; 1 to 1000
            on_conflict: is 17; this version does not know it
            payload: has 2097152 bytes; at most 1048576 are allowed
            repeat.interval: is 0ms; between 1ms and ten years
            submit_node_group: is missing; need_feedback wants the group of JobClients that shall hear
            retry.exponential.max: is 100000000s; between initial (1ms) and 2592000s"#]]
        .assert_eq(&wrong.join("\n"));
    }

    #[test]
    fn a_cron_without_an_expression_is_refused() {
        let cron = pb::CronSchedule { expression: " ".into(), dst: 99, ..Default::default() };
        let job = pb::Job { schedule: Some(pb::job::Schedule::Cron(cron)), ..least() };
        let wrong = parse_job(job, NOW).expect_err("is wrong");
        let fields: Vec<&str> = wrong.iter().map(|violation| violation.field.as_ref()).collect();
        assert_eq!(fields, ["cron.expression", "cron.dst"]);
    }
}
