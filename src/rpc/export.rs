//! Applied entries as JSON, for people and for checkers. `docs/log-export.md` has the shapes; they only grow.
//!
//! Ids are texts like `42.0`, an execution's the u64 that user code gets, also as a text; times are RFC 3339, spans
//! milliseconds, and `null` is none. Payloads and results are left out, their sizes are told.

use serde_json::{Map, Value, json};

use crate::domain::{
    Action, ExecutionId, JobPatch, JobSpec, JobType, Kind, Millis, MisfirePolicy, RunId, Schedule,
    SchedulePatch,
};
use crate::domain::{Backoff, DstRule, OnConflict, RepeatSchedule};
use crate::machine::alarm::AlarmNews;
use crate::machine::command::{
    AlarmChange, AlarmState, AlarmTold, Completion, ExecutionLines, FeedbackFailure, FeedbackWhich, JobPlan,
    JobRef, OfflineReason, OnJob, ReclaimReason, RequestKey, RetryOf, SkippedRange,
};
use crate::machine::limits::{FIELDS, LimitField, LimitUnit, Limits};
use crate::machine::reply::{
    ActAnswer, CancelAnswer, CompleteAnswer, Push, Refusal, SubmitAnswer, UpdateAnswer,
};
use crate::machine::row::{Fate, SkipReason};
use crate::machine::{Command, Reply};
use crate::store::AppliedEntry;
use crate::wire::{pb, timestamp};

/// An entry as it is sent.
pub(super) fn record(applied: &AppliedEntry) -> pb::ExportLogResponse {
    let replies = applied.outcome.as_ref().map_or(&[][..], |outcome| &outcome.replies);
    let mut replies = replies.iter();
    let commands = applied.entry.iter().flat_map(|entry| &entry.commands).map(|asked| pb::AppliedCommand {
        command_json: command(asked).to_string(),
        reply_json: replies.next().map(|given| reply(given).to_string()).unwrap_or_default(),
    });
    pb::ExportLogResponse {
        index: applied.log_id.index,
        term: applied.log_id.leader_id.term,
        commands: commands.collect(),
        at: applied.entry.as_ref().map(|entry| timestamp(entry.at)),
        digest: applied.outcome.as_ref().map(|outcome| digest(outcome.digest)).unwrap_or_default(),
    }
}

/// A digest as it is printed everywhere.
pub(super) fn digest(value: u64) -> String {
    format!("{value:016x}")
}

