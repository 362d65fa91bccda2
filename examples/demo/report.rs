//! What a person reads at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use raftsman::domain::{Millis, Timestamp};
use raftsman::wire::pb;

use crate::effects::{Effects, kind};
use crate::faults::{Fault, Struck, gap};
use crate::ledger::{Ledger, at};
use crate::workload::Submitted;

/// More problems than this are only counted.
const PROBLEMS_SHOWN: usize = 20;

/// One line of the table.
#[derive(Default)]
struct Line {
    jobs: usize,
    fates: usize,
    executions: usize,
    succeeded: usize,
    cancelled: usize,
    retries: u32,
    reclaims: u32,
}

impl Line {
    fn add(&mut self, runs: &[pb::Run]) {
        self.jobs += 1;
        self.fates += runs.len();
        for run in runs {
            self.executions += run.attempts.len();
            self.succeeded += usize::from(run.state() == pb::RunState::Succeeded);
            self.cancelled += usize::from(run.state() == pb::RunState::Cancelled);
            self.retries += run.retries;
            self.reclaims += run.reclaims;
        }
    }

    fn print(&self, name: &str) {
        let Line { jobs, fates, executions, succeeded, cancelled, retries, reclaims } = self;
        println!(
            "{name:<24}{jobs:>7}{fates:>7}{executions:>12}{succeeded:>11}{cancelled:>11}{retries:>9}{reclaims:>10}"
        );
    }
}

/// Counts, throughput, and what each fault cost.
pub(crate) fn show(submitted: &[Submitted], ledger: &Ledger, effects: &Effects, struck: &[Struck]) {
    println!(
        "\n{:<24}{:>7}{:>7}{:>12}{:>11}{:>11}{:>9}{:>10}",
        "", "jobs", "fates", "executions", "succeeded", "cancelled", "retries", "reclaims"
    );
    let (mut all, mut by_name) = (Line::default(), BTreeMap::<(usize, &str), Line>::new());
    for job in submitted {
        let runs = ledger.runs.get(&job.job_id).map_or(&[][..], Vec::as_slice);
        by_name.entry(job.what.place_and_name()).or_default().add(runs);
        all.add(runs);
    }
    by_name.iter().for_each(|((_, name), line)| line.print(name));
    all.print("all");
    throughput(submitted, ledger);
    println!();
    struck.iter().for_each(|struck| println!("{}", fault(struck, ledger, effects)));
}

fn throughput(submitted: &[Submitted], ledger: &Ledger) {
    let files = submitted.iter().filter(|job| kind(&job.task_id) == "file");
    let runs: Vec<&pb::Run> = files.filter_map(|job| ledger.runs.get(&job.job_id)?.first()).collect();
    let first = runs.iter().map(|run| at(run.planned_time)).min().unwrap_or(Timestamp::ZERO);
    let last = runs.iter().map(|run| at(run.end_time)).max().unwrap_or(Timestamp::ZERO);
    let took = Duration::from(last.since(first).max(Millis::new(1)));
    let rate = f64::from(u32::try_from(runs.len()).unwrap_or(u32::MAX)) / took.as_secs_f64();
    println!(
        "\n{} files in {:.1} s, all faults included: {rate:.0} jobs/s (each starts a shell and two programs)",
        runs.len(),
        took.as_secs_f64(),
    );
}

fn fault(struck: &Struck, ledger: &Ledger, effects: &Effects) -> String {
    let gap = || match gap(struck, effects, &ledger.dispatched()) {
        Some(gap) => format!("{} ms to the next start of a job", gap.as_millis()),
        None => "no job was dispatched afterwards".into(),
    };
    let (what, cost) = match struck.fault {
        Fault::KillLeader => ("leader killed", gap()),
        Fault::FreezeLeader => ("leader frozen", gap()),
        Fault::KillTaskTracker => {
            ("TaskTracker killed", format!("{} executions reclaimed", reclaimed(struck, ledger)))
        }
    };
    format!("{what:<24}{:<10}{cost}", struck.name)
}

/// How many executions were taken back from a TaskTracker after it was killed.
fn reclaimed(struck: &Struck, ledger: &Ledger) -> usize {
    let attempts = ledger.runs.values().flatten().flat_map(|run| &run.attempts);
    let of_it =
        attempts.filter(|attempt| attempt.tasktracker == struck.name && at(attempt.end_time) >= struck.at);
    of_it.filter(|attempt| attempt.end() == pb::AttemptEnd::Reclaimed).count()
}

/// The last word.
pub(crate) fn verdict(problems: &[String], took: Duration) {
    let took = took.as_secs_f64();
    if problems.is_empty() {
        println!(
            "\nAs promised, in {took:.0} s: every run has one fate and the right output, every instant is there once,\n\
             every extra execution is explained, nothing is lost, nothing is doubled."
        );
        return;
    }
    println!("\nOFF, after {took:.0} s:");
    problems.iter().take(PROBLEMS_SHOWN).for_each(|problem| println!("  {problem}"));
    if problems.len() > PROBLEMS_SHOWN {
        println!("  and {} more", problems.len() - PROBLEMS_SHOWN);
    }
}
