//! A JobClient against fake JobTrackers of one cluster: they share what was done and lose answers when they are told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parking_lot::Mutex;
use tokio::net::TcpSocket;
use tonic::Request;
use tonic::transport::Server;

use super::*;
use crate::link::View;
use crate::link::tests::{FakeLeadership, FakeServer};
use crate::wire::JSON;
use pb::job_service_server::{JobService, JobServiceServer};
use pb::leadership_service_server::LeadershipServiceServer;

/// What a fake does with the next submit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Whim {
    /// Refuses before doing anything.
    Busy,
    /// Refuses for longer than anybody waits.
    BusyForHours,
    /// Does it and loses the answer.
    LoseAnswer,
    /// Does it and never answers.
    Hang,
    /// Has forgotten the client session.
    ForgetClient,
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) clients: u64,
    /// Who opened a session, in order.
    pub(super) identities: Vec<String>,
    answers: BTreeMap<(String, u64), (Vec<pb::Job>, pb::SubmitResponse)>,
    pub(super) jobs: Vec<pb::Job>,
    pub(super) submits: u64,
    pub(super) whims: VecDeque<Whim>,
    /// It has no leader: nothing is done.
    pub(super) away: bool,
    /// The sessions up to this one have expired.
    pub(super) expired: u64,
    ended: pb::WaitResponse,
}

impl Cluster {
    /// As the machine does: the first time it is done, later the first answer comes again.
    fn submit(&mut self, request: pb::SubmitRequest) -> pb::SubmitResponse {
        let by = request.idempotency.expect("a client always says who it is");
        if let Some((jobs, answer)) = self.answers.get(&(by.client_id.clone(), by.sequence)) {
            assert_eq!(*jobs, request.jobs, "a sequence is of one request");
            let mut again = answer.clone();
            again.committed.as_mut().expect("it was committed").replayed = true;
            return again;
        }
        let results = request.jobs.iter().map(|job| self.take(job)).collect();
        let committed = Some(pb::Committed { log_index: self.submits, term: 1, replayed: false });
        let answer = pb::SubmitResponse { results, committed };
        self.answers.insert((by.client_id, by.sequence), (request.jobs, answer.clone()));
        answer
    }

