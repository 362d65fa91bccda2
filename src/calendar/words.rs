//! A cron schedule in English words, and what it would do next.
//!
//! croner can describe an expression, but it calls `LW` the last day of the month, `0-30/5` every five minutes, and knows
//! neither `L-2` nor `@every`; so these words are made here, from the times that the expression really takes.

use super::expression::Form;
use super::field::{Dialect, SpecialDay};
use super::parsers::Fields;
use super::prepared::PreparedCron;
use super::wall::{Wall, Years};
use crate::domain::{CronSchedule, FieldError, Millis, Timestamp};

/// A time of day is spelled out if there are no more than so many.
const TIMES_SPELLED_MAX: u32 = 6;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// What `raftsman cron preview` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The expression and its zone in words.
    pub words: String,
    /// The next instants, ascending.
    pub instants: Vec<Timestamp>,
    /// The same on the wall clock of the zone, such as `Sun 2026-03-08 03:30:00 -04:00`.
    pub local: Vec<String>,
}

/// The words and the next `n` instants after `now`; `@every` counts from `now`.
///
/// # Errors
/// What is wrong with the schedule, also that it never fires after `now`.
pub fn preview(schedule: &CronSchedule, now: Timestamp, n: usize) -> Result<Preview, Vec<FieldError>> {
    let cron = PreparedCron::new(schedule)?.anchored_at(now);
    cron.check_fires(now).map_err(|never| vec![never])?;
    let instants = cron.next_after(now, n);
    let local = instants.iter().map(|instant| cron.local(*instant)).collect();
    Ok(Preview { words: cron.words(), instants, local })
}

/// The schedule in words, or what is wrong with it.
pub fn describe(schedule: &CronSchedule) -> String {
    match PreparedCron::new(schedule) {
        Ok(cron) => cron.words(),
        Err(errors) => errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; "),
    }
}

impl PreparedCron {
    /// Such as `at 10:15, on Monday to Friday (America/New_York)`.
    pub fn words(&self) -> String {
        match &self.expression().form {
            Form::Every(every) => format!("every {}, whatever the clocks show", span(*every)),
            Form::Wall(fields_and_wall) => {
                let (fields, wall) = fields_and_wall.as_ref();
                let parts = [Some(times(wall)), days(fields), months(wall), years(wall)];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("{} ({})", parts.join(", "), self.zone().iana_name().unwrap_or("UTC"))
            }
        }
    }

