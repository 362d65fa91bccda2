//! Runs seeds and says what came of them: one process per seed, so that nothing is left over from the one before, and one
//! line per seed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::options::Options;
use super::world::World;
use crate::domain::{Clock, SystemClock};

const HELP: &str = "\
Simulates whole clusters from seeds: three JobTrackers, TaskTrackers and JobClients in one process on virtual time.

Usage: raftsman-simulation --seed S | --seeds A..B | --regressions FILE [options]

  --seed S            one world
  --seeds A..B        the worlds from A up to and without B
  --regressions FILE  the seeds in a file, one a line, `#` begins a comment
  --twice             each seed twice; a trace hash that differs is a failure
  --minimise          a seed that fails is run again with fewer and fewer faults
  --skip N,M          leaves out these faults
  --jobs N            so many processes at once; else one a core
  --faults            lists a seed's faults and ends
  --trace             one seed in this process, with all its events on stderr
  --of TEXT           one seed in this process, with the commands and replies that contain TEXT";

#[derive(Clone, Debug, Default)]
struct Args {
    seeds: Vec<u64>,
    twice: bool,
    minimise: bool,
    skip: BTreeSet<usize>,
    jobs: Option<usize>,
    faults: bool,
    trace: bool,
    of: Option<String>,
    /// This process is the one that runs the seed.
    here: bool,
}

/// The whole of `raftsman-simulation`.
pub fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if !cfg!(tokio_unstable) {
        eprintln!("built without `--cfg tokio_unstable`: a seed need not give the same history twice");
    }
    match args.seeds.as_slice() {
        [seed] if args.faults => list_faults(*seed),
        [seed] if args.here || args.trace || args.of.is_some() => run_here(*seed, &args),
        _ => run_all(&args),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--seed" => args.seeds.push(number(&value()?)?),
            "--seeds" => args.seeds.extend(range(&value()?)?),
            "--regressions" => args.seeds.extend(listed(&value()?)?),
            "--twice" => args.twice = true,
            "--minimise" => args.minimise = true,
            "--skip" => args.skip = value()?.split(',').map(number).collect::<Result<_, _>>()?,
            "--jobs" => args.jobs = Some(number(&value()?)?),
            "--faults" => args.faults = true,
            "--trace" => args.trace = true,
            "--of" => args.of = Some(value()?),
            "--here" => args.here = true,
            other => return Err(format!("{other:?} is not known")),
        }
    }
    if args.seeds.is_empty() { Err("no seed is given".into()) } else { Ok(args) }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range like 0..100"))?;
    Ok(number(from)?..number(to)?)
}

fn listed(path: &str) -> Result<Vec<u64>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let seeds = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    seeds.filter(|line| !line.is_empty()).map(number).collect()
}

fn list_faults(seed: u64) -> ExitCode {
    for (number, fault) in Options::draw(seed).faults.iter().enumerate() {
        println!("{number:>3} at {:>6} ms for {:>5} ms: {:?}", fault.at, fault.lasts, fault.what);
    }
    ExitCode::SUCCESS
}

// -- one seed, in this process ------------------------------------------------------------------------------------

/// Far above what a seed takes, by the real clock.
const HANGS_AFTER: Duration = Duration::from_secs(600);

/// The first panic of any task, which tokio would keep to itself.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn run_here(seed: u64, args: &Args) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        PANIC.lock().get_or_insert_with(|| panic.to_string().replace('\n', " "));
    }));
    std::thread::spawn(|| {
        // Virtual time stands still while a task spins; then nothing else would end this process.
        std::thread::park_timeout(HANGS_AFTER);
        println!("  broken: it hangs");
        std::process::exit(3);
    });
    let options = Options::draw(seed);
    let told = options.to_string();
    let mut world = World::new(seed, options, &args.skip, args.trace);
    world.history.trace.clone_from(&args.of);
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(&mut world)));
    let panicked = || PANIC.lock().take().map(|panic| format!("panic: {panic}"));
    let broken = match lived {
        Ok(Ok(())) => panicked(),
        Ok(Err(broken)) => panicked().or(Some(broken)),
        Err(_) => panicked().or(Some("panic".into())),
    };
    let (hash, events) = world.trace.value();
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    println!(
        "seed {seed}: {}.{:03} s simulated, {cpu:.1} s of a core, {events} events, {} entries, {} acknowledged, trace {hash:016x}, {}",
        world.now / 1000,
        world.now % 1000,
        world.book.entries(),
        world.asking.acknowledged,
        if broken.is_some() { "BROKEN" } else { "green" }
    );
    println!("  options: {told}");
    let mut met: Vec<String> = world.met.iter().map(|(what, count)| format!("{count} {what}")).collect();
    met.extend(world.history.counts.report().lines().map(|line| line.trim().to_owned()));
    met.push(format!(
        "{} records taken by power cuts",
        world.hosts.iter().map(|host| host.disk.lost()).sum::<u64>()
    ));
    println!("  met: {}", met.join("; "));
    if let Some(broken) = &broken {
        println!("  broken at {} ms: {broken}", world.now);
    }
    if broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn live(world: &mut World) -> Result<(), String> {
    world.begin()?;
    let safety = world.options.safety;
    while world.now < safety {
        world.run_until((world.now + 100).min(safety))?;
        if let Some(panic) = PANIC.lock().take() {
            return Err(format!("panic: {panic}"));
        }
    }
    world.end()
}

// -- many seeds, each in a process of its own ------------------------------------------------------------------------

