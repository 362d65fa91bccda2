//! One run, from an empty machine to a directory that can be checked: boot, warm-up, faults, healing, drain, reading
//! back through each JobTracker, a last loss of all power, reading back once more.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use raftsman::wire::pb;
use raftsman::wire::pb::job_client_service_client::JobClientServiceClient;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::act::Act;
use crate::canary::Canaries;
use crate::client::{Client, Door, Ended, Mortality, Shared, Task};
use crate::cluster::{CLIENTS, Cluster};
use crate::control::Control;
use crate::disk::{Filesystem, text};
use crate::doctor::{Finding, ask, is_root};
use crate::effects::Effects;
use crate::generator::schedule::{Plan, schedule};
use crate::generator::spec::{GROUP, Kind, Work, job};
use crate::history::{Exec, Fault, FaultOutcome, RunInfo, Save};
use crate::jobtracker::{JobTracker, Options};
use crate::listener::{self, Listener};
use crate::nemesis::{self, Family};
use crate::netns::enter;
use crate::place::Place;
use crate::product::failpoints;
use crate::record::Record;
use crate::stamp::{monotonic_ns, wall_text};
use crate::summary::Summary;
use crate::tail::{Tails, digests};
use crate::workload::{Known, Player, Workload};

/// Clients in each of the client's namespaces.
const PLAYERS: u64 = 8;
const WARM_UP: Duration = Duration::from_secs(3);
/// A leader must be there after healing; the bound of the promise is the checker's, this one only ends the run.
const AGREE_PATIENCE: Duration = Duration::from_secs(60);
/// Three times the patience of the cluster with a TaskTracker, and what the longest job takes.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);
const PAGE_ROWS: i32 = 500;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) workload: Workload,
    pub(crate) nemeses: Vec<Family>,
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) binary: PathBuf,
    pub(crate) dir: PathBuf,
    /// Environment of JobTrackers and TaskTrackers: a planted bug.
    pub(crate) env: Vec<(String, String)>,
    /// Faults that are told; then none is drawn.
    pub(crate) told: Vec<Plan>,
    pub(crate) write_back: bool,
    pub(crate) control: Option<Control>,
}

