//! **After CANCEL_REQUESTED the TaskTracker is told** to stop what executes: within a second while nothing disturbs it,
//! and again by the next leader or on the next connection, so that it is told at the latest when all is calm.

use super::case::Case;
use super::finding::Finding;
use super::operation::Answer;
use super::reply::CancelAnswer;
use crate::history::ExecEvent;

/// The promise is a second; the rest is for a machine that is shared.
const TOLD_WITHIN_NS: u64 = 2_500_000_000;
/// How long after a fault its consequences may last.
const AFTERMATH_NS: u64 = 15_000_000_000;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for operation in &case.operations {
        let Answer::Cancelled(CancelAnswer::CancelRequested(id)) = &operation.answer else { continue };
        let (Some(answered), Some(pos)) = (operation.ended, operation.pos) else { continue };
        let executing = case.trace.of_job(*id).filter(|execution| {
            let over = execution.ended.is_some_and(|(ended, _)| ended <= pos);
            execution.dispatched <= pos && !over
        });
        for execution in executing {
            let of_it =
                |ev: ExecEvent| case.seen_of(execution.id).find(move |exec| exec.ev == ev).map(|exec| exec.t);
            let Some(begun) = of_it(ExecEvent::Begin) else { continue };
            let until = answered.max(begun) + TOLD_WITHIN_NS;
            let ended = of_it(ExecEvent::End);
            if ended.is_some_and(|ended| ended <= until) {
                finding.count("ended by themselves in time", 1);
                continue;
            }
            let disturbed = case.disturbed(operation.invoked, until, AFTERMATH_NS);
            let calm = case.calm_after(until, AFTERMATH_NS).saturating_add(AFTERMATH_NS);
            let until = if disturbed { calm } else { until };
            finding.checked(1);
            match of_it(ExecEvent::Interrupted) {
                Some(told) if told <= until => {
                    finding.count(if disturbed { "told around faults" } else { "told in time" }, 1);
                }
                // It ended, or its process did: nobody was left to be told.
                None if disturbed && ended.is_none_or(|ended| ended <= until) => {
                    finding.count("ended around faults", 1);
                }
                told => finding.violation(format!(
                    "{} was answered cancel requested at {}, and {} was told {}",
                    id,
                    case.when(answered),
                    execution.id,
                    told.map_or("never".into(), |told| format!("at {}", case.when(told)))
                )),
            }
        }
    }
    finding
}