/// What a process said about its seed.
#[derive(Clone, Debug, Default)]
struct Said {
    green: bool,
    trace: String,
    simulated: f64,
    cpu: f64,
    line: String,
    options: String,
    met: Vec<(u64, String)>,
    broken: String,
}

fn ask_process(seed: u64, skip: &BTreeSet<usize>) -> Said {
    let mut command = Command::new(std::env::current_exe().expect("a process knows its program"));
    command.args(["--seed", &seed.to_string(), "--here"]).stderr(Stdio::null());
    if !skip.is_empty() {
        let skip: Vec<String> = skip.iter().map(ToString::to_string).collect();
        command.args(["--skip", &skip.join(",")]);
    }
    let output = command.output().expect("the program can be started once more");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut said = Said { green: output.status.success(), ..Said::default() };
    for line in text.lines() {
        if let Some(options) = line.strip_prefix("  options: ") {
            options.clone_into(&mut said.options);
        } else if let Some(met) = line.strip_prefix("  met: ") {
            let count = |one: &str| {
                one.split_once(' ').and_then(|(count, what)| Some((count.parse().ok()?, what.to_owned())))
            };
            said.met = met.split("; ").filter_map(count).collect();
        } else if let Some(broken) = line.strip_prefix("  broken ") {
            broken.clone_into(&mut said.broken);
        } else {
            line.clone_into(&mut said.line);
            let word = |before: &str| {
                line.split(", ").find_map(|part| part.strip_suffix(before)).unwrap_or_default()
            };
            let last_number = |text: &str| {
                text.split(' ').next_back().and_then(|number| number.parse().ok()).unwrap_or(0.0)
            };
            said.simulated = last_number(word(" s simulated"));
            said.cpu = last_number(word(" s of a core"));
            said.trace = line.split("trace ").nth(1).unwrap_or_default().chars().take(16).collect();
        }
    }
    if said.line.is_empty() {
        (said.green, said.line) =
            (false, format!("seed {seed}: the process ended as {}, BROKEN", output.status));
    }
    said
}

#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    broken: Vec<u64>,
    differs: Vec<u64>,
    twice: u64,
    simulated: f64,
    cpu: f64,
    met: BTreeMap<String, u64>,
}

fn run_all(args: &Args) -> ExitCode {
    let clock = SystemClock;
    let began = clock.monotonic();
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let work = || {
        while let Some(seed) = args.seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            run_seed(*seed, args, &sum);
        }
    };
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    let (sum, took) = (sum.into_inner(), clock.monotonic().saturating_duration_since(began));
    report(&sum, took)
}

fn run_seed(seed: u64, args: &Args, sum: &Mutex<Sum>) {
    let said = ask_process(seed, &args.skip);
    let again = args.twice.then(|| ask_process(seed, &args.skip));
    let mut lines = format!("{} | {}", said.line, said.options);
    if !said.green {
        lines += &format!("\n  broken {}", said.broken);
    }
    {
        let mut sum = sum.lock();
        sum.seeds += 1;
        for said in [Some(&said), again.as_ref()].into_iter().flatten() {
            sum.simulated += said.simulated;
            sum.cpu += said.cpu;
        }
        for (count, what) in &said.met {
            *sum.met.entry(what.clone()).or_default() += count;
        }
        if !said.green {
            sum.broken.push(seed);
        }
        if let Some(again) = &again {
            sum.twice += 1;
            if again.trace != said.trace {
                sum.differs.push(seed);
                lines += &format!("\n  DIFFERS: the second run's trace is {}", again.trace);
            }
        }
        println!("{lines}");
    }
    if args.minimise && !said.green {
        minimise(seed, &args.skip);
    }
}

/// Leaves out faults, halves first, as long as the seed stays broken.
fn minimise(seed: u64, skip: &BTreeSet<usize>) {
    let count = Options::draw(seed).faults.len();
    let mut skip = skip.clone();
    let mut kept: Vec<usize> = (0..count).filter(|fault| !skip.contains(fault)).collect();
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < kept.len() {
            let end = (at + size).min(kept.len());
            let mut without = skip.clone();
            without.extend(&kept[at..end]);
            if ask_process(seed, &without).green {
                at = end;
            } else {
                skip = without;
                kept.drain(at..end);
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    let said = ask_process(seed, &skip);
    let list =
        |of: &mut dyn Iterator<Item = usize>| of.map(|fault| fault.to_string()).collect::<Vec<_>>().join(",");
    println!(
        "seed {seed} minimised: {} of {count} faults are enough ({}): --seed {seed} --skip {}\n  broken {}",
        kept.len(),
        list(&mut kept.iter().copied()),
        list(&mut skip.iter().copied()),
        said.broken
    );
}

fn report(sum: &Sum, took: Duration) -> ExitCode {
    let mut met: Vec<(&String, &u64)> = sum.met.iter().collect();
    met.sort();
    for (what, count) in met {
        println!("{count:>9} {what}");
    }
    println!(
        "{} seeds: {} green, {} broken {:?}; {} run twice, {} with another trace {:?}; {:.0} s simulated in {:.0} s of a core and {:.0} s by the clock",
        sum.seeds,
        sum.seeds - sum.broken.len() as u64,
        sum.broken.len(),
        sum.broken,
        sum.twice,
        sum.differs.len(),
        sum.differs,
        sum.simulated,
        sum.cpu,
        took.as_secs_f64(),
    );
    if sum.broken.is_empty() && sum.differs.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
