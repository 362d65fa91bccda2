//! The network between the JobTrackers: connections as TCP makes them, under tonic as it ships.
//!
//! Bytes of one direction keep their order, those of different connections do not. What a lossy link drops is sent again
//! and comes late, and so does all behind it; what a cut link holds comes when it heals, if both ends still wait for it.
//! A process that dies closes its connections; a host without power says nothing any more.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::super::rng::Rng;
use super::super::tracker::Ms;
use super::trace::Trace;
use crate::raft::{Dial, DialError, Dialing, Socket};
use crate::store::mem_disk::Crash;

/// As TCP's connector waits.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Bytes that may be under way in one direction.
const UNDER_WAY_MAX: usize = 1 << 20;
/// A segment that was lost, or met a cut, is sent again after this.
const SENT_AGAIN: Ms = 200;

/// One direction between two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) cut: bool,
    pub(super) delay: (Ms, Ms),
    pub(super) loss_percent: u64,
}

impl Way {
    pub(super) const GOOD: Way = Way { cut: false, delay: (1, 2), loss_percent: 0 };
}

#[derive(Debug)]
enum Packet {
    Open,
    Opened,
    Refused,
    Data(Bytes),
    Close,
}

/// One end of a connection.
#[derive(Debug, Default)]
struct End {
    host: usize,
    inbox: BytesMut,
    /// On their way to this end, in order.
    coming: VecDeque<Packet>,
    under_way: usize,
    arrives_at: Ms,
    opened: bool,
    refused: bool,
    /// The other end says nothing any more.
    ended: bool,
    /// Nobody is here any more.
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl End {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

#[derive(Debug)]
struct Listener {
    host: usize,
    waiting: VecDeque<u64>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct State {
    now: Ms,
    rng: Rng,
    ways: Vec<Vec<Way>>,
    powered: Vec<bool>,
    queue: BTreeMap<(Ms, u64), (u64, usize)>,
    sequence: u64,
    connections: BTreeMap<u64, [End; 2]>,
    next: u64,
    listeners: BTreeMap<String, Listener>,
    trace: Trace,
}

/// See the module. Clones are the same network.
#[derive(Clone, Debug)]
pub(super) struct Net(Arc<Mutex<State>>);

impl Net {
    pub(super) fn new(hosts: usize, seed: u64, trace: Trace) -> Net {
        Net(Arc::new(Mutex::new(State {
            now: 0,
            rng: Rng::new(seed),
            ways: vec![vec![Way::GOOD; hosts]; hosts],
            powered: vec![true; hosts],
            queue: BTreeMap::new(),
            sequence: 0,
            connections: BTreeMap::new(),
            next: 1,
            listeners: BTreeMap::new(),
            trace,
        })))
    }

    pub(super) fn set_way(&self, from: usize, to: usize, way: Way) {
        self.0.lock().ways[from][to] = way;
    }

    pub(super) fn way(&self, from: usize, to: usize) -> Way {
        self.0.lock().ways[from][to]
    }

    /// Everything that arrives until `now`.
    pub(super) fn deliver(&self, now: Ms) {
        let mut state = self.0.lock();
        state.now = now;
        while let Some(next) = state.queue.first_entry().filter(|next| next.key().0 <= now) {
            let (connection, side) = next.remove();
            state.arrive(connection, side);
        }
    }

    /// A process listens on its host's address.
    pub(super) fn listen(&self, host: usize, address: &str) -> Incoming {
        let listener = Listener { host, waiting: VecDeque::new(), waker: None };
        let mut state = self.0.lock();
        state.powered[host] = true;
        state.listeners.insert(address.to_owned(), listener);
        Incoming { net: self.clone(), address: address.to_owned() }
    }

    /// The process on a host has ended.
    pub(super) fn down(&self, host: usize, how: Crash) {
        let mut state = self.0.lock();
        state.listeners.retain(|_, listener| listener.host != host);
        state.powered[host] = how == Crash::Killed;
        let ours: Vec<(u64, usize)> = (state.connections.iter())
            .flat_map(|(id, ends)| (0..2).filter(|side| ends[*side].host == host).map(|side| (*id, side)))
            .collect();
        for (id, side) in ours {
            state.leave(id, side, how == Crash::Killed);
        }
    }

    pub(super) fn dialer(&self, host: usize) -> Arc<dyn Dial> {
        Arc::new(Dialer { net: self.clone(), host })
    }
}

impl State {
    fn send(&mut self, connection: u64, to: usize, packet: Packet) {
        let Some(ends) = self.connections.get_mut(&connection) else { return };
        let way = self.ways[ends[1 - to].host][ends[to].host];
        let lost = self.rng.percent(way.loss_percent);
        let delay = self.rng.between(way.delay.0, way.delay.1) + if lost { SENT_AGAIN } else { 0 };
        let end = &mut ends[to];
        end.arrives_at = end.arrives_at.max(self.now + delay);
        end.coming.push_back(packet);
        let at = end.arrives_at;
        self.schedule(at, connection, to);
    }

    fn schedule(&mut self, at: Ms, connection: u64, to: usize) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), (connection, to));
    }