/// Runs it and leaves everything in the order's directory.
///
/// # Errors
/// If the machine does not allow it, or the cluster does not come up or does not come back.
pub(crate) async fn run(order: &Order) -> anyhow::Result<Summary> {
    anyhow::ensure!(is_root(), "a run needs root: it makes network namespaces and mounts; see jst doctor");
    let failpoints = failpoints(&order.binary).await;
    let (families, skipped) = allowed(&order.families(), failpoints.as_ref().err()).await?;
    fs::create_dir_all(order.dir.join("nodes")).with_context(|| order.dir.display().to_string())?;
    let kept = fs::canonicalize(&order.dir)?;
    let place = Place::take()?;
    let effects = Effects::serve(&place.dir().join("effects"), &kept.join("effects.jsonl"))?;
    let options = options(order, &families, failpoints.unwrap_or_default())?;
    let canaries = Canaries::sing()?;
    let (started_at, started_ns, began) = (wall_text(), monotonic_ns(), Instant::now());
    let cluster = Cluster::boot(&place, &kept, &options, place.dir().join("effects")).await?;
    let tails = Tails::follow(&cluster, &kept)?;
    let digested = Record::create(&kept.join("digests.jsonl"))?;
    cluster.keep_trackers_alive();
    if order.write_back || order.control.is_some() {
        crate::control::write_back(&cluster);
    }
    for Finding { family, problem } in &skipped {
        let problem = problem.clone().unwrap_or_default();
        println!("  {} SKIPPED: {problem}", family.name());
        cluster.faults.open(&family.name(), problem, Vec::new()).start(FaultOutcome::Skipped);
    }
    let mut plans = match order.told.as_slice() {
        [] => schedule(order.seed, &families, order.time),
        told => told.iter().filter(|plan| families.contains(&plan.family)).cloned().collect(),
    };
    if order.told.is_empty() {
        plans.extend(order.workload.comes_anyway(order.time));
        plans.sort_by_key(|plan| plan.at);
    }
    if let Some(control) = order.control {
        control.aim(&mut plans);
    }
    fs::write(kept.join("schedule.txt"), plans.iter().map(|plan| format!("{plan:?}\n")).collect::<String>())?;

    let shared = Arc::new(Shared::new(Record::create(&kept.join("history.jsonl"))?));
    let known = Arc::new(Known::default());
    let (tell_stop, stop) = watch::channel(false);
    let mut crowds = Vec::new();
    for (number, host) in CLIENTS.into_iter().enumerate() {
        let crowd = Crowd {
            host,
            namespace: cluster.network.host(host).namespace.clone(),
            doors: cluster.nodes.iter().map(|node| (node.name.clone(), node.client.clone())).collect(),
            mortality: cluster.clients[number].subscribe(),
            seed: order.seed.wrapping_mul(97).wrapping_add(number as u64),
            workload: order.workload,
        };
        let (shared, known, stop) = (Arc::clone(&shared), Arc::clone(&known), stop.clone());
        crowds.push(
            std::thread::Builder::new()
                .name(host.into())
                .spawn(move || crowd.play(&shared, &known, &stop))?,
        );
    }
    let (tell_ears, ears_stop) = watch::channel(false);
    let heard = listener::record(&kept)?;
    let mut ears = Vec::new();
    if order.workload == Workload::Feedback {
        for host in CLIENTS {
            let namespace = cluster.network.host(host).namespace.clone();
            let addresses: Vec<&str> = cluster.nodes.iter().map(|node| node.client.as_str()).collect();
            let listener = Listener { host, namespace, addresses: addresses.join(",") };
            ears.push(listener.start(&heard, ears_stop.clone())?);
        }
    }
    if order.workload.saves() {
        for submitter in &cluster.submitters {
            submitter.start().await?;
        }
    }
    sleep(WARM_UP).await;
    let faults_from_ns = monotonic_ns();
    println!("  {:.1?} to boot and warm up; faults for {} s", began.elapsed(), order.time.as_secs());
    nemesis::play(&cluster, &plans, order.time).await;
    cluster.heal().await?;
    let healed_ns = monotonic_ns();
    let agreed = cluster.admin.agree(AGREE_PATIENCE).await?;
    println!("  healed; a common leader after {agreed:.1?}");
    // Operations go on for a moment, to show that the cluster serves again.
    let mut closing = ClosingWords { cluster: &cluster, shared: &shared, tails: &tails, digests: &digested };
    let serves = closing.serves_again().await?;
    println!("  each serves again after {serves:.1?}");
    sleep(WARM_UP).await;
    let _ = tell_stop.send(true);
    for crowd in crowds {
        join(crowd).await?;
    }
    for submitter in &cluster.submitters {
        submitter.stop().await?;
    }
    closing.end_recurring().await?;
    let undrained = closing.drain().await?;
    let mut wrong = Vec::new();
    if !ears.is_empty() {
        wrong.extend(closing.all_heard().await?);
    }
    let drained_ns = monotonic_ns();
    if !undrained.is_empty() {
        let named = undrained[..undrained.len().min(5)].join(", ");
        wrong.push(format!("{} jobs are live after {DRAIN_PATIENCE:?}: {named}", undrained.len()));
    }
    let closing_began = Instant::now();
    wrong.extend(closing.read_all("drained").await?);
    closing.lose_all_power().await?;
    wrong.extend(closing.read_all("after-power").await?);
    let _ = tell_ears.send(true);
    for ear in ears {
        join(ear).await?;
    }
    heard.flush()?;
    cluster.stop().await?;
    tails.end()?;
    println!("  {:.1?} to read back, lose power and stop", closing_began.elapsed());
    digested.flush()?;

    let config = self::config(&order.binary, &options.settings).await?;
    fs::write(kept.join("config.txt"), &config)?;
    let info = RunInfo {
        workload: order.workload.name(),
        nemeses: order.families().iter().map(|family| family.name()).collect(),
        seed: order.seed,
        time_s: order.time.as_secs(),
        version: version(&order.binary).await?,
        config_hash: hash(&config),
        default_config_hash: hash(&self::config(&order.binary, &[]).await?),
        started_at,
        started_ns,
        faults_from_ns,
        healed_ns,
        drained_ns,
        undrained,
        filesystem: options.filesystem.name().into(),
        settings: options.settings.clone(),
        stalled_ms: canaries.stalled_ms(),
        nodes: cluster.nodes.iter().map(|node| node.name.clone()).collect(),
        rerun: order.rerun(),
    };
    fs::write(kept.join("run.json"), serde_json::to_string_pretty(&info)?)?;
    shared.history.flush()?;
    effects.flush()?;
    cluster.faults.flush()?;
    let faults = gather(&kept)?;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    let mut summary = Summary {
        answered: count(&shared.answered),
        changes: count(&shared.changes),
        refused: count(&shared.refused),
        unknown: count(&shared.unknown),
        inherited: count(&shared.inherited),
        config_hash: info.default_config_hash,
        wrong,
        ..Summary::default()
    };
    summary.count(&faults);
    summary.write(&kept)?;
    Ok(summary)
}

