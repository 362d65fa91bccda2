//! **Nobody who is well loses an execution, and who is gone loses it in time.** An execution is taken back only after a
//! fault; and of a TaskTracker that stands still for longer than the cluster's patience, while all else is well, it is.

use super::case::{Case, Window};
use super::finding::Finding;
use super::trace::{End, Execution};
use crate::history::{ExecEvent, FaultOutcome};

/// The default of `scheduler.reclaim_after`, the second that is promised beyond it, and a shared machine's slack.
const PATIENCE_NS: u64 = (10 + 1 + 3) * 1_000_000_000;
/// How long before a reclaim its cause may lie.
const CAUSE_NS: u64 = 30_000_000_000;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for execution in &case.trace.executions {
        let Some((index, End::Reclaimed)) = execution.ended else { continue };
        let Some(t) = time_of(case, index) else { continue };
        finding.checked(1);
        finding.count("taken back", 1);
        if !case.disturbed(t, t, CAUSE_NS) {
            finding.violation(format!(
                "{} of {} was taken back at {} and nothing had disturbed its TaskTracker",
                execution.id,
                execution.run,
                case.when(t)
            ));
        }
    }
    for pause in case.faults.iter().filter(|fault| stands_still(case, fault)) {
        let held = case.trace.executions.iter().filter(|execution| held_through(case, execution, pause));
        for execution in held {
            finding.checked(1);
            finding.count("held by somebody who stood still", 1);
            let ended = execution.ended.and_then(|(index, _)| time_of(case, index));
            if ended.is_none_or(|ended| ended > pause.from + PATIENCE_NS) {
                finding.violation(format!(
                    "{} of {} stood still with {} from {} to {} and it was not taken back in time",
                    pause.targets.join(", "),
                    execution.run,
                    execution.id,
                    case.when(pause.from),
                    case.when(pause.to)
                ));
            }
        }
    }
    finding
}

/// When an entry was made, on the run's own clock, as far as the machine's time tells.
fn time_of(case: &Case<'_>, index: u64) -> Option<u64> {
    let at = case.log.entries.get(&index)?.at?;
    let since_start = i128::from(at.0) * 1_000_000 - case.evidence.started_wall_ns()?;
    u64::try_from(i128::from(case.evidence.info.started_ns) + since_start).ok()
}

/// A TaskTracker paused for longer than the patience, and nothing else disturbed meanwhile or shortly before.
fn stands_still(case: &Case<'_>, fault: &Window) -> bool {
    let trackers = !fault.targets.iter().any(|target| case.evidence.info.nodes.contains(target));
    let alone = !case.faults.iter().any(|other| {
        let elsewhere = other.targets != fault.targets || other.what != fault.what;
        let counts = other.outcome != FaultOutcome::Skipped;
        counts && elsewhere && other.overlaps(fault.from.saturating_sub(PATIENCE_NS), fault.to)
    });
    fault.what.contains("pause") && trackers && alone && fault.to > fault.from + PATIENCE_NS
}

fn held_through(case: &Case<'_>, execution: &Execution, pause: &Window) -> bool {
    let on_it =
        case.trace.trackers.get(&execution.session).is_some_and(|session| pause.hits(&session.identity));
    let begun = case.seen_of(execution.id).any(|exec| exec.ev == ExecEvent::Begin && exec.t < pause.from);
    let over = case.seen_of(execution.id).any(|exec| exec.ev != ExecEvent::Begin && exec.t < pause.from);
    on_it && begun && !over
}
