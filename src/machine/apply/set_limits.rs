//! The replicated limits change, for all replicas at the same index.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::SetLimits;
use crate::machine::reply::{Refusal, Reply};

#[expect(clippy::unnecessary_wraps, reason = "every command has the same shape")]
pub(super) fn apply(change: &mut Change<'_>, set: &SetLimits) -> Result<Reply, BaseError> {
    if let Err(wrong) = set.limits.check() {
        return Ok(Reply::Refused(Refusal::from(wrong)));
    }
    if set.instead_of.is_some_and(|expected| expected != *change.limits()) {
        return Ok(Reply::Refused(Refusal::LimitsChanged));
    }
    change.set_limits(set.limits);
    Ok(Reply::Done)
}
