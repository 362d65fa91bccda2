//! Forgets what is old: finished runs by age and by number a group, request ids, client sessions, offline TaskTrackers,
//! feedback that nobody heard, series by age and by number, written lines of the job log and events of nodes by age and
//! by what they take, what is left of deleted jobs. A bounded number of rows a command, and an effect that says so when
//! there is more.

use std::collections::BTreeSet;

use crate::domain::{ClientId, Identity, JobId, Millis, NodeGroup, Position, RequestId, RunId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::effect::Effect;
use crate::machine::job_log;
use crate::machine::key::Key;
use crate::machine::limits::{ALARM_KEPT, EXPIRE_MAX};
use crate::machine::node_history;
use crate::machine::queue::{alive, end, feedback, take_back};
use crate::machine::reply::Reply;
use crate::machine::row::{LiveState, Row, TrackerState};
use crate::machine::stats::minute_of;
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>) -> Result<Reply, BaseError> {
    if planted::is(Bug::OldPushesAreUndone) {
        undo_old_pushes(change)?;
    }
    finished_runs(change)?;
    deleted_jobs(change)?;
    old_histories(change)?;
    request_ids(change)?;
    client_sessions(change)?;
    offline_trackers(change)?;
    unheard_feedback(change)?;
    series(change)?;
    alarms(change)?;
    silences(change)?;
    Ok(Reply::Done)
}

/// Written lines of the job log and events of nodes, by age and by what they take.
fn old_histories(change: &mut Change<'_>) -> Result<(), BaseError> {
    let limits = *change.limits();
    let oldest = change.now() - limits.job_log_kept;
    let lines = job_log::forget_old(change, oldest, limits.job_log_bytes_max, EXPIRE_MAX)?;
    let oldest = change.now() - limits.node_events_kept;
    let events = node_history::forget_old(change, oldest, limits.node_events_max, EXPIRE_MAX)?;
    if !(lines && events) {
        change.effect(Effect::MoreToExpire);
    }
    Ok(())
}

/// Only for [`Bug::OldPushesAreUndone`]: LTS's push timeout.
fn undo_old_pushes(change: &mut Change<'_>) -> Result<(), BaseError> {
    let end = RunId { job: JobId(Position::MAX), number: u64::MAX };
    for (key, row) in change.scan(&Key::Live(RunId::default()), &Key::Live(end), EXPIRE_MAX)? {
        if let (Key::Live(run), Row::Live(live)) = (key, row)
            && let LiveState::Executing { since, .. } = live.state
            && change.now().since(since) > Millis::from_secs(2)
        {
            take_back::give_back(change, run, false)?;
        }
    }
    Ok(())
}

/// What one command may still remove, and whose last run may be gone.
struct Forgetting {
    budget: usize,
    jobs: BTreeSet<JobId>,
}

/// Group by group, so that a full one is not hidden behind the many rows of another.
fn finished_runs(change: &mut Change<'_>) -> Result<(), BaseError> {
    let mut forgetting = Forgetting { budget: EXPIRE_MAX, jobs: BTreeSet::new() };
    let (from, to) = (Key::first_group(), Key::Client(ClientId(Position::MIN)));
    for (key, row) in change.scan(&from, &to, usize::MAX)? {
        let (Key::Group(group), Row::Group(row)) = (key, row) else { continue };
        let too_old = change.now() - change.limits().finished_kept;
        let forgotten = forgetting.runs_before(change, &group, too_old, usize::MAX)?;
        let too_many = (row.kept - forgotten).saturating_sub(change.limits().finished_runs_max);
        let too_many = usize::try_from(too_many).unwrap_or(usize::MAX);
        forgetting.runs_before(change, &group, Timestamp::MAX, too_many)?;
    }
    if forgetting.budget == 0 {
        change.effect(Effect::MoreToExpire);
    }
    // Once a job, however many of its runs went.
    forgetting.jobs.into_iter().try_for_each(|job| forget_job_if_bare(change, job))
}

impl Forgetting {
    /// Forgets the oldest runs of a group that ended before `end`, at most `limit`; returns how many.
    fn runs_before(
        &mut self,
        change: &mut Change<'_>,
        group: &NodeGroup,
        end: Timestamp,
        limit: usize,
    ) -> Result<u64, BaseError> {
        let finished = |at| Key::Finished(group.clone(), at, RunId::default());
        let mut forgotten = 0;
        for (key, _) in change.scan(&finished(Timestamp::ZERO), &finished(end), limit.min(self.budget))? {
            let Key::Finished(_, _, run) = key else { continue };
            if !self.log_of(change, run)? {
                break;
            }
            change.delete(key)?;
            change.delete(Key::Ledger(run))?;
            // The end of a job is a row of its own, and no run.
            forgotten += u64::from(!run.is_whole());
            self.jobs.insert(run.job);
        }
        if forgotten > 0 {
            change.count(group, |row| row.kept -= forgotten)?;
        }
        Ok(forgotten)
    }

