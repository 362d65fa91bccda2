//! `/livez`, `/readyz`, `/metrics`, `/version` for orchestrators and Prometheus, beside gRPC on the client port.
//!
//! Liveness never depends on a quorum: restarting a node does not bring one back. Readiness does.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::jobtracker::JobTracker;

/// A follower this many entries behind is not ready.
const LAG_MAX: u64 = 100_000;

pub(super) fn routes(tracker: JobTracker) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(async || concat!(env!("CARGO_PKG_VERSION"), "\n")))
        .with_state(tracker)
}

async fn livez(State(tracker): State<JobTracker>) -> (StatusCode, &'static str) {
    match tracker.raft().metrics().role {
        crate::raft::Role::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "consensus has stopped\n"),
        crate::raft::Role::Learner
        | crate::raft::Role::Follower
        | crate::raft::Role::Candidate
        | crate::raft::Role::Leader => (StatusCode::OK, "ok\n"),
    }
}

async fn readyz(State(tracker): State<JobTracker>) -> (StatusCode, &'static str) {
    match why_not_ready(&tracker) {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        None => (StatusCode::OK, "ok\n"),
    }
}

/// None when clients may be sent here.
pub(super) fn why_not_ready(tracker: &JobTracker) -> Option<&'static str> {
    let metrics = tracker.raft().metrics();
    if tracker.stopping().is_cancelled() {
        Some("stopping\n")
    } else if tracker.raft().identity().cluster().is_none() {
        Some("not part of a cluster yet\n")
    } else if tracker.leadership().borrow().leader.is_none() {
        Some("no leader is known\n")
    } else if metrics.committed_index.saturating_sub(metrics.applied_index) > LAG_MAX {
        Some("too far behind\n")
    } else {
        None
    }
}

async fn metrics(State(tracker): State<JobTracker>) -> String {
    crate::jobtracker::metrics::render(&tracker)
}
