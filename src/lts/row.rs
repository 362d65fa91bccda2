//! What a row means in LTS: the `JobPo` of its five job tables.

use std::collections::BTreeMap;

use super::params::{self, Params};
use super::read::Record;
use super::reason::{Note, Reason};

/// Internal keys that say something about a job; the others are LTS's bookkeeping.
const FIRST_FIRE_TIME: &str = "__LTS_Repeat_Job_First_Fire_Time";

/// When it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Once: at its trigger time, or at once.
    Once(Option<u64>),
    Cron(String),
    Repeat(Repeat),
}

/// A repeat job's grid and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) interval: u64,
    /// -1 repeats for ever.
    pub(super) count: i64,
    /// Cycles that are over.
    pub(super) repeated: u64,
    pub(super) first_fire: Option<u64>,
    pub(super) trigger_time: Option<u64>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) job_id: String,
    pub(super) task_id: String,
    /// What its submitter called it: the task id without the suffix of an instance.
    pub(super) real_task_id: String,
    pub(super) node_group: String,
    pub(super) submit_node_group: String,
    pub(super) when: When,
    pub(super) trigger_time: Option<u64>,
    pub(super) priority: i32,
    pub(super) retry_times: u32,
    pub(super) max_retry_times: u32,
    pub(super) params: Params,
    pub(super) rely_on_previous_cycle: bool,
    pub(super) need_feedback: bool,
    pub(super) is_running: bool,
}

impl Row {
    /// # Errors
    /// The note for the report; it names every column that is wrong.
    pub(super) fn read(record: &Record) -> Result<Row, Note> {
        let mut columns = Columns { record, wrong: Vec::new() };
        let task_id = columns.required("task_id");
        let node_group = columns.required("task_tracker_node_group");
        let text = |column| record.get(column).unwrap_or_default().to_owned();
        let params = params::read(record.get("ext_params"));
        let internal = params::read(record.get("internal_ext_params"))
            .map_err(|problem| columns.wrong.push(format!("internal_ext_params {problem}")))
            .unwrap_or_default();
        let trigger_time = columns.instant("trigger_time");
        let row = Row {
            job_id: text("job_id"),
            real_task_id: record.get("real_task_id").map_or_else(|| task_id.clone(), str::to_owned),
            task_id,
            node_group,
            submit_node_group: text("submit_node_group"),
            when: columns.when(&internal.texts, trigger_time),
            trigger_time,
            priority: columns.number("priority").unwrap_or(crate::domain::PRIORITY_DEFAULT),
            retry_times: columns.number("retry_times").unwrap_or(0),
            max_retry_times: columns.number("max_retry_times").unwrap_or(0),
            params: Params::default(),
            rely_on_previous_cycle: columns.flag("rely_on_prev_cycle").unwrap_or(true),
            need_feedback: columns.flag("need_feedback").unwrap_or(false),
            is_running: columns.flag("is_running").unwrap_or(false),
        };
        if !columns.wrong.is_empty() {
            return Err(Note::new(Reason::RowUnreadable, columns.wrong.join("; ")));
        }
        let unreadable = |problem| Note::new(Reason::ParamsUnreadable, format!("ext_params {problem}"));
        Ok(Row { params: params.map_err(unreadable)?, ..row })
    }

    pub(super) fn is_periodic(&self) -> bool {
        !matches!(self.when, When::Once(_))
    }

    /// What a rerun of the import knows the row by: all that its submitter said, not what changes as it runs.
    pub(super) fn content(&self) -> String {
        let when = match &self.when {
            When::Once(at) => format!("once {at:?}"),
            When::Cron(expression) => format!("cron {expression}"),
            When::Repeat(repeat) => format!("repeat {} {}", repeat.interval, repeat.count),
        };
        let fixed = [
            self.job_id.as_str(),
            self.node_group.as_str(),
            self.real_task_id.as_str(),
            self.submit_node_group.as_str(),
            when.as_str(),
        ];
        let numbers = format!("{} {} {}", self.priority, self.max_retry_times, self.rely_on_previous_cycle);
        let params = self.params.texts.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        fixed.into_iter().chain([numbers.as_str()]).chain(params).collect::<Vec<_>>().join("\u{1f}")
    }
}

/// Reads typed columns and gathers what is wrong with them.
struct Columns<'a> {
    record: &'a Record,
    wrong: Vec<String>,
}

impl Columns<'_> {
    fn required(&mut self, column: &str) -> String {
        let text = self.record.get(column).unwrap_or_default().to_owned();
        if text.is_empty() {
            self.wrong.push(format!("{column} is missing"));
        }
        text
    }

    fn number<T: std::str::FromStr>(&mut self, column: &str) -> Option<T> {
        let text = self.record.get(column)?.trim();
        let read = text.parse().ok();
        if read.is_none() {
            self.wrong.push(format!("{column} is {text:?}, which is no number for it"));
        }
        read
    }

    /// Milliseconds since 1970; LTS writes 0 for none.
    fn instant(&mut self, column: &str) -> Option<u64> {
        self.number(column).filter(|ms| *ms > 0)
    }

    fn flag(&mut self, column: &str) -> Option<bool> {
        let text = self.record.get(column)?.trim();
        match text {
            // A BIT column comes as a byte.
            "1" | "true" | "TRUE" | "\u{1}" => Some(true),
            "0" | "false" | "FALSE" | "\u{0}" => Some(false),
            other => {
                self.wrong.push(format!("{column} is {other:?}, neither 0 nor 1"));
                None
            }
        }
    }

    /// As LTS decides: a cron expression wins, then a count that is not 0.
    fn when(&mut self, internal: &BTreeMap<String, String>, trigger_time: Option<u64>) -> When {
        let count = self.number("repeat_count").unwrap_or(0);
        if let Some(expression) = self.record.get("cron_expression").filter(|text| !text.trim().is_empty()) {
            return When::Cron(expression.trim().to_owned());
        }
        if count == 0 {
            return When::Once(trigger_time);
        }
        let interval = self.number("repeat_interval").unwrap_or(0);
        if interval == 0 {
            self.wrong.push("repeat_interval is missing or 0".into());
        }
        if count < -1 {
            self.wrong.push(format!("repeat_count is {count}; -1 or more"));
        }
        When::Repeat(Repeat {
            interval,
            count,
            repeated: self.number("repeated_count").unwrap_or(0),
            first_fire: internal.get(FIRST_FIRE_TIME).and_then(|ms| ms.parse().ok()),
            trigger_time,
        })
    }
}
