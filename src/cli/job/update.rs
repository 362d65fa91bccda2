//! `raftsman job update`: changes what was submitted, for all that was not dispatched yet.

use bytes::Bytes;
use serde_json::json;

use super::super::Global;
use super::super::connect::{fresh_name, jobs};
use super::super::cron::Dst;
use super::super::failure::{Failure, Outcome};
use super::super::json::{job_state, word};
use super::super::output::{Row, Shape, column};
use super::Target;
use super::submit::{Backoff, Misfire, backoff, misfire, name_and_value};
use crate::client::JobRef;
use crate::domain::{DstRule, Millis, Timestamp};
use crate::wire::{duration, pb, timestamp};

/// Change a live job: its next revision
///
/// What was not dispatched takes it in place; what executes keeps its own revision, and a retry takes
/// the newest. A schedule that changes goes on from now. The type of a job stays: submit it again
/// with --on-conflict replace to change that. Exits 6 on a conflict, 3 if there is no such job.
///
/// Examples:
///   raftsman job update 42.0 --priority 1 --revision 3
///   raftsman job update --task-id nightly -g reports --cron '0 30 2 * * ?'
///   raftsman job update 42.0 --clear-params --timeout none --reason 'new source'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Update {
    #[command(flatten)]
    target: Target,
    /// Change nothing unless the job is at this revision
    #[arg(long, value_name = "REVISION", default_value_t = 0, hide_default_value = true)]
    revision: u64,
    /// Shown in the job log
    #[arg(long, default_value = "")]
    reason: String,

    /// Move it to another node group, where its task id must be free
    #[arg(long, value_name = "GROUP")]
    move_to: Option<String>,
    /// What is to be run
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The payload as text
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// The media type of the payload
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A string parameter; can be given many times, and those that are not given are gone
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    params: Vec<(String, String)>,
    /// It has no parameters any more
    #[arg(long, conflicts_with = "params")]
    clear_params: bool,
    /// Smaller runs first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,

    /// Of a cron job: the expression
    #[arg(long, value_name = "EXPR", conflicts_with_all = ["every", "count", "first", "at", "delay"])]
    cron: Option<String>,
    /// Of a cron job: the IANA zone
    #[arg(long, value_name = "ZONE", conflicts_with_all = ["every", "count", "first", "at", "delay"])]
    tz: Option<String>,
    /// Of a cron job: what it does when the clocks change
    #[arg(long, value_enum, conflicts_with_all = ["every", "count", "first", "at", "delay"])]
    dst: Option<Dst>,
    /// Of a repeat job: the interval, such as 30s; it counts from the last instant
    #[arg(long, value_name = "SPAN", conflicts_with_all = ["at", "delay"])]
    every: Option<Millis>,
    /// Of a repeat job: how often in all, or -1 for ever
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, conflicts_with_all = ["at", "delay"])]
    count: Option<i64>,
    /// Of a repeat job: the next instant
    #[arg(long, value_name = "TIME", conflicts_with_all = ["at", "delay"])]
    first: Option<Timestamp>,
    /// Of a job with a trigger time: not before this time
    #[arg(long, value_name = "TIME", conflicts_with = "delay")]
    at: Option<Timestamp>,
    /// Of a job with a trigger time: not before so long from now
    #[arg(long = "in", value_name = "SPAN")]
    delay: Option<Millis>,

    /// Whether an instant may run although a run of the job executes or waits for a retry
    #[arg(long, value_name = "BOOL")]
    allow_overlap: Option<bool>,
    /// What happens to instants that were missed: run-once-late, skip, or catch-up=N
    #[arg(long, value_name = "RULE", value_parser = misfire)]
    misfire: Option<Misfire>,
    /// How late an instant may be before it counts as missed
    #[arg(long, value_name = "SPAN")]
    misfire_after: Option<Millis>,
    /// How often it is tried again
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    retries: Option<i32>,
    /// The delay before a retry: 30s, or doubling from one span to another as in 1s..1h
    #[arg(long, value_name = "SPAN[..SPAN]", value_parser = backoff)]
    backoff: Option<Backoff>,
    /// Stop an execution after this, or `none`
    #[arg(long, value_name = "SPAN|none", value_parser = span_or_none)]
    timeout: Option<Span>,
    /// Skip a run that has not started so long after it was due, or `none`
    #[arg(long, value_name = "SPAN|none", value_parser = span_or_none)]
    start_deadline: Option<Span>,
    /// A JobClient that listens for this group hears how each run ended; see `raftsman feedback`
    #[arg(long, value_name = "GROUP")]
    feedback: Option<String>,
    /// Nobody hears how its runs end
    #[arg(long, conflicts_with = "feedback")]
    no_feedback: bool,
}

