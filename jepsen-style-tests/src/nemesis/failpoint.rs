//! A process panics between two steps of its own code, at a place that the product names. It is started anew with that
//! place armed, brought to pass there, and started again without.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::partition::{close, open};
use super::{Strike, names, told};
use crate::cluster::Cluster;
use crate::generator::schedule::Aim;
use crate::history::{Fault, FaultEdge, FaultOutcome};
use crate::jobtracker::JobTracker;
use crate::netns::both_ways;

/// In `nemesis.jsonl`: the family's name.
pub(crate) const WHAT: &str = "failpoint";
/// In `nemesis.jsonl`, of a process that panicked where it was to.
const PANICKED: &str = "panicked";
const NOT_REACHED: &str = "not reached";
/// How long a place is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const AGREE_PATIENCE: Duration = Duration::from_secs(10);
const READMIT_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// Entries that only a cut-off leader has gather meanwhile; another is elected before it is over.
const CUT: Duration = Duration::from_secs(4);
/// Without a leader everybody votes, and asks for votes.
const LEADERLESS: Duration = Duration::from_millis(1500);
/// Places that are passed all the time panic at a later pass.
const PASSES_MAX: u32 = 30;

/// What brings a JobTracker to pass there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// What clients and TaskTrackers do anyhow.
    Traffic,
    /// It leads.
    Lead,
    /// It leads, and then another does.
    StepDown,
    /// It leads, and a TaskTracker leaves.
    LoseATracker,
    /// Another that leads dies.
    Elect,
    /// It leads while it is cut off, so that what it appends is overruled.
    BeOverruled,
    /// It comes back without a disk, so that it gets a snapshot.
    Install,
}

impl Way {
    fn to(name: &str) -> Way {
        match name {
            "leader::before_step_down" => Way::StepDown,
            "leader::before_redispatch" => Way::LoseATracker,
            "log::before_truncate" => Way::BeOverruled,
            "snapshot::before_install" | "snapshot::before_current" | "snapshot::after_current" => {
                Way::Install
            }
            _ if name.starts_with("leader::") => Way::Lead,
            _ if name.starts_with("vote::") || name.starts_with("hand_over::") => Way::Elect,
            _ => Way::Traffic,
        }
    }

    /// Whether it is passed more than once in a process's life.
    fn often(self, name: &str) -> bool {
        let rare = ["recover", "plan", "welcome", "terminate", "snapshot::", "purge", "flush", "layer"];
        let rare = rare.iter().any(|word| name.contains(word));
        matches!(self, Way::Traffic | Way::Lead) && !rare
    }
}

/// Whether it is passed only where a log was shortened: one that is whole is sent as it is, and no snapshot with it.
pub(crate) fn wants_a_long_log(name: &str) -> bool {
    Way::to(name) == Way::Install
}

/// What became of one place in one strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Struck {
    pub(crate) name: String,
    pub(crate) panicked: bool,
}

/// What `nemesis.jsonl` tells of them.
pub(crate) fn struck(faults: &[Fault]) -> Vec<Struck> {
    let ours = faults.iter().filter(|fault| fault.what == WHAT);
    let ends = ours.filter(|fault| fault.f == FaultEdge::Stop && fault.outcome == FaultOutcome::Installed);
    let told = ends.filter_map(|fault| {
        let (name, rest) = fault.detail.split_once(' ')?;
        Some(Struck { name: name.to_owned(), panicked: rest == PANICKED })
    });
    told.collect()
}

pub(super) async fn run(strike: &Strike) {
    let cluster = &strike.cluster;
    // A wiped or a slow one may be on its way back still; a place that is not reached then says so.
    let _ = cluster.admin.agree(AGREE_PATIENCE).await;
    let name = cluster.failpoints[strike.variant(cluster.failpoints.len())].clone();
    let pass = strike.plan.measure % PASSES_MAX;
    if name.starts_with("tracker::") {
        in_a_tracker(strike, &name, pass).await
    } else {
        in_a_node(strike, &name, pass).await
    }
}

fn environment(name: &str, pass: u32) -> Vec<(String, String)> {
    let what = if pass == 0 { "panic".to_owned() } else { format!("{pass}*off->panic") };
    vec![("FAILPOINTS".into(), format!("{name}={what}"))]
}

fn outcome(name: &str, panicked: bool) -> String {
    format!("{name} {}", if panicked { PANICKED } else { NOT_REACHED })
}

async fn in_a_tracker(strike: &Strike, name: &str, pass: u32) {
    let trackers = &strike.cluster.trackers;
    let tracker = &trackers[strike.plan.measure as usize % trackers.len()];
    let detail = format!("{name} at pass {}", pass + 1);
    let fault = strike.cluster.faults.open(WHAT, detail, vec![tracker.name.clone()]);
    let strikes = async {
        let process = tracker.start_armed(&environment(name, pass)).await?;
        fault.start(FaultOutcome::Installed);
        let panicked = process.end(PATIENCE).await.is_some();
        if !panicked {
            tracker.kill().await?;
        }
        fault.stop(FaultOutcome::Installed, &outcome(name, panicked));
        tracker.start().await
    };
    let struck: anyhow::Result<()> = strikes.await;
    if struck.is_err() {
        println!("  {name}: {}", told(&struck));
        fault.stop(FaultOutcome::Indeterminate, &told(&struck));
    }
}

