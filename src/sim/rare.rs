//! What a run of many seeds must have met: a green run that never saw a stale completion proves nothing.

use std::fmt::Write as _;

macro_rules! rare {
    ($($name:ident: $least:literal per mille, $what:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Rare { $($name),+ }

        /// Its words, and how often a thousand seeds meet it at least.
        const EVENTS: &[(&str, u64)] = &[$(($what, $least)),+];
    };
}

rare! {
    Entries: 300_000 per mille, "entries committed";
    IdleDispatches: 0 per mille, "dispatches that started nothing";
    Executions: 100_000 per mille, "executions begun";
    Completions: 100_000 per mille, "results accepted";
    StaleCompletions: 1_000 per mille, "stale results, answered and without effect";
    ResultsAgain: 1_000 per mille, "accepted results that came again";
    ReclaimsSilent: 4_000 per mille, "reclaims from a silent TaskTracker";
    ReclaimsRestarted: 7_000 per mille, "reclaims from a restarted TaskTracker";
    ReclaimsUnknown: 200 per mille, "reclaims of what a TaskTracker did not know";
    ReclaimsTimedOut: 30 per mille, "reclaims of what did not stop in time";
    ReclaimsLeft: 90 per mille, "reclaims from a TaskTracker that left";
    DeadByReclaims: 700 per mille, "runs that are dead by reclaims";
    DeadByRetries: 10_000 per mille, "runs that are dead by retries";
    LostPushesAgain: 3_000 per mille, "lost pushes that were pushed again";
    DuplicatePushes: 1_000 per mille, "pushes that came twice";
    PushesDropped: 800 per mille, "pushes that never came";
    LatePushes: 1_000 per mille, "pushes that came more than half a second late";
    Returns: 5_000 per mille, "pushes given back";
    Interrupts: 500 per mille, "executions that had begun and were given back";
    SelfFenced: 2_000 per mille, "executions interrupted because the cluster was silent";
    Zombies: 1_000 per mille, "TaskTrackers that came back after they were declared gone";
    OwedAfterRestart: 600 per mille, "restarts with owed results";
    OwedLost: 100 per mille, "restarts that lost owed results";
    TakenOver: 300 per mille, "executions taken over by a new start";
    Drains: 700 per mille, "TaskTrackers that drained and left";
    IdentityInUse: 600 per mille, "hellos that were refused at the door";
    PlansTwice: 100 per mille, "plans that came twice";
    LeaderChanges: 4_000 per mille, "leader changes";
    LeaderChangesMidFlight: 400 per mille, "leader changes with proposals in flight";
    ProposalsLost: 200 per mille, "proposals that were lost";
    ProposalsCommittedLater: 200 per mille, "proposals that were committed without their proposer";
    UnknownOutcomes: 3_000 per mille, "requests whose outcome was unknown";
    AnswersAgain: 5_000 per mille, "requests that came again and got the first answer";
    Crashes: 3_000 per mille, "JobTrackers that crashed and replayed";
    Snapshots: 100 per mille, "snapshots installed";
    PowerCuts: 200 per mille, "power cuts of all JobTrackers";
    ClockJumps: 3_000 per mille, "clocks that jumped";
    Outages: 100 per mille, "long outages";
    Cancelled: 10_000 per mille, "cancels answered CANCELLED";
    CancelRequested: 5_000 per mille, "cancels answered CANCEL_REQUESTED";
    CancelWhileExecuting: 5_000 per mille, "cancels while executing";
    CancelBetweenAttempts: 500 per mille, "cancels between attempts";
    AlreadyFinished: 10_000 per mille, "cancels answered ALREADY_FINISHED";
    NotFound: 2_000 per mille, "cancels answered NOT_FOUND";
    Terminated: 5_000 per mille, "executions terminated";
    RetriedByHand: 1_000 per mille, "runs retried by hand";
    Suspended: 1_500 per mille, "suspends answered SUSPENDED";
    SuspendedWhileExecuting: 300 per mille, "suspends while executing";
    Resumed: 500 per mille, "suspended jobs that were resumed";
    SkippedSuspended: 1_000 per mille, "instants skipped because the job was suspended";
    Triggered: 1_000 per mille, "runs triggered by hand";
    Deleted: 300 per mille, "jobs that were deleted";
    Exists: 7_000 per mille, "submits answered EXISTS";
    Replaced: 3_000 per mille, "submits that replaced a job";
    ReplacedWhileExecuting: 500 per mille, "replacements while executing";
    Superseded: 3_000 per mille, "runs that a newer revision superseded";
    RetriesSuperseded: 700 per mille, "retries that the next cycle superseded";
    SkippedPreviousLive: 30_000 per mille, "instants skipped because the previous cycle was live";
    SkippedMisfired: 4_000 per mille, "instants skipped as misfires";
    SkippedDeadline: 5_000 per mille, "instants skipped after their start deadline";
    Instants: 90_000 per mille, "instants of periodic jobs";
    CronInstants: 40_000 per mille, "instants of crons";
    EndedByThemselves: 1_000 per mille, "periodic jobs that ended by themselves";
    FeedbackHeardTwice: 1_000 per mille, "feedback that was acknowledged twice";
    FeedbackFailed: 1_000 per mille, "feedback whose handler failed";
    FeedbackHeard: 10_000 per mille, "feedback that was heard";
    BizLines: 5_000 per mille, "entries with lines of user code";
    Checks: 5_000 per mille, "checks of all tables";
}

const COUNT: usize = EVENTS.len();

#[derive(Clone, Debug)]
pub(super) struct Counts([u64; COUNT]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; COUNT])
    }
}

impl Counts {
    pub(super) fn saw(&mut self, what: Rare) {
        self.add(what, 1);
    }

    pub(super) fn add(&mut self, what: Rare, count: u64) {
        self.0[what as usize] += count;
    }

    pub(super) fn merge(&mut self, other: &Counts) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// What was met too rarely in so many seeds.
    pub(super) fn missing(&self, seeds: u64) -> Vec<String> {
        let too_few = |((what, least), count): (&(&str, u64), u64)| {
            let least = least * seeds / 1000;
            (count < least).then(|| format!("{what}: {count}, at least {least} wanted"))
        };
        EVENTS.iter().zip(self.0).filter_map(too_few).collect()
    }

    pub(super) fn report(&self) -> String {
        let mut report = String::new();
        for ((what, _), count) in EVENTS.iter().zip(self.0) {
            writeln!(report, "{count:>9} {what}").expect("a String takes everything");
        }
        report
    }
}
