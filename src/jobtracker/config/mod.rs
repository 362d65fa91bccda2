//! What a JobTracker is told: sections of settings with their defaults, layered and checked before anything starts.
//!
//! One list of settings makes the types, the defaults, the commented `raftsman.toml` and `docs/configuration.md`. The
//! layers: default < file < `RAFTSMAN_SECTION__KEY` < flag. An unknown key is an error; all violations are told at
//! once, each with its key, where it came from, and what would be right. Not here: limits that change what `apply` does;
//! they are replicated and change by a command (`machine::limits`).

mod alarms;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod layers;
mod reference;
mod relations;
mod setting;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ::config::Value;

use layers::Given;
pub use layers::{Flag, Layers};
pub use reference::default_file;
use setting::Setting;
pub use setting::{AuthMode, LogFormat, Size, SmtpSecurity, TlsMode};

use super::leader::LaneBytes;
use super::{ConnectionLimits, NodeOptions, SessionTimes};
use crate::domain::{FieldError, Millis};
use crate::machine::stats::MINUTE;
use crate::raft::RaftConfig;
use crate::store::FlushPolicy;

/// A section as the reference shows it.
struct SectionText {
    name: &'static str,
    about: &'static [&'static str],
    settings: &'static [SettingText],
}

/// A setting as the reference shows it.
struct SettingText {
    name: &'static str,
    about: &'static [&'static str],
}

