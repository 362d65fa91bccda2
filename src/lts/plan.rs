//! The fate of every row of all files: carried, folded into its template, or left with a reason.
//!
//! In LTS a periodic job has a template and, while it waits, a row for its next cycle in the executable queue. Here it is one
//! job, so such rows are folded. Where tables contradict each other, what LTS would have run wins: cron, repeat, one-shot,
//! suspended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::convert::{Carried, Options, convert};
use super::read::Record;
use super::reason::{Note, Reason};
use super::row::{Row, When};
use super::table::Table;
use crate::domain::Timestamp;

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Carry(Box<Carried>),
    /// It is part of the job that its template becomes.
    Folded,
    Left(Note),
}

/// One row with its fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub file: Arc<str>,
    /// Counted from 1; a line of column names does not count.
    pub row: usize,
    pub table: Table,
    pub task_id: String,
    pub node_group: String,
    /// LTS's id of the job.
    pub job_id: String,
    pub fate: Fate,
    /// What is not quite as it was.
    pub notes: Vec<Note>,
}

/// The fates of all rows, in the order of the files.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub entries: Vec<Entry>,
}

type Key = (String, String);

/// A row on its way to its fate.
struct Item {
    entry: Entry,
    row: Option<Row>,
}

impl Item {
    fn read(file: &Arc<str>, table: &Table, at: usize, record: &Record) -> Item {
        let text = |column| record.get(column).unwrap_or_default().to_owned();
        let (row, fate) = match Row::read(record) {
            Ok(row) => (Some(row), Fate::Folded),
            Err(note) => (None, Fate::Left(note)),
        };
        let entry = Entry {
            file: Arc::clone(file),
            row: at + 1,
            table: table.clone(),
            task_id: text("task_id"),
            node_group: text("task_tracker_node_group"),
            job_id: text("job_id"),
            fate,
            notes: Vec::new(),
        };
        Item { entry, row }
    }

    fn leave(&mut self, reason: Reason, message: impl Into<String>) {
        self.entry.fate = Fate::Left(Note::new(reason, message));
    }

    /// The name of the job that it is of.
    fn key(&self) -> Option<Key> {
        self.row.as_ref().map(|row| (row.node_group.clone(), row.real_task_id.clone()))
    }
}

/// What is known while the tables are gone through.
struct Desk<'a> {
    options: &'a Options,
    now: Timestamp,
    executing: BTreeSet<Key>,
    /// Jobs that have a template: whether it is carried, and whether it is paused.
    templates: BTreeMap<Key, bool>,
    taken: BTreeMap<Key, Table>,
}

impl Plan {
    /// Decides about the rows of all files as they stand at `now`.
    pub fn of(files: &[(Arc<str>, Table, Vec<Record>)], options: &Options, now: Timestamp) -> Plan {
        let read = |(file, table, records): &(Arc<str>, Table, Vec<Record>)| {
            let items = records.iter().enumerate().map(|(at, record)| Item::read(file, table, at, record));
            items.collect::<Vec<_>>()
        };
        let mut items: Vec<Item> = files.iter().flat_map(read).collect();
        let of_table = |item: &&Item, table| item.entry.table == table && item.row.is_some();
        let executing = items.iter().filter(|item| of_table(item, Table::Executing)).filter_map(Item::key);
        let (templates, taken) = (BTreeMap::new(), BTreeMap::new());
        let mut desk = Desk { options, now, executing: executing.collect(), templates, taken };
        for item in items.iter_mut().filter(|item| item.entry.table == Table::Executing && item.row.is_some())
        {
            item.leave(Reason::Executing, "it was in lts_executing_job_queue");
        }
        // Suspended templates come last of all that is carried, but a cycle of one is folded as any other.
        for table in [Table::Cron, Table::Repeat] {
            desk.each(&mut items, |item| item.entry.table == table, Desk::template);
        }
        desk.each(
            &mut items,
            |item| item.entry.table == Table::Executable && item.is_one_shot(),
            Desk::one_shot,
        );
        desk.each(&mut items, |item| item.entry.table == Table::Suspend, Desk::suspended);
        desk.each(
            &mut items,
            |item| item.entry.table == Table::Executable && !item.is_one_shot(),
            Desk::cycle,
        );
        Plan { entries: items.into_iter().map(|item| item.entry).collect() }
    }