/// A span, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    None,
    Of(Millis),
}

fn span_or_none(text: &str) -> Result<Span, String> {
    if text == "none" { Ok(Span::None) } else { text.parse().map(Span::Of) }
}

impl Span {
    fn to_wire(self) -> Option<prost_types::Duration> {
        match self {
            Span::None => None,
            Span::Of(span) => Some(duration(span)),
        }
    }
}

/// The fields that change, with their values.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    job: pb::Job,
    paths: Vec<String>,
}

impl Changes {
    fn set<T>(&mut self, path: &str, value: Option<T>, put: impl FnOnce(&mut pb::Job, T)) {
        if let Some(value) = value {
            put(&mut self.job, value);
            self.paths.push(path.to_owned());
        }
    }

    fn cron<T>(&mut self, path: &str, value: Option<T>, put: impl FnOnce(&mut pb::CronSchedule, T)) {
        self.set(path, value, |job, value| {
            let mut cron = match job.schedule.take() {
                Some(pb::job::Schedule::Cron(cron)) => cron,
                Some(_) | None => pb::CronSchedule::default(),
            };
            put(&mut cron, value);
            job.schedule = Some(pb::job::Schedule::Cron(cron));
        });
    }

    fn repeat<T>(&mut self, path: &str, value: Option<T>, put: impl FnOnce(&mut pb::RepeatSchedule, T)) {
        self.set(path, value, |job, value| {
            let mut repeat = match job.schedule.take() {
                Some(pb::job::Schedule::Repeat(repeat)) => repeat,
                Some(_) | None => pb::RepeatSchedule::default(),
            };
            put(&mut repeat, value);
            job.schedule = Some(pb::job::Schedule::Repeat(repeat));
        });
    }
}

impl Update {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let target = match self.target.job_ref() {
            JobRef::Id(id) => pb::update_request::Target::JobId(id),
            JobRef::Task { node_group, task_id } => {
                pb::update_request::Target::Task(pb::TaskKey { node_group, task_id })
            }
        };
        let (expected_revision, reason) = (self.revision, self.reason.clone());
        let changes = self.changes();
        if changes.paths.is_empty() {
            return Err(Failure::usage("--priority", "or another field is missing; see --help for all"));
        }
        let client = global.connect.client().await?;
        let request = pb::UpdateRequest {
            target: Some(target),
            job: Some(changes.job),
            update_mask: Some(prost_types::FieldMask { paths: changes.paths }),
            expected_revision,
            reason,
            idempotency: Some(pb::Idempotency { request_id: fresh_name(), ..Default::default() }),
        };
        let answer = client.call(request, async |via, request| jobs(via).update(request).await).await?;
        let outcome = word(answer.outcome().as_str_name(), "UPDATE_OUTCOME_");
        if !answer.job_id.is_empty() {
            let cells = vec![answer.job_id.clone(), outcome.into(), answer.revision.to_string()];
            let json = json!({
                "job_id": answer.job_id, "outcome": outcome, "revision": answer.revision,
                "finished_as": job_state(answer.finished_as()),
            });
            let columns = [column("JOB"), column("OUTCOME"), column("REVISION")];
            let row = Row { id: answer.job_id.clone(), cells, json };
            global.output().print(Shape::One, &columns, &[row])?;
        }
        updated(&answer)
    }

    fn changes(self) -> Changes {
        let mut changes = Changes::default();
        changes.set("node_group", self.move_to, |job, group| job.node_group = group);
        changes.set("kind", self.kind, |job, kind| job.kind = kind);
        changes.set("payload", self.payload, |job, payload| job.payload = Bytes::from(payload));
        changes.set("content_type", self.content_type, |job, it| job.content_type = it);
        let params = (self.clear_params || !self.params.is_empty()).then_some(self.params);
        changes.set("params", params, |job, params| job.params = params.into_iter().collect());
        changes.set("priority", self.priority, |job, priority| job.priority = Some(priority));
        changes.cron("cron.expression", self.cron, |cron, expression| cron.expression = expression);
        changes.cron("cron.time_zone", self.tz, |cron, zone| cron.time_zone = zone);
        changes.cron("cron.dst", self.dst, |cron, dst| {
            cron.dst = pb::DstRule::from(DstRule::from(dst)).into();
        });
        changes.repeat("repeat.interval", self.every, |it, every| it.interval = Some(duration(every)));
        changes.repeat("repeat.count", self.count, |it, count| it.count = Some(count));
        changes.repeat("repeat.first_time", self.first, |it, at| it.first_time = Some(timestamp(at)));
        changes.set("trigger_time", self.at, |job, at| {
            job.schedule = Some(pb::job::Schedule::TriggerTime(timestamp(at)));
        });
        changes.set("trigger_delay", self.delay, |job, delay| {
            job.schedule = Some(pb::job::Schedule::TriggerDelay(duration(delay)));
        });
        changes.set("rely_on_previous_cycle", self.allow_overlap, |job, overlap| {
            job.rely_on_previous_cycle = Some(!overlap);
        });
        changes.set("misfire", self.misfire, |job, misfire| {
            job.misfire = Some(pb::MisfirePolicy { policy: Some(misfire.into()) });
        });
        changes.set("misfire_after", self.misfire_after, |job, it| job.misfire_after = Some(duration(it)));
        changes.set("retry.retries_max", self.retries, |job, retries| {
            job.retry.get_or_insert_default().retries_max = retries;
        });
        changes.set("retry.fixed", self.backoff, |job, it| {
            job.retry.get_or_insert_default().backoff = Some(it.into());
        });
        changes.set("run_timeout", self.timeout, |job, span| job.run_timeout = span.to_wire());
        changes.set("start_deadline", self.start_deadline, |job, span| job.start_deadline = span.to_wire());
        let hears = (self.no_feedback || self.feedback.is_some()).then_some(self.feedback.is_some());
        changes.set("need_feedback", hears, |job, hears| job.need_feedback = hears);
        changes.set("submit_node_group", self.feedback, |job, group| job.submit_node_group = group);
        changes
    }
}

