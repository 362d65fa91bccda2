//! How a command reaches the cluster.

use std::path::Path;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;
use crate::client::{ClientError, FailStoreOptions, JobClient, JobClientBuilder, Via};
use crate::domain::Millis;
use crate::wire::pb::cluster_service_client::ClusterServiceClient;
use crate::wire::pb::job_client_service_client::JobClientServiceClient;
use crate::wire::pb::job_service_client::JobServiceClient;
use crate::wire::pb::monitor_service_client::MonitorServiceClient;
use crate::wire::pb::node_service_client::NodeServiceClient;
use crate::wire::{Fault, Reason};

/// The largest answer that is read: a page of 1,000 jobs.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A JobTracker that is gone is noticed within seconds, also by a call that waits for long.
const KEEPALIVE: Duration = Duration::from_secs(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Connect {
    /// JobTrackers to ask, `host:port` with commas between; any one of the cluster will do
    #[arg(
        long,
        global = true,
        env = "RAFTSMAN_ADDR",
        hide_env_values = true,
        default_value = "127.0.0.1:5870",
        value_name = "ADDRESSES"
    )]
    pub(super) addr: String,
    /// How long a call may take with all its repetitions, such as 10s
    #[arg(long, global = true, default_value = "10s", value_name = "SPAN")]
    pub(super) patience: Millis,
}

impl Connect {
    /// # Errors
    /// If no JobTracker answers in time.
    pub(super) async fn client(&self) -> Result<JobClient, Failure> {
        Ok(self.named().connect().await?)
    }

    /// One that saves in `directory` what it cannot submit within the patience.
    ///
    /// # Errors
    /// If the directory cannot be used or another process uses it.
    pub(super) fn saving_client(&self, directory: &Path) -> Result<JobClient, Failure> {
        let options = FailStoreOptions::at(directory).save_after(self.patience.into());
        Ok(self.named().fail_store(options).open()?)
    }

    fn named(&self) -> JobClientBuilder {
        let patience: Duration = self.patience.into();
        let name = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(50).collect();
        JobClient::builder().addresses(&self.addr).identity(format!("cli@{name}")).patience(patience)
    }
}

impl Connect {
    /// A connection to the first of the addresses that answers, leader or not: for what a JobTracker says of itself.
    ///
    /// # Errors
    /// If none of them answers in time.
    pub(super) async fn straight(&self) -> Result<Channel, Failure> {
        let mut problem = String::from("no address is given");
        for address in self.addr.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            match connect(address, self.patience.into()).await {
                Ok(channel) => return Ok(channel),
                Err(error) => problem = format!("no jobtracker answers at {address}: {error}"),
            }
        }
        Err(ClientError::NotDone(Fault::not_applied(Reason::NoJobTracker, problem)).into())
    }
}

async fn connect(address: &str, patience: Duration) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    endpoint
        .connect_timeout(patience)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
}

/// A mutating call without a client session is named, so that a repetition gets the first answer.
pub(super) fn fresh_name() -> String {
    format!("cli-{:016x}", fastrand::u64(..))
}

pub(super) fn jobs(via: Via) -> JobServiceClient<Via> {
    JobServiceClient::new(via).max_decoding_message_size(ANSWER_BYTES_MAX)
}

pub(super) fn clients(via: Via) -> JobClientServiceClient<Via> {
    JobClientServiceClient::new(via).max_decoding_message_size(ANSWER_BYTES_MAX)
}

pub(super) fn nodes(via: Via) -> NodeServiceClient<Via> {
    NodeServiceClient::new(via).max_decoding_message_size(ANSWER_BYTES_MAX)
}

pub(super) fn monitor(via: Via) -> MonitorServiceClient<Via> {
    MonitorServiceClient::new(via).max_decoding_message_size(ANSWER_BYTES_MAX)
}

pub(super) fn cluster(via: Via) -> ClusterServiceClient<Via> {
    ClusterServiceClient::new(via)
}
