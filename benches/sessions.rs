//! What many TaskTrackers cost a cluster: sessions that do nothing, sessions with work, and a dead leader.
//!
//! Three JobTrackers with default settings, and `--trackers N` TaskTrackers of the SDK with a session and a heartbeat
//! each, over `--processes N` processes and a hundred node groups. Told: how long until all are online, memory and
//! processor time of each process while nothing runs and at `--rate JOBS_PER_SECOND`, each for `--seconds N`, and
//! whether any session was dropped, also when the leader is killed. Each job is checked against the ledger, and one
//! line of JSON follows.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
mod stage;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use raftsman::wire::pb;
use raftsman::wire::pb::node_service_client::NodeServiceClient;
use stage::blow::kill;
use stage::figures::Times;
use stage::ledger::verify;
use stage::load::Load;
use stage::usage::{cpu_us, machine_busy_us, memory_bytes};
use stage::{Stage, TaskTracker, pause};
use tokio::time::Instant;

const TRACKERS: u32 = 10_000;
const PROCESSES: u32 = 4;
const GROUPS: u32 = 100;
const SECONDS: u64 = 60;
const JOBS_PER_S: f64 = 200.0;
const ONLINE_WITHIN: Duration = Duration::from_secs(300);
/// Longer than a silent TaskTracker stays online.
const AFTER_A_KILL: Duration = Duration::from_secs(20);
const PAGE_ROWS: i32 = 1_000;
/// A JobTracker has a connection of each TaskTracker, and a process of the crowd three for each of its own.
const FILES: u64 = 60_000;

fn main() -> anyhow::Result<()> {
    raise_open_files()?;
    stage::run(bench)
}

fn raise_open_files() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit { current: Some(limit.maximum.map_or(FILES, |most| most.min(FILES))), ..limit };
    setrlimit(Resource::Nofile, enough).context("cannot raise the limit of open files")
}

async fn bench() -> anyhow::Result<()> {
    let trackers = stage::option("--trackers", TRACKERS)?;
    let processes = stage::option("--processes", PROCESSES)?;
    let time = Duration::from_secs(stage::option("--seconds", SECONDS)?);
    let rate = stage::option("--rate", JOBS_PER_S)?;
    let mut stage = Stage::set().await?;
    let began = Instant::now();
    let share = trackers.div_ceil(processes);
    let shares = (0..processes).map(|number| (number * share, share.min(trackers - number * share)));
    let mut crowds =
        shares.map(|(first, count)| stage.crowd(first, count, GROUPS)).collect::<Result<Vec<_>, _>>()?;
    for crowd in &mut crowds {
        crowd.process.expect("started")?;
    }
    let sessions = online(&stage.client, trackers as usize).await?;
    let ramp = began.elapsed();
    println!("{trackers} TaskTrackers are online after {:.1} s", ramp.as_secs_f64());
    pause(5_000).await;
    let idle = Use::during(&stage, &crowds, tokio::time::sleep(time)).await?;
    idle.print("nothing runs");
    let groups = (0..GROUPS).map(|number| format!("g{number}")).collect();
    let load = Load::over(&stage.client, groups);
    let mut submitted = Vec::new();
    let flow = async { submitted = load.flow(rate, tokio::time::sleep(time)).await };
    let busy = Use::during(&stage, &crowds, flow).await?;
    busy.print(&format!("{rate} jobs/s"));
    let acked = submitted.iter().filter_map(|one| Some(one.acked.as_ref().ok()? - one.at_ns));
    let acked = Times::of_ns(acked);
    println!("  submit to ack    {acked}");
    let still = dropped(&stage.client, &sessions).await?;
    kill(&mut stage).await?;
    tokio::time::sleep(AFTER_A_KILL).await;
    let after_a_kill = dropped(&stage.client, &sessions).await?;
    println!("dropped: {still} of {trackers} under load, {after_a_kill} after the leader was killed");
    let mut starts = Vec::new();
    for crowd in crowds {
        starts.extend(crowd.end()?);
    }
    let verdict = verify(&stage.client, "", &submitted, &starts).await?;
    verdict.report();
    println!(
        "{{\"bench\":\"sessions\",\"trackers\":{trackers},\"online_s\":{:.1},\"idle\":{},\"busy\":{},\
         \"jobs_per_second\":{rate},\"ack_ms_p99\":{:.1},\"dropped\":{still},\"dropped_by_a_kill\":{after_a_kill},\
         \"lost\":{},\"doubled\":{}}}",
        ramp.as_secs_f64(),
        idle.json(),
        busy.json(),
        acked.percentile(99.0),
        verdict.lost.len(),
        verdict.doubled.len()
    );
    anyhow::ensure!(verdict.is_right(), "a promise was broken: see LOST and DOUBLED above");
    anyhow::ensure!(still == 0 && after_a_kill == 0, "sessions were dropped");
    Ok(())
}

