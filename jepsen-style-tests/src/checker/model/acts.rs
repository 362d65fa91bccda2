//! Acts on jobs: suspend, resume, trigger, delete, and a retry of the last dead run.

use super::rhythm::Rhythm;
use super::{Beyond, Model, Skip, State, Stop};
use crate::checker::command::{JobRef, OnJob};
use crate::checker::reply::{ActAnswer, Fate, Reply};
use crate::checker::words::{Id, RunRef};

/// How many of the last runs a retry of the last dead one looks at.
const LAST_RUNS_SEEN: u64 = 256;

type Acted = Result<Result<ActAnswer, &'static str>, Beyond>;

impl Model {
    pub(super) fn find(&self, job: &JobRef) -> Option<Id> {
        let id = match job {
            JobRef::Id { id } => Some(*id),
            JobRef::Key { node_group, task_id } => self.by_key(node_group, task_id),
        };
        id.filter(|id| self.jobs.contains_key(id))
    }

    pub(super) fn act(
        &mut self,
        act: &OnJob,
        recorded: Option<&Reply>,
        does: fn(&mut Model, Id, Option<Fate>) -> Acted,
    ) -> Result<Reply, Beyond> {
        let Some(id) = self.find(&act.job) else { return Ok(Reply::Acted(ActAnswer::NotFound)) };
        if ![0, self.jobs[&id].revision].contains(&act.expected_revision) {
            return Ok(Reply::refused("revision_differs"));
        }
        let told = match recorded {
            Some(Reply::Acted(ActAnswer::AlreadyFinished { fate, .. })) => Some(*fate),
            _ => None,
        };
        let answer = does(self, id, told)?;
        // Its line in the job log.
        self.ids.unsure = true;
        Ok(answer.map_or_else(Reply::refused, Reply::Acted))
    }

    /// Why it can neither be suspended nor resumed.
    fn is_beyond(&self, id: Id, told: Option<Fate>) -> Option<ActAnswer> {
        let job = &self.jobs[&id];
        if !job.lives {
            return Some(ActAnswer::AlreadyFinished { job: id, fate: job.ended_as(told) });
        }
        let mut live = job.runs.values().filter(|run| !matches!(run.state, State::Ended(_)));
        let cancelled = if job.periodic { job.cancelled } else { live.any(|run| run.stop == Stop::Cancel) };
        cancelled.then_some(ActAnswer::CancelRequested(id))
    }

    pub(super) fn suspend(&mut self, id: Id, told: Option<Fate>) -> Acted {
        self.settle_before_the_end(id);
        if let Some(answer) = self.is_beyond(id, told) {
            return Ok(Ok(answer));
        }
        let job = self.jobs.get_mut(&id).expect("it was found");
        if std::mem::replace(&mut job.suspended, true) {
            return Ok(Ok(ActAnswer::AlreadySuspended(id)));
        }
        job.resumed = None;
        if let Rhythm::Planned { ahead, ended, .. } = &mut job.rhythm {
            *ended &= ahead.is_empty();
            ahead.clear();
        }
        for number in self.jobs[&id].live_numbers() {
            let at = RunRef { job: id, number };
            let run = self.run(at).expect("just listed");
            run.despite = false;
            match run.state {
                State::Waiting { .. } | State::Ready => self.hold(at),
                State::Suspended { .. } | State::Executing(_) | State::Ended(_) => {}
            }
        }
        let lives = self.jobs[&id].lives;
        Ok(Ok(if lives { ActAnswer::Suspended(id) } else { ActAnswer::Ended(id) }))
    }

    /// It would be dispatched if its job were not suspended: a one-shot job's run is held, that of an instant ends.
    pub(super) fn hold(&mut self, at: RunRef) {
        let run = self.run(at).expect("only called for a run that is there");
        if run.periodic {
            let fate = if run.executions == 0 { Fate::Skipped } else { Fate::Failed };
            return self.finish(at, fate);
        }
        let until = match run.state {
            State::Waiting { until } => Some(until),
            State::Suspended { until } => until,
            State::Ready | State::Executing(_) | State::Ended(_) => None,
        };
        self.unqueue(at);
        self.make_held(at, until);
    }

