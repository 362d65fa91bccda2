//! The job log's newest lines, in the order in which they came: for whoever follows it.
//!
//! A line is told by where it stands, not by its text: it is read from the rows when somebody asks. Its number is its
//! entry's index and its place among the lines of that entry, the same on every replica, so that a reader may go on at
//! another one. Bounded: the oldest are dropped, and a reader that comes too late is told how many it missed. Not stored:
//! a replica that was opened knows what it has applied since.

use std::collections::{BTreeMap, VecDeque};

use super::base::BaseError;
use super::key::Key;
use super::query::{LogView, LogWhat};
use super::row::{Attempt, LedgerRow, LiveRun, Row, Stop};
use super::tables::{Tables, Write};
use crate::domain::{ExecutionId, Position, RunId};

/// Lines that are kept for readers that are behind: a second or two of a busy cluster.
const LINES_MAX: usize = 65_536;

/// The number of a line: the index of its entry, and which of the entry's lines it is, from 1.
pub type LineNumber = (u64, u32);

/// A line of the job log by where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRef {
    pub number: LineNumber,
    pub run: RunId,
    line: Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Received,
    Sent(ExecutionId),
    Ended(ExecutionId),
    StopRequested(Stop),
    Resent(ExecutionId),
    Fate,
    Written(Position),
}

/// The newest lines.
#[derive(Debug, Default)]
pub struct Feed {
    lines: VecDeque<LineRef>,
    /// With what this replica was opened.
    opened: u64,
    /// The last line before the first of `lines`, as far as is known.
    base: LineNumber,
    /// How many lines were dropped.
    dropped: u64,
    last: LineNumber,
}

/// Where a reader is, at this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    opened: u64,
    /// Lines before the next one, since the replica was opened.
    read: u64,
    /// After what to go on, at any replica.
    pub number: LineNumber,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fed {
    pub lines: Vec<LineRef>,
    pub cursor: Cursor,
    /// Lines that were dropped before the reader came for them.
    pub missed: u64,
    /// Lines may be missing, and nobody here knows how many.
    pub has_gap: bool,
}

impl Feed {
    /// Of a machine that was opened with all up to this entry applied.
    pub(super) fn since(index: u64) -> Feed {
        Feed { opened: index, base: after(index), last: after(index), ..Feed::default() }
    }

    /// A reader that goes on after a number; whether lines may be missing between.
    pub fn seek(&self, number: LineNumber) -> (Cursor, bool) {
        let before = self.lines.partition_point(|line| line.number <= number) as u64;
        (Cursor { opened: self.opened, read: self.dropped + before, number }, number < self.base)
    }

    /// A reader of what comes after this entry, the last applied one.
    pub fn from_now(&self, applied: u64) -> Cursor {
        self.seek(after(applied)).0
    }

