//! The connections of the client port: no more than so many, and none that says nothing.
//!
//! A place is taken before a connection is accepted; who comes while there is none waits in the listener's queue. When the
//! process has no file descriptor left the listener rests instead of trying again at once. A connection that has not sent
//! a complete head of a request, or HTTP/2's preface, in time is closed; later on HTTP/2's own pings look after it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long the listener rests when the system has nothing left to accept a connection with.
const REST: Duration = Duration::from_millis(100);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Connections as they come, within the limits. It never ends and gives no error, since either would end the server.
pub(super) fn accept(
    listener: TcpListener,
    places: Arc<Semaphore>,
    head_within: Duration,
) -> impl Stream<Item = io::Result<Connection>> {
    unfold((listener, places), move |(listener, places)| async move {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let tcp = next(&listener).await;
        // tonic ignores its own nodelay for listeners that it did not bind: 43 ms for each small answer.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone already");
        }
        let head = Some(Head { seen: Seen::default(), until: Box::pin(tokio::time::sleep(head_within)) });
        Some((Ok(Connection { tcp, head, _place: place }), (listener, places)))
    })
}

async fn next(listener: &TcpListener) -> TcpStream {
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => return tcp,
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                if !told {
                    tracing::warn!(%error, "no connection can be accepted; see open_files in docs/alarms.md");
                    told = true;
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Whether only this one connection failed, before it was accepted.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A client's connection, which has a place.
#[derive(Debug)]
pub(super) struct Connection {
    tcp: TcpStream,
    /// None once the head was read.
    head: Option<Head>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Head {
    seen: Seen,
    until: Pin<Box<Sleep>>,
}

/// What was read of a connection so far.
#[derive(Debug, Default)]
struct Seen {
    bytes: usize,
    /// Whether all of it is how HTTP/2 begins.
    preface: bool,
    /// How many bytes of the end of a head came last.
    matched: usize,
}

impl Seen {
    /// Whether the head, or the preface, is complete with these bytes.
    fn read(&mut self, bytes: &[u8]) -> bool {
        if self.bytes == 0 {
            self.preface = true;
        }
        for byte in bytes {
            self.preface &= PREFACE.get(self.bytes) == Some(byte);
            self.bytes += 1;
            if self.preface {
                if self.bytes == PREFACE.len() {
                    return true;
                }
                continue;
            }
            self.matched = match () {
                () if *byte == END_OF_HEAD[self.matched] => self.matched + 1,
                () if *byte == END_OF_HEAD[0] => 1,
                () => 0,
            };
            if self.matched == END_OF_HEAD.len() {
                return true;
            }
        }
        false
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut connection.tcp).poll_read(context, buffer) else {
            if let Some(head) = &mut connection.head {
                ready!(head.until.as_mut().poll(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            return Poll::Pending;
        };
        if let Some(head) = &mut connection.head {
            if head.seen.read(&buffer.filled()[before..]) {
                connection.head = None;
            } else if head.until.as_mut().poll(context).is_ready() {
                // A byte now and then is no head either.
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.tcp.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete_after(bytes: &[u8], piece: usize) -> Option<usize> {
        let mut seen = Seen::default();
        bytes.chunks(piece).position(|chunk| seen.read(chunk)).map(|chunks| (chunks + 1) * piece)
    }

    #[test]
    fn a_head_is_complete_with_its_empty_line_and_a_preface_with_its_last_byte() {
        let request = b"GET /livez HTTP/1.1\r\nhost: n1\r\n\r\n";
        assert_eq!(complete_after(request, 1), Some(request.len()));
        assert_eq!(complete_after(request, request.len()), Some(request.len()));
        assert_eq!(complete_after(&request[..request.len() - 1], 1), None);
        assert_eq!(complete_after(PREFACE, 1), Some(PREFACE.len()));
        assert_eq!(complete_after(&PREFACE[..PREFACE.len() - 1], 1), None, "its empty line is in the middle");
        assert_eq!(complete_after(b"PRI /x HTTP/1.1\r\n\r\n", 1), Some(19), "a request that begins like it");
        assert_eq!(complete_after(b"a\r\r\n\r\n", 1), Some(6));
        assert_eq!(complete_after(b"\r\n\r", 1), None);
    }

    #[test]
    fn a_connection_that_is_gone_is_no_reason_to_rest() {
        assert!(is_gone(&io::ErrorKind::ConnectionAborted.into()));
        let too_many_files = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(!is_gone(&too_many_files));
    }
}
