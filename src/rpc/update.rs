//! `JobService.Update`: a field mask over what was submitted becomes a patch.
//!
//! The job as it would be is checked as a whole, like a submit, its calendar too; the machine then writes only the fields
//! that were named. A request that comes again gets its first answer, though the job may have ended since.

use std::collections::BTreeSet;

use tonic::Status;

use super::edge::{command, committed, job_ref, linearize, mismatch, request_key, storage, wrong};
use super::job_service::{check_cron, failed, reason, resolve};
use super::views;
use crate::domain::{FieldError, JobId, JobPatch, JobSpec, JobType, Schedule, SchedulePatch, Timestamp};
use crate::jobtracker::{Committed, JobTracker};
use crate::machine::command::{RequestKey, Update};
use crate::machine::reply::UpdateAnswer;
use crate::machine::{Command, Reply};
use crate::wire::{parse_job, pb};

/// The paths that a mask may name.
const PATHS: &[&str] = &[
    "node_group",
    "kind",
    "content_type",
    "payload",
    "params",
    "priority",
    "trigger_time",
    "trigger_delay",
    "cron",
    "cron.expression",
    "cron.time_zone",
    "cron.dst",
    "repeat",
    "repeat.interval",
    "repeat.count",
    "repeat.first_time",
    "retry",
    "retry.retries_max",
    "retry.fixed",
    "retry.exponential",
    "run_timeout",
    "start_deadline",
    "rely_on_previous_cycle",
    "misfire",
    "misfire_after",
    "need_feedback",
    "submit_node_group",
];

pub(super) async fn update(
    tracker: &JobTracker,
    mut request: pb::UpdateRequest,
) -> Result<pb::UpdateResponse, Status> {
    let said = reason(&request.reason)?;
    let key = request_key(request.idempotency.take(), "update", &request)?;
    let (id, task) = match request.target.take() {
        Some(pb::update_request::Target::JobId(id)) => (Some(id), None),
        Some(pb::update_request::Target::Task(task)) => (None, Some(task)),
        None => (None, None),
    };
    let job = job_ref(id, task)?;
    let paths = paths(request.update_mask.take().unwrap_or_default().paths)?;
    let expected_revision = u32::try_from(request.expected_revision).map_err(|_| {
        let problem = format!("is {}; no job has so many revisions", request.expected_revision);
        wrong(vec![FieldError::new("expected_revision", problem)])
    })?;
    let values = request.job.take().unwrap_or_default();
    linearize(tracker).await?;
    let found = tracker.look(|machine| match resolve(machine, &job)? {
        Some(id) => machine.tables().job_row(id),
        None => Ok(None),
    });
    let current = found.map_err(|error| storage(&error))?;
    let patch = current.map(|row| patch(&row.spec, values, &paths, tracker.now())).transpose();
    let (patch, violations) = match patch {
        Ok(patch) => (patch, None),
        Err(violations) if key == RequestKey::None => return Err(wrong(violations)),
        Err(violations) => (None, Some(violations)),
    };
    let update = Update { request: key, job, expected_revision, patch: patch.map(Box::new), reason: said };
    let done = command(tracker, Command::Update(update)).await?;
    match &done.reply {
        Reply::Updated(answer) => answered(&done, answer, violations),
        _ => Err(failed(&done)),
    }
}

fn answered(
    done: &Committed,
    answer: &UpdateAnswer,
    violations: Option<Vec<FieldError>>,
) -> Result<pb::UpdateResponse, Status> {
    let response = |outcome: pb::UpdateOutcome, job: Option<&JobId>, revision: u32| pb::UpdateResponse {
        outcome: outcome.into(),
        job_id: job.map(ToString::to_string).unwrap_or_default(),
        revision: revision.into(),
        committed: committed(done),
        ..pb::UpdateResponse::default()
    };
    Ok(match answer {
        UpdateAnswer::Updated(job, revision) => response(pb::UpdateOutcome::Updated, Some(job), *revision),
        UpdateAnswer::RevisionConflict(job, revision) => {
            response(pb::UpdateOutcome::RevisionConflict, Some(job), *revision)
        }
        UpdateAnswer::AlreadyFinished(job, fate) => pb::UpdateResponse {
            finished_as: views::fate_as_job_state(*fate).into(),
            ..response(pb::UpdateOutcome::AlreadyFinished, Some(job), 0)
        },
        UpdateAnswer::NotFound => response(pb::UpdateOutcome::NotFound, None, 0),
        UpdateAnswer::KeyTaken(holder) => pb::UpdateResponse {
            holder_job_id: holder.to_string(),
            ..response(pb::UpdateOutcome::KeyTaken, None, 0)
        },
        UpdateAnswer::TypeDiffers(job) => {
            let problem = format!("would change the type of job {job}; {TYPE_ADVICE}");
            return Err(wrong(vec![FieldError::new("update_mask", problem)]));
        }
        UpdateAnswer::Wrong(problem) => return Err(wrong(vec![FieldError::new("job", problem.clone())])),
        UpdateAnswer::Refused => match violations {
            Some(violations) => return Err(wrong(violations)),
            // Either the job came between the look and the log, or it was refused when the request first came.
            None if done.replayed => {
                let problem = "it was refused when the request first came";
                return Err(wrong(vec![FieldError::new("job", problem)]));
            }
            None => return Err(mismatch(done)),
        },
    })
}