/// Which of the families the machine allows, and which not.
async fn allowed(
    families: &[Family],
    no_failpoints: Option<&anyhow::Error>,
) -> anyhow::Result<(Vec<Family>, Vec<Finding>)> {
    let mut findings = ask(families.to_vec()).await?;
    for finding in findings.iter_mut().filter(|finding| finding.family == Family::Failpoint) {
        finding.problem = finding.problem.take().or(no_failpoints.map(|error| format!("{error:#}")));
    }
    let (fine, skipped): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.problem.is_none());
    Ok((fine.into_iter().map(|finding| finding.family).collect(), skipped))
}

fn options(order: &Order, families: &[Family], failpoints: Vec<String>) -> anyhow::Result<Options> {
    let mut settings = vec!["telemetry.log_filter=info,openraft=warn".to_owned()];
    settings.extend(families.iter().flat_map(|family| family.settings()).map(|s| (*s).to_owned()));
    let mut env = order.env.clone();
    if let Some(control) = order.control {
        env.extend(control.environment()?);
    }
    if families.contains(&Family::Clock) {
        env.extend(crate::clock::environment().context("libfaketime is not installed; see jst doctor")?);
    }
    let (tracker_env, filesystem) = (order.env.clone(), Filesystem::of_run(order.seed));
    Ok(Options { binary: order.binary.clone(), settings, env, tracker_env, failpoints, filesystem })
}

/// The clients of one namespace, on one thread.
struct Crowd {
    host: &'static str,
    namespace: String,
    /// Names and client addresses of the JobTrackers.
    doors: Vec<(String, String)>,
    seed: u64,
    workload: Workload,
    mortality: Mortality,
}

impl Crowd {
    fn play(
        self,
        shared: &Arc<Shared>,
        known: &Arc<Known>,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        enter(&self.namespace)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut rng = Rng::with_seed(self.seed);
            let mut players = tokio::task::JoinSet::new();
            for number in 0..PLAYERS {
                // Each has its own connections, as processes would.
                let door = |(node, address): &(String, String)| Door::new(node.clone(), address.clone());
                let doors = self.doors.iter().map(door).collect();
                let name = format!("{}{number}", self.host);
                let client = Client::new(Arc::clone(shared), name, doors, rng.fork());
                let client = client.mortal(self.mortality.clone());
                let mut player = Player {
                    client,
                    known: Arc::clone(known),
                    workload: self.workload,
                    mix: self.workload.mix(),
                };
                let (stop, planted) =
                    (stop.clone(), if number == 0 { self.workload.planted() / 2 } else { 0 });
                players.spawn(async move {
                    player.plant(planted).await;
                    player.play(stop).await;
                });
            }
            players.join_all().await;
        });
        Ok(())
    }
}

