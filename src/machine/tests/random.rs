//! Random commands, to the machine, to the model, and to a machine that lives on a disk and is dropped now and then.
//!
//! `RAFTSMAN_SEED=7` replays one seed, `RAFTSMAN_SEEDS=5000` plays more. The rare things that were reached are counted,
//! and a run that did not reach them fails: it would have proved nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::ops::Bound;
use std::sync::Arc;

use super::alarm_model;
use super::memory_base::MemoryBase;
use super::model::{Model, Next, State};
use super::tally;
use crate::domain::{
    Action, AlarmRule, AlarmSeverity, AlarmSubject, AlarmTarget, Backoff, BizLogLevel, BizLogLine, ClientId,
    CronSchedule, DstRule, ExecutionId, Identity, JobId, JobPatch, JobSpec, Kind, Millis, MisfirePolicy,
    NodeGroup, OnConflict, Outcome, Position, RepeatSchedule, RequestId, RetryPolicy, RunId, Schedule,
    SchedulePatch, SessionId, TaskId, Timestamp,
};
use crate::machine::alarm::{AlarmNews, AlarmReading};
use crate::machine::command::{
    AlarmChange, AlarmState, AlarmTold, AlarmsTold, BizLog, Cancel, ClientOpen, Command, Complete,
    Completion, DeleteGroup, Dispatch, Drain, ExecutionLines, FeedbackDrop, FeedbackFailed, FeedbackFailure,
    FeedbackHeard, FeedbackRetry, FeedbackWhich, Fingerprint, GroupSample, JobPlan, JobRef, JobTrackerSample,
    LogEntry, OfflineReason, OnJob, PauseQueue, Plan, Reclaim, ReclaimReason, RequestKey, ResumeQueue, Retry,
    RetryOf, Return, SetAlarms, SetLimits, SetSlots, SilenceAlarm, SkippedRange, Stats, Submit, Terminate,
    TrackerOffline, TrackerOnline, TrackerSample, Undrain, Update,
};
use crate::machine::limits::Limits;
use crate::machine::reply::Reply;
use crate::machine::row::{FeedbackState, LiveState, NodeEvent, Rhythm, Row};
use crate::machine::{Key, Layer, Machine, NoBase};

const SEEDS: u64 = 32;
const STEPS: usize = 550;
/// The calendar of all cron jobs: an instant each this many milliseconds.
const PERIOD: u64 = 700;

/// How often each rare thing must have happened in a run of all seeds.
const RARE: &[(&str, u64)] = &[
    ("stale completion", 200),
    ("completed again", 100),
    ("dead", 100),
    ("dead by reclaims", 40),
    ("reclaimed", 200),
    ("returned", 100),
    ("taken over", 20),
    ("replaced while executing", 40),
    ("stalled", 50),
    ("decided without a plan", 5),
    ("misfired", 100),
    ("previous still live", 100),
    ("range extended", 100),
    ("next cycle before retry", 15),
    ("deadline passed", 50),
    ("request again", 50),
    ("request too old", 100),
    ("another request under the same key", 50),
    ("plan refused", 50),
    ("terminated", 20),
    ("updated", 100),
    ("updated while executing", 30),
    ("updated while ready", 20),
    ("rescheduled", 20),
    ("moved to another group", 4),
    ("update conflicts", 20),
    ("update of an ended job", 15),
    ("key taken by another job", 5),
    ("a retry takes a newer revision", 20),
    ("dispatch in a paused group", 20),
    ("dispatch to a drained TaskTracker", 20),
    ("slots changed", 15),
    ("retried by hand", 25),
    ("expired", 300),
    ("feedback heard", 100),
    ("failed feedback again", 20),
    ("feedback dropped", 20),
    ("dead letter", 20),
    ("dead letter dropped", 2),
    ("feedback told again by hand", 15),
    ("feedback expired", 20),
    ("no feedback of what never ran", 50),
    ("suspended", 20),
    ("held", 10),
    ("resumed", 10),
    ("suspended instants", 10),
    ("no retry of a suspended job", 3),
    ("triggered", 5),
    ("triggered early", 3),
    ("deleted", 5),
    ("another revision", 10),
    ("replaced session", 20),
    ("event forgotten", 20),
    ("group in use", 5),
    ("group deleted", 1),
    ("opened from disk", 100),
    ("replayed entries", 500),
    ("read through three layers", 100),
    ("time went back", 50),
    ("series forgotten", 100),
];

#[test]
fn machine_model_and_disk_agree_on_random_commands() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("RAFTSMAN_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("RAFTSMAN_SEEDS").unwrap_or(SEEDS),
    };
    let all = seeds.clone().count() as u64 >= SEEDS;
    let mut rare = BTreeMap::<&str, u64>::new();
    for seed in seeds {
        println!("seed {seed}: replay it with RAFTSMAN_SEED={seed}");
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.compare();
        world.model.rare.iter().for_each(|(what, count)| *rare.entry(what).or_default() += count);
    }
    println!("reached: {rare:#?}");
    let missed: Vec<_> =
        RARE.iter().filter(|(what, least)| rare.get(what).copied().unwrap_or_default() < *least).collect();
    assert!(!all || missed.is_empty(), "too rare: {missed:?} of {rare:?}");
}

/// splitmix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len() as u64) as usize].clone()) }
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

