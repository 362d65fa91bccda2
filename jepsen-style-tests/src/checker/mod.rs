//! What must hold of a run, judged from its evidence. Pure: no file, no clock, no code of the product. A promise a file.

mod agreed_executions;
mod agreed_log;
mod assumptions;
mod at_least_once;
mod calendar;
mod cancel;
mod cancel_in_real_time;
mod case;
mod command;
mod coverage;
mod crash_markers;
mod evidence;
mod feedback;
mod fenced_effects;
mod finding;
#[cfg(test)]
mod golden;
mod interrupt_told;
mod kept_results;
mod liveness;
mod misfire;
mod model;
mod no_false_death;
mod nothing_lost;
mod once_per_request;
mod one_execution;
mod one_result;
mod operation;
mod overlap;
mod per_job_order;
mod periodic;
mod punctual;
mod reads;
mod replay;
mod reply;
mod saved_once;
mod strict_order;
mod suspend;
mod trace;
mod words;

pub(crate) use case::Case;
pub(crate) use evidence::{CrashMarker, Evidence};
pub(crate) use finding::{Finding, Verdict};
pub(crate) use operation::{Operation, Outcome};
pub(crate) use trace::{End, Execution};
pub(crate) use words::{Id, RunRef};

/// One rule: its name, its promise in a sentence, and what judges it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) promise: &'static str,
    judge: fn(&Case<'_>) -> Finding,
}

/// In the order of the table in the method.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "A0",
        name: "assumptions",
        promise: "the evidence is whole and well-formed",
        judge: assumptions::judge,
    },
    Rule {
        id: "A1",
        name: "logs agree",
        promise: "every node applied the same commands, with the same replies and the same digests",
        judge: |case| case.log.judge(case.evidence),
    },
    Rule {
        id: "A2",
        name: "strict order",
        promise: "every answer is what the log dictates, and the log respects real time",
        judge: strict_order::judge,
    },
    Rule {
        id: "A3",
        name: "per-job order",
        promise: "every job is linearizable by itself, told without the log",
        judge: per_job_order::judge,
    },
    Rule {
        id: "B1",
        name: "nothing lost",
        promise: "what was acknowledged is kept, and nothing is there that nobody asked for",
        judge: nothing_lost::judge,
    },
    Rule {
        id: "B2",
        name: "once per request",
        promise: "a request is done once, whichever node it was sent to how often",
        judge: once_per_request::judge,
    },
    Rule {
        id: "B3",
        name: "one result",
        promise: "a run ends by one completion of the execution that had it",
        judge: one_result::judge,
    },
    Rule {
        id: "B4",
        name: "at least once",
        promise: "what was acknowledged is executed and ends",
        judge: at_least_once::judge,
    },
    Rule {
        id: "B5",
        name: "feedback",
        promise: "who asked for it hears how each run ended, and acknowledges what was handled",
        judge: feedback::judge,
    },
    Rule {
        id: "F1",
        name: "kept results",
        promise: "a result that a TaskTracker has is reported",
        judge: kept_results::judge,
    },
    Rule {
        id: "F2",
        name: "saved once",
        promise: "what a JobClient saved is there once and in its order",
        judge: saved_once::judge,
    },
    Rule {
        id: "C1",
        name: "cancel in the log",
        promise: "after a cancel nothing more of the job is dispatched",
        judge: cancel::judge_log,
    },
    Rule {
        id: "C2",
        name: "cancel in real time",
        promise: "a run that was answered CANCELLED is never begun",
        judge: cancel_in_real_time::judge,
    },
    Rule {
        id: "C3",
        name: "cancel tells the truth",
        promise: "each answer to a cancel is the one that the log dictates",
        judge: cancel::judge_truth,
    },
    Rule {
        id: "C4",
        name: "interrupt told",
        promise: "after CANCEL_REQUESTED the TaskTracker is told to stop",
        judge: interrupt_told::judge,
    },
    Rule {
        id: "C5",
        name: "suspended rests",
        promise: "between a suspend and its resume nothing of the job is dispatched, and nothing of a deleted one",
        judge: suspend::judge,
    },
    Rule {
        id: "L1",
        name: "one execution",
        promise: "at most one execution can complete a run, and ids only rise",
        judge: one_execution::judge,
    },
    Rule {
        id: "L2",
        name: "agreed executions",
        promise: "every execution that a TaskTracker saw was committed, due, and fit its slots",
        judge: agreed_executions::judge,
    },
    Rule {
        id: "L3",
        name: "fenced effects",
        promise: "the fencing token keeps older executions out",
        judge: fenced_effects::judge,
    },
    Rule {
        id: "L4",
        name: "overlap explained",
        promise: "two attempts at a run overlap only with a reason",
        judge: overlap::judge,
    },
    Rule {
        id: "L5",
        name: "no false death",
        promise: "who is well loses no execution, and who is gone loses it in time",
        judge: no_false_death::judge,
    },
    Rule {
        id: "K1",
        name: "cron instants",
        promise: "every instant of a calendar has one fate",
        judge: periodic::judge_cron,
    },
    Rule {
        id: "K2",
        name: "never early",
        promise: "nothing begins before it is due",
        judge: punctual::judge_early,
    },
    Rule {
        id: "K3",
        name: "late with reason",
        promise: "what is late is late because of a fault or taken slots",
        judge: punctual::judge_late,
    },
    Rule {
        id: "K4",
        name: "misfire",
        promise: "what was missed follows the job's policy",
        judge: misfire::judge,
    },
    Rule {
        id: "K5",
        name: "repeat",
        promise: "a count of n is n instants on one grid",
        judge: periodic::judge_repeat,
    },
    Rule {
        id: "Q1",
        name: "reads",
        promise: "a read shows the job as it is, and a list all that match and nothing else",
        judge: reads::judge,
    },
    Rule {
        id: "V1",
        name: "liveness",
        promise: "when all is healed, all works again",
        judge: liveness::judge,
    },
    Rule { id: "X1", name: "coverage", promise: "the run exercised something", judge: coverage::judge },
    Rule { id: "X2", name: "crash markers", promise: "no node panics", judge: crash_markers::judge },
];

/// What one rule said of a run.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) rule: Rule,
    pub(crate) finding: Finding,
}

/// All rules over one run, and the verdict of the whole.
pub(crate) fn check(case: &Case<'_>) -> (Verdict, Vec<Judged>) {
    let judged: Vec<Judged> =
        RULES.iter().map(|rule| Judged { rule: *rule, finding: (rule.judge)(case) }).collect();
    (Verdict::combine(judged.iter().map(|one| one.finding.verdict())), judged)
}
