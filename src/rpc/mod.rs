//! The client port: gRPC services, health and metrics on one listener.
//!
//! An edge only: wire to domain, one call, domain to wire. Each handler fits a screen.

mod acts;
mod alarm_service;
mod at_leader;
mod calendar_service;
mod cluster_service;
mod connections;
mod edge;
mod export;
mod export_stats;
mod feedback;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod health;
mod holds;
mod job_client_service;
mod job_logs;
mod job_service;
mod leadership_service;
mod limits;
mod lists;
mod log_export;
mod lts_commands;
mod monitor_service;
mod node_service;
mod page;
mod probes;
mod session;
mod task_tracker_service;
mod unread;
mod update;
mod views;

use std::time::Duration;

use tonic::service::Routes;
use tonic::transport::Server;

use crate::jobtracker::{ClientPort, JobTracker};
use crate::wire::pb::alarm_service_server::AlarmServiceServer;
use crate::wire::pb::calendar_service_server::CalendarServiceServer;
use crate::wire::pb::cluster_service_server::ClusterServiceServer;
use crate::wire::pb::job_client_service_server::JobClientServiceServer;
use crate::wire::pb::job_service_server::JobServiceServer;
use crate::wire::pb::leadership_service_server::LeadershipServiceServer;
use crate::wire::pb::monitor_service_server::MonitorServiceServer;
use crate::wire::pb::node_service_server::NodeServiceServer;
use crate::wire::pb::task_tracker_service_server::TaskTrackerServiceServer;

/// The largest request.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 << 20;
/// The largest message of a session: a burst of pushes, or results.
const SESSION_BYTES_MAX: usize = 64 << 20;
/// A ping is sent after so long without traffic. Dead TaskTrackers are noticed sooner, by their heartbeats.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Flow control windows, large enough for batches.
const WINDOW_BYTES: u32 = 4 << 20;

/// Serves clients until the node stops.
///
/// # Errors
/// If the listener fails.
pub async fn serve(tracker: JobTracker, port: ClientPort) -> Result<(), tonic::transport::Error> {
    let stopping = tracker.stopping().clone();
    let (limits, places) = (tracker.options().connections, tracker.connection_places());
    let _answering = tracker.answering();
    let request = REQUEST_BYTES_MAX;
    let routes = Routes::new(
        JobServiceServer::new(job_service::Jobs(tracker.clone()))
            .max_decoding_message_size(request)
            .max_encoding_message_size(SESSION_BYTES_MAX),
    )
    .add_service(
        TaskTrackerServiceServer::new(task_tracker_service::Sessions(tracker.clone()))
            .max_decoding_message_size(SESSION_BYTES_MAX)
            .max_encoding_message_size(SESSION_BYTES_MAX),
    )
    .add_service(
        JobClientServiceServer::new(job_client_service::Clients(tracker.clone()))
            .max_decoding_message_size(request)
            .max_encoding_message_size(SESSION_BYTES_MAX),
    )
    .add_service(LeadershipServiceServer::new(leadership_service::LeadershipFeed(tracker.clone())))
    .add_service(ClusterServiceServer::new(cluster_service::Cluster(tracker.clone())))
    .add_service(NodeServiceServer::new(node_service::Nodes(tracker.clone())))
    .add_service(MonitorServiceServer::new(monitor_service::Monitor(tracker.clone())))
    .add_service(AlarmServiceServer::new(alarm_service::Alarms(tracker.clone())))
    .add_service(CalendarServiceServer::new(calendar_service::Calendar(tracker.clone())))
    .add_service(health::service(tracker.clone()));
    let calls = routes.into_axum_router().layer(axum::middleware::map_response(unread::explained));
    let router = calls.merge(probes::routes(tracker.clone())).merge(lts_commands::routes(tracker));
    let incoming = connections::accept(port.0, places, limits.head_within);
    Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_routes(Routes::from(router))
        .serve_with_incoming_shutdown(incoming, stopping.cancelled_owned())
        .await
}
