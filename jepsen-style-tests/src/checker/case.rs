//! What the rules look at: the evidence, and what is derived from it once for all of them.

use std::collections::BTreeMap;

use super::agreed_log::AgreedLog;
use super::evidence::Evidence;
use super::operation::{self, Operation};
use super::replay::Replay;
use super::trace::Trace;
use super::words::{Id, RunRef};
use crate::history::{Exec, FaultEdge, FaultOutcome};

#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) log: AgreedLog,
    pub(crate) operations: Vec<Operation>,
    pub(crate) malformed: Vec<String>,
    pub(crate) replay: Replay,
    pub(crate) trace: Trace,
    pub(crate) faults: Vec<Window>,
    /// What TaskTrackers saw, by execution and by job.
    execs_of_execution: BTreeMap<Id, Vec<&'a Exec>>,
    execs_of_job: BTreeMap<Id, Vec<&'a Exec>>,
    /// Where in the log a request is: the indexes of its commands and their places in the entries.
    pub(crate) requests: BTreeMap<String, Vec<(u64, usize)>>,
}

/// One fault from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) what: String,
    pub(crate) detail: String,
    pub(crate) targets: Vec<String>,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) closed: bool,
    pub(crate) outcome: FaultOutcome,
}

impl Window {
    pub(crate) fn overlaps(&self, from: u64, to: u64) -> bool {
        self.from <= to && from <= self.to
    }

    pub(crate) fn hits(&self, target: &str) -> bool {
        self.targets.iter().any(|one| one == target)
    }
}

impl Case<'_> {
    pub(crate) fn new(evidence: &Evidence) -> Case<'_> {
        let log = AgreedLog::merge(evidence);
        let (operations, malformed) = operation::pair(&evidence.history);
        let replay = Replay::run(&log, &operations);
        let trace = Trace::follow(&log, &replay);
        let mut requests: BTreeMap<String, Vec<(u64, usize)>> = BTreeMap::new();
        for entry in log.entries.values() {
            for (place, logged) in entry.commands.iter().enumerate() {
                if let Some(request) = logged.command.request() {
                    requests.entry(request.name()).or_default().push((entry.index, place));
                }
            }
        }
        let mut execs_of_execution: BTreeMap<Id, Vec<&Exec>> = BTreeMap::new();
        let mut execs_of_job: BTreeMap<Id, Vec<&Exec>> = BTreeMap::new();
        for exec in &evidence.execs {
            execs_of_execution.entry(Id(exec.execution)).or_default().push(exec);
            if let Ok(run) = exec.run.parse::<RunRef>() {
                execs_of_job.entry(run.job).or_default().push(exec);
            }
        }
        let faults = windows(evidence);
        Case {
            evidence,
            log,
            operations,
            malformed,
            replay,
            trace,
            faults,
            execs_of_execution,
            execs_of_job,
            requests,
        }
    }

    /// What was seen of an execution.
    pub(crate) fn seen_of(&self, execution: Id) -> impl Iterator<Item = &Exec> {
        self.execs_of_execution.get(&execution).into_iter().flatten().copied()
    }

    /// What was seen of a job's executions.
    pub(crate) fn seen_of_job(&self, job: Id) -> impl Iterator<Item = &Exec> {
        self.execs_of_job.get(&job).into_iter().flatten().copied()
    }

    /// Whether any fault was in place at some time between the two, or until shortly before.
    pub(crate) fn disturbed(&self, from: u64, to: u64, aftermath_ns: u64) -> bool {
        let from = from.saturating_sub(aftermath_ns);
        let mut faults = self.faults.iter().filter(|fault| fault.outcome != FaultOutcome::Skipped);
        faults.any(|fault| fault.overlaps(from, to))
    }

    /// When it is calm again after this moment: the end of the last fault of those that follow one another so closely
    /// that the consequences of each last until the next.
    pub(crate) fn calm_after(&self, t: u64, aftermath_ns: u64) -> u64 {
        let faults = self.faults.iter().filter(|fault| fault.outcome != FaultOutcome::Skipped);
        faults.fold(t, |calm, fault| {
            let follows = fault.from <= calm.saturating_add(aftermath_ns);
            if follows && fault.to.saturating_add(aftermath_ns) >= t { calm.max(fault.to) } else { calm }
        })
    }

    /// Since the start of the run, for people.
    pub(crate) fn when(&self, t: u64) -> String {
        super::words::seconds(t, self.evidence.info.started_ns)
    }
}

fn windows(evidence: &Evidence) -> Vec<Window> {
    let mut open: BTreeMap<u64, Window> = BTreeMap::new();
    let mut all = Vec::new();
    let end = evidence.end_ns();
    let mut edges: Vec<_> = evidence.faults.iter().collect();
    edges.sort_by_key(|edge| edge.t);
    for edge in edges {
        match edge.f {
            FaultEdge::Start => {
                let window = Window {
                    what: edge.what.clone(),
                    detail: edge.detail.clone(),
                    targets: edge.targets.clone(),
                    from: edge.t,
                    to: end,
                    closed: edge.outcome == FaultOutcome::Skipped,
                    outcome: edge.outcome,
                };
                all.extend(open.insert(edge.id, window));
            }
            FaultEdge::Stop => {
                if let Some(mut window) = open.remove(&edge.id) {
                    window.to = edge.t;
                    window.closed = true;
                    all.push(window);
                }
            }
        }
    }
    all.extend(open.into_values());
    all.sort_by_key(|window| window.from);
    all
}
