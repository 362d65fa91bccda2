//! The promises over a whole history, when all has healed and drained: what the tables say in the end against what was
//! committed, acknowledged and begun.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::history::{Broken, End, History, Revision};
use super::rare::Rare;
use crate::calendar::PreparedCron;
use crate::domain::{Action, JobId, JobType, Millis, MisfirePolicy, NodeGroup, RunId, Schedule, Timestamp};
use crate::machine::row::{AttemptEnd, Fate, GroupRow, JobRow, LedgerRow, Row, SkipReason};
use crate::machine::{Key, Machine, RunState};

/// The runs of one job as the ledger has them.
type Runs = BTreeMap<u64, Arc<LedgerRow>>;

/// What all ledgers together say of a node group.
type Groups = BTreeMap<NodeGroup, GroupRow>;

/// Nothing is live any more: everything that was accepted has its fate, and each fate its reason.
///
/// # Errors
/// The first promise that was broken.
pub(super) fn check(history: &mut History, machine: &Machine) -> Result<(), Broken> {
    let found = machine.check().map_err(|error| error.to_string())?;
    if let Some(violation) = found.first() {
        return Err(format!("the tables are wrong: {violation}"));
    }
    let mut groups = Groups::new();
    let mut rare = Vec::new();
    let mut gone = Groups::new();
    for (id, revisions) in &history.jobs {
        if history.deleted.contains(id) {
            deleted(machine, *id)?;
            let group = revisions.last().map(|revision| revision.spec.node_group.clone());
            group.into_iter().for_each(|group| gone.entry(group).or_default().submitted += 1);
            continue;
        }
        let row = machine.tables().job_row(*id).map_err(|error| error.to_string())?;
        let row = row.ok_or_else(|| format!("job {id} was accepted and is unknown"))?;
        let runs = ended_runs(machine, *id)?;
        revisions_agree(*id, &row, revisions, &runs)?;
        for (number, ledger) in &runs {
            let run = RunId { job: *id, number: *number };
            one_fate(history, run, ledger, &mut rare).map_err(|broken| format!("run {run}: {broken}"))?;
            tally(groups.entry(row.spec.node_group.clone()).or_default(), history, run, ledger);
        }
        for revision in revisions {
            let triggered =
                runs.keys().any(|number| history.was_triggered(RunId { job: *id, number: *number }));
            instants(*id, revision, &runs, triggered, &mut rare)
                .and_then(|()| misfires(&history.ticks, revision, &runs))
                .map_err(|broken| format!("job {id} revision {}: {broken}", revision.number))?;
        }
        let group = groups.entry(row.spec.node_group.clone()).or_default();
        group.submitted += 1;
    }
    counters(&groups, &gone, machine)?;
    feedback(history, machine)?;
    let stale: u64 = history.stale;
    let counted: u64 = groups_of(machine)?.values().map(|row| row.stale).sum();
    if stale != counted {
        return Err(format!("{stale} results were stale, the groups count {counted}"));
    }
    rare.into_iter().for_each(|(what, count)| history.counts.add(what, count));
    Ok(())
}

/// Each run that wanted feedback and was executed, or given up, was heard or waits to be; and no other. Of a deleted job
/// nobody knows the runs any more, but what they had to tell is told.
fn feedback(history: &History, machine: &Machine) -> Result<(), Broken> {
    let mut unheard = history.heard.clone();
    let (mut told, mut waiting) = (0, 0);
    let group = super::jobs::client_group();
    let page =
        machine.tables().feedback(&group, None, None, usize::MAX).map_err(|error| error.to_string())?;
    let waits: BTreeSet<RunId> = page.rows.iter().map(|(run, _)| *run).collect();
    for (id, revisions) in &history.jobs {
        if history.deleted.contains(id) {
            let before = unheard.len();
            unheard.retain(|run| run.job != *id);
            told += (before - unheard.len()) as u64;
            waiting += waits.iter().filter(|run| run.job == *id).count() as u64;
            continue;
        }
        for (number, row) in &ended_runs(machine, *id)? {
            let run = RunId { job: *id, number: *number };
            let spec = revisions.iter().find(|revision| revision.number == row.revision);
            let wanted = spec.is_some_and(|revision| revision.spec.need_feedback);
            let ran = match row.fate {
                Fate::Succeeded | Fate::Failed | Fate::Dead => true,
                Fate::Cancelled => row.executions > 0,
                Fate::Skipped { .. } => false,
            };
            match (wanted && ran, unheard.remove(&run)) {
                (true, false) if waits.contains(&run) => waiting += 1,
                (true, false) => {
                    return Err(format!("run {run} is {:?}, and nobody heard it or will", row.fate));
                }
                (false, true) => return Err(format!("run {run} was heard and is {:?}", row.fate)),
                (heard, _) => told += u64::from(heard),
            }
        }
    }
    let counted = machine.tables().feedback_groups().map_err(|error| error.to_string())?;
    let made: u64 = counted.iter().map(|(_, row)| row.made).sum();
    let heard: u64 = counted.iter().map(|(_, row)| row.heard).sum();
    match unheard.first() {
        Some(run) => Err(format!("run {run} was heard and never ended")),
        None if (made, heard) != (told + waiting, told) => Err(format!(
            "{told} runs were heard and {waiting} wait, {made} are counted as made and {heard} as heard"
        )),
        None => Ok(()),
    }
}

