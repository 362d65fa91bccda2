//! What became of every row: as JSON for a file, as a table of what a person has to look at, and as one line of totals.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::super::Global;
use super::super::output::{Column, Row, Shape, column, say, wide};
use crate::lts::{Carried, Entry, Fate, Note, Plan, Reason};

/// What the cluster said to a job.
#[derive(Clone, Debug)]
pub(super) enum Done {
    Imported {
        job_id: String,
    },
    /// It came with an earlier import, or a job lives under its task id.
    There {
        job_id: String,
        note: Option<Note>,
    },
    Refused(Note),
}

/// The rows of an import with their fates.
#[derive(Debug)]
pub(super) struct Report {
    plan: Plan,
    dry_run: bool,
    done: BTreeMap<usize, Done>,
}

/// Words of the report; they never change their meaning.
const IMPORTED: &str = "IMPORTED";
const WOULD_IMPORT: &str = "WOULD_IMPORT";
const ALREADY_THERE: &str = "ALREADY_THERE";
const FOLDED: &str = "FOLDED";
const LEFT: &str = "LEFT";

/// How a row is told.
struct Told<'a> {
    outcome: &'static str,
    reason: Option<&'a Note>,
    job_id: &'a str,
    suspended: bool,
}

const COLUMNS: [Column; 8] = [
    column("TABLE"),
    column("ROW"),
    column("NODE_GROUP"),
    column("TASK_ID"),
    column("OUTCOME"),
    column("CODE"),
    column("WHY"),
    wide("FILE"),
];

impl Report {
    pub(super) fn new(plan: Plan, dry_run: bool) -> Report {
        Report { plan, dry_run, done: BTreeMap::new() }
    }

    /// What is to be submitted, with its place.
    pub(super) fn carried(&self) -> Vec<(usize, Carried)> {
        let carried = |(at, entry): (usize, &Entry)| match &entry.fate {
            Fate::Carry(carried) => Some((at, Carried::clone(carried))),
            Fate::Folded | Fate::Left(_) => None,
        };
        self.plan.entries.iter().enumerate().filter_map(carried).collect()
    }

    pub(super) fn done(&mut self, at: usize, done: Done) {
        if let Done::There { note: Some(note), .. } = &done {
            self.plan.entries[at].notes.push(note.clone());
        }
        self.done.insert(at, done);
    }

    fn told<'a>(&'a self, at: usize, entry: &'a Entry, not_tried: &'a Note) -> Told<'a> {
        let (outcome, reason, job_id, suspended) = match (&entry.fate, self.done.get(&at)) {
            (Fate::Folded, _) => (FOLDED, None, "", false),
            (Fate::Left(note), _) | (Fate::Carry(_), Some(Done::Refused(note))) => {
                (LEFT, Some(note), "", false)
            }
            (Fate::Carry(carried), Some(Done::Imported { job_id })) => {
                (IMPORTED, None, job_id.as_str(), carried.suspended)
            }
            (Fate::Carry(carried), Some(Done::There { job_id, .. })) => {
                (ALREADY_THERE, None, job_id.as_str(), carried.suspended)
            }
            (Fate::Carry(carried), None) if self.dry_run => (WOULD_IMPORT, None, "", carried.suspended),
            (Fate::Carry(_), None) => (LEFT, Some(not_tried), "", false),
        };
        Told { outcome, reason, job_id, suspended }
    }

    fn each<T>(&self, mut show: impl FnMut(&Entry, Told<'_>) -> T) -> Vec<T> {
        let not_tried = Note::new(Reason::NotTried, "the cluster could not be reached");
        let entries = self.plan.entries.iter().enumerate();
        entries.map(|(at, entry)| show(entry, self.told(at, entry, &not_tried))).collect()
    }

    /// Rows by outcome.
    fn totals(&self) -> BTreeMap<&'static str, usize> {
        let mut totals = BTreeMap::new();
        for outcome in self.each(|_, told| told.outcome) {
            *totals.entry(outcome).or_default() += 1;
        }
        totals
    }

    pub(super) fn left(&self) -> usize {
        self.totals().get(LEFT).copied().unwrap_or(0)
    }

    /// The whole report.
    pub(super) fn json(&self) -> Value {
        let rows = self.each(row_json);
        json!({ "dry_run": self.dry_run, "rows_total": rows.len(), "totals": self.totals(), "rows": rows })
    }

    /// Prints the rows that a person should look at, and the totals on stderr.
    pub(super) fn print(&self, global: &Global) -> io::Result<()> {
        let rows: Vec<Row> = self.each(rows_of).into_iter().flatten().collect();
        if !rows.is_empty() {
            global.output().print(Shape::Many, &COLUMNS, &rows)?;
        }
        let word = |outcome: &str| outcome.to_lowercase().replace('_', " ");
        let totals: Vec<String> =
            self.totals().into_iter().map(|(outcome, count)| format!("{count} {}", word(outcome))).collect();
        say(format!("{} rows: {}", self.plan.entries.len(), totals.join(", ")));
        Ok(())
    }
}

