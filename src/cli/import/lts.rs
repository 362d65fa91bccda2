//! `raftsman import lts`: the job tables of LTS, as its database exports them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::super::Global;
use super::super::connect::jobs;
use super::super::cron::Dst;
use super::super::failure::{Failure, Outcome};
use super::super::output::say;
use super::report::{Done, Report};
use crate::client::{ClientError, JobClient};
use crate::domain::{Clock, Millis, SystemClock};
use crate::lts::{Carried, Dialect, Note, Options, Plan, Reason, Record, Table, read};
use crate::wire::{self, pb};

/// Requests under way at a time: the cluster gathers them into few entries of its log.
const IN_FLIGHT_MAX: usize = 64;
/// A file is read as a whole.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Import jobs from the tables of LTS
///
/// Give all tables at once: lts_cron_job_queue, lts_repeat_job_queue, lts_suspend_job_queue and an
/// lts_wjq_GROUP for each node group; also lts_executing_job_queue, so that what still ran is told.
/// A file is CSV, the output of mysql --batch, a JSON array or one JSON object a line. Its name
/// contains the table's name; else say TABLE=FILE. docs/migrating-from-lts.md has the SELECTs.
///
/// Every row gets a fate: imported, already there, folded into its template, or left with a reason.
/// Running it again with the same files is safe: a job that lives under the same task id stays, and
/// for 24 h a job that was imported and has ended is not run again. Exits 1 if rows were left.
///
/// Examples:
///   raftsman import lts export/*.csv --time-zone Asia/Shanghai --dry-run
///   raftsman import lts export/*.csv --time-zone Asia/Shanghai --report import.json
///   raftsman import lts *.tsv --time-zone Asia/Shanghai --kind lts --kind trade=order
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Import {
    /// The tables
    #[arg(value_name = "[TABLE=]FILE", required = true)]
    files: Vec<String>,
    /// Say what would become of every row, and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// The zone of the JVMs of the old JobTrackers, in which they read cron expressions
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// What cron jobs do when the clocks change; LTS did skip-second
    #[arg(long, value_enum, default_value = "skip-second")]
    dst: Dst,
    /// The kind of the jobs, or GROUP=KIND for those of a node group; can be given many times
    #[arg(long = "kind", value_name = "[GROUP=]KIND")]
    kinds: Vec<String>,
    /// Take the kind from this parameter where a job has it
    #[arg(long, value_name = "PARAM")]
    kind_param: Option<String>,
    /// Give the parameters as the payload too, as a JSON object
    #[arg(long)]
    params_as_payload: bool,
    /// LTS's job.max.retry.times: no job gets more retries
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    retries_max: u32,
    /// LTS's jobtracker.job.retry.interval.millis
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    retry_delay: Millis,
    /// The CSV has backslashes before quotes, as SELECT ... INTO OUTFILE writes it
    #[arg(long)]
    backslash_escapes: bool,
    /// Write what became of every row here, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let options = self.options();
        options.check().map_err(Failure::Usage)?;
        let files = self.read()?;
        let plan = Plan::of(&files, &options, SystemClock.wall());
        if options.time_zone.is_none() && plan.has_cron() {
            let problem = "is missing: there are cron jobs. Give the zone that the JVMs of the old JobTrackers had \
                           (-Duser.timezone, else their host's), such as Asia/Shanghai";
            return Err(Failure::usage("--time-zone", problem));
        }
        let mut report = Report::new(plan, self.dry_run);
        let outcome = if self.dry_run { Ok(()) } else { submit(global, &mut report).await };
        if let Some(path) = &self.report {
            write(path, &report)?;
        }
        report.print(global)?;
        outcome?;
        match report.left() {
            0 => Ok(()),
            left => Err(anyhow::anyhow!("{left} rows were left: the report says why").into()),
        }
    }

    fn options(&self) -> Options {
        let mut kinds_of_groups = BTreeMap::new();
        let mut kind = Options::default().kind;
        for told in &self.kinds {
            match told.rsplit_once('=') {
                Some((group, of_group)) => drop(kinds_of_groups.insert(group.into(), of_group.into())),
                None => kind.clone_from(told),
            }
        }
        Options {
            kind,
            kinds_of_groups,
            kind_param: self.kind_param.clone(),
            params_as_payload: self.params_as_payload,
            time_zone: self.time_zone.clone(),
            dst: self.dst.into(),
            retries_max: self.retries_max,
            retry_delay: self.retry_delay,
        }
    }

    fn read(&self) -> Result<Vec<TableFile>, Failure> {
        let dialect = if self.backslash_escapes { Dialect::Backslash } else { Dialect::Doubled };
        self.files.iter().map(|argument| read_file(argument, dialect)).collect()
    }
}