fn command(command: &Command) -> Value {
    match command {
        Command::ClientOpen(open) => json!({"client_open": {"identity": open.identity.to_string()}}),
        Command::Submit(submit) => {
            let jobs: Vec<Value> = submit.jobs.iter().map(|spec| job(spec)).collect();
            json!({"submit": {
                "request": request(&submit.request), "jobs": jobs, "refused": submit.refused,
            }})
        }
        Command::Cancel(cancel) => {
            json!({"cancel": {
                "request": request(&cancel.request), "job": job_ref(&cancel.job), "reason": cancel.reason,
            }})
        }
        Command::Terminate(asked) => {
            json!({"terminate": {
                "request": request(&asked.request), "run": text(asked.run), "reason": asked.reason,
            }})
        }
        Command::Retry(asked) => {
            let (run, job) = match &asked.of {
                RetryOf::Run(run) => (json!(text(run)), Value::Null),
                RetryOf::LastDead(job) => (Value::Null, job_ref(job)),
            };
            json!({"retry": {
                "request": request(&asked.request), "run": run, "last_dead_of": job, "reason": asked.reason,
            }})
        }
        Command::Suspend(act) => json!({"suspend": on_job(act)}),
        Command::Resume(act) => json!({"resume": on_job(act)}),
        Command::Trigger(act) => json!({"trigger": on_job(act)}),
        Command::Delete(act) => json!({"delete": on_job(act)}),
        Command::TrackerOnline(online) => json!({"tracker_online": {
            "node_group": text(&online.node_group), "identity": text(&online.identity),
            "start": online.start.to_string(), "capacity": online.capacity,
            "kinds": online.kinds.iter().map(Kind::to_string).collect::<Vec<_>>(),
            "holds": executions(&online.holds),
        }}),
        Command::TrackerOffline(offline) => {
            let reason = offline_reason(offline.reason);
            json!({"tracker_offline": {"session": text(offline.session), "reason": reason}})
        }
        Command::Dispatch(asked) => {
            json!({"dispatch": {"session": text(asked.session), "want": asked.want}})
        }
        Command::Return(given) => json!({"return": {
            "executions": executions(&given.executions), "began": given.began,
        }}),
        Command::Complete(complete) => {
            let results: Vec<Value> = complete.results.iter().map(completion).collect();
            json!({"complete": {"results": results}})
        }
        Command::Reclaim(taken) => json!({"reclaim": {
            "executions": executions(&taken.executions), "reason": reclaim_reason(taken.reason),
        }}),
        Command::Plan(plan) => {
            let jobs: Vec<Value> = plan.jobs.iter().map(job_plan).collect();
            json!({"plan": {"jobs": jobs}})
        }
        Command::Tick => json!({"tick": {}}),
        Command::BizLog(log) => {
            let lines: Vec<Value> = log.lines.iter().map(lines).collect();
            json!({"biz_log": {"executions": lines}})
        }
        Command::Expire => json!({"expire": {}}),
        Command::SetLimits(set) => json!({"set_limits": self::limits(&set.limits)}),
        Command::FeedbackHeard(heard) => json!({"feedback_heard": {
            "client_group": text(&heard.client_group), "runs": runs(&heard.runs),
        }}),
        Command::FeedbackFailed(failed) => {
            let failures: Vec<Value> = failed.failures.iter().map(feedback_failure).collect();
            json!({"feedback_failed": {"client_group": text(&failed.client_group), "failures": failures}})
        }
        Command::FeedbackRetry(asked) => json!({"feedback_retry": {
            "client_group": text(&asked.client_group), "which": which_feedback(&asked.which),
        }}),
        Command::FeedbackDrop(asked) => json!({"feedback_drop": {
            "client_group": text(&asked.client_group), "which": which_feedback(&asked.which),
        }}),
        Command::DeleteGroup(delete) => {
            json!({"delete_group": {"node_group": text(&delete.node_group)}})
        }
        Command::Update(update) => json!({"update": {
            "request": request(&update.request), "job": job_ref(&update.job),
            "expected_revision": update.expected_revision, "patch": update.patch.as_deref().map(patch),
            "reason": update.reason,
        }}),
        Command::PauseQueue(pause) => json!({"pause_queue": {
            "node_group": text(&pause.node_group), "by": pause.by, "reason": pause.reason,
        }}),
        Command::ResumeQueue(resume) => json!({"resume_queue": {"node_group": text(&resume.node_group)}}),
        Command::Drain(drain) => json!({"drain": {
            "node_group": text(&drain.node_group), "identity": text(&drain.identity), "by": drain.by,
            "reason": drain.reason, "leave": drain.leave,
        }}),
        Command::Undrain(undrain) => json!({"undrain": {
            "node_group": text(&undrain.node_group), "identity": text(&undrain.identity),
        }}),
        Command::SetSlots(set) => json!({"set_slots": {
            "node_group": text(&set.node_group), "identity": text(&set.identity), "slots": set.slots,
        }}),
        Command::Stats(told) => super::export_stats::stats(told),
        Command::SetAlarms(set) => {
            let changes: Vec<Value> = set.changes.iter().map(alarm_change).collect();
            json!({"set_alarms": {"changes": changes}})
        }
        Command::AlarmsTold(told) => {
            let told: Vec<Value> = told.told.iter().map(alarm_told).collect();
            json!({"alarms_told": {"told": told}})
        }
        Command::SilenceAlarm(silence) => json!({"silence_alarm": {
            "rule": text(silence.rule), "subject": silence.subject.as_ref().map(text),
            "until": silence.until.map(text), "by": text(&silence.by),
        }}),
    }
}

fn alarm_change(change: &AlarmChange) -> Value {
    let to = match &change.to {
        AlarmState::Raised(reading) => json!({"raised": {
            "severity": text(reading.severity), "value": reading.value, "threshold": reading.threshold,
            "text": reading.text,
        }}),
        AlarmState::Recovered => json!({"recovered": {}}),
    };
    json!({"rule": text(change.rule), "subject": text(&change.subject), "to": to})
}

fn alarm_told(told: &AlarmTold) -> Value {
    let news = match told.news {
        AlarmNews::Raised => "raised",
        AlarmNews::Recovered => "recovered",
    };
    json!({
        "rule": text(told.rule), "subject": text(&told.subject), "id": text(told.id),
        "target": text(&told.target), "news": news,
    })
}

