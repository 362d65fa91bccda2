//! The faults, a family a file. Each is begun, held and undone by one future, and writes down when it did what.

mod clock;
mod corrupt;
mod disk;
pub(crate) mod failpoint;
mod kill;
mod network;
mod partition;
mod pause;
mod power;
mod rolling;
mod tracker;
mod wipe;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::cluster::Cluster;
use crate::generator::schedule::{Aim, Lane, Plan};
use crate::history::FaultOutcome;
use crate::jobtracker::JobTracker;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Family {
    /// SIGKILL of a JobTracker.
    Kill,
    /// SIGSTOP of a JobTracker, SIGCONT later.
    Pause,
    /// Loss of power: what was not flushed is gone.
    Power,
    /// Packets between hosts are dropped.
    Partition,
    /// SIGKILL of a TaskTracker.
    TrackerKill,
    /// SIGSTOP of a TaskTracker, longer than the cluster's patience half of the time.
    TrackerPause,
    /// A TaskTracker loses all JobTrackers, or the leader only, or one direction.
    TrackerCut,
    /// A second process with a TaskTracker's identity.
    TrackerTwin,
    /// Some packets are lost.
    Loss,
    /// Packets are late.
    Delay,
    /// A disk has no room left.
    DiskFull,
    /// A disk fails under a live process.
    DiskDead,
    /// A disk takes few bytes a second.
    DiskSlow,
    /// A JobTracker loses its disk and comes back empty.
    Wipe,
    /// The files of a stopped JobTracker are damaged.
    Corrupt,
    /// The wall clock of a JobTracker jumps.
    Clock,
    /// SIGTERM and restart of one JobTracker after another.
    Rolling,
    /// Snapshots are small and frequent and the log is short: a setting for the whole run.
    Snapshot,
    /// A process panics at a place of its own code; needs a binary with the feature `failpoints`.
    Failpoint,
}

impl Family {
    pub(crate) const ALL: &[Family] = &[
        Family::Kill,
        Family::Pause,
        Family::Power,
        Family::Partition,
        Family::TrackerKill,
        Family::TrackerPause,
        Family::TrackerCut,
        Family::TrackerTwin,
        Family::Loss,
        Family::Delay,
        Family::DiskFull,
        Family::DiskDead,
        Family::DiskSlow,
        Family::Wipe,
        Family::Corrupt,
        Family::Clock,
        Family::Rolling,
        Family::Snapshot,
        Family::Failpoint,
    ];

    /// Those that the shipped product can be hurt by.
    pub(crate) fn of_the_shipped() -> Vec<Family> {
        Family::ALL.iter().copied().filter(|family| *family != Family::Failpoint).collect()
    }

    /// As it is told on the command line and in `nemesis.jsonl`.
    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it excludes; `None` if it is a setting.
    pub(crate) fn lane(self) -> Option<Lane> {
        match self {
            Family::Kill | Family::Pause | Family::Power | Family::Partition | Family::DiskFull => {
                Some(Lane::JobTrackers)
            }
            Family::DiskDead | Family::DiskSlow | Family::Wipe | Family::Corrupt | Family::Clock => {
                Some(Lane::JobTrackers)
            }
            Family::Rolling | Family::Failpoint => Some(Lane::JobTrackers),
            Family::TrackerKill | Family::TrackerPause | Family::TrackerCut | Family::TrackerTwin => {
                Some(Lane::TaskTrackers)
            }
            Family::Loss | Family::Delay => Some(Lane::Network),
            Family::Snapshot => None,
        }
    }

    /// The shortest and the longest time between its start and its stop.
    pub(crate) fn hold_ms(self) -> (u64, u64) {
        match self {
            Family::Kill => (0, 6_000),
            Family::Pause => (300, 6_000),
            Family::Power => (0, 2_000),
            Family::Partition => (1_000, 10_000),
            Family::TrackerKill => (0, 8_000),
            Family::TrackerPause => (3_000, 18_000),
            Family::TrackerCut => (2_000, 15_000),
            Family::TrackerTwin => (3_000, 10_000),
            Family::Loss | Family::Delay => (3_000, 10_000),
            Family::DiskFull => (3_000, 8_000),
            Family::DiskDead => (500, 4_000),
            Family::DiskSlow => (3_000, 8_000),
            Family::Wipe | Family::Corrupt => (0, 2_000),
            Family::Clock => (2_000, 8_000),
            Family::Rolling | Family::Snapshot | Family::Failpoint => (0, 0),
        }
    }

    /// Whether it may take all JobTrackers at once.
    pub(crate) fn may_hit_all(self) -> bool {
        matches!(self, Family::Kill | Family::Pause | Family::Power)
    }