/// A file's name, the table that it is of, and its rows.
type TableFile = (Arc<str>, Table, Vec<Record>);

fn read_file(argument: &str, dialect: Dialect) -> Result<TableFile, Failure> {
    let wrong = |problem: String| Failure::usage("FILE", problem);
    let named = argument.split_once('=').and_then(|(table, path)| Some((Table::of_file(table)?, path)));
    let path = named.as_ref().map_or(argument, |(_, path)| path);
    let name =
        Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let table = named.as_ref().map(|(table, _)| table.clone()).or_else(|| Table::of_file(&name));
    let table = table.ok_or_else(|| {
        wrong(format!(
            "{path}: its name contains no table of LTS; say which one it is, such as lts_cron_job_queue={path}"
        ))
    })?;
    let unreadable = |error: std::io::Error| wrong(format!("{path}: {error}"));
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(format!("{path}: has {size} bytes; at most {FILE_BYTES_MAX}: split it")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let rows = read(&bytes, dialect).map_err(|error| wrong(format!("{path}: {error}")))?;
    Ok((name.into(), table, rows))
}

fn write(path: &Path, report: &Report) -> Outcome {
    let text = serde_json::to_string_pretty(&report.json()).expect("a Value can be written") + "\n";
    let told = |error| Failure::usage("--report", format!("{}: {error}", path.display()));
    std::fs::write(path, text).map_err(told)?;
    say(format!("report written to {}", path.display()));
    Ok(())
}

/// Submits what is carried, a few at a time. Once the cluster cannot be asked no more are begun; those under way are waited
/// for, so that the report knows them.
async fn submit(global: &Global, report: &mut Report) -> Outcome {
    let client = &global.connect.client().await?;
    let carried = report.carried();
    let bar = bar(carried.len());
    let gone = &Cell::new(false);
    let mut answers = futures_util::stream::iter(carried)
        .map(|(at, carried)| async move {
            if gone.get() { None } else { Some((at, one(client, &carried).await)) }
        })
        .buffer_unordered(IN_FLIGHT_MAX);
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        bar.inc(1);
        match answer {
            Some((at, Ok(done))) => report.done(at, done),
            Some((_, Err(error))) => {
                gone.set(true);
                failed.get_or_insert(error);
            }
            None => {}
        }
    }
    bar.finish_and_clear();
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// On stderr, and not where that is no terminal.
fn bar(rows: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} jobs  {per_sec}  {eta} left")
        .expect("the template is right");
    ProgressBar::new(rows as u64).with_style(style)
}

