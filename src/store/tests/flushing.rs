//! The state behind its log: what waits, what is lost by a restart, who is told.

use std::sync::Arc;

use openraft::storage::RaftStateMachine;

use super::super::log::{FlushedIndex, LogStore};
use super::super::state::{DurableIndex, FlushPolicy, State, StateOptions};
use super::super::types::log_id;
use super::super::{Store, StoreError};
use super::{EAGER, Told, append_durably, apply, entry, index, options, rocks, runtime};

fn open(dir: &std::path::Path, log: &Arc<FlushedIndex>, options: StateOptions) -> State {
    State::open(dir, rocks(), Arc::clone(log), Arc::new(DurableIndex::default()), options).unwrap()
}

#[test]
fn state_reverts_to_its_last_flush_and_applying_the_log_again_gives_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(FlushedIndex::everything());
    runtime().block_on(async {
        let state = open(dir.path(), &log, options(FlushPolicy::default()));
        apply(&state, (0..200).map(entry)).await.unwrap();
        state.flush().await.unwrap();
        assert_eq!(state.durable_index(), Some(199));
        apply(&state, (200..400).map(entry)).await.unwrap();
        let digest = state.machine().read().digest();
        drop(state);

        let state = open(dir.path(), &log, options(FlushPolicy::default()));
        assert_eq!((index(state.position().unwrap().0), state.durable_index()), (Some(199), Some(199)));
        assert_ne!(state.machine().read().digest(), digest);
        apply(&state, (200..400).map(entry)).await.unwrap();
        assert_eq!(state.machine().read().digest(), digest);
        let (applied, membership) = state.state_machine().applied_state().await.unwrap();
        assert_eq!((index(applied), index(*membership.log_id())), (Some(399), Some(375)));
    });
}

#[test]
fn state_goes_to_disk_only_behind_the_log_and_apply_waits_when_two_layers_do() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(FlushedIndex::default());
    let runtime = runtime();
    runtime.block_on(async {
        let state = open(dir.path(), &log, options(EAGER));
        let everything = state.clone();
        let applying = tokio::spawn(async move { apply(&everything, (0..2000).map(entry)).await });
        while state.machine().read().sealed_layers() < 2 {
            tokio::task::yield_now().await;
        }
        let stuck = state.machine().read().applied_index();
        assert!(!applying.is_finished() && stuck < 1000, "stuck at {stuck}, with the log nowhere");
        assert_eq!(state.durable_index(), None);
        log.raise(500);
        while !log.covers(1999) {
            let applied = state.machine().read().applied_index();
            assert!(state.durable_index() <= log.get(), "never ahead of the log");
            log.raise(applied + 1);
            tokio::task::yield_now().await;
        }
        applying.await.unwrap().unwrap();
        state.flush().await.unwrap();
        assert_eq!(state.durable_index(), Some(1999));
    });
}

#[test]
fn every_applied_entry_is_told_in_order_on_every_node() {
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    let log = Arc::new(FlushedIndex::everything());
    let mut options = options(EAGER);
    options.on_applied = told.on_applied();
    let state = open(dir.path(), &log, options);
    runtime().block_on(apply(&state, (0..60).map(entry))).unwrap();
    assert_eq!(told.all(), (0..60).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_entry_that_cannot_be_applied_stops_the_node() {
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    let log = Arc::new(FlushedIndex::everything());
    let mut options = options(EAGER);
    options.on_fatal = told.on_fatal();
    let state = open(dir.path(), &log, options);
    runtime().block_on(async {
        apply(&state, [entry(5)]).await.unwrap();
        apply(&state, [entry(5)]).await.unwrap_err();
    });
    assert_eq!(told.all(), ["entry 1.5 could not be applied: storage failed: applying it panicked"]);
}

#[test]
fn a_node_whose_log_lost_what_its_state_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut store = Store::open(dir.path(), options(EAGER)).unwrap();
        append_durably(&mut store.log, (0..50).map(entry).collect()).await;
        apply(&store.state, (0..50).map(entry)).await.unwrap();
        store.state.flush().await.unwrap();
        let log_dir = store.data_dir.log_dir();
        drop(store);
        std::fs::remove_dir_all(&log_dir).unwrap();
        let mut log = LogStore::open(&log_dir, Arc::default(), options(EAGER).on_fatal).unwrap();
        append_durably(&mut log, (0..10).map(entry).collect()).await;
        drop(log);
        match Store::open(dir.path(), options(EAGER)) {
            Err(StoreError::LogBehindState { applied, last }) => {
                assert_eq!((applied, last), (log_id(1, 49), Some(log_id(1, 9))));
            }
            other => panic!("it should be refused: {other:?}"),
        }
    });
}
