//! Ids come from the log: a position is the (raised) index of an entry and an ordinal within it.
//!
//! One u64 holds both, so positions are ordered like the log, an execution's position is its fencing token, and a
//! token that user code stores elsewhere only ever grows. As text: `42.0`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many bits of a position are the ordinal within one entry: a million ids an entry.
const ORDINAL_BITS: u32 = 20;

/// A place in the log: entry index (44 bits: 250 years at 2,000 entries a second) and ordinal (20 bits).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    pub const MIN: Position = Position(0);
    pub const MAX: Position = Position(u64::MAX);
    /// The greatest ordinal that fits into one entry.
    pub const ORDINAL_MAX: u32 = (1 << ORDINAL_BITS) - 1;

    /// # Panics
    /// If `index` or `ordinal` does not fit: limits on entries keep far below both.
    pub const fn new(index: u64, ordinal: u32) -> Position {
        assert!(index < 1 << (64 - ORDINAL_BITS), "the log index fits 44 bits");
        assert!(ordinal <= Position::ORDINAL_MAX, "an entry makes fewer than a million ids");
        Position(index << ORDINAL_BITS | ordinal as u64)
    }

    pub const fn from_u64(raw: u64) -> Position {
        Position(raw)
    }

    /// The fencing token: one number that only grows.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    pub const fn index(self) -> u64 {
        self.0 >> ORDINAL_BITS
    }

    pub const fn ordinal(self) -> u32 {
        (self.0 & Position::ORDINAL_MAX as u64) as u32
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.ordinal())
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that should have been an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id such as {example}")]
pub struct ParseIdError {
    text: String,
    example: &'static str,
}

impl FromStr for Position {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Position, ParseIdError> {
        let wrong = || ParseIdError { text: text.to_owned(), example: "42.0" };
        let (index, ordinal) = text.split_once('.').ok_or_else(wrong)?;
        let index: u64 = index.parse().map_err(|_| wrong())?;
        let ordinal: u32 = ordinal.parse().map_err(|_| wrong())?;
        let fits = index < 1 << (64 - ORDINAL_BITS) && ordinal <= Position::ORDINAL_MAX;
        fits.then(|| Position::new(index, ordinal)).ok_or_else(wrong)
    }
}

macro_rules! position_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Position);

        impl $name {
            pub const fn from_u64(raw: u64) -> $name {
                $name(Position::from_u64(raw))
            }
            pub const fn as_u64(self) -> u64 {
                self.0.as_u64()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<$name, ParseIdError> {
                text.parse().map($name)
            }
        }
    };
}

position_id!(
    /// What was submitted; kept through replacement, retries and all cycles.
    JobId
);
position_id!(
    /// One attempt at a run by one TaskTracker. It is the fencing token.
    ExecutionId
);
position_id!(
    /// One start of one TaskTracker process.
    SessionId
);
position_id!(
    /// One start of one JobClient process.
    ClientId
);
position_id!(
    /// One time that an alarm was raised: the next time has another.
    AlarmId
);

/// One planned instant of a job: the job and a number that counts its runs. As text: `42.0/3`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId {
    pub job: JobId,
    pub number: u64,
}

impl RunId {
    /// No run: where something is told of a run, the greatest number stands for the job itself.
    pub const fn of_whole(job: JobId) -> RunId {
        RunId { job, number: u64::MAX }
    }

    pub fn is_whole(self) -> bool {
        self.number == u64::MAX
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.job, self.number)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for RunId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<RunId, ParseIdError> {
        let wrong = || ParseIdError { text: text.to_owned(), example: "42.0/3" };
        let (job, number) = text.split_once('/').ok_or_else(wrong)?;
        Ok(RunId { job: job.parse().map_err(|_| wrong())?, number: number.parse().map_err(|_| wrong())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_like_the_log_and_read_back() {
        let (early, late, next) = (Position::new(41, 999_999), Position::new(42, 0), Position::new(42, 1));
        assert!(early < late && late < next);
        assert!(early.as_u64() < late.as_u64());
        assert_eq!("42.1".parse(), Ok(next));
        assert_eq!((next.index(), next.ordinal()), (42, 1));
    }

    #[test]
    fn what_is_no_id_is_named_in_the_error() {
        for text in ["", "42", "42.", ".1", "-1.0", "42.1048576", "99999999999999.0", "42.0\n"] {
            let error = text.parse::<JobId>().expect_err("must be refused").to_string();
            assert_eq!(error, format!("{text:?} is not an id such as 42.0"));
        }
        assert_eq!("42.0/3".parse(), Ok(RunId { job: JobId(Position::new(42, 0)), number: 3 }));
        assert!("42.0".parse::<RunId>().is_err());
    }
}
