//! What one command is about to change: an overlay over the tables.
//!
//! Reads see the command's own writes; the indexes show the state before it. The overlay is taken over as a whole when
//! the command is done, so a command cannot half-apply.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use super::alarm::{AlarmRow, SilenceRow};
use super::base::BaseError;
use super::effect::Effect;
use super::index::Indexes;
use super::job_log;
use super::key::Key;
use super::limits::{JOB_LINES_MAX, Limits};
use super::row::{
    AnswerRow, BodyRow, ClientRow, FeedbackGroupRow, FeedbackRow, GroupRow, Hold, JobAct, JobLogKind,
    JobLogRow, JobRow, LedgerRow, LiveRun, MetaRow, PeriodicRow, RequestRow, Row, TrackerRow, Why,
};
use super::stats::GroupStats;
use super::tables::{Tables, Write};
use crate::domain::{
    AlarmRule, AlarmSubject, ClientId, Identity, JobId, JobSpec, Millis, NodeGroup, Position, RequestId,
    RunId, SessionId, TaskId, Timestamp,
};
use crate::planted::{self, Bug};

/// The ids of one entry: its raised index, and an ordinal that counts what is made in it.
#[derive(Debug)]
pub(super) struct Ids {
    index: u64,
    next_ordinal: u32,
}

impl Ids {
    pub(super) fn of_entry(id_base: u64, index: u64) -> Ids {
        let index = if planted::is(Bug::IdsRestart) { index % 500 } else { index };
        Ids { index: id_base + index, next_ordinal: 0 }
    }

    fn next(&mut self) -> Position {
        let position = Position::new(self.index, self.next_ordinal);
        self.next_ordinal += 1;
        position
    }
}

#[derive(Debug)]
pub(super) struct Change<'a> {
    tables: &'a Tables,
    ids: &'a mut Ids,
    effects: &'a mut Vec<Effect>,
    writes: BTreeMap<Key, Write>,
    /// The watched row that was read last from the tables: what is read is often what is written next.
    last_read: RefCell<Option<(Key, Option<Row>)>>,
    meta: MetaRow,
}

