//! Any specification, command, reply and row, within the shapes that the codec stores.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::domain::{
    Action, AlarmId, AlarmRule, AlarmSeverity, AlarmSubject, AlarmTarget, Backoff, BizLogLevel, BizLogLine,
    ClientId, ContentType, CronSchedule, DstRule, ExecutionId, Identity, JobId, JobPatch, JobSpec, Kind,
    Millis, MisfirePolicy, NodeGroup, OnConflict, Outcome, Position, RepeatSchedule, RequestId, RetryPolicy,
    RunId, Schedule, SchedulePatch, SessionId, TaskId, Timestamp, TraceContext,
};
use crate::machine::alarm::{AlarmNews, AlarmReading, AlarmRow, SilenceRow, Told};
use crate::machine::command::{
    AlarmChange, AlarmState, AlarmTold, AlarmsTold, BizLog, Cancel, ClientOpen, Command, Complete,
    Completion, DeleteGroup, Dispatch, Drain, ExecutionLines, FeedbackDrop, FeedbackFailed, FeedbackFailure,
    FeedbackHeard, FeedbackRetry, FeedbackWhich, Fingerprint, GroupSample, JobPlan, JobRef, JobTrackerSample,
    LogEntry, OfflineReason, OnJob, PauseQueue, Plan, Reclaim, ReclaimReason, RequestKey, ResumeQueue, Retry,
    RetryOf, Return, SetAlarms, SetLimits, SetSlots, SilenceAlarm, SkippedRange, Stats, Submit, Terminate,
    TrackerOffline, TrackerOnline, TrackerSample, Undrain, Update,
};
use crate::machine::limits::Limits;
use crate::machine::reply::{
    ActAnswer, CancelAnswer, CompleteAnswer, Refusal, Reply, SubmitAnswer, UpdateAnswer,
};
use crate::machine::row::{
    Answer, AnswerRow, Attempt, AttemptEnd, BodyRow, ClientRow, Drained, Fate, FeedbackGroupRow, FeedbackRow,
    FeedbackState, GroupRow, Hold, JobAct, JobLogKind, JobLogRow, JobRow, LedgerRow, LiveRun, LiveState,
    LogAgeRow, MetaRow, NodeEvent, NodeEventRow, NodeType, PeriodicRow, RequestRow, Rhythm, Row, SkipReason,
    Stop, TrackerRow, TrackerState, Why,
};
use crate::machine::stats::{GroupStats, Histogram, JobTrackerStats, ProcessStats, TrackerStats};

fn name<T: Clone + std::fmt::Debug + 'static>(new: fn(String) -> T) -> BoxedStrategy<T> {
    prop_oneof!["[ -~é-ÿ]{1,12}", "订{64}"].prop_map(new).boxed()
}

fn group() -> BoxedStrategy<NodeGroup> {
    name(|text| NodeGroup::new(text).unwrap()).boxed()
}

fn task() -> BoxedStrategy<TaskId> {
    name(|text| TaskId::new(text).unwrap()).boxed()
}

fn kind() -> BoxedStrategy<Kind> {
    name(|text| Kind::new(text).unwrap()).boxed()
}

fn identity() -> BoxedStrategy<Identity> {
    name(|text| Identity::new(text).unwrap()).boxed()
}

fn request_id() -> BoxedStrategy<RequestId> {
    name(|text| RequestId::new(text).unwrap()).boxed()
}

fn at() -> BoxedStrategy<Timestamp> {
    prop_oneof![0..u64::MAX, 0..100_000u64, Just(u64::MAX)].prop_map(Timestamp::from_millis).boxed()
}

fn span() -> BoxedStrategy<Millis> {
    prop_oneof![any::<u64>(), 0..100_000u64].prop_map(Millis::new).boxed()
}

fn position() -> BoxedStrategy<Position> {
    prop_oneof![any::<u64>(), 0..1u64 << 30].prop_map(Position::from_u64).boxed()
}

fn job() -> BoxedStrategy<JobId> {
    position().prop_map(JobId).boxed()
}

fn client() -> BoxedStrategy<ClientId> {
    position().prop_map(ClientId).boxed()
}

fn session() -> BoxedStrategy<SessionId> {
    position().prop_map(SessionId).boxed()
}

fn execution() -> BoxedStrategy<ExecutionId> {
    position().prop_map(ExecutionId).boxed()
}

fn run() -> BoxedStrategy<RunId> {
    (job(), any::<u64>()).prop_map(|(job, number)| RunId { job, number }).boxed()
}

fn payload() -> BoxedStrategy<Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from).boxed()
}

fn text() -> BoxedStrategy<String> {
    any::<String>().boxed()
}

fn schedule() -> BoxedStrategy<Schedule> {
    let dst = prop::sample::select(vec![
        DstRule::Auto,
        DstRule::SkipSecond,
        DstRule::SkipFirst,
        DstRule::ShiftFirst,
        DstRule::ShiftBoth,
    ]);
    let cron = (text(), text(), dst);
    let repeat = (span(), option::of(any::<u64>()), option::of(at()));
    prop_oneof![
        Just(Schedule::RealTime),
        at().prop_map(Schedule::TriggerTime),
        cron.prop_map(|(expression, time_zone, dst)| {
            Schedule::Cron(CronSchedule { expression, time_zone, dst })
        }),
        repeat.prop_map(|(interval, count, first)| Schedule::Repeat(RepeatSchedule {
            interval,
            count,
            first
        })),
    ]
    .boxed()
}

