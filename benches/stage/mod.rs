//! The stage of the benchmarks: three JobTrackers and a TaskTracker, each a process of its own on loopback, with real
//! data directories and default settings. The benchmark's own binary plays every role; the client is in the parent.

pub(crate) mod blow;
pub(crate) mod clock;
pub(crate) mod figures;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod process;
mod roles;
pub(crate) mod starts;
pub(crate) mod usage;
pub(crate) mod writes;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;
use raftsman::wire::pb::InitRequest;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use tempfile::TempDir;

use process::Process;
use starts::Start;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Executions at a time, unless told: what two cores finish in a few round trips.
const SLOTS: u32 = 4_000;
/// Below the range from which the system takes ports by itself, so that a restarted JobTracker finds its own free.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Plays the role that the arguments name, or else the benchmark, which starts the others.
pub(crate) fn run<Bench>(bench: impl FnOnce() -> Bench) -> anyhow::Result<()>
where
    Bench: Future<Output = anyhow::Result<()>>,
{
    if roles::play()? {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bench())
}

/// A JobTracker's place: what stays the same when it is started again.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) client: String,
    peer: String,
    pub(crate) dir: PathBuf,
}

#[derive(Debug)]
pub(crate) struct JobTracker {
    pub(crate) place: Place,
    pub(crate) process: Process,
}

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) jobtrackers: Vec<JobTracker>,
    pub(crate) client: JobClient,
    trackers_made: u32,
    dir: TempDir,
}

impl Stage {
    /// Three JobTrackers that are one cluster, and a client that reaches its leader.
    pub(crate) async fn set() -> anyhow::Result<Stage> {
        let dir = tempfile::Builder::new().prefix("raftsman-bench").tempdir()?;
        let mut jobtrackers = Vec::new();
        for number in 1..=3 {
            let [client, peer] = [free_address()?, free_address()?];
            let name = format!("n{number}");
            let place = Place { dir: dir.path().join(&name), name, client, peer };
            let process = place.start()?;
            jobtrackers.push(JobTracker { place, process });
        }
        let first = format!("http://{}", jobtrackers[0].place.client);
        let addresses = jobtrackers.iter().map(|node| node.place.peer.clone()).collect();
        ClusterServiceClient::connect(first).await?.init(InitRequest { addresses }).await?;
        let client = JobClient::builder().addresses(client_addresses(&jobtrackers)).connect().await?;
        Ok(Stage { jobtrackers, client, trackers_made: 0, dir })
    }

    /// A TaskTracker of a group; it runs every job as a no-op.
    pub(crate) fn tasktracker(&mut self, group: &str) -> anyhow::Result<TaskTracker> {
        self.trackers_made += 1;
        let name = format!("w{}", self.trackers_made);
        let dir = self.dir.path().join(&name);
        let slots = option("--slots", SLOTS)?.to_string();
        let args = ["tasktracker", group, &client_addresses(&self.jobtrackers), path(&dir)?, &slots];
        let process = Process::start(&name, &args)?;
        Ok(TaskTracker { process, starts: dir.join("starts") })
    }
}

impl Stage {
    /// `count` TaskTrackers in one process, in `groups` node groups: `t{first}` and so on, of groups `g{n}`.
    pub(crate) fn crowd(&mut self, first: u32, count: u32, groups: u32) -> anyhow::Result<TaskTracker> {
        self.trackers_made += 1;
        let name = format!("crowd{}", self.trackers_made);
        let dir = self.dir.path().join(&name);
        std::fs::create_dir_all(&dir)?;
        let [first, count, groups] = [first, count, groups].map(|number| number.to_string());
        let args = ["crowd", &first, &count, &groups, &client_addresses(&self.jobtrackers), path(&dir)?];
        let process = Process::start(&name, &args)?;
        Ok(TaskTracker { process, starts: dir.join("starts") })
    }
}

impl Place {
    /// Starts the JobTracker on what its directory holds, and waits until it listens.
    pub(crate) fn start(&self) -> anyhow::Result<Process> {
        let args = ["jobtracker", &self.name, path(&self.dir)?, &self.client, &self.peer];
        let mut process = Process::start(&self.name, &args)?;
        process.expect("listens")?;
        Ok(process)
    }
}

#[derive(Debug)]
pub(crate) struct TaskTracker {
    pub(crate) process: Process,
    starts: PathBuf,
}

impl TaskTracker {
    /// Waits until `jobs` different jobs have started and each result is acknowledged; returns when that was.
    pub(crate) fn drain(&mut self, jobs: u64) -> anyhow::Result<u64> {
        self.process.tell(&format!("until {jobs}"))?;
        Ok(self.process.expect("drained")?.parse()?)
    }

    /// Every start of an execution that it saw, in order; it ends with this.
    pub(crate) fn end(mut self) -> anyhow::Result<Vec<Start>> {
        self.process.tell("save")?;
        self.process.expect("saved")?;
        starts::read(&self.starts)
    }
}

fn client_addresses(jobtrackers: &[JobTracker]) -> String {
    let addresses: Vec<&str> = jobtrackers.iter().map(|node| node.place.client.as_str()).collect();
    addresses.join(",")
}

fn path(dir: &std::path::Path) -> anyhow::Result<&str> {
    dir.to_str().context("a temporary directory has a plain name")
}

/// An address whose port nobody has.
fn free_address() -> anyhow::Result<String> {
    for _ in 0..1_000 {
        let address = format!("127.0.0.1:{}", fastrand::u16(PORTS));
        if TcpListener::bind(&address).is_ok() {
            return Ok(address);
        }
    }
    anyhow::bail!("no free port was found between {} and {}", PORTS.start, PORTS.end)
}

/// The value of `--name value`, if it is there.
pub(crate) fn option<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    match args.next() {
        Some(value) => value.parse().ok().with_context(|| format!("{name} {value} is not understood")),
        None => Ok(default),
    }
}

pub(crate) async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
