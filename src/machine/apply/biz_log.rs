//! Lines that user code wrote: BIZ. Only the current execution of a run may write, each line once, up to a limit;
//! what comes later, or was dropped on its way, is one line that says how many were dropped.

use crate::domain::{BizLogLine, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{BizLog, ExecutionLines};
use crate::machine::job_log::{self, Lines};
use crate::machine::reply::Reply;
use crate::machine::row::{JobLogKind, JobLogRow, LiveRun};

pub(super) fn apply(change: &mut Change<'_>, log: &BizLog) -> Result<Reply, BaseError> {
    for lines in &log.lines {
        let Some((run, _)) = change.indexes().execution(lines.execution) else { continue };
        let Some(live) = change.live(run)? else { continue };
        if live.execution().is_some_and(|(current, _)| current == lines.execution) {
            append(change, run, LiveRun::clone(&live), lines)?;
        }
    }
    Ok(Reply::Done)
}

fn append(
    change: &mut Change<'_>,
    run: RunId,
    mut live: LiveRun,
    lines: &ExecutionLines,
) -> Result<(), BaseError> {
    let known = usize::try_from(live.log_lines.saturating_sub(lines.first)).unwrap_or(usize::MAX);
    // Lines that were dropped on their way keep their numbers: later ones are known when they come again, and the gap is
    // told. Numbers begin with 1.
    let mut dropped = lines.first.saturating_sub(live.log_lines.max(1));
    live.log_lines = live.log_lines.max(lines.first);
    let limit = change.limits().biz_log_bytes_max;
    let mut written = Lines::about(run);
    for line in lines.lines.iter().skip(known) {
        // An empty line costs its end: a loop that writes nothing must come to the limit too.
        let bytes = u32::try_from(line.text.len()).unwrap_or(u32::MAX).saturating_add(1);
        live.log_lines = live.log_lines.saturating_add(1);
        if live.log_bytes.saturating_add(bytes) > limit {
            live.log_bytes = limit;
            dropped += 1;
        } else {
            live.log_bytes += bytes;
            written.add(change, biz(lines, line));
        }
    }
    if dropped > 0 {
        let all = live.log_dropped.map_or(0, |(_, before)| before) + dropped;
        let what = JobLogKind::BizDropped { lines: all };
        let row = JobLogRow { at: change.now(), execution: Some(lines.execution), what };
        let line = match live.log_dropped {
            Some((line, _)) if job_log::rewrite(change, run, line, &row)? => line,
            Some(_) | None => written.add(change, row),
        };
        live.log_dropped = Some((line, all));
        // Rare, so that lines that are kept cost no more for it.
        change.count(&live.node_group, |group| {
            group.log_lines_dropped = group.log_lines_dropped.saturating_add(dropped);
        })?;
    }
    written.done(change);
    change.put_live(run, live)
}

fn biz(of: &ExecutionLines, line: &BizLogLine) -> JobLogRow {
    let what = JobLogKind::Biz { level: line.level, text: line.text.clone() };
    JobLogRow { at: line.at, execution: Some(of.execution), what }
}
