//! One logical client: an operation at a time, each tried at one JobTracker after another under one request id until
//! it is answered or its patience ends. It knows no more than any client: an answer, a definite refusal, or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use raftsman::wire::pb::job_service_client::JobServiceClient;
use raftsman::wire::{Certainty, Fault, LOG_INDEX_TRAILER, Reason, pb};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::act::{Act, Acted};
use crate::admin::channel;
use crate::generator::answer;
use crate::generator::spec::to_json;
use crate::history::{Event, EventKind};
use crate::record::Record;

/// One try.
const TRY_PATIENCE: Duration = Duration::from_secs(1);
/// All tries of one operation.
const PATIENCE: Duration = Duration::from_secs(5);
/// One client in so many gives up after the first try, so that some outcomes stay unknown.
const GIVES_UP_ONE_IN: u32 = 4;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// The largest answer: a page of jobs.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What all clients of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) history: Record,
    processes: AtomicU64,
    requests: AtomicU64,
    /// Operations that were answered.
    pub(crate) answered: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unknown: AtomicU64,
    /// Of those that were answered, how many change something.
    pub(crate) changes: AtomicU64,
    /// Requests whose client died while it waited, and that a successor sent again.
    pub(crate) inherited: AtomicU64,
}

impl Shared {
    pub(crate) fn new(history: Record) -> Shared {
        let [processes, requests, answered, refused, unknown, changes, inherited] =
            [0; 7].map(AtomicU64::new);
        Shared { history, processes, requests, answered, refused, unknown, changes, inherited }
    }
}

/// A target of a call.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) node: String,
    pub(crate) address: String,
    pub(crate) channel: Channel,
}

impl Door {
    pub(crate) fn new(node: String, address: String) -> Door {
        let channel = channel(&address);
        Door { node, address, channel }
    }
}

/// What a nemesis does to the clients of a host: whether they are dead at the moment.
pub(crate) type Mortality = watch::Receiver<bool>;

#[derive(Debug)]
pub(crate) struct Client {
    shared: Arc<Shared>,
    doors: Vec<Door>,
    pub(crate) rng: Rng,
    process: u64,
    name: String,
    mortality: Option<Mortality>,
}

/// How a call of one operation ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended<T> {
    Answered {
        node: String,
        answer: T,
    },
    /// Surely not done.
    Refused(Fault),
    Unknown(Fault),
}