impl<'a> Change<'a> {
    pub(super) fn new(tables: &'a Tables, ids: &'a mut Ids, effects: &'a mut Vec<Effect>) -> Change<'a> {
        Change {
            tables,
            ids,
            effects,
            writes: BTreeMap::new(),
            last_read: RefCell::new(None),
            meta: *tables.meta(),
        }
    }

    /// The changed rows, and the meta row if something that the command may change in it did.
    pub(super) fn finish(self) -> (BTreeMap<Key, Write>, Option<MetaRow>) {
        let changed = self.meta != *self.tables.meta();
        (self.writes, changed.then_some(self.meta))
    }

    /// Cluster time: the greatest `at` of all entries so far, this one included.
    pub(super) fn now(&self) -> Timestamp {
        if planted::is(Bug::ApplySeesLocalState) {
            return self.tables.meta().now + Millis::new(self.tables.sealed_layers() as u64);
        }
        self.tables.meta().now
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.tables.meta().limits
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.meta.limits = limits;
    }

    /// Where the last `Expire` stopped looking for old client sessions.
    pub(super) fn clients_swept(&self) -> ClientId {
        self.tables.meta().clients_swept
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands beside other writes")]
    pub(super) fn sweep_clients_from(&mut self, next: ClientId) -> Result<(), BaseError> {
        self.meta.clients_swept = next;
        Ok(())
    }

    /// How many events of nodes are kept.
    pub(super) fn node_events(&mut self) -> &mut u64 {
        &mut self.meta.node_events
    }

    /// What the written lines of the job log take.
    pub(super) fn job_log_bytes(&mut self) -> &mut u64 {
        &mut self.meta.job_log_bytes
    }

    /// How many rows the series have.
    pub(super) fn stats_rows(&self) -> u64 {
        self.meta.stats_rows
    }

    /// Puts a row of the series, and counts it if it is new.
    pub(super) fn put_stats(&mut self, key: Key, row: Row) -> Result<(), BaseError> {
        if self.get(&key)?.is_none() {
            self.meta.stats_rows += 1;
        }
        self.put(key, row)
    }

    /// Takes away a row of the series that is there.
    pub(super) fn delete_stats(&mut self, key: Key) -> Result<(), BaseError> {
        self.meta.stats_rows = self.meta.stats_rows.saturating_sub(1);
        self.delete(key)
    }

    /// The indexes as they were before this command.
    pub(super) fn indexes(&self) -> &'a Indexes {
        self.tables.indexes()
    }

    pub(super) fn new_id(&mut self) -> Position {
        self.ids.next()
    }

    /// Says it once, however many runs of a group become ready one after the other.
    pub(super) fn effect(&mut self, effect: Effect) {
        if self.effects.last() != Some(&effect) {
            self.effects.push(effect);
        }
    }

    fn get(&self, key: &Key) -> Result<Option<Row>, BaseError> {
        match self.writes.get(key) {
            Some(write) => Ok(write.new.clone()),
            None => {
                let row = self.tables.get(key)?;
                if Indexes::watches(key) {
                    self.last_read.replace(Some((key.clone(), row.clone())));
                }
                Ok(row)
            }
        }
    }

    /// The first `limit` rows of a range, with this command's own writes.
    pub(super) fn scan(&self, from: &Key, to: &Key, limit: usize) -> Result<Vec<(Key, Row)>, BaseError> {
        let mut written = self.writes.range(from..to).peekable();
        let mut stored = self.tables.scan(Bound::Included(from), to).peekable();
        let mut rows = Vec::new();
        while rows.len() < limit {
            let own = match (written.peek(), stored.peek()) {
                (Some((own, _)), Some(Ok((other, _)))) => *own <= other,
                (own, other) => own.is_some() && other.is_none(),
            };
            if !own {
                let Some(row) = stored.next() else { break };
                rows.push(row?);
                continue;
            }
            let Some((key, write)) = written.next() else { break };
            stored.next_if(|other| matches!(other, Ok((other, _)) if other == key));
            rows.extend(write.new.clone().map(|row| (key.clone(), row)));
        }
        Ok(rows)
    }

    fn put(&mut self, key: Key, row: Row) -> Result<(), BaseError> {
        self.write(key, Some(row))
    }

    pub(super) fn delete(&mut self, key: Key) -> Result<(), BaseError> {
        self.write(key, None)
    }

    fn write(&mut self, key: Key, new: Option<Row>) -> Result<(), BaseError> {
        match self.writes.entry(key) {
            Entry::Occupied(mut write) => write.get_mut().new = new,
            Entry::Vacant(place) => {
                let key = place.key();
                let old = match self.last_read.take() {
                    Some((read, row)) if read == *key => row,
                    Some(_) | None if Indexes::watches(key) => self.tables.get(key)?,
                    Some(_) | None => None,
                };
                place.insert(Write { new, old, is_new: false });
            }
        }
        Ok(())
    }

    /// Puts a row whose key holds an id that was made just now, so that there is no old row to look for.
    pub(super) fn put_new(&mut self, key: Key, row: Row) {
        self.writes.insert(key, Write { new: Some(row), old: None, is_new: true });
    }
}

/// A row under the key of another table.
fn mixed_up(key: &Key) -> BaseError {
    BaseError::Corrupt { key: format!("{key:?}"), problem: "it is of another table".to_owned() }
}

/// Typed access, a table at a time.
macro_rules! table {
    ($row:ty as $variant:ident, get $get:ident($($arg:ident: $type:ty),*) by $key:expr) => {
        pub(super) fn $get(&self, $($arg: $type),*) -> Result<Option<$row>, BaseError> {
            let key = $key;
            match self.get(&key)? {
                Some(Row::$variant(row)) => Ok(Some(row)),
                Some(_) => Err(mixed_up(&key)),
                None => Ok(None),
            }
        }
    };
}

impl Change<'_> {
    table!(Arc<JobRow> as Job, get job(job: JobId) by Key::Job(job));
    table!(BodyRow as Body, get body(job: JobId, revision: u32) by Key::Body(job, revision));
    table!(JobId as TaskKey, get task_key(group: &NodeGroup, task: &TaskId) by Key::TaskKey(group.clone(), task.clone()));
    table!(Arc<LiveRun> as Live, get live(run: RunId) by Key::Live(run));
    table!(Arc<PeriodicRow> as Periodic, get periodic(job: JobId) by Key::Periodic(job));
    table!(Arc<LedgerRow> as Ledger, get ledger(run: RunId) by Key::Ledger(run));
    table!(Arc<TrackerRow> as Tracker, get tracker(group: &NodeGroup, who: &Identity) by Key::Tracker(group.clone(), who.clone()));
    table!(Box<GroupRow> as Group, get group_row(group: &NodeGroup) by Key::Group(group.clone()));
    table!(Box<GroupRow> as Sampled, get sampled(group: &NodeGroup) by Key::Sampled(group.clone()));
    table!(Box<GroupStats> as GroupStats, get group_stats(minute: Timestamp, group: &NodeGroup) by Key::GroupStats(minute, group.clone()));
    table!(ClientRow as Client, get client(client: ClientId) by Key::Client(client));
    table!(Box<AnswerRow> as Answer, get answer(client: ClientId, sequence: u64) by Key::Answer(client, sequence));
    table!(Box<Hold> as Paused, get paused(group: &NodeGroup) by Key::Paused(group.clone()));
    table!(Box<RequestRow> as Request, get request(request: &RequestId) by Key::Request(request.clone()));
    table!(Box<AlarmRow> as Alarm, get alarm(rule: AlarmRule, subject: &AlarmSubject) by Key::Alarm(rule, subject.clone()));
    table!(Box<SilenceRow> as Silence, get silence(rule: AlarmRule, subject: Option<&AlarmSubject>) by Key::Silence(rule, subject.cloned()));

