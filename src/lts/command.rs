//! The job of LTS's `job_add_cmd`: its `Job` as JSON, in its own field names, and two that LTS did not have: `kind` and
//! `timeZone`.

use serde_json::Value;

use super::convert::{Options, convert};
use super::read::Record;
use super::row::Row;
use crate::domain::{FieldError, Timestamp};
use crate::wire::{pb, timestamp};

/// The job that LTS's JSON means at `now`.
///
/// # Errors
/// What is wrong, under the name of LTS's parameter.
pub fn job_of_command(text: &str, options: &Options, now: Timestamp) -> Result<pb::Job, FieldError> {
    let wrong = |problem: String| FieldError::new("job", problem);
    let object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(wrong("is JSON, but not an object".into())),
        Err(error) => return Err(wrong(format!("is not JSON: {error}"))),
    };
    let record = Record::of_json(object);
    let row = Row::read(&record).map_err(|note| wrong(note.message))?;
    if row.need_feedback && row.submit_node_group.is_empty() {
        return Err(wrong(
            "submitNodeGroup is missing: it is told the outcome that needFeedback asks for".into(),
        ));
    }
    let options = Options {
        kind: record.get("kind").map_or_else(|| options.kind.clone(), str::to_owned),
        time_zone: record.get("time_zone").map(str::to_owned).or_else(|| options.time_zone.clone()),
        ..options.clone()
    };
    let carried = convert(&row, false, now, &options, &mut Vec::new()).map_err(|note| wrong(note.message))?;
    let mut job = carried.job;
    // A new job begins when it is told to, or now; only an old one is on a grid.
    if let Some(pb::job::Schedule::Repeat(repeat)) = &mut job.schedule {
        repeat.first_time = row.trigger_time.map(|at| timestamp(Timestamp::from_millis(at)));
    }
    let replace = matches!(record.get("replace_on_exist"), Some("1" | "true"));
    let on_conflict = if replace { pb::OnConflict::Replace } else { pb::OnConflict::Ignore };
    Ok(pb::Job { on_conflict: on_conflict.into(), ..job })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn job(text: &str) -> Result<pb::Job, String> {
        job_of_command(text, &Options::default(), NOW).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn ltss_field_names_are_understood() {
        let text = r#"{"taskId":"t_1","taskTrackerNodeGroup":"trade","extParams":{"city":"北京"},"priority":7,
            "maxRetryTimes":3,"cronExpression":"0 0/1 * * * ?","replaceOnExist":true,"relyOnPrevCycle":false,
            "kind":"order","timeZone":"Asia/Shanghai","needFeedback":true,"submitNodeGroup":"web"}"#;
        let job = job(text).expect("it is right");
        assert_eq!((job.task_id.as_str(), job.node_group.as_str(), job.priority), ("t_1", "trade", Some(7)));
        assert_eq!(job.params.get("city").map(String::as_str), Some("北京"));
        assert_eq!((job.on_conflict(), job.rely_on_previous_cycle), (pb::OnConflict::Replace, Some(false)));
        assert_eq!(job.retry.map(|retry| retry.retries_max), Some(3));
        assert_eq!((job.need_feedback, job.submit_node_group.as_str()), (true, "web"));
        let Some(pb::job::Schedule::Cron(cron)) = job.schedule else { panic!("a cron job") };
        assert_eq!((job.kind.as_str(), cron.time_zone.as_str()), ("order", "Asia/Shanghai"));
    }

    #[test]
    fn a_repeat_job_begins_when_it_is_told_to_or_now() {
        let first = |extra: &str| {
            let text = format!(
                r#"{{"taskId":"t","taskTrackerNodeGroup":"g","repeatCount":3,"repeatInterval":50{extra}}}"#
            );
            let Some(pb::job::Schedule::Repeat(repeat)) = job(&text).expect("it is right").schedule else {
                panic!("a repeat job")
            };
            (repeat.count, repeat.first_time.map(|at| at.seconds))
        };
        assert_eq!(first(""), (Some(3), None));
        assert_eq!(first(r#","triggerTime":1900000000000"#), (Some(3), Some(1_900_000_000)));
    }

    #[test]
    fn what_is_wrong_is_told_under_the_name_of_the_parameter() {
        assert_eq!(job("7"), Err("job: is JSON, but not an object".into()));
        assert!(job("{").unwrap_err().starts_with("job: is not JSON"));
        assert_eq!(job(r#"{"taskId":"t"}"#), Err("job: task_tracker_node_group is missing".into()));
        let feedback = r#"{"taskId":"t","taskTrackerNodeGroup":"g","needFeedback":true}"#;
        assert!(job(feedback).unwrap_err().starts_with("job: submitNodeGroup is missing"));
        let bad = r#"{"taskId":"t","taskTrackerNodeGroup":"g","cronExpression":"* * *"}"#;
        assert!(job(bad).unwrap_err().contains("has 3 fields"), "{bad}");
    }
}
