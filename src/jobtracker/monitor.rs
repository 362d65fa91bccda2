//! Each JobTracker tells of itself once a minute: its row in the series. LTS's Monitor is here a row in the tables, so any
//! JobTracker can be asked about all of them, and about the time before its own.

use std::time::Duration;

use super::JobTracker;
use super::leader::Lane;
use crate::domain::{Identity, Millis};
use crate::machine::Command;
use crate::machine::command::{JobTrackerSample, Stats};
use crate::machine::stats::{JobTrackerStats, ProcessStats};

/// A row that finds no leader in this time is lost: the next one comes in a minute.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Runs until the node stops; at once over where there is no process to tell of.
pub(super) async fn tell(tracker: JobTracker) {
    let Some(first) = tracker.process() else { return };
    let Ok(name) = Identity::new(tracker.name()) else { return };
    let mut cpu = first.cpu;
    loop {
        tokio::select! {
            () = tokio::time::sleep(until_next(&tracker)) => {}
            () = tracker.stopping().cancelled() => return,
        }
        let Some(process) = tracker.process() else { return };
        let used = process.cpu.saturating_sub(cpu);
        cpu = process.cpu;
        let (metrics, disk) = (tracker.raft().metrics(), tracker.disk_usage());
        let stats = JobTrackerStats {
            process: ProcessStats {
                memory_bytes: process.memory_bytes,
                cpu: used.into(),
                threads: process.threads,
                tasks: process.tasks,
                open_files: process.open_files,
            },
            memtable_bytes: disk.memtable_bytes,
            block_cache_bytes: disk.block_cache_bytes,
            sst_bytes: disk.sst_bytes,
            pending_compaction_bytes: disk.pending_compaction_bytes,
            apply_lag: metrics.committed_index.saturating_sub(metrics.applied_index),
        };
        let sample = JobTrackerSample { name: name.clone(), stats };
        let command = Command::Stats(Stats { jobtrackers: vec![sample], ..Stats::default() });
        if let Err(error) = tracker.command(Lane::Log, command, TOLD_WITHIN).await {
            tracing::debug!(%error, "the series of this jobtracker miss a minute");
        }
    }
}

/// Until the next whole `stats_every` of cluster time.
fn until_next(tracker: &JobTracker) -> Duration {
    let every = Millis::from(tracker.options().stats_every).get().max(1);
    Duration::from_millis(every - tracker.now().as_millis() % every)
}