    /// Whether a silence covers it now.
    pub(super) fn is_silenced(&self, rule: AlarmRule, subject: &AlarmSubject) -> Result<bool, BaseError> {
        let covers = |row: Option<Box<SilenceRow>>| row.is_some_and(|row| row.until > self.now());
        Ok(covers(self.silence(rule, Some(subject))?) || covers(self.silence(rule, None)?))
    }

    table!(Arc<FeedbackRow> as Feedback, get feedback(group: &NodeGroup, run: RunId) by Key::Feedback(group.clone(), run));
    table!(Box<FeedbackGroupRow> as FeedbackGroup, get feedback_group(group: &NodeGroup) by Key::FeedbackGroup(group.clone()));

    pub(super) fn put_job(&mut self, job: JobId, row: JobRow) -> Result<(), BaseError> {
        self.put(Key::Job(job), Row::Job(Arc::new(row)))
    }

    pub(super) fn put_body(&mut self, job: JobId, revision: u32, row: BodyRow) -> Result<(), BaseError> {
        self.put(Key::Body(job, revision), Row::Body(row))
    }

    pub(super) fn put_task_key(&mut self, spec: &JobSpec, job: JobId) -> Result<(), BaseError> {
        self.put(Key::TaskKey(spec.node_group.clone(), spec.task_id.clone()), Row::TaskKey(job))
    }

    pub(super) fn put_live(&mut self, run: RunId, row: LiveRun) -> Result<(), BaseError> {
        self.put(Key::Live(run), Row::Live(Arc::new(row)))
    }

    /// A run whose number was never used.
    pub(super) fn put_new_live(&mut self, run: RunId, row: LiveRun) {
        self.put_new(Key::Live(run), Row::Live(Arc::new(row)));
    }

    pub(super) fn put_periodic(&mut self, job: JobId, row: PeriodicRow) -> Result<(), BaseError> {
        self.put(Key::Periodic(job), Row::Periodic(Arc::new(row)))
    }

