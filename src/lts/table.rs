//! Which of LTS's tables a file holds.

use std::fmt;

/// The tables of LTS that hold jobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `lts_cron_job_queue`: templates of cron jobs.
    Cron,
    /// `lts_repeat_job_queue`: templates of repeat jobs.
    Repeat,
    /// `lts_wjq_{group}`: one-shot jobs, and the next cycle of each periodic one.
    Executable,
    /// `lts_suspend_job_queue`: templates that the console paused.
    Suspend,
    /// `lts_executing_job_queue`: what ran when it was exported.
    Executing,
}

const WHOLE_NAMES: [(&str, Table); 4] = [
    ("lts_cron_job_queue", Table::Cron),
    ("lts_repeat_job_queue", Table::Repeat),
    ("lts_suspend_job_queue", Table::Suspend),
    ("lts_executing_job_queue", Table::Executing),
];
const EXECUTABLE_PREFIX: &str = "lts_wjq_";

impl Table {
    /// The table of a file by its name, such as `2026-11-20_lts_wjq_trade.csv`; `None` if it names none.
    pub fn of_file(name: &str) -> Option<Table> {
        let name = name.to_ascii_lowercase();
        let whole = WHOLE_NAMES.into_iter().find(|(table, _)| name.contains(table)).map(|(_, table)| table);
        whole.or_else(|| name.contains(EXECUTABLE_PREFIX).then_some(Table::Executable))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::Cron => "cron",
            Table::Repeat => "repeat",
            Table::Executable => "executable",
            Table::Suspend => "suspend",
            Table::Executing => "executing",
        })
    }
}
