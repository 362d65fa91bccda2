//! What operators hold back: drained TaskTrackers and numbers of slots, told again.

use super::{Model, Tracker};
use crate::domain::{Identity, NodeGroup};
use crate::machine::command::{Drain, SetSlots, Undrain};
use crate::machine::reply::{Refusal, Reply};

impl Model {
    fn tracker(&mut self, group: &NodeGroup, who: &Identity) -> Result<&mut Tracker, Reply> {
        let unknown = Refusal::UnknownTracker(group.clone(), who.clone());
        self.trackers.get_mut(&(group.clone(), who.clone())).ok_or(Reply::Refused(unknown))
    }

    pub(super) fn drain(&mut self, drain: &Drain) -> Reply {
        let tracker = match self.tracker(&drain.node_group, &drain.identity) {
            Ok(tracker) => tracker,
            Err(unknown) => return unknown,
        };
        if drain.leave && !tracker.online {
            let (group, who) = (drain.node_group.clone(), drain.identity.clone());
            return Reply::Refused(Refusal::TrackerOffline(group, who));
        }
        let before = tracker.drained;
        tracker.drained = Some(drain.leave || before == Some(true));
        Reply::Switched(tracker.drained != before)
    }

    pub(super) fn undrain(&mut self, undrain: &Undrain) -> Reply {
        match self.tracker(&undrain.node_group, &undrain.identity) {
            Ok(tracker) => Reply::Switched(tracker.drained.take().is_some()),
            Err(unknown) => unknown,
        }
    }

    pub(super) fn set_slots(&mut self, set: &SetSlots) -> Reply {
        let slots = set.slots.map(|slots| slots.clamp(1, 4096));
        let tracker = match self.tracker(&set.node_group, &set.identity) {
            Ok(tracker) => tracker,
            Err(unknown) => return unknown,
        };
        let changed = std::mem::replace(&mut tracker.slots, slots) != slots;
        if changed {
            self.rare("slots changed");
        }
        Reply::Switched(changed)
    }
}
