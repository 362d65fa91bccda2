//! **What was acknowledged is executed**, at least once, unless it was cancelled, replaced or skipped by its own policy;
//! it ends; and it is not tried more often than its retries and reclaims allow.

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::command::{Action, JobType};
use super::finding::Finding;
use super::model::State;
use super::operation::{Answer, Outcome};
use super::reply::{Fate, SubmitAnswer};
use super::trace::End;
use super::words::{Id, RunRef};
use crate::history::ExecEvent;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let begun: BTreeSet<u64> = case
        .evidence
        .execs
        .iter()
        .filter(|exec| exec.ev == ExecEvent::Begin)
        .map(|exec| exec.execution)
        .collect();
    results_were_executed(case, &mut finding, &begun);
    acknowledged_jobs_ended(case, &mut finding, &begun);
    // What loses its power or its TaskTracker afterwards is begun again, and would hide it.
    for job in &case.evidence.info.undrained {
        finding.violation(format!("{job}: it had not ended long after all was healed"));
    }
    attempts_are_bounded(case, &mut finding);
    finding
}

/// No result without somebody who began it.
fn results_were_executed(case: &Case<'_>, finding: &mut Finding, begun: &BTreeSet<u64>) {
    for execution in &case.trace.executions {
        let Some((index, End::Completed(action))) = execution.ended else { continue };
        finding.checked(1);
        finding.count("completed executions", 1);
        if action == Action::Success && !begun.contains(&execution.id.0) {
            finding.violation(format!(
                "{} succeeded at {index} by {}, which no TaskTracker began",
                execution.run, execution.id
            ));
        }
    }
}

fn acknowledged_jobs_ended(case: &Case<'_>, finding: &mut Finding, begun: &BTreeSet<u64>) {
    let mut begun_jobs: BTreeMap<Id, usize> = BTreeMap::new();
    for execution in case.trace.executions.iter().filter(|execution| begun.contains(&execution.id.0)) {
        *begun_jobs.entry(execution.run.job).or_default() += 1;
    }
    for operation in case.operations.iter().filter(|operation| operation.outcome == Outcome::Ok) {
        let Answer::Submitted(answers) = &operation.answer else { continue };
        for answer in answers {
            let SubmitAnswer::Accepted(id) = answer else { continue };
            let Some(job) = case.trace.jobs.get(id) else { continue };
            let one_shot = matches!(job.spec().job_type, JobType::RealTime | JobType::TriggerTime);
            if !one_shot || job.revisions.len() > 1 || job.deleted.is_some() {
                continue;
            }
            finding.checked(1);
            if !case.replay.is_whole() {
                finding.count("jobs whose end is not known", 1);
                continue;
            }
            let fates = &case.replay.model.jobs[id];
            let first = fates.runs.get(&0).map(|run| run.state);
            match first {
                Some(State::Ended(Fate::Cancelled | Fate::Skipped)) => {
                    finding.count("cancelled or skipped jobs", 1);
                }
                Some(State::Ended(_)) if begun_jobs.contains_key(id) => finding.count("executed jobs", 1),
                Some(State::Ended(Fate::Dead | Fate::Failed)) => {
                    finding.count("given up without a beginning", 1);
                }
                Some(State::Ended(fate)) => {
                    finding
                        .violation(format!("{id} ({}) ended {fate:?} and never began", job.spec().task_id));
                }
                Some(State::Waiting { until }) if until > case.replay.model.now => {
                    finding.count("not due yet", 1);
                }
                Some(
                    State::Waiting { .. } | State::Ready | State::Suspended { .. } | State::Executing(_),
                ) => {
                    finding.violation(format!(
                        "{id} ({}) was acknowledged and has not ended: {first:?}",
                        job.spec().task_id
                    ));
                }
                None => finding.violation(format!("{id} ({}) has no run", job.spec().task_id)),
            }
        }
    }
    if !case.replay.is_whole() {
        finding.doubt("the replay ended early, so the ends of jobs are not known");
    }
}

/// An attempt more for each retry that the job allows and each reclaim or return that happened, and no other.
fn attempts_are_bounded(case: &Case<'_>, finding: &mut Finding) {
    let mut tried: BTreeMap<RunRef, (u64, u64)> = BTreeMap::new();
    for execution in &case.trace.executions {
        let (attempts, taken_back) = tried.entry(execution.run).or_default();
        *attempts += 1;
        *taken_back += u64::from(matches!(
            execution.ended,
            Some((_, End::Reclaimed | End::Returned | End::Interrupted))
        ));
        let Some(job) = case.trace.jobs.get(&execution.run.job) else { continue };
        let allowed = job.revisions.iter().map(|(.., spec)| spec.max_retries).max().unwrap_or(0);
        if *attempts > allowed + 1 + *taken_back + u64::from(execution.ended.is_none()) {
            finding.violation(format!(
                "{} was tried {attempts} times: {allowed} retries are allowed and {taken_back} were taken back",
                execution.run
            ));
        }
    }
    let most = tried.values().map(|(attempts, _)| *attempts).max().unwrap_or(0);
    finding.count("most attempts at one run", usize::try_from(most).unwrap_or(usize::MAX));
}
