//! openraft's own suite for logs and state machines.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::super::fatal;
use super::super::log::{FlushedIndex, LogStore};
use super::super::state::{DurableIndex, FlushPolicy, State, StateMachine};
use super::super::types::Types;
use super::{options, rocks};

/// Log and state that know nothing of each other: the suite drives either without the other.
struct Apart;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for Apart {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<Types>> {
        let dir = tempfile::tempdir().unwrap();
        let anything = Arc::new(DurableIndex::everything());
        let log = LogStore::open(&dir.path().join("log"), anything, fatal::end_process()).unwrap();
        let always = Arc::new(FlushedIndex::everything());
        let options = options(FlushPolicy::default());
        let state = State::open(
            &dir.path().join("state"),
            rocks(),
            always,
            Arc::new(DurableIndex::default()),
            options,
        )
        .unwrap();
        Ok((dir, log, state.state_machine()))
    }
}

#[test]
fn openrafts_suite_passes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Suite::test_all(Apart)).unwrap();
}
