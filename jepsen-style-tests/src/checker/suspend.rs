//! **A suspended job rests, and what was deleted is gone**, told from the log: between a suspend and its resume nothing of
//! the job is dispatched but what somebody asked for by hand meanwhile; after a delete nothing is. That each instant of
//! the rest has its fate, too, is judged with the other instants.

use super::case::Case;
use super::finding::Finding;
use super::trace::{Execution, Rest};
use super::words::Id;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for (word, count) in &case.trace.acts {
        finding.count(format!("answered {word}"), *count);
    }
    for (id, job) in &case.trace.jobs {
        for rest in &job.rests {
            finding.checked(1);
            finding.count("suspended", 1);
            finding.count("resumed", usize::from(rest.to.is_some()));
            finding.count("asked for by hand meanwhile", rest.asked.len());
            rests(case, &mut finding, *id, rest);
        }
        if let Some((deleted, _)) = job.deleted {
            finding.checked(1);
            finding.count("deleted", 1);
            for late in case.trace.of_job(*id).filter(|execution| execution.dispatched > deleted) {
                finding.violation(format!(
                    "{id} was deleted at {deleted}, and {} was dispatched as {} at {}",
                    late.run, late.id, late.dispatched
                ));
            }
        }
    }
    finding
}

fn rests(case: &Case<'_>, finding: &mut Finding, id: Id, rest: &Rest) {
    let within = |execution: &&Execution| {
        execution.place >= rest.from.dispatched
            && rest.to.is_none_or(|resumed| execution.place < resumed.dispatched)
    };
    let asked = |execution: &&Execution| rest.asked.contains(&execution.run);
    for execution in case.trace.of_job(id).filter(within).filter(|execution| !asked(execution)) {
        finding.violation(format!(
            "{id} was suspended at {}, and {} was dispatched as {} at {}",
            rest.from.index, execution.run, execution.id, execution.dispatched
        ));
    }
}
