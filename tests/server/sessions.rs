//! Session streams that are overtaken, not read, or break.

use std::time::Duration;

use raftsman::wire::pb;
use raftsman::wire::pb::session_request::Message as Said;
use raftsman::wire::pb::session_response::Message as Heard;
use tonic::transport::Channel;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_heartbeats_ends_long_before_its_session_and_the_next_one_goes_on_with_it() {
    let cluster = Cluster::of(1).await;
    let mut silent = RawTracker::open_silent(cluster.channel(0).await, nth_stream(1)).await;
    let Heard::Welcome(first) = silent.next().await else { panic!("a welcome is first") };
    let until_the_end = async { while let Ok(Some(_)) = silent.hear.message().await {} };
    tokio::time::timeout(Duration::from_secs(60), until_the_end).await.expect("the responses end");
    let again = pb::Hello { session_id: first.session_id.clone(), ..nth_stream(2) };
    let mut next = RawTracker::open(cluster.channel(0).await, again).await;
    let Heard::Welcome(second) = next.next().await else { panic!("a welcome is first") };
    assert_eq!(second.session_id, first.session_id);
    cluster.stop().await;
}

/// Small windows, so that what is not read fills the JobTracker's queue soon.
async fn narrow(cluster: &Cluster) -> Channel {
    let address = format!("http://{}", cluster.nodes[0].client_addr());
    let endpoint = Channel::from_shared(address).expect("an address");
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    endpoint.connect().await.expect("it listens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_read_ends_and_is_answered_no_more() {
    let cluster = Cluster::of(1).await;
    let mut tracker = RawTracker::attach(narrow(&cluster).await, "trade", 4).await;
    let action = pb::Action::ExecuteSuccess.into();
    let result = pb::ExecutionResult { execution: 1, action, ..pb::ExecutionResult::default() };
    let completed = pb::Completed { results: vec![result; 16], free_slots: 4 };
    // More answers than the windows and the JobTracker's queue hold, and nobody reads them.
    for _ in 0..4_000 {
        if tracker.say.send(message(Said::Completed(completed.clone()))).await.is_err() {
            break;
        }
    }
    // What was on its way can still be read; then the responses end, though the requests do not.
    let until_the_end = async { while let Ok(Some(_)) = tracker.hear.message().await {} };
    tokio::time::timeout(Duration::from_secs(60), until_the_end).await.expect("the responses end");
    cluster.stop().await;
}
