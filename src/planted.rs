//! Bugs that are planted to show that the tests see: each breaks one promise, and each has the checker that must notice.
//!
//! Only a build with the feature `planted-bugs` has them, and of that build a process has the one that
//! `RAFTSMAN_PLANTED_BUG` names. What is shipped has none: without the feature [`is`] is `false` at compile time. A bug
//! that no checker notices is a hole in the tests.
//!
//! `cargo test --no-default-features --features machine,planted-bugs --lib sim::planted` looks for those that the seeded
//! world must see; `raftsman planted-bugs` lists all. Not here: the places where they are planted, which say so.

#[cfg(feature = "planted-bugs")]
use std::cell::Cell;
#[cfg(feature = "planted-bugs")]
use std::sync::LazyLock;

/// Names the bug that a process has.
#[cfg(feature = "planted-bugs")]
pub const VARIABLE: &str = "RAFTSMAN_PLANTED_BUG";

/// Where a bug is to be found.
#[cfg(feature = "planted-bugs")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The seeded world: machine, dispatcher, planner (`src/sim`).
    World,
    /// Real processes, since the world has no SDK, no disk and no quorum (`jst run`).
    Process,
    /// The whole cluster in one process, on a disk that can lose what was not synced.
    Simulation,
    /// The SDK against fake JobTrackers (`src/client/fail_store/planted.rs`).
    Sdk,
}

#[cfg(feature = "planted-bugs")]
impl Lane {
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::World => "world",
            Lane::Process => "process",
            Lane::Simulation => "simulation",
            Lane::Sdk => "sdk",
        }
    }
}

/// What is known of a bug.
#[cfg(feature = "planted-bugs")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planting {
    pub bug: Bug,
    pub name: &'static str,
    /// Of docs/guarantees.md.
    pub promise: u8,
    /// The faults of LTS that it is, such as `W1`; empty if it is none.
    pub lts: &'static str,
    pub lane: Lane,
    /// The checker that must notice it.
    pub checker: &'static str,
    pub breaks: &'static str,
}

macro_rules! bugs {
    ($($bug:ident $name:literal promise $promise:literal lts $lts:literal $lane:ident $checker:literal: $breaks:literal;)*) => {
        /// A bug that may be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $breaks] $bug,)*
        }

        /// All bugs, by promise.
        #[cfg(feature = "planted-bugs")]
        pub const ALL: &[Planting] = &[$(Planting {
            bug: Bug::$bug,
            name: $name,
            promise: $promise,
            lts: $lts,
            lane: Lane::$lane,
            checker: $checker,
            breaks: $breaks,
        }),*];
    };
}