/// Waits until so many TaskTrackers are online; their sessions by identity.
async fn online(client: &JobClient, wanted: usize) -> anyhow::Result<BTreeMap<String, String>> {
    let deadline = Instant::now() + ONLINE_WITHIN;
    loop {
        // The rush of all of them may hold up a look at it.
        let seen = sessions(client).await;
        match seen {
            Ok(sessions) if sessions.len() == wanted => return Ok(sessions),
            seen => {
                let seen = seen.map(|sessions| sessions.len());
                anyhow::ensure!(Instant::now() < deadline, "not all of {wanted} came online: {seen:?}");
            }
        }
        pause(2_000).await;
    }
}

/// How many have another session now, or none.
async fn dropped(client: &JobClient, before: &BTreeMap<String, String>) -> anyhow::Result<usize> {
    let now = sessions(client).await?;
    Ok(before.iter().filter(|(who, session)| now.get(*who) != Some(session)).count())
}

async fn sessions(client: &JobClient) -> anyhow::Result<BTreeMap<String, String>> {
    let mut sessions = BTreeMap::new();
    let mut request = pb::ListNodesRequest {
        r#type: pb::NodeType::Tasktracker.into(),
        online_only: true,
        page_size: PAGE_ROWS,
        ..pb::ListNodesRequest::default()
    };
    loop {
        let call = async |via, request| NodeServiceClient::new(via).list_nodes(request).await;
        let page = client.read(request.clone(), call).await?;
        sessions.extend(page.nodes.into_iter().map(|node| (node.identity, node.id)));
        if page.next_page_token.is_empty() {
            return Ok(sessions);
        }
        request.page_token = page.next_page_token;
    }
}

/// What each process used of a core on average, and its memory at the end.
struct Use {
    of: Vec<(String, f64, u64)>,
    others_cores: f64,
}

impl Use {
    async fn during(
        stage: &Stage,
        crowds: &[TaskTracker],
        work: impl Future<Output = ()>,
    ) -> anyhow::Result<Use> {
        let jobtrackers = stage.jobtrackers.iter().map(|node| &node.process);
        let processes: Vec<(String, u32)> = jobtrackers
            .chain(crowds.iter().map(|crowd| &crowd.process))
            .map(|process| (process.name.clone(), process.pid()))
            .chain([("client".into(), std::process::id())])
            .collect();
        let used = || processes.iter().map(|(_, pid)| cpu_us(*pid)).collect::<Result<Vec<_>, _>>();
        let (began, before, busy_before) = (Instant::now(), used()?, machine_busy_us()?);
        work.await;
        let (after, busy, wall) = (used()?, machine_busy_us()? - busy_before, began.elapsed().as_secs_f64());
        let cores: Vec<f64> =
            after.iter().zip(before).map(|(after, before)| (after - before) as f64 / 1e6 / wall).collect();
        let own: f64 = cores.iter().sum();
        let others_cores = (busy as f64 / 1e6 / wall - own).max(0.0);
        let leader = stage.client.view().leader.map(|leader| leader.name).unwrap_or_default();
        let of = processes.into_iter().zip(cores).map(|((name, pid), cores)| {
            let shown = if name == leader { format!("{name} (leads)") } else { name };
            Ok((shown, cores, memory_bytes(pid)?))
        });
        Ok(Use { of: of.collect::<anyhow::Result<_>>()?, others_cores })
    }

    fn print(&self, when: &str) {
        println!("{when}");
        for (name, cores, memory) in &self.of {
            println!("  {name:<12} {cores:6.3} of a core, {:6} MiB", memory >> 20);
        }
        println!("  others on this machine used {:.2} cores meanwhile", self.others_cores);
    }

    fn json(&self) -> String {
        let one = |(name, cores, memory): &(String, f64, u64)| {
            format!("\"{name}\":{{\"cores\":{cores:.3},\"memory_mib\":{}}}", memory >> 20)
        };
        let all: Vec<String> = self.of.iter().map(one).collect();
        format!("{{{}}}", all.join(","))
    }
}
