//! Stops the execution of one run. The TaskTracker asks the user code, waits a grace, then kills; the run gets no
//! further attempt. Later instants of its job are not touched.

use crate::machine::apply::request;
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::Terminate;
use crate::machine::effect::Effect;
use crate::machine::reply::{Refusal, Reply};
use crate::machine::row::{Answer, JobAct, LiveRun, Stop, Why};

pub(super) fn apply(change: &mut Change<'_>, terminate: &Terminate) -> Result<Reply, BaseError> {
    let run = terminate.run;
    request::once(change, &terminate.request, |change| {
        let Some(live) = change.live(run)? else {
            let known = change.ledger(run)?.is_some() && change.job(run.job)?.is_some();
            let refusal = if known { Refusal::NotExecuting(run) } else { Refusal::UnknownRun(run) };
            return Ok(Answer::Refused(refusal));
        };
        let Some((execution, session)) = live.execution() else {
            return Ok(Answer::Refused(Refusal::NotExecuting(run)));
        };
        change.effect(Effect::Terminate { session, execution, run });
        let stop = live.stop.or(Some(Stop::Terminate));
        let why = Why::of(&terminate.request, &terminate.reason);
        change.log_act(run, JobAct::Terminated(execution), why)?;
        change.put_live(run, LiveRun { stop, ..LiveRun::clone(&live) })?;
        Ok(Answer::Terminating(execution))
    })
}
