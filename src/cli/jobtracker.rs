//! `raftsman jobtracker`: one node, until it is told to stop.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::failure::{Failure, Outcome};
use super::logging::{self, Style};
use crate::jobtracker::config::{Config, Flag, Layers, Loaded, LogFormat, load};
use crate::jobtracker::{JobTracker, NodeError, NodeOptions};
use crate::rpc;
use crate::tasktracker::shutdown_signal;

/// Read if it is there and no other file is named.
const FILE_DEFAULT: &str = "/etc/raftsman/raftsman.toml";

/// Run a JobTracker
///
/// Start each node of a new cluster with the same --join, then run `raftsman cluster init` once.
/// SIGTERM hands the leadership over and stops.
///
/// Examples:
///   raftsman jobtracker --config /etc/raftsman/raftsman.toml
///   raftsman jobtracker --node-name n1 --data-dir /tmp/n1 --join n1:5871,n2:5871,n3:5871
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
}

/// The layers of the configuration that the command line names.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Settings {
    /// The configuration file; else /etc/raftsman/raftsman.toml if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// node.name: its name, for people
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// node.data_dir: where the log and the state live
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// node.join: peer addresses of the first JobTrackers, the same list on each
    #[arg(long, value_name = "PEERS")]
    join: Option<String>,
    /// node.advertise: how the other JobTrackers reach this one
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// node.advertise_client: how clients and TaskTrackers reach this one
    #[arg(long, value_name = "HOST:PORT")]
    advertise_client: Option<String>,
    /// listen.client: where it listens for clients
    #[arg(long, value_name = "IP:PORT")]
    listen_client: Option<String>,
    /// listen.peer: where it listens for the other JobTrackers
    #[arg(long, value_name = "IP:PORT")]
    listen_peer: Option<String>,
    /// listen.insecure: listen beyond loopback without TLS and authentication
    #[arg(long)]
    insecure: bool,
    /// Any setting of docs/configuration.md; can be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give it as KEY=VALUE, such as raft.heartbeat=50ms")?;
    Ok((key.into(), value.into()))
}

impl Settings {
    /// The defaults, the file, the environment of this process, and these flags.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub(super) fn load(self) -> anyhow::Result<Loaded> {
        let exists = |path: &&str| Path::new(path).exists();
        let file = self.config.clone().or_else(|| Some(FILE_DEFAULT).filter(exists).map(PathBuf::from));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        load(&Layers { file, environment, flags: self.flags() }).context("the configuration is wrong")
    }

    fn flags(self) -> Vec<Flag> {
        let named = [
            ("--node-name", "node.name", self.node_name),
            ("--data-dir", "node.data_dir", self.data_dir),
            ("--join", "node.join", self.join),
            ("--advertise", "node.advertise", self.advertise),
            ("--advertise-client", "node.advertise_client", self.advertise_client),
            ("--listen-client", "listen.client", self.listen_client),
            ("--listen-peer", "listen.peer", self.listen_peer),
            ("--insecure", "listen.insecure", self.insecure.then(|| "true".into())),
        ];
        let flag = |name: &str, key: &str, value| Flag { name: name.into(), key: key.into(), value };
        let given = named.into_iter().filter_map(|(name, key, value)| Some(flag(name, key, value?)));
        let set = self.set.into_iter().map(|(key, value)| flag("--set", &key, value));
        given.chain(set).collect()
    }
}

impl Run {
    pub(super) async fn run(self) -> Outcome {
        let config = self.settings.load()?.config;
        let style = match config.telemetry.log_format {
            LogFormat::Text => Style::Text,
            LogFormat::Json => Style::Json,
        };
        logging::start(style, &config.telemetry.log_filter)?;
        warn_of_what_is_off(&config);
        let node = Running::start(config.node_options(&host_name())).await?;
        tracing::info!(
            name = node.tracker.name(), client = %node.tracker.client_addr(), peer = %node.tracker.peer_addr(), "started"
        );
        node.until(shutdown_signal()).await
    }
}

fn warn_of_what_is_off(config: &Config) {
    let listen = &config.listen;
    if [listen.client, listen.peer].iter().any(|address| !address.ip().is_loopback()) {
        tracing::warn!(
            "listening beyond loopback without TLS and authentication: whoever reaches it owns the cluster"
        );
    }
}

/// Files that a node needs besides its clients' connections: RocksDB's tables, logs, the other JobTrackers.
const FILES_BESIDES: u64 = 1_000;