    fn take(&mut self, job: &pb::Job) -> pb::SubmitResult {
        if job.kind == "bad" {
            let violations = vec![pb::FieldViolation { field: "kind".into(), problem: "is bad".into() }];
            let refusal =
                pb::Refusal { reason: "INVALID_ARGUMENT".into(), message: "kind: is bad".into(), violations };
            let outcome = pb::SubmitOutcome::Refused.into();
            return pb::SubmitResult { outcome, refusal: Some(refusal), ..Default::default() };
        }
        self.jobs.push(job.clone());
        let (outcome, job_id) = (pb::SubmitOutcome::Accepted.into(), format!("{}.0", self.jobs.len()));
        pb::SubmitResult { outcome, job_id, revision: 1, refusal: None }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct FakeJobs(pub(super) Arc<Mutex<Cluster>>);

#[tonic::async_trait]
impl JobService for FakeJobs {
    async fn open_client(
        &self,
        request: Request<pb::OpenClientRequest>,
    ) -> Result<Response<pb::OpenClientResponse>, Status> {
        let mut cluster = self.0.lock();
        cluster.identities.push(request.into_inner().identity);
        cluster.clients += 1;
        let client_id = format!("{}.0", cluster.clients);
        Ok(Response::new(pb::OpenClientResponse { client_id, window: 16, committed: None }))
    }

    async fn submit(
        &self,
        request: Request<pb::SubmitRequest>,
    ) -> Result<Response<pb::SubmitResponse>, Status> {
        let (whim, answer) = {
            let mut cluster = self.0.lock();
            cluster.submits += 1;
            if cluster.away {
                return Err(Fault::not_applied(Reason::NoLeader, "nobody leads").into());
            }
            let of = request.get_ref().idempotency.as_ref().map(|by| by.client_id.clone());
            if (1..=cluster.expired).any(|client| of == Some(format!("{client}.0"))) {
                return Err(Fault::not_applied(Reason::ClientUnknown, "who?").into());
            }
            let whim = cluster.whims.pop_front();
            let refused = matches!(whim, Some(Whim::Busy | Whim::BusyForHours | Whim::ForgetClient));
            (whim, (!refused).then(|| cluster.submit(request.into_inner())))
        };
        match whim {
            None => Ok(Response::new(answer.expect("it was done"))),
            Some(Whim::Busy) => Err(Fault::not_applied(Reason::Busy, "too much").into()),
            Some(Whim::BusyForHours) => Err(Fault::not_applied(Reason::Busy, "too much")
                .retry_after(Duration::from_secs(7200))
                .into()),
            Some(Whim::LoseAnswer) => {
                Err(Fault::unknown(Reason::OutcomeUnknown, "the leader changed").into())
            }
            Some(Whim::ForgetClient) => Err(Fault::not_applied(Reason::ClientUnknown, "who?").into()),
            Some(Whim::Hang) => std::future::pending().await,
        }
    }

    async fn cancel(
        &self,
        request: Request<pb::CancelRequest>,
    ) -> Result<Response<pb::CancelResponse>, Status> {
        let job_id = match request.into_inner().target {
            Some(pb::cancel_request::Target::JobId(id)) => id,
            Some(pb::cancel_request::Target::Task(key)) => format!("{}:{}", key.node_group, key.task_id),
            None => String::new(),
        };
        let (outcome, finished_as) = (pb::CancelOutcome::AlreadyFinished.into(), pb::JobState::Dead.into());
        Ok(Response::new(pb::CancelResponse { outcome, job_id, finished_as, committed: None }))
    }

    async fn update(
        &self,
        request: Request<pb::UpdateRequest>,
    ) -> Result<Response<pb::UpdateResponse>, Status> {
        let request = request.into_inner();
        let paths = request.update_mask.unwrap_or_default().paths.join(",");
        let outcome = pb::UpdateOutcome::RevisionConflict.into();
        let revision = request.expected_revision + 1;
        Ok(Response::new(pb::UpdateResponse { outcome, revision, job_id: paths, ..Default::default() }))
    }

    async fn wait(&self, _: Request<pb::WaitRequest>) -> Result<Response<pb::WaitResponse>, Status> {
        Ok(Response::new(self.0.lock().ended.clone()))
    }

    async fn get_job(&self, _: Request<pb::GetJobRequest>) -> Result<Response<pb::GetJobResponse>, Status> {
        Err(Fault::not_applied(Reason::JobNotFound, "job 9.0 does not exist").into())
    }

    async fn terminate(
        &self,
        _: Request<pb::TerminateRequest>,
    ) -> Result<Response<pb::TerminateResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn retry(&self, _: Request<pb::RetryRequest>) -> Result<Response<pb::RetryResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn suspend(&self, _: Request<pb::SuspendRequest>) -> Result<Response<pb::SuspendResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn resume(&self, _: Request<pb::ResumeRequest>) -> Result<Response<pb::ResumeResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn trigger(&self, _: Request<pb::TriggerRequest>) -> Result<Response<pb::TriggerResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn delete(&self, _: Request<pb::DeleteRequest>) -> Result<Response<pb::DeleteResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn list_jobs(
        &self,
        _: Request<pb::ListJobsRequest>,
    ) -> Result<Response<pb::ListJobsResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn list_runs(
        &self,
        _: Request<pb::ListRunsRequest>,
    ) -> Result<Response<pb::ListRunsResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn get_logs(
        &self,
        _: Request<pb::GetLogsRequest>,
    ) -> Result<Response<pb::GetLogsResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn count_jobs(
        &self,
        _: Request<pb::CountJobsRequest>,
    ) -> Result<Response<pb::CountJobsResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    async fn search_logs(
        &self,
        _: Request<pb::SearchLogsRequest>,
    ) -> Result<Response<pb::SearchLogsResponse>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }

    type TailLogsStream = tokio_stream::wrappers::ReceiverStream<Result<pb::TailLogsResponse, Status>>;

    async fn tail_logs(
        &self,
        _: Request<pb::TailLogsRequest>,
    ) -> Result<Response<Self::TailLogsStream>, Status> {
        Err(Status::unimplemented("not in these stories"))
    }
}

pub(super) struct FakeNode {
    pub(super) server: FakeServer,
    pub(super) leadership: FakeLeadership,
}

impl FakeNode {
    pub(super) async fn start(jobs: &FakeJobs) -> FakeNode {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        FakeNode::on(socket, jobs).await
    }

