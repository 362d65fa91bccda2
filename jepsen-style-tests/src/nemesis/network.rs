//! The network is bad, but there: packets are lost, or late.

use super::{Strike, names};
use crate::cluster::{CLIENTS, TRACKERS};
use crate::delay::Delay;
use crate::netns::{Way, both_ways};

/// The ways to and from one JobTracker, or all of them.
fn ways(strike: &Strike) -> (Vec<Way>, Vec<String>) {
    let nodes = names(&strike.cluster.nodes);
    let some = match strike.variant(4) {
        3 => nodes.clone(),
        number => vec![nodes[number].clone()],
    };
    let others = TRACKERS.iter().chain(&CLIENTS).map(|name| (*name).to_owned());
    let everybody: Vec<String> = nodes.into_iter().chain(others).collect();
    let ways = both_ways(&some, &everybody).into_iter().filter(|(from, to)| from != to).collect();
    (ways, some)
}

pub(super) async fn lose(strike: &Strike) {
    let (ways, targets) = ways(strike);
    let percent = u8::try_from(1 + strike.plan.measure % 30).expect("at most 30");
    let network = &strike.cluster.network;
    let detail = format!("{percent} % of the packets");
    strike.between(detail, targets, network.lose(&ways, percent), network.lose(&ways, 0)).await;
}

pub(super) async fn delay(strike: &Strike) {
    let (_, targets) = ways(strike);
    let base_ms = u64::from(5 + strike.plan.measure * 2);
    let delay = Delay { base_ms, jitter_ms: base_ms / 2, seed: strike.plan.measure.into() };
    let detail = format!("{base_ms} to {} ms each way", base_ms + delay.jitter_ms);
    let running = tokio::sync::Mutex::new(None);
    let begin = async {
        *running.lock().await = Some(delay.start(&targets).await?);
        Ok(())
    };
    let end = async {
        match running.lock().await.take() {
            Some(delaying) => delaying.stop().await,
            None => Ok(()),
        }
    };
    strike.between(detail, targets.clone(), begin, end).await;
}
