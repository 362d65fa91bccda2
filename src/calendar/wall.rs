//! The wall clock that an expression names, walked as if it were UTC.
//!
//! A wall time is a count of seconds since 1970-01-01T00:00:00 on the clock on the wall. Whether a day matches depends
//! only on the length of its month and the weekday of the 1st, also for `L`, `W` and `#`: there are 28 such shapes of a
//! month, so a day rule of any kind is 28 masks, found out once. A walk then tests a month with one mask, and a range is
//! counted without listing it.
//!
//! Not here: text (`field`, `parsers`) and zones (`zone`, `prepared`).

use jiff::civil::Date;
use jiff::tz::Offset;

pub(super) const DAY_SECONDS: i64 = 24 * 3600;

/// Every month of every year that an expression may list (1970 to 5000). A walk that finds nothing in so many months
/// never will: without listed years the calendar repeats after 400.
const MONTHS_WALKED_MAX: usize = 3031 * 12;

/// What the length of a month and the weekday of its 1st are: all that a rule for days can depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MonthShape {
    /// 28 to 31.
    pub(super) length: u8,
    /// 0 is Sunday.
    pub(super) first_weekday: u8,
}

impl MonthShape {
    const COUNT: usize = 4 * 7;

    fn all() -> impl Iterator<Item = MonthShape> {
        (28..=31).flat_map(|length| (0..7).map(move |first_weekday| MonthShape { length, first_weekday }))
    }

    fn index(self) -> usize {
        usize::from(self.length - 28) * 7 + usize::from(self.first_weekday)
    }

    /// 0 is Sunday.
    pub(super) fn weekday(self, day: u8) -> u8 {
        (self.first_weekday + day - 1) % 7
    }
}

/// Which days match in a month of each shape; bit `d` is the `d`th.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DayTable([u32; MonthShape::COUNT]);

impl DayTable {
    pub(super) fn new(mut matches: impl FnMut(MonthShape, u8) -> bool) -> DayTable {
        let mut masks = [0; MonthShape::COUNT];
        for shape in MonthShape::all() {
            masks[shape.index()] =
                (1..=shape.length).filter(|day| matches(shape, *day)).fold(0, |mask, day| mask | 1 << day);
        }
        DayTable(masks)
    }

    /// The days that either rule takes.
    pub(super) fn or(&self, other: &DayTable) -> DayTable {
        DayTable(std::array::from_fn(|shape| self.0[shape] | other.0[shape]))
    }
}

/// Which years match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Years {
    All,
    /// Ascending.
    Listed(Box<[i16]>),
}

impl Years {
    /// The first matching year that is not before `year`.
    fn next_from(&self, year: i16) -> Option<i16> {
        match self {
            Years::All => Some(year),
            Years::Listed(years) => years.get(years.partition_point(|listed| *listed < year)).copied(),
        }
    }
}

/// The wall times of an expression. No field is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wall {
    /// Bit `s` is second `s`; likewise the others.
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u32,
    /// Bit `m` is month `m`, from 1.
    pub(super) months: u16,
    pub(super) years: Years,
    pub(super) days: DayTable,
}

impl Wall {
    /// True if the clock cannot show a full hour without a match: the pattern ticks through the hours.
    pub(super) fn takes_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// The first match at or after `wall`. `None` if there is none up to the year 9999.
    pub(super) fn next_from(&self, wall: i64) -> Option<i64> {
        let (date, second_of_day) = split(wall)?;
        if self.takes(date)
            && let Some(time) = self.next_time(second_of_day)
        {
            return Some(wall - second_of_day + time);
        }
        let day = self.next_day(date.tomorrow().ok()?)?;
        Some(midnight(day)? + self.next_time(0)?)
    }

    /// How many matches there are in `from..until`.
    pub(super) fn count(&self, from: i64, until: i64) -> u64 {
        let (Some((first, from_second)), Some((last, until_second))) = (split(from), split(until)) else {
            return 0;
        };
        if from >= until {
            return 0;
        }
        let before_last = if self.takes(last) { self.times_before(until_second) } else { 0 };
        let before_first = if self.takes(first) { self.times_before(from_second) } else { 0 };
        self.days_between(first, last) * self.times_before(DAY_SECONDS) + before_last - before_first
    }