/// What became of one job; an error means that the cluster could not be asked.
async fn one(client: &JobClient, carried: &Carried) -> Result<Done, ClientError> {
    if carried.suspended {
        let problem = "a job cannot be submitted suspended yet, and it must not run meanwhile";
        return Ok(Done::Refused(Note::new(Reason::ClusterRefused, problem)));
    }
    let idempotency = |request_id: String| Some(pb::Idempotency { request_id, ..pb::Idempotency::default() });
    let request = pb::SubmitRequest {
        jobs: vec![carried.at(SystemClock.wall())],
        idempotency: idempotency(carried.request_id.clone()),
    };
    let answer = match client.call(request, async |via, request| jobs(via).submit(request).await).await {
        Ok(answer) => answer,
        Err(ClientError::Refused(fault)) if fault.reason == wire::Reason::IdempotencyMismatch => {
            let told = "its request is remembered with another content";
            return Ok(Done::There {
                job_id: String::new(),
                note: Some(Note::new(Reason::ImportedOtherwise, told)),
            });
        }
        Err(ClientError::Refused(fault)) => return Ok(refused(fault.reason.as_str(), &fault.message, &[])),
        Err(error) => return Err(error),
    };
    let replayed = answer.committed.is_some_and(|committed| committed.replayed);
    let result = answer.results.into_iter().next().unwrap_or_default();
    if let Some(refusal) = &result.refusal {
        return Ok(refused(&refusal.reason, &refusal.message, &refusal.violations));
    }
    let job_id = result.job_id.clone();
    Ok(match result.outcome() {
        pb::SubmitOutcome::Accepted if !replayed => Done::Imported { job_id },
        _ => Done::There { job_id, note: None },
    })
}

fn refused(reason: &str, message: &str, violations: &[pb::FieldViolation]) -> Done {
    let fields: Vec<String> =
        violations.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.problem)).collect();
    let message = if fields.is_empty() { message.to_owned() } else { fields.join("; ") };
    Done::Refused(Note::new(Reason::ClusterRefused, format!("{reason}: {message}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        import: Import,
    }

    fn import(line: &[&str]) -> Import {
        let line = ["import"].iter().chain(line);
        Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).import
    }

    #[test]
    fn a_kind_is_for_all_or_for_a_group() {
        let options = import(&["x", "--kind", "old", "--kind", "trade=order"]).options();
        assert_eq!(
            (options.kind.as_str(), options.kinds_of_groups.get("trade").map(String::as_str)),
            ("old", Some("order"))
        );
        assert_eq!(import(&["x"]).options().dst, crate::domain::DstRule::SkipSecond);
    }

    #[test]
    fn a_file_says_its_table_by_its_name_or_is_told() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = "task_id,task_tracker_node_group\nt,g\n";
        for name in ["2026-lts_wjq_trade.csv", "queue.csv", "broken_lts_cron_job_queue.csv"] {
            std::fs::write(path(name), if name.starts_with("broken") { "a,b\n" } else { text })
                .expect("it is written");
        }
        let (name, table, rows) =
            read_file(&path("2026-lts_wjq_trade.csv"), Dialect::Doubled).expect("it is read");
        assert_eq!((name.as_ref(), table, rows.len()), ("2026-lts_wjq_trade.csv", Table::Executable, 1));
        let told = format!("lts_repeat_job_queue={}", path("queue.csv"));
        assert_eq!(read_file(&told, Dialect::Doubled).expect("it is read").1, Table::Repeat);
        let wrong =
            |argument: &str| read_file(argument, Dialect::Doubled).expect_err("it is wrong").message();
        assert!(wrong(&path("queue.csv")).contains("contains no table of LTS"));
        assert!(wrong(&path("broken_lts_cron_job_queue.csv")).contains("has no column task_id"));
        assert!(wrong(&path("lts_cron_job_queue.gone")).contains("No such file"));
    }

    #[tokio::test]
    async fn cron_jobs_without_a_zone_are_refused_before_anything_is_asked() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("lts_cron_job_queue.csv");
        std::fs::write(&path, "task_id,task_tracker_node_group,cron_expression\nt,g,0 0 2 * * ?\n")
            .expect("it is written");
        let global = <super::super::super::Cli as Parser>::parse_from(["raftsman", "version"]).global;
        let failure =
            import(&[path.to_str().expect("text"), "--dry-run"]).run(&global).await.expect_err("no zone");
        assert!(failure.message().contains("--time-zone: is missing"), "{}", failure.message());
    }
}
