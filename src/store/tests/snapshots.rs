//! Snapshots: built, sent, received, installed; and everything that must not be taken for one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftStateMachine;

use super::super::log::FlushedIndex;
use super::super::snapshot::{CHUNK_BYTES_MAX, SnapshotChunk, SnapshotData, TransferError};
use super::super::state::{DurableIndex, FlushPolicy, State};
use super::super::types::{Entry, Payload, Proposal, log_id};
use super::{EAGER, Told, apply, entry, index, options, random_bytes, rocks, runtime, seed, spec, submit};
use crate::domain::Timestamp;
use crate::machine::LogEntry;

fn open(dir: &Path, policy: FlushPolicy) -> State {
    let log = Arc::new(FlushedIndex::everything());
    State::open(dir, rocks(), log, Arc::new(DurableIndex::default()), options(policy)).unwrap()
}

async fn build(state: &State) -> SnapshotData {
    let mut machine = state.state_machine();
    let mut builder = machine.try_create_snapshot_builder(true).await.unwrap();
    builder.build_snapshot().await.unwrap().snapshot
}

/// Sends it as the network would, chunk by chunk.
fn send(from: &SnapshotData, to: &State) -> Result<SnapshotData, TransferError> {
    let mut receiver = to.receive_snapshot()?;
    for chunk in from.reader()? {
        receiver.push(chunk?)?;
    }
    receiver.finish()
}

async fn install(state: &State, data: SnapshotData) {
    let meta = data.meta().clone();
    state.state_machine().install_snapshot(&meta, data).await.unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_state_of_more_than_256_mib_goes_to_another_node_and_survives_its_restart() {
    const MIB: usize = 1 << 20;
    let mut random = fastrand::Rng::with_seed(seed("store_big_snapshot"));
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut job = |index: u64| {
        let mut payload = vec![0; MIB];
        random.fill(&mut payload);
        let commands = vec![submit(vec![spec(index, Bytes::from(payload))])];
        let payload =
            Payload::Normal(Proposal::new(LogEntry { at: Timestamp::from_millis(index), commands }));
        Entry { log_id: log_id(1, index), payload }
    };
    runtime().block_on(async {
        let (source, target) =
            (open(here.path(), FlushPolicy::default()), open(there.path(), FlushPolicy::default()));
        for index in 1..=270 {
            apply(&source, [job(index)]).await.unwrap();
        }
        let snapshot = build(&source).await;
        assert!(snapshot.bytes() > 256 * MIB as u64, "{} bytes", snapshot.bytes());
        assert!(source.durable_index() >= index(snapshot.meta().last_log_id), "a snapshot is durable");
        let received = send(&snapshot, &target).unwrap();
        install(&target, received).await;
        let digest = source.machine().read().digest();
        assert_eq!(target.machine().read().digest(), digest);
        assert_eq!(target.position().unwrap(), source.position().unwrap());
        apply(&target, [job(271)]).await.unwrap();
        drop(target);

        let target = open(there.path(), FlushPolicy::default());
        assert_eq!(target.machine().read().digest(), digest, "reverted to what was installed");
        assert_eq!(target.current_snapshot().unwrap().meta(), snapshot.meta());
        let key = crate::machine::Key::TaskKey(
            crate::domain::NodeGroup::new("trade").unwrap(),
            crate::domain::TaskId::new("t200").unwrap(),
        );
        let row = |state: &State| state.machine().read().tables().get(&key).unwrap();
        assert!(row(&target).is_some() && row(&target) == row(&source));
    });
}

#[test]
fn installing_drops_layers_and_indexes_of_before_and_tells_whoever_waits() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let told = Told::default();
    runtime().block_on(async {
        let source = open(here.path(), EAGER);
        apply(&source, (0..500).map(entry)).await.unwrap();
        let snapshot = build(&source).await;
        // The log of this one is not durable, so its layers cannot be written: they must go with the old state.
        let (log, mut options) = (Arc::new(FlushedIndex::default()), options(EAGER));
        options.on_applied = told.on_applied();
        let target =
            State::open(there.path(), rocks(), log, Arc::new(DurableIndex::default()), options).unwrap();
        apply(&target, (0..20).map(entry)).await.unwrap();
        target.machine().write().seal();
        install(&target, send(&snapshot, &target).unwrap()).await;
        assert_eq!(told.all().last().unwrap(), "499");
        assert_eq!(target.machine().read().sealed_layers(), 0);
        assert_eq!(target.machine().read().digest(), source.machine().read().digest());
        assert_eq!(target.durable_index(), Some(499));
        apply(&target, (500..520).map(entry)).await.unwrap();
        apply(&source, (500..520).map(entry)).await.unwrap();
        assert_eq!(target.machine().read().digest(), source.machine().read().digest());
        assert_eq!(
            names(there.path()).len(),
            3,
            "CURRENT, a generation, a snapshot: {:?}",
            names(there.path())
        );
    });
}

