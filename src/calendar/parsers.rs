//! Lets the `cron` crate read an expression, and `croner` what `cron` cannot.
//!
//! Both only say which wall times match; their own walks and zone rules are not used, since each does something else at a
//! change of the clocks. The fields come checked and rewritten from `field`.

use std::str::FromStr;

use cron::TimeUnitSpec;
use croner::parser::{CronParser, Seconds, Year};

use super::field::{Dialect, Field, SpecialDay};
use super::wall::{DayTable, MonthShape, Wall, Years};

/// The seven fields of an expression, in Quartz's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) dialect: Dialect,
    pub(super) second: Field,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day_of_month: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
    pub(super) year: Field,
}

impl Fields {
    /// The wall times that the fields name. The error is a lower-case fragment.
    pub(super) fn wall(&self) -> Result<Wall, String> {
        let theirs = match self.dialect {
            Dialect::Quartz => match cron::Schedule::from_str(&self.quartz_text()) {
                Ok(schedule) => from_cron(&schedule, self.year.is_any),
                Err(_) => from_croner(&quartz_parser(), &self.quartz_text(), self.year.is_any)?,
            },
            Dialect::Vixie => from_croner(&vixie_parser(), &self.vixie_text(), true)?,
        };
        Ok(Wall { days: self.with_our_days(theirs.days), ..theirs })
    }

    fn quartz_text(&self) -> String {
        let [second, minute, hour] = [&self.second, &self.minute, &self.hour].map(|field| &field.rewritten);
        let [month, weekday, year] = [&self.month, &self.weekday, &self.year].map(|field| &field.rewritten);
        format!("{second} {minute} {hour} {} {month} {weekday} {year}", self.day_of_month_text())
    }

    fn vixie_text(&self) -> String {
        let [minute, hour] = [&self.minute, &self.hour].map(|field| &field.rewritten);
        let [month, weekday] = [&self.month, &self.weekday].map(|field| &field.rewritten);
        format!("{minute} {hour} {} {month} {weekday}", self.day_of_month_text())
    }

    /// A placeholder if all of the field is ours.
    fn day_of_month_text(&self) -> &str {
        if self.day_of_month.rewritten.is_empty() { "*" } else { &self.day_of_month.rewritten }
    }

    fn with_our_days(&self, theirs: DayTable) -> DayTable {
        if !self.day_of_month.specials.iter().any(|day| day.is_ours()) {
            return theirs;
        }
        let ours = DayTable::new(|shape, day| {
            self.day_of_month.specials.iter().any(|special| counted_from_end(*special, shape) == Some(day))
        });
        if self.day_of_month.rewritten.is_empty() { ours } else { ours.or(&theirs) }
    }
}

/// The day that `L-3` or `L-3W` means in a month; none if the month is too short or the rule is another.
fn counted_from_end(special: SpecialDay, shape: MonthShape) -> Option<u8> {
    let SpecialDay::FromEnd { back, weekday } = special else { return None };
    let day = shape.length.checked_sub(u8::try_from(back).ok()?).filter(|day| *day >= 1)?;
    match (weekday, shape.weekday(day)) {
        (true, 6) if day == 1 => Some(3),
        (true, 6) => Some(day - 1),
        (true, 0) if day == shape.length => Some(day - 2),
        (true, 0) => Some(day + 1),
        (true, 1..=5) | (false, _) => Some(day),
        (true, _) => None,
    }
}

fn quartz_parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Required).year(Year::Required).alternative_weekdays(true).build()
}

fn vixie_parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

/// `cron` means both the day of month and the weekday; one of them is `*` or `?` in this dialect.
fn from_cron(schedule: &cron::Schedule, all_years: bool) -> Wall {
    let bits = |values: &mut dyn Iterator<Item = u32>| values.fold(0, |bits: u64, value| bits | 1 << value);
    let days = bits(&mut schedule.days_of_month().iter());
    let weekdays = bits(&mut schedule.days_of_week().iter());
    let years = schedule.years().iter().filter_map(|year| i16::try_from(year).ok());
    Wall {
        seconds: bits(&mut schedule.seconds().iter()),
        minutes: bits(&mut schedule.minutes().iter()),
        hours: narrow(bits(&mut schedule.hours().iter())),
        months: narrow(bits(&mut schedule.months().iter())),
        years: if all_years { Years::All } else { Years::Listed(years.collect()) },
        days: DayTable::new(|shape, day| {
            days & 1 << day != 0 && weekdays & 1 << (shape.weekday(day) + 1) != 0
        }),
    }
}