fn reply(reply: &Reply) -> Value {
    match reply {
        Reply::Done => json!({"done": {}}),
        Reply::ClientOpened(client) => json!({"client_opened": text(client)}),
        Reply::Submitted(answers) => {
            json!({"submitted": answers.iter().map(submit_answer).collect::<Vec<_>>()})
        }
        Reply::Cancelled(answer) => json!({"cancelled": cancel_answer(answer)}),
        Reply::Terminating(id) => json!({"terminating": execution(*id)}),
        Reply::Retried(run) => json!({"retried": text(run)}),
        Reply::Acted(answer) => json!({"acted": act_answer(answer)}),
        Reply::Updated(answer) => json!({"updated": update_answer(answer)}),
        Reply::Switched(changed) => json!({"switched": changed}),
        Reply::Online(session) => json!({"online": text(session)}),
        Reply::Dispatched(started) => {
            let pushes: Vec<Value> = started.pushes.iter().map(push).collect();
            json!({"dispatched": {"session": text(started.session), "pushes": pushes}})
        }
        Reply::Completed(answers) => {
            json!({"completed": answers.iter().copied().map(complete_answer).collect::<Vec<_>>()})
        }
        Reply::FeedbackMoved(count) => json!({"feedback_moved": count}),
        Reply::Refused(refusal) => json!({"refused": self::refusal(refusal)}),
        // It is the first answer, and the command beside it says that it is the same request.
        Reply::Again(first) => self::reply(first),
    }
}

fn on_job(act: &OnJob) -> Value {
    json!({
        "request": request(&act.request), "job": job_ref(&act.job),
        "expected_revision": act.expected_revision, "reason": act.reason,
    })
}

fn act_answer(answer: &ActAnswer) -> Value {
    match answer {
        ActAnswer::Suspended(job) => json!({"suspended": text(job)}),
        ActAnswer::AlreadySuspended(job) => json!({"already_suspended": text(job)}),
        ActAnswer::Resumed(job) => json!({"resumed": text(job)}),
        ActAnswer::NotSuspended(job) => json!({"not_suspended": text(job)}),
        ActAnswer::Ended(job) => json!({"ended": text(job)}),
        ActAnswer::Triggered(run) => json!({"triggered": text(run)}),
        ActAnswer::AlreadyReady(run) => json!({"already_ready": text(run)}),
        ActAnswer::AlreadyRunning(run) => json!({"already_running": text(run)}),
        ActAnswer::Deleted(job) => json!({"deleted": text(job)}),
        ActAnswer::StillExecuting(run) => json!({"still_executing": text(run)}),
        ActAnswer::CancelRequested(job) => json!({"cancel_requested": text(job)}),
        ActAnswer::AlreadyFinished(job, how) => {
            json!({"already_finished": {"job": text(job), "fate": fate(*how)}})
        }
        ActAnswer::NotFound => json!("not_found"),
    }
}

fn request(key: &RequestKey) -> Value {
    match key {
        RequestKey::None => Value::Null,
        RequestKey::Session { client, sequence, .. } => json!({"client": text(client), "sequence": sequence}),
        RequestKey::Id { id, .. } => json!({"id": text(id)}),
    }
}

fn job_ref(job: &JobRef) -> Value {
    match job {
        JobRef::Id(id) => json!({"id": text(id)}),
        JobRef::Key(group, task) => json!({"node_group": text(group), "task_id": text(task)}),
    }
}

/// All that the submitter said, but for the payload.
fn job(spec: &JobSpec) -> Value {
    let mut fields = json!({
        "node_group": text(&spec.node_group), "task_id": text(&spec.task_id), "kind": text(&spec.kind),
        "content_type": text(&spec.content_type), "payload": {"bytes": spec.payload.len()},
        "params": spec.params, "priority": spec.priority,
        "job_type": job_type(spec.job_type()),
        "max_retries": spec.retry.retries_max, "backoff": backoff(spec.retry.backoff),
        "run_timeout_ms": spec.run_timeout.map(Millis::get),
        "start_deadline_ms": spec.start_deadline.map(Millis::get),
        "rely_on_prev_cycle": spec.rely_on_previous_cycle,
        "misfire": misfire(spec.misfire), "misfire_after_ms": spec.misfire_after.get(),
        "on_conflict": on_conflict(spec.on_conflict),
        "submit_node_group": spec.submit_node_group.as_ref().map(text), "need_feedback": spec.need_feedback,
        "trace": spec.trace.as_ref().map(|trace| trace.traceparent.as_str()),
    });
    let Value::Object(schedule) = schedule(&spec.schedule) else { return fields };
    let add = |fields: &mut Map<String, Value>| fields.extend(schedule);
    fields.as_object_mut().map(add);
    fields
}

