//! How replies, effects and rows read in a story.

use std::ops::Bound;

use crate::domain::{Identity, JobId, Millis, NodeGroup, Position, RunId, Timestamp};
use crate::machine::index::Waiter;
use crate::machine::reply::{
    ActAnswer, CancelAnswer, CompleteAnswer, Push, Refusal, Reply, SubmitAnswer, UpdateAnswer,
};
use crate::machine::row::{
    Attempt, AttemptEnd, Drained, Fate, FeedbackRow, FeedbackState, GroupRow, JobAct, JobLogKind, LedgerRow,
    LiveRun, LiveState, NodeEvent, PeriodicRow, Rhythm, Row, TrackerState, Why,
};
use crate::machine::series::{Of, Query, Reading};
use crate::machine::{Applied, Depth, Effect, Key, Machine, Tables};

/// Replies and effects of one entry that a transcript shows.
const SHOWN_MAX: usize = 24;

pub(super) fn applied(machine: &Machine, applied: &Applied) -> String {
    let replies = applied.replies.iter().map(reply);
    let effects = applied.effects.iter().map(|it| effect(machine.tables(), it));
    let all: Vec<String> = replies.chain(effects).collect();
    match all.len().checked_sub(SHOWN_MAX) {
        Some(more) if more > 0 => format!("{}, and {more} more", all[..SHOWN_MAX].join(", ")),
        Some(_) | None => all.join(", "),
    }
}

fn join<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Done => "ok".into(),
        Reply::ClientOpened(client) => format!("client {client}"),
        Reply::Submitted(answers) => join(answers, submitted),
        Reply::Cancelled(answer) => cancelled(answer),
        Reply::Terminating(execution) => format!("terminating {execution}"),
        Reply::Retried(run) => format!("retried as {run}"),
        Reply::Acted(answer) => acted_on(answer),
        Reply::Online(session) => format!("session {session}"),
        Reply::Dispatched(dispatched) if dispatched.pushes.is_empty() => "nothing".into(),
        Reply::Dispatched(dispatched) => join(&dispatched.pushes, push),
        Reply::Completed(answers) => join(answers, |answer| match answer {
            CompleteAnswer::Accepted => "accepted".into(),
            CompleteAnswer::Stale => "stale".into(),
        }),
        Reply::Refused(refusal) => refused(refusal),
        Reply::FeedbackMoved(count) => format!("{count} moved"),
        Reply::Updated(answer) => updated(answer),
        Reply::Switched(true) => "switched".into(),
        Reply::Switched(false) => "as before".into(),
        Reply::Again(first) => format!("again: {}", self::reply(first)),
    }
}

fn refused(refusal: &Refusal) -> String {
    format!("refused: {refusal}")
}

fn submitted(answer: &SubmitAnswer) -> String {
    match answer {
        SubmitAnswer::Accepted(job) => format!("accepted {job}"),
        SubmitAnswer::Exists(job) => format!("exists {job}"),
        SubmitAnswer::Replaced(job, revision) => format!("replaced {job} rev {revision}"),
        SubmitAnswer::Conflict(job) => format!("conflict {job}"),
        SubmitAnswer::Refused => "refused before".into(),
    }
}

fn updated(answer: &UpdateAnswer) -> String {
    match answer {
        UpdateAnswer::Updated(job, revision) => format!("UPDATED {job} rev {revision}"),
        UpdateAnswer::RevisionConflict(job, current) => {
            format!("REVISION_CONFLICT {job} is at rev {current}")
        }
        UpdateAnswer::AlreadyFinished(job, how) => format!("ALREADY_FINISHED {job} {}", fate(*how)),
        UpdateAnswer::NotFound => "NOT_FOUND".into(),
        UpdateAnswer::KeyTaken(job) => format!("KEY_TAKEN by {job}"),
        UpdateAnswer::TypeDiffers(job) => format!("TYPE_DIFFERS {job}"),
        UpdateAnswer::Wrong(problem) => format!("wrong: {problem}"),
        UpdateAnswer::Refused => "refused before".into(),
    }
}

fn cancelled(answer: &CancelAnswer) -> String {
    match answer {
        CancelAnswer::Cancelled(job) => format!("CANCELLED {job}"),
        CancelAnswer::CancelRequested(job) => format!("CANCEL_REQUESTED {job}"),
        CancelAnswer::AlreadyFinished(job, how) => format!("ALREADY_FINISHED {job} {}", fate(*how)),
        CancelAnswer::NotFound => "NOT_FOUND".into(),
    }
}

