//! One field of an expression: checked, and rewritten into what the parsers read.
//!
//! Names become numbers, a range that wraps (`FRI-MON`, `22-2`) becomes its values, an open step (`5/15`) gets its end, a
//! weekday `L` becomes Saturday as in Quartz. Each refusal says what would be right. What values a rewritten field takes
//! is left to `cron` and `croner` (`parsers`); only a day counted from the end (`L-2`), which neither reads, is kept aside.

/// The first year that an expression may list.
pub const YEAR_MIN: u16 = 1970;
/// The last year that an expression may list; croner's limit.
pub const YEAR_MAX: u16 = 5000;

/// Who wrote the expression; they number the weekdays differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Six or seven fields, from the second; weekdays 1 (Sunday) to 7; LTS's.
    Quartz,
    /// Five fields, from the minute; weekdays 0 (Sunday) to 6, and 7 is Sunday too.
    Vixie,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    Weekday(Dialect),
    Year,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::DayOfMonth => "day of month",
            Unit::Month => "month",
            Unit::Weekday(_) => "weekday",
            Unit::Year => "year",
        }
    }

    /// The least and the greatest value.
    fn bounds(self) -> (u16, u16) {
        match self {
            Unit::Second | Unit::Minute => (0, 59),
            Unit::Hour => (0, 23),
            Unit::DayOfMonth => (1, 31),
            Unit::Month => (1, 12),
            Unit::Weekday(Dialect::Quartz) => (1, 7),
            Unit::Weekday(Dialect::Vixie) => (0, 6),
            Unit::Year => (YEAR_MIN, YEAR_MAX),
        }
    }

    /// What may be written, for refusals.
    fn allowed(self) -> &'static str {
        match self {
            Unit::Second | Unit::Minute => "0 to 59",
            Unit::Hour => "0 to 23",
            Unit::DayOfMonth => "1 to 31, L, LW, L-3 or 15W",
            Unit::Month => "1 to 12 or JAN to DEC",
            Unit::Weekday(Dialect::Quartz) => "1 (Sunday) to 7 or SUN to SAT, 6L or 6#3",
            Unit::Weekday(Dialect::Vixie) => "0 (Sunday) to 7 (Sunday again) or SUN to SAT, 5L or 5#3",
            Unit::Year => "1970 to 5000",
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Unit::Month => &MONTHS,
            Unit::Weekday(_) => &WEEKDAYS,
            Unit::Second | Unit::Minute | Unit::Hour | Unit::DayOfMonth | Unit::Year => &[],
        }
    }

    fn is_day(self) -> bool {
        matches!(self, Unit::DayOfMonth | Unit::Weekday(_))
    }
}

/// A day that depends on the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpecialDay {
    /// `L`, `L-3`, `LW`, `L-3W`: so many days before the last; with `W` the nearest Monday to Friday in the month.
    FromEnd { back: u16, weekday: bool },
    /// `15W`: the Monday to Friday that is nearest to the 15th and in the same month.
    NearestWeekday(u16),
    /// `6L`: the last of a weekday, in the dialect's numbers.
    Last(u16),
    /// `6#3`: the nth of a weekday, in the dialect's numbers.
    Nth(u16, u16),
}

impl SpecialDay {
    /// True if neither parser reads it.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, SpecialDay::FromEnd { back: 1.., .. })
    }
}

/// A field that was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// What the parsers are given. Empty if all of the field is ours.
    pub(super) rewritten: String,
    pub(super) specials: Vec<SpecialDay>,
    /// `*` or `?`: takes any value, and leaves the choice of days to the other day field.
    pub(super) is_any: bool,
    /// Begins with a star, as in `*/2`.
    pub(super) is_starred: bool,
}

impl Field {
    /// Reads one field; `text` is in upper case. The error is a lower-case fragment that names the field.
    pub(super) fn parse(unit: Unit, text: &str) -> Result<Field, String> {
        Field::read(unit, text).map_err(|problem| format!("{} {text:?} {problem}", unit.name()))
    }

