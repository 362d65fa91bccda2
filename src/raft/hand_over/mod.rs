//! Failing over without waiting for timers, when the leader's process is surely gone.
//!
//! Each follower holds a stream open to its leader. When that breaks *and* the leader's host refuses a new connection,
//! the process has ended: not slow, not frozen, not cut off. The same is proved when another start of it answers. Then a survivor starts the hand-over that the leader would
//! have asked for had it gone in peace. Votes and logs decide as always, so it is safe whoever is wrong about what; but
//! it elects within the old leader's lease, so reads never trust a lease. Never on a timeout.

mod decide;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::raft::TransferLeaderRequest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::decide::{Decision, Proof, Standing, Watched, decide, gives_way, time_to_be_elected};
use super::convert;
use super::core::Core;
use super::dial::DialError;
use super::leadership::{Leader, Leadership};
use super::pb;
use super::peers::{CallError, Lane, Peers};
use crate::failpoint::failpoint;
use crate::store::NodeId;

/// After so many tries, each with twice the time of the one before, the timers have taken over anyway.
const TRIES_MAX: u32 = 6;
/// A listener that is about to vanish is seen through at once; one that stays is not pestered.
const LOOKS_AT_ONCE: u32 = 3;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long after a leader's silence its stream is tried again.
const REWATCH_AFTER: Duration = Duration::from_millis(200);
/// Opening the stream.
const WATCH_OPENS_WITHIN: Duration = Duration::from_secs(1);

/// One node's readiness to take over.
pub(super) struct Survivor {
    pub(super) core: Arc<dyn Core>,
    pub(super) peers: Arc<Peers>,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) step: Duration,
}

