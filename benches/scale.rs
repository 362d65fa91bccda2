//! How much a cluster can hold: `--waiting N` runs that wait, `--crons N` cron jobs of which none is due, `--due N` runs
//! that fall due in one second, and a backlog of `--backlog N` ready runs that a TaskTracker then works off.
//!
//! Three JobTrackers with default settings, each a process of its own on loopback. Told: rate of the inserts, memory and
//! disk a job and node, processor time while nothing is due, how long until a killed leader has a successor and until it
//! serves again itself, how late each of the due runs starts, and the rate of the drain in its first and last tenth.
//! It looks first whether the disk has room, and ends with one line of JSON.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use raftsman::JobClient;
use raftsman::client::Submit;
use raftsman::domain::{Clock as _, Millis, SystemClock};
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use rustix::process::Signal;
use stage::Stage;
use stage::blow::{caught_up, leader, signal};
use stage::clock::monotonic_ns;
use stage::figures::Times;
use stage::load::PAYLOAD_BYTES;
use stage::usage::{cpu_us, disk_bytes, disk_free_bytes, machine_busy_us, memory_bytes};
use tokio::task::JoinSet;
use tokio::time::Instant;

const WAITING: u64 = 1_000_000;
const CRONS: u64 = 1_000_000;
const DUE: u64 = 100_000;
const BACKLOG: u64 = 1_000_000;
/// Jobs of one call, and calls under way.
const BATCH: u64 = 500;
const CALLS: u64 = 16;
/// Far enough that nothing of it falls due here.
const IN_A_MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// Enough to insert what falls due then.
const UNTIL_DUE: Duration = Duration::from_secs(20);
const LOOK_FOR: Duration = Duration::from_secs(15);
/// What a job may take on one disk, with the log, a snapshot that is being written, and what is not compacted yet.
const DISK_A_JOB: u64 = 3_000;
const MIB: f64 = 1_048_576.0;

fn main() -> anyhow::Result<()> {
    stage::run(bench)
}

async fn bench() -> anyhow::Result<()> {
    let waiting = stage::option("--waiting", WAITING)?;
    let crons = stage::option("--crons", CRONS)?;
    let due = stage::option("--due", DUE)?;
    let backlog = stage::option("--backlog", BACKLOG)?;
    let (needed, free) =
        ((waiting + crons + due + backlog) * DISK_A_JOB * 3, disk_free_bytes(&std::env::temp_dir())?);
    anyhow::ensure!(needed < free, "this needs {} GB of free disk, there are {}", needed >> 30, free >> 30);
    let mut stage = Stage::set().await?;
    let mut json = vec!["\"bench\":\"scale\"".to_owned()];
    let empty = Idle::look(&stage).await?;
    empty.print("an empty cluster");
    json.push(format!("\"idle_empty_cores\":{:.4}", empty.cores));
    if waiting > 0 {
        json.extend(hold(&mut stage, waiting, "waiting", &empty).await?);
    }
    if crons > 0 {
        json.extend(hold(&mut stage, crons, "crons", &empty).await?);
    }
    if due > 0 {
        json.extend(fall_due(&mut stage, due).await?);
    }
    if backlog > 0 {
        json.extend(drain(&mut stage, backlog).await?);
    }
    println!("{{{}}}", json.join(","));
    Ok(())
}

