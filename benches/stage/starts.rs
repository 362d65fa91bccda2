//! What the TaskTracker writes down: which job started when, under which fence.

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

#[derive(Debug, Default)]
pub(crate) struct Starts {
    seen: Mutex<Seen>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    all: Vec<Start>,
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
    pub(crate) fn note(&self, start: Start) {
        let mut seen = self.seen.lock();
        seen.all.push(start);
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

    pub(crate) fn write(&self, to: &Path) -> std::io::Result<()> {
        let record = |start: &Start| [start.job, start.fence, start.at_ns].map(u64::to_le_bytes).concat();
        let bytes: Vec<u8> = self.seen.lock().all.iter().flat_map(record).collect();
        std::fs::write(to, bytes)
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