const TYPE_ADVICE: &str = "a job changes its type by being submitted again with on_conflict REPLACE";

fn paths(named: Vec<String>) -> Result<BTreeSet<String>, Status> {
    let unknown = |path: &String| {
        let problem = match path.as_str() {
            "task_id" => "is what the job is known by; submit another job".to_owned(),
            "on_conflict" | "trace" => "is about the submit and cannot be changed later".to_owned(),
            "real_time" => format!("would change the type of the job; {TYPE_ADVICE}"),
            _ => format!("is no field that can be changed; those are {}", PATHS.join(", ")),
        };
        FieldError::new(format!("update_mask.{path}"), problem)
    };
    let wrong_paths: Vec<FieldError> =
        named.iter().filter(|path| !PATHS.contains(&path.as_str())).map(unknown).collect();
    if !wrong_paths.is_empty() {
        return Err(wrong(wrong_paths));
    }
    if named.is_empty() {
        let problem = format!("names no field; those that can be changed are {}", PATHS.join(", "));
        return Err(wrong(vec![FieldError::new("update_mask", problem)]));
    }
    Ok(named.into_iter().collect())
}

/// What the named fields become.
fn patch(
    current: &JobSpec,
    values: pb::Job,
    paths: &BTreeSet<String>,
    now: Timestamp,
) -> Result<JobPatch, Vec<FieldError>> {
    let mut merged = pb::Job::from(current.clone());
    let mut found: Vec<FieldError> = paths
        .iter()
        .filter_map(|path| overlay(&mut merged, &values, path, current.job_type()).err())
        .collect();
    let touches_cron = paths.iter().any(|path| path.starts_with("cron"));
    if found.is_empty()
        && let Some(pb::job::Schedule::Cron(cron)) = merged.schedule.as_ref().filter(|_| touches_cron)
        && !cron.expression.trim().is_empty()
    {
        found.extend(check_cron(cron.clone(), now).err().into_iter().flatten());
    }
    match parse_job(merged, now) {
        Ok(spec) if found.is_empty() => Ok(named_of(&spec, paths)),
        parsed => Err(found.into_iter().chain(parsed.err().into_iter().flatten()).collect()),
    }
}

/// Puts one field of `values` into the job.
fn overlay(job: &mut pb::Job, values: &pb::Job, path: &str, is: JobType) -> Result<(), FieldError> {
    let missing = || FieldError::new(format!("job.{path}"), "is named in update_mask and not given");
    let wanted = match path.split('.').next().unwrap_or_default() {
        "trigger_time" | "trigger_delay" => Some(JobType::TriggerTime),
        "cron" => Some(JobType::Cron),
        "repeat" => Some(JobType::Repeat),
        _ => None,
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
        let problem = format!("is of a {wanted} job, and the job is {is}; {TYPE_ADVICE}");
        return Err(FieldError::new(format!("update_mask.{path}"), problem));
    }
    match path {
        "node_group" => job.node_group.clone_from(&values.node_group),
        "kind" => job.kind.clone_from(&values.kind),
        "content_type" => job.content_type.clone_from(&values.content_type),
        "payload" => job.payload = values.payload.clone(),
        "params" => job.params.clone_from(&values.params),
        "priority" => job.priority = values.priority,
        "retry" => job.retry.clone_from(&values.retry),
        "retry.retries_max" => {
            job.retry.get_or_insert_default().retries_max =
                values.retry.as_ref().map_or(0, |retry| retry.retries_max);
        }
        "retry.fixed" | "retry.exponential" => {
            job.retry.get_or_insert_default().backoff = values.retry.as_ref().and_then(|it| it.backoff);
        }
        "run_timeout" => job.run_timeout = values.run_timeout,
        "start_deadline" => job.start_deadline = values.start_deadline,
        "rely_on_previous_cycle" => job.rely_on_previous_cycle = values.rely_on_previous_cycle,
        "misfire" => job.misfire = values.misfire,
        "misfire_after" => job.misfire_after = values.misfire_after,
        "need_feedback" => job.need_feedback = values.need_feedback,
        "submit_node_group" => job.submit_node_group.clone_from(&values.submit_node_group),
        _ => return overlay_schedule(job, values, path).ok_or_else(missing),
    }
    Ok(())
}