fn retry() -> BoxedStrategy<RetryPolicy> {
    let exponential = (span(), span(), any::<u8>());
    let backoff = prop_oneof![
        span().prop_map(Backoff::Fixed),
        exponential.prop_map(|(initial, max, jitter_percent)| Backoff::Exponential {
            initial,
            max,
            jitter_percent
        }),
    ];
    (any::<u32>(), backoff).prop_map(|(retries_max, backoff)| RetryPolicy { retries_max, backoff }).boxed()
}

pub(super) fn spec() -> BoxedStrategy<Arc<JobSpec>> {
    let names = (group(), task(), kind(), payload(), btree_map(text(), text(), 0..3));
    let when = (schedule(), retry(), option::of(span()), option::of(span()), span());
    let misfire = prop_oneof![
        Just(MisfirePolicy::RunOnceLate),
        Just(MisfirePolicy::Skip),
        any::<u32>().prop_map(MisfirePolicy::CatchUp)
    ];
    let conflict = prop::sample::select(vec![OnConflict::Ignore, OnConflict::Replace, OnConflict::Reject]);
    let trace = option::of((text(), text()));
    let feedback = (option::of(group()), any::<bool>());
    let rest = (any::<i32>(), any::<bool>(), misfire, conflict, trace, feedback);
    (names, when, rest)
        .prop_map(|(names, when, rest)| {
            let mut spec = JobSpec::new(names.0, names.1, names.2);
            spec.content_type = ContentType::new("text/plain").unwrap();
            (spec.payload, spec.params) = (names.3, names.4);
            (spec.schedule, spec.retry, spec.run_timeout, spec.start_deadline, spec.misfire_after) = when;
            (spec.priority, spec.rely_on_previous_cycle, spec.misfire, spec.on_conflict) =
                (rest.0, rest.1, rest.2, rest.3);
            (spec.submit_node_group, spec.need_feedback) = rest.5;
            spec.trace = rest.4.map(|(traceparent, tracestate)| TraceContext { traceparent, tracestate });
            Arc::new(spec)
        })
        .boxed()
}

fn request() -> BoxedStrategy<RequestKey> {
    prop_oneof![
        Just(RequestKey::None),
        (client(), any::<u64>(), asks()).prop_map(|(client, sequence, asks)| RequestKey::Session {
            client,
            sequence,
            asks
        }),
        (request_id(), asks()).prop_map(|(id, asks)| RequestKey::Id { id, asks }),
    ]
    .boxed()
}

fn asks() -> BoxedStrategy<Fingerprint> {
    any::<u64>().prop_map(|sent| Fingerprint::of("call", &sent.to_le_bytes())).boxed()
}

fn action() -> BoxedStrategy<Action> {
    prop::sample::select(Action::ALL.to_vec()).boxed()
}

fn outcome() -> BoxedStrategy<Outcome> {
    (action(), payload(), text(), option::of(span()))
        .prop_map(|(action, result, error, retry_after)| Outcome { action, result, error, retry_after })
        .boxed()
}

fn level() -> BoxedStrategy<BizLogLevel> {
    use BizLogLevel::{Debug, Error, Info, Warn};
    prop::sample::select(vec![Debug, Info, Warn, Error]).boxed()
}

fn offline_reason() -> BoxedStrategy<OfflineReason> {
    prop::sample::select(vec![OfflineReason::Silent, OfflineReason::Left, OfflineReason::Replaced]).boxed()
}

fn reclaim_reason() -> BoxedStrategy<ReclaimReason> {
    use ReclaimReason::{TimedOut, TrackerLeft, TrackerRestarted, TrackerSilent, Unknown};
    prop::sample::select(vec![TrackerSilent, TrackerLeft, TrackerRestarted, Unknown, TimedOut]).boxed()
}

pub(super) fn limits() -> BoxedStrategy<Limits> {
    let feedback = (any::<u64>(), span(), any::<u32>());
    let spans = [span(), span(), span(), span(), span(), span(), span()];
    (any::<(u32, u64, u32, u64, u64, u64)>(), spans, feedback)
        .prop_map(
            |(
                (
                    reclaims_max,
                    finished_runs_max,
                    biz_log_bytes_max,
                    job_log_bytes_max,
                    node_events_max,
                    stats_rows_max,
                ),
                [
                    request_window,
                    finished_kept,
                    offline_kept,
                    client_kept,
                    job_log_kept,
                    node_events_kept,
                    stats_kept,
                ],
                (feedback_max, feedback_kept, feedback_tries_max),
            )| Limits {
                job_log_kept,
                job_log_bytes_max,
                node_events_kept,
                node_events_max,
                reclaims_max,
                request_window,
                finished_kept,
                finished_runs_max,
                offline_kept,
                client_kept,
                biz_log_bytes_max,
                feedback_max,
                feedback_kept,
                feedback_tries_max,
                stats_kept,
                stats_rows_max,
            },
        )
        .boxed()
}

fn plan() -> BoxedStrategy<JobPlan> {
    let range =
        (at(), at(), any::<u64>()).prop_map(|(first, last, count)| SkippedRange { first, last, count });
    let ranges = (option::of(at()), option::of(range.clone()), option::of(range));
    (job(), any::<u32>(), at(), ranges, vec(at(), 0..5), any::<bool>())
        .prop_map(|(job, revision, after, (resumed, suspended, skipped), instants, ended)| JobPlan {
            job,
            revision,
            after,
            resumed,
            suspended,
            skipped,
            instants,
            ended,
        })
        .boxed()
}