    /// Forgets what is left of a job; false if there is more than may be removed now.
    fn rest_of(&mut self, change: &mut Change<'_>, job: JobId, group: &NodeGroup) -> Result<bool, BaseError> {
        let (from, to) = (Key::Ledger(RunId { job, number: 0 }), Key::Ledger(RunId::of_whole(job)));
        for (key, row) in change.scan(&from, &to, self.budget)? {
            let (Key::Ledger(run), Row::Ledger(ended)) = (&key, row) else { continue };
            if !self.log_of(change, *run)? {
                return Ok(false);
            }
            let ended_in = group_of_end(change, (*run, ended.ended), group)?;
            change.delete(Key::Finished(ended_in.clone(), ended.ended, *run))?;
            change.delete(key)?;
            change.count(&ended_in, |row| row.kept -= 1)?;
        }
        let about = RunId::of_whole(job);
        self.budget -= job_log::forget(change, about, Position::MIN, Position::MAX, self.budget)?;
        // What was cut off is found by the next one.
        Ok(self.budget > 0)
    }

    /// Forgets a run's log, not the job's; false if there is more than may be removed now.
    fn log_of(&mut self, change: &mut Change<'_>, run: RunId) -> Result<bool, BaseError> {
        if run.is_whole() {
            // What was done to the job is forgotten with the job.
            self.budget = self.budget.saturating_sub(1);
            return Ok(true);
        }
        self.budget -= job_log::forget(change, run, Position::MIN, Position::MAX, self.budget)?;
        let is_done = self.budget > 0;
        self.budget = self.budget.saturating_sub(1);
        Ok(is_done)
    }
}

/// A run may have ended in another node group than that in which its job was last.
fn group_of_end(
    change: &Change<'_>,
    (run, at): (RunId, Timestamp),
    likely: &NodeGroup,
) -> Result<NodeGroup, BaseError> {
    if change.has_finished(likely, at, run)? {
        return Ok(likely.clone());
    }
    for group in groups(change)? {
        if change.has_finished(&group, at, run)? {
            return Ok(group);
        }
    }
    Ok(likely.clone())
}

fn groups(change: &Change<'_>) -> Result<Vec<NodeGroup>, BaseError> {
    let (from, to) = (Key::first_group(), Key::Client(ClientId(Position::MIN)));
    let groups = change.scan(&from, &to, usize::MAX)?.into_iter();
    Ok(groups.filter_map(|(key, _)| if let Key::Group(group) = key { Some(group) } else { None }).collect())
}

/// A job that has ended and of whose runs none is left.
fn forget_job_if_bare(change: &mut Change<'_>, id: JobId) -> Result<(), BaseError> {
    let Some(job) = change.job(id)? else { return Ok(()) };
    if alive::is_alive(change, id)? {
        return Ok(());
    }
    let runs = |number| Key::Ledger(RunId { job: id, number });
    if !change.scan(&runs(0), &runs(u64::MAX), 1)?.is_empty() {
        return Ok(());
    }
    if change.task_key(&job.spec.node_group, &job.spec.task_id)? == Some(id) {
        change.delete(Key::TaskKey(job.spec.node_group.clone(), job.spec.task_id.clone()))?;
    }
    end::unmark_end(change, id, &job)?;
    let about = RunId::of_whole(id);
    let (from, to) = (Key::JobLog(about, Position::MIN), Key::JobLog(about, Position::MAX));
    if !change.scan(&from, &to, 1)?.is_empty() {
        change.put_deleted(id, job.spec.node_group.clone())?;
    }
    change.delete(Key::Job(id))
}

/// What is left of jobs that nobody can see any more.
fn deleted_jobs(change: &mut Change<'_>) -> Result<(), BaseError> {
    let (from, to) = (Key::Deleted(JobId(Position::MIN)), Key::Deleted(JobId(Position::MAX)));
    let mut forgetting = Forgetting { budget: EXPIRE_MAX, jobs: BTreeSet::new() };
    for (key, row) in change.scan(&from, &to, EXPIRE_MAX)? {
        let (Key::Deleted(job), Row::Deleted(group)) = (&key, row) else { continue };
        if !forgetting.rest_of(change, *job, &group)? {
            change.effect(Effect::MoreToExpire);
            return Ok(());
        }
        change.delete(key)?;
    }
    Ok(())
}

fn request_ids(change: &mut Change<'_>) -> Result<(), BaseError> {
    let first = RequestId::new(" ").expect("a space is printable");
    let oldest_kept = change.now() - change.limits().request_window;
    let (from, to) = (Key::RequestAge(Timestamp::ZERO, first.clone()), Key::RequestAge(oldest_kept, first));
    let old = change.scan(&from, &to, EXPIRE_MAX)?;
    if old.len() == EXPIRE_MAX {
        change.effect(Effect::MoreToExpire);
    }
    for (key, _) in old {
        if let Key::RequestAge(_, request) = &key {
            change.delete(Key::Request(request.clone()))?;
        }
        change.delete(key)?;
    }
    Ok(())
}

