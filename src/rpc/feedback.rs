//! Feedback as messages, and a JobClient's words as the leader's.

use crate::domain::{ExecutionId, FieldError, Identity, NodeGroup, RunId, Timestamp};
use crate::jobtracker::session::FromClient;
use crate::jobtracker::{Listening, WINDOW_DEFAULT, WINDOW_MAX};
use crate::machine::command::{FeedbackFailure, FeedbackWhich};
use crate::machine::limits::{FEEDBACK_BATCH_MAX, HANDLER_ERROR_BYTES_MAX};
use crate::machine::row::{Fate, FeedbackRow, FeedbackState};
use crate::wire::pb::feedback_selection::Which;
use crate::wire::pb::listen_request::Message;
use crate::wire::{cut, parse_id, pb, timestamp};

/// Runs that one selection may name.
const SELECTED_MAX: usize = 1_000;

pub(super) fn listening(hello: pb::ListenHello, since: Timestamp) -> Result<Listening, Vec<FieldError>> {
    let mut wrong = Vec::new();
    if hello.window > WINDOW_MAX {
        wrong.push(FieldError::new("window", format!("is {}; 0 to {WINDOW_MAX}", hello.window)));
    }
    let window = if hello.window == 0 { WINDOW_DEFAULT } else { hello.window };
    match (NodeGroup::new(hello.node_group), Identity::new(hello.identity)) {
        (Ok(node_group), Ok(identity)) if wrong.is_empty() => {
            Ok(Listening { node_group, identity, start: hello.start_number, window, since })
        }
        (group, identity) => {
            wrong.extend(group.err().into_iter().chain(identity.err()));
            Err(wrong)
        }
    }
}

/// What a JobClient answered.
pub(super) fn read_answer(message: Message) -> Result<FromClient, Vec<FieldError>> {
    match message {
        Message::Hello(_) => Err(vec![FieldError::new("hello", "came twice; one a stream")]),
        Message::Heard(heard) => {
            runs("heard.run_ids", &heard.run_ids, FEEDBACK_BATCH_MAX).map(FromClient::Heard)
        }
        Message::Failed(failed) => {
            let failure = |failure: pb::FeedbackFailure| {
                Ok(FeedbackFailure {
                    run: parse_id("failed.run_id", &failure.run_id)?,
                    attempt: failure.attempt,
                    error: cut(failure.error, HANDLER_ERROR_BYTES_MAX),
                })
            };
            at_most("failed.failures", failed.failures.len(), FEEDBACK_BATCH_MAX)?;
            let failures: Result<Vec<_>, FieldError> = failed.failures.into_iter().map(failure).collect();
            failures.map(FromClient::Failed).map_err(|violation| vec![violation])
        }
    }
}

/// What an operator means.
pub(super) fn selection(selection: Option<pb::FeedbackSelection>) -> Result<FeedbackWhich, Vec<FieldError>> {
    match selection.and_then(|selection| selection.which) {
        Some(Which::Runs(named)) => {
            runs("selection.runs.run_ids", &named.run_ids, SELECTED_MAX).map(FeedbackWhich::Runs)
        }
        Some(Which::Dead(pb::AllDead {})) => Ok(FeedbackWhich::Dead),
        Some(Which::Pending(pb::AllPending {})) => Ok(FeedbackWhich::Pending),
        None => Err(vec![FieldError::new("selection", "is missing; give runs, dead or pending")]),
    }
}

fn runs(field: &'static str, ids: &[String], max: usize) -> Result<Vec<RunId>, Vec<FieldError>> {
    at_most(field, ids.len(), max)?;
    let read: Result<Vec<RunId>, FieldError> = ids.iter().map(|id| parse_id(field, id)).collect();
    read.map_err(|violation| vec![violation])
}

fn at_most(field: &'static str, is: usize, max: usize) -> Result<(), Vec<FieldError>> {
    match is > max {
        true => Err(vec![FieldError::new(field, format!("has {is} entries; at most {max} are allowed"))]),
        false => Ok(()),
    }
}

pub(super) fn feedback(run: RunId, row: &FeedbackRow) -> pb::Feedback {
    let state = match row.fate {
        Fate::Succeeded => pb::RunState::Succeeded,
        Fate::Failed => pb::RunState::Failed,
        Fate::Dead => pb::RunState::Dead,
        Fate::Cancelled => pb::RunState::Cancelled,
        Fate::Skipped { .. } => pb::RunState::Skipped,
    };
    pb::Feedback {
        run_id: run.to_string(),
        job_id: run.job.to_string(),
        node_group: row.node_group.to_string(),
        task_id: row.task_id.to_string(),
        kind: row.kind.to_string(),
        params: row.params.clone(),
        revision: row.revision.into(),
        state: state.into(),
        success: row.fate == Fate::Succeeded,
        result: row.result.clone(),
        error: row.error.clone(),
        planned_time: Some(timestamp(row.due)),
        end_time: Some(timestamp(row.ended)),
        executions: row.executions,
        execution: row.execution.map_or(0, ExecutionId::as_u64),
        attempt: row.tries + 1,
    }
}

pub(super) fn stored(run: RunId, row: &FeedbackRow) -> pb::StoredFeedback {
    let (state, since) = match row.state {
        FeedbackState::Pending { next_try } => (pb::FeedbackState::Pending, next_try),
        FeedbackState::Dead { since } => (pb::FeedbackState::Dead, since),
    };
    pb::StoredFeedback {
        feedback: Some(feedback(run, row)),
        state: state.into(),
        tries: row.tries,
        handler_error: row.handler_error.clone(),
        since_time: Some(timestamp(since)),
    }
}
