//! `JobService`: what JobClients ask. Each handler: wire to domain, one call, domain to wire.

use std::sync::Arc;
use std::time::Duration;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::edge::{
    DEADLINE, command, committed, job_ref, linearize, mismatch, read, refused, request_key, storage, wrong,
};
use super::{acts, job_logs, lists, page, update, views};
use crate::calendar::PreparedCron;
use crate::domain::{FieldError, Identity, JobId, JobSpec, RunId, Timestamp, share_names};
use crate::jobtracker::{Committed, JobTracker};
use crate::machine::command::{Cancel, ClientOpen, JobRef, RequestKey, Submit};
use crate::machine::limits::{CLIENT_WINDOW, REASON_CHARS_MAX, SUBMIT_JOBS_MAX};
use crate::machine::reply::{CancelAnswer, SubmitAnswer};
use crate::machine::{Command, JobState, Machine, Reply, RunState};
use crate::planted::{self, Bug};
use crate::wire::pb::job_service_server::JobService;
use crate::wire::{Fault, Reason, parse_id, parse_job, pb, read_duration};

/// The longest that one `Wait` waits; its caller asks again.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) struct Jobs(pub(super) JobTracker);

#[tonic::async_trait]
impl JobService for Jobs {
    async fn open_client(
        &self,
        request: Request<pb::OpenClientRequest>,
    ) -> Result<Response<pb::OpenClientResponse>, Status> {
        let identity = Identity::new(request.into_inner().identity).map_err(|e| wrong(vec![e]))?;
        let done = command(&self.0, Command::ClientOpen(ClientOpen { identity })).await?;
        let Reply::ClientOpened(client) = done.reply else { return Err(mismatch(&done)) };
        let window = u32::try_from(CLIENT_WINDOW).expect("a window is small");
        let client_id = client.to_string();
        Ok(Response::new(pb::OpenClientResponse { client_id, window, committed: committed(&done) }))
    }

    async fn submit(
        &self,
        request: Request<pb::SubmitRequest>,
    ) -> Result<Response<pb::SubmitResponse>, Status> {
        let mut request = request.into_inner();
        let key = submit_key(&mut request)?;
        if request.jobs.len() > SUBMIT_JOBS_MAX {
            let text = format!("{} jobs in one request; at most {SUBMIT_JOBS_MAX}", request.jobs.len());
            return Err(Fault::not_applied(Reason::RequestTooLarge, text).into());
        }
        let now = self.0.now();
        let mut parsed: Vec<_> = request.jobs.into_iter().map(|job| parse(job, now)).collect();
        share_names(parsed.iter_mut().flatten());
        let jobs: Vec<Arc<JobSpec>> =
            parsed.iter().filter_map(|parsed| parsed.as_ref().ok().cloned()).collect();
        if jobs.is_empty() && key == RequestKey::None {
            let results = parsed.into_iter().filter_map(|parsed| parsed.err().map(refused_job)).collect();
            return Ok(Response::new(pb::SubmitResponse { results, committed: None }));
        }
        // What is refused now may have been accepted when the request first came: the machine knows.
        let refused =
            (0..).zip(&parsed).filter(|(_, parsed)| parsed.is_err()).map(|(place, _)| place).collect();
        let submit = Submit { request: key, jobs, refused };
        let done = command(&self.0, Command::Submit(submit)).await?;
        let Reply::Submitted(answers) = &done.reply else { return Err(failed(&done)) };
        if answers.len() != parsed.len() {
            return Err(mismatch(&done));
        }
        let result = |(answer, parsed): (&SubmitAnswer, Result<_, Vec<FieldError>>)| match (answer, parsed) {
            (SubmitAnswer::Refused, Err(violations)) => refused_job(violations),
            (answer, _) => submitted(answer),
        };
        let results = answers.iter().zip(parsed).map(result).collect();
        Ok(Response::new(pb::SubmitResponse { results, committed: committed(&done) }))
    }

    async fn cancel(
        &self,
        request: Request<pb::CancelRequest>,
    ) -> Result<Response<pb::CancelResponse>, Status> {
        let mut request = request.into_inner();
        let reason = reason(&request.reason)?;
        let key = request_key(request.idempotency.take(), "cancel", &request)?;
        let (id, task) = match request.target {
            Some(pb::cancel_request::Target::JobId(id)) => (Some(id), None),
            Some(pb::cancel_request::Target::Task(task)) => (None, Some(task)),
            None => (None, None),
        };
        let job = job_ref(id, task)?;
        let done = command(&self.0, Command::Cancel(Cancel { request: key, job, reason })).await?;
        let Reply::Cancelled(answer) = &done.reply else { return Err(failed(&done)) };
        let (outcome, job, fate) = match answer {
            CancelAnswer::Cancelled(job) => (pb::CancelOutcome::Cancelled, Some(job), None),
            CancelAnswer::CancelRequested(job) => (pb::CancelOutcome::CancelRequested, Some(job), None),
            CancelAnswer::AlreadyFinished(job, fate) => {
                (pb::CancelOutcome::AlreadyFinished, Some(job), Some(*fate))
            }
            CancelAnswer::NotFound => (pb::CancelOutcome::NotFound, None, None),
        };
        Ok(Response::new(pb::CancelResponse {
            outcome: outcome.into(),
            job_id: job.map(ToString::to_string).unwrap_or_default(),
            finished_as: fate.map_or(0, |fate| views::fate_as_job_state(fate).into()),
            committed: committed(&done),
        }))
    }

