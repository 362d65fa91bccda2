//! The words that both sides share: ids, names, times, jobs and their outcomes.
//!
//! Everything here is a plain value. A value that exists is right: the constructors check, the floors above trust.
//! Not here: how a value travels (`wire`), how it is stored (`machine::codec`), when a cron fires (`calendar`).

mod action;
mod alarm;
mod biz_log;
mod field_error;
mod ids;
mod job;
mod job_patch;
mod names;
mod retry;
mod schedule;
mod time;

pub use action::{Action, Outcome};
pub use alarm::{AlarmRule, AlarmSeverity};
pub use biz_log::{BizLogLevel, BizLogLine};
pub use field_error::FieldError;
pub use ids::{AlarmId, ClientId, ExecutionId, JobId, ParseIdError, Position, RunId, SessionId};
pub use job::{JobSpec, JobType, OnConflict, PRIORITY_DEFAULT, TraceContext, limits, share_names};
pub use job_patch::{JobPatch, PatchError, SchedulePatch};
pub use names::{AlarmSubject, AlarmTarget, ContentType, Identity, Kind, NodeGroup, RequestId, TaskId};
pub use retry::{Backoff, RetryPolicy};
pub use schedule::{CronSchedule, DstRule, MisfirePolicy, RepeatSchedule, Schedule};
pub use time::{Clock, Millis, SystemClock, Timestamp};