#[test]
fn a_snapshot_under_transfer_outlives_newer_ones_and_goes_then() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let state = open(dir.path(), EAGER);
        apply(&state, (0..300).map(entry)).await.unwrap();
        let old = build(&state).await;
        let mut reader = old.reader().unwrap();
        reader.next().unwrap().unwrap();
        apply(&state, (300..600).map(entry)).await.unwrap();
        let new = build(&state).await;
        let path = old.path().to_owned();
        assert!(path != new.path() && path.exists());
        drop(old);
        assert!(reader.by_ref().all(|chunk| chunk.is_ok()), "its files are still there");
        drop(reader);
        assert!(!path.exists());
        assert_eq!(state.current_snapshot().unwrap().path(), new.path());
    });
}

#[test]
fn a_broken_stream_is_never_taken_for_a_snapshot() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut random = fastrand::Rng::with_seed(seed("store_broken_stream"));
    runtime().block_on(async {
        let (source, target) = (open(here.path(), EAGER), open(there.path(), EAGER));
        apply(&source, (0..400).map(entry)).await.unwrap();
        let snapshot = build(&source).await;
        let chunks: Vec<_> = snapshot.reader().unwrap().map(Result::unwrap).collect();
        let is_small = |chunk: &SnapshotChunk| match chunk {
            SnapshotChunk::Data(data) => data.len() <= CHUNK_BYTES_MAX,
            SnapshotChunk::File { .. } | SnapshotChunk::End { .. } => true,
        };
        assert!(chunks.iter().all(is_small));
        let receive = |chunks: &[SnapshotChunk]| {
            let mut receiver = target.receive_snapshot()?;
            chunks.iter().cloned().try_for_each(|chunk| receiver.push(chunk))?;
            receiver.finish()
        };
        for length in 0..chunks.len() {
            receive(&chunks[..length]).expect_err("a stream that ends early");
        }
        for _ in 0..50 {
            let mut lost = chunks.clone();
            lost.remove(random.usize(0..chunks.len()));
            receive(&lost).expect_err("a chunk is missing");
            let mut swapped = chunks.clone();
            let at = random.usize(1..chunks.len());
            swapped.swap(at - 1, at);
            receive(&swapped).expect_err("two chunks are exchanged");
            receive(&flipped(chunks.clone(), &mut random)).expect_err("a bit is wrong");
        }
        for name in ["../CURRENT", "a/b", ".hidden", "", "\n"] {
            let evil = [SnapshotChunk::File { name: name.into(), bytes: 0 }];
            assert!(matches!(receive(&evil), Err(TransferError::Name(_))), "{name:?}");
        }
        assert_eq!(names(there.path()).len(), 2, "nothing is left over: {:?}", names(there.path()));
        receive(&chunks).expect("the whole stream is fine");
    });
}

fn flipped(mut chunks: Vec<SnapshotChunk>, random: &mut fastrand::Rng) -> Vec<SnapshotChunk> {
    loop {
        let at = random.usize(0..chunks.len());
        if let SnapshotChunk::Data(data) = &mut chunks[at] {
            let mut bytes = data.to_vec();
            let at = random.usize(0..bytes.len());
            bytes[at] ^= 1 << random.u8(0..8);
            *data = Bytes::from(bytes);
            return chunks;
        }
    }
}

#[test]
fn leftovers_of_a_crash_are_removed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let state = open(dir.path(), EAGER);
        apply(&state, (0..100).map(entry)).await.unwrap();
        build(&state).await;
    });
    let before = names(dir.path());
    for name in ["db-90", "building-91", "recv-92", "snap-93"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(
            dir.path().join(name).join("RAFTSMAN-SNAPSHOT"),
            random_bytes(&mut fastrand::Rng::new(), 50),
        )
        .unwrap();
    }
    let state = open(dir.path(), EAGER);
    assert_eq!(names(dir.path()), before);
    assert_eq!(index(state.current_snapshot().unwrap().meta().last_log_id), Some(99));
}