fn note_json(note: &Note) -> Value {
    json!({ "code": note.reason.as_str(), "about": note.reason.about(), "message": note.message })
}

fn row_json(entry: &Entry, told: Told<'_>) -> Value {
    json!({
        "file": entry.file.as_ref(), "row": entry.row, "table": entry.table.to_string(),
        "node_group": entry.node_group, "task_id": entry.task_id, "lts_job_id": entry.job_id,
        "outcome": told.outcome, "job_id": told.job_id, "suspended": told.suspended,
        "reason": told.reason.map(note_json), "notes": entry.notes.iter().map(note_json).collect::<Vec<_>>(),
    })
}

/// A line for the reason, and one for each note.
fn rows_of(entry: &Entry, told: Told<'_>) -> Vec<Row> {
    let line = |note: &Note| Row {
        id: entry.task_id.clone(),
        cells: vec![
            entry.table.to_string(),
            entry.row.to_string(),
            entry.node_group.clone(),
            entry.task_id.clone(),
            told.outcome.into(),
            note.reason.to_string(),
            note.message.clone(),
            entry.file.to_string(),
        ],
        json: json!({
            "file": entry.file.as_ref(), "row": entry.row, "table": entry.table.to_string(),
            "node_group": entry.node_group, "task_id": entry.task_id, "outcome": told.outcome,
            "code": note.reason.as_str(), "message": note.message,
        }),
    };
    told.reason.into_iter().chain(&entry.notes).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lts::{Dialect, Options, Table, read};

    fn report(dry_run: bool) -> Report {
        let csv = "task_id,task_tracker_node_group,cron_expression,trigger_time\n\
                   a,g,,\nb,g,* * *,\nc,g,,1000\nc,g,,1000\n";
        let rows = read(csv.as_bytes(), Dialect::Doubled).expect("it is read");
        let now = crate::domain::Timestamp::from_millis(1_800_000_000_000);
        let files = [("f.csv".into(), Table::Executable, rows)];
        Report::new(Plan::of(&files, &Options::default(), now), dry_run)
    }

    fn told(report: &Report) -> Vec<String> {
        let rows = report.json()["rows"].as_array().expect("rows").clone();
        let text = |row: &Value, at: &str| row.pointer(at).and_then(Value::as_str).unwrap_or("").to_owned();
        let note = |row: &Value| format!("{}{}", text(row, "/reason/code"), text(row, "/notes/0/code"));
        rows.iter()
            .map(|row| format!("{} {} {}", text(row, "/task_id"), text(row, "/outcome"), note(row)))
            .collect()
    }

    #[test]
    fn every_row_is_in_the_report_with_what_became_of_it() {
        let dry = report(true);
        assert_eq!(
            told(&dry),
            [
                "a WOULD_IMPORT ",
                "b LEFT TEMPLATE_NOT_CARRIED",
                "c WOULD_IMPORT OVERDUE_RUNS_NOW",
                "c LEFT DUPLICATE_KEY"
            ]
        );
        assert_eq!((dry.left(), dry.json()["totals"]["WOULD_IMPORT"].as_u64()), (2, Some(2)));
        let mut wet = report(false);
        assert_eq!(told(&wet)[0], "a LEFT NOT_TRIED");
        wet.done(0, Done::Imported { job_id: "7.0".into() });
        wet.done(2, Done::Refused(Note::new(Reason::ClusterRefused, "no")));
        assert_eq!(told(&wet)[0], "a IMPORTED ");
        assert_eq!(told(&wet)[2], "c LEFT CLUSTER_REFUSEDOVERDUE_RUNS_NOW");
        let note = Note::new(Reason::ImportedOtherwise, "before");
        wet.done(2, Done::There { job_id: String::new(), note: Some(note) });
        assert_eq!((wet.left(), wet.json()["rows_total"].as_u64()), (2, Some(4)));
    }
}
