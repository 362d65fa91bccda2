//! LTS's ClientNotifier: which JobClient is told which feedback, as soft state of the leader. Pure: streams, answers and
//! the clock come in, what to tell and what to propose goes out.
//!
//! What is told waits at one JobClient at a time, until it answers, its stream ends, or [`ANSWER_WITHIN`] is over: then it
//! counts as a failed try. Each has its own time, so one that hangs or fails takes one place of a window and delays no
//! other. All of this may be lost: the next leader finds in the tables what was not heard, and tells it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::domain::{Identity, NodeGroup, RunId, Timestamp};

/// How long a handler may take before it counts as failed.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The most that a JobClient may have without having answered.
pub const WINDOW_MAX: u32 = 1024;
/// What a window is when a JobClient does not say.
pub const WINDOW_DEFAULT: u32 = 64;

/// A JobClient that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    pub node_group: NodeGroup,
    pub identity: Identity,
    /// Drawn once per process start.
    pub start: u64,
    /// How many it takes before it has answered.
    pub window: u32,
    /// When its stream began.
    pub since: Timestamp,
}

#[derive(Debug)]
struct Listener {
    listening: Listening,
    told: BTreeSet<RunId>,
    /// A running number: the smaller, the longer ago it was told something.
    last_used: u64,
}

impl Listener {
    fn room(&self) -> usize {
        (self.listening.window as usize).saturating_sub(self.told.len())
    }
}

/// What became of one feedback that is not waiting to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A JobClient has it and has not answered.
    At { stream: u64, until: Instant, attempt: u32 },
    /// Its answer is proposed.
    Answered,
}

/// One that was not answered in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    pub node_group: NodeGroup,
    pub run: RunId,
    pub attempt: u32,
}

#[derive(Debug, Default)]
pub struct ClientNotifier {
    listeners: BTreeMap<u64, Listener>,
    groups: BTreeMap<NodeGroup, BTreeSet<u64>>,
    places: BTreeMap<NodeGroup, BTreeMap<RunId, Place>>,
    /// When the next answer is overdue.
    overdue: BTreeSet<(Instant, NodeGroup, RunId)>,
    uses: u64,
}

impl ClientNotifier {
    pub fn attach(&mut self, stream: u64, listening: Listening) {
        self.groups.entry(listening.node_group.clone()).or_default().insert(stream);
        self.listeners.insert(stream, Listener { listening, told: BTreeSet::new(), last_used: 0 });
    }

    /// A stream ended: what it had not answered waits again, at once and with no try counted, since nothing is known of its
    /// handlers. Returns its group.
    pub fn detach(&mut self, stream: u64) -> Option<NodeGroup> {
        let Listener { listening, told, .. } = self.listeners.remove(&stream)?;
        let group = listening.node_group;
        for run in told {
            self.take_place(&group, run);
        }
        if let Some(streams) = self.groups.get_mut(&group) {
            streams.remove(&stream);
            if streams.is_empty() {
                self.groups.remove(&group);
            }
        }
        Some(group)
    }

    /// The groups that somebody listens for.
    pub fn groups(&self) -> impl Iterator<Item = &NodeGroup> {
        self.groups.keys()
    }

    pub fn listeners(&self) -> impl Iterator<Item = (u64, &Listening)> {
        self.listeners.iter().map(|(stream, listener)| (*stream, &listener.listening))
    }

    pub fn group_of(&self, stream: u64) -> Option<&NodeGroup> {
        self.listeners.get(&stream).map(|listener| &listener.listening.node_group)
    }

    /// How many more could be told to a group now.
    pub fn room(&self, group: &NodeGroup) -> usize {
        let of_group = self.groups.get(group).into_iter().flatten();
        of_group.filter_map(|stream| self.listeners.get(stream)).map(Listener::room).sum()
    }

    /// Whether it is neither at a JobClient nor answered.
    pub fn is_waiting(&self, group: &NodeGroup, run: RunId) -> bool {
        !self.places.get(group).is_some_and(|places| places.contains_key(&run))
    }

    /// Picks the JobClient that was told something the longest ago among those that have room.
    pub fn tell(&mut self, now: Instant, group: &NodeGroup, run: RunId, attempt: u32) -> Option<u64> {
        let with_room = self.groups.get(group)?.iter().copied();
        let with_room = with_room.filter(|stream| self.listeners.get(stream).is_some_and(|it| it.room() > 0));
        let stream = with_room.min_by_key(|stream| self.listeners.get(stream).map(|it| it.last_used))?;
        self.uses += 1;
        let listener = self.listeners.get_mut(&stream)?;
        listener.last_used = self.uses;
        listener.told.insert(run);
        let until = now + ANSWER_WITHIN;
        self.overdue.insert((until, group.clone(), run));
        self.places.entry(group.clone()).or_default().insert(run, Place::At { stream, until, attempt });
        Some(stream)
    }

    /// A JobClient answered; the answer counts whoever is told it now. It is not told again until [`Self::concluded`].
    pub fn answered(&mut self, stream: u64, runs: &[RunId]) {
        let Some(group) = self.group_of(stream).cloned() else { return };
        for run in runs {
            self.take_place(&group, *run);
            self.places.entry(group.clone()).or_default().insert(*run, Place::Answered);
        }
    }

    /// The proposed answers were applied, or are lost: from here on the tables tell.
    pub fn concluded(&mut self, group: &NodeGroup, runs: &[RunId]) {
        for run in runs {
            let places = self.places.get(group);
            if places.and_then(|places| places.get(run)) == Some(&Place::Answered) {
                self.take_place(group, *run);
            }
        }
    }

