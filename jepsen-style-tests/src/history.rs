//! What a run leaves behind: JSON lines that can be checked again at any time, offline.
//!
//! All times are nanoseconds of the one machine's monotonic clock, so that order across processes is exact. A run's
//! directory holds `history.jsonl` (operations of clients), `exec.jsonl` (what TaskTrackers saw), `effects.jsonl` (what
//! the fenced outside store accepted), `heard.jsonl` (what handlers of feedback heard), `nemesis.jsonl` (faults), `nodes/<name>/log.jsonl` (what that node applied, as it
//! exported it) and `run.json` (what was run).

use serde::{Deserialize, Serialize};

/// One line of `history.jsonl`: an operation begins, or ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Monotonic time, nanoseconds.
    pub(crate) t: u64,
    /// The logical process: one operation at a time; retired after an `info`.
    pub(crate) p: u64,
    #[serde(rename = "type")]
    pub(crate) kind: EventKind,
    /// The operation: submit, submit_batch, cancel, terminate, retry, get, list.
    pub(crate) f: String,
    /// Names the request; every try of one request, to whichever node, is one operation with one name.
    pub(crate) req: String,
    /// The job's key as the harness knows it, its task id; of a batch, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    /// The node that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    /// What was asked for (invoke), or answered (ok).
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub(crate) v: serde_json::Value,
    /// The log index at which it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pos: Option<u64>,
    /// The log index that a linearizable read reflects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rdx: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) err: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    Invoke,
    Ok,
    /// Surely not applied.
    Fail,
    /// Nobody knows; it stays open for ever.
    Info,
}

/// One line of `exec.jsonl`: what a TaskTracker process saw of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exec {
    pub(crate) t: u64,
    /// The TaskTracker's identity.
    pub(crate) tracker: String,
    /// Its process, since an identity may have several one after another.
    pub(crate) pid: u32,
    /// Task id.
    pub(crate) job: String,
    pub(crate) run: String,
    /// The planned instant, RFC 3339.
    pub(crate) due: String,
    /// The planned instant on the wall clock, nanoseconds since the epoch.
    pub(crate) due_ns: i64,
    /// The wall clock when this happened, nanoseconds since the epoch.
    pub(crate) wall_ns: i64,
    pub(crate) attempt: u32,
    /// The fencing token.
    pub(crate) execution: u64,
    pub(crate) ev: ExecEvent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExecEvent {
    Begin,
    End,
    /// The runner was told to stop (cancel, terminate, timeout, self-fencing).
    Interrupted,
}

/// One line of `effects.jsonl`: a write with its fencing token to a store outside, which outlives every fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) t: u64,
    pub(crate) job: String,
    pub(crate) run: String,
    pub(crate) execution: u64,
    pub(crate) accepted: bool,
    /// The greatest token that the store had accepted for this run before.
    pub(crate) max_seen: u64,
}

/// One line of `heard.jsonl`: a handler of a JobClient heard how a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) t: u64,
    /// The host of the JobClient.
    pub(crate) client: String,
    pub(crate) run: String,
    /// Task id.
    pub(crate) job: String,
    /// As the protocol names it, such as `RUN_STATE_SUCCEEDED`.
    pub(crate) state: String,
    pub(crate) attempt: u32,
    /// Whether the handler succeeded.
    pub(crate) ok: bool,
}

/// One line of `saves.jsonl`: a JobClient with a FailStore begins to submit a job, or is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Save {
    pub(crate) t: u64,
    /// The client: one FailStore, and one process after another.
    pub(crate) client: String,
    /// The task id; each names one submission.
    pub(crate) task: String,
    pub(crate) ev: SaveEvent,
    /// What was submitted (invoke), in the shape of the log export.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub(crate) spec: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) err: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SaveEvent {
    Invoke,
    /// The cluster has it.
    Committed,
    /// The FailStore has it.
    Saved,
    /// Neither, or nobody knows.
    Failed,
}

/// One line of `nemesis.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) t: u64,
    /// The same for the start and the end of one fault.
    pub(crate) id: u64,
    pub(crate) f: FaultEdge,
    /// The family: kill, pause, partition, ...
    pub(crate) what: String,
    /// What exactly: `leader isolated`, `+30 s`, ...
    #[serde(default)]
    pub(crate) detail: String,
    pub(crate) targets: Vec<String>,
    pub(crate) outcome: FaultOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultEdge {
    Start,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultOutcome {
    Installed,
    /// This machine does not allow it.
    Skipped,
    Indeterminate,
}

/// One line of `nodes/<name>/log.jsonl`: an entry as that node applied it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) index: u64,
    pub(crate) term: u64,
    /// The machine's `at` of the entry, RFC 3339.
    pub(crate) at: String,
    /// The chained digest after it, hexadecimal; none where the node read the entry from its log and had applied it
    /// before anybody asked.
    #[serde(default)]
    pub(crate) digest: Option<String>,
    /// In their order. An entry of consensus itself (blank, membership) has none.
    pub(crate) commands: Vec<AppliedCommand>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AppliedCommand {
    /// `{"submit": {...}}`: docs/log-export.md has the shapes.
    pub(crate) command: serde_json::Value,
    /// None as for the digest.
    #[serde(default)]
    pub(crate) reply: Option<serde_json::Value>,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunInfo {
    pub(crate) workload: String,
    pub(crate) nemeses: Vec<String>,
    pub(crate) seed: u64,
    /// Seconds under faults.
    pub(crate) time_s: u64,
    /// The product's version and commit.
    pub(crate) version: String,
    /// xxh3 of the effective configuration that the nodes ran with, hexadecimal.
    pub(crate) config_hash: String,
    /// The same of the shipped default, without the settings of the run.
    #[serde(default)]
    pub(crate) default_config_hash: String,
    /// What the run set otherwise than the shipped default, beside addresses and directories.
    #[serde(default)]
    pub(crate) settings: Vec<String>,
    /// How long the machine kept a thread waiting that asked for nothing, where that was longer than usual.
    #[serde(default)]
    pub(crate) stalled_ms: u64,
    /// Of the JobTrackers' disks.
    #[serde(default)]
    pub(crate) filesystem: String,
    /// Wall clock at the start, RFC 3339, and the monotonic clock at the same moment.
    pub(crate) started_at: String,
    pub(crate) started_ns: u64,
    /// When faults began, when all was healed, and when everything was drained; monotonic nanoseconds.
    pub(crate) faults_from_ns: u64,
    pub(crate) healed_ns: u64,
    pub(crate) drained_ns: u64,
    /// Jobs that had not come to their end long after all was healed, and their states.
    #[serde(default)]
    pub(crate) undrained: Vec<String>,
    /// The names of the JobTrackers.
    pub(crate) nodes: Vec<String>,
    /// The command that runs it again.
    pub(crate) rerun: String,
}
