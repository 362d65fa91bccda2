//! Whether a cluster stays as it is: `--minutes N` of mixed jobs while its leader is killed every minute.
//!
//! Three JobTrackers with default settings, two TaskTrackers and the client, each a process of its own on loopback.
//! One-shot jobs at `--rate JOBS_PER_SECOND`, crons and repeating jobs that fire each second. Finished runs are kept for
//! two minutes only, so that what is stored has a level to keep. Every one-shot job is waited for and judged by its
//! ledger; every instant of every cron and repeating job is read back. The most memory and disk that each process had is
//! told every minute; after the first third, during which the level is reached, what the JobTrackers have together, and
//! what each TaskTracker has, must not rise by more than a stated part: one JobTracker's share goes up and down with its
//! leadership. One line of JSON follows.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use parking_lot::Mutex;
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use raftsman::{JobClient, JobHandle};
use stage::blow::kill;
use stage::starts::Start;
use stage::usage::{disk_bytes, memory_bytes};
use stage::{Stage, TaskTracker};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const MINUTES: u64 = 30;
/// So many that a log is purged, and memory and disk come down, at least once in a third of the time.
const JOBS_PER_S: f64 = 600.0;
/// Of crons and of repeating jobs, each.
const RHYTHMS: u64 = 10;
const GROUP: &str = "steady";
/// How often memory and disk are looked at, and how often in a minute.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOKS_A_MINUTE: u32 = 12;
const KEPT_MS: u64 = 120_000;
/// A one-shot job that has no fate by then is lost.
const FATE_WITHIN: Duration = Duration::from_secs(60);
/// How often the ledgers of the rhythms are read on: well within what is kept.
const READ_EVERY: Duration = Duration::from_secs(20);
const PAGE_ROWS: i32 = 1_000;
/// The straight line through a series may rise by this part of its mean, or by the slack if that is more: an allocator
/// keeps what it has had.
const RISE_MAX: f64 = 0.15;
const SLACK_BYTES: f64 = 16.0 * MIB;
const MIB: f64 = 1_048_576.0;
/// Minutes from which on a series is judged.
const JUDGED_FROM: usize = 12;

fn main() -> anyhow::Result<()> {
    stage::run(bench)
}

async fn bench() -> anyhow::Result<()> {
    let minutes = stage::option("--minutes", MINUTES)?;
    let rate = stage::option("--rate", JOBS_PER_S)?;
    let mut stage = Stage::set().await?;
    keep_shortly(&stage.client).await?;
    let trackers = [stage.tasktracker(GROUP)?, stage.tasktracker(GROUP)?];
    let (stop, stopped) = watch::channel(false);
    let rhythms = Rhythms::submit(&stage.client).await?;
    let reading = tokio::spawn(rhythms.read_on(stage.client.clone(), stopped.clone()));
    let one_shots = tokio::spawn(one_shots(stage.client.clone(), rate, stopped));
    let mut series = Series::default();
    for minute in 1..=minutes {
        series.begin_minute();
        for _ in 0..LOOKS_A_MINUTE {
            tokio::time::sleep(LOOK_EVERY).await;
            series.note(&stage, &trackers)?;
        }
        series.print_last(minute);
        kill(&mut stage).await?;
    }
    // Whoever reads it is still there.
    let _ = stop.send(true);
    let judged = one_shots.await??;
    let instants = reading.await??;
    let mut starts = Vec::new();
    for mut tracker in trackers {
        // What runs may end.
        tracker.drain(0)?;
        starts.extend(tracker.end()?);
    }
    let unexplained = judged.unexplained(&starts);
    println!(
        "one-shot jobs: {} submitted, {} acknowledged, {} lost, {} doubled, {} executed again and explained",
        judged.submitted,
        judged.acknowledged,
        judged.lost.len(),
        unexplained,
        judged.executed_again
    );
    judged.lost.iter().take(5).for_each(|what| println!("  LOST: {what}"));
    println!(
        "instants of crons and repeating jobs: {} ran, {} missed, {} doubled, {} skipped",
        instants.ran, instants.missed, instants.doubled, instants.skipped
    );
    let rising = series.rising();
    rising.iter().for_each(|what| println!("  RISES: {what}"));
    println!(
        "{{\"bench\":\"steady\",\"minutes\":{minutes},\"leaders_killed\":{minutes},\"acknowledged\":{},\
         \"lost\":{},\"doubled\":{unexplained},\"instants\":{},\"instants_missed\":{},\"instants_doubled\":{},\
         \"series\":{}}}",
        judged.acknowledged,
        judged.lost.len(),
        instants.ran,
        instants.missed + instants.skipped,
        instants.doubled,
        series.json()
    );
    let right = judged.lost.is_empty() && unexplained == 0;
    anyhow::ensure!(
        right && instants.missed + instants.skipped + instants.doubled == 0,
        "a promise was broken"
    );
    anyhow::ensure!(rising.is_empty(), "a series rises");
    Ok(())
}