fn execution_lines() -> BoxedStrategy<ExecutionLines> {
    let line = (at(), level(), text()).prop_map(|(at, level, text)| BizLogLine { at, level, text });
    (execution(), any::<u64>(), vec(line, 0..4))
        .prop_map(|(execution, first, lines)| ExecutionLines { execution, first, lines })
        .boxed()
}

fn online() -> BoxedStrategy<TrackerOnline> {
    (group(), identity(), any::<u64>(), any::<u32>(), vec(kind(), 0..3), vec(execution(), 0..3))
        .prop_map(|(node_group, identity, start, capacity, kinds, holds)| TrackerOnline {
            node_group,
            identity,
            start,
            capacity,
            kinds,
            holds,
        })
        .boxed()
}

fn histogram() -> BoxedStrategy<Histogram> {
    let spans = |spans: Vec<Millis>| {
        let mut histogram = Histogram::default();
        spans.into_iter().for_each(|span| histogram.add(span));
        histogram
    };
    vec(span(), 0..4).prop_map(spans).boxed()
}

fn process_stats() -> BoxedStrategy<ProcessStats> {
    (any::<[u64; 4]>(), span())
        .prop_map(|([memory_bytes, threads, tasks, open_files], cpu)| ProcessStats {
            memory_bytes,
            cpu,
            threads,
            tasks,
            open_files,
        })
        .boxed()
}

fn tracker_stats() -> BoxedStrategy<TrackerStats> {
    (any::<[u64; 7]>(), span(), process_stats())
        .prop_map(|(n, running_time, process)| TrackerStats {
            exe_success: n[0],
            exe_failed: n[1],
            exe_later: n[2],
            exe_exception: n[3],
            running_time,
            fail_store_bytes: n[4],
            running: n[5],
            slots: n[6],
            process,
        })
        .boxed()
}

fn jobtracker_stats() -> BoxedStrategy<JobTrackerStats> {
    (any::<[u64; 5]>(), process_stats())
        .prop_map(|(n, process)| JobTrackerStats {
            process,
            memtable_bytes: n[0],
            block_cache_bytes: n[1],
            sst_bytes: n[2],
            pending_compaction_bytes: n[3],
            apply_lag: n[4],
        })
        .boxed()
}

fn group_stats() -> BoxedStrategy<GroupStats> {
    (group_row(), any::<[u64; 3]>(), span(), [histogram(), histogram(), histogram()])
        .prop_map(|(counts, [waiting, ready, executing], oldest_ready, [wait, run, cron_lateness])| {
            GroupStats { counts, waiting, ready, executing, oldest_ready, wait, run, cron_lateness }
        })
        .boxed()
}

fn stats() -> BoxedStrategy<Stats> {
    let of_group = (group(), group_stats()).prop_map(|(node_group, of)| GroupSample {
        node_group,
        waiting: of.waiting,
        ready: of.ready,
        executing: of.executing,
        oldest_ready: of.oldest_ready,
        wait: of.wait,
        run: of.run,
        cron_lateness: of.cron_lateness,
    });
    let of_tracker =
        (at(), group(), identity(), tracker_stats()).prop_map(|(minute, node_group, identity, stats)| {
            TrackerSample { minute, node_group, identity, stats }
        });
    let of_jobtracker =
        (identity(), jobtracker_stats()).prop_map(|(name, stats)| JobTrackerSample { name, stats });
    (vec(of_group, 0..2), vec(of_tracker, 0..2), vec(of_jobtracker, 0..2))
        .prop_map(|(groups, trackers, jobtrackers)| Stats { groups, trackers, jobtrackers })
        .boxed()
}

fn alarm_rule() -> BoxedStrategy<AlarmRule> {
    prop::sample::select(AlarmRule::ALL).boxed()
}

fn subject() -> BoxedStrategy<AlarmSubject> {
    name(|text| AlarmSubject::new(text).unwrap()).boxed()
}

fn target() -> BoxedStrategy<AlarmTarget> {
    name(|text| AlarmTarget::new(text).unwrap()).boxed()
}

fn alarm_id() -> BoxedStrategy<AlarmId> {
    position().prop_map(AlarmId).boxed()
}

fn news() -> BoxedStrategy<AlarmNews> {
    prop::sample::select(vec![AlarmNews::Raised, AlarmNews::Recovered]).boxed()
}

fn reading() -> BoxedStrategy<AlarmReading> {
    let severity = prop::sample::select(vec![AlarmSeverity::Warning, AlarmSeverity::Critical]);
    (severity, any::<i64>(), any::<i64>(), text())
        .prop_map(|(severity, value, threshold, text)| AlarmReading { severity, value, threshold, text })
        .boxed()
}

fn alarm_command() -> BoxedStrategy<Command> {
    let to = prop_oneof![reading().prop_map(AlarmState::Raised), Just(AlarmState::Recovered)];
    let change =
        (alarm_rule(), subject(), to).prop_map(|(rule, subject, to)| AlarmChange { rule, subject, to });
    let told = (alarm_rule(), subject(), alarm_id(), target(), news())
        .prop_map(|(rule, subject, id, target, news)| AlarmTold { rule, subject, id, target, news });
    let silence = (alarm_rule(), option::of(subject()), option::of(at()), identity())
        .prop_map(|(rule, subject, until, by)| SilenceAlarm { rule, subject, until, by });
    prop_oneof![
        vec(change, 0..3).prop_map(|changes| Command::SetAlarms(SetAlarms { changes })),
        vec(told, 0..3).prop_map(|told| Command::AlarmsTold(AlarmsTold { told })),
        silence.prop_map(Command::SilenceAlarm),
    ]
    .boxed()
}

