//! What a node is put into: a machine, or the simulation.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::domain::Clock;
#[cfg(feature = "server")]
use crate::domain::SystemClock;
use crate::process::Probe;
#[cfg(feature = "server")]
use crate::raft::TcpDial;
use crate::raft::{Dial, ForwardTarget, RaftNode};
#[cfg(feature = "server")]
use crate::store::fatal;
use crate::store::{OnFatal, StateOptions, Store, StoreError};

/// What a node is put into, besides its data directory: a machine, or the simulation.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    /// How it reaches the others.
    pub dial: Arc<dyn Dial>,
    pub open: OpenStore,
    /// Told why storage cannot go on; in production it does not return.
    pub on_fatal: OnFatal,
    /// Looks at the process; none where processes are only told of, as in the simulation.
    pub process: Option<Arc<Probe>>,
}

/// Opens the store in a data directory.
pub type OpenStore = Box<dyn FnOnce(&Path, StateOptions) -> Result<Store, StoreError> + Send>;

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("clock", &self.clock)
            .field("dial", &self.dial)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// This machine's clocks, TCP and RocksDB; a disk that fails ends the process.
    #[cfg(feature = "server")]
    pub(super) fn production() -> Surroundings {
        Surroundings {
            clock: Arc::new(SystemClock),
            dial: Arc::new(TcpDial),
            open: Box::new(Store::open),
            on_fatal: fatal::end_process(),
            process: Some(Arc::new(Probe::new(Arc::new(SystemClock)))),
        }
    }
}

/// What a node listens on.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub client: SocketAddr,
    pub peer: SocketAddr,
}

/// What the peer port serves: see [`server::serve`].
pub struct PeerPort {
    pub raft: RaftNode,
    pub target: Arc<dyn ForwardTarget>,
    pub stop: CancellationToken,
}

impl std::fmt::Debug for PeerPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerPort").field("raft", &self.raft).finish_non_exhaustive()
    }
}

/// The listener for clients, bound and not served yet.
#[derive(Debug)]
pub struct ClientPort(pub TcpListener);
