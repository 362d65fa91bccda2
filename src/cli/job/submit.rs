//! `raftsman job submit`: every field of a job as a flag.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ValueEnum;
use serde_json::json;

use super::super::Global;
use super::super::connect::{fresh_name, jobs};
use super::super::cron::Dst;
use super::super::failure::{Failure, Outcome};
use super::super::json::word;
use super::super::output::{Row, Shape, column, say};
use super::NODE_GROUP_DEFAULT;
use super::wait;
use crate::client::SubmitOutcome;
use crate::domain::{DstRule, Millis, Timestamp, limits};
use crate::wire::{duration, pb, timestamp};

/// Submit a job
///
/// Without a time it runs as soon as a TaskTracker of its node group has a free slot.
/// The request is safe to repeat: give --request-id to repeat it yourself.
///
/// Examples:
///   raftsman job submit echo --payload '{"hi":1}' --wait
///   raftsman job submit order.ship -g trade --payload-file order.json --retries 5 --backoff 1s..1h
///   raftsman job submit report --cron '0 0 2 * * ?' --tz Asia/Shanghai --misfire skip
///   raftsman job submit ping --every 30s --count 10
///   raftsman job submit cleanup --in 5m --timeout 90s
///   raftsman job submit order.ship --feedback shop
///   echo 'df -h' | raftsman job submit sh --payload-file - --wait
///   raftsman job submit report --task-id daily --fail-store /var/lib/report/failstore
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Submit {
    /// What is to be run: the kind that a runner is registered for
    kind: String,
    /// The TaskTrackers that may run it
    #[arg(short = 'g', long, value_name = "GROUP", default_value = NODE_GROUP_DEFAULT)]
    node_group: String,
    /// Your own name of the job, unique in its node group while the job lives; else one is made
    #[arg(long, value_name = "TASK_ID")]
    task_id: Option<String>,

    /// The payload as text
    #[arg(long, value_name = "TEXT", conflicts_with = "payload_file")]
    payload: Option<String>,
    /// The payload from a file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
    /// The media type of the payload; else application/json where it is that
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A string parameter; can be given many times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    params: Vec<(String, String)>,
    /// Smaller runs first
    #[arg(long, allow_negative_numbers = true, default_value_t = crate::domain::PRIORITY_DEFAULT)]
    priority: i32,

    /// Run it at each instant of an expression; see `raftsman cron preview`
    #[arg(long, value_name = "EXPR", group = "schedule")]
    cron: Option<String>,
    /// The IANA zone of --cron
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "cron")]
    tz: String,
    /// What --cron does when the clocks change
    #[arg(long, value_enum, default_value_t, requires = "cron")]
    dst: Dst,
    /// Run it every so often, such as 30s
    #[arg(long, value_name = "SPAN", group = "schedule")]
    every: Option<Millis>,
    /// How often in all with --every; else for ever
    #[arg(long, value_name = "COUNT", requires = "every", allow_negative_numbers = true)]
    count: Option<i64>,
    /// The first instant with --every; else now
    #[arg(long, value_name = "TIME", requires = "every")]
    first: Option<Timestamp>,
    /// Run it once, not before this time, such as 2031-04-05T06:07:08Z
    #[arg(long, value_name = "TIME", group = "schedule")]
    at: Option<Timestamp>,
    /// Run it once, not before so long from now, such as 5m
    #[arg(long = "in", value_name = "SPAN", group = "schedule")]
    delay: Option<Millis>,
    /// Let an instant run although a run of the job executes or waits for a retry
    #[arg(long)]
    allow_overlap: bool,
    /// What happens to instants that were missed
    #[arg(long, value_name = "RULE", value_parser = misfire, default_value = "run-once-late")]
    misfire: Misfire,
    /// How late an instant may be before it counts as missed
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    misfire_after: Millis,

    /// How often it is tried again after EXECUTE_LATER or EXECUTE_EXCEPTION
    #[arg(long, value_name = "COUNT", default_value_t = 0, allow_negative_numbers = true)]
    retries: i32,
    /// The delay before a retry: 30s, or doubling from one span to another as in 1s..1h
    #[arg(long, value_name = "SPAN[..SPAN]", value_parser = backoff, default_value = "30s")]
    backoff: Backoff,
    /// How much of a doubling delay chance may take off: 0 to 100
    #[arg(long, value_name = "PERCENT", default_value_t = 20, allow_negative_numbers = true)]
    jitter: i32,
    /// Stop an execution after this
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Millis>,
    /// Skip a run that has not started so long after it was due
    #[arg(long, value_name = "SPAN")]
    start_deadline: Option<Millis>,
    /// What to do when a live job has the same task id in the node group
    #[arg(long, value_enum, default_value_t)]
    on_conflict: OnConflict,
    /// A JobClient that listens for this group hears how each run ended; see `raftsman feedback`
    #[arg(long, value_name = "GROUP")]
    feedback: Option<String>,
    /// W3C trace context for the runner
    #[arg(long, value_name = "HEADER", env = "TRACEPARENT", hide_env_values = true)]
    traceparent: Option<String>,

    /// Names this request for 24 h: repeating it with the same name gets the first answer
    #[arg(long, value_name = "NAME")]
    request_id: Option<String>,
    /// Save the job in this directory if no JobTracker answers within --patience, and send what was saved there before;
    /// exits 9 if it was saved. `raftsman fail-store` sees and sends what is saved
    #[arg(long, value_name = "DIR", conflicts_with = "request_id")]
    fail_store: Option<PathBuf>,
    /// Wait until the job is final; exits 7 if it did not succeed
    #[arg(long)]
    wait: bool,
    /// How long --wait waits; else without end
    #[arg(long, value_name = "SPAN", requires = "wait")]
    wait_timeout: Option<Millis>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// The live job stays; the answer says EXISTS
    #[default]
    Ignore,
    /// The live job takes this as its next revision
    Replace,
    /// This is refused
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfire {
    RunOnceLate,
    Skip,
    CatchUp(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backoff {
    Fixed(Millis),
    Doubling(Millis, Millis),
}

pub(super) fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give it as NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

pub(super) fn misfire(text: &str) -> Result<Misfire, String> {
    match text.split_once('=') {
        None if text == "run-once-late" => Ok(Misfire::RunOnceLate),
        None if text == "skip" => Ok(Misfire::Skip),
        Some(("catch-up", count)) => {
            count.parse().map(Misfire::CatchUp).map_err(|_| "catch-up=N needs a number".into())
        }
        None | Some(_) => Err("give run-once-late, skip, or catch-up=N".into()),
    }
}

pub(super) fn backoff(text: &str) -> Result<Backoff, String> {
    match text.split_once("..") {
        Some((initial, max)) => Ok(Backoff::Doubling(initial.parse()?, max.parse()?)),
        None => text.parse().map(Backoff::Fixed),
    }
}

impl Submit {
    pub(super) async fn run(mut self, global: &Global) -> Outcome {
        let payload = self.take_payload()?;
        let (wait, wait_timeout) = (self.wait, self.wait_timeout);
        if let Some(directory) = self.fail_store.take() {
            return submit_or_save(global, self.into_job(payload), &directory, wait, wait_timeout).await;
        }
        let request_id = self.request_id.take();
        // A request that is repeated by its name must be the same, so a task id is not made up anew.
        self.task_id = self.task_id.take().or_else(|| request_id.clone());
        let request_id = request_id.unwrap_or_else(fresh_name);
        let job = self.into_job(payload);
        let task_id = job.task_id.clone();

        let client = global.connect.client().await?;
        let idempotency = Some(pb::Idempotency { request_id, ..Default::default() });
        let request = pb::SubmitRequest { jobs: vec![job], idempotency };
        let answer = client.call(request, async |via, request| jobs(via).submit(request).await).await?;
        let committed = answer.committed.unwrap_or_default();
        let result = answer.results.into_iter().next().unwrap_or_default();
        if let Some(refusal) = result.refusal {
            return Err(refused(refusal));
        }
        let outcome = word(result.outcome().as_str_name(), "SUBMIT_OUTCOME_");
        if !wait {
            return Submitted {
                job_id: &result.job_id,
                task_id: &task_id,
                outcome,
                revision: result.revision,
                log_index: committed.log_index,
                replayed: committed.replayed,
            }
            .print(global);
        }
        say(format!("job {} {}, waiting", result.job_id, outcome.to_lowercase()));
        wait::until_final(global, &client, &result.job_id, wait_timeout).await
    }

    fn take_payload(&mut self) -> Result<Bytes, Failure> {
        if let Some(text) = self.payload.take() {
            return Ok(text.into());
        }
        let Some(path) = self.payload_file.take() else { return Ok(Bytes::new()) };
        // One byte more than is allowed tells that there is too much, however much more there is.
        let at_most = u64::try_from(limits::PAYLOAD_BYTES_MAX + 1).expect("1 MiB fits");
        let mut bytes = Vec::new();
        let read = match path.as_os_str() == "-" {
            true => std::io::stdin().lock().take(at_most).read_to_end(&mut bytes),
            false => std::fs::File::open(&path).and_then(|file| file.take(at_most).read_to_end(&mut bytes)),
        };
        read.map_err(|error| Failure::usage("--payload-file", format!("{}: {error}", path.display())))?;
        if bytes.len() > limits::PAYLOAD_BYTES_MAX {
            return Err(Failure::usage(
                "--payload-file",
                format!("is larger than {} bytes", limits::PAYLOAD_BYTES_MAX),
            ));
        }
        Ok(bytes.into())
    }

    fn into_job(self, payload: Bytes) -> pb::Job {
        let is_json = !payload.is_empty() && serde_json::from_slice::<serde_json::Value>(&payload).is_ok();
        let guessed = if is_json { "application/json" } else { "" };
        pb::Job {
            task_id: self.task_id.clone().unwrap_or_else(fresh_name),
            node_group: self.node_group.clone(),
            kind: self.kind.clone(),
            content_type: self.content_type.clone().unwrap_or_else(|| guessed.into()),
            payload,
            params: self.params.iter().cloned().collect(),
            priority: Some(self.priority),
            schedule: self.schedule(),
            retry: Some(self.retry()),
            run_timeout: self.timeout.map(duration),
            start_deadline: self.start_deadline.map(duration),
            rely_on_previous_cycle: Some(!self.allow_overlap),
            misfire: Some(pb::MisfirePolicy { policy: Some(self.misfire.into()) }),
            misfire_after: Some(duration(self.misfire_after)),
            on_conflict: pb::OnConflict::from(self.on_conflict).into(),
            need_feedback: self.feedback.is_some(),
            submit_node_group: self.feedback.clone().unwrap_or_default(),
            trace: self
                .traceparent
                .map(|traceparent| pb::TraceContext { traceparent, tracestate: String::new() }),
        }
    }

    fn schedule(&self) -> Option<pb::job::Schedule> {
        if let Some(expression) = self.cron.clone() {
            let dst = pb::DstRule::from(DstRule::from(self.dst)).into();
            return Some(pb::job::Schedule::Cron(pb::CronSchedule {
                expression,
                time_zone: self.tz.clone(),
                dst,
            }));
        }
        if let Some(every) = self.every {
            let (interval, first_time) = (Some(duration(every)), self.first.map(timestamp));
            return Some(pb::job::Schedule::Repeat(pb::RepeatSchedule {
                interval,
                count: self.count,
                first_time,
            }));
        }
        let at = self.at.map(|at| pb::job::Schedule::TriggerTime(timestamp(at)));
        at.or_else(|| self.delay.map(|delay| pb::job::Schedule::TriggerDelay(duration(delay))))
    }

    fn retry(&self) -> pb::RetryPolicy {
        let backoff = match self.backoff {
            Backoff::Fixed(delay) => pb::retry_policy::Backoff::Fixed(duration(delay)),
            Backoff::Doubling(initial, max) => {
                pb::retry_policy::Backoff::Exponential(pb::ExponentialBackoff {
                    initial: Some(duration(initial)),
                    max: Some(duration(max)),
                    jitter_percent: self.jitter,
                })
            }
        };
        pb::RetryPolicy { retries_max: self.retries, backoff: Some(backoff) }
    }
}

impl From<OnConflict> for pb::OnConflict {
    fn from(on_conflict: OnConflict) -> pb::OnConflict {
        match on_conflict {
            OnConflict::Ignore => pb::OnConflict::Ignore,
            OnConflict::Replace => pb::OnConflict::Replace,
            OnConflict::Reject => pb::OnConflict::Reject,
        }
    }
}

impl From<Misfire> for pb::misfire_policy::Policy {
    fn from(misfire: Misfire) -> pb::misfire_policy::Policy {
        match misfire {
            Misfire::RunOnceLate => pb::misfire_policy::Policy::RunOnceLate(pb::RunOnceLate {}),
            Misfire::Skip => pb::misfire_policy::Policy::Skip(pb::SkipMissed {}),
            Misfire::CatchUp(count) => pb::misfire_policy::Policy::CatchUp(count),
        }
    }
}

/// What became of a submit.
struct Submitted<'a> {
    job_id: &'a str,
    task_id: &'a str,
    outcome: &'a str,
    revision: u64,
    log_index: u64,
    replayed: bool,
}

impl Submitted<'_> {
    fn print(&self, global: &Global) -> Outcome {
        let Submitted { job_id, task_id, outcome, revision, log_index, replayed } = *self;
        let columns = [column("JOB"), column("TASK_ID"), column("OUTCOME"), column("REVISION")];
        let row = Row {
            id: job_id.into(),
            cells: vec![job_id.into(), task_id.into(), outcome.into(), revision.to_string()],
            json: json!({
                "job_id": job_id, "task_id": task_id, "outcome": outcome, "revision": revision,
                "log_index": log_index, "replayed": replayed,
            }),
        };
        Ok(global.output().print(Shape::One, &columns, &[row])?)
    }
}

