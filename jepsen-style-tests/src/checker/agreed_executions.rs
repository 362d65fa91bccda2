//! **Every execution that a TaskTracker ever saw is in the agreed log**: nothing is pushed before it is committed. It is
//! begun once. And a dispatch is in order: a run that is due, to its node group, within free slots.

use std::collections::BTreeMap;

use super::case::Case;
use super::finding::Finding;
use super::words::Id;
use crate::history::ExecEvent;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    seen_is_agreed(case, &mut finding);
    dispatches_are_in_order(case, &mut finding);
    finding
}

fn seen_is_agreed(case: &Case<'_>, finding: &mut Finding) {
    let mut seen: BTreeMap<u64, _> = BTreeMap::new();
    let mut begun = BTreeMap::new();
    for exec in &case.evidence.execs {
        seen.entry(exec.execution).or_insert(exec);
        if exec.ev == ExecEvent::Begin
            && let Some(other) = begun.insert(exec.execution, exec)
        {
            finding.violation(format!(
                "{} was begun on {} at {} and again on {} at {}",
                Id(exec.execution),
                other.tracker,
                case.when(other.t),
                exec.tracker,
                case.when(exec.t)
            ));
        }
    }
    let whole = case.log.gaps().is_empty() && case.log.unreadable.is_empty() && case.trace.unanswered == 0;
    for (token, exec) in seen {
        finding.checked(1);
        finding.count("executions seen by TaskTrackers", 1);
        let Some(i) = case.trace.by_id.get(&Id(token)) else {
            let text =
                format!("{} began {} of {}, which is not in the log", exec.tracker, Id(token), exec.run);
            if whole {
                finding.violation(text)
            } else {
                finding.doubt(text)
            }
            continue;
        };
        let agreed = &case.trace.executions[*i];
        if agreed.run.to_string() != exec.run || agreed.task_id != exec.job {
            finding.violation(format!(
                "{} saw {} as {} ({}); in the log it is {} ({})",
                exec.tracker, agreed.id, exec.run, exec.job, agreed.run, agreed.task_id
            ));
        }
        let due_ms = exec.due_ns.div_euclid(1_000_000);
        if due_ms != agreed.due {
            finding.violation(format!(
                "{} saw {} due at {}; in the log it is due {} ms since 1970",
                exec.tracker, agreed.id, exec.due, agreed.due
            ));
        }
    }
}

fn dispatches_are_in_order(case: &Case<'_>, finding: &mut Finding) {
    for execution in &case.trace.executions {
        finding.count("dispatches", 1);
        if execution.due > execution.dispatched_at {
            finding.violation(format!(
                "{} was dispatched {} ms before it was due",
                execution.id,
                execution.due - execution.dispatched_at
            ));
        }
        let Some(session) = case.trace.trackers.get(&execution.session) else {
            finding.violation(format!(
                "{} was dispatched to {}, which is no session",
                execution.id, execution.session
            ));
            continue;
        };
        let (load, capacity) = execution.load;
        if load as u64 > capacity {
            finding.violation(format!(
                "{} is one of {load} on {}, which has {capacity} slots",
                execution.id, session.identity
            ));
        }
        let group = case.trace.jobs.get(&execution.run.job).map(|job| &job.spec().node_group);
        if let Some(group) = group.filter(|group| **group != session.node_group) {
            finding.violation(format!(
                "{} of node group {group} was dispatched to {} of {}",
                execution.id, session.identity, session.node_group
            ));
        }
    }
}
