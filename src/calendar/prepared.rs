//! A cron schedule made ready: the wall times of its expression, read in its zone under its DST rule, as instants.
//!
//! Time is cut where the zone's clocks change. Within such a steady time a wall time is an instant by one subtraction;
//! what is special happens just after a change, and is put there by the rule:
//!
//! - **a gap** (clocks go forward; some wall times do not exist). *Skip* leaves them out. *Shift* reads them with the
//!   offset before the change, as RFC 5545 does, so that they land as far behind the change as they lie in the gap: with
//!   a gap from 02:00 to 03:00, 02:30 runs at 03:30 of the new time. If a regular time falls there too, it is one instant.
//! - **an overlap** (clocks go back; some wall times exist twice). *First* leaves out the second pass, *second* the first
//!   pass, *both* nothing.
//!
//! [`DstRule::Auto`] looks at the hours of the expression. If they are all 24 (`*`, `0-23`, `*/1`), the pattern *ticks
//! through the hours*: it fires whenever the clock on the wall shows a match (skip, both), so that an hour never passes
//! without its ticks. Otherwise the expression names *times of the day*, and each runs once on every day that it names
//! (shift, first). How often it ticks within an hour does not matter.
//!
//! `@every` knows no wall clock: its grid is anchor + 1, 2, 3... times the interval.
//!
//! All instants are whole seconds (`@every`: the anchor's milliseconds). Ranges are `(after, until]`: what was settled is
//! given as `after` and not found again.

use jiff::tz::TimeZone;

use super::expression::{CronExpression, Form};
use super::wall::Wall;
use super::zone::{self, OFFSET_SECONDS_MAX, Steady};
use crate::domain::{CronSchedule, DstRule, FieldError, Millis, Timestamp};

/// A pattern that met nothing but gaps in so many steady times (some 500 years) is taken to be at its end.
const STEADY_TIMES_WALKED_MAX: usize = 1000;

/// What happens to wall times that a change of the clocks leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Skip,
    Shift,
}

/// What happens to wall times that a change of the clocks repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlap {
    First,
    Second,
    Both,
}

/// A cron schedule that was checked and gives instants. Making one costs some ten microseconds, keeping it some hundred
/// bytes.
#[derive(Clone, Debug)]
pub struct PreparedCron {
    expression: CronExpression,
    zone: TimeZone,
    gap: Gap,
    overlap: Overlap,
    anchor: Timestamp,
}

