//! A JobClient process starts a session, in which its requests are numbered.

use crate::domain::ClientId;
use crate::machine::apply::request;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::ClientOpen;
use crate::machine::reply::Reply;
use crate::machine::row::ClientRow;

/// Not idempotent: a resend opens another session, and the unused one expires.
pub(super) fn apply(change: &mut Change<'_>, _open: &ClientOpen) -> Result<Reply, BaseError> {
    let client = ClientId(change.new_id());
    change.put_client(client, ClientRow { high: 0, last_used: request::minute(change.now()) })?;
    Ok(Reply::ClientOpened(client))
}
