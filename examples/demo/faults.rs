//! What is done to the cluster while it works.

use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use raftsman::domain::{Clock as _, SystemClock, Timestamp};

use crate::cluster::Cluster;
use crate::effects::{Effect, Effects};
use crate::ledger::Dispatched;
use crate::progress::Progress;

/// How long what was killed stays away.
const AWAY: Duration = Duration::from_secs(1);
/// A frozen leader wakes up in a cluster that has long gone on without it.
const FROZEN: Duration = Duration::from_secs(4);
/// How long a JobTracker may take to be followed again.
const LEADER_WITHIN: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    KillLeader,
    FreezeLeader,
    KillTaskTracker,
}

/// A fault that was done.
#[derive(Clone, Debug)]
pub(crate) struct Struck {
    pub(crate) fault: Fault,
    /// Which process.
    pub(crate) name: String,
    /// Just before the signal was sent.
    pub(crate) at: Timestamp,
    /// When it was surely gone or standing still. What was dispatched in between may be its own last deed.
    pub(crate) gone: Timestamp,
}

impl Fault {
    /// Strikes, waits until the work goes on, and makes the cluster whole again.
    ///
    /// # Errors
    /// If the cluster does not become whole again.
    pub(crate) async fn strike(
        self,
        cluster: &mut Cluster,
        client: &JobClient,
        progress: &Progress,
    ) -> anyhow::Result<Struck> {
        let leader = cluster.whole(client).await?;
        let struck = match self {
            Fault::KillLeader => kill_leader(cluster, leader, client, progress).await?,
            Fault::FreezeLeader => freeze_leader(cluster, leader, client, progress).await?,
            Fault::KillTaskTracker => kill_tasktracker(cluster, progress).await?,
        };
        let leader =
            cluster.whole(client).await.with_context(|| format!("after {self:?} of {}", struck.name))?;
        progress.leader(&leader);
        Ok(struck)
    }
}

async fn kill_leader(
    cluster: &mut Cluster,
    name: String,
    client: &JobClient,
    progress: &Progress,
) -> anyhow::Result<Struck> {
    let node = cluster.jobtracker(&name)?;
    let at = SystemClock.wall();
    node.kill();
    let gone = SystemClock.wall();
    progress.say(&format!("killed {name}, the leader"));
    another_leads(&name, client, progress).await?;
    tokio::time::sleep(AWAY).await;
    cluster.jobtracker(&name)?.start_again()?;
    progress.say(&format!("started {name} again"));
    Ok(Struck { fault: Fault::KillLeader, name, at, gone })
}

async fn freeze_leader(
    cluster: &mut Cluster,
    name: String,
    client: &JobClient,
    progress: &Progress,
) -> anyhow::Result<Struck> {
    let at = SystemClock.wall();
    cluster.jobtracker(&name)?.freeze();
    let gone = SystemClock.wall();
    progress.say(&format!("froze {name}, the leader"));
    let led = another_leads(&name, client, progress).await;
    tokio::time::sleep(FROZEN.saturating_sub(SystemClock.wall().since(at).into())).await;
    cluster.jobtracker(&name)?.thaw();
    progress.say(&format!("thawed {name}"));
    led?;
    Ok(Struck { fault: Fault::FreezeLeader, name, at, gone })
}

async fn kill_tasktracker(cluster: &mut Cluster, progress: &Progress) -> anyhow::Result<Struck> {
    let agent = cluster.tasktrackers.first_mut().context("there are agents")?;
    let (name, at) = (agent.name.clone(), SystemClock.wall());
    agent.kill();
    let gone = SystemClock.wall();
    progress.say(&format!("killed {name}, a TaskTracker"));
    tokio::time::sleep(AWAY).await;
    agent.start_again()?;
    progress.say(&format!("started {name} again"));
    Ok(Struck { fault: Fault::KillTaskTracker, name, at, gone })
}

/// Waits until a JobTracker tells of another leader than `name`.
async fn another_leads(name: &str, client: &JobClient, progress: &Progress) -> anyhow::Result<()> {
    let another = async {
        let mut beat = tokio::time::interval(Duration::from_millis(5));
        loop {
            beat.tick().await;
            match client.view().leader {
                Some(leader) if leader.name != name => return leader.name,
                Some(_) | None => {}
            }
        }
    };
    let another = tokio::time::timeout(LEADER_WITHIN, another).await;
    let another = another.map_err(|_| anyhow::anyhow!("no other leader {LEADER_WITHIN:?} after {name}"))?;
    progress.leader(&another);
    progress.say(&format!("{another} leads"));
    Ok(())
}

/// From the fault to the first start of a job that another leader dispatched: a few milliseconds too long if that one
/// began before the old one was seen to be gone.
pub(crate) fn gap(struck: &Struck, effects: &Effects, dispatched: &Dispatched) -> Option<Duration> {
    let by_another = |effect: &Effect| dispatched.get(&effect.execution).is_some_and(|at| *at > struck.gone);
    let starts = effects.all().into_iter().filter(by_another).map(|effect| effect.seen);
    starts.map(|seen| seen.since(struck.at)).min().map(Duration::from)
}
