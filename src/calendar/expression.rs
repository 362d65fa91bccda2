//! The text of a cron expression, taken apart.
//!
//! Three forms: fields (Quartz's six or seven, Vixie's five), an alias such as `@daily`, and `@every 90s`. The form tells
//! the dialect; letters do not, since `JUL` and `WED` hold an `L` and a `W`. Case does not matter.

use std::fmt;
use std::str::FromStr;

use super::field::{Dialect, Field, Unit};
use super::parsers::Fields;
use super::wall::Wall;
use crate::domain::limits::{EXPRESSION_BYTES_MAX, SPAN_MS_MAX};
use crate::domain::{FieldError, Millis};

/// The shortest `@every`.
pub const EVERY_MIN: Millis = Millis::from_secs(1);
/// The longest `@every`: ten years.
pub const EVERY_MAX: Millis = Millis::new(SPAN_MS_MAX);

/// An alias and the five fields that it stands for.
const ALIASES: [(&str, &str); 7] = [
    ("@YEARLY", "0 0 1 1 *"),
    ("@ANNUALLY", "0 0 1 1 *"),
    ("@MONTHLY", "0 0 1 * *"),
    ("@WEEKLY", "0 0 * * 0"),
    ("@DAILY", "0 0 * * *"),
    ("@MIDNIGHT", "0 0 * * *"),
    ("@HOURLY", "0 * * * *"),
];

/// A cron expression that can be understood. Whether it ever fires is another question: `PreparedCron::check_fires`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronExpression {
    text: String,
    pub(super) form: Form,
}

/// What an expression says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Times that the wall clock shows.
    Wall(Box<(Fields, Wall)>),
    /// A steady beat, whatever the wall clock shows.
    Every(Millis),
}

impl CronExpression {
    /// Reads Quartz (6 or 7 fields), Vixie (5 fields), `@daily` and its like, or `@every 1h30m`.
    ///
    /// # Errors
    /// One [`FieldError`] for `cron.expression` that says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<CronExpression, FieldError> {
        let text = text.trim();
        match read(text) {
            Ok(form) => Ok(CronExpression { text: text.to_owned(), form }),
            Err(problem) => Err(FieldError::new("cron.expression", problem)),
        }
    }

    /// As it was written, without the space around it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for CronExpression {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<CronExpression, FieldError> {
        CronExpression::parse(text)
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn read(text: &str) -> Result<Form, String> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("has {} bytes; at most {EXPRESSION_BYTES_MAX} are allowed", text.len()));
    }
    if let Some(strange) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(format!("contains {strange:?}; write it on one line"));
    }
    let upper = text.to_ascii_uppercase();
    match upper.strip_prefix('@') {
        Some(_) => read_alias(&upper),
        None if upper.starts_with("TZ=") || upper.starts_with("CRON_TZ=") => {
            Err("has a zone in front; give it as the time zone of the cron instead".into())
        }
        None => read_fields(&upper),
    }
}

fn read_alias(upper: &str) -> Result<Form, String> {
    if let Some(span) = upper.strip_prefix("@EVERY ") {
        return read_every(span.trim());
    }
    if let Some((_, fields)) = ALIASES.iter().find(|(alias, _)| *alias == upper) {
        return read_fields(fields);
    }
    let shown = upper.to_ascii_lowercase();
    match upper {
        "@REBOOT" => Err("is @reboot, but a cluster does not reboot; submit a real time job instead".into()),
        _ => Err(format!(
            "has the unknown alias {shown:?}; known are @yearly, @annually, @monthly, @weekly, @daily, @midnight, \
             @hourly and @every with a time such as 90s"
        )),
    }
}

/// `90s`, `5m`, `1h30m`, `2d`.
fn read_every(span: &str) -> Result<Form, String> {
    let seconds = seconds_of(span).ok_or_else(|| {
        format!(
            "has the time {:?} after @every; write whole numbers with d, h, m or s, such as 90s or 1h30m",
            span.to_ascii_lowercase()
        )
    })?;
    let every = Millis::from_secs(seconds);
    if every < EVERY_MIN {
        return Err("has a time under 1s after @every; at least 1s is allowed".into());
    }
    if every > EVERY_MAX {
        return Err("has a time over ten years after @every; at most 3660d is allowed".into());
    }
    Ok(Form::Every(every))
}

fn seconds_of(span: &str) -> Option<u64> {
    let mut rest = span;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b'D' => 24 * 3600,
            b'H' => 3600,
            b'M' => 60,
            b'S' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!span.is_empty()).then_some(seconds)
}

