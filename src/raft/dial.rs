//! How a JobTracker reaches another: TCP, or what a test or the simulation puts in its place.
//!
//! A dialer gives a stream of bytes or says why not, within its time; whether nobody listened is kept, since that is the
//! proof of a process that is gone.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::codegen::{Service, http::Uri};

/// Longer means a host that does not answer, and a peer worth trying again later.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A two-way stream of bytes.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for T {}

pub type Dialing = Pin<Box<dyn Future<Output = Result<Box<dyn Socket>, DialError>> + Send>>;

/// Connects to `host:port`.
pub trait Dial: fmt::Debug + Send + Sync + 'static {
    fn dial(&self, address: &str) -> Dialing;
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The host answered that nobody listens there.
    #[error("{0} refused the connection")]
    Refused(String),
    #[error("{address} did not answer within {within:?}")]
    Timeout { address: String, within: Duration },
    #[error("connecting to {address} failed: {reason}")]
    Failed { address: String, reason: String },
}

impl DialError {
    pub fn from_io(address: &str, error: &io::Error) -> DialError {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => DialError::Refused(address.to_owned()),
            _ => DialError::Failed { address: address.to_owned(), reason: error.to_string() },
        }
    }
}

/// TCP without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, address: &str) -> Dialing {
        let address = address.to_owned();
        Box::pin(async move {
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&address));
            let connected = connecting
                .await
                .map_err(|_| DialError::Timeout { address: address.clone(), within: CONNECT_TIMEOUT })?;
            let socket = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
            match socket {
                Ok(socket) => Ok(Box::new(socket) as Box<dyn Socket>),
                Err(error) => Err(DialError::from_io(&address, &error)),
            }
        })
    }
}

/// A dialer and an address, as tonic wants them.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    dial: Arc<dyn Dial>,
    address: Arc<str>,
}

impl Connector {
    pub(super) fn new(dial: Arc<dyn Dial>, address: &str) -> Connector {
        Connector { dial, address: address.into() }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Socket>>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialing = self.dial.dial(&self.address);
        Box::pin(async move { dialing.await.map(TokioIo::new) })
    }
}