macro_rules! settings {
    ($(
        $(#[doc = $section_about:literal])*
        [$section:ident] $Section:ident {
            $( $(#[doc = $about:literal])* $name:ident: $type:ty = $default:expr, )*
        }
    )*) => {
        /// Everything that a JobTracker is told.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Config {
            $( $(#[doc = $section_about])* pub $section: $Section, )*
        }

        $(
            $(#[doc = $section_about])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Section {
                $( $(#[doc = $about])* pub $name: $type, )*
            }

            impl Default for $Section {
                fn default() -> $Section {
                    $Section { $( $name: $default, )* }
                }
            }
        )*

        const SECTIONS: &[SectionText] = &[$(
            SectionText {
                name: stringify!($section),
                about: &[$($section_about),*],
                settings: &[$( SettingText { name: stringify!($name), about: &[$($about),*] }, )*],
            },
        )*];

        impl Config {
            /// The defaults with what was given on top; what cannot be read is told and stays at its default.
            fn read(given: &BTreeMap<String, Value>, wrong: &mut Vec<FieldError>) -> Config {
                let mut config = Config::default();
                $( $( read_one(
                    given,
                    concat!(stringify!($section), ".", stringify!($name)),
                    &mut config.$section.$name,
                    wrong,
                ); )* )*
                config
            }

            /// Every setting with its value as it stands in the file, in the order of the reference.
            fn values(&self) -> Vec<(&'static str, String)> {
                vec![$( $(
                    (concat!(stringify!($section), ".", stringify!($name)), self.$section.$name.toml()),
                )* )*]
            }
        }
    };
}

settings! {
    /// Who this JobTracker is and whom it knows.
    [node] NodeSettings {
        /// Its name, for people; empty takes the name of the host.
        name: String = String::new(),
        /// Where the log and the state live. A node is its directory: a wiped one is a new node without a vote.
        data_dir: PathBuf = PathBuf::from("/var/lib/raftsman"),
        /// `host:port` at which the other JobTrackers reach this one; empty takes `listen.peer`.
        advertise: String = String::new(),
        /// `host:port` at which clients and TaskTrackers reach this one; empty takes `listen.client`.
        advertise_client: String = String::new(),
        /// The `advertise` addresses of the first JobTrackers, this one included: the same list on each of them.
        join: Vec<String> = Vec::new(),
    }

    /// Where it listens.
    [listen] ListenSettings {
        /// For clients, TaskTrackers, health and metrics.
        client: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 5870)),
        /// For the other JobTrackers.
        peer: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 5871)),
        /// Connections of clients and TaskTrackers at a time; who comes later waits. The process needs as many file descriptors, and some hundreds more.
        connections_max: u64 = 20_000,
        /// A connection that has not said what it wants by then is closed.
        head_timeout: Millis = Millis::from_secs(10),
        /// Lets both listen beyond loopback although there is neither TLS nor authentication. Only in a closed network.
        insecure: bool = false,
    }

    /// Consensus between the JobTrackers. The same on all of them.
    [raft] RaftSettings {
        /// How often an idle leader says that it leads.
        heartbeat: Millis = Millis::new(100),
        /// A follower that hears nothing for a random time between this and the next wants to lead.
        election_timeout_min: Millis = Millis::new(500),
        /// See above; it is the leader's lease as well.
        election_timeout_max: Millis = Millis::new(1_000),
        /// A survivor takes over from a leader whose process is gone, without waiting for the timers.
        hand_over: bool = true,
        /// How long the next survivor waits for the one before it.
        hand_over_step: Millis = Millis::new(50),
        /// A snapshot after so many entries.
        snapshot_entries: u64 = 200_000,
        /// How long sending and installing a whole snapshot may take.
        snapshot_timeout: Millis = Millis::from_secs(600),
        /// Entries that stay in the log although a snapshot has them, for followers that were briefly away.
        keep_entries: u64 = 50_000,
        /// A learner that is further behind is not promoted.
        promote_lag_max: u64 = 1_000,
    }

    /// How the state goes to disk. What was acknowledged is in the synced log, whatever stands here.
    [storage] StorageSettings {
        /// Changes gather in a layer in memory until it has this size...
        layer_bytes: Size = Size::mib(16),
        /// ...or this age, whichever comes first.
        layer_age: Millis = Millis::from_secs(2),
        /// So many bytes of layers make a flush begin; what is younger is applied again from the log after a restart.
        flush_bytes: Size = Size::mib(64),
    }

    /// Patience with TaskTrackers. The same on all JobTrackers.
    [scheduler] SchedulerSettings {
        /// How often a TaskTracker says that it lives.
        session_heartbeat: Millis = Millis::from_secs(1),
        /// A TaskTracker without an answered heartbeat for this long stops what it runs.
        stop_working_after: Millis = Millis::from_secs(7),
        /// A TaskTracker that was silent for this long is offline, and what it ran becomes ready elsewhere.
        reclaim_after: Millis = Millis::from_secs(10),
        /// How long a run may take to stop after it was asked; then it is killed.
        terminate_grace: Millis = Millis::from_secs(10),
        /// How long a JobTracker that was told to stop waits for the answers to calls under way.
        drain_timeout: Millis = Millis::from_secs(25),
    }

    /// What may wait and how full the disk may be. Retention and the like are replicated limits: `raftsman cluster limits` shows and changes them.
    [limits] LimitSettings {
        /// Bytes that may wait to be proposed: completions, heartbeats, time. Beyond it the streams of TaskTrackers are read no further.
        lane_drain_bytes: Size = Size::mib(256),
        /// Bytes that may wait to be proposed: submits and cancels. Beyond it the answer is BUSY.
        lane_request_bytes: Size = Size::mib(64),
        /// Bytes that may wait to be proposed: lines of user code. Beyond it they are dropped and counted in the job log.
        lane_log_bytes: Size = Size::mib(8),
        /// With less of the disk free, submits are refused while completions and cancels pass.
        disk_free_min_percent: u64 = 10,
    }

    /// What is an alarm and who is told: docs/alarms.md. The same on all JobTrackers, since whoever leads judges.
    [alarms] AlarmSettings {
        /// Rules that are not judged, such as `backlog_count`.
        off: Vec<String> = Vec::new(),
        /// Severities that are not as in docs/alarms.md, each as `RULE=warning` or `RULE=critical`.
        severities: Vec<String> = Vec::new(),
        /// URLs that alarms are posted to, each as `NAME=https://...`.
        webhooks: Vec<String> = Vec::new(),
        /// Files with the secrets by which the bodies are signed, each as `NAME=FILE`.
        webhook_secrets: Vec<String> = Vec::new(),
        /// How long a webhook may take to answer.
        webhook_timeout: Millis = Millis::from_secs(10),
        /// Who is told of a rule, each as `RULE=NAME+NAME`, or `RULE=` for nobody; `mail` is the target of [smtp]. A rule that is not here is told to all.
        routes: Vec<String> = Vec::new(),
        /// How often a target is told again of what stays raised; 0ms is once.
        repeat_every: Millis = Millis::ZERO,
        /// How often everything is judged.
        evaluate_every: Millis = Millis::from_secs(5),
        /// How long a rule must not hold before its alarm is over.
        recover_after: Millis = Millis::from_secs(60),
        /// no_tasktracker: how long a node group may have ready runs and no TaskTracker online.
        no_tasktracker_after: Millis = Millis::from_secs(30),
        /// backlog_age: how long a run may be ready.
        backlog_age_max: Millis = Millis::from_secs(600),
        /// backlog_count: how many runs of a node group may be ready...
        backlog_count_max: u64 = 100_000,
        /// ...for so long.
        backlog_count_after: Millis = Millis::from_secs(60),
        /// failure_ratio: how many percent of the runs of a node group may fail...
        failure_percent: u64 = 80,
        /// ...of at least so many that finished...
        failure_min_finished: u64 = 20,
        /// ...within this time.
        failure_window: Millis = Millis::from_secs(300),
        /// dead_run: how long a dead run is an alarm.
        dead_run_window: Millis = Millis::from_secs(600),
        /// cron_lateness: how long after its time an instant of a periodic job may start.
        cron_lateness_max: Millis = Millis::from_secs(60),
        /// tasktracker_offline: how long a TaskTracker that fell silent may be away.
        tasktracker_offline_after: Millis = Millis::from_secs(30),
        /// A TaskTracker that stays away for this long is missed no more.
        tasktracker_missed_for: Millis = Millis::from_secs(24 * 3600),
        /// jobtracker_down: how long the leader may not hear another JobTracker.
        jobtracker_down_after: Millis = Millis::from_secs(10),
        /// clock_skew: how far a JobTracker's clock may be from the majority's.
        clock_skew_max: Millis = Millis::new(500),
        /// no_leader: how long a JobTracker may know no leader.
        no_leader_after: Millis = Millis::from_secs(10),
        /// feedback_backlog: how many percent of the feedback that is kept for a group of JobClients may be there.
        feedback_percent: u64 = 80,
        /// open_files: how many percent of the files and connections that the process may open may be open.
        open_files_percent: u64 = 80,
        /// memory: how much memory the process may take; 0B is three quarters of the machine's.
        memory_max: Size = Size(0),
    }

    /// The mail server for alarms; without a host no mail is sent.
    [smtp] SmtpSettings {
        /// Its name.
        host: String = String::new(),
        /// Its port.
        port: u64 = 587,
        /// starttls, tls from the first byte, or plain.
        security: SmtpSecurity = SmtpSecurity::StartTls,
        /// For the login; empty sends without one.
        user: String = String::new(),
        /// File with the password.
        password_file: PathBuf = PathBuf::new(),
        /// The sender, such as `Raftsman <raftsman@example.com>`.
        from: String = String::new(),
        /// Who gets the mails.
        to: Vec<String> = Vec::new(),
        /// What comes within this time goes into one mail.
        batch: Millis = Millis::from_secs(30),
        /// How long each step with the server may take.
        timeout: Millis = Millis::from_secs(20),
    }

    /// Encryption. Only "off" is available in this version; everything else is refused, never ignored.
    [tls] TlsSettings {
        /// For clients and TaskTrackers: off, allow, prefer, require.
        client_mode: TlsMode = TlsMode::Off,
        /// Between JobTrackers, with certificates on both sides: off, allow, prefer, require.
        peer_mode: TlsMode = TlsMode::Off,
        /// PEM file of the authorities that are trusted.
        ca_file: PathBuf = PathBuf::new(),
        /// PEM file of this node's certificate chain.
        cert_file: PathBuf = PathBuf::new(),
        /// PEM file of this node's key.
        key_file: PathBuf = PathBuf::new(),
    }

    /// Who may call. Only "off" is available in this version; everything else is refused, never ignored.
    [auth] AuthSettings {
        /// off, or token: callers show an expiring token that has a role.
        mode: AuthMode = AuthMode::Off,
    }

    /// What it tells about itself.
    [telemetry] TelemetrySettings {
        /// text for people, json for machines.
        log_format: LogFormat = LogFormat::Text,
        /// Which events are logged: a level, or levels for modules such as `info,raftsman::raft=debug`.
        log_filter: String = "info,openraft=warn".into(),
    }
}

impl Config {
    /// How a node is run with these settings; `host` names a node that has no name of its own.
    pub fn node_options(&self, host: &str) -> NodeOptions {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (node, raft, scheduler) = (&self.node, &self.raft, &self.scheduler);
        NodeOptions {
            name: given(&node.name).unwrap_or_else(|| host.to_owned()),
            data_dir: node.data_dir.clone(),
            listen_client: self.listen.client.to_string(),
            listen_peer: self.listen.peer.to_string(),
            advertise_peer: given(&node.advertise),
            advertise_client: given(&node.advertise_client),
            join: node.join.clone(),
            raft: RaftConfig {
                heartbeat: raft.heartbeat,
                election_timeout_min: raft.election_timeout_min,
                election_timeout_max: raft.election_timeout_max,
                snapshot_timeout: raft.snapshot_timeout,
                snapshot_entries: raft.snapshot_entries,
                keep_entries: raft.keep_entries,
                hand_over: raft.hand_over,
                hand_over_step: raft.hand_over_step,
                promote_lag_max: raft.promote_lag_max,
            },
            flush: FlushPolicy {
                seal_bytes: self.storage.layer_bytes.as_usize(),
                seal_age: self.storage.layer_age.into(),
                flush_bytes: self.storage.flush_bytes.as_usize(),
            },
            stats_every: MINUTE.into(),
            lanes: LaneBytes {
                drain: self.limits.lane_drain_bytes.as_usize(),
                request: self.limits.lane_request_bytes.as_usize(),
                log: self.limits.lane_log_bytes.as_usize(),
            },
            sessions: SessionTimes {
                heartbeat: scheduler.session_heartbeat.into(),
                stop_working_after: scheduler.stop_working_after.into(),
                reclaim_after: scheduler.reclaim_after.into(),
                terminate_grace: scheduler.terminate_grace.into(),
            },
            disk_free_min_percent: self.limits.disk_free_min_percent,
            alarms: alarms::options(self),
            connections: ConnectionLimits {
                max: usize::try_from(self.listen.connections_max).unwrap_or(usize::MAX),
                head_within: self.listen.head_timeout.into(),
            },
            drain: scheduler.drain_timeout.into(),
        }
    }
}

fn read_one<S: Setting>(
    given: &BTreeMap<String, Value>,
    key: &'static str,
    setting: &mut S,
    wrong: &mut Vec<FieldError>,
) {
    match given.get(key).map(|value| S::read(&value.kind)) {
        None => {}
        Some(Ok(read)) => *setting = read,
        Some(Err(problem)) => wrong.push(FieldError::new(key, problem)),
    }
}

/// Why a node cannot be configured so.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{path}: {problem}")]
    Toml { path: String, problem: String },
    #[error("the layers do not merge: {0}")]
    Merge(String),
    #[error("{}", Violation::list(.0))]
    Wrong(Vec<Violation>),
}

/// One setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Such as `raft.heartbeat`.
    pub key: String,
    /// A lower-case fragment that says what is wrong and what would be right.
    pub problem: String,
    /// Where the value came from.
    pub origin: String,
}

