//! The words of a story's script, and the commands that they are.
//!
//! `submit t1 trade every=1000 count=3 norely`: a verb, what it is about, then options in any order. TaskTrackers and
//! JobClients go by the names that the story gave them; everything else goes by its id.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::{
    Action, AlarmRule, AlarmSeverity, AlarmSubject, AlarmTarget, Backoff, BizLogLevel, BizLogLine, ClientId,
    CronSchedule, DstRule, ExecutionId, Identity, JobId, JobPatch, JobSpec, Kind, Millis, MisfirePolicy,
    NodeGroup, OnConflict, Outcome, RepeatSchedule, RequestId, RunId, Schedule, SchedulePatch, SessionId,
    TaskId, Timestamp,
};
use crate::machine::alarm::{AlarmNews, AlarmReading};
use crate::machine::command::{
    AlarmChange, AlarmState, AlarmTold, AlarmsTold, BizLog, Cancel, ClientOpen, Complete, Completion,
    DeleteGroup, Dispatch, Drain, ExecutionLines, FeedbackDrop, FeedbackFailed, FeedbackFailure,
    FeedbackHeard, FeedbackRetry, FeedbackWhich, Fingerprint, GroupSample, JobPlan, JobRef, JobTrackerSample,
    OfflineReason, OnJob, PauseQueue, Plan, Reclaim, ReclaimReason, RequestKey, ResumeQueue, Retry, RetryOf,
    Return, SetAlarms, SetLimits, SetSlots, SilenceAlarm, SkippedRange, Stats, Submit, Terminate,
    TrackerOffline, TrackerOnline, TrackerSample, Undrain, Update,
};
use crate::machine::limits::Limits;
use crate::machine::reply::Reply;
use crate::machine::stats::{Histogram, JobTrackerStats, ProcessStats, TrackerStats};
use crate::machine::{Applied, Command, LogEntry};

/// What the story has named so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) sessions: BTreeMap<String, SessionId>,
    pub(super) clients: BTreeMap<String, ClientId>,
    /// Of which run an execution is, for a completion that does not say.
    pub(super) runs: BTreeMap<ExecutionId, RunId>,
}

impl Names {
    /// Later lines may use the names that this one gave.
    pub(super) fn remember(&mut self, entry: &LogEntry, applied: &Applied) {
        let name = |who: &Identity| who.as_str().to_owned();
        for (command, reply) in entry.commands.iter().zip(&applied.replies) {
            match (command, reply) {
                (Command::TrackerOnline(online), Reply::Online(session)) => {
                    self.sessions.insert(name(&online.identity), *session);
                }
                (Command::ClientOpen(open), Reply::ClientOpened(client)) => {
                    self.clients.insert(name(&open.identity), *client);
                }
                (Command::Dispatch(_), Reply::Dispatched(dispatched)) => {
                    let runs = dispatched.pushes.iter().map(|push| (push.execution, push.run));
                    self.runs.extend(runs);
                }
                _ => {}
            }
        }
    }
}

/// `at 1000 submit t1 trade + dispatch w1 4`: one entry.
pub(super) fn entry(line: &str, names: &Names, limits: Limits) -> LogEntry {
    let rest = line.strip_prefix("at ").unwrap_or_else(|| panic!("{line:?} does not begin with `at`"));
    let (at, commands) = rest.split_once(' ').unwrap_or_else(|| panic!("{line:?} says nothing"));
    let commands = commands.split(" + ").map(|command| Words::new(command, names).command(limits)).collect();
    LogEntry { at: Timestamp::from_millis(parse(at)), commands }
}

fn parse<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

fn list<T: FromStr<Err: Debug>>(text: &str) -> Vec<T> {
    text.split(',').filter(|one| !one.is_empty()).map(parse).collect()
}

struct Words<'a> {
    all: Vec<&'a str>,
    names: &'a Names,
}

