//! Histories of commands, applied: whatever is asked in whatever order, the tables stay sound and replicas agree.
//!
//! Two ways to make a history of bytes: `log` takes them as frames, so that nothing that can be decoded is left out;
//! `history` takes them as choices among commands about ids that exist, so that commands meet each other.

use bytes::Bytes;

use super::{Source, apply, machine};
use crate::domain::{
    Action, AlarmId, AlarmRule, AlarmSeverity, AlarmSubject, AlarmTarget, Backoff, BizLogLevel, BizLogLine,
    ClientId, CronSchedule, DstRule, ExecutionId, Identity, JobId, JobPatch, JobSpec, Kind, Millis,
    MisfirePolicy, NodeGroup, OnConflict, Outcome, RepeatSchedule, RequestId, RunId, Schedule, SchedulePatch,
    SessionId, TaskId, Timestamp,
};
use crate::machine::alarm::{AlarmNews, AlarmReading};
use crate::machine::command::{
    AlarmChange, AlarmState, AlarmTold, AlarmsTold, BizLog, Cancel, ClientOpen, Complete, Completion,
    Dispatch, Drain, ExecutionLines, FeedbackDrop, FeedbackFailed, FeedbackFailure, FeedbackHeard,
    FeedbackRetry, FeedbackWhich, Fingerprint, GroupSample, JobPlan, JobRef, OfflineReason, OnJob,
    PauseQueue, Plan, Reclaim, ReclaimReason, RequestKey, ResumeQueue, Retry, RetryOf, Return, SetAlarms,
    SetLimits, SetSlots, SilenceAlarm, SkippedRange, Stats, Submit, Terminate, TrackerOffline, TrackerOnline,
    TrackerSample, Undrain, Update,
};
use crate::machine::limits::{CAPACITY_MAX, FIELDS, Limits};
use crate::machine::reply::{ActAnswer, SubmitAnswer};
use crate::machine::stats::{Histogram, TrackerStats};
use crate::machine::{Command, LogEntry, Reply, codec};

/// Entries of one history: each is checked against all rows, so a longer one only costs time.
const ENTRIES_MAX: u64 = 64;
/// Commands of one entry.
const COMMANDS_MAX: usize = 4;

/// Frames, each after its length of two bytes, as the entries of a log. Returns the size of the rows that it made.
pub(crate) fn log(data: &[u8]) -> usize {
    let mut source = Source::new(data);
    let mut machine = machine();
    for index in 1..=ENTRIES_MAX {
        if source.is_empty() {
            break;
        }
        let length = u16::from_le_bytes([source.byte(), source.byte()]);
        let bytes = Bytes::copy_from_slice(source.slice(length.into()));
        let Ok(entry) = codec::decode_entry(bytes) else { continue };
        apply(&mut machine, index, &entry);
    }
    machine.active_bytes()
}

/// Choices among commands; a second machine gets what the log makes of them and must end in the same state. Returns the
/// size of the rows that they made.
pub(crate) fn history(data: &[u8]) -> usize {
    let mut source = Source::new(data);
    let (mut machine, mut replica) = (machine(), machine());
    let (mut seen, mut at, mut index) = (Seen::default(), 1_000_000, 0);
    while !source.is_empty() && index < ENTRIES_MAX {
        index += 1;
        at = time(&mut source, at);
        let first = seen.command(&mut source, at);
        let more = source.some(COMMANDS_MAX - 1, |source| seen.command(source, at));
        let commands = std::iter::once(first).chain(more).collect();
        let entry = LogEntry { at: Timestamp::from_millis(at), commands };
        let replies = apply(&mut machine, index, &entry);
        replies.iter().for_each(|reply| seen.learn(reply));
        let stored = codec::decode_entry(codec::encode_entry(&entry)).expect("just encoded");
        replica.apply(index, &stored).expect("there is no disk that could fail");
        assert_eq!(machine.digest(), replica.digest(), "after {index}, {entry:?}");
    }
    machine.active_bytes()
}

fn time(source: &mut Source<'_>, at: u64) -> u64 {
    match source.byte() {
        step @ 0..=199 => at.saturating_add(u64::from(step) * 10),
        200..=247 => at.saturating_add(source.number().saturating_mul(1000)),
        248..=255 => at.saturating_sub(source.number()),
    }
}

