//! What a JobClient wants changed of a job, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{Millis, Timestamp};
use crate::wire::{duration, pb, timestamp};

/// The fields that change; the others stay as they are.
///
/// ```
/// use raftsman::client::JobUpdate;
/// let update = JobUpdate::new().priority(1).clear_params().expect_revision(3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobUpdate {
    job: pb::Job,
    paths: Vec<String>,
    expected_revision: u64,
    reason: String,
}

/// What became of an update. Unless it is `Updated`, nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateAnswer {
    /// The job has this revision now.
    Updated { job_id: String, revision: u64 },
    /// It is not at the expected revision but at this one. LTS answered DELETE_OR_RUNNING.
    RevisionConflict { job_id: String, current: u64 },
    /// It had ended before.
    AlreadyFinished { job_id: String, finished_as: pb::JobState },
    /// No such job is known.
    NotFound,
    /// In the node group to which it would move, this live job has its task id.
    KeyTaken { holder_job_id: String },
}

impl JobUpdate {
    pub fn new() -> JobUpdate {
        JobUpdate::default()
    }

    /// Nothing changes unless the job is at this revision.
    #[must_use]
    pub fn expect_revision(self, revision: u64) -> JobUpdate {
        JobUpdate { expected_revision: revision, ..self }
    }

    /// For the job log.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> JobUpdate {
        JobUpdate { reason: reason.into(), ..self }
    }

    /// Any field by its path on the wire, such as `retry.retries_max`.
    #[must_use]
    pub fn field(mut self, path: &str, set: impl FnOnce(&mut pb::Job)) -> JobUpdate {
        set(&mut self.job);
        self.paths.push(path.to_owned());
        self
    }

    /// Moves the job to another queue.
    #[must_use]
    pub fn node_group(self, node_group: impl Into<String>) -> JobUpdate {
        self.field("node_group", |job| job.node_group = node_group.into())
    }

    #[must_use]
    pub fn payload(self, payload: impl Into<Bytes>) -> JobUpdate {
        self.field("payload", |job| job.payload = payload.into())
    }

    /// All parameters: what is not among them is gone.
    #[must_use]
    pub fn params(self, params: BTreeMap<String, String>) -> JobUpdate {
        self.field("params", |job| job.params = params)
    }

    #[must_use]
    pub fn clear_params(self) -> JobUpdate {
        self.params(BTreeMap::new())
    }

    /// Smaller runs first.
    #[must_use]
    pub fn priority(self, priority: i32) -> JobUpdate {
        self.field("priority", |job| job.priority = Some(priority))
    }

    /// Of a job with a trigger time.
    #[must_use]
    pub fn trigger_time(self, at: Timestamp) -> JobUpdate {
        self.field("trigger_time", |job| {
            job.schedule = Some(pb::job::Schedule::TriggerTime(timestamp(at)));
        })
    }

    /// Of a cron job; its zone and its rule for changes of the clocks stay.
    #[must_use]
    pub fn cron(self, expression: impl Into<String>) -> JobUpdate {
        let expression = expression.into();
        self.field("cron.expression", |job| {
            let cron = pb::CronSchedule { expression, ..pb::CronSchedule::default() };
            job.schedule = Some(pb::job::Schedule::Cron(cron));
        })
    }

    /// Of a repeat job.
    #[must_use]
    pub fn every(self, interval: Duration) -> JobUpdate {
        let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.field("repeat.interval", |job| {
            let interval = Some(duration(Millis::new(interval)));
            let repeat = pb::RepeatSchedule { interval, ..pb::RepeatSchedule::default() };
            job.schedule = Some(pb::job::Schedule::Repeat(repeat));
        })
    }

    #[must_use]
    pub fn retries(self, retries_max: u32) -> JobUpdate {
        self.field("retry.retries_max", |job| {
            job.retry.get_or_insert_default().retries_max = i32::try_from(retries_max).unwrap_or(i32::MAX);
        })
    }

    /// How its runs end is told to a JobClient of this group from now on; what executes keeps what it was dispatched with.
    #[must_use]
    pub fn feedback_to(self, group: impl Into<String>) -> JobUpdate {
        let update = self.field("submit_node_group", |job| job.submit_node_group = group.into());
        update.field("need_feedback", |job| job.need_feedback = true)
    }

    /// Nobody is told how its runs end.
    #[must_use]
    pub fn no_feedback(self) -> JobUpdate {
        self.field("need_feedback", |job| job.need_feedback = false)
    }

    pub(super) fn request(&self) -> pb::UpdateRequest {
        pb::UpdateRequest {
            job: Some(self.job.clone()),
            update_mask: Some(prost_types::FieldMask { paths: self.paths.clone() }),
            expected_revision: self.expected_revision,
            reason: self.reason.clone(),
            ..pb::UpdateRequest::default()
        }
    }
}

pub(super) fn answer(response: pb::UpdateResponse) -> UpdateAnswer {
    let (outcome, finished_as) = (response.outcome(), response.finished_as());
    let (job_id, revision) = (response.job_id, response.revision);
    match outcome {
        pb::UpdateOutcome::Updated => UpdateAnswer::Updated { job_id, revision },
        pb::UpdateOutcome::RevisionConflict => UpdateAnswer::RevisionConflict { job_id, current: revision },
        pb::UpdateOutcome::AlreadyFinished => UpdateAnswer::AlreadyFinished { job_id, finished_as },
        pb::UpdateOutcome::KeyTaken => UpdateAnswer::KeyTaken { holder_job_id: response.holder_job_id },
        pb::UpdateOutcome::NotFound | pb::UpdateOutcome::Unspecified => UpdateAnswer::NotFound,
    }
}
