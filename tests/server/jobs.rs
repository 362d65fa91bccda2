//! A job's way through a cluster, at the level of the protocol.

use std::time::Duration;

use raftsman::wire::pb;
use raftsman::wire::pb::session_request::Message as Said;
use raftsman::wire::pb::session_response::Message as Heard;
use raftsman::wire::pb::task_tracker_service_client::TaskTrackerServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::cluster::Cluster;

/// A JobTracker ends a stream on which nothing came for three of its heartbeats.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// A TaskTracker in the raw protocol.
pub(crate) struct RawTracker {
    pub(crate) say: mpsc::Sender<pb::SessionRequest>,
    pub(crate) hear: Streaming<pb::SessionResponse>,
}

pub(crate) fn hello(group: &str, capacity: u32) -> pb::Hello {
    pb::Hello {
        node_group: group.into(),
        identity: "w1".into(),
        start_number: 7,
        capacity,
        ..pb::Hello::default()
    }
}

impl RawTracker {
    /// A stream with its hello, not answered yet. It shows that it lives as long as `say` does.
    pub(crate) async fn open(channel: Channel, hello: pb::Hello) -> RawTracker {
        let tracker = RawTracker::open_silent(channel, hello).await;
        let say = tracker.say.downgrade();
        tokio::spawn(async move {
            while let Some(say) = say.upgrade() {
                let nothing_new = message(Said::Progress(pb::Progress::default()));
                if say.send(nothing_new).await.is_err() {
                    break;
                }
                drop(say);
                tokio::time::sleep(SIGN_OF_LIFE).await;
            }
        });
        tracker
    }

    /// The same, and it says nothing by itself.
    pub(crate) async fn open_silent(channel: Channel, hello: pb::Hello) -> RawTracker {
        let (say, said) = mpsc::channel(64);
        say.send(message(Said::Hello(hello))).await.expect("there is room");
        let mut client = TaskTrackerServiceClient::new(channel);
        let hear = client.session(ReceiverStream::new(said)).await.expect("a session").into_inner();
        RawTracker { say, hear }
    }

    pub(crate) async fn attach(channel: Channel, group: &str, capacity: u32) -> RawTracker {
        let mut tracker = RawTracker::open(channel, hello(group, capacity)).await;
        let Heard::Welcome(welcome) = tracker.next().await else { panic!("a welcome comes first") };
        assert!(welcome.term > 0);
        tracker
    }

    pub(crate) async fn next(&mut self) -> Heard {
        let heard = self.hear.message().await.expect("the stream is open").expect("the stream goes on");
        heard.message.expect("a message says something")
    }

    pub(crate) async fn next_push(&mut self) -> Vec<pb::JobPush> {
        loop {
            if let Heard::Push(push) = self.next().await {
                return push.jobs;
            }
        }
    }

    pub(crate) async fn complete(&mut self, execution: u64, result: &[u8]) -> pb::CompletedOutcome {
        let result = pb::ExecutionResult {
            execution,
            action: pb::Action::ExecuteSuccess.into(),
            result: result.to_vec().into(),
            ..pb::ExecutionResult::default()
        };
        let completed = pb::Completed { results: vec![result], free_slots: 1 };
        self.say.send(message(Said::Completed(completed))).await.expect("there is room");
        loop {
            if let Heard::CompletedAck(ack) = self.next().await {
                return ack.answers[0].outcome();
            }
        }
    }
}

pub(crate) fn message(said: Said) -> pb::SessionRequest {
    pb::SessionRequest { message: Some(said) }
}

pub(crate) fn job(task: &str) -> pb::Job {
    pb::Job {
        task_id: task.into(),
        node_group: "trade".into(),
        kind: "echo".into(),
        payload: b"hi".to_vec().into(),
        ..pb::Job::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_through_three_nodes_from_whichever_it_is_asked() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    // The session is relayed by one follower, the job submitted at another node, the result read at the third.
    let mut tracker = RawTracker::attach(cluster.channel(follower).await, "trade", 4).await;
    let mut jobs = cluster.jobs((leader + 2) % 3).await;
    let answer = jobs.submit(pb::SubmitRequest { jobs: vec![job("t1")], idempotency: None }).await;
    let answer = answer.expect("it is accepted").into_inner();
    assert_eq!(answer.results[0].outcome(), pb::SubmitOutcome::Accepted);
    let pushes = tracker.next_push().await;
    assert_eq!((pushes.len(), pushes[0].task_id.as_str(), &pushes[0].payload[..]), (1, "t1", &b"hi"[..]));
    assert_eq!(tracker.complete(pushes[0].execution, b"done").await, pb::CompletedOutcome::Accepted);
    assert_eq!(tracker.complete(pushes[0].execution, b"again").await, pb::CompletedOutcome::Stale);
    let target = Some(pb::wait_request::Target::JobId(answer.results[0].job_id.clone()));
    let waited = cluster.jobs(leader).await.wait(pb::WaitRequest { target, timeout: None }).await;
    let waited = waited.expect("it is known").into_inner();
    assert!(waited.done);
    assert_eq!(
        (waited.state(), &waited.run.expect("it ran").result[..]),
        (pb::JobState::Succeeded, &b"done"[..])
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_fires_every_second_and_keeps_firing() {
    let cluster = Cluster::of(1).await;
    let mut tracker = RawTracker::attach(cluster.channel(0).await, "trade", 4).await;
    let cron = pb::CronSchedule { expression: "* * * * * ?".into(), ..pb::CronSchedule::default() };
    let mut spec = job("tick");
    spec.schedule = Some(pb::job::Schedule::Cron(cron));
    let answer =
        cluster.jobs(0).await.submit(pb::SubmitRequest { jobs: vec![spec], idempotency: None }).await;
    let job_id = answer.expect("it is accepted").into_inner().results[0].job_id.clone();
    let mut planned = Vec::new();
    for _ in 0..3 {
        let push = tracker.next_push().await.remove(0);
        planned.push(push.planned_time.expect("it was planned").seconds);
        tracker.complete(push.execution, b"").await;
    }
    assert_eq!(planned, [planned[0], planned[0] + 1, planned[0] + 2]);
    let target = Some(pb::cancel_request::Target::JobId(job_id));
    let cancelled =
        cluster.jobs(0).await.cancel(pb::CancelRequest { target, ..pb::CancelRequest::default() }).await;
    let outcome = cancelled.expect("it is known").into_inner().outcome();
    assert!(matches!(outcome, pb::CancelOutcome::Cancelled | pb::CancelOutcome::CancelRequested));
    cluster.stop().await;
}
