//! Consensus' own two rows within the tables: the last applied log id, and the membership it left behind. They ride in the
//! same layer as the rows that they belong to, so no crash parts them.

use bytes::Bytes;

use super::super::encoding;
use super::super::types::{LogId, Membership, StoredMembership};
use crate::machine::row::Row;
use crate::machine::{Base, BaseError, Key, Machine, codec};

/// The marks' numbers, which never change.
const APPLIED: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// How far a state is: the last applied log id and the last membership.
pub(in super::super) type Position = (Option<LogId>, StoredMembership);

pub(super) fn put_applied(machine: &mut Machine, applied: LogId) {
    machine.put_mark(APPLIED, encoding::encode_log_id(&applied));
}

pub(super) fn put_membership(machine: &mut Machine, at: LogId, membership: &Membership) {
    let stored = StoredMembership::new(Some(at), membership.clone());
    machine.put_mark(MEMBERSHIP, encoding::encode_stored_membership(&stored));
}

/// The position of the state as it is now.
pub(super) fn of(machine: &Machine) -> Result<Position, BaseError> {
    decode(machine.mark(APPLIED)?, machine.mark(MEMBERSHIP)?)
}

/// The position of the state on disk, without the layers above it.
pub(in super::super) fn read(base: &dyn Base) -> Result<Position, BaseError> {
    let mark = |which| -> Result<Option<Bytes>, BaseError> {
        let key = Key::Mark(which);
        let Some(bytes) = base.get(&key.to_bytes())? else { return Ok(None) };
        match codec::decode_row(Bytes::from(bytes)) {
            Ok(Row::Mark(bytes)) => Ok(Some(bytes)),
            Ok(_) => Err(corrupt(which, "it is of another table")),
            Err(error) => Err(corrupt(which, &error.to_string())),
        }
    };
    decode(mark(APPLIED)?, mark(MEMBERSHIP)?)
}

fn decode(applied: Option<Bytes>, membership: Option<Bytes>) -> Result<Position, BaseError> {
    let applied = applied.map(encoding::decode_log_id).transpose();
    let applied = applied.map_err(|error| corrupt(APPLIED, &error.to_string()))?;
    let membership = membership.map(encoding::decode_stored_membership).transpose();
    let membership = membership.map_err(|error| corrupt(MEMBERSHIP, &error.to_string()))?;
    Ok((applied, membership.unwrap_or_default()))
}

fn corrupt(which: u8, problem: &str) -> BaseError {
    BaseError::Corrupt { key: format!("{:?}", Key::Mark(which)), problem: problem.to_owned() }
}
