//! **What was acknowledged is kept**: every job whose submit was answered is in the log and readable at the end, and
//! nothing is there that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::operation::{Answer, JobSeen, Operation, Outcome};
use super::reply::SubmitAnswer;
use super::words::Id;
use super::{Case, Finding};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let last_reads = last_reads(case);
    let mut attempted: BTreeSet<String> = BTreeSet::new();
    for operation in &case.operations {
        if !operation.f.starts_with("submit") {
            continue;
        }
        attempted.extend(operation.task_ids());
        let (Outcome::Ok, Answer::Submitted(answers)) = (operation.outcome, &operation.answer) else {
            continue;
        };
        let tasks = operation.task_ids();
        if tasks.len() != answers.len() {
            finding.violation(format!(
                "{} asked for {} jobs and was answered for {}",
                operation.req,
                tasks.len(),
                answers.len()
            ));
            continue;
        }
        for (task, answer) in tasks.iter().zip(answers) {
            acknowledged(case, &mut finding, &last_reads, operation, task, answer);
        }
    }
    unasked(case, &mut finding, &attempted);
    finding
}

fn acknowledged(
    case: &Case<'_>,
    finding: &mut Finding,
    last_reads: &BTreeMap<Id, (u64, Option<&JobSeen>)>,
    operation: &Operation,
    task: &str,
    answer: &SubmitAnswer,
) {
    let Some(id) = answer.job() else { return };
    finding.checked(1);
    finding.count("acknowledged submits", 1);
    let made = case.trace.jobs.get(&id);
    match made {
        None if case.log.gaps().is_empty() && case.log.unreadable.is_empty() => {
            finding.violation(format!(
                "{}: {task} was acknowledged as {id}, which is not in the log",
                operation.req
            ));
        }
        Some(job) if job.spec().task_id != task => finding.violation(format!(
            "{}: {task} was acknowledged as {id}, which is {} in the log",
            operation.req,
            job.spec().task_id
        )),
        _ => {}
    }
    match last_reads.get(&id) {
        Some((_, Some(_))) => finding.count("read at the end", 1),
        Some((t, None)) => finding.violation(format!(
            "{}: {task} was acknowledged as {id} and was not found at {}",
            operation.req,
            case.when(*t)
        )),
        None => {
            finding.count("not read at the end, found in the log alone", 1);
            if made.is_none() {
                finding.doubt(format!("{}: {id} is neither in the log nor read at the end", operation.req));
            }
        }
    }
}

/// The last answer about each job that was asked for after all had been healed.
fn last_reads<'a>(case: &'a Case<'_>) -> BTreeMap<Id, (u64, Option<&'a JobSeen>)> {
    let mut last = BTreeMap::new();
    let healed = case.evidence.info.healed_ns;
    for read in case.operations.iter().filter(|read| read.invoked >= healed && !read.is_stale_read()) {
        let t = read.ended.unwrap_or(read.invoked);
        match &read.answer {
            Answer::Got(Some(job)) => drop(last.insert(job.id, (t, Some(job)))),
            Answer::Got(None) => {
                let asked = read.asked.get("job_id").and_then(serde_json::Value::as_str);
                if let Some(id) = asked.and_then(|id| id.parse().ok()) {
                    last.insert(id, (t, None));
                }
            }
            _ => {}
        }
    }
    last
}

fn unasked(case: &Case<'_>, finding: &mut Finding, attempted: &BTreeSet<String>) {
    for (id, job) in &case.trace.jobs {
        let task = &job.revisions[0].2.task_id;
        if !attempted.contains(task) {
            finding.violation(format!("{id} ({task}) is in the log and nobody asked for it"));
        }
    }
}
