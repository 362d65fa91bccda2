//! SIGKILL at random moments: a child writes log, votes, state and snapshots at full speed and says what was acknowledged;
//! its parent kills it, opens what is left, and holds it to every promise. The same directory goes through all cycles.
//! Every other time the parent also does what a power cut might: it takes from the log's newest write-ahead file what was
//! written after the last sync. Then a state that ran ahead of its log would show, and an acknowledgement before the sync.
//!
//! `CYCLES=200 cargo test ... sigkill` runs more of them; `SEED` runs one again, as far as timing allows.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::storage::{RaftLogStorage, RaftStateMachine};
use openraft::{RaftLogReader, RaftSnapshotBuilder};
use parking_lot::{Condvar, Mutex};

use super::super::mem::MemBase;
use super::super::state::marks;
use super::super::types::{Entry, Payload, Vote, log_id};
use super::super::{LogStore, Store, rocks::RocksBase};
use super::{EAGER, append, apply, entry, index, options, rocks, runtime, seed};
use crate::machine::{Base, Machine};

const CYCLES: u64 = 30;
const DIR: &str = "RAFTSMAN_CRASH_DIR";
const CHILD_SEED: &str = "RAFTSMAN_CRASH_SEED";
/// The disk under the log is slow at times, so that the state could run ahead if nothing held it.
const SLOW_EVERY: u64 = 16;
const SLOW: Duration = Duration::from_millis(15);
/// Lines after which a child is killed at the latest.
const LINES_MAX: u64 = 250;

