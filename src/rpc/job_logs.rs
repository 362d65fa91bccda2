//! The job log: of a job, of a run, searched, and followed as it grows.

use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Response, Status};

use super::edge::{linearize, read, storage, wrong};
use super::lists::Problems;
use super::page::{self, Filters};
use super::views;
use crate::domain::{FieldError, Identity, JobId, NodeGroup, RunId, TaskId};
use crate::jobtracker::JobTracker;
use crate::machine::row::AttemptEnd;
use crate::machine::{
    BaseError, Cursor, LineNumber, LogFilter, LogLine, LogOf, LogOrder, LogPlace, LogView, LogWhat, Machine,
};
use crate::wire::{Fault, Reason, parse_id, pb, timestamp};

/// Lines that one message of a followed log looks at.
const TAIL_LINES: usize = 256;
/// Messages that wait for a reader; a slower one finds its lines in the feed, or learns how many it missed.
const TAIL_MESSAGES: usize = 4;
/// A reader hears from its JobTracker at least so often.
const TAIL_SAYS_SOMETHING_EVERY: Duration = Duration::from_secs(3);

pub(super) type Tail = mpsc::Receiver<Result<pb::TailLogsResponse, Status>>;

/// Whose log is read.
pub(super) fn parse_target(target: Option<pb::get_logs_request::Target>) -> Result<LogOf, Status> {
    let parsed = match target {
        Some(pb::get_logs_request::Target::JobId(id)) => parse_id("job_id", &id).map(LogOf::Job),
        Some(pb::get_logs_request::Target::RunId(id)) => parse_id("run_id", &id).map(LogOf::Run),
        None => Err(FieldError::new("target", "is missing; give job_id or run_id")),
    };
    parsed.map_err(|e| wrong(vec![e]))
}

fn is_known(machine: &Machine, of: LogOf) -> Result<bool, BaseError> {
    match of {
        LogOf::All => Ok(true),
        LogOf::Job(job) => Ok(machine.tables().job_row(job)?.is_some()),
        LogOf::Run(run) => Ok(machine.tables().run(run)?.is_some()),
    }
}

fn not_found(of: LogOf) -> Status {
    let (reason, text) = match of {
        LogOf::Run(run) => (Reason::RunNotFound, format!("run {run} is unknown or expired")),
        LogOf::Job(job) => (Reason::JobNotFound, format!("job {job} is unknown or expired")),
        LogOf::All => (Reason::JobNotFound, "no job is known".to_owned()),
    };
    Fault::not_applied(reason, text).into()
}

pub(super) async fn get(
    tracker: &JobTracker,
    request: pb::GetLogsRequest,
) -> Result<Response<pb::GetLogsResponse>, Status> {
    let of = parse_target(request.target.clone())?;
    let same =
        pb::GetLogsRequest { page_size: 0, page_token: String::new(), consistency: 0, ..request.clone() };
    let (filters, limit) = (Filters::of("logs", &same), page::size(request.page_size));
    let after: Option<LogPlace> = filters.place(&request.page_token)?;
    let least = request.level_min;
    let (found, mark) = read(tracker, request.consistency, |machine| {
        if !is_known(machine, of)? {
            return Ok(None);
        }
        let wanted = |line: &LogView| views::log_entry(line).level >= least;
        let any = LogFilter::default();
        machine.tables().search_log(of, LogOrder::Oldest, &any, wanted, after, limit).map(Some)
    })
    .await?;
    let found = found.ok_or_else(|| not_found(of))?;
    let next_page_token = found.next.map(|place| filters.token(&place)).unwrap_or_default();
    let at_end = next_page_token.is_empty();
    let entries = found.rows.iter().map(entry).collect();
    Ok(Response::new(pb::GetLogsResponse { entries, next_page_token, at_end, read: mark }))
}

/// Which lines a reader wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    of: LogOf,
    filter: LogFilter,
    types: Vec<i32>,
    level_min: i32,
    success: Option<bool>,
}

