//! TaskTrackers: killed, paused until they are zombies, cut off, doubled.

use std::sync::Arc;

use rustix::process::Signal;

use super::partition::{close, open};
use super::{Strike, names};
use crate::cluster::TWIN;
use crate::netns::{both_ways, one_way};
use crate::tracker::Tracker;

fn one(strike: &Strike) -> &Arc<Tracker> {
    let trackers = &strike.cluster.trackers;
    &trackers[strike.variant(trackers.len())]
}

pub(super) async fn kill(strike: &Strike) {
    let tracker = one(strike);
    strike.between(String::new(), vec![tracker.name.clone()], tracker.kill(), tracker.start()).await;
}

pub(super) async fn power(strike: &Strike) {
    let tracker = one(strike);
    strike.between(String::new(), vec![tracker.name.clone()], tracker.lose_power(), tracker.start()).await;
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
