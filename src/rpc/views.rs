//! What the tables say, as messages.

use std::collections::BTreeMap;

use crate::domain::JobSpec;
use crate::domain::{ExecutionId, RunId, Timestamp};
use crate::machine::command::ReclaimReason;
use crate::machine::row::{
    Attempt, AttemptEnd, Fate, Hold, JobAct, LedgerRow, LiveRun, LiveState, SkipReason, Stop, Why,
};
use crate::machine::{BaseError, JobState, JobView, LogView, LogWhat, Machine, RunState, RunView};
use crate::wire::{pb, timestamp};

pub(super) fn fate_as_job_state(fate: Fate) -> pb::JobState {
    match fate {
        Fate::Succeeded => pb::JobState::Succeeded,
        Fate::Failed => pb::JobState::Failed,
        Fate::Dead => pb::JobState::Dead,
        Fate::Cancelled => pb::JobState::Cancelled,
        Fate::Skipped { .. } => pb::JobState::Skipped,
    }
}

pub(super) fn job_state(state: JobState) -> pb::JobState {
    match state {
        JobState::Waiting => pb::JobState::Waiting,
        JobState::Ready => pb::JobState::Ready,
        JobState::Executing => pb::JobState::Executing,
        JobState::Suspended => pb::JobState::Suspended,
        JobState::Ended(fate) => fate_as_job_state(fate),
    }
}

/// The domain's state for a filter; `None` for those that this release does not have.
pub(super) fn wanted_state(state: pb::JobState) -> Option<JobState> {
    let any = Timestamp::ZERO;
    match state {
        pb::JobState::Waiting => Some(JobState::Waiting),
        pb::JobState::Ready => Some(JobState::Ready),
        pb::JobState::Executing => Some(JobState::Executing),
        pb::JobState::Succeeded => Some(JobState::Ended(Fate::Succeeded)),
        pb::JobState::Failed => Some(JobState::Ended(Fate::Failed)),
        pb::JobState::Dead => Some(JobState::Ended(Fate::Dead)),
        pb::JobState::Cancelled => Some(JobState::Ended(Fate::Cancelled)),
        pb::JobState::Skipped => {
            Some(JobState::Ended(Fate::Skipped { reason: SkipReason::Misfired, last: any, count: 0 }))
        }
        pb::JobState::Suspended => Some(JobState::Suspended),
        pb::JobState::Unspecified => None,
    }
}

fn run_state_of_fate(fate: Fate) -> pb::RunState {
    match fate {
        Fate::Succeeded => pb::RunState::Succeeded,
        Fate::Failed => pb::RunState::Failed,
        Fate::Dead => pb::RunState::Dead,
        Fate::Cancelled => pb::RunState::Cancelled,
        Fate::Skipped { .. } => pb::RunState::Skipped,
    }
}

fn skip_reason(reason: SkipReason) -> pb::SkipReason {
    match reason {
        SkipReason::PreviousStillLive | SkipReason::TooManyLive => pb::SkipReason::PreviousLive,
        SkipReason::Misfired => pb::SkipReason::Misfire,
        SkipReason::DeadlinePassed => pb::SkipReason::StartDeadline,
        SkipReason::Superseded => pb::SkipReason::Replaced,
        SkipReason::Suspended => pb::SkipReason::Suspended,
    }
}

pub(super) fn run(view: &RunView) -> pb::Run {
    match &view.state {
        RunState::Live(live) => live_run(view.id, live),
        RunState::Ended(row) => ended_run(view.id, row),
    }
}

fn live_run(id: RunId, live: &LiveRun) -> pb::Run {
    let (state, due) = match &live.state {
        LiveState::Waiting { until } => (pb::RunState::Waiting, *until),
        LiveState::Ready { .. } => (pb::RunState::Ready, live.due),
        LiveState::Suspended { until } => (pb::RunState::Suspended, until.unwrap_or(live.due)),
        LiveState::Executing { .. } => (pb::RunState::Executing, live.due),
    };
    let mut attempts: Vec<pb::Attempt> = live.attempts.iter().map(attempt).collect();
    if let LiveState::Executing { execution, session, tracker, since } = &live.state {
        attempts.push(pb::Attempt {
            execution: execution.as_u64(),
            execution_id: execution.to_string(),
            tasktracker: tracker.to_string(),
            session_id: session.to_string(),
            dispatch_time: Some(timestamp(*since)),
            ..pb::Attempt::default()
        });
    }
    pb::Run {
        run_id: id.to_string(),
        job_id: id.job.to_string(),
        revision: live.revision.into(),
        planned_time: Some(timestamp(live.due)),
        count: 1,
        state: state.into(),
        due_time: Some(timestamp(due)),
        retries: live.retries,
        reclaims: live.reclaims,
        attempts,
        stop_requested: live.stop.is_some(),
        ..pb::Run::default()
    }
}

