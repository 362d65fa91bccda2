//! What must hold of a run, judged from its evidence. Pure: no file, no clock, no code of the product. A promise a file.

mod agreed_log;
mod assumptions;
mod case;
mod command;
mod evidence;
mod finding;
#[cfg(test)]
mod golden;
mod model;
mod operation;
mod replay;
mod reply;
mod strict_order;
mod trace;
mod words;

pub(crate) use case::Case;
pub(crate) use evidence::{CrashMarker, Evidence};
pub(crate) use finding::{Finding, Verdict};

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
