//! TaskTrackers: killed, paused until they are zombies, cut off, doubled.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::partition::{close, open};
use super::{Strike, names, outcome, told};
use crate::cluster::TWIN;
use crate::netns::{both_ways, one_way};
use crate::tracker::Tracker;

fn one(strike: &Strike) -> &Arc<Tracker> {
    let trackers = &strike.cluster.trackers;
    &trackers[strike.variant(trackers.len())]
}

/// How long it is cut off before it is killed: some of what it executes ends, and it does not stop by itself yet.
const CUT_BEFORE: Duration = Duration::from_secs(4);

/// One in three is cut off first, so that it dies with results that it owes.
pub(super) async fn kill(strike: &Strike) {
    let tracker = one(strike);
    if strike.plan.measure % 3 == 0 {
        let name = vec![tracker.name.clone()];
        let ways = both_ways(&name, &names(&strike.cluster.nodes));
        let cut = strike.cluster.faults.open("tracker-cut", "before it is killed".into(), name);
        let begun = close(strike, &ways).await;
        cut.start(outcome("tracker-cut", &begun));
        tokio::time::sleep(CUT_BEFORE).await;
        let kill = async {
            tracker.kill().await?;
            let opened = open(strike, &ways).await;
            cut.stop(outcome("tracker-cut", &opened), &told(&opened));
            opened
        };
        strike.between("cut off before".into(), vec![tracker.name.clone()], kill, tracker.start()).await;
        return;
    }
    strike.between(String::new(), vec![tracker.name.clone()], tracker.kill(), tracker.start()).await;
}

pub(super) async fn pause(strike: &Strike) {
    let tracker = one(strike);
    let send = |signal| async move {
        tracker.signal(signal).await;
        Ok(())
    };
    strike.between(String::new(), vec![tracker.name.clone()], send(Signal::STOP), send(Signal::CONT)).await;
}

pub(super) async fn cut(strike: &Strike) {
    let tracker = vec![one(strike).name.clone()];
    let all = names(&strike.cluster.nodes);
    let (detail, ways) = match strike.plan.measure % 4 {
        0 => ("from all JobTrackers", both_ways(&tracker, &all)),
        1 => ("from the leader", both_ways(&tracker, &[strike.cluster.leader().await.name.clone()])),
        2 => ("hears nobody", one_way(&all, &tracker)),
        _ => ("is not heard", one_way(&tracker, &all)),
    };
    strike.between(detail.into(), tracker, close(strike, &ways), open(strike, &ways)).await;
}

pub(super) async fn twin(strike: &Strike) {
    let twin = &strike.cluster.twin;
    let detail = "the identity of w1, once more";
    strike.between(detail.into(), vec![TWIN.into()], twin.start(), twin.stop()).await;
}
