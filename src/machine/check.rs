//! What must hold of the tables at every index, as code: tests call it after each step, the simulation at the end of
//! a seed, `raftsman doctor` on a stopped node. One function an invariant.
//!
//! It reads every row into memory and is far from the hot path. Not here: that a session executes no more than its
//! capacity, since a hello may lower the capacity below what executes already; the model test holds `Dispatch` to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::Machine;
use super::alarm::AlarmRow;
use super::base::BaseError;
use super::index::Indexes;
use super::job_log;
use super::key::Key;
use super::limits::{
    ALARM_SUBJECTS_MAX, ALARM_TARGETS_MAX, ATTEMPTS_KEPT, CLIENT_WINDOW, JOB_LINES_MAX, PLAN_AHEAD_MAX,
};
use super::queue::end::tally;
use super::row::{
    Attempt, AttemptEnd, BodyRow, ClientRow, Fate, FeedbackGroupRow, FeedbackRow, FeedbackState, GroupRow,
    Hold, JobRow, LedgerRow, LiveRun, LiveState, LogAgeRow, NodeEvent, NodeEventRow, NodeType, PeriodicRow,
    Rhythm, Row, TrackerRow,
};
use super::stats::{MINUTE, minute_of};
use super::tables::Tables;
use crate::domain::{
    AlarmRule, AlarmSubject, ClientId, Identity, JobId, NodeGroup, Position, RequestId, RunId, Schedule,
    SessionId, TaskId, Timestamp,
};

