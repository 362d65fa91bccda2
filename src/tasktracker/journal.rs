//! What user code says while it runs: biz log lines and progress, gathered until the session fetches them.
//!
//! Lines of one execution are numbered from 1 and bounded in bytes; what is beyond becomes one line that says how much
//! was dropped. Logging never waits and never fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::{BizLogLevel, BizLogLine, Clock, ExecutionId};
use crate::wire::{cut, line_to_wire, pb};

/// What one execution may write unless the session says otherwise.
pub(super) const LINES_BYTES_DEFAULT: u64 = 64 << 10;
/// The longest line; a longer one is cut.
const LINE_BYTES_MAX: usize = 8 << 10;
/// What a line costs beside its text.
const LINE_OVERHEAD: u64 = 16;

/// Writes lines into the job log of one execution; those below the TaskTracker's level are not written.
#[derive(Clone, Debug)]
pub struct BizLogger {
    execution: ExecutionId,
    journal: Arc<Journal>,
}

impl BizLogger {
    pub(super) fn new(execution: ExecutionId, journal: Arc<Journal>) -> BizLogger {
        BizLogger { execution, journal }
    }

    pub fn debug(&self, text: impl Display) {
        self.log(BizLogLevel::Debug, text);
    }

    pub fn info(&self, text: impl Display) {
        self.log(BizLogLevel::Info, text);
    }

    pub fn warn(&self, text: impl Display) {
        self.log(BizLogLevel::Warn, text);
    }

    pub fn error(&self, text: impl Display) {
        self.log(BizLogLevel::Error, text);
    }

    pub fn log(&self, level: BizLogLevel, text: impl Display) {
        if level >= self.journal.level {
            self.journal.line(self.execution, level, text.to_string());
        }
    }
}

/// Gathers what all executions say.
#[derive(Debug)]
pub(super) struct Journal {
    clock: Arc<dyn Clock>,
    /// Lines below it are not kept.
    level: BizLogLevel,
    bytes_max: AtomicU64,
    pages: Mutex<Pages>,
    written: Notify,
}

#[derive(Debug, Default)]
struct Pages {
    of: BTreeMap<ExecutionId, Page>,
    /// Those with something to fetch, so that a fetch does not look at all.
    written: BTreeSet<ExecutionId>,
}

#[derive(Debug, Default)]
struct Page {
    lines: Vec<pb::BizLogLine>,
    progress: Option<(u64, u64)>,
    /// Of the last line.
    number: u64,
    bytes: u64,
    dropped: u64,
}

/// What was said since the last fetch.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) lines: Vec<(ExecutionId, Vec<pb::BizLogLine>)>,
    pub(super) progress: Vec<pb::ExecutionProgress>,
}

impl Journal {
    /// Keeps lines of `level` and above.
    pub(super) fn new(clock: Arc<dyn Clock>, level: BizLogLevel) -> Journal {
        let bytes_max = AtomicU64::new(LINES_BYTES_DEFAULT);
        Journal { clock, level, bytes_max, pages: Mutex::default(), written: Notify::new() }
    }

