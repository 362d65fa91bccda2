//! A job's whole way through three replicas, measured: submit, fsync on a majority, push, run, complete, acknowledge.
//!
//! Three JobTrackers with default settings and real data directories, one TaskTracker with a FailStore, and the client,
//! each a process of its own on loopback. Ledger, client session and fsync before each acknowledgement are on. It ends
//! with a check of every job against the ledger, and with one line of JSON. `--seconds N`, `--callers N`, `--only peak`;
//! `--only sweep` draws latency against throughput, `--after N` lets so many jobs pass through before anything is measured.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
mod stage;

use std::time::Duration;

use stage::figures::Times;
use stage::ledger::{Verdict, verify};
use stage::load::{Load, Submitted};
use stage::starts::Start;
use stage::usage::{cpu_us, disk_free_bytes, machine_busy_us};
use stage::writes::Writes;
use stage::{Stage, TaskTracker, pause};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Submits under way at a time; the SDK makes batches of them.
const CALLERS: usize = 1_000;
const SECONDS: u64 = 6;
/// Jobs before the measured ones, so that connections, sessions and allocators are warm.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// Unloaded: one job at a time.
const TRICKLE_JOBS: usize = 1_000;
const TRICKLE_EVERY: Duration = Duration::from_millis(5);
/// What a finished job takes on three disks until it expires, at most, the log and compactions included.
const PASSED_JOB_BYTES: u64 = 3_000;
/// The points of the sweep, of the peak.
const SWEEP_PERCENT: [u32; 6] = [5, 10, 25, 50, 70, 90];

fn main() -> anyhow::Result<()> {
    stage::run(bench)
}

async fn bench() -> anyhow::Result<()> {
    let callers = stage::option("--callers", CALLERS)?;
    let seconds = stage::option("--seconds", SECONDS)?;
    let only = stage::option("--only", String::new())?;
    let wanted = |phase: &str| only.is_empty() || only == phase;
    let after = stage::option("--after", 0)?;
    let mut stage = Stage::set().await?;
    let mut right = true;
    pass(&mut stage, callers, after).await?;
    let mut json = vec![format!("\"bench\":\"end_to_end\"")];
    if wanted("unloaded") {
        let latency = unloaded(&mut stage).await?;
        latency.print("unloaded, one job every 5 ms");
        right &= latency.verdict.is_right();
        json.extend(latency.json("unloaded"));
    }
    if wanted("peak") || wanted("half") || only == "sweep" {
        let peak = peak(&mut stage, callers, Duration::from_secs(seconds)).await?;
        peak.print(callers);
        right &= peak.verdict.is_right();
        json.extend(peak.json());
        if wanted("half") {
            let rate = peak.jobs_per_second() / 2.0;
            let latency = at_rate(&mut stage, "half", rate, Duration::from_secs(seconds)).await?;
            latency.print("at half of the peak");
            right &= latency.verdict.is_right();
            json.extend(latency.json("half"));
        }
        if only == "sweep" {
            let curve = sweep(&mut stage, peak.jobs_per_second(), Duration::from_secs(seconds)).await?;
            right &= curve.iter().all(|point| point.latency.verdict.is_right());
            draw(&curve);
            let points = curve.iter().map(|point| {
                let latency = point.latency.json("at").join(",");
                format!("{{\"jobs_per_second\":{:.0},{latency}}}", point.jobs_per_s)
            });
            json.push(format!("\"sweep\":[{}]", points.collect::<Vec<_>>().join(",")));
        }
    }
    println!("{{{}}}", json.join(","));
    anyhow::ensure!(right, "a promise was broken: see LOST and DOUBLED above");
    Ok(())
}

/// What one group of jobs came to.
struct Run {
    submitted: Vec<Submitted>,
    starts: Vec<Start>,
    verdict: Verdict,
}

