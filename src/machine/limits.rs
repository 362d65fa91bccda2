//! The replicated limits: what changes the outcome of `apply` lives in the tables and changes by a command.

use serde::{Deserialize, Serialize};

use crate::domain::{FieldError, Millis};

/// Due runs that ripen in one entry; 100,000 due in one second take 25 entries.
pub const RIPEN_MAX: usize = 4096;
/// Also the runs that one `Dispatch` may start.
pub use crate::domain::limits::CAPACITY_MAX;
/// Jobs in one `Submit`.
pub const SUBMIT_JOBS_MAX: usize = 10_000;
/// Jobs in one `Plan`.
pub const PLAN_JOBS_MAX: usize = 512;
/// Look-ahead instants kept for one job.
pub const PLAN_AHEAD_MAX: usize = 1100;
/// A job with fewer planned instants than this needs a plan.
pub const PLAN_AHEAD_MIN: usize = 4;
/// Live runs of one job whose cycles may overlap; further instants are skipped.
pub const LIVE_RUNS_MAX: u32 = 1024;
/// Runs among which a retry looks for the last dead one.
pub const LAST_RUNS_SEEN: u64 = 256;
/// Ended attempts that a run remembers; older ones are counted only.
pub const ATTEMPTS_KEPT: usize = 16;
/// Characters of the reason that somebody gives for an act.
pub const REASON_CHARS_MAX: usize = 256;
/// Lines about a job itself that its log keeps; the oldest go first, since a job may live for ever.
pub const JOB_LINES_MAX: usize = 100;
/// Answers that a client session remembers.
pub const CLIENT_WINDOW: u64 = 1024;
/// Rows that one `Expire` may remove.
pub const EXPIRE_MAX: usize = 1024;

/// Feedback that one command may be about.
pub const FEEDBACK_BATCH_MAX: usize = 1024;
/// What is kept of what a failed feedback handler said, in bytes.
pub const HANDLER_ERROR_BYTES_MAX: usize = 1024;
/// How long feedback waits after its first failed try; each further one doubles it.
pub const FEEDBACK_DELAY_FIRST: Millis = Millis::from_secs(1);
pub const FEEDBACK_DELAY_MAX: Millis = Millis::from_secs(600);
/// Subjects of one rule that have a row; the oldest recovered one makes room for a new one.
pub const ALARM_SUBJECTS_MAX: usize = 1000;
/// Changes of alarms in one command.
pub const ALARM_CHANGES_MAX: usize = 256;
/// Targets of which an alarm remembers what they were told.
pub const ALARM_TARGETS_MAX: usize = 32;
/// How long a recovered alarm is kept.
pub const ALARM_KEPT: Millis = Millis::from_secs(7 * 24 * 3600);
/// How long after its end an alarm is told to a target that heard nothing of its beginning.
pub const ALARM_TOLD_WITHIN: Millis = Millis::from_secs(3600);
/// What people may write about an alarm, in bytes.
pub const ALARM_TEXT_BYTES_MAX: usize = 512;

