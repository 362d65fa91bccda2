//! What operators hold back: paused node groups, drained TaskTrackers, numbers of slots.

use tonic::Status;

use super::edge::{DEADLINE, command, committed, linearize, mismatch, refused, storage, wrong};
use crate::domain::{FieldError, Identity, NodeGroup};
use crate::jobtracker::{Committed, JobTracker};
use crate::machine::command::{Drain, PauseQueue, ResumeQueue, SetSlots, Undrain};
use crate::machine::limits::CAPACITY_MAX;
use crate::machine::reply::Refusal;
use crate::machine::row::Hold;
use crate::machine::{BaseError, Command, Machine, Reply};
use crate::wire::{Fault, Reason, pb, timestamp};

/// The longest name of who asks, and the longest reason, in characters.
const BY_CHARS_MAX: usize = 128;
const REASON_CHARS_MAX: usize = 512;

pub(super) fn hold(hold: &Hold) -> pb::Hold {
    pb::Hold { since_time: Some(timestamp(hold.since)), by: hold.by.clone(), reason: hold.reason.clone() }
}

pub(super) async fn pause(
    tracker: &JobTracker,
    request: pb::PauseGroupRequest,
) -> Result<pb::PauseGroupResponse, Status> {
    let node_group = group(&request.node_group)?;
    let (by, reason) = texts(request.by, request.reason)?;
    let pause = Command::PauseQueue(PauseQueue { node_group: node_group.clone(), by, reason });
    let (done, changed) = switch(tracker, pause).await?;
    let holds = look_at(tracker, done.index, |machine| machine.tables().paused(&node_group)).await?;
    let hold = holds.as_ref().map(hold);
    Ok(pb::PauseGroupResponse { changed, hold, committed: committed(&done) })
}

pub(super) async fn resume(
    tracker: &JobTracker,
    request: pb::ResumeGroupRequest,
) -> Result<pb::ResumeGroupResponse, Status> {
    let node_group = group(&request.node_group)?;
    let (done, changed) = switch(tracker, Command::ResumeQueue(ResumeQueue { node_group })).await?;
    Ok(pb::ResumeGroupResponse { changed, committed: committed(&done) })
}

pub(super) async fn drain(
    tracker: &JobTracker,
    request: pb::DrainTaskTrackerRequest,
) -> Result<pb::DrainTaskTrackerResponse, Status> {
    let (by, reason) = texts(request.by, request.reason)?;
    let (node_group, identity) = find(tracker, &request.identity, &request.node_group).await?;
    let (group, who) = (node_group.clone(), identity.clone());
    let drain = Drain { node_group, identity, by, reason, leave: request.leave };
    let (done, changed) = switch(tracker, Command::Drain(drain)).await?;
    let row = look_at(tracker, done.index, |machine| machine.tables().tracker_row(&group, &who)).await?;
    let hold = row.as_ref().and_then(|row| row.drained.as_ref()).map(|drained| hold(&drained.hold));
    let (node_group, committed) = (group.to_string(), committed(&done));
    Ok(pb::DrainTaskTrackerResponse { changed, node_group, hold, committed })
}

pub(super) async fn undrain(
    tracker: &JobTracker,
    request: pb::UndrainTaskTrackerRequest,
) -> Result<pb::UndrainTaskTrackerResponse, Status> {
    let (node_group, identity) = find(tracker, &request.identity, &request.node_group).await?;
    let group = node_group.to_string();
    let (done, changed) = switch(tracker, Command::Undrain(Undrain { node_group, identity })).await?;
    let committed = committed(&done);
    Ok(pb::UndrainTaskTrackerResponse { changed, node_group: group, committed })
}

pub(super) async fn set_slots(
    tracker: &JobTracker,
    request: pb::SetSlotsRequest,
) -> Result<pb::SetSlotsResponse, Status> {
    if let Some(slots) = request.slots.filter(|slots| !(1..=CAPACITY_MAX).contains(slots)) {
        let problem = format!("is {slots}; 1 to {CAPACITY_MAX}, or absent; to give it nothing, drain it");
        return Err(wrong(vec![FieldError::new("slots", problem)]));
    }
    let (node_group, identity) = find(tracker, &request.identity, &request.node_group).await?;
    let (group, who) = (node_group.clone(), identity.clone());
    let set = SetSlots { node_group, identity, slots: request.slots };
    let (done, changed) = switch(tracker, Command::SetSlots(set)).await?;
    let row = look_at(tracker, done.index, |machine| machine.tables().tracker_row(&group, &who)).await?;
    let slots = row.map_or(0, |row| row.slots.unwrap_or(row.capacity));
    let (node_group, committed) = (group.to_string(), committed(&done));
    Ok(pb::SetSlotsResponse { changed, node_group, slots, committed })
}

fn group(name: &str) -> Result<NodeGroup, Status> {
    NodeGroup::new(name).map_err(|e| wrong(vec![e]))
}

fn texts(by: String, reason: String) -> Result<(String, String), Status> {
    let too_long = |field, text: &str, max| {
        let chars = text.chars().count();
        (chars > max).then(|| FieldError::new(field, format!("has {chars} characters; at most {max}")))
    };
    let found = [too_long("by", &by, BY_CHARS_MAX), too_long("reason", &reason, REASON_CHARS_MAX)];
    let found: Vec<FieldError> = found.into_iter().flatten().collect();
    if found.is_empty() { Ok((by, reason)) } else { Err(wrong(found)) }
}

/// The TaskTracker that is meant, in its node group. Who names no group means the only one that has the identity.
async fn find(tracker: &JobTracker, identity: &str, named: &str) -> Result<(NodeGroup, Identity), Status> {
    let identity = Identity::new(identity).map_err(|e| wrong(vec![e]))?;
    if !named.is_empty() {
        return Ok((group(named)?, identity));
    }
    linearize(tracker).await?;
    let known = tracker.look(|machine| machine.tables().trackers()).map_err(|error| storage(&error))?;
    let mut groups: Vec<NodeGroup> =
        known.into_iter().filter(|known| known.identity == identity).map(|known| known.node_group).collect();
    match (groups.pop(), groups.is_empty()) {
        (Some(group), true) => Ok((group, identity)),
        (Some(last), false) => {
            groups.push(last);
            let names: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let problem = format!("is missing; {identity} is known in {}", names.join(", "));
            Err(wrong(vec![FieldError::new("node_group", problem)]))
        }
        (None, _) => {
            let text = format!("TaskTracker {identity} is unknown or expired");
            Err(Fault::not_applied(Reason::TaskTrackerUnknown, text).into())
        }
    }
}

/// Proposes what says whether it changed anything.
async fn switch(tracker: &JobTracker, what: Command) -> Result<(Committed, bool), Status> {
    let done = command(tracker, what).await?;
    match &done.reply {
        Reply::Switched(changed) => {
            let changed = *changed;
            Ok((done, changed))
        }
        Reply::Refused(refusal) => {
            let refusal: Refusal = refusal.clone();
            Err(refused(&done, &refusal))
        }
        _ => Err(mismatch(&done)),
    }
}

/// Looks at the tables as they are after an entry, which a follower may not have applied yet.
async fn look_at<T>(
    tracker: &JobTracker,
    index: u64,
    look: impl FnOnce(&Machine) -> Result<T, BaseError>,
) -> Result<T, Status> {
    let applied = tracker.raft().wait_applied(index, DEADLINE).await;
    applied.map_err(|error| Status::from(Fault::unknown(Reason::OutcomeUnknown, error.to_string())))?;
    tracker.look(look).map_err(|error| storage(&error))
}
