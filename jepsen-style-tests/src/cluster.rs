//! All that a run is about, on one machine: three JobTrackers, the TaskTrackers, and the network between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::admin::Admin;
use crate::history::FaultOutcome;
use crate::jobtracker::{JobTracker, Options};
use crate::netns::Network;
use crate::place::Place;
use crate::record::FaultRecord;
use crate::submitter::Submitter;
use crate::tracker::{Surroundings, Tracker};

pub(crate) const NODES: [&str; 3] = ["n1", "n2", "n3"];
pub(crate) const TRACKERS: [&str; 3] = ["w1", "w2", "w3"];
/// A second process of the identity `w1`.
pub(crate) const TWIN: &str = "w1b";
pub(crate) const CLIENTS: [&str; 2] = ["c1", "c2"];
/// How often TaskTrackers that a job has killed are looked for.
const REVIVE_EVERY: Duration = Duration::from_millis(500);
/// An election, a replay, and what a loaded machine adds.
const AGREE_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) network: Arc<Network>,
    pub(crate) nodes: Vec<Arc<JobTracker>>,
    pub(crate) trackers: Vec<Arc<Tracker>>,
    pub(crate) twin: Arc<Tracker>,
    pub(crate) admin: Admin,
    pub(crate) faults: Arc<FaultRecord>,
    /// What the binary can panic at; empty if it cannot.
    pub(crate) failpoints: Vec<String>,
    /// JobClients with a FailStore, one on each host of [`CLIENTS`]; only some workloads start them.
    pub(crate) submitters: Vec<Submitter>,
    /// Whether the clients of each of [`CLIENTS`] are dead.
    pub(crate) clients: [watch::Sender<bool>; CLIENTS.len()],
}

impl Cluster {
    /// Makes everything and starts the JobTrackers and the TaskTrackers.
    ///
    /// # Errors
    /// If the machine does not allow it or the cluster does not come up.
    pub(crate) async fn boot(
        place: &Place,
        kept: &Path,
        options: &Options,
        effects: PathBuf,
    ) -> anyhow::Result<Arc<Cluster>> {
        let names: Vec<&str> = NODES.into_iter().chain(TRACKERS).chain([TWIN]).chain(CLIENTS).collect();
        let network = Network::build(place, &names).await?;
        let faults = Arc::new(FaultRecord::create(&kept.join("nemesis.jsonl"))?);
        let mut nodes = Vec::new();
        for name in NODES {
            let dir = kept.join("nodes").join(name);
            std::fs::create_dir_all(&dir)?;
            let log = dir.join("jobtracker.log");
            let host = network.host(name).clone();
            let node = JobTracker::make(host, place.dir(), &log, options, Arc::clone(&faults)).await?;
            nodes.push(Arc::new(node));
        }
        let addresses: Vec<&str> = nodes.iter().map(|node| node.client.as_str()).collect();
        let around = Surroundings {
            addresses: addresses.join(","),
            dir: place.dir(),
            kept,
            effects,
            faults: Arc::clone(&faults),
            env: &options.tracker_env,
        };
        let mut trackers = Vec::new();
        for name in TRACKERS {
            trackers.push(Arc::new(Tracker::make(network.host(name).clone(), name, &around).await?));
        }
        let twin = Arc::new(Tracker::make(network.host(TWIN).clone(), TRACKERS[0], &around).await?);
        let submitters = CLIENTS.iter().map(|name| Submitter::make(network.host(name).clone(), &around));
        let submitters = submitters.collect::<anyhow::Result<Vec<_>>>()?;
        for node in &nodes {
            node.start().await?;
        }
        let admin = Admin::of(&nodes);
        admin.init().await?;
        admin.agree(AGREE_PATIENCE).await?;
        for tracker in &trackers {
            tracker.start().await?;
        }
        let clients = CLIENTS.map(|_| watch::Sender::new(false));
        let failpoints = options.failpoints.clone();
        Ok(Arc::new(Cluster {
            network,
            nodes,
            trackers,
            twin,
            admin,
            faults,
            failpoints,
            submitters,
            clients,
        }))
    }

    /// Starts TaskTrackers anew that a job has killed, until the runtime ends.
    pub(crate) fn keep_trackers_alive(self: &Arc<Cluster>) {
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                sleep(REVIVE_EVERY).await;
                for tracker in &cluster.trackers {
                    if let Err(error) = tracker.revive().await {
                        println!("  {} cannot be started again: {error:#}", tracker.name);
                    }
                }
            }
        });
    }

    /// The JobTracker that leads; any if none does.
    pub(crate) async fn leader(&self) -> Arc<JobTracker> {
        self.known_leader().await.unwrap_or_else(|| Arc::clone(&self.nodes[0]))
    }

    /// The JobTracker that leads and lives, if one does.
    pub(crate) async fn known_leader(&self) -> Option<Arc<JobTracker>> {
        let name = self.admin.leader().await?;
        let leader = self.nodes.iter().find(|node| node.name == name)?;
        leader.lives().await.then(|| Arc::clone(leader))
    }

    /// Everybody's network, processes, clocks and disks are as at the start. Faults have ended before; this finds what
    /// they left.
    ///
    /// # Errors
    /// If something cannot be put right.
    pub(crate) async fn heal(&self) -> anyhow::Result<()> {
        self.network.heal().await?;
        for clients in &self.clients {
            clients.send_replace(false);
        }
        for node in &self.nodes {
            node.signal(Signal::CONT).await;
            node.disk.free()?;
            if node.clock.is_some() {
                crate::clock::offset(node, 0)?;
            }
            if !node.lives().await {
                let left = self.faults.open("restart", "was down at the end".into(), vec![node.name.clone()]);
                left.start(FaultOutcome::Installed);
                node.start().await?;
                left.stop(FaultOutcome::Installed, "");
            }
        }
        for tracker in &self.trackers {
            tracker.signal(Signal::CONT).await;
            tracker.start().await?;
        }
        self.twin.stop().await
    }

    /// Ends all processes, JobTrackers last.
    ///
    /// # Errors
    /// If one does not end.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        for tracker in &self.trackers {
            tracker.stop().await?;
        }
        for node in &self.nodes {
            node.stop().await?;
        }
        Ok(())
    }
}
