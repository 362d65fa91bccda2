//! Who leads, as a watch; and that this node leads only once the first entry of its term is applied.
//!
//! Until then its tables may lack what earlier leaders committed, so nothing may be decided from them. A leader that is
//! cut off goes on showing itself here until it hears of another: quorum silence tells, never this watch alone.

use std::time::Instant;

use openraft::ServerState;
use openraft::alias::StoredMembershipOf;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::peers::Peers;
use crate::store::{LogId, Node, NodeId, Types};

/// Who leads a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    pub id: NodeId,
    pub node: Node,
    pub term: u64,
}

/// What this node knows of leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    pub leader: Option<Leader>,
    /// This node leads, and the first entry of its term is applied.
    pub am_leader: bool,
    /// The highest term seen.
    pub term: u64,
    /// By the monotonic clock: since when all this holds.
    pub since: Instant,
}

impl Leadership {
    pub(super) fn unknown(since: Instant) -> Leadership {
        Leadership { leader: None, am_leader: false, term: 0, since }
    }

    fn says_the_same(&self, other: &Leadership) -> bool {
        (&self.leader, self.am_leader, self.term) == (&other.leader, other.am_leader, other.term)
    }
}

/// What openraft's metrics amount to. Pure.
fn observe(metrics: &RaftServerMetrics<Types>, applied: Option<&LogId>, since: Instant) -> Leadership {
    let term = metrics.vote.leader_id.term;
    let leading = metrics.state == ServerState::Leader;
    // A leader that restarted is remembered by its own vote, and does not lead.
    let leader = metrics.current_leader.filter(|id| *id != metrics.id || leading);
    let node = |id| metrics.membership_config.membership().get_node(&id).cloned().unwrap_or_default();
    let first_entry_applied = applied.is_some_and(|applied| applied.leader_id.term == term);
    Leadership {
        leader: leader.map(|id| Leader { id, node: node(id), term }),
        am_leader: leading && leader == Some(metrics.id) && first_entry_applied,
        term,
        since,
    }
}

/// Keeps the watch true until consensus stops, and tells the connections and clocks who belongs.
pub(super) async fn follow(
    core: std::sync::Arc<dyn Core>,
    peers: std::sync::Arc<Peers>,
    sender: watch::Sender<Leadership>,
    stop: CancellationToken,
) {
    let mut server = core.watch_server();
    let mut applied = core.watch_applied();
    let mut membership = None;
    loop {
        let metrics = server.borrow_watched().clone();
        if membership.as_ref() != Some(&metrics.membership_config) {
            adopt(&peers, &metrics.membership_config);
            membership = Some(metrics.membership_config.clone());
        }
        let last_applied = *applied.borrow_and_update();
        let seen = observe(&metrics, last_applied.as_ref(), peers.own.monotonic());
        let awaits_first_entry = metrics.state == ServerState::Leader && !seen.am_leader;
        publish(&sender, seen);
        tokio::select! {
            changed = server.changed() => if changed.is_err() { break },
            changed = applied.changed(), if awaits_first_entry => if changed.is_err() { break },
            () = stop.cancelled() => break,
        }
    }
    let term = sender.borrow().term;
    publish(&sender, Leadership { term, ..Leadership::unknown(peers.own.monotonic()) });
}

fn publish(sender: &watch::Sender<Leadership>, seen: Leadership) {
    sender.send_if_modified(|shown| {
        let news = !shown.says_the_same(&seen);
        if news {
            *shown = seen;
        }
        news
    });
}

fn adopt(peers: &Peers, stored: &StoredMembershipOf<Types>) {
    let membership = stored.membership();
    peers.clock.set_voters(membership.get_joint_config().clone());
    let members = membership.nodes().map(|(id, _)| *id).collect();
    if !membership.get_joint_config().is_empty() {
        peers.keep_only(&members);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Clock, SystemClock};
    use crate::store::types::log_id;
    use crate::store::{Membership, StoredMembership, Vote};

    fn metrics(state: ServerState, leader: Option<NodeId>, vote: Vote) -> RaftServerMetrics<Types> {
        let nodes =
            BTreeMap::from([(1, Node::default()), (2, Node { name: "n2".into(), ..Node::default() })]);
        let membership = Membership::new(vec![BTreeSet::from([1, 2])], nodes).expect("right");
        let stored = Arc::new(StoredMembership::new(None, membership));
        RaftServerMetrics {
            id: 1,
            vote,
            state,
            current_leader: leader,
            membership_config: stored.clone(),
            committed_membership_config: stored,
        }
    }

    fn seen(state: ServerState, leader: Option<NodeId>, vote: Vote, applied: Option<LogId>) -> Leadership {
        observe(&metrics(state, leader, vote), applied.as_ref(), SystemClock.monotonic())
    }

    #[test]
    fn a_new_leader_does_not_lead_before_the_first_entry_of_its_term_is_applied() {
        let vote = Vote::new_committed(4, 1);
        assert!(!seen(ServerState::Leader, Some(1), vote, None).am_leader);
        assert!(!seen(ServerState::Leader, Some(1), vote, Some(log_id(3, 9))).am_leader);
        let leads = seen(ServerState::Leader, Some(1), vote, Some(log_id(4, 10)));
        assert!(leads.am_leader);
        assert_eq!(leads.leader.map(|leader| (leader.id, leader.term)), Some((1, 4)));
    }

    #[test]
    fn a_follower_shows_its_leader_and_how_to_reach_it() {
        let follows = seen(ServerState::Follower, Some(2), Vote::new_committed(4, 2), Some(log_id(4, 10)));
        assert!(!follows.am_leader);
        assert_eq!(follows.leader.map(|leader| leader.node.name), Some("n2".to_owned()));
    }

    #[test]
    fn a_leader_that_restarted_does_not_lead() {
        let restarted = seen(ServerState::Follower, Some(1), Vote::new_committed(4, 1), Some(log_id(4, 10)));
        assert_eq!((restarted.leader, restarted.am_leader, restarted.term), (None, false, 4));
    }
}
