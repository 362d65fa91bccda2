//! Tests of the store as a whole: openraft's suite, SIGKILL, torn logs, snapshots; and what they share.

mod crash;
mod flushing;
mod logs;
mod snapshots;
mod suite;
mod torn;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::alias::OneshotReceiverOf;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use parking_lot::Mutex;

use super::engine::Engines;
use super::state::{FlushPolicy, OnApplied, State, StateOptions};
use super::types::{Entry, LogId, Membership, Node, Payload, Proposal, Types, log_id};
use super::{LogStore, OnFatal, RocksEngines};
use crate::domain::{JobSpec, Kind, NodeGroup, OnConflict, TaskId, Timestamp};
use crate::machine::command::{Cancel, JobRef, RequestKey, Submit};
use crate::machine::{Command, LogEntry};

/// The seed of a random test: printed, and taken from `SEED` to run one again.
pub(super) fn seed(test: &str) -> u64 {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{test}: SEED={seed}");
    seed
}

/// Layers and flushes so small that a short test has many.
const EAGER: FlushPolicy =
    FlushPolicy { seal_bytes: 32 << 10, seal_age: Duration::from_millis(20), flush_bytes: 128 << 10 };

/// Options of a test where storage must not fail.
fn options(flush: FlushPolicy) -> StateOptions {
    let on_fatal: OnFatal = Arc::new(|why| panic!("storage failed: {why}"));
    StateOptions { flush, on_applied: Arc::new(|_| ()), on_fatal }
}

/// Collects what it is told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn on_fatal(&self) -> OnFatal {
        let told = self.clone();
        Arc::new(move |why| told.0.lock().push(why.to_owned()))
    }

    fn on_applied(&self) -> OnApplied {
        let told = self.clone();
        Arc::new(move |applied| told.0.lock().push(applied.index.to_string()))
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

fn rocks() -> Arc<dyn Engines> {
    Arc::new(RocksEngines)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// The entry that the tests' logs have at `index`: the same in every process, so that any of them can say what is right.
///
/// A few hundred keys that change again and again: what is torn shows.
fn entry(index: u64) -> Entry {
    let payload = match index % 50 {
        _ if index == 0 => Payload::Membership(membership(1)),
        0 => Payload::Blank,
        25 => Payload::Membership(membership(1 + index / 50 % 3)),
        _ => Payload::Normal(Proposal::new(commands(index))),
    };
    Entry { log_id: log_id(1, index), payload }
}

fn membership(nodes: u64) -> Membership {
    let node = |id: u64| Node { name: format!("n{id}"), ..Node::default() };
    let nodes: BTreeMap<_, _> = (1..=nodes).map(|id| (id, node(id))).collect();
    Membership::new(vec![nodes.keys().copied().collect()], nodes).unwrap()
}

fn commands(index: u64) -> LogEntry {
    let mut random = fastrand::Rng::with_seed(index);
    let command = |random: &mut fastrand::Rng| match random.u8(0..100) {
        0..5 => Command::Cancel(Cancel {
            request: RequestKey::None,
            job: key(random.u64(0..300)),
            reason: String::new(),
        }),
        5..10 => Command::Tick,
        _ => submit(vec![spec(random.u64(0..300), random_bytes(random, 600))]),
    };
    let commands = (0..random.usize(1..5)).map(|_| command(&mut random)).collect();
    LogEntry { at: Timestamp::from_millis(1_000_000 + index), commands }
}

fn submit(jobs: Vec<Arc<JobSpec>>) -> Command {
    Command::Submit(Submit { request: RequestKey::None, jobs, refused: Vec::new() })
}

fn spec(task: u64, payload: Bytes) -> Arc<JobSpec> {
    let (group, task) = (NodeGroup::new("trade").unwrap(), TaskId::new(format!("t{task}")).unwrap());
    let job = JobSpec::new(group, task, Kind::new("shell").unwrap());
    Arc::new(JobSpec { payload, on_conflict: OnConflict::Replace, ..job })
}

fn key(task: u64) -> JobRef {
    JobRef::Key(NodeGroup::new("trade").unwrap(), TaskId::new(format!("t{task}")).unwrap())
}

fn random_bytes(random: &mut fastrand::Rng, bytes_max: usize) -> Bytes {
    let length = random.usize(0..bytes_max);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// Appends, and gives what becomes ready when all of it is durable.
async fn append(log: &mut LogStore, entries: Vec<Entry>) -> OneshotReceiverOf<Types, std::io::Result<()>> {
    let (done, synced) = Types::oneshot();
    log.append(entries, IOFlushed::signal(done)).await.unwrap();
    synced
}

async fn append_durably(log: &mut LogStore, entries: Vec<Entry>) {
    append(log, entries).await.await.unwrap().unwrap();
}

async fn apply(state: &State, entries: impl IntoIterator<Item = Entry> + Send) -> std::io::Result<()> {
    let entries: Vec<_> = entries.into_iter().map(|entry| Ok((entry, None))).collect();
    state.state_machine().apply(futures_util::stream::iter(entries)).await
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id.index).collect()
}

fn index(id: Option<LogId>) -> Option<u64> {
    id.map(|id| id.index)
}