fn alarm_row() -> BoxedStrategy<Row> {
    let told = (target(), news(), at(), any::<u32>()).prop_map(|(target, news, at, times)| Told {
        target,
        news,
        at,
        times,
    });
    let alarm = (alarm_id(), at(), option::of(at()), at(), reading(), any::<bool>(), vec(told, 0..3));
    let alarm = alarm.prop_map(|(id, raised, recovered, seen, reading, hushed, told)| {
        Row::Alarm(Box::new(AlarmRow { id, raised, recovered, seen, reading, hushed, told }))
    });
    let silence = (at(), at(), identity())
        .prop_map(|(since, until, by)| Row::Silence(Box::new(SilenceRow { since, until, by })));
    prop_oneof![alarm, silence].boxed()
}

fn job_ref() -> BoxedStrategy<JobRef> {
    prop_oneof![
        job().prop_map(JobRef::Id),
        (group(), task()).prop_map(|(group, task)| JobRef::Key(group, task))
    ]
    .boxed()
}

fn on_job() -> BoxedStrategy<OnJob> {
    (request(), job_ref(), any::<u32>(), text())
        .prop_map(|(request, job, expected_revision, reason)| OnJob {
            request,
            job,
            expected_revision,
            reason,
        })
        .boxed()
}

fn schedule_patch() -> BoxedStrategy<SchedulePatch> {
    let repeat = (option::of(span()), option::of(option::of(any::<u64>())), option::of(option::of(at())));
    prop_oneof![
        Just(SchedulePatch::RealTime),
        at().prop_map(SchedulePatch::TriggerTime),
        (option::of(text()), option::of(text()), option::of(Just(DstRule::ShiftBoth)))
            .prop_map(|(expression, time_zone, dst)| SchedulePatch::Cron { expression, time_zone, dst }),
        repeat.prop_map(|(interval, count, first)| SchedulePatch::Repeat { interval, count, first }),
    ]
    .boxed()
}

fn patch() -> BoxedStrategy<JobPatch> {
    let what = (spec(), any::<[bool; 7]>(), option::of(schedule_patch()));
    let rest = (option::of(option::of(span())), option::of(option::of(span())), any::<[bool; 5]>());
    (what, rest)
        .prop_map(|((spec, has, schedule), (run_timeout, start_deadline, more))| JobPatch {
            node_group: has[0].then(|| spec.node_group.clone()),
            kind: has[1].then(|| spec.kind.clone()),
            content_type: has[2].then(|| spec.content_type.clone()),
            payload: has[3].then(|| spec.payload.clone()),
            params: has[4].then(|| spec.params.clone()),
            priority: has[5].then_some(spec.priority),
            schedule,
            retries_max: has[6].then_some(spec.retry.retries_max),
            backoff: more[0].then_some(spec.retry.backoff),
            run_timeout,
            start_deadline,
            rely_on_previous_cycle: more[1].then_some(spec.rely_on_previous_cycle),
            misfire: more[2].then_some(spec.misfire),
            misfire_after: more[3].then_some(spec.misfire_after),
            need_feedback: more[4].then_some(spec.need_feedback),
            submit_node_group: more[4].then(|| spec.submit_node_group.clone()),
        })
        .boxed()
}

fn update() -> BoxedStrategy<Update> {
    (request(), job_ref(), any::<u32>(), option::of(patch()), text())
        .prop_map(|(request, job, expected_revision, patch, reason)| Update {
            request,
            job,
            expected_revision,
            patch: patch.map(Box::new),
            reason,
        })
        .boxed()
}

/// What operators hold back.
fn held() -> BoxedStrategy<Command> {
    prop_oneof![
        (group(), text(), text()).prop_map(|(node_group, by, reason)| Command::PauseQueue(PauseQueue {
            node_group,
            by,
            reason
        })),
        group().prop_map(|node_group| Command::ResumeQueue(ResumeQueue { node_group })),
        (group(), identity(), text(), text(), any::<bool>()).prop_map(
            |(node_group, identity, by, reason, leave)| Command::Drain(Drain {
                node_group,
                identity,
                by,
                reason,
                leave
            })
        ),
        (group(), identity())
            .prop_map(|(node_group, identity)| Command::Undrain(Undrain { node_group, identity })),
        (group(), identity(), option::of(any::<u32>())).prop_map(|(node_group, identity, slots)| {
            Command::SetSlots(SetSlots { node_group, identity, slots })
        }),
    ]
    .boxed()
}

