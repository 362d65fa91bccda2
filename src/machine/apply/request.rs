//! Idempotency: the first answer to a request is the answer to all its retries.
//!
//! By client session: answers of the last 1,024 sequence numbers are kept, and a number below that window is refused
//! as unknown rather than executed again. By request id: answers are kept for the request window. What comes under the same
//! key and asks for something else is refused.

use crate::domain::{ClientId, Millis, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::{Fingerprint, RequestKey};
use crate::machine::key::Key;
use crate::machine::limits::CLIENT_WINDOW;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{Answer, AnswerRow, ClientRow, RequestRow};

/// How coarsely the last use of a client session is written down.
const LAST_USED_STEP: Millis = Millis::from_secs(60);

/// The first answer, if it was one to the same request.
fn again(first: Answer, asked: Fingerprint, asks: Fingerprint) -> Reply {
    if asked == asks {
        Reply::Again(Box::new(first.into()))
    } else {
        Reply::Refused(Refusal::RequestMismatch)
    }
}

/// Answers a request that was seen before, else executes it and remembers its answer.
pub(super) fn once(
    change: &mut Change<'_>,
    request: &RequestKey,
    execute: impl FnOnce(&mut Change<'_>) -> Result<Answer, BaseError>,
) -> Result<Reply, BaseError> {
    match request {
        RequestKey::None => execute(change).map(Reply::from),
        RequestKey::Session { client, sequence, asks } => {
            by_session(change, Numbered { client: *client, sequence: *sequence, asks: *asks }, execute)
        }
        RequestKey::Id { id, asks } => {
            if let Some(known) = change.request(id)? {
                return Ok(again(known.answer, known.asks, *asks));
            }
            let answer = execute(change)?;
            let row = RequestRow { at: change.now(), asks: *asks, answer: answer.clone() };
            change.put_request(id, row)?;
            Ok(answer.into())
        }
    }
}

struct Numbered {
    client: ClientId,
    sequence: u64,
    asks: Fingerprint,
}

fn by_session(
    change: &mut Change<'_>,
    request: Numbered,
    execute: impl FnOnce(&mut Change<'_>) -> Result<Answer, BaseError>,
) -> Result<Reply, BaseError> {
    let Numbered { client, sequence, asks } = request;
    let Some(row) = change.client(client)? else { return Ok(Reply::Refused(Refusal::UnknownClient(client))) };
    if let Some(known) = change.answer(client, sequence)? {
        return Ok(again(known.answer, known.asks, asks));
    }
    if row.high.saturating_sub(sequence) >= CLIENT_WINDOW {
        return Ok(Reply::Refused(Refusal::RequestTooOld { client, sequence }));
    }
    let answer = execute(change)?;
    change.put_answer(client, sequence, AnswerRow { asks, answer: answer.clone() })?;
    let high = row.high.max(sequence);
    forget(change, client, row.high, high)?;
    let last_used = minute(change.now());
    if high != row.high || last_used != row.last_used {
        change.put_client(client, ClientRow { high, last_used })?;
    }
    Ok(answer.into())
}

/// Drops the answers that leave the window; at most a window of them, however far the number jumps.
fn forget(change: &mut Change<'_>, client: ClientId, from: u64, to: u64) -> Result<(), BaseError> {
    let first = from.saturating_add(1).saturating_sub(CLIENT_WINDOW);
    let last = to.saturating_add(1).saturating_sub(CLIENT_WINDOW).min(first.saturating_add(CLIENT_WINDOW));
    (first..last).try_for_each(|sequence| change.delete(Key::Answer(client, sequence)))
}

pub(super) fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() / LAST_USED_STEP.get() * LAST_USED_STEP.get())
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        match answer {
            Answer::Submitted(answers) => Reply::Submitted(answers),
            Answer::Cancelled(answer) => Reply::Cancelled(answer),
            Answer::Terminating(execution) => Reply::Terminating(execution),
            Answer::Retried(run) => Reply::Retried(run),
            Answer::Acted(answer) => Reply::Acted(answer),
            Answer::Refused(refusal) => Reply::Refused(refusal),
            Answer::Updated(answer) => Reply::Updated(answer),
        }
    }
}
