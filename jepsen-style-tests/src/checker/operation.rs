//! A history's lines paired into operations: what a client asked for, when, and what it was told.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::command::Spec;
use super::reply::{ActAnswer, CancelAnswer, Fate, SubmitAnswer};
use super::words::{At, Id, RunRef};
use crate::history::{Event, EventKind};

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) req: String,
    pub(crate) f: String,
    pub(crate) job: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) invoked: u64,
    /// None while it is open: as good as unknown for ever.
    pub(crate) ended: Option<u64>,
    pub(crate) outcome: Outcome,
    pub(crate) asked: Value,
    pub(crate) answer: Answer,
    pub(crate) pos: Option<u64>,
    pub(crate) rdx: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Fail,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Not ok, or nothing that is checked.
    None,
    Submitted(Vec<SubmitAnswer>),
    Cancelled(CancelAnswer),
    Acted(ActAnswer),
    Refused(String),
    Got(Option<JobSeen>),
    Listed(Page),
    /// One page of a job's ledger.
    Ledger(Ledger),
    Unreadable(String),
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) jobs: Vec<JobSeen>,
    /// The token of the next one; empty on the last.
    pub(crate) next: String,
}

/// One page of a job's ledger, which lists its runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) rows: Vec<LedgerRow>,
    /// It begins with the first row and ends with the last.
    pub(crate) is_whole: bool,
}

/// A run, or a range of instants that were skipped.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct LedgerRow {
    pub(crate) planned: Option<At>,
    pub(crate) until: Option<At>,
    pub(crate) state: String,
}

impl LedgerRow {
    pub(crate) fn covers(&self, due: i64) -> bool {
        let Some(At(from)) = self.planned else { return false };
        (from..=self.until.map_or(from, |until| until.0)).contains(&due)
    }
}

/// What a read showed of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobSeen {
    pub(crate) id: Id,
    pub(crate) state: String,
    pub(crate) runs: Vec<RunSeen>,
}

impl JobSeen {
    /// Its state in lower case, without the protocol's prefix.
    pub(crate) fn word(&self) -> String {
        let state = self.state.to_ascii_lowercase();
        state.rsplit("state_").next().unwrap_or_default().to_owned()
    }

