//! **At any place of the log at most one execution can complete a run**, and execution ids, which are the fencing tokens,
//! only rise. A job that relies on its previous cycle has at most one execution at all.

use std::collections::BTreeMap;

use super::case::Case;
use super::finding::Finding;
use super::trace::Execution;
use super::words::{Id, RunRef};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut of_run: BTreeMap<RunRef, &Execution> = BTreeMap::new();
    let mut of_job: BTreeMap<Id, &Execution> = BTreeMap::new();
    let mut highest: Option<Id> = None;
    for execution in &case.trace.executions {
        finding.checked(1);
        if let Some(highest) = highest.filter(|highest| execution.id <= *highest) {
            finding.violation(format!("the execution {} was made after {highest}", execution.id));
        }
        highest = highest.max(Some(execution.id));
        if let Some(other) = of_run.insert(execution.run, execution) {
            finding.count("further attempts at a run", 1);
            if overlaps(other, execution) {
                finding.violation(format!(
                    "{} was dispatched as {} at {} while {} had it",
                    execution.run, execution.id, execution.dispatched, other.id
                ));
            }
        }
        let other = of_job.insert(execution.run.job, execution);
        let relies = case.trace.jobs.get(&execution.run.job).is_some_and(|job| {
            job.revisions.iter().all(|(.., spec)| spec.rely_on_prev_cycle && spec.is_periodic())
                && job.retried.is_empty()
        });
        if let Some(other) =
            other.filter(|other| relies && other.run != execution.run && overlaps(other, execution))
        {
            finding.violation(format!(
                "{} was dispatched as {} at {} while {} of its previous cycle had not ended",
                execution.run, execution.id, execution.dispatched, other.id
            ));
        }
    }
    if case.trace.unanswered > 0 {
        finding.doubt(format!("{} replies are not known", case.trace.unanswered));
    }
    finding
}

/// In the same entry an end may precede the next dispatch.
fn overlaps(earlier: &Execution, later: &Execution) -> bool {
    earlier.ended.is_none_or(|(ended, _)| ended > later.dispatched)
}
