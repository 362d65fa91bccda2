//! A connection that follows the leader.
//!
//! It subscribes to available and unavailable at every JobTracker it knows, keeps one HTTP/2 connection to each, and
//! always says which of them to use now. A broken connection is noticed at once and the others are used in the same
//! millisecond; one that goes into a black hole within three seconds of the first answer that it owes. Not here: what is
//! sent, and whether it may be sent again (`client`, `tasktracker`).

mod backoff;
mod channel;
mod fail_store;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod roster;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

pub use backoff::Backoff;
pub use channel::MESSAGE_BYTES_MAX;
pub use fail_store::{FailStore, FailStoreError, identity};
pub use roster::{Address, Leader};

use crate::domain::FieldError;
use crate::wire::pb;
use pb::leadership_service_client::LeadershipServiceClient;
use roster::Roster;

/// Where a JobTracker listens when nothing else is said.
const ADDRESS_DEFAULT: &str = "127.0.0.1:5870";
/// How long a JobTracker may take to answer a subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Whoever waits for a JobTracker hears something within this, or the connection is in doubt.
const SILENCE: Duration = Duration::from_secs(2);

/// The list that was given, else RAFTSMAN_ADDR, else this host.
///
/// # Errors
/// If an address is wrong, or there is none.
pub(crate) fn addresses(given: Option<&str>) -> Result<Vec<Address>, FieldError> {
    let from_environment = std::env::var("RAFTSMAN_ADDR").ok().filter(|list| !list.is_empty());
    let list = given.map(str::to_owned).or(from_environment).unwrap_or_else(|| ADDRESS_DEFAULT.into());
    Address::parse_list(&list).map_err(|problem| FieldError::new("addresses", problem))
}

/// Whom to talk to now.
#[derive(Clone)]
pub struct Target {
    pub address: Address,
    pub channel: Channel,
    /// Whether it is the leader; others forward to it.
    pub leads: bool,
    connection: Arc<Connection>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, if self.leads { " (leader)" } else { "" })
    }
}

impl Target {
    /// Whether both mean the same connection to the same JobTracker.
    pub fn is_same(&self, other: &Target) -> bool {
        self.address == other.address && self.connection.number == other.connection.number
    }

    /// Waits for what comes on this connection. When it takes long, the JobTracker is asked whether it still answers,
    /// and if it does not, this ends. So black holes are noticed by those who wait, and pings can be rare.
    ///
    /// # Errors
    /// If the connection is not used any more.
    pub(crate) async fn hear<T>(&self, coming: impl Future<Output = T>) -> Result<T, Status> {
        let doubt = async {
            loop {
                tokio::time::sleep(SILENCE).await;
                self.connection.doubted.notify_one();
            }
        };
        tokio::select! {
            biased;
            came = coming => Ok(came),
            () = self.connection.gone.cancelled() => {
                let why = format!("the connection to {} is of no use any more", self.address);
                Err(Status::from_error(Box::new(io::Error::new(io::ErrorKind::ConnectionAborted, why))))
            }
            () = doubt => unreachable!("it goes on for ever"),
        }
    }
}

/// What a link knows at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Whom to talk to; `None` while no connection is up.
    pub target: Option<Target>,
    /// The leader of the highest term heard of, whether or not it can be reached.
    pub leader: Option<Leader>,
}

/// A handle on the connections; they end with the last clone.
#[derive(Clone, Debug)]
pub struct Link {
    shared: Arc<Shared>,
    _open: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    view: watch::Sender<View>,
    closed: CancellationToken,
    /// Spreads those who cannot reach the leader over the other JobTrackers, and seeds the back-off.
    seed: u64,
}

#[derive(Debug)]
struct State {
    roster: Roster,
    connections: BTreeMap<Address, (Channel, Arc<Connection>)>,
    followed: BTreeSet<Address>,
    connections_made: u64,
}

#[derive(Debug)]
struct Connection {
    /// Tells one connection to an address from the next one.
    number: u64,
    /// Somebody has waited on it for long.
    doubted: Notify,
    /// It is not used any more.
    gone: CancellationToken,
}

impl Link {
    /// Starts to follow the JobTrackers at `addresses`, which tell of the others. Needs a tokio runtime.
    pub fn open(addresses: impl IntoIterator<Item = Address>, seed: u64) -> Link {
        let closed = CancellationToken::new();
        let state = State {
            roster: Roster::new(addresses),
            connections: BTreeMap::new(),
            followed: BTreeSet::new(),
            connections_made: 0,
        };
        let view = watch::Sender::new(View::default());
        let shared = Arc::new(Shared { state: Mutex::new(state), view, closed: closed.clone(), seed });
        shared.follow_all();
        Link { shared, _open: Arc::new(closed.drop_guard()) }
    }