    /// Up to `limit` lines, `applied` being the last applied entry.
    pub fn read(&self, cursor: Cursor, applied: u64, limit: usize) -> Fed {
        // A snapshot has replaced the machine since.
        let is_same = cursor.opened == self.opened;
        let (cursor, has_gap) = if is_same { (cursor, false) } else { self.seek(cursor.number) };
        let missed = self.dropped.saturating_sub(cursor.read);
        let skipped = usize::try_from(cursor.read.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let lines: Vec<LineRef> = self.lines.iter().skip(skipped).take(limit).copied().collect();
        let read = cursor.read + missed + lines.len() as u64;
        let is_at_end = read >= self.dropped + self.lines.len() as u64;
        let number = match lines.last() {
            _ if is_at_end => cursor.number.max(after(applied)),
            Some(last) => last.number,
            None => cursor.number,
        };
        Fed { lines, cursor: Cursor { read, number, ..cursor }, missed, has_gap }
    }

    /// What one command of an entry wrote.
    pub(super) fn watch(&mut self, index: u64, writes: &BTreeMap<Key, Write>) {
        // The end of a run takes its live row away and makes its ledger row, which comes later in the order of keys.
        let mut executed = None;
        for (key, write) in writes {
            match (key, &write.old, &write.new) {
                (Key::Live(run), old, Some(Row::Live(new))) => {
                    let old = if let Some(Row::Live(old)) = old { Some(old.as_ref()) } else { None };
                    self.live(index, *run, old, new);
                }
                (Key::Live(run), Some(Row::Live(old)), None) => {
                    executed = old.execution().map(|it| (*run, it.0))
                }
                (Key::Ledger(run), Some(Row::Ledger(old)), Some(Row::Ledger(row))) => {
                    self.resent(index, *run, &old.attempts, &row.attempts);
                }
                (Key::Ledger(run), _, Some(Row::Ledger(row))) => {
                    let ended = executed.filter(|(of, _)| of == run).map(|(_, execution)| execution);
                    self.ended(index, *run, row, ended);
                }
                (Key::JobLog(run, position), _, Some(_)) => self.push(index, *run, Line::Written(*position)),
                _ => {}
            }
        }
    }

    fn live(&mut self, index: u64, run: RunId, old: Option<&LiveRun>, new: &LiveRun) {
        let Some(old) = old else {
            self.push(index, run, Line::Received);
            return self.sent(index, run, None, new);
        };
        let ended = new.attempts.last().map(|attempt| attempt.execution);
        if ended.is_some() && ended != old.attempts.last().map(|attempt| attempt.execution) {
            ended.into_iter().for_each(|execution| self.push(index, run, Line::Ended(execution)));
        }
        self.resent(index, run, &old.attempts, &new.attempts);
        if let Some(stop) = new.stop.filter(|_| old.stop.is_none()) {
            self.push(index, run, Line::StopRequested(stop));
        }
        self.sent(index, run, old.execution().map(|it| it.0), new);
    }

    fn sent(&mut self, index: u64, run: RunId, old: Option<ExecutionId>, new: &LiveRun) {
        match new.execution() {
            Some((execution, _)) if Some(execution) != old => self.push(index, run, Line::Sent(execution)),
            Some(_) | None => {}
        }
    }

    fn ended(&mut self, index: u64, run: RunId, row: &LedgerRow, executed: Option<ExecutionId>) {
        let last = row.attempts.last().map(|attempt| attempt.execution);
        if executed.is_some() && executed == last {
            last.into_iter().for_each(|execution| self.push(index, run, Line::Ended(execution)));
            self.resent(index, run, &[], row.attempts.last().map_or(&[], std::slice::from_ref));
        }
        self.push(index, run, Line::Fate);
    }

    fn resent(&mut self, index: u64, run: RunId, old: &[Attempt], new: &[Attempt]) {
        let was_told = |of: &Attempt| old.iter().any(|old| old.execution == of.execution && old.resent);
        for attempt in new.iter().filter(|attempt| attempt.resent && !was_told(attempt)) {
            self.push(index, run, Line::Resent(attempt.execution));
        }
    }

    fn push(&mut self, index: u64, run: RunId, line: Line) {
        let ordinal = if self.last.0 == index { self.last.1 + 1 } else { 1 };
        self.last = (index, ordinal);
        if self.lines.len() == LINES_MAX
            && let Some(oldest) = self.lines.pop_front()
        {
            self.dropped += 1;
            self.base = oldest.number;
        }
        self.lines.push_back(LineRef { number: self.last, run, line });
    }
}

/// After all lines of an entry.
const fn after(index: u64) -> LineNumber {
    (index, u32::MAX)
}

impl Tables {
    /// A line as its rows tell it now; none if they have changed so that it is not there any more.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn line(&self, of: &LineRef) -> Result<Option<LogView>, BaseError> {
        let lines = match of.run.is_whole() {
            true => self.job_log(of.run.job)?,
            false => self.run_log(of.run)?,
        };
        let is_meant = |line: &LogView| match (of.line, &line.what) {
            (Line::Written(position), _) => line.position == Some(position),
            (Line::Received, LogWhat::Received) | (Line::Fate, LogWhat::Fate(..)) => true,
            (Line::Sent(execution), LogWhat::Sent)
            | (Line::Ended(execution), LogWhat::Ended(..))
            | (Line::Resent(execution), LogWhat::Resent) => line.execution == Some(execution),
            (Line::StopRequested(stop), LogWhat::StopRequested(is)) => stop == *is,
            _ => false,
        };
        Ok(lines.into_iter().find(is_meant))
    }
}