pub(super) fn command() -> BoxedStrategy<Command> {
    let retry_of = prop_oneof![run().prop_map(RetryOf::Run), job_ref().prop_map(RetryOf::LastDead)].boxed();
    let completion = (execution(), run(), outcome(), any::<bool>())
        .prop_map(|(execution, run, outcome, resent)| Completion { execution, run, outcome, resent });
    let asked = prop_oneof![
        identity().prop_map(|identity| Command::ClientOpen(ClientOpen { identity })),
        (request(), vec(spec(), 0..3), vec(any::<u32>(), 0..3))
            .prop_map(|(request, jobs, refused)| Command::Submit(Submit { request, jobs, refused })),
        (request(), job_ref(), text()).prop_map(|(request, job, reason)| Command::Cancel(Cancel {
            request,
            job,
            reason
        })),
        (request(), run(), text()).prop_map(|(request, run, reason)| Command::Terminate(Terminate {
            request,
            run,
            reason
        })),
        (request(), retry_of, text()).prop_map(|(request, of, reason)| Command::Retry(Retry {
            request,
            of,
            reason
        })),
        on_job().prop_map(Command::Suspend),
        on_job().prop_map(Command::Resume),
        on_job().prop_map(Command::Trigger),
        on_job().prop_map(Command::Delete),
        update().prop_map(Command::Update),
        online().prop_map(Command::TrackerOnline),
        (session(), offline_reason())
            .prop_map(|(session, reason)| Command::TrackerOffline(TrackerOffline { session, reason })),
        (session(), any::<u32>()).prop_map(|(session, want)| Command::Dispatch(Dispatch { session, want })),
    ];
    let rest = prop_oneof![
        (vec(execution(), 0..4), any::<bool>())
            .prop_map(|(executions, began)| Command::Return(Return { executions, began })),
        vec(completion, 0..3).prop_map(|results| Command::Complete(Complete { results })),
        (vec(execution(), 0..4), reclaim_reason())
            .prop_map(|(executions, reason)| Command::Reclaim(Reclaim { executions, reason })),
        vec(plan(), 0..3).prop_map(|jobs| Command::Plan(Plan { jobs })),
        Just(Command::Tick),
        vec(execution_lines(), 0..3).prop_map(|lines| Command::BizLog(BizLog { lines })),
        Just(Command::Expire),
        (limits(), proptest::option::of(limits()))
            .prop_map(|(limits, instead_of)| Command::SetLimits(SetLimits { limits, instead_of })),
        group().prop_map(|node_group| Command::DeleteGroup(DeleteGroup { node_group })),
        stats().prop_map(Command::Stats),
    ];
    prop_oneof![asked, rest, feedback_command(), held(), alarm_command()].boxed()
}

fn feedback_command() -> BoxedStrategy<Command> {
    let failure = (run(), any::<u32>(), text()).prop_map(|(run, attempt, error)| FeedbackFailure {
        run,
        attempt,
        error,
    });
    let which = prop_oneof![
        vec(run(), 0..4).prop_map(FeedbackWhich::Runs),
        Just(FeedbackWhich::Dead),
        Just(FeedbackWhich::Pending)
    ];
    prop_oneof![
        (group(), vec(run(), 0..4))
            .prop_map(|(client_group, runs)| Command::FeedbackHeard(FeedbackHeard { client_group, runs })),
        (group(), vec(failure, 0..3)).prop_map(|(client_group, failures)| {
            Command::FeedbackFailed(FeedbackFailed { client_group, failures })
        }),
        (group(), which.clone())
            .prop_map(|(client_group, which)| Command::FeedbackRetry(FeedbackRetry { client_group, which })),
        (group(), which)
            .prop_map(|(client_group, which)| Command::FeedbackDrop(FeedbackDrop { client_group, which })),
    ]
    .boxed()
}

pub(super) fn entry() -> BoxedStrategy<LogEntry> {
    (at(), vec(command(), 0..5)).prop_map(|(at, commands)| LogEntry { at, commands }).boxed()
}

fn skip_reason() -> BoxedStrategy<SkipReason> {
    use SkipReason::{DeadlinePassed, Misfired, PreviousStillLive, Superseded, Suspended, TooManyLive};
    let all = vec![PreviousStillLive, Misfired, DeadlinePassed, Superseded, TooManyLive, Suspended];
    prop::sample::select(all).boxed()
}

fn fate() -> BoxedStrategy<Fate> {
    prop_oneof![
        prop::sample::select(vec![Fate::Succeeded, Fate::Failed, Fate::Dead, Fate::Cancelled]),
        (skip_reason(), at(), any::<u64>()).prop_map(|(reason, last, count)| Fate::Skipped {
            reason,
            last,
            count
        }),
    ]
    .boxed()
}

fn submit_answer() -> BoxedStrategy<SubmitAnswer> {
    prop_oneof![
        job().prop_map(SubmitAnswer::Accepted),
        job().prop_map(SubmitAnswer::Exists),
        (job(), any::<u32>()).prop_map(|(job, revision)| SubmitAnswer::Replaced(job, revision)),
        job().prop_map(SubmitAnswer::Conflict),
        Just(SubmitAnswer::Refused),
    ]
    .boxed()
}

fn cancel_answer() -> BoxedStrategy<CancelAnswer> {
    prop_oneof![
        job().prop_map(CancelAnswer::Cancelled),
        job().prop_map(CancelAnswer::CancelRequested),
        (job(), fate()).prop_map(|(job, fate)| CancelAnswer::AlreadyFinished(job, fate)),
        Just(CancelAnswer::NotFound),
    ]
    .boxed()
}

