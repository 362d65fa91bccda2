//! Ids, times and spans as histories and log exports write them. Read here anew: the checkers trust no code of the product.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// How many bits of a position are its place within one entry.
const ORDINAL_BITS: u32 = 20;

/// A place in the log, `42.0`: a job, a session, a client or an execution. As one number it is the fencing token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u64);

impl Id {
    pub(crate) const fn new(index: u64, ordinal: u64) -> Id {
        Id(index << ORDINAL_BITS | ordinal)
    }

    pub(crate) const fn index(self) -> u64 {
        self.0 >> ORDINAL_BITS
    }

    pub(crate) const fn ordinal(self) -> u64 {
        self.0 & ((1 << ORDINAL_BITS) - 1)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.ordinal())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = String;

    /// `42.0`, or the one number that an execution's id is for user code.
    fn from_str(text: &str) -> Result<Id, String> {
        let wrong = || format!("{text:?} is no id");
        match text.split_once('.') {
            None => text.parse().map(Id).map_err(|_| wrong()),
            Some((index, ordinal)) => {
                let index: u64 = index.parse().map_err(|_| wrong())?;
                let ordinal: u64 = ordinal.parse().map_err(|_| wrong())?;
                let fits = index < 1 << (64 - ORDINAL_BITS) && ordinal < 1 << ORDINAL_BITS;
                fits.then(|| Id::new(index, ordinal)).ok_or_else(wrong)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Id, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => text.parse().map_err(D::Error::custom),
            Value::Number(number) if number.is_u64() => Ok(Id(number.as_u64().unwrap_or_default())),
            other => Err(D::Error::custom(format!("{other} is no id"))),
        }
    }
}

/// One run of a job, `42.0/3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunRef {
    pub(crate) job: Id,
    pub(crate) number: u64,
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.job, self.number)
    }
}

impl fmt::Debug for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunRef {
    type Err = String;
    fn from_str(text: &str) -> Result<RunRef, String> {
        let (job, number) = text.split_once('/').ok_or_else(|| format!("{text:?} is no run"))?;
        Ok(RunRef { job: job.parse()?, number: number.parse().map_err(|_| format!("{text:?} is no run"))? })
    }
}

impl<'de> Deserialize<'de> for RunRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RunRef, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A moment of the wall clock, milliseconds since 1970; written as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(pub(crate) i64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for At {
    type Err = String;
    fn from_str(text: &str) -> Result<At, String> {
        let at: jiff::Timestamp = text.parse().map_err(|error| format!("{text:?} is no time: {error}"))?;
        Ok(At(at.as_millisecond()))
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<At, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A span in milliseconds: a number of them, or a text such as `500ms` or `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) i64);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let value = Value::deserialize(from)?;
        let wrong = || D::Error::custom(format!("{value} is no span"));
        let parse = |number: &str, unit: i64| {
            number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit)).map(Span)
        };
        match &value {
            Value::Number(ms) => ms.as_i64().map(Span).ok_or_else(wrong),
            Value::String(text) => match (text.strip_suffix("ms"), text.strip_suffix('s')) {
                (Some(ms), _) => parse(ms, 1).ok_or_else(wrong),
                (None, Some(seconds)) => parse(seconds, 1000).ok_or_else(wrong),
                (None, None) => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

/// Monotonic nanoseconds as seconds since the start of a run, for people.
pub(crate) fn seconds(ns: u64, start_ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people, to the millisecond")]
    let s = (i128::from(ns) - i128::from(start_ns)) as f64 / 1e9;
    format!("{s:.3} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_places_and_as_one_number() {
        let id: Id = "42.1".parse().unwrap();
        assert_eq!((id.index(), id.ordinal(), id.to_string()), (42, 1, "42.1".into()));
        assert_eq!(id.0.to_string().parse::<Id>(), Ok(id));
        assert_eq!("42.0/3".parse(), Ok(RunRef { job: Id::new(42, 0), number: 3 }));
        for wrong in ["", "x", "1.", "1.1048576", "-1.0"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_and_spans_are_read() {
        assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(At(1500)));
        assert_eq!(At(1500).to_string(), "1970-01-01T00:00:01.500Z");
        let spans: Vec<Span> = serde_json::from_str(r#"[5, "7ms", "3s"]"#).unwrap();
        assert_eq!(spans, [Span(5), Span(7), Span(3000)]);
    }
}
