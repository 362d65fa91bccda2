//! What the TaskTracker writes down: which job started when, under which fence.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use parking_lot::Mutex;
use tokio::sync::Notify;

const RECORD_BYTES: usize = 24;

/// One start of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The job's number, from the first eight bytes of its payload.
    pub(crate) job: u64,
    pub(crate) fence: u64,
    pub(crate) at_ns: u64,
}

/// On disk, so that a long run does not look as if the TaskTracker grew.
#[derive(Debug)]
pub(crate) struct Starts {
    seen: Mutex<Seen>,
    moved: Notify,
}

#[derive(Debug)]
struct Seen {
    all: BufWriter<File>,
    /// By job number.
    started: Vec<bool>,
    distinct: u64,
    until: Option<u64>,
}

impl Seen {
    fn is_enough(&self) -> bool {
        self.until.is_some_and(|until| self.distinct >= until)
    }
}

impl Starts {
    /// Writes them to a file that it makes, with the directories above it.
    pub(crate) fn into_file(file: &Path) -> std::io::Result<Starts> {
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let all = BufWriter::new(File::create(file)?);
        let seen = Seen { all, started: Vec::new(), distinct: 0, until: None };
        Ok(Starts { seen: Mutex::new(seen), moved: Notify::new() })
    }

    pub(crate) fn note(&self, start: Start) {
        let mut seen = self.seen.lock();
        let record = [start.job, start.fence, start.at_ns].map(u64::to_le_bytes);
        seen.all.write_all(record.as_flattened()).expect("the disk takes what a benchmark notes");
        let job = usize::try_from(start.job).expect("job numbers are small");
        if seen.started.len() <= job {
            seen.started.resize((job + 1).next_power_of_two(), false);
        }
        if !std::mem::replace(&mut seen.started[job], true) {
            seen.distinct += 1;
        }
        if seen.is_enough() {
            self.moved.notify_one();
        }
    }

    pub(crate) fn stop_at(&self, jobs: u64) {
        self.seen.lock().until = Some(jobs);
        self.moved.notify_one();
    }

    /// Ready when as many jobs have started as `stop_at` said.
    pub(crate) async fn enough(&self) {
        while !self.seen.lock().is_enough() {
            self.moved.notified().await;
        }
    }

    pub(crate) fn save(&self) -> std::io::Result<()> {
        self.seen.lock().all.flush()
    }
}

pub(crate) fn read(from: &Path) -> anyhow::Result<Vec<Start>> {
    let bytes = std::fs::read(from)?;
    let number = |record: &[u8], at: usize| {
        u64::from_le_bytes(record[at..at + 8].try_into().expect("a slice of eight bytes"))
    };
    let start =
        |record: &[u8]| Start { job: number(record, 0), fence: number(record, 8), at_ns: number(record, 16) };
    Ok(bytes.chunks_exact(RECORD_BYTES).map(start).collect())
}
