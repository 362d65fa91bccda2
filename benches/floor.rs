//! The least that a durable replicated queue can cost: three processes, one append and one sync each, an acknowledgement
//! by a quorum, and nothing else. No election, no index, no retry, no ledger: what Raftsman does beyond this, it pays for.
//!
//! A job of 200 bytes is submitted, appended with its lease by the first process and one of the other two, synced by both,
//! acknowledged and pushed; its end is appended, synced and acknowledged in the same way. What arrives while a sync is
//! under way is the next group. Five processes on loopback over plain TCP: three logs, a worker, and the client in the
//! parent. `--seconds N`, `--window N` submits under way, `--only peak`. It ends with one line of JSON.

#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
#[path = "stage/clock.rs"]
mod clock;
#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
#[path = "stage/figures.rs"]
mod figures;
#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
#[path = "stage/process.rs"]
mod process;
#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
#[path = "stage/usage.rs"]
mod usage;

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::Context as _;

use clock::monotonic_ns;
use figures::Times;
use process::Process;
use usage::{cpu_us, machine_busy_us};

const PAYLOAD: usize = 200;
/// A number, then the payload.
const SUBMIT: usize = 8 + PAYLOAD;
/// Number, execution, holder: what a lease is in the log.
const LEASE: usize = 24;
/// The number of a job that is done.
const DONE: usize = 8;
const WINDOW: u64 = 2_000;
const SECONDS: u64 = 6;
const TRICKLE_JOBS: u64 = 1_000;
const TRICKLE_EVERY: Duration = Duration::from_millis(5);
/// Starts that the worker keeps: those of the unloaded part, which comes first.
const TOLD_MAX: usize = 10_000;
const WARM_UP: Duration = Duration::from_millis(1_500);

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["follower", log] => follow(Path::new(log)),
        ["leader", log, first, second] => lead(Path::new(log), [first, second]),
        ["worker", leader] => work(leader),
        _ => bench(),
    }
}

fn option(name: &str, default: u64) -> anyhow::Result<u64> {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(Ok(default), |value| value.parse().with_context(|| format!("{name} {value}")))
}

/// Binds a port that the system chooses, and tells the parent.
fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listens {}", listener.local_addr()?);
    Ok(listener)
}

fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// Appends each group and says how many it has synced.
fn follow(log: &Path) -> anyhow::Result<()> {
    let (mut leader, _) = listen()?.accept()?;
    leader.set_nodelay(true)?;
    let mut log = File::create(log)?;
    let mut reader = BufReader::with_capacity(1 << 20, leader.try_clone()?);
    let (mut length, mut group, mut synced) = ([0; 8], Vec::new(), 0u64);
    while reader.read_exact(&mut length).is_ok() {
        group.resize(usize::try_from(u64::from_le_bytes(length))?, 0);
        reader.read_exact(&mut group)?;
        log.write_all(&group)?;
        log.sync_data()?;
        synced += 1;
        leader.write_all(&synced.to_le_bytes())?;
    }
    Ok(())
}

/// What came since the last group.
#[derive(Default)]
struct Inbox {
    submits: Vec<u8>,
    dones: Vec<u8>,
    over: bool,
}

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    came: Condvar,
    /// Groups that each follower has synced.
    synced: Mutex<[u64; 2]>,
    moved: Condvar,
}

fn lead(log: &Path, followers: [&str; 2]) -> anyhow::Result<()> {
    let mut followers = [connect(followers[0])?, connect(followers[1])?];
    let listener = listen()?;
    // The parent starts the worker first.
    let (mut worker, _) = listener.accept()?;
    let (mut client, _) = listener.accept()?;
    worker.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let shared = Arc::new(Shared::default());
    for (which, follower) in followers.iter().enumerate() {
        let (shared, mut from) = (Arc::clone(&shared), follower.try_clone()?);
        std::thread::spawn(move || {
            let mut count = [0; 8];
            while from.read_exact(&mut count).is_ok() {
                shared.synced.lock().expect("nobody panics")[which] = u64::from_le_bytes(count);
                shared.moved.notify_one();
            }
        });
    }
    gather(&shared, client.try_clone()?, SUBMIT, |inbox| &mut inbox.submits);
    gather(&shared, worker.try_clone()?, DONE, |inbox| &mut inbox.dones);
    let mut log = File::create(log)?;
    let (mut groups, mut acked, mut done) = (0u64, 0u64, 0u64);
    let mut group = Vec::new();
    loop {
        let (submits, dones) = {
            let inbox = shared.inbox.lock().expect("nobody panics");
            let nothing =
                |inbox: &mut Inbox| inbox.submits.is_empty() && inbox.dones.is_empty() && !inbox.over;
            let mut inbox = shared.came.wait_while(inbox, nothing).expect("nobody panics");
            if inbox.over {
                return Ok(());
            }
            (std::mem::take(&mut inbox.submits), std::mem::take(&mut inbox.dones))
        };
        let jobs = submits.len() / SUBMIT;
        group.clear();
        group.extend_from_slice(&((submits.len() + jobs * LEASE + dones.len()) as u64).to_le_bytes());
        group.extend_from_slice(&submits);
        group.resize(group.len() + jobs * LEASE, 1);
        group.extend_from_slice(&dones);
        for follower in &mut followers {
            follower.write_all(&group)?;
        }
        log.write_all(&group[8..])?;
        log.sync_data()?;
        groups += 1;
        let synced = shared.synced.lock().expect("nobody panics");
        drop(shared.moved.wait_while(synced, |synced| synced.iter().all(|one| *one < groups)));
        if jobs > 0 {
            acked += jobs as u64;
            client.write_all(&acked.to_le_bytes())?;
        }
        done += (dones.len() / DONE) as u64;
        // How many are done, how many pushes follow, the pushes.
        worker.write_all(&[done.to_le_bytes(), (jobs as u64).to_le_bytes()].concat())?;
        worker.write_all(&submits)?;
    }
}