/// Waits for the rest, then checks.
async fn finish(
    stage: &Stage,
    group: &str,
    tracker: TaskTracker,
    submitted: Vec<Submitted>,
) -> anyhow::Result<Run> {
    let starts = tracker.end()?;
    let verdict = verify(&stage.client, group, &submitted, &starts).await?;
    Ok(Run { submitted, starts, verdict })
}

/// So many callers, each with one submit under way, until the time is over.
async fn saturate(load: &Load, callers: usize, time: Duration) -> Vec<Submitted> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let load = load.clone();
        tasks.spawn(async move {
            let mut done = Vec::new();
            while Instant::now() < end {
                done.push(load.submit().await);
            }
            done
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// Lets jobs pass through that are not measured; their rows stay, as those of a cluster that has run for long.
async fn pass(stage: &mut Stage, callers: usize, jobs: u64) -> anyhow::Result<()> {
    if jobs == 0 {
        return Ok(());
    }
    let (free, needed) = (disk_free_bytes(&std::env::temp_dir())?, jobs * PASSED_JOB_BYTES);
    anyhow::ensure!(free > needed, "{jobs} jobs may need {needed} bytes of disk, {free} are free");
    let tracker = stage.tasktracker("passed")?;
    let load = Load::on(&stage.client, "passed");
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let load = load.clone();
        tasks.spawn(async move {
            while load.made() < jobs {
                load.submit().await.acked.map_err(anyhow::Error::msg)?;
            }
            anyhow::Ok(())
        });
    }
    let mut beat = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = beat.tick() => println!("{} of {jobs} jobs have passed", load.made().min(jobs)),
            task = tasks.join_next() => match task {
                Some(ended) => ended??,
                None => break,
            },
        }
    }
    drop(tracker);
    Ok(())
}

/// One job at a time, one every `every`.
async fn trickle(load: &Load, jobs: usize, every: Duration) -> Vec<Submitted> {
    let mut beat = tokio::time::interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        beat.tick().await;
        done.push(load.submit().await);
    }
    done
}

struct Latency {
    ack: Times,
    start: Times,
    verdict: Verdict,
}

impl Latency {
    fn of(run: Run) -> Latency {
        let acked = run.submitted.iter().filter_map(|one| Some(one.acked.as_ref().ok()? - one.at_ns));
        let ack = Times::of_ns(acked);
        let mut at = vec![0; run.submitted.iter().map(|one| one.job + 1).max().unwrap_or(0) as usize];
        run.submitted.iter().for_each(|one| at[one.job as usize] = one.at_ns);
        let started = |start: &Start| start.at_ns.saturating_sub(at[start.job as usize]);
        Latency { ack, start: Times::of_ns(run.starts.iter().map(started)), verdict: run.verdict }
    }

    fn print(&self, what: &str) {
        println!("{what}");
        println!("  submit to ack    {}", self.ack);
        println!("  submit to start  {}", self.start);
        self.verdict.report();
    }

    fn json(&self, prefix: &str) -> Vec<String> {
        let one = |name: &str, times: &Times| {
            let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| times.percentile(percent));
            format!("\"{prefix}_{name}_ms\":{{\"p50\":{p50:.3},\"p99\":{p99:.3},\"p999\":{p999:.3}}}")
        };
        vec![one("ack", &self.ack), one("start", &self.start)]
    }
}

async fn unloaded(stage: &mut Stage) -> anyhow::Result<Latency> {
    let group = "unloaded";
    let mut tracker = stage.tasktracker(group)?;
    let load = Load::on(&stage.client, group);
    let mut submitted = trickle(&load, 100, TRICKLE_EVERY).await;
    let warm = submitted.len() as u64;
    submitted.extend(trickle(&load, TRICKLE_JOBS, TRICKLE_EVERY).await);
    tracker.drain(submitted.len() as u64)?;
    let mut run = finish(stage, group, tracker, submitted).await?;
    run.submitted.retain(|one| one.job >= warm);
    run.starts.retain(|start| start.job >= warm);
    Ok(Latency::of(run))
}