pub(super) fn acted_on(answer: &ActAnswer) -> String {
    match answer {
        ActAnswer::Suspended(job) => format!("SUSPENDED {job}"),
        ActAnswer::AlreadySuspended(job) => format!("ALREADY_SUSPENDED {job}"),
        ActAnswer::Resumed(job) => format!("RESUMED {job}"),
        ActAnswer::NotSuspended(job) => format!("NOT_SUSPENDED {job}"),
        ActAnswer::Ended(job) => format!("ENDED {job}"),
        ActAnswer::Triggered(run) => format!("TRIGGERED {run}"),
        ActAnswer::AlreadyReady(run) => format!("ALREADY_READY {run}"),
        ActAnswer::AlreadyRunning(run) => format!("ALREADY_RUNNING {run}"),
        ActAnswer::Deleted(job) => format!("DELETED {job}"),
        ActAnswer::StillExecuting(run) => format!("STILL_EXECUTING {run}"),
        ActAnswer::CancelRequested(job) => format!("CANCEL_REQUESTED {job}"),
        ActAnswer::AlreadyFinished(job, how) => format!("ALREADY_FINISHED {job} {}", fate(*how)),
        ActAnswer::NotFound => "NOT_FOUND".into(),
    }
}

fn push(push: &Push) -> String {
    let counts = (push.attempt, push.retries, push.reclaims);
    let rest = if counts == (1, 0, 0) {
        String::new()
    } else {
        format!(" attempt {} retries {} reclaims {}", counts.0, counts.1, counts.2)
    };
    let payload = if push.spec.payload.is_empty() {
        String::new()
    } else {
        format!(" payload {}", String::from_utf8_lossy(&push.spec.payload))
    };
    format!("push {} of {} due {}{rest}{payload}", push.execution, push.run, ms(push.due))
}

fn effect(tables: &Tables, effect: &Effect) -> String {
    match effect {
        Effect::Ready(group) => format!("ready {group}"),
        Effect::Terminate { session, execution, .. } => format!("terminate {execution} on {session}"),
        Effect::Held(session) => format!("told {session}"),
        Effect::NeedsPlan(job) => format!("needs plan {job}"),
        Effect::MoreToExpire => "more to expire".into(),
        Effect::Feedback(group) => format!("feedback {group}"),
        Effect::Finished(RunId { job, number: u64::MAX }) => format!("{job} ends"),
        Effect::Finished(run) => match tables.get(&Key::Ledger(*run)) {
            Ok(Some(Row::Ledger(row))) => format!("{run} {}", fate(row.fate)),
            _ => format!("{run} is gone"),
        },
    }
}

fn ms(at: Timestamp) -> u64 {
    at.as_millis()
}

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Succeeded => "succeeded".into(),
        Fate::Failed => "failed".into(),
        Fate::Dead => "dead".into(),
        Fate::Cancelled => "cancelled".into(),
        Fate::Skipped { reason, last, count } => format!("skipped {reason:?} {count} to {}", ms(last)),
    }
}