/// A promise that the tables break, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("row {0} is of another table than its key")]
    MixedUp(String),
    #[error("the index {0} is not what a scan of the rows gives")]
    IndexDiffers(&'static str),
    #[error("id {0} was given twice")]
    IdRepeats(Position),
    #[error("id {0} is from the future: nothing after {1} was applied")]
    IdFromTheFuture(Position, Position),
    #[error("run {0} is live and has ended")]
    LiveAndEnded(RunId),
    #[error("run {0}: {1}")]
    Run(RunId, String),
    #[error("job {0}: {1}")]
    Job(JobId, String),
    #[error("task {0}/{1}: {2}")]
    TaskKey(NodeGroup, TaskId, String),
    #[error("group {0} counts {1} finished runs and keeps {2}")]
    Kept(NodeGroup, u64, u64),
    #[error("client session {0}: {1}")]
    Client(ClientId, String),
    #[error("the history of {0} counts {1} and has {2}")]
    History(&'static str, u64, u64),
    #[error("the history of {0} has two of the same kind in a row, the second at {1}")]
    NodeHistory(Identity, Timestamp),
    #[error("alarm {0} of {1}: {2}")]
    Alarm(AlarmRule, AlarmSubject, &'static str),
    #[error("request {0}: its row and its age do not match")]
    Request(RequestId),
    #[error("feedback of {0}: {1}")]
    Feedback(NodeGroup, String),
    #[error("group {0} counts {2} {1} and its runs show {3}")]
    Counter(NodeGroup, &'static str, u64, u64),
    #[error("group {0}: its rows of series are ahead of its counters")]
    Sampled(NodeGroup),
    #[error("{0} rows of series are counted and {1} are there")]
    StatsRows(u64, u64),
    #[error("series: {0} is not of a whole minute, or of one to come")]
    StatsMinute(String),
}

impl Machine {
    /// All broken promises; none on a sound machine.
    ///
    /// # Errors
    /// If the disk fails or holds what this version cannot read.
    pub fn check(&self) -> Result<Vec<Violation>, BaseError> {
        check(&self.tables)
    }
}

/// All broken promises of these tables.
pub(super) fn check(tables: &Tables) -> Result<Vec<Violation>, BaseError> {
    let mut found = Vec::new();
    let rows = Rows::read(tables, &mut found)?;
    let invariants = [
        runs_have_one_place,
        runs_add_up,
        executing_runs_are_on_a_known_session,
        jobs_are_alive_or_remembered,
        task_keys_point_at_jobs_and_back,
        periodic_rows_count_their_runs,
        bodies_are_used,
        what_is_suspended_rests,
        what_is_deleted_is_unknown,
        instants_are_settled_once_and_in_order,
        the_finished_index_mirrors_the_ledger,
        the_job_log_is_about_what_is_known,
        answers_lie_in_their_window,
        request_ages_mirror_requests,
        counters_hold_what_the_runs_show,
        alarms_are_few_and_in_order,
        feedback_is_of_ended_runs_and_adds_up,
        live_runs_know_who_wants_feedback,
    ];
    invariants.iter().for_each(|invariant| invariant(&rows, &mut found));
    indexes_mirror_rows(tables, &rows, &mut found);
    histories_add_up(tables, &rows, &mut found);
    ids_are_unique_and_past(tables, &rows, &mut found);
    series_are_counted_and_past(tables, &rows, &mut found);
    Ok(found)
}

/// Every row, by table.
#[derive(Default)]
struct Rows {
    jobs: BTreeMap<JobId, Arc<JobRow>>,
    bodies: BTreeMap<(JobId, u32), BodyRow>,
    task_keys: BTreeMap<(NodeGroup, TaskId), JobId>,
    live: BTreeMap<RunId, Arc<LiveRun>>,
    periodic: BTreeMap<JobId, Arc<PeriodicRow>>,
    ledger: BTreeMap<RunId, Arc<LedgerRow>>,
    finished: BTreeSet<(NodeGroup, Timestamp, RunId)>,
    /// What each line takes.
    job_log: BTreeMap<(RunId, Position), u64>,
    trackers: BTreeMap<(NodeGroup, Identity), Arc<TrackerRow>>,
    groups: BTreeMap<NodeGroup, GroupRow>,
    clients: BTreeMap<ClientId, ClientRow>,
    answers: BTreeSet<(ClientId, u64)>,
    requests: BTreeSet<(Timestamp, RequestId)>,
    paused: BTreeMap<NodeGroup, Hold>,
    request_ages: BTreeSet<(Timestamp, RequestId)>,
    feedback: BTreeMap<(NodeGroup, RunId), Arc<FeedbackRow>>,
    feedback_groups: BTreeMap<NodeGroup, FeedbackGroupRow>,
    deleted: BTreeMap<JobId, NodeGroup>,
    node_events: BTreeMap<Position, NodeEventRow>,
    log_ages: BTreeMap<(Position, RunId), LogAgeRow>,
    stats: Vec<(Timestamp, Key)>,
    sampled: BTreeMap<NodeGroup, GroupRow>,
    alarms: BTreeMap<(AlarmRule, AlarmSubject), AlarmRow>,
}

impl Rows {
    fn read(tables: &Tables, found: &mut Vec<Violation>) -> Result<Rows, BaseError> {
        let mut rows = Rows::default();
        for row in tables.scan(Bound::Included(&Key::Mark(0)), &Key::end()) {
            let (key, row) = row?;
            if let Some(key) = rows.add(key, row) {
                found.push(Violation::MixedUp(format!("{key:?}")));
            }
        }
        Ok(rows)
    }

    /// Gives the key back if the row is not of its table.
    fn add(&mut self, key: Key, row: Row) -> Option<Key> {
        match (key, row) {
            (Key::Mark(_), Row::Mark(_)) | (Key::Meta, Row::Meta(_)) => {}
            (Key::Job(job), Row::Job(row)) => drop(self.jobs.insert(job, row)),
            (Key::Body(job, revision), Row::Body(row)) => drop(self.bodies.insert((job, revision), row)),
            (Key::TaskKey(group, task), Row::TaskKey(row)) => {
                self.task_keys.insert((group, task), row);
            }
            (Key::Live(run), Row::Live(row)) => drop(self.live.insert(run, row)),
            (Key::Periodic(job), Row::Periodic(row)) => drop(self.periodic.insert(job, row)),
            (Key::Ledger(run), Row::Ledger(row)) => drop(self.ledger.insert(run, row)),
            (Key::Finished(group, at, run), Row::Finished) => {
                self.finished.insert((group, at, run));
            }
            (Key::JobLog(run, position), Row::JobLog(row)) => {
                self.job_log.insert((run, position), job_log::cost(&row));
            }
            (Key::Tracker(group, who), Row::Tracker(row)) => drop(self.trackers.insert((group, who), row)),
            (Key::Group(group), Row::Group(row)) => drop(self.groups.insert(group, *row)),
            (Key::Client(client), Row::Client(row)) => drop(self.clients.insert(client, row)),
            (Key::Answer(client, sequence), Row::Answer(_)) => {
                self.answers.insert((client, sequence));
            }
            (Key::Request(id), Row::Request(row)) => {
                self.requests.insert((row.at, id));
            }
            (Key::RequestAge(at, id), Row::RequestAge) => {
                self.request_ages.insert((at, id));
            }
            (Key::Feedback(group, run), Row::Feedback(row)) => {
                self.feedback.insert((group, run), row);
            }
            (Key::FeedbackGroup(group), Row::FeedbackGroup(row)) => {
                self.feedback_groups.insert(group, *row);
            }
            (Key::Deleted(job), Row::Deleted(group)) => drop(self.deleted.insert(job, group)),
            (Key::NodeEvent(position), Row::NodeEvent(row)) => {
                self.node_events.insert(position, *row);
            }
            (Key::LogAge(position, run), Row::LogAge(row)) => {
                self.log_ages.insert((position, run), row);
            }
            (Key::Paused(group), Row::Paused(row)) => drop(self.paused.insert(group, *row)),
            (Key::Sampled(group), Row::Sampled(row)) => drop(self.sampled.insert(group, *row)),
            (key @ Key::GroupStats(minute, _), Row::GroupStats(_))
            | (key @ Key::TrackerStats(minute, ..), Row::TrackerStats(_))
            | (key @ Key::JobTrackerStats(minute, _), Row::JobTrackerStats(_)) => {
                self.stats.push((minute, key));
            }
            (Key::Alarm(rule, subject), Row::Alarm(row)) => {
                self.alarms.insert((rule, subject), *row);
            }
            (Key::Silence(..), Row::Silence(_)) => {}
            (key, _) => return Some(key),
        }
        None
    }

    fn live_of(&self, job: JobId) -> impl Iterator<Item = (&RunId, &Arc<LiveRun>)> {
        self.live.range(RunId { job, number: 0 }..=RunId { job, number: u64::MAX })
    }

    fn ledger_of(&self, job: JobId) -> impl Iterator<Item = (&RunId, &Arc<LedgerRow>)> {
        self.ledger.range(RunId { job, number: 0 }..=RunId { job, number: u64::MAX })
    }

    fn is_alive(&self, job: JobId) -> bool {
        self.periodic.contains_key(&job) || self.live_of(job).next().is_some()
    }

    fn is_known(&self, run: RunId) -> bool {
        self.live.contains_key(&run) || self.ledger.contains_key(&run)
    }
}

/// A live run has one state by its type, so what is left is: it has not ended, and its job knows it.
fn runs_have_one_place(rows: &Rows, found: &mut Vec<Violation>) {
    for run in rows.live.keys().filter(|run| rows.ledger.contains_key(run)) {
        found.push(Violation::LiveAndEnded(*run));
    }
    for run in rows.live.keys().chain(rows.ledger.keys()) {
        let next = match (rows.periodic.get(&run.job), rows.jobs.get(&run.job)) {
            (Some(periodic), Some(_)) => periodic.next_number,
            (None, Some(job)) => job.next_number,
            (_, None) if rows.deleted.contains_key(&run.job) && rows.ledger.contains_key(run) => continue,
            (_, None) => {
                found.push(Violation::Run(*run, "its job is unknown".into()));
                continue;
            }
        };
        if run.number >= next {
            found.push(Violation::Run(*run, format!("its number was not given yet, the next one is {next}")));
        }
    }
}

/// Executions that ended neither as a retry nor as a reclaim nor interrupted. Interrupted ones are counted among the
/// attempts that are kept; when some are not, the answer is the nearest that the rest allows.
fn left(executions: u32, counted: u32, attempts: &[Attempt], most: i64) -> i64 {
    let interrupted = attempts.iter().filter(|attempt| attempt.end == AttemptEnd::Interrupted).count();
    let left = i64::from(executions) - i64::from(counted) - i64::try_from(interrupted).unwrap_or(i64::MAX);
    if attempts.len() < ATTEMPTS_KEPT { left } else { left.min(most) }
}

/// Each execution ended as a retry or a reclaim or interrupted, or is the current one; a returned push does not count.
fn runs_add_up(rows: &Rows, found: &mut Vec<Violation>) {
    for (run, live) in &rows.live {
        let current = u32::from(live.execution().is_some());
        let (executions, retries, reclaims) = (live.executions, live.retries, live.reclaims);
        let wanted = i64::from(current);
        if left(executions, retries + reclaims, &live.attempts, wanted) != wanted {
            let text = format!(
                "{executions} executions are not {retries} retries, {reclaims} reclaims and {current} current"
            );
            found.push(Violation::Run(*run, text));
        }
        if live.stop.is_some() && current == 0 {
            found.push(Violation::Run(*run, "it is stopped and waits for another attempt".into()));
        }
        let ended = usize::try_from(live.executions - current.min(live.executions)).unwrap_or(usize::MAX);
        if live.attempts.len() != ended.min(ATTEMPTS_KEPT) {
            found.push(Violation::Run(*run, format!("{} attempts of {ended} are kept", live.attempts.len())));
        }
    }
    for (run, row) in &rows.ledger {
        let last = left(row.executions, row.retries + row.reclaims, &row.attempts, 1);
        if !(0..=1).contains(&last) {
            found.push(Violation::Run(*run, format!("{last} executions have no known end")));
        }
    }
}

fn executing_runs_are_on_a_known_session(rows: &Rows, found: &mut Vec<Violation>) {
    for (run, live) in &rows.live {
        let LiveState::Executing { execution, session, tracker, .. } = &live.state else { continue };
        let row = rows.trackers.get(&(live.node_group.clone(), tracker.clone()));
        if !row.is_some_and(|row| row.is_online() && row.session == *session) {
            let text = format!("execution {execution} is on {tracker}, which has no live session {session}");
            found.push(Violation::Run(*run, text));
        }
    }
    let mut sessions = BTreeMap::<SessionId, u32>::new();
    for row in rows.trackers.values() {
        *sessions.entry(row.session).or_default() += 1;
    }
    for (session, _) in sessions.into_iter().filter(|(_, count)| *count > 1) {
        found.push(Violation::IdRepeats(session.0));
    }
}

/// A job lives, or a finished run or its own end keeps it; nothing is kept for ever by accident.
fn jobs_are_alive_or_remembered(rows: &Rows, found: &mut Vec<Violation>) {
    let mut remembered: BTreeSet<JobId> = rows.ledger.keys().map(|run| run.job).collect();
    remembered.extend(rows.finished.iter().map(|(_, _, run)| run.job));
    for job in rows.jobs.keys() {
        if !rows.is_alive(*job) && !remembered.contains(job) {
            found.push(Violation::Job(*job, "it has ended and nothing will ever forget it".into()));
        }
    }
    for job in rows.periodic.keys().filter(|job| !rows.jobs.contains_key(job)) {
        found.push(Violation::Job(*job, "it has a rhythm and no row".into()));
    }
}

fn task_keys_point_at_jobs_and_back(rows: &Rows, found: &mut Vec<Violation>) {
    for ((group, task), id) in &rows.task_keys {
        let mut wrong = |what: &str| {
            let text = format!("job {id} {what}");
            found.push(Violation::TaskKey(group.clone(), task.clone(), text));
        };
        match rows.jobs.get(id) {
            None => wrong("has it and is unknown"),
            Some(job) if (&job.spec.node_group, &job.spec.task_id) != (group, task) => {
                wrong("has it and another name");
            }
            Some(_) => {}
        }
    }
    for (id, job) in rows.jobs.iter().filter(|(id, _)| rows.is_alive(**id)) {
        let key = rows.task_keys.get(&(job.spec.node_group.clone(), job.spec.task_id.clone()));
        if key != Some(id) {
            found.push(Violation::Job(*id, "it lives and does not hold its task key".into()));
        }
    }
}

fn periodic_rows_count_their_runs(rows: &Rows, found: &mut Vec<Violation>) {
    for id in rows.jobs.keys() {
        let counted = rows.live_of(*id).filter(|(_, live)| live.periodic).count();
        let all = rows.live_of(*id).count();
        let Some(periodic) = rows.periodic.get(id) else {
            let newest = rows.jobs[id].next_number.checked_sub(1);
            if rows.live_of(*id).any(|(run, _)| Some(run.number) != newest) {
                found.push(Violation::Job(*id, "a run that is not its newest lives without a rhythm".into()));
            }
            if counted > 0 || all > 1 {
                let text = format!("{all} runs live without a rhythm, {counted} think that it counts them");
                found.push(Violation::Job(*id, text));
            }
            continue;
        };
        if (counted, all) != (periodic.live as usize, periodic.live as usize) {
            let text = format!("its rhythm counts {} live runs of {counted} of {all}", periodic.live);
            found.push(Violation::Job(*id, text));
        }
        if periodic.live == 0 && periodic.is_exhausted() {
            found.push(Violation::Job(*id, "nothing of it will come and it has not ended".into()));
        }
        let job = rows.jobs.get(id);
        if job.is_some_and(|job| job.schedule_revision != periodic.revision) {
            found.push(Violation::Job(*id, "its rhythm follows another schedule than its newest".into()));
        }
        if job.is_some_and(|job| job.spec.node_group != periodic.node_group) {
            found.push(Violation::Job(*id, "its rhythm is of another node group".into()));
        }
        rhythm_is_in_order(*id, periodic, found);
    }
}

fn rhythm_is_in_order(id: JobId, row: &PeriodicRow, found: &mut Vec<Violation>) {
    let problem = match &row.rhythm {
        Rhythm::Planned { ahead, ended, stalled } => {
            let instants: Vec<Timestamp> =
                std::iter::once(row.settled).chain(ahead.iter().copied()).collect();
            match () {
                () if instants.windows(2).any(|pair| pair[0] >= pair[1]) => "its look-ahead is out of order",
                () if ahead.len() > PLAN_AHEAD_MAX => "its look-ahead is too long",
                () if *ended && *stalled => "it waits for a plan that will not come",
                () => return,
            }
        }
        Rhythm::Grid { next, .. } if *next < row.settled => "its next instant is settled",
        Rhythm::Grid { .. } | Rhythm::Stopped { .. } => return,
    };
    found.push(Violation::Job(id, problem.into()));
}

fn bodies_are_used(rows: &Rows, found: &mut Vec<Violation>) {
    let mut users = BTreeMap::<(JobId, u32), u32>::new();
    for (run, live) in &rows.live {
        let newest = rows.jobs.get(&run.job).map_or(0, |job| job.revision);
        let is_newest = live.revision == newest;
        if live.revision > newest || live.superseded && is_newest {
            let text = format!("it runs revision {} of {newest}", live.revision);
            found.push(Violation::Run(*run, text));
        }
        if !is_newest && live.execution().is_none() {
            found.push(Violation::Run(*run, "it waits for an attempt with an old revision".into()));
        }
        if !is_newest {
            *users.entry((run.job, live.revision)).or_default() += 1;
        }
    }
    let kept: BTreeMap<_, _> = rows.bodies.iter().map(|(of, body)| (*of, body.users)).collect();
    for of in users.keys().chain(kept.keys()).filter(|of| users.get(of) != kept.get(of)) {
        let text = format!("revision {} has {:?} users, not {:?}", of.1, users.get(of), kept.get(of));
        found.push(Violation::Job(of.0, text));
    }
}

/// Of a suspended job nothing waits, is ready or ripens, but for what was asked for by hand since.
fn what_is_suspended_rests(rows: &Rows, found: &mut Vec<Violation>) {
    for (id, job) in &rows.jobs {
        let suspended = job.suspended.is_some();
        if suspended && !rows.is_alive(*id) {
            found.push(Violation::Job(*id, "it has ended and is suspended".into()));
        }
        if let Some(row) = rows.periodic.get(id) {
            if row.suspended != suspended {
                found.push(Violation::Job(*id, "its rhythm does not know whether it is suspended".into()));
            }
            let planned = matches!(&row.rhythm, Rhythm::Planned { ahead, .. } if !ahead.is_empty());
            if planned && (suspended || row.resumed.is_some()) {
                found.push(Violation::Job(*id, "it was suspended and has planned instants".into()));
            }
        }
        for (run, live) in rows.live_of(*id) {
            let rests = matches!(live.state, LiveState::Suspended { .. });
            if rests && (!suspended || live.periodic || live.despite_suspend) {
                found.push(Violation::Run(*run, "it is held without a reason".into()));
            }
            if suspended && !rests && live.execution().is_none() && !live.despite_suspend {
                found.push(Violation::Run(*run, "its job is suspended and it may be dispatched".into()));
            }
        }
    }
}

fn what_is_deleted_is_unknown(rows: &Rows, found: &mut Vec<Violation>) {
    for job in rows.deleted.keys() {
        if rows.jobs.contains_key(job) || rows.is_alive(*job) {
            found.push(Violation::Job(*job, "it was deleted and is still there".into()));
        }
    }
}

/// What one run or skipped range settled.
struct Settled {
    number: u64,
    /// The revision whose schedule it is of.
    revision: u32,
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

/// The instants of a job in the order of its run numbers; runs by hand are no instants.
fn settled_of(rows: &Rows, job: JobId) -> Vec<Settled> {
    let live = rows.live_of(job).filter(|(_, live)| !live.by_hand).map(|(run, live)| Settled {
        number: run.number,
        revision: live.schedule_revision,
        first: live.due,
        last: live.due,
        count: 1,
    });
    let ended = rows.ledger_of(job).filter(|(_, row)| !row.by_hand).map(|(run, row)| {
        let (last, count) = match row.fate {
            Fate::Skipped { last, count, .. } => (last, count),
            Fate::Succeeded | Fate::Failed | Fate::Dead | Fate::Cancelled => (row.due, 1),
        };
        Settled { number: run.number, revision: row.schedule_revision, first: row.due, last, count }
    });
    let mut settled: Vec<Settled> = live.chain(ended).collect();
    settled.sort_by_key(|settled| settled.number);
    settled
}

/// No instant has two fates, none is settled before an earlier one, and a repeat job's grid has no hole.
fn instants_are_settled_once_and_in_order(rows: &Rows, found: &mut Vec<Violation>) {
    for (id, job) in &rows.jobs {
        let settled = settled_of(rows, *id);
        for pair in settled.windows(2) {
            let [a, b] = pair else { continue };
            if (a.revision, a.last) >= (b.revision, b.first) {
                let text = format!("instant {} of run {} was settled before", b.first, b.number);
                found.push(Violation::Job(*id, text));
            }
        }
        if let Some(row) = rows.periodic.get(id)
            && let Some(last) = settled.last().filter(|last| last.revision == row.revision)
            && are_by_hand(rows, *id, last.number + 1..row.next_number)
            && last.last != row.settled
        {
            let text = format!("it is settled up to {}, its last fate is at {}", row.settled, last.last);
            found.push(Violation::Job(*id, text));
        }
        grid_has_no_hole(*id, job, &settled, rows, found);
    }
}

/// Whether the instants on both sides of these numbers are neighbours: none between them was forgotten.
fn are_by_hand(rows: &Rows, job: JobId, mut numbers: std::ops::Range<u64>) -> bool {
    numbers.all(|number| {
        let run = RunId { job, number };
        let live = rows.live.get(&run).is_some_and(|live| live.by_hand);
        live || rows.ledger.get(&run).is_some_and(|row| row.by_hand)
    })
}

fn grid_has_no_hole(id: JobId, job: &JobRow, settled: &[Settled], rows: &Rows, found: &mut Vec<Violation>) {
    let Schedule::Repeat(repeat) = &job.spec.schedule else { return };
    let newest: Vec<&Settled> = settled.iter().filter(|one| one.revision == job.schedule_revision).collect();
    for one in &newest {
        let steps = one.last.since(one.first).get() / repeat.interval.get().max(1);
        if steps + 1 != one.count {
            let text =
                format!("the range of run {} has {} instants, not {}", one.number, steps + 1, one.count);
            found.push(Violation::Job(id, text));
        }
    }
    for pair in newest.windows(2) {
        let [a, b] = pair else { continue };
        let adjacent = are_by_hand(rows, id, a.number + 1..b.number);
        if adjacent && a.last + repeat.interval != b.first {
            found.push(Violation::Job(
                id,
                format!("between {} and {} an instant has no fate", a.last, b.first),
            ));
        }
    }
    if let (Some(last), Some(row)) = (newest.last(), rows.periodic.get(&id))
        && are_by_hand(rows, id, last.number + 1..row.next_number)
        && let Rhythm::Grid { next, .. } = &row.rhythm
        && last.last + repeat.interval != *next
    {
        found.push(Violation::Job(id, format!("after {} comes {next}, off its grid", last.last)));
    }
}

/// One entry for each ledger row, in the group in which its run ended; a run with the greatest number stands for the end
/// of the job itself.
fn the_finished_index_mirrors_the_ledger(rows: &Rows, found: &mut Vec<Violation>) {
    let mut kept = BTreeMap::<NodeGroup, u64>::new();
    let mut expected = BTreeSet::new();
    for (run, row) in &rows.ledger {
        if rows.jobs.contains_key(&run.job) || rows.deleted.contains_key(&run.job) {
            expected.insert((row.ended, *run));
        }
    }
    let mut actual = BTreeSet::new();
    for (group, ended, run) in rows.finished.iter().filter(|(_, _, run)| !run.is_whole()) {
        *kept.entry(group.clone()).or_default() += 1;
        if !actual.insert((*ended, *run)) {
            found.push(Violation::Run(*run, "it is in the index of finished runs twice".into()));
        }
    }
    for (group, at, end) in rows.finished.iter().filter(|(_, _, run)| run.is_whole()) {
        let marked = rows.jobs.get(&end.job).and_then(|job| job.end_marked.as_ref());
        if marked != Some(&(group.clone(), *at)) {
            found.push(Violation::Job(end.job, format!("it does not know of its end at {at}")));
        }
    }
    for (_, run) in expected.symmetric_difference(&actual) {
        found.push(Violation::Run(*run, "the index of finished runs and the ledger differ".into()));
    }
    for (group, row) in &rows.groups {
        let is = kept.get(group).copied().unwrap_or_default();
        if row.kept != is {
            found.push(Violation::Kept(group.clone(), row.kept, is));
        }
    }
}

fn the_job_log_is_about_what_is_known(rows: &Rows, found: &mut Vec<Violation>) {
    let (of_jobs, of_runs): (Vec<_>, Vec<_>) =
        rows.job_log.keys().copied().partition(|(run, _)| run.is_whole());
    let mut lines = BTreeMap::<JobId, usize>::new();
    of_jobs.iter().for_each(|(run, _)| *lines.entry(run.job).or_default() += 1);
    for (job, lines) in lines {
        match rows.jobs.contains_key(&job) || rows.deleted.contains_key(&job) {
            true if lines <= JOB_LINES_MAX => {}
            true => found.push(Violation::Job(job, format!("its log has {lines} lines about itself"))),
            false => found.push(Violation::Job(job, format!("it is unknown and has {lines} log lines"))),
        }
    }
    for (run, position) in of_runs.into_iter().filter(|(run, _)| !rows.is_known(*run)) {
        found.push(Violation::Run(run, format!("it is unknown and has the log line {position}")));
    }
}

/// Every written line is found by its age, what they take and how many events there are is known, and each node comes
/// and goes by turns.
fn histories_add_up(tables: &Tables, rows: &Rows, found: &mut Vec<Violation>) {
    for (run, position) in rows.job_log.keys() {
        let at_most = rows.log_ages.range(..=(*position, *run)).rev();
        let age = at_most.into_iter().find(|((_, of), _)| of == run);
        if age.is_none_or(|(_, age)| age.last < *position) {
            found.push(Violation::Run(*run, format!("its log line {position} has no age")));
        }
    }
    let bytes: u64 = rows.job_log.values().sum();
    if bytes != tables.meta().job_log_bytes {
        found.push(Violation::History("job log", tables.meta().job_log_bytes, bytes));
    }
    let events = rows.node_events.len() as u64;
    if events != tables.meta().node_events {
        found.push(Violation::History("nodes", tables.meta().node_events, events));
    }
    let mut last = BTreeMap::<(NodeType, &Option<NodeGroup>, &Identity), &NodeEventRow>::new();
    for event in rows.node_events.values() {
        let node = (event.node_type, &event.node_group, &event.identity);
        let before = last.insert(node, event);
        if before
            .is_some_and(|before| (before.event == NodeEvent::Online) == (event.event == NodeEvent::Online))
        {
            found.push(Violation::NodeHistory(event.identity.clone(), event.at));
        }
    }
}

fn answers_lie_in_their_window(rows: &Rows, found: &mut Vec<Violation>) {
    for (client, sequence) in &rows.answers {
        let problem = match rows.clients.get(client) {
            None => "has answers and is unknown".into(),
            Some(row) if *sequence > row.high => format!("answered {sequence} and saw only {}", row.high),
            Some(row) if row.high - sequence >= CLIENT_WINDOW => {
                format!("remembers {sequence}, far below {}", row.high)
            }
            Some(_) => continue,
        };
        found.push(Violation::Client(*client, problem));
    }
}

fn request_ages_mirror_requests(rows: &Rows, found: &mut Vec<Violation>) {
    for (_, id) in rows.requests.symmetric_difference(&rows.request_ages) {
        found.push(Violation::Request(id.clone()));
    }
}

/// Each run says whom its own revision of the job names.
fn live_runs_know_who_wants_feedback(rows: &Rows, found: &mut Vec<Violation>) {
    for (run, live) in &rows.live {
        let newest = rows.jobs.get(&run.job).filter(|job| job.revision == live.revision).map(|job| &job.spec);
        let old = rows.bodies.get(&(run.job, live.revision)).map(|body| &body.spec);
        let wanted = newest.or(old).and_then(|spec| spec.feedback_group());
        if live.feedback_to.as_ref() != wanted {
            let text = format!("its end goes to {:?}, its job names {wanted:?}", live.feedback_to);
            found.push(Violation::Run(*run, text));
        }
    }
}

/// Feedback is about what has ended, agrees with the ledger as long as that is kept, and nothing of it vanishes uncounted.
fn feedback_is_of_ended_runs_and_adds_up(rows: &Rows, found: &mut Vec<Violation>) {
    let mut kept = BTreeMap::<&NodeGroup, (u64, u64)>::new();
    for ((group, run), row) in &rows.feedback {
        let (pending, dead) = kept.entry(group).or_default();
        match row.state {
            FeedbackState::Pending { .. } => *pending += 1,
            FeedbackState::Dead { .. } => *dead += 1,
        }
        let agrees = rows.ledger.get(run).is_none_or(|ledger| {
            let same_end = (ledger.fate, ledger.ended, ledger.due) == (row.fate, row.ended, row.due);
            same_end && (&ledger.result, &ledger.error) == (&row.result, &row.error)
        });
        if rows.live.contains_key(run) || !agrees {
            found.push(Violation::Feedback(group.clone(), format!("run {run} has another fate, or none")));
        }
    }
    let groups: BTreeSet<&NodeGroup> = kept.keys().copied().chain(rows.feedback_groups.keys()).collect();
    for group in groups {
        let counts = rows.feedback_groups.get(group).copied().unwrap_or_default();
        let gone = counts.heard + counts.dropped + counts.expired + counts.discarded;
        let is = kept.get(group).copied().unwrap_or_default();
        if (counts.pending, counts.dead) != is || counts.made != counts.pending + counts.dead + gone {
            found.push(Violation::Feedback(group.clone(), format!("{counts:?} is not {is:?} of it")));
        }
    }
}

fn alarms_are_few_and_in_order(rows: &Rows, found: &mut Vec<Violation>) {
    let mut subjects = BTreeMap::<AlarmRule, usize>::new();
    for ((rule, subject), row) in &rows.alarms {
        *subjects.entry(*rule).or_default() += 1;
        let problem = match () {
            () if row.seen < row.raised => "it was seen before it was raised",
            () if row.recovered.is_some_and(|at| at < row.raised) => "it recovered before it was raised",
            () if row.told.len() > ALARM_TARGETS_MAX => "too many targets were told",
            () if subjects[rule] > ALARM_SUBJECTS_MAX => "its rule has too many subjects",
            _ => continue,
        };
        found.push(Violation::Alarm(*rule, subject.clone(), problem));
    }
}

fn indexes_mirror_rows(tables: &Tables, rows: &Rows, found: &mut Vec<Violation>) {
    let mut rebuilt = Indexes::default();
    for (run, row) in &rows.live {
        rebuilt.update(&Key::Live(*run), None, Some(&Row::Live(Arc::clone(row))));
    }
    for (job, row) in &rows.periodic {
        rebuilt.update(&Key::Periodic(*job), None, Some(&Row::Periodic(Arc::clone(row))));
    }
    for ((group, who), row) in &rows.trackers {
        let key = Key::Tracker(group.clone(), who.clone());
        rebuilt.update(&key, None, Some(&Row::Tracker(Arc::clone(row))));
    }
    for ((group, run), row) in &rows.feedback {
        let key = Key::Feedback(group.clone(), *run);
        rebuilt.update(&key, None, Some(&Row::Feedback(Arc::clone(row))));
    }
    for (group, hold) in &rows.paused {
        rebuilt.update(&Key::Paused(group.clone()), None, Some(&Row::Paused(Box::new(hold.clone()))));
    }
    found.extend(tables.indexes().differences(&rebuilt).into_iter().map(Violation::IndexDiffers));
}

fn ids_are_unique_and_past(tables: &Tables, rows: &Rows, found: &mut Vec<Violation>) {
    let attempts = |attempts: &[super::row::Attempt]| -> Vec<Position> {
        attempts.iter().map(|attempt| attempt.execution.0).collect()
    };
    let mut ids: Vec<Position> = Vec::new();
    ids.extend(rows.jobs.keys().map(|job| job.0));
    ids.extend(rows.trackers.values().map(|row| row.session.0));
    ids.extend(rows.clients.keys().map(|client| client.0));
    ids.extend(rows.job_log.keys().map(|(_, position)| *position));
    ids.extend(rows.node_events.keys());
    ids.extend(rows.alarms.values().map(|row| row.id.0));
    ids.extend(rows.live.values().filter_map(|live| live.execution()).map(|(execution, _)| execution.0));
    ids.extend(rows.live.values().flat_map(|live| attempts(&live.attempts)));
    ids.extend(rows.ledger.values().flat_map(|row| attempts(&row.attempts)));
    ids.sort();
    found.extend(ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| Violation::IdRepeats(pair[0])));
    let last = Position::new(tables.meta().id_base + tables.meta().applied, Position::ORDINAL_MAX);
    let future = ids.last().filter(|newest| **newest > last);
    found.extend(future.map(|newest| Violation::IdFromTheFuture(*newest, last)));
}

/// Runs are forgotten and counters are not, so a counter may be above what is left, never below.
fn counters_hold_what_the_runs_show(rows: &Rows, found: &mut Vec<Violation>) {
    let mut shown = BTreeMap::<NodeGroup, GroupRow>::new();
    for (group, _, run) in &rows.finished {
        let Some(row) = rows.ledger.get(run) else { continue };
        let group = shown.entry(group.clone()).or_default();
        tally(group, row.fate);
        group.dispatched += u64::from(row.executions);
        group.retried += u64::from(row.retries);
        group.reclaimed += u64::from(row.reclaims);
    }
    for live in rows.live.values() {
        let group = shown.entry(live.node_group.clone()).or_default();
        group.dispatched += u64::from(live.executions);
        group.retried += u64::from(live.retries);
        group.reclaimed += u64::from(live.reclaims);
    }
    for (name, shown) in shown {
        let counted = rows.groups.get(&name).copied().unwrap_or_default();
        let pairs = [
            ("dispatched", counted.dispatched, shown.dispatched),
            ("succeeded", counted.succeeded, shown.succeeded),
            ("failed", counted.failed, shown.failed),
            ("dead", counted.dead, shown.dead),
            ("cancelled", counted.cancelled, shown.cancelled),
            ("skipped", counted.skipped, shown.skipped),
            ("retried", counted.retried, shown.retried),
            ("reclaimed", counted.reclaimed, shown.reclaimed),
            ("executed with success", counted.exe_success, shown.succeeded),
        ];
        let below = pairs.into_iter().filter(|(_, counted, shown)| counted < shown);
        found.extend(below.map(|(what, is, shown)| Violation::Counter(name.clone(), what, is, shown)));
    }
}

fn series_are_counted_and_past(tables: &Tables, rows: &Rows, found: &mut Vec<Violation>) {
    let (counted, are) = (tables.meta().stats_rows, rows.stats.len() as u64);
    if counted != are {
        found.push(Violation::StatsRows(counted, are));
    }
    for (group, then) in &rows.sampled {
        let now = rows.groups.get(group).copied().unwrap_or_default();
        if now.since(then).plus(then) != now {
            found.push(Violation::Sampled(group.clone()));
        }
    }
    let last = tables.meta().now + MINUTE;
    let wrong = rows.stats.iter().filter(|(minute, _)| *minute != minute_of(*minute) || *minute > last);
    found.extend(wrong.map(|(_, key)| Violation::StatsMinute(format!("{key:?}"))));
}