#[test]
fn after_sigkill_nothing_acknowledged_is_lost_and_state_is_whole_and_behind_its_log() {
    let seed = seed("store_sigkill");
    let cycles = std::env::var("CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(CYCLES);
    let mut random = fastrand::Rng::with_seed(seed);
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("node");
    let mut expected = Expected::default();
    for cycle in 0..cycles {
        run_and_kill(&dir, seed ^ cycle, random.u64(0..LINES_MAX), &mut expected.said);
        if cycle % 2 == 1 {
            expected.cut_power(&dir);
        }
        expected.check(&dir);
    }
    let Expected { said, met, .. } = expected;
    println!("{cycles} cycles: {said:?}, {met:?}");
    let reached = [said.acked, said.vote, said.snapshots, met.replayed, met.purged, met.cut];
    assert!(reached.iter().all(|count| *count > 0), "the rare things were met");
}

/// What children said before they were killed, over all cycles.
#[derive(Debug, Default)]
struct Said {
    /// Entries before this were acknowledged.
    acked: u64,
    vote: u64,
    snapshots: u64,
}

/// How often the interesting things were found.
#[derive(Debug, Default)]
struct Met {
    /// Entries that the log had and the state on disk had not.
    replayed: u64,
    purged: u64,
    /// Entries that were to be cut off when the child was killed.
    junk: u64,
    /// Power cuts that took something away.
    cut: u64,
}

#[derive(Default)]
struct Expected {
    said: Said,
    met: Met,
    reference: Reference,
}

/// What the state should be, from the entries alone.
struct Reference {
    base: Arc<MemBase>,
    machine: Machine,
    next: u64,
}

impl Default for Reference {
    fn default() -> Reference {
        let base = Arc::new(MemBase::default());
        let machine = Machine::open(Arc::clone(&base) as Arc<dyn Base>).unwrap();
        Reference { base, machine, next: 0 }
    }
}

impl Reference {
    /// The rows on disk when everything up to `last` is applied.
    fn advance(&mut self, last: u64) {
        while self.next <= last {
            let entry = entry(self.next);
            match &entry.payload {
                Payload::Normal(proposal) => {
                    self.machine.apply(self.next, proposal.entry()).unwrap();
                }
                Payload::Blank | Payload::Membership(_) if self.next == 0 => {}
                Payload::Blank | Payload::Membership(_) => self.machine.skip(self.next),
            }
            self.next += 1;
        }
        if let Some(layer) = self.machine.seal() {
            self.base.write(layer.encoded());
            self.machine.flushed(&layer);
        }
    }
}

fn run_and_kill(dir: &Path, seed: u64, lines: u64, said: &mut Said) {
    let mut child = spawn(dir, seed);
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for line in
        output.by_ref().filter(|line| line.starts_with("crash ")).take(usize::try_from(lines).unwrap())
    {
        said.hear(&line);
    }
    child.kill().unwrap();
    // What was said before the kill counts, also if it was not heard yet.
    output.filter(|line| line.starts_with("crash ")).for_each(|line| said.hear(&line));
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the child was killed; it did not end by itself: {status}");
}

fn spawn(dir: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::crash::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(CHILD_SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Said {
    fn hear(&mut self, line: &str) {
        // The last line may be torn; what follows its number tells.
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["crash", "acked", end, "."] => self.acked = self.acked.max(end.parse().unwrap()),
            ["crash", "vote", term, "."] => self.vote = self.vote.max(term.parse().unwrap()),
            ["crash", "snapshot"] => self.snapshots += 1,
            _ => {}
        }
    }
}

/// The newest write-ahead file of the log, and its size.
fn wal(dir: &Path) -> (String, u64) {
    let files = std::fs::read_dir(dir.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let newest =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap();
    (newest.file_name().unwrap().to_string_lossy().into_owned(), newest.metadata().unwrap().len())
}

/// Where a child writes down, in one write, what [`wal`] gave before the last sync that succeeded.
fn synced_file(dir: &Path) -> PathBuf {
    dir.with_extension("synced")
}

impl Expected {
    /// Takes away what was not synced.
    fn cut_power(&mut self, dir: &Path) {
        let Ok(synced) = std::fs::read_to_string(synced_file(dir)) else { return };
        // Empty if the child was killed before its first sync.
        let Some((name, synced)) = synced.split_once(' ') else { return };
        let synced = synced.trim();
        let (newest, size) = wal(dir);
        if newest == name {
            let synced: u64 = synced.parse().unwrap();
            let file = std::fs::File::options().write(true).open(dir.join("log").join(name)).unwrap();
            file.set_len(synced).unwrap();
            self.met.cut += u64::from(synced < size);
        }
    }

    fn check(&mut self, dir: &Path) {
        self.check_raw_state(dir);
        // Opening checks for holes and damage, and that the state is not ahead of the log.
        let store = Store::open(dir, options(EAGER)).unwrap();
        let applied = index(store.state.position().unwrap().0);
        runtime().block_on(self.check_log(store.log.clone(), applied));
        let (durable, purged) = (store.state.durable_index(), index(store.log.purged_log_id()));
        assert!(purged <= durable, "purged up to {purged:?}, state durable up to {durable:?}");
        let snapshot = store.state.current_snapshot();
        let snapshot = snapshot.and_then(|snapshot| index(snapshot.meta().last_log_id));
        assert!(purged <= snapshot && snapshot <= durable, "{purged:?} <= {snapshot:?} <= {durable:?}");
        self.met.purged = self.met.purged.max(purged.unwrap_or(0));
    }

    async fn check_log(&mut self, mut log: LogStore, applied: Option<u64>) {
        let vote = log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
        assert!(vote >= self.said.vote, "vote {vote}, but {} was acknowledged", self.said.vote);
        let last = index(log.last_log_id());
        assert!(
            last.map_or(0, |last| last + 1) >= self.said.acked,
            "{last:?}, but {} acked",
            self.said.acked
        );
        assert!(applied <= last, "applied {applied:?}, log up to {last:?}");
        let sure = self.said.acked.max(applied.map_or(0, |applied| applied + 1));
        for found in log.try_get_log_entries(..).await.unwrap() {
            let at = found.log_id.index;
            let is_junk = at >= sure && found == junk(at);
            assert!(is_junk || found == entry(at), "entry {at} is {found:?}");
            self.met.junk += u64::from(is_junk);
            self.met.replayed += u64::from(Some(at) > applied);
        }
    }

    /// Row by row, before anything else opens it.
    fn check_raw_state(&mut self, dir: &Path) {
        let Ok(current) = std::fs::read_to_string(dir.join("state/CURRENT")) else { return };
        let path = dir.join("state").join(current.trim());
        if !path.join("CURRENT").exists() {
            return;
        }
        let base = RocksBase::open(&path).unwrap();
        let Some(applied) = index(marks::read(&base).unwrap().0) else { return };
        self.reference.advance(applied);
        // Consensus' marks come first; the reference has none.
        let (from, to) = (crate::machine::Key::Meta.to_bytes(), [255; 4]);
        let (is, should) =
            (base.scan(&from, &to, usize::MAX), self.reference.base.scan(&from, &to, usize::MAX));
        assert!(is == should, "the state at {applied} is torn");
    }
}

/// What a leader might have left that never was committed: it is cut off and replaced.
fn junk(index: u64) -> Entry {
    Entry {
        log_id: log_id(1, index),
        payload: Payload::Normal(super::Proposal::new(super::commands(index ^ (1 << 40)))),
    }
}

/// Not a test of its own: what [`after_sigkill_nothing_acknowledged_is_lost_and_state_is_whole_and_behind_its_log`] kills.
#[test]
#[ignore = "it runs until it is killed, and only as a child of the test above"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let seed = std::env::var(CHILD_SEED).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = open_watched(Path::new(&dir));
        Victim { store, random: fastrand::Rng::with_seed(seed), next: 0, vote: 0 }.run().await;
    });
}

