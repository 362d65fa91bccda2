//! Instants and durations in whole milliseconds, and the only reader of the wall clock.
//!
//! Stored and sent times are UTC milliseconds; people see RFC 3339. The replicated machine never reads a clock: it gets
//! its time with each entry.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// An instant in UTC, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64")]
pub struct Timestamp(u64);

/// A length of time in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(u64);

impl Timestamp {
    pub const ZERO: Timestamp = Timestamp(0);
    /// 9999-12-30T22:00:00Z: the last instant that has a four-digit year in every zone.
    pub const MAX: Timestamp = Timestamp(253_402_207_200_000);

    /// The instant `ms` milliseconds after the epoch, at most [`Timestamp::MAX`].
    pub const fn from_millis(ms: u64) -> Timestamp {
        if ms > Timestamp::MAX.0 { Timestamp::MAX } else { Timestamp(ms) }
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whether there is an instant `span` later.
    pub const fn has_after(self, span: Millis) -> bool {
        Timestamp::MAX.0.saturating_sub(self.0) >= span.0
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Millis {
    pub const ZERO: Millis = Millis(0);

    pub const fn new(ms: u64) -> Millis {
        Millis(ms)
    }

    pub const fn from_secs(secs: u64) -> Millis {
        Millis(secs.saturating_mul(1000))
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// What is read from bytes is no later than what can be made, or it could not even be printed.
impl From<u64> for Timestamp {
    fn from(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }
}

impl Add<Millis> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Millis) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(span.0))
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Millis) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

impl From<Millis> for Duration {
    fn from(span: Millis) -> Duration {
        Duration::from_millis(span.0)
    }
}

impl From<Duration> for Millis {
    /// Rounds down to whole milliseconds; saturates after half a billion years.
    fn from(span: Duration) -> Millis {
        Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2031-04-05T06:07:08.009Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).expect("at most MAX, which fits");
        let instant = jiff::Timestamp::from_millisecond(ms).expect("at most MAX, which jiff can hold");
        write!(f, "{instant:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = String;
    /// Reads RFC 3339 with any offset.
    fn from_str(text: &str) -> Result<Timestamp, String> {
        let instant: jiff::Timestamp = text
            .parse()
            .map_err(|_| format!("{text:?} is not an RFC 3339 time such as 2031-04-05T06:07:08Z"))?;
        u64::try_from(instant.as_millisecond())
            .map(Timestamp::from_millis)
            .map_err(|_| format!("{text:?} is before 1970"))
    }
}

impl fmt::Display for Millis {
    /// `250ms`, `1.5s`, `90s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (0, ms) => write!(f, "{ms}ms"),
            (secs, 0) => write!(f, "{secs}s"),
            (secs, ms) => write!(f, "{}s", format!("{secs}.{ms:03}").trim_end_matches('0')),
        }
    }
}

impl FromStr for Millis {
    type Err = String;
    /// Reads `250ms`, `1.5s`, `90s`, `10m`, `12h`, `7d`.
    fn from_str(text: &str) -> Result<Millis, String> {
        let wrong = || format!("{text:?} is not a span such as 250ms, 10s, 5m, 2h or 7d");
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit_at);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 12 {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let numerator: u64 = fraction.parse().map_err(|_| wrong())?;
        let denominator = 10_u64.pow(u32::try_from(fraction.len()).expect("at most 12 digits"));
        let part = u128::from(numerator) * u128::from(unit_ms) / u128::from(denominator);
        let part = u64::try_from(part).expect("less than one unit");
        Ok(Millis(whole.saturating_mul(unit_ms).saturating_add(part)))
    }
}

/// Where the floors above get their time from; tests and the simulation bring their own.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock, which may jump.
    fn wall(&self) -> Timestamp;
    /// The monotonic clock, which never goes back.
    fn monotonic(&self) -> Instant;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn wall(&self) -> Timestamp {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(Millis::from(since_epoch).get())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_as_rfc_3339_and_reads_back() {
        let t = Timestamp::from_millis(1_933_135_628_009);
        assert_eq!(t.to_string(), "2031-04-05T06:07:08.009Z");
        assert_eq!(t.to_string().parse(), Ok(t));
        assert_eq!("2031-04-05T08:07:08.009+02:00".parse(), Ok(t));
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }

    #[test]
    fn the_last_instant_can_be_printed() {
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp::MAX + Millis::new(1), Timestamp::MAX);
    }

    #[test]
    #[cfg(feature = "sdk")]
    fn a_time_that_is_read_from_bytes_is_never_beyond_the_last_one() {
        let read: Timestamp = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(read, Timestamp::MAX);
        assert_eq!(serde_json::to_string(&read).unwrap(), "253402207200000");
    }

    #[test]
    fn spans_print_in_the_shortest_unit_that_is_exact() {
        let printed: Vec<String> = [250, 1500, 90_000, 0].map(|ms| Millis::new(ms).to_string()).to_vec();
        assert_eq!(printed, ["250ms", "1.5s", "90s", "0ms"]);
    }

    #[test]
    fn a_span_reads_back_and_what_is_none_is_refused() {
        for ms in [0, 1, 250, 1500, 90_000, 86_400_000, 493_354_367_913_600_000, u64::MAX] {
            assert_eq!(Millis::new(ms).to_string().parse(), Ok(Millis::new(ms)));
        }
        let read: Vec<u64> =
            ["10m", "2h", "7d", "0.5h"].map(|text| text.parse::<Millis>().unwrap().get()).to_vec();
        assert_eq!(read, [600_000, 7_200_000, 604_800_000, 1_800_000]);
        for text in ["", "10", "s", "-1s", "1.s", ".5s", "1 s", "1e3s", "10 parsecs", "1h30m"] {
            assert!(text.parse::<Millis>().is_err(), "{text:?}");
        }
    }
}
