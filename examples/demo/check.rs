//! The ledger held against what was submitted and against what the jobs wrote down. Whatever is off is said in a
//! sentence; nothing said means that all is as promised.

use std::collections::{BTreeMap, BTreeSet};

use raftsman::domain::{Millis, Timestamp};
use raftsman::wire::pb;

use crate::effects::{Effect, Effects};
use crate::files::{Sample, sample};
use crate::ledger::{Ledger, at};
use crate::workload::{DELAY, FAILURES, REPEAT_EVERY, REPEATS, Submitted, What};

const SECOND: Millis = Millis::from_secs(1);
/// How far an instant that the edge computed may be from one that is computed from the time of the commit.
const ROUNDING: Millis = Millis::from_secs(1);
/// How far before the cancel the cron's last instant may lie: one interval, and a commit.
const LAST_INSTANT_WITHIN: Millis = Millis::from_secs(2);

/// All that is known about one submitted job.
struct Case<'a> {
    submitted: &'a Submitted,
    created: Timestamp,
    runs: &'a [pb::Run],
}

/// Effects by the run that they say they belong to.
type Written = BTreeMap<String, Vec<Effect>>;

/// Everything that is off.
pub(crate) fn check(submitted: &[Submitted], ledger: &Ledger, effects: &Effects) -> Vec<String> {
    let written = by_run(effects.all());
    let mut off: Vec<String> =
        effects.unreadable().iter().map(|line| format!("a job wrote a torn line: {line:?}")).collect();
    off.extend(strangers(submitted, ledger));
    off.extend(unknown_effects(ledger, &written));
    for submitted in submitted {
        let stored = ledger.jobs.iter().find(|job| job.job_id == submitted.job_id);
        let Some(stored) = stored else {
            off.push(format!("{} ({}) is lost", submitted.task_id, submitted.job_id));
            continue;
        };
        let runs = ledger.runs.get(&submitted.job_id).map_or(&[][..], Vec::as_slice);
        let case = Case { submitted, created: at(stored.create_time), runs };
        let wrong = runs.iter().flat_map(|run| run_problems(run, &written)).chain(case.problems());
        off.extend(wrong.map(|problem| format!("{}: {problem}", submitted.task_id)));
    }
    off
}

fn by_run(effects: Vec<Effect>) -> Written {
    let mut written = Written::new();
    for effect in effects {
        written.entry(effect.run_id.clone()).or_default().push(effect);
    }
    written
}

/// Jobs that nobody submitted: a submit that was done twice would leave one.
fn strangers(submitted: &[Submitted], ledger: &Ledger) -> Vec<String> {
    let ours: BTreeSet<&str> = submitted.iter().map(|job| job.job_id.as_str()).collect();
    let strange = ledger.jobs.iter().filter(|job| !ours.contains(job.job_id.as_str()));
    let task_id =
        |job: &pb::StoredJob| job.spec.as_ref().map(|spec| spec.task_id.clone()).unwrap_or_default();
    strange
        .map(|job| format!("{} ({}) was submitted twice, or by nobody", task_id(job), job.job_id))
        .collect()
}

/// Executions that began without standing in the ledger: something acted before the commit.
fn unknown_effects(ledger: &Ledger, written: &Written) -> Vec<String> {
    let runs = ledger.runs.values().flatten();
    let known: BTreeSet<(&str, u64)> = runs
        .flat_map(|run| run.attempts.iter().map(|attempt| (run.run_id.as_str(), attempt.execution)))
        .collect();
    let all = written.values().flatten();
    let unknown = all.filter(|effect| !known.contains(&(effect.run_id.as_str(), effect.execution)));
    let line = |effect: &Effect| {
        let Effect { task_id, run_id, execution, tasktracker, .. } = effect;
        format!(
            "{task_id}: execution {execution} of {run_id} began on {tasktracker}, and the ledger does not know it"
        )
    };
    unknown.map(line).collect()
}