/// As many files and connections as the system lets this process have; many start with 1,024 although they may have more.
fn raise_open_files(connections_max: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if files < connections_max.saturating_add(FILES_BESIDES) {
        tracing::warn!(
            files,
            connections_max,
            "fewer files may be open than listen.connections_max needs; raise the hard limit (LimitNOFILE) or lower the setting"
        );
    }
}

fn host_name() -> String {
    let name = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    if name.is_empty() { "jobtracker".into() } else { name }
}

/// A node and its client port.
pub(super) struct Running {
    pub(super) tracker: JobTracker,
    client_port: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    /// # Errors
    /// If a port is taken or the data directory cannot be used.
    pub(super) async fn start(options: NodeOptions) -> Result<Running, Failure> {
        raise_open_files(options.connections.max as u64);
        let data_dir = options.data_dir.clone();
        let (tracker, port) =
            JobTracker::start(options).await.map_err(|error| explained(error, &data_dir))?;
        let client_port = tokio::spawn(rpc::serve(tracker.clone(), port));
        Ok(Running { tracker, client_port })
    }

    /// Runs until `shutdown` is ready, then stops; a second signal ends the process at once.
    pub(super) async fn until(mut self, shutdown: impl Future<Output = ()>) -> Outcome {
        tokio::select! {
            () = shutdown => {}
            ended = &mut self.client_port => {
                let ended = ended.context("the client port panicked")?;
                return ended.context("the client port closed").map_err(Failure::from);
            }
        }
        tokio::select! {
            () = self.stop() => Ok(()),
            () = shutdown_signal() => Err(Failure::Interrupted),
        }
    }

    /// Hands the leadership over, finishes what is under way, closes the disk.
    pub(super) async fn stop(&self) {
        tracing::info!(name = self.tracker.name(), "stopping");
        self.tracker.shutdown().await;
    }
}

/// A start that failed, with what to do about it.
fn explained(error: NodeError, data_dir: &Path) -> Failure {
    let hint = match &error {
        NodeError::Listen { error, .. } if error.kind() == std::io::ErrorKind::AddrInUse => {
            "is another JobTracker running? choose other ports with --listen-client and --listen-peer"
                .to_owned()
        }
        NodeError::Listen { .. } => "see [listen] in docs/configuration.md".to_owned(),
        NodeError::Store(_) | NodeError::Storage(_) => {
            format!("the data directory is {}", data_dir.display())
        }
        NodeError::Start(_) => "see [raft] in docs/configuration.md".to_owned(),
    };
    Failure::Failed(anyhow::anyhow!("{error}; {hint}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn each_flag_gives_its_setting_and_says_so() {
        let line = "jobtracker --node-name n1 --data-dir /d --join a:1,b:2 --advertise a:1 --advertise-client a:3 \
                    --listen-client 127.0.0.1:0 --listen-peer 0.0.0.0:7 --insecure --set raft.heartbeat=50ms";
        let settings =
            Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}")).settings;
        let layers = Layers { flags: settings.flags(), ..Layers::default() };
        let loaded = load(&layers).unwrap();
        let changed = loaded.effective().into_iter().filter(|setting| setting.origin != "default");
        let lines: Vec<String> = changed
            .map(|setting| format!("{} = {} ({})", setting.key, setting.value, setting.origin))
            .collect();
        expect_test::expect![[r#"
            node.name = "n1" (flag --node-name)
            node.data_dir = "/d" (flag --data-dir)
            node.advertise = "a:1" (flag --advertise)
            node.advertise_client = "a:3" (flag --advertise-client)
            node.join = ["a:1", "b:2"] (flag --join)
            listen.client = "127.0.0.1:0" (flag --listen-client)
            listen.peer = "0.0.0.0:7" (flag --listen-peer)
            listen.insecure = true (flag --insecure)
            raft.heartbeat = "50ms" (flag --set)"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let directory = tempfile::tempdir().unwrap();
        let options = NodeOptions {
            listen_client: address.clone(),
            ..NodeOptions::on_loopback("n1", directory.path())
        };
        let failure = Running::start(options).await.err().expect("the port is taken");
        let message = failure.message();
        assert!(message.contains(&format!("cannot listen on {address}")), "{message}");
        assert!(message.contains("--listen-client"), "{message}");
        assert_eq!(failure.exit_code(), 1);
    }
}