/// What an operation is, for the history.
struct Op<'a> {
    f: &'a str,
    job: Option<&'a str>,
    v: Value,
    reads: bool,
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>, name: String, doors: Vec<Door>, rng: Rng) -> Client {
        let process = shared.processes.fetch_add(1, Ordering::Relaxed);
        Client { shared, doors, rng, process, name, mortality: None }
    }

    /// The same, which dies when its host's clients are killed. A successor takes over: it has the request id that was
    /// under way, as an application has that writes it down before it calls, connections of its own, and nothing else.
    pub(crate) fn mortal(self, mortality: Mortality) -> Client {
        Client { mortality: Some(mortality), ..self }
    }

    /// The same, asking this JobTracker only.
    pub(crate) fn only(shared: Arc<Shared>, name: String, door: Door) -> Client {
        Client::new(shared, name, vec![door], Rng::with_seed(0))
    }

    pub(crate) async fn submit(&mut self, job: pb::Job) -> Ended<pb::SubmitResponse> {
        let task_id = job.task_id.clone();
        let op = Op { f: "submit", job: Some(&task_id), v: json!({ "spec": to_json(&job) }), reads: false };
        let answered = |response: &pb::SubmitResponse| {
            let answer = response.results.first().map_or(Value::Null, answer::submitted);
            (json!({ "answer": answer }), position(response.committed.as_ref()), None)
        };
        self.call(op, answered, |channel, idempotency| {
            let request = pb::SubmitRequest { jobs: vec![job.clone()], idempotency };
            async move { jobs(channel).submit(timed(request)).await }
        })
        .await
    }

    pub(crate) async fn submit_batch(&mut self, batch: Vec<pb::Job>) -> Ended<pb::SubmitResponse> {
        let specs: Vec<Value> = batch.iter().map(to_json).collect();
        let op = Op { f: "submit_batch", job: None, v: json!({ "specs": specs }), reads: false };
        let answered = |response: &pb::SubmitResponse| {
            let answers: Vec<Value> = response.results.iter().map(answer::submitted).collect();
            (json!({ "answers": answers }), position(response.committed.as_ref()), None)
        };
        self.call(op, answered, |channel, idempotency| {
            let request = pb::SubmitRequest { jobs: batch.clone(), idempotency };
            async move { jobs(channel).submit(timed(request)).await }
        })
        .await
    }

    pub(crate) async fn cancel(&mut self, task: Task) -> Ended<pb::CancelResponse> {
        let target = match &task.job_id {
            Some(id) => pb::cancel_request::Target::JobId(id.clone()),
            None => pb::cancel_request::Target::Task(task.key()),
        };
        let op = Op { f: "cancel", job: Some(&task.task_id), v: task.to_json(), reads: false };
        let answered = |response: &pb::CancelResponse| {
            (json!({ "answer": answer::cancelled(response) }), position(response.committed.as_ref()), None)
        };
        self.call(op, answered, |channel, idempotency| {
            let request =
                pb::CancelRequest { target: Some(target.clone()), idempotency, reason: String::new() };
            async move { jobs(channel).cancel(timed(request)).await }
        })
        .await
    }

    pub(crate) async fn terminate(&mut self, task_id: &str, run_id: &str) -> Ended<pb::TerminateResponse> {
        let op = Op { f: "terminate", job: Some(task_id), v: json!({ "run": run_id }), reads: false };
        let answered = |response: &pb::TerminateResponse| {
            (json!({ "answer": answer::terminated(response) }), position(response.committed.as_ref()), None)
        };
        self.call(op, answered, |channel, idempotency| {
            let request =
                pb::TerminateRequest { run_id: run_id.into(), reason: "the harness".into(), idempotency };
            async move { jobs(channel).terminate(timed(request)).await }
        })
        .await
    }

    pub(crate) async fn retry(&mut self, task_id: &str, run_id: &str) -> Ended<pb::RetryResponse> {
        let op = Op { f: "retry", job: Some(task_id), v: json!({ "run": run_id }), reads: false };
        let answered = |response: &pb::RetryResponse| {
            (json!({ "answer": answer::retried(response) }), position(response.committed.as_ref()), None)
        };
        self.call(op, answered, |channel, idempotency| {
            let request = pb::RetryRequest { run_id: run_id.into(), idempotency, ..Default::default() };
            async move { jobs(channel).retry(timed(request)).await }
        })
        .await
    }

    /// Suspend, resume, trigger or delete.
    pub(crate) async fn act(&mut self, act: Act, task: Task) -> Ended<Value> {
        let op = Op { f: act.word(), job: Some(&task.task_id), v: task.to_json(), reads: false };
        let answered =
            |answer: &Acted| (json!({ "answer": answer.word }), position(answer.committed.as_ref()), None);
        let ended = self
            .call(op, answered, |channel, idempotency| {
                let task = task.clone();
                async move { act.call(&mut jobs(channel), &task, idempotency).await.map(Response::new) }
            })
            .await;
        match ended {
            Ended::Answered { node, answer } => Ended::Answered { node, answer: answer.word },
            Ended::Refused(fault) => Ended::Refused(fault),
            Ended::Unknown(fault) => Ended::Unknown(fault),
        }
    }

    /// A linearizable read of one job; `None` if there is none.
    pub(crate) async fn get(&mut self, task: Task) -> Ended<Option<pb::StoredJob>> {
        let target = match &task.job_id {
            Some(id) => pb::get_job_request::Target::JobId(id.clone()),
            None => pb::get_job_request::Target::Task(task.key()),
        };
        let request = pb::GetJobRequest { target: Some(target), ..pb::GetJobRequest::default() };
        let op = Op { f: "get", job: Some(&task.task_id), v: task.to_json(), reads: true };
        let answered = |response: &pb::GetJobResponse| {
            let v = json!({ "job": response.job.as_ref().map(answer::job) });
            (v, None, response.read.as_ref().map(|read| read.read_index))
        };
        let ended = self
            .call(op, answered, |channel, _| {
                let request = request.clone();
                async move {
                    match jobs(channel).get_job(timed(request)).await {
                        // That there is none is an answer too.
                        Err(status) if is_not_found(&status) => {
                            Ok(Response::new(pb::GetJobResponse::default()))
                        }
                        other => other,
                    }
                }
            })
            .await;
        match ended {
            Ended::Answered { node, answer } => Ended::Answered { node, answer: answer.job },
            Ended::Refused(fault) => Ended::Refused(fault),
            Ended::Unknown(fault) => Ended::Unknown(fault),
        }
    }

    /// One page of a linearizable list.
    pub(crate) async fn list(&mut self, request: pb::ListJobsRequest) -> Ended<pb::ListJobsResponse> {
        let states: Vec<String> = request.states().map(answer::state).collect();
        let v = json!({
            "node_group": request.node_group, "states": states, "kind": request.kind,
            "job_type": answer::job_type(request.job_type()),
            "consistency": answer::consistency(request.consistency()),
            "task_id_prefix": request.task_id_prefix, "page_size": request.page_size,
            "page_token": request.page_token,
        });
        let op = Op { f: "list", job: None, v, reads: true };
        let answered = |response: &pb::ListJobsResponse| {
            let jobs: Vec<Value> = response.jobs.iter().map(answer::job).collect();
            let v = json!({ "jobs": jobs, "next_page_token": response.next_page_token });
            (v, None, response.read.as_ref().map(|read| read.read_index))
        };
        self.call(op, answered, |channel, _| {
            let request = request.clone();
            async move { jobs(channel).list_jobs(timed(request)).await }
        })
        .await
    }

    /// One page of a job's ledger; in the history it is a `runs`.
    pub(crate) async fn runs(
        &mut self,
        task_id: &str,
        job_id: &str,
        token: &str,
    ) -> Ended<pb::ListRunsResponse> {
        let request = pb::ListRunsRequest {
            target: Some(pb::list_runs_request::Target::JobId(job_id.into())),
            page_size: 1000,
            page_token: token.into(),
            ..pb::ListRunsRequest::default()
        };
        let v = json!({ "job_id": job_id, "page_token": token });
        let op = Op { f: "runs", job: Some(task_id), v, reads: true };
        let answered = |response: &pb::ListRunsResponse| {
            let runs: Vec<Value> = response.runs.iter().map(answer::run).collect();
            let v = json!({ "runs": runs, "next_page_token": response.next_page_token });
            (v, None, response.read.as_ref().map(|read| read.read_index))
        };
        self.call(op, answered, |channel, _| {
            let request = request.clone();
            async move { jobs(channel).list_runs(timed(request)).await }
        })
        .await
    }

    /// Invokes, tries until it is answered, and writes how it ended.
    async fn call<T, Calling>(
        &mut self,
        op: Op<'_>,
        answered: impl Fn(&T) -> (Value, Option<u64>, Option<u64>),
        attempt: impl Fn(Channel, Option<pb::Idempotency>) -> Calling,
    ) -> Ended<T>
    where
        Calling: Future<Output = Result<Response<T>, Status>>,
    {
        self.alive().await;
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let req = format!("{}-{number}", self.name);
        let first = self.rng.usize(..self.doors.len());
        self.write(EventKind::Invoke, &op, &req, |event| {
            event.node = Some(self.doors[first].node.clone());
            event.v = op.v.clone();
        });
        let ended = self.tries(&req, first, attempt).await;
        match &ended {
            Ended::Answered { node, answer } => {
                self.shared.answered.fetch_add(1, Ordering::Relaxed);
                self.shared.changes.fetch_add(u64::from(!op.reads), Ordering::Relaxed);
                let (v, pos, rdx) = answered(answer);
                self.write(EventKind::Ok, &op, &req, |event| {
                    *event = Event { node: Some(node.clone()), v, pos, rdx, ..event.clone() };
                });
            }
            Ended::Unknown(fault) if !op.reads => {
                self.shared.unknown.fetch_add(1, Ordering::Relaxed);
                self.write(EventKind::Info, &op, &req, |event| event.err = Some(fault.to_string()));
                self.process = self.shared.processes.fetch_add(1, Ordering::Relaxed);
            }
            Ended::Refused(fault) | Ended::Unknown(fault) => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                self.write(EventKind::Fail, &op, &req, |event| event.err = Some(fault.to_string()));
            }
        }
        ended
    }

    async fn tries<T, Calling>(
        &mut self,
        req: &str,
        first: usize,
        attempt: impl Fn(Channel, Option<pb::Idempotency>) -> Calling,
    ) -> Ended<T>
    where
        Calling: Future<Output = Result<Response<T>, Status>>,
    {
        // A client that asks one JobTracker only has a question that must be answered.
        let gives_up = self.doors.len() > 1 && self.rng.u32(..GIVES_UP_ONE_IN) == 0;
        let mut until = Instant::now() + if gives_up { Duration::ZERO } else { PATIENCE };
        let mut unknown = None;
        for number in first.. {
            let door = self.doors[number % self.doors.len()].clone();
            let idempotency = pb::Idempotency { request_id: req.into(), ..pb::Idempotency::default() };
            let tried = tokio::select! {
                tried = timeout(TRY_PATIENCE, attempt(door.channel, Some(idempotency))) => Some(tried),
                () = killed(self.mortality.clone()) => None,
            };
            let Some(tried) = tried else {
                self.successor().await;
                until = Instant::now() + PATIENCE;
                unknown = Some(Fault::unknown(Reason::OutcomeUnknown, "its client died"));
                continue;
            };
            let fault = match tried {
                Ok(Ok(response)) => {
                    return Ended::Answered { node: door.node, answer: response.into_inner() };
                }
                // Refused where it stands in the log, so it is there, and changed nothing.
                Ok(Err(status)) if status.metadata().contains_key(LOG_INDEX_TRAILER) => {
                    return Ended::Unknown(Fault::from(status));
                }
                Ok(Err(status)) => Fault::from(status),
                Err(_) => Fault::unknown(Reason::DeadlineExceeded, "no answer in time"),
            };
            let definite = fault.certainty == Certainty::NotApplied;
            if !fault.reason.is_retryable() || Instant::now() >= until {
                return match unknown {
                    Some(fault) => Ended::Unknown(fault),
                    None if definite => Ended::Refused(fault),
                    None => Ended::Unknown(fault),
                };
            }
            if !definite {
                unknown = Some(fault);
            }
            sleep(BETWEEN_TRIES).await;
        }
        unreachable!("the tries end with the patience")
    }

    /// Somebody else goes on, when the host may have clients again.
    async fn successor(&mut self) {
        self.shared.inherited.fetch_add(1, Ordering::Relaxed);
        self.alive().await;
        for door in &mut self.doors {
            *door = Door::new(door.node.clone(), door.address.clone());
        }
    }

    /// The dead ask nothing.
    async fn alive(&mut self) {
        if let Some(mortality) = &mut self.mortality {
            // Without a nemesis nobody dies.
            let _ = mortality.wait_for(|dead| !dead).await;
        }
    }

    fn write(&self, kind: EventKind, op: &Op<'_>, req: &str, fill: impl FnOnce(&mut Event)) {
        self.shared.history.append(|t| {
            let mut event = Event {
                t,
                p: self.process,
                kind,
                f: op.f.into(),
                req: req.into(),
                job: op.job.map(str::to_owned),
                node: None,
                v: Value::Null,
                pos: None,
                rdx: None,
                err: None,
            };
            fill(&mut event);
            event
        });
    }
}

/// Ends when the clients of the host are killed.
async fn killed(mortality: Option<Mortality>) {
    if let Some(mut mortality) = mortality
        && mortality.wait_for(|dead| *dead).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A job as a client names it.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) node_group: String,
    pub(crate) task_id: String,
    /// By its id, if there is one; else by its key.
    pub(crate) job_id: Option<String>,
}

impl Task {
    pub(crate) fn key(&self) -> pb::TaskKey {
        pb::TaskKey { node_group: self.node_group.clone(), task_id: self.task_id.clone() }
    }

    fn to_json(&self) -> Value {
        match &self.job_id {
            Some(id) => json!({ "job_id": id }),
            None => json!({ "node_group": self.node_group, "task_id": self.task_id }),
        }
    }
}

fn jobs(channel: Channel) -> JobServiceClient<Channel> {
    JobServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// Tells the JobTracker how long the caller will wait.
pub(crate) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TRY_PATIENCE);
    request
}

fn position(committed: Option<&pb::Committed>) -> Option<u64> {
    committed.map(|committed| committed.log_index).filter(|index| *index > 0)
}

fn is_not_found(status: &Status) -> bool {
    Fault::from(status.clone()).reason == Reason::JobNotFound
}
