//! How executions, runs and jobs end.

use super::{Beyond, Model, State, Stop};
use crate::checker::command::{Action, Backoff, Completion, JobRef};
use crate::checker::reply::{CancelAnswer, CompleteAnswer, Fate, Reply};
use crate::checker::words::{Id, RunRef};

impl Model {
    /// The execution's result counts if it is the run's current one; the same result again is acknowledged again.
    pub(super) fn complete(&mut self, result: &Completion) -> Result<CompleteAnswer, Beyond> {
        let Completion { execution, action, retry_after } = result;
        let Some((at, _)) = self.executing.get(execution).copied() else {
            let known = self.known.get(execution).copied().and_then(|at| self.run(at));
            let again = known.map(|run| run.said.contains(&(*execution, *action)));
            // A stale completion of a run that is known is noted under an id.
            self.ids.unsure |= again == Some(false);
            let again = again.unwrap_or(false);
            return Ok(if again { CompleteAnswer::Accepted } else { CompleteAnswer::Stale });
        };
        let now = self.now;
        let next_instant = self.next_instant_before_retry(at.job);
        let suspended = self.jobs[&at.job].suspended;
        self.executing.remove(execution);
        let run = self.run(at).expect("what executes is a run");
        run.said.push((*execution, *action));
        let fate = match (action, run.stop, run.superseded) {
            (Action::Success, _, _) => Fate::Succeeded,
            (Action::Failed, _, _) | (_, Stop::Terminate, _) | (_, Stop::No, true) => Fate::Failed,
            (_, Stop::Cancel, _) => Fate::Cancelled,
            (Action::Later | Action::Exception, Stop::No, false) => {
                if run.retries >= run.spec.max_retries {
                    Fate::Dead
                } else {
                    let delay = match retry_after {
                        Some(wished) => wished.0,
                        None => delay(&run.spec.backoff, run.retries + 1)?,
                    };
                    let until = now.saturating_add(delay);
                    run.retries += 1;
                    let (held, periodic) = (suspended && !run.despite, run.periodic);
                    if held && !periodic {
                        self.make_held(at, Some(until));
                        return Ok(CompleteAnswer::Accepted);
                    }
                    if held {
                        self.finish(at, Fate::Failed);
                        return Ok(CompleteAnswer::Accepted);
                    }
                    if next_instant.is_none_or(|next| next >= until) {
                        // With no delay at all it still waits, for the next tick.
                        self.make_wait(at, until);
                        return Ok(CompleteAnswer::Accepted);
                    }
                    Fate::Failed
                }
            }
        };
        self.finish(at, fate);
        Ok(CompleteAnswer::Accepted)
    }

    /// Taken back from its TaskTracker: ready again, unless that happened too often or there is to be no further attempt.
    pub(super) fn reclaim(&mut self, execution: Id, timed_out: bool) {
        let limit = self.reclaims_max();
        let Some((at, _)) = self.executing.remove(&execution) else { return };
        let run = self.run(at).expect("what executes is a run");
        run.reclaims += 1;
        let too_often = run.reclaims > limit;
        match (run.stop, run.superseded) {
            (Stop::Cancel, _) => self.finish(at, Fate::Cancelled),
            (Stop::Terminate, _) | (Stop::No, true) => self.finish(at, Fate::Failed),
            (Stop::No, false) if timed_out || too_often => self.finish(at, Fate::Dead),
            (Stop::No, false) => self.ready_or_held(at),
        }
    }

    /// A push that was not taken: ready again, and no attempt was made.
    pub(super) fn give_back(&mut self, execution: Id, began: bool) {
        let Some((at, _)) = self.executing.remove(&execution) else { return };
        let run = self.run(at).expect("what executes is a run");
        run.executions -= u64::from(!began);
        match (run.stop, run.superseded) {
            (Stop::Cancel, _) => self.finish(at, Fate::Cancelled),
            (Stop::Terminate, _) | (Stop::No, true) => self.finish(at, Fate::Failed),
            (Stop::No, false) => self.ready_or_held(at),
        }
    }

