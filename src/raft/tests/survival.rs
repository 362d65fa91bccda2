//! Leaders that die, leave or are cut off.

use std::time::{Duration, Instant};

use super::super::{ProposeError, RaftConfig, ReadError, Role};
use super::cluster::{Cluster, PATIENCE, command, entry, story};
use crate::domain::{Clock, Millis, SystemClock};
use crate::machine::{Key, Reply};

fn now() -> Instant {
    SystemClock.monotonic()
}

#[test]
fn three_nodes_apply_the_same_whoever_is_asked() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let leader = cluster.leader().await;
        let mut last = 0;
        for (at, asked) in cluster.nodes.iter().enumerate() {
            let name = format!("client-{at}");
            let replies = if at == leader {
                let applied = asked.node.propose(entry(asked, &name)).await.expect("the leader applies");
                last = applied.index;
                applied.replies
            } else {
                let told = asked.node.propose(entry(asked, &name)).await.expect_err("a follower refuses");
                let known = Some(cluster.nodes[leader].member.clone());
                assert_eq!(told, ProposeError::NotLeader { leader: known });
                let forwarded = asked.node.forward(&command(&name), PATIENCE).await.expect("one hop");
                assert_eq!(forwarded.term, cluster.nodes[leader].node.leadership().borrow().term);
                last = forwarded.index;
                vec![forwarded.reply]
            };
            assert!(matches!(replies[..], [Reply::ClientOpened(_)]), "{replies:?}");
        }
        for node in &cluster.nodes {
            assert!(node.node.linearize(PATIENCE).await.expect("a linearizable read") >= last);
            assert!(node.state.machine().read().applied_index() >= last);
        }
        cluster.agree_at(last).await;
    });
}

#[test]
fn many_proposals_in_flight_are_applied_in_their_order() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let leader = &cluster.nodes[cluster.leader().await];
        let proposed: Vec<_> =
            (0..200).map(|n| leader.node.propose(entry(leader, &format!("c{n}")))).collect();
        let mut last = 0;
        for applied in futures_util::future::join_all(proposed).await {
            let index = applied.expect("applied").index;
            assert!(index > last, "{index} after {last}");
            last = index;
        }
        cluster.agree_at(last).await;
    });
}

#[test]
fn concurrent_reads_share_confirmations_and_see_what_was_written() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let leader = &cluster.nodes[cluster.leader().await];
        let written = cluster.apply("writer").await;
        let reads = (0..1_000).map(|_| leader.node.read_index());
        for index in futures_util::future::join_all(reads).await {
            assert!(index.expect("a majority confirms") >= written);
        }
    });
}

/// Kills the leader's process again and again and measures until the next acknowledged write.
#[test]
fn a_survivor_takes_over_from_a_dead_leader_within_milliseconds() {
    const ROUNDS: u32 = 20;
    story(async {
        let mut cluster = Cluster::start(3, RaftConfig::default()).await;
        let mut gaps = Vec::new();
        for round in 0..ROUNDS {
            let written = cluster.apply(&format!("before-{round}")).await;
            cluster.agree_at(written).await;
            let leader = cluster.leader().await;
            let victim = cluster.nodes.swap_remove(leader);
            let start = now();
            let killed = victim.kill();
            let written = cluster.apply(&format!("after-{round}")).await;
            gaps.push(start.elapsed());
            cluster.restart(killed);
            cluster.agree_at(written).await;
        }
        gaps.sort_unstable();
        let (median, longest) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        eprintln!("from kill to the next applied write, {ROUNDS} rounds: p50 {median:?}, max {longest:?}");
        let timers = Duration::from(RaftConfig::default().election_timeout_min);
        assert!(median < timers, "the timers decided: p50 {median:?}");
    });
}

