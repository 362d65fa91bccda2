//! Who gets the work, and who is gone: the leader's soft state, as a pure step.
//!
//! `step(now, event)` changes the roster and says what the leader should do; it does no IO, reads no clock and proposes
//! nothing itself. All of it may be lost at any time: a new leader builds it again from the tables and the hellos, and
//! whatever it believes, the machine decides (`machine::apply::dispatch`).

mod choose;
pub mod client_notifier;
pub mod planner;
mod roster;
mod timeouts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub use choose::Ready;
pub use roster::{Attached, Roster};
pub use timeouts::{Overdue, Timeouts};

use crate::domain::{ExecutionId, Kind, NodeGroup, RunId, SessionId};
use crate::machine::reply::Push;
use crate::planted::{self, Bug};

/// How long a session that gave pushes back is given no other: what fills its slots, such as executions that were
/// reclaimed and do not stop, is unknown to the tables, and the same runs would go to and fro as fast as entries commit.
const RETURN_REST: Duration = Duration::from_millis(200);

/// How the leader treats silence and overdue runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A session that was not heard for this long is offline.
    pub reclaim_after: Duration,
    /// How long user code may take to stop after it was asked.
    pub terminate_grace: Duration,
}

/// What the leader's loop saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session's stream is open. `executing` is what the tables say that it executes.
    Attached { session: SessionId, attached: Attached, executing: usize },
    /// A session's stream broke; that proves nothing about its process.
    Detached { session: SessionId, stream: u64 },
    /// A session that the tables know as online, found when the leader recovered.
    Known { session: SessionId, node_group: NodeGroup },
    /// The session is offline in the tables.
    Gone { session: SessionId },
    /// Anything came from the session.
    Heard { session: SessionId },
    /// The TaskTracker takes no more pushes, or takes them again.
    Accepting { session: SessionId, accepting: bool },
    /// A `Dispatch` was applied.
    Started { session: SessionId, asked: u32, pushes: Vec<Push> },
    /// A `Dispatch` was lost with its proposal.
    Lost { session: SessionId, asked: u32 },
    /// It is proposed that executions of the session ended: their slots may be asked for in the same entry.
    Freed { session: SessionId, executions: Vec<ExecutionId> },
    /// That proposal was applied or is lost: from here on the tables tell.
    Concluded { session: SessionId, executions: usize },
    /// The session gave pushes back: it has less room than the tables say.
    Returned { session: SessionId },
    /// The tables say that the session executes this many and may have so many at a time. Told before each `Ready`: the tables may be ahead of the
    /// replies that the leader has seen, so a count that was kept up to date by replies would drift.
    Counted { session: SessionId, executing: usize, slots: u32 },
    /// These groups have this much ready, all that is in flight included.
    Ready { groups: BTreeMap<NodeGroup, Ready> },
    /// The leader itself was frozen: what it did not hear is not silence.
    Thawed,
    /// Time passed.
    Tick,
}

/// What the leader's loop should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Propose to start up to `want` runs.
    Dispatch { session: SessionId, want: u32 },
    /// Propose that the session is offline: it was silent for too long.
    Offline { session: SessionId },
    /// Tell the session to stop an execution that is past its run timeout.
    Terminate { session: SessionId, execution: ExecutionId, run: RunId },
    /// Propose to take back an execution that did not stop.
    Reclaim { execution: ExecutionId },
    /// TaskTrackers of the group may be given work again.
    Look { node_group: NodeGroup },
}

#[derive(Debug)]
pub struct Dispatcher {
    patience: Patience,
    roster: Roster,
    timeouts: Timeouts,
}

