//! `docs/operations-by-state.md`: what each operation answers in each state of a job, asked of the machine itself.
//! `UPDATE_EXPECT=1 cargo test --no-default-features --features machine operations_by_state` rewrites it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::script::{self, Names};
use crate::domain::JobId;
use crate::machine::reply::{ActAnswer, CancelAnswer, Refusal, Reply, SubmitAnswer, UpdateAnswer};
use crate::machine::{JobState, Machine, NoBase};

/// A state by its name, and the entries that bring job `trade/t` there; it is 3.0 where there is one.
struct State(&'static str, &'static [&'static str]);

const ONLINE: [&str; 2] = ["at 1000 online w1 trade 9", "at 1000 tick"];

const ONE_SHOT: &[State] = &[
    State("unknown", &[]),
    State("waiting for its time", &["submit t trade at=9000"]),
    State("ready", &["submit t trade"]),
    State("executing", &["submit t trade retries=3", "dispatch w1 1"]),
    State("waiting for its retry", &["submit t trade retries=3", "dispatch w1 1", "complete 4.0 later"]),
    State("suspended, held", &["submit t trade at=9000", "suspend trade/t"]),
    State("suspended, executing", &["submit t trade retries=3", "dispatch w1 1", "suspend trade/t"]),
    State("cancelled, executing", &["submit t trade", "dispatch w1 1", "cancel trade/t"]),
    State("finished: succeeded", &["submit t trade", "dispatch w1 1", "complete 4.0 success"]),
    State("finished: dead", &["submit t trade", "dispatch w1 1", "complete 4.0 exception"]),
    State("finished: cancelled", &["submit t trade at=9000", "cancel trade/t"]),
    State("deleted", &["submit t trade at=9000", "delete trade/t"]),
];

const PERIODIC: &[State] = &[
    State("between instants", &["submit t trade every=500 first=9000"]),
    State("ready", &["submit t trade every=500", "tick"]),
    State("executing", &["submit t trade every=500", "tick", "dispatch w1 1"]),
    State(
        "between instants, one is dead",
        &["submit t trade every=500", "tick", "dispatch w1 1", "complete 5.0 exception"],
    ),
    State(
        "waiting for its retry",
        &["submit t trade every=90000 retries=3", "tick", "dispatch w1 1", "complete 5.0 later"],
    ),
    State("suspended", &["submit t trade every=500 first=9000", "suspend trade/t"]),
    State("suspended, executing", &["submit t trade every=500", "tick", "dispatch w1 1", "suspend trade/t"]),
    State("cancelled, executing", &["submit t trade every=500", "tick", "dispatch w1 1", "cancel trade/t"]),
    State("finished", &["submit t trade every=500 count=1", "tick", "dispatch w1 1", "complete 5.0 success"]),
    State(
        "a newer one-shot revision waits",
        &["submit t trade every=500", "tick", "dispatch w1 1", "submit t trade replace"],
    ),
];

/// The operations by their names.
const OPERATIONS: &[(&str, &str)] = &[
    ("submit, ignore", "submit t trade"),
    ("submit, reject", "submit t trade reject"),
    ("submit, replace", "submit t trade at=9000 replace"),
    ("cancel", "cancel trade/t"),
    ("update", "update trade/t priority=5"),
    ("suspend", "suspend trade/t"),
    ("resume", "resume trade/t"),
    ("trigger", "trigger trade/t"),
    ("retry the last dead run", "retry trade/t"),
    ("retry run 0", "retry 3.0/0"),
    ("terminate run 0", "terminate 3.0/0"),
    ("delete", "delete trade/t"),
];

struct Player {
    machine: Machine,
    names: Names,
}

impl Player {
    fn in_state(state: &State) -> Player {
        let mut player =
            Player { machine: Machine::open(Arc::new(NoBase)).unwrap(), names: Names::default() };
        player.names.sessions.insert("w1".into(), "1.0".parse().unwrap());
        ONLINE.iter().for_each(|line| drop(player.play(line)));
        state.1.iter().for_each(|line| drop(player.play(&format!("at 1000 {line}"))));
        player
    }

    fn play(&mut self, line: &str) -> Reply {
        let entry = script::entry(line, &self.names, self.machine.tables().meta().limits);
        let applied = self.machine.apply(self.machine.applied_index() + 1, &entry).unwrap();
        let broken = self.machine.check().unwrap();
        assert!(broken.is_empty(), "{line}: {broken:?}");
        applied.replies.into_iter().next().unwrap()
    }

    /// The state of the job that has, or last had, the key.
    fn state(&self) -> String {
        let tables = self.machine.tables();
        let job: Option<JobId> = tables.find_job(&"trade".parse().unwrap(), &"t".parse().unwrap()).unwrap();
        match job.and_then(|job| tables.job_view(job).unwrap()) {
            None => "unknown".into(),
            Some(view) => match view.state {
                JobState::Ended(fate) => {
                    let fate = format!("{fate:?}");
                    fate.split(' ').next().unwrap_or_default().to_lowercase()
                }
                state => format!("{state:?}").to_lowercase(),
            },
        }
    }
}

fn word(reply: &Reply) -> &'static str {
    match reply {
        Reply::Submitted(answers) => match &answers[0] {
            SubmitAnswer::Accepted(_) => "ACCEPTED",
            SubmitAnswer::Exists(_) => "EXISTS",
            SubmitAnswer::Replaced(..) => "REPLACED",
            SubmitAnswer::Conflict(_) => "JOB_EXISTS",
            SubmitAnswer::Refused => "REFUSED",
        },
        Reply::Cancelled(answer) => match answer {
            CancelAnswer::Cancelled(_) => "CANCELLED",
            CancelAnswer::CancelRequested(_) => "CANCEL_REQUESTED",
            CancelAnswer::AlreadyFinished(..) => "ALREADY_FINISHED",
            CancelAnswer::NotFound => "NOT_FOUND",
        },
        Reply::Acted(answer) => match answer {
            ActAnswer::Suspended(_) => "SUSPENDED",
            ActAnswer::AlreadySuspended(_) => "ALREADY_SUSPENDED",
            ActAnswer::Resumed(_) => "RESUMED",
            ActAnswer::NotSuspended(_) => "NOT_SUSPENDED",
            ActAnswer::Ended(_) => "ENDED",
            ActAnswer::Triggered(_) => "TRIGGERED",
            ActAnswer::AlreadyReady(_) => "ALREADY_READY",
            ActAnswer::AlreadyRunning(_) => "ALREADY_RUNNING",
            ActAnswer::Deleted(_) => "DELETED",
            ActAnswer::StillExecuting(_) => "EXECUTING",
            ActAnswer::CancelRequested(_) => "CANCEL_REQUESTED",
            ActAnswer::AlreadyFinished(..) => "ALREADY_FINISHED",
            ActAnswer::NotFound => "NOT_FOUND",
        },
        Reply::Updated(answer) => match answer {
            UpdateAnswer::Updated(..) => "UPDATED",
            UpdateAnswer::RevisionConflict(..) => "REVISION_CONFLICT",
            UpdateAnswer::AlreadyFinished(..) => "ALREADY_FINISHED",
            UpdateAnswer::NotFound => "NOT_FOUND",
            UpdateAnswer::KeyTaken(_) => "KEY_TAKEN",
            UpdateAnswer::TypeDiffers(_) | UpdateAnswer::Wrong(_) | UpdateAnswer::Refused => "REFUSED",
        },
        Reply::Terminating(_) => "REQUESTED",
        Reply::Retried(_) => "ACCEPTED",
        Reply::Refused(Refusal::NotExecuting(_)) => "NOT_EXECUTING",
        Reply::Refused(Refusal::StillLive(_) | Refusal::NoDeadRun(_)) => "NOT_DEAD",
        Reply::Refused(Refusal::UnknownRun(_) | Refusal::UnknownJob) => "NOT_FOUND",
        Reply::Refused(Refusal::KeyTaken(_)) => "JOB_EXISTS",
        other => panic!("{other:?} is no answer of these operations"),
    }
}

fn table(page: &mut String, states: &[State]) {
    let names: Vec<&str> = OPERATIONS.iter().map(|(name, _)| *name).collect();
    writeln!(page, "| state | {} |", names.join(" | ")).unwrap();
    writeln!(page, "|{}", "---|".repeat(names.len() + 1)).unwrap();
    for state in states {
        write!(page, "| {} |", state.0).unwrap();
        for (_, operation) in OPERATIONS {
            let mut player = Player::in_state(state);
            let before = player.state();
            let answer = word(&player.play(&format!("at 1000 {operation}")));
            match player.state() {
                after if after == before => write!(page, " {answer} |").unwrap(),
                after => write!(page, " {answer}: {after} |").unwrap(),
            }
        }
        page.push('\n');
    }
}

#[test]
fn operations_by_state() {
    let mut page = String::from(
        "# Operations by state\n\nWhat each operation answers in each state of a job, asked of the state machine itself. \
         `ANSWER: state` says that the job's state\nchanges at once and how; an answer alone leaves it as it is. The same \
         request, sent again with its sequence or request id, gets\nits first answer, whatever the state is by then.\n\n\
         - CANCELLED promises that nothing of the job was or will be dispatched. CANCEL_REQUESTED: something executes, or was \
         executed\n  and waits for its retry; it is asked to stop and gets no further attempt.\n\
         - SUSPENDED: what executes runs out; nothing else is dispatched until RESUMED. Of a periodic job a run that has not \
         begun is\n  skipped, and one that waits for its retry ends failed. A resubmit never revives: EXISTS, or a new \
         revision that stays suspended.\n\
         - ENDED: suspended or resumed, and nothing of it is left to come.\n\
         - TRIGGERED runs the job now, suspended or not, and leaves its schedule as it is. ALREADY_READY and ALREADY_RUNNING \
         are of\n  jobs that have one run: nothing changed.\n\
         - EXECUTING: nothing was deleted; cancel the job or terminate its run first.\n\
         - `expected_revision` (update, suspend, resume, trigger, delete) other than the job's own: REVISION_CONFLICT, which names the \
         job's.\n\n\
         <!-- made from src/machine/tests/operations_by_state.rs: UPDATE_EXPECT=1 cargo test --no-default-features \
         --features machine operations_by_state -->\n\n## One-shot jobs: real time, trigger time\n\n",
    );
    table(&mut page, ONE_SHOT);
    page += "\n## Periodic jobs: cron, repeat\n\n";
    table(&mut page, PERIODIC);
    expect_test::expect_file!["../../../docs/operations-by-state.md"].assert_eq(&page);
}