impl PreparedCron {
    /// Checks expression and zone. `@every` counts from 1970 until [`anchored_at`](Self::anchored_at) says otherwise.
    ///
    /// # Errors
    /// All that is wrong, as `cron.expression` and `cron.time_zone`.
    pub fn new(schedule: &CronSchedule) -> Result<PreparedCron, Vec<FieldError>> {
        match (CronExpression::parse(&schedule.expression), zone::find(&schedule.time_zone)) {
            (Ok(expression), Ok(zone)) => {
                let (gap, overlap) = resolve(schedule.dst, &expression);
                Ok(PreparedCron { expression, zone, gap, overlap, anchor: Timestamp::ZERO })
            }
            (expression, zone) => Err(expression.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// The same with the grid of `@every` starting at `anchor`, the job's creation; its first instant is one interval
    /// later. Other expressions do not depend on it.
    #[must_use]
    pub fn anchored_at(self, anchor: Timestamp) -> PreparedCron {
        PreparedCron { anchor, ..self }
    }

    pub fn expression(&self) -> &CronExpression {
        &self.expression
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Refuses a schedule that has no instant after `now`.
    ///
    /// # Errors
    /// A [`FieldError`] for `cron.expression`.
    pub fn check_fires(&self, now: Timestamp) -> Result<(), FieldError> {
        match self.instants(now).next() {
            Some(_) => Ok(()),
            None => Err(FieldError::new(
                "cron.expression",
                format!(
                    "{:?} never fires after {now}; name a day that exists and a year that is not over",
                    self.expression.as_str()
                ),
            )),
        }
    }

    /// The next `count` instants strictly after `after`, ascending; fewer only if the schedule ends.
    pub fn next_after(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        self.instants(after).take(count).collect()
    }

    /// The first `limit` instants in `(after, until]`, ascending.
    pub fn instants_between(&self, after: Timestamp, until: Timestamp, limit: usize) -> Vec<Timestamp> {
        self.instants(after).take_while(|instant| *instant <= until).take(limit).collect()
    }

    /// The last `count` instants in `(after, until]`, ascending; what a misfire policy catches up.
    pub fn last_between(&self, after: Timestamp, until: Timestamp, count: usize) -> Vec<Timestamp> {
        let wanted = count as u64;
        let (mut low, mut high) = (after.as_millis(), until.as_millis());
        // The earliest moment that has no more than `count` instants behind it.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.count_between(Timestamp::from_millis(middle), until) <= wanted {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.instants_between(Timestamp::from_millis(low).max(after), until, count)
    }

    /// How many instants there are in `(after, until]`, counted by days and months: ten years of every second take some
    /// microseconds.
    pub fn count_between(&self, after: Timestamp, until: Timestamp) -> u64 {
        if after >= until {
            return 0;
        }
        match &self.expression.form {
            Form::Every(every) => beats(self.anchor, *every, until) - beats(self.anchor, *every, after),
            Form::Wall(fields_and_wall) => {
                self.count_seconds(&fields_and_wall.1, second_after(after), second_after(until))
            }
        }
    }

    /// All instants strictly after `after`, ascending.
    pub fn instants(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let (mut last, mut second, mut steady) = (after, second_after(after), None);
        std::iter::from_fn(move || match &self.expression.form {
            Form::Every(every) => {
                last = next_beat(self.anchor, *every, last)?;
                Some(last)
            }
            Form::Wall(fields_and_wall) => {
                let found = self.next_second(&fields_and_wall.1, second, &mut steady)?;
                second = found + 1;
                u64::try_from(found).ok().map(|found| Timestamp::from_millis(found * 1000))
            }
        })
    }

    /// The first firing second from `from` on. `steady` remembers the steady time of the last one.
    fn next_second(&self, wall: &Wall, from: i64, steady: &mut Option<Steady>) -> Option<i64> {
        let mut here = match *steady {
            Some(known) if known.from <= from && from < known.until => known,
            _ => Steady::around(&self.zone, from)?,
        };
        for _ in 0..STEADY_TIMES_WALKED_MAX {
            *steady = Some(here);
            let found =
                self.stretches(here).into_iter().flatten().find_map(|stretch| stretch.next(wall, from));
            if found.is_some() {
                return found;
            }
            // Later instants show wall times from here on: leap to just before the first that matches.
            let match_at = wall.next_from(here.until + here.offset.min(here.after))?;
            here = Steady::around(&self.zone, here.until.max(match_at - OFFSET_SECONDS_MAX))?;
        }
        None
    }

    /// How many seconds fire in `from..until`.
    fn count_seconds(&self, wall: &Wall, from: i64, until: i64) -> u64 {
        let (mut count, mut at) = (0, from);
        while at < until {
            let Some(here) = Steady::around(&self.zone, at) else { break };
            let stretches = self.stretches(here).into_iter().flatten();
            count += stretches.map(|stretch| stretch.within(from, until).count(wall)).sum::<u64>();
            at = here.until;
        }
        count
    }

    /// When in a steady time the pattern may fire, and by which wall clocks, under the rule.
    fn stretches(&self, steady: Steady) -> [Option<Stretch>; 2] {
        let Steady { mut from, mut until, before, offset, after } = steady;
        if self.overlap == Overlap::First && before > offset {
            from += before - offset;
        }
        if self.overlap == Overlap::Second && after < offset {
            until -= offset - after;
        }
        if self.gap == Gap::Shift && before < offset {
            let shifted_until = (from + (offset - before)).min(until);
            return [
                Some(Stretch { from, until: shifted_until, offset, shifted: Some(before) }),
                Some(Stretch { from: shifted_until, until, offset, shifted: None }),
            ];
        }
        [Some(Stretch { from, until, offset, shifted: None }), None]
    }
}

/// Seconds in which one wall clock counts, or two: the regular one and the one before the gap.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: i64,
    until: i64,
    offset: i64,
    shifted: Option<i64>,
}

impl Stretch {
    fn within(self, from: i64, until: i64) -> Stretch {
        Stretch { from: self.from.max(from), until: self.until.min(until), ..self }
    }

    fn next(self, wall: &Wall, from: i64) -> Option<i64> {
        let from = from.max(self.from);
        let by = |offset| wall.next_from(from + offset).map(|found| found - offset);
        let regular = by(self.offset);
        let first = match self.shifted.and_then(by) {
            Some(shifted) => Some(regular.map_or(shifted, |regular| regular.min(shifted))),
            None => regular,
        };
        first.filter(|found| *found < self.until)
    }

    fn count(self, wall: &Wall) -> u64 {
        if self.from >= self.until {
            return 0;
        }
        match self.shifted {
            None => wall.count(self.from + self.offset, self.until + self.offset),
            // A gap is short: list it, so that what both clocks show counts once.
            Some(_) => {
                let mut at = self.from;
                std::iter::from_fn(|| {
                    let found = self.next(wall, at)?;
                    at = found + 1;
                    Some(found)
                })
                .fold(0, |count, _| count + 1)
            }
        }
    }
}

/// What the rule says to an expression.
fn resolve(rule: DstRule, expression: &CronExpression) -> (Gap, Overlap) {
    match (rule, &expression.form) {
        (DstRule::Auto, Form::Wall(fields_and_wall)) if fields_and_wall.1.takes_every_hour() => {
            (Gap::Skip, Overlap::Both)
        }
        (DstRule::Auto | DstRule::ShiftFirst, _) => (Gap::Shift, Overlap::First),
        (DstRule::SkipSecond, _) => (Gap::Skip, Overlap::Second),
        (DstRule::SkipFirst, _) => (Gap::Skip, Overlap::First),
        (DstRule::ShiftBoth, _) => (Gap::Shift, Overlap::Both),
    }
}

/// The first whole second that is later than `instant`.
fn second_after(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_millis() / 1000).expect("a timestamp has at most twelve digits of seconds") + 1
}

/// How many instants of the grid are not later than `until`.
fn beats(anchor: Timestamp, every: Millis, until: Timestamp) -> u64 {
    until.since(anchor).get() / every.get()
}

fn next_beat(anchor: Timestamp, every: Millis, after: Timestamp) -> Option<Timestamp> {
    let next = (beats(anchor, every, after) + 1).checked_mul(every.get())?.checked_add(anchor.as_millis())?;
    (next <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(expression: &str, zone: &str, dst: DstRule) -> PreparedCron {
        let schedule = CronSchedule { expression: expression.into(), time_zone: zone.into(), dst };
        PreparedCron::new(&schedule).unwrap_or_else(|errors| panic!("{expression}: {errors:?}"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The local times of all instants in `(after, until]`, as day, time and offset.
    fn fires(expression: &str, zone: &str, dst: DstRule, after: &str, until: &str) -> Vec<String> {
        let cron = prepared(expression, zone, dst);
        let local = |instant: Timestamp| {
            let instant = jiff::Timestamp::from_millisecond(instant.as_millis() as i64).unwrap();
            instant.to_zoned(cron.zone().clone()).strftime("%d %H:%M %:z").to_string()
        };
        let found = cron.instants_between(at(after), at(until), 10_000);
        assert_eq!(cron.count_between(at(after), at(until)), found.len() as u64);
        assert!(found.is_sorted_by(|a, b| a < b));
        found.into_iter().map(local).collect()
    }

    const NEW_YORK: &str = "America/New_York";
    const LORD_HOWE: &str = "Australia/Lord_Howe";

    /// 2026-03-08 in New York: 02:00 to 03:00 does not exist.
    fn in_the_new_york_gap(expression: &str, dst: DstRule) -> Vec<String> {
        fires(expression, NEW_YORK, dst, "2026-03-08T05:30:00Z", "2026-03-08T08:40:00Z")
    }

    /// 2026-11-01 in New York: 01:00 to 02:00 exists twice.
    fn in_the_new_york_overlap(expression: &str, dst: DstRule) -> Vec<String> {
        fires(expression, NEW_YORK, dst, "2026-11-01T04:59:00Z", "2026-11-01T07:00:00Z")
    }

    #[test]
    fn a_daily_time_in_a_gap_is_shifted_or_skipped() {
        let daily = "0 30 2 * * ?";
        for dst in [DstRule::Auto, DstRule::ShiftFirst, DstRule::ShiftBoth] {
            assert_eq!(in_the_new_york_gap(daily, dst), ["08 03:30 -04:00"], "{dst:?}");
        }
        for dst in [DstRule::SkipFirst, DstRule::SkipSecond] {
            assert!(in_the_new_york_gap(daily, dst).is_empty(), "{dst:?}");
        }
        assert_eq!(
            in_the_new_york_gap("0 30 2,3 * * ?", DstRule::Auto),
            ["08 03:30 -04:00"],
            "it is one instant"
        );
    }

    #[test]
    fn a_daily_time_in_an_overlap_runs_in_the_pass_that_the_rule_names() {
        let daily = "0 30 1 * * ?";
        let (first, second) = ("01 01:30 -04:00", "01 01:30 -05:00");
        for dst in [DstRule::Auto, DstRule::SkipFirst, DstRule::ShiftFirst] {
            assert_eq!(in_the_new_york_overlap(daily, dst), [first], "{dst:?}");
        }
        assert_eq!(in_the_new_york_overlap(daily, DstRule::SkipSecond), [second]);
        assert_eq!(in_the_new_york_overlap(daily, DstRule::ShiftBoth), [first, second]);
    }

    #[test]
    fn a_pattern_through_the_hours_ticks_through_both() {
        let half_hourly = "0 0/30 * * * ?";
        let gap = [
            "08 01:00 -05:00",
            "08 01:30 -05:00",
            "08 03:00 -04:00",
            "08 03:30 -04:00",
            "08 04:00 -04:00",
            "08 04:30 -04:00",
        ];
        assert_eq!(in_the_new_york_gap(half_hourly, DstRule::Auto), gap);
        let overlap =
            ["01 01:00 -04:00", "01 01:30 -04:00", "01 01:00 -05:00", "01 01:30 -05:00", "01 02:00 -05:00"];
        assert_eq!(in_the_new_york_overlap(half_hourly, DstRule::Auto), overlap);
        assert_eq!(in_the_new_york_overlap("*/30 0-23 * * *", DstRule::Auto), overlap);
        assert_eq!(in_the_new_york_overlap(half_hourly, DstRule::SkipSecond), overlap[2..], "as LTS");
        assert_eq!(in_the_new_york_overlap("@hourly", DstRule::Auto).len(), 3);
    }

    #[test]
    fn named_hours_are_times_of_the_day_however_often_they_tick() {
        let first_pass = ["01 01:00 -04:00", "01 01:30 -04:00"];
        assert_eq!(in_the_new_york_overlap("0 0/30 1 * * ?", DstRule::Auto), first_pass);
        let shifted = ["08 03:00 -04:00", "08 03:30 -04:00"];
        assert_eq!(in_the_new_york_gap("0 0/30 2 * * ?", DstRule::Auto), shifted);
    }

    #[test]
    fn lord_howe_shifts_by_half_an_hour() {
        // 2026-10-04: 02:00 to 02:30 does not exist. 2026-04-05: 01:30 to 02:00 exists twice.
        let gap = |expression, dst| {
            fires(expression, LORD_HOWE, dst, "2026-10-03T14:00:00Z", "2026-10-03T16:30:00Z")
        };
        assert_eq!(gap("0 15 2 * * ?", DstRule::Auto), ["04 02:45 +11:00"]);
        assert_eq!(gap("0 45 2 * * ?", DstRule::Auto), ["04 02:45 +11:00"]);
        assert_eq!(gap("0 15,45 2 * * ?", DstRule::Auto), ["04 02:45 +11:00"]);
        assert!(gap("0 15 2 * * ?", DstRule::SkipSecond).is_empty());
        let overlap = |expression, dst| {
            fires(expression, LORD_HOWE, dst, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z")
        };
        assert_eq!(overlap("0 45 1 * * ?", DstRule::Auto), ["05 01:45 +11:00"]);
        assert_eq!(overlap("0 45 1 * * ?", DstRule::SkipSecond), ["05 01:45 +10:30"]);
        assert_eq!(overlap("0 15 1 * * ?", DstRule::SkipSecond), ["05 01:15 +11:00"], "it exists once");
        assert_eq!(
            overlap("0 15/30 * * * ?", DstRule::Auto),
            ["05 01:15 +11:00", "05 01:45 +11:00", "05 01:45 +10:30", "05 02:15 +10:30"]
        );
    }

    #[test]
    fn a_gap_at_midnight_shifts_into_the_same_day() {
        // Sao Paulo, 2018-11-04: 00:00 to 01:00 does not exist. 2018-02-18: 23:00 to 24:00 of the 17th exists twice.
        let fires =
            |expression, after, until| fires(expression, "America/Sao_Paulo", DstRule::Auto, after, until);
        assert_eq!(
            fires("@daily", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z"),
            ["04 01:00 -02:00", "05 00:00 -02:00"]
        );
        assert_eq!(
            fires("0 0 0 ? * SUN", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z"),
            ["04 01:00 -02:00"]
        );
        let overlap = fires("0 30 23 * * ?", "2018-02-17T12:00:00Z", "2018-02-19T12:00:00Z");
        assert_eq!(overlap, ["17 23:30 -02:00", "18 23:30 -03:00"]);
    }

    #[test]
    fn a_day_that_apia_left_out_is_shifted_into_the_next() {
        let fires = |expression, dst| {
            fires(expression, "Pacific/Apia", dst, "2011-12-29T10:00:00Z", "2011-12-31T09:59:59Z")
        };
        assert_eq!(fires("0 0 9 * * ?", DstRule::Auto), ["29 09:00 -10:00", "31 09:00 +14:00"]);
        assert_eq!(fires("0 0 9 30 12 ?", DstRule::Auto), ["31 09:00 +14:00"]);
        assert!(fires("0 0 9 30 12 ?", DstRule::SkipFirst).is_empty());
        assert_eq!(fires("@hourly", DstRule::Auto).len(), 23 + 24);
    }

    #[test]
    fn every_keeps_its_grid_from_the_anchor() {
        let every =
            prepared("@every 90s", NEW_YORK, DstRule::Auto).anchored_at(at("2026-03-08T06:59:00.250Z"));
        let texts = |instants: Vec<Timestamp>| instants.iter().map(Timestamp::to_string).collect::<Vec<_>>();
        let first = ["2026-03-08T07:00:30.250Z", "2026-03-08T07:02:00.250Z"];
        assert_eq!(texts(every.next_after(at("2020-01-01T00:00:00Z"), 2)), first);
        assert_eq!(texts(every.next_after(at("2026-03-08T06:59:00.250Z"), 2)), first);
        assert_eq!(texts(every.next_after(at("2026-03-08T07:00:30.250Z"), 1)), first[1..]);
        assert_eq!(every.count_between(at("2026-03-08T06:59:00.250Z"), at("2026-03-08T07:02:00.250Z")), 2);
        assert_eq!(every.next_after(Timestamp::MAX, 1), []);
    }

    #[test]
    fn what_never_fires_is_refused_soon() {
        let now = at("2026-06-01T00:00:00Z");
        for expression in [
            "0 0 0 31 2 ?",
            "0 0 0 30 2 ?",
            "0 0 0 31 4,6,9,11 ?",
            "0 0 0 1 1 ? 2025",
            "0 0 0 29 2 ? 2101",
            "0 0 * 31W 2 ?",
            "0 0 31 2 *",
        ] {
            let cron = prepared(expression, NEW_YORK, DstRule::Auto);
            let refusal = cron.check_fires(now).expect_err(expression).to_string();
            assert!(
                refusal.starts_with(&format!("cron.expression: {expression:?} never fires after 2026-06-01")),
                "{refusal}"
            );
            assert_eq!(cron.next_after(now, 3), []);
        }
        let only_in_the_gap = prepared("0 30 2 ? 3 SUN#2 2027-2099", NEW_YORK, DstRule::SkipFirst);
        assert!(only_in_the_gap.check_fires(now).is_err());
        let rare = prepared("0 0 0 29 2 ?", NEW_YORK, DstRule::Auto);
        assert_eq!(rare.next_after(now, 2), [at("2028-02-29T05:00:00Z"), at("2032-02-29T05:00:00Z")]);
        let far = prepared("0 0 0 1 1 ? 2101", "UTC", DstRule::Auto);
        assert_eq!(far.next_after(now, 3), [at("2101-01-01T00:00:00Z")]);
        let without_year = prepared("0 0 0 1 1 ?", "UTC", DstRule::Auto);
        assert_eq!(without_year.next_after(at("2100-12-31T00:00:00Z"), 1), [at("2101-01-01T00:00:00Z")]);
    }

    #[test]
    fn the_calendar_has_an_end() {
        let daily = prepared("0 0 12 * * ?", NEW_YORK, DstRule::Auto);
        assert!(daily.next_after(Timestamp::MAX, 2).is_empty());
        assert!(!daily.next_after(at("9999-12-28T00:00:00Z"), 5).is_empty());
        assert!(daily.count_between(Timestamp::ZERO, Timestamp::MAX) > 2_900_000);
    }

    #[test]
    fn an_instant_is_strictly_later_than_what_was_settled() {
        let secondly = prepared("* * * * * ?", "UTC", DstRule::Auto);
        assert_eq!(secondly.next_after(Timestamp::from_millis(5000), 1), [Timestamp::from_millis(6000)]);
        assert_eq!(secondly.next_after(Timestamp::from_millis(5999), 1), [Timestamp::from_millis(6000)]);
        assert_eq!(secondly.count_between(Timestamp::from_millis(4999), Timestamp::from_millis(6000)), 2);
        assert_eq!(secondly.count_between(Timestamp::from_millis(6000), Timestamp::from_millis(6999)), 0);
        assert_eq!(secondly.count_between(Timestamp::from_millis(7000), Timestamp::from_millis(6000)), 0);
    }

    #[test]
    fn the_last_of_a_long_range_are_found_without_listing_it() {
        let secondly = prepared("* * * * * ?", NEW_YORK, DstRule::Auto);
        let (after, until) = (at("2016-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        assert_eq!(secondly.count_between(after, until), until.since(after).get() / 1000);
        let last = secondly.last_between(after, until, 3);
        assert_eq!(last, [at("2025-12-31T23:59:58Z"), at("2025-12-31T23:59:59Z"), until]);
        assert_eq!(secondly.last_between(after, after + Millis::from_secs(2), 3).len(), 2);
        assert!(secondly.last_between(after, until, 0).is_empty());
        let yearly = prepared("@yearly", NEW_YORK, DstRule::Auto);
        assert_eq!(
            yearly.last_between(after, until, 2),
            [at("2024-01-01T05:00:00Z"), at("2025-01-01T05:00:00Z")]
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let schedule = CronSchedule {
            expression: "0 0 25 * * ?".into(),
            time_zone: "Asia/Shangai".into(),
            dst: DstRule::Auto,
        };
        let fields: Vec<_> =
            PreparedCron::new(&schedule).unwrap_err().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["cron.expression", "cron.time_zone"]);
    }
}
