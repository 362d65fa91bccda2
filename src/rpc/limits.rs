//! The replicated limits: shown, and changed by name.

use tonic::Status;

use super::edge::{command, committed, read, refused, wrong};
use crate::domain::FieldError;
use crate::jobtracker::JobTracker;
use crate::machine::command::SetLimits;
use crate::machine::limits::{FIELDS, LimitField, LimitUnit, Limits};
use crate::machine::reply::Refusal;
use crate::machine::{Command, Reply};
use crate::wire::pb;

/// How often a change is tried again because somebody else changed the limits meanwhile.
const TRIES: usize = 5;

pub(super) async fn get(
    tracker: &JobTracker,
    request: &pb::GetLimitsRequest,
) -> Result<pb::GetLimitsResponse, Status> {
    let look = |machine: &crate::machine::Machine| Ok(machine.tables().meta().limits);
    let (limits, mark) = read(tracker, request.consistency, look).await?;
    Ok(pb::GetLimitsResponse { limits: shown(&limits), read: mark })
}

/// Takes what changes into the limits as they are, and proposes the whole unless they have become others.
pub(super) async fn set(
    tracker: &JobTracker,
    request: &pb::SetLimitsRequest,
) -> Result<pb::SetLimitsResponse, Status> {
    let mut tries = 0;
    loop {
        tries += 1;
        let look = |machine: &crate::machine::Machine| Ok(machine.tables().meta().limits);
        let (old, _) = read(tracker, pb::Consistency::Linearizable.into(), look).await?;
        let limits = changed(old, &request.changes).map_err(wrong)?;
        let set = Command::SetLimits(SetLimits { limits, instead_of: Some(old) });
        let done = command(tracker, set).await?;
        match &done.reply {
            Reply::Refused(Refusal::LimitsChanged) if tries < TRIES => {}
            Reply::Refused(refusal) => return Err(refused(&done, refusal)),
            _ => {
                let limits = shown(&limits);
                return Ok(pb::SetLimitsResponse { limits, committed: committed(&done) });
            }
        }
    }
}

fn changed(old: Limits, changes: &[pb::LimitChange]) -> Result<Limits, Vec<FieldError>> {
    let mut limits = old;
    let mut unknown = Vec::new();
    for change in changes {
        match FIELDS.iter().find(|field| field.name == change.name) {
            Some(field) => field.set(&mut limits, change.value),
            None => {
                let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
                let problem = format!("{:?} is no limit; there are {}", change.name, names.join(", "));
                unknown.push(FieldError::new("changes.name", problem));
            }
        }
    }
    if changes.is_empty() {
        unknown.push(FieldError::new("changes", "is empty; name at least one limit"));
    }
    if unknown.is_empty() { limits.check().map(|()| limits) } else { Err(unknown) }
}

fn shown(limits: &Limits) -> Vec<pb::Limit> {
    let show = |field: &LimitField| pb::Limit {
        name: field.name.into(),
        value: field.get(limits),
        default_value: field.get(&Limits::default()),
        unit: unit(field.unit).into(),
        meaning: field.meaning.into(),
    };
    FIELDS.iter().map(show).collect()
}

fn unit(unit: LimitUnit) -> pb::LimitUnit {
    match unit {
        LimitUnit::Count => pb::LimitUnit::Count,
        LimitUnit::Bytes => pb::LimitUnit::Bytes,
        LimitUnit::Millis => pb::LimitUnit::Milliseconds,
    }
}
