//! **At any place of the log at most one execution can complete a run**, and execution ids, which are the fencing tokens,
//! only rise. A job that relies on its previous cycle has at most one execution at all.

use std::collections::BTreeSet;

use super::case::Case;
use super::finding::Finding;
use super::trace::JobTrace;
use super::words::{Id, RunRef};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let trace = &case.trace;
    let mut runs: BTreeSet<RunRef> = BTreeSet::new();
    let mut highest: Option<Id> = None;
    for execution in &trace.executions {
        finding.checked(1);
        if let Some(highest) = highest.filter(|highest| execution.id <= *highest) {
            finding.violation(format!("the execution {} was made after {highest}", execution.id));
        }
        highest = highest.max(Some(execution.id));
        finding.count("further attempts at a run", usize::from(!runs.insert(execution.run)));
        let relies = trace.jobs.get(&execution.run.job).is_some_and(relies_on_its_previous_cycle);
        for other in &execution.beside {
            let same_run = trace.executions[trace.by_id[other]].run == execution.run;
            if same_run || relies {
                let what = if same_run { "had it" } else { "of its previous cycle had not ended" };
                finding.violation(format!(
                    "{} was dispatched as {} at {} while {other} {what}",
                    execution.run, execution.id, execution.dispatched
                ));
            }
        }
    }
    if case.trace.unanswered > 0 {
        finding.doubt(format!("{} replies are not known", case.trace.unanswered));
    }
    finding
}

/// In all that was ever said of it; and never run by hand, which asks for no cycle.
fn relies_on_its_previous_cycle(job: &JobTrace) -> bool {
    let relies = job.revisions.iter().all(|(.., spec)| spec.rely_on_prev_cycle && spec.is_periodic());
    relies && job.retried.is_empty()
}
