//! The leader's calendar brings the next instants of cron jobs. A plan about anything but the tables' newest state is
//! refused: no gap, no duplicate, no double plan, and nothing skipped that is not a misfire.

use std::sync::Arc;

use crate::domain::Timestamp;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{JobPlan, Plan, SkippedRange};
use crate::machine::limits::PLAN_AHEAD_MAX;
use crate::machine::queue::{end, instant};
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{PeriodicRow, Rhythm, SkipReason};
use crate::planted::{self, Bug};

/// Refused if any of its jobs was: the leader then looks again at all that need a plan.
pub(super) fn apply(change: &mut Change<'_>, plan: &Plan) -> Result<Reply, BaseError> {
    let mut refused = None;
    for job in &plan.jobs {
        if !one(change, job)? {
            refused.get_or_insert(job.job);
        }
    }
    Ok(refused.map_or(Reply::Done, |job| Reply::Refused(Refusal::PlanOutdated(job))))
}

fn one(change: &mut Change<'_>, plan: &JobPlan) -> Result<bool, BaseError> {
    let (Some(row), Some(job)) = (change.periodic(plan.job)?, change.job(plan.job)?) else {
        return Ok(false);
    };
    let current = row.revision == plan.revision
        && row.planned_until() == plan.after
        && row.resumed == plan.resumed
        && !row.suspended;
    let outdated = !current && !planted::is(Bug::PlanOfAnOldRevision);
    if outdated || !is_plannable(&row) || !is_in_order(plan) {
        return Ok(false);
    }
    let (mut row, spec) = (PeriodicRow::clone(&row), Arc::clone(&job.spec));
    let is_misfire = |range: SkippedRange| change.now().since(range.last) > spec.misfire_after;
    if !plan.skipped.is_none_or(is_misfire) {
        return Ok(false);
    }
    row.resumed = None;
    if let Some(range) = plan.suspended {
        instant::skip(change, plan.job, &spec, &mut row, range, SkipReason::Suspended)?;
    }
    if let Some(range) = plan.skipped {
        for late in take_ahead(&mut row) {
            let one = SkippedRange { first: late, last: late, count: 1 };
            instant::skip(change, plan.job, &spec, &mut row, one, SkipReason::Misfired)?;
        }
        instant::skip(change, plan.job, &spec, &mut row, range, SkipReason::Misfired)?;
    }
    if let Rhythm::Planned { ahead, ended, stalled } = &mut row.rhythm {
        let room = PLAN_AHEAD_MAX.saturating_sub(ahead.len());
        ahead.extend(plan.instants.iter().take(room));
        (*ended, *stalled) = (plan.ended && plan.instants.len() <= room, false);
    }
    end::settle_or_end(change, plan.job, row)?;
    Ok(true)
}

fn is_plannable(row: &PeriodicRow) -> bool {
    matches!(row.rhythm, Rhythm::Planned { ended: false, .. })
}

/// Strictly increasing after `after`: what fell due while the job was suspended, what was missed, what comes.
fn is_in_order(plan: &JobPlan) -> bool {
    let is_range = |range: SkippedRange| range.first <= range.last && range.count > 0;
    let suspended_holds = plan.suspended.is_none_or(|range| {
        let ends_in_time = plan.resumed.is_some_and(|resumed| range.last <= resumed);
        plan.after < range.first && is_range(range) && ends_in_time
    });
    let start = plan.resumed.map_or(plan.after, |resumed| resumed.max(plan.after));
    let skipped_holds = plan.skipped.is_none_or(|range| start < range.first && is_range(range));
    let start = plan.skipped.map_or(start, |range| range.last);
    let increasing = plan.instants.first().is_none_or(|first| start < *first)
        && plan.instants.windows(2).all(|pair| pair[0] < pair[1]);
    suspended_holds && skipped_holds && increasing && plan.instants.len() <= PLAN_AHEAD_MAX
}

fn take_ahead(row: &mut PeriodicRow) -> Vec<Timestamp> {
    match &mut row.rhythm {
        Rhythm::Planned { ahead, .. } => ahead.drain(..).collect(),
        Rhythm::Grid { .. } | Rhythm::Stopped { .. } => Vec::new(),
    }
}
