//! **The fencing token fences**: what an outside store accepted of a run never comes from an older execution than what
//! it had accepted before. A zombie is free to try.

use std::collections::BTreeMap;

use super::case::Case;
use super::finding::Finding;
use super::words::Id;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut effects: Vec<_> = case.evidence.effects.iter().collect();
    effects.sort_by_key(|effect| effect.t);
    for effect in effects {
        finding.checked(1);
        let before = highest.get(effect.run.as_str()).copied().unwrap_or(0);
        let token = effect.execution;
        match (effect.accepted, token >= before) {
            (true, false) => finding.violation(format!(
                "an effect of {} by {} was accepted at {} after one by {}",
                effect.run,
                Id(token),
                case.when(effect.t),
                Id(before)
            )),
            (true, true) => finding.count("accepted", 1),
            (false, false) => finding.count("refused as stale", 1),
            (false, true) => finding.violation(format!(
                "an effect of {} by {} was refused at {}, and none newer had been accepted",
                effect.run,
                Id(token),
                case.when(effect.t)
            )),
        }
        if effect.accepted {
            highest.insert(&effect.run, token.max(before));
        }
    }
    finding
}