/// What holds for every run, whatever it is.
fn run_problems(run: &pb::Run, written: &Written) -> Vec<String> {
    let mut off = Vec::new();
    let mut promise = |holds: bool, problem: &str| {
        if !holds {
            off.push(format!("run {} {problem}: {}", run.run_id, story(run)));
        }
    };
    promise(run.end_time.is_some(), "has no fate");
    promise(run.count == 1 && run.state() != pb::RunState::Skipped, "was skipped");
    let tokens: Vec<u64> = run.attempts.iter().map(|attempt| attempt.execution).collect();
    promise(tokens.is_sorted_by(|one, next| one < next), "has fencing tokens that do not grow");
    let early = run.attempts.iter().any(|attempt| at(attempt.dispatch_time) < at(run.planned_time));
    promise(!early, "was dispatched early");
    let accepted = run.attempts.iter().filter(|attempt| succeeded(attempt)).count();
    promise(accepted <= 1, "was completed more than once");
    promise(
        (accepted == 1) == (run.state() == pb::RunState::Succeeded),
        "has a fate that no completion explains",
    );
    promise(extra_executions_are_explained(run), "was executed more often than retries and reclaims explain");
    let effects = written.get(&run.run_id).map_or(&[][..], Vec::as_slice);
    let began = |execution| effects.iter().filter(|effect| effect.execution == execution).count();
    promise(tokens.iter().all(|token| began(*token) <= 1), "had one execution begun twice");
    // One that was told to stop may end before its command has written anything.
    let all_began =
        run.attempts.iter().filter(|attempt| succeeded(attempt)).all(|attempt| began(attempt.execution) >= 1);
    promise(all_began, "has a completion of an execution that never began");
    off
}

fn succeeded(attempt: &pb::Attempt) -> bool {
    attempt.end() == pb::AttemptEnd::Completed && attempt.action() == pb::Action::ExecuteSuccess
}

/// Every execution but the last one failed in a way that is retried, was taken back from a TaskTracker, or was given back
/// by one that had to stop it.
fn extra_executions_are_explained(run: &pb::Run) -> bool {
    let Some((_, earlier)) = run.attempts.split_last() else { return true };
    let explains = |attempt: &pb::Attempt| match attempt.end() {
        pb::AttemptEnd::Reclaimed | pb::AttemptEnd::Interrupted => true,
        pb::AttemptEnd::Completed => {
            matches!(attempt.action(), pb::Action::ExecuteLater | pb::Action::ExecuteException)
        }
        pb::AttemptEnd::Returned | pb::AttemptEnd::Unspecified => false,
    };
    let given_back = earlier.iter().filter(|attempt| attempt.end() == pb::AttemptEnd::Interrupted).count();
    let counted = usize::try_from(run.retries + run.reclaims).unwrap_or(usize::MAX);
    let counted = counted.saturating_add(given_back) >= earlier.len();
    earlier.iter().all(explains) && counted
}

/// A run in a few words, for whoever has to find out what happened.
fn story(run: &pb::Run) -> String {
    let attempts: Vec<String> = run
        .attempts
        .iter()
        .map(|attempt| {
            let end = match attempt.end() {
                pb::AttemptEnd::Completed => format!("{:?}", attempt.action()),
                pb::AttemptEnd::Reclaimed => format!("reclaimed, {:?}", attempt.reclaim_reason()),
                pb::AttemptEnd::Interrupted | pb::AttemptEnd::Returned | pb::AttemptEnd::Unspecified => {
                    format!("{:?}", attempt.end())
                }
            };
            format!(
                "{} on {} from {} ({end})",
                attempt.execution,
                attempt.tasktracker,
                at(attempt.dispatch_time)
            )
        })
        .collect();
    let (state, planned, error) = (run.state(), at(run.planned_time), &run.error);
    format!(
        "{state:?}, planned {planned}, {} retries, {} reclaims, {error:?} [{}]",
        run.retries,
        run.reclaims,
        attempts.join(", ")
    )
}