fn act_answer() -> BoxedStrategy<ActAnswer> {
    use ActAnswer::{
        AlreadyFinished, AlreadyReady, AlreadyRunning, AlreadySuspended, CancelRequested, Deleted, Ended,
        NotFound, NotSuspended, Resumed, StillExecuting, Suspended, Triggered,
    };
    let of_job = [Suspended, AlreadySuspended, Resumed, NotSuspended, Ended, Deleted, CancelRequested];
    let of_run = [Triggered, AlreadyReady, AlreadyRunning, StillExecuting];
    prop_oneof![
        (prop::sample::select(of_job.to_vec()), job()).prop_map(|(answer, job)| answer(job)),
        (prop::sample::select(of_run.to_vec()), run()).prop_map(|(answer, run)| answer(run)),
        (job(), fate()).prop_map(|(job, fate)| AlreadyFinished(job, fate)),
        Just(NotFound),
    ]
    .boxed()
}

fn update_answer() -> BoxedStrategy<UpdateAnswer> {
    prop_oneof![
        (job(), any::<u32>()).prop_map(|(job, revision)| UpdateAnswer::Updated(job, revision)),
        (job(), any::<u32>()).prop_map(|(job, revision)| UpdateAnswer::RevisionConflict(job, revision)),
        (job(), fate()).prop_map(|(job, fate)| UpdateAnswer::AlreadyFinished(job, fate)),
        Just(UpdateAnswer::NotFound),
        job().prop_map(UpdateAnswer::KeyTaken),
        job().prop_map(UpdateAnswer::TypeDiffers),
        text().prop_map(UpdateAnswer::Wrong),
        Just(UpdateAnswer::Refused),
    ]
    .boxed()
}

fn refusal() -> BoxedStrategy<Refusal> {
    let later = prop_oneof![
        (job(), any::<u32>()).prop_map(|(job, revision)| Refusal::RevisionDiffers { job, revision }),
        job().prop_map(Refusal::NoDeadRun),
        Just(Refusal::UnknownJob),
        job().prop_map(Refusal::TooManyLive),
    ];
    prop_oneof![
        later,
        client().prop_map(Refusal::UnknownClient),
        (client(), any::<u64>()).prop_map(|(client, sequence)| Refusal::RequestTooOld { client, sequence }),
        session().prop_map(Refusal::UnknownSession),
        session().prop_map(Refusal::Draining),
        group().prop_map(Refusal::Paused),
        (group(), identity()).prop_map(|(group, who)| Refusal::UnknownTracker(group, who)),
        (group(), identity()).prop_map(|(group, who)| Refusal::TrackerOffline(group, who)),
        run().prop_map(Refusal::UnknownRun),
        run().prop_map(Refusal::NotExecuting),
        run().prop_map(Refusal::StillLive),
        job().prop_map(Refusal::KeyTaken),
        job().prop_map(Refusal::PlanOutdated),
        Just(Refusal::RequestMismatch),
        text().prop_map(Refusal::BadLimits),
        Just(Refusal::LimitsChanged),
        group().prop_map(Refusal::UnknownGroup),
        (group(), any::<[u64; 3]>()).prop_map(|(node_group, [live, kept, online])| Refusal::GroupInUse {
            node_group,
            live,
            kept,
            online
        }),
    ]
    .boxed()
}

/// All but `Dispatched`, which never travels.
pub(super) fn reply() -> BoxedStrategy<Reply> {
    prop_oneof![
        Just(Reply::Done),
        client().prop_map(Reply::ClientOpened),
        vec(submit_answer(), 0..5).prop_map(Reply::Submitted),
        cancel_answer().prop_map(Reply::Cancelled),
        execution().prop_map(Reply::Terminating),
        run().prop_map(Reply::Retried),
        act_answer().prop_map(Reply::Acted),
        update_answer().prop_map(Reply::Updated),
        any::<bool>().prop_map(Reply::Switched),
        session().prop_map(Reply::Online),
        vec(prop::sample::select(vec![CompleteAnswer::Accepted, CompleteAnswer::Stale]), 0..5)
            .prop_map(Reply::Completed),
        refusal().prop_map(Reply::Refused),
        any::<u32>().prop_map(Reply::FeedbackMoved),
    ]
    .boxed()
}

fn answer() -> BoxedStrategy<Answer> {
    prop_oneof![
        vec(submit_answer(), 0..5).prop_map(Answer::Submitted),
        cancel_answer().prop_map(Answer::Cancelled),
        execution().prop_map(Answer::Terminating),
        run().prop_map(Answer::Retried),
        act_answer().prop_map(Answer::Acted),
        update_answer().prop_map(Answer::Updated),
        refusal().prop_map(Answer::Refused),
    ]
    .boxed()
}

fn attempt() -> BoxedStrategy<Attempt> {
    let end = prop_oneof![
        action().prop_map(AttemptEnd::Completed),
        reclaim_reason().prop_map(AttemptEnd::Reclaimed),
        Just(AttemptEnd::Interrupted)
    ];
    (execution(), identity(), at(), at(), end, any::<bool>(), text())
        .prop_map(|(execution, tracker, started, ended, end, resent, error)| Attempt {
            execution,
            tracker,
            started,
            ended,
            end,
            resent,
            error,
        })
        .boxed()
}

