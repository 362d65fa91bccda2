//! Blows to the leader's process, its orderly end among them, and the wait until the cluster has got over one.

use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::clock::monotonic_ns;
use super::{JobTracker, Stage, pause};

/// All members are up and no further behind than this before the next blow: what is on its way at a few hundred jobs/s.
const LAG_MAX: u64 = 500;
/// Calm between two blows, so that their silences are told apart.
pub(crate) const CALM_MS: u64 = 300;
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);

/// Kills the leader; returns when. It is started again at once and has caught up when this returns.
pub(crate) async fn kill(stage: &mut Stage) -> anyhow::Result<u64> {
    let leader = leader(stage).await?;
    signal(&stage.jobtrackers[leader], Signal::KILL)?;
    let at = monotonic_ns();
    // The dead leave their port and their lock first.
    stage.jobtrackers[leader].process.child.wait()?;
    pause(CALM_MS).await;
    let place = &stage.jobtrackers[leader].place;
    let process = place.start()?;
    stage.jobtrackers[leader].process = process;
    caught_up(&stage.client).await?;
    pause(CALM_MS).await;
    Ok(at)
}

/// Tells the leader to stop, as a service manager would; returns when. It is started again once it has, and has caught up when
/// this returns.
pub(crate) async fn stop(stage: &mut Stage) -> anyhow::Result<u64> {
    let leader = leader(stage).await?;
    let process = &mut stage.jobtrackers[leader].process;
    let at = monotonic_ns();
    process.tell("stop")?;
    let ended = tokio::task::block_in_place(|| process.child.wait())?;
    anyhow::ensure!(ended.success(), "a JobTracker that was told to stop ended with {ended}");
    let process = stage.jobtrackers[leader].place.start()?;
    stage.jobtrackers[leader].process = process;
    caught_up(&stage.client).await?;
    pause(CALM_MS).await;
    Ok(at)
}

pub(crate) fn signal(node: &JobTracker, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(node.process.pid()).ok().and_then(Pid::from_raw).context("a pid")?;
    Ok(kill_process(pid, signal)?)
}

pub(crate) async fn leader(stage: &Stage) -> anyhow::Result<usize> {
    let status = status(&stage.client).await?;
    let leads = |node: &pb::ClusterNode| node.role() == pb::NodeRole::Leader;
    let name = status.nodes.into_iter().find(leads).context("somebody leads")?.name;
    stage.jobtrackers.iter().position(|node| node.place.name == name).context("it is one of the three")
}

async fn status(client: &JobClient) -> anyhow::Result<pb::StatusResponse> {
    let call = async |via, request| ClusterServiceClient::new(via).status(request).await;
    Ok(client.read(pb::StatusRequest {}, call).await?)
}

/// Waits until all three are up, one of them leads and the others are hardly behind.
pub(crate) async fn caught_up(client: &JobClient) -> anyhow::Result<()> {
    let deadline = Instant::now() + CAUGHT_UP_WITHIN;
    loop {
        let status = status(client).await?;
        let is_well = |node: &&pb::ClusterNode| node.health() == pb::NodeHealth::Up && node.lag <= LAG_MAX;
        let led = status.nodes.iter().any(|node| node.role() == pb::NodeRole::Leader);
        if led && status.nodes.iter().filter(is_well).count() == 3 {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "not caught up in time: {status:?}");
        pause(20).await;
    }
}