fn ended_run(id: RunId, row: &LedgerRow) -> pb::Run {
    let (skip, last, count) = match row.fate {
        Fate::Skipped { reason, last, count } => (skip_reason(reason), Some(timestamp(last)), count),
        Fate::Succeeded | Fate::Failed | Fate::Dead | Fate::Cancelled => {
            (pb::SkipReason::Unspecified, None, 1)
        }
    };
    pb::Run {
        run_id: id.to_string(),
        job_id: id.job.to_string(),
        revision: row.revision.into(),
        planned_time: Some(timestamp(row.due)),
        planned_until_time: last,
        count,
        state: run_state_of_fate(row.fate).into(),
        skip_reason: skip.into(),
        due_time: Some(timestamp(row.due)),
        retries: row.retries,
        reclaims: row.reclaims,
        end_time: Some(timestamp(row.ended)),
        result: row.result.clone(),
        error: row.error.clone(),
        attempts: row.attempts.iter().map(attempt).collect(),
        ..pb::Run::default()
    }
}

fn attempt(attempt: &Attempt) -> pb::Attempt {
    let (end, action, reclaim) = match attempt.end {
        AttemptEnd::Completed(action) => {
            (pb::AttemptEnd::Completed, pb::Action::from(action), pb::ReclaimReason::Unspecified)
        }
        AttemptEnd::Reclaimed(reason) => {
            (pb::AttemptEnd::Reclaimed, pb::Action::Unspecified, reclaim_reason(reason))
        }
        AttemptEnd::Interrupted => {
            (pb::AttemptEnd::Interrupted, pb::Action::Unspecified, pb::ReclaimReason::Unspecified)
        }
    };
    pb::Attempt {
        execution: attempt.execution.as_u64(),
        execution_id: attempt.execution.to_string(),
        tasktracker: attempt.tracker.to_string(),
        session_id: String::new(),
        dispatch_time: Some(timestamp(attempt.started)),
        start_time: None,
        end_time: Some(timestamp(attempt.ended)),
        end: end.into(),
        action: action.into(),
        error: attempt.error.clone(),
        reclaim_reason: reclaim.into(),
    }
}

fn reclaim_reason(reason: ReclaimReason) -> pb::ReclaimReason {
    match reason {
        ReclaimReason::TrackerSilent => pb::ReclaimReason::Silence,
        ReclaimReason::TrackerLeft => pb::ReclaimReason::Left,
        ReclaimReason::TrackerRestarted => pb::ReclaimReason::Restarted,
        ReclaimReason::Unknown => pb::ReclaimReason::UnknownToTracker,
        ReclaimReason::TimedOut => pb::ReclaimReason::Timeout,
    }
}

pub(super) fn job(machine: &Machine, view: &JobView) -> Result<pb::StoredJob, BaseError> {
    let spec = &view.row.spec;
    let ended = match &view.run {
        Some(RunView { state: RunState::Ended(row), .. }) if view.periodic.is_none() => {
            Some(timestamp(row.ended))
        }
        Some(_) | None => None,
    };
    let stop = matches!(&view.run, Some(RunView { state: RunState::Live(live), .. }) if live.stop == Some(Stop::Cancel));
    Ok(pb::StoredJob {
        job_id: view.id.to_string(),
        spec: Some(JobSpec::clone(spec).into()),
        revision: view.row.revision.into(),
        job_type: pb::JobType::from(spec.job_type()).into(),
        state: job_state(view.state).into(),
        cancel_requested: stop,
        create_time: Some(timestamp(view.row.created)),
        end_time: ended,
        next_time: next_time(view).map(timestamp),
        run: view.run.as_ref().map(run),
        counts: None,
        why_waiting: why_waiting(machine, view)?,
        suspend_time: view.row.suspended.map(timestamp),
    })
}

/// How many instants came to which fate.
pub(super) fn counts(fates: &BTreeMap<&'static str, u64>) -> pb::RunCounts {
    let of = |name| fates.get(name).copied().unwrap_or(0);
    pb::RunCounts {
        succeeded: of("succeeded"),
        failed: of("failed"),
        dead: of("dead"),
        skipped: of("skipped"),
        cancelled: of("cancelled"),
    }
}