/// The ids that replies have told, so that later commands are about something.
#[derive(Default)]
struct Seen {
    jobs: Vec<JobId>,
    runs: Vec<RunId>,
    executions: Vec<(ExecutionId, RunId)>,
    sessions: Vec<SessionId>,
    clients: Vec<ClientId>,
}

impl Seen {
    fn learn(&mut self, reply: &Reply) {
        match reply.answer() {
            Reply::Submitted(answers) => {
                for answer in answers {
                    if let SubmitAnswer::Accepted(job) = answer {
                        self.jobs.push(*job);
                        self.runs.extend((0..4).map(|number| RunId { job: *job, number }));
                    }
                }
            }
            Reply::Dispatched(started) => {
                self.executions.extend(started.pushes.iter().map(|push| (push.execution, push.run)));
                self.runs.extend(started.pushes.iter().map(|push| push.run));
            }
            Reply::Online(session) => self.sessions.push(*session),
            Reply::ClientOpened(client) => self.clients.push(*client),
            Reply::Retried(run) | Reply::Acted(ActAnswer::Triggered(run)) => self.runs.push(*run),
            Reply::Acted(_)
            | Reply::Done
            | Reply::Updated(_)
            | Reply::Switched(_)
            | Reply::Cancelled(_)
            | Reply::Terminating(_)
            | Reply::Completed(_)
            | Reply::Refused(_)
            | Reply::FeedbackMoved(_)
            | Reply::Again(_) => {}
        }
    }

    fn command(&self, source: &mut Source<'_>, at: u64) -> Command {
        let which = source.byte();
        if which >= 216 {
            return self.act(source, which);
        }
        match which % 22 {
            0..=2 => Command::Submit(Submit {
                request: self.request(source),
                jobs: source.some(3, |source| job(source, at).into()),
                refused: source.some(1, |source| u32::from(source.byte() % 4)),
            }),
            3 | 4 => Command::TrackerOnline(TrackerOnline {
                node_group: group(source),
                identity: identity(source),
                start: u64::from(source.byte() % 3),
                capacity: 1 + u32::from(source.byte()) % CAPACITY_MAX,
                kinds: source.some(2, kind),
                holds: self.executions(source),
            }),
            5..=7 => {
                Command::Dispatch(Dispatch { session: self.session(source), want: source.byte().into() })
            }
            8..=10 => Command::Complete(Complete { results: source.some(3, |source| self.result(source)) }),
            11 => Command::Tick,
            12 => Command::Plan(Plan { jobs: source.some(2, |source| self.plan(source, at)) }),
            13 => Command::Cancel(Cancel {
                request: self.request(source),
                job: self.job_ref(source),
                reason: String::new(),
            }),
            14 => Command::Reclaim(Reclaim {
                executions: self.executions(source),
                reason: source.of(&[
                    ReclaimReason::TrackerSilent,
                    ReclaimReason::TrackerLeft,
                    ReclaimReason::TrackerRestarted,
                    ReclaimReason::Unknown,
                    ReclaimReason::TimedOut,
                ]),
            }),
            15 => Command::Return(Return { executions: self.executions(source), began: source.flag() }),
            16 => Command::Retry(Retry {
                request: self.request(source),
                of: match source.flag() {
                    true => RetryOf::Run(self.run(source)),
                    false => RetryOf::LastDead(self.job_ref(source)),
                },
                reason: String::new(),
            }),
            17 => Command::Terminate(Terminate {
                request: self.request(source),
                run: self.run(source),
                reason: String::new(),
            }),
            18 => self.rarely(source, at),
            19 => Command::Update(self.update(source, at)),
            20 => self.held(source),
            _ => Command::Expire,
        }
    }

    fn act(&self, source: &mut Source<'_>, which: u8) -> Command {
        let act = OnJob {
            request: self.request(source),
            job: self.job_ref(source),
            expected_revision: u32::from(source.byte() % 3),
            reason: String::new(),
        };
        match which % 4 {
            0 => Command::Suspend(act),
            1 => Command::Resume(act),
            2 => Command::Trigger(act),
            _ => Command::Delete(act),
        }
    }