    pub(super) fn put_ledger(&mut self, run: RunId, row: LedgerRow) -> Result<(), BaseError> {
        self.put(Key::Ledger(run), Row::Ledger(Arc::new(row)))
    }

    /// A run that ended before: whoever follows the job log hears only what is new of it.
    pub(super) fn put_ledger_again(
        &mut self,
        run: RunId,
        old: Arc<LedgerRow>,
        row: LedgerRow,
    ) -> Result<(), BaseError> {
        self.put_ledger(run, row)?;
        if let Some(write) = self.writes.get_mut(&Key::Ledger(run)) {
            write.old.get_or_insert(Row::Ledger(old));
        }
        Ok(())
    }

    pub(super) fn put_tracker(
        &mut self,
        group: &NodeGroup,
        who: &Identity,
        row: TrackerRow,
    ) -> Result<(), BaseError> {
        self.put(Key::Tracker(group.clone(), who.clone()), Row::Tracker(Arc::new(row)))
    }

    pub(super) fn put_paused(&mut self, group: &NodeGroup, row: Hold) -> Result<(), BaseError> {
        self.put(Key::Paused(group.clone()), Row::Paused(Box::new(row)))
    }

    pub(super) fn put_client(&mut self, client: ClientId, row: ClientRow) -> Result<(), BaseError> {
        self.put(Key::Client(client), Row::Client(row))
    }

    pub(super) fn put_answer(
        &mut self,
        client: ClientId,
        sequence: u64,
        row: AnswerRow,
    ) -> Result<(), BaseError> {
        self.put(Key::Answer(client, sequence), Row::Answer(Box::new(row)))
    }

    pub(super) fn put_request(&mut self, request: &RequestId, row: RequestRow) -> Result<(), BaseError> {
        self.put(Key::RequestAge(row.at, request.clone()), Row::RequestAge)?;
        self.put(Key::Request(request.clone()), Row::Request(Box::new(row)))
    }

    /// Rows of the job are left for `Expire`.
    pub(super) fn put_deleted(&mut self, job: JobId, group: NodeGroup) -> Result<(), BaseError> {
        self.put(Key::Deleted(job), Row::Deleted(group))
    }

    pub(super) fn job_log(
        &self,
        run: RunId,
        position: Position,
    ) -> Result<Option<Box<JobLogRow>>, BaseError> {
        let key = Key::JobLog(run, position);
        match self.get(&key)? {
            Some(Row::JobLog(row)) => Ok(Some(row)),
            Some(_) => Err(mixed_up(&key)),
            None => Ok(None),
        }
    }

    /// For rows that nothing reads by key: the expiry index and the job log.
    pub(super) fn put_plain(&mut self, key: Key, row: Row) -> Result<(), BaseError> {
        self.put(key, row)
    }

    /// Writes down what was done to a job; the oldest line about it goes when there are too many.
    pub(super) fn log_job(&mut self, job: JobId, act: JobAct, why: Why) -> Result<(), BaseError> {
        let about = RunId::of_whole(job);
        let (from, to) = (Key::JobLog(about, Position::MIN), Key::JobLog(about, Position::MAX));
        if self.scan(&from, &to, JOB_LINES_MAX)?.len() == JOB_LINES_MAX {
            job_log::forget(self, about, Position::MIN, Position::MAX, 1)?;
        }
        self.log_act(about, act, why)
    }

    /// Writes down what was done to a run, or to a job by its [`RunId::of_whole`].
    #[expect(clippy::unnecessary_wraps, reason = "it stands beside other writes")]
    pub(super) fn log_act(&mut self, about: RunId, act: JobAct, why: Why) -> Result<(), BaseError> {
        let execution = match act {
            JobAct::Terminated(execution) => Some(execution),
            JobAct::Updated(_)
            | JobAct::Cancelled
            | JobAct::Suspended
            | JobAct::Resumed
            | JobAct::Triggered(_)
            | JobAct::Retried(_) => None,
        };
        let row = JobLogRow { at: self.now(), execution, what: JobLogKind::Act { act, why } };
        job_log::write(self, about, row);
        Ok(())
    }