/// When something of the job falls due next.
pub(super) fn next_time(view: &JobView) -> Option<Timestamp> {
    let waits = match &view.run {
        Some(RunView { state: RunState::Live(live), .. }) => match live.state {
            LiveState::Waiting { until } => Some(until),
            LiveState::Ready { .. } | LiveState::Executing { .. } | LiveState::Suspended { .. } => None,
        },
        Some(_) | None => None,
    };
    waits.or_else(|| view.periodic.as_ref()?.next_instant())
}

/// What stands between the job and its next execution, in a sentence.
fn why_waiting(machine: &Machine, view: &JobView) -> Result<String, BaseError> {
    let live = match &view.run {
        Some(RunView { state: RunState::Live(live), .. }) => Some(live),
        Some(_) | None => None,
    };
    if let Some(since) = view.row.suspended {
        let then = match live.map(|live| &live.state) {
            Some(LiveState::Executing { .. }) => "what executes runs out",
            Some(LiveState::Ready { .. } | LiveState::Waiting { .. }) => {
                "only what was asked for by hand runs"
            }
            Some(LiveState::Suspended { .. }) | None => "nothing of it runs",
        };
        return Ok(format!("it is suspended since {since}: {then} until `raftsman job resume {}`", view.id));
    }
    let live = match live {
        Some(live) => live,
        None => {
            let next = view.periodic.as_ref().map(|row| row.next_instant());
            return Ok(match next {
                Some(Some(at)) => format!("its next instant is {at}"),
                Some(None) => "its next instants are being planned".to_owned(),
                None => String::new(),
            });
        }
    };
    match &live.state {
        LiveState::Executing { .. } => Ok(String::new()),
        LiveState::Waiting { until } if live.executions > 0 => Ok(format!("its next retry is at {until}")),
        LiveState::Waiting { until } => Ok(format!("it is due at {until}")),
        LiveState::Ready { .. } => why_ready(machine, live),
        LiveState::Suspended { .. } => Ok("it is held while its job is suspended".to_owned()),
    }
}

fn why_ready(machine: &Machine, live: &LiveRun) -> Result<String, BaseError> {
    let group = &live.node_group;
    let of_group =
        machine.tables().trackers()?.into_iter().filter(|t| t.node_group == *group && t.row.is_online());
    let online: Vec<_> = of_group.collect();
    if let Some(Hold { since, by, reason }) = machine.tables().paused(group)? {
        return Ok(format!("node group {group} is paused since {since} by {by}: {reason}"));
    }
    if online.is_empty() {
        return Ok(format!("no TaskTracker of node group {group} is online"));
    }
    let able: Vec<_> =
        online.iter().filter(|t| t.row.kinds.is_empty() || t.row.kinds.contains(&live.kind)).collect();
    if able.is_empty() {
        return Ok(format!("no TaskTracker of node group {group} takes kind {}", live.kind));
    }
    if able.iter().all(|t| t.row.drained.is_some()) {
        return Ok(format!("every TaskTracker of node group {group} that could take it is drained"));
    }
    let (slots, used) =
        able.iter().fold((0, 0), |(slots, used), t| (slots + t.row.slots() as usize, used + t.executing));
    let ahead = machine.tables().indexes().ready(group).map_or(0, |ready| ready.len());
    Ok(format!("{used} of {slots} slots of node group {group} are busy, {ahead} runs are ready"))
}