    fn rarely(&self, source: &mut Source<'_>, at: u64) -> Command {
        match source.byte() % 8 {
            0 => Command::ClientOpen(ClientOpen { identity: identity(source) }),
            1 => Command::TrackerOffline(TrackerOffline {
                session: self.session(source),
                reason: source.of(&[OfflineReason::Silent, OfflineReason::Left, OfflineReason::Replaced]),
            }),
            2 => Command::BizLog(BizLog { lines: source.some(2, |source| self.lines(source)) }),
            3 => alarm(source, at),
            4 | 5 => self.feedback(source),
            6 => Command::Stats(Stats {
                groups: source.some(2, group_sample),
                trackers: source.some(2, |source| tracker_sample(source, at)),
                jobtrackers: Vec::new(),
            }),
            _ => Command::SetLimits(SetLimits {
                limits: limits(source),
                instead_of: (source.byte() & 1 == 1).then(|| limits(source)),
            }),
        }
    }

    fn feedback(&self, source: &mut Source<'_>) -> Command {
        let client_group = group(source);
        match source.byte() % 6 {
            0 | 1 => Command::FeedbackHeard(FeedbackHeard { client_group, runs: self.some_runs(source) }),
            2 | 3 => {
                let failure = |run| FeedbackFailure { run, attempt: 1, error: "e".into() };
                let failures = self.some_runs(source).into_iter().map(failure).collect();
                Command::FeedbackFailed(FeedbackFailed { client_group, failures })
            }
            4 => Command::FeedbackRetry(FeedbackRetry { client_group, which: self.which(source) }),
            _ => Command::FeedbackDrop(FeedbackDrop { client_group, which: self.which(source) }),
        }
    }

    fn which(&self, source: &mut Source<'_>) -> FeedbackWhich {
        match source.byte() % 3 {
            0 => FeedbackWhich::Runs(self.some_runs(source)),
            1 => FeedbackWhich::Dead,
            _ => FeedbackWhich::Pending,
        }
    }

    fn some_runs(&self, source: &mut Source<'_>) -> Vec<RunId> {
        source.some(3, |source| self.run(source))
    }

    fn update(&self, source: &mut Source<'_>, at: u64) -> Update {
        let job = job(source, at);
        let schedule = match job.schedule {
            Schedule::RealTime => SchedulePatch::RealTime,
            Schedule::TriggerTime(at) => SchedulePatch::TriggerTime(at),
            Schedule::Cron(cron) => {
                SchedulePatch::Cron { expression: Some(cron.expression), time_zone: None, dst: None }
            }
            Schedule::Repeat(repeat) => SchedulePatch::Repeat {
                interval: source.flag().then_some(repeat.interval),
                count: source.flag().then_some(repeat.count),
                first: source.flag().then_some(repeat.first),
            },
        };
        let patch = JobPatch {
            node_group: source.flag().then_some(job.node_group),
            kind: source.flag().then_some(job.kind),
            priority: source.flag().then_some(job.priority),
            schedule: source.flag().then_some(schedule),
            retries_max: source.flag().then_some(job.retry.retries_max),
            run_timeout: source.flag().then_some(job.run_timeout),
            start_deadline: source.flag().then_some(job.start_deadline),
            rely_on_previous_cycle: source.flag().then_some(job.rely_on_previous_cycle),
            misfire: source.flag().then_some(job.misfire),
            misfire_after: source.flag().then_some(job.misfire_after),
            need_feedback: source.flag().then_some(job.need_feedback),
            submit_node_group: source.flag().then_some(job.submit_node_group),
            ..JobPatch::default()
        };
        let expected_revision = u32::from(source.byte() % 4);
        let patch = source.flag().then(|| Box::new(patch));
        let (request, job) = (self.request(source), self.job_ref(source));
        Update { request, job, expected_revision, patch, reason: String::new() }
    }

    fn held(&self, source: &mut Source<'_>) -> Command {
        let (node_group, identity) = (group(source), identity(source));
        let (by, reason) = ("ann".to_owned(), "r".repeat(source.below(4)));
        match source.byte() % 5 {
            0 => Command::PauseQueue(PauseQueue { node_group, by, reason }),
            1 => Command::ResumeQueue(ResumeQueue { node_group }),
            2 => Command::Drain(Drain { node_group, identity, by, reason, leave: source.flag() }),
            3 => Command::Undrain(Undrain { node_group, identity }),
            _ => {
                let slots = source.flag().then(|| source.byte().into());
                Command::SetSlots(SetSlots { node_group, identity, slots })
            }
        }
    }

