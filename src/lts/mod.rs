//! LTS's own shapes: its tables as its databases export them, its job as its JSON writes it; and what becomes of them here.
//!
//! Pure: texts and the time come in, jobs and reasons go out. `read` takes a file apart, `row` says what a row means in LTS,
//! `convert` makes a job of it, `plan` decides the fate of every row of all files, `command` reads the job of LTS's HTTP
//! command. Not here: who submits (`cli`), who serves (`rpc`).

mod command;
mod convert;
mod params;
mod plan;
mod read;
mod reason;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub use command::job_of_command;
pub use convert::{Carried, Grid, Options};
pub use plan::{Entry, Fate, Plan};
pub use read::{Dialect, FileError, Record, read};
pub use reason::{Note, Reason};
pub use table::Table;