/// Waits for a thread without blocking the others.
async fn join(thread: std::thread::JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    while !thread.is_finished() {
        sleep(Duration::from_millis(20)).await;
    }
    thread.join().map_err(|_| anyhow::anyhow!("a client's thread panicked"))?
}

/// After the faults: what ends a run.
struct ClosingWords<'a> {
    cluster: &'a Arc<Cluster>,
    shared: &'a Arc<Shared>,
    tails: &'a Tails,
    digests: &'a Record,
}

impl ClosingWords<'_> {
    fn client(&self, name: String, node: &JobTracker) -> Client {
        let channel = self.cluster.admin.channel(&node.name);
        let door = Door { node: node.name.clone(), address: node.client.clone(), channel };
        Client::only(Arc::clone(self.shared), name, door)
    }

    /// A write through each JobTracker, so that how long the healed cluster leaves its clients waiting is seen.
    async fn serves_again(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        for node in &self.cluster.nodes {
            let mut client = self.client(format!("again-{}", node.name), node);
            let mut number = 0;
            loop {
                let task_id = format!("again-{}-{number}", node.name);
                let work = Work { ms: 1, failures: 0 };
                if let Ended::Answered { .. } = client.submit(job(task_id, Kind::Sleep, work)).await {
                    break;
                }
                let waited = began.elapsed();
                anyhow::ensure!(waited < AGREE_PATIENCE, "{} takes no job after {waited:.1?}", node.name);
                number += 1;
                sleep(POLL).await;
            }
        }
        Ok(began.elapsed())
    }

    /// Cancels what would never end by itself, and resumes what rests.
    async fn end_recurring(&mut self) -> anyhow::Result<()> {
        let mut client = self.client("close".into(), &self.cluster.nodes[0]);
        let mut cancelled = 0;
        for job in
            all(&mut client, &[pb::JobState::Waiting, pb::JobState::Ready, pb::JobState::Executing]).await?
        {
            if matches!(job.job_type(), pb::JobType::Cron | pb::JobType::Repeat) {
                let task_id = job.spec.map(|spec| spec.task_id).unwrap_or_default();
                let task = Task { node_group: GROUP.into(), task_id, job_id: Some(job.job_id) };
                client.cancel(task).await;
                cancelled += 1;
            }
        }
        for job in all(&mut client, &[pb::JobState::Suspended]).await? {
            let recurs = matches!(job.job_type(), pb::JobType::Cron | pb::JobType::Repeat);
            let task_id = job.spec.map(|spec| spec.task_id).unwrap_or_default();
            let task = Task { node_group: GROUP.into(), task_id, job_id: Some(job.job_id) };
            if recurs {
                client.cancel(task).await;
                cancelled += 1;
            } else {
                client.act(Act::Resume, task).await;
            }
        }
        if cancelled > 0 {
            println!("  {cancelled} recurring jobs cancelled");
        }
        Ok(())
    }

    /// Waits until every job is final; says which do not come to an end.
    async fn drain(&mut self) -> anyhow::Result<Vec<String>> {
        let began = Instant::now();
        let mut client = self.client("drain".into(), &self.cluster.nodes[1]);
        loop {
            let states = [
                pb::JobState::Waiting,
                pb::JobState::Ready,
                pb::JobState::Executing,
                pb::JobState::Suspended,
            ];
            let live = all(&mut client, &states).await;
            match live {
                Ok(live) if live.is_empty() => {
                    println!("  drained after {:.1?}", began.elapsed());
                    return Ok(Vec::new());
                }
                Ok(live) if began.elapsed() > DRAIN_PATIENCE => {
                    return Ok(live.iter().map(|job| format!("{} {:?}", job.job_id, job.state())).collect());
                }
                Err(error) if began.elapsed() > DRAIN_PATIENCE => return Err(error),
                Ok(_) | Err(_) => sleep(POLL).await,
            }
        }
    }

    /// Waits until JobClients have heard all that was to be told; says what they did not.
    async fn all_heard(&mut self) -> anyhow::Result<Option<String>> {
        let began = Instant::now();
        loop {
            let mut left = None;
            for node in &self.cluster.nodes {
                let mut client = JobClientServiceClient::new(self.cluster.admin.channel(&node.name));
                let asked = pb::ListFeedbackGroupsRequest { consistency: 0 };
                if let Ok(answer) = client.list_feedback_groups(asked).await {
                    let groups = answer.into_inner().groups;
                    left = Some(
                        groups.iter().map(|group| group.pending + group.dead + group.dropped).sum::<u64>(),
                    );
                    break;
                }
            }
            match left {
                Some(0) => {
                    println!("  all feedback was heard after {:.1?}", began.elapsed());
                    return Ok(None);
                }
                left if began.elapsed() > DRAIN_PATIENCE => {
                    return Ok(Some(format!("{left:?} feedback was not heard after {DRAIN_PATIENCE:?}")));
                }
                _ => sleep(POLL).await,
            }
        }
    }

    /// Every job through each JobTracker, the ledgers of the recurring ones, and the digests. Says what is wrong.
    async fn read_all(&mut self, when: &str) -> anyhow::Result<Option<String>> {
        let mut counts = Vec::new();
        for (number, node) in self.cluster.nodes.iter().enumerate() {
            let mut client = self.client(format!("{when}-{}", node.name), node);
            let jobs = all(&mut client, &[]).await?;
            counts.push(jobs.len());
            for (at, job) in jobs.iter().enumerate() {
                let recurs = matches!(job.job_type(), pb::JobType::Cron | pb::JobType::Repeat);
                if recurs && at % self.cluster.nodes.len() == number {
                    read_ledger(&mut client, job).await?;
                }
            }
        }
        println!("  {when}: {counts:?} jobs read through each");
        match digests(self.cluster, self.digests, when, AGREE_PATIENCE).await {
            Ok(index) => {
                self.tails.reach(index.unwrap_or(0), AGREE_PATIENCE).await;
                Ok(None)
            }
            Err(error) => Ok(Some(format!("{error:#}"))),
        }
    }

    /// One more loss of power, of all at once.
    async fn lose_all_power(&mut self) -> anyhow::Result<()> {
        let nodes = &self.cluster.nodes;
        let names = nodes.iter().map(|node| node.name.clone()).collect();
        let open = self.cluster.faults.open("power", "all, at the end".into(), names);
        for node in nodes {
            node.lose_power().await?;
        }
        open.start(FaultOutcome::Installed);
        for node in nodes {
            node.remount().await?;
        }
        for node in nodes {
            node.start().await?;
        }
        open.stop(FaultOutcome::Installed, "");
        let agreed = self.cluster.admin.agree(AGREE_PATIENCE).await?;
        println!("  all power lost and back; a common leader after {agreed:.1?}");
        Ok(())
    }
}