fn schedule(schedule: &Schedule) -> Value {
    match schedule {
        Schedule::RealTime => json!({}),
        Schedule::TriggerTime(due) => json!({"due": text(due)}),
        Schedule::Cron(cron) => {
            json!({"expression": cron.expression, "zone": cron.time_zone, "dst": dst(cron.dst)})
        }
        Schedule::Repeat(RepeatSchedule { interval, count, first }) => {
            json!({"interval_ms": interval.get(), "count": count, "first": first.map(text)})
        }
    }
}

fn completion(result: &Completion) -> Value {
    let Completion { execution: id, run, outcome, resent } = result;
    json!({
        "execution": execution(*id), "run": text(run), "action": action(outcome.action),
        "retry_after_ms": outcome.retry_after.map(Millis::get),
        "result": {"bytes": outcome.result.len()}, "error": outcome.error, "resent": resent,
    })
}

fn job_plan(plan: &JobPlan) -> Value {
    let range = |range: SkippedRange| json!({"first": text(range.first), "last": text(range.last), "count": range.count});
    json!({
        "job": text(plan.job), "revision": plan.revision, "after": text(plan.after),
        "resumed": plan.resumed.map(text), "suspended": plan.suspended.map(range),
        "skipped": plan.skipped.map(range),
        "instants": plan.instants.iter().map(text).collect::<Vec<_>>(), "ended": plan.ended,
    })
}

fn lines(lines: &ExecutionLines) -> Value {
    json!({"execution": execution(lines.execution), "first": lines.first, "lines": lines.lines.len()})
}

/// Named like the fields of the command line, spans in milliseconds.
fn limits(limits: &Limits) -> Value {
    let field = |field: &LimitField| match field.unit {
        LimitUnit::Millis => (format!("{}_ms", field.name), Value::from(field.get(limits))),
        LimitUnit::Count | LimitUnit::Bytes => (field.name.to_owned(), Value::from(field.get(limits))),
    };
    FIELDS.iter().map(field).collect()
}

fn feedback_failure(failure: &FeedbackFailure) -> Value {
    json!({"run": text(failure.run), "attempt": failure.attempt, "error": failure.error})
}

fn which_feedback(which: &FeedbackWhich) -> Value {
    match which {
        FeedbackWhich::Runs(asked) => json!({"runs": runs(asked)}),
        FeedbackWhich::Dead => json!("dead"),
        FeedbackWhich::Pending => json!("pending"),
    }
}

fn runs(ids: &[RunId]) -> Vec<String> {
    ids.iter().map(text).collect()
}

fn submit_answer(answer: &SubmitAnswer) -> Value {
    match answer {
        SubmitAnswer::Accepted(job) => json!({"accepted": text(job)}),
        SubmitAnswer::Exists(job) => json!({"exists": text(job)}),
        SubmitAnswer::Replaced(job, revision) => {
            json!({"replaced": {"job": text(job), "revision": revision}})
        }
        SubmitAnswer::Conflict(job) => json!({"conflict": text(job)}),
        SubmitAnswer::Refused => json!("refused"),
    }
}

fn cancel_answer(answer: &CancelAnswer) -> Value {
    match answer {
        CancelAnswer::Cancelled(job) => json!({"cancelled": text(job)}),
        CancelAnswer::CancelRequested(job) => json!({"cancel_requested": text(job)}),
        CancelAnswer::AlreadyFinished(job, fate) => {
            json!({"already_finished": {"job": text(job), "fate": self::fate(*fate)}})
        }
        CancelAnswer::NotFound => json!("not_found"),
    }
}

