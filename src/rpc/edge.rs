//! What the handlers share: faults, idempotency keys, reads with their mark.

use std::time::Duration;

use tonic::Status;

use crate::domain::{ClientId, FieldError, RequestId};
use crate::domain::{NodeGroup, TaskId};
use crate::jobtracker::{CommandError, Committed, JobTracker, lane_of};
use crate::machine::command::{Fingerprint, JobRef, RequestKey};
use crate::machine::reply::Refusal;
use crate::machine::{BaseError, Command, Machine};
use crate::wire::{Fault, LOG_INDEX_TRAILER, Reason, parse_id, pb, timestamp};

/// How long a call may take when its caller does not say.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Proposes a command of a client.
pub(super) async fn command(tracker: &JobTracker, command: Command) -> Result<Committed, Status> {
    let lane = lane_of(&command);
    tracker.command(lane, command, DEADLINE).await.map_err(|error| Status::from(fault(error)))
}

fn fault(error: CommandError) -> Fault {
    let text = error.to_string();
    match error {
        CommandError::Busy { retry_after } => Fault::not_applied(Reason::Busy, text).retry_after(retry_after),
        CommandError::DiskLow => {
            Fault::not_applied(Reason::DiskLow, text).retry_after(Duration::from_secs(5))
        }
        CommandError::NoLeader => {
            Fault::not_applied(Reason::NoLeader, text).retry_after(Duration::from_millis(100))
        }
        CommandError::NotInitialized => {
            Fault::not_applied(Reason::NotInitialized, text).retry_after(Duration::from_secs(1))
        }
        CommandError::Unknown(_) => Fault::unknown(Reason::OutcomeUnknown, text),
    }
}

/// A refusal that fails the whole call; the place in the log where it was refused comes with it.
pub(super) fn refused(committed: &Committed, refusal: &Refusal) -> Status {
    let mut status = Status::from(refusal_fault(refusal));
    status.metadata_mut().insert(LOG_INDEX_TRAILER, committed.index.into());
    status
}

fn refusal_fault(refusal: &Refusal) -> Fault {
    let reason = match refusal {
        Refusal::UnknownClient(_) => Reason::ClientUnknown,
        Refusal::RequestTooOld { .. } => Reason::SequenceForgotten,
        Refusal::RequestMismatch => Reason::IdempotencyMismatch,
        Refusal::UnknownSession(_) | Refusal::Draining(_) | Refusal::Paused(_) => Reason::SessionUnknown,
        Refusal::UnknownTracker(..) => Reason::TaskTrackerUnknown,
        Refusal::TrackerOffline(..) => Reason::TaskTrackerOffline,
        Refusal::UnknownRun(_) | Refusal::NotExecuting(_) | Refusal::StillLive(_) => Reason::RunNotFound,
        Refusal::KeyTaken(_) => Reason::JobExists,
        Refusal::PlanOutdated(_) => Reason::Internal,
        Refusal::BadLimits(_) => Reason::InvalidArgument,
        Refusal::RevisionDiffers { .. } => Reason::RevisionConflict,
        Refusal::UnknownJob => Reason::JobNotFound,
        Refusal::NoDeadRun(_) => Reason::RunNotFound,
        Refusal::TooManyLive(_) => Reason::TooManyRuns,
        Refusal::LimitsChanged => Reason::Busy,
        Refusal::UnknownGroup(_) => Reason::GroupNotFound,
        Refusal::GroupInUse { .. } => Reason::GroupInUse,
    };
    Fault::not_applied(reason, refusal.to_string())
}

/// A reply of another kind than the command's: the request's key was used for another kind of request.
pub(super) fn mismatch(committed: &Committed) -> Status {
    refused(committed, &Refusal::RequestMismatch)
}

pub(super) fn wrong(violations: Vec<FieldError>) -> Status {
    Fault::wrong_fields(violations).into()
}

pub(super) fn storage(error: &BaseError) -> Status {
    Fault::unknown(Reason::Internal, error.to_string()).into()
}

pub(super) fn committed(committed: &Committed) -> Option<pb::Committed> {
    Some(pb::Committed { log_index: committed.index, term: committed.term, replayed: committed.replayed })
}

/// How a request is recognised when it comes again; `call` and `request`, which is without its key, are what it asks for.
pub(super) fn request_key(
    idempotency: Option<pb::Idempotency>,
    call: &str,
    request: &impl prost::Message,
) -> Result<RequestKey, Status> {
    let Some(key) = idempotency else { return Ok(RequestKey::None) };
    let asks = || Fingerprint::of(call, &request.encode_to_vec());
    match (key.client_id.is_empty(), key.request_id.is_empty()) {
        (true, true) => Ok(RequestKey::None),
        (true, false) => {
            let id = RequestId::new(key.request_id).map_err(|e| wrong(vec![e.under("idempotency")]))?;
            Ok(RequestKey::Id { id, asks: asks() })
        }
        (false, true) => {
            let client: ClientId =
                parse_id("idempotency.client_id", &key.client_id).map_err(|e| wrong(vec![e]))?;
            Ok(RequestKey::Session { client, sequence: key.sequence, asks: asks() })
        }
        (false, false) => Err(wrong(vec![FieldError::new(
            "idempotency",
            "has both a client_id and a request_id; give one of them",
        )])),
    }
}

/// Which job a request means.
pub(super) fn job_ref(id: Option<String>, task: Option<pb::TaskKey>) -> Result<JobRef, Status> {
    match (id, task) {
        (Some(id), _) => parse_id("job_id", &id).map(JobRef::Id).map_err(|e| wrong(vec![e])),
        (None, Some(task)) => {
            let group = NodeGroup::new(task.node_group).map_err(|e| e.under("task"));
            let id = TaskId::new(task.task_id).map_err(|e| e.under("task"));
            match (group, id) {
                (Ok(group), Ok(id)) => Ok(JobRef::Key(group, id)),
                (group, id) => Err(wrong(group.err().into_iter().chain(id.err()).collect())),
            }
        }
        (None, None) => Err(wrong(vec![FieldError::new("target", "is missing; give job_id, or task")])),
    }
}

/// Reads the tables, linearizably unless the caller wants them as they are here.
pub(super) async fn read<T>(
    tracker: &JobTracker,
    consistency: i32,
    look: impl FnOnce(&Machine) -> Result<T, BaseError>,
) -> Result<(T, Option<pb::ReadMark>), Status> {
    let stale = consistency == i32::from(pb::Consistency::Stale);
    if !stale {
        linearize(tracker).await?;
    }
    let looked = tracker.look(|machine| {
        let seen = (machine.applied_index(), machine.now());
        look(machine).map(|value| (value, seen))
    });
    let (value, (read_index, now)) = looked.map_err(|error| storage(&error))?;
    let consistency = if stale { pb::Consistency::Stale } else { pb::Consistency::Linearizable };
    Ok((
        value,
        Some(pb::ReadMark { read_index, consistency: consistency.into(), time: Some(timestamp(now)) }),
    ))
}

pub(super) async fn linearize(tracker: &JobTracker) -> Result<u64, Status> {
    tracker.linearize(DEADLINE).await.map_err(|error| {
        let initialized = tracker.raft().identity().cluster().is_some();
        let reason = if initialized { Reason::NoLeader } else { Reason::NotInitialized };
        Fault::not_applied(reason, error.to_string()).retry_after(Duration::from_millis(100)).into()
    })
}
