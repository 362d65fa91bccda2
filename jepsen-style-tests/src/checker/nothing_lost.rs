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
    left_out(case, &mut finding);
    unasked(case, &mut finding, &attempted);
    finding
}

/// Lists of everything, read page by page after the heal: each must have every job that was acknowledged before.
fn left_out(case: &Case<'_>, finding: &mut Finding) {
    let healed = case.evidence.info.healed_ns;
    let mut open: BTreeMap<String, (u64, BTreeSet<Id>)> = BTreeMap::new();
    for read in case.operations.iter().filter(|read| read.invoked >= healed && !read.is_stale_read()) {
        let Answer::Listed(page) = &read.answer else { continue };
        let asked = |name: &str| read.asked.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let states = read.asked.get("states").and_then(serde_json::Value::as_array);
        let filters = ["kind", "task_id_prefix", "job_type"].iter().any(|name| !asked(name).is_empty());
        if filters || states.is_some_and(|states| !states.is_empty()) {
            continue;
        }
        let token = asked("page_token");
        let begun = match token.is_empty() {
            true => Some((read.invoked, BTreeSet::new())),
            false => open.remove(token),
        };
        let Some((begun, mut listed)) = begun else { continue };
        listed.extend(page.jobs.iter().map(|job| job.id));
        if !page.next.is_empty() {
            open.insert(page.next.clone(), (begun, listed));
            continue;
        }
        finding.count("lists of everything", 1);
        for (id, req) in acknowledged_before(case, begun) {
            let deleted = case.trace.jobs.get(&id).is_some_and(|job| job.deleted.is_some());
            if !listed.contains(&id) && !deleted {
                finding.violation(format!("{req}: {id} was acknowledged and is in no page of {}", read.req));
            }
        }
    }
}

fn acknowledged_before<'a>(case: &'a Case<'_>, t: u64) -> impl Iterator<Item = (Id, &'a str)> {
    let ended =
        case.operations.iter().filter(move |operation| operation.ended.is_some_and(|ended| ended < t));
    ended.flat_map(|operation| {
        let answers = match &operation.answer {
            Answer::Submitted(answers) => answers.as_slice(),
            _ => &[],
        };
        let accepted = answers.iter().filter(|answer| matches!(answer, SubmitAnswer::Accepted(_)));
        accepted.filter_map(|answer| Some((answer.job()?, operation.req.as_str())))
    })
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
        _ if made.is_some_and(|job| job.deleted.is_some()) => finding.count("deleted since", 1),
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
            Answer::Got(Some(job)) => {
                last.insert(job.id, (t, Some(job)));
            }
            Answer::Listed(page) => {
                last.extend(page.jobs.iter().map(|job| (job.id, (t, Some(job)))));
            }
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
