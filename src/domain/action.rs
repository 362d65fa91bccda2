//! What a runner says when it is done: LTS's four actions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Millis;

/// LTS's four outcomes of an execution. The order is the stored order: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// The run is done.
    ExecuteSuccess,
    /// The run has failed for good: no retry.
    ExecuteFailed,
    /// Not now: try again after the retry delay.
    ExecuteLater,
    /// Something broke: try again after the retry delay.
    ExecuteException,
}

impl Action {
    pub const ALL: [Action; 4] =
        [Action::ExecuteSuccess, Action::ExecuteFailed, Action::ExecuteLater, Action::ExecuteException];

    /// Whether the policy of the job may try again.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Action::ExecuteLater | Action::ExecuteException)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Action::ExecuteSuccess => "EXECUTE_SUCCESS",
            Action::ExecuteFailed => "EXECUTE_FAILED",
            Action::ExecuteLater => "EXECUTE_LATER",
            Action::ExecuteException => "EXECUTE_EXCEPTION",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one execution reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub action: Action,
    /// What the runner returned, at most [`super::limits::RESULT_BYTES_MAX`] bytes.
    pub result: bytes::Bytes,
    /// What went wrong, at most [`super::limits::ERROR_BYTES_MAX`] bytes; empty on success.
    pub error: String,
    /// With `ExecuteLater` or `ExecuteException`: the runner's own wish for the delay, else the job's policy decides.
    pub retry_after: Option<Millis>,
}
