//! `jst doctor`: which faults this machine allows. Each is tried for real on a little stage of two hosts and a disk, and
//! taken away again; without root nothing can be tried, and everything is skipped.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::time::{Instant, timeout};

use crate::command::run;
use crate::delay::Delay;
use crate::disk::{Disk, text};
use crate::nemesis::Family;
use crate::netns::{Network, both_ways};
use crate::place::Place;
use crate::process::Recipe;

const HOSTS: [&str; 2] = ["h1", "h2"];
const PATIENCE: Duration = Duration::from_secs(10);

/// What one family needs was tried.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) family: Family,
    /// Why not, if not.
    pub(crate) problem: Option<String>,
}

/// Without it there are no namespaces and no mounts, and nothing can be run.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Tries what these families need, on a thread of its own, which moves into its own network.
///
/// # Errors
/// If even a temporary directory cannot be had.
pub(crate) async fn ask(families: Vec<Family>) -> anyhow::Result<Vec<Finding>> {
    let examined = tokio::task::spawn_blocking(move || {
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(examine(&families))
        });
        thread.join().map_err(|_| anyhow::anyhow!("the doctor panicked"))?
    });
    examined.await?
}

/// Tries what each of them needs.
///
/// # Errors
/// If even a temporary directory cannot be had.
async fn examine(families: &[Family]) -> anyhow::Result<Vec<Finding>> {
    if !is_root() {
        let skipped = |family: &Family| Finding { family: *family, problem: Some("needs root".into()) };
        return Ok(families.iter().map(skipped).collect());
    }
    let place = Place::take()?;
    let stage = Stage::set(&place).await;
    let mut findings = Vec::new();
    for family in families {
        let tried = match &stage {
            Ok(stage) => match timeout(PATIENCE, stage.try_out(*family)).await {
                Ok(tried) => tried,
                Err(_) => Err(anyhow::anyhow!("it hangs")),
            },
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        findings.push(Finding { family: *family, problem: tried.err().map(|error| one_line(&error)) });
    }
    Ok(findings)
}

struct Stage {
    network: std::sync::Arc<Network>,
    dir: PathBuf,
    throttle: String,
}

impl Stage {
    /// Without namespaces nothing runs at all.
    async fn set(place: &Place) -> anyhow::Result<Stage> {
        let network = Network::build(place, &HOSTS).await?;
        Ok(Stage { network, dir: place.dir().to_owned(), throttle: place.namespace("doctor") })
    }

    async fn try_out(&self, family: Family) -> anyhow::Result<()> {
        match family {
            Family::Kill
            | Family::TrackerKill
            | Family::TrackerTwin
            | Family::Rolling
            | Family::Snapshot
            | Family::Failpoint => self.signals(&[Signal::KILL]).await,
            Family::Pause | Family::TrackerPause => {
                self.signals(&[Signal::STOP, Signal::CONT, Signal::KILL]).await
            }
            Family::Partition | Family::TrackerCut => self.partition().await,
            Family::Loss => self.loss().await,
            Family::Delay => self.delay().await,
            Family::Power | Family::DiskDead => self.power().await,
            Family::DiskFull => self.full().await,
            Family::DiskSlow => self.slow().await,
            Family::Wipe | Family::Corrupt => self.emptied().await,
            Family::Clock => self.clock().await,
        }
    }

    async fn disk(&self, name: &str) -> anyhow::Result<Disk> {
        Disk::make(&self.dir, name).await
    }

    fn sleeper(&self) -> anyhow::Result<crate::process::Process> {
        let host = self.network.host(HOSTS[0]).clone();
        let (program, args) = (PathBuf::from("sleep"), vec!["60".to_owned()]);
        Recipe { host, program, args, env: Vec::new(), log: self.dir.join("sleep.log") }.start()
    }

    async fn signals(&self, signals: &[Signal]) -> anyhow::Result<()> {
        let process = self.sleeper()?;
        signals.iter().for_each(|signal| process.signal(*signal));
        process.end(PATIENCE).await.context("a process outlives SIGKILL").map(drop)
    }

    /// How long a ping from one host to the other takes, if it arrives.
    async fn ping(&self) -> anyhow::Result<Duration> {
        let (from, to) = (self.network.host(HOSTS[0]), self.network.host(HOSTS[1]));
        let namespace = format!("--net=/run/netns/{}", from.namespace);
        let began = Instant::now();
        connect(&namespace, &to.ip).await?;
        Ok(began.elapsed())
    }

    async fn partition(&self) -> anyhow::Result<()> {
        let ways = both_ways(&[HOSTS[0].to_owned()], &[HOSTS[1].to_owned()]);
        self.ping().await.context("two hosts do not reach one another")?;
        self.network.close(&ways).await?;
        let closed = self.ping().await;
        self.network.open(&ways).await?;
        anyhow::ensure!(closed.is_err(), "packets arrive though they should be dropped");
        self.ping().await.map(drop)
    }

    async fn loss(&self) -> anyhow::Result<()> {
        let ways = both_ways(&[HOSTS[0].to_owned()], &[HOSTS[1].to_owned()]);
        self.network.lose(&ways, 50).await?;
        self.network.lose(&ways, 0).await
    }

    async fn delay(&self) -> anyhow::Result<()> {
        let delaying = Delay { base_ms: 300, jitter_ms: 0, seed: 0 }.start(&[HOSTS[1].to_owned()]).await?;
        let took = self.ping().await;
        delaying.stop().await?;
        anyhow::ensure!(took? >= Duration::from_millis(300), "packets are not late");
        Ok(())
    }

    /// What was synced is there afterwards, and what was not is gone.
    async fn power(&self) -> anyhow::Result<()> {
        let disk = self.disk("power").await?;
        let [kept, lost] = ["kept", "lost"].map(|name| disk.mount().join(name));
        fs::write(&kept, "kept")?;
        run(&["sync", "-f", text(disk.mount())]).await?;
        fs::write(&lost, "lost")?;
        disk.cut().await?;
        disk.unmount().await?;
        disk.mount_it().await?;
        anyhow::ensure!(fs::read(&kept).is_ok_and(|bytes| bytes == b"kept"), "what was synced is lost");
        anyhow::ensure!(!fs::read(&lost).is_ok_and(|bytes| bytes == b"lost"), "what was not synced is kept");
        disk.unmount().await
    }

    async fn full(&self) -> anyhow::Result<()> {
        let disk = self.disk("full").await?;
        disk.fill().await?;
        let refused = fs::write(disk.mount().join("more"), vec![1; 1 << 20]).is_err();
        disk.free()?;
        anyhow::ensure!(refused, "a full disk takes more");
        disk.unmount().await
    }

    async fn emptied(&self) -> anyhow::Result<()> {
        let disk = self.disk("empty").await?;
        disk.empty().await?;
        disk.unmount().await
    }

    async fn slow(&self) -> anyhow::Result<()> {
        let disk = self.disk("slow").await?;
        let process = self.sleeper()?;
        disk.slow(&self.throttle, process.pid(), 100_000)?;
        disk.fast(&self.throttle)?;
        disk.unmount().await
    }

    async fn clock(&self) -> anyhow::Result<()> {
        let environment =
            crate::clock::environment().context("libfaketime is not installed (Debian: faketime)")?;
        let mut words: Vec<String> =
            environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.push("FAKETIME=+3600".into());
        let mut told: Vec<&str> = words.iter().map(String::as_str).collect();
        told.insert(0, "env");
        told.extend(["date", "+%s"]);
        let faked: i64 = run(&told).await?.trim().parse()?;
        let right: i64 = run(&["date", "+%s"]).await?.trim().parse()?;
        anyhow::ensure!((faked - right - 3600).abs() < 60, "the clock did not move");
        Ok(())
    }
}

/// A connection is refused by a host that is there: that is an answer.
async fn connect(namespace: &str, ip: &str) -> anyhow::Result<()> {
    let script = format!("exec 3<>/dev/tcp/{ip}/9");
    let tried = run(&["nsenter", namespace, "timeout", "2", "bash", "-c", &script]).await;
    match tried {
        Ok(_) => Ok(()),
        Err(error) if format!("{error:#}").contains("refused") => Ok(()),
        Err(error) => Err(error),
    }
}

fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
