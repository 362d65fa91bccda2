//! **The run exercised something**: operations that were answered, also under faults, executions, and the faults that
//! were asked for. A run that did nothing proves nothing; it is unknown, and that fails.

use std::collections::BTreeMap;

use super::case::Case;
use super::finding::Finding;
use super::operation::Outcome;
use super::reply::CompleteAnswer;
use super::trace::End;
use crate::history::FaultOutcome;

/// The machine may stand still for one part in so many.
const STALLED_ONE_IN: u64 = 20;
/// Below this a run is a smoke test.
const ANSWERED_MIN: usize = 20;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let answered: Vec<_> =
        case.operations.iter().filter(|operation| operation.outcome == Outcome::Ok).collect();
    let under_faults = answered
        .iter()
        .filter(|operation| operation.ended.is_some_and(|ended| case.disturbed(operation.invoked, ended, 0)));
    let under_faults = under_faults.count();
    let unknown = case.operations.iter().filter(|operation| operation.outcome == Outcome::Unknown).count();
    let reclaimed = case.trace.executions.iter();
    let reclaimed =
        reclaimed.filter(|execution| matches!(execution.ended, Some((_, End::Reclaimed)))).count();
    let stale = case.trace.completions.iter();
    let stale = stale.filter(|completed| completed.answer == CompleteAnswer::Stale).count();
    let terms: std::collections::BTreeSet<u64> = case.log.entries.values().map(|entry| entry.term).collect();
    let counts = [
        ("operations answered", answered.len()),
        ("answered under faults", under_faults),
        ("outcome unknown", unknown),
        ("executions", case.trace.executions.len()),
        ("reclaimed", reclaimed),
        ("stale completions", stale),
        ("leader changes", terms.len().saturating_sub(1)),
        ("commands in the log", case.log.commands().count()),
    ];
    for (what, n) in counts {
        finding.count(what, n);
    }
    finding.checked(answered.len());
    if answered.len() < ANSWERED_MIN {
        finding.doubt(format!("only {} operations were answered; at least {ANSWERED_MIN}", answered.len()));
    }
    if case.trace.executions.is_empty() {
        finding.doubt("nothing was executed");
    }
    faults(case, &mut finding, under_faults);
    machine(case, &mut finding);
    finding
}

/// A run on a machine that itself stood still is about the machine.
fn machine(case: &Case<'_>, finding: &mut Finding) {
    let info = &case.evidence.info;
    let lasted_ms = info.drained_ns.saturating_sub(info.started_ns) / 1_000_000;
    finding.count("ms the machine stood still", usize::try_from(info.stalled_ms).unwrap_or(usize::MAX));
    if info.stalled_ms * STALLED_ONE_IN > lasted_ms {
        finding.doubt(format!("the machine stood still for {} of {lasted_ms} ms", info.stalled_ms));
    }
}

fn faults(case: &Case<'_>, finding: &mut Finding, answered_under_faults: usize) {
    let mut installed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in &case.faults {
        let of = if fault.outcome == FaultOutcome::Skipped { &mut skipped } else { &mut installed };
        *of.entry(&fault.what).or_default() += 1;
    }
    for (what, n) in &installed {
        finding.count(format!("fault {what}"), *n);
    }
    for (what, n) in &skipped {
        finding.count(format!("skipped fault {what}"), *n);
    }
    let wanted = &case.evidence.info.nemeses;
    if wanted.is_empty() {
        return;
    }
    if installed.is_empty() {
        finding.doubt(format!("none of the faults {} came about", wanted.join(", ")));
    } else if answered_under_faults == 0 {
        finding.doubt("no operation was answered while a fault was in place");
    }
}
