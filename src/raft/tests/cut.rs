//! A network that can be cut: a black hole, as a pulled cable makes it, not a refused connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::super::dial::{Dial, DialError, Dialing, Socket, TcpDial};
use crate::store::NodeId;

/// Who is cut off, and who is where.
#[derive(Debug)]
pub(super) struct Board {
    isolated: watch::Sender<BTreeSet<NodeId>>,
    places: Mutex<BTreeMap<String, NodeId>>,
}

impl Board {
    pub(super) fn new() -> Arc<Board> {
        Arc::new(Board { isolated: watch::channel(BTreeSet::new()).0, places: Mutex::default() })
    }

    pub(super) fn place(&self, address: &str, node: NodeId) {
        self.places.lock().insert(address.to_owned(), node);
    }

    pub(super) fn isolate(&self, node: NodeId) {
        self.isolated.send_if_modified(|isolated| isolated.insert(node));
    }

    pub(super) fn heal(&self) {
        self.isolated.send_modify(BTreeSet::clear);
    }

    fn is_cut(&self, ends: [NodeId; 2]) -> bool {
        let isolated = self.isolated.borrow();
        ends.iter().any(|end| isolated.contains(end))
    }
}

/// One node's way out.
#[derive(Clone, Debug)]
pub(super) struct CutDial {
    pub(super) from: NodeId,
    pub(super) board: Arc<Board>,
}

impl Dial for CutDial {
    fn dial(&self, address: &str) -> Dialing {
        let to = self.board.places.lock().get(address).copied();
        let (this, address) = (self.clone(), address.to_owned());
        Box::pin(async move {
            let to = to.ok_or_else(|| DialError::Refused(address.clone()))?;
            let ends = [this.from, to];
            if this.board.is_cut(ends) {
                let within = std::time::Duration::from_secs(1);
                tokio::time::sleep(within).await;
                return Err(DialError::Timeout { address, within });
            }
            let socket = TcpDial.dial(&address).await?;
            Ok(Box::new(Cable { socket, ends, board: this.board, heals: None }) as Box<dyn Socket>)
        })
    }
}

/// While it is cut nothing arrives and what is sent is lost; once healed it breaks, since bytes are missing.
struct Cable {
    socket: Box<dyn Socket>,
    ends: [NodeId; 2],
    board: Arc<Board>,
    heals: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cable").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Cable {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Option<Poll<io::Result<()>>> {
        if self.heals.is_none() && self.board.is_cut(self.ends) {
            let (mut isolated, ends) = (self.board.isolated.subscribe(), self.ends);
            self.heals = Some(Box::pin(async move {
                let healed = |isolated: &BTreeSet<NodeId>| ends.iter().all(|end| !isolated.contains(end));
                drop(isolated.wait_for(healed).await);
            }));
        }
        let heals = self.heals.as_mut()?;
        Some(heals.as_mut().poll(context).map(|()| Err(io::ErrorKind::ConnectionReset.into())))
    }
}

impl AsyncRead for Cable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.poll_cut(context) {
            Some(cut) => cut,
            None => Pin::new(&mut self.socket).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Cable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.poll_cut(context) {
            Some(Poll::Pending) => Poll::Ready(Ok(bytes.len())),
            Some(Poll::Ready(healed)) => Poll::Ready(healed.map(|()| 0)),
            None => Pin::new(&mut self.socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
