//! Forgets what is old: finished runs by age and by number a group, request ids, client sessions, offline TaskTrackers.
//! A bounded number of rows a command; the leader comes back while there is more.

use crate::domain::{ClientId, Identity, JobId, NodeGroup, Position, RequestId, RunId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::key::Key;
use crate::machine::limits::EXPIRE_MAX;
use crate::machine::reply::Reply;
use crate::machine::row::{Row, TaskKeyRow, TrackerState};

pub(super) fn apply(change: &mut Change<'_>) -> Result<Reply, BaseError> {
    finished_runs(change)?;
    request_ids(change)?;
    client_sessions(change)?;
    offline_trackers(change)?;
    Ok(Reply::Done)
}

fn finished_runs(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - change.limits().finished_kept;
    let (from, to) = (Key::Finished(Timestamp::ZERO, RunId::default()), Key::first_job_log());
    for (key, row) in change.scan(&from, &to, EXPIRE_MAX)? {
        let (Key::Finished(at, run), Row::Finished(finished)) = (&key, row) else { continue };
        let kept = change.group_row(&finished.node_group)?.map_or(0, |group| group.kept);
        if *at < oldest_kept || kept > change.limits().finished_runs_max {
            forget_run(change, key.clone(), *run, &finished.node_group)?;
        }
    }
    Ok(())
}

fn forget_run(
    change: &mut Change<'_>,
    finished: Key,
    run: RunId,
    group: &NodeGroup,
) -> Result<(), BaseError> {
    let (from, to) = (Key::JobLog(run, Position::MIN), Key::JobLog(run, Position::MAX));
    for (line, _) in change.scan(&from, &to, usize::MAX)? {
        change.delete(line)?;
    }
    change.delete(Key::Ledger(run))?;
    change.delete(finished)?;
    change.count(group, |group| group.kept = group.kept.saturating_sub(1))?;
    forget_job_if_bare(change, run.job)
}

/// A job that has ended and of whose runs none is left.
fn forget_job_if_bare(change: &mut Change<'_>, id: JobId) -> Result<(), BaseError> {
    let Some(job) = change.job(id)? else { return Ok(()) };
    let key = change.task_key(&job.spec.node_group, &job.spec.task_id)?.filter(|key| key.job == id);
    if key.is_some_and(|key| key.live) {
        return Ok(());
    }
    let runs = |number| Key::Ledger(RunId { job: id, number });
    if !change.scan(&runs(0), &runs(u64::MAX), 1)?.is_empty() {
        return Ok(());
    }
    if let Some(TaskKeyRow { .. }) = key {
        change.delete(Key::TaskKey(job.spec.node_group.clone(), job.spec.task_id.clone()))?;
    }
    change.delete(Key::Job(id))
}

fn request_ids(change: &mut Change<'_>) -> Result<(), BaseError> {
    let first = RequestId::new(" ").expect("a space is printable");
    let oldest_kept = change.now() - change.limits().request_window;
    let (from, to) = (Key::RequestAge(Timestamp::ZERO, first.clone()), Key::RequestAge(oldest_kept, first));
    for (key, _) in change.scan(&from, &to, EXPIRE_MAX)? {
        if let Key::RequestAge(_, request) = &key {
            change.delete(Key::Request(request.clone()))?;
        }
        change.delete(key)?;
    }
    Ok(())
}

fn client_sessions(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - change.limits().client_kept;
    let client = |position| Key::Client(ClientId(position));
    for (key, row) in change.scan(&client(Position::MIN), &client(Position::MAX), EXPIRE_MAX)? {
        let (Key::Client(client), Row::Client(row)) = (&key, row) else { continue };
        if row.last_used >= oldest_kept {
            continue;
        }
        let answers = (Key::Answer(*client, 0), Key::Answer(*client, u64::MAX));
        for (answer, _) in change.scan(&answers.0, &answers.1, usize::MAX)? {
            change.delete(answer)?;
        }
        change.delete(key)?;
    }
    Ok(())
}

fn offline_trackers(change: &mut Change<'_>) -> Result<(), BaseError> {
    let oldest_kept = change.now() - change.limits().offline_kept;
    let known: Vec<(NodeGroup, Identity)> = change.indexes().sessions().map(|(_, who)| who.clone()).collect();
    for (group, who) in known.into_iter().take(EXPIRE_MAX) {
        let Some(row) = change.tracker(&group, &who)? else { continue };
        if row.state != TrackerState::Online && row.since < oldest_kept {
            change.delete(Key::Tracker(group, who))?;
        }
    }
    Ok(())
}
