//! The replicated limits change, for all replicas at the same index.

use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::limits::Limits;
use crate::machine::reply::{Refusal, Reply};

#[expect(clippy::unnecessary_wraps, reason = "every command has the same shape")]
pub(super) fn apply(change: &mut Change<'_>, limits: &Limits) -> Result<Reply, BaseError> {
    if let Err(wrong) = limits.check() {
        return Ok(Reply::Refused(Refusal::from(wrong)));
    }
    change.set_limits(*limits);
    Ok(Reply::Done)
}
