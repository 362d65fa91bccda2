//! Zones by name, and the stretches of time between two changes of their clocks.
//!
//! Only the zone data that is compiled in counts: a node that read its system's data might fire by another year's rules
//! than the leader before it. Seconds here are seconds since the epoch; an offset is what the wall clock is ahead of UTC.

use jiff::Timestamp as Instant;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::domain::FieldError;

/// Further than any clock is ahead of UTC: jiff allows 25:59:59.
pub(super) const OFFSET_SECONDS_MAX: i64 = 26 * 3600;

/// Before and after all instants, and far from overflow.
const LONG_AGO: i64 = i64::MIN / 4;
const FAR_AHEAD: i64 = i64::MAX / 4;

/// A misspelt zone is recognized if at most one in so many of its letters is wrong.
const LETTERS_PER_MISTAKE: usize = 4;

/// A zone by its IANA name, in any case.
///
/// # Errors
/// If the data has no such zone; the error suggests a near one.
pub(super) fn find(name: &str) -> Result<TimeZone, FieldError> {
    match TimeZoneDatabase::bundled().get(name) {
        Ok(zone) if !zone.is_unknown() => Ok(zone),
        Ok(_) | Err(_) => Err(FieldError::new("cron.time_zone", refusal(name))),
    }
}

fn refusal(name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    match nearest(&shown) {
        Some(near) => format!("{shown:?} is not a known time zone; did you mean {near}?"),
        None => format!("{shown:?} is not a known time zone; give an IANA name such as Asia/Shanghai or UTC"),
    }
}

/// The zone whose city is `name`, or else the one that it misspells.
fn nearest(name: &str) -> Option<String> {
    let wanted = name.trim().replace(' ', "_").to_lowercase();
    let bundled = TimeZoneDatabase::bundled();
    let known = || bundled.available().map(|zone| zone.to_string());
    let city = known().find(|zone| zone.to_lowercase().rsplit('/').next() == Some(wanted.as_str()));
    city.or_else(|| {
        known()
            .map(|zone| (mistakes(&wanted, &zone.to_lowercase()), zone))
            .min()
            .filter(|(mistakes, _)| mistakes * LETTERS_PER_MISTAKE <= wanted.len())
            .map(|(_, zone)| zone)
    })
}

/// The edit distance of two words.
fn mistakes(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A time in which the clocks of a zone do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steady {
    /// The change that began it; long ago if there was none.
    pub(super) from: i64,
    /// The change that ends it, excluded; far ahead if there is none.
    pub(super) until: i64,
    /// The offset before `from`; equal to `offset` if there was no change.
    pub(super) before: i64,
    pub(super) offset: i64,
    /// The offset from `until` on; equal to `offset` if there is no change.
    pub(super) after: i64,
}

impl Steady {
    /// The steady time that holds `second`. `None` after the last instant that there is.
    pub(super) fn around(zone: &TimeZone, second: i64) -> Option<Steady> {
        let instant = Instant::from_second(second).ok()?;
        let offset = offset_at(zone, instant);
        let (began, ends) = changes_around(zone, instant);
        let before = began
            .and_then(|began| Instant::from_second(began.as_second() - 1).ok())
            .map_or(offset, |earlier| offset_at(zone, earlier));
        Some(Steady {
            from: began.map_or(LONG_AGO, Instant::as_second),
            until: ends.map_or(FAR_AHEAD, Instant::as_second),
            before,
            offset,
            after: ends.map_or(offset, |ends| offset_at(zone, ends)),
        })
    }
}

/// The last change of the clocks at or before `instant`, and the next one after it.
///
/// jiff's `preceding` leaves out a change that ends the zone's table if the rule for all later years has none there
/// (America/Ciudad_Juarez on 2022-11-30), so what it gives is followed forward until `instant` is passed.
fn changes_around(zone: &TimeZone, instant: Instant) -> (Option<Instant>, Option<Instant>) {
    let mut began = zone.preceding(instant).next().map(|change| change.timestamp());
    for change in zone.following(began.unwrap_or(Instant::MIN)) {
        if change.timestamp() > instant {
            return (began, Some(change.timestamp()));
        }
        began = Some(change.timestamp());
    }
    (began, None)
}

fn offset_at(zone: &TimeZone, instant: Instant) -> i64 {
    i64::from(zone.to_offset(instant).seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> i64 {
        text.parse::<Instant>().unwrap().as_second()
    }

    #[test]
    fn an_unknown_zone_is_refused_with_a_near_one() {
        let refusal = |name| find(name).unwrap_err().to_string();
        let shanghai = "is not a known time zone; did you mean Asia/Shanghai?";
        assert_eq!(refusal("Asia/Shangai"), format!("cron.time_zone: \"Asia/Shangai\" {shanghai}"));
        assert_eq!(refusal("shanghai"), format!("cron.time_zone: \"shanghai\" {shanghai}"));
        assert!(refusal("New York").ends_with("did you mean America/New_York?"));
        for strange in ["", "+08:00", "Etc/Unknown", "Mars/Olympus Mons", "../../etc/passwd", "å\n"] {
            assert!(refusal(strange).contains("is not a known time zone"), "{strange:?}");
        }
        assert!(find("Asia/Shanghai").is_ok() && find("UTC").is_ok() && find("asia/kathmandu").is_ok());
    }

    #[test]
    fn a_zone_without_changes_is_steady_for_ever() {
        let utc = Steady::around(&find("UTC").unwrap(), 0).unwrap();
        assert_eq!((utc.from, utc.until, utc.before, utc.offset, utc.after), (LONG_AGO, FAR_AHEAD, 0, 0, 0));
    }

    #[test]
    fn the_second_of_a_change_belongs_to_the_new_time() {
        let zone = find("America/New_York").unwrap();
        let change = second("2026-03-08T07:00:00Z");
        let winter = Steady::around(&zone, change - 1).unwrap();
        let summer = Steady::around(&zone, change).unwrap();
        assert_eq!((winter.until, winter.offset, winter.after), (change, -5 * 3600, -4 * 3600));
        assert_eq!((summer.from, summer.before, summer.offset), (change, -5 * 3600, -4 * 3600));
        assert_eq!(summer.until, second("2026-11-01T06:00:00Z"));
    }

    /// What `prepared` relies on: a gap or an overlap is over before the clocks change again.
    #[test]
    fn no_zone_changes_its_clocks_again_within_a_gap_or_an_overlap() {
        let until = second("2060-01-01T00:00:00Z");
        let mut changes = 0;
        for name in TimeZoneDatabase::bundled().available() {
            let zone = find(name.as_str()).unwrap_or(TimeZone::UTC);
            let mut at = Steady::around(&zone, 0).unwrap();
            while at.until < until {
                let next = Steady::around(&zone, at.until).unwrap();
                assert_eq!(
                    (next.from, next.before, at.after),
                    (at.until, at.offset, next.offset),
                    "{name:?}"
                );
                let offset = |second| offset_at(&zone, Instant::from_second(second).unwrap());
                assert_eq!((offset(next.from), offset(next.from - 1)), (next.offset, at.offset), "{name:?}");
                assert!(next.until - next.from > (next.offset - next.before).abs(), "{name:?} {next:?}");
                (at, changes) = (next, changes + 1);
            }
        }
        assert!(changes > 10_000, "only {changes} changes of clocks were seen");
    }
}