fn update_answer(answer: &UpdateAnswer) -> Value {
    match answer {
        UpdateAnswer::Updated(job, revision) => {
            json!({"updated": {"job": text(job), "revision": revision}})
        }
        UpdateAnswer::RevisionConflict(job, revision) => {
            json!({"revision_conflict": {"job": text(job), "revision": revision}})
        }
        UpdateAnswer::AlreadyFinished(job, fate) => {
            json!({"already_finished": {"job": text(job), "fate": self::fate(*fate)}})
        }
        UpdateAnswer::NotFound => json!("not_found"),
        UpdateAnswer::KeyTaken(job) => json!({"key_taken": text(job)}),
        UpdateAnswer::TypeDiffers(job) => json!({"type_differs": text(job)}),
        UpdateAnswer::Wrong(problem) => json!({"wrong": problem}),
        UpdateAnswer::Refused => json!("refused"),
    }
}

/// The fields that change, but for the payload; what is cleared is null.
fn patch(patch: &JobPatch) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    add("node_group", patch.node_group.as_ref().map(|group| json!(text(group))));
    add("kind", patch.kind.as_ref().map(|kind| json!(text(kind))));
    add("content_type", patch.content_type.as_ref().map(|content_type| json!(text(content_type))));
    add("payload", patch.payload.as_ref().map(|payload| json!({"bytes": payload.len()})));
    add("params", patch.params.as_ref().map(|params| json!(params)));
    add("priority", patch.priority.map(Value::from));
    add("schedule", patch.schedule.as_ref().map(schedule_patch));
    add("max_retries", patch.retries_max.map(Value::from));
    add("backoff", patch.backoff.map(backoff));
    add("run_timeout_ms", patch.run_timeout.map(|span| json!(span.map(Millis::get))));
    add("start_deadline_ms", patch.start_deadline.map(|span| json!(span.map(Millis::get))));
    add("rely_on_prev_cycle", patch.rely_on_previous_cycle.map(Value::from));
    add("misfire", patch.misfire.map(misfire));
    add("misfire_after_ms", patch.misfire_after.map(|span| span.get().into()));
    add("need_feedback", patch.need_feedback.map(Value::from));
    add("submit_node_group", patch.submit_node_group.as_ref().map(|group| json!(group.as_ref().map(text))));
    Value::Object(fields)
}

fn schedule_patch(patch: &SchedulePatch) -> Value {
    match patch {
        SchedulePatch::RealTime => json!({}),
        SchedulePatch::TriggerTime(due) => json!({"due": text(due)}),
        SchedulePatch::Cron { expression, time_zone, dst: rule } => {
            json!({"expression": expression, "zone": time_zone, "dst": rule.map(dst)})
        }
        SchedulePatch::Repeat { interval, count, first } => {
            json!({
                "interval_ms": interval.map(Millis::get), "count": count,
                "first": first.map(|first| first.map(text)),
            })
        }
    }
}

fn push(push: &Push) -> Value {
    json!({
        "execution": execution(push.execution), "run": text(push.run), "job": text(push.run.job),
        "task_id": text(&push.spec.task_id), "due": text(push.due), "attempt": push.attempt,
        "retries": push.retries, "reclaims": push.reclaims,
    })
}

fn refusal(refusal: &Refusal) -> Value {
    let run = |reason: &str, run: &RunId| json!({"reason": reason, "run": text(run)});
    match refusal {
        Refusal::UnknownClient(client) => json!({"reason": "unknown_client", "client": text(client)}),
        Refusal::RequestTooOld { client, sequence } => {
            json!({"reason": "request_too_old", "client": text(client), "sequence": sequence})
        }
        Refusal::UnknownSession(session) => json!({"reason": "unknown_session", "session": text(session)}),
        Refusal::Draining(session) => json!({"reason": "draining", "session": text(session)}),
        Refusal::Paused(group) => json!({"reason": "paused", "node_group": text(group)}),
        Refusal::UnknownTracker(group, who) => {
            json!({"reason": "unknown_tasktracker", "node_group": text(group), "identity": text(who)})
        }
        Refusal::TrackerOffline(group, who) => {
            json!({"reason": "tasktracker_offline", "node_group": text(group), "identity": text(who)})
        }
        Refusal::UnknownRun(id) => run("unknown_run", id),
        Refusal::NotExecuting(id) => run("not_executing", id),
        Refusal::StillLive(id) => run("still_live", id),
        Refusal::KeyTaken(job) => json!({"reason": "key_taken", "job": text(job)}),
        Refusal::PlanOutdated(job) => json!({"reason": "plan_outdated", "job": text(job)}),
        Refusal::RequestMismatch => json!({"reason": "request_mismatch"}),
        Refusal::RevisionDiffers { job, revision } => {
            json!({"reason": "revision_differs", "job": text(job), "revision": revision})
        }
        Refusal::NoDeadRun(job) => json!({"reason": "no_dead_run", "job": text(job)}),
        Refusal::UnknownJob => json!({"reason": "unknown_job"}),
        Refusal::TooManyLive(job) => json!({"reason": "too_many_live", "job": text(job)}),
        Refusal::BadLimits(problem) => json!({"reason": "bad_limits", "problem": problem}),
        Refusal::LimitsChanged => json!({"reason": "limits_changed"}),
        Refusal::UnknownGroup(group) => json!({"reason": "unknown_group", "node_group": text(group)}),
        Refusal::GroupInUse { node_group, live, kept, online } => json!({
            "reason": "group_in_use", "node_group": text(node_group), "live": live, "kept": kept,
            "online": online,
        }),
    }
}