    fn request(&self, source: &mut Source<'_>) -> RequestKey {
        let asks = Fingerprint::of("fuzz", &[source.byte() & 3]);
        match source.byte() % 4 {
            0 | 1 => RequestKey::None,
            2 => RequestKey::Session {
                client: source.known(&self.clients, ClientId::from_u64),
                sequence: source.number(),
                asks,
            },
            _ => RequestKey::Id {
                id: RequestId::new(source.of(&["r1", "r2", "r3"])).expect("within the limits"),
                asks,
            },
        }
    }

    fn job_ref(&self, source: &mut Source<'_>) -> JobRef {
        if source.flag() {
            JobRef::Id(source.known(&self.jobs, JobId::from_u64))
        } else {
            JobRef::Key(group(source), task(source))
        }
    }

    fn run(&self, source: &mut Source<'_>) -> RunId {
        source.known(&self.runs, |number| RunId { job: JobId::from_u64(number), number })
    }

    fn session(&self, source: &mut Source<'_>) -> SessionId {
        source.known(&self.sessions, SessionId::from_u64)
    }

    fn execution(&self, source: &mut Source<'_>) -> (ExecutionId, RunId) {
        source.known(&self.executions, |number| (ExecutionId::from_u64(number), RunId::default()))
    }

    fn executions(&self, source: &mut Source<'_>) -> Vec<ExecutionId> {
        source.some(4, |source| self.execution(source).0)
    }

    fn result(&self, source: &mut Source<'_>) -> Completion {
        let (execution, run) = self.execution(source);
        let run = if source.byte() >= 240 { self.run(source) } else { run };
        let retry_after = source.flag().then(|| Millis::new(source.number()));
        let (action, error) = (source.of(&Action::ALL), "e".repeat(source.below(4)));
        Completion {
            execution,
            run,
            outcome: Outcome { action, result: Bytes::from_static(b"r"), error, retry_after },
            resent: source.flag(),
        }
    }

    fn plan(&self, source: &mut Source<'_>, at: u64) -> JobPlan {
        let after = Timestamp::from_millis(if source.flag() { at } else { source.number() });
        let mut last = after.as_millis();
        let mut later = |source: &mut Source<'_>| {
            last = last.saturating_add(source.number());
            Timestamp::from_millis(last)
        };
        let mut range = |source: &mut Source<'_>| {
            source.flag().then(|| SkippedRange {
                first: later(source),
                last: later(source),
                count: source.number(),
            })
        };
        let (suspended, skipped) = (range(source), range(source));
        JobPlan {
            job: source.known(&self.jobs, JobId::from_u64),
            revision: u32::from(source.byte() % 3),
            after,
            resumed: source.flag().then_some(Timestamp::from_millis(at)),
            suspended,
            skipped,
            instants: source.some(6, later),
            ended: source.flag(),
        }
    }

    fn lines(&self, source: &mut Source<'_>) -> ExecutionLines {
        let line = |source: &mut Source<'_>| BizLogLine {
            at: Timestamp::from_millis(source.number()),
            level: source.of(&[BizLogLevel::Debug, BizLogLevel::Error]),
            text: "x".repeat(source.below(100)),
        };
        ExecutionLines {
            execution: self.execution(source).0,
            first: source.number(),
            lines: source.some(3, line),
        }
    }
}

fn group_sample(source: &mut Source<'_>) -> GroupSample {
    let spans = |source: &mut Source<'_>| {
        let mut spans = Histogram::default();
        source.some(2, Source::number).into_iter().for_each(|span| spans.add(Millis::new(span)));
        spans
    };
    GroupSample {
        node_group: group(source),
        waiting: source.number(),
        ready: source.number(),
        executing: source.number(),
        oldest_ready: Millis::new(source.number()),
        wait: spans(source),
        run: spans(source),
        cron_lateness: spans(source),
    }
}

fn tracker_sample(source: &mut Source<'_>, at: u64) -> TrackerSample {
    let at = if source.flag() { at } else { source.number() };
    TrackerSample {
        minute: Timestamp::from_millis(at),
        node_group: group(source),
        identity: identity(source),
        stats: TrackerStats { exe_success: source.number(), ..TrackerStats::default() },
    }
}

fn group(source: &mut Source<'_>) -> NodeGroup {
    NodeGroup::new(source.of(&["g1", "g1", "g2"])).expect("within the limits")
}

