//! A search through the job log of all jobs, of one job or of one run.
//!
//! The log is a view over the rows of runs and the lines that were written about them, so what is searched is one run
//! after the other, each with its lines in the order of time. Of all jobs: live runs count as the newest, the others are
//! ordered by their end, and what was done to a job itself by its time. A run that ends while pages are read changes its
//! place. It is never missed for that, and may come again as what it has become; whatever does not change comes once.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use super::filter::Span;
use super::place::ParsePlaceError;
use crate::domain::{Identity, JobId, Millis, NodeGroup, Position, RunId, TaskId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::key::Key;
use crate::machine::query::{LogView, Page};
use crate::machine::row::{JobRow, Row};
use crate::machine::tables::Tables;

/// Runs that a place knows to have been read in part.
const WITHIN_MAX: usize = 8;
/// Runs that one page looks into, so that a rare match does not hold the lock for long.
const RUNS_MAX: usize = 1_000;

/// Whose log is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOf {
    All,
    Job(JobId),
    Run(RunId),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogOrder {
    #[default]
    Oldest,
    Newest,
}

/// Which lines; what is not given matches all. What a line says itself is looked at by a function beside it.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    pub node_group: Option<NodeGroup>,
    pub task_id: Option<TaskId>,
    pub tracker: Option<Identity>,
    pub at: Span,
}

/// A line with the job that it is of.
#[derive(Clone, Debug)]
pub struct LogLine {
    pub view: LogView,
    pub node_group: NodeGroup,
    pub task_id: TaskId,
}

/// A line within the log of its run: its time, its rank within that, and what makes it the only one.
pub(super) type LineKey = (Timestamp, u8, u64);

/// Where a search is. The order of the sections is that of the oldest first; the newest first has no late ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    /// What had ended before the live ones were looked at.
    Ended,
    Live,
    /// What ended while the live ones were looked at.
    Late,
}

/// Where a search goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    section: Section,
    /// The time that parts what has ended from what ended late; of late ones the time up to which they are read.
    parting: Timestamp,
    /// The last run that was done with; of ended ones with the time of its end.
    at: Timestamp,
    run: RunId,
    /// The last line about a job itself that was done with.
    act: Position,
    /// The last line of each run that was read in part: mostly of the one that comes next, but another may have come
    /// before it meanwhile.
    within: Vec<(RunId, LineKey)>,
}

/// What is looked into next: a run, or what one command wrote about a job itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    at: Timestamp,
    run: RunId,
    /// The first and the last line about a job itself.
    act: Option<(Position, Position)>,
}

type Units<'a> = Box<dyn Iterator<Item = Result<Unit, BaseError>> + 'a>;

/// The lines of one page so far.
struct Search<'a, F> {
    tables: &'a Tables,
    filter: &'a LogFilter,
    wanted: F,
    order: LogOrder,
    limit: usize,
    budget: usize,
    place: LogPlace,
    lines: Vec<LogLine>,
    /// The job of the last run that was looked into: runs of a job come together.
    job: Option<(JobId, Arc<JobRow>)>,
}

impl Tables {
    /// The lines after `after` that match, a page of at most `limit`. A page may be short, even empty, before the end.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn search_log(
        &self,
        of: LogOf,
        order: LogOrder,
        filter: &LogFilter,
        wanted: impl Fn(&LogView) -> bool,
        after: Option<LogPlace>,
        limit: usize,
    ) -> Result<Page<LogLine, LogPlace>, BaseError> {
        let place = after.unwrap_or_else(|| LogPlace::first(of, order, filter));
        let (lines, budget) = (Vec::new(), RUNS_MAX);
        let mut search =
            Search { tables: self, filter, wanted, order, limit, budget, place, lines, job: None };
        let is_over = match of {
            LogOf::Run(run) => search.one(run)?,
            LogOf::Job(job) => search.of_job(job)?,
            LogOf::All => search.all()?,
        };
        let next = (!is_over).then_some(search.place);
        Ok(Page { rows: search.lines, next })
    }
}

impl LogPlace {
    fn first(of: LogOf, order: LogOrder, filter: &LogFilter) -> LogPlace {
        let lowest = (filter.at.from.unwrap_or_default(), RunId::default(), Position::MIN);
        let highest = (Timestamp::MAX, RunId::of_whole(JobId(Position::MAX)), Position::MAX);
        let (section, (at, run, act)) = match (of, order) {
            (LogOf::All, LogOrder::Newest) => (Section::Live, highest),
            (LogOf::All, LogOrder::Oldest) => (Section::Ended, lowest),
            (LogOf::Job(_) | LogOf::Run(_), LogOrder::Newest) => (Section::Live, highest),
            (LogOf::Job(_) | LogOf::Run(_), LogOrder::Oldest) => (Section::Live, lowest),
        };
        LogPlace { section, parting: Timestamp::MAX, at, run, act, within: Vec::new() }
    }
}