/// With a FailStore: behind what it holds already, and into it if nobody answers.
async fn submit_or_save(
    global: &Global,
    job: pb::Job,
    directory: &Path,
    wait: bool,
    wait_timeout: Option<Millis>,
) -> Outcome {
    let task_id = job.task_id.clone();
    let client = global.connect.saving_client(directory)?;
    let job = client.submit_job(job).await?;
    let outcome = match job.outcome() {
        SubmitOutcome::Accepted => "ACCEPTED",
        SubmitOutcome::Exists => "EXISTS",
        SubmitOutcome::Replaced => "REPLACED",
        SubmitOutcome::SavedLocally => "SAVED_LOCALLY",
    };
    let saved = job.outcome() == SubmitOutcome::SavedLocally;
    if wait && !saved {
        say(format!("job {} {}, waiting", job.id(), outcome.to_lowercase()));
        return wait::until_final(global, &client, job.id(), wait_timeout).await;
    }
    let (revision, log_index, replayed) = (job.revision(), job.log_index(), job.replayed());
    Submitted { job_id: job.id(), task_id: &task_id, outcome, revision, log_index, replayed }
        .print(global)?;
    if !saved {
        return Ok(());
    }
    let shown = directory.display();
    say(format!(
        "no jobtracker answers: saved in {shown}; the next submit with it, or `raftsman fail-store replay {shown}`, sends it"
    ));
    Err(Failure::SavedLocally)
}

