//! The failure of a call as both sides know it: a reason, a sentence, and whether anything may have been done.
//!
//! A server turns a fault into a status, a client turns the status back. A status that no JobTracker made (a broken
//! connection, a proxy) becomes the nearest reason, and its outcome counts as unknown.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Reason, pb};
use crate::domain::FieldError;

/// The domain of every ErrorInfo.
pub const ERROR_DOMAIN: &str = "raftsman";
/// The trailer that tells a definite failure.
pub const OUTCOME_TRAILER: &str = "x-raftsman-outcome";
/// Its only value: the command was not, and will not be, proposed.
pub const NOT_APPLIED: &str = "not-applied";
/// The trailer of a call that was refused in the log, where nothing was changed: the index of its entry.
pub const LOG_INDEX_TRAILER: &str = "x-raftsman-log-index";

/// Whether a mutating call that failed may have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It was not and will not be done.
    NotApplied,
    /// It may have been done, or may yet be.
    Unknown,
}

/// The failure of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reason: Reason,
    /// A lower-case fragment.
    pub message: String,
    /// Every field that is wrong.
    pub violations: Vec<FieldError>,
    /// When to call again.
    pub retry_after: Option<Duration>,
    pub certainty: Certainty,
}

impl Fault {
    /// A fault of a call that was surely never proposed.
    pub fn not_applied(reason: Reason, message: impl Into<String>) -> Fault {
        let certainty = Certainty::NotApplied;
        Fault { reason, message: message.into(), violations: Vec::new(), retry_after: None, certainty }
    }

    /// A fault of a call that may have been done.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Fault {
        Fault { certainty: Certainty::Unknown, ..Fault::not_applied(reason, message) }
    }

    /// A request with wrong fields: refused before anything was done.
    pub fn wrong_fields(violations: Vec<FieldError>) -> Fault {
        let named: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Fault { violations, ..Fault::not_applied(Reason::InvalidArgument, named.join("; ")) }
    }

    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Fault {
        self.retry_after = Some(delay);
        self
    }

    /// The same for one element of a batch.
    pub fn into_refusal(self) -> pb::Refusal {
        let violation =
            |wrong: FieldError| pb::FieldViolation { field: wrong.field.into(), problem: wrong.problem };
        pb::Refusal {
            reason: self.reason.as_str().into(),
            message: self.message,
            violations: self.violations.into_iter().map(violation).collect(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Status {
        let mut details = ErrorDetails::with_error_info(fault.reason.as_str(), ERROR_DOMAIN, []);
        for wrong in &fault.violations {
            details.add_bad_request_violation(wrong.field.clone(), wrong.problem.clone());
        }
        if let Some(delay) = fault.retry_after {
            details.set_retry_info(Some(delay));
        }
        let mut trailers = MetadataMap::new();
        if fault.certainty == Certainty::NotApplied {
            trailers.insert(OUTCOME_TRAILER, MetadataValue::from_static(NOT_APPLIED));
        }
        Status::with_error_details_and_metadata(fault.reason.code(), fault.message, details, trailers)
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Fault {
        let details = status.get_error_details();
        let told = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        let definite = status.metadata().get(OUTCOME_TRAILER).is_some_and(|value| value == NOT_APPLIED);
        let violations = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
        Fault {
            reason: told.and_then(|info| Reason::from_wire(&info.reason)).unwrap_or_else(|| nearest(&status)),
            message: status.message().to_owned(),
            violations: violations.map(|v| FieldError::new(v.field.clone(), v.description.clone())).collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            certainty: if definite { Certainty::NotApplied } else { Certainty::Unknown },
        }
    }
}

/// Whether a status was made on this side because the connection failed, so that another connection is needed.
pub fn is_connection_lost(status: &Status) -> bool {
    status.source().is_some()
}

/// The reason of a status that no JobTracker of this version made.
fn nearest(status: &Status) -> Reason {
    if is_connection_lost(status) {
        return Reason::NoJobTracker;
    }
    match status.code() {
        Code::InvalidArgument => Reason::InvalidArgument,
        Code::OutOfRange => Reason::RequestTooLarge,
        Code::Unimplemented => Reason::Unsupported,
        // A server that honours grpc-timeout cancels.
        Code::DeadlineExceeded | Code::Cancelled => Reason::DeadlineExceeded,
        Code::ResourceExhausted => Reason::Busy,
        Code::Unavailable | Code::Unknown | Code::Aborted => Reason::NoJobTracker,
        Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Internal
        | Code::DataLoss
        | Code::Ok => Reason::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_way_through_a_status() {
        let wrong = vec![
            FieldError::new("retry.retries_max", "is -1; 0 to 10000"),
            FieldError::new("task_id", "is empty; give 1 to 64 printable characters"),
        ];
        for fault in [
            Fault::wrong_fields(wrong),
            Fault::not_applied(Reason::Busy, "too much is queued").retry_after(Duration::from_millis(250)),
            Fault::unknown(Reason::OutcomeUnknown, "the leader changed"),
        ] {
            assert_eq!(Fault::from(Status::from(fault.clone())), fault);
        }
    }

    #[test]
    fn only_what_was_surely_never_proposed_carries_the_trailer() {
        let definite = Status::from(Fault::not_applied(Reason::NoLeader, "no leader"));
        assert_eq!(definite.metadata().get(OUTCOME_TRAILER).unwrap(), NOT_APPLIED);
        let unknown = Status::from(Fault::unknown(Reason::OutcomeUnknown, "the leader changed"));
        assert!(unknown.metadata().get(OUTCOME_TRAILER).is_none());
    }

    #[test]
    fn a_status_of_a_stranger_has_an_unknown_outcome() {
        let fault = Fault::from(Status::unavailable("upstream connect error"));
        assert_eq!((fault.reason, fault.certainty), (Reason::NoJobTracker, Certainty::Unknown));
        let other_domain = ErrorDetails::with_error_info("BUSY", "example.com", []);
        let fault = Fault::from(Status::with_error_details(Code::NotFound, "not ours", other_domain));
        assert_eq!(fault.reason, Reason::Internal);
    }
}
