//! Runs that must fail: something that a promise rests on is switched off, and if the checkers do not say so, they or
//! the faults are worth nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::command::run;
use crate::disk::text;
use crate::generator::schedule::{Aim, Plan};
use crate::nemesis::Family;

const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/libeatmydata.so", "/usr/lib/aarch64-linux-gnu/libeatmydata.so"];
/// How often the system writes back by itself what nobody asked it to; a real one does it every 5 to 30 s.
const WRITE_BACK_EVERY: Duration = Duration::from_secs(2);

/// What is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Control {
    /// JobTrackers acknowledge without fsync, and power is always lost by all at once.
    NoFsync,
}

impl Control {
    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What the JobTrackers need in their environment.
    ///
    /// # Errors
    /// If libeatmydata is not installed.
    pub(crate) fn environment(self) -> anyhow::Result<Vec<(String, String)>> {
        match self {
            Control::NoFsync => {
                let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists());
                let library = library.context("libeatmydata is not installed (Debian: eatmydata)")?;
                Ok(vec![("LD_PRELOAD".into(), library.into())])
            }
        }
    }

    /// One that forgets is outvoted by the others: all must.
    pub(crate) fn aim(self, plans: &mut [Plan]) {
        plans.iter_mut().filter(|plan| plan.family == Family::Power).for_each(|plan| plan.aim = Aim::All);
    }
}

/// Writes disks back now and then: a filesystem of which nothing was ever written is no JobTracker that forgot.
pub(crate) fn write_back(cluster: &Arc<Cluster>) {
    let cluster = Arc::clone(cluster);
    tokio::spawn(async move {
        loop {
            for node in &cluster.nodes {
                // It may be without power at this moment.
                let _ = run(&["sync", "-f", text(node.disk.mount())]).await;
            }
            sleep(WRITE_BACK_EVERY).await;
        }
    });
}
