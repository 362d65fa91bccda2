//! Run timeouts, seen from the leader. The TaskTracker enforces them; the leader only looks after those that do not
//! come back: it asks once more, and later takes the execution back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::domain::{ExecutionId, RunId, SessionId};
use crate::machine::reply::Push;
use crate::planted::{self, Bug};

/// An execution that should have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    Terminate { session: SessionId, execution: ExecutionId, run: RunId },
    Reclaim { execution: ExecutionId },
}

#[derive(Debug)]
struct Watched {
    session: SessionId,
    run: RunId,
    at: Instant,
    grace: Duration,
    asked: bool,
}

#[derive(Debug, Default)]
pub struct Timeouts {
    watched: BTreeMap<ExecutionId, Watched>,
    by_time: BTreeSet<(Instant, ExecutionId)>,
}

impl Timeouts {
    /// Watches those of the pushes that have a run timeout. The TaskTracker gets a grace before the leader looks.
    pub fn watch(&mut self, now: Instant, grace: Duration, session: SessionId, pushes: &[Push]) {
        for push in pushes {
            let Some(timeout) = push.spec.run_timeout else { continue };
            let left = if planted::is(Bug::TimeoutFromCreation) { Duration::ZERO } else { timeout.into() };
            let at = now + left + grace;
            let watched = Watched { session, run: push.run, at, grace, asked: false };
            self.by_time.insert((at, push.execution));
            self.watched.insert(push.execution, watched);
        }
    }

    pub fn forget(&mut self, execution: ExecutionId) {
        if let Some(watched) = self.watched.remove(&execution) {
            self.by_time.remove(&(watched.at, execution));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// What is overdue now: first to be asked, after another two graces to be taken back.
    pub fn overdue(&mut self, now: Instant) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        while let Some((at, execution)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
            self.by_time.remove(&(at, execution));
            let Some(watched) = self.watched.get_mut(&execution) else { continue };
            if watched.asked {
                self.watched.remove(&execution);
                overdue.push(Overdue::Reclaim { execution });
            } else {
                watched.asked = true;
                watched.at = now + 2 * watched.grace;
                self.by_time.insert((watched.at, execution));
                overdue.push(Overdue::Terminate { session: watched.session, execution, run: watched.run });
            }
        }
        overdue
    }
}