/// A line of the job log, if this release shows it.
pub(super) fn log_entry(line: &LogView) -> pb::JobLogEntry {
    let (kind, level, text) = match &line.what {
        LogWhat::Received => (pb::JobLogType::Receive, pb::LogLevel::Info, String::new()),
        LogWhat::Sent => (pb::JobLogType::Sent, pb::LogLevel::Info, String::new()),
        LogWhat::Ended(AttemptEnd::Completed(action), error) => {
            (pb::JobLogType::Finished, pb::LogLevel::Info, with_error(action.to_string(), error))
        }
        LogWhat::Ended(AttemptEnd::Reclaimed(reason), _) => {
            (pb::JobLogType::FixedDead, pb::LogLevel::Warn, reclaim_text(*reason).to_owned())
        }
        LogWhat::Ended(AttemptEnd::Interrupted, _) => {
            let text = "its TaskTracker interrupted it and gave it back".to_owned();
            (pb::JobLogType::Returned, pb::LogLevel::Warn, text)
        }
        LogWhat::StopRequested(Stop::Cancel) => (pb::JobLogType::Cancel, pb::LogLevel::Info, String::new()),
        LogWhat::StopRequested(Stop::Terminate) => {
            (pb::JobLogType::Terminate, pb::LogLevel::Info, String::new())
        }
        LogWhat::Fate(fate, error) => fate_line(*fate, error),
        LogWhat::Biz(level, text) => (pb::JobLogType::Biz, pb::LogLevel::from(*level), text.clone()),
        LogWhat::BizDropped(lines) => {
            (pb::JobLogType::Biz, pb::LogLevel::Warn, format!("{lines} lines were dropped"))
        }
        LogWhat::Resent => {
            (pb::JobLogType::Resend, pb::LogLevel::Info, "its TaskTracker sent the result again".to_owned())
        }
        LogWhat::Stale => {
            let text = "a result of an older execution came late and changed nothing".to_owned();
            (pb::JobLogType::Resend, pb::LogLevel::Warn, text)
        }
        LogWhat::Act(act, why) => (act_type(*act), pb::LogLevel::Info, act_text(*act, why)),
    };
    pb::JobLogEntry {
        r#type: kind.into(),
        level: level.into(),
        time: Some(timestamp(line.at)),
        run_id: if line.run.is_whole() { String::new() } else { line.run.to_string() },
        execution: line.execution.map_or(0, ExecutionId::as_u64),
        tasktracker: line.tracker.as_ref().map(ToString::to_string).unwrap_or_default(),
        line_number: 0,
        text,
        ..pb::JobLogEntry::default()
    }
}

fn act_type(act: JobAct) -> pb::JobLogType {
    match act {
        JobAct::Updated(_) => pb::JobLogType::Update,
        JobAct::Cancelled => pb::JobLogType::Cancel,
        JobAct::Suspended => pb::JobLogType::Suspend,
        JobAct::Resumed => pb::JobLogType::Resume,
        JobAct::Triggered(_) => pb::JobLogType::Trigger,
        JobAct::Retried(_) => pb::JobLogType::Retry,
        JobAct::Terminated(_) => pb::JobLogType::Terminate,
    }
}

/// What was done, by whom and why.
fn act_text(act: JobAct, why: &Why) -> String {
    let done = match act {
        JobAct::Updated(revision) => format!("revision {revision}"),
        JobAct::Triggered(run) | JobAct::Retried(run) => format!("as run {run}"),
        JobAct::Cancelled | JobAct::Suspended | JobAct::Resumed | JobAct::Terminated(_) => String::new(),
    };
    let by = why.by.map(|client| format!("by client session {client}")).unwrap_or_default();
    let said: Vec<&str> =
        [&done, &by].into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    with_error(said.join(" "), &why.reason)
}

fn with_error(text: String, error: &str) -> String {
    match (text.is_empty(), error.is_empty()) {
        (_, true) => text,
        (true, false) => error.to_owned(),
        (false, false) => format!("{text}: {error}"),
    }
}

fn fate_line(fate: Fate, error: &str) -> (pb::JobLogType, pb::LogLevel, String) {
    let (kind, level, text) = match fate {
        Fate::Succeeded => (pb::JobLogType::Finished, pb::LogLevel::Info, "succeeded".to_owned()),
        Fate::Failed => (pb::JobLogType::Finished, pb::LogLevel::Error, "failed".to_owned()),
        Fate::Dead => (pb::JobLogType::Dead, pb::LogLevel::Error, "dead".to_owned()),
        Fate::Cancelled => (pb::JobLogType::Cancel, pb::LogLevel::Info, "cancelled".to_owned()),
        Fate::Skipped { reason, last, count } => {
            let text = format!("{count} skipped up to {last}: {}", skip_text(reason));
            (pb::JobLogType::Skipped, pb::LogLevel::Warn, text)
        }
    };
    (kind, level, with_error(text, error))
}

fn skip_text(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::PreviousStillLive => "the previous cycle was still live",
        SkipReason::Misfired => "due too long ago",
        SkipReason::DeadlinePassed => "could not start before the start deadline",
        SkipReason::Superseded => "a newer revision of the job came",
        SkipReason::TooManyLive => "too many runs of the job were live",
        SkipReason::Suspended => "the job was suspended",
    }
}

fn reclaim_text(reason: ReclaimReason) -> &'static str {
    match reason {
        ReclaimReason::TrackerSilent => "the TaskTracker was silent for too long",
        ReclaimReason::TrackerLeft => "the TaskTracker left without a result",
        ReclaimReason::TrackerRestarted => "the TaskTracker's process started anew",
        ReclaimReason::Unknown => "the TaskTracker does not know the execution",
        ReclaimReason::TimedOut => "it did not stop after its run timeout",
    }
}