    async fn terminate(
        &self,
        request: Request<pb::TerminateRequest>,
    ) -> Result<Response<pb::TerminateResponse>, Status> {
        acts::terminate(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn retry(&self, request: Request<pb::RetryRequest>) -> Result<Response<pb::RetryResponse>, Status> {
        acts::retry(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn suspend(
        &self,
        request: Request<pb::SuspendRequest>,
    ) -> Result<Response<pb::SuspendResponse>, Status> {
        acts::suspend(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn resume(
        &self,
        request: Request<pb::ResumeRequest>,
    ) -> Result<Response<pb::ResumeResponse>, Status> {
        acts::resume(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn trigger(
        &self,
        request: Request<pb::TriggerRequest>,
    ) -> Result<Response<pb::TriggerResponse>, Status> {
        acts::trigger(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        acts::delete(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn update(
        &self,
        request: Request<pb::UpdateRequest>,
    ) -> Result<Response<pb::UpdateResponse>, Status> {
        update::update(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_job(
        &self,
        request: Request<pb::GetJobRequest>,
    ) -> Result<Response<pb::GetJobResponse>, Status> {
        let request = request.into_inner();
        let (id, task) = match request.target {
            Some(pb::get_job_request::Target::JobId(id)) => (Some(id), None),
            Some(pb::get_job_request::Target::Task(task)) => (None, Some(task)),
            None => (None, None),
        };
        let job = job_ref(id, task)?;
        let (found, mark) = read(&self.0, request.consistency, |machine| {
            let Some(id) = resolve(machine, &job)? else { return Ok(None) };
            let Some(view) = machine.tables().job_view(id)? else { return Ok(None) };
            let counts = Some(views::counts(&machine.tables().fates(id)?));
            Ok(Some(pb::StoredJob { counts, ..views::job(machine, &view)? }))
        })
        .await?;
        let job = found.ok_or_else(|| not_found(&job))?;
        Ok(Response::new(pb::GetJobResponse { job: Some(job), read: mark }))
    }

    async fn list_jobs(
        &self,
        request: Request<pb::ListJobsRequest>,
    ) -> Result<Response<pb::ListJobsResponse>, Status> {
        lists::list_jobs(&self.0, request.into_inner()).await
    }

    async fn count_jobs(
        &self,
        request: Request<pb::CountJobsRequest>,
    ) -> Result<Response<pb::CountJobsResponse>, Status> {
        lists::count_jobs(&self.0, request.into_inner()).await
    }

    async fn list_runs(
        &self,
        request: Request<pb::ListRunsRequest>,
    ) -> Result<Response<pb::ListRunsResponse>, Status> {
        let request = request.into_inner();
        let (id, task) = match request.target {
            Some(pb::list_runs_request::Target::JobId(id)) => (Some(id), None),
            Some(pb::list_runs_request::Target::Task(task)) => (None, Some(task)),
            None => (None, None),
        };
        let job = job_ref(id, task)?;
        let (after, limit) = (page::after::<u64>(&request.page_token)?, page::size(request.page_size));
        let (found, mark) = read(&self.0, request.consistency, |machine| {
            let Some(id) = resolve(machine, &job)? else { return Ok(None) };
            if machine.tables().job_row(id)?.is_none() {
                return Ok(None);
            }
            machine.tables().runs(id, after, limit).map(Some)
        })
        .await?;
        let found = found.ok_or_else(|| not_found(&job))?;
        let next_page_token = found.next.map(|number| number.to_string()).unwrap_or_default();
        let runs = found.rows.iter().map(views::run).collect();
        Ok(Response::new(pb::ListRunsResponse { runs, next_page_token, read: mark }))
    }

    async fn wait(&self, request: Request<pb::WaitRequest>) -> Result<Response<pb::WaitResponse>, Status> {
        let request = request.into_inner();
        let target = WaitFor::parse(request.target)?;
        let timeout = request.timeout.map(read_duration).transpose();
        let timeout = timeout.map_err(|problem| wrong(vec![FieldError::new("timeout", problem)]))?;
        let timeout = timeout.map_or(WAIT_MAX, Duration::from).min(WAIT_MAX);
        let deadline = tokio::time::Instant::now() + timeout;
        linearize(&self.0).await?;
        loop {
            let mut moves = self.0.job_moves(target.job());
            let (found, mark) = self.stale(|machine| target.look(machine)).await?;
            let (done, state, run, content_type) = found.ok_or_else(|| target.not_found())?;
            let response = pb::WaitResponse { done, state: state.into(), run, content_type, read: mark };
            if done {
                return Ok(Response::new(response));
            }
            tokio::select! {
                () = moves.moved() => {}
                () = tokio::time::sleep_until(deadline) => return Ok(Response::new(response)),
                () = self.0.stopping().cancelled() => {
                    return Err(Fault::unknown(Reason::ShuttingDown, "this JobTracker is stopping").into());
                }
            }
        }
    }

    async fn get_logs(
        &self,
        request: Request<pb::GetLogsRequest>,
    ) -> Result<Response<pb::GetLogsResponse>, Status> {
        job_logs::get(&self.0, request.into_inner()).await
    }

    async fn search_logs(
        &self,
        request: Request<pb::SearchLogsRequest>,
    ) -> Result<Response<pb::SearchLogsResponse>, Status> {
        job_logs::search(&self.0, request.into_inner()).await
    }

    type TailLogsStream = ReceiverStream<Result<pb::TailLogsResponse, Status>>;

    async fn tail_logs(
        &self,
        request: Request<pb::TailLogsRequest>,
    ) -> Result<Response<Self::TailLogsStream>, Status> {
        let tail = job_logs::tail(&self.0, request.into_inner()).await?;
        Ok(Response::new(ReceiverStream::new(tail)))
    }
}

impl Jobs {
    async fn stale<T>(
        &self,
        look: impl FnOnce(&Machine) -> Result<T, crate::machine::BaseError>,
    ) -> Result<(T, Option<pb::ReadMark>), Status> {
        read(&self.0, pb::Consistency::Stale.into(), look).await
    }
}

/// Looks at the tables as they are after an entry, which a follower may not have applied yet.
pub(super) async fn after_entry<T>(
    tracker: &JobTracker,
    index: u64,
    look: impl FnOnce(&Machine) -> Result<T, crate::machine::BaseError>,
) -> Result<T, Status> {
    let applied = tracker.raft().wait_applied(index, DEADLINE).await;
    applied.map_err(|error| Status::from(Fault::unknown(Reason::OutcomeUnknown, error.to_string())))?;
    tracker.look(look).map_err(|error| storage(&error))
}

/// A retry asks for the same jobs, though it may be traced as another call.
pub(super) fn submit_key(request: &mut pb::SubmitRequest) -> Result<RequestKey, Status> {
    let idempotency = request.idempotency.take();
    let traces: Vec<_> = request.jobs.iter_mut().map(|job| job.trace.take()).collect();
    let key = request_key(idempotency, "submit", request);
    request.jobs.iter_mut().zip(traces).for_each(|(job, trace)| job.trace = trace);
    key
}

/// Why somebody acts, in their own words.
pub(super) fn reason(given: &str) -> Result<String, Status> {
    let chars = given.chars().count();
    if chars > REASON_CHARS_MAX {
        let problem = format!("has {chars} characters; at most {REASON_CHARS_MAX}");
        return Err(wrong(vec![FieldError::new("reason", problem)]));
    }
    if given.chars().any(char::is_control) {
        let problem = "holds a control character; one line of printable text is wanted";
        return Err(wrong(vec![FieldError::new("reason", problem)]));
    }
    Ok(given.to_owned())
}

/// A job as it will be stored, its calendar checked too; all that is wrong is told at once.
pub(super) fn parse(job: pb::Job, now: Timestamp) -> Result<Arc<JobSpec>, Vec<FieldError>> {
    let cron = match &job.schedule {
        Some(pb::job::Schedule::Cron(cron)) if !cron.expression.is_empty() => check_cron(cron.clone(), now),
        Some(_) | None => Ok(()),
    };
    match (parse_job(job, now), cron) {
        (Ok(spec), Ok(())) => Ok(Arc::new(spec)),
        (parsed, cron) => Err(parsed.err().into_iter().chain(cron.err()).flatten().collect()),
    }
}

pub(super) fn check_cron(cron: pb::CronSchedule, now: Timestamp) -> Result<(), Vec<FieldError>> {
    let calendar = PreparedCron::new(&super::calendar_service::schedule(cron))?.anchored_at(now);
    if planted::is(Bug::HopelessCronAccepted) {
        return Ok(());
    }
    calendar.check_fires(now).map_err(|wrong| vec![wrong])
}

fn submitted(answer: &SubmitAnswer) -> pb::SubmitResult {
    let result = |outcome: pb::SubmitOutcome, job: &JobId, revision: u32| pb::SubmitResult {
        outcome: outcome.into(),
        job_id: job.to_string(),
        revision: revision.into(),
        refusal: None,
    };
    match answer {
        SubmitAnswer::Accepted(job) => result(pb::SubmitOutcome::Accepted, job, 1),
        SubmitAnswer::Exists(job) => result(pb::SubmitOutcome::Exists, job, 0),
        SubmitAnswer::Replaced(job, revision) => result(pb::SubmitOutcome::Replaced, job, *revision),
        SubmitAnswer::Conflict(job) => {
            let fault = Fault::not_applied(Reason::JobExists, format!("live job {job} has this task id"));
            let refusal = Some(fault.into_refusal());
            pb::SubmitResult { refusal, ..result(pb::SubmitOutcome::Refused, job, 0) }
        }
        SubmitAnswer::Refused => {
            let text = "it was refused when the request first came";
            let refusal = Some(Fault::not_applied(Reason::InvalidArgument, text).into_refusal());
            pb::SubmitResult {
                outcome: pb::SubmitOutcome::Refused.into(),
                refusal,
                ..pb::SubmitResult::default()
            }
        }
    }
}

fn refused_job(violations: Vec<FieldError>) -> pb::SubmitResult {
    pb::SubmitResult {
        outcome: pb::SubmitOutcome::Refused.into(),
        refusal: Some(Fault::wrong_fields(violations).into_refusal()),
        ..pb::SubmitResult::default()
    }
}

/// A reply that is none of the command's own.
pub(super) fn failed(done: &Committed) -> Status {
    match &done.reply {
        Reply::Refused(refusal) => refused(done, refusal),
        Reply::Done
        | Reply::ClientOpened(_)
        | Reply::Submitted(_)
        | Reply::Cancelled(_)
        | Reply::Terminating(_)
        | Reply::Retried(_)
        | Reply::FeedbackMoved(_)
        | Reply::Acted(_)
        | Reply::Updated(_)
        | Reply::Switched(_)
        | Reply::Online(_)
        | Reply::Dispatched(_)
        | Reply::Completed(_)
        | Reply::Again(_) => mismatch(done),
    }
}

pub(super) fn resolve(machine: &Machine, job: &JobRef) -> Result<Option<JobId>, crate::machine::BaseError> {
    match job {
        JobRef::Id(id) => Ok(Some(*id)),
        JobRef::Key(group, task) => machine.tables().find_job(group, task),
    }
}

fn not_found(job: &JobRef) -> Status {
    let text = match job {
        JobRef::Id(id) => format!("job {id} is unknown or expired"),
        JobRef::Key(group, task) => format!("no job {task} is known in node group {group}"),
    };
    Fault::not_applied(Reason::JobNotFound, text).into()
}

fn run_not_found(run: RunId) -> Status {
    Fault::not_applied(Reason::RunNotFound, format!("run {run} is unknown or expired")).into()
}

pub(super) enum WaitFor {
    Job(JobId),
    Run(RunId),
}

type Waited = (bool, pb::JobState, Option<pb::Run>, String);

impl WaitFor {
    pub(super) fn parse(target: Option<pb::wait_request::Target>) -> Result<WaitFor, Status> {
        let parsed = match target {
            Some(pb::wait_request::Target::JobId(id)) => parse_id("job_id", &id).map(WaitFor::Job),
            Some(pb::wait_request::Target::RunId(id)) => parse_id("run_id", &id).map(WaitFor::Run),
            None => Err(FieldError::new("target", "is missing; give job_id or run_id")),
        };
        parsed.map_err(|e| wrong(vec![e]))
    }

    fn job(&self) -> JobId {
        match self {
            WaitFor::Job(job) => *job,
            WaitFor::Run(run) => run.job,
        }
    }

    fn not_found(&self) -> Status {
        match self {
            WaitFor::Job(job) => not_found(&JobRef::Id(*job)),
            WaitFor::Run(run) => run_not_found(*run),
        }
    }

    fn look(&self, machine: &Machine) -> Result<Option<Waited>, crate::machine::BaseError> {
        let Some(view) = machine.tables().job_view(self.job())? else { return Ok(None) };
        let content_type = view.row.spec.content_type.to_string();
        match self {
            WaitFor::Job(_) => {
                let done = matches!(view.state, JobState::Ended(_));
                Ok(Some((
                    done,
                    views::job_state(view.state),
                    view.run.as_ref().map(views::run),
                    content_type,
                )))
            }
            WaitFor::Run(run) => {
                let Some(run) = machine.tables().run(*run)? else { return Ok(None) };
                let done = matches!(run.state, RunState::Ended(_));
                Ok(Some((done, views::job_state(view.state), Some(views::run(&run)), content_type)))
            }
        }
    }
}
