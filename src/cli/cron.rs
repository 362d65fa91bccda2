//! `raftsman cron`: what an expression means, before it is submitted. Works without a cluster.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Global;
use super::failure::{Failure, Outcome};
use super::output::{Format, Row, Shape, column, say};
use crate::calendar::preview;
use crate::domain::{Clock, CronSchedule, DstRule, SystemClock, Timestamp};

/// As many instants as `CalendarService` gives.
const INSTANTS_MAX: usize = 1_000;

/// Understand cron expressions
#[derive(Debug, clap::Args)]
pub(super) struct CronCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the next instants of an expression, and the expression in words
    ///
    /// Quartz (6 or 7 fields, one of the two day fields is `?`), Vixie (5 fields), @hourly and its
    /// like, or @every 90s.
    ///
    /// Examples:
    ///   raftsman cron preview '0 15 10 ? * MON-FRI' --tz America/New_York
    ///   raftsman cron preview '*/5 * * * *' -n 3
    ///   raftsman cron preview '30 2 * * *' --tz Europe/Berlin --after 2031-03-29T00:00:00Z
    #[command(verbatim_doc_comment)]
    Preview(Preview),
}

#[derive(Debug, clap::Args)]
struct Preview {
    /// The expression, in quotes
    #[arg(value_name = "EXPR")]
    expression: String,
    /// The IANA zone that the expression is read in
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    tz: String,
    /// What happens to wall times that a change of the clocks skips or repeats
    #[arg(long, value_enum, default_value_t)]
    dst: Dst,
    /// How many instants: 1 to 1000
    #[arg(short = 'n', long, default_value_t = 10, value_name = "COUNT")]
    count: usize,
    /// Only instants after this one, such as 2031-04-05T06:07:08Z; else after now
    #[arg(long, value_name = "TIME")]
    after: Option<Timestamp>,
}

/// The DST rules as the command line writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Dst {
    /// A daily time runs once every day; a pattern through the hour ticks through both
    #[default]
    Auto,
    /// Skipped in the gap; the second one in the overlap (LTS)
    SkipSecond,
    /// Skipped in the gap; the first one in the overlap
    SkipFirst,
    /// Shifted in the gap; the first one in the overlap
    ShiftFirst,
    /// Shifted in the gap; both in the overlap
    ShiftBoth,
}

impl From<Dst> for DstRule {
    fn from(dst: Dst) -> DstRule {
        match dst {
            Dst::Auto => DstRule::Auto,
            Dst::SkipSecond => DstRule::SkipSecond,
            Dst::SkipFirst => DstRule::SkipFirst,
            Dst::ShiftFirst => DstRule::ShiftFirst,
            Dst::ShiftBoth => DstRule::ShiftBoth,
        }
    }
}

impl CronCommand {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Preview(preview) => preview.run(global),
        }
    }
}

impl Preview {
    fn run(self, global: &Global) -> Outcome {
        if !(1..=INSTANTS_MAX).contains(&self.count) {
            return Err(Failure::usage("--count", format!("is {}; 1 to {INSTANTS_MAX}", self.count)));
        }
        let after = self.after.unwrap_or_else(|| SystemClock.wall());
        let schedule = CronSchedule { expression: self.expression, time_zone: self.tz, dst: self.dst.into() };
        let shown = preview(&schedule, after, self.count).map_err(Failure::Usage)?;
        if matches!(global.output, Format::Table | Format::Wide) {
            say(&shown.words);
        }
        let rows: Vec<Row> = shown
            .instants
            .iter()
            .zip(&shown.local)
            .map(|(instant, local)| Row {
                id: instant.to_string(),
                cells: vec![local.clone(), instant.to_string()],
                json: json!({ "time": instant.to_string(), "local_time": local, "words": shown.words }),
            })
            .collect();
        Ok(global.output().print(Shape::Many, &[column("LOCAL"), column("UTC")], &rows)?)
    }
}
