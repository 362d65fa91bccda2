//! Waiting for a leader without missing the news of one.

use std::time::Duration;

use tokio::sync::watch;

/// How long a command that found no leader waits before it looks again, unless leadership changes first.
pub(super) const LEADER_POLL: Duration = Duration::from_millis(20);

/// What a call that found no leader waits for. It is made before the first try, so that it misses no change.
pub(super) struct LeaderNews<A, B> {
    leadership: watch::Receiver<A>,
    leader: watch::Receiver<B>,
}

impl<A, B> LeaderNews<A, B> {
    /// Changes from now on. A receiver that was cloned shows old ones as new.
    pub(super) fn from_now(
        mut leadership: watch::Receiver<A>,
        mut leader: watch::Receiver<B>,
    ) -> LeaderNews<A, B> {
        leadership.mark_unchanged();
        leader.mark_unchanged();
        LeaderNews { leadership, leader }
    }

    /// A node that stops has no more news, and is no reason to look again at once.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        tokio::select! {
            Ok(()) = self.leadership.changed() => {}
            Ok(()) = self.leader.changed() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn news_of_a_leader_are_waited_for_also_after_earlier_ones() {
        let (leadership, leader) = (watch::Sender::new(1), watch::Sender::new(None));
        let kept = (leadership.subscribe(), leader.subscribe());
        leadership.send_replace(2);
        leader.send_replace(Some(7));
        let mut news = LeaderNews::from_now(kept.0.clone(), kept.1.clone());
        assert!(news.wait(LEADER_POLL).now_or_never().is_none(), "nothing has changed since");
        leadership.send_replace(3);
        assert!(news.wait(Duration::MAX).now_or_never().is_some());
    }

    /// Found by seeds 13 and 23 of the simulation: calls spun on a node whose consensus had ended.
    #[tokio::test]
    async fn a_node_whose_consensus_has_ended_is_not_asked_again_at_once() {
        let (leadership, leader) = (watch::Sender::new(1), watch::Sender::new(None::<u64>));
        let mut news = LeaderNews::from_now(leadership.subscribe(), leader.subscribe());
        drop(leadership);
        assert!(news.wait(LEADER_POLL).now_or_never().is_none(), "there is no news");
        leader.send_replace(Some(7));
        assert!(news.wait(Duration::MAX).now_or_never().is_some(), "the other one still has");
        drop(leader);
        assert!(news.wait(LEADER_POLL).now_or_never().is_none(), "there is no news");
    }
}