impl From<Backoff> for pb::retry_policy::Backoff {
    fn from(backoff: Backoff) -> pb::retry_policy::Backoff {
        match backoff {
            Backoff::Fixed(delay) => pb::retry_policy::Backoff::Fixed(duration(delay)),
            Backoff::Doubling(initial, max) => {
                let (initial, max) = (Some(duration(initial)), Some(duration(max)));
                pb::retry_policy::Backoff::Exponential(pb::ExponentialBackoff {
                    initial,
                    max,
                    jitter_percent: 20,
                })
            }
        }
    }
}

fn updated(answer: &pb::UpdateResponse) -> Outcome {
    let job = &answer.job_id;
    match answer.outcome() {
        pb::UpdateOutcome::Updated => Ok(()),
        pb::UpdateOutcome::RevisionConflict => {
            Err(Failure::Conflict(format!("job {job} is at revision {}; nothing changed", answer.revision)))
        }
        pb::UpdateOutcome::AlreadyFinished => Err(Failure::Conflict(format!(
            "job {job} had ended as {}; nothing changed",
            job_state(answer.finished_as())
        ))),
        pb::UpdateOutcome::KeyTaken => Err(Failure::Conflict(format!(
            "live job {} has this task id in the other node group; nothing changed",
            answer.holder_job_id
        ))),
        pb::UpdateOutcome::NotFound | pb::UpdateOutcome::Unspecified => {
            Err(Failure::NotFound("no such job is known; look for it with `raftsman job list`".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn changes(line: &str) -> Changes {
        let words = std::iter::once("update").chain(line.split(' '));
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).update.changes()
    }

    #[test]
    fn only_what_is_given_is_named() {
        let told = changes("42.0 --tz Asia/Shanghai --cron @daily --timeout none --clear-params --retries 3");
        let paths = ["params", "cron.expression", "cron.time_zone", "retry.retries_max", "run_timeout"];
        assert_eq!(told.paths, paths);
        let Some(pb::job::Schedule::Cron(cron)) = told.job.schedule else { panic!("it is a cron") };
        assert_eq!((cron.expression.as_str(), cron.time_zone.as_str()), ("@daily", "Asia/Shanghai"));
        assert!(told.job.params.is_empty() && told.job.run_timeout.is_none());
        let told = changes("42.0 --feedback shop");
        assert_eq!(told.paths, ["need_feedback", "submit_node_group"]);
        assert_eq!((told.job.need_feedback, told.job.submit_node_group.as_str()), (true, "shop"));
        assert_eq!(changes("42.0 --no-feedback").paths, ["need_feedback"]);
    }

    #[test]
    fn each_answer_has_its_exit_code() {
        use pb::UpdateOutcome::{AlreadyFinished, KeyTaken, NotFound, RevisionConflict, Updated};
        let code = |outcome: pb::UpdateOutcome| {
            let answer = pb::UpdateResponse { outcome: outcome.into(), ..Default::default() };
            updated(&answer).map_or_else(|failure| failure.exit_code(), |()| 0)
        };
        let outcomes = [Updated, RevisionConflict, AlreadyFinished, KeyTaken, NotFound];
        assert_eq!(outcomes.map(code), [0, 6, 6, 6, 3]);
    }
}