struct World {
    chance: Chance,
    /// Of their own, since alarms meet nothing else.
    alarm_chance: Chance,
    at: u64,
    memory: Machine,
    model: Model,
    disk: Disk,
    log: Vec<(u64, LogEntry)>,
    /// Every execution that there was, with its run.
    executions: Vec<(ExecutionId, RunId)>,
}

/// A machine whose layers go to disk late and that is sometimes opened anew.
struct Disk {
    machine: Machine,
    base: Arc<MemoryBase>,
    sealed: VecDeque<Arc<Layer>>,
}

impl World {
    fn new(seed: u64) -> World {
        let base = Arc::new(MemoryBase::default());
        let machine = Machine::open(Arc::clone(&base) as _).unwrap();
        World {
            chance: Chance(seed),
            alarm_chance: Chance(!seed),
            at: 1_000_000,
            memory: Machine::open(Arc::new(NoBase)).unwrap(),
            model: Model::default(),
            disk: Disk { machine, base, sealed: VecDeque::new() },
            log: Vec::new(),
            executions: Vec::new(),
        }
    }

    fn step(&mut self) {
        self.time_passes();
        let mut commands = self.commands();
        if self.alarm_chance.one_in(8) {
            // First, since the model does not count the ids of the job log's lines.
            commands.insert(0, self.alarm());
        }
        let entry = LogEntry { at: Timestamp::from_millis(self.at), commands };
        let index = self.memory.applied_index() + 1 + self.chance.below(2);
        let replies = self.memory.apply(index, &entry).unwrap().replies;
        let expected = self.model.apply(index, &entry);
        assert_eq!(replies, expected, "machine and model, after {index}: {entry:#?}");
        assert_eq!(
            self.disk.machine.apply(index, &entry).unwrap().replies,
            replies,
            "on disk, after {entry:?}"
        );
        assert_eq!(self.disk.machine.digest(), self.memory.digest(), "after {entry:?}");
        for reply in &replies {
            if let Reply::Dispatched(dispatched) = reply {
                self.executions.extend(dispatched.pushes.iter().map(|push| (push.execution, push.run)));
            }
        }
        self.log.push((index, entry));
        self.disk_works();
        if self.chance.one_in(16) {
            self.compare();
        }
    }

    fn rare(&mut self, what: &'static str, count: u64) {
        *self.model.rare.entry(what).or_default() += count;
    }

    fn time_passes(&mut self) {
        match self.chance.below(60) {
            0 => self.at += self.chance.below(600_000),
            1 | 2 => {
                self.at -= self.chance.below(3000);
                self.rare("time went back", 1);
            }
            3..=13 => self.at += self.chance.below(5000),
            14..=40 => self.at += self.chance.below(400),
            _ => {}
        }
    }

    /// Seals, flushes, and now and then loses all that was not flushed.
    fn disk_works(&mut self) {
        let disk = &mut self.disk;
        if self.chance.one_in(3) {
            disk.sealed.extend(disk.machine.seal());
        }
        if disk.machine.sealed_layers() >= 2 {
            *self.model.rare.entry("read through three layers").or_default() += 1;
        }
        if self.chance.one_in(4)
            && let Some(layer) = disk.sealed.pop_front()
        {
            disk.base.write(&layer);
            disk.machine.flushed(&layer);
        }
        if self.chance.one_in(40) {
            self.open_again();
        }
    }

    fn open_again(&mut self) {
        let disk = &mut self.disk;
        disk.sealed.clear();
        disk.machine = Machine::open(Arc::clone(&disk.base) as _).unwrap();
        let durable = disk.machine.applied_index();
        let lost: Vec<_> = self.log.iter().filter(|(index, _)| *index > durable).collect();
        let replayed = lost.len() as u64;
        lost.into_iter().for_each(|(index, entry)| drop(disk.machine.apply(*index, entry).unwrap()));
        assert_eq!(disk.machine.digest(), self.memory.digest(), "opened at {durable} and replayed");
        self.rare("opened from disk", 1);
        self.rare("replayed entries", replayed);
    }

    fn compare(&self) {
        for machine in [&self.memory, &self.disk.machine] {
            let broken: Vec<String> = machine.check().unwrap().iter().map(ToString::to_string).collect();
            assert!(broken.is_empty(), "{broken:#?}, after {:#?}", self.log.last());
        }
        assert_eq!(rows(&self.disk.machine), rows(&self.memory));
        let (machine, model) = (view_of_machine(&self.memory), view_of_model(&self.model));
        let differ = differing_lines(&machine, &model);
        assert!(differ.is_empty(), "machine and model differ:\n{differ}after {:#?}", self.log.last());
        let (counted, shown) = (tally::of_machine(&self.memory), tally::of_model(&self.model));
        assert_eq!(counted, shown, "counters and what is there, after {:#?}", self.log.last());
        assert_eq!(tally::series_of(&self.memory), self.model.series, "after {:#?}", self.log.last());
    }

    // -- what is asked -----------------------------------------------------------------------------------------------

