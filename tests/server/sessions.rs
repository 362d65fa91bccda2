//! Session streams that are overtaken, not read, or break.

use raftsman::wire::pb;
use raftsman::wire::pb::session_request::Message as Said;
use raftsman::wire::pb::session_response::Message as Heard;

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, hello, message};

fn nth_stream(stream_number: u64) -> pb::Hello {
    pb::Hello { stream_number, ..hello("trade", 4) }
}

async fn heartbeat(tracker: &mut RawTracker, sequence: u64) {
    let beat = pb::Heartbeat { sequence, ..pb::Heartbeat::default() };
    tracker.say.send(message(Said::Heartbeat(beat))).await.expect("the stream is open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_was_overtaken_does_not_replace_the_newer_stream() {
    let cluster = Cluster::of(1).await;
    let mut newer = RawTracker::open(cluster.channel(0).await, nth_stream(2)).await;
    assert!(matches!(newer.next().await, Heard::Welcome(_)));
    let mut older = RawTracker::open(cluster.channel(0).await, nth_stream(1)).await;
    let Heard::Refused(refused) = older.next().await else { panic!("the older stream is refused") };
    assert_eq!(refused.reason, "STREAM_REPLACED");
    heartbeat(&mut newer, 1).await;
    assert_eq!(newer.next().await, Heard::HeartbeatAck(pb::HeartbeatAck { sequence: 1 }));
    let mut newest = RawTracker::open(cluster.channel(0).await, nth_stream(3)).await;
    assert!(matches!(newest.next().await, Heard::Welcome(_)));
    let Heard::Refused(refused) = newer.next().await else { panic!("the older stream ends") };
    assert_eq!(refused.reason, "STREAM_REPLACED");
    cluster.stop().await;
}
