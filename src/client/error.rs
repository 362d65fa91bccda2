//! What can go wrong with a call, named by what the caller can do next.

use std::sync::Arc;

use crate::domain::FieldError;
use crate::link::FailStoreError;
use crate::wire::{Fault, Reason, pb};

/// Why a call did not give what was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The cluster said no, and nothing was done: correct the call.
    #[error("{0}")]
    Refused(Fault),
    /// The cluster could not be asked, and surely nothing was done: call again later.
    #[error("nothing was done: {0}")]
    NotDone(Fault),
    /// It may have been done or not: read, or call again with a task id, before assuming either.
    #[error("it is not known whether it was done: {0}")]
    Unknown(Fault),
    /// The call is wrong before anything was sent.
    #[error("{0}")]
    Wrong(#[from] FieldError),
    /// The directory of the FailStore cannot be used.
    #[error("cannot use the failstore: {0}")]
    FailStore(#[from] Arc<FailStoreError>),
    /// The job ended otherwise than with success.
    #[error("job {job_id} ended as {state:?} after {attempts} attempts: {error}")]
    Unsuccessful { job_id: String, state: pb::JobState, error: String, attempts: u32 },
    /// The result is not what the caller took it for.
    #[error("the result of job {job_id} cannot be read: {problem}")]
    Undecodable { job_id: String, problem: String },
}

impl ClientError {
    /// The catalogue's reason, where there is one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            ClientError::Refused(fault) | ClientError::NotDone(fault) | ClientError::Unknown(fault) => {
                Some(fault.reason)
            }
            ClientError::Wrong(_) => Some(Reason::InvalidArgument),
            ClientError::FailStore(_)
            | ClientError::Unsuccessful { .. }
            | ClientError::Undecodable { .. } => None,
        }
    }

    /// Whether the call may have been done, so that repeating it anew may do it twice.
    pub fn is_unknown(&self) -> bool {
        matches!(self, ClientError::Unknown(_))
    }
}

impl From<FailStoreError> for ClientError {
    fn from(error: FailStoreError) -> ClientError {
        ClientError::FailStore(Arc::new(error))
    }
}