    fn commands(&mut self) -> Vec<Command> {
        match self.chance.below(108) {
            0..=3 => vec![self.update(), self.dispatch()],
            4..=21 => {
                let submit = self.submit();
                if self.chance.one_in(2) { vec![submit, self.dispatch()] } else { vec![submit] }
            }
            22..=41 => vec![Command::Tick, self.dispatch()],
            42..=57 => vec![self.complete(), self.dispatch()],
            58..=61 => [vec![self.complete()], self.feedback()].concat(),
            62..=67 => vec![self.plan()],
            68..=71 => vec![self.cancel()],
            72..=75 => vec![self.online()],
            76 => vec![self.offline()],
            77..=80 => {
                let (executions, began) = (self.some_executions(), self.chance.one_in(2));
                vec![Command::Return(Return { executions, began })]
            }
            81 | 82 => vec![self.reclaim()],
            83..=85 => vec![self.terminate()],
            86..=88 => vec![self.retry()],
            // The model has no budget, so the machine gets enough of them.
            89 | 90 => vec![Command::Expire; 8],
            91 => vec![self.limits()],
            92 => vec![self.held(), self.held(), self.dispatch()],
            93 => vec![Command::ClientOpen(ClientOpen { identity: Identity::new("c").unwrap() })],
            94 => self.delete_group(),
            95 => vec![self.biz_log()],
            96 => vec![self.stats()],
            97..=100 => vec![Command::Suspend(self.on_job())],
            101 => vec![Command::Trigger(self.on_job())],
            102 => vec![self.resume()],
            103 if self.chance.one_in(2) => vec![Command::Delete(self.on_job())],
            103 => vec![self.resume()],
            104 => self.feedback(),
            _ => {
                vec![Command::Tick, self.plan(), Command::Tick, self.dispatch(), self.cancel(), self.submit()]
            }
        }
    }

    fn request(&mut self) -> RequestKey {
        let clients: Vec<ClientId> = self.model.clients.keys().copied().collect();
        match (self.chance.below(6), self.chance.pick(&clients)) {
            (0, _) => {
                let id = format!("r{}", self.chance.below(20));
                RequestKey::Id { id: RequestId::new(id).unwrap(), asks: self.asks() }
            }
            (1..=3, Some(client)) => {
                let high = self.log.len() as u64;
                let sequence = match self.chance.below(20) {
                    0 => high + 3000,
                    1..=6 => self.chance.below(high + 1),
                    _ => high,
                };
                RequestKey::Session { client, sequence, asks: self.asks() }
            }
            (4, _) if self.chance.one_in(9) => {
                RequestKey::Session { client: ClientId(Position::new(9, 9)), sequence: 1, asks: self.asks() }
            }
            _ => RequestKey::None,
        }
    }

    /// One of few, so that the same key comes with the same request and with another.
    fn asks(&mut self) -> Fingerprint {
        Fingerprint::of("call", &[u8::from(self.chance.one_in(2))])
    }

    fn submit(&mut self) -> Command {
        let jobs = (0..=self.chance.below(3)).map(|_| Arc::new(self.spec())).collect();
        let refused = (0..3).filter(|_| self.chance.one_in(9)).collect();
        Command::Submit(Submit { request: self.request(), jobs, refused })
    }

    fn spec(&mut self) -> JobSpec {
        let chance = &mut self.chance;
        let task = TaskId::new(format!("t{}", chance.below(12))).unwrap();
        let mut spec = JobSpec::new(group(chance), task, Kind::new(chance.of(&["a", "b"])).unwrap());
        let at = Timestamp::from_millis(self.at);
        spec.schedule = match chance.below(10) {
            0..=3 => Schedule::RealTime,
            4 | 5 => Schedule::TriggerTime(at + Millis::new(chance.below(20_000))),
            6 | 7 => Schedule::Cron(CronSchedule {
                expression: "*".into(),
                time_zone: "UTC".into(),
                dst: DstRule::Auto,
            }),
            _ => Schedule::Repeat(RepeatSchedule {
                interval: Millis::new(300 + chance.below(3000)),
                count: chance.one_in(2).then(|| 1 + chance.below(6)),
                first: chance.one_in(3).then(|| at + Millis::new(chance.below(9000))),
            }),
        };
        spec.priority = chance.of(&[1, 100, 100, 200]);
        let backoff = Backoff::Fixed(Millis::new(chance.below(3000)));
        spec.retry = RetryPolicy { retries_max: chance.of(&[0, 1, 2, 9]), backoff };
        spec.start_deadline = chance.one_in(4).then(|| Millis::new(chance.of(&[300, 5000])));
        spec.rely_on_previous_cycle = chance.one_in(2);
        spec.misfire_after = Millis::new(chance.of(&[1000, 5000, 60_000]));
        spec.misfire =
            chance.of(&[MisfirePolicy::RunOnceLate, MisfirePolicy::Skip, MisfirePolicy::CatchUp(3)]);
        spec.on_conflict = chance.of(&[OnConflict::Ignore, OnConflict::Replace, OnConflict::Reject]);
        spec.submit_node_group = chance.one_in(2).then(|| group(chance));
        spec.need_feedback = spec.submit_node_group.is_some() && !chance.one_in(4);
        spec
    }

