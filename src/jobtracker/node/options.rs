//! How a node is run.

use std::path::PathBuf;
use std::time::Duration;

use crate::jobtracker::alarm::AlarmOptions;
use crate::jobtracker::leader::LaneBytes;
use crate::machine::stats::MINUTE;
use crate::raft::RaftConfig;
use crate::store::FlushPolicy;

/// How a node is run.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub name: String,
    pub data_dir: PathBuf,
    /// Where clients connect; port 0 takes any.
    pub listen_client: String,
    /// Where the other JobTrackers connect; port 0 takes any.
    pub listen_peer: String,
    /// How the others reach this node, if not by what it listens on.
    pub advertise_peer: Option<String>,
    pub advertise_client: Option<String>,
    /// Peer addresses of the cluster's first members, for `cluster init`.
    pub join: Vec<String>,
    pub raft: RaftConfig,
    pub flush: FlushPolicy,
    pub lanes: LaneBytes,
    pub sessions: SessionTimes,
    /// Below this, submits and logs are refused.
    pub disk_free_min_percent: u64,
    pub alarms: AlarmOptions,
    pub connections: ConnectionLimits,
    /// How long a stop waits for the answers to calls under way.
    pub drain: Duration,
    /// How often the series get rows: a minute, but for tests.
    pub stats_every: Duration,
}

/// What the client port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at a time; who comes later waits.
    pub max: usize,
    /// How long a connection may take to say what it wants.
    pub head_within: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits { max: 20_000, head_within: Duration::from_secs(10) }
    }
}

/// What TaskTrackers are told, and when they count as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    pub heartbeat: Duration,
    pub stop_working_after: Duration,
    pub reclaim_after: Duration,
    pub terminate_grace: Duration,
}

impl Default for SessionTimes {
    fn default() -> SessionTimes {
        SessionTimes {
            heartbeat: Duration::from_secs(1),
            stop_working_after: Duration::from_secs(7),
            reclaim_after: Duration::from_secs(10),
            terminate_grace: Duration::from_secs(10),
        }
    }
}

impl NodeOptions {
    /// A node with the defaults, on any free ports of loopback.
    pub fn on_loopback(name: impl Into<String>, data_dir: impl Into<PathBuf>) -> NodeOptions {
        NodeOptions {
            name: name.into(),
            data_dir: data_dir.into(),
            listen_client: "127.0.0.1:0".into(),
            listen_peer: "127.0.0.1:0".into(),
            advertise_peer: None,
            advertise_client: None,
            join: Vec::new(),
            raft: RaftConfig::default(),
            flush: FlushPolicy::default(),
            lanes: LaneBytes::default(),
            sessions: SessionTimes::default(),
            disk_free_min_percent: 10,
            alarms: AlarmOptions::default(),
            connections: ConnectionLimits::default(),
            drain: Duration::from_secs(25),
            stats_every: MINUTE.into(),
        }
    }
}