    /// An instant on the wall clock of the zone, such as `Sun 2026-03-08 03:30:00 -04:00`.
    pub fn local(&self, instant: Timestamp) -> String {
        let ms = i64::try_from(instant.as_millis()).expect("at most MAX, which fits");
        let instant = jiff::Timestamp::from_millisecond(ms).expect("at most MAX, which jiff can hold");
        instant.to_zoned(self.zone().clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string()
    }
}

/// `1h 30m`.
fn span(every: Millis) -> String {
    let seconds = every.get() / 1000;
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let shown = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    shown.collect::<Vec<_>>().join(" ")
}

fn times(wall: &Wall) -> String {
    let few = wall.seconds.count_ones() * wall.minutes.count_ones() * wall.hours.count_ones();
    if few <= TIMES_SPELLED_MAX && !wall.takes_every_hour() {
        return format!("at {}", list(&spelled_times(wall)));
    }
    let mut parts = Vec::new();
    let on_the_minute = wall.seconds == 1;
    if !on_the_minute {
        parts.push(unit_words(wall.seconds, "second"));
    }
    if on_the_minute || wall.minutes.count_ones() < 60 {
        parts.push(unit_words(wall.minutes, "minute"));
    }
    if !wall.takes_every_hour() {
        parts.push(format!("in {}", numbered("hour", &bits(u64::from(wall.hours)))));
    } else if wall.minutes.count_ones() == 1 {
        parts.push("of every hour".into());
    }
    parts.join(", ").replace(", of every hour", " of every hour")
}

fn spelled_times(wall: &Wall) -> Vec<String> {
    let mut times = Vec::new();
    for hour in bits(u64::from(wall.hours)) {
        for minute in bits(wall.minutes) {
            for second in bits(wall.seconds) {
                let time = format!("{hour:02}:{minute:02}");
                times.push(if second == 0 { time } else { format!("{time}:{second:02}") });
            }
        }
    }
    times
}

/// `every minute`, `every 5 minutes`, `at minutes 3 and 10 to 20`.
fn unit_words(values: u64, unit: &str) -> String {
    let values = bits(values);
    let step = values.get(1).map_or(60, |second| second - values[0]);
    let even = values.len() > 1 && values.iter().enumerate().all(|(n, value)| *value == n as u32 * step);
    match (even && values.len() as u32 * step == 60, step) {
        (true, 1) => format!("every {unit}"),
        (true, step) => format!("every {step} {unit}s"),
        (false, _) => format!("at {}", numbered(unit, &values)),
    }
}

fn days(fields: &Fields) -> Option<String> {
    let days_of_month = (!fields.day_of_month.is_any).then(|| days_of_month(fields));
    let weekdays = (!fields.weekday.is_any).then(|| weekdays(fields));
    match (days_of_month, weekdays) {
        (Some(days), Some(weekdays)) => Some(format!("on {days} or on {weekdays}")),
        (Some(days), None) | (None, Some(days)) => Some(format!("on {days}")),
        (None, None) => None,
    }
}

fn days_of_month(fields: &Fields) -> String {
    let plain = plain_values(&fields.day_of_month.rewritten);
    let mut parts = Vec::new();
    if !plain.is_empty() {
        parts.push(format!("{} of the month", numbered("day", &plain)));
    }
    parts.extend(fields.day_of_month.specials.iter().map(|day| special(*day, fields.dialect)));
    list(&parts)
}

fn weekdays(fields: &Fields) -> String {
    let plain: Vec<u32> = plain_values(&fields.weekday.rewritten).into_iter().collect();
    // From Monday on, as a week is read.
    let mut from_monday: Vec<u32> =
        plain.iter().map(|day| (sunday_zero(*day, fields.dialect) + 6) % 7).collect();
    from_monday.sort_unstable();
    let mut parts = runs(&from_monday, |day| WEEKDAYS[(day as usize + 1) % 7].to_owned());
    parts.extend(fields.weekday.specials.iter().map(|day| special(*day, fields.dialect)));
    list(&parts)
}

fn sunday_zero(weekday: u32, dialect: Dialect) -> u32 {
    match dialect {
        Dialect::Quartz => weekday - 1,
        Dialect::Vixie => weekday,
    }
}

fn special(day: SpecialDay, dialect: Dialect) -> String {
    let weekday = |number: u16| WEEKDAYS[sunday_zero(u32::from(number), dialect) as usize];
    let last = |back: u16| match back {
        0 => "the last day of the month".to_owned(),
        1 => "the last day but one of the month".to_owned(),
        back => format!("{back} days before the last of the month"),
    };
    match day {
        SpecialDay::FromEnd { back, weekday: false } => last(back),
        SpecialDay::FromEnd { back: 0, weekday: true } => "the last Monday-to-Friday day of the month".into(),
        SpecialDay::FromEnd { back, weekday: true } => {
            format!("the Monday-to-Friday day nearest to {}", last(back))
        }
        SpecialDay::NearestWeekday(day) => {
            format!("the Monday-to-Friday day nearest to day {day} of the month")
        }
        SpecialDay::Last(number) => format!("the last {} of the month", weekday(number)),
        SpecialDay::Nth(number, nth) => {
            format!("the {} {} of the month", ORDINALS[usize::from(nth) - 1], weekday(number))
        }
    }
}

fn months(wall: &Wall) -> Option<String> {
    let months = bits(u64::from(wall.months));
    let name = |month: u32| MONTHS[month as usize - 1].to_owned();
    (months.len() < MONTHS.len()).then(|| format!("in {}", list(&runs(&months, name))))
}

fn years(wall: &Wall) -> Option<String> {
    match &wall.years {
        Years::All => None,
        Years::Listed(years) => {
            let years: Vec<u32> = years.iter().filter_map(|year| u32::try_from(*year).ok()).collect();
            Some(format!("in {}", shortened(runs(&years, |year| year.to_string()))))
        }
    }
}

/// A step over all years to come would list thousands.
fn shortened(mut years: Vec<String>) -> String {
    const YEARS_SPELLED_MAX: usize = 8;
    if years.len() <= YEARS_SPELLED_MAX {
        return list(&years);
    }
    let last = years.pop().unwrap_or_default();
    format!("{}, ... and {last}", years[..YEARS_SPELLED_MAX / 2].join(", "))
}

/// The values of a rewritten field, without its special days.
fn plain_values(rewritten: &str) -> Vec<u32> {
    let mut values: Vec<u32> = rewritten.split(',').flat_map(plain_item).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// `5`, `1-5` or `1-31/2`; nothing for the rest.
fn plain_item(item: &str) -> Vec<u32> {
    let (range, step) = item.split_once('/').unwrap_or((item, "1"));
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    match (from.parse::<u32>(), to.parse::<u32>(), step.parse::<usize>()) {
        (Ok(from), Ok(to), Ok(step)) => (from..=to).step_by(step).collect(),
        _ => vec![],
    }
}

fn bits(bits: u64) -> Vec<u32> {
    (0..64).filter(|bit| bits & 1 << bit != 0).collect()
}

/// `minute 5` or `minutes 3 and 10 to 20`.
fn numbered(unit: &str, values: &[u32]) -> String {
    let plural = if values.len() == 1 { "" } else { "s" };
    format!("{unit}{plural} {}", list(&runs(values, |value| value.to_string())))
}

/// Three and more in a row become `a to c`.
fn runs(values: &[u32], name: impl Fn(u32) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    for run in values.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, _, .., last] => parts.push(format!("{} to {}", name(*first), name(*last))),
            short => parts.extend(short.iter().map(|value| name(*value))),
        }
    }
    parts
}

