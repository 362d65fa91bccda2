//! **A run that was answered CANCELLED is never begun**, before or after, by anybody: no zombie excuses it. Told from the
//! answers and from what TaskTrackers saw; the log says only which executions were of runs that were over before: those of
//! a revision that had been replaced.

use super::case::Case;
use super::finding::Finding;
use super::operation::{Answer, Operation};
use super::reply::CancelAnswer;
use super::trace::JobTrace;
use super::words::Id;
use crate::history::ExecEvent;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for operation in &case.operations {
        let Answer::Cancelled(CancelAnswer::Cancelled(id)) = &operation.answer else { continue };
        let Some(answered) = operation.ended else { continue };
        finding.checked(1);
        finding.count("answered cancelled", 1);
        let job = case.trace.jobs.get(id);
        if job.is_some_and(|job| !job.retried.is_empty()) {
            finding.count("run again by hand, not judged", 1);
            continue;
        }
        let prefix = format!("{id}/");
        // Earlier runs of a periodic job are its own; of a one-shot job there is only the one of each revision.
        let periodic = job.is_none_or(|job| job.revisions.iter().any(|(.., spec)| spec.is_periodic()));
        let replaced = job.map(|job| replaced(case, operation, *id, job)).unwrap_or_default();
        finding.count("executions of replaced revisions", replaced.len());
        let counts =
            |t: u64, execution: u64| (!periodic || t > answered) && !replaced.contains(&Id(execution));
        let mut seen = case.seen_of_job(*id);
        let begun = seen.find(|exec| exec.ev == ExecEvent::Begin && counts(exec.t, exec.execution));
        if let Some(begun) = begun {
            finding.violation(format!(
                "{id} was answered cancelled at {} ({}), and {} began {} at {}",
                case.when(answered),
                operation.req,
                begun.tracker,
                begun.run,
                case.when(begun.t)
            ));
        }
        let mut effects = case.evidence.effects.iter();
        let effect =
            effects.find(|effect| effect.run.starts_with(&prefix) && counts(effect.t, effect.execution));
        if let Some(effect) = effect {
            finding.violation(format!(
                "{id} was answered cancelled at {} ({}), and {} wrote at {}",
                case.when(answered),
                operation.req,
                effect.run,
                case.when(effect.t)
            ));
        }
    }
    finding
}

/// Executions that were dispatched before the revision that the cancel met, and had ended before the cancel. A replaced
/// revision gets no further execution, so whatever was dispatched later is of the run that was answered.
fn replaced(case: &Case<'_>, operation: &Operation, id: Id, job: &JobTrace) -> Vec<Id> {
    let Some(index) = operation.pos else { return Vec::new() };
    let met = job.revisions.iter().zip(&job.dispatched).rev().find(|((at, ..), _)| *at <= index);
    let Some((_, dispatched)) = met else { return Vec::new() };
    let earlier = case.trace.of_job(id).filter(|execution| execution.place < *dispatched);
    earlier
        .filter(|execution| execution.ended.is_some_and(|(ended, _)| ended <= index))
        .map(|execution| execution.id)
        .collect()
}