    fn read(unit: Unit, text: &str) -> Result<Field, String> {
        if text == "*" || (text == "?" && unit.is_day()) {
            return Ok(Field { rewritten: text.into(), specials: vec![], is_any: true, is_starred: true });
        }
        if text.contains('?') {
            return Err("has a ?, which may only stand alone as day of month or weekday; use *".into());
        }
        let (mut parts, mut specials) = (vec![], vec![]);
        for item in text.split(',') {
            match special(unit, item)? {
                Some(day) => {
                    specials.push(day);
                    if !day.is_ours() {
                        parts.push(rewrite_special(unit, day));
                    }
                }
                None => parts.push(plain(unit, item)?),
            }
        }
        refuse_both_ends(&specials)?;
        Ok(Field {
            rewritten: parts.join(","),
            specials,
            is_any: false,
            is_starred: text.starts_with(['*', '/']),
        })
    }
}

/// croner reads `L,LW` as `LW` alone.
fn refuse_both_ends(specials: &[SpecialDay]) -> Result<(), String> {
    let last_day = specials.contains(&SpecialDay::FromEnd { back: 0, weekday: false });
    let last_weekday = specials.contains(&SpecialDay::FromEnd { back: 0, weekday: true });
    if last_day && last_weekday {
        return Err("has both L and LW; make two jobs of it".into());
    }
    Ok(())
}

/// `L`, `W` and `#`, told from names such as `JUL` and `WED` by what is left without them.
fn special(unit: Unit, item: &str) -> Result<Option<SpecialDay>, String> {
    match unit {
        Unit::DayOfMonth => special_day_of_month(item),
        Unit::Weekday(dialect) => special_weekday(unit, dialect, item),
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Month | Unit::Year => Ok(None),
    }
}

fn special_day_of_month(item: &str) -> Result<Option<SpecialDay>, String> {
    let (day, weekday) = match item.strip_suffix('W') {
        Some(day) => (day, true),
        None => (item, false),
    };
    if let Some(back) = day.strip_prefix('L') {
        let back = match back.strip_prefix('-') {
            Some(days) => number(days).filter(|days| *days <= 30),
            None if back.is_empty() => Some(0),
            None => None,
        };
        let day = back.map(|back| SpecialDay::FromEnd { back, weekday });
        return day.map(Some).ok_or_else(|| "is not L, LW or L-n with n from 0 to 30".into());
    }
    if !weekday {
        return Ok(None);
    }
    match number(day).filter(|day| (1..=31).contains(day)) {
        Some(day) => Ok(Some(SpecialDay::NearestWeekday(day))),
        None => Err("has a W without one day from 1 to 31 before it, as in 15W or LW".into()),
    }
}

fn special_weekday(unit: Unit, dialect: Dialect, item: &str) -> Result<Option<SpecialDay>, String> {
    if item == "L" && dialect == Dialect::Vixie {
        return Err(
            "has an L without a weekday; write 6 for Saturday or 6L for the last Saturday of the month"
                .into(),
        );
    }
    if let Some((weekday, nth)) = item.split_once('#') {
        let weekday = value(unit, weekday)?;
        return match number(nth).filter(|nth| (1..=5).contains(nth)) {
            Some(nth) => Ok(Some(SpecialDay::Nth(weekday, nth))),
            None => {
                Err("has a # without a number from 1 to 5 behind it, as in FRI#3 for the third Friday".into())
            }
        };
    }
    match item.strip_suffix('L').filter(|weekday| !weekday.is_empty()) {
        Some(weekday) => value(unit, weekday).map(|weekday| Some(SpecialDay::Last(weekday))),
        None => Ok(None),
    }
}

