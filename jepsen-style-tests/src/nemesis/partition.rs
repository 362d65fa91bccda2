//! Packets between hosts are dropped, those of open connections too: nobody is told.

use std::time::Duration;

use tokio::time::timeout;

use super::{Strike, names};
use crate::cluster::{CLIENTS, TRACKERS};
use crate::netns::{Way, both_ways, one_way};

/// How long a flapping link is down, and then up.
const FLAP: Duration = Duration::from_millis(500);

pub(super) async fn run(strike: &Strike) {
    let (node, word) = strike.target().await;
    let alone = vec![node.name.clone()];
    let others: Vec<String> =
        names(&strike.cluster.nodes).into_iter().filter(|name| *name != node.name).collect();
    let [half, rest] = [owned(&[TRACKERS[0], CLIENTS[0]]), owned(&[TRACKERS[1], TRACKERS[2], CLIENTS[1]])];
    let (variant, ways) = match strike.variant(7) {
        0 => ("cut from the other JobTrackers", both_ways(&alone, &others)),
        1 => ("alone", {
            let everybody = [others, half, rest].concat();
            both_ways(&alone, &everybody)
        }),
        2 => ("with half of the clients", {
            let [ours, theirs] = [[alone.clone(), half].concat(), [others, rest].concat()];
            both_ways(&ours, &theirs)
        }),
        3 => ("hears nobody", one_way(&others, &alone)),
        4 => ("is not heard", one_way(&alone, &others)),
        5 => ("with a TaskTracker that sees nobody else, both cut from the other JobTrackers", {
            let tracker = owned(&[TRACKERS[strike.plan.measure as usize % TRACKERS.len()]]);
            both_ways(&[alone.clone(), tracker].concat(), &others)
        }),
        _ => ("bridge: cut from one, both see the third", both_ways(&alone, &others[..1])),
    };
    let detail = format!("{word}: {variant}");
    strike.between(detail, alone, close(strike, &ways), open(strike, &ways)).await;
}

/// Cut off and reached again, until the fault is over.
pub(super) async fn flap(strike: &Strike) {
    let (node, word) = strike.target().await;
    let alone = vec![node.name.clone()];
    let others: Vec<String> =
        names(&strike.cluster.nodes).into_iter().filter(|name| *name != node.name).collect();
    let ways = both_ways(&alone, &others);
    let flapping = async {
        let mut over = std::pin::pin!(strike.hold());
        loop {
            close(strike, &ways).await?;
            let ended = timeout(FLAP, &mut over).await.is_ok();
            open(strike, &ways).await?;
            if ended || timeout(FLAP, &mut over).await.is_ok() {
                return Ok(());
            }
        }
    };
    strike.while_doing(format!("{word}: off and on every {FLAP:?}"), alone, flapping).await;
}

pub(super) async fn close(strike: &Strike, ways: &[Way]) -> anyhow::Result<()> {
    strike.cluster.network.close(ways).await
}

pub(super) async fn open(strike: &Strike, ways: &[Way]) -> anyhow::Result<()> {
    strike.cluster.network.open(ways).await
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