    fn takes(&self, date: Date) -> bool {
        self.days_of(date.year(), date.month()) & (1 << date.day()) != 0
    }

    /// The matching days of a month as a mask.
    fn days_of(&self, year: i16, month: i8) -> u32 {
        if self.months & (1 << month) == 0 || self.years.next_from(year) != Some(year) {
            return 0;
        }
        let Ok(first) = Date::new(year, month, 1) else { return 0 };
        self.days.0[shape_of(first).index()]
    }

    fn next_day(&self, from: Date) -> Option<Date> {
        let (mut year, mut month) = (from.year(), from.month());
        let mut days = self.days_of(year, month) & (u32::MAX << from.day());
        for _ in 0..MONTHS_WALKED_MAX {
            if days != 0 {
                let day = i8::try_from(days.trailing_zeros()).expect("a day is at most 31");
                return Date::new(year, month, day).ok();
            }
            (year, month) = self.next_month(year, month)?;
            days = self.days_of(year, month);
        }
        None
    }

    /// The month after this one, or January of the next matching year.
    fn next_month(&self, year: i16, month: i8) -> Option<(i16, i8)> {
        let (next_year, next_month) = if month < 12 { (year, month + 1) } else { (year + 1, 1) };
        match self.years.next_from(next_year)? {
            same if same == next_year => Some((next_year, next_month)),
            later if later <= Date::MAX.year() => Some((later, 1)),
            _ => None,
        }
    }

    /// How many days match in `first..last`.
    fn days_between(&self, first: Date, last: Date) -> u64 {
        let before = |date: Date| u32::MAX.checked_shl(date.day() as u32).map_or(0, |from| !from);
        let (mut year, mut month) = (first.year(), first.month());
        let mut days = 0;
        while (year, month) < (last.year(), last.month()) {
            days += u64::from(self.days_of(year, month).count_ones());
            match self.next_month(year, month) {
                Some(next) => (year, month) = next,
                None => break,
            }
        }
        let of_last = self.days_of(last.year(), last.month()) & before(last);
        let before_first = self.days_of(first.year(), first.month()) & before(first);
        days + u64::from(of_last.count_ones()) - u64::from(before_first.count_ones())
    }

    /// The first match at or after a second of the day.
    fn next_time(&self, second_of_day: i64) -> Option<i64> {
        let (hour, minute, second) = time_of(second_of_day);
        let (first_minute, first_second) = (self.minutes.trailing_zeros(), self.seconds.trailing_zeros());
        if self.hours & (1 << hour) != 0 {
            if self.minutes & (1 << minute) != 0
                && let Some(second) = bit_from(self.seconds, second)
            {
                return Some(second_of(hour, minute, second));
            }
            if let Some(minute) = bit_from(self.minutes, minute + 1) {
                return Some(second_of(hour, minute, first_second));
            }
        }
        bit_from(u64::from(self.hours), hour + 1).map(|hour| second_of(hour, first_minute, first_second))
    }

    /// How many matches a day has before a second of the day.
    fn times_before(&self, second_of_day: i64) -> u64 {
        let (hour, minute, second) = time_of(second_of_day);
        let a_minute = u64::from(self.seconds.count_ones());
        let an_hour = a_minute * u64::from(self.minutes.count_ones());
        let mut times = an_hour * bits_below(u64::from(self.hours), hour);
        if self.hours & (1 << hour) != 0 {
            times += a_minute * bits_below(self.minutes, minute);
            if self.minutes & (1 << minute) != 0 {
                times += bits_below(self.seconds, second);
            }
        }
        times
    }
}

/// The day and the second of the day.
fn split(wall: i64) -> Option<(Date, i64)> {
    let second = wall.rem_euclid(DAY_SECONDS);
    let midnight = jiff::Timestamp::from_second(wall - second).ok()?;
    Some((Offset::UTC.to_datetime(midnight).date(), second))
}

