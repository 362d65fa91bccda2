//! **Cancel answers exactly**, told from the log: after CANCELLED or CANCEL_REQUESTED nothing more of the job is
//! dispatched, and each answer is the one that the log dictates at its place.

use super::case::Case;
use super::command::{JobRef, JobType};
use super::finding::Finding;
use super::reply::CancelAnswer;
use super::trace::{Cancelled, End};
use super::words::Id;

/// Nothing is dispatched after it.
pub(super) fn judge_log(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for cancel in &case.trace.cancels {
        let (CancelAnswer::Cancelled(id) | CancelAnswer::CancelRequested(id)) = cancel.answer else {
            continue;
        };
        finding.checked(1);
        finding.count(cancel.answer.word(), 1);
        let job = case.trace.jobs.get(&id);
        let late = case.trace.of_job(id).filter(|execution| execution.place >= cancel.dispatched);
        let late = late.filter(|execution| {
            !job.is_some_and(|job| job.revived_between(cancel.index, execution.dispatched))
        });
        for execution in late {
            finding.violation(format!(
                "{id} was answered {} at {}, and {} was dispatched as {} at {}",
                cancel.answer.word(),
                cancel.index,
                execution.run,
                execution.id,
                execution.dispatched
            ));
        }
    }
    finding
}

/// The answer is the truth at its place. One-shot jobs are judged in full; of periodic ones, whose runs end by
/// themselves in between, what executes.
pub(super) fn judge_truth(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for cancel in &case.trace.cancels {
        finding.checked(1);
        finding.count(cancel.answer.word(), 1);
        match cancel.answer {
            CancelAnswer::NotFound => not_found(case, &mut finding, cancel),
            CancelAnswer::AlreadyFinished { job, .. } => {
                if !cancel.executing.is_empty() {
                    finding.violation(format!(
                        "index {}: {job} was answered already finished while {:?} executed",
                        cancel.index, cancel.executing
                    ));
                }
            }
            CancelAnswer::Cancelled(id) => {
                let touched = case.trace.of_job(id).filter(|execution| execution.place < cancel.dispatched);
                let one_shot = one_shot(case, id);
                let touched: Vec<Id> = touched
                    .filter(|execution| match execution.ended {
                        // It executed at that place, or later.
                        None => true,
                        Some((ended, _)) if ended > cancel.index => true,
                        Some((_, End::Returned)) => false,
                        Some((_, End::Completed(_) | End::Reclaimed | End::Interrupted)) => one_shot,
                    })
                    .map(|execution| execution.id)
                    .collect();
                if !touched.is_empty() {
                    finding.violation(format!(
                        "index {}: {id} was answered cancelled, and {touched:?} had been executed",
                        cancel.index
                    ));
                }
            }
            CancelAnswer::CancelRequested(id) => {
                let touched = case.trace.of_job(id).any(|execution| execution.place < cancel.dispatched);
                if !touched {
                    finding.violation(format!(
                        "index {}: {id} was answered cancel requested, and nothing of it was ever dispatched",
                        cancel.index
                    ));
                }
            }
        }
    }
    finding
}

/// Once submitted, once to run, never by hand: what was executed and is not over waits for a retry.
fn one_shot(case: &Case<'_>, id: Id) -> bool {
    case.trace.jobs.get(&id).is_some_and(|job| {
        let once = matches!(job.spec().job_type, JobType::RealTime | JobType::TriggerTime);
        once && job.revisions.len() == 1 && !job.was_acted_on()
    })
}

fn not_found(case: &Case<'_>, finding: &mut Finding, cancel: &Cancelled) {
    let known = match &cancel.target {
        JobRef::Id { id } => case.trace.jobs.contains_key(id).then_some(*id),
        JobRef::Key { node_group, task_id } => case
            .trace
            .jobs
            .iter()
            .filter(|(_, job)| {
                let (index, _, spec) = &job.revisions[0];
                let named = spec.task_id == *task_id && spec.node_group == *node_group;
                *index < cancel.index && named
            })
            // The last one that had the key is meant; where that was deleted, no earlier one is.
            .max_by_key(|(_, job)| {
                let revived = job.retried.iter().filter(|index| **index < cancel.index).max();
                job.revisions[0].0.max(revived.copied().unwrap_or(0))
            })
            .map(|(id, _)| *id),
    };
    let deleted = |id: &Id| case.trace.jobs[id].deleted.is_some_and(|(deleted, _)| deleted <= cancel.index);
    if let Some(id) = known.filter(|id| id.index() < cancel.index && !deleted(id)) {
        finding.violation(format!("index {}: {:?} was not found and is {id}", cancel.index, cancel.target));
    }
}