/// What so many jobs a second, evenly, have to wait for.
struct Point {
    jobs_per_s: f64,
    latency: Latency,
}

async fn sweep(stage: &mut Stage, peak: f64, time: Duration) -> anyhow::Result<Vec<Point>> {
    let mut curve = Vec::new();
    for percent in SWEEP_PERCENT {
        let jobs_per_s = peak * f64::from(percent) / 100.0;
        let latency = at_rate(stage, &format!("at{percent}"), jobs_per_s, time).await?;
        latency.print(&format!("at {percent} % of the peak, {jobs_per_s:.0} jobs/s"));
        curve.push(Point { jobs_per_s, latency });
    }
    Ok(curve)
}

/// As a chart that Markdown viewers draw.
fn draw(curve: &[Point]) {
    let list = |value: &dyn Fn(&Point) -> f64| {
        curve.iter().map(|point| format!("{:.1}", value(point))).collect::<Vec<_>>().join(", ")
    };
    let most = curve.iter().map(|point| point.latency.start.percentile(99.0)).fold(1.0, f64::max);
    println!("```mermaid");
    println!("xychart-beta");
    println!("  title \"Submit to start against throughput: p50 and p99\"");
    println!("  x-axis \"1,000 jobs/s\" [{}]", list(&|point| point.jobs_per_s / 1000.0));
    println!("  y-axis \"ms\" 0 --> {most:.0}");
    println!("  line [{}]", list(&|point| point.latency.start.percentile(50.0)));
    println!("  line [{}]", list(&|point| point.latency.start.percentile(99.0)));
    println!("```");
}

async fn at_rate(stage: &mut Stage, group: &str, jobs_per_s: f64, time: Duration) -> anyhow::Result<Latency> {
    let mut tracker = stage.tasktracker(group)?;
    let load = Load::on(&stage.client, group);
    let warm_up = load.flow(jobs_per_s, tokio::time::sleep(WARM_UP)).await;
    let warm = warm_up.len() as u64;
    let mut submitted = load.flow(jobs_per_s, tokio::time::sleep(time)).await;
    submitted.extend(warm_up);
    tracker.drain(submitted.len() as u64)?;
    let mut run = finish(stage, group, tracker, submitted).await?;
    run.submitted.retain(|one| one.job >= warm);
    run.starts.retain(|start| start.job >= warm);
    Ok(Latency::of(run))
}

struct Peak {
    jobs: u64,
    /// From the first submit to the last acknowledged submit, and to the last acknowledged completion.
    submitting: Duration,
    whole: Duration,
    cpu_us: Vec<(String, u64)>,
    others_cores: f64,
    writes: Writes,
    verdict: Verdict,
}

impl Peak {
    fn jobs_per_second(&self) -> f64 {
        self.jobs as f64 / self.whole.as_secs_f64()
    }

    fn print(&self, callers: usize) {
        let (whole, submitting) = (self.whole.as_secs_f64(), self.submitting.as_secs_f64());
        println!("peak, {callers} submits under way");
        println!(
            "  {} jobs in {whole:.2} s: {:.0} jobs/s from submit to acknowledged completion; \
             submits alone {:.0}/s",
            self.jobs,
            self.jobs_per_second(),
            self.jobs as f64 / submitting
        );
        for (name, us) in &self.cpu_us {
            println!("  {name:<12} {:6.1} us of processor time a job", *us as f64 / self.jobs as f64);
        }
        let sum: u64 = self.cpu_us.iter().map(|(_, us)| us).sum();
        println!("  {:<12} {:6.1} us", "all", sum as f64 / self.jobs as f64);
        println!("  others on this machine used {:.2} cores meanwhile", self.others_cores);
        let Writes { syncs, log_bytes, rows, disk_bytes, entries } = self.writes;
        let [log, rows, disk] = [log_bytes, rows, disk_bytes].map(|all| self.a_job_and_replica(all));
        println!(
            "  a job and JobTracker: {rows:.2} rows to the database, {log:.0} bytes of log, {disk:.0} to disk"
        );
        println!(
            "  {:.0} jobs an entry, {:.0} a sync; {:.0} syncs/s of each JobTracker",
            self.jobs as f64 / entries as f64,
            1.0 / self.a_job_and_replica(syncs),
            self.a_job_and_replica(syncs) * self.jobs_per_second()
        );
        self.verdict.report();
    }