async fn in_a_node(strike: &Strike, name: &str, pass: u32) {
    let cluster = &strike.cluster;
    let way = Way::to(name);
    let pass = if way.often(name) { pass } else { 0 };
    let leads = strike.plan.aim == Aim::Leader;
    let node = &cluster.nodes[strike.plan.measure as usize % cluster.nodes.len()];
    let role = if leads || way == Way::Lead { "the leader" } else { "a follower" };
    let detail = format!("{name} at pass {} in {role}", pass + 1);
    let fault = cluster.faults.open(WHAT, detail, vec![node.name.clone()]);
    let strikes = async {
        node.kill().await?;
        if way == Way::Install {
            node.disk.empty().await?;
        }
        node.start_armed(&environment(name, pass)).await?;
        fault.start(FaultOutcome::Installed);
        provoke(strike, node, way, leads).await?;
        let panicked = !node.lives().await;
        node.kill().await?;
        node.start().await?;
        if way == Way::Install {
            cluster.admin.readmit(node, READMIT_PATIENCE).await?;
        }
        fault.stop(FaultOutcome::Installed, &outcome(name, panicked));
        anyhow::Ok(())
    };
    let struck = strikes.await;
    if struck.is_err() {
        println!("  {name}: {}", told(&struck));
        fault.stop(FaultOutcome::Indeterminate, &told(&struck));
    }
}

/// Until it has ended by itself, or patience has.
async fn provoke(strike: &Strike, node: &JobTracker, way: Way, leads: bool) -> anyhow::Result<()> {
    let cluster = &strike.cluster;
    let until = Instant::now() + PATIENCE;
    let must_lead = matches!(way, Way::Lead | Way::StepDown | Way::LoseATracker | Way::BeOverruled);
    if way == Way::Install {
        // It may well be that it dies of that.
        let _ = cluster.admin.readmit(node, PATIENCE).await;
    }
    while Instant::now() < until && node.lives().await {
        if must_lead || (leads && way == Way::Traffic) {
            let leads_now = cluster.admin.transfer(&node.name).await;
            if leads_now {
                one_way_more(strike, node, way).await?;
            }
        } else if way == Way::Elect {
            kill_another_leader(cluster, node).await?;
        }
        wait_for_its_end(node, Duration::from_millis(200)).await;
    }
    wait_for_its_end(node, until.saturating_duration_since(Instant::now())).await;
    Ok(())
}

/// It leads now.
async fn one_way_more(strike: &Strike, node: &JobTracker, way: Way) -> anyhow::Result<()> {
    let cluster = &strike.cluster;
    let others: Vec<String> = names(&cluster.nodes).into_iter().filter(|name| *name != node.name).collect();
    match way {
        Way::StepDown => {
            cluster.admin.transfer(&others[0]).await;
        }
        Way::LoseATracker => {
            let tracker = &cluster.trackers[0];
            tracker.stop().await?;
            tracker.start().await?;
        }
        Way::BeOverruled => {
            let ways = both_ways(std::slice::from_ref(&node.name), &others);
            close(strike, &ways).await?;
            wait_for_its_end(node, CUT).await;
            open(strike, &ways).await?;
            // Connections come back when they try again.
            wait_for_its_end(node, PATIENCE).await;
        }
        Way::Traffic | Way::Lead | Way::Elect | Way::Install => {}
    }
    Ok(())
}

async fn kill_another_leader(cluster: &Cluster, node: &JobTracker) -> anyhow::Result<()> {
    let leader = cluster.leader().await;
    if leader.name == node.name {
        // It got the leadership at its first vote: somebody else must have it.
        if let Some(other) = cluster.nodes.iter().find(|other| other.name != node.name) {
            cluster.admin.transfer(&other.name).await;
        }
        return Ok(());
    }
    leader.kill().await?;
    wait_for_its_end(node, LEADERLESS).await;
    leader.start().await?;
    let _ = cluster.admin.agree(AGREE_PATIENCE / 5).await;
    Ok(())
}

async fn wait_for_its_end(node: &JobTracker, within: Duration) {
    let until = Instant::now() + within;
    while node.lives().await && Instant::now() < until {
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_struck_is_read_from_the_faults() {
        let edge = |f, detail: &str, outcome| {
            let (what, targets) = (WHAT.to_owned(), vec!["n1".to_owned()]);
            Fault { t: 1, id: 1, f, what, detail: detail.into(), targets, outcome }
        };
        let faults = [
            edge(FaultEdge::Start, "log::after_sync at pass 3 in a follower", FaultOutcome::Installed),
            edge(FaultEdge::Stop, &outcome("log::after_sync", true), FaultOutcome::Installed),
            edge(FaultEdge::Stop, &outcome("vote::after_save", false), FaultOutcome::Installed),
            edge(FaultEdge::Stop, "it hangs", FaultOutcome::Indeterminate),
        ];
        let of = |name: &str, panicked| Struck { name: name.into(), panicked };
        assert_eq!(struck(&faults), [of("log::after_sync", true), of("vote::after_save", false)]);
    }
}