/// Followers' logs differ when a busy leader dies; whoever has the longer one takes over.
#[test]
fn under_load_nothing_acknowledged_is_lost_and_a_survivor_still_takes_over() {
    const ROUNDS: usize = 8;
    story(async {
        let mut cluster = Cluster::start(3, RaftConfig::default()).await;
        let (mut acknowledged, mut gaps) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let leader = cluster.leader().await;
            let boss = &cluster.nodes[leader];
            let propose = |n| boss.node.propose(entry(boss, &format!("busy-{round}-{n}")));
            let mut proposed: Vec<_> = (0..400).map(propose).collect();
            let in_flight = proposed.split_off(100);
            let applied = futures_util::future::join_all(proposed).await;
            let victim = cluster.nodes.swap_remove(leader);
            let start = now();
            let killed = victim.kill();
            cluster.apply(&format!("after-{round}")).await;
            gaps.push(start.elapsed());
            let applied = applied.into_iter().chain(futures_util::future::join_all(in_flight).await);
            acknowledged.extend(applied.flatten().flat_map(|applied| applied.replies));
            cluster.restart(killed);
        }
        cluster.agree_at(cluster.apply("last").await).await;
        let clients = acknowledged.into_iter().map(|reply| match reply {
            Reply::ClientOpened(client) => Key::Client(client),
            other => panic!("{other:?}"),
        });
        let clients: Vec<Key> = clients.collect();
        assert!(clients.len() >= 100 * ROUNDS);
        for node in &cluster.nodes {
            let machine = node.state.machine().read();
            let lost = clients.iter().filter(|client| matches!(machine.tables().get(client), Ok(None)));
            assert_eq!(lost.count(), 0, "of {} acknowledged", clients.len());
        }
        gaps.sort_unstable();
        eprintln!("under load, {ROUNDS} rounds: p50 {:?}, max {:?}", gaps[ROUNDS / 2], gaps[ROUNDS - 1]);
    });
}

#[test]
fn without_the_hand_over_the_timers_decide() {
    story(async {
        let config = RaftConfig { hand_over: false, ..RaftConfig::default() };
        let mut cluster = Cluster::start(3, config).await;
        cluster.apply("before").await;
        let leader = cluster.leader().await;
        let victim = cluster.nodes.swap_remove(leader);
        let start = now();
        let _killed = victim.kill();
        cluster.apply("after").await;
        assert!(start.elapsed() > Duration::from(RaftConfig::default().election_timeout_min));
    });
}

#[test]
fn a_leader_that_stops_hands_over_first() {
    story(async {
        let mut cluster = Cluster::start(3, RaftConfig::default()).await;
        let leader = cluster.leader().await;
        let mut stops = cluster.nodes.swap_remove(leader);
        let start = now();
        stops.node.shutdown().await;
        cluster.apply("after").await;
        let gap = start.elapsed();
        eprintln!("from the wish to stop to the next applied write: {gap:?}");
        assert!(
            gap < Duration::from(RaftConfig::default().election_timeout_min),
            "the timers decided: {gap:?}"
        );
        stops.stop_gracefully().await;
    });
}

#[test]
fn leadership_goes_where_it_is_sent() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        let leader = cluster.leader().await;
        let to = cluster.nodes[(leader + 1) % 3].id();
        cluster.nodes[leader].node.transfer_leader(to).await.expect("the other takes over");
        let next = cluster.leader_among(|id| id == to).await;
        assert_eq!(cluster.nodes[next].node.metrics().role, Role::Leader);
        let refused = cluster.nodes[leader].node.transfer_leader(to).await;
        assert!(refused.is_err(), "who does not lead has nothing to give");
    });
}

#[test]
fn a_leader_that_is_cut_off_decides_nothing_and_the_others_carry_on() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        cluster.apply("before").await;
        let old = &cluster.nodes[cluster.leader().await];
        let start = now();
        cluster.board.isolate(old.id());
        let pending = old.node.propose(entry(old, "lost"));
        assert_eq!(old.node.read_index().await, Err(ReadError::NoQuorum));

        let new = &cluster.nodes[cluster.leader_among(|id| id != old.id()).await];
        assert!(
            start.elapsed() > Duration::from(RaftConfig::default().election_timeout_min),
            "silence proves nothing"
        );
        let written = new.node.propose(entry(new, "kept")).await.expect("the majority decides").index;
        let silence = old.node.quorum_silence().expect("it still believes that it leads");
        assert!(silence > Duration::from(RaftConfig::default().election_timeout_min), "{silence:?}");
        let refused = old.node.propose(entry(old, "refused")).await;
        assert_eq!(refused.map(|applied| applied.index), Err(ProposeError::NotLeader { leader: None }));

        cluster.board.heal();
        assert_eq!(pending.await.map(|applied| applied.index), Err(ProposeError::Unknown));
        cluster.agree_at(written).await;
    });
}

#[test]
fn the_clocks_of_the_others_are_heard_and_agree() {
    story(async {
        let cluster = Cluster::start(3, RaftConfig::default()).await;
        cluster.apply("something").await;
        let leader = &cluster.nodes[cluster.leader().await];
        let wall = SystemClock.wall();
        let time = leader.node.now();
        assert!(time <= SystemClock.wall() && wall.since(time).get() < 500, "{time} at {wall}");
        assert!(leader.node.clock_skews().iter().all(|skew| !skew.exceeds(Millis::new(500))));
    });
}