/// A store that notes, after each sync and before anybody is told of it, how much of the log is durable.
fn open_watched(dir: &Path) -> Store {
    let (at, before, file) = (dir.to_owned(), Arc::new(Mutex::new(None)), synced_file(dir));
    let after = Arc::clone(&before);
    let note = std::fs::File::create(file).unwrap();
    let (syncs, slow) = (AtomicU64::new(0), Condvar::new());
    let before = move || {
        let mut before = before.lock();
        *before = Some(wal(&at));
        if syncs.fetch_add(1, Ordering::Relaxed) % SLOW_EVERY == 0 {
            slow.wait_for(&mut before, SLOW);
        }
    };
    let after = move || {
        let (name, size) = after.lock().take().unwrap();
        note.write_all_at(format!("{name} {size:20}").as_bytes(), 0).unwrap();
    };
    Store::open_with(dir, &rocks(), options(EAGER), |engine, durable, on_fatal| {
        LogStore::open_watched(engine, durable, on_fatal, before, after)
    })
    .unwrap()
}

struct Victim {
    store: Store,
    random: fastrand::Rng,
    next: u64,
    vote: u64,
}

impl Victim {
    async fn run(mut self) {
        self.recover().await;
        loop {
            match self.random.u8(0..100) {
                0..5 => self.save_vote().await,
                5..7 => self.snapshot_and_purge().await,
                7..15 => self.append_junk().await,
                _ => self.append().await,
            }
        }
    }

    /// As openraft does it: what the log has and the state has not is applied again; a wrong tail is cut off.
    async fn recover(&mut self) {
        let applied = index(self.store.state.position().unwrap().0).map_or(0, |applied| applied + 1);
        self.vote = self.store.log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
        let found = self.store.log.try_get_log_entries(applied..).await.unwrap();
        let good =
            found.into_iter().take_while(|found| *found == entry(found.log_id.index)).collect::<Vec<_>>();
        self.next = applied + good.len() as u64;
        self.cut().await;
        apply(&self.store.state, good).await.unwrap();
        println!("crash ready");
    }

    async fn cut(&mut self) {
        let last = self.next.checked_sub(1).map(|last| log_id(1, last));
        self.store.log.truncate_after(last).await.unwrap();
    }

    /// Applied before it is durable here, as on a follower whose peers were quicker.
    async fn append(&mut self) {
        let end = self.next + self.random.u64(1..6);
        let entries: Vec<_> = (self.next..end).map(entry).collect();
        let synced = append(&mut self.store.log, entries.clone()).await;
        tokio::spawn(async move {
            synced.await.unwrap().unwrap();
            println!("crash acked {end} .");
        });
        self.next = end;
        self.store.log.save_committed(Some(log_id(1, end - 1))).await.unwrap();
        apply(&self.store.state, entries).await.unwrap();
        println!("crash applied");
    }

    async fn append_junk(&mut self) {
        let end = self.next + self.random.u64(1..4);
        let synced = append(&mut self.store.log, (self.next..end).map(junk).collect()).await;
        if self.random.bool() {
            synced.await.unwrap().unwrap();
        }
        self.cut().await;
    }

    async fn save_vote(&mut self) {
        self.vote += 1;
        self.store.log.save_vote(&Vote::new(self.vote, 1)).await.unwrap();
        println!("crash vote {} .", self.vote);
    }

    async fn snapshot_and_purge(&mut self) {
        let mut builder = self.store.state.state_machine().try_create_snapshot_builder(true).await.unwrap();
        let Some(last) = builder.build_snapshot().await.unwrap().meta.last_log_id else { return };
        println!("crash snapshot");
        let upto = last.index.saturating_sub(self.random.u64(0..50));
        if Some(upto) > index(self.store.log.purged_log_id()) {
            self.store.log.purge(log_id(1, upto)).await.unwrap();
        }
    }
}
