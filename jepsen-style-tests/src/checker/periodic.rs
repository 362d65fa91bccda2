//! **Every instant of a schedule has one fate**: it is planned once, and it ran once or was skipped by its job's own rule.
//! None is missed because a leader changed, none runs twice, and nothing runs that the schedule does not have. The
//! instants are the checker's own: see `calendar`.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::{cron_instants, grid_instants};
use super::case::Case;
use super::command::{JobType, Spec};
use super::finding::Finding;
use super::reply::CancelAnswer;
use super::trace::JobTrace;
use super::words::{At, Id};

/// How far beyond the end of a run plans are read.
const HORIZON_MS: i64 = 3600 * 1000;

/// One revision of a periodic job and the machine's time in which it counts.
struct Era<'a> {
    id: Id,
    number: u64,
    spec: &'a Spec,
    from: i64,
    /// Where the next revision or a cancel ends it; else where the log ends.
    to: i64,
    to_index: u64,
}

pub(super) fn judge_cron(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for era in eras(case, JobType::Cron) {
        let expression = era.spec.expression.as_deref().unwrap_or_default();
        let zone = era.spec.zone.as_deref().unwrap_or_default();
        let job = &case.trace.jobs[&era.id];
        let planned_to = job.plans.iter().flat_map(|(_, plan)| plan.instants.iter().map(|at| at.0)).max();
        let until = planned_to.unwrap_or(era.to).min(era.to.saturating_add(HORIZON_MS)).max(era.to);
        match cron_instants(expression, zone, era.from, until) {
            Err(why) => finding.doubt(format!("{}: {why} is not judged here", era.id)),
            Ok(instants) => {
                plans_follow(&mut finding, &era, job, &instants);
                fates(case, &mut finding, &era, &instants);
            }
        }
    }
    finding
}

/// A count of n gives n instants on the grid of the first one; without a count they never end.
pub(super) fn judge_repeat(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for era in eras(case, JobType::Repeat) {
        let first = era.spec.first.map_or(era.from, |first| first.0.max(era.from));
        let every = era.spec.interval_ms.map_or(0, |span| span.0);
        let instants = grid_instants(first, every, era.spec.repeats(), era.to);
        fates(case, &mut finding, &era, &instants);
    }
    finding
}

fn eras<'a>(case: &'a Case<'_>, job_type: JobType) -> Vec<Era<'a>> {
    let mut eras = Vec::new();
    let (last_index, last_now) = case.trace.ticks.last().copied().unwrap_or((0, i64::MIN));
    for (id, job) in &case.trace.jobs {
        for (i, (index, from, spec)) in job.revisions.iter().enumerate() {
            if spec.job_type != job_type {
                continue;
            }
            let replaced = job.revisions.get(i + 1).map(|(index, at, _)| (*index, *at));
            let cancelled = case.trace.cancels.iter().find_map(|cancel| match cancel.answer {
                CancelAnswer::Cancelled(of) | CancelAnswer::CancelRequested(of) => {
                    (of == *id && cancel.index >= *index).then_some((cancel.index, cancel.at))
                }
                CancelAnswer::AlreadyFinished { .. } | CancelAnswer::NotFound => None,
            });
            let (to_index, to) =
                replaced.into_iter().chain(cancelled).min().unwrap_or((last_index, last_now));
            eras.push(Era { id: *id, number: i as u64 + 1, spec, from: *from, to, to_index });
        }
    }
    eras
}

/// The plans that were taken, one after another, are the calendar: no gap, no repeat, none of an old revision.
fn plans_follow(finding: &mut Finding, era: &Era<'_>, job: &JobTrace, instants: &[i64]) {
    let mut last = era.from;
    let mut rest = instants.iter().copied().peekable();
    for (index, plan) in &job.plans {
        if plan.revision != era.number || plan.after.0 != last {
            // Refused, or of another revision.
            continue;
        }
        if let Some(range) = plan.skipped {
            let mut count = 0;
            while rest.next_if(|at| *at <= range.last.0).is_some() {
                count += 1;
            }
            if count != range.count {
                finding.violation(format!(
                    "index {index}: the plan of {} goes over {} instants up to {}, the calendar has {count}",
                    era.id, range.count, range.last
                ));
            }
            last = range.last.0;
        }
        for at in &plan.instants {
            last = at.0;
            let Some(expected) = rest.next() else { continue };
            finding.count("planned instants", 1);
            if at.0 != expected {
                finding.violation(format!(
                    "index {index}: {} planned {at} where its calendar has {}",
                    era.id,
                    At(expected)
                ));
                return;
            }
        }
    }
}

fn fates(case: &Case<'_>, finding: &mut Finding, era: &Era<'_>, instants: &[i64]) {
    let job = &case.trace.jobs[&era.id];
    let mut runs: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
    for execution in case.trace.of_job(era.id) {
        runs.entry(execution.due).or_default().insert(execution.run.number);
    }
    let alone = job.revisions.len() == 1 && job.retried.is_empty();
    if alone {
        let all: BTreeSet<i64> = instants.iter().copied().collect();
        for (due, numbers) in &runs {
            if !all.contains(due) && *due <= era.to {
                finding.violation(format!(
                    "{} ran for {}, which its schedule does not have",
                    era.id,
                    At(*due)
                ));
            }
            if numbers.len() > 1 {
                finding.violation(format!(
                    "{} has the runs {numbers:?} for the one instant {}",
                    era.id,
                    At(*due)
                ));
            }
        }
    }
    // What the last tick before the end made due; what came after it is settled by nobody.
    let ticks = case.trace.ticks.iter().filter(|(index, _)| *index <= era.to_index);
    let settled_to = ticks.map(|(_, now)| *now).max().unwrap_or(i64::MIN);
    let skipped = case.replay.model.settled(era.id);
    for due in instants.iter().filter(|due| **due <= settled_to.min(era.to)) {
        finding.checked(1);
        finding.count("instants", 1);
        if runs.contains_key(due) {
            finding.count("ran", 1);
            continue;
        }
        match skipped.iter().find(|settled| settled.covers(*due)) {
            Some(settled) => finding.count(settled.word(), 1),
            None if case.replay.is_whole() => {
                finding.violation(format!("{}: the instant {} has no fate", era.id, At(*due)));
            }
            None => finding.count("not followed, as the replay ended early", 1),
        }
    }
    if !case.replay.is_whole() {
        finding.doubt("the replay ended early, so skipped instants are not known");
    }
}