fn task(source: &mut Source<'_>) -> TaskId {
    TaskId::new(source.of(&["t1", "t2", "t3", "t4"])).expect("within the limits")
}

fn kind(source: &mut Source<'_>) -> Kind {
    Kind::new(source.of(&["k1", "k2"])).expect("within the limits")
}

fn identity(source: &mut Source<'_>) -> Identity {
    Identity::new(source.of(&["w1", "w2"])).expect("within the limits")
}

/// What the edge lets in, and no other job: it is the edge's duty to refuse the rest.
fn job(source: &mut Source<'_>, at: u64) -> JobSpec {
    let mut job = JobSpec::new(group(source), task(source), kind(source));
    job.schedule = schedule(source, at);
    job.priority = i32::from(source.byte() % 3);
    job.retry.retries_max = u32::from(source.byte() % 4);
    if source.flag() {
        job.retry.backoff = Backoff::Exponential {
            initial: Millis::new(source.number()),
            max: Millis::new(source.number()),
            jitter_percent: source.byte() % 101,
        };
    }
    job.run_timeout = source.flag().then(|| Millis::new(source.number()));
    job.start_deadline = source.flag().then(|| Millis::new(source.number()));
    job.rely_on_previous_cycle = source.flag();
    job.misfire = match source.byte() % 3 {
        0 => MisfirePolicy::RunOnceLate,
        1 => MisfirePolicy::Skip,
        _ => MisfirePolicy::CatchUp(1 + u32::from(source.byte())),
    };
    job.misfire_after = Millis::new(source.number());
    job.on_conflict = source.of(&[OnConflict::Ignore, OnConflict::Replace, OnConflict::Reject]);
    if source.flag() {
        (job.submit_node_group, job.need_feedback) = (Some(group(source)), true);
    }
    if job.check().is_err() {
        job.retry = Default::default();
        (job.run_timeout, job.start_deadline, job.misfire_after) = (None, None, Millis::from_secs(60));
    }
    job
}

fn schedule(source: &mut Source<'_>, at: u64) -> Schedule {
    match source.byte() % 4 {
        0 => Schedule::RealTime,
        1 => Schedule::TriggerTime(Timestamp::from_millis(at.saturating_add(source.number()))),
        2 => Schedule::Cron(CronSchedule {
            expression: "0 * * * * ?".into(),
            time_zone: "UTC".into(),
            dst: DstRule::Auto,
        }),
        _ => Schedule::Repeat(RepeatSchedule {
            interval: Millis::new(source.number().clamp(1, 1 << 38)),
            count: source.flag().then(|| source.number().max(1)),
            first: source.flag().then(|| Timestamp::from_millis(source.number())),
        }),
    }
}

fn limits(source: &mut Source<'_>) -> Limits {
    let mut limits = Limits::default();
    FIELDS.iter().for_each(|field| field.set(&mut limits, source.number()));
    limits
}

fn alarm(source: &mut Source<'_>, at: u64) -> Command {
    let rule = source.of(&[AlarmRule::DeadRun, AlarmRule::BacklogAge]);
    let subject = AlarmSubject::new(source.of(&["trade", "stock"])).expect("within the limits");
    match source.byte() % 4 {
        0 => {
            let by = Identity::new("somebody").expect("within the limits");
            let until = source.flag().then(|| Timestamp::from_millis(time(source, at)));
            Command::SilenceAlarm(SilenceAlarm { rule, subject: source.flag().then_some(subject), until, by })
        }
        1 => {
            let target = AlarmTarget::new(source.of(&["ops", "mail"])).expect("within the limits");
            let (id, news) =
                (AlarmId::from_u64(source.number()), source.of(&[AlarmNews::Raised, AlarmNews::Recovered]));
            Command::AlarmsTold(AlarmsTold { told: vec![AlarmTold { rule, subject, id, target, news }] })
        }
        way => {
            let value = i64::from(source.byte());
            let reading =
                AlarmReading { severity: AlarmSeverity::Warning, value, threshold: 5, text: String::new() };
            let to = if way == 2 { AlarmState::Recovered } else { AlarmState::Raised(reading) };
            Command::SetAlarms(SetAlarms { changes: vec![AlarmChange { rule, subject, to }] })
        }
    }
}