/// Nobody sees anything of a deleted job.
fn deleted(machine: &Machine, job: JobId) -> Result<(), Broken> {
    let known = machine.tables().job_view(job).map_err(|error| error.to_string())?;
    match known {
        Some(view) => Err(format!("job {job} was deleted and is {:?}", view.state)),
        None => Ok(()),
    }
}

/// All runs of a job, none of which may be live, and none of whose numbers may be missing.
fn ended_runs(machine: &Machine, job: JobId) -> Result<Runs, Broken> {
    let page = machine.tables().runs(job, None, usize::MAX - 1).map_err(|error| error.to_string())?;
    let mut runs = Runs::new();
    for (expected, run) in (0..).zip(page.rows) {
        if run.id.number != expected {
            return Err(format!("run {job}/{expected} has no fate, {} has one", run.id));
        }
        match run.state {
            RunState::Ended(row) => drop(runs.insert(expected, row)),
            RunState::Live(live) => return Err(format!("run {} never ended: {live:?}", run.id)),
        }
    }
    Ok(runs)
}

fn revisions_agree(id: JobId, row: &JobRow, revisions: &[Revision], runs: &Runs) -> Result<(), Broken> {
    let newest = revisions.last().map_or(0, |revision| revision.number);
    if row.revision != newest {
        return Err(format!("job {id} has revision {}, {newest} was promised", row.revision));
    }
    if row.next_number != runs.len() as u64 {
        return Err(format!("job {id} has {} runs and will give number {}", runs.len(), row.next_number));
    }
    Ok(())
}

/// The fate of a run follows from the executions that the log gave it.
fn one_fate(
    history: &History,
    run: RunId,
    row: &LedgerRow,
    rare: &mut Vec<(Rare, u64)>,
) -> Result<(), Broken> {
    let ends: Vec<End> =
        history.ends_of(run).map(|end| end.ok_or("an execution never ended")).collect::<Result<_, _>>()?;
    let counted: Vec<End> = ends.iter().copied().filter(|end| *end != End::Returned).collect();
    let reclaims = counted.iter().filter(|end| matches!(end, End::Reclaimed(_))).count();
    let accepted = counted.iter().filter(|end| matches!(end, End::Completed(_))).count();
    if row.executions as usize != counted.len() || row.reclaims as usize != reclaims {
        return Err(format!(
            "its row counts {} executions and {} reclaims, the log gave {ends:?}",
            row.executions, row.reclaims
        ));
    }
    let last = counted.last().copied();
    // The last result is the end of the run, or a retry was granted that something else ended.
    let ended_by_result = matches!(last, Some(End::Completed(_))) && row.retries as usize + 1 == accepted;
    if !ended_by_result && row.retries as usize != accepted {
        return Err(format!("{} retries do not explain {ends:?}", row.retries));
    }
    let final_actions =
        |end: &End| matches!(end, End::Completed(Action::ExecuteSuccess | Action::ExecuteFailed));
    if counted.iter().rev().skip(1).any(final_actions) {
        return Err(format!("it went on after a final result: {ends:?}"));
    }
    let kept: Vec<AttemptEnd> = row.attempts.iter().map(|attempt| attempt.end).collect();
    let expected: Vec<AttemptEnd> = counted.iter().filter_map(attempt_end).collect();
    if !expected.ends_with(&kept) {
        return Err(format!("its attempts are {kept:?}, the log gave {expected:?}"));
    }
    fate_follows(history, run, row, last, rare)
}

fn attempt_end(end: &End) -> Option<AttemptEnd> {
    match end {
        End::Completed(action) => Some(AttemptEnd::Completed(*action)),
        End::Reclaimed(reason) => Some(AttemptEnd::Reclaimed(*reason)),
        End::Interrupted => Some(AttemptEnd::Interrupted),
        End::Returned => None,
    }
}

