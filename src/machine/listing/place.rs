//! Where a list goes on: after the last key that was looked at. As text, for page tokens.

use std::fmt;
use std::str::FromStr;

use crate::domain::{ExecutionId, JobId, NodeGroup, RunId, Timestamp};
use crate::machine::index::{ReadyRank, Waiter};

/// The last key of a page, of the sort that its queue is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Job(JobId),
    Waiting(Timestamp, i32, Waiter),
    Ready(NodeGroup, ReadyRank),
    Executing(ExecutionId),
    Ended(Timestamp, RunId),
    /// After so many rows: only for [`crate::planted::Bug::ListPagesByOffset`].
    Offset(usize),
}

/// A text that is no place of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no place of a list")]
pub struct ParsePlaceError;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |at: &Timestamp| at.as_millis();
        match self {
            Place::Job(job) => write!(f, "j {job}"),
            Place::Waiting(at, priority, Waiter::Run(run)) => write!(f, "w {} {priority} {run}", ms(at)),
            Place::Waiting(at, priority, Waiter::Instant(job)) => {
                write!(f, "w {} {priority} {job}", ms(at))
            }
            Place::Ready(group, (priority, due, run)) => {
                write!(f, "r {priority} {} {run} {group}", ms(due))
            }
            Place::Executing(execution) => write!(f, "x {execution}"),
            Place::Ended(at, run) => write!(f, "e {} {run}", ms(at)),
            Place::Offset(rows) => write!(f, "o {rows}"),
        }
    }
}

impl FromStr for Place {
    type Err = ParsePlaceError;
    fn from_str(text: &str) -> Result<Place, ParsePlaceError> {
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        match words[..] {
            ["j", job] => Ok(Place::Job(read(job)?)),
            ["w", at, priority, run] if run.contains('/') => {
                Ok(Place::Waiting(time(at)?, read(priority)?, Waiter::Run(read(run)?)))
            }
            ["w", at, priority, job] => {
                Ok(Place::Waiting(time(at)?, read(priority)?, Waiter::Instant(read(job)?)))
            }
            ["r", priority, due, run, group] => {
                let group = NodeGroup::new(group).map_err(|_| ParsePlaceError)?;
                Ok(Place::Ready(group, (read(priority)?, time(due)?, read(run)?)))
            }
            ["x", execution] => Ok(Place::Executing(read(execution)?)),
            ["e", at, run] => Ok(Place::Ended(time(at)?, read(run)?)),
            ["o", rows] => Ok(Place::Offset(read(rows)?)),
            _ => Err(ParsePlaceError),
        }
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, ParsePlaceError> {
    text.parse().map_err(|_| ParsePlaceError)
}

fn time(text: &str) -> Result<Timestamp, ParsePlaceError> {
    let ms: u64 = read(text)?;
    if ms <= Timestamp::MAX.as_millis() { Ok(Timestamp::from_millis(ms)) } else { Err(ParsePlaceError) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Position;

    #[test]
    fn a_place_reads_back_from_its_text_and_nothing_else_does() {
        let job = JobId(Position::new(42, 1));
        let run = RunId { job, number: 7 };
        let at = Timestamp::from_millis(1_000);
        let places = [
            Place::Job(job),
            Place::Waiting(at, -3, Waiter::Run(run)),
            Place::Waiting(at, 0, Waiter::Instant(job)),
            Place::Ready(NodeGroup::new("a group / of words").unwrap(), (i32::MIN, at, run)),
            Place::Executing(ExecutionId(Position::new(43, 0))),
            Place::Ended(Timestamp::MAX, RunId { job, number: u64::MAX }),
        ];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for wrong in
            ["", "j", "j 42", "z 42.0", "w 1 x 42.0", "r 1 2 42.0/1 ", "e 99999999999999999999 42.0/1"]
        {
            assert!(wrong.parse::<Place>().is_err(), "{wrong:?}");
        }
    }
}