/// Each returns whether its part was read to its end.
impl<F: Fn(&LogView) -> bool> Search<'_, F> {
    fn one(&mut self, run: RunId) -> Result<bool, BaseError> {
        self.look_into(Unit { at: Timestamp::ZERO, run, act: None })
    }

    /// The runs of a job by their numbers; what was done to the job itself comes after its runs.
    fn of_job(&mut self, job: JobId) -> Result<bool, BaseError> {
        loop {
            if self.place.run.job == job && self.place.run.is_whole() && self.order == LogOrder::Oldest {
                return Ok(true);
            }
            let next = match self.order {
                LogOrder::Oldest => {
                    let after = (self.place.run.job == job).then_some(self.place.run.number);
                    Some(self.tables.run_after(job, after)?.unwrap_or(RunId::of_whole(job)))
                }
                LogOrder::Newest if self.place.run.job != job => Some(RunId::of_whole(job)),
                LogOrder::Newest => self.tables.run_before(self.place.run)?,
            };
            let Some(run) = next else { return Ok(true) };
            if !self.look_into(Unit { at: Timestamp::ZERO, run, act: None })? {
                return Ok(false);
            }
            self.place.run = run;
        }
    }

    fn all(&mut self) -> Result<bool, BaseError> {
        loop {
            let is_done = match self.place.section {
                Section::Live => self.live()?,
                Section::Ended | Section::Late => self.ended()?,
            };
            if !is_done {
                return Ok(false);
            }
            let now = self.tables.meta().now;
            match (self.order, self.place.section) {
                (LogOrder::Oldest, Section::Ended) => {
                    let run = RunId::default();
                    self.move_on(Section::Live, |place| place.run = run);
                }
                (LogOrder::Oldest, Section::Live) => {
                    self.move_on(Section::Late, |place| {
                        (place.at, place.run, place.parting) = (place.parting, RunId::default(), now);
                    });
                }
                (LogOrder::Newest, Section::Live) => {
                    let run = RunId::of_whole(JobId(Position::MAX));
                    self.move_on(Section::Ended, |place| (place.at, place.run) = (now, run));
                }
                (LogOrder::Oldest, Section::Late) | (LogOrder::Newest, Section::Ended | Section::Late) => {
                    return Ok(true);
                }
            }
        }
    }

    fn move_on(&mut self, section: Section, to: impl FnOnce(&mut LogPlace)) {
        self.place.section = section;
        self.place.within.clear();
        to(&mut self.place);
    }

    fn live(&mut self) -> Result<bool, BaseError> {
        let place = Key::Live(self.place.run);
        let (first, last) = (Key::Live(RunId::default()), Key::Live(RunId::of_whole(JobId(Position::MAX))));
        let is_wanted = |row: &Row| match row {
            Row::Live(live) => self.filter.node_group.as_ref().is_none_or(|group| *group == live.node_group),
            _ => false,
        };
        let mut runs = Vec::new();
        let rows: Box<dyn Iterator<Item = Result<(Key, Row), BaseError>>> = match self.order {
            LogOrder::Oldest => Box::new(self.tables.scan(Bound::Excluded(&place), &last)),
            LogOrder::Newest => Box::new(self.tables.scan_back(&first, &place)),
        };
        let mut is_over = true;
        for (seen, row) in rows.enumerate() {
            if seen == super::SCANNED_MAX || runs.len() == self.budget {
                is_over = false;
                break;
            }
            let (Key::Live(run), row) = row? else { continue };
            runs.push((run, is_wanted(&row)));
        }
        for (run, is_wanted) in runs {
            if is_wanted && !self.look_into(Unit { at: Timestamp::ZERO, run, act: None })? {
                return Ok(false);
            }
            self.place.run = run;
        }
        Ok(is_over)
    }

    fn ended(&mut self) -> Result<bool, BaseError> {
        let groups = self.tables.groups_with_history(self.filter.node_group.as_ref())?;
        let (tables, place, now) = (self.tables, self.place.clone(), self.tables.meta().now);
        let from = self.filter.at.from.unwrap_or_default();
        let (runs, acts): (Units<'_>, Units<'_>) = match self.order {
            LogOrder::Oldest => {
                // What ends at this very time may end after this page: it is left to the late ones.
                let to = match place.section {
                    Section::Late => place.parting + Millis::new(1),
                    Section::Ended | Section::Live => now,
                };
                if place.section == Section::Ended {
                    self.place.parting = now;
                }
                let runs = tables.ended_after(&groups, (place.at, place.run), to);
                (Box::new(runs.map(of_run)), Box::new(tables.acts_after(place.act, to)))
            }
            LogOrder::Newest => {
                let runs = tables.ended_before(&groups, from, Some((place.at, place.run)));
                (Box::new(runs.map(of_run)), Box::new(tables.acts_before(place.act, from)))
            }
        };
        let (mut runs, mut acts) = (runs.peekable(), acts.peekable());
        for _ in 0..super::SCANNED_MAX {
            let act_first = match (runs.peek(), acts.peek(), self.order) {
                (_, Some(Err(_)), _) => true,
                (Some(Ok(run)), Some(Ok(act)), LogOrder::Oldest) => act.at < run.at,
                (Some(Ok(run)), Some(Ok(act)), LogOrder::Newest) => act.at > run.at,
                (run, act, _) => run.is_none() && act.is_some(),
            };
            let Some(unit) = (if act_first { acts.next() } else { runs.next() }).transpose()? else {
                return Ok(true);
            };
            if unit.run.is_whole() == unit.act.is_some() && !self.look_into(unit)? {
                return Ok(false);
            }
            match (unit.act, self.order) {
                (None, _) => (self.place.at, self.place.run) = (unit.at, unit.run),
                (Some((_, last)), LogOrder::Oldest) => self.place.act = last,
                (Some((first, _)), LogOrder::Newest) => self.place.act = first,
            }
        }
        Ok(false)
    }

    /// Adds the lines of a unit that match; false if the page is full before its end, or if nothing more may be looked at.
    fn look_into(&mut self, unit: Unit) -> Result<bool, BaseError> {
        if self.budget == 0 || self.lines.len() == self.limit {
            return Ok(false);
        }
        self.budget -= 1;
        let after = self.place.within.iter().find(|(run, _)| *run == unit.run).map(|(_, line)| *line);
        self.place.within.retain(|(run, _)| *run != unit.run);
        let Some(job) = self.job(unit.run.job)? else { return Ok(true) };
        let of_group = self.filter.node_group.as_ref().is_none_or(|group| *group == job.spec.node_group);
        if !of_group || self.filter.task_id.as_ref().is_some_and(|task| *task != job.spec.task_id) {
            return Ok(true);
        }
        let lines = match unit.act {
            Some((first, last)) => self.tables.acts(unit.run.job, first, last)?,
            None if unit.run.is_whole() => self.tables.job_log(unit.run.job)?,
            None => self.tables.run_log(unit.run)?,
        };
        let mut lines: Vec<(LineKey, LogView)> = lines.into_iter().map(|line| (line.key(), line)).collect();
        lines.sort_by_key(|(key, _)| *key);
        if self.order == LogOrder::Newest {
            lines.reverse();
        }
        for (key, view) in lines {
            let is_later =
                |after: LineKey| if self.order == LogOrder::Newest { key < after } else { key > after };
            if after.is_some_and(|after| !is_later(after)) || !self.is_wanted(&view) {
                continue;
            }
            if self.lines.len() == self.limit {
                let last =
                    self.lines.last().filter(|last| last.view.run == unit.run).map(|last| last.view.key());
                self.place.within.extend(last.or(after).map(|line| (unit.run, line)));
                let too_many = self.place.within.len().saturating_sub(WITHIN_MAX);
                self.place.within.drain(..too_many);
                return Ok(false);
            }
            let (node_group, task_id) = (job.spec.node_group.clone(), job.spec.task_id.clone());
            self.lines.push(LogLine { view, node_group, task_id });
        }
        Ok(true)
    }

    fn is_wanted(&self, line: &LogView) -> bool {
        self.filter.at.contains(line.at)
            && self.filter.tracker.as_ref().is_none_or(|tracker| line.tracker.as_ref() == Some(tracker))
            && (self.wanted)(line)
    }

    fn job(&mut self, id: JobId) -> Result<Option<Arc<JobRow>>, BaseError> {
        if let Some((_, row)) = self.job.as_ref().filter(|(known, _)| *known == id) {
            return Ok(Some(Arc::clone(row)));
        }
        let row = self.tables.job_row(id)?;
        self.job = row.clone().map(|row| (id, row));
        Ok(row)
    }
}