    /// Some of what another job would be, often of the right type.
    fn update(&mut self) -> Command {
        let request = self.request();
        let alive = self.model.jobs.iter().filter(|(_, job)| job.is_alive()).map(|(id, _)| *id);
        let alive: Vec<JobId> = alive.collect();
        let job = match self.chance.one_in(5) {
            true => self.job(),
            false => self.chance.pick(&alive).unwrap_or_default(),
        };
        let current = self.model.jobs.get(&job).map(|job| (Arc::clone(&job.spec), job.revision));
        let mut other = self.spec();
        for _ in 0..9 {
            if current.as_ref().is_none_or(|(spec, _)| spec.job_type() == other.job_type()) {
                break;
            }
            other = self.spec();
        }
        let chance = &mut self.chance;
        let schedule = match other.schedule {
            Schedule::RealTime => SchedulePatch::RealTime,
            Schedule::TriggerTime(at) => SchedulePatch::TriggerTime(at),
            Schedule::Cron(_) => {
                let expression = Some(format!("* {}", chance.below(3)));
                SchedulePatch::Cron { expression, time_zone: None, dst: None }
            }
            Schedule::Repeat(it) => SchedulePatch::Repeat {
                interval: chance.one_in(2).then_some(it.interval),
                count: chance.one_in(2).then_some(it.count),
                first: chance.one_in(3).then_some(it.first),
            },
        };
        let tells = chance.one_in(3);
        let patch = JobPatch {
            node_group: chance.one_in(2).then_some(other.node_group),
            kind: chance.one_in(3).then_some(other.kind),
            priority: chance.one_in(2).then_some(other.priority),
            schedule: chance.one_in(2).then_some(schedule),
            retries_max: chance.one_in(3).then_some(other.retry.retries_max),
            start_deadline: chance.one_in(3).then_some(other.start_deadline),
            rely_on_previous_cycle: chance.one_in(3).then_some(other.rely_on_previous_cycle),
            misfire: chance.one_in(4).then_some(other.misfire),
            misfire_after: chance.one_in(4).then_some(other.misfire_after),
            need_feedback: tells.then_some(other.need_feedback),
            submit_node_group: tells.then_some(other.submit_node_group),
            ..JobPatch::default()
        };
        let wrong = chance.one_in(20).then_some(Some(Millis::ZERO));
        let patch = JobPatch { run_timeout: wrong, ..patch };
        let expected_revision = match (current, chance.below(4)) {
            (Some((_, revision)), 0) => revision,
            (_, 1) => chance.below(4) as u32,
            _ => 0,
        };
        let patch = (!chance.one_in(30)).then(|| Box::new(patch));
        let job = match self.chance.one_in(5) {
            true => self.job_by_key(),
            false => JobRef::Id(job),
        };
        Command::Update(Update { request, job, expected_revision, patch, reason: String::new() })
    }

    fn job_by_key(&mut self) -> JobRef {
        let task = TaskId::new(format!("t{}", self.chance.below(12))).unwrap();
        JobRef::Key(group(&mut self.chance), task)
    }

    /// What an operator holds back, or lets go.
    fn held(&mut self) -> Command {
        let known: Vec<(NodeGroup, Identity)> = self.model.trackers.keys().cloned().collect();
        let chance = &mut self.chance;
        let stranger = (group(chance), Identity::new("w9").unwrap());
        let (node_group, identity) = chance.pick(&known).unwrap_or(stranger);
        let (by, reason) = ("ann".to_owned(), "why".to_owned());
        match chance.below(48) {
            0 => Command::PauseQueue(PauseQueue { node_group: group(chance), by, reason }),
            1..=13 => Command::ResumeQueue(ResumeQueue { node_group: group(chance) }),
            14 => Command::Drain(Drain { node_group, identity, by, reason, leave: chance.one_in(2) }),
            15..=29 => Command::Undrain(Undrain { node_group, identity }),
            30 => Command::Undrain(Undrain { node_group, identity: Identity::new("w9").unwrap() }),
            _ => {
                let slots = (!chance.one_in(3)).then(|| chance.below(7) as u32);
                Command::SetSlots(SetSlots { node_group, identity, slots })
            }
        }
    }

    fn session(&mut self) -> SessionId {
        let sessions: Vec<SessionId> = self.model.trackers.values().map(|it| it.session).collect();
        self.chance.pick(&sessions).unwrap_or_default()
    }

    fn dispatch(&mut self) -> Command {
        Command::Dispatch(Dispatch { session: self.session(), want: self.chance.below(6) as u32 })
    }

    fn executing(&self) -> Vec<(ExecutionId, RunId)> {
        let mut executing = Vec::new();
        for (job, it) in &self.model.jobs {
            for (number, run) in &it.runs {
                if let State::Executing(execution, _) = run.state {
                    executing.push((execution, RunId { job: *job, number: *number }));
                }
            }
        }
        executing
    }

    /// Mostly a current one, sometimes one of long ago, rarely one of nobody.
    fn execution(&mut self) -> (ExecutionId, RunId) {
        let from = if self.chance.one_in(4) { self.executions.clone() } else { self.executing() };
        self.chance.pick(&from).unwrap_or_default()
    }

    fn some_executions(&mut self) -> Vec<ExecutionId> {
        (0..=self.chance.below(2)).map(|_| self.execution().0).collect()
    }

    fn complete(&mut self) -> Command {
        let results = (0..=self.chance.below(4)).map(|_| {
            let (execution, run) = self.execution();
            let chance = &mut self.chance;
            use Action::{ExecuteException, ExecuteFailed, ExecuteLater, ExecuteSuccess};
            let action =
                chance.of(&[ExecuteSuccess, ExecuteSuccess, ExecuteFailed, ExecuteLater, ExecuteException]);
            let retry_after = chance.one_in(4).then(|| Millis::new(chance.below(900)));
            let outcome = Outcome { action, result: bytes::Bytes::new(), error: String::new(), retry_after };
            Completion { execution, run, outcome, resent: chance.one_in(4) }
        });
        Command::Complete(Complete { results: results.collect() })
    }

    fn job_ref(&mut self) -> JobRef {
        let task = TaskId::new(format!("t{}", self.chance.below(12))).unwrap();
        match self.chance.one_in(2) {
            true => JobRef::Id(self.job()),
            false => JobRef::Key(group(&mut self.chance), task),
        }
    }

