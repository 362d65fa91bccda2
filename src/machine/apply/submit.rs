//! New jobs: RECEIVE. Each job of a batch gets an answer of its own.

use std::sync::Arc;

use crate::domain::{JobId, JobSpec, JobType, OnConflict};
use crate::machine::apply::request;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Submit;
use crate::machine::key::Key;
use crate::machine::queue::end::{self, End};
use crate::machine::queue::{alive, instant, revision, start};
use crate::machine::reply::{Reply, SubmitAnswer};
use crate::machine::row::{Answer, Fate, JobRow, LiveRun, LiveState, Rhythm, SkipReason};
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>, submit: &Submit) -> Result<Reply, BaseError> {
    request::once(change, &submit.request, |change| all(change, submit).map(Answer::Submitted))
}

/// One answer for each element of the request.
fn all(change: &mut Change<'_>, submit: &Submit) -> Result<Vec<SubmitAnswer>, BaseError> {
    let (mut jobs, mut refused) = (submit.jobs.iter(), submit.refused.iter().peekable());
    let mut answers = Vec::with_capacity(submit.jobs.len() + submit.refused.len());
    loop {
        let place = answers.len() as u64;
        if refused.next_if(|refused| u64::from(**refused) == place).is_some() {
            answers.push(SubmitAnswer::Refused);
        } else if let Some(spec) = jobs.next() {
            let is_last = jobs.len() == 0 && submit.jobs.len() > 1;
            answers.push(match planted::is(Bug::HalfABatch) && is_last {
                true => SubmitAnswer::Accepted(JobId(change.new_id())),
                false => one(change, spec)?,
            });
        } else {
            return Ok(answers);
        }
    }
}

fn one(change: &mut Change<'_>, spec: &Arc<JobSpec>) -> Result<SubmitAnswer, BaseError> {
    match alive::holder(change, &spec.node_group, &spec.task_id)? {
        Some(job) => match spec.on_conflict {
            OnConflict::Ignore => Ok(SubmitAnswer::Exists(job)),
            OnConflict::Reject => Ok(SubmitAnswer::Conflict(job)),
            OnConflict::Replace => replace_or_accept(change, job, spec),
        },
        None => accept(change, spec),
    }
}

fn accept(change: &mut Change<'_>, spec: &Arc<JobSpec>) -> Result<SubmitAnswer, BaseError> {
    let (job, now) = (JobId(change.new_id()), change.now());
    let next_number = u64::from(!is_periodic(spec));
    change.put_job(
        job,
        JobRow {
            revision: 1,
            created: now,
            updated: now,
            next_number,
            suspended: None,
            end_marked: None,
            schedule_revision: 1,
            schedule_since: now,
            spec: Arc::clone(spec),
        },
    )?;
    change.put_task_key(spec, job)?;
    change.count(&spec.node_group, |group| group.submitted += 1)?;
    start::job(change, job, spec, start::From::the_beginning())?;
    Ok(SubmitAnswer::Accepted(job))
}

/// Instants that are due get their fate first, and the last of them may end the job.
fn replace_or_accept(
    change: &mut Change<'_>,
    job: JobId,
    spec: &Arc<JobSpec>,
) -> Result<SubmitAnswer, BaseError> {
    instant::settle_before_the_end(change, job)?;
    match alive::holder(change, &spec.node_group, &spec.task_id)? {
        Some(job) => replace(change, job, spec),
        None => accept(change, spec),
    }
}

/// The next revision takes over: what waits is superseded, what executes runs out.
fn replace(change: &mut Change<'_>, job: JobId, spec: &Arc<JobSpec>) -> Result<SubmitAnswer, BaseError> {
    let Some(old) = change.job(job)? else { return accept(change, spec) };
    let number = match change.periodic(job)? {
        Some(row) => row.next_number,
        None => old.next_number,
    };
    let executing = supersede(change, job, &old)?;
    change.delete(Key::Periodic(job))?;
    let revision = old.revision + 1;
    let starts_now = executing == 0 && !is_periodic(spec);
    let next_number = number + u64::from(starts_now);
    let updated = change.now();
    // A suspended job stays so: only Resume revives it.
    let suspended = old.suspended.filter(|_| !planted::is(Bug::ReplaceRevives));
    change.put_job(
        job,
        JobRow {
            revision,
            updated,
            next_number,
            suspended,
            schedule_revision: revision,
            schedule_since: updated,
            spec: Arc::clone(spec),
            ..JobRow::clone(&old)
        },
    )?;
    let (schedule_revision, live, suspended) = (revision, executing, suspended.is_some());
    let from = start::From { revision, schedule_revision, number, live, suspended };
    if executing > 0 && !is_periodic(spec) {
        // A one-shot revision that came while older runs execute starts when they have ended.
        let rhythm = Rhythm::Stopped { restart: true };
        change.put_periodic(job, start::periodic(change.now(), spec, rhythm, from))?;
    } else if !planted::is(Bug::ReplaceStartsNothing) {
        start::job(change, job, spec, from)?;
    }
    Ok(SubmitAnswer::Replaced(job, revision))
}

/// Ends what does not execute and marks what does; returns how many execute.
fn supersede(change: &mut Change<'_>, job: JobId, old: &JobRow) -> Result<u32, BaseError> {
    // Nothing may end the job while it is replaced: as long as its periodic row is gone, a run's end ends nothing else.
    change.delete(Key::Periodic(job))?;
    let mut executing = 0;
    for (run, live) in change.live_runs(job)? {
        if matches!(live.state, LiveState::Executing { .. }) {
            executing += 1;
            revision::keep_body(change, job, old, &live)?;
            change.put_live(run, LiveRun { superseded: true, periodic: true, ..LiveRun::clone(&live) })?;
        } else {
            let skipped = Fate::Skipped { reason: SkipReason::Superseded, last: live.due, count: 1 };
            let fate = if live.executions == 0 { skipped } else { Fate::Failed };
            let live = LiveRun { periodic: true, ..LiveRun::clone(&live) };
            end::run(change, run, live, End::without_result(fate, "a newer revision of the job came"))?;
        }
    }
    Ok(executing)
}

fn is_periodic(spec: &JobSpec) -> bool {
    matches!(spec.job_type(), JobType::Cron | JobType::Repeat)
}