/// What operators may change at run time, for the whole cluster, in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// A run that is reclaimed more often is dead: a job that kills its TaskTrackers must end.
    pub reclaims_max: u32,
    /// How long a stand-alone request id is remembered.
    pub request_window: Millis,
    /// How long a finished run is kept.
    pub finished_kept: Millis,
    /// How many finished runs are kept in a node group.
    pub finished_runs_max: u64,
    /// How long an offline TaskTracker is shown.
    pub offline_kept: Millis,
    /// How long an unused client session is kept.
    pub client_kept: Millis,
    /// Biz log bytes of one execution, a line's end included; what comes later is counted and dropped.
    pub biz_log_bytes_max: u32,
    /// How much feedback of a group of JobClients waits to be told, and how many dead letters it has; more is dropped
    /// and counted.
    pub feedback_max: u64,
    /// How long feedback is kept.
    pub feedback_kept: Millis,
    /// How many handlers may fail before feedback is a dead letter.
    pub feedback_tries_max: u32,
    /// How long a written line of the job log is kept.
    pub job_log_kept: Millis,
    /// What all written lines of the job log may take, each with what it costs beside its text; the oldest go first.
    pub job_log_bytes_max: u64,
    /// How long an event in the history of nodes is kept.
    pub node_events_kept: Millis,
    /// How many events the history of nodes keeps; the oldest go first.
    pub node_events_max: u64,
    /// How long series are kept.
    pub stats_kept: Millis,
    /// How many rows the series have at most: one a minute for each node group, TaskTracker and JobTracker.
    pub stats_rows_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            reclaims_max: 5,
            request_window: Millis::from_secs(24 * 3600),
            finished_kept: Millis::from_secs(7 * 24 * 3600),
            finished_runs_max: 1_000_000,
            offline_kept: Millis::from_secs(7 * 24 * 3600),
            client_kept: Millis::from_secs(7 * 24 * 3600),
            biz_log_bytes_max: 64 << 10,
            feedback_max: 100_000,
            feedback_kept: Millis::from_secs(30 * 24 * 3600),
            feedback_tries_max: 20,
            job_log_kept: Millis::from_secs(7 * 24 * 3600),
            job_log_bytes_max: 1 << 30,
            node_events_kept: Millis::from_secs(30 * 24 * 3600),
            node_events_max: 100_000,
            stats_kept: Millis::from_secs(3 * 24 * 3600),
            stats_rows_max: 1_000_000,
        }
    }
}

/// How the number of a limit is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitUnit {
    Count,
    Bytes,
    Millis,
}