    fn on_job(&mut self) -> OnJob {
        let (request, job) = (self.request(), self.job_ref());
        let expected_revision = self.chance.of(&[0, 0, 0, 0, 1, 2]);
        OnJob { request, job, expected_revision, reason: String::new() }
    }

    /// Mostly of a job that is suspended, so that more than its state is met.
    fn resume(&mut self) -> Command {
        let resting: Vec<JobId> =
            self.model.jobs.iter().filter(|(_, job)| job.suspended).map(|(id, _)| *id).collect();
        let mut act = self.on_job();
        if let Some(job) = self.chance.pick(&resting).filter(|_| !self.chance.one_in(4)) {
            act.job = JobRef::Id(job);
        }
        Command::Resume(act)
    }

    fn cancel(&mut self) -> Command {
        let (request, job) = (self.request(), self.job_ref());
        Command::Cancel(Cancel { request, job, reason: String::new() })
    }

    fn job(&mut self) -> JobId {
        let jobs: Vec<JobId> = self.model.jobs.keys().copied().collect();
        self.chance.pick(&jobs).unwrap_or_default()
    }

    fn run(&mut self) -> RunId {
        let job = self.job();
        RunId { job, number: self.chance.below(4) }
    }

    fn terminate(&mut self) -> Command {
        let run = if self.chance.one_in(3) { self.run() } else { self.execution().1 };
        Command::Terminate(Terminate { request: self.request(), run, reason: String::new() })
    }

    fn retry(&mut self) -> Command {
        let of = match self.chance.one_in(5) {
            true => RetryOf::LastDead(self.job_ref()),
            false => RetryOf::Run(self.run()),
        };
        Command::Retry(Retry { of, request: self.request(), reason: String::new() })
    }

    fn online(&mut self) -> Command {
        let holds = self.some_executions();
        let chance = &mut self.chance;
        let idle = || NodeGroup::new("idle").unwrap();
        Command::TrackerOnline(TrackerOnline {
            node_group: if chance.one_in(15) { idle() } else { group(chance) },
            identity: Identity::new(chance.of(&["w1", "w2", "w3"])).unwrap(),
            start: chance.below(3),
            capacity: chance.of(&[0, 1, 3, 9, 9]),
            kinds: if chance.one_in(3) { vec![Kind::new("a").unwrap()] } else { Vec::new() },
            holds,
        })
    }

    fn offline(&mut self) -> Command {
        Command::TrackerOffline(TrackerOffline { session: self.session(), reason: OfflineReason::Silent })
    }

    fn reclaim(&mut self) -> Command {
        use ReclaimReason::{TimedOut, TrackerSilent, Unknown};
        let reason = self.chance.of(&[Unknown, Unknown, TrackerSilent, TimedOut]);
        Command::Reclaim(Reclaim { executions: self.some_executions(), reason })
    }

    fn limits(&mut self) -> Command {
        let chance = &mut self.chance;
        let minute = Millis::from_secs(60);
        let limits = Limits {
            reclaims_max: chance.of(&[0, 1, 2, 5, 2000]),
            finished_kept: Millis::new(chance.of(&[5000, 60_000, 9_000_000])),
            request_window: minute,
            client_kept: minute,
            offline_kept: minute,
            feedback_max: chance.of(&[0, 2, 5, 100]),
            feedback_kept: Millis::new(chance.of(&[20_000, 300_000, 9_000_000])),
            feedback_tries_max: chance.of(&[1, 2, 3, 20]),
            job_log_kept: Millis::new(chance.of(&[5000, 9_000_000])),
            job_log_bytes_max: chance.of(&[0, 90_000, 1 << 30]),
            node_events_kept: Millis::new(chance.of(&[30_000, 9_000_000])),
            node_events_max: chance.of(&[3, 10, 100]),
            stats_kept: Millis::from_secs(chance.of(&[60, 600, 259_200])),
            stats_rows_max: chance.of(&[3, 10, 1_000_000]),
            ..Limits::default()
        };
        let others = Limits { finished_runs_max: 77, ..limits };
        Command::SetLimits(SetLimits { limits, instead_of: (limits.reclaims_max == 1).then_some(others) })
    }

    /// Of a group's feedback, or of what it never was.
    fn some_feedback(&mut self, group: &NodeGroup) -> Vec<RunId> {
        let of_group = self.model.feedback.get(group);
        let told: Vec<RunId> = of_group.into_iter().flat_map(|it| it.told.keys().copied()).collect();
        let none = self.run();
        (0..=self.chance.below(3)).map(|_| self.chance.pick(&told).unwrap_or(none)).collect()
    }