bugs! {
    LogNotSynced "log_not_synced" promise 1 lts "" Process "B1":
        "The Raft log acknowledges entries that it did not sync.";
    VoteNotSynced "vote_not_synced" promise 1 lts "" Simulation "M1":
        "A vote is given before it is on disk, so that a power cut takes it back.";
    HalfABatch "half_a_batch" promise 1 lts "W9" World "B1":
        "The last job of a batch is accepted and not stored.";
    FlushOmitsExecuting "flush_omits_executing" promise 1 lts "" World "B1":
        "Layers reach the disk without the runs that execute.";
    ReplaceStartsNothing "replace_starts_nothing" promise 1 lts "W13" World "B1":
        "A job that is replaced has neither its old runs nor new ones.";
    ApplySeesLocalState "apply_sees_local_state" promise 1 lts "" World "A1":
        "What apply writes depends on how far this node's own disk is.";
    RipensEarly "ripens_early" promise 2 lts "" World "K2":
        "A run is ready a second before it is due.";
    MisfiresAllRun "misfires_all_run" promise 2 lts "" World "K4":
        "After an outage every missed instant runs, whatever the misfire policy says.";
    PlanFromTheClock "plan_from_the_clock" promise 2 lts "W11" World "K1":
        "The calendar goes on from the leader's present instead of the last planned instant.";
    NewCronNotPlanned "new_cron_not_planned" promise 2 lts "W12" World "K1":
        "A new cron is stored, and nobody is told that it needs a plan.";
    PlanOfAnOldRevision "plan_of_an_old_revision" promise 2 lts "W14" World "K1":
        "A plan is taken in whatever the job has become since it was made.";
    HopelessCronAccepted "hopeless_cron_accepted" promise 2 lts "W19" Process "K1":
        "A cron that never fires again is accepted.";
    EndlessRepeatEnds "endless_repeat_ends" promise 2 lts "W23" World "K5":
        "A repeat job without an end is gone after its first run.";
    CompletionWithoutNextCycle "completion_without_next_cycle" promise 2 lts "W10" World "K1":
        "A run of a periodic job ends, and its rhythm does not hear of it.";
    RunsNamedByTheSecond "runs_named_by_the_second" promise 2 lts "W24" World "K1":
        "Two instants within one second get the same run.";
    CompleteByRun "complete_by_run" promise 3 lts "W1" World "B3":
        "A result of an older execution completes the run's current one.";
    StaleExecutionIndex "stale_execution_index" promise 3 lts "W2" World "L1":
        "An execution that has ended still leads to its run, so that taking it back hits the next one.";
    BrokenStreamIsDeath "broken_stream_is_death" promise 3 lts "W4" World "L5":
        "A TaskTracker whose connection broke counts as gone at once.";
    NewLeaderGivesNoGrace "new_leader_gives_no_grace" promise 3 lts "W5" World "L5":
        "A new leader takes every TaskTracker that it has not heard yet for gone.";
    OldPushesAreUndone "old_pushes_are_undone" promise 3 lts "W6" World "L1":
        "A timer puts executions back to ready although a TaskTracker has them.";
    ReadyEntryStays "ready_entry_stays" promise 3 lts "W9" World "L1":
        "A run that was dispatched stays in the ready queue too.";
    IdsRestart "ids_restart" promise 3 lts "" World "L1":
        "Ids, and with them fencing tokens, start again from time to time.";
    PreviousCycleIgnored "previous_cycle_ignored" promise 3 lts "" World "L1":
        "An instant runs while the previous cycle of its job executes.";
    HeartbeatWithoutQuorum "heartbeat_without_quorum" promise 3 lts "" Process "L4":
        "A leader answers heartbeats without asking whether it still leads.";
    StopWorkingNever "stop_working_never" promise 3 lts "" Process "L4":
        "A TaskTracker that is cut off works on (LTS's StopWorkingMonitor was inverted).";
    OwedResultsReclaimed "owed_results_reclaimed" promise 4 lts "W3" World "B3":
        "A restarted TaskTracker's hello is not read for the results that it still owes.";
    FirstResultForAll "first_result_for_all" promise 4 lts "" World "B3":
        "All results of a message are taken for what the first of them says.";
    ReclaimsNotCounted "reclaims_not_counted" promise 4 lts "" World "B4":
        "A reclaim counts no attempt, so that a job that kills its TaskTrackers goes on for ever.";
    TimeoutFromCreation "timeout_from_creation" promise 4 lts "W22" World "L5":
        "The run timeout is over when the execution begins, as if it counted from the job's creation.";
    LostPushStaysLost "lost_push_stays_lost" promise 4 lts "W7 W8" Process "B4":
        "A push that did not arrive is neither repeated nor asked about.";
    OwedNotReadAtStart "owed_not_read_at_start" promise 4 lts "W17" Process "F1":
        "A restarted TaskTracker does not look into its FailStore.";
    LaterTermsKeepNoTime "later_terms_keep_no_time" promise 4 lts "W20" Process "L5":
        "Only the first leader looks for TaskTrackers that are silent; a later one never does.";
    RetryAfterCancel "retry_after_cancel" promise 5 lts "" World "C1":
        "A cancelled run that fails is tried again (LTS queued it).";
    RetryOfSuspended "retry_of_suspended" promise 5 lts "" World "C5":
        "A run of a suspended job that fails or is taken back is tried again at once.";
    SuspendLeavesReady "suspend_leaves_ready" promise 5 lts "W14" World "C5":
        "A suspend is written down, and the job's ready run stays in its queue.";
    ReplaceRevives "replace_revives" promise 5 lts "" World "C5":
        "A resubmit that replaces a suspended job revives it (LTS did).";
    CancelledWhileExecuting "cancelled_while_executing" promise 5 lts "" World "C3":
        "CANCELLED is answered though the run executes.";
    CancelledRunStays "cancelled_run_stays" promise 5 lts "" World "C1":
        "A ready run survives the cancel of its job.";
    ExecutingIsNotFound "executing_is_not_found" promise 5 lts "" World "C3":
        "NOT_FOUND is answered for a job that executes.";
    TerminateIsSentOnce "terminate_is_sent_once" promise 5 lts "" Process "C4":
        "An order to stop is not repeated to a TaskTracker that comes back.";
    AnswersNotFlushed "answers_not_flushed" promise 6 lts "W15" World "B2":
        "The answers to earlier requests do not reach the disk, and so no snapshot.";
    FailStoreByTaskId "fail_store_by_task_id" promise 6 lts "W16" Sdk "F2":
        "A JobClient's FailStore keeps a submission under its task id, so that two node groups overwrite each other.";
    FailStoreOfEachStart "fail_store_of_each_start" promise 6 lts "W17" Sdk "F2":
        "A restarted JobClient has another identity, and does not look into the FailStore of the old one.";
    ReplayUnderANewKey "replay_under_a_new_key" promise 6 lts "W15" Sdk "F2":
        "What may have been done before it was saved is sent from the FailStore as a new request.";
    UnknownToldAsNotApplied "unknown_told_as_not_applied" promise 6 lts "" Simulation "A2":
        "A command whose leader was deposed is taken for one that was never proposed.";
    ReadWithoutQuorum "read_without_quorum" promise 7 lts "" Process "A2":
        "A linearizable read asks nobody whether this node's tables are recent.";
    ListMissesWaiting "list_misses_waiting" promise 7 lts "" Process "Q1":
        "A list with a filter for states leaves out jobs that wait for a retry.";
    ReplacedSessionHasNoEnd "replaced_session_has_no_end" promise 7 lts "" World "N1":
        "A TaskTracker's new start takes the place of its old one, and the history of nodes does not show that one's end.";
    ListPagesByOffset "list_pages_by_offset" promise 7 lts "" World "Q2":
        "A list goes on after so many rows instead of after the last one.";
    NewLeaderDawdles "new_leader_dawdles" promise 8 lts "" Process "V1":
        "A new leader begins its work fifteen seconds after its election.";
    FeedbackNotFlushed "feedback_not_flushed" promise 9 lts "W10" World "B5":
        "Feedback does not reach the disk with the fate that it tells.";
    FeedbackOfSuccessOnly "feedback_of_success_only" promise 9 lts "W10" World "B5":
        "Feedback is written where results are taken in, not where runs end, and so not of those that died.";
    FailedHandlerIsAcknowledged "failed_handler_is_acknowledged" promise 9 lts "W18" Sdk "B5":
        "A JobClient acknowledges feedback although its handler failed.";
    FailedFeedbackRestsForEver "failed_feedback_rests_for_ever" promise 9 lts "W21" World "B5":
        "Feedback whose handler failed is not told again for weeks.";
}