fn rewrite_special(unit: Unit, day: SpecialDay) -> String {
    debug_assert!(unit.is_day() && !day.is_ours());
    match day {
        SpecialDay::FromEnd { weekday: false, .. } => "L".into(),
        SpecialDay::FromEnd { weekday: true, .. } => "LW".into(),
        SpecialDay::NearestWeekday(day) => format!("{day}W"),
        SpecialDay::Last(weekday) => format!("{weekday}L"),
        SpecialDay::Nth(weekday, nth) => format!("{weekday}#{nth}"),
    }
}

/// `*/5`, `5`, `1-5`, `1-5/2`, `5/15` and what wraps.
fn plain(unit: Unit, item: &str) -> Result<String, String> {
    if item.is_empty() {
        return Err("has an empty place between its commas".into());
    }
    if item == "*" {
        return Err("has a * in a list; write only *".into());
    }
    if item == "L" && unit == Unit::Weekday(Dialect::Quartz) {
        return Ok("7".into());
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step_of(unit, step)?)),
        None => (item, None),
    };
    let (low, high) = unit.bounds();
    let (from, to) = match (range, range.split_once('-')) {
        ("*", _) => (low, high),
        ("", _) if step.is_some() && unit != Unit::Weekday(Dialect::Vixie) => (low, high),
        // Sunday to Sunday again: 7 is read as 0, but here it means the whole week.
        ("0-7" | "SUN-7", _) if unit == Unit::Weekday(Dialect::Vixie) => (low, high),
        (_, Some((from, to))) => (value(unit, from)?, value(unit, to)?),
        (_, None) if step.is_none() => return value(unit, range).map(|value| value.to_string()),
        (_, None) => (value(unit, range)?, high),
    };
    Ok(rewrite_range(unit, from, to, step.unwrap_or(1))?
        .unwrap_or_else(|| values(unit, from, to, step.unwrap_or(1))))
}

/// A range that the parsers read as it is; `None` if it wraps.
fn rewrite_range(unit: Unit, from: u16, to: u16, step: u16) -> Result<Option<String>, String> {
    match (from <= to, step) {
        (true, 1) => Ok(Some(format!("{from}-{to}"))),
        (true, step) => Ok(Some(format!("{from}-{to}/{step}"))),
        (false, _) if unit == Unit::Year => Err("ends before it begins; years do not wrap".into()),
        (false, _) => Ok(None),
    }
}