    pub(crate) fn fate(&self) -> Option<Fate> {
        Fate::from_word(&self.state)
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct RunSeen {
    #[serde(alias = "run_id", alias = "run")]
    pub(crate) id: RunRef,
    pub(crate) state: String,
}

impl Operation {
    pub(crate) fn is_mutation(&self) -> bool {
        !self.is_read()
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.f.as_str(), "get" | "list" | "heard")
    }

    /// A read that said it may be stale has no part in real-time order.
    pub(crate) fn is_stale_read(&self) -> bool {
        let consistency = self.asked.get("consistency").and_then(Value::as_str);
        consistency.is_some_and(|word| word.to_ascii_lowercase().ends_with("stale"))
    }

    /// The jobs that a submit asked for.
    pub(crate) fn specs(&self) -> Result<Vec<Spec>, String> {
        let one = self.asked.get("spec").map(std::slice::from_ref);
        let many = self.asked.get("specs").and_then(Value::as_array).map(Vec::as_slice);
        let specs = one.or(many).unwrap_or_default().iter();
        specs.map(|spec| Spec::deserialize(spec).map_err(|why| format!("{}: {why}", self.req))).collect()
    }

    /// The task ids that it is about.
    pub(crate) fn task_ids(&self) -> Vec<String> {
        if let Some(job) = &self.job {
            return vec![job.clone()];
        }
        let one = self.asked.get("spec").map(std::slice::from_ref);
        let many = self.asked.get("specs").and_then(Value::as_array).map(Vec::as_slice);
        let specs = one.or(many).unwrap_or_default().iter();
        specs.filter_map(|spec| spec.get("task_id").and_then(Value::as_str).map(str::to_owned)).collect()
    }
}

/// Pairs the lines; what is not well-formed is told.
pub(crate) fn pair(history: &[Event]) -> (Vec<Operation>, Vec<String>) {
    let mut operations: Vec<Operation> = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut retired: BTreeMap<u64, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut events: Vec<&Event> = history.iter().collect();
    events.sort_by_key(|event| event.t);
    for event in events {
        let p = event.p;
        if event.kind == EventKind::Invoke {
            if let Some(why) = retired.get(&p) {
                wrong.push(format!("process {p} goes on with {} after {why} ended as unknown", event.req));
            }
            if let Some(&i) = open.get(&p) {
                wrong.push(format!("process {p} began {} inside {}", event.req, operations[i].req));
            }
            open.insert(p, operations.len());
            operations.push(invoked(event));
            continue;
        }
        let Some(i) = open.remove(&p) else {
            wrong.push(format!("process {p} ended {}, which it had not begun", event.req));
            continue;
        };
        let operation = &mut operations[i];
        if operation.req != event.req {
            wrong.push(format!("process {p} began {} and ended {}", operation.req, event.req));
            continue;
        }
        operation.ended = Some(event.t);
        operation.pos = event.pos;
        operation.rdx = event.rdx;
        operation.node = event.node.clone().or(operation.node.take());
        operation.outcome = match event.kind {
            EventKind::Ok => Outcome::Ok,
            EventKind::Fail => Outcome::Fail,
            EventKind::Invoke | EventKind::Info => Outcome::Unknown,
        };
        match operation.outcome {
            Outcome::Ok => operation.answer = answer(operation, &event.v),
            Outcome::Unknown => {
                operation.ended = None;
                retired.insert(p, operation.req.clone());
            }
            Outcome::Fail => {}
        }
        if let Answer::Unreadable(why) = &operation.answer {
            wrong.push(format!("{}: {why}", operation.req));
        }
    }
    (operations, wrong)
}

fn invoked(event: &Event) -> Operation {
    Operation {
        req: event.req.clone(),
        f: event.f.clone(),
        job: event.job.clone(),
        node: event.node.clone(),
        invoked: event.t,
        ended: None,
        outcome: Outcome::Unknown,
        asked: event.v.clone(),
        answer: Answer::None,
        pos: None,
        rdx: None,
    }
}

fn answer(operation: &Operation, v: &Value) -> Answer {
    let of = v.get("answer").or_else(|| v.get("answers"));
    if let Some(refused) = of.and_then(|of| of.get("refused")) {
        let reason = refused.get("reason").and_then(Value::as_str).unwrap_or("?");
        // At the door a live job with the same name is an error like others; in the log it is an answer of its own.
        let holder = refused.get("job").and_then(|job| Id::deserialize(job).ok());
        return match holder.filter(|_| reason == "JOB_EXISTS") {
            Some(holder) => Answer::Submitted(vec![SubmitAnswer::Conflict(holder)]),
            None => Answer::Refused(reason.to_ascii_lowercase()),
        };
    }
    let read = match operation.f.as_str() {
        "submit" | "submit_batch" => of.ok_or("no answer".into()).and_then(submitted),
        "cancel" => of.ok_or("no answer".into()).and_then(|of| {
            CancelAnswer::deserialize(of).map(Answer::Cancelled).map_err(|why| format!("{why}: {of}"))
        }),
        "suspend" | "resume" | "trigger" | "delete" => of.ok_or("no answer".into()).and_then(|of| {
            ActAnswer::deserialize(of).map(Answer::Acted).map_err(|why| format!("{why}: {of}"))
        }),
        "get" => got(v),
        "list" => listed(v),
        "runs" => ledger(&operation.asked, v),
        _ => Ok(Answer::None),
    };
    read.unwrap_or_else(Answer::Unreadable)
}

fn submitted(of: &Value) -> Result<Answer, String> {
    let answers = of.as_array().map_or(std::slice::from_ref(of), Vec::as_slice).iter();
    let answers: Result<_, _> = answers.map(SubmitAnswer::deserialize).collect();
    answers.map(Answer::Submitted).map_err(|why| format!("{why}: {of}"))
}

fn got(v: &Value) -> Result<Answer, String> {
    let job = match v.get("job") {
        None => return Err(format!("a read without `job`: {v}")),
        Some(Value::Null) => return Ok(Answer::Got(None)),
        Some(job) => job,
    };
    let mut seen = job_seen(job)?;
    let runs = v.get("runs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter();
    let runs: Result<Vec<_>, _> = runs.map(RunSeen::deserialize).collect();
    seen.runs = runs.map_err(|why| why.to_string())?;
    Ok(Answer::Got(Some(seen)))
}

fn job_seen(job: &Value) -> Result<JobSeen, String> {
    let id = job.get("job_id").or_else(|| job.get("id")).ok_or_else(|| format!("a job without id: {job}"))?;
    let id = Id::deserialize(id).map_err(|why| why.to_string())?;
    let state = job.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(JobSeen { id, state, runs: Vec::new() })
}

fn ledger(asked: &Value, v: &Value) -> Result<Answer, String> {
    let rows = v.get("runs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter();
    let rows: Result<Vec<_>, _> = rows.map(LedgerRow::deserialize).collect();
    let empty = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).is_none_or(str::is_empty);
    let is_whole = empty(asked, "page_token") && empty(v, "next_page_token");
    Ok(Answer::Ledger(Ledger { rows: rows.map_err(|why| why.to_string())?, is_whole }))
}

fn listed(v: &Value) -> Result<Answer, String> {
    // A list of something else, such as runs.
    let Some(jobs) = v.get("jobs").and_then(Value::as_array) else { return Ok(Answer::None) };
    let jobs: Result<Vec<_>, _> = jobs.iter().map(job_seen).collect();
    let next = v.get("next_page_token").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Answer::Listed(Page { jobs: jobs?, next }))
}
