//! What every job passes, part by part: entries and rows as bytes, the calendar, the log with its sync, the state's database.
//!
//! The log and the database are on the disk of the temporary directory. `-- calendar` runs what has that
//! in its name; `--help` has the rest.

use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use openraft::storage::{IOFlushed, RaftLogStorage as _};
use openraft::type_config::TypeConfigExt as _;
use raftsman::calendar::PreparedCron;
use raftsman::domain::{CronSchedule, DstRule, JobSpec, Kind, NodeGroup, RequestId, TaskId, Timestamp};
use raftsman::machine::command::{Fingerprint, RequestKey, Submit};
use raftsman::machine::{Command, Layer, LogEntry, Machine, NoBase, codec};
use raftsman::store::engine::StateEngine as _;
use raftsman::store::types::{Entry, Payload, Types, log_id};
use raftsman::store::{DurableIndex, LogStore, OnFatal, Proposal, RocksBase};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Jobs of an entry.
const BATCHES: [usize; 3] = [1, 100, 500];
const PAYLOAD: [u8; 200] = [7; 200];

fn main() {
    divan::main();
}

fn entry(jobs: usize) -> LogEntry {
    let id = RequestId::new("r").expect("a name");
    let request = RequestKey::Id { id, asks: Fingerprint::default() };
    let jobs = (0..jobs).map(job).collect();
    let submit = Command::Submit(Submit { request, jobs, refused: Vec::new() });
    LogEntry { at: Timestamp::from_millis(1_000_000), commands: vec![submit] }
}

fn job(number: usize) -> Arc<JobSpec> {
    let group = NodeGroup::new("bench").expect("a name");
    let (task, kind) = (TaskId::new(number.to_string()), Kind::new("noop"));
    let mut spec = JobSpec::new(group, task.expect("a name"), kind.expect("a name"));
    spec.payload = Bytes::from_static(&PAYLOAD);
    Arc::new(spec)
}

#[divan::bench(args = BATCHES)]
fn codec_encodes_an_entry(bencher: Bencher<'_, '_>, jobs: usize) {
    let entry = entry(jobs);
    bencher.counter(ItemsCount::new(jobs)).bench(|| codec::encode_entry(&entry));
}

#[divan::bench(args = BATCHES)]
fn codec_decodes_an_entry(bencher: Bencher<'_, '_>, jobs: usize) {
    let bytes = codec::encode_entry(&entry(jobs));
    bencher.counter(ItemsCount::new(jobs)).bench(|| codec::decode_entry(bytes.clone()));
}

/// An expression and its zone.
const CRONS: [(&str, &str); 4] = [
    ("* * * * * ?", "UTC"),
    ("0 */5 * * * ?", "Asia/Shanghai"),
    ("0 30 2 * * ?", "America/New_York"),
    ("0 0 12 L-2 * ?", "Europe/Berlin"),
];

fn cron((expression, zone): (&str, &str)) -> PreparedCron {
    let (expression, time_zone) = (expression.to_owned(), zone.to_owned());
    let schedule = CronSchedule { expression, time_zone, dst: DstRule::default() };
    PreparedCron::new(&schedule).expect("it is a cron")
}

#[divan::bench(args = CRONS)]
fn calendar_reads_an_expression(expression_and_zone: (&str, &str)) -> PreparedCron {
    cron(expression_and_zone)
}

#[divan::bench(args = CRONS)]
fn calendar_plans_instants(bencher: Bencher<'_, '_>, expression_and_zone: (&str, &str)) {
    let (prepared, count) = (cron(expression_and_zone), 16);
    let after = Timestamp::from_millis(1_800_000_000_000);
    bencher.counter(ItemsCount::new(count)).bench(|| prepared.next_after(after, count));
}

fn never() -> OnFatal {
    Arc::new(|why| panic!("storage failed: {why}"))
}

#[divan::bench(args = BATCHES, sample_size = 1)]
fn log_appends_and_syncs(bencher: Bencher<'_, '_>, jobs: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let durable = Arc::new(DurableIndex::everything());
    let mut log = LogStore::open(dir.path(), durable, never()).expect("an empty log opens");
    let proposal = Proposal::new(entry(jobs));
    let mut index = 0;
    bencher.counter(ItemsCount::new(jobs)).bench_local(|| {
        let entry = Entry { log_id: log_id(1, index), payload: Payload::Normal(proposal.clone()) };
        index += 1;
        runtime.block_on(async {
            let (done, synced) = Types::oneshot();
            log.append([entry], IOFlushed::signal(done)).await.expect("it is written");
            synced.await.expect("it answers").expect("it is synced");
        });
    });
}

/// What submits of so many jobs leave behind.
fn layer(jobs: usize) -> Arc<Layer> {
    let mut machine = Machine::open(Arc::new(NoBase)).expect("nothing is read");
    machine.apply(1, &entry(jobs)).expect("nothing is read");
    machine.seal().expect("something has changed")
}

#[divan::bench(args = [1_000, 10_000], sample_size = 1)]
fn state_writes_a_layer(bencher: Bencher<'_, '_>, jobs: usize) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let base = RocksBase::open(dir.path()).expect("an empty database opens");
    let layer = layer(jobs);
    bencher.counter(ItemsCount::new(jobs)).bench_local(|| base.write(&layer).expect("it is written"));
}
