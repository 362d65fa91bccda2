//! One seed, in this process, and what is printed of it.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use parking_lot::Mutex;

use super::options::Options;
use super::world::World;

/// Far above what a seed takes, by the real clock.
const HANGS_AFTER: Duration = Duration::from_secs(600);

/// The first panic of any task, which tokio would keep to itself.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

pub(super) fn run(seed: u64, skip: &BTreeSet<usize>, loud: bool, of: Option<&str>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        PANIC.lock().get_or_insert_with(|| panic.to_string().replace('\n', " "));
    }));
    std::thread::spawn(|| {
        // Virtual time stands still while a task spins; then nothing else would end this process.
        std::thread::park_timeout(HANGS_AFTER);
        println!("  broken because it hangs");
        std::process::exit(3);
    });
    let options = Options::draw(seed);
    let told = options.to_string();
    let mut world = World::new(seed, options, skip, loud);
    world.history.trace = of.map(str::to_owned);
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