/// `a`, `a and b`, `a, b and c`.
fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DstRule;

    fn schedule(expression: &str, zone: &str) -> CronSchedule {
        CronSchedule { expression: expression.into(), time_zone: zone.into(), dst: DstRule::Auto }
    }

    #[test]
    fn an_expression_reads_as_english() {
        let cases = [
            ("0 15 10 ? * MON-FRI", "at 10:15, on Monday to Friday (UTC)"),
            ("0 0/5 * * * ?", "every 5 minutes (UTC)"),
            ("0 0/1 * * * ?", "every minute (UTC)"),
            ("* * * * * ?", "every second (UTC)"),
            ("0/10 * * * * ?", "every 10 seconds (UTC)"),
            ("*/10 0/15 * * * ?", "every 10 seconds, every 15 minutes (UTC)"),
            ("0 0 * * * ?", "at minute 0 of every hour (UTC)"),
            ("0 0-30/5 * * * ?", "at minutes 0, 5, 10, 15, 20, 25 and 30 (UTC)"),
            ("0 */7 9-17 * * ?", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56, in hours 9 to 17 (UTC)"),
            ("30 15 10 * * ?", "at 10:15:30 (UTC)"),
            ("0 30 2,14 L * ?", "at 02:30 and 14:30, on the last day of the month (UTC)"),
            ("0 0 0 LW * ?", "at 00:00, on the last Monday-to-Friday day of the month (UTC)"),
            ("0 0 0 L-2 * ?", "at 00:00, on 2 days before the last of the month (UTC)"),
            (
                "0 0 0 1,15W * ?",
                "at 00:00, on day 1 of the month and the Monday-to-Friday day nearest to day 15 of the month (UTC)",
            ),
            ("0 0 0 ? * 6L", "at 00:00, on the last Friday of the month (UTC)"),
            ("0 0 9 * * FRI-MON", "at 09:00, on Monday and Friday to Sunday (UTC)"),
            (
                "0 0 0 ? * MON#2 2027-2030",
                "at 00:00, on the second Monday of the month, in 2027 to 2030 (UTC)",
            ),
            (
                "0 0 0 1 1 ? */2",
                "at 00:00, on day 1 of the month, in January, in 1970, 1972, 1974, 1976, ... and 5000 (UTC)",
            ),
            ("0 0 13 * FRI", "at 00:00, on day 13 of the month or on Friday (UTC)"),
            ("0 12 * NOV-FEB 0", "at 12:00, on Sunday, in January, February, November and December (UTC)"),
            ("@yearly", "at 00:00, on day 1 of the month, in January (UTC)"),
            ("@every 90m", "every 1h 30m, whatever the clocks show"),
        ];
        for (expression, words) in cases {
            assert_eq!(describe(&schedule(expression, "UTC")), words, "{expression}");
        }
        assert_eq!(describe(&schedule("@daily", "asia/shanghai")), "at 00:00 (Asia/Shanghai)");
        assert!(describe(&schedule("@dayly", "UTC")).starts_with("cron.expression: has the unknown alias"));
    }

    #[test]
    fn a_preview_shows_words_and_both_clocks() {
        let now: Timestamp = "2026-03-07T12:00:00Z".parse().unwrap();
        let preview = preview(&schedule("0 30 2 * * ?", "America/New_York"), now, 2).unwrap();
        assert_eq!(preview.words, "at 02:30 (America/New_York)");
        assert_eq!(preview.local, ["Sun 2026-03-08 03:30:00 -04:00", "Mon 2026-03-09 02:30:00 -04:00"]);
        let instants: Vec<_> = preview.instants.iter().map(Timestamp::to_string).collect();
        assert_eq!(instants, ["2026-03-08T07:30:00.000Z", "2026-03-09T06:30:00.000Z"]);
    }

    #[test]
    fn a_preview_refuses_what_never_fires() {
        let errors = preview(&schedule("0 0 0 31 2 ?", "UTC"), Timestamp::ZERO, 5).unwrap_err();
        assert!(errors[0].problem.contains("never fires"));
    }
}
