//! A row of LTS as a job of Raftsman.
//!
//! Kept: names, priority, parameters, schedule, retries that are left, `relyOnPrevCycle`, the zone and LTS's rule for
//! changes of the clocks. A row that would mean something else here is refused with a reason rather than guessed at.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::reason::{Note, Reason};
use super::row::{Repeat, Row, When};
use crate::calendar::PreparedCron;
use crate::domain::{
    Backoff, CronSchedule, DstRule, FieldError, Kind, Millis, MisfirePolicy, RepeatSchedule, RetryPolicy,
    Schedule, Timestamp, limits,
};
use crate::wire::{JSON, parse_job, pb};

/// A grid that is first met while it is submitted is met a little later, so that its first instant is still to come.
const GRID_MARGIN: Millis = Millis::from_secs(2);

/// What LTS's rows do not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kind of every job, unless one of the next two says otherwise.
    pub kind: String,
    /// The kind of the jobs of a node group.
    pub kinds_of_groups: BTreeMap<String, String>,
    /// The parameter whose text is the kind: what LTS's users dispatched by.
    pub kind_param: Option<String>,
    /// Whether the parameters are the payload too, as a JSON object.
    pub params_as_payload: bool,
    /// The zone of the JVMs of the old JobTrackers; needed for cron jobs.
    pub time_zone: Option<String>,
    pub dst: DstRule,
    /// LTS's `job.max.retry.times`.
    pub retries_max: u32,
    /// LTS's `jobtracker.job.retry.interval.millis`.
    pub retry_delay: Millis,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kind: "lts".into(),
            kinds_of_groups: BTreeMap::new(),
            kind_param: None,
            params_as_payload: false,
            time_zone: None,
            dst: DstRule::SkipSecond,
            retries_max: 10,
            retry_delay: Millis::from_secs(30),
        }
    }
}

impl Options {
    /// # Errors
    /// One violation for each option that is wrong, named as the command line names it.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        let kinds = self.kinds_of_groups.values().chain([&self.kind]);
        wrong.extend(
            kinds.filter_map(|kind| Kind::new(kind).err()).map(|e| FieldError::new("--kind", e.problem)),
        );
        if let Some(zone) = &self.time_zone {
            let (expression, time_zone) = ("0 0 0 * * ?".into(), zone.clone());
            let wrong_zone = PreparedCron::new(&CronSchedule { expression, time_zone, dst: self.dst }).err();
            let named = |e: FieldError| FieldError::new("--time-zone", e.problem);
            wrong.extend(wrong_zone.into_iter().flatten().map(named));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn kind_of(&self, row: &Row) -> String {
        let from_param = self.kind_param.as_ref().and_then(|name| row.params.texts.get(name));
        from_param.or_else(|| self.kinds_of_groups.get(&row.node_group)).unwrap_or(&self.kind).clone()
    }
}

/// A job that can be submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    pub job: pb::Job,
    /// Paused in LTS, so it must be suspended here.
    pub suspended: bool,
    /// The same for the same row of any later export.
    pub request_id: String,
    pub grid: Option<Grid>,
}

/// Where a repeat job's instants lie: `origin` and every `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub origin: Timestamp,
    pub interval: Millis,
}

impl Grid {
    /// The first point of the grid that is later than `after`.
    pub fn next_after(self, after: Timestamp) -> Timestamp {
        if self.origin > after {
            return self.origin;
        }
        let steps = after.since(self.origin).get() / self.interval.get() + 1;
        self.origin + Millis::new(steps.saturating_mul(self.interval.get()))
    }
}

impl Carried {
    /// The job to submit at `now`: a repeat job begins at the next point of its grid.
    pub fn at(&self, now: Timestamp) -> pb::Job {
        let mut job = self.job.clone();
        if let (Some(grid), Some(pb::job::Schedule::Repeat(repeat))) = (self.grid, &mut job.schedule) {
            repeat.first_time = Some(crate::wire::timestamp(grid.next_after(now + GRID_MARGIN)));
        }
        job
    }
}

