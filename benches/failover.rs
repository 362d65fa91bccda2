//! How long nothing starts when the leader dies, and whether anything is lost or doubled by it.
//!
//! Three JobTrackers with default settings, one TaskTracker and the client, each a process of its own on loopback, under
//! a light flow of jobs. The leader's process is killed with SIGKILL and started again, `--kills N` times; then the
//! leader is frozen with SIGSTOP and thawed when another one leads, `--stops N` times; then it is told to stop, which hands
//! leadership over, and started again, `--graceful N` times. Three times are taken of each: the longest silence of
//! acknowledged submits and of job starts around it, and the time until a job starts that was submitted after it.
//! `--rate JOBS_PER_SECOND`. At the end every job is checked against the ledger; one line of JSON follows.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
mod stage;

use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use rustix::process::Signal;
use stage::blow::{CALM_MS, caught_up, kill, leader, signal, stop};
use stage::clock::monotonic_ns;
use stage::figures::Times;
use stage::ledger::verify;
use stage::load::{Load, Submitted};
use stage::starts::Start;
use stage::{Stage, pause};
use tokio::sync::oneshot;
use tokio::time::timeout;

const KILLS: usize = 50;
const STOPS: usize = 20;
const GRACEFUL: usize = 50;
const JOBS_PER_S: f64 = 300.0;
const NEW_LEADER_WITHIN: Duration = Duration::from_secs(20);
/// Bars, in milliseconds.
const KILL_P50_MAX: f64 = 100.0;
const KILL_MAX: f64 = 500.0;
const STOP_MAX: f64 = 2_500.0;
const GRACEFUL_MAX: f64 = 50.0;

fn main() -> anyhow::Result<()> {
    stage::run(bench)
}

async fn bench() -> anyhow::Result<()> {
    let kills = stage::option("--kills", KILLS)?;
    let stops = stage::option("--stops", STOPS)?;
    let graceful = stage::option("--graceful", GRACEFUL)?;
    let rate = stage::option("--rate", JOBS_PER_S)?;
    let mut stage = Stage::set().await?;
    let group = "failover";
    let mut tracker = stage.tasktracker(group)?;
    let (enough, over) = oneshot::channel::<()>();
    let load = Load::on(&stage.client, group);
    let flow = tokio::spawn(async move { load.flow(rate, async { drop(over.await) }).await });
    pause(2_000).await;
    let (mut killed, mut frozen, mut stopped) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..kills {
        killed.push(kill(&mut stage).await?);
    }
    for _ in 0..stops {
        frozen.push(freeze(&mut stage).await?);
    }
    for _ in 0..graceful {
        stopped.push(stop(&mut stage).await?);
    }
    // The flow waits for it.
    let _ = enough.send(());
    let submitted = flow.await?;
    let acknowledged = submitted.iter().filter(|one| one.acked.is_ok()).count();
    tracker.drain(acknowledged as u64)?;
    let starts = tracker.end()?;
    let verdict = verify(&stage.client, group, &submitted, &starts).await?;
    println!("{} jobs at {rate} jobs/s", submitted.len());
    verdict.report();
    let blows: Vec<u64> = [&killed[..], &frozen, &stopped].concat();
    let silences = |some: &[u64]| Silences::of(some, &blows, &submitted, &starts);
    let (killed, frozen, stopped) = (silences(&killed), silences(&frozen), silences(&stopped));
    killed.print("SIGKILL of the leader");
    frozen.print("SIGSTOP of the leader");
    stopped.print("the leader is told to stop");
    println!(
        "{{\"bench\":\"failover\",{},{},{},\"lost\":{},\"doubled\":{}}}",
        killed.json("kill"),
        frozen.json("stop"),
        stopped.json("hand_over"),
        verdict.lost.len(),
        verdict.doubled.len()
    );
    anyhow::ensure!(verdict.is_right(), "a promise was broken: see LOST and DOUBLED above");
    let median = killed.starts.percentile(50.0);
    let missed = [
        (kills > 0 && (median >= KILL_P50_MAX || killed.worst() >= KILL_MAX), "SIGKILL"),
        (stops > 0 && frozen.worst() >= STOP_MAX, "SIGSTOP"),
        (graceful > 0 && stopped.worst() >= GRACEFUL_MAX, "told to stop"),
    ];
    let missed: Vec<&str> = missed.into_iter().filter(|(missed, _)| *missed).map(|(_, what)| what).collect();
    anyhow::ensure!(missed.is_empty(), "bars were missed: {}", missed.join(", "));
    Ok(())
}

