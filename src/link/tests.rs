//! A link against JobTrackers that only lead or do not lead.

use std::net::SocketAddr;

use tokio::net::TcpSocket;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::{Request, Response, Status};

use super::*;
use pb::leadership_service_server::{LeadershipService, LeadershipServiceServer};

/// What a fake JobTracker says about the leadership; a change is told to its subscribers.
#[derive(Clone, Debug)]
pub(crate) struct FakeLeadership(pub(crate) watch::Sender<pb::SubscribeResponse>, watch::Sender<u64>);

impl FakeLeadership {
    pub(crate) fn new() -> FakeLeadership {
        FakeLeadership(watch::Sender::new(pb::SubscribeResponse::default()), watch::Sender::new(0))
    }

    pub(crate) fn says(&self, leader: SocketAddr, term: u64) {
        let leader = pb::JobTrackerAddress { client_address: leader.to_string(), ..Default::default() };
        let leadership =
            pb::subscribe_response::Leadership::Available(pb::Available { leader: Some(leader), term });
        self.0.send_replace(pb::SubscribeResponse { leadership: Some(leadership), jobtrackers: Vec::new() });
    }
}

#[tonic::async_trait]
impl LeadershipService for FakeLeadership {
    type SubscribeStream = std::pin::Pin<
        Box<dyn tokio_stream::Stream<Item = Result<pb::SubscribeResponse, Status>> + Send + 'static>,
    >;
    async fn subscribe(
        &self,
        _: Request<pb::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.1.send_modify(|subscriptions| *subscriptions += 1);
        Ok(Response::new(Box::pin(WatchStream::new(self.0.subscribe()).map(Ok))))
    }
}

/// A server on a free port of the loopback with threads of its own, so that dropping it is like a kill.
#[derive(Debug)]
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    threads: Option<tokio::runtime::Runtime>,
}

impl FakeServer {
    pub(crate) async fn start(make: impl FnOnce(SocketAddr) -> Router + Send + 'static) -> FakeServer {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        FakeServer::start_on(socket, make).await
    }

    /// On a socket that is bound: until now nobody answered there.
    pub(crate) async fn start_on(
        socket: TcpSocket,
        make: impl FnOnce(SocketAddr) -> Router + Send + 'static,
    ) -> FakeServer {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let threads = builder.worker_threads(1).enable_all().build().expect("a thread more");
        let bound = threads.spawn(async move {
            let listener = socket.listen(1024).expect("it is bound");
            let address = listener.local_addr().expect("it is bound");
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            tokio::spawn(make(address).serve_with_incoming(incoming));
            address
        });
        FakeServer { address: bound.await.expect("it was bound"), threads: Some(threads) }
    }

    /// Keeps its connections open and reads nothing more from them, as a black hole does, until the returned one is
    /// dropped.
    fn freeze(&self) -> std::sync::mpsc::Sender<()> {
        let (thaw, frozen) = std::sync::mpsc::channel();
        let threads = self.threads.as_ref().expect("it runs until it is dropped");
        threads.spawn(async move { frozen.recv() });
        thaw
    }

