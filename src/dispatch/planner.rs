//! What the calendar says about the jobs that need a plan. Pure but for the clock that comes in; run on a thread of its
//! own, since an expression that hardly ever fires takes milliseconds.

use std::sync::Arc;

use crate::calendar::PreparedCron;
use crate::domain::{JobId, Millis, MisfirePolicy, Schedule, Timestamp};
use crate::machine::command::{JobPlan, SkippedRange};
use crate::machine::limits::PLAN_AHEAD_MIN;
use crate::machine::row::{JobRow, PeriodicRow};
use crate::planted::{self, Bug};

/// How far ahead instants are planned.
const AHEAD: Millis = Millis::from_secs(10);
/// Instants that one plan adds beyond those that are late, at most.
const INSTANTS_MAX: usize = 64;

/// A job that needs a plan, as the tables had it.
#[derive(Clone, Debug)]
pub struct Unplanned {
    pub id: JobId,
    pub job: Arc<JobRow>,
    pub row: Arc<PeriodicRow>,
}

/// As [`plan`]; a calendar that panics ends the job's plan instead of everybody's planning.
pub fn plan_surely(unplanned: &Unplanned, now: Timestamp) -> Option<JobPlan> {
    let planned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| plan(unplanned, now)));
    planned.unwrap_or_else(|_| {
        tracing::error!(job = %unplanned.id, "the calendar panicked on this job; it will not fire");
        Some(JobPlan { ended: true, ..empty(unplanned.id, &unplanned.row) })
    })
}

/// The next instants of one job, or `None` if it is no cron job.
pub fn plan(unplanned: &Unplanned, now: Timestamp) -> Option<JobPlan> {
    let Unplanned { id, job, row } = unplanned;
    let Schedule::Cron(cron) = &job.spec.schedule else { return None };
    let Ok(calendar) = PreparedCron::new(cron) else {
        // Checked at the door; a release that reads fewer expressions than an older one must not spin on it.
        tracing::error!(job = %id, expression = cron.expression, "cannot be planned by this release; it will not fire");
        return Some(JobPlan { ended: true, ..empty(*id, row) });
    };
    let calendar = calendar.anchored_at(job.schedule_since);
    let from_clock = planted::is(Bug::PlanFromTheClock) && row.planned_until() < now;
    let after = if from_clock { now } else { row.planned_until() };
    let suspended = row.resumed.and_then(|resumed| all_between(&calendar, after, resumed));
    let after = row.resumed.map_or(after, |resumed| resumed.max(after));
    let missed_until = now - job.spec.misfire_after - Millis::new(1);
    let skipped = skipped(&calendar, after, missed_until, job.spec.misfire);
    let from = skipped.map_or(after, |range| range.last);
    let late = usize::try_from(calendar.count_between(from, now)).unwrap_or(usize::MAX);
    let wanted = |instants: &[Timestamp]| {
        let ahead = instants.len().saturating_sub(late);
        let far_enough = instants.last().is_some_and(|last| *last > now + AHEAD);
        ahead < 2 * PLAN_AHEAD_MIN || !far_enough && ahead < INSTANTS_MAX
    };
    let mut instants = Vec::new();
    let mut ended = true;
    for instant in calendar.instants(from) {
        if !wanted(&instants) || instants.len() >= crate::machine::limits::PLAN_AHEAD_MAX {
            ended = false;
            break;
        }
        instants.push(instant);
    }
    Some(JobPlan { suspended, skipped, instants, ended, ..empty(*id, row) })
}

fn empty(job: JobId, row: &PeriodicRow) -> JobPlan {
    JobPlan {
        job,
        revision: row.revision,
        after: row.planned_until(),
        resumed: row.resumed,
        suspended: None,
        skipped: None,
        instants: Vec::new(),
        ended: false,
    }
}

/// The instants that fell due while the job was suspended.
fn all_between(calendar: &PreparedCron, after: Timestamp, until: Timestamp) -> Option<SkippedRange> {
    let count = calendar.count_between(after, until);
    let first = *calendar.next_after(after, 1).first().filter(|_| count > 0)?;
    let last = *calendar.last_between(after, until, 1).first()?;
    Some(SkippedRange { first, last, count })
}