fn live() -> BoxedStrategy<LiveRun> {
    let state = prop_oneof![
        at().prop_map(|until| LiveState::Waiting { until }),
        at().prop_map(|since| LiveState::Ready { since }),
        option::of(at()).prop_map(|until| LiveState::Suspended { until }),
        (execution(), session(), identity(), at()).prop_map(|(execution, session, tracker, since)| {
            LiveState::Executing { execution, session, tracker, since }
        }),
    ];
    let what = (group(), kind(), at(), at(), option::of(at()), state, option::of(group()));
    let stop = option::of(prop::sample::select(vec![Stop::Cancel, Stop::Terminate]));
    let rest = (any::<(i32, [u32; 6], u64)>(), any::<[bool; 4]>(), stop, vec(attempt(), 0..3));
    (what, rest, option::of((position(), any::<u64>())))
        .prop_map(|(what, rest, log_dropped)| {
            let (node_group, kind, due, created, start_by, state, feedback_to) = what;
            let (
                (
                    priority,
                    [revision, schedule_revision, retries, reclaims, executions, log_bytes],
                    log_lines,
                ),
                flags,
                stop,
                attempts,
            ) = rest;
            let [periodic, by_hand, superseded, despite_suspend] = flags;
            LiveRun {
                node_group,
                kind,
                priority,
                revision,
                schedule_revision,
                due,
                created,
                start_by,
                periodic,
                by_hand,
                superseded,
                feedback_to,
                state,
                retries,
                reclaims,
                stop,
                despite_suspend,
                executions,
                attempts,
                log_lines,
                log_bytes,
                log_dropped,
            }
        })
        .boxed()
}

fn periodic() -> BoxedStrategy<PeriodicRow> {
    let rhythm =
        prop_oneof![
            (vec(at(), 0..6), any::<bool>(), any::<bool>())
                .prop_map(|(ahead, ended, stalled)| Rhythm::Planned { ahead: ahead.into(), ended, stalled }),
            (at(), span(), option::of(any::<u64>())).prop_map(|(next, interval, remaining)| Rhythm::Grid {
                next,
                interval,
                remaining
            }),
            any::<bool>().prop_map(|restart| Rhythm::Stopped { restart }),
        ];
    let skip = option::of((any::<u64>(), skip_reason()));
    let numbers = any::<(u32, u64, u32, bool)>();
    (group(), numbers, rhythm, at(), skip, option::of(at()))
        .prop_map(|(node_group, numbers, rhythm, settled, last_skip, resumed)| {
            let (revision, next_number, live, suspended) = numbers;
            PeriodicRow {
                node_group,
                revision,
                rhythm,
                settled,
                next_number,
                live,
                last_skip,
                suspended,
                resumed,
            }
        })
        .boxed()
}

fn ledger() -> BoxedStrategy<LedgerRow> {
    let counts = any::<([u32; 2], u32, u32, u32, bool)>();
    (counts, at(), at(), fate(), vec(attempt(), 0..3), payload(), text())
        .prop_map(
            |(
                ([revision, schedule_revision], retries, reclaims, executions, by_hand),
                due,
                ended,
                fate,
                attempts,
                result,
                error,
            )| {
                LedgerRow {
                    revision,
                    schedule_revision,
                    by_hand,
                    due,
                    ended,
                    fate,
                    retries,
                    reclaims,
                    executions,
                    attempts,
                    result,
                    error,
                }
            },
        )
        .boxed()
}

fn tracker() -> BoxedStrategy<TrackerRow> {
    let state = prop_oneof![Just(TrackerState::Online), offline_reason().prop_map(TrackerState::Offline)];
    let drained = (hold(), any::<bool>()).prop_map(|(hold, leave)| Drained { hold, leave });
    let held = (option::of(drained), option::of(any::<u32>()));
    (session(), any::<(u64, u32)>(), state, at(), vec(kind(), 0..3), held)
        .prop_map(|(session, (start, capacity), state, since, kinds, (drained, slots))| TrackerRow {
            session,
            start,
            state,
            since,
            capacity,
            kinds,
            drained,
            slots,
        })
        .boxed()
}

fn hold() -> BoxedStrategy<Hold> {
    (at(), text(), text()).prop_map(|(since, by, reason)| Hold { since, by, reason }).boxed()
}

fn job_act() -> BoxedStrategy<JobAct> {
    prop_oneof![
        any::<u32>().prop_map(JobAct::Updated),
        prop::sample::select(vec![JobAct::Cancelled, JobAct::Suspended, JobAct::Resumed]),
        run().prop_map(JobAct::Triggered),
        run().prop_map(JobAct::Retried),
        execution().prop_map(JobAct::Terminated),
    ]
    .boxed()
}

fn why() -> BoxedStrategy<Why> {
    (option::of(client()), text()).prop_map(|(by, reason)| Why { by, reason }).boxed()
}

fn job_log() -> BoxedStrategy<JobLogRow> {
    let what = prop_oneof![
        (level(), text()).prop_map(|(level, text)| JobLogKind::Biz { level, text }),
        any::<u64>().prop_map(|lines| JobLogKind::BizDropped { lines }),
        action().prop_map(|action| JobLogKind::StaleCompletion { action }),
        (job_act(), why()).prop_map(|(act, why)| JobLogKind::Act { act, why }),
    ];
    (at(), option::of(execution()), what)
        .prop_map(|(at, execution, what)| JobLogRow { at, execution, what })
        .boxed()
}

fn group_row() -> BoxedStrategy<GroupRow> {
    any::<[u64; 16]>()
        .prop_map(|n| GroupRow {
            submitted: n[0],
            dispatched: n[1],
            succeeded: n[2],
            failed: n[3],
            dead: n[4],
            cancelled: n[5],
            skipped: n[6],
            retried: n[7],
            reclaimed: n[8],
            stale: n[9],
            exe_success: n[10],
            exe_failed: n[11],
            exe_later: n[12],
            exe_exception: n[13],
            log_lines_dropped: n[14],
            kept: n[15],
        })
        .boxed()
}

