//! The TaskTracker of the SDK: it holds one session with the cluster, takes what it has free slots for, runs it and
//! reports what became of it.
//!
//! ```no_run
//! # #[derive(serde::Serialize, serde::Deserialize)] struct ShipOrder { order_id: u64 }
//! # impl raftsman::Payload for ShipOrder { const KIND: &'static str = "order.ship"; }
//! use raftsman::{JobContext, JobResult, TaskTracker};
//!
//! async fn ship(context: JobContext, order: ShipOrder) -> JobResult<String> {
//!     context.biz_logger().info(format_args!("order {} with fence {}", order.order_id, context.fencing_token()));
//!     Ok("tracking-number".into())
//! }
//! # async fn example() -> Result<(), raftsman::tasktracker::TaskTrackerError> {
//! TaskTracker::builder("order_trackers").concurrency(64).register(ship).run_until(raftsman::shutdown_signal()).await
//! # }
//! ```
//!
//! Inside: `session` decides (pure), `run` is the loop, `pool` runs user code, `stream` is the wire, `journal` gathers
//! what user code says. Execution is at least once: what user code does outside is its own to fence.

mod context;
mod endpoint;
mod gate;
mod handle;
#[cfg(feature = "cli")]
mod http;
mod journal;
mod kept;
mod pool;
mod run;
mod runner;
mod session;
#[cfg(feature = "cli")]
mod shell;
mod stream;
pub mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use context::{JobContext, StopCause};
pub use gate::Thresholds;
pub use handle::{HandleError, RunningJob, TaskTrackerHandle, TaskTrackerState};
#[cfg(feature = "cli")]
pub use http::HttpRunner;
pub use journal::BizLogger;
pub use runner::{JobError, JobResult, JobRunner, RawRun, RawRunner};
#[cfg(feature = "cli")]
pub use shell::{ExitCodes, ShellRunner};

use crate::domain::limits::CAPACITY_MAX;
use crate::domain::{BizLogLevel, Clock, FieldError, Identity, Kind, NodeGroup, SystemClock};
use crate::link::{self, FailStore, FailStoreError, Leader, Link, identity};
use crate::process::Probe;
use crate::wire::{Payload, Reason};
use gate::Gate;
use journal::Journal;
use pool::{RunnerPool, Runners};
use runner::Typed;
use session::Me;

/// How long a draining TaskTracker lets its executions run: just under the 30 s that Kubernetes gives.
const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);
/// Executions at a time, unless told.
const CONCURRENCY_DEFAULT: u32 = 16;
/// The most executions at a time: what the cluster takes as a TaskTracker's capacity.
pub const CONCURRENCY_MAX: u32 = CAPACITY_MAX;
/// What the FailStore holds at most.
const FAILSTORE_BYTES_MAX: usize = 256 << 20;

/// Why a TaskTracker could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum TaskTrackerError {
    /// What the builder was told is wrong.
    #[error("{0}")]
    Config(#[from] FieldError),
    #[error("cannot use the failstore: {0}")]
    FailStore(#[from] FailStoreError),
    /// The HTTP endpoint's port is taken, or is not this host's.
    #[error("cannot serve http at {address}: {error}")]
    Http { address: std::net::SocketAddr, error: std::io::Error },
    /// The cluster does not want it, for a reason that waiting does not change.
    #[error("refused by the cluster: {message}")]
    Refused { reason: Option<Reason>, message: String },
}

/// Where a TaskTracker begins: [`TaskTracker::builder`].
#[derive(Debug)]
pub struct TaskTracker;

impl TaskTracker {
    /// A TaskTracker that runs the jobs of `node_group`.
    pub fn builder(node_group: impl Into<String>) -> TaskTrackerBuilder {
        let (orders_sender, orders) = mpsc::channel(handle::ORDERS_MAX);
        TaskTrackerBuilder {
            node_group: node_group.into(),
            addresses: None,
            identity: None,
            data_dir: None,
            concurrency: CONCURRENCY_DEFAULT,
            runners: Runners::default(),
            drain_timeout: DRAIN_TIMEOUT_DEFAULT,
            hooks: Hooks::default(),
            thresholds: Thresholds::default(),
            biz_log_level: BizLogLevel::Info,
            machine: None,
            http: None,
            handle: TaskTrackerHandle(orders_sender),
            orders,
        }
    }
}

type AvailableHook = Box<dyn Fn(&Leader) + Send + Sync>;
type UnavailableHook = Box<dyn Fn() + Send + Sync>;

/// What is called when a leader comes or goes.
#[derive(Default)]
struct Hooks {
    available: Option<AvailableHook>,
    unavailable: Option<UnavailableHook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl Hooks {
    fn available(&self, leader: &Leader) {
        tracing::info!(leader = %leader.address, term = leader.term, "available");
        if let Some(hook) = &self.available {
            hook(leader);
        }
    }

    fn unavailable(&self) {
        tracing::warn!("unavailable: no leader is known");
        if let Some(hook) = &self.unavailable {
            hook();
        }
    }
}

/// Says how a TaskTracker is to be, then runs it.
#[must_use = "nothing runs before run_until"]
pub struct TaskTrackerBuilder {
    node_group: String,
    addresses: Option<String>,
    identity: Option<String>,
    data_dir: Option<PathBuf>,
    concurrency: u32,
    runners: Runners,
    drain_timeout: Duration,
    hooks: Hooks,
    thresholds: Thresholds,
    biz_log_level: BizLogLevel,
    /// What stands for the machine, in tests.
    machine: Option<run::MachineLook>,
    http: Option<String>,
    handle: TaskTrackerHandle,
    orders: mpsc::Receiver<handle::Order>,
}

impl fmt::Debug for TaskTrackerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskTrackerBuilder")
            .field("node_group", &self.node_group)
            .field("identity", &self.identity)
            .field("runners", &self.runners)
            .finish_non_exhaustive()
    }
}