    pub(crate) fn address(&self) -> Address {
        Address::parse(&self.address.to_string()).expect("a socket address is one")
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

struct FakeNode {
    server: FakeServer,
    leadership: FakeLeadership,
}

impl FakeNode {
    async fn start() -> FakeNode {
        let leadership = FakeLeadership::new();
        let service = LeadershipServiceServer::new(leadership.clone());
        let server =
            FakeServer::start(move |_| tonic::transport::Server::builder().add_service(service)).await;
        FakeNode { server, leadership }
    }

    fn address(&self) -> Address {
        self.server.address()
    }
}

async fn until(link: &Link, what: impl Fn(&View) -> bool) -> View {
    let mut view = link.watch();
    let found = tokio::time::timeout(Duration::from_secs(20), view.wait_for(|view| what(view))).await;
    found.expect("it happens within 20 s").expect("the link lives").clone()
}

fn leads(node: &FakeNode) -> impl Fn(&View) -> bool {
    let address = node.address();
    move |view| view.target.as_ref().is_some_and(|target| target.leads && target.address == address)
}

#[tokio::test]
async fn a_link_finds_the_leader_through_any_jobtracker_and_follows_the_highest_term() {
    let (n1, n2) = (FakeNode::start().await, FakeNode::start().await);
    n1.leadership.says(n2.server.address, 3);
    let link = Link::open([n1.address()], 1);
    until(&link, leads(&n2)).await;
    n2.leadership.says(n2.server.address, 3);
    n1.leadership.says(n1.server.address, 4);
    until(&link, leads(&n1)).await;
    n2.leadership.says(n2.server.address, 2);
    n2.leadership.says(n2.server.address, 5);
    assert_eq!(until(&link, leads(&n2)).await.leader.unwrap().term, 5);
}

#[tokio::test]
async fn a_leader_that_dies_is_left_at_once_and_used_again_when_another_tells_so() {
    let (n1, n2) = (FakeNode::start().await, FakeNode::start().await);
    n1.leadership.says(n2.server.address, 3);
    n2.leadership.says(n2.server.address, 3);
    let link = Link::open([n1.address(), n2.address()], 1);
    until(&link, leads(&n2)).await;
    drop(n2);
    let address = n1.address();
    let view =
        until(&link, |view| view.target.as_ref().is_some_and(|target| target.address == address)).await;
    assert!(!view.target.unwrap().leads, "it forwards until somebody leads");
    n1.leadership.says(n1.server.address, 4);
    until(&link, leads(&n1)).await;
}

#[tokio::test]
async fn a_connection_that_was_reported_broken_is_made_anew() {
    let n1 = FakeNode::start().await;
    n1.leadership.says(n1.server.address, 1);
    let link = Link::open([n1.address()], 1);
    let first = until(&link, leads(&n1)).await.target.unwrap();
    link.broken(&first);
    let second =
        until(&link, |view| view.target.as_ref().is_some_and(|target| !target.is_same(&first))).await;
    link.broken(&first);
    assert!(link.target().await.is_same(second.target.as_ref().unwrap()), "an old report breaks nothing new");
}

#[tokio::test]
async fn who_waits_on_a_black_hole_is_told_and_another_is_used() {
    let (n1, n2) = (FakeNode::start().await, FakeNode::start().await);
    n1.leadership.says(n1.server.address, 1);
    n2.leadership.says(n1.server.address, 1);
    let link = Link::open([n1.address(), n2.address()], 1);
    let target = until(&link, leads(&n1)).await.target.unwrap();
    let _thaw = n1.server.freeze();
    let waited = tokio::time::timeout(Duration::from_secs(60), target.hear(std::future::pending::<()>()));
    let lost = waited.await.expect("the silence is noticed").expect_err("nothing came");
    assert!(crate::wire::is_connection_lost(&lost), "{lost}");
    assert_eq!(link.target().await.address, n2.address());
}

#[tokio::test]
async fn a_jobtracker_that_answers_is_not_left_however_long_one_waits() {
    let n1 = FakeNode::start().await;
    n1.leadership.says(n1.server.address, 1);
    let link = Link::open([n1.address()], 1);
    let target = until(&link, leads(&n1)).await.target.unwrap();
    let mut asked = n1.leadership.1.subscribe();
    let twice = target.hear(asked.wait_for(|subscriptions| *subscriptions == 3));
    drop(twice.await.expect("the connection stays").expect("the node lives"));
    assert!(link.target().await.is_same(&target));
}

#[tokio::test]
async fn dropping_the_link_ends_its_connections() {
    let n1 = FakeNode::start().await;
    n1.leadership.says(n1.server.address, 1);
    let link = Link::open([n1.address()], 1);
    until(&link, leads(&n1)).await;
    drop(link);
    n1.leadership.0.closed().await;
}
