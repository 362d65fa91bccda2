//! **The evidence is whole and well-formed**: what all other rules stand on. Whatever is wrong here is the harness's
//! fault or the machine's, so it makes a run unknown, not invalid.

use std::collections::BTreeSet;

use super::{Case, Finding};

/// Doubts of one kind that are spelled out.
const TOLD_MAX: usize = 5;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let evidence = case.evidence;
    finding.checked(case.operations.len());
    finding.count("operations", case.operations.len());
    let mut doubts = evidence.unreadable.clone();
    doubts.extend(case.malformed.iter().cloned());
    let mut seen = BTreeSet::new();
    for operation in &case.operations {
        if !seen.insert(&operation.req) {
            doubts.push(format!("two operations are called {}", operation.req));
        }
    }
    for fault in case.faults.iter().filter(|fault| !fault.closed) {
        doubts.push(format!("the fault {} {} was never ended", fault.what, fault.detail));
    }
    if case.operations.is_empty() {
        doubts.push("no operation".into());
    }
    if evidence.logs.values().all(Vec::is_empty) {
        doubts.push("no node exported its log".into());
    }
    if evidence.started_wall_ns().is_none() {
        doubts.push(format!("the start of the run {:?} is no time", evidence.info.started_at));
    }
    finding.count("doubts", doubts.len());
    doubts.truncate(TOLD_MAX);
    doubts.into_iter().for_each(|doubt| finding.doubt(doubt));
    finding
}
