//! What time does: it ripens, gives up, plans, forgets and counts, told again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Model, Next, Run, State, minute};
use crate::domain::{JobId, Millis, MisfirePolicy, RunId, Timestamp};
use crate::machine::command::{JobPlan, Stats};
use crate::machine::limits::LIVE_RUNS_MAX;
use crate::machine::row::{Fate, SkipReason};

impl Model {
    pub(super) fn tick(&mut self) {
        self.give_up();
        for id in self.jobs.keys().copied().collect::<Vec<_>>() {
            for number in self.jobs[&id].live_numbers() {
                self.ripen(RunId { job: id, number });
            }
            while self.settle_next(id) {}
            self.end_job_if_done(id);
        }
    }

    /// Whatever was ready and could no longer start.
    fn give_up(&mut self) {
        let now = self.now;
        let mut late = Vec::new();
        for (job, it) in &self.jobs {
            for (number, run) in &it.runs {
                let waits_to_start = run.state == State::Ready && run.executions == 0;
                if let Some(start_by) = run.start_by.filter(|start_by| waits_to_start && now > *start_by) {
                    late.push((start_by, RunId { job: *job, number: *number }, run.due));
                }
            }
        }
        late.sort_by_key(|(start_by, run, _)| (*start_by, *run));
        for (_, run, last) in late {
            self.end(run, Fate::Skipped { reason: SkipReason::DeadlinePassed, last, count: 1 });
        }
    }

    pub(super) fn ripen(&mut self, id: RunId) {
        let now = self.now;
        let run = self.run_mut(id).expect("it lives");
        if !matches!(run.state, State::Waiting(until) if until <= now) {
            return;
        }
        let late = now.since(run.due) > run.spec.misfire_after && run.spec.misfire == MisfirePolicy::Skip;
        let reason = match run.start_by {
            _ if run.executions > 0 => None,
            Some(start_by) if now > start_by => Some(SkipReason::DeadlinePassed),
            Some(_) | None => late.then_some(SkipReason::Misfired),
        };
        match reason {
            Some(reason) => {
                let last = run.due;
                self.end(id, Fate::Skipped { reason, last, count: 1 });
            }
            None => run.state = State::Ready,
        }
    }

    /// Every instant that is due gets its fate; what waits for a plan does so in vain.
    pub(super) fn settle_before_the_end(&mut self, id: JobId) {
        while self.settle_next(id) {}
        if self.jobs[&id].rhythm.as_ref().is_some_and(|rhythm| rhythm.stalled) {
            self.plan_ends(id, true);
            while self.settle_next(id) {}
            self.plan_ends(id, false);
            self.rare("decided without a plan");
        }
        self.end_job_if_done(id);
    }

    fn plan_ends(&mut self, id: JobId, it_does: bool) {
        let rhythm = self.jobs.get_mut(&id).and_then(|job| job.rhythm.as_mut()).expect("it has stalled");
        rhythm.stalled = false;
        if let Next::Planned { ended, .. } = &mut rhythm.next {
            *ended = it_does;
        }
    }

