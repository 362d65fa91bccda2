//! A job's whole way through three replicas, measured: submit, fsync on a majority, push, run, complete, acknowledge.
//!
//! Three JobTrackers with default settings and real data directories, one TaskTracker with a FailStore, and the client,
//! each a process of its own on loopback. Ledger, client session and fsync before each acknowledgement are on. It ends
//! with a check of every job against the ledger, and with one line of JSON. `--seconds N`, `--callers N`, `--only peak`.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
mod stage;

use std::time::Duration;

use stage::figures::Times;
use stage::ledger::{Verdict, verify};
use stage::load::{Load, Submitted};
use stage::starts::Start;
use stage::usage::{cpu_us, machine_busy_us};
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

fn main() -> anyhow::Result<()> {
    stage::run(bench)
}

async fn bench() -> anyhow::Result<()> {
    let callers = stage::option("--callers", CALLERS)?;
    let seconds = stage::option("--seconds", SECONDS)?;
    let only = stage::option("--only", String::new())?;
    let wanted = |phase: &str| only.is_empty() || only == phase;
    let mut stage = Stage::set().await?;
    let mut right = true;
    let mut json = vec![format!("\"bench\":\"end_to_end\"")];
    if wanted("unloaded") {
        let latency = unloaded(&mut stage).await?;
        latency.print("unloaded, one job every 5 ms");
        right &= latency.verdict.is_right();
        json.extend(latency.json("unloaded"));
    }
    if wanted("peak") || wanted("half") {
        let peak = peak(&mut stage, callers, Duration::from_secs(seconds)).await?;
        peak.print(callers);
        right &= peak.verdict.is_right();
        json.extend(peak.json());
        if wanted("half") {
            let latency =
                half(&mut stage, peak.jobs_per_second() / 2.0, Duration::from_secs(seconds)).await?;
            latency.print("at half of the peak");
            right &= latency.verdict.is_right();
            json.extend(latency.json("half"));
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

async fn half(stage: &mut Stage, jobs_per_s: f64, time: Duration) -> anyhow::Result<Latency> {
    let group = "half";
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
        self.verdict.report();
    }

    fn json(&self) -> Vec<String> {
        let us = |(name, us): &(String, u64)| format!("\"{name}\":{:.1}", *us as f64 / self.jobs as f64);
        let cpu: Vec<String> = self.cpu_us.iter().map(us).collect();
        vec![
            format!("\"jobs_per_second\":{:.0}", self.jobs_per_second()),
            format!("\"jobs\":{}", self.jobs),
            format!("\"cpu_us_a_job\":{{{}}}", cpu.join(",")),
            format!("\"others_cores\":{:.2}", self.others_cores),
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
    let (before, busy_before) = (used()?, machine_busy_us()?);
    let submitted = saturate(&Load::on(&stage.client, group), callers, time).await;
    let jobs = submitted.len() as u64;
    let drained = tracker.drain(jobs)?;
    let (after, busy) = (used()?, machine_busy_us()? - busy_before);
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
    Ok(Peak { jobs, submitting, whole, cpu_us, others_cores, verdict: run.verdict })
}