async fn keep_shortly(client: &JobClient) -> anyhow::Result<()> {
    let changes = vec![pb::LimitChange { name: "finished_kept".into(), value: KEPT_MS }];
    let call = async |via, request| ClusterServiceClient::new(via).set_limits(request).await;
    client.call(pb::SetLimitsRequest { changes }, call).await?;
    Ok(())
}

/// What the ledger said of the one-shot jobs.
#[derive(Debug, Default)]
struct Judged {
    submitted: u64,
    acknowledged: u64,
    lost: Vec<String>,
    executed_again: usize,
    /// The executions that the ledger knows, by job number.
    executions: BTreeMap<u64, Vec<u64>>,
}

impl Judged {
    /// How many executions began that the ledger does not know, or are several that ended with a result.
    fn unexplained(&self, starts: &[Start]) -> usize {
        let known = |start: &&Start| match self.executions.get(&start.job) {
            Some(executions) => executions.contains(&start.fence),
            // A job of another client call, or a rhythm's.
            None => true,
        };
        starts.iter().filter(|start| !known(start)).count()
    }
}

/// Submits at a rate and waits for each job's fate.
async fn one_shots(client: JobClient, rate: f64, stopped: watch::Receiver<bool>) -> anyhow::Result<Judged> {
    let judged = Arc::new(Mutex::new(Judged::default()));
    let mut beat = interval(Duration::from_secs_f64(1.0 / rate));
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = JoinSet::new();
    let mut number = 0;
    while !*stopped.borrow() {
        beat.tick().await;
        number += 1;
        let (client, judged) = (client.clone(), Arc::clone(&judged));
        tasks.spawn(async move { one_shot(client, number, &judged).await });
        while tasks.try_join_next().is_some() {}
    }
    tasks.join_all().await;
    Ok(std::mem::take(&mut judged.lock()))
}

async fn one_shot(client: JobClient, number: u64, judged: &Mutex<Judged>) {
    judged.lock().submitted += 1;
    let submit = client.submit_raw("noop", number.to_le_bytes().to_vec());
    let Ok(job) = submit.node_group(GROUP).task_id(format!("job-{number}")).await else { return };
    judged.lock().acknowledged += 1;
    let fate = fate(&job).await;
    let mut judged = judged.lock();
    match fate {
        Ok(run) => {
            judged.executed_again += run.attempts.len().saturating_sub(1);
            let executions = run.attempts.iter().map(|attempt| attempt.execution).collect();
            judged.executions.insert(number, executions);
        }
        Err(problem) => judged.lost.push(format!("job {number} {}: {problem}", job.id())),
    }
}