fn feedback() -> BoxedStrategy<FeedbackRow> {
    let state = prop_oneof![
        at().prop_map(|next_try| FeedbackState::Pending { next_try }),
        at().prop_map(|since| FeedbackState::Dead { since })
    ];
    let of = (group(), task(), kind(), btree_map(text(), text(), 0..3), any::<u32>());
    let end = (at(), at(), fate(), any::<u32>(), option::of(execution()), payload(), text());
    (of, end, state, any::<u32>(), text())
        .prop_map(|(of, end, state, tries, handler_error)| {
            let (node_group, task_id, kind, params, revision) = of;
            let (due, ended, fate, executions, execution, result, error) = end;
            FeedbackRow {
                node_group,
                task_id,
                kind,
                params,
                revision,
                due,
                ended,
                fate,
                executions,
                execution,
                result,
                error,
                state,
                tries,
                handler_error,
            }
        })
        .boxed()
}

fn feedback_group() -> BoxedStrategy<FeedbackGroupRow> {
    any::<[u64; 8]>()
        .prop_map(|n| FeedbackGroupRow {
            made: n[0],
            pending: n[1],
            dead: n[2],
            heard: n[3],
            dropped: n[4],
            expired: n[5],
            discarded: n[6],
            failed: n[7],
        })
        .boxed()
}

fn meta() -> BoxedStrategy<MetaRow> {
    (any::<[u64; 6]>(), at(), limits(), any::<u32>(), client())
        .prop_map(|(numbers, now, limits, feature_level, clients_swept)| {
            let [id_base, applied, digest, node_events, job_log_bytes, stats_rows] = numbers;
            MetaRow {
                id_base,
                applied,
                now,
                digest,
                limits,
                feature_level,
                clients_swept,
                node_events,
                job_log_bytes,
                stats_rows,
            }
        })
        .boxed()
}

fn node_event() -> BoxedStrategy<NodeEventRow> {
    let node_type =
        prop::sample::select(vec![NodeType::JobTracker, NodeType::TaskTracker, NodeType::JobClient]);
    let event = prop_oneof![Just(NodeEvent::Online), offline_reason().prop_map(NodeEvent::Offline)];
    (at(), node_type, option::of(group()), identity(), any::<u64>(), event)
        .prop_map(|(at, node_type, node_group, identity, id, event)| NodeEventRow {
            at,
            node_type,
            node_group,
            identity,
            id,
            event,
        })
        .boxed()
}

pub(super) fn row() -> BoxedStrategy<Row> {
    let marks = (option::of(at()), option::of((group(), at())));
    let job_row = (any::<([u32; 2], u64)>(), [at(), at(), at()], marks, spec()).prop_map(
        |(([revision, schedule_revision], next_number), [created, updated, schedule_since], marks, spec)| {
            Row::Job(Arc::new(JobRow {
                revision,
                created,
                updated,
                next_number,
                suspended: marks.0,
                end_marked: marks.1,
                schedule_revision,
                schedule_since,
                spec,
            }))
        },
    );
    let jobs = prop_oneof![
        job_row,
        (any::<u32>(), spec()).prop_map(|(users, spec)| Row::Body(BodyRow { users, spec })),
        job().prop_map(Row::TaskKey),
        live().prop_map(|row| Row::Live(Arc::new(row))),
        periodic().prop_map(|row| Row::Periodic(Arc::new(row))),
        ledger().prop_map(|row| Row::Ledger(Arc::new(row))),
        Just(Row::Finished),
        job_log().prop_map(|row| Row::JobLog(Box::new(row))),
    ];
    let rest = prop_oneof![
        tracker().prop_map(|row| Row::Tracker(Arc::new(row))),
        group_row().prop_map(|row| Row::Group(Box::new(row))),
        (any::<u64>(), at()).prop_map(|(high, last_used)| Row::Client(ClientRow { high, last_used })),
        (asks(), answer()).prop_map(|(asks, answer)| Row::Answer(Box::new(AnswerRow { asks, answer }))),
        (at(), asks(), answer()).prop_map(|(at, asks, answer)| Row::Request(Box::new(RequestRow {
            at,
            asks,
            answer
        }))),
        Just(Row::RequestAge),
        group().prop_map(Row::Deleted),
        node_event().prop_map(|row| Row::NodeEvent(Box::new(row))),
        (at(), position()).prop_map(|(at, last)| Row::LogAge(LogAgeRow { at, last })),
        hold().prop_map(|hold| Row::Paused(Box::new(hold))),
        group_row().prop_map(|row| Row::Sampled(Box::new(row))),
        group_stats().prop_map(|row| Row::GroupStats(Box::new(row))),
        tracker_stats().prop_map(|row| Row::TrackerStats(Box::new(row))),
        jobtracker_stats().prop_map(|row| Row::JobTrackerStats(Box::new(row))),
        meta().prop_map(|row| Row::Meta(Box::new(row))),
        payload().prop_map(Row::Mark),
        feedback().prop_map(|row| Row::Feedback(Arc::new(row))),
        feedback_group().prop_map(|row| Row::FeedbackGroup(Box::new(row))),
    ];
    prop_oneof![jobs, rest, alarm_row()].boxed()
}
