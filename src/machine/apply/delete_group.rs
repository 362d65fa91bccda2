//! An operator deletes a node group. LTS dropped its waiting jobs with it (E5); here it is refused while anything of it
//! lives, is kept or is online.

use crate::domain::Identity;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::DeleteGroup;
use crate::machine::key::Key;
use crate::machine::reply::{Refusal, Reply};

pub(super) fn apply(change: &mut Change<'_>, delete: &DeleteGroup) -> Result<Reply, BaseError> {
    let group = &delete.node_group;
    let trackers: Vec<Identity> = change
        .indexes()
        .sessions()
        .filter(|(_, (of, _))| of == group)
        .map(|(_, (_, who))| who.clone())
        .collect();
    let row = change.group_row(group)?;
    let is_known = row.is_some() || !trackers.is_empty();
    let (mut online, mut offline) = (0, Vec::new());
    for who in trackers {
        match change.tracker(group, &who)? {
            Some(row) if row.is_online() => online += 1,
            Some(_) | None => offline.push(who),
        }
    }
    let live = change.indexes().group(group).live();
    let kept = row.map_or(0, |row| row.kept);
    if live + kept + online > 0 || change.knows_a_job_of(group)? {
        return Ok(Reply::Refused(Refusal::GroupInUse { node_group: group.clone(), live, kept, online }));
    }
    if !is_known {
        return Ok(Reply::Refused(Refusal::UnknownGroup(group.clone())));
    }
    for who in offline {
        change.delete(Key::Tracker(group.clone(), who))?;
    }
    change.delete(Key::Sampled(group.clone()))?;
    change.delete(Key::Paused(group.clone()))?;
    change.delete(Key::Group(group.clone()))?;
    Ok(Reply::Done)
}