/// What `show ...` prints, a row a line.
pub(super) fn show(machine: &Machine, words: &[&str]) -> Vec<String> {
    let tables = machine.tables();
    match words {
        ["job", job] => show_job(tables, job.parse().unwrap()),
        ["log", run] => job_log(tables, run.parse().unwrap()),
        ["joblog", job] => job_log(tables, RunId::of_whole(job.parse().unwrap())),
        ["group", group] => {
            let key = Key::Group(NodeGroup::new(group).unwrap());
            rows(tables, &key, &after(&key)).iter().map(|(_, row)| format!("{row:?}")).collect()
        }
        ["feedback", group] => show_feedback(tables, &NodeGroup::new(group).unwrap()),
        ["trackers"] => {
            rows(tables, &Key::first_tracker(), &Key::first_group()).iter().map(tracker).collect()
        }
        ["nodes"] => {
            let (from, to) = (Key::NodeEvent(Position::MIN), Key::NodeEvent(Position::MAX));
            rows(tables, &from, &to).iter().map(node_event).collect()
        }
        ["counts", group] => vec![format!("{:?}", tables.indexes().group(&NodeGroup::new(group).unwrap()))],
        ["logbytes"] => vec![tables.meta().job_log_bytes.to_string()],
        ["due"] => {
            let due = machine.tables().indexes().due(Timestamp::MAX);
            due.map(|waiter| match waiter {
                Waiter::Run(run) => format!("run {run}"),
                Waiter::Instant(job) => format!("instant of {job}"),
            })
            .collect()
        }
        ["next"] => vec![format!("{:?}", tables.indexes().next_due().map(ms))],
        ["plans"] => vec![format!("{:?}", tables.indexes().needs_plan().collect::<Vec<_>>())],
        ["ready", group] => {
            let ready = tables.indexes().ready(&NodeGroup::new(group).unwrap());
            let ranks = ready.into_iter().flat_map(|ready| ready.kinds());
            ranks
                .map(|(kind, ranks)| {
                    format!("{kind}: {:?}", ranks.iter().map(|rank| rank.2).collect::<Vec<_>>())
                })
                .collect()
        }
        ["paused"] => {
            let line = |(key, row): &(Key, Row)| match (key, row) {
                (Key::Paused(group), Row::Paused(hold)) => {
                    format!("{group} since {} by {} ({})", ms(hold.since), hold.by, hold.reason)
                }
                other => format!("{other:?}"),
            };
            rows(tables, &Key::first_paused(), &Key::alarms().0).iter().map(line).collect()
        }
        ["alarms"] => {
            let (from, _) = Key::alarms();
            rows(tables, &from, &Key::end()).iter().map(alarm).collect()
        }
        ["rows"] => tags(tables),
        ["stats"] => stats(tables),
        ["series", of, step] => {
            let all: Vec<u64> = tables
                .scan(
                    Bound::Included(&Key::first_stats(Timestamp::ZERO)[0]),
                    &Key::first_stats(Timestamp::MAX)[2],
                )
                .filter_map(|row| row.unwrap().0.stats_minute().map(ms))
                .collect();
            let (from, to) = (
                all.iter().min().copied().unwrap_or_default(),
                all.iter().max().copied().unwrap_or_default(),
            );
            let (sort, rest) = of.split_once(':').unwrap_or((of, ""));
            let sort = match sort {
                "groups" => Of::NodeGroup,
                "trackers" => Of::TaskTracker,
                "jobtrackers" => Of::JobTracker,
                other => panic!("{other:?} is no sort of series"),
            };
            let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to + 1));
            let mut query = Query::new(sort, from, to, Millis::new(step.parse().unwrap())).unwrap();
            let (group, who) = rest.split_once('/').unwrap_or((rest, ""));
            query.node_group = NodeGroup::new(group).ok();
            query.identity = Identity::new(who).ok();
            let mut reading = Reading::new(query);
            while reading.read(tables).unwrap() {}
            let told =
                reading.points().into_iter().filter(|(_, points)| points.iter().any(|(_, value)| *value > 0));
            told.map(|(series, points)| {
                let points: Vec<String> =
                    points.iter().map(|(at, value)| format!("{}: {value}", ms(*at))).collect();
                format!("{} {}", series.name, points.join(", "))
            })
            .collect()
        }
        ["depths"] => {
            let depths = tables.depths().unwrap();
            let line = |(group, of): (&NodeGroup, &Depth)| {
                let since = of.ready_since.map_or("never".into(), |since| ms(since).to_string());
                format!(
                    "{group}: waiting {} ready {} executing {} ready since {since}",
                    of.waiting, of.ready, of.executing
                )
            };
            depths.iter().map(line).collect()
        }
        words => panic!("{words:?} cannot be shown"),
    }
}