/// The values of a range that goes over the end, as a list.
fn values(unit: Unit, from: u16, to: u16, step: u16) -> String {
    let (low, high) = unit.bounds();
    let count = high - low + 1;
    let mut values: Vec<u16> =
        (from..=to + count).step_by(usize::from(step)).map(|value| (value - low) % count + low).collect();
    values.sort_unstable();
    values.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

fn step_of(unit: Unit, text: &str) -> Result<u16, String> {
    let (low, high) = unit.bounds();
    let most = high - low + 1;
    match number(text) {
        Some(step) if (1..=most).contains(&step) => Ok(step),
        Some(_) | None => Err(format!("has the step {text:?}; a step is 1 to {most}")),
    }
}

/// A number or a name.
fn value(unit: Unit, text: &str) -> Result<u16, String> {
    let (low, high) = unit.bounds();
    let named =
        unit.names().iter().position(|name| *name == text).and_then(|index| u16::try_from(index).ok());
    if let Some(index) = named {
        return Ok(index + low);
    }
    match number(text) {
        Some(7) if unit == Unit::Weekday(Dialect::Vixie) => Ok(0),
        Some(value) if (low..=high).contains(&value) => Ok(value),
        Some(_) | None => Err(format!("has {text:?}, which is not {}", unit.allowed())),
    }
}

fn number(text: &str) -> Option<u16> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTZ: Unit = Unit::Weekday(Dialect::Quartz);
    const VIXIE: Unit = Unit::Weekday(Dialect::Vixie);

    #[test]
    fn what_the_parsers_cannot_read_is_rewritten() {
        let cases = [
            (Unit::Hour, "22-2", "0,1,2,22,23"),
            (Unit::Hour, "22-3/2", "0,2,22"),
            (Unit::Minute, "5/15", "5-59/15"),
            (Unit::Minute, "*/20", "0-59/20"),
            (Unit::Second, "/20", "0-59/20"),
            (Unit::Month, "NOV-FEB", "1,2,11,12"),
            (Unit::Month, "JUL,SEP", "7,9"),
            (Unit::DayOfMonth, "28-3", "1,2,3,28,29,30,31"),
            (Unit::DayOfMonth, "15W,L", "15W,L"),
            (Unit::DayOfMonth, "L-2", ""),
            (QUARTZ, "FRI-MON", "1,2,6,7"),
            (QUARTZ, "L", "7"),
            (QUARTZ, "FRIL", "6L"),
            (QUARTZ, "MON#2", "2#2"),
            (QUARTZ, "WED", "4"),
            (VIXIE, "5-7", "0,5,6"),
            (VIXIE, "0-7", "0-6"),
            (VIXIE, "7", "0"),
            (VIXIE, "FRI-SUN", "0,5,6"),
            (VIXIE, "SAT-1", "0,1,6"),
            (Unit::Year, "2026/2", "2026-5000/2"),
        ];
        for (unit, text, expected) in cases {
            assert_eq!(Field::parse(unit, text).unwrap().rewritten, expected, "{unit:?} {text}");
        }
    }

    #[test]
    fn a_refusal_names_the_field_the_fault_and_the_remedy() {
        let cases = [
            (Unit::Minute, "60", "minute \"60\" has \"60\", which is not 0 to 59"),
            (Unit::Hour, "*/25", "hour \"*/25\" has the step \"25\"; a step is 1 to 24"),
            (Unit::Hour, "*/0", "hour \"*/0\" has the step \"0\"; a step is 1 to 24"),
            (
                Unit::Hour,
                "?",
                "hour \"?\" has a ?, which may only stand alone as day of month or weekday; use *",
            ),
            (Unit::Hour, "1,,2", "hour \"1,,2\" has an empty place between its commas"),
            (Unit::Month, "JULY", "month \"JULY\" has \"JULY\", which is not 1 to 12 or JAN to DEC"),
            (Unit::DayOfMonth, "L-31", "day of month \"L-31\" is not L, LW or L-n with n from 0 to 30"),
            (
                Unit::DayOfMonth,
                "W",
                "day of month \"W\" has a W without one day from 1 to 31 before it, as in 15W or LW",
            ),
            (Unit::DayOfMonth, "L,LW", "day of month \"L,LW\" has both L and LW; make two jobs of it"),
            (QUARTZ, "0", "weekday \"0\" has \"0\", which is not 1 (Sunday) to 7 or SUN to SAT, 6L or 6#3"),
            (
                QUARTZ,
                "6#6",
                "weekday \"6#6\" has a # without a number from 1 to 5 behind it, as in FRI#3 for the third Friday",
            ),
            (
                VIXIE,
                "L",
                "weekday \"L\" has an L without a weekday; write 6 for Saturday or 6L for the last Saturday of the month",
            ),
            (
                VIXIE,
                "8",
                "weekday \"8\" has \"8\", which is not 0 (Sunday) to 7 (Sunday again) or SUN to SAT, 5L or 5#3",
            ),
            (Unit::Year, "1969", "year \"1969\" has \"1969\", which is not 1970 to 5000"),
            (Unit::Year, "2030-2027", "year \"2030-2027\" ends before it begins; years do not wrap"),
        ];
        for (unit, text, expected) in cases {
            assert_eq!(Field::parse(unit, text), Err(expected.to_owned()));
        }
        for nonsense in
            ["", "-", "/", "1-", "-1", "1/", "1-2-3", "1/2/3", "99999", "+1", "1 2", "#", "L#", "W#1"]
        {
            for unit in [Unit::Minute, Unit::DayOfMonth, Unit::Month, QUARTZ, VIXIE, Unit::Year] {
                assert!(Field::parse(unit, nonsense).is_err(), "{unit:?} {nonsense:?}");
            }
        }
    }
}
