//! When to take a snapshot beside openraft's own count of entries: by the log's bytes and by time, so that neither large
//! payloads nor a quiet year leave a long log to apply again after a restart.

use std::time::Duration;

use super::JobTracker;
use crate::store::LogStore;

/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// So many bytes of log since the last snapshot ask for another.
const LOG_BYTES_MAX: u64 = 512 << 20;
/// A log that grew at all gets a snapshot after this.
const AGE_MAX: Duration = Duration::from_secs(6 * 3600);

pub(super) async fn keep_small(tracker: JobTracker, log: LogStore) {
    let mut beat = tokio::time::interval(LOOK_EVERY);
    let (mut bytes, mut taken) = (log.appended_bytes(), tracker.clock().monotonic());
    let mut snapshot = tracker.raft().metrics().snapshot_index;
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = tracker.stopping().cancelled() => return,
        }
        let (now, metrics) = (tracker.clock().monotonic(), tracker.raft().metrics());
        if metrics.snapshot_index != snapshot {
            (bytes, taken, snapshot) = (log.appended_bytes(), now, metrics.snapshot_index);
            continue;
        }
        let grown = log.appended_bytes().saturating_sub(bytes);
        let old = now.saturating_duration_since(taken) > AGE_MAX && metrics.applied_index > snapshot;
        if grown > LOG_BYTES_MAX || old {
            tracing::info!(
                grown_bytes = grown,
                applied = metrics.applied_index,
                "the log asks for a snapshot"
            );
            (bytes, taken) = (log.appended_bytes(), now);
            if tracker.raft().trigger_snapshot().await.is_err() {
                return;
            }
        }
    }
}
