//! What one replica pays for a job in the state machine alone: no disk, no network, one thread.
//!
//! Jobs of 200 bytes go through in batches: submitted by a client session and dispatched in one entry, completed in a
//! later one, with so many others executing in between. The median of the rounds is told, so that a busy machine
//! disturbs little. `--batch N`, `--executing N`, `--jobs N`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use raftsman::domain::{
    Action, Clock as _, ExecutionId, Identity, JobSpec, Kind, NodeGroup, Outcome, RunId, SystemClock, TaskId,
    Timestamp,
};
use raftsman::machine::command::{
    ClientOpen, Complete, Completion, Dispatch, Fingerprint, RequestKey, Submit, TrackerOnline,
};
use raftsman::machine::{Base, BaseError, Command, LogEntry, Machine, RawRow, Reply, codec};

const SEAL_BYTES: usize = 16 << 20;
const PAYLOAD: [u8; 200] = [7; 200];

/// A disk in memory; what writing to it takes is not measured.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Base for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(self.0.lock().get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        let rows = self.0.lock();
        let range = rows.range(from.to_vec()..to.to_vec());
        Ok(range.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError> {
        let rows = self.0.lock();
        let range = rows.range(from.to_vec()..to.to_vec()).rev();
        Ok(range.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }
}

/// How long each part of each round took.
#[derive(Default)]
struct Taken(BTreeMap<&'static str, Vec<Duration>>);

impl Taken {
    fn time<T>(&mut self, part: &'static str, work: impl FnOnce() -> T) -> T {
        let began = SystemClock.monotonic();
        let done = work();
        self.0.entry(part).or_default().push(SystemClock.monotonic() - began);
        done
    }

    fn print(mut self, batch: usize) {
        let mut sum = 0.0;
        for (part, times) in &mut self.0 {
            times.sort();
            let us = |at: usize| times[at].as_secs_f64() * 1e6 / batch as f64;
            let (low, median) = (us(times.len() / 10), us(times.len() / 2));
            println!("{part:<20} {median:6.2} us a job (p10 {low:.2})");
            sum += median;
        }
        println!("{:<20} {sum:6.2} us a job", "all");
    }
}

fn main() {
    let option = |name: &str, default: usize| {
        let value = std::env::args().skip_while(|arg| arg != name).nth(1);
        value.map_or(default, |value| value.parse().expect("a number"))
    };
    let (batch, executing) = (option("--batch", 500), option("--executing", 2_000));
    let rounds = option("--jobs", 200_000) / batch;
    let base = Arc::new(Memory::default());
    let mut bench = Bench {
        machine: Machine::open(Arc::clone(&base) as Arc<dyn Base>).expect("memory does not fail"),
        base,
        taken: Taken::default(),
    };
    bench.run(batch, executing, rounds);
    bench.taken.print(batch);
}

struct Bench {
    machine: Machine,
    base: Arc<Memory>,
    taken: Taken,
}

impl Bench {
    fn run(&mut self, batch: usize, executing: usize, rounds: usize) {
        let identity = Identity::new("w1").expect("a name");
        let client = match self.now(Command::ClientOpen(ClientOpen { identity: identity.clone() })) {
            Reply::ClientOpened(client) => client,
            other => panic!("{other:?}"),
        };
        let node_group = NodeGroup::new("bench").expect("a name");
        let capacity = u32::try_from(batch + executing).expect("a capacity");
        let online =
            TrackerOnline { node_group, identity, start: 1, capacity, kinds: Vec::new(), holds: Vec::new() };
        let session = match self.now(Command::TrackerOnline(online)) {
            Reply::Online(session) => session,
            other => panic!("{other:?}"),
        };
        let want = u32::try_from(batch).expect("a batch");
        let mut running: VecDeque<(ExecutionId, RunId)> = VecDeque::new();
        for round in 0..rounds {
            let request =
                RequestKey::Session { client, sequence: round as u64 + 1, asks: Fingerprint::default() };
            let jobs = (0..batch).map(|n| job(round * batch + n)).collect();
            let submit = Command::Submit(Submit { request, jobs, refused: Vec::new() });
            let dispatch = Command::Dispatch(Dispatch { session, want });
            let replies = self.entry("submit + dispatch", vec![submit, dispatch]);
            let Some(Reply::Dispatched(dispatched)) = replies.last() else { panic!("{replies:?}") };
            running.extend(dispatched.pushes.iter().map(|push| (push.execution, push.run)));
            if running.len() > executing {
                let results = running.drain(..batch).map(|(execution, _)| completion(execution)).collect();
                self.entry("complete", vec![Command::Complete(Complete { results })]);
            }
            self.write_behind();
        }
    }

    fn now(&mut self, command: Command) -> Reply {
        self.entry("setup", vec![command]).remove(0)
    }

    /// As the log carries it: encoded by the leader, decoded by a follower, applied by each.
    fn entry(&mut self, what: &'static str, commands: Vec<Command>) -> Vec<Reply> {
        let index = self.machine.applied_index() + 1;
        let entry = LogEntry { at: Timestamp::from_millis(1_000_000 + index), commands };
        if what == "setup" {
            return self.machine.apply(index, &entry).expect("memory does not fail").replies;
        }
        let bytes = self.taken.time("encode an entry", || codec::encode_entry(&entry));
        drop(entry);
        let entry = self.taken.time("decode an entry", || codec::decode_entry(bytes).expect("just encoded"));
        let applied = self.taken.time(what, || self.machine.apply(index, &entry));
        applied.expect("memory does not fail").replies
    }

    fn write_behind(&mut self) {
        if self.machine.active_bytes() < SEAL_BYTES {
            return;
        }
        let Some(layer) = self.machine.seal() else { return };
        let mut rows = self.base.0.lock();
        for (key, row) in layer.encoded() {
            match row {
                Some(row) => rows.insert(key, row.to_vec()),
                None => rows.remove(&key),
            };
        }
        drop(rows);
        self.machine.flushed(&layer);
    }
}

fn job(number: usize) -> Arc<JobSpec> {
    let name = |text: &str| text.to_owned();
    let group = NodeGroup::new(name("bench")).expect("a name");
    let (task, kind) = (TaskId::new(number.to_string()), Kind::new(name("noop")));
    let mut spec = JobSpec::new(group, task.expect("a name"), kind.expect("a name"));
    spec.payload = Bytes::from_static(&PAYLOAD);
    Arc::new(spec)
}

fn completion(execution: ExecutionId) -> Completion {
    let outcome = Outcome {
        action: Action::ExecuteSuccess,
        result: Bytes::new(),
        error: String::new(),
        retry_after: None,
    };
    Completion { execution, run: RunId::default(), outcome, resent: false }
}