/// Goes on where the last one stopped, so that old sessions are found behind any number of used ones.
fn client_sessions(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - change.limits().client_kept;
    let (from, to) = (Key::Client(change.clients_swept()), Key::Client(ClientId(Position::MAX)));
    let seen = change.scan(&from, &to, EXPIRE_MAX)?;
    let mut budget = EXPIRE_MAX;
    for (key, row) in &seen {
        let (Key::Client(client), Row::Client(row)) = (key, row) else { continue };
        if row.last_used < oldest_kept && !forget_client(change, *client, &mut budget)? {
            change.effect(Effect::MoreToExpire);
            return change.sweep_clients_from(*client);
        }
    }
    match seen.last() {
        Some((Key::Client(last), _)) if seen.len() == EXPIRE_MAX => change.sweep_clients_from(*last),
        Some(_) | None => change.sweep_clients_from(ClientId::default()),
    }
}

/// False if it has more answers than may be removed now.
fn forget_client(change: &mut Change<'_>, client: ClientId, budget: &mut usize) -> Result<bool, BaseError> {
    let next = ClientId::from_u64(client.as_u64().saturating_add(1));
    let (from, to) = (Key::Answer(client, 0), Key::Answer(next, 0));
    let answers = change.scan(&from, &to, *budget)?;
    *budget -= answers.len();
    answers.into_iter().try_for_each(|(answer, _)| change.delete(answer))?;
    if *budget == 0 {
        return Ok(false);
    }
    *budget -= 1;
    change.delete(Key::Client(client))?;
    Ok(true)
}

fn offline_trackers(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - change.limits().offline_kept;
    let known: Vec<(NodeGroup, Identity)> = change.indexes().sessions().map(|(_, who)| who.clone()).collect();
    let mut budget = EXPIRE_MAX;
    for (group, who) in known {
        let Some(row) = change.tracker(&group, &who)? else { continue };
        if row.state != TrackerState::Online && row.since < oldest_kept && budget > 0 {
            change.delete(Key::Tracker(group, who))?;
            budget -= 1;
        }
    }
    Ok(())
}

/// Whatever the groups: the oldest goes first.
fn unheard_feedback(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - change.limits().feedback_kept;
    let old = change.indexes().feedback_before(oldest_kept).take(EXPIRE_MAX);
    let old: Vec<(NodeGroup, RunId)> = old.map(|(group, run)| (group.clone(), run)).collect();
    if old.len() == EXPIRE_MAX {
        change.effect(Effect::MoreToExpire);
    }
    for (group, run) in old {
        let Some(row) = change.feedback(&group, run)? else { continue };
        feedback::forget(change, &group, run, &row)?;
        change.count_feedback(&group, |counts| counts.expired += 1)?;
    }
    Ok(())
}

/// The oldest minutes of all series go first, wherever there are too many.
fn series(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = minute_of(change.now() - change.limits().stats_kept);
    let too_many = change.stats_rows().saturating_sub(change.limits().stats_rows_max);
    let too_many = usize::try_from(too_many).unwrap_or(usize::MAX);
    let mut oldest = Vec::new();
    // What is young enough is read only to find the oldest of too many: this is done often while runs expire.
    let end = if too_many == 0 { oldest_kept } else { Timestamp::MAX };
    for (from, to) in Key::first_stats(Timestamp::ZERO).iter().zip(&Key::first_stats(end)) {
        let keys = change.scan(from, to, EXPIRE_MAX)?.into_iter().map(|(key, _)| key);
        oldest.extend(keys.filter_map(|key| key.stats_minute().map(|minute| (minute, key))));
    }
    oldest.sort();
    let is_old = |(at, (minute, _)): &(usize, (Timestamp, Key))| *at < too_many || *minute < oldest_kept;
    let old = oldest.into_iter().enumerate().take(EXPIRE_MAX).take_while(is_old);
    let mut forgotten = 0;
    for (_, (_, key)) in old {
        change.delete_stats(key)?;
        forgotten += 1;
    }
    if forgotten == EXPIRE_MAX {
        change.effect(Effect::MoreToExpire);
    }
    Ok(())
}

/// Those that recovered long ago. There are not many: a rule has a bounded number of subjects.
fn alarms(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - ALARM_KEPT;
    let (from, to) = Key::alarms();
    let rows = change.scan(&from, &to, usize::MAX)?;
    let is_old = |row: &Row| match row {
        Row::Alarm(row) => row.recovered.is_some_and(|at| at < oldest_kept),
        _ => false,
    };
    let old = rows.into_iter().filter(|(_, row)| is_old(row)).take(EXPIRE_MAX);
    old.map(|(key, _)| key).try_for_each(|key| change.delete(key))
}

fn silences(change: &mut Change<'_>) -> Result<(), BaseError> {
    let (from, to) = Key::silences();
    let now = change.now();
    let is_over = |row: &Row| matches!(row, Row::Silence(row) if row.until <= now);
    let rows = change.scan(&from, &to, usize::MAX)?;
    let over = rows.into_iter().filter(|(_, row)| is_over(row)).take(EXPIRE_MAX);
    over.map(|(key, _)| key).try_for_each(|key| change.delete(key))
}
