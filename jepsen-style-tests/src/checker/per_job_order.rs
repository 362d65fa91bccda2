//! **Every job is linearizable by itself**, told from what clients saw alone: the log and its positions are not looked at,
//! so a log that lies is no help. For each job there must be one order of its operations that respects real time and in
//! which each answer is right, with whatever the cluster did in between.
//!
//! Just in time: an operation must have taken effect when its answer comes, and only then is that enforced (Lowe, 2017).

mod life;

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::finding::Finding;
use super::operation::{Answer, Operation, Outcome};
use super::words::seconds;
use life::{Life, Op};

/// Configurations that are looked at for one answer; beyond that the job is unknown.
const CONFIGURATIONS_MAX: usize = 200_000;
/// Operations of one job that may be under way at once, for ever unknown ones included.
const OPEN_MAX: usize = 60;

/// One operation as one job sees it.
#[derive(Clone, Debug)]
struct Call {
    req: String,
    invoked: u64,
    /// None of one whose answer never came.
    ended: Option<u64>,
    op: Op,
}

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for (job, calls) in calls(case, &mut finding) {
        finding.checked(1);
        finding.count("jobs", 1);
        finding.count("operations", calls.len());
        match search(&calls) {
            Found::AnOrder => {}
            Found::None { stuck_at } => {
                finding.violation(explain(&job, &calls, stuck_at, case.evidence.info.started_ns));
            }
            Found::TooMuch => finding.doubt(format!("{job}: too many orders to look at")),
        }
    }
    finding
}

fn calls(case: &Case<'_>, finding: &mut Finding) -> BTreeMap<String, Vec<Call>> {
    let mut all: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    let mut beyond = BTreeSet::new();
    for operation in &case.operations {
        if operation.outcome == Outcome::Fail || operation.is_stale_read() {
            continue;
        }
        let tasks = operation.task_ids();
        for (i, task) in tasks.iter().enumerate() {
            match Op::of(operation, i) {
                Some(op) => all.entry(task.clone()).or_default().push(call(operation, op)),
                // Runs by hand bring an ended job back; a job that is deleted was never there.
                None if ["retry", "suspend", "resume", "trigger", "delete"]
                    .contains(&operation.f.as_str()) =>
                {
                    beyond.insert(task.clone());
                }
                None => {}
            }
        }
    }
    finding.count("jobs with acts by hand, not judged", beyond.len());
    all.retain(|task, _| !beyond.contains(task));
    all
}

fn call(operation: &Operation, op: Op) -> Call {
    let ended = operation.ended.filter(|_| !matches!(operation.answer, Answer::None | Answer::Unreadable(_)));
    Call { req: operation.req.clone(), invoked: operation.invoked, ended, op }
}

#[derive(Debug, PartialEq)]
enum Found {
    AnOrder,
    /// The answer that fits nowhere.
    None {
        stuck_at: usize,
    },
    TooMuch,
}

/// A possible state, and which of the open operations have taken effect in it.
type Configuration = (Life, u64);

fn search(calls: &[Call]) -> Found {
    let mut edges: Vec<(u64, bool, usize)> = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        edges.push((call.invoked, false, i));
        edges.extend(call.ended.map(|ended| (ended, true, i)));
    }
    edges.sort_unstable();
    let mut slots: Vec<Option<usize>> = vec![None; OPEN_MAX];
    let mut configurations: BTreeSet<Configuration> = BTreeSet::from([(Life::default(), 0)]);
    for (_, answered, i) in edges {
        if !answered {
            let Some(slot) = slots.iter().position(Option::is_none) else { return Found::TooMuch };
            slots[slot] = Some(i);
            continue;
        }
        let slot = slots.iter().position(|open| *open == Some(i)).expect("it was opened before");
        match until_taken(&configurations, slot, &slots, calls) {
            None => return Found::TooMuch,
            Some(next) if next.is_empty() => return Found::None { stuck_at: i },
            Some(next) => configurations = next,
        }
        slots[slot] = None;
    }
    Found::AnOrder
}

