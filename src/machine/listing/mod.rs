//! Reads that list: the queues, the counts of groups, the history of nodes, the job log.
//!
//! A page goes on after the last key that was looked at, never after a number of rows: so a row that does not change is
//! on exactly one page, whatever happens to the others meanwhile. Each page looks at a bounded number of rows, since it
//! holds the tables' lock; a rare match may give short pages, even empty ones, before the end.

mod filter;
mod groups;
mod log;
mod nodes;
mod place;
mod queue;

pub use filter::{JobFilter, Span};
pub use groups::GroupView;
pub use log::{LogFilter, LogLine, LogOf, LogOrder, LogPlace};
pub use nodes::{NodeEventFilter, NodeEventView};
pub use place::Place;
pub use queue::{Entry, Queue};

/// Rows that one page looks at when they come one after the other.
const SCANNED_MAX: usize = 20_000;
/// Rows that one page looks at when each has to be looked for.
const LOOKED_UP_MAX: usize = 4_000;