fn fate(fate: Fate) -> Value {
    match fate {
        Fate::Succeeded => json!("succeeded"),
        Fate::Failed => json!("failed"),
        Fate::Dead => json!("dead"),
        Fate::Cancelled => json!("cancelled"),
        Fate::Skipped { reason, last, count } => {
            json!({"skipped": {"reason": skip_reason(reason), "last": text(last), "count": count}})
        }
    }
}

fn backoff(backoff: Backoff) -> Value {
    match backoff {
        Backoff::Fixed(delay) => json!({"fixed_ms": delay.get()}),
        Backoff::Exponential { initial, max, jitter_percent } => {
            json!({"initial_ms": initial.get(), "max_ms": max.get(), "jitter_percent": jitter_percent})
        }
    }
}

fn misfire(policy: MisfirePolicy) -> Value {
    match policy {
        MisfirePolicy::RunOnceLate => json!("run_once_late"),
        MisfirePolicy::Skip => json!("skip"),
        MisfirePolicy::CatchUp(n) => json!({"catch_up": n}),
    }
}

const fn skip_reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::PreviousStillLive => "previous_still_live",
        SkipReason::Misfired => "misfired",
        SkipReason::DeadlinePassed => "deadline_passed",
        SkipReason::Superseded => "superseded",
        SkipReason::TooManyLive => "too_many_live",
        SkipReason::Suspended => "suspended",
    }
}

const fn job_type(job_type: JobType) -> &'static str {
    match job_type {
        JobType::RealTime => "real_time",
        JobType::TriggerTime => "trigger_time",
        JobType::Cron => "cron",
        JobType::Repeat => "repeat",
    }
}

const fn dst(rule: DstRule) -> &'static str {
    match rule {
        DstRule::Auto => "auto",
        DstRule::SkipSecond => "skip_second",
        DstRule::SkipFirst => "skip_first",
        DstRule::ShiftFirst => "shift_first",
        DstRule::ShiftBoth => "shift_both",
    }
}

const fn on_conflict(rule: OnConflict) -> &'static str {
    match rule {
        OnConflict::Ignore => "ignore",
        OnConflict::Replace => "replace",
        OnConflict::Reject => "reject",
    }
}

const fn action(action: Action) -> &'static str {
    match action {
        Action::ExecuteSuccess => "success",
        Action::ExecuteFailed => "failed",
        Action::ExecuteLater => "later",
        Action::ExecuteException => "exception",
    }
}

const fn complete_answer(answer: CompleteAnswer) -> &'static str {
    match answer {
        CompleteAnswer::Accepted => "accepted",
        CompleteAnswer::Stale => "stale",
    }
}

const fn offline_reason(reason: OfflineReason) -> &'static str {
    match reason {
        OfflineReason::Silent => "silent",
        OfflineReason::Left => "left",
        OfflineReason::Replaced => "replaced",
    }
}

const fn reclaim_reason(reason: ReclaimReason) -> &'static str {
    match reason {
        ReclaimReason::TrackerSilent => "tracker_silent",
        ReclaimReason::TrackerLeft => "tracker_left",
        ReclaimReason::TrackerRestarted => "tracker_restarted",
        ReclaimReason::Unknown => "unknown",
        ReclaimReason::TimedOut => "timed_out",
    }
}

fn executions(ids: &[ExecutionId]) -> Vec<String> {
    ids.iter().copied().map(execution).collect()
}

/// The fencing token as user code gets it.
fn execution(id: ExecutionId) -> String {
    id.as_u64().to_string()
}

fn text(value: impl ToString) -> String {
    value.to_string()
}