    fn arrive(&mut self, connection: u64, to: usize) {
        let Some(ends) = self.connections.get_mut(&connection) else { return };
        let (from_host, host) = (ends[1 - to].host, ends[to].host);
        if self.ways[from_host][host].cut {
            let at = self.now + SENT_AGAIN;
            return self.schedule(at, connection, to);
        }
        let Some(packet) = ends[to].coming.pop_front() else { return };
        if !self.powered[host] {
            return;
        }
        self.trace.note("net", &[self.now, connection, to as u64, packet_number(&packet)]);
        match packet {
            Packet::Open => self.accept(connection, host),
            Packet::Opened => ends[to].opened = true,
            Packet::Refused => ends[to].refused = true,
            Packet::Close => ends[to].ended = true,
            Packet::Data(bytes) => {
                ends[to].under_way -= bytes.len();
                if ends[to].gone {
                    // As a reset: there is nobody to read it.
                    return self.send(connection, 1 - to, Packet::Close);
                }
                ends[to].inbox.extend_from_slice(&bytes);
            }
        }
        if let Some(ends) = self.connections.get_mut(&connection) {
            ends.iter_mut().for_each(End::wake);
        }
    }

    fn accept(&mut self, connection: u64, host: usize) {
        let listener = self.listeners.values_mut().find(|listener| listener.host == host);
        match listener {
            Some(listener) => {
                listener.waiting.push_back(connection);
                listener.waker.take().into_iter().for_each(Waker::wake);
                self.send(connection, 0, Packet::Opened);
            }
            None => self.send(connection, 0, Packet::Refused),
        }
    }

    /// Nobody reads or writes on this side any more.
    fn leave(&mut self, connection: u64, side: usize, says_so: bool) {
        let Some(ends) = self.connections.get_mut(&connection) else { return };
        if ends[side].gone {
            return;
        }
        ends[side].gone = true;
        ends[side].reader = None;
        ends[side].writer = None;
        if ends[1 - side].gone {
            self.connections.remove(&connection);
        } else if says_so {
            self.send(connection, 1 - side, Packet::Close);
        }
    }
}

fn packet_number(packet: &Packet) -> u64 {
    match packet {
        Packet::Open => 0,
        Packet::Opened => 1,
        Packet::Refused => 2,
        Packet::Data(_) => 3,
        Packet::Close => 4,
    }
}

#[derive(Debug)]
struct Dialer {
    net: Net,
    host: usize,
}

impl Dial for Dialer {
    fn dial(&self, address: &str) -> Dialing {
        let (net, host, address) = (self.net.clone(), self.host, address.to_owned());
        Box::pin(async move {
            let Some(to) = host_of(&address) else {
                return Err(DialError::Failed { address, reason: "no such host".into() });
            };
            let connecting = Stub { net: net.clone(), connection: net.open(host, to), side: 0 };
            match tokio::time::timeout(CONNECT_WITHIN, connecting.opened()).await {
                Err(_) => Err(DialError::Timeout { address, within: CONNECT_WITHIN }),
                Ok(false) => Err(DialError::Refused(address)),
                Ok(true) => Ok(Box::new(connecting) as Box<dyn Socket>),
            }
        })
    }
}

/// Hosts have addresses like `10.0.0.1:5871`, the first one host 0.
pub(super) fn address_of(host: usize) -> String {
    format!("10.0.0.{}:5871", host + 1)
}

fn host_of(address: &str) -> Option<usize> {
    let host = address.strip_prefix("10.0.0.")?.strip_suffix(":5871")?;
    host.parse::<usize>().ok()?.checked_sub(1)
}

impl Net {
    fn open(&self, from: usize, to: usize) -> u64 {
        let mut state = self.0.lock();
        let id = state.next;
        state.next += 1;
        let end = |host| End { host, ..End::default() };
        state.connections.insert(id, [end(from), end(to)]);
        state.send(id, 1, Packet::Open);
        id
    }
}

/// One end of a connection, for whoever reads and writes it.
#[derive(Debug)]
pub(super) struct Stub {
    net: Net,
    connection: u64,
    side: usize,
}

impl Stub {
    /// Whether anybody listens there.
    async fn opened(&self) -> bool {
        std::future::poll_fn(|context| {
            let mut state = self.net.0.lock();
            let Some(ends) = state.connections.get_mut(&self.connection) else { return Poll::Ready(false) };
            let end = &mut ends[self.side];
            match (end.opened, end.refused || end.ended) {
                (_, true) => Poll::Ready(false),
                (true, false) => Poll::Ready(true),
                (false, false) => {
                    end.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.net.0.lock().leave(self.connection, self.side, true);
    }
}

impl Connected for Stub {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Stub {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.net.0.lock();
        let Some(ends) = state.connections.get_mut(&self.connection) else { return Poll::Ready(Ok(())) };
        let end = &mut ends[self.side];
        if end.inbox.is_empty() && !end.ended {
            end.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = end.inbox.len().min(buffer.remaining());
        buffer.put_slice(&end.inbox[..length]);
        end.inbox.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stub {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.net.0.lock();
        let other = 1 - self.side;
        let Some(ends) = state.connections.get_mut(&self.connection) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if ends[self.side].ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if ends[other].under_way >= UNDER_WAY_MAX {
            ends[self.side].writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        ends[other].under_way += bytes.len();
        state.send(self.connection, other, Packet::Data(Bytes::copy_from_slice(bytes)));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.net.0.lock();
        state.send(self.connection, 1 - self.side, Packet::Close);
        Poll::Ready(Ok(()))
    }
}

/// Connections as they come in.
#[derive(Debug)]
pub(super) struct Incoming {
    net: Net,
    address: String,
}

impl Stream for Incoming {
    type Item = io::Result<Stub>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Stub>>> {
        let mut state = self.net.0.lock();
        let Some(listener) = state.listeners.get_mut(&self.address) else { return Poll::Ready(None) };
        match listener.waiting.pop_front() {
            Some(connection) => Poll::Ready(Some(Ok(Stub { net: self.net.clone(), connection, side: 1 }))),
            None => {
                listener.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
