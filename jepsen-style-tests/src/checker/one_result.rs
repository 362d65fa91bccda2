//! **A result is recorded once**: a run ends by one completion, of the execution that had it; any other is stale,
//! changes nothing, and is acknowledged all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::command::Action;
use super::reply::CompleteAnswer;
use super::trace::End;
use super::{Case, Finding};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let trace = &case.trace;
    let mut said = BTreeSet::new();
    let mut final_by = BTreeMap::new();
    for completed in &trace.completions {
        finding.checked(1);
        let (execution, index) = (completed.execution, completed.index);
        let run = trace.by_id.get(&execution).map(|i| trace.executions[*i].run);
        match completed.answer {
            CompleteAnswer::Stale => {
                finding.count("stale completions", 1);
                let current = trace.by_id.get(&execution).and_then(|i| trace.executions[*i].ended);
                if run.is_some() && current.is_none_or(|(ended, _)| ended > index) {
                    finding.violation(format!(
                        "index {index}: the completion of {execution} was stale while it had the run"
                    ));
                }
            }
            CompleteAnswer::Accepted if completed.ended_it => {
                finding.count("accepted completions", 1);
                said.insert((execution, completed.action));
                let last = matches!(completed.action, Action::Success | Action::Failed);
                if let (true, Some(run)) = (last, run)
                    && let Some(other) = final_by.insert(run, execution)
                {
                    finding.violation(format!(
                        "index {index}: {run} was ended by {other} and again by {execution}"
                    ));
                }
            }
            CompleteAnswer::Accepted if said.contains(&(execution, completed.action)) => {
                finding.count("completions that came again", 1);
            }
            CompleteAnswer::Accepted => finding.violation(format!(
                "index {index}: the completion of {execution} was accepted, and it did not have the run {}",
                run.map(|run| run.to_string()).unwrap_or_default()
            )),
        }
    }
    after_the_end(case, &mut finding);
    if trace.unanswered > 0 {
        finding.doubt(format!("{} replies are not known", trace.unanswered));
    }
    finding
}

/// Nothing is dispatched of a run that has its result.
fn after_the_end(case: &Case<'_>, finding: &mut Finding) {
    let mut ended = BTreeMap::new();
    for execution in &case.trace.executions {
        if let Some((index, other)) = ended.get(&execution.run)
            && execution.dispatched >= *index
        {
            finding.violation(format!(
                "{} was dispatched as {} at {}, after {other} had ended it at {index}",
                execution.run, execution.id, execution.dispatched
            ));
        }
        if let Some((index, End::Completed(Action::Success | Action::Failed))) = execution.ended {
            ended.insert(execution.run, (index, execution.id));
        }
    }
}