/// The job of a row that may be carried, and what is not quite as it was; `executes` tells that a cycle of it ran at the
/// export.
pub(super) fn convert(
    row: &Row,
    executes: bool,
    now: Timestamp,
    options: &Options,
    notes: &mut Vec<Note>,
) -> Result<Carried, Note> {
    let mut grid = None;
    let schedule = match &row.when {
        When::Once(None) => Schedule::RealTime,
        When::Once(Some(at)) => once(Timestamp::from_millis(*at), now, notes),
        When::Cron(expression) => Schedule::Cron(cron(expression, now, options)?),
        When::Repeat(repeat) => {
            let (schedule, on) = self::repeat(*repeat, executes, now, notes)?;
            grid = Some(on);
            Schedule::Repeat(schedule)
        }
    };
    if !row.rely_on_previous_cycle && row.is_periodic() {
        notes.push(Note::new(Reason::CatchUpBounded, "relyOnPrevCycle is false"));
    }
    if !row.params.converted.is_empty() {
        notes.push(Note::new(Reason::ParamsConverted, row.params.converted.join(", ")));
    }
    let need_feedback = row.need_feedback && !row.submit_node_group.is_empty();
    if row.need_feedback && !need_feedback {
        notes.push(Note::new(Reason::FeedbackNotCarried, "submit_node_group is missing"));
    }
    if row.is_running {
        notes.push(Note::new(Reason::Locked, "is_running is 1"));
    }
    let misfire = match row.rely_on_previous_cycle {
        true => MisfirePolicy::RunOnceLate,
        false => MisfirePolicy::CatchUp(limits::CATCH_UP_MAX),
    };
    let (payload, content_type) = payload(row, options);
    let job = pb::Job {
        task_id: row.real_task_id.clone(),
        node_group: row.node_group.clone(),
        kind: options.kind_of(row),
        content_type,
        payload,
        params: row.params.texts.clone(),
        priority: Some(row.priority),
        schedule: Some(schedule.into()),
        retry: Some(retries(row, options, notes).into()),
        rely_on_previous_cycle: Some(row.rely_on_previous_cycle),
        misfire: Some(misfire.into()),
        need_feedback,
        submit_node_group: row.submit_node_group.clone(),
        ..pb::Job::default()
    };
    parse_job(job.clone(), now).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Note::new(Reason::FieldInvalid, wrong.join("; "))
    })?;
    let request_id = format!("lts-{:032x}", xxhash_rust::xxh3::xxh3_128(row.content().as_bytes()));
    Ok(Carried { job, suspended: false, request_id, grid })
}

fn once(at: Timestamp, now: Timestamp, notes: &mut Vec<Note>) -> Schedule {
    if at < now {
        notes.push(Note::new(Reason::OverdueRunsNow, format!("was due at {at}")));
    }
    Schedule::TriggerTime(at)
}

fn cron(expression: &str, now: Timestamp, options: &Options) -> Result<CronSchedule, Note> {
    let fields = expression.split_whitespace().count();
    if !(6..=7).contains(&fields) {
        return Err(Note::new(Reason::CronNotQuartz, format!("{expression:?} has {fields} fields")));
    }
    let schedule = CronSchedule {
        expression: expression.into(),
        time_zone: options.time_zone.clone().unwrap_or_else(|| "UTC".into()),
        dst: options.dst,
    };
    let prepared = PreparedCron::new(&schedule).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Note::new(Reason::CronInvalid, wrong.join("; "))
    })?;
    prepared.check_fires(now).map_err(|wrong| Note::new(Reason::CronNoFuture, wrong.problem))?;
    Ok(schedule)
}