    /// At an address that somebody has taken before.
    pub(super) async fn on(socket: TcpSocket, jobs: &FakeJobs) -> FakeNode {
        let leadership = FakeLeadership::new();
        let (leads, jobs) =
            (LeadershipServiceServer::new(leadership.clone()), JobServiceServer::new(jobs.clone()));
        let make = move |_| Server::builder().add_service(leads).add_service(jobs);
        let server = FakeServer::start_on(socket, make).await;
        FakeNode { server, leadership }
    }
}

/// One leader, its cluster, and a client of it.
async fn one_leader(whims: &[Whim]) -> (FakeNode, FakeJobs, JobClient) {
    let jobs = FakeJobs::default();
    jobs.0.lock().whims.extend(whims);
    let node = FakeNode::start(&jobs).await;
    node.leadership.says(node.server.address, 1);
    let client = JobClient::builder().addresses(node.server.address.to_string()).node_group("trade");
    (node, jobs, client.patience(Duration::from_secs(5)).connect().await.expect("it answers"))
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    id: u64,
}
impl Payload for Order {
    const KIND: &'static str = "order";
}

#[tokio::test]
async fn submits_that_come_together_travel_together_and_each_has_its_own_answer() {
    let (_node, jobs, client) = one_leader(&[]).await;
    let submits = (0..500).map(|id| {
        let submit = client.submit(Order { id }).task_id(format!("t{id}"));
        tokio::spawn(submit.into_future())
    });
    let mut ids = BTreeSet::new();
    for submitted in submits.collect::<Vec<_>>() {
        ids.insert(submitted.await.expect("no panic").expect("accepted").id().to_owned());
    }
    let cluster = jobs.0.lock();
    assert_eq!((ids.len(), cluster.jobs.len()), (500, 500));
    assert!(cluster.submits < 250, "{} calls for 500 submits", cluster.submits);
    assert_eq!(cluster.clients, 1, "one session");
    let job = &cluster.jobs[0];
    assert_eq!(
        (job.kind.as_str(), job.node_group.as_str(), job.content_type.as_str()),
        ("order", "trade", JSON)
    );
}

#[tokio::test]
async fn a_submit_whose_answer_is_lost_is_repeated_with_the_same_sequence_and_done_once() {
    let (_node, jobs, client) = one_leader(&[Whim::Busy, Whim::LoseAnswer, Whim::LoseAnswer]).await;
    let job = client.submit_raw("k", "payload").await.expect("it is done in the end");
    assert_eq!((job.id(), job.replayed(), job.outcome()), ("1.0", true, SubmitOutcome::Accepted));
    let cluster = jobs.0.lock();
    assert_eq!((cluster.submits, cluster.jobs.len()), (4, 1));
    assert!(!cluster.jobs[0].task_id.is_empty(), "a task id is made");
}

#[tokio::test]
async fn a_call_to_a_leader_that_hangs_or_dies_goes_on_at_the_next_one() {
    let jobs = FakeJobs::default();
    jobs.0.lock().whims.push_back(Whim::Hang);
    let (n1, n2) = (FakeNode::start(&jobs).await, FakeNode::start(&jobs).await);
    n1.leadership.says(n1.server.address, 1);
    n2.leadership.says(n1.server.address, 1);
    let addresses = format!("{},{}", n1.server.address, n2.server.address);
    let client = JobClient::connect(addresses).await.expect("both answer");
    let mut view = client.0.caller.link.watch();
    let at_the_leader = |view: &View| view.target.as_ref().is_some_and(|target| target.leads);
    view.wait_for(at_the_leader).await.expect("the client lives");
    let submitting = tokio::spawn(client.submit_raw("k", "1").node_group("g").into_future());
    while jobs.0.lock().submits == 0 {
        tokio::task::yield_now().await;
    }
    n2.leadership.says(n2.server.address, 2);
    let job = submitting.await.expect("no panic").expect("the next leader answers");
    assert!(job.replayed(), "the frozen one had done it");
    n1.leadership.says(n1.server.address, 3);
    n2.leadership.says(n1.server.address, 3);
    drop(n1);
    n2.leadership.says(n2.server.address, 4);
    client.submit_raw("k", "2").node_group("g").await.expect("a dead leader is no error either");
    assert_eq!(jobs.0.lock().jobs.len(), 2);
}

#[tokio::test]
async fn an_error_says_whether_it_may_have_been_done() {
    let (_node, jobs, client) = one_leader(&[Whim::BusyForHours]).await;
    let error = client.submit_raw("k", "1").await.expect_err("too busy for too long");
    assert!(matches!(&error, ClientError::NotDone(fault) if fault.reason == Reason::Busy), "{error}");
    jobs.0.lock().whims.extend([Whim::LoseAnswer, Whim::BusyForHours]);
    let error = client.submit_raw("k", "1").await.expect_err("nobody knows");
    assert!(error.is_unknown() && error.reason() == Some(Reason::Busy), "{error}");
    assert_eq!(jobs.0.lock().jobs.len(), 1, "it was done, in fact");
    let refused = client.submit_raw("bad", "1").await.expect_err("refused");
    assert!(
        matches!(&refused, ClientError::Refused(fault) if fault.violations[0].field == "kind"),
        "{refused}"
    );
    let missing = client.get("9.0").await.expect_err("not there");
    assert_eq!(missing.to_string(), "job 9.0 does not exist (JOB_NOT_FOUND)");
}

#[tokio::test]
async fn nobody_at_the_address_is_a_definite_error_that_names_it() {
    // Bound and not listening: nobody else can have the port, and nobody answers there.
    let silent = tokio::net::TcpSocket::new_v4().expect("a socket");
    silent.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let gone = silent.local_addr().expect("it is bound").to_string();
    let patience = Duration::from_millis(100);
    let error = JobClient::builder()
        .addresses(&gone)
        .patience(patience)
        .connect()
        .await
        .expect_err("nobody is there");
    assert_eq!(
        error.to_string(),
        format!("nothing was done: no jobtracker answers at {gone} (NO_JOBTRACKER)")
    );
    let client = JobClient::builder().addresses(&gone).patience(patience).open().unwrap();
    assert!(matches!(client.submit_raw("k", "1").await, Err(ClientError::NotDone(_))));
}

#[tokio::test]
async fn a_client_session_that_was_forgotten_is_opened_anew() {
    let (_node, jobs, client) = one_leader(&[Whim::ForgetClient]).await;
    client.submit_raw("k", "1").await.expect("the second session is known");
    assert_eq!(jobs.0.lock().clients, 2);
}

#[tokio::test]
async fn a_batch_answers_each_job_in_order() {
    let (_node, jobs, client) = one_leader(&[]).await;
    let submits = (0..2500).map(|n| client.submit_raw(if n == 1700 { "bad" } else { "k" }, "1"));
    let answers = client.submit_all(submits).await;
    let wrong: Vec<usize> = (0..2500).filter(|n| answers[*n].is_err()).collect();
    assert_eq!((wrong, jobs.0.lock().submits), (vec![1700], 3));
    assert!(client.submit_all([]).await.is_empty());
}

#[tokio::test]
async fn a_result_is_waited_for_and_decoded_and_a_failure_says_why() {
    let (_node, jobs, client) = one_leader(&[]).await;
    let ends = |state: pb::JobState, result: &'static str, error: &str| {
        let attempts = vec![pb::Attempt::default(); 3];
        let run = pb::Run { result: result.into(), error: error.into(), attempts, ..Default::default() };
        jobs.0.lock().ended =
            pb::WaitResponse { done: true, state: state.into(), run: Some(run), ..Default::default() };
    };
    let job = client.submit(Order { id: 1 }).await.expect("accepted");
    ends(pb::JobState::Succeeded, "\"sf-77\"", "");
    assert_eq!(job.result::<String>().await.expect("a text"), "sf-77");
    assert!(matches!(job.result::<u64>().await, Err(ClientError::Undecodable { .. })));
    ends(pb::JobState::Succeeded, "", "");
    job.result::<()>().await.expect("nothing is a result too");
    ends(pb::JobState::Dead, "", "no carrier");
    let error = job.result::<String>().await.expect_err("it is dead").to_string();
    assert_eq!(error, "job 1.0 ended as Dead after 3 attempts: no carrier");
    jobs.0.lock().ended.done = false;
    let late = job.wait(Some(Duration::ZERO)).await.expect_err("not final");
    assert_eq!(late.reason(), Some(Reason::DeadlineExceeded));
}

