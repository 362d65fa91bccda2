//! The match: each command goes to the file that has its name. Nothing else lives here.

mod alarms_told;
mod biz_log;
mod cancel;
mod client_open;
mod complete;
mod delete;
mod delete_group;
mod dispatch;
mod drain;
mod expire;
mod feedback_drop;
mod feedback_failed;
mod feedback_heard;
mod feedback_retry;
mod on_job;
mod pause_queue;
mod plan;
mod reclaim;
mod request;
mod resume;
mod resume_queue;
mod retry;
mod return_;
mod set_alarms;
mod set_limits;
mod set_slots;
mod silence_alarm;
mod stats;
mod submit;
mod suspend;
mod terminate;
mod tick;
mod tracker_offline;
mod tracker_online;
mod trigger;
mod undrain;
mod update;

use super::base::BaseError;
use super::change::Change;
use super::command::Command;
use super::reply::Reply;

/// What becomes of one command. Only storage can fail; a refusal is a reply.
pub(super) fn apply(change: &mut Change<'_>, command: &Command) -> Result<Reply, BaseError> {
    match command {
        Command::ClientOpen(open) => client_open::apply(change, open),
        Command::Submit(submit) => submit::apply(change, submit),
        Command::Cancel(cancel) => cancel::apply(change, cancel),
        Command::Terminate(terminate) => terminate::apply(change, terminate),
        Command::Retry(retry) => retry::apply(change, retry),
        Command::Suspend(act) => suspend::apply(change, act),
        Command::Resume(act) => resume::apply(change, act),
        Command::Trigger(act) => trigger::apply(change, act),
        Command::Delete(act) => delete::apply(change, act),
        Command::Update(update) => update::apply(change, update),
        Command::TrackerOnline(online) => tracker_online::apply(change, online),
        Command::TrackerOffline(offline) => tracker_offline::apply(change, offline),
        Command::Dispatch(dispatch) => dispatch::apply(change, dispatch),
        Command::Return(give_back) => return_::apply(change, give_back),
        Command::Complete(complete) => complete::apply(change, complete),
        Command::Reclaim(reclaim) => reclaim::apply(change, reclaim),
        Command::Plan(plan) => plan::apply(change, plan),
        Command::Tick => tick::apply(change),
        Command::BizLog(log) => biz_log::apply(change, log),
        Command::Expire => expire::apply(change),
        Command::SetLimits(limits) => set_limits::apply(change, limits),
        Command::FeedbackHeard(heard) => feedback_heard::apply(change, heard),
        Command::FeedbackFailed(failed) => feedback_failed::apply(change, failed),
        Command::FeedbackRetry(retry) => feedback_retry::apply(change, retry),
        Command::FeedbackDrop(drop) => feedback_drop::apply(change, drop),
        Command::DeleteGroup(delete) => delete_group::apply(change, delete),
        Command::PauseQueue(pause) => pause_queue::apply(change, pause),
        Command::ResumeQueue(resume) => resume_queue::apply(change, resume),
        Command::Drain(drain) => drain::apply(change, drain),
        Command::Undrain(undrain) => undrain::apply(change, undrain),
        Command::SetSlots(slots) => set_slots::apply(change, slots),
        Command::Stats(told) => stats::apply(change, told),
        Command::SetAlarms(set) => set_alarms::apply(change, set),
        Command::AlarmsTold(told) => alarms_told::apply(change, told),
        Command::SilenceAlarm(silence) => silence_alarm::apply(change, silence),
    }
}
