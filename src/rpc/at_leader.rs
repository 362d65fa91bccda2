//! Streams that are at the leader: where it is, and the hello that comes first.

use std::time::Duration;

use tonic::{Status, Streaming};

use super::edge::wrong;
use crate::domain::FieldError;
use crate::jobtracker::JobTracker;
use crate::jobtracker::leader::LeaderHandle;
use crate::raft::Leader;
use crate::wire::{Fault, Reason};

/// How long a stream waits for a leader to be known.
const LEADER_WITHIN: Duration = Duration::from_secs(2);
/// A stream whose hello does not come is closed.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Where the leader is.
pub(super) enum Place {
    Here(LeaderHandle),
    At(Leader),
}

pub(super) fn not_leader(text: &str) -> Status {
    Fault::not_applied(Reason::NotLeader, text).retry_after(Duration::from_millis(50)).into()
}

/// This node, if it leads, else the node that does. A leader that is being elected, or recovers, is waited for.
pub(super) async fn place(tracker: &JobTracker) -> Result<Place, Status> {
    let (mut here, mut leadership) = (tracker.watch_leader(), tracker.leadership());
    let within = tokio::time::sleep(LEADER_WITHIN);
    tokio::pin!(within);
    loop {
        if let Some(leader) = here.borrow_and_update().clone() {
            return Ok(Place::Here(leader));
        }
        let seen = leadership.borrow_and_update().leader.clone();
        if let Some(leader) = seen.filter(|leader| leader.id != tracker.raft().id()) {
            return Ok(Place::At(leader));
        }
        tokio::select! {
            // A node that stops has no more news, and is no reason to look again at once.
            Ok(()) = here.changed() => {}
            Ok(()) = leadership.changed() => {}
            () = &mut within => return Err(not_leader("no leader is known")),
        }
    }
}

/// The first message, which `hello` reads.
pub(super) async fn greeting<Message, Hello>(
    messages: &mut Streaming<Message>,
    hello: impl FnOnce(Message) -> Option<Hello>,
) -> Result<Hello, Status> {
    let missing = |problem: &str| wrong(vec![FieldError::new("hello", problem)]);
    let first = tokio::time::timeout(HELLO_WITHIN, messages.message()).await;
    let first = first.map_err(|_| missing("did not come within 5s"))??;
    first.and_then(hello).ok_or_else(|| missing("is missing; it is the first message of a stream"))
}
