//! Instants of periodic jobs: a grid, or what the leader's calendar planned. Each is settled once, in order.

use super::{Beyond, Job, Model, Run, Settled, Skip};
use crate::checker::command::{JobPlan, Misfire, Plans};
use crate::checker::reply::Reply;
use crate::checker::words::{Id, RunRef};

/// What one entry may make due; beyond that the order of the rest is not written anywhere.
const DUE_MAX: usize = 4096;
/// Live runs of one job.
pub(super) const LIVE_MAX: usize = 1024;

/// Whether the look-ahead may yet be continued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    MayCome,
    ComesNoMore,
}

#[derive(Debug)]
pub(super) enum Rhythm {
    /// One-shot, or stopped for good.
    None,
    Grid {
        next: i64,
        every: i64,
        left: Option<u64>,
    },
    Planned {
        settled: i64,
        ahead: Vec<i64>,
        ended: bool,
    },
}

impl Rhythm {
    pub(super) fn is_over(&self) -> bool {
        match self {
            Rhythm::None => true,
            Rhythm::Grid { left, .. } => *left == Some(0),
            Rhythm::Planned { ahead, ended, .. } => *ended && ahead.is_empty(),
        }
    }

    fn next(&self) -> Option<i64> {
        match self {
            Rhythm::None | Rhythm::Grid { left: Some(0), .. } => None,
            Rhythm::Grid { next, .. } => Some(*next),
            Rhythm::Planned { ahead, .. } => ahead.first().copied(),
        }
    }

    /// The instants that are due, in order.
    fn due(&self, now: i64) -> Vec<i64> {
        match self {
            Rhythm::None => Vec::new(),
            Rhythm::Grid { next, every, left } => {
                let left = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
                let grid = std::iter::successors(Some(*next), |at| at.checked_add(*every));
                grid.take_while(|at| *at <= now).take(left.min(DUE_MAX + 1)).collect()
            }
            Rhythm::Planned { ahead, .. } => ahead.iter().copied().take_while(|at| *at <= now).collect(),
        }
    }

    /// The same, unless there are more than an entry takes.
    pub(super) fn all_due(&self, now: i64) -> Result<Vec<i64>, Beyond> {
        let due = self.due(now);
        if due.len() > DUE_MAX { Err("more instants than an entry takes".into()) } else { Ok(due) }
    }

    /// So many instants are settled.
    pub(super) fn settle(&mut self, count: usize) {
        match self {
            Rhythm::None => {}
            Rhythm::Grid { next, every, left } => {
                let count = count as u64;
                *next = next.saturating_add(every.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)));
                *left = left.map(|left| left - count);
            }
            Rhythm::Planned { settled, ahead, .. } => {
                if let Some(last) = ahead.drain(..count).next_back() {
                    *settled = last;
                }
            }
        }
    }
}

impl Model {
    /// Time passed: what is due becomes ready or is skipped.
    pub(super) fn tick(&mut self) -> Result<(), Beyond> {
        let now = self.now;
        let due: Vec<_> = self.waiting.iter().copied().take_while(|(until, ..)| *until <= now).collect();
        let mut ripened = due.len();
        for key @ (_, _, at) in due {
            self.waiting.remove(&key);
            self.ripen(at);
        }
        for id in self.periodic.clone() {
            ripened += self.settle(id, Plan::MayCome);
        }
        if ripened > DUE_MAX { Err(format!("{ripened} instants due in one entry")) } else { Ok(()) }
    }

    /// A run that waited is due: it is ready, or came too late to start.
    pub(super) fn ripen(&mut self, at: RunRef) {
        let now = self.now;
        let run = self.run(at).expect("what waits is a run");
        let late = now - run.due > run.spec.misfire_after_ms.0 && run.spec.misfire == Misfire::Skip;
        let skipped = run.executions == 0 && (late || run.past_deadline(run.due, now));
        if skipped {
            self.finish(at, crate::checker::reply::Fate::Skipped);
        } else {
            self.make_ready(at);
        }
    }

    /// What ends a job's rhythm lets everything that is due have its fate first.
    pub(super) fn settle_before_the_end(&mut self, id: Id) {
        if self.periodic.contains(&id) {
            self.settle(id, Plan::ComesNoMore);
        }
    }

    fn settle(&mut self, id: Id, plan: Plan) -> usize {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("a periodic job is a job");
        let due = if job.suspended { Vec::new() } else { job.rhythm.due(now) };
        if due.is_empty() {
            return 0;
        }
        let missed = due.iter().filter(|at| now - **at > job.spec.misfire_after_ms.0).count();
        let kept = kept_of_missed(job.spec.misfire).min(missed);
        // The look-ahead ends before the first instant that is not missed: the calendar must say which the last are.
        let stalled = match &job.rhythm {
            Rhythm::Planned { ahead, ended: false, .. } => {
                plan == Plan::MayCome && missed == ahead.len() && kept > 0
            }
            _ => false,
        };
        let decided = if stalled { missed - kept } else { due.len() };
        for (i, at) in due.iter().take(decided).enumerate() {
            if i < missed - kept {
                self.jobs.get_mut(&id).expect("a periodic job is a job").skip(*at, *at, Skip::Misfired);
            } else {
                self.instant(id, *at);
            }
        }
        self.jobs.get_mut(&id).expect("a periodic job is a job").rhythm.settle(decided);
        self.end_job_if_over(id);
        due.len()
    }

