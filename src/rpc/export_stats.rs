//! The samples of a `Stats` command as JSON: see `export`.

use serde_json::{Value, json};

use crate::machine::command::{GroupSample, JobTrackerSample, Stats, TrackerSample};
use crate::machine::stats::{Histogram, ProcessStats};

pub(super) fn stats(told: &Stats) -> Value {
    json!({"stats": {
        "groups": told.groups.iter().map(group).collect::<Vec<_>>(),
        "trackers": told.trackers.iter().map(tracker).collect::<Vec<_>>(),
        "jobtrackers": told.jobtrackers.iter().map(jobtracker).collect::<Vec<_>>(),
    }})
}

fn group(of: &GroupSample) -> Value {
    json!({
        "node_group": of.node_group.to_string(), "waiting": of.waiting, "ready": of.ready,
        "executing": of.executing, "oldest_ready_ms": of.oldest_ready.get(), "wait": spans(&of.wait),
        "run": spans(&of.run), "cron_lateness": spans(&of.cron_lateness),
    })
}

fn spans(spans: &Histogram) -> Value {
    let quantile = |percent| spans.quantile(percent).map(|span| span.get());
    json!({"count": spans.count(), "p50_ms": quantile(50), "p90_ms": quantile(90), "p99_ms": quantile(99)})
}

fn tracker(of: &TrackerSample) -> Value {
    let told = &of.stats;
    json!({
        "minute": of.minute.to_string(), "node_group": of.node_group.to_string(),
        "identity": of.identity.to_string(), "exe_success": told.exe_success, "exe_failed": told.exe_failed,
        "exe_later": told.exe_later, "exe_exception": told.exe_exception,
        "running_time_ms": told.running_time.get(), "fail_store_bytes": told.fail_store_bytes,
        "running": told.running, "slots": told.slots, "process": process(&told.process),
    })
}

fn jobtracker(of: &JobTrackerSample) -> Value {
    let told = &of.stats;
    json!({
        "name": of.name.to_string(), "memtable_bytes": told.memtable_bytes,
        "block_cache_bytes": told.block_cache_bytes, "sst_bytes": told.sst_bytes,
        "pending_compaction_bytes": told.pending_compaction_bytes, "apply_lag": told.apply_lag,
        "process": process(&told.process),
    })
}

fn process(of: &ProcessStats) -> Value {
    json!({
        "memory_bytes": of.memory_bytes, "cpu_ms": of.cpu.get(), "threads": of.threads, "tasks": of.tasks,
        "open_files": of.open_files,
    })
}