    /// Settles the next instant of a job that is due; false if none is or none can be decided.
    pub(super) fn settle_next(&mut self, id: JobId) -> bool {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it is looked at");
        let (live, spec) = (job.live(), Arc::clone(&job.spec));
        if job.suspended {
            return false;
        }
        let Some(rhythm) = &mut job.rhythm else { return false };
        let Some(instant) = rhythm.first().filter(|first| *first <= now && !rhythm.stalled) else {
            return false;
        };
        let kept = match spec.misfire {
            MisfirePolicy::RunOnceLate => 1,
            MisfirePolicy::Skip => 0,
            MisfirePolicy::CatchUp(n) => u64::from(n),
        };
        let late = now.since(instant);
        let mut reason = None;
        if late > spec.misfire_after {
            let (missed, may_be_more) = rhythm.before(now - spec.misfire_after);
            if missed > kept {
                reason = Some(SkipReason::Misfired);
            } else if may_be_more && kept > 0 {
                rhythm.stalled = true;
                self.rare("stalled");
                return false;
            }
        }
        if reason.is_none() && spec.start_deadline.is_some_and(|deadline| late > deadline) {
            reason = Some(SkipReason::DeadlinePassed);
        }
        if reason.is_none() && spec.rely_on_previous_cycle && live > 0 {
            reason = Some(SkipReason::PreviousStillLive);
        }
        if reason.is_none() && live >= LIVE_RUNS_MAX as usize {
            reason = Some(SkipReason::TooManyLive);
        }
        rhythm.take();
        rhythm.settled = instant;
        match reason {
            Some(reason) => self.skip(id, instant, instant, 1, reason),
            None => {
                rhythm.skipping = None;
                self.make(id, instant, false);
            }
        }
        true
    }

    /// Neighbours that were skipped for the same reason share a row.
    pub(super) fn skip(
        &mut self,
        id: JobId,
        first: Timestamp,
        last: Timestamp,
        count: u64,
        reason: SkipReason,
    ) {
        self.rare(match reason {
            SkipReason::Misfired => "misfired",
            SkipReason::PreviousStillLive => "previous still live",
            SkipReason::DeadlinePassed => "deadline passed",
            SkipReason::Suspended => "suspended instants",
            SkipReason::Superseded | SkipReason::TooManyLive => "skipped",
        });
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("it is settled");
        let rhythm = job.rhythm.as_mut().expect("it has instants");
        rhythm.settled = last;
        if let Some((number, _)) = rhythm.skipping.filter(|(_, before)| *before == reason)
            && let Some(Run {
                state: State::Ended(Fate::Skipped { last: end, count: all, .. }, began), ..
            }) = job.runs.get_mut(&number)
            && now.since(*began) <= Millis::from_secs(3600)
        {
            (*end, *all) = (last, *all + count);
            self.rare("range extended");
            return;
        }
        rhythm.skipping = Some((job.next_number, reason));
        self.make(id, first, false);
        let job = self.jobs.get_mut(&id).expect("it is settled");
        let (_, run) = job.runs.last_key_value().expect("made just now");
        let state = State::Ended(Fate::Skipped { reason, last, count }, now);
        let run = Run { state, ..run.clone() };
        job.runs.insert(job.next_number - 1, run);
    }

