//! When a cron fires: expressions, zones, clock changes.
//!
//! Pure: no clock is read, nothing waits, the same input gives the same instants on every node of one version. The zone
//! data is the one that is compiled in, whatever the system has. The machine never comes here: the leader computes
//! instants and a command carries them.
//!
//! The way of an expression: `expression` takes the text apart, `field` checks each field and rewrites what neither
//! crate reads, `parsers` lets `cron` or else `croner` read it, `wall` walks the resulting [wall clock](wall::Wall) as if
//! in UTC, `zone` tells where the clocks change, and [`PreparedCron`] joins the two into instants.
//!
//! Not here: when a missed instant still runs (`machine`), how far ahead is planned (`dispatch::planner`), the grid of a
//! repeat job (`machine`). Why it is done so: `docs/decisions/cron-dialects.md`.

mod expression;
mod field;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod parsers;
mod prepared;
mod wall;
mod words;
mod zone;

#[cfg(test)]
mod against_brute_force;

pub use expression::{CronExpression, EVERY_MAX, EVERY_MIN};
pub use field::{YEAR_MAX, YEAR_MIN};
pub use prepared::PreparedCron;
pub use words::{Preview, describe, preview};