impl Wanted {
    pub(super) fn parse(filter: pb::LogFilter, time: Option<pb::TimeSpan>) -> Result<Wanted, Status> {
        let mut problems = Problems::default();
        let filter_of = LogFilter {
            node_group: problems.name("filter.node_group", &filter.node_group, NodeGroup::new),
            task_id: problems.name("filter.task_id", &filter.task_id, TaskId::new),
            tracker: problems.name("filter.tasktracker", &filter.tasktracker, Identity::new),
            at: problems.span("time", time),
        };
        let of = match (filter.job_id.is_empty(), filter.run_id.is_empty()) {
            (true, true) => LogOf::All,
            (false, true) => {
                let job: Option<JobId> = problems.take(parse_id("filter.job_id", &filter.job_id));
                job.map_or(LogOf::All, LogOf::Job)
            }
            (true, false) => {
                let run: Option<RunId> = problems.take(parse_id("filter.run_id", &filter.run_id));
                run.map_or(LogOf::All, LogOf::Run)
            }
            (false, false) => {
                problems.add("filter.run_id", "is given beside job_id; give one of them");
                LogOf::All
            }
        };
        for unknown in filter.types.iter().filter(|known| pb::JobLogType::try_from(**known).is_err()) {
            problems.add("filter.types", format!("{unknown} is not known to this JobTracker"));
        }
        let (types, level_min, success) = (filter.types, filter.level_min, filter.success);
        problems.done(Wanted { of, filter: filter_of, types, level_min, success })
    }