/// The instants that were missed and that the policy drops: all but the last few.
fn skipped(
    calendar: &PreparedCron,
    after: Timestamp,
    missed_until: Timestamp,
    policy: MisfirePolicy,
) -> Option<SkippedRange> {
    let kept = match policy {
        MisfirePolicy::RunOnceLate => 1,
        MisfirePolicy::Skip => 0,
        MisfirePolicy::CatchUp(n) => u64::from(n),
    };
    let missed = calendar.count_between(after, missed_until);
    let count = missed.checked_sub(kept).filter(|count| *count > 0)?;
    let first = *calendar.next_after(after, 1).first()?;
    let tail = usize::try_from(kept + 1).expect("a policy keeps at most a thousand");
    let last = *calendar.last_between(after, missed_until, tail).first()?;
    Some(SkippedRange { first, last, count })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::domain::{CronSchedule, DstRule, JobSpec, Kind, NodeGroup, TaskId};
    use crate::machine::row::Rhythm;

    fn unplanned(expression: &str, misfire: MisfirePolicy, settled_s: u64) -> Unplanned {
        let name = "any";
        let mut spec =
            JobSpec::new(NodeGroup::new(name).unwrap(), TaskId::new(name).unwrap(), Kind::new(name).unwrap());
        let cron =
            CronSchedule { expression: expression.into(), time_zone: "UTC".into(), dst: DstRule::Auto };
        (spec.schedule, spec.misfire) = (Schedule::Cron(cron), misfire);
        let settled = at(settled_s);
        let job = JobRow {
            revision: 1,
            created: settled,
            updated: settled,
            next_number: 0,
            suspended: None,
            end_marked: None,
            schedule_revision: 1,
            schedule_since: settled,
            spec: Arc::new(spec),
        };
        let rhythm = Rhythm::Planned { ahead: VecDeque::new(), ended: false, stalled: false };
        let row = PeriodicRow {
            node_group: NodeGroup::new(name).unwrap(),
            revision: 1,
            rhythm,
            settled,
            next_number: 0,
            live: 0,
            last_skip: None,
            suspended: false,
            resumed: None,
        };
        Unplanned { id: JobId::default(), job: Arc::new(job), row: Arc::new(row) }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn seconds(plan: &JobPlan) -> Vec<u64> {
        plan.instants.iter().map(|instant| instant.as_millis() / 1000).collect()
    }

    #[test]
    fn a_plan_reaches_ten_seconds_and_a_few_instants_ahead() {
        let plan_of =
            |expression| plan(&unplanned(expression, MisfirePolicy::RunOnceLate, 100), at(100)).unwrap();
        assert_eq!(seconds(&plan_of("* * * * * ?")), (101..=111).collect::<Vec<_>>());
        assert_eq!(plan_of("0 0 0 1 1 ?").instants.len(), 8);
        assert!(!plan_of("0 0 0 1 1 ?").ended);
    }

    #[test]
    fn an_expression_that_ends_says_so() {
        let plan = plan(&unplanned("0 0 0 1 1 ? 1971", MisfirePolicy::RunOnceLate, 100), at(100)).unwrap();
        assert_eq!((plan.instants.len(), plan.ended), (1, true));
    }

    #[test]
    fn after_an_outage_the_policy_says_how_many_late_ones_are_kept() {
        // Settled at 1000 s, now 5000 s: with 60 s of patience the instants before 4940 s are missed.
        for (policy, kept) in
            [(MisfirePolicy::Skip, 0), (MisfirePolicy::RunOnceLate, 1), (MisfirePolicy::CatchUp(5), 5)]
        {
            let plan = plan(&unplanned("* * * * * ?", policy, 1000), at(5000)).unwrap();
            let range = plan.skipped.expect("most are dropped");
            assert_eq!((range.first, range.last), (at(1001), at(4939 - kept)), "{policy:?}");
            assert_eq!(range.count, 3939 - kept);
            assert_eq!(plan.instants.first(), Some(&at(4940 - kept)));
            assert_eq!(plan.instants.last(), Some(&at(5011)));
        }
    }

    #[test]
    fn what_fell_due_while_suspended_is_told_apart_from_what_was_missed_since() {
        let resumed = |settled, resumed, now| {
            let mut unplanned = unplanned("* * * * * ?", MisfirePolicy::Skip, settled);
            let row = PeriodicRow { resumed: Some(at(resumed)), ..PeriodicRow::clone(&unplanned.row) };
            unplanned.row = Arc::new(row);
            plan(&unplanned, at(now)).unwrap()
        };
        let at_once = resumed(1000, 5000, 5000);
        let range = at_once.suspended.expect("an hour of seconds");
        assert_eq!((range.first, range.last, range.count), (at(1001), at(5000), 4000));
        assert_eq!((at_once.resumed, at_once.skipped), (Some(at(5000)), None));
        assert_eq!(at_once.instants.first(), Some(&at(5001)));
        let late = resumed(1000, 5000, 5100);
        assert_eq!(late.skipped.map(|range| (range.first, range.count)), Some((at(5001), 39)));
        let short = resumed(1000, 1000, 1000);
        assert_eq!((short.suspended, short.instants.first()), (None, Some(&at(1001))));
    }
}