/// The series, a row a line.
fn stats(tables: &Tables) -> Vec<String> {
    let [first, ..] = Key::first_stats(Timestamp::ZERO);
    let [.., last] = Key::first_stats(Timestamp::MAX);
    let line = |(key, row): &(Key, Row)| {
        let minute = key.stats_minute().map_or(0, ms);
        match (key, row) {
            (Key::GroupStats(_, group), Row::GroupStats(row)) => {
                let spans = [("wait", &row.wait), ("run", &row.run), ("late", &row.cron_lateness)];
                let spans = spans.map(|(name, spans)| {
                    let [p50, p99] = [50, 99].map(|percent| spans.quantile(percent).map_or(0, |it| it.get()));
                    format!("{name} {} p50 {p50} p99 {p99}", spans.count())
                });
                format!(
                    "{minute} {group} {} waiting {} ready {} executing {} oldest {} {}",
                    counts(&row.counts),
                    row.waiting,
                    row.ready,
                    row.executing,
                    row.oldest_ready,
                    spans.join(" ")
                )
            }
            (Key::TrackerStats(_, group, who), Row::TrackerStats(row)) => format!(
                "{minute} {group}/{who} success {} later {} time {} running {} memory {}",
                row.exe_success, row.exe_later, row.running_time, row.running, row.process.memory_bytes
            ),
            (Key::JobTrackerStats(_, who), Row::JobTrackerStats(row)) => {
                format!("{minute} jobtracker {who} sst {}", row.sst_bytes)
            }
            other => format!("{other:?}"),
        }
    };
    let rows = rows(tables, &first, &last);
    let counted = format!("{} rows are counted", tables.meta().stats_rows);
    rows.iter().map(line).chain([counted]).collect()
}

fn counts(row: &GroupRow) -> String {
    format!(
        "received {} pushed {} success {} failed {} later {} exception {} fixed {}",
        row.submitted,
        row.dispatched,
        row.exe_success,
        row.exe_failed,
        row.exe_later,
        row.exe_exception,
        row.reclaimed
    )
}

fn after(key: &Key) -> Key {
    match key {
        Key::Group(group) => Key::Group(NodeGroup::new(format!("{group} ")).unwrap()),
        key => key.clone(),
    }
}

fn rows(tables: &Tables, from: &Key, to: &Key) -> Vec<(Key, Row)> {
    tables.scan(Bound::Included(from), to).map(|row| row.unwrap()).collect()
}