fn read_fields(upper: &str) -> Result<Form, String> {
    let texts: Vec<&str> = upper.split_whitespace().collect();
    let fields = match texts[..] {
        [minute, hour, day_of_month, month, weekday] => {
            fields_of(Dialect::Vixie, ["0", minute, hour, day_of_month, month, weekday, "*"])?
        }
        [second, minute, hour, day_of_month, month, weekday] => {
            fields_of(Dialect::Quartz, [second, minute, hour, day_of_month, month, weekday, "*"])?
        }
        [second, minute, hour, day_of_month, month, weekday, year] => {
            fields_of(Dialect::Quartz, [second, minute, hour, day_of_month, month, weekday, year])?
        }
        _ => return Err(wrong_count(texts.len())),
    };
    match fields.dialect {
        Dialect::Quartz => check_quartz_days(&fields)?,
        Dialect::Vixie => check_vixie_days(&fields)?,
    }
    let wall = fields.wall()?;
    Ok(Form::Wall(Box::new((fields, wall))))
}

fn wrong_count(count: usize) -> String {
    match count {
        0 => "is empty; write for example \"0 0/5 * * * ?\"".into(),
        _ => format!(
            "has {count} field{}; write 5 (minute hour day-of-month month weekday), 6 (second in front) or 7 (year behind)",
            if count == 1 { "" } else { "s" }
        ),
    }
}

fn fields_of(dialect: Dialect, texts: [&str; 7]) -> Result<Fields, String> {
    let [second, minute, hour, day_of_month, month, weekday, year] = texts;
    Ok(Fields {
        dialect,
        second: Field::parse(Unit::Second, second)?,
        minute: Field::parse(Unit::Minute, minute)?,
        hour: Field::parse(Unit::Hour, hour)?,
        day_of_month: Field::parse(Unit::DayOfMonth, day_of_month)?,
        month: Field::parse(Unit::Month, month)?,
        weekday: Field::parse(Unit::Weekday(dialect), weekday)?,
        year: Field::parse(Unit::Year, year)?,
    })
}

/// `cron` would mean both, croner either, Quartz refuses; so do we.
fn check_quartz_days(fields: &Fields) -> Result<(), String> {
    if fields.day_of_month.is_any || fields.weekday.is_any {
        return Ok(());
    }
    Err("restricts both the day of month and the weekday; with 6 or 7 fields one of them must be ? or *"
        .into())
}

