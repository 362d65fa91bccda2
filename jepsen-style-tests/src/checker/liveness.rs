//! **When all is healed, all works again**: a leader within seconds, writes and reads through each node, everything
//! drained, every node caught up.

use super::case::Case;
use super::finding::Finding;
use super::operation::{Operation, Outcome};

/// How soon after the heal a first write is answered.
const LEADER_NS: u64 = 5_000_000_000;
/// How soon each node answers again.
const NODE_NS: u64 = 10_000_000_000;
/// For a machine that is shared.
const SLACK_NS: u64 = 5_000_000_000;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let healed = case.evidence.info.healed_ns;
    let after: Vec<&Operation> =
        case.operations.iter().filter(|operation| operation.invoked >= healed).collect();
    if after.is_empty() {
        finding.doubt("nothing was asked for after the heal");
        return finding;
    }
    let ok = |operation: &&&Operation| operation.outcome == Outcome::Ok;
    let writes = after.iter().filter(ok).filter(|operation| operation.is_mutation());
    match writes.filter_map(|operation| operation.ended).min() {
        None if after.iter().any(|operation| operation.is_mutation()) => {
            finding.violation("no write was answered after the heal");
        }
        None => finding.doubt("nothing was written after the heal"),
        Some(first) => {
            finding.checked(1);
            let within = first - healed;
            finding.count(
                "ms from the heal to the first write",
                usize::try_from(within / 1_000_000).unwrap_or(0),
            );
            if within > LEADER_NS + SLACK_NS {
                finding.violation(format!(
                    "the first write after the heal was answered at {}",
                    case.when(first)
                ));
            }
        }
    }
    for node in &case.evidence.info.nodes {
        let through = |read: bool| {
            let mut asked = after.iter().filter(|operation| operation.node.as_ref() == Some(node));
            let mut known = false;
            let answered = asked.any(|operation| {
                let this = operation.is_read() == read;
                known |= this;
                let in_time = operation.ended.is_some_and(|ended| ended <= healed + NODE_NS + SLACK_NS);
                this && operation.outcome == Outcome::Ok && (in_time || operation.invoked > healed + NODE_NS)
            });
            (known, answered)
        };
        for (read, word) in [(false, "write"), (true, "read")] {
            match through(read) {
                (_, true) => finding.checked(1),
                (true, false) => {
                    finding.violation(format!("no {word} through {node} was answered after the heal"))
                }
                (false, false) => finding.doubt(format!("no {word} was asked of {node} after the heal")),
            }
        }
    }
    caught_up(case, &mut finding);
    drained(case, &mut finding);
    finding
}

fn caught_up(case: &Case<'_>, finding: &mut Finding) {
    let acked = case.operations.iter().filter_map(|operation| operation.pos).max().unwrap_or(0);
    for (node, log) in &case.evidence.logs {
        let last = log.iter().map(|entry| entry.index).max().unwrap_or(0);
        finding.checked(1);
        if last < acked {
            finding.violation(format!("{node} ends at index {last}, {acked} was acknowledged"));
        }
    }
}

fn drained(case: &Case<'_>, finding: &mut Finding) {
    if !case.replay.is_whole() {
        return finding.doubt("the replay ended early, so what is still under way is not known");
    }
    let model = &case.replay.model;
    let of_ended = model.executing().filter(|(_, run)| !model.jobs[&run.job].spec.is_periodic());
    let left: Vec<String> = of_ended.map(|(execution, run)| format!("{run} ({execution})")).collect();
    finding.count("still executing at the end", left.len());
    if !left.is_empty() {
        finding.violation(format!("still executing when all should be drained: {}", left.join(", ")));
    }
}