    /// It executes no more, and would be dispatched again.
    fn ready_or_held(&mut self, at: RunRef) {
        let suspended = self.jobs[&at.job].suspended;
        let run = self.run(at).expect("what executed is a run");
        if !suspended || run.despite {
            return self.make_ready(at);
        }
        self.hold(at);
    }

    pub(super) fn terminate(&mut self, at: RunRef) -> Reply {
        let Some(run) = self.run(at) else { return Reply::refused("unknown_run") };
        let State::Executing(execution) = run.state else { return Reply::refused("not_executing") };
        if run.stop == Stop::No {
            run.stop = Stop::Terminate;
        }
        Reply::Terminating(execution)
    }

    pub(super) fn cancel(&mut self, job: &JobRef, recorded: Option<&Reply>) -> CancelAnswer {
        let Some(id) = self.find(job) else { return CancelAnswer::NotFound };
        self.settle_before_the_end(id);
        let job = self.jobs.get_mut(&id).expect("it is there");
        if !job.lives {
            let told = match recorded {
                Some(Reply::Cancelled(CancelAnswer::AlreadyFinished { fate, .. })) => Some(*fate),
                _ => None,
            };
            return CancelAnswer::AlreadyFinished { job: id, fate: job.ended_as(told) };
        }
        job.cancelled = true;
        job.restart = false;
        job.rhythm = super::Rhythm::None;
        self.periodic.remove(&id);
        let mut touched = false;
        for number in self.jobs[&id].live_numbers() {
            let at = RunRef { job: id, number };
            let run = self.run(at).expect("just listed");
            touched |= run.executions > 0;
            match run.state {
                State::Executing(_) => run.stop = Stop::Cancel,
                State::Waiting { .. } | State::Ready | State::Suspended { .. } => {
                    self.set_ended(at, Fate::Cancelled);
                }
                State::Ended(_) => {}
            }
        }
        self.end_job_if_over(id);
        if touched { CancelAnswer::CancelRequested(id) } else { CancelAnswer::Cancelled(id) }
    }

    pub(super) fn finish(&mut self, at: RunRef, fate: Fate) {
        self.set_ended(at, fate);
        self.end_job_if_over(at.job);
    }

    pub(super) fn set_ended(&mut self, at: RunRef, fate: Fate) {
        self.unqueue(at);
        self.run(at).expect("only called for a run that is there").state = State::Ended(fate);
        let job = self.jobs.get_mut(&at.job).expect("it has the run");
        job.live -= 1;
        job.last_ended = Some(fate);
    }

    /// Takes a run out of the queue in which it is.
    pub(super) fn unqueue(&mut self, at: RunRef) {
        let run = self.run(at).expect("only called for a run that is there");
        let (state, priority, due) = (run.state, run.spec.priority, run.due);
        let group = run.spec.node_group.clone();
        let _was_queued = match state {
            State::Waiting { until } => self.waiting.remove(&(until, priority, at)),
            State::Ready => self.ready.remove(&(group, priority, due, at)),
            State::Suspended { .. } | State::Executing(_) | State::Ended(_) => false,
        };
    }

    pub(super) fn end_job_if_over(&mut self, id: Id) {
        let job = self.jobs.get_mut(&id).expect("only called for a job that is there");
        if job.live > 0 {
            return;
        }
        if std::mem::take(&mut job.restart) {
            job.periodic = false;
            self.start_schedule(id).expect("a one-shot job was checked when it came");
        } else if job.rhythm.is_over() {
            (job.lives, job.periodic, job.suspended, job.skipping) = (false, false, false, None);
            self.periodic.remove(&id);
        }
    }
}

/// The delay before a retry.
fn delay(backoff: &Backoff, retry: u64) -> Result<i64, Beyond> {
    match backoff {
        Backoff::Fixed { fixed_ms } => Ok(fixed_ms.0),
        Backoff::Exponential { initial_ms: initial, max_ms: max, jitter_percent: 0 } => {
            let doublings = u32::try_from(retry.saturating_sub(1)).unwrap_or(u32::MAX).min(32);
            Ok(initial.0.saturating_mul(1 << doublings).min(max.0))
        }
        Backoff::Exponential { .. } => Err("a retry delay with a part of chance".into()),
    }
}