/// How many rows each table has.
fn tags(tables: &Tables) -> Vec<String> {
    let mut names = std::collections::BTreeMap::<String, usize>::new();
    for (key, _) in rows(tables, &Key::Job(JobId(Position::MIN)), &Key::end()) {
        let name = format!("{key:?}");
        *names.entry(name.split('(').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let names: Vec<String> = names.into_iter().map(|(name, count)| format!("{name} {count}")).collect();
    vec![names.join(", ")]
}

fn show_job(tables: &Tables, job: JobId) -> Vec<String> {
    let mut lines = Vec::new();
    let Ok(Some(Row::Job(row))) = tables.get(&Key::Job(job)) else { return vec!["unknown".into()] };
    let runs = |number| Key::Live(RunId { job, number });
    let has_live_runs = !rows(tables, &runs(0), &runs(u64::MAX)).is_empty();
    let alive = has_live_runs || matches!(tables.get(&Key::Periodic(job)), Ok(Some(_)));
    lines.push(format!(
        "{} rev {} {}{}",
        row.spec.task_id,
        row.revision,
        if alive { "lives" } else { "has ended" },
        row.suspended.map_or(String::new(), |since| format!(", suspended since {}", ms(since)))
    ));
    if let Ok(Some(Row::Periodic(row))) = tables.get(&Key::Periodic(job)) {
        lines.push(periodic(&row));
    }
    let run = |number| RunId { job, number };
    for (key, row) in rows(tables, &Key::Live(run(0)), &Key::Live(run(u64::MAX))) {
        let (Key::Live(run), Row::Live(row)) = (key, row) else { continue };
        lines.push(format!("{run} {}", live(&row)));
    }
    for (key, row) in rows(tables, &Key::Ledger(run(0)), &Key::Ledger(run(u64::MAX))) {
        let (Key::Ledger(run), Row::Ledger(row)) = (key, row) else { continue };
        lines.push(format!("{run} {}", ledger(&row)));
    }
    lines
}

fn periodic(row: &PeriodicRow) -> String {
    let rhythm = match &row.rhythm {
        Rhythm::Planned { ahead, ended, stalled } => {
            let ahead: Vec<u64> = ahead.iter().map(|instant| ms(*instant)).collect();
            let flags = [(*ended, " ended"), (*stalled, " stalled")];
            let flags: String = flags.iter().filter(|flag| flag.0).map(|flag| flag.1).collect();
            format!("planned {ahead:?}{flags}")
        }
        Rhythm::Grid { next, interval, remaining } => {
            format!("next {} every {interval} remaining {remaining:?}", ms(*next))
        }
        Rhythm::Stopped { restart } => format!("stopped{}", if *restart { " until restart" } else { "" }),
    };
    let suspended = if row.suspended { " suspended" } else { "" };
    let resumed = row.resumed.map_or(String::new(), |at| format!(" resumed {}", ms(at)));
    format!("settled {} live {} {rhythm}{suspended}{resumed}", ms(row.settled), row.live)
}

fn live(row: &LiveRun) -> String {
    let state = match &row.state {
        LiveState::Waiting { until } => format!("waiting until {}", ms(*until)),
        LiveState::Ready { since } => format!("ready since {}", ms(*since)),
        LiveState::Suspended { until: Some(until) } => format!("suspended, waits until {}", ms(*until)),
        LiveState::Suspended { until: None } => "suspended".into(),
        LiveState::Executing { execution, session, tracker, .. } => {
            format!("executing {execution} on {tracker} {session}")
        }
    };
    let stop = row.stop.map_or(String::new(), |stop| format!(" stop {stop:?}"));
    let flags = [
        (row.superseded, " superseded"),
        (row.by_hand, " by hand"),
        (row.despite_suspend, " despite suspend"),
    ];
    let flags: String = flags.iter().filter(|flag| flag.0).map(|flag| flag.1).collect();
    format!(
        "due {} rev {} {state} executions {} retries {} reclaims {}{stop}{flags}",
        ms(row.due),
        row.revision,
        row.executions,
        row.retries,
        row.reclaims
    )
}

fn ledger(row: &LedgerRow) -> String {
    let mut text =
        format!("due {} rev {} {} at {}", ms(row.due), row.revision, fate(row.fate), ms(row.ended));
    if row.executions > 0 {
        text += &format!(" executions {} retries {} reclaims {}", row.executions, row.retries, row.reclaims);
    }
    if !row.attempts.is_empty() {
        text += &format!(" [{}]", join(&row.attempts, attempt));
    }
    if !row.result.is_empty() {
        text += &format!(" result {}", String::from_utf8_lossy(&row.result));
    }
    if !row.error.is_empty() {
        text += &format!(" error {:?}", row.error);
    }
    text + if row.by_hand { " by hand" } else { "" }
}

fn attempt(attempt: &Attempt) -> String {
    let end = match attempt.end {
        AttemptEnd::Completed(action) => action.to_string(),
        AttemptEnd::Reclaimed(reason) => format!("{reason:?}"),
        AttemptEnd::Interrupted => "Interrupted".into(),
    };
    format!("{} {end}{}", attempt.execution, if attempt.resent { " resent" } else { "" })
}

fn alarm((key, row): &(Key, Row)) -> String {
    match (key, row) {
        (Key::Alarm(rule, subject), Row::Alarm(row)) => {
            let over = row.recovered.map_or(String::new(), |at| format!(" recovered {}", ms(at)));
            let hushed = if row.hushed { " hushed" } else { "" };
            let told = row.told.iter().map(|told| {
                format!(" told {} {:?} at {} times {}", told.target, told.news, ms(told.at), told.times)
            });
            let told: String = told.collect();
            let (raised, seen) = (ms(row.raised), ms(row.seen));
            let reading = &row.reading;
            format!(
                "{rule} {subject} {} raised {raised} seen {seen} value {} of {}{over}{hushed}{told}",
                row.id, reading.value, reading.threshold
            )
        }
        (Key::Silence(rule, subject), Row::Silence(row)) => {
            let subject = subject.as_ref().map_or("*", |subject| subject.as_str());
            format!("silence {rule} {subject} {} until {} by {}", ms(row.since), ms(row.until), row.by)
        }
        other => format!("{other:?}"),
    }
}

fn tracker((key, row): &(Key, Row)) -> String {
    let (Key::Tracker(group, who), Row::Tracker(row)) = (key, row) else { return format!("{key:?}") };
    let state = match row.state {
        TrackerState::Online => "online".into(),
        TrackerState::Offline(reason) => format!("offline {reason:?}"),
    };
    let drained = row.drained.as_ref().map_or(String::new(), |drained| {
        let Drained { hold, leave } = drained;
        let leave = if *leave { " and leaves" } else { "" };
        format!(" drained since {} by {} ({}){leave}", ms(hold.since), hold.by, hold.reason)
    });
    let slots = row.slots.map_or(String::new(), |slots| format!(" slots {slots}"));
    format!(
        "{group}/{who} session {} start {} {state} since {} capacity {}{slots}{drained}",
        row.session,
        row.start,
        ms(row.since),
        row.capacity
    )
}

/// The counters of a group of JobClients, and what waits or is dead.
fn show_feedback(tables: &Tables, group: &NodeGroup) -> Vec<String> {
    let mut lines: Vec<String> = match tables.get(&Key::FeedbackGroup(group.clone())) {
        Ok(Some(Row::FeedbackGroup(row))) => vec![format!("{row:?}")],
        _ => Vec::new(),
    };
    let of_group =
        |number| Key::Feedback(group.clone(), RunId { job: JobId(Position::from_u64(number)), number });
    for (key, row) in rows(tables, &of_group(0), &of_group(u64::MAX)) {
        let (Key::Feedback(_, run), Row::Feedback(row)) = (key, row) else { continue };
        lines.push(format!("{run} {}", feedback(&row)));
    }
    lines
}

fn feedback(row: &FeedbackRow) -> String {
    let state = match row.state {
        FeedbackState::Pending { next_try } => format!("pending from {}", ms(next_try)),
        FeedbackState::Dead { since } => format!("dead since {}", ms(since)),
    };
    let execution = row.execution.map_or(String::new(), |execution| format!(" execution {execution}"));
    let mut text = format!(
        "{}/{} due {} {} at {}{execution} {state} tries {}",
        row.node_group,
        row.task_id,
        ms(row.due),
        fate(row.fate),
        ms(row.ended),
        row.tries
    );
    if !row.result.is_empty() {
        text += &format!(" result {}", String::from_utf8_lossy(&row.result));
    }
    for error in [&row.error, &row.handler_error].into_iter().filter(|error| !error.is_empty()) {
        text += &if error.len() > 60 { format!(" {} bytes", error.len()) } else { format!(" {error:?}") };
    }
    text
}

fn node_event((key, row): &(Key, Row)) -> String {
    let (Key::NodeEvent(position), Row::NodeEvent(row)) = (key, row) else { return format!("{key:?}") };
    let group = row.node_group.as_ref().map(ToString::to_string).unwrap_or_default();
    let event = match row.event {
        NodeEvent::Online => "online".into(),
        NodeEvent::Offline(reason) => format!("offline {reason:?}"),
    };
    let id = Position::from_u64(row.id);
    format!("{position} at {} {:?} {group}/{} {id} {event}", ms(row.at), row.node_type, row.identity)
}

fn job_log(tables: &Tables, run: RunId) -> Vec<String> {
    let (from, to) = (Key::JobLog(run, Position::MIN), Key::JobLog(run, Position::MAX));
    let line = |(key, row): &(Key, Row)| {
        let (Key::JobLog(_, position), Row::JobLog(row)) = (key, row) else { return format!("{key:?}") };
        let of = row.execution.map_or(String::new(), |execution| format!(" {execution}"));
        let text = match &row.what {
            JobLogKind::Biz { text, .. } if text.len() > 20 => format!("{} bytes", text.len()),
            JobLogKind::Biz { text, .. } => text.clone(),
            JobLogKind::BizDropped { lines } => format!("{lines} lines dropped"),
            JobLogKind::StaleCompletion { action } => format!("stale {action}"),
            JobLogKind::Act { act, why } => format!("{}{}", acted(*act), said(why)),
        };
        format!("{position}{of} {text}")
    };
    rows(tables, &from, &to).iter().map(line).collect()
}

fn acted(act: JobAct) -> String {
    match act {
        JobAct::Updated(revision) => format!("updated to rev {revision}"),
        JobAct::Cancelled => "cancelled".into(),
        JobAct::Suspended => "suspended".into(),
        JobAct::Resumed => "resumed".into(),
        JobAct::Triggered(run) => format!("triggered as {run}"),
        JobAct::Retried(run) => format!("retried as {run}"),
        JobAct::Terminated(_) => "terminated".into(),
    }
}

fn said(why: &Why) -> String {
    let by = why.by.map_or(String::new(), |client| format!(" by {client}"));
    if why.reason.is_empty() { by } else { format!("{by}: {}", why.reason) }
}