    /// What is known now, and every change of it.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.shared.view.subscribe()
    }

    /// Whom to talk to; waits while no connection is up.
    pub async fn target(&self) -> Target {
        let mut view = self.watch();
        loop {
            if let Some(target) = view.borrow_and_update().target.clone() {
                return target;
            }
            view.changed().await.expect("the sender lives in self");
        }
    }

    /// All addresses that are followed, for messages to people.
    pub fn addresses(&self) -> Vec<Address> {
        self.shared.state.lock().roster.addresses().cloned().collect()
    }

    /// A call on this connection failed below gRPC: it is not used again until it is made anew.
    pub fn broken(&self, target: &Target) {
        self.shared.change(|state| {
            let open = state.connections.get(&target.address);
            if open.is_some_and(|(_, connection)| connection.number == target.connection.number) {
                state.close(&target.address);
            }
        });
    }
}

impl State {
    /// Tells all who wait on the connection that it is not used any more.
    fn close(&mut self, address: &Address) {
        if let Some((_, connection)) = self.connections.remove(address) {
            connection.gone.cancel();
        }
        self.roster.down(address);
    }
}

impl Shared {
    /// Changes what is known and tells it when the choice is another.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let view = self.look(&state);
        self.view.send_if_modified(|old| {
            let same_target = match (&old.target, &view.target) {
                (Some(old), Some(new)) => old.is_same(new) && old.leads == new.leads,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            let modified = !same_target || old.leader != view.leader;
            *old = view;
            modified
        });
    }

    fn look(&self, state: &State) -> View {
        let leader = state.roster.leader().cloned();
        let salt = usize::try_from(self.seed % 1024).expect("less than 1024");
        let target = state.roster.choose(salt).and_then(|address| {
            let (channel, connection) = state.connections.get(&address)?.clone();
            let leads = leader.as_ref().is_some_and(|leader| leader.address == address);
            Some(Target { leads, address, channel, connection })
        });
        View { target, leader }
    }

    /// One task for each address that has none.
    fn follow_all(self: &Arc<Shared>) {
        let mut state = self.state.lock();
        let known: Vec<Address> = state.roster.addresses().cloned().collect();
        for address in known {
            if state.followed.insert(address.clone()) {
                tokio::spawn(Arc::clone(self).follow(address));
            }
        }
    }

    async fn follow(self: Arc<Shared>, address: Address) {
        let seed =
            address.as_str().bytes().fold(self.seed, |seed, byte| seed.rotate_left(5) ^ u64::from(byte));
        let mut backoff = Backoff::seeded(seed);
        let closed = self.closed.clone();
        let forever = async {
            loop {
                let why = self.follow_once(&address, &mut backoff).await;
                tracing::debug!(%address, %why, "the connection to a jobtracker ended");
                self.change(|state| state.close(&address));
                tokio::time::sleep(backoff.next_delay()).await;
            }
        };
        closed.run_until_cancelled(forever).await;
    }

    /// Connects, subscribes and listens until that ends; returns why.
    async fn follow_once(self: &Arc<Shared>, address: &Address, backoff: &mut Backoff) -> String {
        let channel = match channel::connect(address).await {
            Ok(channel) => channel,
            Err(error) => return format!("cannot connect: {error}"),
        };
        let mut client = LeadershipServiceClient::new(channel.clone());
        let mut stream = match subscribe(&mut client).await {
            Ok(stream) => stream,
            Err(why) => return format!("cannot subscribe: {why}"),
        };
        let connection = self.connection();
        let mut new = Some((channel, Arc::clone(&connection)));
        loop {
            let told = tokio::select! {
                told = stream.message() => told,
                () = connection.gone.cancelled() => return "a call on it failed".into(),
                () = connection.doubted.notified() => match subscribe(&mut client).await {
                    Ok(_) => continue,
                    Err(why) => return format!("it was silent: {why}"),
                },
            };
            match told {
                Ok(Some(told)) => self.heard(address, told, new.take()),
                Ok(None) => return "the jobtracker ended the subscription".into(),
                Err(status) => return format!("the subscription broke: {status}"),
            }
            backoff.reset();
            self.follow_all();
        }
    }

    fn connection(&self) -> Arc<Connection> {
        let mut state = self.state.lock();
        state.connections_made += 1;
        let number = state.connections_made;
        Arc::new(Connection { number, doubted: Notify::new(), gone: CancellationToken::new() })
    }

    /// The first message shows that the JobTracker is up.
    fn heard(&self, from: &Address, told: pb::SubscribeResponse, new: Option<(Channel, Arc<Connection>)>) {
        self.change(|state| {
            if let Some(new) = new {
                state.connections.insert(from.clone(), new);
                state.roster.up(from);
            }
            state.roster.heard(from, told);
        });
    }
}

/// Asks a JobTracker for its news; it answers at once if it answers at all.
async fn subscribe(
    client: &mut LeadershipServiceClient<Channel>,
) -> Result<Streaming<pb::SubscribeResponse>, String> {
    match tokio::time::timeout(SUBSCRIBE_TIMEOUT, client.subscribe(pb::SubscribeRequest {})).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status.to_string()),
        Err(_) => Err(format!("no answer within {SUBSCRIBE_TIMEOUT:?}")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
