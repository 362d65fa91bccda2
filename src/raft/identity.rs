//! Who this node is, whose cluster it belongs to, and the check that a call reached the right node.
//!
//! Each call between JobTrackers names the cluster, the caller and whom it means. A node answers only what is meant for
//! it: after an address moved or a data directory was wiped, votes and entries for another id must not be taken. A node
//! without a cluster joins that of the first leader or candidate that calls it by its id, and remembers it.

use std::sync::Arc;

use parking_lot::Mutex;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Status};

use crate::store::{Node, NodeId};

/// A cluster's id travels as metadata.
const CLUSTER_CHARS_MAX: usize = 64;

const CLUSTER: &str = "raftsman-cluster";
const FROM: &str = "raftsman-from";
const TO: &str = "raftsman-to";

/// Stores the cluster's id durably before it is used; called at most once.
pub type RememberCluster = Box<dyn Fn(&str) -> std::io::Result<()> + Send + Sync>;

/// This node, as the others see it.
pub struct PeerIdentity {
    pub id: NodeId,
    pub node: Node,
    cluster: Mutex<Option<String>>,
    remember: RememberCluster,
}

/// Why a call is not for this node. The text tells an operator what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    #[error(
        "this is node {is} and not {meant}; was its data directory wiped, or its address given to another?"
    )]
    OtherNode { is: NodeId, meant: NodeId },
    #[error(
        "this node belongs to cluster {is} and not to {theirs}; to move it, give it an empty data directory"
    )]
    OtherCluster { is: String, theirs: String },
    #[error("{0:?} is no cluster id: 1 to {CLUSTER_CHARS_MAX} letters, digits and hyphens")]
    NoCluster(String),
    #[error("this node advertises {is} and was called at {used}; one of the two is configured wrongly")]
    OtherAddress { is: String, used: String },
    #[error("node {0} called itself; two nodes share a data directory or an id")]
    Myself(NodeId),
    #[error("metadata {0} is missing or wrong")]
    Unmarked(&'static str),
    #[error("the cluster's id could not be stored: {0}")]
    Forgetful(String),
}

impl From<Stranger> for Status {
    fn from(stranger: Stranger) -> Status {
        Status::new(Code::FailedPrecondition, stranger.to_string())
    }
}

/// Who calls and whom it means, from a call's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Empty for a node without a cluster.
    pub(super) cluster: String,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
}

impl std::fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerIdentity").field("id", &self.id).field("node", &self.node).finish_non_exhaustive()
    }
}

impl PeerIdentity {
    /// `cluster` is what was remembered, if any.
    pub fn new(
        id: NodeId,
        node: Node,
        cluster: Option<String>,
        remember: RememberCluster,
    ) -> Arc<PeerIdentity> {
        Arc::new(PeerIdentity { id, node, cluster: Mutex::new(cluster), remember })
    }

    pub fn cluster(&self) -> Option<String> {
        self.cluster.lock().clone()
    }

    /// Joins a cluster, for good.
    ///
    /// # Errors
    /// If this node belongs to another, or the id could not be stored.
    pub fn join(&self, cluster: &str) -> Result<(), Stranger> {
        let mut mine = self.cluster.lock();
        match mine.as_deref() {
            Some(is) if is == cluster => Ok(()),
            Some(is) => Err(Stranger::OtherCluster { is: is.to_owned(), theirs: cluster.to_owned() }),
            None => {
                check_cluster(cluster)?;
                (self.remember)(cluster).map_err(|error| Stranger::Forgetful(error.to_string()))?;
                *mine = Some(cluster.to_owned());
                Ok(())
            }
        }
    }

    /// Checks a call that consensus makes; it may bring this node into its first cluster.
    pub(super) fn admit(&self, metadata: &MetadataMap) -> Result<Envelope, Stranger> {
        let envelope = Envelope::read(metadata)?;
        if envelope.from == self.id {
            return Err(Stranger::Myself(self.id));
        }
        if envelope.to != self.id {
            return Err(Stranger::OtherNode { is: self.id, meant: envelope.to });
        }
        if !envelope.cluster.is_empty() {
            self.join(&envelope.cluster)?;
        }
        Ok(envelope)
    }

    /// Checks a handshake, which may come from a node without a cluster and changes nothing.
    pub(super) fn greet(&self, cluster: &str, expected: NodeId, address: &str) -> Result<(), Stranger> {
        if expected != 0 && expected != self.id {
            return Err(Stranger::OtherNode { is: self.id, meant: expected });
        }
        if let Some(is) = self.cluster().filter(|is| !cluster.is_empty() && is != cluster) {
            return Err(Stranger::OtherCluster { is, theirs: cluster.to_owned() });
        }
        if !address.is_empty() && address != self.node.peer_addr {
            return Err(Stranger::OtherAddress { is: self.node.peer_addr.clone(), used: address.to_owned() });
        }
        Ok(())
    }

