//! What the leader should look at after an entry. An effect only repeats what the tables show, so that a new leader,
//! or one that lost some, finds all of them again by looking.

use crate::domain::{ExecutionId, JobId, NodeGroup, RunId, SessionId};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Runs of this group became ready.
    Ready(NodeGroup),
    /// The session should stop this execution: it was cancelled, terminated or reclaimed.
    Terminate { session: SessionId, execution: ExecutionId, run: RunId },
    /// An operator changed how much the session's TaskTracker may be given: it is told.
    Held(SessionId),
    /// The job's look-ahead is short.
    NeedsPlan(JobId),
    /// The run has its fate; of a job that ended by itself, the number is the greatest.
    Finished(RunId),
    /// Feedback for JobClients of this group was made, or is to be told again.
    Feedback(NodeGroup),
    /// More is old enough to be forgotten than one `Expire` may remove.
    MoreToExpire,
}