fn fate_follows(
    history: &History,
    run: RunId,
    row: &LedgerRow,
    last: Option<End>,
    rare: &mut Vec<(Rare, u64)>,
) -> Result<(), Broken> {
    let succeeded = last == Some(End::Completed(Action::ExecuteSuccess));
    if succeeded != (row.fate == Fate::Succeeded) {
        return Err(format!("it ended as {last:?} and its fate is {:?}", row.fate));
    }
    let is_sealed = history.sealed.contains(&run);
    let wrong = match (row.fate, last) {
        (Fate::Succeeded, _) => false,
        (Fate::Failed, Some(End::Completed(Action::ExecuteFailed))) => false,
        (Fate::Failed, _) if is_sealed => false,
        (Fate::Failed, Some(End::Completed(action))) => {
            rare.push((Rare::RetriesSuperseded, 1));
            !action.is_retryable()
        }
        (Fate::Failed, _) => row.executions == 0,
        (Fate::Dead, Some(End::Completed(action))) => {
            rare.push((Rare::DeadByRetries, 1));
            !action.is_retryable()
        }
        (Fate::Dead, Some(End::Reclaimed(_))) => {
            rare.push((Rare::DeadByReclaims, 1));
            false
        }
        (Fate::Dead, _) => true,
        (Fate::Cancelled, _) => !history.jobs[&run.job].iter().any(|revision| revision.until.is_some()),
        (Fate::Skipped { reason, count, .. }, last) => {
            rare.push((skipped(reason), count));
            last.is_some()
        }
    };
    if wrong { Err(format!("it ended as {last:?} and its fate is {:?}", row.fate)) } else { Ok(()) }
}

fn skipped(reason: SkipReason) -> Rare {
    match reason {
        SkipReason::PreviousStillLive | SkipReason::TooManyLive => Rare::SkippedPreviousLive,
        SkipReason::Misfired => Rare::SkippedMisfired,
        SkipReason::DeadlinePassed => Rare::SkippedDeadline,
        SkipReason::Superseded => Rare::Superseded,
        SkipReason::Suspended => Rare::SkippedSuspended,
    }
}

fn tally(group: &mut GroupRow, history: &History, run: RunId, row: &LedgerRow) {
    let ends: Vec<Option<End>> = history.ends_of(run).collect();
    group.dispatched += ends.len() as u64;
    for end in ends.iter().flatten() {
        if let End::Completed(action) = end {
            group.executed(*action);
        }
    }
    group.reclaimed += u64::from(row.reclaims);
    group.retried += u64::from(row.retries);
    group.kept += 1;
    match row.fate {
        Fate::Succeeded => group.succeeded += 1,
        Fate::Failed => group.failed += 1,
        Fate::Dead => group.dead += 1,
        Fate::Cancelled => group.cancelled += 1,
        Fate::Skipped { count, .. } => group.skipped += count,
    }
}

fn groups_of(machine: &Machine) -> Result<Groups, Broken> {
    let mut groups = Groups::new();
    for name in super::jobs::GROUPS {
        let name = NodeGroup::new(name).expect("a short name");
        if let Some(Row::Group(row)) =
            machine.tables().get(&Key::Group(name.clone())).map_err(|error| error.to_string())?
        {
            groups.insert(name, *row);
        }
    }
    Ok(groups)
}

/// The groups' counters are what a scan gives.
fn counters(expected: &Groups, gone: &Groups, machine: &Machine) -> Result<(), Broken> {
    for (name, row) in groups_of(machine)? {
        let counted = GroupRow { stale: 0, log_lines_dropped: 0, ..row };
        let scanned = expected.get(&name).copied().unwrap_or_default();
        if let Some(gone) = gone.get(&name) {
            // Of the runs of deleted jobs nothing is left to scan.
            if counted.submitted != scanned.submitted + gone.submitted || counted.kept < scanned.kept {
                return Err(format!(
                    "group {name} counts {counted:?}, a scan gives {scanned:?} and {gone:?}"
                ));
            }
            continue;
        }
        if counted != scanned {
            return Err(format!("group {name} counts {counted:?}, a scan gives {scanned:?}"));
        }
    }
    Ok(())
}

/// What the ledger has of one revision's rhythm: single instants and skipped ranges, in order.
fn settled(revision: &Revision, runs: &Runs) -> Vec<(Timestamp, Timestamp, u64)> {
    let of_revision = runs.values().filter(|row| row.revision == revision.number && !row.by_hand);
    of_revision
        .map(|row| match row.fate {
            Fate::Skipped { last, count, .. } => (row.due, last, count),
            Fate::Succeeded | Fate::Failed | Fate::Dead | Fate::Cancelled => (row.due, row.due, 1),
        })
        .collect()
}

