//! Bytes of strangers to the machine: what is stored, what JobTrackers send each other, and whole histories.
//!
//! One function a target, for any bytes: it returns, or it panics, and then something is wrong. `jepsen-style-tests/fuzz/README.md` says how
//! they are run.

mod bytes;
mod history;

use std::fmt::Debug;

use ::bytes::Bytes;

use super::codec;
use super::key::Key;
use super::{LogEntry, Machine, NoBase};

pub(crate) use self::bytes::Source;
pub(crate) use self::history::{history, log};

/// A log entry as the log stores it.
pub(crate) fn entry(data: &[u8]) {
    there_and_back(data, codec::decode_entry, codec::encode_entry);
}

/// A command as a follower forwards it.
pub(crate) fn command(data: &[u8]) {
    there_and_back(data, codec::decode_command, codec::encode_command);
}

/// A reply on its way back to the follower.
pub(crate) fn reply(data: &[u8]) {
    there_and_back(data, codec::decode_reply, codec::encode_reply);
}

/// A stored row.
pub(crate) fn row(data: &[u8]) {
    there_and_back(data, codec::decode_row, codec::encode_row);
}

/// A stored key: its bytes are its order, so there is one way only to write it.
pub(crate) fn key(data: &[u8]) {
    if let Some(key) = Key::from_bytes(data) {
        assert_eq!(key.to_bytes(), data, "{key:?}");
    }
}

/// What can be read is read back as the same value, though another encoder may have written it in other bytes.
fn there_and_back<T: PartialEq + Debug, E: Debug>(
    data: &[u8],
    decode: impl Fn(Bytes) -> Result<T, E>,
    encode: impl Fn(&T) -> Bytes,
) {
    let Ok(value) = decode(Bytes::copy_from_slice(data)) else { return };
    let again = decode(encode(&value)).expect("what was just encoded can be decoded");
    assert!(again == value, "{value:?} came back as {again:?}");
}

/// A machine in memory.
fn machine() -> Machine {
    Machine::open(std::sync::Arc::new(NoBase)).expect("there is no disk that could fail")
}

/// Applies an entry, and looks whether all that must hold still holds.
fn apply(machine: &mut Machine, index: u64, entry: &LogEntry) -> Vec<super::Reply> {
    let applied = machine.apply(index, entry).expect("there is no disk that could fail");
    assert_eq!(applied.replies.len(), entry.commands.len(), "one reply a command");
    let broken = machine.check().expect("there is no disk that could fail");
    assert!(broken.is_empty(), "after {index}, {entry:?}: {broken:?}");
    applied.replies
}
