//! What the JobTrackers wrote, by their metrics and by what Linux counted.

use std::ops::Sub;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Stage;

/// Of all JobTrackers together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writes {
    pub(crate) syncs: u64,
    pub(crate) log_bytes: u64,
    /// Rows of the state's database, deletions included.
    pub(crate) rows: u64,
    /// What went towards the disk for any reason, compactions included.
    pub(crate) disk_bytes: u64,
    /// Entries of the log; all have the same.
    pub(crate) entries: u64,
}

impl Sub for Writes {
    type Output = Writes;

    fn sub(self, before: Writes) -> Writes {
        Writes {
            syncs: self.syncs - before.syncs,
            log_bytes: self.log_bytes - before.log_bytes,
            rows: self.rows - before.rows,
            disk_bytes: self.disk_bytes - before.disk_bytes,
            entries: self.entries - before.entries,
        }
    }
}

impl Stage {
    /// Up to now.
    pub(crate) async fn writes(&self) -> anyhow::Result<Writes> {
        let mut all = Writes::default();
        for node in &self.jobtrackers {
            let page = page(&node.place.client).await?;
            all.syncs += value(&page, "raftsman_log_syncs_total")?;
            all.log_bytes += value(&page, "raftsman_log_appended_bytes_total")?;
            all.rows += value(&page, "raftsman_state_rows_written_total")?;
            all.disk_bytes += disk_bytes(node.process.pid())?;
            all.entries = all.entries.max(value(&page, "raftsman_raft_applied_index")?);
        }
        Ok(all)
    }
}

async fn page(address: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn value(page: &str, name: &str) -> anyhow::Result<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).with_context(|| format!("/metrics has no {name}"))
}

fn disk_bytes(pid: u32) -> anyhow::Result<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let value = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    value.and_then(|value| value.parse().ok()).context("/proc/<pid>/io has write_bytes")
}
