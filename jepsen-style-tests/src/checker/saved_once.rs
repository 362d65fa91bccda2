//! **What a JobClient promised is done once and in order**: a submission that was answered as accepted or as saved is in
//! the cluster exactly once, whatever became of the JobTrackers and of the client's process; one that was not answered is
//! there at most once; and of two submissions of one FailStore, the second of which began after the first was answered,
//! the second is later in the log.

use std::collections::BTreeMap;

use super::case::Case;
use super::finding::Finding;
use super::words::Id;
use crate::history::{Save, SaveEvent};

/// One submission, from its call to its answer.
#[derive(Debug)]
struct Submission<'a> {
    invoked: u64,
    answered: Option<&'a Save>,
}

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    if case.evidence.saves.is_empty() {
        return finding;
    }
    let mut jobs_of: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
    for (id, job) in &case.trace.jobs {
        jobs_of.entry(job.revisions[0].2.task_id.as_str()).or_default().push(*id);
    }
    let whole = case.log.gaps().is_empty() && case.log.unreadable.is_empty();
    let mut clients: BTreeMap<&str, Vec<(Submission<'_>, Id)>> = BTreeMap::new();
    for ((client, task), submission) in submissions(case) {
        let jobs = jobs_of.get(task).map_or(&[][..], Vec::as_slice);
        let promised = submission.answered.filter(|answer| answer.ev != SaveEvent::Failed);
        finding.checked(1);
        finding.count(word(&submission), 1);
        match (jobs, promised) {
            ([id], _) => clients.entry(client).or_default().push((submission, *id)),
            ([], Some(answer)) => {
                let text = format!(
                    "{client}: {task} was answered {:?} at {} and is not there",
                    answer.ev,
                    case.when(answer.t)
                );
                if whole { finding.violation(text) } else { finding.doubt(text) }
            }
            ([], None) => finding.count("without a promise, and not there", 1),
            (several, _) => {
                finding.violation(format!("{client}: {task} is there {} times: {several:?}", several.len()))
            }
        }
    }
    if !case.evidence.saves.iter().any(|save| save.ev == SaveEvent::Saved) {
        finding.doubt("nothing was saved: the JobTrackers were never away for long enough");
    }
    clients.into_iter().for_each(|(client, submissions)| in_order(case, &mut finding, client, submissions));
    finding
}

fn word(submission: &Submission<'_>) -> &'static str {
    match submission.answered.map(|answer| answer.ev) {
        Some(SaveEvent::Committed) => "accepted",
        Some(SaveEvent::Saved) => "saved",
        Some(SaveEvent::Failed) => "refused",
        Some(SaveEvent::Invoke) | None => "not answered",
    }
}

fn submissions<'a>(case: &'a Case<'_>) -> BTreeMap<(&'a str, &'a str), Submission<'a>> {
    let mut all: BTreeMap<(&str, &str), Submission<'_>> = BTreeMap::new();
    for save in &case.evidence.saves {
        let of = (save.client.as_str(), save.task.as_str());
        match save.ev {
            SaveEvent::Invoke => drop(all.insert(of, Submission { invoked: save.t, answered: None })),
            SaveEvent::Committed | SaveEvent::Saved | SaveEvent::Failed => {
                if let Some(submission) = all.get_mut(&of) {
                    submission.answered = Some(save);
                }
            }
        }
    }
    all
}

/// What began later than another one was answered is later in the log.
fn in_order(case: &Case<'_>, finding: &mut Finding, client: &str, mut all: Vec<(Submission<'_>, Id)>) {
    all.sort_by_key(|(submission, _)| submission.invoked);
    let mut answered: Vec<(u64, Id, &str)> = all
        .iter()
        .filter_map(|(submission, id)| {
            let answer = submission.answered.filter(|answer| answer.ev != SaveEvent::Failed)?;
            Some((answer.t, *id, answer.task.as_str()))
        })
        .collect();
    answered.sort_unstable();
    let (mut next, mut latest) = (0, None::<(Id, &str)>);
    for (submission, id) in &all {
        while let Some((_, before, task)) = answered.get(next).filter(|(t, ..)| *t < submission.invoked) {
            latest = latest.max(Some((*before, *task)));
            next += 1;
        }
        if let Some((before, task)) = latest.filter(|(before, _)| before > id) {
            finding.violation(format!(
                "{client}: {task} was answered before {id} was submitted at {}, and is {before}",
                case.when(submission.invoked)
            ));
        }
    }
}
