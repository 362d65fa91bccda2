//! The log on a disk that misbehaves: syncs that wait, syncs that fail, records that are damaged or gone.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use openraft::RaftLogReader;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use parking_lot::Mutex;

use super::super::RocksEngines;
use super::super::engine::Engines;
use super::super::types::{Entry, Payload, Types, Vote, log_id};
use super::*;

fn blanks(indexes: std::ops::Range<u64>) -> Vec<Entry> {
    indexes.map(|index| Entry { log_id: log_id(1, index), payload: Payload::Blank }).collect()
}

fn never() -> OnFatal {
    Arc::new(|why| panic!("storage failed: {why}"))
}

fn everything() -> Arc<DurableIndex> {
    Arc::new(DurableIndex::everything())
}

fn rocks(dir: &Path) -> Arc<dyn LogEngine> {
    RocksEngines.open_log(dir).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn nothing_is_acknowledged_before_its_sync_and_one_sync_serves_all_that_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let ((go, gate), (entered, inside)) = (mpsc::channel(), mpsc::channel());
    let gate = Mutex::new(gate);
    let sync = move |disk: &LogDisk| {
        entered.send(()).unwrap();
        gate.lock().recv().unwrap();
        disk.sync().map_err(|error| error.to_string())
    };
    runtime().block_on(async {
        let mut log = LogStore::open_with(rocks(dir.path()), everything(), never(), sync).unwrap();
        let (done, mut first) = Types::oneshot();
        log.append(blanks(0..1), IOFlushed::signal(done)).await.unwrap();
        inside.recv().unwrap();
        // The first sync is under way; these gather behind it.
        let mut later = Vec::new();
        for index in 1..10 {
            let (done, synced) = Types::oneshot();
            log.append(blanks(index..index + 1), IOFlushed::signal(done)).await.unwrap();
            later.push(synced);
        }
        assert_eq!(log.try_get_log_entries(0..10).await.unwrap().len(), 10, "readable at once");
        assert_eq!((first.try_recv().is_ok(), log.flushed_index().get()), (false, None));
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(log.flushed_index().get(), Some(0));
        inside.recv().unwrap();
        go.send(()).unwrap();
        for synced in later {
            synced.await.unwrap().unwrap();
        }
        assert_eq!((log.flushed_index().get(), log.syncs()), (Some(9), 2));
    });
}

#[test]
fn a_failed_sync_ends_the_process_and_acknowledges_nothing_ever_again() {
    let dir = tempfile::tempdir().unwrap();
    let fatal = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&fatal);
    let on_fatal: OnFatal = Arc::new(move |why| told.lock().push(why.to_owned()));
    runtime().block_on(async {
        let sync = |_: &LogDisk| Err("the disk is on fire".to_owned());
        let mut log = LogStore::open_with(rocks(dir.path()), everything(), on_fatal, sync).unwrap();
        for index in 0..2 {
            let (done, synced) = Types::oneshot();
            log.append(blanks(index..index + 1), IOFlushed::signal(done)).await.unwrap();
            synced.await.unwrap().unwrap_err();
        }
        log.save_vote(&Vote::new(2, 1)).await.unwrap_err();
        assert_eq!(log.read_vote().await.unwrap(), None, "a vote that is not durable is not given");
        assert_eq!((log.flushed_index().get(), log.syncs()), (None, 1), "a failed sync is not tried again");
    });
    assert_eq!(*fatal.lock(), ["the log could not be synced: the disk is on fire"]);
}

fn damaged(dir: &Path, damage: impl FnOnce(&LogDisk)) -> LogError {
    runtime().block_on(async {
        let mut log = LogStore::open(dir, everything(), never()).unwrap();
        let (done, synced) = Types::oneshot();
        log.append(blanks(0..20), IOFlushed::signal(done)).await.unwrap();
        synced.await.unwrap().unwrap();
        log.purge(log_id(1, 4)).await.unwrap();
        damage(&log.inner.disk);
    });
    LogStore::open(dir, everything(), never()).unwrap_err()
}

#[test]
fn a_log_with_a_hole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = damaged(dir.path(), |disk| disk.lose(7));
    assert_eq!(error.to_string(), "the log has a hole: entry 7 is missing, the next one is 8");
    let dir = tempfile::tempdir().unwrap();
    let error = damaged(dir.path(), |disk| disk.lose(5));
    assert_eq!(error.to_string(), "the log has a hole: entry 5 is missing, the next one is 6");
}

#[test]
fn a_log_with_a_damaged_entry_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = damaged(dir.path(), |disk| disk.damage(12));
    assert_eq!(error.to_string(), "entry 12 of the log is damaged: its checksum is wrong");
}