/// One of the limits, for whoever shows or changes them by name.
#[derive(Clone, Copy, Debug)]
pub struct LimitField {
    pub name: &'static str,
    pub unit: LimitUnit,
    /// What it bounds, for people.
    pub meaning: &'static str,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// All of them, in the order of [`Limits`].
pub const FIELDS: &[LimitField] = &[
    LimitField {
        name: "reclaims_max",
        unit: LimitUnit::Count,
        meaning: "a run that is reclaimed more often is dead",
        get: |limits| limits.reclaims_max.into(),
        set: |limits, value| limits.reclaims_max = u32::try_from(value).unwrap_or(u32::MAX),
    },
    LimitField {
        name: "request_window",
        unit: LimitUnit::Millis,
        meaning: "how long a request id is remembered",
        get: |limits| limits.request_window.get(),
        set: |limits, value| limits.request_window = Millis::new(value),
    },
    LimitField {
        name: "finished_kept",
        unit: LimitUnit::Millis,
        meaning: "how long a finished run is kept",
        get: |limits| limits.finished_kept.get(),
        set: |limits, value| limits.finished_kept = Millis::new(value),
    },
    LimitField {
        name: "finished_runs_max",
        unit: LimitUnit::Count,
        meaning: "how many finished runs are kept in a node group",
        get: |limits| limits.finished_runs_max,
        set: |limits, value| limits.finished_runs_max = value,
    },
    LimitField {
        name: "offline_kept",
        unit: LimitUnit::Millis,
        meaning: "how long an offline TaskTracker is shown",
        get: |limits| limits.offline_kept.get(),
        set: |limits, value| limits.offline_kept = Millis::new(value),
    },
    LimitField {
        name: "client_kept",
        unit: LimitUnit::Millis,
        meaning: "how long an unused client session is kept",
        get: |limits| limits.client_kept.get(),
        set: |limits, value| limits.client_kept = Millis::new(value),
    },
    LimitField {
        name: "biz_log_bytes_max",
        unit: LimitUnit::Bytes,
        meaning: "biz log bytes of one execution; what comes later is counted and dropped",
        get: |limits| limits.biz_log_bytes_max.into(),
        set: |limits, value| limits.biz_log_bytes_max = u32::try_from(value).unwrap_or(u32::MAX),
    },
    LimitField {
        name: "feedback_max",
        unit: LimitUnit::Count,
        meaning: "how much feedback waits for a group of JobClients, and how many dead letters it has; more is dropped",
        get: |limits| limits.feedback_max,
        set: |limits, value| limits.feedback_max = value,
    },
    LimitField {
        name: "feedback_kept",
        unit: LimitUnit::Millis,
        meaning: "how long feedback is kept",
        get: |limits| limits.feedback_kept.get(),
        set: |limits, value| limits.feedback_kept = Millis::new(value),
    },
    LimitField {
        name: "feedback_tries_max",
        unit: LimitUnit::Count,
        meaning: "how many handlers may fail before feedback is a dead letter",
        get: |limits| limits.feedback_tries_max.into(),
        set: |limits, value| limits.feedback_tries_max = u32::try_from(value).unwrap_or(u32::MAX),
    },
    LimitField {
        name: "job_log_kept",
        unit: LimitUnit::Millis,
        meaning: "how long a written line of the job log is kept",
        get: |limits| limits.job_log_kept.get(),
        set: |limits, value| limits.job_log_kept = Millis::new(value),
    },
    LimitField {
        name: "job_log_bytes_max",
        unit: LimitUnit::Bytes,
        meaning: "what all written lines of the job log may take; the oldest go first",
        get: |limits| limits.job_log_bytes_max,
        set: |limits, value| limits.job_log_bytes_max = value,
    },
    LimitField {
        name: "node_events_kept",
        unit: LimitUnit::Millis,
        meaning: "how long an event in the history of nodes is kept",
        get: |limits| limits.node_events_kept.get(),
        set: |limits, value| limits.node_events_kept = Millis::new(value),
    },
    LimitField {
        name: "node_events_max",
        unit: LimitUnit::Count,
        meaning: "how many events the history of nodes keeps; the oldest go first",
        get: |limits| limits.node_events_max,
        set: |limits, value| limits.node_events_max = value,
    },
    LimitField {
        name: "stats_kept",
        unit: LimitUnit::Millis,
        meaning: "how long series are kept",
        get: |limits| limits.stats_kept.get(),
        set: |limits, value| limits.stats_kept = Millis::new(value),
    },
    LimitField {
        name: "stats_rows_max",
        unit: LimitUnit::Count,
        meaning: "how many rows the series have: one a minute for each node group, TaskTracker and JobTracker",
        get: |limits| limits.stats_rows_max,
        set: |limits, value| limits.stats_rows_max = value,
    },
];

impl LimitField {
    pub fn get(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    /// A value that is larger than the limit's type can hold becomes the largest, which [`Limits::check`] refuses.
    pub fn set(&self, limits: &mut Limits, value: u64) {
        (self.set)(limits, value);
    }
}

impl Limits {
    /// # Errors
    /// One violation for each limit that would break a promise.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        if self.reclaims_max > 1000 {
            wrong.push(FieldError::new("reclaims_max", format!("is {}; at most 1000", self.reclaims_max)));
        }
        if self.biz_log_bytes_max > 1 << 20 {
            wrong.push(FieldError::new(
                "biz_log_bytes_max",
                format!("is {}; at most 1 MiB", self.biz_log_bytes_max),
            ));
        }
        if self.feedback_tries_max > 1000 {
            let problem = format!("is {}; at most 1000", self.feedback_tries_max);
            wrong.push(FieldError::new("feedback_tries_max", problem));
        }
        for (field, span) in [("request_window", self.request_window), ("client_kept", self.client_kept)] {
            if span < Millis::from_secs(60) {
                wrong.push(FieldError::new(field, format!("is {span}; at least 60s, or a retry runs twice")));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_and_reads_back() {
        let shown = format!("{:?}", Limits::default());
        for (place, field) in FIELDS.iter().enumerate() {
            assert!(shown.contains(&format!("{}: ", field.name)), "{} is none of {shown}", field.name);
            let mut limits = Limits::default();
            field.set(&mut limits, 1000 + place as u64);
            assert_eq!(field.get(&limits), 1000 + place as u64, "{}", field.name);
            let others = FIELDS.iter().filter(|other| other.name != field.name);
            others.for_each(|other| assert_eq!(other.get(&limits), other.get(&Limits::default())));
        }
        assert_eq!(shown.matches(": ").count(), FIELDS.len(), "a limit has no field: {shown}");
    }
}