async fn all(client: &mut Client, states: &[pb::JobState]) -> anyhow::Result<Vec<pb::StoredJob>> {
    let mut request = pb::ListJobsRequest {
        node_group: GROUP.into(),
        states: states.iter().map(|state| (*state).into()).collect(),
        page_size: PAGE_ROWS,
        ..pb::ListJobsRequest::default()
    };
    let mut jobs = Vec::new();
    loop {
        match client.list(request.clone()).await {
            Ended::Answered { answer, .. } => {
                jobs.extend(answer.jobs);
                if answer.next_page_token.is_empty() {
                    return Ok(jobs);
                }
                request.page_token = answer.next_page_token;
            }
            Ended::Refused(fault) | Ended::Unknown(fault) => {
                return Err(fault).context("cannot list all jobs");
            }
        }
    }
}

async fn read_ledger(client: &mut Client, job: &pb::StoredJob) -> anyhow::Result<()> {
    let task_id = job.spec.as_ref().map(|spec| spec.task_id.clone()).unwrap_or_default();
    let mut token = String::new();
    loop {
        match client.runs(&task_id, &job.job_id, &token).await {
            Ended::Answered { answer, .. } if answer.next_page_token.is_empty() => return Ok(()),
            Ended::Answered { answer, .. } => token = answer.next_page_token,
            Ended::Refused(fault) | Ended::Unknown(fault) => {
                return Err(fault).context("cannot read a ledger");
            }
        }
    }
}

