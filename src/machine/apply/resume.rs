//! A suspended job goes on from now. A held run goes on where it was; the instants that fell due meanwhile are skipped
//! as one range with its count: a grid counts them here, those of a cron come with the leader's next plan.

use crate::domain::{JobId, JobSpec};
use crate::machine::apply::{on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::OnJob;
use crate::machine::effect::Effect;
use crate::machine::queue::alive::is_alive;
use crate::machine::queue::{end, hold, instant};
use crate::machine::reply::{ActAnswer, Reply};
use crate::machine::row::{Answer, JobAct, JobRow, LiveRun, PeriodicRow, Rhythm, Why};

pub(super) fn apply(change: &mut Change<'_>, act: &OnJob) -> Result<Reply, BaseError> {
    request::once(change, &act.request, |change| match on_job::expected(change, act)? {
        Ok((id, job)) => resume(change, id, &job, act).map(Answer::Acted),
        Err(answer) => Ok(answer),
    })
}

fn resume(change: &mut Change<'_>, id: JobId, job: &JobRow, act: &OnJob) -> Result<ActAnswer, BaseError> {
    if !is_alive(change, id)? {
        return Ok(ActAnswer::AlreadyFinished(id, on_job::last_fate(change, id)?));
    }
    if on_job::is_being_cancelled(change, id)? {
        return Ok(ActAnswer::CancelRequested(id));
    }
    if job.suspended.is_none() {
        return Ok(ActAnswer::NotSuspended(id));
    }
    change.put_job(id, JobRow { suspended: None, ..job.clone() })?;
    change.log_job(id, JobAct::Resumed, Why::of(&act.request, &act.reason))?;
    for (run, live) in change.live_runs(id)? {
        hold::release(change, run, LiveRun::clone(&live))?;
    }
    if let Some(row) = change.periodic(id)? {
        go_on(change, id, &job.spec, PeriodicRow::clone(&row))?;
    }
    let lives = is_alive(change, id)?;
    Ok(if lives { ActAnswer::Resumed(id) } else { ActAnswer::Ended(id) })
}

fn go_on(change: &mut Change<'_>, id: JobId, spec: &JobSpec, mut row: PeriodicRow) -> Result<(), BaseError> {
    row.suspended = false;
    match row.rhythm {
        Rhythm::Planned { ended: false, .. } => {
            row.resumed = Some(change.now());
            change.effect(Effect::NeedsPlan(id));
        }
        Rhythm::Grid { .. } => instant::skip_suspended(change, id, spec, &mut row)?,
        Rhythm::Planned { ended: true, .. } | Rhythm::Stopped { .. } => {}
    }
    end::settle_or_end(change, id, row)
}
