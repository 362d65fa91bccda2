//! **What was missed follows the job's policy**: once late, not at all, or the last so many, and never a stampede. An
//! instant is missed when no tick came within `misfire_after` of it.

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::command::Misfire;
use super::finding::Finding;
use super::words::{At, Id};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut runs: BTreeMap<Id, BTreeSet<i64>> = BTreeMap::new();
    for execution in &case.trace.executions {
        runs.entry(execution.run.job).or_default().insert(execution.due);
    }
    for (id, job) in &case.trace.jobs {
        // Runs by hand are due when they are asked for, and a new revision begins anew.
        if !job.spec().is_periodic() || job.revisions.len() > 1 || job.was_acted_on() {
            continue;
        }
        let (made, _, spec) = &job.revisions[0];
        // Missed instants that ran, by the tick that made them due.
        let mut stampede: BTreeMap<u64, usize> = BTreeMap::new();
        for due in runs.get(id).into_iter().flatten() {
            let Some((index, now)) = case.trace.first_tick(*made, *due) else { continue };
            finding.checked(1);
            if now - due <= spec.misfire_after_ms.0 {
                continue;
            }
            finding.count("missed instants that ran late", 1);
            *stampede.entry(index).or_default() += 1;
            if spec.misfire == Misfire::Skip {
                finding.violation(format!(
                    "{id} ran for {}, {} ms late, and its policy is to skip",
                    At(*due),
                    now - due
                ));
            }
        }
        let most = match spec.misfire {
            Misfire::RunOnceLate => 1,
            Misfire::Skip => 0,
            Misfire::CatchUp(n) => usize::try_from(n).unwrap_or(usize::MAX),
        };
        for (index, count) in stampede.into_iter().filter(|(_, count)| *count > most) {
            finding.violation(format!(
                "{id}: {count} missed instants ran after the tick at {index}, {most} may"
            ));
        }
    }
    finding
}
