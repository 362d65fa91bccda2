//! **Who asked for it hears how each run ended**: each at least once by the end, with the fate that the log gave it, none of
//! a run that did not end, and acknowledged only after a handler had succeeded.

use std::collections::BTreeSet;

use super::case::Case;
use super::command::Command;
use super::finding::Finding;
use super::model::State;
use super::reply::Fate;
use super::words::RunRef;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut handled: BTreeSet<RunRef> = BTreeSet::new();
    for heard in &case.evidence.heard {
        let Ok(run) = heard.run.parse::<RunRef>() else {
            finding.violation(format!("{} is no run", heard.run));
            continue;
        };
        let state = case.replay.model.jobs.get(&run.job).and_then(|job| job.runs.get(&run.number));
        let wanted = state.filter(|run| run.is_told());
        let is_deleted = case.trace.jobs.get(&run.job).is_some_and(|job| job.deleted.is_some());
        match wanted.map(|run| run.state) {
            Some(State::Ended(fate)) if Fate::from_word(&heard.state) == Some(fate) => {}
            Some(State::Ended(fate)) => {
                finding.violation(format!("{run} was heard as {} and ended as {fate:?}", heard.state));
            }
            // How its runs ended was forgotten with it.
            None if is_deleted => finding.count("heard of a deleted job", 1),
            Some(_) | None if !case.replay.is_whole() => finding.count("heard of an unknown end", 1),
            Some(_) | None => finding.violation(format!("{run} was heard, and no end of it was wanted")),
        }
        let again = if heard.ok { !handled.insert(run) } else { false };
        finding.count(if heard.ok { "handled" } else { "handlers that failed" }, 1);
        finding.count("handled again under the same id", usize::from(again));
    }
    every_end_was_heard(case, &mut finding, &handled);
    only_success_is_acknowledged(case, &mut finding, &handled);
    finding
}

fn every_end_was_heard(case: &Case<'_>, finding: &mut Finding, handled: &BTreeSet<RunRef>) {
    for (job, it) in &case.replay.model.jobs {
        for (number, run) in it.runs.iter().filter(|(_, run)| run.is_told()) {
            finding.checked(1);
            let run_ref = RunRef { job: *job, number: *number };
            if !handled.contains(&run_ref) {
                let text = format!("{run_ref} ended as {:?} and nobody heard it", run.state);
                if case.replay.is_whole() { finding.violation(text) } else { finding.doubt(text) }
            }
        }
    }
}

fn only_success_is_acknowledged(case: &Case<'_>, finding: &mut Finding, handled: &BTreeSet<RunRef>) {
    for (_, logged) in case.log.commands() {
        let Command::FeedbackHeard { runs, .. } = &logged.command else { continue };
        for run in runs.iter().filter(|run| !handled.contains(*run)) {
            finding.violation(format!("{run} was acknowledged, and no handler had succeeded"));
        }
    }
}