/// Its run, if it succeeded and each of its executions but the last one was taken or given back.
async fn fate(job: &JobHandle) -> anyhow::Result<pb::Run> {
    let ended = job.wait(Some(FATE_WITHIN)).await?;
    let run = ended.run.context("it has a run")?;
    anyhow::ensure!(run.state() == pb::RunState::Succeeded, "it is {:?}", run.state());
    let completed = run.attempts.iter().filter(|attempt| attempt.end() == pb::AttemptEnd::Completed).count();
    anyhow::ensure!(completed == 1, "{completed} of its executions have a result");
    Ok(run)
}

/// Jobs that fire each second.
struct Rhythms(Vec<JobHandle>);

/// What became of their instants.
#[derive(Debug, Default)]
struct Instants {
    ran: u64,
    missed: u64,
    doubled: u64,
    skipped: u64,
}

impl Rhythms {
    async fn submit(client: &JobClient) -> anyhow::Result<Rhythms> {
        let mut jobs = Vec::new();
        for number in 0..RHYTHMS {
            let cron = client.submit_raw("noop", Bytes::new());
            let cron = cron.node_group(GROUP).task_id(format!("cron-{number}"));
            jobs.push(cron.cron("* * * * * ?", "UTC").rely_on_previous_cycle(false).await?);
            let repeat = client.submit_raw("noop", Bytes::new());
            let repeat = repeat.node_group(GROUP).task_id(format!("repeat-{number}"));
            let repeat = repeat.repeat(Duration::from_secs(1), None);
            jobs.push(repeat.rely_on_previous_cycle(false).await?);
        }
        Ok(Rhythms(jobs))
    }

    /// Reads the ledgers until it is stopped, then once more.
    async fn read_on(
        self,
        client: JobClient,
        mut stopped: watch::Receiver<bool>,
    ) -> anyhow::Result<Instants> {
        let mut ledgers: Vec<Ledger> = self.0.iter().map(|job| Ledger::of(job.id())).collect();
        loop {
            let ended = tokio::time::timeout(READ_EVERY, stopped.wait_for(|stopped| *stopped)).await.is_ok();
            for ledger in &mut ledgers {
                ledger.read_on(&client).await?;
            }
            if ended {
                break;
            }
        }
        let mut instants = Instants::default();
        ledgers.iter().for_each(|ledger| ledger.count(&mut instants));
        Ok(instants)
    }
}

/// The fates of one job's instants that were read so far.
struct Ledger {
    job_id: String,
    /// Second, state and count, by run.
    fates: BTreeMap<String, (i64, pb::RunState, u64)>,
}

impl Ledger {
    fn of(job_id: &str) -> Ledger {
        Ledger { job_id: job_id.into(), fates: BTreeMap::new() }
    }

    /// Reads every kept run; one that was read before has the same fate still.
    async fn read_on(&mut self, client: &JobClient) -> anyhow::Result<()> {
        let mut page_token = String::new();
        loop {
            let target = Some(pb::list_runs_request::Target::JobId(self.job_id.clone()));
            let request = pb::ListRunsRequest { target, page_size: PAGE_ROWS, page_token, consistency: 0 };
            let page = client.list_runs(request).await?;
            for run in page.runs.into_iter().filter(|run| run.end_time.is_some()) {
                let second = run.planned_time.context("a run has an instant")?.seconds;
                let seen = (second, run.state(), run.count);
                let before = self.fates.insert(run.run_id.clone(), seen);
                anyhow::ensure!(
                    before.is_none_or(|before| before == seen),
                    "{} changed its fate",
                    run.run_id
                );
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            page_token = page.next_page_token;
        }
    }

    fn count(&self, into: &mut Instants) {
        let mut by_second: BTreeMap<i64, u64> = BTreeMap::new();
        for (second, state, count) in self.fates.values() {
            *by_second.entry(*second).or_default() += 1;
            match state {
                pb::RunState::Succeeded => into.ran += 1,
                pb::RunState::Skipped => into.skipped += count,
                other => println!("  {} at {second}: {other:?}", self.job_id),
            }
        }
        into.doubled += by_second.values().map(|runs| runs - 1).sum::<u64>();
        if let (Some((first, _)), Some((last, _))) = (by_second.first_key_value(), by_second.last_key_value())
        {
            into.missed += (last - first + 1) as u64 - by_second.len() as u64;
        }
    }
}

/// The most bytes of each minute, by what they are of.
#[derive(Debug, Default)]
struct Series(BTreeMap<String, Vec<f64>>);

impl Series {
    fn begin_minute(&mut self) {
        self.0.values_mut().for_each(|series| series.push(0.0));
    }