/// Freezes the leader until another one leads; returns when.
async fn freeze(stage: &mut Stage) -> anyhow::Result<u64> {
    let leader = leader(stage).await?;
    let frozen = &stage.jobtrackers[leader];
    signal(frozen, Signal::STOP)?;
    let at = monotonic_ns();
    let other = another_leads(&stage.client, &frozen.place.name);
    let found = timeout(NEW_LEADER_WITHIN, other).await;
    pause(CALM_MS).await;
    signal(frozen, Signal::CONT)?;
    found.context("no other leader was found")?;
    caught_up(&stage.client).await?;
    pause(CALM_MS).await;
    Ok(at)
}

async fn another_leads(client: &JobClient, than: &str) {
    while client.view().leader.is_none_or(|leader| leader.name == than) {
        pause(10).await;
    }
}

/// What the blows of one kind did to the starts of jobs.
struct Silences {
    /// The longest time without an acknowledged submit around each.
    acks: Times,
    /// The same without a start.
    starts: Times,
    /// From each to the first start of a job that was submitted after it.
    next: Times,
    /// The longest times without a start in milliseconds, in the order of the blows.
    each: Vec<f64>,
}

impl Silences {
    /// The effects of `some` of all `blows`, which are in order.
    fn of(some: &[u64], blows: &[u64], submitted: &[Submitted], starts: &[Start]) -> Silences {
        let started: Vec<u64> = starts.iter().map(|start| start.at_ns).collect();
        let acked = submitted.iter().filter_map(|one| one.acked.as_ref().ok().copied()).collect();
        let mut submitted_at =
            vec![u64::MAX; submitted.iter().map(|one| one.job + 1).max().unwrap_or(0) as usize];
        submitted.iter().for_each(|one| submitted_at[one.job as usize] = one.at_ns);
        let longest = |mut of: Vec<u64>| -> Vec<u64> {
            of.sort_unstable();
            let around = some.iter().map(|blow| {
                let next_blow = blows.iter().find(|next| *next > blow).copied();
                longest_silence(&of, *blow, next_blow.unwrap_or(u64::MAX))
            });
            around.collect()
        };
        let next = some.iter().map(|blow| {
            let after = starts.iter().filter(|start| submitted_at[start.job as usize] >= *blow);
            after.map(|start| start.at_ns).filter(|at| at >= blow).min().map_or(u64::MAX, |at| at - blow)
        });
        let started = longest(started);
        let each = started.iter().map(|ns| *ns as f64 / 1e6).collect();
        let (acks, starts) = (Times::of_ns(longest(acked)), Times::of_ns(started));
        Silences { acks, starts, next: Times::of_ns(next), each }
    }

    fn worst(&self) -> f64 {
        self.acks.max().max(self.starts.max()).max(self.next.max())
    }

    fn json(&self, name: &str) -> String {
        let (count, p50) = (self.each.len(), self.starts.percentile(50.0));
        if count == 0 {
            return format!("\"{name}s\":0");
        }
        format!("\"{name}s\":{count},\"{name}_p50_ms\":{p50:.1},\"{name}_max_ms\":{:.1}", self.worst())
    }

    fn print(&self, what: &str) {
        println!("{what}");
        println!("  each, in order       {:.0?}", self.each);
        println!("  no acknowledgement   {}", self.acks);
        println!("  no start             {}", self.starts);
        println!("  next submitted start {}", self.next);
    }
}

/// The longest time between two of these, of which the second is after the blow and, the first of them apart, before the next
/// blow: what that one silences is its own.
fn longest_silence(of: &[u64], blow: u64, next_blow: u64) -> u64 {
    let from = of.partition_point(|at| *at < blow).saturating_sub(1);
    let to = of.partition_point(|at| *at < next_blow).max(from + 2).min(of.len());
    of[from..to].windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
}