    /// Whether a job needs the zone of the old JobTrackers.
    pub fn has_cron(&self) -> bool {
        let is_cron =
            |carried: &Carried| matches!(carried.job.schedule, Some(crate::wire::pb::job::Schedule::Cron(_)));
        self.entries.iter().any(|entry| matches!(&entry.fate, Fate::Carry(carried) if is_cron(carried)))
    }
}

impl Item {
    fn is_one_shot(&self) -> bool {
        self.row.as_ref().is_some_and(|row| !row.is_periodic())
    }
}

impl<'a> Desk<'a> {
    fn each(
        &mut self,
        items: &mut [Item],
        of: impl Fn(&Item) -> bool,
        decide: impl Fn(&mut Desk<'a>, &mut Item, &Row, Key),
    ) {
        for item in items.iter_mut().filter(|item| of(item)) {
            if let (Some(row), Some(key)) = (item.row.clone(), item.key()) {
                decide(self, item, &row, key);
            }
        }
    }

    fn template(&mut self, item: &mut Item, row: &Row, key: Key) {
        if !row.is_periodic() {
            let problem =
                format!("a {} job has neither a cron expression nor a repeat count", item.entry.table);
            return item.leave(Reason::RowUnreadable, problem);
        }
        self.carry(item, row, key.clone());
        let carried = matches!(item.entry.fate, Fate::Carry(_));
        *self.templates.entry(key).or_default() |= carried;
    }

    fn suspended(&mut self, item: &mut Item, row: &Row, key: Key) {
        self.template(item, row, key);
        if let Fate::Carry(carried) = &mut item.entry.fate {
            carried.suspended = true;
        }
    }

    fn one_shot(&mut self, item: &mut Item, row: &Row, key: Key) {
        if self.executing.contains(&key) {
            return item.leave(Reason::Executing, "it is in lts_executing_job_queue too");
        }
        self.carry(item, row, key);
    }

    /// The waiting cycle of a periodic job.
    fn cycle(&mut self, item: &mut Item, row: &Row, key: Key) {
        match self.templates.get(&key) {
            None => {
                let (group, task) = key;
                let problem = format!("no file has a template {task:?} in node group {group:?}");
                return item.leave(Reason::TemplateNotCarried, problem);
            }
            Some(false) => return item.leave(Reason::TemplateNotCarried, "its template is left"),
            Some(true) => {}
        }
        item.entry.fate = Fate::Folded;
        let due = row.trigger_time.map(Timestamp::from_millis);
        if row.retry_times > 0 {
            let told = format!("retry {} of {}", row.retry_times, row.max_retry_times);
            item.entry.notes.push(Note::new(Reason::RetryOfCycleDropped, told));
        } else if let Some(due) = due.filter(|due| *due < self.now) {
            item.entry.notes.push(Note::new(Reason::OverdueCycleSkipped, format!("was due at {due}")));
        }
    }

    fn carry(&mut self, item: &mut Item, row: &Row, key: Key) {
        if let Some(table) = self.taken.get(&key) {
            let (group, task) = key;
            let problem = format!("{task:?} in node group {group:?} is carried from the {table} queue");
            return item.leave(Reason::DuplicateKey, problem);
        }
        let executes = self.executing.contains(&key) && matches!(row.when, When::Repeat(_));
        match convert(row, executes, self.now, self.options, &mut item.entry.notes) {
            Ok(carried) => {
                self.taken.insert(key, item.entry.table.clone());
                item.entry.fate = Fate::Carry(Box::new(carried));
            }
            Err(note) => {
                item.entry.notes.clear();
                item.entry.fate = Fate::Left(note);
            }
        }
    }
}
