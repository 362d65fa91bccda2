//! A TaskTracker against a fake cluster in the same process, over real sockets.

use std::sync::Mutex as StdMutex;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

#[cfg(feature = "cli")]
use super::context::StopOrder;
use super::*;
use crate::link::tests::{FakeLeadership, FakeServer};
use crate::wire::{Fault, pb};
use pb::leadership_service_server::LeadershipServiceServer;
use pb::session_request::Message as ToCluster;
use pb::session_response::Message as FromCluster;
use pb::task_tracker_service_server::{TaskTrackerService, TaskTrackerServiceServer};

mod steering;

/// What user code gets, the journal it writes to, and the order to stop it.
#[cfg(feature = "cli")]
pub(super) fn context() -> (JobContext, Arc<Journal>, StopOrder) {
    context_with(&[("order-id", "77")])
}

#[cfg(feature = "cli")]
pub(super) fn context_with(params: &[(&str, &str)]) -> (JobContext, Arc<Journal>, StopOrder) {
    let push = pb::JobPush {
        execution: 7 << 20,
        job_id: "5.0".into(),
        run_id: "5.0/1".into(),
        task_id: "t1".into(),
        kind: "k".into(),
        content_type: "text/plain".into(),
        params: params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        attempt: 1,
        ..Default::default()
    };
    let (journal, stop) =
        (Arc::new(Journal::new(Arc::new(SystemClock), BizLogLevel::Debug)), StopOrder::default());
    journal.open(crate::domain::ExecutionId::from_u64(push.execution));
    (JobContext::new(Arc::new(push), stop.clone(), Arc::clone(&journal), None), journal, stop)
}

/// One session as the cluster sees it.
struct FakeSession {
    requests: Streaming<pb::SessionRequest>,
    responses: mpsc::Sender<Result<pb::SessionResponse, Status>>,
}

impl FakeSession {
    async fn say(&self, message: FromCluster) {
        self.responses
            .send(Ok(pb::SessionResponse { message: Some(message) }))
            .await
            .expect("the stream is open");
    }

    /// The next message that does not come by the clock alone, as heartbeats and minutes do; `None` at the end of the stream.
    async fn next(&mut self) -> Option<ToCluster> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.requests.message()).await;
            match next.expect("something comes within 20 s").ok()??.message? {
                ToCluster::Heartbeat(beat) => {
                    self.say(FromCluster::HeartbeatAck(pb::HeartbeatAck { sequence: beat.sequence })).await;
                }
                ToCluster::Samples(_) => {}
                message => return Some(message),
            }
        }
    }

    /// The next result, whatever comes before it.
    async fn result(&mut self) -> pb::ExecutionResult {
        loop {
            if let ToCluster::Completed(completed) = self.next().await.expect("the stream is open") {
                return completed.results[0].clone();
            }
        }
    }

    async fn hello(&mut self) -> pb::Hello {
        match self.next().await {
            Some(ToCluster::Hello(hello)) => hello,
            other => panic!("a hello comes first, not {other:?}"),
        }
    }

    async fn welcome(&mut self, term: u64) {
        let stop_working_after = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let heartbeat_interval = Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 });
        let welcome = pb::Welcome {
            session_id: "1.0".into(),
            term,
            heartbeat_interval,
            stop_working_after,
            ..Default::default()
        };
        self.say(FromCluster::Welcome(welcome)).await;
    }

    async fn push(&self, n: u64, term: u64, what: &str) {
        let payload = bytes::Bytes::from(format!("{what:?}"));
        let job =
            pb::JobPush { execution: n << 20, term, kind: "note".into(), payload, ..Default::default() };
        self.say(FromCluster::Push(pb::Push { jobs: vec![job] })).await;
    }

    async fn ack(&self, n: u64) {
        let answer =
            pb::CompletedAnswer { execution: n << 20, outcome: pb::CompletedOutcome::Accepted.into() };
        self.say(FromCluster::CompletedAck(pb::CompletedAck { answers: vec![answer] })).await;
    }
}

struct FakeTrackerService {
    sessions: mpsc::Sender<FakeSession>,
    /// What it answers to each hello, if not by a session.
    refuses: Option<Reason>,
}