#[tokio::test]
async fn a_cancel_answers_exactly() {
    let (_node, _jobs, client) = one_leader(&[]).await;
    let answer = client.cancel(JobRef::task("trade", "t1")).await.expect("an answer");
    let finished_as = pb::JobState::Dead;
    assert_eq!(answer, CancelAnswer::AlreadyFinished { job_id: "trade:t1".into(), finished_as });
}

#[tokio::test]
async fn an_update_names_what_it_changes_and_is_answered_exactly() {
    let (_node, _jobs, client) = one_leader(&[]).await;
    let update = JobUpdate::new().priority(1).clear_params().expect_revision(3);
    let answer = client.update("1.0", update).await.expect("an answer");
    assert_eq!(
        answer,
        UpdateAnswer::RevisionConflict { job_id: "priority,params".into(), current: 4 },
        "the fake names the paths that it got"
    );
}

#[test]
fn futures_of_the_client_can_be_spawned() {
    fn spawnable<F: Future + Send>(make: impl Fn(JobClient) -> F) {
        let _ = make;
    }
    spawnable(async |client: JobClient| client.get("1.0").await.map(drop));
    spawnable(async |client: JobClient| client.wait("1.0", None).await.map(drop));
    spawnable(async |client: JobClient| client.cancel("1.0").await.map(drop));
    spawnable(async |client: JobClient| client.update("1.0", JobUpdate::new()).await.map(drop));
    spawnable(async |client: JobClient| client.submit_all([client.submit_raw("k", "1")]).await.len());
    spawnable(async |client: JobClient| client.list_jobs(pb::ListJobsRequest::default()).await.map(drop));
}