async fn version(binary: &Path) -> anyhow::Result<String> {
    Ok(crate::command::run(&[text(binary), "version", "-o", "id"]).await?.trim().to_owned())
}

/// The effective configuration, as the product tells it.
async fn config(binary: &Path, settings: &[String]) -> anyhow::Result<String> {
    let mut words = vec![text(binary), "config", "show", "--effective"];
    settings.iter().for_each(|setting| words.extend(["--set", setting]));
    crate::command::run(&words).await
}

fn hash(config: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(config.as_bytes()))
}

impl Order {
    /// Those that were named and those of the faults that are told.
    fn families(&self) -> Vec<Family> {
        let mut families = self.nemeses.clone();
        for plan in &self.told {
            if !families.contains(&plan.family) {
                families.push(plan.family);
            }
        }
        families
    }

    /// The command that runs it again.
    pub(crate) fn rerun(&self) -> String {
        let nemeses: Vec<String> = self.nemeses.iter().map(|family| family.name()).collect();
        let env: String = self.env.iter().map(|(name, value)| format!(" --env {name}={value}")).collect();
        let told: String = self.told.iter().map(|plan| format!(" --fault {plan}")).collect();
        let control =
            self.control.map_or_else(String::new, |control| format!(" --control {}", control.name()));
        format!(
            "jst run --workload {}{} --seed {} --time {}{env}{told}{control}{}",
            self.workload.name(),
            if nemeses.is_empty() { String::new() } else { format!(" --nemesis {}", nemeses.join(",")) },
            self.seed,
            self.time.as_secs(),
            if self.write_back { " --write-back" } else { "" }
        )
    }
}

/// One file of what all TaskTrackers saw, one of what all submitters were answered, and faults in the order of their times.
fn gather(kept: &Path) -> anyhow::Result<Vec<Fault>> {
    gather_one::<Exec>(kept, "exec.jsonl", |line| line.t)?;
    gather_one::<Save>(kept, "saves.jsonl", |line| line.t)?;
    let mut faults = lines::<Fault>(&kept.join("nemesis.jsonl"))?;
    faults.sort_by_key(|line| line.t);
    let record = Record::create(&kept.join("nemesis.jsonl"))?;
    for line in &faults {
        record.append(|_| line);
    }
    record.flush()?;
    Ok(faults)
}

/// What each host wrote into its own file of this name, in the order of the times.
fn gather_one<T: serde::Serialize + serde::de::DeserializeOwned>(
    kept: &Path,
    name: &str,
    at: impl Fn(&T) -> u64,
) -> anyhow::Result<()> {
    let mut seen: Vec<T> = Vec::new();
    for entry in fs::read_dir(kept.join("nodes"))? {
        let path = entry?.path().join(name);
        if path.exists() {
            seen.extend(lines::<T>(&path)?);
        }
    }
    seen.sort_by_key(at);
    let record = Record::create(&kept.join(name))?;
    for line in &seen {
        record.append(|_| line);
    }
    record.flush()
}

/// A process may have died in the middle of its last line.
fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let whole = text.lines().filter(|line| line.ends_with('}'));
    whole.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
