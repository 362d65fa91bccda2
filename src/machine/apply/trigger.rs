//! Runs a job now, whatever its schedule says and whether or not it is suspended; its schedule stays as it is.
//!
//! A periodic job gets a run by hand beside its instants, a finished one as a retry would give it. A one-shot job has
//! one run, so that one is taken to the head of the queue.

use crate::domain::{JobId, RunId};
use crate::machine::apply::{on_job, request};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::OnJob;
use crate::machine::effect::Effect;
use crate::machine::queue::by_hand;
use crate::machine::reply::{ActAnswer, Reply};
use crate::machine::row::{Answer, JobAct, JobRow, LiveRun, LiveState, Rhythm, Why};

pub(super) fn apply(change: &mut Change<'_>, act: &OnJob) -> Result<Reply, BaseError> {
    request::once(change, &act.request, |change| {
        let (id, job) = match on_job::expected(change, act)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let answer = trigger(change, id, &job)?;
        if let Answer::Acted(ActAnswer::Triggered(run)) = answer {
            change.log_job(id, JobAct::Triggered(run), Why::of(&act.request, &act.reason))?;
        }
        Ok(answer)
    })
}

fn trigger(change: &mut Change<'_>, id: JobId, job: &JobRow) -> Result<Answer, BaseError> {
    let waits_for_older = |rhythm: &Rhythm| matches!(rhythm, Rhythm::Stopped { restart: true });
    let has_one_run = match change.periodic(id)? {
        Some(row) => waits_for_older(&row.rhythm),
        None => true,
    };
    match change.live_runs(id)?.into_iter().next().filter(|_| has_one_run) {
        Some((run, live)) => one_shot(change, run, LiveRun::clone(&live)).map(Answer::Acted),
        None => {
            let made = by_hand::run(change, id, job)?;
            Ok(made.map_or_else(Answer::Refused, |run| ActAnswer::Triggered(run).into()))
        }
    }
}

/// The only run of its job, or one of an older revision that the newest waits for.
fn one_shot(change: &mut Change<'_>, run: RunId, mut live: LiveRun) -> Result<ActAnswer, BaseError> {
    let now = change.now();
    match live.state {
        LiveState::Ready { .. } => return Ok(ActAnswer::AlreadyReady(run)),
        LiveState::Executing { .. } => return Ok(ActAnswer::AlreadyRunning(run)),
        LiveState::Suspended { .. } => live.despite_suspend = true,
        LiveState::Waiting { .. } => {}
    }
    live.state = LiveState::Ready { since: now };
    live.due = live.due.min(now);
    // Who asks for it now does not want to hear that it is too late.
    live.start_by = None;
    change.effect(Effect::Ready(live.node_group.clone()));
    change.put_live(run, live)?;
    Ok(ActAnswer::Triggered(run))
}
