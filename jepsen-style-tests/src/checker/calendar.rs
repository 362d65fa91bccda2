//! The checker's own reading of schedules: six or seven Quartz fields in any zone, and grids. Slow and simple on purpose:
//! it looks at every second. Where the zone changes its offset it does not judge.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The longest stretch that is looked at.
const SECONDS_MAX: i64 = 8 * 24 * 3600;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// All instants after `after` up to `until`, milliseconds since 1970.
///
/// # Errors
/// What of it is not judged here.
pub(super) fn cron_instants(
    expression: &str,
    zone: &str,
    after: i64,
    until: i64,
) -> Result<Vec<i64>, String> {
    let fields = Fields::parse(expression)?;
    let zone = match zone {
        "" | "UTC" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|error| error.to_string())?,
    };
    let (first, last) = (after.div_euclid(1000) + 1, until.div_euclid(1000));
    if last < first {
        return Ok(Vec::new());
    }
    if last - first > SECONDS_MAX {
        return Err(format!("{} seconds of a calendar", last - first));
    }
    let at = |second: i64| Timestamp::from_second(second).map_err(|error| error.to_string());
    let offset = zone.to_offset(at(first)?);
    if zone.to_offset(at(last)?) != offset {
        return Err("a change of the clocks".into());
    }
    let mut instants = Vec::new();
    for second in first..=last {
        if fields.match_second(second) && fields.matches(offset.to_datetime(at(second)?)) {
            instants.push(second * 1000);
        }
    }
    Ok(instants)
}

/// The grid from `first`, so many or for ever, up to `until`.
pub(super) fn grid_instants(first: i64, every: i64, count: Option<u64>, until: i64) -> Vec<i64> {
    let count = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let grid = std::iter::successors(Some(first), |at| at.checked_add(every.max(1)));
    grid.take(count).take_while(|at| *at <= until).collect()
}

struct Fields {
    seconds: Vec<bool>,
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    years: Option<Vec<i64>>,
}

impl Fields {
    fn parse(expression: &str) -> Result<Fields, String> {
        let words: Vec<&str> = expression.split_whitespace().collect();
        let [seconds, minutes, hours, days, months, weekdays, years @ ..] = words.as_slice() else {
            return Err(format!("the expression {expression:?}"));
        };
        let years = match years {
            [] | ["*"] => None,
            [one] => Some(one.parse().map(|year| vec![year]).map_err(|_| format!("the years {one:?}"))?),
            _ => return Err(format!("the expression {expression:?}")),
        };
        Ok(Fields {
            seconds: field(seconds, 0, 59, &[])?,
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: field(weekdays, 1, 7, &WEEKDAYS)?,
            years,
        })
    }

    /// Seconds are the same in every zone of today.
    fn match_second(&self, second: i64) -> bool {
        self.seconds[usize::try_from(second.rem_euclid(60)).unwrap_or_default()]
    }

    fn matches(&self, at: jiff::civil::DateTime) -> bool {
        let has = |field: &[bool], value: i8| field[usize::try_from(value).unwrap_or_default()];
        let weekday = at.weekday().to_sunday_one_offset();
        has(&self.minutes, at.minute())
            && has(&self.hours, at.hour())
            && has(&self.days, at.day())
            && has(&self.months, at.month())
            && has(&self.weekdays, weekday)
            && self.years.as_ref().is_none_or(|years| years.contains(&i64::from(at.year())))
    }
}

/// Lists, ranges, steps and names; which values match, by value.
fn field(text: &str, min: usize, max: usize, names: &[&str]) -> Result<Vec<bool>, String> {
    let wrong = || format!("the field {text:?}");
    let value = |word: &str| match names.iter().position(|name| name.eq_ignore_ascii_case(word)) {
        Some(i) => Ok(i + min),
        None => word.parse().ok().filter(|value| (min..=max).contains(value)).ok_or_else(wrong),
    };
    let mut matching = vec![false; max + 1];
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().map_err(|_| wrong())?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?),
            None if matches!(range, "*" | "?") => (min, max),
            None if step.is_some() => (value(range)?, max),
            None => (value(range)?, value(range)?),
        };
        if from > to || step == Some(0) {
            return Err(wrong());
        }
        (from..=to).step_by(step.unwrap_or(1)).for_each(|value| matching[value] = true);
    }
    Ok(matching)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::words::At;

    fn check(expression: &str, zone: &str, after: &str, until: &str, expected: &[&str]) {
        let at = |text: &str| text.parse::<At>().unwrap().0;
        let instants = cron_instants(expression, zone, at(after), at(until)).unwrap();
        let instants: Vec<String> = instants.into_iter().map(|ms| At(ms).to_string()).collect();
        assert_eq!(instants, expected, "{expression}");
    }

    #[test]
    fn instants_come_as_the_fields_say() {
        check(
            "* * * * * ?",
            "UTC",
            "2026-11-22T10:00:00.5Z",
            "2026-11-22T10:00:02Z",
            &["2026-11-22T10:00:01.000Z", "2026-11-22T10:00:02.000Z"],
        );
        check(
            "0/20 5,7 9-10 ? NOV SUN",
            "UTC",
            "2026-11-22T09:05:00Z",
            "2026-11-22T09:07:00Z",
            &["2026-11-22T09:05:20.000Z", "2026-11-22T09:05:40.000Z", "2026-11-22T09:07:00.000Z"],
        );
    }

    #[test]
    fn zones_are_read() {
        check(
            "0 30 6 * * ?",
            "Asia/Kathmandu",
            "2026-11-22T00:00:00Z",
            "2026-11-22T12:00:00Z",
            &["2026-11-22T00:45:00.000Z"],
        );
    }

    #[test]
    fn what_is_not_judged_is_told() {
        for expression in ["* * * * *", "@every 5s", "0 0 0 L * ?", "61 * * * * ?"] {
            assert!(cron_instants(expression, "UTC", 0, 10_000).is_err(), "{expression}");
        }
        let changes = cron_instants("0 * * * * ?", "Europe/London", 1_774_742_400_000, 1_774_760_400_000);
        assert!(changes.is_err(), "{changes:?}");
    }

    #[test]
    fn a_grid_has_its_count() {
        assert_eq!(grid_instants(5, 10, Some(2), 100), [5, 15]);
        assert_eq!(grid_instants(5, 10, None, 30), [5, 15, 25]);
    }
}
