//! gRPC's own health protocol, for load balancers and `grpc_health_probe`: the same answer as `/readyz`.

use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use super::probes;
use crate::jobtracker::JobTracker;

/// The whole node, and the services that need a leader.
const SERVICES: [&str; 3] = ["", "raftsman.v1.JobService", "raftsman.v1.TaskTrackerService"];
/// Being too far behind shows in no event.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The service, kept true until the node has stopped.
pub(super) fn service(tracker: JobTracker) -> HealthServer<impl Health> {
    let (reporter, service) = health_reporter();
    tokio::spawn(keep_true(tracker, reporter));
    service
}

async fn keep_true(tracker: JobTracker, reporter: HealthReporter) {
    let mut leadership = tracker.leadership();
    loop {
        let status = match probes::why_not_ready(&tracker) {
            None => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        };
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
        if tracker.stopping().is_cancelled() {
            return;
        }
        tokio::select! {
            changed = leadership.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = tracker.stopping().cancelled() => {}
        }
    }
}