    /// One instant that is not missed becomes a run, unless its job cannot have one now.
    fn instant(&mut self, id: Id, due: i64) {
        let job = self.jobs.get_mut(&id).expect("a periodic job is a job");
        let too_late = Run::new(due, job.spec.clone(), super::State::Ready).past_deadline(due, self.now);
        let why = match (too_late, job.spec.rely_on_prev_cycle, job.live) {
            (true, _, _) => Some(Skip::Deadline),
            (false, true, 1..) => Some(Skip::PreviousLive),
            (false, false, LIVE_MAX..) => Some(Skip::TooManyLive),
            _ => None,
        };
        match why {
            Some(why) => job.skip(due, due, why),
            None => {
                job.settled.push(Settled { first: due, last: due, skipped: None });
                job.skipping = None;
                self.new_run(id, due);
            }
        }
    }

    /// The next instant of a job whose retries give way to it.
    pub(super) fn next_instant_before_retry(&self, id: Id) -> Option<i64> {
        let job = &self.jobs[&id];
        if job.spec.rely_on_prev_cycle && !job.suspended { job.rhythm.next() } else { None }
    }

    pub(super) fn plan(&mut self, plans: &Plans, recorded: Option<&Reply>) -> Reply {
        let mut refused = 0;
        for plan in plans.jobs() {
            match self.jobs.get_mut(&plan.job).filter(|job| job.takes(plan, self.now)) {
                None => refused += 1,
                Some(job) => {
                    job.follow(plan);
                    self.end_job_if_over(plan.job);
                }
            }
        }
        let outdated = Reply::refused("plan_outdated");
        // Whether a command of several plans is refused for one of them is not written anywhere.
        let all = refused == plans.jobs().len();
        let some = refused > 0 && recorded == Some(&outdated);
        if refused > 0 && (all || some) { outdated } else { Reply::Done {} }
    }
}

/// How many of the missed instants run, late.
pub(super) fn kept_of_missed(policy: Misfire) -> usize {
    match policy {
        Misfire::RunOnceLate => 1,
        Misfire::Skip => 0,
        Misfire::CatchUp(n) => usize::try_from(n).unwrap_or(usize::MAX),
    }
}

impl Job {
    /// Whether a plan continues exactly where this job is.
    fn takes(&self, plan: &JobPlan, now: i64) -> bool {
        let Rhythm::Planned { settled, ahead, ended: false } = &self.rhythm else { return false };
        let last = ahead.last().copied().unwrap_or(*settled);
        let rested = plan.suspended.as_ref().is_none_or(|range| {
            let ends_in_time = plan.resumed.is_some_and(|resumed| range.last <= resumed);
            range.first.0 > last && range.last >= range.first && range.count > 0 && ends_in_time
        });
        let from = plan.resumed.map_or(last, |resumed| resumed.0.max(last));
        let skip = plan.skipped.as_ref();
        let skip_is_right = skip.is_none_or(|range| {
            let missed = now - range.last.0 > self.spec.misfire_after_ms.0;
            range.first.0 > from && range.last >= range.first && range.count > 0 && missed
        });
        let from = skip.map_or(from, |range| range.last.0);
        let rising = plan.instants.iter().try_fold(from, |before, at| (at.0 > before).then_some(at.0));
        self.lives
            && plan.revision == self.revision
            && plan.after.0 == last
            && !self.suspended
            && plan.resumed.map(|at| at.0) == self.resumed
            && rested
            && skip_is_right
            && rising.is_some()
    }

    fn follow(&mut self, plan: &JobPlan) {
        self.resumed = None;
        if let Some(range) = plan.suspended {
            self.skip(range.first.0, range.last.0, Skip::Suspended);
            if let Rhythm::Planned { settled, .. } = &mut self.rhythm {
                *settled = range.last.0;
            }
        }
        if let Some(range) = plan.skipped {
            // Older than what the plan goes over, so missed as well.
            let first = self.rhythm.next().unwrap_or(range.first.0);
            self.skip(first, range.last.0, Skip::Misfired);
        }
        let Rhythm::Planned { settled, ahead, ended } = &mut self.rhythm else { return };
        if let Some(range) = plan.skipped {
            ahead.clear();
            *settled = range.last.0;
        }
        ahead.extend(plan.instants.iter().map(|at| at.0));
        *ended = plan.ended;
    }
}
