//! Files of JSON lines that many tasks and threads append to. A line is stamped while the file is held, so that lines
//! stand in the order of their times.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use serde::Serialize;

use crate::history::{Fault, FaultEdge, FaultOutcome};
use crate::stamp::monotonic_ns;

#[derive(Debug)]
pub(crate) struct Record {
    file: Mutex<BufWriter<File>>,
}

impl Record {
    /// # Errors
    /// If the file cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Record> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Record { file: Mutex::new(BufWriter::new(file)) })
    }

    /// Appends what `line` makes of the time, and returns the time.
    ///
    /// # Panics
    /// If the disk of the harness is full: a history with holes proves nothing.
    pub(crate) fn append<T: Serialize>(&self, line: impl FnOnce(u64) -> T) -> u64 {
        let mut file = self.file.lock().expect("nobody panics while writing a line");
        let t = monotonic_ns();
        serde_json::to_writer(&mut *file, &line(t)).expect("a line can be written");
        file.write_all(b"\n").expect("a line can be written");
        t
    }

    /// # Errors
    /// If the disk of the harness is full.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        Ok(self.file.lock().expect("nobody panics while writing a line").flush()?)
    }
}

/// `nemesis.jsonl`.
#[derive(Debug)]
pub(crate) struct FaultRecord {
    record: Record,
    next: AtomicU64,
}

/// One fault, from its start to its stop.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    record: &'a FaultRecord,
    id: u64,
    /// Before anything was done: the window of a fault must cover it.
    opened_ns: u64,
    what: String,
    detail: String,
    targets: Vec<String>,
}

impl FaultRecord {
    /// # Errors
    /// If the file cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<FaultRecord> {
        Ok(FaultRecord { record: Record::create(path)?, next: AtomicU64::new(1) })
    }

    /// A fault is about to begin.
    pub(crate) fn open(&self, what: &str, detail: String, targets: Vec<String>) -> Open<'_> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Open { record: self, id, opened_ns: monotonic_ns(), what: what.into(), detail, targets }
    }

    /// # Errors
    /// If the disk of the harness is full.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        self.record.flush()
    }
}

impl Open<'_> {
    /// It was begun, or tried.
    pub(crate) fn start(&self, outcome: FaultOutcome) {
        self.edge(FaultEdge::Start, Some(self.opened_ns), &self.detail, outcome);
    }

    /// It is over: everything is as before.
    pub(crate) fn stop(&self, outcome: FaultOutcome, detail: &str) {
        self.edge(FaultEdge::Stop, None, detail, outcome);
    }

    /// It has no duration.
    pub(crate) fn happened(&self) {
        self.start(FaultOutcome::Installed);
        self.stop(FaultOutcome::Installed, "");
    }

    fn edge(&self, f: FaultEdge, t: Option<u64>, detail: &str, outcome: FaultOutcome) {
        self.record.record.append(|now| Fault {
            t: t.unwrap_or(now),
            id: self.id,
            f,
            what: self.what.clone(),
            detail: detail.into(),
            targets: self.targets.clone(),
            outcome,
        });
    }
}