/// What is left of its count goes on, on the grid of its first fire. LTS counts only cycles that ran.
fn repeat(
    repeat: Repeat,
    executes: bool,
    now: Timestamp,
    notes: &mut Vec<Note>,
) -> Result<(RepeatSchedule, Grid), Note> {
    let over = repeat.repeated.saturating_add(executes.into());
    let remaining = match u64::try_from(repeat.count) {
        Err(_) => None,
        Ok(count) if over >= count => {
            let told = format!("{} of {count} cycles are over", repeat.repeated);
            return Err(Note::new(Reason::RepeatFinished, told));
        }
        Ok(count) => Some(count - over),
    };
    if let (Some(remaining), true) = (remaining, over > 0) {
        notes.push(Note::new(Reason::CountContinues, format!("{remaining} of {} are left", repeat.count)));
    }
    if repeat.first_fire.is_none() {
        notes.push(Note::new(Reason::GridGuessed, "__LTS_Repeat_Job_First_Fire_Time is not set"));
    }
    let origin = repeat.first_fire.or(repeat.trigger_time).map_or(now, Timestamp::from_millis);
    let grid = Grid { origin, interval: Millis::new(repeat.interval) };
    let first = Some(grid.next_after(now));
    Ok((RepeatSchedule { interval: grid.interval, count: remaining, first }, grid))
}

fn retries(row: &Row, options: &Options, notes: &mut Vec<Note>) -> RetryPolicy {
    let wanted = row.max_retry_times;
    let allowed = wanted.min(options.retries_max);
    if allowed < wanted {
        notes
            .push(Note::new(Reason::RetriesCapped, format!("{wanted} were asked for, {allowed} were given")));
    }
    // A periodic job starts each cycle with all of them.
    let used = if row.is_periodic() { 0 } else { row.retry_times.min(allowed) };
    if used > 0 {
        notes.push(Note::new(Reason::RetriesUsed, format!("{used} of {allowed}")));
    }
    RetryPolicy { retries_max: allowed - used, backoff: Backoff::Fixed(options.retry_delay) }
}