    pub(super) fn envelope(&self, to: NodeId) -> Envelope {
        Envelope { cluster: self.cluster().unwrap_or_default(), from: self.id, to }
    }
}

impl Envelope {
    pub(super) fn write(&self, metadata: &mut MetadataMap) {
        let cluster = self.cluster.parse().expect("checked when it was joined");
        metadata.insert(CLUSTER, cluster);
        metadata.insert(FROM, number(self.from));
        metadata.insert(TO, number(self.to));
    }

    fn read(metadata: &MetadataMap) -> Result<Envelope, Stranger> {
        let text = |name: &'static str| {
            metadata.get(name).and_then(|value| value.to_str().ok()).ok_or(Stranger::Unmarked(name))
        };
        let number = |name| text(name)?.parse().map_err(|_| Stranger::Unmarked(name));
        Ok(Envelope { cluster: text(CLUSTER)?.to_owned(), from: number(FROM)?, to: number(TO)? })
    }
}

fn check_cluster(id: &str) -> Result<(), Stranger> {
    let allowed = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let right = allowed && !id.is_empty() && id.len() <= CLUSTER_CHARS_MAX;
    if right { Ok(()) } else { Err(Stranger::NoCluster(id.to_owned())) }
}

fn number(value: u64) -> AsciiMetadataValue {
    value.to_string().parse().expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(cluster: Option<&str>) -> Arc<PeerIdentity> {
        let address = Node { name: "n1".into(), peer_addr: "n1:5871".into(), client_addr: "n1:5870".into() };
        PeerIdentity::new(1, address, cluster.map(str::to_owned), Box::new(|_| Ok(())))
    }

    fn call(cluster: &str, from: u64, to: u64) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        Envelope { cluster: cluster.to_owned(), from, to }.write(&mut metadata);
        metadata
    }

    fn other_cluster() -> Stranger {
        Stranger::OtherCluster { is: "river".into(), theirs: "sea".into() }
    }

    #[test]
    fn a_call_for_another_node_is_refused() {
        let refused = node(Some("river")).admit(&call("river", 2, 9)).expect_err("meant for node 9");
        assert_eq!(refused, Stranger::OtherNode { is: 1, meant: 9 });
        assert!(refused.to_string().contains("wiped"), "it says what may have happened: {refused}");
    }

    #[test]
    fn a_call_from_another_cluster_is_refused() {
        let refused = node(Some("river")).admit(&call("sea", 2, 1));
        assert_eq!(refused, Err(other_cluster()));
    }

    #[test]
    fn a_node_without_a_cluster_joins_the_first_that_calls_it_and_stays() {
        let node = node(None);
        assert!(node.admit(&call("", 2, 1)).is_ok(), "a node before its cluster exists");
        assert_eq!(node.cluster(), None);
        assert!(node.admit(&call("river", 2, 1)).is_ok());
        assert_eq!(node.cluster().as_deref(), Some("river"));
        assert_eq!(node.join("sea"), Err(other_cluster()));
    }

    #[test]
    fn a_cluster_that_cannot_be_remembered_is_not_joined() {
        let fails = Box::new(|_: &str| Err(std::io::Error::other("disk full")));
        let node = PeerIdentity::new(1, Node::default(), None, fails);
        assert_eq!(node.join("river"), Err(Stranger::Forgetful("disk full".into())));
        assert_eq!(node.cluster(), None);
    }

    #[test]
    fn what_is_no_cluster_id_is_refused() {
        for id in ["", "a b", "line\nbreak", &"x".repeat(65)] {
            assert_eq!(node(None).join(id), Err(Stranger::NoCluster(id.to_owned())));
        }
    }

    #[test]
    fn a_call_without_marks_or_from_itself_is_refused() {
        assert_eq!(node(None).admit(&MetadataMap::new()), Err(Stranger::Unmarked("raftsman-cluster")));
        assert_eq!(node(None).admit(&call("", 1, 1)), Err(Stranger::Myself(1)));
    }

    #[test]
    fn a_handshake_tells_wrong_id_cluster_and_address_apart() {
        let node = node(Some("river"));
        assert_eq!(node.greet("", 0, ""), Ok(()));
        assert_eq!(node.greet("river", 1, "n1:5871"), Ok(()));
        assert_eq!(node.greet("river", 2, ""), Err(Stranger::OtherNode { is: 1, meant: 2 }));
        assert_eq!(node.greet("sea", 0, ""), Err(other_cluster()));
        let address = Stranger::OtherAddress { is: "n1:5871".into(), used: "n2:5871".into() };
        assert_eq!(node.greet("river", 1, "n2:5871"), Err(address));
    }
}