impl Dispatcher {
    /// A leader begins: no session has been silent yet.
    pub fn new(patience: Patience) -> Dispatcher {
        Dispatcher { patience, roster: Roster::default(), timeouts: Timeouts::default() }
    }

    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Intent> {
        match event {
            Event::Attached { session, attached, executing } => {
                self.roster.attach(now, session, attached, executing)
            }
            Event::Detached { session, stream } => self.roster.detach(session, stream),
            Event::Known { session, node_group } if planted::is(Bug::NewLeaderGivesNoGrace) => {
                self.roster.know(now - self.patience.reclaim_after, session, node_group);
            }
            Event::Known { session, node_group } => self.roster.know(now, session, node_group),
            Event::Gone { session } => self.roster.forget(session),
            Event::Heard { session } => self.roster.heard(now, session),
            Event::Accepting { session, accepting } => self.roster.accept(session, accepting),
            Event::Started { session, asked, pushes } => {
                self.roster.started(session, asked, pushes.len());
                self.timeouts.watch(now, self.patience.terminate_grace, session, &pushes);
            }
            Event::Lost { session, asked } => self.roster.started(session, asked, 0),
            Event::Freed { session, executions } => {
                executions.iter().for_each(|execution| self.timeouts.forget(*execution));
                self.roster.freed(session, executions.len());
            }
            Event::Concluded { session, executions } => self.roster.concluded(session, executions),
            Event::Returned { session } => self.roster.rest(session, Some(now + RETURN_REST)),
            Event::Counted { session, executing, slots } => self.roster.counted(session, executing, slots),
            Event::Thawed => self.roster.thawed(now),
            Event::Ready { groups } => return self.deal(groups),
            Event::Tick => return self.tick(now),
        }
        Vec::new()
    }

    /// When `Event::Tick` would find something.
    pub fn next_check(&self) -> Option<Instant> {
        let silence = self.roster.earliest_heard().map(|heard| heard + self.patience.reclaim_after);
        silence.into_iter().chain(self.timeouts.next()).chain(self.roster.earliest_rested()).min()
    }

    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    fn deal(&mut self, groups: BTreeMap<NodeGroup, Ready>) -> Vec<Intent> {
        let mut intents = Vec::new();
        for (group, ready) in groups {
            for (session, want) in choose::deal(&mut self.roster, &group, ready) {
                intents.push(Intent::Dispatch { session, want });
            }
        }
        intents
    }

    fn tick(&mut self, now: Instant) -> Vec<Intent> {
        let silent = self.roster.silent_since(now, self.patience.reclaim_after);
        let offline = silent.into_iter().map(|session| Intent::Offline { session });
        let overdue = self.timeouts.overdue(now).into_iter().map(|overdue| match overdue {
            Overdue::Terminate { session, execution, run } => Intent::Terminate { session, execution, run },
            Overdue::Reclaim { execution } => Intent::Reclaim { execution },
        });
        let rested = self.roster.rested(now).into_iter().map(|node_group| Intent::Look { node_group });
        offline.chain(overdue).chain(rested).collect()
    }
}