impl Tables {
    /// The run of a job with the next number after `after`.
    fn run_after(&self, job: JobId, after: Option<u64>) -> Result<Option<RunId>, BaseError> {
        Ok(self.runs(job, after, 1)?.rows.first().map(|run| run.id))
    }

    /// The run of the same job with the next lower number.
    fn run_before(&self, run: RunId) -> Result<Option<RunId>, BaseError> {
        let first = RunId { job: run.job, number: 0 };
        let live = self.scan_back(&Key::Live(first), &Key::Live(run)).next().transpose()?;
        let ended = self.scan_back(&Key::Ledger(first), &Key::Ledger(run)).next().transpose()?;
        let id = |row: Option<(Key, Row)>| match row {
            Some((Key::Live(run) | Key::Ledger(run), _)) => Some(run),
            Some(_) | None => None,
        };
        Ok(id(live).max(id(ended)))
    }

    /// What was written after `after` and before `to`, about jobs and about runs, the oldest first.
    fn acts_after(&self, after: Position, to: Timestamp) -> impl Iterator<Item = Result<Unit, BaseError>> {
        let from = Key::LogAge(after, RunId::of_whole(JobId(Position::MAX)));
        let rows = self.scan(Bound::Excluded(&from), &Key::LogAge(Position::MAX, RunId::default()));
        rows.filter_map(of_act).take_while(move |unit| unit.as_ref().map_or(true, |unit| unit.at < to))
    }