/// Whether this bug is planted here.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_bug: Bug) -> bool {
    false
}

/// Whether this bug is planted here: in this thread by a test, else in the process by its environment.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    HERE.get().or(*CHOSEN) == Some(bug)
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static HERE: Cell<Option<Bug>> = const { Cell::new(None) };
}

#[cfg(feature = "planted-bugs")]
static CHOSEN: LazyLock<Option<Bug>> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
    Some(find(&name).unwrap_or_else(|| panic!("{VARIABLE}={name} names no planted bug")).bug)
});

/// The bug of this process.
///
/// # Panics
/// If the environment names one that does not exist: a test that believes to have one must not go on without.
#[cfg(feature = "planted-bugs")]
pub fn chosen() -> Option<&'static Planting> {
    let chosen = (*CHOSEN)?;
    ALL.iter().find(|planting| planting.bug == chosen)
}

/// The bug of this name.
#[cfg(feature = "planted-bugs")]
pub fn find(name: &str) -> Option<&'static Planting> {
    ALL.iter().find(|planting| planting.name == name)
}

/// Plants a bug in this thread only, or none.
#[cfg(feature = "planted-bugs")]
pub fn plant_here(bug: Option<Bug>) {
    HERE.set(bug);
}

#[cfg(all(test, feature = "planted-bugs"))]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_promise_has_a_bug_and_every_bug_a_name_of_its_own() {
        let names: BTreeSet<_> = ALL.iter().map(|planting| planting.name).collect();
        assert_eq!(names.len(), ALL.len());
        let promises: BTreeSet<_> = ALL.iter().map(|planting| planting.promise).collect();
        assert_eq!(promises, (1..=9).collect());
        assert!(ALL.len() >= 24, "only {} bugs", ALL.len());
    }

    #[test]
    fn the_page_lists_every_bug() {
        let mut page = String::from(
            "# Planted bugs\n\nBugs that are planted to show that the tests see. Only a build with the feature \
             `planted-bugs` has them, and of that build\na process has the one that `RAFTSMAN_PLANTED_BUG` names. What is \
             shipped has none. A bug that its checker does not notice is a\nhole in the tests, and the hole is closed.\n\n\
             - *world*: `cargo test --release --no-default-features --features machine,planted-bugs --lib sim::planted -- \
             --nocapture`\n  lives seeds with each until one breaks, fifty at most.\n- *process*: real processes, since the \
             world has no SDK, no disk and no quorum: `jst planted` of jepsen-style-tests.\n- *simulation*: the whole cluster on a \
             disk that loses what was not synced: `raftsman-simulation --planted`.\n- *sdk*: the JobClient among fake JobTrackers: \
             `cargo test --features planted-bugs --lib fail_store::planted`.\n\n`make planted` looks for all of them \
             and prints which are caught and which are missed.\n\nThe world missed three at first. `misfires_all_run`: nobody compared how many misfired instants \
             ran with the policy.\n`timeout_from_creation`: an order to stop was obeyed without asking why. \
             `plan_of_an_old_revision`: the calendar was always fast,\nand crons were hardly ever replaced while it \
             thought.\n\nReal processes missed four at first. `log_not_synced`: without a sync the disks forgot even who is in the \
             cluster, and a run without\na leader judged nothing; now the system writes back now and then meanwhile. \
             `stop_working_never`: no execution outlasted the\npatience of the cluster. `terminate_is_sent_once`: nor did one \
             outlast what may follow from a fault, and a connection that is cut for\na moment delivers what was said; now the \
             leader that said it dies. `new_leader_dawdles`: clients were sent home before the\nleader began its work; now \
             each run ends with a write through each JobTracker. Two were caught at once by what was added for them:\na cron \
             for the 30th of February, and TaskTrackers that die while they are cut off and owe results.\n\n`lost_push_stays_lost` was missed once more in a later hunt: what is stuck runs after all when everybody has \
             lost power at the end\nof a run. Now a job that has not ended a minute after the healing counts, whatever becomes \
             of it.\n\nThe simulation missed `heartbeat_without_quorum`: there all TaskTrackers stay with a leader that is cut \
             off, so nobody was left to\nbegin the run a second time. Real processes have a partition in which one TaskTracker \
             sees nobody but the deposed leader.\n\n<!-- made from src/planted.rs: UPDATE_EXPECT=1 cargo test --features planted-bugs --lib planted \
             -->\n\n| bug | promise | LTS | found in | by | what it breaks |\n|---|---|---|---|---|---|\n",
        );
        for planting in ALL {
            let Planting { name, promise, lts, lane, checker, breaks, .. } = planting;
            let lane = lane.as_str();
            writeln!(page, "| `{name}` | {promise} | {lts} | {lane} | {checker} | {breaks} |")
                .expect("a String takes everything");
        }
        expect_test::expect_file!["../docs/planted-bugs.md"].assert_eq(&page);
    }

    #[test]
    fn a_bug_is_planted_in_the_thread_that_asked_and_nowhere_else() {
        plant_here(Some(Bug::RipensEarly));
        let elsewhere = std::thread::spawn(|| is(Bug::RipensEarly)).join().expect("it does not panic");
        assert!(is(Bug::RipensEarly) && !is(Bug::HalfABatch) && !elsewhere);
        plant_here(None);
        assert!(!is(Bug::RipensEarly));
    }
}
