//! Bad disks: full, dead, slow.

use std::time::Duration;

use anyhow::Context as _;

use super::Strike;

/// A JobTracker whose disk fails must have ended by itself after this.
const END_PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn full(strike: &Strike) {
    let (node, word) = strike.target().await;
    let end = async {
        node.disk.free()?;
        // It may have ended rather than acknowledge what it could not store.
        node.start().await
    };
    // It is allowed to end: it must not acknowledge.
    node.expect_end().await;
    strike.between(word.into(), vec![node.name.clone()], node.disk.fill(), end).await;
}

pub(super) async fn dead(strike: &Strike) {
    let (node, word) = strike.target().await;
    let begin = async {
        node.expect_end().await;
        node.disk.cut().await
    };
    let end = async {
        let ended = node.ended_within(END_PATIENCE).await;
        node.remount().await?;
        node.start().await?;
        anyhow::ensure!(ended, "{} lived on with a dead disk for {END_PATIENCE:?}", node.name);
        Ok(())
    };
    strike.between(word.into(), vec![node.name.clone()], begin, end).await;
}

pub(super) async fn slow(strike: &Strike) {
    let (node, word) = strike.target().await;
    let bytes_per_s = u64::from(50 + strike.plan.measure * 4) * 1024;
    let begin = async {
        let pid = node.pid().await.context("it is not running")?;
        node.disk.slow(&node.throttle, pid, bytes_per_s)
    };
    let end = async { node.disk.fast(&node.throttle) };
    let detail = format!("{word}: {} KiB/s", bytes_per_s / 1024);
    strike.between(detail, vec![node.name.clone()], begin, end).await;
}
