//! **No node panics or ends by itself**, except where a dead disk, damaged files or a failpoint were meant to end it.

use super::case::Case;
use super::finding::Finding;

/// Faults after which a process may end itself loudly.
const MEANT_TO: &[&str] = &["dead", "corrupt", "wipe", "full"];

/// The panic of a failpoint names the crate whose place it is; any other panic of an armed process is a finding.
const FAILPOINT: &str = "/fail-";

/// What the harness writes down when a process ends that nobody ended.
const UNEXPECTED_END: &str = "unexpected_end";

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    finding.checked(case.evidence.info.nodes.len());
    let armed = |node: &str| case.faults.iter().any(|fault| fault.what == "failpoint" && fault.hits(node));
    let excused = |node: &str| {
        case.faults.iter().any(|fault| {
            let kind = format!("{} {}", fault.what, fault.detail);
            fault.hits(node) && MEANT_TO.iter().any(|word| kind.contains(word))
        })
    };
    for crash in &case.evidence.crashes {
        if crash.line.contains(FAILPOINT) && armed(&crash.node) {
            finding.count("panics at failpoints", 1);
        } else if excused(&crash.node) {
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