    fn wants(&self, line: &LogView) -> bool {
        let entry = views::log_entry(line);
        (self.types.is_empty() || self.types.contains(&entry.r#type))
            && entry.level >= self.level_min
            && self.success.is_none_or(|success| success == is_success(&line.what))
    }

    /// The line that a follower is shown, if it is one of those.
    fn shown(&self, machine: &Machine, view: LogView) -> Result<Option<pb::JobLogEntry>, BaseError> {
        let is_of = match self.of {
            LogOf::All => true,
            LogOf::Job(job) => view.run.job == job,
            LogOf::Run(run) => view.run == run,
        };
        let tracker = self.filter.tracker.as_ref();
        if !is_of || tracker.is_some_and(|who| view.tracker.as_ref() != Some(who)) || !self.wants(&view) {
            return Ok(None);
        }
        let Some(job) = machine.tables().job_row(view.run.job)? else { return Ok(None) };
        let (node_group, task_id) = (job.spec.node_group.clone(), job.spec.task_id.clone());
        let of_group = self.filter.node_group.as_ref().is_none_or(|group| *group == node_group);
        let of_task = self.filter.task_id.as_ref().is_none_or(|task| *task == task_id);
        Ok((of_group && of_task).then(|| entry(&LogLine { view, node_group, task_id })))
    }
}

/// A line with the job that it is of.
fn entry(line: &LogLine) -> pb::JobLogEntry {
    pb::JobLogEntry {
        job_id: line.view.run.job.to_string(),
        task_id: line.task_id.to_string(),
        node_group: line.node_group.to_string(),
        success: is_success(&line.view.what),
        ..views::log_entry(&line.view)
    }
}

/// LTS's `success` of a line: whether it tells of nothing that failed.
fn is_success(what: &LogWhat) -> bool {
    match what {
        LogWhat::Received
        | LogWhat::Sent
        | LogWhat::StopRequested(_)
        | LogWhat::Biz(..)
        | LogWhat::Resent
        | LogWhat::Act(..) => true,
        LogWhat::Ended(AttemptEnd::Completed(action), _) => *action == crate::domain::Action::ExecuteSuccess,
        LogWhat::Fate(fate, _) => {
            matches!(fate, crate::machine::row::Fate::Succeeded | crate::machine::row::Fate::Cancelled)
        }
        LogWhat::Ended(AttemptEnd::Reclaimed(_) | AttemptEnd::Interrupted, _)
        | LogWhat::BizDropped(_)
        | LogWhat::Stale => false,
    }
}

pub(super) async fn search(
    tracker: &JobTracker,
    request: pb::SearchLogsRequest,
) -> Result<Response<pb::SearchLogsResponse>, Status> {
    let wanted = Wanted::parse(request.filter.clone().unwrap_or_default(), request.time)?;
    let same =
        pb::SearchLogsRequest { page_size: 0, page_token: String::new(), consistency: 0, ..request.clone() };
    let (filters, limit) = (Filters::of("search", &same), page::size(request.page_size));
    let after: Option<LogPlace> = filters.place(&request.page_token)?;
    let order = if request.newest_first { LogOrder::Newest } else { LogOrder::Oldest };
    let (found, mark) = read(tracker, request.consistency, |machine| {
        let is_wanted = |line: &LogView| wanted.wants(line);
        machine.tables().search_log(wanted.of, order, &wanted.filter, is_wanted, after, limit)
    })
    .await?;
    let next_page_token = found.next.map(|place| filters.token(&place)).unwrap_or_default();
    let entries = found.rows.iter().map(entry).collect();
    Ok(Response::new(pb::SearchLogsResponse { entries, next_page_token, read: mark }))
}

/// The lines as they come, until the reader goes or the node stops.
pub(super) async fn tail(tracker: &JobTracker, request: pb::TailLogsRequest) -> Result<Tail, Status> {
    let wanted = Wanted::parse(request.filter.unwrap_or_default(), None)?;
    let token = parse_token(&request.token)?;
    // What was acknowledged before the call is applied here, so that "from now on" is what the caller means by it.
    linearize(tracker).await?;
    let (cursor, gap) = tracker.look(|machine| match token {
        Some(number) => machine.feed().seek(number),
        None => (machine.feed().from_now(machine.applied_index()), false),
    });
    let (sender, tail) = mpsc::channel(TAIL_MESSAGES);
    tokio::spawn(send(tracker.clone(), wanted, cursor, gap, sender));
    Ok(tail)
}

async fn send(
    tracker: JobTracker,
    wanted: Wanted,
    mut cursor: Cursor,
    gap: bool,
    sender: mpsc::Sender<Result<pb::TailLogsResponse, Status>>,
) {
    let now = tracker.look(Machine::now);
    let hello = pb::TailLogsResponse {
        gap,
        token: token(cursor.number),
        time: Some(timestamp(now)),
        ..Default::default()
    };
    let mut next = Some(Ok(hello));
    let mut moves = tracker.applied();
    loop {
        if let Some(message) = next.take()
            && sender.send(message).await.is_err()
        {
            return;
        }
        // Before it is read, so that what comes while it is read is noticed.
        moves.mark_unchanged();
        let found = tracker.look(|machine| page(machine, &wanted, &mut cursor));
        match found {
            Ok(Page::Full(message)) => {
                next = Some(Ok(message));
                continue;
            }
            Ok(Page::Empty { more: true }) => continue,
            Ok(Page::Empty { more: false }) => {}
            Err(error) => {
                // A reader that has gone wants no reason.
                let _ = sender.send(Err(storage(&error))).await;
                return;
            }
        }
        tokio::select! {
            moved = moves.changed() => if moved.is_err() { return },
            () = tokio::time::sleep(TAIL_SAYS_SOMETHING_EVERY) => {
                let time = Some(timestamp(tracker.look(Machine::now)));
                next = Some(Ok(pb::TailLogsResponse { token: token(cursor.number), time, ..Default::default() }));
            }
            () = sender.closed() => return,
            () = tracker.stopping().cancelled() => {
                let fault = Fault::not_applied(Reason::ShuttingDown, "this JobTracker is stopping");
                let _ = sender.send(Err(fault.into())).await;
                return;
            }
        }
    }
}

/// What a look at the feed gave.
enum Page {
    Full(pb::TailLogsResponse),
    Empty { more: bool },
}

fn page(machine: &Machine, wanted: &Wanted, cursor: &mut Cursor) -> Result<Page, BaseError> {
    let fed = machine.feed().read(*cursor, machine.applied_index(), TAIL_LINES);
    *cursor = fed.cursor;
    let mut entries = Vec::new();
    for line in &fed.lines {
        if let Some(view) = machine.tables().line(line)? {
            entries.extend(wanted.shown(machine, view)?);
        }
    }
    if entries.is_empty() && fed.missed == 0 && !fed.has_gap {
        return Ok(Page::Empty { more: !fed.lines.is_empty() });
    }
    let (token, time) = (token(fed.cursor.number), Some(timestamp(machine.now())));
    Ok(Page::Full(pb::TailLogsResponse { entries, token, missed: fed.missed, gap: fed.has_gap, time }))
}

fn token((index, ordinal): LineNumber) -> String {
    format!("{index}-{ordinal}")
}

pub(super) fn parse_token(token: &str) -> Result<Option<LineNumber>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let number =
        token.split_once('-').and_then(|(index, ordinal)| Some((index.parse().ok()?, ordinal.parse().ok()?)));
    let wrong =
        || Fault::not_applied(Reason::PageTokenInvalid, format!("{token:?} is no token of a followed log"));
    number.map(Some).ok_or_else(|| wrong().into())
}
