//! What an update says about a job: the fields that it names, and nothing of the others.
//!
//! A field is written as it was sent, whatever the others have become meanwhile, so two updates of different fields do
//! not undo each other. Not here: the task id, which is what the job is known by, and what is about the submit alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Backoff, ContentType, DstRule, FieldError, JobSpec, Kind, Millis, MisfirePolicy, NodeGroup, Schedule,
    Timestamp,
};

/// `None` leaves a field as it is. The order is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPatch {
    /// Moves the job to another queue.
    pub node_group: Option<NodeGroup>,
    pub kind: Option<Kind>,
    pub content_type: Option<ContentType>,
    pub payload: Option<Bytes>,
    /// All of them: what is not here is gone.
    pub params: Option<BTreeMap<String, String>>,
    pub priority: Option<i32>,
    pub schedule: Option<SchedulePatch>,
    pub retries_max: Option<u32>,
    pub backoff: Option<Backoff>,
    pub run_timeout: Option<Option<Millis>>,
    pub start_deadline: Option<Option<Millis>>,
    pub rely_on_previous_cycle: Option<bool>,
    pub misfire: Option<MisfirePolicy>,
    pub misfire_after: Option<Millis>,
    pub need_feedback: Option<bool>,
    pub submit_node_group: Option<Option<NodeGroup>>,
}

/// Changes a schedule within its type. The order of the variants is stored: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchedulePatch {
    RealTime,
    TriggerTime(Timestamp),
    Cron { expression: Option<String>, time_zone: Option<String>, dst: Option<DstRule> },
    Repeat { interval: Option<Millis>, count: Option<Option<u64>>, first: Option<Option<Timestamp>> },
}

/// Why a patch does not fit a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// The job is of another type than the patch's schedule.
    TypeDiffers,
    /// What would come of it is wrong.
    Wrong(Vec<FieldError>),
}

impl JobPatch {
    /// The job as it would be.
    ///
    /// # Errors
    /// If the patch changes the job's type or breaks a bound of `JobSpec::check`.
    pub fn applied_to(&self, job: &JobSpec) -> Result<JobSpec, PatchError> {
        let mut job = job.clone();
        if let Some(patch) = &self.schedule {
            patch.apply_to(&mut job.schedule)?;
        }
        set(&mut job.node_group, self.node_group.as_ref());
        set(&mut job.kind, self.kind.as_ref());
        set(&mut job.content_type, self.content_type.as_ref());
        set(&mut job.payload, self.payload.as_ref());
        set(&mut job.params, self.params.as_ref());
        set(&mut job.priority, self.priority.as_ref());
        set(&mut job.retry.retries_max, self.retries_max.as_ref());
        set(&mut job.retry.backoff, self.backoff.as_ref());
        set(&mut job.run_timeout, self.run_timeout.as_ref());
        set(&mut job.start_deadline, self.start_deadline.as_ref());
        set(&mut job.rely_on_previous_cycle, self.rely_on_previous_cycle.as_ref());
        set(&mut job.misfire, self.misfire.as_ref());
        set(&mut job.misfire_after, self.misfire_after.as_ref());
        set(&mut job.need_feedback, self.need_feedback.as_ref());
        set(&mut job.submit_node_group, self.submit_node_group.as_ref());
        job.check().map_err(PatchError::Wrong)?;
        Ok(job)
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        *field = value.clone();
    }
}

impl SchedulePatch {
    fn apply_to(&self, schedule: &mut Schedule) -> Result<(), PatchError> {
        match (self, schedule) {
            (SchedulePatch::RealTime, Schedule::RealTime) => {}
            (SchedulePatch::TriggerTime(new), Schedule::TriggerTime(at)) => *at = *new,
            (SchedulePatch::Cron { expression, time_zone, dst }, Schedule::Cron(cron)) => {
                set(&mut cron.expression, expression.as_ref());
                set(&mut cron.time_zone, time_zone.as_ref());
                set(&mut cron.dst, dst.as_ref());
            }
            (SchedulePatch::Repeat { interval, count, first }, Schedule::Repeat(repeat)) => {
                set(&mut repeat.interval, interval.as_ref());
                set(&mut repeat.count, count.as_ref());
                set(&mut repeat.first, first.as_ref());
            }
            (
                SchedulePatch::RealTime
                | SchedulePatch::TriggerTime(_)
                | SchedulePatch::Cron { .. }
                | SchedulePatch::Repeat { .. },
                _,
            ) => return Err(PatchError::TypeDiffers),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CronSchedule, TaskId};

    fn cron() -> JobSpec {
        let name = "any";
        let mut job =
            JobSpec::new(NodeGroup::new(name).unwrap(), TaskId::new(name).unwrap(), Kind::new(name).unwrap());
        let (expression, time_zone) = ("0 0 2 * * ?".into(), "Asia/Shanghai".into());
        job.schedule = Schedule::Cron(CronSchedule { expression, time_zone, dst: DstRule::SkipFirst });
        job
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let hourly = "0 0 * * * ?".to_owned();
        let schedule = SchedulePatch::Cron { expression: Some(hourly.clone()), time_zone: None, dst: None };
        let patch = JobPatch { schedule: Some(schedule), retries_max: Some(3), ..JobPatch::default() };
        let mut wanted = cron();
        wanted.retry.retries_max = 3;
        if let Schedule::Cron(cron) = &mut wanted.schedule {
            cron.expression = hourly;
        }
        assert_eq!(patch.applied_to(&cron()), Ok(wanted));
        assert_eq!(JobPatch::default().applied_to(&cron()), Ok(cron()));
    }

    #[test]
    fn parameters_can_be_cleared() {
        let mut job = cron();
        job.params = [("a".to_owned(), "b".to_owned())].into();
        let patch = JobPatch { params: Some(BTreeMap::new()), ..JobPatch::default() };
        assert_eq!(patch.applied_to(&job), Ok(cron()));
    }

    #[test]
    fn another_type_is_refused_and_so_is_what_could_not_be_submitted() {
        let at = Some(SchedulePatch::TriggerTime(Timestamp::ZERO));
        let patch = JobPatch { schedule: at, ..JobPatch::default() };
        assert_eq!(patch.applied_to(&cron()), Err(PatchError::TypeDiffers));
        let patch = JobPatch { run_timeout: Some(Some(Millis::ZERO)), ..JobPatch::default() };
        let Err(PatchError::Wrong(wrong)) = patch.applied_to(&cron()) else { panic!("0 ms is no timeout") };
        assert_eq!(wrong[0].field, "run_timeout");
        let patch = JobPatch { need_feedback: Some(true), ..JobPatch::default() };
        let Err(PatchError::Wrong(wrong)) = patch.applied_to(&cron()) else { panic!("nobody could hear it") };
        assert_eq!(wrong[0].field, "submit_node_group");
    }
}