fn payload(row: &Row, options: &Options) -> (Bytes, String) {
    if !options.params_as_payload {
        return (Bytes::new(), String::new());
    }
    let json = serde_json::to_vec(&row.params.texts).expect("a map of texts can be written as JSON");
    (json.into(), JSON.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lts::read::Record;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn row(columns: &[(&str, &str)]) -> Row {
        let fixed = [("task_id", "t1"), ("task_tracker_node_group", "trade"), ("job_id", "j1")];
        let record = Record::of(fixed.into_iter().chain(columns.iter().copied()));
        Row::read(&record).unwrap_or_else(|note| panic!("{note:?}"))
    }

    fn carried(columns: &[(&str, &str)], options: &Options) -> (Carried, Vec<&'static str>) {
        let mut notes = Vec::new();
        let carried = convert(&row(columns), false, NOW, options, &mut notes);
        (carried.unwrap_or_else(|note| panic!("{note:?}")), notes.iter().map(|n| n.reason.as_str()).collect())
    }

    fn left(columns: &[(&str, &str)], options: &Options) -> &'static str {
        convert(&row(columns), false, NOW, options, &mut Vec::new()).expect_err("it is left").reason.as_str()
    }

    fn in_zone(zone: &str) -> Options {
        Options { time_zone: Some(zone.into()), ..Options::default() }
    }

    fn repeat_of(carried: &Carried, now: Timestamp) -> (Option<i64>, u64) {
        let Some(pb::job::Schedule::Repeat(repeat)) = carried.at(now).schedule else {
            panic!("a repeat job")
        };
        let first = crate::wire::read_timestamp(repeat.first_time.expect("it begins")).expect("an instant");
        (repeat.count, first.as_millis())
    }

    #[test]
    fn a_row_that_says_nothing_has_ltss_defaults() {
        let (carried, notes) = carried(&[], &Options::default());
        let spec = parse_job(carried.job, NOW).expect("it is right");
        assert_eq!((spec.priority, spec.retry.retries_max, spec.kind.as_str()), (100, 0, "lts"));
        assert_eq!((spec.schedule, spec.rely_on_previous_cycle), (Schedule::RealTime, true));
        assert_eq!(spec.retry.backoff, Backoff::Fixed(Millis::from_secs(30)));
        assert!(notes.is_empty() && spec.payload.is_empty() && spec.params.is_empty());
    }

    #[test]
    fn rely_on_prev_cycle_is_true_where_the_column_is_null_and_false_catches_up() {
        let cron = [("cron_expression", "0 0 2 * * ?")];
        let (rely, notes) = carried(&cron, &in_zone("UTC"));
        assert_eq!((rely.job.rely_on_previous_cycle, notes.len()), (Some(true), 0));
        let (free, notes) = carried(&[cron[0], ("rely_on_prev_cycle", "0")], &in_zone("UTC"));
        assert_eq!((free.job.rely_on_previous_cycle, notes), (Some(false), vec!["CATCH_UP_BOUNDED"]));
        assert_eq!(free.job.misfire, Some(MisfirePolicy::CatchUp(1000).into()));
    }

    /// The measured behaviour of LTS: in the gap nothing, in the overlap the second pass.
    #[test]
    fn a_cron_has_the_zone_of_the_jvms_and_ltss_rule_for_changes_of_the_clocks() {
        let fires = |expression: &str, after: &str, count| {
            let (carried, _) = carried(&[("cron_expression", expression)], &in_zone("America/New_York"));
            let Schedule::Cron(cron) = parse_job(carried.job, NOW).expect("it is right").schedule else {
                panic!("a cron job")
            };
            assert_eq!(cron.dst, DstRule::SkipSecond);
            let after = after.parse().expect("a time");
            let instants = PreparedCron::new(&cron).expect("it is right").next_after(after, count);
            instants.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let spring = fires("0 30 2 * * ?", "2024-03-09T08:00:00Z", 1);
        assert_eq!(spring, ["2024-03-11T06:30:00.000Z"], "10 March has no 02:30");
        let autumn = fires("0 30 1 * * ?", "2024-11-03T00:00:00Z", 2);
        assert_eq!(autumn, ["2024-11-03T06:30:00.000Z", "2024-11-04T06:30:00.000Z"], "01:30 EST, not EDT");
    }

    #[test]
    fn a_cron_that_lts_could_not_read_or_that_is_over_is_left() {
        let cron = |expression: &'static str| left(&[("cron_expression", expression)], &in_zone("UTC"));
        assert_eq!(cron("*/5 * * * *"), "CRON_NOT_QUARTZ");
        assert_eq!(cron("@daily"), "CRON_NOT_QUARTZ");
        assert_eq!(cron("0 61 2 * * ?"), "CRON_INVALID");
        assert_eq!(cron("0 0 9 1 * MON"), "CRON_INVALID");
        assert_eq!(cron("0 0 0 31 2 ?"), "CRON_NO_FUTURE");
        assert_eq!(cron("0 0 0 1 1 ? 2020"), "CRON_NO_FUTURE");
        for quartz in ["0 15 10 L * ?", "0 0 9 LW * ?", "0 15 10 ? * 6#3", "0 0 0 15W * ?", "0 0 22-2 * * ?"]
        {
            carried(&[("cron_expression", quartz)], &in_zone("Asia/Shanghai"));
        }
    }

    #[test]
    fn what_is_left_of_a_count_goes_on_at_the_grid_of_the_first_fire() {
        let first = NOW.as_millis() - 10 * 60_000 - 7;
        let internal = format!("{{\"__LTS_Repeat_Job_First_Fire_Time\":\"{first}\"}}");
        let columns = [
            ("repeat_count", "10"),
            ("repeated_count", "3"),
            ("repeat_interval", "60000"),
            ("internal_ext_params", internal.as_str()),
        ];
        let (carried, notes) = carried(&columns, &Options::default());
        assert_eq!(notes, ["COUNT_CONTINUES"]);
        assert_eq!(repeat_of(&carried, NOW), (Some(7), first + 11 * 60_000));
        // Submitted an hour later it is on the same grid, and never before the submit is done.
        let later = NOW + Millis::from_secs(3600);
        assert_eq!(repeat_of(&carried, later), (Some(7), first + 71 * 60_000));
        let close = Timestamp::from_millis(first + 71 * 60_000 - 1);
        assert_eq!(repeat_of(&carried, close), (Some(7), first + 72 * 60_000));
        let mut notes = Vec::new();
        let executing =
            convert(&row(&columns), true, NOW, &Options::default(), &mut notes).expect("it goes on");
        assert_eq!(repeat_of(&executing, NOW).0, Some(6), "the cycle that executes counts");
    }

    #[test]
    fn an_endless_repeat_stays_endless_and_one_that_is_over_is_left() {
        let endless = [("repeat_count", "-1"), ("repeated_count", "900"), ("repeat_interval", "5000")];
        let (carried, notes) = carried(&endless, &Options::default());
        assert_eq!((repeat_of(&carried, NOW).0, notes), (None, vec!["GRID_GUESSED"]));
        let over = [("repeat_count", "5"), ("repeated_count", "5"), ("repeat_interval", "5000")];
        assert_eq!(left(&over, &Options::default()), "REPEAT_FINISHED");
    }

    #[test]
    fn a_one_shot_keeps_the_retries_that_it_has_not_used_under_the_cap_of_the_cluster() {
        let columns = [("max_retry_times", "50"), ("retry_times", "4"), ("trigger_time", "1700000000000")];
        let (carried, notes) = carried(&columns, &Options::default());
        assert_eq!(carried.job.retry.map(|retry| retry.retries_max), Some(6));
        assert_eq!(notes, ["OVERDUE_RUNS_NOW", "RETRIES_CAPPED", "RETRIES_USED"]);
    }

    #[test]
    fn feedback_goes_to_the_group_that_asked_for_it_and_is_not_carried_without_one() {
        let asks = [("need_feedback", "1"), ("submit_node_group", "web")];
        let (told, notes) = carried(&asks, &Options::default());
        assert_eq!(
            (told.job.need_feedback, told.job.submit_node_group.as_str(), notes.len()),
            (true, "web", 0)
        );
        let (untold, notes) = carried(&asks[..1], &Options::default());
        assert_eq!((untold.job.need_feedback, notes), (false, vec!["FEEDBACK_NOT_CARRIED"]));
    }

    #[test]
    fn the_kind_comes_from_a_parameter_or_the_group_or_the_default() {
        let options = Options {
            kind_param: Some("shardValue".into()),
            kinds_of_groups: BTreeMap::from([("trade".into(), "order".into())]),
            params_as_payload: true,
            ..Options::default()
        };
        let (by_param, _) = carried(&[("ext_params", r#"{"shardValue":"sync"}"#)], &options);
        assert_eq!(by_param.job.kind, "sync");
        assert_eq!(by_param.job.payload, r#"{"shardValue":"sync"}"#);
        assert_eq!(by_param.job.content_type, "application/json");
        assert_eq!(carried(&[], &options).0.job.kind, "order");
    }

    #[test]
    fn a_request_id_is_of_what_the_submitter_said_not_of_what_changed_since() {
        let id = |columns: &[(&str, &str)]| carried(columns, &Options::default()).0.request_id;
        let cycle = [("repeat_count", "9"), ("repeat_interval", "5")];
        let later = [cycle[0], cycle[1], ("repeated_count", "4"), ("gmt_modified", "7"), ("is_running", "1")];
        assert_eq!(id(&cycle), id(&later));
        assert_ne!(id(&[("trigger_time", "1")]), id(&[("trigger_time", "2")]));
        assert_ne!(id(&[]), id(&[("ext_params", r#"{"a":"b"}"#)]));
        assert!(crate::domain::RequestId::new(id(&[])).is_ok());
    }

    #[test]
    fn a_name_that_is_too_long_is_told_by_its_field() {
        let long = "x".repeat(65);
        let mut long_row = row(&[]);
        long_row.node_group = long;
        let note =
            convert(&long_row, false, NOW, &Options::default(), &mut Vec::new()).expect_err("it is left");
        assert_eq!(note.reason, Reason::FieldInvalid);
        assert!(note.message.starts_with("node_group: has 65 characters"), "{}", note.message);
    }

    #[test]
    fn options_that_are_wrong_are_named_as_the_command_line_names_them() {
        let options = Options { kind: String::new(), ..in_zone("Mars/Olympus") };
        let wrong: Vec<String> =
            options.check().expect_err("both are wrong").iter().map(ToString::to_string).collect();
        assert!(
            wrong[0].starts_with("--kind: is empty") && wrong[1].starts_with("--time-zone: "),
            "{wrong:?}"
        );
    }
}
