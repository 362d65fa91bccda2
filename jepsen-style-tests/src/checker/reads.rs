//! **Reads show what is there**: a job as the model has it at the read's index, and a list exactly the jobs that match
//! all of its filters, page by page in the order of their ids. A read that may be stale shows what was there at the index
//! that it names, and of one JobTracker that was not disturbed in between no later read names an earlier index.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::Case;
use super::finding::Finding;
use super::model::Model;
use super::operation::{Answer, JobSeen, Operation, Page};
use super::reply::Fate;
use super::words::Id;

/// What comparing reads with the model has found so far.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) gets: usize,
    pub(crate) pages: usize,
    pub(crate) filtered_pages: usize,
    pub(crate) jobs_listed: usize,
    pub(crate) wrong: Vec<String>,
    /// Where the next page begins: behind which id, by its token.
    tokens: BTreeMap<String, Id>,
}

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    let reads = &case.replay.reads;
    finding.checked(reads.gets + reads.pages);
    finding.count("jobs read", reads.gets);
    finding.count("pages listed", reads.pages);
    finding.count("of them with filters", reads.filtered_pages);
    finding.count("jobs listed", reads.jobs_listed);
    reads.wrong.iter().for_each(|wrong| finding.violation(wrong.clone()));
    monotonic(case, &mut finding);
    finding
}

/// Reads that may be stale go forward, on each JobTracker that lives on.
fn monotonic(case: &Case<'_>, finding: &mut Finding) {
    for node in &case.evidence.info.nodes {
        let stale = case.operations.iter().filter(|read| read.is_read() && read.is_stale_read());
        let of_node = stale.filter(|read| read.node.as_ref() == Some(node));
        let mut ended: Vec<(u64, u64, u64, &str)> = of_node
            .filter_map(|read| Some((read.ended?, read.invoked, read.rdx?, read.req.as_str())))
            .collect();
        ended.sort_unstable();
        for pair in ended.windows(2) {
            let [(before, _, seen, first), (after, invoked, shown, second)] = *pair else { continue };
            let mut faults = case.faults.iter();
            let restarted = faults.any(|fault| fault.hits(node) && fault.overlaps(before, after));
            if invoked < before || restarted {
                continue;
            }
            finding.checked(1);
            finding.count("stale reads that went forward", 1);
            if shown < seen {
                finding.violation(format!(
                    "{second} through {node} named index {shown} after {first} had named {seen}"
                ));
            }
        }
    }
}

impl Reads {
    /// Where pages continue, known from all answers: a token may be used before the model comes to its page.
    pub(crate) fn of(operations: &[Operation]) -> Reads {
        let pages = operations.iter().filter_map(|operation| match &operation.answer {
            Answer::Listed(page) if !page.next.is_empty() => Some((page.next.clone(), page.jobs.last()?.id)),
            _ => None,
        });
        Reads { tokens: pages.collect(), ..Reads::default() }
    }

    /// The model is at the read's index.
    pub(crate) fn compare(&mut self, model: &Model, read: &Operation) {
        let wrong = match &read.answer {
            Answer::Got(seen) => {
                self.gets += 1;
                got(model, read, seen.as_ref())
            }
            Answer::Listed(page) => {
                self.pages += 1;
                self.jobs_listed += page.jobs.len();
                self.listed(model, read, page)
            }
            _ => None,
        };
        let told = wrong.map(|what| format!("{} ({}) at index {:?}: {what}", read.req, read.f, read.rdx));
        self.wrong.extend(told);
    }

    fn listed(&mut self, model: &Model, read: &Operation, page: &Page) -> Option<String> {
        let filter = Filter::of(&read.asked);
        self.filtered_pages += usize::from(filter.says_something());
        let token = read.asked.get("page_token").and_then(Value::as_str).unwrap_or_default();
        let from = if token.is_empty() { Id(0) } else { *self.tokens.get(token)? };
        let to = page.jobs.last().map_or(Id(0), |job| job.id);
        let to = if page.next.is_empty() { Id(u64::MAX) } else { to };
        let mut shown = BTreeMap::new();
        for seen in &page.jobs {
            if shown.insert(seen.id, seen).is_some() {
                return Some(format!("{} stands twice on one page", seen.id));
            }
            if seen.id <= from {
                return Some(format!("{} stands on a page that begins behind {from}", seen.id));
            }
            let wrong = job_is(model, seen);
            if wrong.is_some() {
                return wrong;
            }
        }
        for (id, job) in model.jobs.range(from..).filter(|(id, _)| **id > from && **id <= to) {
            let listed = shown.contains_key(id);
            match filter.takes(model, *id, &job.spec) {
                Some(true) if !listed => return Some(format!("{id} matches and was not listed")),
                Some(false) if listed => return Some(format!("{id} was listed and does not match")),
                _ => {}
            }
        }
        None
    }
}

fn got(model: &Model, read: &Operation, seen: Option<&JobSeen>) -> Option<String> {
    let Some(seen) = seen else {
        let asked = read.asked.get("job_id").and_then(Value::as_str);
        let known = asked.and_then(|id| id.parse().ok()).filter(|id| model.jobs.contains_key(id));
        return known.map(|id: Id| format!("{id} was not found and is there"));
    };
    job_is(model, seen)
}

/// What of a job that was shown is not so.
fn job_is(model: &Model, seen: &JobSeen) -> Option<String> {
    let Some(job) = model.jobs.get(&seen.id) else {
        return Some(format!("{} was shown and is not there", seen.id));
    };
    let state = model.shown_state(seen.id)?;
    let shown = seen.word();
    // An ended job is judged by one of its runs; the contract does not say by which.
    let both_ended = Fate::from_word(state).is_some() && Fate::from_word(&shown).is_some();
    let open = shown.is_empty() || (both_ended && job.spec.is_periodic());
    (shown != state && !open).then(|| format!("{} was shown {shown} and is {state}", seen.id))
}

struct Filter<'a> {
    node_group: &'a str,
    kind: &'a str,
    prefix: &'a str,
    job_type: &'a str,
    states: Vec<String>,
}

impl Filter<'_> {
    fn of(asked: &Value) -> Filter<'_> {
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
        let states = asked.get("states").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let states = states.iter().filter_map(Value::as_str);
        Filter {
            node_group: text("node_group"),
            kind: text("kind"),
            prefix: text("task_id_prefix"),
            states: states.map(|state| state.to_ascii_lowercase()).collect(),
            job_type: text("job_type"),
        }
    }

    fn says_something(&self) -> bool {
        let texts = [self.kind, self.prefix, self.job_type];
        texts.iter().any(|text| !text.is_empty()) || !self.states.is_empty()
    }

    /// None where the contract leaves open which state a job shows.
    fn takes(&self, model: &Model, id: Id, spec: &super::command::Spec) -> Option<bool> {
        let names = (self.node_group.is_empty() || self.node_group == spec.node_group)
            && (self.kind.is_empty() || self.kind == spec.kind)
            && (self.job_type.is_empty() || self.job_type.eq_ignore_ascii_case(spec.job_type.word()))
            && spec.task_id.starts_with(self.prefix);
        if !names || self.states.is_empty() {
            return Some(names);
        }
        let state = model.shown_state(id)?;
        if spec.is_periodic() && Fate::from_word(state).is_some() {
            return None;
        }
        Some(self.states.iter().any(|wanted| wanted == state))
    }
}
