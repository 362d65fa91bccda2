//! Time passes: what may no longer start ends, then what is due ripens, a bounded number an entry. A `Tick` carries nothing but its entry's time.

use crate::domain::{Millis, RunId};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::index::Waiter;
use crate::machine::limits::RIPEN_MAX;
use crate::machine::queue::{end, instant, ripen};
use crate::machine::reply::Reply;
use crate::machine::row::LiveRun;
use crate::planted::{self, Bug};

pub(super) fn apply(change: &mut Change<'_>) -> Result<Reply, BaseError> {
    let mut budget = RIPEN_MAX;
    let too_late: Vec<RunId> = change.indexes().too_late(change.now()).take(budget).collect();
    for run in too_late {
        give_up(change, run)?;
        budget -= 1;
    }
    let early = Millis::from_secs(u64::from(planted::is(Bug::RipensEarly)));
    let due: Vec<Waiter> = change.indexes().due(change.now() + early).take(budget).collect();
    for waiter in due {
        if budget == 0 {
            break;
        }
        match waiter {
            Waiter::Run(run) => {
                ripen(change, run)?;
                budget -= 1;
            }
            Waiter::Instant(job) => budget -= instant::settle(change, job, budget)?.min(budget),
        }
    }
    Ok(Reply::Done)
}

/// Ready, and nobody took it in time.
fn give_up(change: &mut Change<'_>, run: RunId) -> Result<(), BaseError> {
    let Some(live) = change.live(run)? else { return Ok(()) };
    end::without_a_start(change, run, LiveRun::clone(&live))
}

fn ripen(change: &mut Change<'_>, run: RunId) -> Result<(), BaseError> {
    match change.live(run)? {
        Some(live) => ripen::run(change, run, LiveRun::clone(&live)),
        None => Ok(()),
    }
}