impl Survivor {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let stopped = stop.clone();
        tokio::select! {
            () = stopped.cancelled() => {}
            () = self.watch_leaders() => {}
        }
    }

    /// Ends when consensus stops.
    async fn watch_leaders(&mut self) {
        let mut leadership = self.leadership.clone();
        loop {
            let leader = leadership.borrow_and_update().leader.clone();
            let goes_on = match leader.filter(|leader| leader.id != self.me()) {
                None => leadership.changed().await.is_ok(),
                Some(leader) => tokio::select! {
                    goes_on = another_leads(&mut leadership, &leader) => goes_on,
                    () = self.outlive(&leader) => another_leads(&mut self.leadership, &leader).await,
                },
            };
            if !goes_on {
                return;
            }
        }
    }

    fn me(&self) -> NodeId {
        self.peers.identity.id
    }

    /// Watches one leader until it is gone, and takes over. Dropped as soon as another one leads.
    async fn outlive(&self, leader: &Leader) {
        let (mut start, mut looks) = (None, 0);
        loop {
            match self.watch_until_it_breaks(leader, start).await {
                Watched::Restarted => return self.take_over(leader).await,
                Watched::Broke(seen) => (start, looks) = (Some(seen), 0),
                Watched::Nothing => {}
            }
            match self.look_for(leader).await {
                Proof::Gone => return self.take_over(leader).await,
                Proof::Silent => tokio::time::sleep(REWATCH_AFTER).await,
                Proof::Listening => {
                    looks += 1;
                    if looks > LOOKS_AT_ONCE {
                        tokio::time::sleep(LOOK_AGAIN_AFTER * looks.min(10)).await;
                    }
                }
            }
        }
    }

    /// Returns once the stream has ended, for whatever reason, or shows another start than before.
    async fn watch_until_it_breaks(&self, leader: &Leader, before: Option<u64>) -> Watched {
        let mut client = self.peers.client(leader.id, &leader.node.peer_addr, Lane::Watch);
        let opening = client.watch(self.peers.request(leader.id, pb::WatchRequest {}));
        let opened = tokio::time::timeout(WATCH_OPENS_WITHIN, opening).await;
        let Ok(Ok(stream)) = opened else { return Watched::Nothing };
        let (mut stream, mut watched) = (stream.into_inner(), Watched::Nothing);
        while let Ok(Some(beat)) = stream.message().await {
            self.peers.hear(leader.id, &beat);
            watched = Watched::by_start(before, beat.start);
            if watched == Watched::Restarted {
                break;
            }
        }
        watched
    }

    async fn look_for(&self, leader: &Leader) -> Proof {
        match self.peers.dialer().dial(&leader.node.peer_addr).await {
            Ok(_) => Proof::Listening,
            Err(DialError::Refused(_)) => Proof::Gone,
            Err(DialError::Timeout { .. } | DialError::Failed { .. }) => Proof::Silent,
        }
    }

    async fn take_over(&self, gone: &Leader) {
        failpoint!("hand_over::before_take_over");
        for tries in 0..TRIES_MAX {
            let Some(mine) = self.my_standing().await else { return };
            let others = self.ask_the_others(gone.id).await;
            match decide(gone.term, &mine, &others, self.step) {
                Decision::Leave => return,
                Decision::TryAfter(delay) => tokio::time::sleep(delay).await,
            }
            let Some(now) = self.my_standing().await else { return };
            if gives_way(&mine, &now) {
                tracing::info!(term = now.vote.leader_id.term, "another survivor is being elected");
            } else {
                tracing::info!(gone = gone.id, term = gone.term, "the leader's process is gone; taking over");
                if !self.try_to_lead().await {
                    return;
                }
            }
            // If it works, another leads, and this is dropped.
            tokio::time::sleep(time_to_be_elected(self.step, tries)).await;
        }
    }

    /// None for a node that does not vote, or when consensus has stopped.
    async fn my_standing(&self) -> Option<Standing> {
        let membership = self.core.metrics().membership_config;
        let votes = membership.membership().voter_ids().any(|id| id == self.me());
        let (vote, last_log) = self.core.vote_and_last_log().await.ok()?;
        votes.then(|| Standing { node: self.me(), vote, last_log })
    }

    async fn ask_the_others(&self, gone: NodeId) -> Vec<Standing> {
        let membership = self.core.metrics().membership_config.membership().clone();
        let others = membership.voter_ids().filter(|id| *id != self.me() && *id != gone);
        let asked = others.filter_map(|id| Some((id, membership.get_node(&id)?.peer_addr.clone())));
        let answers =
            join_all(asked.map(|(id, address)| standing_of(&self.peers, id, address, self.step))).await;
        answers.into_iter().flatten().collect()
    }

    /// openraft's own hand-over, with what this node votes for now: false when consensus has stopped.
    async fn try_to_lead(&self) -> bool {
        let Ok((vote, _)) = self.core.vote_and_last_log().await else { return false };
        let request = TransferLeaderRequest::new(vote, self.me(), None);
        match self.core.handle_transfer(request).await {
            Ok(Ok(())) => true,
            Ok(Err(refused)) => {
                tracing::info!(%refused, "not taking over yet");
                true
            }
            Err(_) => false,
        }
    }
}

/// That nobody leads, as during a candidacy, is no reason to give up; false when consensus has stopped.
async fn another_leads(leadership: &mut watch::Receiver<Leadership>, old: &Leader) -> bool {
    // The same one with another address counts as well: a new learner learns it late.
    let another = |seen: &Leadership| seen.leader.as_ref().is_some_and(|leader| leader != old);
    leadership.wait_for(another).await.is_ok()
}

async fn standing_of(peers: &Peers, id: NodeId, address: String, within: Duration) -> Option<Standing> {
    let answered = ask_standing(peers, id, &address, within).await;
    let response = answered.ok()?;
    let vote = convert::required_vote(response.vote).ok()?;
    Some(Standing { node: id, vote, last_log: convert::optional_in(response.last_log) })
}

/// Also keeps the connection warm and the clock heard, when nothing else is said to that node.
pub(super) async fn ask_standing(
    peers: &Peers,
    id: NodeId,
    address: &str,
    within: Duration,
) -> Result<pb::StandingResponse, CallError> {
    let mut client = peers.client(id, address, Lane::Urgent);
    let call = client.standing(peers.request(id, pb::StandingRequest {}));
    peers.call(id, within, call).await
}
