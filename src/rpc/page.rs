//! Page tokens: where a listing goes on. Keyset, so that pages stay right while rows come and go.

use std::fmt;
use std::str::FromStr;

use tonic::Status;

use crate::wire::{Fault, Reason};

const SIZE_DEFAULT: usize = 50;
const SIZE_MAX: usize = 1000;

/// The number of rows of a page: 50 unless told, 1,000 at most.
pub(super) fn size(asked: i32) -> usize {
    match usize::try_from(asked) {
        Ok(0) | Err(_) => SIZE_DEFAULT,
        Ok(asked) => asked.min(SIZE_MAX),
    }
}

/// The last row of the page before; `None` for the first page.
pub(super) fn after<T: FromStr>(token: &str) -> Result<Option<T>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        Fault::not_applied(Reason::PageTokenInvalid, format!("{token:?} is no page token of this listing"))
    };
    token.parse().map(Some).map_err(|error| wrong(error).into())
}

/// A line of a job's log: the run's number and the line within its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogPlace {
    pub(super) run: u64,
    pub(super) line: usize,
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.line)
    }
}

impl FromStr for LogPlace {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<LogPlace, Self::Err> {
        let (run, line) = text.split_once('/').unwrap_or((text, ""));
        Ok(LogPlace { run: run.parse()?, line: line.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_between_one_and_a_thousand_rows() {
        assert_eq!([0, -5, 7, 5000].map(size), [50, 50, 7, 1000]);
    }

    #[test]
    fn a_token_of_another_listing_is_refused() {
        let place = LogPlace { run: 3, line: 14 };
        assert_eq!(after::<LogPlace>(&place.to_string()).unwrap(), Some(place));
        assert_eq!(after::<LogPlace>("").unwrap(), None);
        assert!(after::<LogPlace>("42.0").is_err());
    }
}
