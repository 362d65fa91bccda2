//! What a session is told, and what it tells to do.

use bytes::Bytes;

use super::samples::Standing;
use crate::domain::{ExecutionId, Millis};
use crate::tasktracker::StopCause;
use crate::tasktracker::pool::Ended;
use crate::wire::{Reason, pb};
use pb::session_request::Message as ToCluster;
use pb::session_response::Message as FromCluster;

/// Who the TaskTracker is.
#[derive(Clone, Debug)]
pub(in crate::tasktracker) struct Me {
    pub(in crate::tasktracker) node_group: String,
    pub(in crate::tasktracker) identity: String,
    pub(in crate::tasktracker) start_number: u64,
    pub(in crate::tasktracker) capacity: u32,
    /// Empty means all.
    pub(in crate::tasktracker) kinds: Vec<String>,
    pub(in crate::tasktracker) host: String,
}

/// What happened.
#[derive(Debug)]
pub(in crate::tasktracker) enum Event {
    /// A stream is being opened: the hello goes first.
    Opened,
    /// The cluster said something on the stream.
    Heard(FromCluster),
    /// The stream ended.
    Lost,
    /// An execution ended, with its last lines.
    Ended(Ended, Vec<pb::BizLogLine>),
    /// User code wrote lines.
    Lines(ExecutionId, Vec<pb::BizLogLine>),
    /// User code told how far it is.
    Progress(Vec<pb::ExecutionProgress>),
    /// A minute is over, and the process stands like this.
    Minute(Standing),
    /// Take nothing new, finish, leave; what still runs after `timeout` is interrupted.
    Drain { timeout: Millis },
    /// Its own process wants so many executions at a time.
    Slots(u32),
    /// The machine is too busy for more, for this reason; or no longer.
    Pause(Option<String>),
}

/// What to do, in this order.
#[derive(Debug, PartialEq)]
pub(in crate::tasktracker) enum Act {
    Send(ToCluster),
    Begin(Box<pb::JobPush>),
    Stop(ExecutionId, StopCause),
    Kill(ExecutionId),
    /// Keep results in the FailStore.
    Keep(Vec<(u64, Bytes)>),
    /// Keep lines of an execution beside its result.
    KeepLines(Vec<(u64, Bytes)>),
    /// Executions whose results are acknowledged.
    Forget(Vec<u64>),
    /// Bounds of what one execution may write.
    LimitLines(u64),
    /// Close the stream and open another, after a pause if one is given.
    Reopen {
        why: String,
        after: Option<Millis>,
    },
    /// The cluster does not want this TaskTracker.
    GiveUp {
        reason: Option<Reason>,
        message: String,
    },
    /// Everything is done: close the stream and end.
    Finished,
}
