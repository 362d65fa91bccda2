//! **No node panics**, except where a dead disk, damaged files or a failpoint were meant to end it.

use super::case::Case;
use super::finding::Finding;

/// Faults after which a process may end itself loudly.
const MEANT_TO: &[&str] = &["dead", "corrupt", "failpoint", "wipe", "full"];

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    finding.checked(case.evidence.info.nodes.len());
    for crash in &case.evidence.crashes {
        let excused = case.faults.iter().any(|fault| {
            let kind = format!("{} {}", fault.what, fault.detail);
            fault.hits(&crash.node) && MEANT_TO.iter().any(|word| kind.contains(word))
        });
        if excused {
            finding.count("where a fault meant it", 1);
        } else {
            finding.violation(format!("{}: {}", crash.node, crash.line));
        }
    }
    finding
}