/// The refusal of the only job of a batch is the failure of the command.
fn refused(refusal: pb::Refusal) -> Failure {
    use crate::client::ClientError;
    use crate::domain::FieldError;
    use crate::wire::{Fault, Reason};
    let reason = Reason::from_wire(&refusal.reason).unwrap_or(Reason::Internal);
    let violations = refusal.violations.into_iter().map(|wrong| FieldError::new(wrong.field, wrong.problem));
    let fault = Fault { violations: violations.collect(), ..Fault::not_applied(reason, refusal.message) };
    ClientError::Refused(fault).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        submit: Submit,
    }

    fn job(line: &[&str]) -> pb::Job {
        let line = ["submit"].iter().chain(line);
        let mut submit = Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).submit;
        let payload = submit.take_payload().expect("the payload can be read");
        submit.into_job(payload)
    }

    fn refused(line: &[&str]) -> String {
        let line = ["submit"].iter().chain(line);
        let error = Line::try_parse_from(line).err().expect("must be refused").to_string();
        error.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_is_not_said_has_the_defaults_of_the_domain() {
        let received = Timestamp::from_millis(1_000);
        let said = crate::wire::parse_job(job(&["echo", "--task-id", "t"]), received).expect("is right");
        let group = crate::domain::NodeGroup::new(NODE_GROUP_DEFAULT).unwrap();
        let (task, kind) =
            (crate::domain::TaskId::new("t").unwrap(), crate::domain::Kind::new("echo").unwrap());
        assert_eq!(said, crate::domain::JobSpec::new(group, task, kind));
    }

    #[test]
    fn every_flag_reaches_its_field() {
        let line = [
            "order.ship",
            "-g",
            "trade",
            "--task-id",
            "t1",
            "--payload",
            "{\"x\":1}",
            "--param",
            "a=1=2",
            "--priority",
            "-5",
            "--cron",
            "0 0 2 * * ?",
            "--tz",
            "Asia/Shanghai",
            "--dst",
            "shift-both",
            "--allow-overlap",
            "--misfire",
            "catch-up=3",
            "--misfire-after",
            "5m",
            "--retries",
            "4",
            "--backoff",
            "1s..1h",
            "--jitter",
            "0",
            "--timeout",
            "90s",
            "--start-deadline",
            "2h",
            "--on-conflict",
            "replace",
            "--traceparent",
            "00-ab-cd-01",
            "--feedback",
            "shop",
        ];
        let received = Timestamp::from_millis(1_000);
        let spec = crate::wire::parse_job(job(&line), received).expect("is right");
        expect_test::expect![[r#"
            JobSpec {
                task_id: t1,
                node_group: trade,
                kind: order.ship,
                content_type: application/json,
                payload: b"{\"x\":1}",
                params: {
                    "a": "1=2",
                },
                priority: -5,
                schedule: Cron(
                    CronSchedule {
                        expression: "0 0 2 * * ?",
                        time_zone: "Asia/Shanghai",
                        dst: ShiftBoth,
                    },
                ),
                retry: RetryPolicy {
                    retries_max: 4,
                    backoff: Exponential {
                        initial: Millis(
                            1000,
                        ),
                        max: Millis(
                            3600000,
                        ),
                        jitter_percent: 0,
                    },
                },
                run_timeout: Some(
                    Millis(
                        90000,
                    ),
                ),
                start_deadline: Some(
                    Millis(
                        7200000,
                    ),
                ),
                rely_on_previous_cycle: false,
                misfire: CatchUp(
                    3,
                ),
                misfire_after: Millis(
                    300000,
                ),
                on_conflict: Replace,
                submit_node_group: Some(
                    shop,
                ),
                need_feedback: true,
                trace: Some(
                    TraceContext {
                        traceparent: "00-ab-cd-01",
                        tracestate: "",
                    },
                ),
            }
        "#]]
        .assert_eq(&format!("{spec:#?}\n"));
    }

    #[test]
    fn each_schedule_has_its_flag_and_only_one_is_taken() {
        use pb::job::Schedule;
        assert!(matches!(job(&["k", "--in", "5s"]).schedule, Some(Schedule::TriggerDelay(_))));
        assert!(matches!(
            job(&["k", "--at", "2031-04-05T06:07:08Z"]).schedule,
            Some(Schedule::TriggerTime(_))
        ));
        assert!(matches!(job(&["k", "--every", "1s", "--count", "3"]).schedule, Some(Schedule::Repeat(_))));
        let both = refused(&["k", "--every", "1s", "--in", "5s"]);
        assert!(both.contains("cannot be used with"), "{both}");
        assert!(
            refused(&["k", "--tz", "UTC"]).contains("required arguments"),
            "{}",
            refused(&["k", "--tz", "UTC"])
        );
        let count = refused(&["k", "--count", "3"]);
        assert!(count.contains("required arguments"), "{count}");
    }

    #[test]
    fn a_payload_comes_from_a_file_and_json_is_told_by_looking() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"[1, 2]").unwrap();
        let path = file.path().to_str().unwrap();
        let from_file = job(&["k", "--payload-file", path]);
        assert_eq!(
            (from_file.payload.as_ref(), from_file.content_type.as_str()),
            (&b"[1, 2]"[..], "application/json")
        );
        assert_eq!(job(&["k", "--payload", "df -h"]).content_type, "");
        std::fs::write(file.path(), vec![0; limits::PAYLOAD_BYTES_MAX + 1]).unwrap();
        let mut large = Line::try_parse_from(["submit", "k", "--payload-file", path]).unwrap().submit;
        let failure = large.take_payload().expect_err("is too large");
        assert!(
            failure.message().contains("--payload-file: is larger than 1048576 bytes"),
            "{}",
            failure.message()
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_would_be_right() {
        let lines: [&[&str]; 5] = [
            &["k", "--param", "novalue"],
            &["k", "--misfire", "sometimes"],
            &["k", "--backoff", "soon"],
            &["k", "--at", "tomorrow"],
            &["k", "--on-conflict", "merge"],
        ];
        let told: Vec<String> = lines.iter().map(|line| refused(line)).collect();
        expect_test::expect![[r#"
            error: invalid value 'novalue' for '--param <NAME=VALUE>': give it as NAME=VALUE
            error: invalid value 'sometimes' for '--misfire <RULE>': give run-once-late, skip, or catch-up=N
            error: invalid value 'soon' for '--backoff <SPAN[..SPAN]>': "soon" is not a span such as 250ms, 10s, 5m, 2h or 7d
            error: invalid value 'tomorrow' for '--at <TIME>': "tomorrow" is not an RFC 3339 time such as 2031-04-05T06:07:08Z
            error: invalid value 'merge' for '--on-conflict <ON_CONFLICT>'"#]].assert_eq(&told.join("\n"));
    }
}