    /// Changes a group's counters.
    pub(super) fn count(
        &mut self,
        group: &NodeGroup,
        change: impl FnOnce(&mut GroupRow),
    ) -> Result<(), BaseError> {
        let key = Key::Group(group.clone());
        // A batch counts once a job.
        if let Some(Write { new: Some(Row::Group(row)), .. }) = self.writes.get_mut(&key) {
            change(row);
            return Ok(());
        }
        let mut row = self.group_row(group)?.unwrap_or_default();
        change(&mut row);
        self.put(key, Row::Group(row))
    }

    pub(super) fn put_feedback(
        &mut self,
        group: &NodeGroup,
        run: RunId,
        row: FeedbackRow,
    ) -> Result<(), BaseError> {
        self.put(Key::Feedback(group.clone(), run), Row::Feedback(Arc::new(row)))
    }

    /// Changes the counters of a group of JobClients; what they were before is given to `change`.
    pub(super) fn count_feedback(
        &mut self,
        group: &NodeGroup,
        change: impl FnOnce(&mut FeedbackGroupRow),
    ) -> Result<(), BaseError> {
        let mut row = self.feedback_group(group)?.unwrap_or_default();
        change(&mut row);
        self.put(Key::FeedbackGroup(group.clone()), Row::FeedbackGroup(row))
    }

    /// The specification that a run of this revision uses.
    pub(super) fn spec_of(&self, job: JobId, revision: u32) -> Result<Arc<JobSpec>, BaseError> {
        let missing = || BaseError::Corrupt {
            key: format!("{job} revision {revision}"),
            problem: "it is missing".into(),
        };
        let newest = self.job(job)?.ok_or_else(missing)?;
        if newest.revision == revision {
            return Ok(Arc::clone(&newest.spec));
        }
        self.body(job, revision)?.map(|old| old.spec).ok_or_else(missing)
    }

    /// Whether the index of finished runs has this one in this group.
    pub(super) fn has_finished(
        &self,
        group: &NodeGroup,
        at: Timestamp,
        run: RunId,
    ) -> Result<bool, BaseError> {
        self.get(&Key::Finished(group.clone(), at, run)).map(|row| row.is_some())
    }

    /// Whether a job of this group is known, live or not.
    pub(super) fn knows_a_job_of(&self, group: &NodeGroup) -> Result<bool, BaseError> {
        let first = TaskId::new("\u{20}").expect("a space is printable");
        let last = TaskId::new("\u{10ffff}").expect("a printable character");
        let (from, to) = (Key::TaskKey(group.clone(), first), Key::TaskKey(group.clone(), last));
        let finished = |at| Key::Finished(group.clone(), at, RunId::default());
        Ok(!self.scan(&from, &to, 1)?.is_empty()
            || !self.scan(&finished(Timestamp::ZERO), &finished(Timestamp::MAX), 1)?.is_empty())
    }

    /// The live runs of a job.
    pub(super) fn live_runs(&self, job: JobId) -> Result<Vec<(RunId, Arc<LiveRun>)>, BaseError> {
        let (from, to) = (Key::Live(RunId { job, number: 0 }), Key::Live(RunId { job, number: u64::MAX }));
        let rows = self.scan(&from, &to, usize::MAX)?;
        let live = |(key, row)| match (key, row) {
            (Key::Live(run), Row::Live(live)) => Ok((run, live)),
            (key, _) => Err(mixed_up(&key)),
        };
        rows.into_iter().map(live).collect()
    }

    /// The TaskTracker whose current session this is, if it is online.
    pub(super) fn online(
        &self,
        session: SessionId,
    ) -> Result<Option<(NodeGroup, Identity, Arc<TrackerRow>)>, BaseError> {
        let Some((group, who)) = self.indexes().session(session) else { return Ok(None) };
        let row = self.tracker(group, who)?.filter(|row| row.session == session && row.is_online());
        Ok(row.map(|row| (group.clone(), who.clone(), row)))
    }
}