/// The ledger has exactly the instants that the calendar has, each once, from the beginning to the end.
fn instants(
    id: JobId,
    revision: &Revision,
    runs: &Runs,
    triggered: bool,
    rare: &mut Vec<(Rare, u64)>,
) -> Result<(), Broken> {
    let settled = settled(revision, runs);
    let end = settled.last().map_or(revision.from, |(_, last, _)| *last);
    let until = revision.until;
    match &revision.spec.schedule {
        // Somebody may have asked for it before its time.
        Schedule::RealTime | Schedule::TriggerTime(_) if triggered && settled.len() == 1 => return Ok(()),
        Schedule::RealTime | Schedule::TriggerTime(_) => return one_shot(revision, &settled),
        Schedule::Cron(cron) => {
            let calendar =
                PreparedCron::new(cron).map_err(|wrong| format!("{wrong:?}"))?.anchored_at(revision.from);
            let most = settled.len() * 2000 + 10_000;
            let expected = calendar.instants_between(revision.from, end, most);
            same(&expected, &settled)?;
            if let Some(missed) = calendar.next_after(end, 1).first()
                && until.is_none_or(|until| *missed <= until)
            {
                return Err(format!(
                    "cron {:?}: {missed} was missed, it ended at {:?}",
                    cron.expression, revision.until
                ));
            }
            rare.push((Rare::CronInstants, expected.len() as u64));
        }
        Schedule::Repeat(repeat) => {
            let first = repeat.first.unwrap_or(revision.from).max(revision.from);
            let count = repeat.count.unwrap_or(u64::MAX);
            let grid = |number: u64| first + Millis::new(repeat.interval.get().saturating_mul(number));
            let all: u64 = settled.iter().map(|(_, _, count)| count).sum();
            let expected: Vec<Timestamp> = (0..all).map(grid).collect();
            same(&expected, &settled)?;
            if all > count || all < count && until.is_none_or(|until| grid(all) <= until) {
                return Err(format!(
                    "repeat {id}: {all} instants of {count} were settled until {:?}",
                    revision.until
                ));
            }
        }
    }
    rare.push((Rare::Instants, settled.iter().map(|(_, _, count)| count).sum()));
    if revision.until.is_none() {
        rare.push((Rare::EndedByThemselves, 1));
    }
    Ok(())
}

/// Of the instants that were all missed before anything could be settled, only as many ran as the policy wants.
fn misfires(ticks: &[Timestamp], revision: &Revision, runs: &Runs) -> Result<(), Broken> {
    let kept = match revision.spec.misfire {
        MisfirePolicy::RunOnceLate => 1,
        MisfirePolicy::Skip => 0,
        MisfirePolicy::CatchUp(n) => n,
    };
    if matches!(revision.spec.schedule, Schedule::RealTime | Schedule::TriggerTime(_)) {
        return Ok(());
    }
    let mut ran_late: BTreeMap<Timestamp, u32> = BTreeMap::new();
    for row in runs.values().filter(|row| row.revision == revision.number && !row.by_hand) {
        let first = ticks.get(ticks.partition_point(|tick| *tick < row.due));
        let missed = first.filter(|tick| tick.since(row.due) > revision.spec.misfire_after);
        if let (Some(tick), false) = (missed, matches!(row.fate, Fate::Skipped { .. })) {
            *ran_late.entry(*tick).or_default() += 1;
        }
    }
    match ran_late.into_iter().find(|(_, ran)| *ran > kept) {
        Some((tick, ran)) => {
            Err(format!("{ran} misfired instants ran, settled from {tick} on; {:?}", revision.spec.misfire))
        }
        None => Ok(()),
    }
}

/// One run, never early; none if the revision was replaced before it could begin.
fn one_shot(revision: &Revision, settled: &[(Timestamp, Timestamp, u64)]) -> Result<(), Broken> {
    let wanted = revision.spec.one_shot_due(revision.from).unwrap_or(revision.from);
    match settled {
        [(due, _, 1)] if *due >= wanted => Ok(()),
        [] if revision.until.is_some() => Ok(()),
        other => Err(format!("a {} job of {wanted} has the instants {other:?}", JobType::TriggerTime)),
    }
}

/// The settled instants and ranges cover exactly the expected ones.
fn same(expected: &[Timestamp], settled: &[(Timestamp, Timestamp, u64)]) -> Result<(), Broken> {
    let mut left = expected;
    for (first, last, count) in settled {
        let count = usize::try_from(*count).expect("a short world");
        let Some((these, rest)) = left.split_at_checked(count) else {
            return Err(format!(
                "{first} to {last} are {count} instants, the calendar has {} left",
                left.len()
            ));
        };
        let (Some(begin), Some(end)) = (these.first(), these.last()) else {
            return Err(format!("the range from {first} to {last} counts no instant"));
        };
        if (begin, end) != (first, last) {
            return Err(format!(
                "the ledger has {count} from {first} to {last}, the calendar {begin} to {end}"
            ));
        }
        left = rest;
    }
    left.first().map_or(Ok(()), |missed| Err(format!("{missed} has no fate")))
}