/// Inserts, and tells what holding it costs.
async fn hold(stage: &mut Stage, jobs: u64, what: &'static str, empty: &Idle) -> anyhow::Result<Vec<String>> {
    let before = Size::of(stage)?;
    let rate = insert(&stage.client, jobs, what, move |submit, _| match what {
        "crons" => submit.cron("0 0 1 1 *", "UTC"),
        _ => submit.run_in(IN_A_MONTH),
    })
    .await?;
    println!("{jobs} {what}: {rate:.0} jobs/s inserted");
    let idle = Idle::look(stage).await?;
    idle.print("  nothing is due");
    let after = Size::of(stage)?;
    let each = |after: u64, before: u64| after.saturating_sub(before) as f64 / jobs as f64;
    let (memory, disk) = (each(after.memory, before.memory), each(after.disk, before.disk));
    println!(
        "  the largest node has {:.0} MiB of memory and {:.0} MiB on disk: {memory:.0} and {disk:.0} B a job",
        after.memory as f64 / MIB,
        after.disk as f64 / MIB
    );
    let (successor_ms, serves_ms) = restart_of_the_leader(stage).await?;
    println!("  a killed leader: {successor_ms:.0} ms until the next acknowledged submit");
    println!("  it serves again {serves_ms:.0} ms after its start");
    Ok(vec![
        format!("\"{what}\":{jobs}"),
        format!("\"{what}_inserted_per_second\":{rate:.0}"),
        format!("\"{what}_memory_mib\":{:.0}", after.memory as f64 / MIB),
        format!("\"{what}_memory_bytes_a_job\":{memory:.0}"),
        format!("\"{what}_disk_bytes_a_job\":{disk:.0}"),
        format!("\"{what}_idle_cores\":{:.4}", idle.cores),
        format!("\"{what}_idle_cores_above_empty\":{:.4}", idle.cores - empty.cores),
        format!("\"{what}_successor_ms\":{successor_ms:.0}"),
        format!("\"{what}_serves_again_ms\":{serves_ms:.0}"),
    ])
}

/// A job with a task id and payload of its number.
fn job(client: &JobClient, group: &str, number: u64) -> Submit {
    let mut payload = vec![0; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    client.submit_raw("noop", Bytes::from(payload)).node_group(group).task_id(number.to_string())
}

/// Submits so many jobs in batches; jobs a second.
async fn insert(
    client: &JobClient,
    jobs: u64,
    group: &'static str,
    schedule: impl Fn(Submit, u64) -> Submit + Copy + Send + Sync + 'static,
) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for lane in 0..CALLS {
        let client = client.clone();
        calls.spawn(async move {
            for first in (lane * BATCH..jobs).step_by(usize::try_from(CALLS * BATCH).expect("small")) {
                let batch = (first..(first + BATCH).min(jobs)).map(|n| schedule(job(&client, group, n), n));
                client.submit_all(batch).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            }
            anyhow::Ok(())
        });
    }
    calls.join_all().await.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
    Ok(jobs as f64 / began.elapsed().as_secs_f64())
}

/// Of the node that has most.
struct Size {
    memory: u64,
    disk: u64,
}

impl Size {
    fn of(stage: &Stage) -> anyhow::Result<Size> {
        let nodes = &stage.jobtrackers;
        let memory =
            nodes.iter().map(|node| memory_bytes(node.process.pid())).collect::<Result<Vec<_>, _>>()?;
        let disk = nodes.iter().map(|node| disk_bytes(&node.place.dir)).max().unwrap_or(0);
        Ok(Size { memory: memory.into_iter().max().unwrap_or(0), disk })
    }
}

/// Processor time of all JobTrackers while nobody asks for anything, in cores.
struct Idle {
    cores: f64,
    others: f64,
}

impl Idle {
    async fn look(stage: &Stage) -> anyhow::Result<Idle> {
        // What was inserted last is written behind.
        tokio::time::sleep(LOOK_FOR).await;
        let used =
            || stage.jobtrackers.iter().map(|node| cpu_us(node.process.pid())).sum::<anyhow::Result<u64>>();
        let (before, busy_before, began) = (used()?, machine_busy_us()?, Instant::now());
        tokio::time::sleep(LOOK_FOR).await;
        let (own, busy) = (used()? - before, machine_busy_us()? - busy_before);
        let us = began.elapsed().as_secs_f64() * 1e6;
        Ok(Idle { cores: own as f64 / us, others: busy.saturating_sub(own) as f64 / us })
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {:.2} % of a core for all three, others used {:.2} cores",
            self.cores * 100.0,
            self.others
        );
    }
}