    /// What was written before `before` and not before `from`, about jobs and about runs, the newest first.
    fn acts_before(
        &self,
        before: Position,
        from: Timestamp,
    ) -> impl Iterator<Item = Result<Unit, BaseError>> {
        let first = Key::LogAge(Position::MIN, RunId::default());
        let rows = self.scan_back(&first, &Key::LogAge(before, RunId::default()));
        rows.filter_map(of_act).take_while(move |unit| unit.as_ref().map_or(true, |unit| unit.at >= from))
    }

    /// Lines about a job itself.
    fn acts(&self, job: JobId, first: Position, last: Position) -> Result<Vec<LogView>, BaseError> {
        let within = |line: &LogView| line.position.is_some_and(|at| (first..=last).contains(&at));
        Ok(self.job_log(job)?.into_iter().filter(within).collect())
    }
}

fn of_run(ended: Result<(Timestamp, RunId), BaseError>) -> Result<Unit, BaseError> {
    ended.map(|(at, run)| Unit { at, run, act: None })
}

fn of_act(row: Result<(Key, Row), BaseError>) -> Option<Result<Unit, BaseError>> {
    match row {
        Ok((Key::LogAge(first, run), Row::LogAge(row))) => {
            Some(Ok(Unit { at: row.at, run, act: Some((first, row.last)) }))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = match self.section {
            Section::Ended => 'e',
            Section::Live => 'l',
            Section::Late => 't',
        };
        let (parting, at) = (self.parting.as_millis(), self.at.as_millis());
        write!(f, "{section} {parting} {at} {} {}", self.run, self.act)?;
        let within =
            |(run, (at, rank, only)): &(RunId, LineKey)| write!(f, " {run} {} {rank} {only}", at.as_millis());
        self.within.iter().try_for_each(within)
    }
}

impl FromStr for LogPlace {
    type Err = ParsePlaceError;
    fn from_str(text: &str) -> Result<LogPlace, ParsePlaceError> {
        let words: Vec<&str> = text.split(' ').collect();
        let [section, parting, at, run, act, within @ ..] = &words[..] else { return Err(ParsePlaceError) };
        let section = match *section {
            "e" => Section::Ended,
            "l" => Section::Live,
            "t" => Section::Late,
            _ => return Err(ParsePlaceError),
        };
        if within.len() % 4 != 0 || within.len() > 4 * WITHIN_MAX {
            return Err(ParsePlaceError);
        }
        let one = |words: &[&str]| match words {
            [run, at, rank, only] => Ok((read(run)?, (time(at)?, read(rank)?, read(only)?))),
            _ => Err(ParsePlaceError),
        };
        let within = within.chunks(4).map(one).collect::<Result<_, _>>()?;
        let (parting, at, run, act) = (time(parting)?, time(at)?, read(run)?, read(act)?);
        Ok(LogPlace { section, parting, at, run, act, within })
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, ParsePlaceError> {
    text.parse().map_err(|_| ParsePlaceError)
}

fn time(text: &str) -> Result<Timestamp, ParsePlaceError> {
    let ms: u64 = read(text)?;
    if ms <= Timestamp::MAX.as_millis() { Ok(Timestamp::from_millis(ms)) } else { Err(ParsePlaceError) }
}