    pub(super) fn plan(&mut self, plan: &JobPlan) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&plan.job) else { return false };
        let (misfire_after, revision, suspended) = (job.spec.misfire_after, job.planned_by, job.suspended);
        let Some(rhythm) = &mut job.rhythm else { return false };
        let Next::Planned { ahead, ended: false } = &mut rhythm.next else { return false };
        let until = ahead.last().copied().unwrap_or(rhythm.settled);
        let mut right = plan.revision == revision && plan.after == until && plan.resumed == rhythm.resumed;
        right &= !suspended;
        // Each range, and when it may end at the latest; then what comes.
        let mut from = until;
        if let Some(range) = plan.suspended {
            right &= range.count > 0 && from < range.first && range.first <= range.last;
            right &= plan.resumed.is_some_and(|resumed| range.last <= resumed);
        }
        from = from.max(plan.resumed.unwrap_or(from));
        if let Some(range) = plan.skipped {
            right &= range.count > 0 && from < range.first && range.first <= range.last;
            right &= now.since(range.last) > misfire_after;
            from = range.last;
        }
        for instant in &plan.instants {
            right &= from < *instant;
            from = *instant;
        }
        if !right {
            self.rare("plan refused");
            return false;
        }
        let late = if plan.skipped.is_some() { std::mem::take(ahead) } else { Vec::new() };
        ahead.extend(&plan.instants);
        (rhythm.next, rhythm.stalled) =
            (Next::Planned { ahead: std::mem::take(ahead), ended: plan.ended }, false);
        rhythm.resumed = None;
        if let Some(range) = plan.suspended {
            self.skip(plan.job, range.first, range.last, range.count, SkipReason::Suspended);
        }
        for instant in late {
            self.skip(plan.job, instant, instant, 1, SkipReason::Misfired);
        }
        if let Some(range) = plan.skipped {
            self.skip(plan.job, range.first, range.last, range.count, SkipReason::Misfired);
        }
        self.end_job_if_done(plan.job);
        true
    }

    pub(super) fn expire(&mut self) {
        let (limits, now) = (self.limits, self.now);
        let old = now - limits.finished_kept;
        let gone: Vec<(Timestamp, JobId)> = self.ends.iter().copied().filter(|(at, _)| *at < old).collect();
        let mut touched: BTreeSet<JobId> = gone.iter().map(|(_, job)| *job).collect();
        self.ends.retain(|(at, _)| *at >= old);
        for (id, job) in &mut self.jobs {
            let before = job.runs.len();
            let forgotten =
                job.runs.values().filter(|run| matches!(run.state, State::Ended(_, at) if at < old));
            for run in forgotten {
                self.counts.entry(run.group.clone()).or_default().forgotten.push(run.clone());
            }
            job.runs.retain(|_, run| !matches!(run.state, State::Ended(_, at) if at < old));
            if job.runs.len() < before {
                touched.insert(*id);
                *self.rare.entry("expired").or_default() += 1;
            }
        }
        self.leftover.clear();
        self.jobs.retain(|id, job| job.alive || !job.runs.is_empty() || !touched.contains(id));
        let jobs = &self.jobs;
        self.keys.retain(|_, job| jobs.contains_key(job));
        self.requests.retain(|_, (at, _)| *at >= now - limits.request_window);
        self.clients.retain(|_, client| client.used >= now - limits.client_kept);
        self.trackers.retain(|_, it| it.online || it.since >= now - limits.offline_kept);
        for feedback in self.feedback.values_mut() {
            let before = feedback.told.len();
            feedback.told.retain(|_, it| it.ended >= now - limits.feedback_kept);
            let expired = (before - feedback.told.len()) as u64;
            feedback.expired += expired;
            *self.rare.entry("feedback expired").or_default() += expired;
        }
        let before = self.events.len();
        self.events.retain(|(at, ..)| *at >= now - limits.node_events_kept);
        let most = usize::try_from(limits.node_events_max).unwrap_or(usize::MAX);
        self.events.drain(..self.events.len().saturating_sub(most));
        *self.rare.entry("event forgotten").or_default() += (before - self.events.len()) as u64;
        self.alarms.expire(now);
        let before = self.series.len();
        let oldest_kept = minute(now - limits.stats_kept);
        self.series.retain(|(at, ..)| *at >= oldest_kept);
        while self.series.len() as u64 > limits.stats_rows_max {
            self.series.pop_first();
        }
        *self.rare.entry("series forgotten").or_default() += (before - self.series.len()) as u64;
    }

    pub(super) fn stats(&mut self, told: &Stats) {
        let now = self.now;
        for of in told.groups.iter().filter(|of| self.counts.contains_key(&of.node_group)) {
            self.series.insert((
                minute(now - Millis::from_secs(60)),
                0,
                of.node_group.to_string(),
                String::new(),
            ));
        }
        let is_of_now =
            |at: Timestamp| at <= now + Millis::from_secs(60) && at >= now - self.limits.stats_kept;
        for of in told.trackers.iter().filter(|of| is_of_now(of.minute)) {
            let (group, who) = (of.node_group.to_string(), of.identity.to_string());
            self.series.insert((minute(of.minute), 1, group, who));
        }
        for of in &told.jobtrackers {
            self.series.insert((minute(now - Millis::from_secs(60)), 2, String::new(), of.name.to_string()));
        }
    }
}