impl TaskTrackerBuilder {
    /// `host:port` of some JobTrackers, with commas between; else RAFTSMAN_ADDR, else `127.0.0.1:5870`.
    pub fn addresses(mut self, list: impl Into<String>) -> TaskTrackerBuilder {
        self.addresses = Some(list.into());
        self
    }

    /// The stable name, 1 to 64 printable characters. Else the one that the data directory keeps, else one that is
    /// made of the host's name and chance.
    pub fn identity(mut self, identity: impl Into<String>) -> TaskTrackerBuilder {
        self.identity = Some(identity.into());
        self
    }

    /// Where the FailStore is. Without one, results that are not acknowledged are lost with the process, and their
    /// executions are reclaimed and run again.
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> TaskTrackerBuilder {
        self.data_dir = Some(directory.into());
        self
    }

    /// How many executions run at a time: 1 to 4,096.
    pub fn concurrency(mut self, executions: u32) -> TaskTrackerBuilder {
        self.concurrency = executions;
        self
    }

    /// Runs payloads of type `P`. Types are inferred for runners and for async functions.
    ///
    /// # Panics
    /// If the kind of `P` is registered already or is not 1 to 64 printable characters.
    pub fn register<P: Payload, R: JobRunner<P>>(self, runner: R) -> TaskTrackerBuilder {
        self.register_raw(P::KIND, Typed::<P, R>::new(runner))
    }

    /// Runs payloads of one kind as bytes.
    ///
    /// # Panics
    /// If the kind is registered already or is not 1 to 64 printable characters.
    pub fn register_raw(mut self, kind: impl Into<String>, runner: impl RawRunner) -> TaskTrackerBuilder {
        let kind = kind.into();
        if let Err(wrong) = Kind::new(&kind) {
            panic!("cannot register {kind:?}: {wrong}");
        }
        let before = self.runners.by_kind.insert(kind.clone(), Arc::new(runner));
        assert!(before.is_none(), "two runners are registered for kind {kind:?}");
        self
    }

    /// Runs payloads of all kinds that have no runner of their own.
    pub fn register_any(mut self, runner: impl RawRunner) -> TaskTrackerBuilder {
        self.runners.any = Some(Arc::new(runner));
        self
    }

    /// How long executions may run on after the shutdown; then they are interrupted and given back.
    pub fn drain_timeout(mut self, timeout: Duration) -> TaskTrackerBuilder {
        self.drain_timeout = timeout;
        self
    }

    /// What user code says below this level does not go into the job log; INFO unless told.
    pub fn biz_log_level(mut self, level: BizLogLevel) -> TaskTrackerBuilder {
        self.biz_log_level = level;
        self
    }

    /// Takes nothing new while the machine is busier than this: LTS's machine resource check. What runs goes on.
    pub fn thresholds(mut self, thresholds: Thresholds) -> TaskTrackerBuilder {
        self.thresholds = thresholds;
        self
    }

    /// Serves `/status`, `/info`, `/jobs`, `/metrics` and LTS's commands at `PORT`, which is on loopback, or at
    /// `ADDRESS:PORT`. Whoever reaches it may terminate jobs. docs/http-commands.md has all of it.
    pub fn http(mut self, address: impl Into<String>) -> TaskTrackerBuilder {
        self.http = Some(address.into());
        self
    }

    /// Steers it while it runs.
    pub fn handle(&self) -> TaskTrackerHandle {
        self.handle.clone()
    }