    fn feedback(&mut self) -> Vec<Command> {
        let told = self.model.feedback.iter().filter(|(_, of)| !of.told.is_empty());
        let told: Vec<NodeGroup> = told.map(|(group, _)| group.clone()).collect();
        let other = group(&mut self.chance);
        let client_group = self.chance.pick(&told).unwrap_or(other);
        let runs = self.some_feedback(&client_group);
        match self.chance.below(9) {
            0..=2 => vec![Command::FeedbackHeard(FeedbackHeard { client_group, runs })],
            3..=5 => {
                let of_group = self.model.feedback.get(&client_group);
                let tries = |run| of_group.and_then(|it| it.told.get(run)).map_or(0, |it| it.tries);
                let attempts: Vec<u32> = runs.iter().map(|run| tries(run) + 1).collect();
                let failure = |(run, attempt): (RunId, u32)| FeedbackFailure {
                    run,
                    attempt: attempt - u32::from(self.chance.one_in(9)),
                    error: "x".into(),
                };
                let failures = runs.into_iter().zip(attempts).map(failure).collect();
                let failed = FeedbackFailed { client_group: client_group.clone(), failures };
                // At the same time, so that nothing of it is due yet.
                let retry = self.chance.one_in(2).then(|| self.feedback_retry_of(client_group));
                [Command::FeedbackFailed(failed)].into_iter().chain(retry).collect()
            }
            6 | 7 => vec![self.feedback_retry()],
            _ => {
                let all = self.chance.one_in(9);
                let which = if all { FeedbackWhich::Dead } else { FeedbackWhich::Runs(runs) };
                vec![Command::FeedbackDrop(FeedbackDrop { client_group, which })]
            }
        }
    }

    /// Mostly of a group that has what may be told again.
    fn feedback_retry(&mut self) -> Command {
        let now = self.model.now;
        let rests = |at: Option<Timestamp>| at.is_none_or(|at| at > now);
        let rest = self.model.feedback.iter().filter(|(_, of)| of.told.values().any(|it| rests(it.next_try)));
        let rest: Vec<NodeGroup> = rest.map(|(group, _)| group.clone()).collect();
        let other = group(&mut self.chance);
        let client_group = self.chance.pick(&rest).unwrap_or(other);
        self.feedback_retry_of(client_group)
    }

    fn feedback_retry_of(&mut self, client_group: NodeGroup) -> Command {
        let runs = self.some_feedback(&client_group);
        let which =
            self.chance.pick(&[FeedbackWhich::Runs(runs), FeedbackWhich::Dead, FeedbackWhich::Pending]);
        Command::FeedbackRetry(FeedbackRetry { client_group, which: which.expect("one of three") })
    }

    /// Mostly a group that is in use; that of an idle TaskTracker when that has left.
    fn delete_group(&mut self) -> Vec<Command> {
        let group = NodeGroup::new(self.chance.of(&["trade", "stock", "idle", "idle", "nobody"])).unwrap();
        let idle = self.model.trackers.iter().find(|((of, _), _)| *of == group && of.as_str() == "idle");
        let leaves = idle.filter(|(_, it)| it.online).map(|(_, it)| {
            Command::TrackerOffline(TrackerOffline { session: it.session, reason: OfflineReason::Left })
        });
        leaves.into_iter().chain([Command::DeleteGroup(DeleteGroup { node_group: group })]).collect()
    }

    fn stats(&mut self) -> Command {
        let now = self.model.now;
        let chance = &mut self.chance;
        let groups = (0..chance.below(3)).map(|_| GroupSample {
            node_group: group(chance),
            waiting: 1,
            ready: 2,
            executing: 3,
            oldest_ready: Millis::new(4),
            wait: Default::default(),
            run: Default::default(),
            cron_lateness: Default::default(),
        });
        let groups = groups.collect();
        let trackers = (0..chance.below(9)).map(|_| {
            let (node_group, identity) = (group(chance), chance.of(&["w1", "w2", "w3"]));
            let minute = now + Millis::new(chance.below(90_000)) - Millis::new(chance.below(2_000_000));
            let identity = Identity::new(identity).unwrap();
            TrackerSample { minute, node_group, identity, stats: Default::default() }
        });
        let trackers = trackers.collect();
        let name = Identity::new(chance.of(&["n1", "n2"])).unwrap();
        let jobtrackers = vec![JobTrackerSample { name, stats: Default::default() }];
        Command::Stats(Stats { groups, trackers, jobtrackers })
    }

    fn alarm(&mut self) -> Command {
        let (at, chance) = (Timestamp::from_millis(self.at), &mut self.alarm_chance);
        let rule = chance.of(&[AlarmRule::DeadRun, AlarmRule::BacklogAge]);
        let subject = AlarmSubject::new(chance.of(&["trade", "stock"])).unwrap();
        let target = AlarmTarget::new(chance.of(&["ops", "mail"])).unwrap();
        match chance.below(6) {
            0 => {
                let subject = chance.one_in(2).then_some(subject);
                let until = chance.one_in(2).then(|| at + Millis::new(chance.below(9_000)));
                let by = Identity::new("c").unwrap();
                Command::SilenceAlarm(SilenceAlarm { rule, subject, until, by })
            }
            1 | 2 => {
                let known = self.model.alarms.id_of(rule, &subject).unwrap_or_default();
                let news = chance.of(&[AlarmNews::Raised, AlarmNews::Recovered]);
                let told = AlarmTold { rule, subject, id: known, target, news };
                Command::AlarmsTold(AlarmsTold { told: vec![told] })
            }
            way => {
                let (value, text) = (chance.below(9) as i64, String::new());
                let reading = AlarmReading { severity: AlarmSeverity::Warning, value, threshold: 5, text };
                let to = if way == 3 { AlarmState::Recovered } else { AlarmState::Raised(reading) };
                Command::SetAlarms(SetAlarms { changes: vec![AlarmChange { rule, subject, to }] })
            }
        }
    }

