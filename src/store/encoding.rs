//! openraft's types as bytes, for the log, the state's marks, snapshots and the wire between JobTrackers.
//!
//! Plain numbers in big endian, strings with their length, a version byte before everything that may grow. Positions and
//! kinds never move; golden bytes in the tests hold this to its word. What an entry proposes is the machine's own
//! encoding and is only carried here.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::vote::RaftLeaderId;

use super::types::{
    Entry, LogId, Membership, Node, NodeId, Payload, Proposal, SnapshotMeta, StoredMembership, Types, Vote,
    log_id,
};
use crate::machine::codec::CodecError;

type LeaderId = openraft::alias::LeaderIdOf<Types>;

/// The format of all shapes here.
const VERSION: u8 = 1;
/// A joint membership has two configurations; openraft never makes more than a few.
const CONFIGS_MAX: usize = 16;
/// Far above any sensible cluster; it bounds what a corrupt length may allocate.
const NODES_MAX: usize = 1024;

/// The stored kinds of an entry.
mod kind {
    pub(super) const BLANK: u8 = 0;
    pub(super) const PROPOSAL: u8 = 1;
    pub(super) const MEMBERSHIP: u8 = 2;
}

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    #[error("the bytes end before {0}")]
    Truncated(&'static str),
    #[error("version {0} is not known; it was written by a newer release")]
    Version(u8),
    #[error("{what} has no meaning {value}")]
    Meaning { what: &'static str, value: u64 },
    #[error("{what} is {is}; at most {max}")]
    TooLarge { what: &'static str, is: usize, max: usize },
    #[error("{0} is not UTF-8")]
    Text(&'static str),
    #[error("the membership is wrong: {0}")]
    Membership(String),
    #[error("{0} bytes are left over")]
    Trailing(usize),
    #[error("the proposal cannot be read: {0}")]
    Proposal(#[from] CodecError),
}

pub fn encode_log_id(id: &LogId) -> Bytes {
    encode(|out| put_log_id(out, id))
}

/// # Errors
/// If the bytes are not exactly one log id that this version knows.
pub fn decode_log_id(bytes: Bytes) -> Result<LogId, EncodingError> {
    decode(bytes, take_log_id)
}

pub fn encode_vote(vote: &Vote) -> Bytes {
    encode(|out| {
        out.put_u64(vote.leader_id.term);
        out.put_u64(vote.leader_id.voted_for);
        out.put_u8(u8::from(vote.committed));
    })
}

/// # Errors
/// If the bytes are not exactly one vote that this version knows.
pub fn decode_vote(bytes: Bytes) -> Result<Vote, EncodingError> {
    decode(bytes, |bytes| {
        let leader_id = LeaderId::new(take_u64(bytes, "a term")?, take_u64(bytes, "a node id")?);
        Ok(Vote { leader_id, committed: take_flag(bytes, "whether a vote is committed")? })
    })
}

pub fn encode_membership(membership: &Membership) -> Bytes {
    encode(|out| put_membership(out, membership))
}

/// # Errors
/// If the bytes are not exactly one membership that this version knows.
pub fn decode_membership(bytes: Bytes) -> Result<Membership, EncodingError> {
    decode(bytes, take_membership)
}

/// Whether a membership that came from elsewhere can be stored, and read back.
///
/// # Errors
/// If it has more than is ever read back.
pub fn check_membership(membership: &Membership) -> Result<(), EncodingError> {
    let configs = membership.get_joint_config();
    at_most("the number of configurations", configs.len(), CONFIGS_MAX)?;
    configs.iter().try_for_each(|voters| at_most("the number of voters", voters.len(), NODES_MAX))?;
    at_most("the number of nodes", membership.nodes().count(), NODES_MAX)?;
    let texts = membership.nodes().flat_map(|(_, node)| [&node.name, &node.peer_addr, &node.client_addr]);
    let text_max = usize::from(u16::MAX);
    texts
        .map(String::len)
        .try_for_each(|bytes| at_most("the length of a name or an address", bytes, text_max))
}

pub fn encode_stored_membership(stored: &StoredMembership) -> Bytes {
    encode(|out| put_stored_membership(out, stored))
}

/// # Errors
/// If the bytes are not exactly one stored membership that this version knows.
pub fn decode_stored_membership(bytes: Bytes) -> Result<StoredMembership, EncodingError> {
    decode(bytes, take_stored_membership)
}

pub fn encode_snapshot_meta(meta: &SnapshotMeta) -> Bytes {
    encode(|out| {
        put_optional_log_id(out, meta.last_log_id.as_ref());
        put_stored_membership(out, &meta.last_membership);
    })
}

/// # Errors
/// If the bytes are not exactly one description of a snapshot that this version knows.
pub fn decode_snapshot_meta(bytes: Bytes) -> Result<SnapshotMeta, EncodingError> {
    decode(bytes, |bytes| {
        let last_log_id = take_optional_log_id(bytes)?;
        Ok(SnapshotMeta { last_log_id, last_membership: take_stored_membership(bytes)? })
    })
}

/// An entry as log and wire carry it. The proposal's bytes are copied once, into the record.
pub fn encode_entry(entry: &Entry) -> Bytes {
    let proposal = match &entry.payload {
        Payload::Normal(proposal) => proposal.bytes().len(),
        Payload::Blank | Payload::Membership(_) => 0,
    };
    let mut out = BytesMut::with_capacity(ENTRY_HEADER_BYTES + proposal);
    out.put_u8(VERSION);
    put_log_id(&mut out, &entry.log_id);
    match &entry.payload {
        Payload::Blank => out.put_u8(kind::BLANK),
        Payload::Normal(proposal) => {
            out.put_u8(kind::PROPOSAL);
            out.put_slice(proposal.bytes());
        }
        Payload::Membership(membership) => {
            out.put_u8(kind::MEMBERSHIP);
            put_membership(&mut out, membership);
        }
    }
    out.freeze()
}

/// Version, term, index, kind: what comes before an entry's own bytes.
pub const ENTRY_HEADER_BYTES: usize = 1 + 16 + 1;

/// The proposal shares `bytes`.
///
/// # Errors
/// If the bytes are not exactly one entry that this version knows.
pub fn decode_entry(bytes: Bytes) -> Result<Entry, EncodingError> {
    decode(bytes, |bytes| {
        let log_id = take_log_id(bytes)?;
        let payload = match take_u8(bytes, "an entry's kind")? {
            kind::BLANK => Payload::Blank,
            kind::PROPOSAL => Payload::Normal(Proposal::from_bytes(bytes.split_to(bytes.len()))?),
            kind::MEMBERSHIP => Payload::Membership(take_membership(bytes)?),
            other => return Err(EncodingError::Meaning { what: "an entry's kind", value: other.into() }),
        };
        Ok(Entry { log_id, payload })
    })
}

/// The log id of an encoded entry, without decoding the rest.
///
/// # Errors
/// If the bytes do not begin as an entry does.
pub fn peek_entry_log_id(bytes: &[u8]) -> Result<LogId, EncodingError> {
    let mut head =
        Bytes::copy_from_slice(bytes.get(..17).ok_or(EncodingError::Truncated("an entry's log id"))?);
    take_version(&mut head)?;
    take_log_id(&mut head)
}

fn encode(put: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u8(VERSION);
    put(&mut out);
    out.freeze()
}

fn decode<T>(
    mut bytes: Bytes,
    take: impl FnOnce(&mut Bytes) -> Result<T, EncodingError>,
) -> Result<T, EncodingError> {
    take_version(&mut bytes)?;
    let value = take(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(EncodingError::Trailing(bytes.len())) }
}

fn take_version(bytes: &mut Bytes) -> Result<(), EncodingError> {
    match take_u8(bytes, "a version")? {
        VERSION => Ok(()),
        other => Err(EncodingError::Version(other)),
    }
}

fn put_log_id(out: &mut BytesMut, id: &LogId) {
    out.put_u64(id.leader_id.term);
    out.put_u64(id.index);
}

fn take_log_id(bytes: &mut Bytes) -> Result<LogId, EncodingError> {
    Ok(log_id(take_u64(bytes, "a term")?, take_u64(bytes, "an index")?))
}

fn put_optional_log_id(out: &mut BytesMut, id: Option<&LogId>) {
    out.put_u8(u8::from(id.is_some()));
    if let Some(id) = id {
        put_log_id(out, id);
    }
}

fn take_optional_log_id(bytes: &mut Bytes) -> Result<Option<LogId>, EncodingError> {
    if take_flag(bytes, "whether there is a log id")? { take_log_id(bytes).map(Some) } else { Ok(None) }
}

fn put_membership(out: &mut BytesMut, membership: &Membership) {
    put_count(out, membership.get_joint_config().len());
    for config in membership.get_joint_config() {
        put_count(out, config.len());
        config.iter().for_each(|id| out.put_u64(*id));
    }
    put_count(out, membership.nodes().count());
    for (id, node) in membership.nodes() {
        out.put_u64(*id);
        for text in [&node.name, &node.peer_addr, &node.client_addr] {
            put_count(out, text.len());
            out.put_slice(text.as_bytes());
        }
    }
}

fn take_membership(bytes: &mut Bytes) -> Result<Membership, EncodingError> {
    let configs = (0..take_count(bytes, "the number of configurations", CONFIGS_MAX)?)
        .map(|_| take_voters(bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let nodes = (0..take_count(bytes, "the number of nodes", NODES_MAX)?)
        .map(|_| take_node(bytes))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Membership::new(configs, nodes).map_err(|error| EncodingError::Membership(error.to_string()))
}

fn take_voters(bytes: &mut Bytes) -> Result<BTreeSet<NodeId>, EncodingError> {
    let count = take_count(bytes, "the number of voters", NODES_MAX)?;
    (0..count).map(|_| take_u64(bytes, "a voter")).collect()
}

fn take_node(bytes: &mut Bytes) -> Result<(NodeId, Node), EncodingError> {
    let id = take_u64(bytes, "a node id")?;
    let name = take_text(bytes, "a node's name")?;
    let peer_addr = take_text(bytes, "a peer address")?;
    let client_addr = take_text(bytes, "a client address")?;
    Ok((id, Node { name, peer_addr, client_addr }))
}

fn put_stored_membership(out: &mut BytesMut, stored: &StoredMembership) {
    put_optional_log_id(out, stored.log_id().as_ref());
    put_membership(out, stored.membership());
}

fn take_stored_membership(bytes: &mut Bytes) -> Result<StoredMembership, EncodingError> {
    let id = take_optional_log_id(bytes)?;
    Ok(StoredMembership::new(id, take_membership(bytes)?))
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).expect("names and memberships are bounded far below 65,536"));
}

fn take_count(bytes: &mut Bytes, what: &'static str, max: usize) -> Result<usize, EncodingError> {
    let is = usize::from(need(bytes, 2, what)?.get_u16());
    at_most(what, is, max).map(|()| is)
}

fn at_most(what: &'static str, is: usize, max: usize) -> Result<(), EncodingError> {
    if is <= max { Ok(()) } else { Err(EncodingError::TooLarge { what, is, max }) }
}

fn take_text(bytes: &mut Bytes, what: &'static str) -> Result<String, EncodingError> {
    let length = take_count(bytes, what, usize::from(u16::MAX))?;
    let text = need(bytes, length, what)?.split_to(length);
    String::from_utf8(text.to_vec()).map_err(|_| EncodingError::Text(what))
}

fn take_u8(bytes: &mut Bytes, what: &'static str) -> Result<u8, EncodingError> {
    Ok(need(bytes, 1, what)?.get_u8())
}

fn take_u64(bytes: &mut Bytes, what: &'static str) -> Result<u64, EncodingError> {
    Ok(need(bytes, 8, what)?.get_u64())
}

fn take_flag(bytes: &mut Bytes, what: &'static str) -> Result<bool, EncodingError> {
    match take_u8(bytes, what)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(EncodingError::Meaning { what, value: other.into() }),
    }
}

fn need<'a>(bytes: &'a mut Bytes, length: usize, what: &'static str) -> Result<&'a mut Bytes, EncodingError> {
    if bytes.len() >= length { Ok(bytes) } else { Err(EncodingError::Truncated(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::machine::{Command, LogEntry};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn joint_membership() -> Membership {
        let node = |name: &str| Node {
            name: name.into(),
            peer_addr: format!("{name}:2"),
            client_addr: format!("{name}:1"),
        };
        let nodes = BTreeMap::from([(1, node("a")), (2, node("b")), (9, node("c"))]);
        Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], nodes).unwrap()
    }

    #[test]
    fn stored_bytes_never_change() {
        let id = log_id(5, 258);
        assert_eq!(hex(&encode_log_id(&id)), "0100000000000000050000000000000102");
        let vote = Vote::new_committed(7, 3);
        assert_eq!(hex(&encode_vote(&vote)), "010000000000000007000000000000000301");
        let membership = joint_membership();
        let golden = "01000200010000000000000001000200000000000000010000000000000002000300000000000000010001610003613a\
                      320003613a3100000000000000020001620003623a320003623a3100000000000000090001630003633a320003633a31";
        assert_eq!(hex(&encode_membership(&membership)), golden);
        let blank = Entry { log_id: id, payload: Payload::Blank };
        assert_eq!(hex(&encode_entry(&blank)), "010000000000000005000000000000010200");
        let tick = LogEntry { at: Timestamp::from_millis(1), commands: vec![Command::Tick] };
        let normal = Entry { log_id: id, payload: Payload::Normal(Proposal::new(tick)) };
        let golden = "010000000000000005000000000000010201\
                      010100000000000000010000000d010000000000000000";
        assert_eq!(hex(&encode_entry(&normal)), golden);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let id = log_id(5, 258);
        assert_eq!(decode_log_id(encode_log_id(&id)), Ok(id));
        for vote in [Vote::new(1, u64::MAX), Vote::new_committed(u64::MAX, 0)] {
            assert_eq!(decode_vote(encode_vote(&vote)), Ok(vote));
        }
        for stored in [StoredMembership::default(), StoredMembership::new(Some(id), joint_membership())] {
            assert_eq!(decode_stored_membership(encode_stored_membership(&stored)), Ok(stored.clone()));
            let meta = SnapshotMeta { last_log_id: *stored.log_id(), last_membership: stored };
            assert_eq!(decode_snapshot_meta(encode_snapshot_meta(&meta)), Ok(meta));
        }
        let tick = LogEntry { at: Timestamp::from_millis(9), commands: vec![Command::Tick, Command::Expire] };
        for payload in
            [Payload::Blank, Payload::Normal(Proposal::new(tick)), Payload::Membership(joint_membership())]
        {
            let entry = Entry { log_id: id, payload };
            let bytes = encode_entry(&entry);
            assert_eq!(peek_entry_log_id(&bytes), Ok(id));
            assert_eq!(decode_entry(bytes), Ok(entry));
        }
    }

    #[test]
    fn truncated_and_foreign_bytes_are_refused_not_guessed() {
        let entry = Entry { log_id: log_id(5, 258), payload: Payload::Membership(joint_membership()) };
        let bytes = encode_entry(&entry);
        for length in 0..bytes.len() {
            assert!(decode_entry(bytes.slice(..length)).is_err(), "{length} bytes are not an entry");
        }
        let mut longer = BytesMut::from(&bytes[..]);
        longer.put_u8(0);
        assert_eq!(decode_entry(longer.freeze()), Err(EncodingError::Trailing(1)));
        let newer = Bytes::from_static(&[2, 0, 0]);
        assert_eq!(decode_vote(newer), Err(EncodingError::Version(2)));
    }
}