impl Violation {
    fn list(violations: &[Violation]) -> String {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.key, self.problem, self.origin)
    }
}

/// A configuration that holds together, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    origins: BTreeMap<String, String>,
}

/// One line of `config show --effective`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    pub key: &'static str,
    /// As it stands in the file.
    pub value: String,
    /// `default`, `FILE:LINE`, `environment NAME` or `flag NAME`.
    pub origin: String,
}

const DEFAULT: &str = "default";

impl Loaded {
    /// Every setting in the order of the reference.
    pub fn effective(&self) -> Vec<Effective> {
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or_else(|| DEFAULT.into());
        let values = self.config.values().into_iter();
        values.map(|(key, value)| Effective { key, value, origin: origin(key) }).collect()
    }
}

/// Layers, reads and checks.
///
/// # Errors
/// If the file cannot be read, or with everything that is wrong at once.
pub fn load(layers: &Layers) -> Result<Loaded, ConfigError> {
    resolve(layers.given()?)
}

fn resolve(given: Vec<Vec<Given>>) -> Result<Loaded, ConfigError> {
    let mut wrong = Vec::new();
    for unknown in given.iter().flatten().filter(|given| !is_known(&given.key)) {
        let problem = what_is_known(&unknown.key);
        wrong.push(Violation { key: unknown.key.clone(), problem, origin: origin(&unknown.value) });
    }
    let known =
        given.into_iter().map(|layer| layer.into_iter().filter(|given| is_known(&given.key)).collect());
    let merged = layers::merge(known.collect())?;
    let origins: BTreeMap<String, String> =
        merged.iter().map(|(key, value)| (key.clone(), origin(value))).collect();

    let mut unreadable = Vec::new();
    let config = Config::read(&merged, &mut unreadable);
    let readable = unreadable.is_empty();
    // Relations to a value that stands in for an unreadable one would only confuse.
    let unrelated = if readable { relations::check(&config).err().unwrap_or_default() } else { Vec::new() };
    wrong.extend(unreadable.into_iter().chain(unrelated).map(|wrong| {
        let origin = origins.get(wrong.field.as_ref()).cloned().unwrap_or_else(|| DEFAULT.into());
        Violation { key: wrong.field.into_owned(), problem: wrong.problem, origin }
    }));
    if wrong.is_empty() { Ok(Loaded { config, origins }) } else { Err(ConfigError::Wrong(wrong)) }
}

fn origin(value: &Value) -> String {
    value.origin().unwrap_or(DEFAULT).to_owned()
}

fn is_known(key: &str) -> bool {
    SECTIONS.iter().any(|section| {
        let name = key.strip_prefix(section.name).and_then(|rest| rest.strip_prefix('.'));
        name.is_some_and(|name| section.settings.iter().any(|setting| setting.name == name))
    })
}

/// An unknown key is told what its section has, an unknown section which ones there are.
fn what_is_known(key: &str) -> String {
    let section = key.split('.').next().unwrap_or_default();
    match SECTIONS.iter().find(|known| known.name == section) {
        Some(known) => {
            let names: Vec<&str> = known.settings.iter().map(|setting| setting.name).collect();
            format!("is not a setting; [{section}] has {}", names.join(", "))
        }
        None => {
            let names: Vec<String> = SECTIONS.iter().map(|known| format!("[{}]", known.name)).collect();
            format!("is not a setting; the sections are {}", names.join(" "))
        }
    }
}

#[cfg(test)]
mod tests;