    pub(super) fn resume(&mut self, id: Id, told: Option<Fate>) -> Acted {
        if let Some(answer) = self.is_beyond(id, told) {
            return Ok(Ok(answer));
        }
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it was found");
        if !std::mem::replace(&mut job.suspended, false) {
            return Ok(Ok(ActAnswer::NotSuspended(id)));
        }
        for number in self.jobs[&id].live_numbers() {
            let at = RunRef { job: id, number };
            match self.run(at).expect("just listed").state {
                State::Suspended { until: None } => self.make_ready(at),
                State::Suspended { until: Some(until) } if until > now => self.make_wait(at, until),
                State::Suspended { until: Some(_) } => self.ripen(at),
                State::Waiting { .. } | State::Ready | State::Executing(_) | State::Ended(_) => {}
            }
        }
        self.go_on(id)?;
        self.end_job_if_over(id);
        let lives = self.jobs[&id].lives;
        Ok(Ok(if lives { ActAnswer::Resumed(id) } else { ActAnswer::Ended(id) }))
    }

    /// What of a grid fell due meanwhile is skipped; a cron's next plan says it.
    fn go_on(&mut self, id: Id) -> Result<(), Beyond> {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it was found");
        match &job.rhythm {
            Rhythm::Planned { ended: false, .. } => job.resumed = Some(now),
            Rhythm::Grid { .. } => {
                let due = job.rhythm.all_due(now)?;
                if let (Some(first), Some(last)) = (due.first(), due.last()) {
                    job.skip(*first, *last, Skip::Suspended);
                    job.rhythm.settle(due.len());
                }
            }
            Rhythm::Planned { ended: true, .. } | Rhythm::None => {}
        }
        Ok(())
    }

    pub(super) fn trigger(&mut self, id: Id, _: Option<Fate>) -> Acted {
        let now = self.now;
        let job = &self.jobs[&id];
        let has_one_run = !job.periodic || job.restart;
        let Some(number) = job.live_numbers().first().copied().filter(|_| has_one_run) else {
            return Ok(self.by_hand(id).map(ActAnswer::Triggered));
        };
        let at = RunRef { job: id, number };
        let run = self.run(at).expect("just listed");
        match run.state {
            State::Ready => return Ok(Ok(ActAnswer::AlreadyReady(at))),
            State::Executing(_) => return Ok(Ok(ActAnswer::AlreadyRunning(at))),
            State::Suspended { .. } => run.despite = true,
            State::Waiting { .. } | State::Ended(_) => {}
        }
        self.unqueue(at);
        let run = self.run(at).expect("just listed");
        (run.due, run.asked) = (run.due.min(now), true);
        self.make_ready(at);
        Ok(Ok(ActAnswer::Triggered(at)))
    }

    pub(super) fn delete(&mut self, id: Id, _: Option<Fate>) -> Acted {
        for number in self.jobs[&id].live_numbers() {
            let at = RunRef { job: id, number };
            if let State::Executing(_) = self.run(at).expect("just listed").state {
                return Ok(Ok(ActAnswer::StillExecuting(at)));
            }
        }
        for number in self.jobs[&id].live_numbers() {
            self.unqueue(RunRef { job: id, number });
        }
        let job = self.jobs.remove(&id).expect("it was found");
        self.deleted.insert(id, job.settled);
        self.periodic.remove(&id);
        self.keys.retain(|_, holder| *holder != id);
        Ok(Ok(ActAnswer::Deleted(id)))
    }

    pub(super) fn retry_last_dead(&mut self, job: &JobRef, recorded: Option<&Reply>) -> Reply {
        let Some(id) = self.find(job) else { return Reply::refused("unknown_job") };
        let job = &self.jobs[&id];
        let seen = job.runs.range(job.next_number().saturating_sub(LAST_RUNS_SEEN)..).rev();
        let dead = seen.filter(|(_, run)| run.state == State::Ended(Fate::Dead)).map(|(number, _)| *number);
        match dead.take(1).next() {
            Some(number) => self.retry(RunRef { job: id, number }, recorded),
            None => Reply::refused("no_dead_run"),
        }
    }
}