    pub(super) fn set_bytes_max(&self, bytes: u64) {
        self.bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// Opens the page of an execution: what is written without one is not kept.
    pub(super) fn open(&self, execution: ExecutionId) {
        self.pages.lock().of.insert(execution, Page::default());
    }

    /// Closes the page; its last lines are returned, with one more if some were dropped.
    pub(super) fn close(&self, execution: ExecutionId) -> Vec<pb::BizLogLine> {
        let Some(mut page) = self.pages.lock().of.remove(&execution) else { return Vec::new() };
        if page.dropped > 0 {
            page.number += 1;
            let text = format!("{} bytes dropped", page.dropped);
            page.lines.push(self.stamp(page.number, BizLogLevel::Warn, text));
        }
        page.lines
    }

    /// Waits until something was said.
    pub(super) async fn written(&self) {
        self.written.notified().await;
    }

    pub(super) fn fetch(&self) -> Said {
        let mut said = Said::default();
        let mut pages = self.pages.lock();
        for execution in std::mem::take(&mut pages.written) {
            let Some(page) = pages.of.get_mut(&execution) else { continue };
            if !page.lines.is_empty() {
                said.lines.push((execution, std::mem::take(&mut page.lines)));
            }
            if let Some((done, total)) = page.progress.take() {
                said.progress.push(pb::ExecutionProgress { execution: execution.as_u64(), done, total });
            }
        }
        said
    }

    pub(super) fn progress(&self, execution: ExecutionId, done: u64, total: u64) {
        let mut pages = self.pages.lock();
        if let Some(page) = pages.of.get_mut(&execution) {
            page.progress = Some((done, total));
            pages.written.insert(execution);
            self.written.notify_one();
        }
    }

    fn line(&self, execution: ExecutionId, level: BizLogLevel, text: String) {
        let text = cut(text, LINE_BYTES_MAX);
        let mut pages = self.pages.lock();
        let Some(page) = pages.of.get_mut(&execution) else { return };
        let bytes = text.len() as u64 + LINE_OVERHEAD;
        if page.bytes + bytes > self.bytes_max.load(Ordering::Relaxed) {
            page.dropped += text.len() as u64;
            return;
        }
        page.bytes += bytes;
        page.number += 1;
        page.lines.push(self.stamp(page.number, level, text));
        pages.written.insert(execution);
        drop(pages);
        self.written.notify_one();
    }

    fn stamp(&self, number: u64, level: BizLogLevel, text: String) -> pb::BizLogLine {
        line_to_wire(number, BizLogLine { at: self.clock.wall(), level, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;

    fn texts(lines: &[pb::BizLogLine]) -> Vec<(u64, &str)> {
        lines.iter().map(|line| (line.number, line.text.as_str())).collect()
    }

    #[test]
    fn lines_are_numbered_bounded_and_what_was_dropped_is_said_once() {
        let journal = Arc::new(Journal::new(Arc::new(SystemClock), BizLogLevel::Debug));
        journal.set_bytes_max(50);
        let execution = ExecutionId::from_u64(7);
        journal.open(execution);
        let logger = BizLogger::new(execution, Arc::clone(&journal));
        logger.info("one");
        logger.warn(format_args!("{}", "two"));
        assert_eq!(texts(&journal.fetch().lines[0].1), [(1, "one"), (2, "two")]);
        logger.info("three is too much");
        logger.info("four as well");
        assert_eq!(texts(&journal.close(execution)), [(3, "29 bytes dropped")]);
        logger.info("after the end");
        assert!(journal.fetch().lines.is_empty());
    }

    #[test]
    fn e4_lines_belong_to_the_execution_whose_logger_wrote_them() {
        let journal = Arc::new(Journal::new(Arc::new(SystemClock), BizLogLevel::Debug));
        let [five, six] = [5, 6].map(ExecutionId::from_u64);
        journal.open(five);
        journal.open(six);
        let [of_five, of_six] = [five, six].map(|execution| BizLogger::new(execution, Arc::clone(&journal)));
        // The other one began last.
        of_six.info("six begins");
        of_five.info("five goes on");
        of_six.info("six goes on");
        assert_eq!(texts(&journal.close(five)), [(1, "five goes on")]);
        assert_eq!(texts(&journal.close(six)), [(1, "six begins"), (2, "six goes on")]);
    }

    #[test]
    fn lines_below_the_level_are_not_written() {
        let journal = Arc::new(Journal::new(Arc::new(SystemClock), BizLogLevel::Warn));
        let execution = ExecutionId::from_u64(7);
        journal.open(execution);
        let logger = BizLogger::new(execution, Arc::clone(&journal));
        logger.debug("one");
        logger.info("two");
        logger.warn("three");
        logger.error("four");
        assert_eq!(texts(&journal.close(execution)), [(1, "three"), (2, "four")]);
    }

    #[test]
    fn only_the_latest_progress_is_fetched() {
        let journal = Journal::new(Arc::new(SystemClock), BizLogLevel::Debug);
        let execution = ExecutionId::from_u64(7);
        journal.open(execution);
        journal.progress(execution, 1, 10);
        journal.progress(execution, 2, 10);
        assert_eq!(journal.fetch().progress, [pb::ExecutionProgress { execution: 7, done: 2, total: 10 }]);
        assert!(journal.fetch().progress.is_empty());
    }
}