/// All configurations in which the operation of this slot has taken effect.
fn until_taken(
    configurations: &BTreeSet<Configuration>,
    slot: usize,
    slots: &[Option<usize>],
    calls: &[Call],
) -> Option<BTreeSet<Configuration>> {
    let bit = 1 << slot;
    let mut seen = configurations.clone();
    let mut work: Vec<Configuration> = configurations.iter().copied().collect();
    let mut taken = BTreeSet::new();
    while let Some((life, effective)) = work.pop() {
        if effective & bit != 0 {
            taken.insert((life, effective & !bit));
            continue;
        }
        let open = slots.iter().enumerate().filter(|(slot, _)| effective & (1 << slot) == 0);
        let mut next: Vec<Configuration> = life.steps().into_iter().map(|life| (life, effective)).collect();
        for (slot, i) in open.filter_map(|(slot, i)| Some((slot, (*i)?))) {
            let after = life.after(&calls[i].op);
            next.extend(after.into_iter().map(|life| (life, effective | 1 << slot)));
        }
        work.extend(next.into_iter().filter(|configuration| seen.insert(*configuration)));
        if seen.len() > CONFIGURATIONS_MAX {
            return None;
        }
    }
    Some(taken)
}

fn explain(job: &str, calls: &[Call], stuck_at: usize, start_ns: u64) -> String {
    let stuck = &calls[stuck_at];
    let until = stuck.ended.unwrap_or(u64::MAX);
    let mut before: Vec<&Call> = calls.iter().filter(|call| call.invoked <= until).collect();
    before.sort_by_key(|call| call.invoked);
    let told: Vec<String> = before
        .iter()
        .map(|call| {
            let end = call.ended.map_or("?".into(), |ended| seconds(ended, start_ns));
            format!("{} [{} .. {end}] {:?}", call.req, seconds(call.invoked, start_ns), call.op)
        })
        .collect();
    format!("{job}: the answer to {} fits into no order of: {}", stuck.req, told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::life::Seen;
    use super::*;
    use crate::checker::reply::{CancelAnswer, Fate, SubmitAnswer};
    use crate::checker::words::Id;

    const JOB: Id = Id::new(3, 0);

    fn call(invoked: u64, ended: impl Into<Option<u64>>, op: Op) -> Call {
        Call { req: format!("r{invoked}"), invoked, ended: ended.into(), op }
    }

    fn submit() -> Op {
        Op::Submit { periodic: false, replaces: false, answer: Some(SubmitAnswer::Accepted(JOB)) }
    }

    fn cancel(answer: CancelAnswer) -> Op {
        Op::Cancel { answer: Some(answer) }
    }

    fn finished(fate: Fate) -> Op {
        cancel(CancelAnswer::AlreadyFinished { job: JOB, fate })
    }

    #[test]
    fn what_could_have_been_is_accepted() {
        let calls = [
            call(0, 10, submit()),
            call(20, 40, cancel(CancelAnswer::CancelRequested(JOB))),
            call(25, 50, finished(Fate::Succeeded)),
            call(60, 70, Op::Get { seen: Some(Seen::Ended(JOB, Fate::Succeeded)) }),
        ];
        assert_eq!(search(&calls), Found::AnOrder);
        // A submit whose answer never came may have been done, or not.
        let lost = Op::Submit { periodic: false, replaces: false, answer: None };
        let seen = call(30, 40, cancel(CancelAnswer::Cancelled(JOB)));
        assert_eq!(search(&[call(0, None, lost.clone()), seen]), Found::AnOrder);
        assert_eq!(
            search(&[call(0, None, lost), call(30, 40, cancel(CancelAnswer::NotFound))]),
            Found::AnOrder
        );
    }

    #[test]
    fn what_could_not_have_been_is_refused() {
        let not_found = cancel(CancelAnswer::NotFound);
        assert_eq!(
            search(&[call(0, 10, submit()), call(20, 30, not_found.clone())]),
            Found::None { stuck_at: 1 }
        );
        // Concurrent with the submit it may stand before it.
        assert_eq!(search(&[call(0, 25, submit()), call(20, 30, not_found)]), Found::AnOrder);
        let cancelled = cancel(CancelAnswer::Cancelled(JOB));
        let requested = cancel(CancelAnswer::CancelRequested(JOB));
        assert_eq!(
            search(&[call(0, 1, submit()), call(2, 3, cancelled.clone()), call(4, 5, requested.clone())]),
            Found::None { stuck_at: 2 }
        );
        assert_eq!(
            search(&[
                call(0, 1, submit()),
                call(2, 3, finished(Fate::Dead)),
                call(4, 5, finished(Fate::Failed))
            ]),
            Found::None { stuck_at: 2 }
        );
        assert_eq!(
            search(&[
                call(0, 1, submit()),
                call(2, 3, cancelled),
                call(4, 5, Op::Get { seen: Some(Seen::Executing(JOB)) })
            ]),
            Found::None { stuck_at: 2 }
        );
    }
}
