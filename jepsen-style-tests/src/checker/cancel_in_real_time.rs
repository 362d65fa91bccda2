//! **A run that was answered CANCELLED is never begun**, before or after, by anybody: no zombie excuses it. Told from the
//! answers and from what TaskTrackers saw, not from the log.

use super::case::Case;
use super::finding::Finding;
use super::operation::Answer;
use super::reply::CancelAnswer;
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
        // Earlier runs of a periodic job are its own; of a one-shot job there is only the one.
        let periodic = job.is_none_or(|job| job.revisions.iter().any(|(.., spec)| spec.is_periodic()));
        let mut seen = case.seen_of_job(*id);
        let begun = seen.find(|exec| exec.ev == ExecEvent::Begin && (!periodic || exec.t > answered));
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
            effects.find(|effect| effect.run.starts_with(&prefix) && (!periodic || effect.t > answered));
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
