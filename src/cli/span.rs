//! Times on the command line: an instant, or a span that is counted back from now.

use std::str::FromStr;

use super::failure::Failure;
use crate::domain::{Clock, Millis, SystemClock, Timestamp};
use crate::wire::{pb, timestamp};

/// `2031-04-05T06:07:08Z`, or `15m`: so long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    Ago(Millis),
}

impl FromStr for When {
    type Err = String;
    fn from_str(text: &str) -> Result<When, String> {
        if let Ok(at) = text.parse() {
            return Ok(When::At(at));
        }
        text.parse().map(When::Ago).map_err(|_| {
            format!("{text:?} is neither a time such as 2031-04-05T06:07:08Z nor a span such as 15m")
        })
    }
}

impl When {
    fn at(self) -> Timestamp {
        match self {
            When::At(at) => at,
            When::Ago(span) => SystemClock.wall() - span,
        }
    }
}

/// A time from one instant to another; none if neither is given.
pub(super) fn between(since: Option<When>, until: Option<When>) -> Result<Option<pb::TimeSpan>, Failure> {
    if since.is_none() && until.is_none() {
        return Ok(None);
    }
    let [from_time, to_time] = [since, until].map(|at| at.map(|at| timestamp(at.at())));
    Ok(Some(pb::TimeSpan { from_time, to_time }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_or_a_span_back_from_now() {
        assert_eq!("15m".parse(), Ok(When::Ago(Millis::from_secs(900))));
        assert!(matches!("2031-04-05T06:07:08Z".parse(), Ok(When::At(_))));
        assert!("yesterday".parse::<When>().unwrap_err().contains("nor a span such as 15m"));
    }
}