/// With five fields either of two restricted days matches. Whether `*/2` restricts is where the crons differ.
fn check_vixie_days(fields: &Fields) -> Result<(), String> {
    let (day_of_month, weekday) = (&fields.day_of_month, &fields.weekday);
    if day_of_month.is_any || weekday.is_any {
        return Ok(());
    }
    if day_of_month.is_starred || weekday.is_starred {
        return Err(
            "restricts both the day of month and the weekday, one of them by */n, which some crons read as \
                    \"and\" and some as \"or\"; write a range such as 1-31/2 for \"or\""
                .into(),
        );
    }
    if day_of_month.specials.iter().any(|day| day.is_ours()) {
        return Err("restricts both the day of month by L-n and the weekday; one of them must be *".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        CronExpression::parse(text).expect_err("must be refused").problem
    }

    fn wall(text: &str) -> Wall {
        match CronExpression::parse(text).unwrap().form {
            Form::Wall(both) => both.1,
            Form::Every(_) => panic!("{text} is a beat"),
        }
    }

    #[test]
    fn every_dialect_is_read() {
        for text in [
            "0 0/1 * * * ?",
            "0 15 10 ? * MON-FRI",
            "0 0 12 1/5 * ?",
            "0 15 10 ? * 6#3",
            "0 0 0 L * ?",
            "0 0 0 LW * ?",
            "0 0 0 L-2W * ?",
            "0 0 0 ? * L",
            "0 0 0 ? * FRI-MON",
            "0 0 22-2 * * ?",
            "0 0 0 1 1 ? 2101",
            "*/5 * * * *",
            "0 9 * * 1",
            "0 0 13 * FRI",
            "0 0 L-2 * *",
            " @Hourly ",
            "@annually",
            "@midnight",
            "@every 1h30m",
            "@EVERY 90s",
            "0 15 10 ? jul wed",
            "59 59 23 31 12 ? 2027-2030",
            "0 0 0 * * *",
        ] {
            assert!(CronExpression::parse(text).is_ok(), "{text}: {:?}", CronExpression::parse(text));
        }
        assert_eq!(CronExpression::parse(" 0 9 * * 1\t").unwrap().to_string(), "0 9 * * 1");
    }

    #[test]
    fn the_weekdays_of_five_fields_and_of_six_are_numbered_differently() {
        assert_eq!(wall("0 9 * * 1"), wall("0 9 * * MON"));
        assert_eq!(wall("0 9 * * 7"), wall("0 9 * * SUN"));
        assert_eq!(wall("0 9 * * 5-7"), wall("0 9 * * FRI-SUN"));
        assert_eq!(wall("0 9 * * 0-7"), wall("0 9 * * *"));
        assert_eq!(wall("0 0 9 ? * 1"), wall("0 9 * * SUN"));
        assert_eq!(wall("0 0 9 ? * 2-6"), wall("0 9 * * MON-FRI"));
        assert_eq!(wall("0 0 9 ? * 6L"), wall("0 9 * * FRIL"));
        assert_eq!(wall("0 0 9 ? * 6#2"), wall("0 9 * * 5#2"));
        assert_eq!(wall("0 0 9 ? * L"), wall("0 9 * * SAT"));
    }

    #[test]
    fn ranges_wrap() {
        assert_eq!(wall("0 0 9 ? * FRI-MON"), wall("0 0 9 ? * FRI,SAT,SUN,MON"));
        assert_eq!(wall("0 0 22-2 * * ?"), wall("0 0 22,23,0,1,2 * * ?"));
        assert_eq!(wall("0 0 0 1 NOV-FEB ?"), wall("0 0 0 1 11,12,1,2 ?"));
    }

    #[test]
    fn an_alias_is_its_five_fields() {
        assert_eq!(wall("@weekly"), wall("0 0 * * SUN"));
        assert_eq!(wall("@yearly"), wall("0 0 0 1 1 ?"));
        assert_eq!(wall("@hourly"), wall("0 0 * * * *"));
    }

    #[test]
    fn both_parsers_agree_on_what_both_read() {
        // croner reads the list because of its L, cron the same list without.
        assert_eq!(wall("0 0 9 L * ?").days, wall("0 0 9 L-0 * ?").days);
        assert_eq!(wall("0 0/7 9-17 ? 1-6 2-6 2098-2100").days, wall("0 0/7 9-17 ? 1-6 2-6 2098-2101").days);
        assert_eq!(
            wall("0 0/7 9-17 ? 1-6 2-6 2098-2100").minutes,
            wall("0 0/7 9-17 ? 1-6 2-6 2098-2101").minutes
        );
        assert_eq!(wall("0 0 9 1 1 ? */2").years, wall("0 0 9 1 1 ? 1970/2").years);
    }

    #[test]
    fn every_takes_whole_units() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("1s", 1)] {
            let expression = CronExpression::parse(&format!("@every {text}")).unwrap();
            assert_eq!(expression.form, Form::Every(Millis::from_secs(seconds)));
        }
        for text in ["", "s", "5", "1.5h", "-5s", "90S 3", "500ms", "99999999999999999999s", "5µ"] {
            assert!(problem(&format!("@every {text}")).contains("@every"), "{text}");
        }
        assert_eq!(problem("@every 0s"), "has a time under 1s after @every; at least 1s is allowed");
        assert_eq!(
            problem("@every 4000d"),
            "has a time over ten years after @every; at most 3660d is allowed"
        );
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        let fields =
            "write 5 (minute hour day-of-month month weekday), 6 (second in front) or 7 (year behind)";
        assert_eq!(problem(""), "is empty; write for example \"0 0/5 * * * ?\"");
        assert_eq!(problem("* * * *"), format!("has 4 fields; {fields}"));
        assert_eq!(problem("hello"), format!("has 1 field; {fields}"));
        assert_eq!(problem(&"* ".repeat(8)), format!("has 8 fields; {fields}"));
        assert_eq!(
            problem("0 0 0 15 * MON"),
            "restricts both the day of month and the weekday; with 6 or 7 fields one of them must be ? or *"
        );
        assert!(problem("0 0 */2 * MON").contains("write a range such as 1-31/2"));
        assert!(problem("0 0 L-2 * MON").contains("one of them must be *"));
        assert!(problem("@reboot").contains("submit a real time job instead"));
        assert!(problem("@fortnightly").contains("\"@fortnightly\"; known are @yearly"));
        assert!(problem("CRON_TZ=UTC 0 0 * * *").contains("as the time zone of the cron"));
        assert_eq!(problem(&"x".repeat(257)), "has 257 bytes; at most 256 are allowed");
        assert_eq!(problem("0 0\n* * *"), "contains '\\n'; write it on one line");
        assert_eq!(problem("0 0 25 * * ?"), "hour \"25\" has \"25\", which is not 0 to 23");
        assert!(problem("0 0 0 ? * ë").contains("weekday"));
    }
}
