//! Feedback is part of the command that ends a run: who knows the fate can count on it that a JobClient will hear it.
//!
//! A run that was executed, or whose retries or reclaims are used up, gives feedback; one that never was executed, since it
//! was skipped, replaced or cancelled before, does not. A group has a bounded number of them waiting: what does not fit is
//! dropped and counted, so that nobody listening costs no more than that and delays no completion.

use crate::domain::{NodeGroup, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::FeedbackWhich;
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::limits::FEEDBACK_BATCH_MAX;
use crate::machine::row::{Fate, FeedbackRow, FeedbackState, LedgerRow};
use crate::planted::{self, Bug};

/// Writes down how a run ended, for JobClients of a group.
pub(in crate::machine) fn write(
    change: &mut Change<'_>,
    client_group: &NodeGroup,
    run: RunId,
    ended: &LedgerRow,
) -> Result<(), BaseError> {
    if !is_told(ended) || planted::is(Bug::FeedbackOfSuccessOnly) && ended.fate != Fate::Succeeded {
        return Ok(());
    }
    let pending_max = change.limits().feedback_max;
    let mut has_room = false;
    change.count_feedback(client_group, |counts| {
        has_room = counts.pending < pending_max;
        counts.made += 1;
        counts.pending += u64::from(has_room);
        counts.dropped += u64::from(!has_room);
    })?;
    if !has_room {
        return Ok(());
    }
    let spec = change.spec_of(run.job, ended.revision)?;
    let row = FeedbackRow {
        node_group: spec.node_group.clone(),
        task_id: spec.task_id.clone(),
        kind: spec.kind.clone(),
        params: spec.params.clone(),
        revision: ended.revision,
        due: ended.due,
        ended: ended.ended,
        fate: ended.fate,
        executions: ended.executions,
        execution: ended.attempts.last().map(|attempt| attempt.execution),
        result: ended.result.clone(),
        error: ended.error.clone(),
        state: FeedbackState::Pending { next_try: ended.ended },
        tries: 0,
        handler_error: String::new(),
    };
    change.effect(Effect::Feedback(client_group.clone()));
    change.put_feedback(client_group, run, row)
}

fn is_told(ended: &LedgerRow) -> bool {
    match ended.fate {
        Fate::Succeeded | Fate::Failed | Fate::Dead => true,
        Fate::Cancelled => ended.executions > 0,
        Fate::Skipped { .. } => false,
    }
}

/// Takes feedback away; what became of it is for the caller to count.
pub(in crate::machine) fn forget(
    change: &mut Change<'_>,
    client_group: &NodeGroup,
    run: RunId,
    row: &FeedbackRow,
) -> Result<(), BaseError> {
    change.count_feedback(client_group, |counts| match row.state {
        FeedbackState::Pending { .. } => counts.pending -= 1,
        FeedbackState::Dead { .. } => counts.dead -= 1,
    })?;
    change.delete(Key::Feedback(client_group.clone(), run))
}

/// The runs that an operator means, as many as one command may be about. The index shows them as they were before it.
pub(in crate::machine) fn chosen(
    change: &Change<'_>,
    client_group: &NodeGroup,
    which: &FeedbackWhich,
) -> Vec<RunId> {
    let of_group = change.indexes().feedback(client_group);
    let chosen: Box<dyn Iterator<Item = RunId> + '_> = match which {
        FeedbackWhich::Runs(runs) => Box::new(runs.iter().copied()),
        FeedbackWhich::Dead => Box::new(of_group.into_iter().flat_map(|it| it.dead())),
        FeedbackWhich::Pending => {
            Box::new(of_group.into_iter().flat_map(|it| it.pending()).map(|(_, run)| run))
        }
    };
    chosen.take(FEEDBACK_BATCH_MAX).collect()
}