/// `None` if the field's schedule was not given.
fn overlay_schedule(job: &mut pb::Job, values: &pb::Job, path: &str) -> Option<()> {
    use pb::job::Schedule as S;
    let given = values.schedule.as_ref()?;
    match (path, given, job.schedule.as_mut()?) {
        ("trigger_time", S::TriggerTime(_), at) | ("trigger_delay", S::TriggerDelay(_), at) => {
            at.clone_from(given);
        }
        ("cron", S::Cron(_), at) | ("repeat", S::Repeat(_), at) => at.clone_from(given),
        ("cron.expression", S::Cron(new), S::Cron(old)) => old.expression.clone_from(&new.expression),
        ("cron.time_zone", S::Cron(new), S::Cron(old)) => old.time_zone.clone_from(&new.time_zone),
        ("cron.dst", S::Cron(new), S::Cron(old)) => old.dst = new.dst,
        ("repeat.interval", S::Repeat(new), S::Repeat(old)) => old.interval = new.interval,
        ("repeat.count", S::Repeat(new), S::Repeat(old)) => old.count = new.count,
        ("repeat.first_time", S::Repeat(new), S::Repeat(old)) => old.first_time = new.first_time,
        _ => return None,
    }
    Some(())
}

/// The named fields of a job that is right.
fn named_of(spec: &JobSpec, paths: &BTreeSet<String>) -> JobPatch {
    let has = |path: &str| paths.contains(path);
    let part = |whole: &str, part: &str| has(whole) || paths.contains(&format!("{whole}.{part}"));
    let touches = |whole: &str| paths.iter().any(|path| path.split('.').next() == Some(whole));
    let schedule = match &spec.schedule {
        Schedule::TriggerTime(at) if has("trigger_time") || has("trigger_delay") => {
            Some(SchedulePatch::TriggerTime(*at))
        }
        Schedule::Cron(cron) if touches("cron") => Some(SchedulePatch::Cron {
            expression: part("cron", "expression").then(|| cron.expression.clone()),
            time_zone: part("cron", "time_zone").then(|| cron.time_zone.clone()),
            dst: part("cron", "dst").then_some(cron.dst),
        }),
        Schedule::Repeat(repeat) if touches("repeat") => Some(SchedulePatch::Repeat {
            interval: part("repeat", "interval").then_some(repeat.interval),
            count: part("repeat", "count").then_some(repeat.count),
            first: part("repeat", "first_time").then_some(repeat.first),
        }),
        Schedule::RealTime | Schedule::TriggerTime(_) | Schedule::Cron(_) | Schedule::Repeat(_) => None,
    };
    JobPatch {
        node_group: has("node_group").then(|| spec.node_group.clone()),
        kind: has("kind").then(|| spec.kind.clone()),
        content_type: has("content_type").then(|| spec.content_type.clone()),
        payload: has("payload").then(|| spec.payload.clone()),
        params: has("params").then(|| spec.params.clone()),
        priority: has("priority").then_some(spec.priority),
        schedule,
        retries_max: part("retry", "retries_max").then_some(spec.retry.retries_max),
        backoff: (has("retry") || has("retry.fixed") || has("retry.exponential"))
            .then_some(spec.retry.backoff),
        run_timeout: has("run_timeout").then_some(spec.run_timeout),
        start_deadline: has("start_deadline").then_some(spec.start_deadline),
        rely_on_previous_cycle: has("rely_on_previous_cycle").then_some(spec.rely_on_previous_cycle),
        misfire: has("misfire").then_some(spec.misfire),
        misfire_after: has("misfire_after").then_some(spec.misfire_after),
        need_feedback: has("need_feedback").then_some(spec.need_feedback),
        submit_node_group: has("submit_node_group").then(|| spec.submit_node_group.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CronSchedule, DstRule, Kind, Millis, NodeGroup, TaskId};

    const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

    fn cron() -> JobSpec {
        let name = "any";
        let mut job =
            JobSpec::new(NodeGroup::new(name).unwrap(), TaskId::new(name).unwrap(), Kind::new(name).unwrap());
        let (expression, time_zone) = ("0 0 2 * * ?".into(), "Asia/Shanghai".into());
        job.schedule = Schedule::Cron(CronSchedule { expression, time_zone, dst: DstRule::SkipFirst });
        job.params = [("a".to_owned(), "b".to_owned())].into();
        job
    }

    fn set(named: &[&str]) -> BTreeSet<String> {
        named.iter().map(|path| (*path).to_owned()).collect()
    }

    fn with_cron(expression: &str) -> pb::Job {
        let expression = expression.to_owned();
        let cron = pb::CronSchedule { expression, ..pb::CronSchedule::default() };
        pb::Job { schedule: Some(pb::job::Schedule::Cron(cron)), ..pb::Job::default() }
    }

    fn problems(values: pb::Job, named: &[&str]) -> String {
        let wrong = patch(&cron(), values, &set(named), NOW).expect_err("is wrong");
        wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_part_of_the_schedule_leaves_the_rest_and_params_can_be_cleared() {
        let made = patch(&cron(), with_cron("0 0 * * * ?"), &set(&["cron.expression", "params"]), NOW);
        let expression = Some("0 0 * * * ?".to_owned());
        let schedule = Some(SchedulePatch::Cron { expression, time_zone: None, dst: None });
        let params = Some(std::collections::BTreeMap::new());
        assert_eq!(made, Ok(JobPatch { schedule, params, ..JobPatch::default() }));
    }

    #[test]
    fn what_is_named_and_absent_is_cleared_or_the_default_again() {
        let named = set(&["run_timeout", "priority", "misfire_after"]);
        let made = patch(&cron(), pb::Job::default(), &named, NOW);
        let wanted = JobPatch {
            run_timeout: Some(None),
            priority: Some(100),
            misfire_after: Some(Millis::from_secs(60)),
            ..JobPatch::default()
        };
        assert_eq!(made, Ok(wanted));
    }

    #[test]
    fn what_could_not_be_submitted_is_refused_by_its_field() {
        let later = pb::Job { kind: String::new(), ..with_cron("0 0 0 31 2 ?") };
        let told = [
            problems(later.clone(), &["cron.expression"]),
            problems(later, &["kind", "cron.time_zone"]),
            problems(pb::Job::default(), &["cron"]),
            problems(pb::Job::default(), &["repeat.interval"]),
            problems(pb::Job { need_feedback: true, ..pb::Job::default() }, &["need_feedback"]),
        ]
        .join("\n");
        expect_test::expect![[r#"
            cron.expression: "0 0 0 31 2 ?" never fires after 2030-03-17T17:46:40.000Z; name a day that exists and a year that is not over
            kind: is empty; give 1 to 64 printable characters
            job.cron: is named in update_mask and not given
            update_mask.repeat.interval: is of a repeat job, and the job is cron; a job changes its type by being submitted again with on_conflict REPLACE
            submit_node_group: is missing; need_feedback wants the group of JobClients that shall hear"#]].assert_eq(&told);
    }

    #[test]
    fn unknown_paths_are_refused_by_name() {
        let told = ["task_id", "trace", "nonsense", ""]
            .map(|path| paths(vec![path.to_owned()]).expect_err("it cannot be changed").message().to_owned());
        expect_test::expect![[r#"
            update_mask.task_id: is what the job is known by; submit another job
            update_mask.trace: is about the submit and cannot be changed later
            update_mask.nonsense: is no field that can be changed; those are node_group, kind, content_type, payload, params, priority, trigger_time, trigger_delay, cron, cron.expression, cron.time_zone, cron.dst, repeat, repeat.interval, repeat.count, repeat.first_time, retry, retry.retries_max, retry.fixed, retry.exponential, run_timeout, start_deadline, rely_on_previous_cycle, misfire, misfire_after, need_feedback, submit_node_group
            update_mask.: is no field that can be changed; those are node_group, kind, content_type, payload, params, priority, trigger_time, trigger_delay, cron, cron.expression, cron.time_zone, cron.dst, repeat, repeat.interval, repeat.count, repeat.first_time, retry, retry.retries_max, retry.fixed, retry.exponential, run_timeout, start_deadline, rely_on_previous_cycle, misfire, misfire_after, need_feedback, submit_node_group"#]].assert_eq(&told.join("\n"));
    }
}
