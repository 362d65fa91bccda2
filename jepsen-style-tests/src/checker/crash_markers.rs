//! **No node panics or ends by itself**, except where a dead disk, damaged files or a failpoint were meant to end it.

use super::case::Case;
use super::finding::Finding;

/// Faults after which a process may end itself loudly.
const MEANT_TO: &[&str] = &["dead", "corrupt", "failpoint", "wipe", "full"];

/// What the harness writes down when a process ends that nobody ended.
const UNEXPECTED_END: &str = "unexpected_end";

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    finding.checked(case.evidence.info.nodes.len());
    let excused = |node: &str| {
        case.faults.iter().any(|fault| {
            let kind = format!("{} {}", fault.what, fault.detail);
            fault.hits(node) && MEANT_TO.iter().any(|word| kind.contains(word))
        })
    };
    for crash in &case.evidence.crashes {
        if excused(&crash.node) {
            finding.count("crashes where a fault meant it", 1);
        } else {
            finding.violation(format!("{}: {}", crash.node, crash.line));
        }
    }
    for end in case.faults.iter().filter(|fault| fault.what == UNEXPECTED_END) {
        for node in end.targets.iter().filter(|target| case.evidence.info.nodes.contains(target)) {
            if excused(node) {
                finding.count("ends where a fault meant it", 1);
            } else {
                finding.violation(format!(
                    "{node} ended by itself at {}: {}",
                    case.when(end.from),
                    end.detail
                ));
            }
        }
    }
    finding
}
