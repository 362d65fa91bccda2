//! **A result that a TaskTracker has is reported**: when its runner ended, sooner or later a completion of that execution
//! is in the log, accepted or stale, or it was given back; also through kills of the TaskTracker, which keeps it on disk.

use std::collections::BTreeSet;

use super::case::Case;
use super::command::Command;
use super::finding::Finding;
use super::words::Id;
use crate::history::ExecEvent;

/// A runner's end is written down before its result is kept; a process that dies in between has nothing to report.
const KEPT_WITHIN_NS: u64 = 500_000_000;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut reported: BTreeSet<Id> =
        case.trace.completions.iter().map(|completed| completed.execution).collect();
    // Who was cut off at that moment gives back what it stopped, finished or not.
    for (_, logged) in case.log.commands() {
        if let Command::Return { executions, .. } = &logged.command {
            reported.extend(executions);
        }
    }
    let whole = case.log.gaps().is_empty() && case.trace.unanswered == 0;
    for end in case.evidence.execs.iter().filter(|exec| exec.ev == ExecEvent::End) {
        let execution = Id(end.execution);
        let interrupted = case.seen_of(execution).any(|exec| exec.ev == ExecEvent::Interrupted);
        let died_then = case.faults.iter().any(|fault| {
            // A second process of `w1` is the host `w1b`.
            let hits = fault.targets.iter().any(|target| target.starts_with(&end.tracker));
            let ends = fault.what.contains("kill") || fault.what.contains("twin");
            // A failpoint ends the process at the end of its window.
            let panicked = fault.what == "failpoint" && (end.t..=end.t + KEPT_WITHIN_NS).contains(&fault.to);
            hits && (panicked || ends && fault.overlaps(end.t, end.t + KEPT_WITHIN_NS))
        });
        if interrupted || died_then {
            finding.count("interrupted, or killed at that moment", 1);
            continue;
        }
        finding.checked(1);
        if !reported.contains(&execution) {
            let text = format!(
                "{} ended {execution} of {} at {} and never reported it",
                end.tracker,
                end.run,
                case.when(end.t)
            );
            if whole { finding.violation(text) } else { finding.doubt(text) }
        }
    }
    finding
}
