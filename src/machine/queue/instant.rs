//! Settles the due instants of a periodic job: each gets a run, or the reason why not.
//!
//! What ripens no more than `misfire_after` late runs, late or not. What ripens later than that is a misfire, and of
//! those only the last ones run, as many as the policy wants. An instant of a job that relies on its previous cycle is
//! skipped while a run of it is live. Skipped neighbours share one ledger row.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{end, start};
use crate::domain::{JobId, JobSpec, Millis, MisfirePolicy, RunId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::change::Change;
use crate::machine::command::SkippedRange;
use crate::machine::effect::Effect;
use crate::machine::key::Key;
use crate::machine::limits::LIVE_RUNS_MAX;
use crate::machine::row::{Fate, JobRow, LedgerRow, LiveState, PeriodicRow, Rhythm, Row, SkipReason};
use crate::planted::{self, Bug};

/// Settles up to `budget` due instants of a job; returns how many it settled.
pub(in crate::machine) fn settle(
    change: &mut Change<'_>,
    id: JobId,
    budget: usize,
) -> Result<usize, BaseError> {
    let (Some(row), Some(job)) = (change.periodic(id)?, change.job(id)?) else { return Ok(0) };
    let mut settling = Settling::of(id, &job, &row);
    let mut steps = 0;
    while steps < budget && settling.step(change)? {
        steps += 1;
    }
    if settling.row.needs_plan() {
        change.effect(Effect::NeedsPlan(id));
    }
    end::settle_or_end(change, id, settling.row)?;
    Ok(steps)
}

/// Settles whatever is due, since what follows ends the job's rhythm: no plan that the misfire policy may wait for comes.
pub(in crate::machine) fn settle_before_the_end(change: &mut Change<'_>, id: JobId) -> Result<(), BaseError> {
    let (Some(row), Some(job)) = (change.periodic(id)?, change.job(id)?) else { return Ok(()) };
    let mut settling = Settling::of(id, &job, &row);
    while settling.step(change)? {}
    if settling.decide_without_a_plan() {
        while settling.step(change)? {}
        settling.expect_a_plan();
    }
    end::settle_or_end(change, id, settling.row)
}

/// Writes down the instants of a grid that fell due while its job was suspended, as one range.
pub(in crate::machine) fn skip_suspended(
    change: &mut Change<'_>,
    id: JobId,
    spec: &JobSpec,
    row: &mut PeriodicRow,
) -> Result<(), BaseError> {
    let Rhythm::Grid { next: first, interval, remaining } = row.rhythm else { return Ok(()) };
    let count = grid_count(first, interval, remaining, change.now() + Millis::new(1));
    if count == 0 {
        return Ok(());
    }
    let last = advance(row, count);
    skip(change, id, spec, row, SkippedRange { first, last, count }, SkipReason::Suspended)
}

/// Writes a range of instants down as skipped.
pub(in crate::machine) fn skip(
    change: &mut Change<'_>,
    id: JobId,
    spec: &JobSpec,
    row: &mut PeriodicRow,
    range: SkippedRange,
    reason: SkipReason,
) -> Result<(), BaseError> {
    row.settled = range.last;
    change.count(&spec.node_group, |group| group.skipped += range.count)?;
    if let Some((number, _)) = row.last_skip.filter(|(_, last)| *last == reason)
        && extend(change, RunId { job: id, number }, range)?
    {
        return Ok(());
    }
    let run = RunId { job: id, number: row.next_number };
    row.next_number += 1;
    row.last_skip = Some((run.number, reason));
    let now = change.now();
    let ledger = LedgerRow {
        revision: change.job(id)?.map_or(row.revision, |job| job.revision),
        schedule_revision: row.revision,
        by_hand: false,
        due: range.first,
        ended: now,
        fate: Fate::Skipped { reason, last: range.last, count: range.count },
        retries: 0,
        reclaims: 0,
        executions: 0,
        attempts: Vec::new(),
        result: bytes::Bytes::new(),
        error: String::new(),
    };
    change.count(&spec.node_group, |group| group.kept += 1)?;
    change.put_plain(Key::Finished(spec.node_group.clone(), now, run), Row::Finished)?;
    change.put_ledger(run, ledger)
}

/// A range grows no longer than this, since it is forgotten as old as it began.
const RANGE_MAX: Millis = Millis::from_secs(3600);

/// Lengthens an earlier range of the same kind; false if its row has expired or began too long ago.
fn extend(change: &mut Change<'_>, run: RunId, range: SkippedRange) -> Result<bool, BaseError> {
    let Some(row) = change.ledger(run)? else { return Ok(false) };
    let Fate::Skipped { reason, count, .. } = row.fate else { return Ok(false) };
    if change.now().since(row.ended) > RANGE_MAX {
        return Ok(false);
    }
    let fate = Fate::Skipped { reason, last: range.last, count: count + range.count };
    change.put_ledger(run, LedgerRow { fate, ..LedgerRow::clone(&row) })?;
    Ok(true)
}

struct Settling {
    id: JobId,
    /// The newest.
    revision: u32,
    spec: Arc<JobSpec>,
    row: PeriodicRow,
}

/// What becomes of the next instants.
enum Verdict {
    Run,
    Skip(u64, SkipReason),
    /// The look-ahead ends before the misfire policy can decide.
    Stall,
}

impl Settling {
    fn of(id: JobId, job: &JobRow, row: &PeriodicRow) -> Settling {
        Settling { id, revision: job.revision, spec: Arc::clone(&job.spec), row: row.clone() }
    }

    /// Settles the next instants that share a verdict; false when none is due or decided.
    fn step(&mut self, change: &mut Change<'_>) -> Result<bool, BaseError> {
        let Some(instant) = self.row.ripens_at().filter(|instant| *instant <= change.now()) else {
            return Ok(false);
        };
        match self.verdict(instant, change.now()) {
            Verdict::Run => self.run(change, instant),
            Verdict::Skip(count, reason) => self.skip(change, instant, count, reason)?,
            Verdict::Stall => {
                self.stall();
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn verdict(&self, instant: Timestamp, now: Timestamp) -> Verdict {
        if now.since(instant) > self.spec.misfire_after && !planted::is(Bug::MisfiresAllRun) {
            let missed = self.missed(now - self.spec.misfire_after);
            let kept = kept(self.spec.misfire);
            if missed.count > kept {
                return Verdict::Skip(missed.count - kept, SkipReason::Misfired);
            }
            if missed.may_go_on && kept > 0 {
                return Verdict::Stall;
            }
        }
        if let Some(deadline) = self.spec.start_deadline.filter(|deadline| now.since(instant) > *deadline) {
            return Verdict::Skip(self.missed(now - deadline).count, SkipReason::DeadlinePassed);
        }
        let relies = self.spec.rely_on_previous_cycle && !planted::is(Bug::PreviousCycleIgnored);
        if relies && self.row.live > 0 {
            return Verdict::Skip(self.due(now), SkipReason::PreviousStillLive);
        }
        if self.row.live >= LIVE_RUNS_MAX {
            return Verdict::Skip(self.due(now), SkipReason::TooManyLive);
        }
        Verdict::Run
    }

    /// How many instants are before `limit`, and whether the look-ahead ends there, so that there may be more.
    fn missed(&self, limit: Timestamp) -> Missed {
        match &self.row.rhythm {
            Rhythm::Planned { ahead, ended, .. } => {
                let count = ahead.iter().take_while(|instant| **instant < limit).count();
                Missed { count: count as u64, may_go_on: count == ahead.len() && !ended }
            }
            Rhythm::Grid { next, interval, remaining } => {
                Missed { count: grid_count(*next, *interval, *remaining, limit), may_go_on: false }
            }
            Rhythm::Stopped { .. } => Missed { count: 0, may_go_on: false },
        }
    }

    /// How many instants are due and not misfired from the next one on.
    fn due(&self, now: Timestamp) -> u64 {
        match &self.row.rhythm {
            Rhythm::Planned { .. } | Rhythm::Stopped { .. } => 1,
            Rhythm::Grid { next, interval, remaining } => {
                grid_count(*next, *interval, *remaining, now + Millis::new(1)).max(1)
            }
        }
    }

    fn run(&mut self, change: &mut Change<'_>, instant: Timestamp) {
        if planted::is(Bug::RunsNamedByTheSecond)
            && instant.as_millis() / 1000 == self.row.settled.as_millis() / 1000
        {
            self.row.next_number = self.row.next_number.saturating_sub(1);
        }
        let run = RunId { job: self.id, number: self.row.next_number };
        advance(&mut self.row, 1);
        self.row.settled = instant;
        self.row.next_number += 1;
        self.row.live += 1;
        self.row.last_skip = None;
        let state = LiveState::Ready { since: change.now() };
        let revisions = (self.revision, self.row.revision);
        change.put_new_live(run, start::live_run(change.now(), &self.spec, revisions, instant, state));
        change.effect(Effect::Ready(self.spec.node_group.clone()));
    }

    fn skip(
        &mut self,
        change: &mut Change<'_>,
        first: Timestamp,
        count: u64,
        reason: SkipReason,
    ) -> Result<(), BaseError> {
        let last = advance(&mut self.row, count);
        skip(change, self.id, &self.spec, &mut self.row, SkippedRange { first, last, count }, reason)
    }

    fn stall(&mut self) {
        if let Rhythm::Planned { stalled, .. } = &mut self.row.rhythm {
            *stalled = true;
        }
    }

    /// What stalled is decided as if the rhythm ended with the look-ahead; false if nothing did.
    fn decide_without_a_plan(&mut self) -> bool {
        match &mut self.row.rhythm {
            Rhythm::Planned { ended, stalled, .. } if *stalled => {
                (*ended, *stalled) = (true, false);
                true
            }
            Rhythm::Planned { .. } | Rhythm::Grid { .. } | Rhythm::Stopped { .. } => false,
        }
    }

    fn expect_a_plan(&mut self) {
        if let Rhythm::Planned { ended, .. } = &mut self.row.rhythm {
            *ended = false;
        }
    }
}

/// Goes over the next `count` instants; returns the last of them.
fn advance(row: &mut PeriodicRow, count: u64) -> Timestamp {
    match &mut row.rhythm {
        Rhythm::Planned { ahead, .. } => advance_planned(ahead, count),
        Rhythm::Grid { next, interval, remaining } => {
            let last = *next + Millis::new(interval.get().saturating_mul(count - 1));
            *next = last + *interval;
            *remaining = if last.has_after(*interval) {
                remaining.map(|left| left.saturating_sub(count))
            } else {
                // Time ends before the next instant; it would be the last one again and again.
                Some(0)
            };
            last
        }
        Rhythm::Stopped { .. } => row.settled,
    }
}

fn advance_planned(ahead: &mut VecDeque<Timestamp>, count: u64) -> Timestamp {
    let count = usize::try_from(count).expect("a look-ahead is short");
    ahead.drain(..count).next_back().expect("only instants that are there are settled")
}

struct Missed {
    count: u64,
    may_go_on: bool,
}

/// The instants of a grid that are before `limit`.
fn grid_count(next: Timestamp, interval: Millis, remaining: Option<u64>, limit: Timestamp) -> u64 {
    let span = limit.since(next).get();
    let count = span.div_ceil(interval.get().max(1));
    remaining.map_or(count, |left| left.min(count))
}

/// How many of the missed instants run, late.
pub(in crate::machine) fn kept(policy: MisfirePolicy) -> u64 {
    match policy {
        MisfirePolicy::RunOnceLate => 1,
        MisfirePolicy::Skip => 0,
        MisfirePolicy::CatchUp(n) => u64::from(n),
    }
}