    fn note(&mut self, stage: &Stage, trackers: &[TaskTracker]) -> anyhow::Result<()> {
        let mut note = |what: String, bytes: u64| {
            let series = self.0.entry(what).or_insert_with(|| vec![0.0]);
            let most = series.last_mut().expect("a minute has begun");
            *most = most.max(bytes as f64);
        };
        for node in &stage.jobtrackers {
            let name = &node.place.name;
            note(format!("{name} memory"), memory_bytes(node.process.pid())?);
            note(format!("{name} disk"), disk_bytes(&node.place.dir));
        }
        for tracker in trackers {
            note(format!("{} memory", tracker.process.name), memory_bytes(tracker.process.pid())?);
        }
        Ok(())
    }

    fn print_last(&self, minute: u64) {
        let last = |(what, series): (&String, &Vec<f64>)| {
            format!("{what} {:.0} MiB", series.last().copied().unwrap_or(0.0) / MIB)
        };
        let all: Vec<String> = self.0.iter().map(last).collect();
        println!("minute {minute:>3}: {}", all.join(", "));
    }

    /// What does not keep its level. Short series have none yet.
    fn rising(&self) -> Vec<String> {
        let rises = |(what, series): (String, Vec<f64>)| {
            let level = series.get(series.len() / 3..).filter(|_| series.len() >= JUDGED_FROM)?;
            let (mean, rise) = line(level);
            println!(
                "  {what}: {:+.1} MiB over {} minutes, mean {:.0} MiB",
                rise / MIB,
                level.len(),
                mean / MIB
            );
            (rise > (mean * RISE_MAX).max(SLACK_BYTES)).then_some(what)
        };
        self.judged().into_iter().filter_map(rises).collect()
    }

    /// The JobTrackers together, each TaskTracker for itself.
    fn judged(&self) -> BTreeMap<String, Vec<f64>> {
        let mut judged: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (what, series) in &self.0 {
            let of = match what.strip_prefix('n').and_then(|rest| rest.split_once(' ')) {
                Some((_, kind)) => format!("all JobTrackers' {kind}"),
                None => what.clone(),
            };
            let sum = judged.entry(of).or_insert_with(|| vec![0.0; series.len()]);
            sum.iter_mut().zip(series).for_each(|(sum, bytes)| *sum += bytes);
        }
        judged
    }

    fn json(&self) -> String {
        let one = |(what, series): (&String, &Vec<f64>)| {
            let mib: Vec<String> = series.iter().map(|bytes| format!("{:.0}", bytes / MIB)).collect();
            format!("\"{what} MiB\":[{}]", mib.join(","))
        };
        let all: Vec<String> = self.0.iter().map(one).collect();
        format!("{{{}}}", all.join(","))
    }
}

/// The mean of a series, and how much the straight line of least squares through it rises from its begin to its end.
fn line(series: &[f64]) -> (f64, f64) {
    let count = series.len() as f64;
    let (middle, mean) = ((count - 1.0) / 2.0, series.iter().sum::<f64>() / count);
    let from_middle = |minute: usize| minute as f64 - middle;
    let both: f64 =
        series.iter().enumerate().map(|(minute, bytes)| from_middle(minute) * (bytes - mean)).sum();
    let squares: f64 = (0..series.len()).map(|minute| from_middle(minute).powi(2)).sum();
    (mean, both / squares * count)
}
