//! **Nothing begins early, and late only for a reason.** By the machine's own clock, which no fault bends: the monotonic
//! stamp of a beginning, set on the wall clock of the start of the run.

use super::case::Case;
use super::command::JobType;
use super::finding::Finding;
use super::trace::Execution;
use super::words::Id;
use crate::history::{Exec, ExecEvent};

/// The run's start is written down in milliseconds, and its two clocks are read one after the other.
const READING_NS: i128 = 5_000_000;
/// How late a first beginning may be while nothing disturbs it and slots are free, on a machine that is shared.
const LATE_NS: i128 = 1_500_000_000;
/// How long after a fault its consequences may last: the bound for a new leader, and reclaiming.
const AFTERMATH_NS: u64 = 20_000_000_000;

pub(super) fn judge_early(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for (exec, late) in beginnings(case) {
        finding.checked(1);
        if late < -READING_NS {
            let text = format!(
                "{} of {} began at {}, {:.3} ms before it was due",
                Id(exec.execution),
                exec.run,
                case.when(exec.t),
                ms(-late)
            );
            if clocks_of_a_majority_wrong(case, exec.t) {
                finding.doubt(text)
            } else {
                finding.violation(text)
            }
        }
    }
    finding
}

pub(super) fn judge_late(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut quiet = Vec::new();
    let mut disturbed = Vec::new();
    for (exec, late) in beginnings(case) {
        let Some(i) = case.trace.by_id.get(&Id(exec.execution)) else { continue };
        let execution = &case.trace.executions[*i];
        let scheduled = case.trace.jobs.get(&execution.run.job).is_some_and(|job| {
            job.spec().job_type != JobType::RealTime && !job.was_acted_on() && job.revisions.len() == 1
        });
        if execution.attempt > 1 || !scheduled {
            continue;
        }
        let due = exec.t.saturating_sub(u64::try_from(late).unwrap_or(0));
        finding.checked(1);
        if case.disturbed(due, exec.t, AFTERMATH_NS) {
            disturbed.push(late);
            let calm = case.calm_after(due, AFTERMATH_NS);
            if exec.t > calm.saturating_add(AFTERMATH_NS) && slots_were_free(case, execution) {
                finding.violation(format!(
                    "{} of {} began at {}, {:.0} ms late, with free slots and calm since {}",
                    execution.id,
                    execution.run,
                    case.when(exec.t),
                    ms(late),
                    case.when(calm)
                ));
            }
            continue;
        }
        quiet.push(late);
        if late > LATE_NS && slots_were_free(case, execution) {
            finding.violation(format!(
                "{} of {} began at {}, {:.0} ms late, with free slots and without a fault",
                execution.id,
                execution.run,
                case.when(exec.t),
                ms(late)
            ));
        }
    }
    for (name, lates) in [("healthy", &mut quiet), ("around faults", &mut disturbed)] {
        lates.sort_unstable();
        for (percent, word) in [(50, "median"), (99, "p99"), (100, "most")] {
            if let Some(late) = lates.get((lates.len().saturating_sub(1)) * percent / 100) {
                let late = usize::try_from((*late).max(0) / 1_000_000).unwrap_or(usize::MAX);
                finding.count(format!("ms late {name}, {word}"), late);
            }
        }
    }
    finding
}

/// Each beginning with how late it was, nanoseconds.
fn beginnings<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (&'a Exec, i128)> {
    let begun = case.evidence.execs.iter().filter(|exec| exec.ev == ExecEvent::Begin);
    begun.filter_map(|exec| Some((exec, case.evidence.wall_ns(exec.t)? - i128::from(exec.due_ns))))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn ms(ns: i128) -> f64 {
    ns as f64 / 1e6
}

/// Between its due time and its dispatch its node group never had all slots taken.
fn slots_were_free(case: &Case<'_>, execution: &Execution) -> bool {
    let mut others = case.trace.executions.iter().filter(|other| {
        let within = other.dispatched_at >= execution.due && other.dispatched <= execution.dispatched;
        within && other.id != execution.id
    });
    let (load, capacity) = execution.load;
    let full = |load: usize, capacity: u64| load as u64 >= capacity;
    !full(load, capacity) && others.all(|other| !full(other.load.0, other.load.1))
}

fn clocks_of_a_majority_wrong(case: &Case<'_>, t: u64) -> bool {
    let mut wrong: Vec<&String> = case
        .faults
        .iter()
        .filter(|fault| fault.what.contains("clock") && fault.from <= t)
        .flat_map(|fault| fault.targets.iter().filter(|target| case.evidence.info.nodes.contains(*target)))
        .collect();
    wrong.sort();
    wrong.dedup();
    wrong.len() * 2 > case.evidence.info.nodes.len()
}