#[tonic::async_trait]
impl TaskTrackerService for FakeTrackerService {
    type SessionStream = ReceiverStream<Result<pb::SessionResponse, Status>>;
    async fn session(
        &self,
        request: Request<Streaming<pb::SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if let Some(reason) = self.refuses {
            return Err(Fault::not_applied(reason, "not like this").into());
        }
        let (responses, stream) = mpsc::channel(64);
        let session = FakeSession { requests: request.into_inner(), responses };
        self.sessions.send(session).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// A JobTracker with a leadership and sessions.
struct FakeNode {
    server: FakeServer,
    leadership: FakeLeadership,
    sessions: mpsc::Receiver<FakeSession>,
}

impl FakeNode {
    async fn start() -> FakeNode {
        FakeNode::with(None).await
    }

    async fn with(refuses: Option<Reason>) -> FakeNode {
        let (sender, sessions) = mpsc::channel(8);
        let leadership = FakeLeadership::new();
        let leads = LeadershipServiceServer::new(leadership.clone());
        let tracks = TaskTrackerServiceServer::new(FakeTrackerService { sessions: sender, refuses });
        let server =
            FakeServer::start(move |_| Server::builder().add_service(leads).add_service(tracks)).await;
        FakeNode { server, leadership, sessions }
    }

    async fn session(&mut self) -> FakeSession {
        let next = tokio::time::timeout(Duration::from_secs(20), self.sessions.recv()).await;
        next.expect("a session comes within 20 s").expect("the server lives")
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Note(String);
impl Payload for Note {
    const KIND: &'static str = "note";
}

/// A TaskTracker whose jobs wait until they are released, and its shutdown.
struct Tracker {
    running: tokio::task::JoinHandle<Result<(), TaskTrackerError>>,
    shutdown: Option<oneshot::Sender<()>>,
    release: Arc<tokio::sync::Semaphore>,
    began: Arc<StdMutex<Vec<String>>>,
}

impl Tracker {
    fn start(nodes: &[&FakeNode], tune: impl FnOnce(TaskTrackerBuilder) -> TaskTrackerBuilder) -> Tracker {
        let release = Arc::new(tokio::sync::Semaphore::new(0));
        let began = Arc::new(StdMutex::new(Vec::new()));
        let (permits, names) = (Arc::clone(&release), Arc::clone(&began));
        let runner = move |context: JobContext, note: Note| {
            let permits = Arc::clone(&permits);
            names.lock().unwrap().push(note.0.clone());
            async move {
                context.biz_logger().info(format_args!("began {}", note.0));
                tokio::select! {
                    permit = permits.acquire() => permit?.forget(),
                    () = context.cancelled() => return Err(JobError::Cancelled.into()),
                }
                Ok(note.0)
            }
        };
        let addresses: Vec<String> = nodes.iter().map(|node| node.server.address.to_string()).collect();
        let builder =
            TaskTracker::builder("trade").addresses(addresses.join(",")).identity("w1").concurrency(2);
        let builder = tune(builder.register::<Note, _>(runner));
        let (shutdown, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move { builder.run_until(async { drop(stopped.await) }).await });
        Tracker { running, shutdown: Some(shutdown), release, began }
    }

    fn began(&self) -> Vec<String> {
        self.began.lock().unwrap().clone()
    }

    async fn ended(self) -> Result<(), TaskTrackerError> {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        ended.expect("it ends within 20 s").expect("no panic")
    }
}

#[tokio::test]
async fn a_job_is_pushed_run_reported_and_acknowledged_and_a_drain_leaves() {
    let mut node = FakeNode::start().await;
    node.leadership.says(node.server.address, 1);
    let mut tracker = Tracker::start(&[&node], |builder| builder);
    let mut session = node.session().await;
    let hello = session.hello().await;
    assert_eq!((hello.identity.as_str(), hello.capacity, hello.kinds), ("w1", 2, vec!["note".to_owned()]));
    session.welcome(1).await;
    assert_eq!(session.next().await, Some(ToCluster::Pull(pb::Pull { free_slots: 2 })));
    tracker.release.add_permits(1);
    session.push(5, 1, "five").await;
    let Some(ToCluster::BizLogs(logs)) = session.next().await else { panic!("the line goes first") };
    assert_eq!(logs.executions[0].lines[0].text, "began five");
    let result = session.result().await;
    assert_eq!(
        (result.execution, result.action(), &result.result[..]),
        (5 << 20, pb::Action::ExecuteSuccess, &b"\"five\""[..])
    );
    session.ack(5).await;
    tracker.shutdown.take().unwrap().send(()).unwrap();
    assert_eq!(session.next().await, Some(ToCluster::Leave(pb::Leave { done: false })));
    assert_eq!(session.next().await, Some(ToCluster::Leave(pb::Leave { done: true })));
    assert_eq!(session.next().await, None);
    tracker.ended().await.expect("a drain is no error");
}

#[tokio::test]
async fn when_the_leader_dies_executions_keep_running_and_the_next_leader_hears_of_them() {
    let (mut n1, mut n2) = (FakeNode::start().await, FakeNode::start().await);
    n1.leadership.says(n1.server.address, 1);
    n2.leadership.says(n1.server.address, 1);
    let tracker = Tracker::start(&[&n1, &n2], |builder| builder);
    let mut session = n1.session().await;
    let first = session.hello().await;
    session.welcome(1).await;
    session.push(5, 1, "five").await;
    session.push(6, 1, "six").await;
    tracker.release.add_permits(1);
    let done = session.result().await.execution;
    let runs = if done == 5 << 20 { 6 << 20 } else { 5 << 20 };
    drop(n1);
    n2.leadership.says(n2.server.address, 2);
    // A slow start may have asked n2 to relay before n1 was connected: those sessions are over.
    let (mut session, hello) = loop {
        let mut session = n2.session().await;
        let hello = session.hello().await;
        if !hello.session_id.is_empty() {
            break (session, hello);
        }
    };
    assert_eq!(hello.start_number, first.start_number);
    assert_eq!((hello.session_id.as_str(), hello.running, hello.owed), ("1.0", vec![runs], vec![done]));
    session.welcome(2).await;
    assert_eq!(session.result().await.execution, done, "what was not acknowledged is sent again");
    session.push(runs >> 20, 2, "again").await;
    session.push(done >> 20, 2, "again").await;
    assert_eq!(session.result().await.execution, done);
    tracker.release.add_permits(1);
    assert_eq!(session.result().await.execution, runs);
    let mut began = tracker.began();
    began.sort();
    assert_eq!(began, ["five", "six"], "nothing ran twice");
}

#[tokio::test]
async fn results_survive_the_process_in_the_failstore() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = FakeNode::start().await;
    node.leadership.says(node.server.address, 1);
    let tracker = Tracker::start(&[&node], |builder| builder.data_dir(directory.path()));
    let mut session = node.session().await;
    let first = session.hello().await;
    session.welcome(1).await;
    tracker.release.add_permits(1);
    session.push(5, 1, "five").await;
    session.result().await;
    tracker.running.abort();
    assert!(tracker.running.await.is_err(), "the process is gone before the acknowledgement");
    let tracker = Tracker::start(&[&node], |builder| builder.data_dir(directory.path()));
    let mut session = node.session().await;
    let hello = session.hello().await;
    assert_eq!((hello.owed, hello.running.len()), (vec![5 << 20], 0));
    assert_ne!(hello.start_number, first.start_number);
    session.welcome(1).await;
    assert_eq!(&session.result().await.result[..], b"\"five\"");
    drop(tracker);
}

#[tokio::test]
async fn lines_that_nobody_acknowledged_survive_the_process_beside_their_result() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = FakeNode::start().await;
    node.leadership.says(node.server.address, 1);
    let tracker = Tracker::start(&[&node], |builder| builder.data_dir(directory.path()));
    let mut session = node.session().await;
    session.hello().await;
    session.welcome(1).await;
    tracker.release.add_permits(1);
    session.push(5, 1, "five").await;
    session.result().await;
    tracker.running.abort();
    assert!(tracker.running.await.is_err(), "the process is gone before anything was acknowledged");
    let tracker = Tracker::start(&[&node], |builder| builder.data_dir(directory.path()));
    let mut session = node.session().await;
    assert_eq!(session.hello().await.owed, [5 << 20]);
    session.welcome(1).await;
    let Some(ToCluster::BizLogs(logs)) = session.next().await else { panic!("the lines go first") };
    let line = &logs.executions[0].lines[0];
    assert_eq!((logs.executions[0].execution, line.number, line.text.as_str()), (5 << 20, 1, "began five"));
    assert_eq!(session.result().await.execution, 5 << 20);
    session.ack(5).await;
    drop(tracker);
}

#[tokio::test]
async fn cut_off_it_stops_its_executions_and_gives_them_back() {
    let mut node = FakeNode::start().await;
    node.leadership.says(node.server.address, 1);
    let tracker = Tracker::start(&[&node], |builder| builder);
    let mut session = node.session().await;
    session.hello().await;
    session.welcome(1).await;
    session.push(5, 1, "five").await;
    // From here on no heartbeat is answered, though the stream lives.
    loop {
        let message =
            session.requests.message().await.expect("the stream is open").expect("and goes on").message;
        if let Some(ToCluster::Returned(returned)) = message {
            assert_eq!(
                (returned.executions.as_slice(), returned.reason()),
                (&[5 << 20][..], pb::ReturnReason::Interrupted)
            );
            break;
        }
    }
    assert_eq!(tracker.began(), ["five"]);
}

#[tokio::test]
async fn a_refusal_for_good_ends_it_with_the_reason() {
    let mut node = FakeNode::start().await;
    node.leadership.says(node.server.address, 1);
    let tracker = Tracker::start(&[&node], |builder| builder);
    let mut session = node.session().await;
    session.hello().await;
    let reason = Reason::IdentityInUse.as_str().to_owned();
    session
        .say(FromCluster::Refused(pb::Refused { reason, message: "w1 lives".into(), retry_after: None }))
        .await;
    let error = tracker.ended().await.expect_err("it is refused");
    assert_eq!(error.to_string(), "refused by the cluster: w1 lives");
}

#[tokio::test]
async fn a_hello_that_is_wrong_ends_it_instead_of_being_repeated() {
    let node = FakeNode::with(Some(Reason::InvalidArgument)).await;
    node.leadership.says(node.server.address, 1);
    let error = Tracker::start(&[&node], |builder| builder).ended().await.expect_err("it is refused");
    assert!(
        matches!(error, TaskTrackerError::Refused { reason: Some(Reason::InvalidArgument), .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_hooks_hear_of_leaders() {
    let node = FakeNode::start().await;
    let (heard, mut leaders) = mpsc::channel(8);
    let gone = heard.clone();
    let _tracker = Tracker::start(&[&node], |builder| {
        let builder =
            builder.on_available(move |leader| drop(heard.try_send(format!("leader of {}", leader.term))));
        builder.on_unavailable(move || drop(gone.try_send("nobody".into())))
    });
    node.leadership.says(node.server.address, 4);
    assert_eq!(leaders.recv().await.as_deref(), Some("leader of 4"));
    let unavailable = pb::subscribe_response::Leadership::Unavailable(pb::Unavailable { term: 5 });
    node.leadership
        .0
        .send_replace(pb::SubscribeResponse { leadership: Some(unavailable), jobtrackers: Vec::new() });
    assert_eq!(leaders.recv().await.as_deref(), Some("nobody"));
}

#[tokio::test]
async fn a_wrong_configuration_is_named_before_anything_runs() {
    let wrong = async |builder: TaskTrackerBuilder| {
        builder.run_until(std::future::pending()).await.expect_err("it is wrong").to_string()
    };
    let right = || TaskTracker::builder("trade").register::<Note, _>(async |_: JobContext, _: Note| Ok(()));
    assert_eq!(wrong(right().concurrency(0)).await, "concurrency: is 0; 1 to 4096");
    assert!(
        wrong(right().addresses("nowhere")).await.starts_with("addresses: \"nowhere\" is not an address")
    );
    assert!(wrong(right().identity("a\nb")).await.starts_with("identity: contains"));
    assert!(wrong(TaskTracker::builder("")).await.starts_with("node_group: is empty"));
    assert!(wrong(TaskTracker::builder("trade")).await.starts_with("runners: are missing"));
}

#[test]
#[should_panic(expected = "two runners are registered for kind \"note\"")]
fn a_kind_that_is_registered_twice_panics_at_the_start() {
    let note = async |_: JobContext, _: Note| Ok(());
    let _ = TaskTracker::builder("trade").register::<Note, _>(note).register::<Note, _>(note);
}