impl<'a> Words<'a> {
    fn new(text: &'a str, names: &'a Names) -> Words<'a> {
        Words { all: text.split_whitespace().collect(), names }
    }

    fn get(&self, i: usize) -> &'a str {
        self.all.get(i).unwrap_or_else(|| panic!("{:?} is too short", self.all))
    }

    /// The value of `name=value`.
    fn option(&self, name: &str) -> Option<&'a str> {
        self.all.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn number<T: FromStr<Err: Debug>>(&self, name: &str) -> Option<T> {
        self.option(name).map(parse)
    }

    fn span(&self, name: &str) -> Option<Millis> {
        self.number(name).map(Millis::new)
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        self.number(name).map(Timestamp::from_millis)
    }

    fn has(&self, flag: &str) -> bool {
        self.all.contains(&flag)
    }

    /// A name that the story gave, or an id that nobody has.
    fn session(&self, name: &str) -> SessionId {
        self.names.sessions.get(name).copied().unwrap_or_else(|| parse(name))
    }

    fn request(&self) -> RequestKey {
        if let Some(id) = self.option("id") {
            return RequestKey::Id { id: RequestId::new(id).unwrap(), asks: self.asks() };
        }
        let Some((client, sequence)) = self.option("req").and_then(|request| request.split_once(':')) else {
            return RequestKey::None;
        };
        let client = self.names.clients.get(client).copied().unwrap_or_else(|| parse(client));
        RequestKey::Session { client, sequence: parse(sequence), asks: self.asks() }
    }

    /// Of the words, but for the key and the flag that says what a later check refused.
    fn asks(&self) -> Fingerprint {
        let said = |word: &&&str| !["id=", "req=", "refused="].iter().any(|key| word.starts_with(key));
        Fingerprint::of(
            "story",
            self.all.iter().filter(said).copied().collect::<Vec<_>>().join(" ").as_bytes(),
        )
    }

    fn command(&self, limits: Limits) -> Command {
        let request = self.request();
        match self.get(0) {
            "open" => Command::ClientOpen(ClientOpen { identity: Identity::new(self.get(1)).unwrap() }),
            "submit" => {
                let refused = self.option("refused").map(list).unwrap_or_default();
                Command::Submit(Submit { request, jobs: self.jobs(), refused })
            }
            "cancel" => Command::Cancel(Cancel { request, job: self.job(), reason: self.reason() }),
            "terminate" => {
                Command::Terminate(Terminate { request, run: parse(self.get(1)), reason: self.reason() })
            }
            "retry" => {
                let of = match self.get(1) {
                    run if run.contains('/') && run.parse::<RunId>().is_ok() => RetryOf::Run(parse(run)),
                    _ => RetryOf::LastDead(self.job()),
                };
                Command::Retry(Retry { request, of, reason: self.reason() })
            }
            "suspend" => Command::Suspend(self.on_job()),
            "resume" if self.is_about_a_job() => Command::Resume(self.on_job()),
            "trigger" => Command::Trigger(self.on_job()),
            "delete" => Command::Delete(self.on_job()),
            "update" => Command::Update(self.update(request)),
            "pause" | "resume" | "drain" | "undrain" | "slots" => self.held(),
            "online" => Command::TrackerOnline(self.online()),
            "offline" => Command::TrackerOffline(self.offline()),
            "dispatch" => {
                Command::Dispatch(Dispatch { session: self.session(self.get(1)), want: parse(self.get(2)) })
            }
            "return" => Command::Return(Return { executions: list(self.get(1)), began: self.has("began") }),
            "complete" => Command::Complete(self.complete()),
            "reclaim" => Command::Reclaim(self.reclaim()),
            "plan" => Command::Plan(Plan { jobs: vec![self.plan()] }),
            "tick" => Command::Tick,
            "log" => Command::BizLog(BizLog { lines: vec![self.lines()] }),
            "expire" => Command::Expire,
            "delete-group" => {
                Command::DeleteGroup(DeleteGroup { node_group: NodeGroup::new(self.get(1)).unwrap() })
            }
            "stats" => Command::Stats(Stats { groups: vec![self.group_sample()], ..Stats::default() }),
            "sample" => Command::Stats(Stats { trackers: vec![self.tracker_sample()], ..Stats::default() }),
            "node-sample" => {
                Command::Stats(Stats { jobtrackers: vec![self.jobtracker_sample()], ..Stats::default() })
            }
            "limits" => Command::SetLimits(SetLimits {
                limits: self.limits(limits),
                instead_of: self.span("if-window").map(|request_window| Limits { request_window, ..limits }),
            }),
            "heard" => Command::FeedbackHeard(FeedbackHeard {
                client_group: parse(self.get(1)),
                runs: list(self.get(2)),
            }),
            "unheard" => Command::FeedbackFailed(self.unheard()),
            "tell-again" => Command::FeedbackRetry(FeedbackRetry {
                client_group: parse(self.get(1)),
                which: self.which_feedback(),
            }),
            "drop-feedback" => Command::FeedbackDrop(FeedbackDrop {
                client_group: parse(self.get(1)),
                which: self.which_feedback(),
            }),
            "raise" => self.alarm(AlarmState::Raised(self.reading())),
            "recover" => self.alarm(AlarmState::Recovered),
            "told" => Command::AlarmsTold(AlarmsTold { told: vec![self.told()] }),
            "silence" => Command::SilenceAlarm(self.silence()),
            verb => panic!("{verb:?} is no verb"),
        }
    }

    fn on_job(&self) -> OnJob {
        let expected_revision = self.number("expect").unwrap_or_default();
        OnJob { request: self.request(), job: self.job(), expected_revision, reason: self.reason() }
    }

    /// A node group can be resumed, too.
    fn is_about_a_job(&self) -> bool {
        self.get(1).contains('/') || self.get(1).parse::<JobId>().is_ok()
    }

    fn reason(&self) -> String {
        self.option("why").unwrap_or_default().to_owned()
    }

    fn job(&self) -> JobRef {
        match self.get(1).split_once('/') {
            Some((group, task)) => JobRef::Key(NodeGroup::new(group).unwrap(), TaskId::new(task).unwrap()),
            None => JobRef::Id(parse(self.get(1))),
        }
    }

    /// `unheard shop 2.0/0 attempt=1 error=boom`: a handler failed.
    fn unheard(&self) -> FeedbackFailed {
        let error = self.option("error").unwrap_or_default();
        let error = error.split_once('*').map_or(error.into(), |(text, times)| text.repeat(parse(times)));
        let failure =
            |run| FeedbackFailure { run, attempt: self.number("attempt").unwrap_or(1), error: error.clone() };
        let failures = list(self.get(2)).into_iter().map(failure).collect();
        FeedbackFailed { client_group: parse(self.get(1)), failures }
    }

    fn which_feedback(&self) -> FeedbackWhich {
        match self.get(2) {
            "dead" => FeedbackWhich::Dead,
            "pending" => FeedbackWhich::Pending,
            runs => FeedbackWhich::Runs(list(runs)),
        }
    }

    /// `submit t1 trade at=5000 , t2 trade`: jobs between commas.
    fn jobs(&self) -> Vec<Arc<JobSpec>> {
        let jobs = self.all[1..].split(|word| *word == ",");
        jobs.map(|all| Arc::new(Words { all: all.to_vec(), names: self.names }.spec())).collect()
    }

    fn spec(&self) -> JobSpec {
        let (task, group) = (TaskId::new(self.get(0)).unwrap(), NodeGroup::new(self.get(1)).unwrap());
        let mut spec = JobSpec::new(group, task, Kind::new(self.option("kind").unwrap_or("k")).unwrap());
        spec.payload = Bytes::copy_from_slice(self.option("payload").unwrap_or_default().as_bytes());
        spec.priority = self.number("priority").unwrap_or(spec.priority);
        spec.schedule = self.schedule();
        spec.retry.retries_max = self.number("retries").unwrap_or_default();
        spec.retry.backoff = Backoff::Fixed(self.span("delay").unwrap_or(Millis::from_secs(30)));
        spec.start_deadline = self.span("deadline");
        spec.submit_node_group = self.option("feedback").map(parse);
        spec.need_feedback = spec.submit_node_group.is_some();
        spec.rely_on_previous_cycle = !self.has("norely");
        spec.misfire_after = self.span("misfire_after").unwrap_or(spec.misfire_after);
        spec.misfire = match self.option("misfire") {
            Some("skip") => MisfirePolicy::Skip,
            Some("once") | None => MisfirePolicy::RunOnceLate,
            Some(n) => MisfirePolicy::CatchUp(parse(n)),
        };
        spec.on_conflict = match (self.has("replace"), self.has("reject")) {
            (true, _) => OnConflict::Replace,
            (_, true) => OnConflict::Reject,
            (false, false) => OnConflict::Ignore,
        };
        spec
    }

    fn schedule(&self) -> Schedule {
        if let Some(at) = self.time("at") {
            return Schedule::TriggerTime(at);
        }
        if let Some(interval) = self.span("every") {
            let (count, first) = (self.number("count"), self.time("first"));
            return Schedule::Repeat(RepeatSchedule { interval, count, first });
        }
        if self.has("cron") {
            let (expression, time_zone) = ("* * * * * ?".into(), "UTC".into());
            return Schedule::Cron(CronSchedule { expression, time_zone, dst: DstRule::Auto });
        }
        Schedule::RealTime
    }

    /// `update 1.0 rev=1 priority=5 at=9000`: the options of a submit, and `-` clears what can be cleared.
    fn update(&self, request: RequestKey) -> Update {
        let span = |name| self.option(name).map(|text| (text != "-").then(|| Millis::new(parse(text))));
        let schedule = match () {
            () if self.has("now") => Some(SchedulePatch::RealTime),
            () if self.option("at").is_some() => self.time("at").map(SchedulePatch::TriggerTime),
            () if self.option("cron").is_some() || self.option("zone").is_some() => {
                let text = |name| self.option(name).map(str::to_owned);
                Some(SchedulePatch::Cron { expression: text("cron"), time_zone: text("zone"), dst: None })
            }
            () if ["every", "count", "first"].iter().any(|name| self.option(name).is_some()) => {
                let count = self.option("count").map(|text| (text != "-").then(|| parse(text)));
                let (interval, first) = (self.span("every"), self.time("first").map(Some));
                Some(SchedulePatch::Repeat { interval, count, first })
            }
            () => None,
        };
        let params = self.option("param").map(|text| match text.split_once(':') {
            Some((name, value)) => [(name.to_owned(), value.to_owned())].into(),
            None => BTreeMap::new(),
        });
        let feedback = self.option("feedback");
        let patch = JobPatch {
            node_group: self.option("group").map(|group| NodeGroup::new(group).unwrap()),
            kind: self.option("kind").map(|kind| Kind::new(kind).unwrap()),
            payload: self.option("payload").map(|text| Bytes::copy_from_slice(text.as_bytes())),
            params,
            priority: self.number("priority"),
            schedule,
            retries_max: self.number("retries"),
            backoff: self.span("delay").map(Backoff::Fixed),
            run_timeout: span("timeout"),
            start_deadline: span("deadline"),
            rely_on_previous_cycle: (self.has("norely") || self.has("rely")).then(|| self.has("rely")),
            misfire: self.option("misfire").map(|_| self.spec_words().misfire),
            misfire_after: self.span("misfire_after"),
            need_feedback: feedback.map(|group| group != "none"),
            submit_node_group: feedback.map(|group| NodeGroup::new(group).ok().filter(|_| group != "none")),
            ..JobPatch::default()
        };
        let patch = (!self.has("refused")).then(|| Box::new(patch));
        Update {
            request,
            job: self.job(),
            expected_revision: self.number("rev").unwrap_or(0),
            patch,
            reason: self.reason(),
        }
    }

    /// A submit's options, of a job whose names do not matter.
    fn spec_words(&self) -> JobSpec {
        Words { all: [&["any", "any"], self.all.as_slice()].concat(), names: self.names }.spec()
    }

    /// `pause trade ann disk`, `drain w1 trade ann disk leave`, `slots w1 trade 4`.
    fn held(&self) -> Command {
        let group = |i| NodeGroup::new(self.get(i)).unwrap();
        let identity = || Identity::new(self.get(1)).unwrap();
        let text = |i: usize| self.all.get(i).map(|word| (*word).to_owned()).unwrap_or_default();
        match self.get(0) {
            "pause" => Command::PauseQueue(PauseQueue { node_group: group(1), by: text(2), reason: text(3) }),
            "resume" => Command::ResumeQueue(ResumeQueue { node_group: group(1) }),
            "drain" => Command::Drain(Drain {
                node_group: group(2),
                identity: identity(),
                by: text(3),
                reason: text(4),
                leave: self.has("leave"),
            }),
            "undrain" => Command::Undrain(Undrain { node_group: group(2), identity: identity() }),
            _ => {
                let slots = Some(self.get(3)).filter(|text| *text != "-").map(parse);
                Command::SetSlots(SetSlots { node_group: group(2), identity: identity(), slots })
            }
        }
    }

    fn online(&self) -> TrackerOnline {
        TrackerOnline {
            node_group: NodeGroup::new(self.get(2)).unwrap(),
            identity: Identity::new(self.get(1)).unwrap(),
            start: self.number("start").unwrap_or(1),
            capacity: parse(self.get(3)),
            kinds: list(self.option("kinds").unwrap_or_default()),
            holds: list(self.option("holds").unwrap_or_default()),
        }
    }

    fn offline(&self) -> TrackerOffline {
        let reason = match self.get(2) {
            "silent" => OfflineReason::Silent,
            "left" => OfflineReason::Left,
            "replaced" => OfflineReason::Replaced,
            reason => panic!("{reason:?} is no reason to be offline"),
        };
        TrackerOffline { session: self.session(self.get(1)), reason }
    }

    /// `complete 4.0 success , 5.0 later after=100`: results between commas.
    fn complete(&self) -> Complete {
        let results = self.all[1..].split(|word| *word == ",");
        let one = |all: &[&'a str]| Words { all: all.to_vec(), names: self.names }.completion();
        Complete { results: results.map(one).collect() }
    }

    fn completion(&self) -> Completion {
        let execution = parse(self.get(0));
        let run = self.option("of").map(parse).or_else(|| self.names.runs.get(&execution).copied());
        let action = match self.get(1) {
            "success" => Action::ExecuteSuccess,
            "failed" => Action::ExecuteFailed,
            "later" => Action::ExecuteLater,
            "exception" => Action::ExecuteException,
            action => panic!("{action:?} is no action"),
        };
        let result = Bytes::copy_from_slice(self.option("result").unwrap_or_default().as_bytes());
        let error = self.option("error").unwrap_or_default().to_owned();
        let outcome = Outcome { action, result, error, retry_after: self.span("after") };
        Completion { execution, run: run.unwrap_or_default(), outcome, resent: self.has("resent") }
    }

    fn reclaim(&self) -> Reclaim {
        let reason = match self.all.get(2) {
            Some(&"timed-out") => ReclaimReason::TimedOut,
            Some(&"silent") => ReclaimReason::TrackerSilent,
            Some(&"unknown") | None => ReclaimReason::Unknown,
            Some(reason) => panic!("{reason:?} is no reason to reclaim"),
        };
        Reclaim { executions: list(self.get(1)), reason }
    }

    /// `2000..4000*3`.
    fn range(&self, name: &str) -> Option<SkippedRange> {
        let (range, count) = self.option(name)?.split_once('*').unwrap();
        let (first, last) = range.split_once("..").unwrap();
        let time = |text| Timestamp::from_millis(parse(text));
        Some(SkippedRange { first: time(first), last: time(last), count: parse(count) })
    }

    /// `plan 1.0 rev=1 after=1000 skip=2000..4000*3 instants=5000,6000 ended`; after a resume at 9000 also
    /// `resumed=9000 suspended=7000..9000*3`.
    fn plan(&self) -> JobPlan {
        let instants = list(self.option("instants").unwrap_or_default());
        JobPlan {
            job: parse::<JobId>(self.get(1)),
            revision: self.number("rev").unwrap_or(1),
            after: self.time("after").unwrap(),
            resumed: self.time("resumed"),
            suspended: self.range("suspended"),
            skipped: self.range("skip"),
            instants: instants.into_iter().map(Timestamp::from_millis).collect(),
            ended: self.has("ended"),
        }
    }

    /// `log 4.0 from=0 one two x*70000`: a word a line, or a long one.
    fn lines(&self) -> ExecutionLines {
        let texts = self.all[2..].iter().filter(|word| !word.contains('='));
        let line = |text: &&str| BizLogLine {
            at: Timestamp::from_millis(7),
            level: BizLogLevel::Info,
            text: match text.split_once('*') {
                Some((text, times)) => text.repeat(parse(times)),
                None => (*text).to_owned(),
            },
        };
        let (execution, first) = (parse(self.get(1)), self.number("from").unwrap_or_default());
        ExecutionLines { execution, first, lines: texts.map(line).collect() }
    }

    /// `raise backlog_age trade value=7`.
    fn alarm(&self, to: AlarmState) -> Command {
        let (rule, subject) = (parse(self.get(1)), parse(self.get(2)));
        Command::SetAlarms(SetAlarms { changes: vec![AlarmChange { rule, subject, to }] })
    }

    fn reading(&self) -> AlarmReading {
        let value = self.number("value").unwrap_or(1);
        AlarmReading { severity: AlarmSeverity::Critical, value, threshold: 1, text: String::new() }
    }

    /// `told backlog_age trade 3.0 ops raised`.
    fn told(&self) -> AlarmTold {
        let (rule, subject) = (parse::<AlarmRule>(self.get(1)), parse::<AlarmSubject>(self.get(2)));
        let target = parse::<AlarmTarget>(self.get(4));
        let news = if self.get(5) == "raised" { AlarmNews::Raised } else { AlarmNews::Recovered };
        AlarmTold { rule, subject, id: parse(self.get(3)), target, news }
    }

    /// `silence backlog_age trade until=5000`; `*` for the whole rule, no time ends it.
    fn silence(&self) -> SilenceAlarm {
        let subject = Some(self.get(2)).filter(|subject| *subject != "*").map(parse);
        let by = Identity::new("somebody").unwrap();
        SilenceAlarm { rule: parse(self.get(1)), subject, until: self.time("until"), by }
    }

    fn limits(&self, now: Limits) -> Limits {
        Limits {
            reclaims_max: self.number("reclaims").unwrap_or(now.reclaims_max),
            request_window: self.span("window").unwrap_or(now.request_window),
            finished_kept: self.span("kept").unwrap_or(now.finished_kept),
            finished_runs_max: self.number("runs").unwrap_or(now.finished_runs_max),
            offline_kept: self.span("offline").unwrap_or(now.offline_kept),
            client_kept: self.span("clients").unwrap_or(now.client_kept),
            biz_log_bytes_max: self.number("biz").unwrap_or(now.biz_log_bytes_max),
            feedback_max: self.number("feedback").unwrap_or(now.feedback_max),
            feedback_kept: self.span("unheard").unwrap_or(now.feedback_kept),
            feedback_tries_max: self.number("tries").unwrap_or(now.feedback_tries_max),
            job_log_kept: self.span("log").unwrap_or(now.job_log_kept),
            job_log_bytes_max: self.number("logbytes").unwrap_or(now.job_log_bytes_max),
            node_events_kept: self.span("events").unwrap_or(now.node_events_kept),
            node_events_max: self.number("eventsmax").unwrap_or(now.node_events_max),
            stats_kept: self.span("stats").unwrap_or(now.stats_kept),
            stats_rows_max: self.number("rows").unwrap_or(now.stats_rows_max),
        }
    }

    /// `stats trade ready=3 oldest=500 wait=10,20 run=7 late=10`: what a leader gathered of a node group.
    fn group_sample(&self) -> GroupSample {
        let count = |name| self.number(name).unwrap_or_default();
        let spans = |name| {
            let mut spans = Histogram::default();
            let all = self.option(name).map(list::<u64>).unwrap_or_default();
            all.into_iter().for_each(|span| spans.add(Millis::new(span)));
            spans
        };
        GroupSample {
            node_group: NodeGroup::new(self.get(1)).unwrap(),
            waiting: count("waiting"),
            ready: count("ready"),
            executing: count("executing"),
            oldest_ready: Millis::new(count("oldest")),
            wait: spans("wait"),
            run: spans("run"),
            cron_lateness: spans("late"),
        }
    }

    /// `sample w1 trade 60000 success=3 running=1`: what a TaskTracker tells of a minute.
    fn tracker_sample(&self) -> TrackerSample {
        let count = |name| self.number(name).unwrap_or_default();
        let stats = TrackerStats {
            exe_success: count("success"),
            exe_later: count("later"),
            running_time: Millis::new(count("time")),
            running: count("running"),
            process: ProcessStats { memory_bytes: count("memory"), ..ProcessStats::default() },
            ..TrackerStats::default()
        };
        TrackerSample {
            minute: Timestamp::from_millis(parse(self.get(3))),
            node_group: NodeGroup::new(self.get(2)).unwrap(),
            identity: Identity::new(self.get(1)).unwrap(),
            stats,
        }
    }

    fn jobtracker_sample(&self) -> JobTrackerSample {
        let stats = JobTrackerStats {
            sst_bytes: self.number("sst").unwrap_or_default(),
            ..JobTrackerStats::default()
        };
        JobTrackerSample { name: Identity::new(self.get(1)).unwrap(), stats }
    }
}
