//! LTS's HTTP commands of a JobTracker, on the client port: `/{nodeIdentity}/{command}`, by GET or by a form, answered in
//! LTS's form. They call what the gRPC services call.
//!
//! The identity is the node's name, or `-`. Each command is a route of its own, since gRPC's paths have the same shape.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tonic::{Request, Status};

use super::job_service::Jobs;
use crate::domain::{Clock, FieldError, SystemClock};
use crate::jobtracker::JobTracker;
use crate::lts::{Options, job_of_command};
use crate::process::Probe;
use crate::wire::pb::job_service_server::JobService;
use crate::wire::{ANY_IDENTITY, Fault, LtsAnswer, Reason, lts_parameters, pb};

/// One job and its parameters, with room for how a form escapes them.
const BODY_BYTES_MAX: usize = 256 << 10;

#[derive(Clone)]
struct Commands {
    tracker: JobTracker,
    probe: Arc<Probe>,
}

type Parameters = BTreeMap<String, String>;
type Said = Result<LtsAnswer, Fault>;

pub(super) fn routes(tracker: JobTracker) -> Router {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let commands = Commands { tracker, probe: Arc::new(Probe::new(clock)) };
    let mut router = Router::new();
    for command in
        ["status_check_cmd", "jvm_info_get_cmd", "job_add_cmd", "job_load_cmd", "trigger_job_manually_cmd"]
    {
        let handle =
            move |commands: State<Commands>, identity: Path<String>, query: RawQuery, body: Bytes| {
                answer(commands, identity, query, body, command)
            };
        router = router.route(&format!("/{{identity}}/{command}"), get(handle).post(handle));
    }
    router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(commands)
}

async fn answer(
    State(commands): State<Commands>,
    Path(identity): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
    command: &'static str,
) -> Response {
    let parameters = lts_parameters(query.as_deref(), &body);
    let said = match commands.meant(&identity) {
        Ok(()) => commands.run(command, parameters).await,
        Err(wrong) => Err(wrong),
    };
    let (status, said) = match said {
        Ok(said) => (StatusCode::OK, said),
        Err(fault) => (status_of(fault.reason), refused(&fault)),
    };
    let body = serde_json::to_string(&said).expect("an answer can be written as JSON") + "\n";
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// LTS knew 200, 400 and 500; a cluster that cannot be asked now is 503.
fn status_of(reason: Reason) -> StatusCode {
    match reason.http_status() {
        429 | 503 | 504 => StatusCode::SERVICE_UNAVAILABLE,
        400..=499 => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refused(fault: &Fault) -> LtsAnswer {
    let fields: Vec<String> = fault.violations.iter().map(ToString::to_string).collect();
    let text = if fields.is_empty() { fault.message.clone() } else { fields.join("; ") };
    LtsAnswer::refused(fault.reason.as_str(), text)
}

fn missing(parameter: &'static str) -> Fault {
    Fault::wrong_fields(vec![FieldError::new(parameter, "is missing")])
}

impl Commands {
    fn meant(&self, identity: &str) -> Result<(), Fault> {
        let name = self.tracker.name();
        if [name, ANY_IDENTITY].contains(&identity) {
            return Ok(());
        }
        let problem = format!("this is {name:?}, not {identity:?}; - means whichever node answers");
        Err(Fault::wrong_fields(vec![FieldError::new("identity", problem)]))
    }

    async fn run(&self, command: &str, parameters: Parameters) -> Said {
        match command {
            "status_check_cmd" => Ok(LtsAnswer::success("ok")),
            "jvm_info_get_cmd" => Ok(LtsAnswer::success("ok").with(self.probe.look().to_json())),
            "job_add_cmd" => self.add(parameters).await,
            "job_load_cmd" => Ok(LtsAnswer::success("not needed: jobs are not preloaded")),
            _ => self.trigger(parameters).await,
        }
    }

    async fn add(&self, mut parameters: Parameters) -> Said {
        let text = parameters.remove("job").ok_or_else(|| missing("job"))?;
        let job = job_of_command(&text, &Options::default(), self.tracker.now())
            .map_err(|wrong| Fault::wrong_fields(vec![wrong]))?;
        let idempotency = parameters
            .remove("requestId")
            .map(|request_id| pb::Idempotency { request_id, ..pb::Idempotency::default() });
        let request = pb::SubmitRequest { jobs: vec![job], idempotency };
        let done = Jobs(self.tracker.clone()).submit(Request::new(request)).await.map_err(fault)?;
        let result = done.into_inner().results.into_iter().next().unwrap_or_default();
        if let Some(refusal) = result.refusal {
            let violations = refusal
                .violations
                .into_iter()
                .map(|wrong| FieldError::new(wrong.field, wrong.problem))
                .collect();
            let reason = Reason::from_wire(&refusal.reason).unwrap_or(Reason::Internal);
            return Err(Fault { violations, ..Fault::not_applied(reason, refusal.message) });
        }
        let outcome = result.outcome().as_str_name().trim_start_matches("SUBMIT_OUTCOME_").to_owned();
        let obj = json!({ "job_id": result.job_id, "outcome": outcome, "revision": result.revision });
        Ok(LtsAnswer::success(outcome.to_lowercase()).with(obj))
    }

    async fn trigger(&self, mut parameters: Parameters) -> Said {
        // LTS said success even when one of them was missing.
        parameters.remove("nodeGroup").ok_or_else(|| missing("nodeGroup"))?;
        parameters.remove("jobId").ok_or_else(|| missing("jobId"))?;
        Err(Fault::not_applied(Reason::Unsupported, "a job cannot be triggered by hand yet"))
    }
}

fn fault(status: Status) -> Fault {
    status.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_four_statuses_of_the_documentation_come() {
        for reason in Reason::ALL {
            assert!([400, 500, 503].contains(&status_of(*reason).as_u16()), "{reason}");
        }
        assert_eq!(status_of(Reason::NoLeader), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status_of(Reason::Busy), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status_of(Reason::JobExists), StatusCode::BAD_REQUEST);
    }
}