/// The kinds that a TaskTracker takes; none named takes all.
pub fn takes(kinds: &BTreeSet<Kind>, kind: &Kind) -> bool {
    kinds.is_empty() || kinds.contains(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatcher(capacity: u32) -> (Dispatcher, Instant, SessionId, NodeGroup) {
        let patience =
            Patience { reclaim_after: Duration::from_secs(10), terminate_grace: Duration::from_secs(1) };
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let (mut dispatcher, session) = (Dispatcher::new(patience), SessionId::from_u64(1));
        let node_group = NodeGroup::new("trade").unwrap();
        let attached =
            Attached { stream: 1, node_group: node_group.clone(), kinds: BTreeSet::new(), capacity };
        dispatcher.step(now, Event::Attached { session, attached, executing: 0 });
        (dispatcher, now, session, node_group)
    }

    fn wants(dispatcher: &mut Dispatcher, now: Instant, group: &NodeGroup, ready: usize) -> Vec<u32> {
        let ready = BTreeMap::from([(Kind::new("any").unwrap(), ready)]);
        let intents = dispatcher.step(now, Event::Ready { groups: BTreeMap::from([(group.clone(), ready)]) });
        let want = |intent| match intent {
            Intent::Dispatch { want, .. } => Some(want),
            Intent::Offline { .. }
            | Intent::Terminate { .. }
            | Intent::Reclaim { .. }
            | Intent::Look { .. } => None,
        };
        intents.into_iter().filter_map(want).collect()
    }

    /// Found by the seeded world (seed 14): a hello and a dispatch in one entry, so that the tables knew of executions
    /// whose reply was still to come, and they were counted twice for ever.
    #[test]
    fn what_the_tables_know_already_is_not_counted_again() {
        let (mut dispatcher, now, session, group) = dispatcher(4);
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [4]);
        dispatcher.step(now, Event::Counted { session, executing: 4, slots: 4 });
        dispatcher.step(now, Event::Started { session, asked: 4, pushes: Vec::new() });
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [0; 0]);
        dispatcher.step(now, Event::Counted { session, executing: 0, slots: 4 });
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [4]);
    }

    #[test]
    fn a_slot_whose_end_is_proposed_may_be_asked_for_and_is_not_freed_twice() {
        let (mut dispatcher, now, session, group) = dispatcher(1);
        dispatcher.step(now, Event::Counted { session, executing: 1, slots: 1 });
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [0; 0]);
        dispatcher.step(now, Event::Freed { session, executions: vec![ExecutionId::from_u64(7)] });
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [1]);
        dispatcher.step(now, Event::Concluded { session, executions: 1 });
        dispatcher.step(now, Event::Started { session, asked: 1, pushes: Vec::new() });
        dispatcher.step(now, Event::Counted { session, executing: 1, slots: 1 });
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [0; 0]);
    }

    #[test]
    fn an_operators_number_of_slots_goes_before_what_the_hello_said() {
        let (mut dispatcher, now, session, group) = dispatcher(4);
        for (slots, wanted) in [(1, vec![1]), (0, vec![]), (9, vec![9])] {
            dispatcher.step(now, Event::Counted { session, executing: 0, slots });
            assert_eq!(wants(&mut dispatcher, now, &group, 20), wanted);
            let asked = wanted.iter().sum();
            dispatcher.step(now, Event::Started { session, asked, pushes: Vec::new() });
        }
    }

    #[test]
    fn who_was_silent_for_too_long_is_offline_and_nobody_else() {
        let (mut dispatcher, now, session, node_group) = dispatcher(1);
        let [late, gone] = [2, 3].map(SessionId::from_u64);
        let at = |seconds| now + Duration::from_secs(seconds);
        for session in [late, gone] {
            dispatcher.step(at(1), Event::Known { session, node_group: node_group.clone() });
        }
        dispatcher.step(at(4), Event::Heard { session: late });
        dispatcher.step(at(2), Event::Gone { session: gone });
        assert_eq!(dispatcher.next_check(), Some(at(10)), "the first one was heard at the beginning");
        assert_eq!(dispatcher.step(at(9), Event::Tick), []);
        assert_eq!(dispatcher.step(at(10), Event::Tick), [Intent::Offline { session }]);
        dispatcher.step(at(10), Event::Gone { session });
        assert_eq!(dispatcher.next_check(), Some(at(14)));
        dispatcher.step(at(13), Event::Thawed);
        assert_eq!(dispatcher.step(at(22), Event::Tick), []);
        assert_eq!(dispatcher.step(at(23), Event::Tick), [Intent::Offline { session: late }]);
    }

    /// Found by the seeded world: a TaskTracker whose slots were full of what had been reclaimed gave the same runs back
    /// a thousand times.
    #[test]
    fn who_gives_pushes_back_rests_before_it_is_given_others() {
        let (mut dispatcher, now, session, group) = dispatcher(2);
        dispatcher.step(now, Event::Returned { session });
        assert_eq!(wants(&mut dispatcher, now, &group, 9), [0; 0]);
        let later = dispatcher.next_check().expect("it rests for a while");
        assert_eq!(later, now + RETURN_REST);
        assert_eq!(dispatcher.step(later, Event::Tick), [Intent::Look { node_group: group.clone() }]);
        assert_eq!(wants(&mut dispatcher, later, &group, 9), [2]);
        dispatcher.step(later, Event::Started { session, asked: 2, pushes: Vec::new() });
        dispatcher.step(later, Event::Returned { session });
        dispatcher.step(later, Event::Accepting { session, accepting: true });
        assert_eq!(wants(&mut dispatcher, later, &group, 9), [2]);
    }
}
