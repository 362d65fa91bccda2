//! A power cut tears the end of the log's write-ahead file: what was synced is there, the rest is a prefix or gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;

use super::super::fatal;
use super::super::log::LogStore;
use super::super::state::DurableIndex;
use super::super::types::Vote;
use super::{append, append_durably, entry, index, runtime, seed};

fn open(dir: &Path) -> LogStore {
    LogStore::open(dir, Arc::new(DurableIndex::everything()), fatal::end_process()).unwrap()
}

/// The newest write-ahead file.
fn wal(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_torn_log_keeps_what_was_synced_and_has_no_hole() {
    let mut random = fastrand::Rng::with_seed(seed("store_torn_log"));
    let dir = tempfile::tempdir().unwrap();
    let (original, mut lost, mut kept) = (dir.path().join("log"), 0, 0);
    // Size of the file, entries and vote, at each moment when all of it had been synced.
    let mut synced = vec![(0, 0, 0)];
    let runtime = runtime();
    runtime.block_on(async {
        let mut log = open(&original);
        let mut end = 0;
        for term in 1..40 {
            let more = random.u64(1..8);
            append_durably(&mut log, (end..end + more).map(entry).collect()).await;
            end += more;
            log.save_vote(&Vote::new(term, 1)).await.unwrap();
            synced.push((fs::metadata(wal(&original)).unwrap().len(), end, term));
        }
        // As a crash leaves it: the files are copied while the database is open.
        for cut in 0..60 {
            let torn = dir.path().join(format!("torn-{cut}"));
            copy(&original, &torn);
            let length = random.u64(0..=synced.last().unwrap().0);
            tear(&wal(&torn), length, &mut random);
            let mut log = open(&torn);
            let (_, entries, term) = *synced.iter().rev().find(|(size, ..)| *size <= length).unwrap();
            let found = log.try_get_log_entries(..).await.unwrap();
            assert!(found.len() as u64 >= entries, "cut at {length}: {} of {entries} are there", found.len());
            assert_eq!(found, (0..found.len() as u64).map(entry).collect::<Vec<_>>());
            let vote = log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
            assert!(vote >= term, "cut at {length}: vote {vote} instead of {term}");
            // And it goes on from there.
            let next = found.len() as u64;
            append_durably(&mut log, vec![entry(next)]).await;
            drop(log);
            assert_eq!(index(open(&torn).last_log_id()), Some(next));
            lost += u64::from(next < end);
            kept += u64::from(entries > 0);
            fs::remove_dir_all(&torn).unwrap();
        }
        drop(append(&mut log, vec![entry(end)]).await);
    });
    assert!(lost > 10 && kept > 10, "met {lost} cuts with losses, {kept} with something synced");
}

/// Cuts the file, or leaves it its length with garbage or zeros instead of its end: disks do either.
fn tear(path: &Path, length: u64, random: &mut fastrand::Rng) {
    let mut content = fs::read(path).unwrap();
    let at = usize::try_from(length).unwrap();
    match random.u8(0..3) {
        0 => content.truncate(at),
        1 => content[at..].fill(0),
        _ => content[at..].iter_mut().for_each(|byte| *byte = random.u8(..)),
    }
    fs::write(path, content).unwrap();
}