    fn biz_log(&mut self) -> Command {
        let (execution, _) = self.execution();
        let line = |text: u64| BizLogLine {
            at: Timestamp::ZERO,
            level: BizLogLevel::Info,
            text: "x".repeat(text as usize),
        };
        let lines = (0..self.chance.below(4)).map(|_| line(self.chance.below(40_000))).collect();
        let first = self.chance.below(6);
        Command::BizLog(BizLog { lines: vec![ExecutionLines { execution, first, lines }] })
    }

    /// What the leader's calendar would bring for some job that needs it; sometimes something else.
    fn plan(&mut self) -> Command {
        let needs: Vec<JobId> = self.memory.tables().indexes().needs_plan().collect();
        let jobs = (0..=self.chance.below(3)).filter_map(|_| {
            let job = self.chance.pick(&needs)?;
            let mut plan = self.job_plan(job)?;
            match self.chance.below(20) {
                0 => plan.revision += 1,
                1 => plan.after = plan.after + Millis::new(1),
                2 => plan.instants.reverse(),
                3 => plan.skipped = Some(SkippedRange { first: plan.after, last: plan.after, count: 1 }),
                4 => {
                    plan.skipped =
                        plan.instants.last().map(|at| SkippedRange { first: *at, last: *at, count: 1 })
                }
                5 => plan.resumed = Some(Timestamp::from_millis(self.at)),
                6 => plan.suspended = None,
                _ => {}
            }
            Some(plan)
        });
        Command::Plan(Plan { jobs: jobs.collect() })
    }

    fn job_plan(&mut self, id: JobId) -> Option<JobPlan> {
        let job = self.model.jobs.get(&id)?;
        let (after, resumed) = (job.rhythm.as_ref()?.planned_until(), job.rhythm.as_ref()?.resumed);
        let (now, spec) = (self.model.now, &job.spec);
        let from = resumed.map_or(after, |resumed| resumed.max(after));
        let suspended = (after.as_millis() / PERIOD + 1)..=(from.as_millis() / PERIOD);
        let suspended = (!suspended.is_empty()).then(|| SkippedRange {
            first: Timestamp::from_millis(suspended.start() * PERIOD),
            last: Timestamp::from_millis(suspended.end() * PERIOD),
            count: suspended.end() - suspended.start() + 1,
        });
        let first = from.as_millis() / PERIOD + 1;
        let last = now.as_millis() / PERIOD + 2 + self.chance.below(5);
        let mut instants: Vec<Timestamp> =
            (first..=last).map(|k| Timestamp::from_millis(k * PERIOD)).collect();
        let missed = instants.iter().filter(|at| now.since(**at) > spec.misfire_after).count();
        let kept = match spec.misfire {
            MisfirePolicy::RunOnceLate => 1,
            MisfirePolicy::Skip => 0,
            MisfirePolicy::CatchUp(n) => n as usize,
        };
        let skipped: Vec<Timestamp> = instants.drain(..missed.saturating_sub(kept)).collect();
        let range = skipped.first().zip(skipped.last());
        let count = skipped.len() as u64;
        Some(JobPlan {
            job: id,
            revision: job.planned_by,
            after,
            resumed,
            suspended,
            skipped: range.map(|(first, last)| SkippedRange { first: *first, last: *last, count }),
            instants,
            ended: self.chance.one_in(15),
        })
    }
}

fn group(chance: &mut Chance) -> NodeGroup {
    NodeGroup::new(chance.of(&["trade", "trade", "trade", "stock"])).unwrap()
}

/// Each line of one text that the other has not.
fn differing_lines(machine: &str, model: &str) -> String {
    let only = |a: &str, b: &str, whose| {
        let lines = a.lines().filter(|line| !b.lines().any(|other| other == *line));
        lines.fold(String::new(), |text, line| text + &format!("{whose}: {line}\n"))
    };
    only(machine, model, "machine") + &only(model, machine, "model")
}

/// All rows but the machine's own, which each keeps in its own time.
fn rows(machine: &Machine) -> Vec<(Key, Row)> {
    let end = Key::end();
    let rows = machine.tables().scan(Bound::Included(&Key::Job(JobId::default())), &end);
    rows.map(|row| row.unwrap()).collect()
}

/// Jobs, rhythms, runs and TaskTrackers, as text.
fn view_of_model(model: &Model) -> String {
    let mut text = String::new();
    for (id, job) in &model.jobs {
        let (revision, suspended) = (job.revision, job.suspended);
        writeln!(text, "{id} rev {revision} suspended {suspended} lives {}", job.is_alive()).unwrap();
        if let Some(rhythm) = &job.rhythm {
            let settled = rhythm.settled.as_millis();
            let next = match &rhythm.next {
                Next::Planned { ahead, ended } => {
                    format!("{ahead:?} ended {ended} stalled {} {:?}", rhythm.stalled, rhythm.resumed)
                }
                Next::Grid { next, left, .. } => format!("{next:?} left {left:?}"),
                Next::Stopped { restart } => format!("stopped {restart}"),
            };
            writeln!(text, "  settled {settled} live {} {next}", job.live()).unwrap();
        }
        for (number, run) in &job.runs {
            let state = match &run.state {
                State::Waiting(until) => format!("waiting {until:?}"),
                State::Ready => "ready".into(),
                State::Suspended(until) => format!("suspended {until:?}"),
                State::Executing(execution, session) => format!("executing {execution} {session}"),
                State::Ended(fate, at) => format!("ended {fate:?} {at:?}"),
            };
            let counts = (run.executions, run.retries, run.reclaims);
            let stop = run.stop.filter(|_| run.is_live());
            writeln!(
                text,
                "  {number} {:?} {} {} {counts:?} {stop:?} {state}",
                run.due, run.revision, run.by_hand
            )
            .unwrap();
        }
    }
    for ((group, who), it) in &model.trackers {
        let held = (it.drained, it.slots);
        writeln!(text, "{group}/{who} {} {} {} {held:?}", it.session, it.online, it.capacity).unwrap();
    }
    for (group, it) in model.feedback.iter().filter(|(_, it)| it.made > 0) {
        let gone = (it.heard, it.dropped, it.expired, it.discarded);
        writeln!(text, "feedback {group} {} {} {} {gone:?}", it.made, it.pending(), it.dead()).unwrap();
        for (run, it) in &it.told {
            writeln!(text, "feedback {group} {run} {:?} {} {:?}", it.fate, it.tries, it.next_try).unwrap();
        }
    }
    for (at, (group, who), session, came) in &model.events {
        writeln!(text, "event {at} {group}/{who} {session} came {came}").unwrap();
    }
    text + &format!("paused {:?}\n", model.paused) + &model.alarms.view()
}