/// Reads whole records into the inbox.
fn gather(
    shared: &Arc<Shared>,
    mut from: TcpStream,
    record: usize,
    part: impl Fn(&mut Inbox) -> &mut Vec<u8> + Send + 'static,
) {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let (mut buffer, mut held) = (vec![0; 1 << 18], 0);
        while let Ok(read @ 1..) = from.read(&mut buffer[held..]) {
            held += read;
            let whole = held - held % record;
            if whole > 0 {
                part(&mut shared.inbox.lock().expect("nobody panics")).extend_from_slice(&buffer[..whole]);
                shared.came.notify_one();
                buffer.copy_within(whole..held, 0);
                held -= whole;
            }
        }
        shared.inbox.lock().expect("nobody panics").over = true;
        shared.came.notify_one();
    });
}

/// What the worker has seen.
#[derive(Default)]
struct Seen {
    done: u64,
    /// The first ones: number and time.
    starts: Vec<(u64, u64)>,
}

/// Does nothing with each job. Told `until TOTAL FROM`, it says when so many were done, and when those from `FROM` on began.
fn work(leader: &str) -> anyhow::Result<()> {
    let mut to = connect(leader)?;
    let mut from = BufReader::with_capacity(1 << 20, to.try_clone()?);
    let shared = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
    let seen = Arc::clone(&shared);
    std::thread::spawn(move || -> anyhow::Result<()> {
        let (mut head, mut pushes, mut dones) = ([0; 16], Vec::new(), Vec::new());
        loop {
            from.read_exact(&mut head)?;
            pushes.resize(usize::try_from(number(&head[8..]))? * SUBMIT, 0);
            from.read_exact(&mut pushes)?;
            let now = monotonic_ns();
            dones.clear();
            pushes.chunks_exact(SUBMIT).for_each(|push| dones.extend_from_slice(&push[..8]));
            to.write_all(&dones)?;
            let mut seen = shared.0.lock().expect("nobody panics");
            seen.done = number(&head);
            if seen.starts.len() < TOLD_MAX {
                seen.starts.extend(pushes.chunks_exact(SUBMIT).map(|push| (number(push), now)));
            }
            shared.1.notify_one();
        }
    });
    println!("listens {leader}");
    for line in std::io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace().skip(1).map(str::parse::<u64>);
        let (until, first) = (words.next().context("until how many")??, words.next().transpose()?);
        let guard = seen.0.lock().expect("nobody panics");
        let guard = seen.1.wait_while(guard, |seen| seen.done < until).expect("nobody panics");
        println!("drained {}", monotonic_ns());
        let told = |(job, _): &&(u64, u64)| first.is_some_and(|first| *job >= first);
        guard.starts.iter().filter(told).for_each(|(job, at)| println!("start {job} {at}"));
    }
    Ok(())
}

struct Floor {
    /// The logs and the worker.
    processes: Vec<Process>,
    leader: TcpStream,
    submitted: u64,
    acked: u64,
}

impl Floor {
    fn set(dir: &Path) -> anyhow::Result<Floor> {
        let mut processes = Vec::new();
        let mut addresses = Vec::new();
        let path = |name: &str| dir.join(name).to_str().map(str::to_owned).context("a plain name");
        for name in ["f1", "f2"] {
            let mut follower = Process::start(name, &["follower", &path(name)?])?;
            addresses.push(follower.expect("listens")?);
            processes.push(follower);
        }
        let args = ["leader", &path("f0")?, &addresses[0], &addresses[1]];
        let mut leader = Process::start("f0", &args)?;
        let address = leader.expect("listens")?;
        let mut worker = Process::start("worker", &["worker", &address])?;
        worker.expect("listens")?;
        processes.push(leader);
        processes.push(worker);
        Ok(Floor { processes, leader: connect(&address)?, submitted: 0, acked: 0 })
    }

    fn submit(&mut self, jobs: u64) -> anyhow::Result<()> {
        let mut bytes = vec![0; usize::try_from(jobs)? * SUBMIT];
        for (job, record) in (self.submitted..).zip(bytes.chunks_exact_mut(SUBMIT)) {
            record[..8].copy_from_slice(&job.to_le_bytes());
        }
        self.submitted += jobs;
        Ok(self.leader.write_all(&bytes)?)
    }