impl Case<'_> {
    fn problems(&self) -> Vec<String> {
        match &self.submitted.what {
            What::File(file) => self.one(|run| self.file(run, file)),
            What::Cron { cancelled } => self.cron(*cancelled),
            What::Repeat => self.repeat(),
            What::Delayed => self.one(|run| self.delayed(run)),
            What::Flaky => self.one(|run| self.flaky(run)),
            What::CancelledWaiting => self.one(|run| self.cancelled(run, 0)),
            What::CancelledRunning => self.one(|run| self.cancelled(run, 1)),
        }
    }

    /// The job has exactly one run, and that is right.
    fn one(&self, look: impl Fn(&pb::Run) -> Vec<String>) -> Vec<String> {
        match self.runs {
            [run] => look(run),
            runs => vec![format!("has {} fates instead of one", runs.len())],
        }
    }

    fn file(&self, run: &pb::Run, file: &Sample) -> Vec<String> {
        let said = String::from_utf8_lossy(&run.result);
        let is_right = |file: &Sample| {
            let mut words = said.split_whitespace();
            words.next() == Some(&file.words.to_string()) && words.next() == Some(&file.sha256)
        };
        let mut off = fate(run, pb::RunState::Succeeded);
        // A file that somebody changed meanwhile has a new right answer.
        if off.is_empty() && !is_right(file) && !sample(&file.path).is_some_and(|now| is_right(&now)) {
            off.push(format!(
                "{} has {} words and {}, the job said {said:?}",
                file.path, file.words, file.sha256
            ));
        }
        off
    }

    fn cron(&self, cancelled: Option<Timestamp>) -> Vec<String> {
        let cancelled = cancelled.unwrap_or(Timestamp::MAX);
        let mut off = self.contiguous(SECOND);
        for run in self.runs {
            let may_be_cancelled =
                run.state() == pb::RunState::Cancelled && at(run.end_time) + ROUNDING >= cancelled;
            if !may_be_cancelled {
                off.extend(fate(run, pb::RunState::Succeeded));
            }
        }
        let (first, last) = (self.runs.first(), self.runs.last());
        let planned = |run: Option<&pb::Run>| run.map_or(Timestamp::ZERO, |run| at(run.planned_time));
        if planned(first).since(self.created) > SECOND {
            off.push(format!("was created {} and began only {}", self.created, planned(first)));
        }
        if planned(last) + LAST_INSTANT_WITHIN < cancelled {
            off.push(format!("was cancelled {cancelled}, and its last instant is {}", planned(last)));
        }
        off
    }

    fn repeat(&self) -> Vec<String> {
        let mut off = self.contiguous(REPEAT_EVERY.into());
        off.extend(self.runs.iter().flat_map(|run| fate(run, pb::RunState::Succeeded)));
        if u64::try_from(self.runs.len()) != Ok(REPEATS) {
            off.push(format!("has {} fates instead of {REPEATS}", self.runs.len()));
        }
        off
    }

    /// Each instant is one interval after the one before it: none is missed, none is doubled.
    fn contiguous(&self, interval: Millis) -> Vec<String> {
        let mut instants: Vec<Timestamp> = self.runs.iter().map(|run| at(run.planned_time)).collect();
        instants.sort_unstable();
        let wrong = instants.windows(2).filter(|pair| pair[0] + interval != pair[1]);
        wrong.map(|pair| format!("after the instant {} comes {}", pair[0], pair[1])).collect()
    }

    fn delayed(&self, run: &pb::Run) -> Vec<String> {
        let mut off = fate(run, pb::RunState::Succeeded);
        let (planned, wanted) = (at(run.planned_time), self.created + Millis::from(DELAY));
        if planned.since(wanted).max(wanted.since(planned)) > ROUNDING {
            off.push(format!("was planned for {planned} instead of {wanted}"));
        }
        off
    }

    fn flaky(&self, run: &pb::Run) -> Vec<String> {
        let mut off = fate(run, pb::RunState::Succeeded);
        // An execution that was taken back counts for the command, which goes by the number of the attempt.
        let earlier = run.attempts.len().saturating_sub(1);
        if run.retries + run.reclaims < FAILURES || earlier < 2 {
            off.push(format!("should have failed {FAILURES} times: {}", story(run)));
        }
        off
    }

    fn cancelled(&self, run: &pb::Run, executions: usize) -> Vec<String> {
        let mut off = fate(run, pb::RunState::Cancelled);
        if run.attempts.len() != executions {
            off.push(format!(
                "has {} executions instead of {executions}: {}",
                run.attempts.len(),
                story(run)
            ));
        }
        off
    }
}

fn fate(run: &pb::Run, wanted: pb::RunState) -> Vec<String> {
    if run.state() == wanted { Vec::new() } else { vec![format!("should be {wanted:?}: {}", story(run))] }
}