    /// What the JobTrackers must be told for the whole run.
    pub(crate) fn settings(self) -> &'static [&'static str] {
        match self {
            Family::Snapshot | Family::Failpoint => &["raft.snapshot_entries=300", "raft.keep_entries=50"],
            _ => &[],
        }
    }
}

/// One fault under way.
struct Strike {
    cluster: Arc<Cluster>,
    plan: Plan,
    over: watch::Receiver<bool>,
}

/// Plays the plans; when `time` is over, ends what is still held.
pub(crate) async fn play(cluster: &Arc<Cluster>, plans: &[Plan], time: Duration) {
    let began = Instant::now();
    let (tell_over, over) = watch::channel(false);
    let mut lanes = JoinSet::new();
    for lane in [Lane::JobTrackers, Lane::TaskTrackers, Lane::Network] {
        let mine: Vec<Plan> = plans.iter().filter(|plan| plan.family.lane() == Some(lane)).cloned().collect();
        let (cluster, over) = (Arc::clone(cluster), over.clone());
        lanes.spawn(async move {
            for plan in mine {
                let mut ended = over.clone();
                let until_over = ended.wait_for(|over| *over);
                tokio::select! {
                    () = sleep_until(began + plan.at) => {}
                    _ = until_over => return,
                }
                let strike = Strike { cluster: Arc::clone(&cluster), plan, over: over.clone() };
                strike.run().await;
            }
        });
    }
    sleep(time).await;
    // Every lane waits for it or has ended.
    let _ = tell_over.send(true);
    lanes.join_all().await;
}

impl Strike {
    async fn run(&self) {
        match self.plan.family {
            Family::Kill => kill::run(self).await,
            Family::Pause => pause::run(self).await,
            Family::Power => power::run(self).await,
            Family::Partition => partition::run(self).await,
            Family::TrackerKill => tracker::kill(self).await,
            Family::TrackerPause => tracker::pause(self).await,
            Family::TrackerCut => tracker::cut(self).await,
            Family::TrackerTwin => tracker::twin(self).await,
            Family::Loss => network::lose(self).await,
            Family::Delay => network::delay(self).await,
            Family::DiskFull => disk::full(self).await,
            Family::DiskDead => disk::dead(self).await,
            Family::DiskSlow => disk::slow(self).await,
            Family::Wipe => wipe::run(self).await,
            Family::Corrupt => corrupt::run(self).await,
            Family::Clock => clock::run(self).await,
            Family::Rolling => rolling::run(self).await,
            Family::Failpoint => failpoint::run(self).await,
            Family::Snapshot => {}
        }
    }

    /// The JobTrackers that the plan means, and the word for that.
    async fn targets(&self) -> (Vec<Arc<JobTracker>>, &'static str) {
        match self.plan.aim {
            Aim::Leader => (vec![self.cluster.leader().await], "the leader"),
            Aim::One(number) => (vec![Arc::clone(&self.cluster.nodes[number])], "one"),
            Aim::All => (self.cluster.nodes.clone(), "all"),
        }
    }

    /// The one JobTracker that the plan means.
    async fn target(&self) -> (Arc<JobTracker>, &'static str) {
        let (targets, word) = self.targets().await;
        (Arc::clone(&targets[0]), word)
    }

    /// One of the variants.
    fn variant(&self, count: usize) -> usize {
        self.plan.variant % count
    }

    /// Until the fault has lasted as planned, or the time of faults is over.
    async fn hold(&self) {
        let mut over = self.over.clone();
        // Both ends mean the same.
        let _ = timeout(self.plan.hold, over.wait_for(|over| *over)).await;
    }

    /// Begins, holds, undoes, and writes all that down.
    async fn between(
        &self,
        detail: String,
        targets: Vec<String>,
        begin: impl Future<Output = anyhow::Result<()>>,
        end: impl Future<Output = anyhow::Result<()>>,
    ) {
        let name = self.plan.family.name();
        let open = self.cluster.faults.open(&name, detail, targets);
        let begun = begin.await;
        open.start(outcome(&name, &begun));
        self.hold().await;
        let ended = end.await;
        open.stop(outcome(&name, &ended), &told(&ended));
    }
}

fn outcome(name: &str, done: &anyhow::Result<()>) -> FaultOutcome {
    match done {
        Ok(()) => FaultOutcome::Installed,
        Err(error) => {
            println!("  {name}: {error:#}");
            FaultOutcome::Indeterminate
        }
    }
}

fn told(done: &anyhow::Result<()>) -> String {
    done.as_ref().err().map_or_else(String::new, |error| format!("{error:#}"))
}

/// The names of some JobTrackers.
fn names(nodes: &[Arc<JobTracker>]) -> Vec<String> {
    nodes.iter().map(|node| node.name.clone()).collect()
}