    fn wait_for_ack(&mut self) -> anyhow::Result<()> {
        let mut count = [0; 8];
        self.leader.read_exact(&mut count)?;
        self.acked = u64::from_le_bytes(count);
        Ok(())
    }

    /// Keeps so many under way, until the time is over.
    fn saturate(&mut self, window: u64, time: Duration) -> anyhow::Result<()> {
        let end = monotonic_ns() + time.as_nanos() as u64;
        while monotonic_ns() < end {
            let room = window - (self.submitted - self.acked);
            self.submit(room)?;
            self.wait_for_ack()?;
        }
        while self.acked < self.submitted {
            self.wait_for_ack()?;
        }
        Ok(())
    }

    fn tell_worker(&mut self, line: &str) -> anyhow::Result<()> {
        self.processes.last_mut().expect("the worker").tell(line)
    }

    fn expect_of_worker(&mut self, word: &str) -> anyhow::Result<String> {
        self.processes.last_mut().expect("the worker").expect(word)
    }
}

fn bench() -> anyhow::Result<()> {
    let dir = tempfile::Builder::new().prefix("raftsman-floor").tempdir()?;
    let mut floor = Floor::set(dir.path())?;
    let (seconds, window) = (option("--seconds", SECONDS)?, option("--window", WINDOW)?);
    let mut json = vec!["\"bench\":\"floor\"".to_owned()];
    if !std::env::args().any(|arg| arg == "peak") {
        json.push(unloaded(&mut floor)?);
    }
    json.extend(peak(&mut floor, window, Duration::from_secs(seconds))?);
    println!("{{{}}}", json.join(","));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the pace of the load is a time")]
fn unloaded(floor: &mut Floor) -> anyhow::Result<String> {
    let first = floor.submitted;
    let (mut at, mut acks) = (Vec::new(), Vec::new());
    for _ in 0..TRICKLE_JOBS {
        std::thread::sleep(TRICKLE_EVERY);
        let began = monotonic_ns();
        floor.submit(1)?;
        floor.wait_for_ack()?;
        at.push(began);
        acks.push(monotonic_ns() - began);
    }
    floor.tell_worker(&format!("until {} {first}", floor.submitted))?;
    floor.expect_of_worker("drained")?;
    let mut starts = Vec::new();
    for _ in 0..TRICKLE_JOBS {
        let line = floor.expect_of_worker("start")?;
        let (job, start) = line.split_once(' ').context("JOB TIME")?;
        let job: u64 = job.parse()?;
        starts.push(start.parse::<u64>()? - at[usize::try_from(job - first)?]);
    }
    let (ack, start) = (Times::of_ns(acks), Times::of_ns(starts));
    println!("unloaded, one job every 5 ms\n  submit to ack    {ack}\n  submit to start  {start}");
    let one = |name: &str, times: &Times| {
        let [p50, p99] = [50.0, 99.0].map(|percent| times.percentile(percent));
        format!("\"unloaded_{name}_ms\":{{\"p50\":{p50:.3},\"p99\":{p99:.3}}}")
    };
    Ok(format!("{},{}", one("ack", &ack), one("start", &start)))
}

fn peak(floor: &mut Floor, window: u64, time: Duration) -> anyhow::Result<Vec<String>> {
    floor.saturate(window, WARM_UP)?;
    let warm = floor.submitted;
    floor.tell_worker(&format!("until {warm}"))?;
    floor.expect_of_worker("drained")?;
    let pids: Vec<u32> = floor.processes.iter().map(Process::pid).chain([std::process::id()]).collect();
    let used = || pids.iter().map(|pid| cpu_us(*pid)).sum::<anyhow::Result<u64>>();
    let (before, busy_before, began) = (used()?, machine_busy_us()?, monotonic_ns());
    floor.saturate(window, time)?;
    let jobs = floor.submitted - warm;
    floor.tell_worker(&format!("until {}", floor.submitted))?;
    let drained: u64 = floor.expect_of_worker("drained")?.parse()?;
    let (own, busy) = (used()? - before, machine_busy_us()? - busy_before);
    let whole = (drained - began) as f64 / 1e9;
    let (rate, us) = (jobs as f64 / whole, own as f64 / jobs as f64);
    let others = busy.saturating_sub(own) as f64 / 1e6 / whole;
    println!("peak, {window} submits under way");
    println!("  {jobs} jobs in {whole:.2} s: {rate:.0} jobs/s from submit to acknowledged completion");
    println!("  {us:.2} us of processor time a job; others on this machine used {others:.2} cores meanwhile");
    Ok(vec![
        format!("\"jobs_per_second\":{rate:.0}"),
        format!("\"jobs\":{jobs}"),
        format!("\"cpu_us_a_job\":{us:.2}"),
        format!("\"others_cores\":{others:.2}"),
    ])
}
