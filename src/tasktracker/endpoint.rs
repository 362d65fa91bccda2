//! A small HTTP endpoint of a TaskTracker: how it is, what it runs, an order to stop, metrics; and LTS's own commands.
//!
//! Off unless an address is given; on loopback unless told. Nobody is asked who he is: whoever reaches the port may
//! terminate jobs. Every answer is asked of the loop, so a TaskTracker whose loop stands still is not healthy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::handle::{TaskTrackerHandle, TaskTrackerState};
use crate::domain::FieldError;
use crate::process::{Probe, ProcessInfo};
use crate::wire::{ANY_IDENTITY, LtsAnswer, Reason, lts_parameters};

/// What a request may have as its body: the parameters of one command.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Reads `PORT` or `ADDRESS:PORT`; a port alone is on loopback.
pub(super) fn address(text: &str) -> Result<SocketAddr, FieldError> {
    let port = text.parse().map(|port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    port.or_else(|_| text.parse()).map_err(|_| {
        FieldError::new("http", format!("{text:?} is neither a port nor an address such as 127.0.0.1:8719"))
    })
}

#[derive(Clone)]
struct Endpoint {
    handle: TaskTrackerHandle,
    probe: Arc<Probe>,
    identity: Arc<str>,
}

/// Serves until `over`.
pub(super) async fn serve(
    listener: TcpListener,
    handle: TaskTrackerHandle,
    probe: Arc<Probe>,
    identity: String,
    over: CancellationToken,
) {
    let endpoint = Endpoint { handle, probe, identity: identity.into() };
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/status", get(status))
        .route("/info", get(info))
        .route("/jobs", get(jobs))
        .route("/jobs/{execution}/terminate", post(terminate))
        .route("/metrics", get(metrics))
        .route("/{identity}/{command}", get(command).post(command))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(endpoint);
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(over.cancelled_owned()).await {
        tracing::error!(%error, "the http endpoint ended");
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

fn gone() -> Response {
    let problem = "the tasktracker does not run any more";
    answer(
        StatusCode::SERVICE_UNAVAILABLE,
        &json!({ "reason": Reason::ShuttingDown.as_str(), "message": problem }),
    )
}

impl Endpoint {
    async fn state(&self) -> Result<TaskTrackerState, Response> {
        self.handle.state().await.map_err(|_| gone())
    }
}

async fn healthz(State(endpoint): State<Endpoint>) -> Response {
    match endpoint.state().await {
        Ok(_) => "ok\n".into_response(),
        Err(gone) => gone,
    }
}

async fn status(State(endpoint): State<Endpoint>) -> Result<Response, Response> {
    let state = endpoint.state().await?;
    let running = state.running.len();
    let mut body = serde_json::to_value(&state).expect("a state can be written as JSON");
    body["running"] = running.into();
    Ok(answer(StatusCode::OK, &body))
}

async fn info(State(endpoint): State<Endpoint>) -> Response {
    answer(StatusCode::OK, &endpoint.probe.look().to_json())
}

async fn jobs(State(endpoint): State<Endpoint>) -> Result<Response, Response> {
    let state = endpoint.state().await?;
    Ok(answer(StatusCode::OK, &json!({ "jobs": state.running })))
}

async fn terminate(
    State(endpoint): State<Endpoint>,
    Path(execution): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let reason = lts_parameters(query.as_deref(), &body).remove("reason").unwrap_or_default();
    match endpoint.handle.terminate(&execution, reason).await {
        Err(_) => gone(),
        Ok(0) => {
            let message = format!("{execution} does not run here");
            let body = json!({ "reason": Reason::RunNotFound.as_str(), "message": message });
            answer(StatusCode::NOT_FOUND, &body)
        }
        Ok(told) => answer(StatusCode::ACCEPTED, &json!({ "told_to_stop": told })),
    }
}

/// LTS's commands: `/{nodeIdentity}/{command}`, by GET or by a form.
async fn command(
    State(endpoint): State<Endpoint>,
    Path((identity, command)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let (status, said) = if [&*endpoint.identity, ANY_IDENTITY].contains(&identity.as_str()) {
        endpoint.command(&command, lts_parameters(query.as_deref(), &body)).await
    } else {
        let problem = format!("this is {:?}, not {identity:?}", endpoint.identity);
        (StatusCode::BAD_REQUEST, LtsAnswer::refused(Reason::InvalidArgument.as_str(), problem))
    };
    answer(status, &serde_json::to_value(said).expect("an answer can be written as JSON"))
}

impl Endpoint {
    async fn command(
        &self,
        command: &str,
        mut parameters: BTreeMap<String, String>,
    ) -> (StatusCode, LtsAnswer) {
        let wrong = |problem: String| {
            (StatusCode::BAD_REQUEST, LtsAnswer::refused(Reason::InvalidArgument.as_str(), problem))
        };
        match command {
            "status_check_cmd" => (StatusCode::OK, LtsAnswer::success("ok")),
            "jvm_info_get_cmd" => {
                (StatusCode::OK, LtsAnswer::success("ok").with(self.probe.look().to_json()))
            }
            "job_terminate_cmd" => {
                let Some(job) = parameters.remove("jobId") else { return wrong("jobId is missing".into()) };
                match self.handle.terminate(&job, "job_terminate_cmd").await {
                    Ok(0) => {
                        let problem = format!("job {job} does not run here");
                        (StatusCode::OK, LtsAnswer::refused(Reason::RunNotFound.as_str(), problem))
                    }
                    Ok(_) => (StatusCode::OK, LtsAnswer::success("told to stop")),
                    Err(gone) => {
                        let code = Reason::ShuttingDown.as_str();
                        (StatusCode::SERVICE_UNAVAILABLE, LtsAnswer::refused(code, gone.to_string()))
                    }
                }
            }
            other => wrong(format!("there is no command {other:?} on a tasktracker")),
        }
    }
}

async fn metrics(State(endpoint): State<Endpoint>) -> Result<Response, Response> {
    let state = endpoint.state().await?;
    let text = exposition(&state, &endpoint.probe.look());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// Prometheus text. The names are pinned by a test.
fn exposition(state: &TaskTrackerState, info: &ProcessInfo) -> String {
    let flag = |is: bool| f64::from(u8::from(is));
    let gauges = [
        ("slots", "Executions that run at a time", f64::from(state.slots)),
        ("slots_free", "Executions that it would take now", f64::from(state.free_slots)),
        ("running", "Executions that run", state.running.len() as f64),
        ("results_owed", "Results that no leader has acknowledged", state.results_owed as f64),
        ("attached", "1 while a leader has its session", flag(state.attached)),
        ("paused", "1 while the machine is too busy for more", flag(state.paused.is_some())),
        ("draining", "1 while it finishes and takes nothing new", flag(state.draining)),
        ("cut_off", "1 while it must not work", flag(state.cut_off)),
    ];
    let process = [
        ("process_resident_memory_bytes", "gauge", info.memory_bytes as f64),
        ("process_cpu_seconds_total", "counter", info.cpu.as_secs_f64()),
        ("process_threads", "gauge", info.threads as f64),
        ("process_open_fds", "gauge", info.open_files as f64),
        ("process_max_fds", "gauge", info.open_files_max as f64),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        let name = format!("raftsman_tasktracker_{name}");
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")
            .expect("a String takes everything");
    }
    for (name, kind, value) in process {
        writeln!(text, "# TYPE {name} {kind}\n{name} {value}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        assert_eq!(address("8719").map(|address| address.to_string()), Ok("127.0.0.1:8719".into()));
        assert_eq!(address("0.0.0.0:1").map(|address| address.to_string()), Ok("0.0.0.0:1".into()));
        assert_eq!(address("[::1]:1").map(|address| address.to_string()), Ok("[::1]:1".into()));
        assert!(address("localhost").unwrap_err().to_string().starts_with("http: \"localhost\" is neither"));
        assert!(address("70000").is_err());
    }

    #[test]
    fn the_names_of_the_metrics_are_pinned() {
        let state = TaskTrackerState { slots: 4, paused: Some("busy".into()), ..TaskTrackerState::default() };
        let text = exposition(&state, &ProcessInfo::default());
        let names: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        expect_test::expect![[r#"
            raftsman_tasktracker_slots 4
            raftsman_tasktracker_slots_free 0
            raftsman_tasktracker_running 0
            raftsman_tasktracker_results_owed 0
            raftsman_tasktracker_attached 0
            raftsman_tasktracker_paused 1
            raftsman_tasktracker_draining 0
            raftsman_tasktracker_cut_off 0
            process_resident_memory_bytes 0
            process_cpu_seconds_total 0
            process_threads 0
            process_open_fds 0
            process_max_fds 0"#]]
        .assert_eq(&names.join("\n"));
    }
}
