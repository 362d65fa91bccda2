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
/// Ended attempts that a run remembers; older ones are counted only.
pub const ATTEMPTS_KEPT: usize = 16;
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
        }
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
        for (field, span) in [("request_window", self.request_window), ("client_kept", self.client_kept)] {
            if span < Millis::from_secs(60) {
                wrong.push(FieldError::new(field, format!("is {span}; at least 60s, or a retry runs twice")));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}