fn from_croner(parser: &CronParser, text: &str, all_years: bool) -> Result<Wall, String> {
    let cron = parser
        .parse(text)
        .map_err(|error| format!("cannot be read: {}", error.to_string().to_lowercase()))?;
    let pattern = &cron.pattern;
    let bits = |values: Vec<u16>| values.into_iter().fold(0, |bits: u64, value| bits | 1 << value);
    let years = || pattern.years.values().into_iter().filter_map(|year| i16::try_from(year).ok());
    Ok(Wall {
        seconds: bits(pattern.seconds.values()),
        minutes: bits(pattern.minutes.values()),
        hours: narrow(bits(pattern.hours.values())),
        months: narrow(bits(pattern.months.values())),
        years: if all_years { Years::All } else { Years::Listed(years().collect()) },
        days: DayTable::new(|shape, day| matches_day(pattern, shape, day)),
    })
}

fn narrow<T: TryFrom<u64, Error: std::fmt::Debug>>(bits: u64) -> T {
    T::try_from(bits).expect("the field was checked: hours are below 24 and months below 13")
}

/// croner wants a month of a year; any of the right shape will do, as its rules see no more than the shape.
fn matches_day(pattern: &croner::CronPattern, shape: MonthShape, day: u8) -> bool {
    let weekday = croner::Weekday::from_days_from_sunday(u32::from(shape.weekday(day)));
    let (year, month) = month_of_length(shape.length);
    pattern.day_match(year, month, u32::from(day), weekday).expect("the month has this day")
}

/// croner takes the weekday as told and only the length from the calendar.
fn month_of_length(length: u8) -> (i32, u32) {
    match length {
        28 => (2025, 2),
        29 => (2024, 2),
        30 => (2025, 4),
        _ => (2025, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::{CronExpression, Form};
    use super::*;

    const FROM: i64 = 1_766_000_000;
    const STEPS: usize = 300;

    fn our_walk(text: &str) -> Vec<i64> {
        let Form::Wall(fields_and_wall) = CronExpression::parse(text).unwrap().form else {
            panic!("{text} is a beat")
        };
        let mut at = FROM;
        let step = || {
            let found = fields_and_wall.1.next_from(at + 1)?;
            at = found;
            Some(found)
        };
        std::iter::from_fn(step).take(STEPS).collect()
    }

    #[test]
    fn our_walk_goes_where_the_walk_of_cron_goes() {
        for text in [
            "0 0/7 * * * ?",
            "59 59 23 31 12 ? 2026-2090",
            "0 15 10 ? * MON-FRI",
            "*/13 5-50/9 2-22/5 * 2,7 SUN 2026-2040",
            "0 0 12 1/5 * ?",
            "0 0 0 29 2 ? 2026-2090",
        ] {
            let theirs = cron::Schedule::from_str(text).unwrap();
            let from = chrono::DateTime::from_timestamp(FROM, 0).unwrap();
            let walk: Vec<i64> = theirs.after(&from).take(STEPS).map(|time| time.timestamp()).collect();
            assert!(!walk.is_empty());
            assert_eq!(our_walk(text), walk, "{text}");
        }
    }

    #[test]
    fn our_walk_goes_where_the_walk_of_croner_goes() {
        for text in [
            "*/7 * * * *",
            "0 9 * * 1",
            "0 0 13 * 5",
            "30 4 L * *",
            "0 0 15W 2-11 *",
            "0 12 * * 5L",
            "1 1 * * 2#5,0",
        ] {
            let theirs = vixie_parser().parse(text).unwrap();
            let mut at = jiff::Timestamp::from_second(FROM).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let step = || {
                at = theirs.find_next_occurrence(&at, false).ok()?;
                Some(at.timestamp().as_second())
            };
            let walk: Vec<i64> = std::iter::from_fn(step).take(STEPS).collect();
            assert_eq!(our_walk(text), walk, "{text}");
        }
    }
}
