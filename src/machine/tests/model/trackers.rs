//! TaskTrackers come and go, told again.

use super::{Job, Model, Run, State, Tracker};
use crate::domain::{Identity, NodeGroup, SessionId};
use crate::machine::command::{ReclaimReason, TrackerOnline};
use crate::machine::reply::{Refusal, Reply};

impl Model {
    pub(super) fn online(&mut self, online: &TrackerOnline) -> SessionId {
        let key = (online.node_group.clone(), online.identity.clone());
        let known = self.trackers.get(&key).map(|it| (it.session, it.online, it.start, it.since));
        let (session, since) = match known {
            Some((session, true, start, since)) if start == online.start => (session, since),
            Some(_) | None => (SessionId(self.id()), self.now),
        };
        if known.is_none_or(|(old, ..)| old != session) {
            if let Some((old, true, ..)) = known {
                self.event(&key, old, false);
                self.rare("replaced session");
            }
            self.event(&key, session, true);
        }
        if let Some((old, ..)) = known.filter(|(old, ..)| *old != session) {
            for execution in self.executions_of(old) {
                if online.holds.contains(&execution) {
                    let run = self.find(execution).expect("it executes");
                    self.run_mut(run).expect("it executes").state = State::Executing(execution, session);
                    self.rare("taken over");
                } else {
                    self.reclaim(execution, ReclaimReason::TrackerRestarted);
                }
            }
        }
        let (start, capacity, kinds) = (online.start, online.capacity, online.kinds.clone());
        let stays = known.is_some_and(|(old, ..)| old == session);
        let (drained, slots) = self.trackers.get(&key).map_or((None, None), |it| (it.drained, it.slots));
        // Who starts anew stays drained, and does not leave.
        let drained = drained.map(|leave| leave && stays);
        let tracker = Tracker { session, start, online: true, since, capacity, kinds, drained, slots };
        self.trackers.insert(key, tracker);
        session
    }

    pub(super) fn offline(&mut self, session: SessionId) -> Reply {
        let now = self.now;
        let found = self.trackers.iter_mut().find(|(_, it)| it.session == session && it.online);
        let Some((who, tracker)) = found else {
            return Reply::Refused(Refusal::UnknownSession(session));
        };
        (tracker.online, tracker.since) = (false, now);
        let who = who.clone();
        self.event(&who, session, false);
        for execution in self.executions_of(session) {
            self.reclaim(execution, ReclaimReason::TrackerSilent);
        }
        Reply::Done
    }

    fn event(&mut self, who: &(NodeGroup, Identity), session: SessionId, came: bool) {
        self.id();
        self.events.push((self.now, who.clone(), session, came));
    }

    pub(super) fn delete_group(&mut self, group: &NodeGroup) -> Reply {
        let trackers = || self.trackers.iter().filter(|((of, _), _)| of == group);
        let online = trackers().filter(|(_, it)| it.online).count() as u64;
        // A run that executed while its job moved stays of the group that it was of.
        let runs: Vec<&Run> = self.jobs.values().flat_map(|job| job.runs.values()).collect();
        let of_group = |run: &&&Run| run.group == *group;
        let live_runs = runs.iter().filter(of_group).filter(|run| run.is_live()).count();
        let jobs: Vec<&Job> = self.jobs.values().filter(|job| job.spec.node_group == *group).collect();
        let live = (live_runs + jobs.iter().filter(|job| job.rhythm.is_some()).count()) as u64;
        let kept = runs.iter().filter(of_group).filter(|run| !run.is_live()).count() as u64
            + self.leftover.get(group).copied().unwrap_or_default();
        if online + live + kept > 0 || !jobs.is_empty() {
            self.rare("group in use");
            return Reply::Refused(Refusal::GroupInUse { node_group: group.clone(), live, kept, online });
        }
        if !self.groups.contains(group) && trackers().next().is_none() {
            return Reply::Refused(Refusal::UnknownGroup(group.clone()));
        }
        self.counts.remove(group);
        self.paused.remove(group);
        self.trackers.retain(|(of, _), _| of != group);
        self.groups.remove(group);
        self.rare("group deleted");
        Reply::Done
    }
}