    /// Called when a leader was found, and when another one leads. It must not block.
    pub fn on_available(mut self, hook: impl Fn(&Leader) + Send + Sync + 'static) -> TaskTrackerBuilder {
        self.hooks.available = Some(Box::new(hook));
        self
    }

    /// Called when no leader is known any more. It must not block.
    pub fn on_unavailable(mut self, hook: impl Fn() + Send + Sync + 'static) -> TaskTrackerBuilder {
        self.hooks.unavailable = Some(Box::new(hook));
        self
    }

    /// Runs until `shutdown` is ready, then takes nothing new, finishes, reports and leaves.
    ///
    /// # Errors
    /// If the configuration is wrong, the FailStore cannot be used, or the cluster refuses this TaskTracker for good.
    /// A cluster that cannot be reached is no error: it is waited for.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), TaskTrackerError> {
        let http = self.http.take().map(|address| endpoint::address(&address)).transpose()?;
        let handle = self.handle.clone();
        let parts = self.build()?;
        let over = CancellationToken::new();
        let _ends_with_this = over.clone().drop_guard();
        if let Some(address) = http {
            let taken = |error| TaskTrackerError::Http { address, error };
            let listener = tokio::net::TcpListener::bind(address).await.map_err(taken)?;
            tracing::info!(address = %listener.local_addr().map_err(taken)?, "http endpoint");
            let probe = Arc::new(Probe::new(Arc::new(SystemClock)));
            tokio::spawn(endpoint::serve(listener, handle, probe, parts.me.identity.clone(), over));
        }
        run::run(parts, shutdown).await
    }

    fn build(self) -> Result<run::Parts, TaskTrackerError> {
        let node_group = NodeGroup::new(&self.node_group)?;
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            let problem = format!("is {}; 1 to {CONCURRENCY_MAX}", self.concurrency);
            return Err(FieldError::new("concurrency", problem).into());
        }
        if self.runners.by_kind.is_empty() && self.runners.any.is_none() {
            return Err(FieldError::new("runners", "are missing; register at least one").into());
        }
        self.thresholds.check()?;
        let addresses = link::addresses(self.addresses.as_deref())?;
        let host = crate::process::host();
        let identity = chosen_identity(self.identity, self.data_dir.as_ref(), &host)?;
        let store = match &self.data_dir {
            Some(directory) => FailStore::open(directory, FAILSTORE_BYTES_MAX)?,
            None => FailStore::in_memory(FAILSTORE_BYTES_MAX),
        };
        let seed = fastrand::u64(..);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let journal = Arc::new(Journal::new(Arc::clone(&clock), self.biz_log_level));
        let slots = usize::try_from(self.concurrency).expect("at most 4,096");
        let (ends_sender, ends) = mpsc::channel(slots);
        let me = Me {
            node_group: node_group.as_str().into(),
            identity: identity.as_str().into(),
            start_number: fastrand::u64(1..),
            capacity: self.concurrency,
            kinds: self.runners.kinds(),
            host,
        };
        let pool = RunnerPool::new(self.runners, Arc::clone(&journal), Arc::clone(&clock), ends_sender);
        let link = Link::open(addresses, seed);
        let (hooks, drain_timeout) = (self.hooks, self.drain_timeout);
        let (orders, gate) = (self.orders, gate_of(self.thresholds, self.machine));
        Ok(run::Parts {
            me,
            link,
            store,
            journal,
            pool,
            ends,
            hooks,
            drain_timeout,
            seed,
            orders,
            gate,
            clock,
        })
    }
}

fn gate_of(thresholds: Thresholds, machine: Option<run::MachineLook>) -> Option<(Gate, run::MachineLook)> {
    if thresholds.are_none() {
        return None;
    }
    let look = machine.unwrap_or_else(|| {
        let probe = Probe::new(Arc::new(SystemClock));
        Box::new(move || probe.look().machine)
    });
    Some((Gate::new(thresholds), look))
}

fn chosen_identity(
    given: Option<String>,
    data_dir: Option<&PathBuf>,
    host: &str,
) -> Result<Identity, TaskTrackerError> {
    if let Some(given) = given {
        return Ok(Identity::new(given)?);
    }
    let fresh = || {
        let host: String = host.chars().filter(|c| !c.is_control()).take(40).collect();
        Identity::new(format!("{host}-{:08x}", fastrand::u32(..))).expect("at most 49 printable characters")
    };
    match data_dir {
        Some(directory) => Ok(identity(directory, fresh)?),
        None => Ok(fresh()),
    }
}

/// Ready at the first SIGTERM or Ctrl-C.
///
/// # Panics
/// If the signals cannot be listened to, which the system only refuses when it is out of memory.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened to");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
