//! An update, told again: what waits takes the new revision, what executes keeps its own.

use std::sync::Arc;

use super::{Job, Model, Next, Rhythm, State};
use crate::domain::{JobId, JobSpec, PatchError, RepeatSchedule, RunId, Schedule, Timestamp};
use crate::machine::command::{JobRef, Update};
use crate::machine::reply::UpdateAnswer;
use crate::machine::row::{Fate, SkipReason};

impl Model {
    pub(super) fn update(&mut self, update: &Update) -> UpdateAnswer {
        let id = match &update.job {
            JobRef::Id(job) => Some(*job),
            JobRef::Key(group, task) => self.keys.get(&(group.clone(), task.clone())).copied(),
        };
        let Some(id) = id.filter(|id| self.jobs.contains_key(id)) else { return UpdateAnswer::NotFound };
        let Some(patch) = &update.patch else { return UpdateAnswer::Refused };
        let job = &self.jobs[&id];
        if !job.alive {
            return self.update_comes_too_late(id);
        }
        if ![0, job.revision].contains(&update.expected_revision) {
            let current = job.revision;
            self.rare("update conflicts");
            return UpdateAnswer::RevisionConflict(id, current);
        }
        let new = match patch.applied_to(&job.spec) {
            Ok(new) => new,
            Err(PatchError::TypeDiffers) => return UpdateAnswer::TypeDiffers(id),
            Err(PatchError::Wrong(wrong)) => {
                let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                return UpdateAnswer::Wrong(problems.join("; "));
            }
        };
        let key = (new.node_group.clone(), new.task_id.clone());
        let holder = self.keys.get(&key).copied().filter(|holder| *holder != id);
        if let Some(holder) = holder.filter(|holder| self.jobs.get(holder).is_some_and(Job::is_alive)) {
            self.rare("key taken by another job");
            return UpdateAnswer::KeyTaken(holder);
        }
        if self.jobs[&id].spec.schedule == new.schedule {
            while self.settle_next(id) {}
            self.end_job_if_done(id);
        } else {
            self.settle_before_the_end(id);
            while self.jobs[&id].suspended
                && let Some(instant) = self.grid_until(id, self.now)
            {
                self.skip(id, instant, instant, 1, SkipReason::Suspended);
            }
            self.end_job_if_done(id);
        }
        if !self.jobs[&id].alive {
            return self.update_comes_too_late(id);
        }
        self.id();
        self.revise(id, Arc::new(new));
        UpdateAnswer::Updated(id, self.jobs[&id].revision)
    }

    fn update_comes_too_late(&mut self, id: JobId) -> UpdateAnswer {
        self.rare("update of an ended job");
        UpdateAnswer::AlreadyFinished(id, self.jobs[&id].ended_as())
    }

    fn revise(&mut self, id: JobId, new: Arc<JobSpec>) {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it lives");
        let old = std::mem::replace(&mut job.spec, Arc::clone(&new));
        job.revision += 1;
        let rescheduled = old.schedule != new.schedule;
        let moved = old.node_group != new.node_group;
        let replanned =
            moved || rescheduled || (old.misfire, old.misfire_after) != (new.misfire, new.misfire_after);
        if replanned {
            job.planned_by = job.revision;
        }
        let mut seen = vec!["updated"];
        if moved {
            self.keys.remove(&(old.node_group.clone(), old.task_id.clone()));
            self.keys.insert((new.node_group.clone(), new.task_id.clone()), id);
            seen.push("moved to another group");
        }
        for number in job.live_numbers() {
            let run = job.runs.get_mut(&number).expect("it lives");
            if matches!(run.state, State::Executing(..)) {
                seen.push("updated while executing");
                continue;
            }
            if let (Schedule::TriggerTime(at), true) = (&new.schedule, rescheduled)
                && run.executions == 0
                && !run.by_hand
            {
                run.due = (*at).max(now);
                run.state = if run.due <= now { State::Ready } else { State::Waiting(run.due) };
                if job.suspended {
                    run.despite = false;
                    run.state = State::Suspended((run.due > now).then_some(run.due));
                }
            }
            if run.state == State::Ready {
                seen.push("updated while ready");
            }
        }
        let waiting: Vec<u64> = job.live_numbers();
        if let Some(rhythm) = &mut job.rhythm {
            if replanned {
                rhythm.skipping = None;
            }
            if rescheduled && !matches!(rhythm.next, Next::Stopped { .. }) {
                let grid = matches!(rhythm.next, Next::Grid { .. });
                let settled = if grid { rhythm.settled } else { now };
                *rhythm = Rhythm::new(settled, rhythm.rescheduled(&old, &new, now));
                seen.push("rescheduled");
            }
        }
        waiting.into_iter().for_each(|number| self.take_newest(RunId { job: id, number }));
        self.end_job_if_done(id);
        seen.into_iter().for_each(|what| self.rare(what));
    }

    /// A run that does not execute runs the newest revision.
    pub(super) fn take_newest(&mut self, id: RunId) {
        let job = self.jobs.get_mut(&id.job).expect("its run is known");
        let (spec, revision) = (Arc::clone(&job.spec), job.revision);
        let Some(run) = job.runs.get_mut(&id.number) else { return };
        if run.revision == revision
            || !matches!(run.state, State::Waiting(_) | State::Ready | State::Suspended(_))
        {
            return;
        }
        run.start_by = spec.start_deadline.filter(|_| !run.by_hand).map(|deadline| run.due + deadline);
        if run.executions == 0 {
            run.group = spec.node_group.clone();
        }
        (run.spec, run.revision) = (spec, revision);
        if run.executions > 0 {
            self.rare("a retry takes a newer revision");
        }
    }
}

impl Job {
    /// How the last of its runs that is known ended.
    pub(super) fn ended_as(&self) -> Fate {
        let last = self.runs.get(&self.next_number.saturating_sub(1)).or(self.runs.values().next());
        last.map_or(Fate::Cancelled, |run| match run.state {
            State::Ended(fate, _) => fate,
            State::Waiting(_) | State::Ready | State::Suspended(_) | State::Executing(..) => {
                unreachable!("the job has ended")
            }
        })
    }
}

impl Rhythm {
    /// What comes next under another schedule of the same type; all that is due is settled.
    fn rescheduled(&self, old: &JobSpec, new: &JobSpec, now: Timestamp) -> Next {
        let (Schedule::Repeat(old), Schedule::Repeat(new)) = (&old.schedule, &new.schedule) else {
            return Next::Planned { ahead: Vec::new(), ended: false };
        };
        let Next::Grid { next, left, .. } = self.next else { unreachable!("a repeat job has a grid") };
        let next = self.grid_goes_on(next, old, new, now);
        let done = old.count.zip(left).map_or(0, |(count, left)| count.saturating_sub(left));
        Next::Grid { next, interval: new.interval, left: new.count.map(|count| count.saturating_sub(done)) }
    }

    fn grid_goes_on(
        &self,
        next: Timestamp,
        old: &RepeatSchedule,
        new: &RepeatSchedule,
        now: Timestamp,
    ) -> Timestamp {
        let wanted = if new.first != old.first {
            new.first.unwrap_or(now)
        } else if next == self.settled + old.interval {
            self.settled + new.interval
        } else {
            next
        };
        let wanted = wanted.max(now);
        if wanted > self.settled { wanted } else { self.settled + new.interval }
    }
}