fn midnight(day: Date) -> Option<i64> {
    Offset::UTC
        .to_timestamp(day.to_datetime(jiff::civil::Time::midnight()))
        .ok()
        .map(jiff::Timestamp::as_second)
}

fn shape_of(first: Date) -> MonthShape {
    let length = u8::try_from(first.days_in_month()).expect("at most 31");
    let first_weekday = u8::try_from(first.weekday().to_sunday_zero_offset()).expect("at most 6");
    MonthShape { length, first_weekday }
}

fn time_of(second_of_day: i64) -> (u32, u32, u32) {
    let second = u32::try_from(second_of_day).expect("a day has 86,400 seconds");
    (second / 3600, second / 60 % 60, second % 60)
}

fn second_of(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}

/// The lowest bit that is set at `from` or above.
fn bit_from(bits: u64, from: u32) -> Option<u32> {
    let rest = bits & u64::MAX.checked_shl(from).unwrap_or(0);
    (rest != 0).then(|| rest.trailing_zeros())
}

fn bits_below(bits: u64, limit: u32) -> u64 {
    u64::from((bits & !u64::MAX.checked_shl(limit).unwrap_or(0)).count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall_time(text: &str) -> i64 {
        let civil: jiff::civil::DateTime = text.parse().unwrap();
        Offset::UTC.to_timestamp(civil).unwrap().as_second()
    }

    fn every_day_at(hours: u32) -> Wall {
        let days = DayTable::new(|_, _| true);
        Wall { seconds: 1, minutes: 1, hours, months: 0x1ffe, years: Years::All, days }
    }

    #[test]
    fn a_walk_goes_over_the_end_of_a_day_a_month_and_a_year() {
        let noon = every_day_at(1 << 12);
        let next = |from| noon.next_from(wall_time(from));
        assert_eq!(next("2026-12-31T11:59:59"), Some(wall_time("2026-12-31T12:00:00")));
        assert_eq!(next("2026-12-31T12:00:00"), Some(wall_time("2026-12-31T12:00:00")));
        assert_eq!(next("2026-12-31T12:00:01"), Some(wall_time("2027-01-01T12:00:00")));
    }

    #[test]
    fn a_walk_ends_with_the_calendar() {
        assert_eq!(every_day_at(1 << 12).next_from(wall_time("9999-12-30T12:00:01")), None);
        assert_eq!(every_day_at(1 << 12).next_from(i64::MAX / 4), None);
    }

    #[test]
    fn a_day_that_no_month_has_ends_the_walk() {
        let never = Wall { days: DayTable::new(|_, _| false), ..every_day_at(1) };
        assert_eq!(never.next_from(0), None);
        assert_eq!(never.count(0, wall_time("2100-01-01T00:00:00")), 0);
    }

    #[test]
    fn a_range_is_counted_as_a_walk_would_list_it() {
        let pattern = Wall {
            minutes: 1 << 3 | 1 << 59,
            days: DayTable::new(|shape, day| shape.weekday(day) == 5 || day == 1),
            years: Years::Listed([2026, 2028].into()),
            ..every_day_at(1 | 1 << 23)
        };
        let bounds = [
            "2025-12-30T10:00:00",
            "2026-01-01T00:02:59",
            "2026-01-01T00:03:00",
            "2026-01-01T00:03:01",
            "2026-01-31T23:59:59",
            "2026-05-01T23:59:00",
            "2027-06-01T00:00:00",
            "2028-03-01T12:00:00",
            "2029-01-01T00:00:00",
        ]
        .map(wall_time);
        for from in bounds {
            for until in bounds {
                let mut listed = 0;
                let mut at = from;
                while let Some(next) = pattern.next_from(at).filter(|next| *next < until) {
                    (listed, at) = (listed + 1, next + 1);
                }
                assert_eq!(pattern.count(from, until), listed, "from {from} until {until}");
            }
        }
    }
}
