//! What goes into the next entry: what gathered in the lanes, a tick if something is due, and dispatches that ride along.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::Leading;
use super::proposal::{Closed, Origin, Proposed};
use crate::dispatch::{Event, Intent, Ready};
use crate::domain::{Kind, NodeGroup, SessionId, Timestamp};
use crate::jobtracker::leader::lanes::Lane;
use crate::machine::command::Dispatch;
use crate::machine::{Command, LogEntry, Machine};

impl Leading {
    /// Closes an entry, if there is anything to propose at `at`.
    pub(in crate::jobtracker::leader) fn close_entry(
        &mut self,
        now: Instant,
        at: Timestamp,
    ) -> Option<Closed> {
        if self.rests(now) {
            return None;
        }
        self.tell_of_groups(at);
        let mut taken = self.lanes.take_entry();
        if !self.ticking && self.next_due.is_some_and(|due| due <= at) {
            self.ticking = true;
            taken.push((Command::Tick, Origin::Tick));
        }
        let expected = self.foresee(now, at, &taken);
        taken.extend(self.dispatches(now));
        if taken.is_empty() {
            return None;
        }
        let (commands, origins) = taken.into_iter().unzip();
        Some((LogEntry { at, commands }, Proposed { origins, expected }))
    }

    /// Once a minute: what the series are made of. Behind everything else, since it can wait.
    fn tell_of_groups(&mut self, at: Timestamp) {
        if !self.gathered.is_due(at) {
            return;
        }
        match self.gathered.tell(at, &self.machine.read()) {
            Ok(told) => {
                told.into_iter().for_each(|stats| {
                    self.lanes.push(Lane::Log, Command::Stats(stats), Origin::Own);
                });
            }
            // A disk that fails here fails the next entry too, and that ends the node.
            Err(error) => tracing::error!(%error, "the series miss a minute"),
        }
    }

    /// What the commands of an entry will make ready or free, so that dispatches may ride along with them.
    fn foresee(
        &mut self,
        now: Instant,
        at: Timestamp,
        taken: &[(Command, Origin)],
    ) -> Vec<(NodeGroup, Kind, usize)> {
        let mut expected: BTreeMap<(NodeGroup, Kind), usize> = BTreeMap::new();
        for (command, origin) in taken {
            if let Command::Submit(submit) = command {
                for spec in
                    submit.jobs.iter().filter(|spec| spec.one_shot_due(at).is_some_and(|due| due <= at))
                {
                    *expected.entry((spec.node_group.clone(), spec.kind.clone())).or_default() += 1;
                }
            }
            if let Origin::Completed { session, executions, .. } = origin {
                let (session, executions) = (*session, executions.clone());
                self.dispatcher.step(now, Event::Freed { session, executions });
                self.mark_dirty_group_of(session);
            }
        }
        let expected: Vec<_> =
            expected.into_iter().map(|((group, kind), count)| (group, kind, count)).collect();
        for (group, kind, count) in &expected {
            *self.expected.entry(group.clone()).or_default().entry(kind.clone()).or_default() += count;
            self.dirty.insert(group.clone());
        }
        expected
    }

    fn dispatches(&mut self, now: Instant) -> Vec<(Command, Origin)> {
        if self.dirty.is_empty() {
            return Vec::new();
        }
        let dirty = std::mem::take(&mut self.dirty);
        let groups: BTreeMap<_, _> = {
            let machine = Arc::clone(&self.machine);
            let machine = machine.read();
            dirty.iter().for_each(|group| self.count_executing(now, &machine, group));
            dirty
                .into_iter()
                .filter_map(|group| self.estimate(&machine, &group).map(|ready| (group, ready)))
                .collect()
        };
        let intents = self.dispatcher.step(now, Event::Ready { groups });
        let dispatch = |intent| match intent {
            Intent::Dispatch { session, want } => {
                let origin = Origin::Dispatch { session, asked: want };
                Some((Command::Dispatch(Dispatch { session, want }), origin))
            }
            Intent::Offline { .. }
            | Intent::Terminate { .. }
            | Intent::Reclaim { .. }
            | Intent::Look { .. } => None,
        };
        intents.into_iter().filter_map(dispatch).collect()
    }

    /// The tables may be ahead of the replies that were seen here, so only they tell what is executing.
    fn count_executing(&mut self, now: Instant, machine: &Machine, group: &NodeGroup) {
        let sessions: Vec<SessionId> = self.dispatcher.roster().sessions(group).collect();
        for session in sessions {
            let indexes = machine.tables().indexes();
            let (executing, slots) = (indexes.executing_on(session), indexes.slots(session));
            self.dispatcher.step(now, Event::Counted { session, executing, slots });
        }
    }

    /// What is ready in a group, with what is in flight, without what was asked for.
    fn estimate(&self, machine: &Machine, group: &NodeGroup) -> Option<Ready> {
        // A paused group becomes dirty again when it is resumed.
        if self.dispatcher.roster().free(group) == 0 || machine.tables().indexes().is_paused(group) {
            return None;
        }
        let mut ready: Ready = self.expected.get(group).cloned().unwrap_or_default();
        if let Some(kinds) = machine.tables().indexes().ready(group) {
            for (kind, ranks) in kinds.kinds() {
                *ready.entry(kind.clone()).or_default() += ranks.len();
            }
        }
        let mut asked = self.dispatcher.roster().asked(group) as usize;
        for count in ready.values_mut() {
            let taken = asked.min(*count);
            *count -= taken;
            asked -= taken;
        }
        Some(ready)
    }

    pub(super) fn expect_less(&mut self, group: &NodeGroup, kind: &Kind, count: usize) {
        let Some(ready) = self.expected.get_mut(group) else { return };
        if let Some(expected) = ready.get_mut(kind) {
            *expected = expected.saturating_sub(count);
            if *expected == 0 {
                ready.remove(kind);
            }
        }
        if ready.is_empty() {
            self.expected.remove(group);
        }
    }
}
