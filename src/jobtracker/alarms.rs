//! What an operator must hear of before it hurts: a disk that fills, a clock that is wrong. Each is told once when it
//! begins and once when it is over; the metrics show it meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use super::JobTracker;
use crate::domain::Millis;
use crate::raft::{Role, Skew};
use crate::store::NodeId;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A voter's clock that is further from the majority's than this is wrong.
const SKEW_MAX: Millis = Millis::new(500);

/// Runs until the node stops.
pub(super) async fn watch(tracker: JobTracker) {
    let mut beat = tokio::time::interval(LOOK_EVERY);
    let mut wrong = BTreeSet::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = tracker.stopping().cancelled() => return,
        }
        tell_of_disk(&tracker);
        // A follower knows only some clocks, and old readings of them.
        if tracker.raft().metrics().role == Role::Leader {
            wrong = tell_of_clocks(&wrong, &tracker.raft().clock_skews());
        }
    }
}

fn tell_of_disk(tracker: &JobTracker) {
    match tracker.look_at_disk() {
        Ok((free_percent, true)) if tracker.is_disk_low() => {
            tracing::warn!(free_percent, "the disk is almost full: submits and biz logs are refused");
        }
        Ok((free_percent, true)) => tracing::info!(free_percent, "the disk has room again"),
        Ok((_, false)) => {}
        Err(error) => tracing::warn!(%error, "the disk does not tell how full it is"),
    }
}

/// Returns those that are wrong now.
fn tell_of_clocks(wrong_before: &BTreeSet<NodeId>, skews: &[Skew]) -> BTreeSet<NodeId> {
    let mut wrong = BTreeSet::new();
    for skew in skews {
        let was_wrong = wrong_before.contains(&skew.node);
        if skew.exceeds(SKEW_MAX) {
            wrong.insert(skew.node);
            if !was_wrong {
                tracing::warn!(
                    node = skew.node,
                    ms = skew.ms,
                    "the clock of a voter is wrong; time goes by the majority's, but see to its time synchronisation"
                );
            }
        } else if was_wrong {
            tracing::info!(node = skew.node, ms = skew.ms, "the clock of a voter is right again");
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_from_half_a_second_on_and_right_again_below() {
        let skews = [(1, 0), (2, -501), (3, 500)].map(|(node, ms)| Skew { node, ms });
        let wrong = tell_of_clocks(&BTreeSet::new(), &skews);
        assert_eq!(wrong, BTreeSet::from([2]));
        assert!(tell_of_clocks(&wrong, &[Skew { node: 2, ms: 20 }]).is_empty());
    }
}