/// Kills the leader and starts it again; the times until the cluster and until the node itself serve, in ms.
async fn restart_of_the_leader(stage: &mut Stage) -> anyhow::Result<(f64, f64)> {
    let at = leader(stage).await?;
    signal(&stage.jobtrackers[at], Signal::KILL)?;
    let killed = monotonic_ns();
    stage.jobtrackers[at].process.child.wait()?;
    let probe = stage.client.submit_raw("noop", Bytes::new()).node_group("probe").run_in(IN_A_MONTH);
    let answered = probe.await.context("the successor takes a job")?;
    let successor = (monotonic_ns() - killed) as f64 / 1e6;
    let started = monotonic_ns();
    stage.jobtrackers[at].process = stage.jobtrackers[at].place.start()?;
    let mut node =
        ClusterServiceClient::connect(format!("http://{}", stage.jobtrackers[at].place.client)).await?;
    node.digest(pb::DigestRequest { at_least_index: answered.log_index() }).await?;
    let serves = (monotonic_ns() - started) as f64 / 1e6;
    caught_up(&stage.client).await?;
    Ok((successor, serves))
}

async fn fall_due(stage: &mut Stage, jobs: u64) -> anyhow::Result<Vec<String>> {
    let group = "due";
    let mut tracker = stage.tasktracker(group)?;
    // One clock for all: wall time is monotonic time plus this.
    let wall_ns = || i128::from(SystemClock.wall().as_millis()) * 1_000_000;
    let second = SystemClock.wall() + Millis::from(UNTIL_DUE);
    let offset = wall_ns() - i128::from(monotonic_ns());
    let due_at = move |number: u64| second + Millis::new(number * 1_000 / jobs);
    let rate =
        insert(&stage.client, jobs, group, move |submit, number| submit.run_at(due_at(number))).await?;
    anyhow::ensure!(SystemClock.wall() < second, "the insert took longer than {UNTIL_DUE:?}");
    println!("{jobs} due in one second ({rate:.0} jobs/s inserted)");
    tracker.drain(jobs)?;
    let starts = tracker.end()?;
    let distinct: BTreeSet<u64> = starts.iter().map(|start| start.job).collect();
    let late =
        |at_ns: u64, job: u64| i128::from(at_ns) + offset - i128::from(due_at(job).as_millis()) * 1_000_000;
    // The wall clock is read in milliseconds.
    let early = starts.iter().filter(|start| late(start.at_ns, start.job) < -1_000_000).count();
    let lateness = starts.iter().map(|start| u64::try_from(late(start.at_ns, start.job)).unwrap_or(0));
    let times = Times::of_ns(lateness);
    let (missed, doubled) = (jobs - distinct.len() as u64, starts.len() - distinct.len());
    println!("  late             {times}\n  early {early}, missed {missed}, doubled {doubled}");
    let [p50, p99] = [50.0, 99.0].map(|percent| times.percentile(percent));
    anyhow::ensure!(early == 0 && missed == 0 && doubled == 0, "a promise was broken");
    Ok(vec![format!(
        "\"due\":{jobs},\"late_ms\":{{\"p50\":{p50:.1},\"p99\":{p99:.1},\"max\":{:.1}}},\"early\":0,\"missed\":0,\
         \"doubled\":0",
        times.max()
    )])
}

async fn drain(stage: &mut Stage, jobs: u64) -> anyhow::Result<Vec<String>> {
    let group = "backlog";
    let rate = insert(&stage.client, jobs, group, |submit, _| submit).await?;
    println!("a backlog of {jobs} ({rate:.0} jobs/s inserted)");
    let mut tracker = stage.tasktracker(group)?;
    tracker.drain(jobs)?;
    let mut starts = tracker.end()?;
    starts.sort_by_key(|start| start.at_ns);
    let tenth = starts.len() / 10;
    let rate_of = |part: &[stage::starts::Start]| match part {
        [first, .., last] => part.len() as f64 * 1e9 / (last.at_ns - first.at_ns) as f64,
        _ => f64::NAN,
    };
    let (all, first, last) =
        (rate_of(&starts), rate_of(&starts[..tenth]), rate_of(&starts[starts.len() - tenth..]));
    println!("  drained at {all:.0} jobs/s; first tenth {first:.0}, last tenth {last:.0}");
    let doubled = starts.len() as u64 - jobs;
    anyhow::ensure!(doubled == 0, "{doubled} started more than once");
    Ok(vec![format!(
        "\"backlog\":{jobs},\"drained_per_second\":{all:.0},\"first_tenth\":{first:.0},\"last_tenth\":{last:.0}"
    )])
}
