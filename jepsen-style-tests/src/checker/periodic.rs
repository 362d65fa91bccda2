//! **Every instant of a schedule has one fate**: it is planned once, and it ran once or was skipped by its job's own rule.
//! None is missed because a leader changed, none runs twice, and nothing runs that the schedule does not have. The
//! instants are the checker's own: see `calendar`.
//!
//! What is due when a job is cancelled or replaced has its fate too. Fates are what executions and the model tell; and
//! where the ledger of a job was read at the end, each must stand there.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use serde_json::Value;

use super::calendar::{cron_instants, grid_instants, never_fires};
use super::case::Case;
use super::command::{JobType, Skipped, Spec};
use super::finding::Finding;
use super::operation::{Answer, Ledger};
use super::reply::CancelAnswer;
use super::trace::{JobTrace, Rest};
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
    /// Ticks before this index were its own; one that shares the entry of its end may stand behind it.
    to_index: u64,
    /// A cancel, a delete or another revision ended it, or a suspend from which it was not resumed: not the end of the log.
    was_ended: bool,
    /// When it was resumed last.
    resumed: i64,
}

/// A leader that has just come plans what it finds within this.
const PLANNING_MS: i64 = 2_000;

pub(super) fn judge_cron(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for era in eras(case, JobType::Cron) {
        let expression = era.spec.expression.as_deref().unwrap_or_default();
        if never_fires(expression) {
            finding.violation(format!("{} was accepted, and {expression:?} never fires", era.id));
        }
        let zone = era.spec.zone.as_deref().unwrap_or_default();
        let job = &case.trace.jobs[&era.id];
        let planned_to = job.plans.iter().flat_map(|(_, plan)| plan.instants.iter().map(|at| at.0)).max();
        let until = planned_to.unwrap_or(era.to).min(era.to.saturating_add(HORIZON_MS)).max(era.to);
        match cron_instants(expression, zone, era.from, until) {
            Err(why) => finding.doubt(format!("{}: {why} is not judged here", era.id)),
            Ok(instants) => {
                plans_follow(&mut finding, &era, job, &instants);
                let demanded = demanded(case, &mut finding, &era, &instants, Some(job));
                fates(case, &mut finding, &era, &instants, demanded);
            }
        }
    }
    finding
}

/// How many of the instants must have a fate: those that a tick of the era saw, and where something ended it, those that
/// were due then. Instants of a calendar are planned by a leader: those that none could plan, since none was in office when
/// they became due, end with their job.
fn demanded(
    case: &Case<'_>,
    finding: &mut Finding,
    era: &Era<'_>,
    instants: &[i64],
    planned: Option<&JobTrace>,
) -> usize {
    let ticks = case.trace.ticks.iter().filter(|(index, _)| *index < era.to_index);
    let ticked_to = ticks.map(|(_, now)| *now).max().unwrap_or(i64::MIN).min(era.to);
    let due_to = if era.was_ended { era.to } else { ticked_to };
    let due = instants.partition_point(|at| *at <= due_to);
    let Some(job) = planned.filter(|_| era.was_ended) else { return due };
    let plans = job.plans.iter().filter(|(index, plan)| *index < era.to_index && plan.revision == era.number);
    let ends = plans.flat_map(|(_, plan)| {
        plan.instants
            .iter()
            .copied()
            .chain(plan.skipped.map(|range| range.last))
            .chain(plan.suspended.map(|range| range.last))
            .map(|at| at.0)
    });
    let planned_to = ends.max().unwrap_or(i64::MIN);
    // Who is resumed waits for its plan, too.
    let in_office = in_office_since(case, era.to_index).max(era.resumed).saturating_add(PLANNING_MS);
    let excused = |at: i64| at > planned_to && (at > ticked_to || era.to <= in_office);
    let demanded = instants[..due].partition_point(|at| !excused(*at));
    finding.count("not planned when the job ended", due - demanded);
    demanded
}

/// When the leader came, by the machine's time, in whose term this index stands.
fn in_office_since(case: &Case<'_>, index: u64) -> i64 {
    let mut before = case.log.entries.range(..=index).rev();
    let Some(term) = before.next().map(|(_, entry)| entry.term) else { return i64::MIN };
    let of_term = before.take_while(|(_, entry)| entry.term == term);
    of_term.filter_map(|(_, entry)| entry.at).map(|at| at.0).min().unwrap_or(i64::MAX)
}

