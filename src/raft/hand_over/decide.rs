//! Who takes over from a leader whose process is gone, and when. Pure.
//!
//! The survivor with the longest log goes first, since only it can surely win; among equals the lowest id. The next one
//! waits a step for the one before it. Raft's votes still decide: a wrong order costs time, never safety.

use std::cmp::Reverse;
use std::time::Duration;

use crate::store::{LogId, NodeId, Vote};

/// How a survivor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) node: NodeId,
    pub(super) vote: Vote,
    pub(super) last_log: Option<LogId>,
}

impl Standing {
    fn precedence(&self) -> (Option<&LogId>, Reverse<NodeId>) {
        (self.last_log.as_ref(), Reverse(self.node))
    }
}

/// What to do about a leader that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// A later leader is elected already.
    Leave,
    /// Try, unless another one leads by then.
    TryAfter(Duration),
}

/// `others` are the survivors that answered; those that did not are taken for gone as well.
pub(super) fn decide(gone_term: u64, mine: &Standing, others: &[Standing], step: Duration) -> Decision {
    let mut all = others.iter().chain([mine]);
    if all.any(|standing| standing.vote.committed && standing.vote.leader_id.term > gone_term) {
        return Decision::Leave;
    }
    let before_me = others.iter().filter(|other| other.precedence() > mine.precedence()).count();
    let before_me = u32::try_from(before_me).expect("a cluster has a handful of nodes");
    Decision::TryAfter(step * before_me)
}

/// Whether this node granted its vote to another one while it waited for its turn: that election gets its time first, since
/// a candidate of a later term would end it.
pub(super) fn gives_way(before: &Standing, now: &Standing) -> bool {
    now.vote != before.vote && now.vote.leader_id.voted_for != now.node
}

/// How long an election may take before it is tried again. It doubles: a try ends the one before it, so on a disk that
/// syncs slower than the first step a constant time would never elect anybody.
pub(super) fn time_to_be_elected(step: Duration, tries: u32) -> Duration {
    step * 2u32.saturating_pow(tries)
}

/// What the end of the watch on the leader and the attempt to come back say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The connection broke and its host says that nobody listens: the process is gone.
    Gone,
    /// Somebody listens: a restart, a hiccup, or a listener about to vanish. Look again.
    Listening,
    /// No answer says nothing: slow, frozen, cut off. The timers decide.
    Silent,
}

/// What was seen of a leader while its stream lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// There was no stream.
    Nothing,
    /// There was one, from this start of its process.
    Broke(u64),
    /// Another start than before answered: the leader's process has ended, and a new one never leads the same term.
    Restarted,
}

impl Watched {
    pub(super) fn by_start(before: Option<u64>, seen: u64) -> Watched {
        if before.is_some_and(|before| before != seen) { Watched::Restarted } else { Watched::Broke(seen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::log_id;

    const STEP: Duration = Duration::from_millis(50);

    fn standing(node: NodeId, vote: Vote, index: u64) -> Standing {
        Standing { node, vote, last_log: Some(log_id(3, index)) }
    }

    /// Node 9 led term 3 and is gone.
    fn follower(node: NodeId, index: u64) -> Standing {
        standing(node, Vote::new_committed(3, 9), index)
    }

    fn after(steps: u32) -> Decision {
        Decision::TryAfter(STEP * steps)
    }

    #[test]
    fn among_equals_the_lowest_id_goes_first() {
        assert_eq!(decide(3, &follower(1, 7), &[follower(2, 7)], STEP), after(0));
        assert_eq!(decide(3, &follower(2, 7), &[follower(1, 7)], STEP), after(1));
        assert_eq!(decide(3, &follower(4, 7), &[follower(1, 7), follower(2, 7)], STEP), after(2));
    }

    #[test]
    fn who_voted_for_another_survivor_waits_for_that_election() {
        let before = follower(2, 7);
        let granted = standing(2, Vote::new(4, 1), 7);
        assert!(gives_way(&before, &granted));
        assert!(!gives_way(&before, &before), "nothing happened: it is its turn");
        assert!(!gives_way(&granted, &granted), "that election had its time");
        assert!(!gives_way(&before, &standing(2, Vote::new(4, 2), 7)), "its own candidacy");
    }

    #[test]
    fn each_try_has_twice_the_time_of_the_one_before() {
        let times = [0, 1, 3].map(|tries| time_to_be_elected(STEP, tries));
        assert_eq!(times, [STEP, 2 * STEP, 8 * STEP]);
    }

    #[test]
    fn the_longest_log_goes_before_the_lowest_id() {
        assert_eq!(decide(3, &follower(1, 7), &[follower(2, 8)], STEP), after(1));
        assert_eq!(decide(3, &follower(2, 8), &[follower(1, 7)], STEP), after(0));
    }

    #[test]
    fn a_survivor_that_does_not_answer_is_not_waited_for() {
        assert_eq!(decide(3, &follower(4, 7), &[], STEP), after(0));
    }

    #[test]
    fn once_a_later_leader_is_elected_nobody_tries() {
        let elected = standing(2, Vote::new_committed(4, 2), 8);
        assert_eq!(decide(3, &follower(1, 7), std::slice::from_ref(&elected), STEP), Decision::Leave);
        assert_eq!(decide(3, &elected, &[follower(1, 7)], STEP), Decision::Leave);
    }

    #[test]
    fn another_start_of_the_leader_proves_that_the_one_before_has_ended() {
        assert_eq!(Watched::by_start(None, 7), Watched::Broke(7));
        assert_eq!(Watched::by_start(Some(7), 7), Watched::Broke(7));
        assert_eq!(Watched::by_start(Some(7), 8), Watched::Restarted);
    }

    #[test]
    fn a_candidate_that_did_not_win_is_no_leader() {
        let candidate = standing(2, Vote::new(4, 2), 6);
        assert_eq!(decide(3, &follower(1, 7), &[candidate], STEP), after(0));
    }
}