    fn a_job_and_replica(&self, all: u64) -> f64 {
        all as f64 / self.jobs as f64 / 3.0
    }

    fn json(&self) -> Vec<String> {
        let Writes { syncs, log_bytes, rows, disk_bytes, entries } = self.writes;
        let each = |all| self.a_job_and_replica(all);
        let us = |(name, us): &(String, u64)| format!("\"{name}\":{:.1}", *us as f64 / self.jobs as f64);
        let cpu: Vec<String> = self.cpu_us.iter().map(us).collect();
        vec![
            format!("\"jobs_per_second\":{:.0}", self.jobs_per_second()),
            format!("\"jobs\":{}", self.jobs),
            format!("\"cpu_us_a_job\":{{{}}}", cpu.join(",")),
            format!("\"others_cores\":{:.2}", self.others_cores),
            format!("\"rows_a_job\":{:.3},\"log_bytes_a_job\":{:.1}", each(rows), each(log_bytes)),
            format!("\"disk_bytes_a_job\":{:.1},\"syncs_a_job\":{:.5}", each(disk_bytes), each(syncs)),
            format!("\"jobs_an_entry\":{:.1}", self.jobs as f64 / entries as f64),
            format!("\"lost\":{},\"doubled\":{}", self.verdict.lost.len(), self.verdict.doubled.len()),
        ]
    }
}

async fn peak(stage: &mut Stage, callers: usize, time: Duration) -> anyhow::Result<Peak> {
    // The group's own tracker of each part, so that "all of it is acknowledged" is the tracker's drain.
    let mut tracker = stage.tasktracker("warm-up")?;
    let warm_up = saturate(&Load::on(&stage.client, "warm-up"), callers, WARM_UP).await;
    tracker.drain(warm_up.len() as u64)?;
    drop(tracker);
    let group = "peak";
    let mut tracker = stage.tasktracker(group)?;
    pause(500).await;
    let mut processes: Vec<(String, u32)> =
        stage.jobtrackers.iter().map(|node| (node.process.name.clone(), node.process.pid())).collect();
    processes.push(("tasktracker".into(), tracker.process.pid()));
    processes.push(("client".into(), std::process::id()));
    let used = || processes.iter().map(|(_, pid)| cpu_us(*pid)).collect::<Result<Vec<_>, _>>();
    let (before, busy_before, written) = (used()?, machine_busy_us()?, stage.writes().await?);
    let submitted = saturate(&Load::on(&stage.client, group), callers, time).await;
    let jobs = submitted.len() as u64;
    let drained = tracker.drain(jobs)?;
    let (after, busy, writes) = (used()?, machine_busy_us()? - busy_before, stage.writes().await? - written);
    let began = submitted.iter().map(|one| one.at_ns).min().unwrap_or(0);
    let acked = submitted.iter().filter_map(|one| one.acked.clone().ok()).max().unwrap_or(began);
    let whole = Duration::from_nanos(drained - began);
    let cpu: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let own: u64 = cpu.iter().sum();
    let others_cores = busy.saturating_sub(own) as f64 / 1e6 / whole.as_secs_f64();
    let leader = stage.client.view().leader.map(|leader| leader.name).unwrap_or_default();
    let names = processes.into_iter().map(|(name, _)| match name == leader {
        true => format!("{name} (leads)"),
        false => name,
    });
    let cpu_us = names.zip(cpu).collect();
    let run = finish(stage, group, tracker, submitted).await?;
    let submitting = Duration::from_nanos(acked - began);
    Ok(Peak { jobs, submitting, whole, cpu_us, others_cores, writes, verdict: run.verdict })
}
