//! The log across restarts: what is kept, what is read, what is refused.

use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;

use super::super::log::LogStore;
use super::super::state::DurableIndex;
use super::super::types::{Entry, Payload, Vote, log_id};
use super::{Told, append, append_durably, entry, index, indexes, runtime, seed};

fn open(dir: &Path) -> LogStore {
    let never = Arc::new(|why: &str| panic!("storage failed: {why}"));
    LogStore::open(dir, Arc::new(DurableIndex::everything()), never).unwrap()
}

#[test]
fn a_log_is_as_it_was_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut log = open(dir.path());
        append_durably(&mut log, (0..100).map(entry).collect()).await;
        log.save_vote(&Vote::new_committed(3, 9)).await.unwrap();
        log.save_committed(Some(log_id(1, 80))).await.unwrap();
        log.truncate_after(Some(log_id(1, 89))).await.unwrap();
        log.purge(log_id(1, 9)).await.unwrap();
        append_durably(&mut log, vec![entry(90)]).await;
        drop(log);

        let mut log = open(dir.path());
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(3, 9)));
        assert_eq!(index(log.read_committed().await.unwrap()), Some(80));
        assert_eq!((index(log.purged_log_id()), index(log.last_log_id())), (Some(9), Some(90)));
        assert_eq!(log.try_get_log_entries(..).await.unwrap(), (10..=90).map(entry).collect::<Vec<_>>());
        assert_eq!(log.flushed_index().get(), Some(90), "what was found is durable");
    });
}

#[test]
fn reads_for_replication_are_bounded_and_the_stream_for_apply_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let mut log = open(dir.path());
        append_durably(&mut log, (0..3000).map(entry).collect()).await;
        for from_disk in [false, true] {
            if from_disk {
                drop(log);
                log = open(dir.path());
            }
            let part = log.limited_get_log_entries(100, 3000).await.unwrap();
            assert_eq!(indexes(&part), (100..100 + part.len() as u64).collect::<Vec<_>>());
            assert!(part.len() > 100 && part.len() < 2000, "{} entries are about a MiB", part.len());
            let stream = log.entries_stream(5..2999).await;
            let all: Vec<Entry> = stream.try_collect().await.unwrap();
            assert_eq!(all, (5..2999).map(entry).collect::<Vec<_>>());
        }
    });
}

#[test]
fn random_operations_leave_what_a_simple_list_would_hold() {
    let mut random = fastrand::Rng::with_seed(seed("store_log_random"));
    let dir = tempfile::tempdir().unwrap();
    let (mut first, mut end, mut reopened, mut cut) = (0, 0, 0, 0);
    runtime().block_on(async {
        let mut log = open(dir.path());
        for _ in 0..400 {
            match random.u8(0..100) {
                0..5 => {
                    drop(log);
                    log = open(dir.path());
                    reopened += 1;
                }
                5..15 if end > first => {
                    let last = random.u64(first..end);
                    log.truncate_after(Some(log_id(1, last))).await.unwrap();
                    end = last + 1;
                    cut += 1;
                }
                15..25 if end > first => {
                    let upto = random.u64(first..end);
                    log.purge(log_id(1, upto)).await.unwrap();
                    first = upto + 1;
                }
                _ => {
                    let more = random.u64(1..30);
                    append_durably(&mut log, (end..end + more).map(entry).collect()).await;
                    end += more;
                }
            }
            let (from, to) = (random.u64(0..=end), random.u64(0..=end + 3));
            let read = log.try_get_log_entries(from..to).await.unwrap();
            assert_eq!(read, (from.max(first)..to.min(end)).map(entry).collect::<Vec<_>>());
        }
    });
    assert!(reopened > 3 && cut > 10 && first > 0, "met {reopened} reopens, {cut} cuts, purged to {first}");
}

#[test]
fn a_log_that_would_be_purged_beyond_durable_state_stops_the_node() {
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    let state = Arc::new(DurableIndex::default());
    runtime().block_on(async {
        let mut log = LogStore::open(dir.path(), state, told.on_fatal()).unwrap();
        append(&mut log, vec![entry(0)]).await.await.unwrap().unwrap();
        log.purge(log_id(1, 0)).await.unwrap_err();
    });
    assert_eq!(told.all(), ["the log was to be purged up to 0, but the state is durable only up to None"]);
}

#[test]
fn an_entry_with_a_gap_before_it_stops_the_node() {
    let (dir, told) = (tempfile::tempdir().unwrap(), Told::default());
    runtime().block_on(async {
        let mut log =
            LogStore::open(dir.path(), Arc::new(DurableIndex::everything()), told.on_fatal()).unwrap();
        append_durably(&mut log, vec![entry(0)]).await;
        let (done, _synced) = <super::Types as super::TypeConfigExt>::oneshot();
        let gap = vec![Entry { log_id: log_id(1, 2), payload: Payload::Blank }];
        log.append(gap, super::IOFlushed::signal(done)).await.unwrap_err();
    });
    assert_eq!(told.all(), ["entry 2 was to be appended where 1 should come"]);
}
