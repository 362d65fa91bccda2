//! `raftsman monitor`: queues as they are, and series by minute.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Global;
use super::connect::monitor;
use super::failure::{Failure, Outcome};
use super::json;
use super::output::{Column, Row, Shape, column};
use crate::domain::{Millis, Timestamp};
use crate::wire::{duration, pb, read_timestamp, timestamp};

/// The most steps that a line of the table draws.
const DRAWN_MAX: usize = 60;
/// From nothing to the greatest of a series.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Watch queues, counters and processes
#[derive(Debug, clap::Args)]
pub(super) struct MonitorCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show every node group as it is now: queues, counters, quantiles of its last minute
    ///
    /// Examples:
    ///   raftsman monitor show
    ///   raftsman monitor show -g trade -o json
    #[command(verbatim_doc_comment)]
    Show {
        /// Only this node group
        #[arg(short = 'g', long, value_name = "GROUP")]
        node_group: Option<String>,
    },
    /// Show series by minute: counts added up, queues and memory at their greatest, quantiles
    ///
    /// They are kept for 3 days and outlive every leader. docs/metrics.md has the names.
    ///
    /// Examples:
    ///   raftsman monitor series -g trade
    ///   raftsman monitor series receiveJobNum pushJobNum --last 24h --step 10m -o json
    ///   raftsman monitor series --of tasktracker --identity w1 --last 1h
    #[command(verbatim_doc_comment)]
    Series(Series),
}

#[derive(Debug, clap::Args)]
struct Series {
    /// Which; all of them unless told
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// What they are of
    #[arg(long, value_enum, default_value_t)]
    of: Of,
    /// Only of this node group
    #[arg(short = 'g', long, value_name = "GROUP")]
    node_group: Option<String>,
    /// Only of this TaskTracker or JobTracker
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// How far back
    #[arg(long, default_value = "3h", value_name = "SPAN", conflicts_with = "from")]
    last: Millis,
    /// From this time on, in place of --last
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Up to this time; now unless told
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// How long a point is, in whole minutes
    #[arg(long, default_value = "1m", value_name = "SPAN")]
    step: Millis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Of {
    /// Node groups, as the leader counts
    #[default]
    Group,
    /// TaskTrackers, as they tell of themselves
    Tasktracker,
    /// The processes of JobTrackers
    Jobtracker,
}

const GROUP_COLUMNS: [Column; 12] = [
    column("NODE_GROUP"),
    column("WAITING"),
    column("READY"),
    column("EXECUTING"),
    column("OLDEST_READY"),
    column("RECEIVED"),
    column("PUSHED"),
    column("SUCCESS"),
    column("FIXED"),
    column("DEAD"),
    column("WAIT_P50/P99"),
    column("RUN_P50/P99"),
];

const SERIES_COLUMNS: [Column; 6] =
    [column("NAME"), column("UNIT"), column("SUM"), column("MAX"), column("LAST"), column("POINTS")];

impl MonitorCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Show { node_group } => show(node_group.unwrap_or_default(), global).await,
            Verb::Series(series) => series.run(global).await,
        }
    }
}

async fn show(node_group: String, global: &Global) -> Outcome {
    let client = global.connect.client().await?;
    let request = pb::ListGroupStatsRequest { node_group, ..Default::default() };
    let call = async |via, request| monitor(via).list_group_stats(request).await;
    let told = client.read(request, call).await.map_err(Failure::from)?;
    let rows: Vec<Row> = told.groups.iter().map(group_row).collect();
    Ok(global.output().print(Shape::Many, &GROUP_COLUMNS, &rows)?)
}

fn group_row(group: &pb::GroupStats) -> Row {
    let span =
        |span: Option<prost_types::Duration>| span.map_or(String::new(), |it| json::millis(it).to_string());
    let pair = |of: &Option<pb::Quantiles>| {
        of.as_ref().map_or(String::new(), |of| format!("{}/{}", span(of.p50), span(of.p99)))
    };
    let failed = group.exe_failed + group.exe_later + group.exe_exception;
    Row {
        id: group.node_group.clone(),
        cells: vec![
            group.node_group.clone(),
            group.waiting.to_string(),
            group.ready.to_string(),
            group.executing.to_string(),
            span(group.oldest_ready),
            group.received.to_string(),
            group.pushed.to_string(),
            format!("{}/{}", group.exe_success, group.exe_success + failed),
            group.fixed.to_string(),
            group.dead.to_string(),
            pair(&group.wait),
            pair(&group.run),
        ],
        json: group_json(group),
    }
}

