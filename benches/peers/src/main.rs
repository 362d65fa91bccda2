//! The same work on Raftsman and on its peers, by turns: jobs of 200 bytes, submitted and acknowledged, delivered to one
//! worker, acknowledged by it, and known to be done. `benches/README.md` says how to read it.
//!
//! Each peer starts anew in each round, in a directory and on ports of its own, and ends with it. Every run is checked to
//! the last job: all acknowledged, all delivered, none left.

#[path = "../../stage/clock.rs"]
mod clock;
#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
#[path = "../../stage/figures.rs"]
mod figures;
#[allow(dead_code, reason = "each benchmark uses a part of the stage")]
#[path = "../../stage/usage.rs"]
mod usage;

mod bullmq;
mod etcd;
mod jobs;
mod measure;
mod nats;
mod own;
mod postgres;
mod rabbitmq;
mod report;
mod server;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use measure::{Measured, Settings, measure};
use own::Own;
use report::Lane;

/// The same work on other queues, beside Raftsman.
#[derive(Debug, Parser)]
#[command(name = "bench-peers")]
struct Args {
    /// Only these, by turns in this order; all of them, if none is named.
    #[arg(long, value_delimiter = ',', value_name = "SYSTEM,SYSTEM")]
    only: Vec<System>,
    /// How long jobs are submitted as fast as they are acknowledged.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// How often each system has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Submits under way at a time.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    window: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum System {
    Raftsman,
    Floor,
    Rabbitmq,
    Nats,
    NatsAlways,
    Etcd,
    EtcdPuts,
    Postgresql,
    Bullmq,
    Dkron,
}

impl System {
    fn name(self) -> &'static str {
        match self {
            System::Raftsman => "raftsman",
            System::Floor => "floor",
            System::Rabbitmq => "rabbitmq",
            System::Nats => "nats",
            System::NatsAlways => "nats-always",
            System::Etcd => "etcd",
            System::EtcdPuts => "etcd-puts",
            System::Postgresql => "postgresql",
            System::Bullmq => "bullmq",
            System::Dkron => "dkron",
        }
    }

    /// Its version, or why it cannot be had.
    fn version(self) -> anyhow::Result<String> {
        match self {
            System::Raftsman | System::Floor => Own::version(),
            System::Rabbitmq => rabbitmq::version(),
            System::Nats => nats::version(nats::Sync::Default),
            System::NatsAlways => nats::version(nats::Sync::Always),
            System::Etcd | System::EtcdPuts => etcd::version(),
            System::Postgresql => postgres::version(),
            System::Bullmq => bullmq::version(),
            System::Dkron => anyhow::bail!(
                "it fires schedules and takes no submitted jobs that a worker acknowledges: it cannot do this work"
            ),
        }
    }

    fn settings(self) -> &'static str {
        match self {
            System::Raftsman => Own::EndToEnd.settings(),
            System::Floor => Own::Floor.settings(),
            System::Rabbitmq => rabbitmq::SETTINGS,
            System::Nats => nats::Sync::Default.settings(),
            System::NatsAlways => nats::Sync::Always.settings(),
            System::Etcd => etcd::SETTINGS,
            System::EtcdPuts => etcd::PUTS_SETTINGS,
            System::Postgresql => postgres::SETTINGS,
            System::Bullmq => bullmq::SETTINGS,
            System::Dkron => "",
        }
    }

    async fn measure(self, dir: &Path, settings: Settings) -> anyhow::Result<Measured> {
        match self {
            System::Raftsman => own(Own::EndToEnd, settings).await,
            System::Floor => own(Own::Floor, settings).await,
            System::Rabbitmq => measure(rabbitmq::RabbitMq::start(dir).await?, settings).await,
            System::Nats => measure(nats::Nats::start(dir, nats::Sync::Default).await?, settings).await,
            System::NatsAlways => measure(nats::Nats::start(dir, nats::Sync::Always).await?, settings).await,
            System::Etcd => measure(etcd::Etcd::start(dir).await?, settings).await,
            System::EtcdPuts => measure(etcd::Puts::start(dir).await?, settings).await,
            System::Postgresql => measure(postgres::Postgres::start(dir).await?, settings).await,
            System::Bullmq => measure(bullmq::BullMq::start(dir).await?, settings).await,
            System::Dkron => anyhow::bail!("it has no version, so it is skipped"),
        }
    }
}

/// It waits for another program, so it has a thread.
async fn own(own: Own, settings: Settings) -> anyhow::Result<Measured> {
    tokio::task::spawn_blocking(move || own.measure(settings)).await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // What was started ends when what holds it is dropped, so an interrupted benchmark must come to its end.
    tokio::select! {
        done = bench(&args) => done,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}

async fn bench(args: &Args) -> anyhow::Result<()> {
    let systems = if args.only.is_empty() { System::value_variants() } else { &args.only };
    let settings = Settings { seconds: args.seconds, window: usize::try_from(args.window)? };
    let (mut lanes, mut skipped) = (Vec::new(), Vec::new());
    for system in systems {
        match system.version() {
            Ok(version) => {
                let lane =
                    Lane { name: system.name(), version, settings: system.settings(), rounds: Vec::new() };
                println!("{}: {}", lane.name, lane.version);
                lanes.push((*system, lane));
            }
            Err(error) => {
                println!("{}: SKIPPED: {error:#}", system.name());
                skipped.push((system.name(), format!("{error:#}")));
            }
        }
    }
    for (system, _) in &lanes {
        match system {
            System::Raftsman => Own::EndToEnd.build()?,
            System::Floor => Own::Floor.build()?,
            _ => {}
        }
    }
    println!("{} s a round, {} rounds, {} submits under way", args.seconds, args.rounds, args.window);
    let mut failed = 0;
    for round in 1..=args.rounds {
        for (system, lane) in &mut lanes {
            match turn(*system, settings).await {
                Ok(measured) => {
                    println!("round {round} {:<12} {}", lane.name, measured.line());
                    println!("{}", lane.round_json(round, &measured));
                    lane.rounds.push((round, measured));
                }
                Err(error) => {
                    println!("round {round} {:<12} FAILED: {error:#}", lane.name);
                    println!("{}", lane.failed_json(round, &error));
                    failed += 1;
                }
            }
        }
    }
    let lanes: Vec<Lane> = lanes.into_iter().map(|(_, lane)| lane).collect();
    report::print(&lanes, &skipped, args.rounds);
    anyhow::ensure!(failed == 0, "{failed} turns failed: see FAILED above");
    Ok(())
}

/// One system, from its start to its end.
async fn turn(system: System, settings: Settings) -> anyhow::Result<Measured> {
    let dir = tempfile::Builder::new().prefix("raftsman-peers").tempdir()?;
    // A server may run as a user of its own.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
    system.measure(dir.path(), settings).await.with_context(|| system.name().to_owned())
}
