//! When a job runs: now, at a time, by a cron expression, or every so often.

use serde::{Deserialize, Serialize};

use super::{Millis, Timestamp};

/// LTS's four job types with what each needs. The order is the stored order: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    RealTime,
    TriggerTime(Timestamp),
    Cron(CronSchedule),
    Repeat(RepeatSchedule),
}

/// A cron expression with its zone. `calendar` is the only one that understands the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronSchedule {
    /// Quartz (6 or 7 fields), Vixie (5 fields), `@hourly` and its like, or `@every 90s`.
    pub expression: String,
    /// An IANA zone such as `Asia/Shanghai`; `UTC` unless told.
    pub time_zone: String,
    pub dst: DstRule,
}

/// What happens to wall times that do not exist or exist twice. The order is the stored order: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DstRule {
    /// A daily time runs once every day (gap: shifted, overlap: first); a pattern through the hours ticks through both.
    /// It is the latter if its hours are all 24, whatever its minutes.
    #[default]
    Auto,
    /// A time in the gap is skipped; in the overlap the second one counts. LTS's behaviour.
    SkipSecond,
    /// A time in the gap is skipped; in the overlap the first one counts.
    SkipFirst,
    /// A time in the gap moves by its width; in the overlap the first one counts.
    ShiftFirst,
    /// A time in the gap moves by its width; in the overlap both count.
    ShiftBoth,
}

/// Every `interval`, on a grid from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatSchedule {
    /// At least 1 ms.
    pub interval: Millis,
    /// How many instants in all; `None` repeats for ever (LTS: -1).
    pub count: Option<u64>,
    /// The first instant; `None` is the time of the submit.
    pub first: Option<Timestamp>,
}

/// What happens to instants that ripen more than the job's `misfire_after` late. The order is stored: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MisfirePolicy {
    /// The last missed instant runs once, late; the earlier ones are skipped.
    #[default]
    RunOnceLate,
    /// All missed instants are skipped.
    Skip,
    /// The last `n` missed instants run, late; the earlier ones are skipped.
    CatchUp(u32),
}