/// The same of the machine's rows.
fn view_of_machine(machine: &Machine) -> String {
    let mut jobs = BTreeMap::<JobId, (String, String, BTreeMap<u64, String>)>::new();
    let mut alive = Vec::new();
    let (mut trackers, mut feedback) = (String::new(), String::new());
    let mut paused = BTreeSet::new();
    for (key, row) in rows(machine) {
        match (key, row) {
            (Key::Job(id), Row::Job(row)) => {
                let suspended = row.suspended.is_some();
                jobs.entry(id).or_default().0 = format!("{id} rev {} suspended {suspended}", row.revision)
            }
            (Key::Periodic(id), Row::Periodic(row)) => {
                let next = match &row.rhythm {
                    Rhythm::Planned { ahead, ended, stalled } => {
                        format!("{ahead:?} ended {ended} stalled {stalled} {:?}", row.resumed)
                    }
                    Rhythm::Grid { next, remaining, .. } => format!("{next:?} left {remaining:?}"),
                    Rhythm::Stopped { restart } => format!("stopped {restart}"),
                };
                alive.push(id);
                let settled = row.settled.as_millis();
                jobs.entry(id).or_default().1 = format!("  settled {settled} live {} {next}\n", row.live);
            }
            (Key::Live(run), Row::Live(live)) => {
                alive.push(run.job);
                let state = match &live.state {
                    LiveState::Waiting { until } => format!("waiting {until:?}"),
                    LiveState::Ready { .. } => "ready".into(),
                    LiveState::Suspended { until } => format!("suspended {until:?}"),
                    LiveState::Executing { execution, session, .. } => {
                        format!("executing {execution} {session}")
                    }
                };
                let counts = (live.executions, live.retries, live.reclaims);
                let (due, revision, by_hand, stop) = (live.due, live.revision, live.by_hand, live.stop);
                let text = format!("{due:?} {revision} {by_hand} {counts:?} {stop:?} {state}");
                jobs.entry(run.job).or_default().2.insert(run.number, text);
            }
            (Key::Ledger(run), Row::Ledger(it)) => {
                let counts = (it.executions, it.retries, it.reclaims);
                let state = format!("ended {:?} {:?}", it.fate, it.ended);
                let text = format!("{:?} {} {} {counts:?} None {state}", it.due, it.revision, it.by_hand);
                jobs.entry(run.job).or_default().2.insert(run.number, text);
            }
            (Key::Tracker(group, who), Row::Tracker(it)) => {
                let held = (it.drained.as_ref().map(|drained| drained.leave), it.slots);
                let (session, online) = (it.session, it.is_online());
                writeln!(trackers, "{group}/{who} {session} {online} {} {held:?}", it.capacity).unwrap();
            }
            (Key::FeedbackGroup(group), Row::FeedbackGroup(it)) => {
                let gone = (it.heard, it.dropped, it.expired, it.discarded);
                writeln!(feedback, "feedback {group} {} {} {} {gone:?}", it.made, it.pending, it.dead)
                    .unwrap();
            }
            (Key::Feedback(group, run), Row::Feedback(it)) => {
                let next_try = match it.state {
                    FeedbackState::Pending { next_try } => Some(next_try),
                    FeedbackState::Dead { .. } => None,
                };
                writeln!(feedback, "feedback {group} {run} {:?} {} {next_try:?}", it.fate, it.tries).unwrap();
            }
            (Key::NodeEvent(_), Row::NodeEvent(it)) => {
                let (group, came) = (it.node_group.unwrap(), it.event == NodeEvent::Online);
                let session = SessionId::from_u64(it.id);
                writeln!(trackers, "event {} {group}/{} {session} came {came}", it.at, it.identity).unwrap();
            }
            (Key::Paused(group), Row::Paused(_)) => drop(paused.insert(group)),
            _ => {}
        }
    }
    let mut text = String::new();
    // Of a deleted job rows are left for a while, which nobody sees.
    for (id, (head, rhythm, runs)) in jobs.into_iter().filter(|(_, (head, _, _))| !head.is_empty()) {
        writeln!(text, "{head} lives {}", alive.contains(&id)).unwrap();
        text += &rhythm;
        runs.iter().for_each(|(number, run)| writeln!(text, "  {number} {run}").unwrap());
    }
    text + &trackers + &feedback + &format!("paused {paused:?}\n") + &alarm_model::view_of(machine)
}