fn group_json(group: &pb::GroupStats) -> Value {
    let quantiles = |of: &Option<pb::Quantiles>| {
        of.as_ref().map(|of| {
            json::Object::default()
                .with("count", of.count)
                .span("p50", of.p50)
                .span("p90", of.p90)
                .span("p99", of.p99)
                .done()
        })
    };
    json::Object::default()
        .with("node_group", group.node_group.clone())
        .with("waiting", group.waiting)
        .with("ready", group.ready)
        .with("executing", group.executing)
        .span("oldest_ready", group.oldest_ready)
        .with("received", group.received)
        .with("pushed", group.pushed)
        .with("exe_success", group.exe_success)
        .with("exe_failed", group.exe_failed)
        .with("exe_later", group.exe_later)
        .with("exe_exception", group.exe_exception)
        .with("fixed", group.fixed)
        .with("dead", group.dead)
        .with("wait", quantiles(&group.wait))
        .with("run", quantiles(&group.run))
        .with("cron_lateness", quantiles(&group.cron_lateness))
        .done()
}

impl Series {
    async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let request = self.request();
        let call = async |via, request| monitor(via).query_series(request).await;
        let told = client.read(request, call).await.map_err(Failure::from)?;
        let rows: Vec<Row> = told.series.iter().map(series_row).collect();
        Ok(global.output().print(Shape::Many, &SERIES_COLUMNS, &rows)?)
    }

    fn request(self) -> pb::QuerySeriesRequest {
        let scope = match self.of {
            Of::Group => pb::SeriesScope::NodeGroup,
            Of::Tasktracker => pb::SeriesScope::Tasktracker,
            Of::Jobtracker => pb::SeriesScope::Jobtracker,
        };
        // Without an end the cluster's clock says what is now, and then the beginning must be its too.
        let to = self.to;
        let from = self.from.or(to.map(|to| to - self.last));
        let now = || crate::domain::Clock::wall(&crate::domain::SystemClock);
        let from = from.unwrap_or_else(|| now() - self.last);
        pb::QuerySeriesRequest {
            scope: scope.into(),
            names: self.names,
            node_group: self.node_group.unwrap_or_default(),
            identity: self.identity.unwrap_or_default(),
            from_time: Some(timestamp(from)),
            to_time: to.map(timestamp),
            step: Some(duration(self.step)),
            ..Default::default()
        }
    }
}

fn series_row(series: &pb::Series) -> Row {
    let values: Vec<u64> = series.points.iter().map(|point| point.value).collect();
    let sum = if series.unit == "count" { values.iter().sum::<u64>().to_string() } else { String::new() };
    let shown = |value: Option<&u64>| value.map_or(String::new(), u64::to_string);
    let time = |point: &pb::SeriesPoint| point.time.and_then(|at| read_timestamp(at).ok());
    let points: Vec<Value> = series
        .points
        .iter()
        .filter_map(|point| Some(json!({"time": time(point)?.to_string(), "value": point.value})))
        .collect();
    Row {
        id: series.name.clone(),
        cells: vec![
            series.name.clone(),
            series.unit.clone(),
            sum,
            shown(values.iter().max()),
            shown(values.last()),
            drawn(&values),
        ],
        json: json!({"name": series.name, "unit": series.unit, "points": points}),
    }
}

/// A bar for each point; of many, the greatest of some neighbours.
fn drawn(values: &[u64]) -> String {
    let most = values.iter().max().copied().unwrap_or(0).max(1);
    let together = values.len().div_ceil(DRAWN_MAX).max(1);
    let bar = |values: &[u64]| {
        let value = values.iter().max().copied().unwrap_or(0);
        let height = u128::from(value) * (BARS.len() as u128 - 1) / u128::from(most);
        BARS[usize::try_from(height).unwrap_or(0)]
    };
    values.chunks(together).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_drawn_from_nothing_to_its_greatest() {
        assert_eq!(drawn(&[]), "");
        assert_eq!(drawn(&[0, 0]), "▁▁");
        assert_eq!(drawn(&[0, 1, 7, 14]), "▁▁▄█");
        assert_eq!(drawn(&[u64::MAX, 0]), "█▁");
        let many: Vec<u64> = (0..600).collect();
        assert_eq!(drawn(&many).chars().count(), DRAWN_MAX);
    }
}