/// A count of n gives n instants on the grid of the first one; without a count they never end.
pub(super) fn judge_repeat(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for era in eras(case, JobType::Repeat) {
        let first = era.spec.first.map_or(era.from, |first| first.0.max(era.from));
        let every = era.spec.interval_ms.map_or(0, |span| span.0);
        let instants = grid_instants(first, every, era.spec.repeats(), era.to);
        let demanded = demanded(case, &mut finding, &era, &instants, None);
        fates(case, &mut finding, &era, &instants, demanded);
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
            // What is due when its job is deleted is forgotten with it; what a tick saw had its fate.
            let deleted = job.deleted.map(|(index, at)| {
                let seen = case.trace.ticks.partition_point(|(tick, _)| *tick < index);
                (index, case.trace.ticks[..seen].last().map_or(at, |(_, now)| at.min(*now)))
            });
            let ended = replaced.into_iter().chain(cancelled).chain(deleted).min();
            let (to_index, to) = ended.unwrap_or((last_index + 1, last_now));
            // Of what it did not outlast no instant was planned.
            let over = |rest: &&Rest| {
                rest.from.index <= to_index && rest.to.is_none_or(|resumed| resumed.index > to_index)
            };
            let rest = job.rests.iter().find(over).map(|rest| (rest.from.index, rest.from.at));
            let ended = ended.into_iter().chain(rest).min();
            let (to_index, to) = ended.unwrap_or((to_index, to));
            let resumed = job.rests.iter().filter_map(|rest| rest.to).filter(|place| place.index < to_index);
            let resumed = resumed.map(|place| place.at).max().unwrap_or(i64::MIN);
            let (number, was_ended) = (i as u64 + 1, ended.is_some());
            eras.push(Era { id: *id, number, spec, from: *from, to, to_index, was_ended, resumed });
        }
    }
    eras
}

/// The plans that were taken, one after another, are the calendar: no gap, no repeat, none of an old revision.
fn plans_follow(finding: &mut Finding, era: &Era<'_>, job: &JobTrace, instants: &[i64]) {
    let mut last = era.from;
    let mut rest = instants.iter().copied().peekable();
    for (index, plan) in &job.plans {
        if plan.revision != era.number || plan.after.0 != last && plan.resumed.is_none() {
            // Refused, or of another revision.
            continue;
        }
        if plan.resumed.is_some() {
            // What had been planned when it was suspended is planned anew.
            let after = plan.after.0;
            rest = instants[instants.partition_point(|at| *at <= after)..].iter().copied().peekable();
            last = after;
        }
        if let Some(range) = plan.suspended {
            last = gone_over(finding, era, *index, range, &mut rest);
        }
        if let Some(range) = plan.skipped {
            last = gone_over(finding, era, *index, range, &mut rest);
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

/// A plan goes over a range of instants: as many as the calendar has.
fn gone_over(
    finding: &mut Finding,
    era: &Era<'_>,
    index: u64,
    range: Skipped,
    rest: &mut Peekable<impl Iterator<Item = i64>>,
) -> i64 {
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
    range.last.0
}

fn fates(case: &Case<'_>, finding: &mut Finding, era: &Era<'_>, instants: &[i64], demanded: usize) {
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
    let skipped = case.replay.model.settled(era.id);
    let ledger = ledger(case, era);
    for due in &instants[..demanded] {
        finding.checked(1);
        finding.count("instants", 1);
        if let Some(ledger) = ledger {
            finding.count("looked up in the ledger", 1);
            if !ledger.rows.iter().any(|row| row.covers(*due)) {
                finding.violation(format!("{}: the instant {} is not in the ledger", era.id, At(*due)));
                continue;
            }
        }
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

/// The job's ledger, read in one piece after the era had ended and all its runs with it.
fn ledger<'a>(case: &'a Case<'_>, era: &Era<'_>) -> Option<&'a Ledger> {
    let drained = case.evidence.info.drained_ns;
    let id = era.id.to_string();
    let reads = case.operations.iter().filter(|read| read.invoked >= drained);
    let mut of_job = reads.filter(|read| read.asked.get("job_id").and_then(Value::as_str) == Some(&id));
    of_job.find_map(|read| match &read.answer {
        Answer::Ledger(ledger) if ledger.is_whole => Some(ledger),
        _ => None,
    })
}