    /// What was not answered in time, as failed tries to propose; `limit` bounds one look.
    pub fn unanswered(&mut self, now: Instant, limit: usize) -> Vec<Unanswered> {
        let mut found = Vec::new();
        while found.len() < limit
            && let Some((until, ..)) = self.overdue.first()
            && *until <= now
            && let Some((_, node_group, run)) = self.overdue.pop_first()
        {
            let place = self.take_place(&node_group, run);
            if let Some(Place::At { attempt, .. }) = place {
                self.places.entry(node_group.clone()).or_default().insert(run, Place::Answered);
                found.push(Unanswered { node_group, run, attempt });
            }
        }
        found
    }

    /// When [`Self::unanswered`] would find something.
    pub fn next_check(&self) -> Option<Instant> {
        self.overdue.first().map(|(until, ..)| *until)
    }

    /// The leader itself was frozen: answers that it did not read are not missing.
    pub fn thawed(&mut self, now: Instant) {
        let until = now + ANSWER_WITHIN;
        let places = self.places.iter_mut();
        self.overdue.clear();
        for (group, places) in places {
            for (run, place) in places {
                if let Place::At { until: old, .. } = place {
                    *old = until;
                    self.overdue.insert((until, group.clone(), *run));
                }
            }
        }
    }

    fn take_place(&mut self, group: &NodeGroup, run: RunId) -> Option<Place> {
        let places = self.places.get_mut(group)?;
        let place = places.remove(&run);
        if places.is_empty() {
            self.places.remove(group);
        }
        if let Some(Place::At { stream, until, .. }) = place {
            self.overdue.remove(&(until, group.clone(), run));
            if let Some(listener) = self.listeners.get_mut(&stream) {
                listener.told.remove(&run);
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::JobId;

    fn group(name: &str) -> NodeGroup {
        NodeGroup::new(name).unwrap()
    }

    fn run(number: u64) -> RunId {
        RunId { job: JobId::from_u64(7), number }
    }

    fn notifier(streams: &[(u64, &str, u32)]) -> (ClientNotifier, Instant) {
        let mut notifier = ClientNotifier::default();
        for (stream, name, window) in streams {
            let identity = Identity::new(format!("c{stream}")).unwrap();
            let (node_group, since) = (group(name), Timestamp::ZERO);
            let listening = Listening { node_group, identity, start: *stream, window: *window, since };
            notifier.attach(*stream, listening);
        }
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        (notifier, now)
    }

    #[test]
    fn a_group_is_told_in_turns_up_to_each_window_and_no_other_group_hears() {
        let (mut notifier, now) = notifier(&[(1, "shop", 2), (2, "shop", 1), (3, "mall", 9)]);
        let shop = group("shop");
        assert_eq!(notifier.room(&shop), 3);
        let told: Vec<_> = (0..4).map(|n| notifier.tell(now, &shop, run(n), 1)).collect();
        assert_eq!(told, [Some(1), Some(2), Some(1), None]);
        assert!(!notifier.is_waiting(&shop, run(0)) && notifier.is_waiting(&shop, run(3)));
        notifier.answered(2, &[run(1)]);
        assert!(!notifier.is_waiting(&shop, run(1)), "its answer is on its way into the log");
        assert_eq!(notifier.tell(now, &shop, run(3), 1), Some(2));
        notifier.concluded(&shop, &[run(1)]);
        assert!(notifier.is_waiting(&shop, run(1)), "the tables say that it is gone, or that it is not");
    }

    #[test]
    fn what_a_stream_had_when_it_ended_waits_again() {
        let (mut notifier, now) = notifier(&[(1, "shop", 9), (2, "shop", 9)]);
        let shop = group("shop");
        let told: Vec<_> = (0..4).map(|n| notifier.tell(now, &shop, run(n), 1)).collect();
        assert_eq!(told, [Some(1), Some(2), Some(1), Some(2)]);
        notifier.answered(1, &[run(0)]);
        assert_eq!(notifier.detach(1), Some(shop.clone()));
        assert_eq!(
            (0..4).map(|n| notifier.is_waiting(&shop, run(n))).collect::<Vec<_>>(),
            [false, false, true, false]
        );
        assert_eq!(notifier.tell(now, &shop, run(2), 1), Some(2));
        notifier.detach(2);
        assert_eq!((notifier.groups().count(), notifier.next_check()), (0, None));
    }

    #[test]
    fn what_is_not_answered_in_time_is_a_failed_try_of_its_own() {
        let (mut notifier, now) = notifier(&[(1, "shop", 9)]);
        let shop = group("shop");
        notifier.tell(now, &shop, run(0), 3);
        notifier.tell(now + Duration::from_secs(1), &shop, run(1), 1);
        notifier.thawed(now + Duration::from_secs(2));
        let due = notifier.next_check().unwrap();
        assert_eq!(due, now + Duration::from_secs(2) + ANSWER_WITHIN);
        notifier.answered(1, &[run(1)]);
        assert!(notifier.unanswered(due - Duration::from_millis(1), 9).is_empty());
        let unanswered = Unanswered { node_group: shop.clone(), run: run(0), attempt: 3 };
        assert_eq!(notifier.unanswered(due, 9), [unanswered]);
        assert!(!notifier.is_waiting(&shop, run(0)));
        notifier.concluded(&shop, &[run(0), run(1)]);
        assert!(notifier.is_waiting(&shop, run(0)));
    }
}
