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
    let metrics = tracker.raft().metrics();
    let not = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
    if tracker.stopping().is_cancelled() {
        return not("stopping\n");
    }
    if tracker.raft().identity().cluster().is_none() {
        return not("not part of a cluster yet\n");
    }
    if tracker.leadership().borrow().leader.is_none() {
        return not("no leader is known\n");
    }
    if metrics.committed_index.saturating_sub(metrics.applied_index) > LAG_MAX {
        return not("too far behind\n");
    }
    (StatusCode::OK, "ok\n")
}

async fn metrics(State(tracker): State<JobTracker>) -> String {
    crate::jobtracker::metrics::render(&tracker)
}
