//! The written lines of the job log: what user code said, and what no other row shows. Each is put here and taken away
//! here, so that what they all take is known and the oldest can be found.

use super::base::BaseError;
use super::change::Change;
use super::key::Key;
use super::row::{JobLogKind, JobLogRow, LogAgeRow, Row};
use crate::domain::{Position, RunId, Timestamp};

/// What a line takes beside its text: its key, its row's frame and its part of an age row, roughly.
const LINE_BYTES: u64 = 64;

/// What a line counts for in `Limits::job_log_bytes_max`.
pub(super) fn cost(row: &JobLogRow) -> u64 {
    let text = match &row.what {
        JobLogKind::Biz { text, .. } => text.len() as u64,
        JobLogKind::Act { why, .. } => why.reason.len() as u64,
        JobLogKind::BizDropped { .. } | JobLogKind::StaleCompletion { .. } => 0,
    };
    LINE_BYTES + text
}

/// Lines about one run that one command writes: they age together.
#[derive(Debug)]
pub(super) struct Lines {
    run: RunId,
    /// The first one and the last.
    written: Option<(Position, Position)>,
}

impl Lines {
    pub(super) fn about(run: RunId) -> Lines {
        Lines { run, written: None }
    }

    pub(super) fn add(&mut self, change: &mut Change<'_>, row: JobLogRow) -> Position {
        let position = change.new_id();
        *change.job_log_bytes() += cost(&row);
        change.put_new(Key::JobLog(self.run, position), Row::JobLog(Box::new(row)));
        let first = self.written.map_or(position, |(first, _)| first);
        self.written = Some((first, position));
        position
    }

    pub(super) fn done(self, change: &mut Change<'_>) {
        if let Some((first, last)) = self.written {
            let row = LogAgeRow { at: change.now(), last };
            change.put_new(Key::LogAge(first, self.run), Row::LogAge(row));
        }
    }
}

/// Writes one line.
pub(super) fn write(change: &mut Change<'_>, run: RunId, row: JobLogRow) -> Position {
    let mut lines = Lines::about(run);
    let position = lines.add(change, row);
    lines.done(change);
    position
}

/// Writes a line again that says more now; false if it was forgotten.
pub(super) fn rewrite(
    change: &mut Change<'_>,
    run: RunId,
    position: Position,
    row: &JobLogRow,
) -> Result<bool, BaseError> {
    let Some(old) = change.job_log(run, position)? else { return Ok(false) };
    *change.job_log_bytes() += cost(row);
    *change.job_log_bytes() -= cost(&old);
    change.put_plain(Key::JobLog(run, position), Row::JobLog(Box::new(row.clone())))?;
    Ok(true)
}

/// Forgets lines about a run, at most `limit`; returns how many.
pub(super) fn forget(
    change: &mut Change<'_>,
    run: RunId,
    from: Position,
    to: Position,
    limit: usize,
) -> Result<usize, BaseError> {
    let lines = change.scan(&Key::JobLog(run, from), &Key::JobLog(run, to), limit)?;
    let forgotten = lines.len();
    for (key, row) in lines {
        if let Row::JobLog(row) = row {
            *change.job_log_bytes() -= cost(&row);
        }
        change.delete(key)?;
    }
    Ok(forgotten)
}

/// Forgets the oldest lines until the rest is young enough and takes no more than it may; false if there is more than
/// `budget` rows of it.
pub(super) fn forget_old(
    change: &mut Change<'_>,
    oldest_kept: Timestamp,
    bytes_max: u64,
    mut budget: usize,
) -> Result<bool, BaseError> {
    let (from, to) =
        (Key::LogAge(Position::MIN, RunId::default()), Key::LogAge(Position::MAX, RunId::default()));
    for (key, row) in change.scan(&from, &to, budget)? {
        let (Key::LogAge(first, run), Row::LogAge(row)) = (&key, row) else { continue };
        if row.at >= oldest_kept && *change.job_log_bytes() <= bytes_max {
            return Ok(true);
        }
        let end = Position::from_u64(row.last.as_u64().saturating_add(1));
        budget -= forget(change, *run, *first, end, budget)?;
        if budget == 0 {
            return Ok(false);
        }
        budget -= 1;
        change.delete(key)?;
        if budget == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
