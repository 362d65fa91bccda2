//! `AlarmService`: what is wrong, since when, who was told; silences and test notifications.

use tonic::{Request, Response, Status};

use super::edge::{command, committed, read, wrong};
use crate::domain::{AlarmRule, AlarmSeverity, AlarmSubject, FieldError, Identity, Millis, Timestamp};
use crate::jobtracker::JobTracker;
use crate::jobtracker::alarm::{AlarmView, SilenceView, TargetView, TestError};
use crate::machine::Command;
use crate::machine::alarm::{AlarmNews, Told};
use crate::machine::command::SilenceAlarm;
use crate::wire::pb::alarm_service_server::AlarmService;
use crate::wire::{pb, read_duration, timestamp};

/// A silence that outlives the memory of whoever asked for it hides what it should not.
const SILENCE_MAX: Millis = Millis::from_secs(90 * 24 * 3600);

pub(super) struct Alarms(pub(super) JobTracker);

#[tonic::async_trait]
impl AlarmService for Alarms {
    async fn list_alarms(
        &self,
        request: Request<pb::ListAlarmsRequest>,
    ) -> Result<Response<pb::ListAlarmsResponse>, Status> {
        let request = request.into_inner();
        let only = Some(request.rule.as_str()).filter(|rule| !rule.is_empty());
        let only = only.map(str::parse::<AlarmRule>).transpose().map_err(|error| wrong(vec![error]))?;
        let now = self.0.now();
        let ((mut alarms, silences), mark) =
            read(&self.0, request.consistency, |machine| JobTracker::alarms_of(machine, now)).await?;
        alarms.extend(self.0.local_alarms(&silences));
        alarms.retain(|alarm| {
            only.is_none_or(|rule| rule == alarm.rule) && (!request.raised_only || alarm.row.is_raised())
        });
        Ok(Response::new(pb::ListAlarmsResponse {
            alarms: alarms.iter().map(|alarm| self.alarm(alarm)).collect(),
            silences: silences.iter().map(silence).collect(),
            targets: self.0.alarm_targets().into_iter().map(target).collect(),
            read: mark,
        }))
    }

    async fn silence_alarm(
        &self,
        request: Request<pb::SilenceAlarmRequest>,
    ) -> Result<Response<pb::SilenceAlarmResponse>, Status> {
        let request = request.into_inner();
        let until = until(request.span, self.0.now());
        let asked = silence_command(&request.rule, &request.subject, request.by, until.clone().map(Some));
        let done = command(&self.0, asked.map_err(wrong)?).await?;
        let until_time = until.ok().map(timestamp);
        Ok(Response::new(pb::SilenceAlarmResponse { committed: committed(&done), until_time }))
    }

    async fn unsilence_alarm(
        &self,
        request: Request<pb::UnsilenceAlarmRequest>,
    ) -> Result<Response<pb::UnsilenceAlarmResponse>, Status> {
        let request = request.into_inner();
        let asked = silence_command(&request.rule, &request.subject, request.by, Ok(None));
        let done = command(&self.0, asked.map_err(wrong)?).await?;
        Ok(Response::new(pb::UnsilenceAlarmResponse { committed: committed(&done) }))
    }

    async fn test_target(
        &self,
        request: Request<pb::TestTargetRequest>,
    ) -> Result<Response<pb::TestTargetResponse>, Status> {
        let error = match self.0.test_alarm_target(&request.into_inner().target).await {
            Ok(()) => String::new(),
            Err(TestError::Failed(error)) => format!("{error:#}"),
            Err(unknown @ TestError::Unknown(_)) => {
                return Err(wrong(vec![FieldError::new("target", unknown.to_string())]));
            }
        };
        let node = self.0.name().to_owned();
        Ok(Response::new(pb::TestTargetResponse { delivered: error.is_empty(), error, node }))
    }
}

fn until(span: Option<prost_types::Duration>, now: Timestamp) -> Result<Timestamp, FieldError> {
    let problem = |problem: String| FieldError::new("span", problem);
    let span = span.ok_or_else(|| problem("is missing; say for how long".into()))?;
    match read_duration(span) {
        Ok(span) if !span.is_zero() && span <= SILENCE_MAX => Ok(now + span),
        Ok(span) => Err(problem(format!("is {span}; more than zero, at most 90 days"))),
        Err(_) => Err(problem("is out of bounds; more than zero, at most 90 days".into())),
    }
}

fn silence_command(
    rule: &str,
    subject: &str,
    by: String,
    until: Result<Option<Timestamp>, FieldError>,
) -> Result<Command, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let rule = rule.parse::<AlarmRule>().map_err(|error| wrong.push(error)).ok();
    let subject = Some(subject).filter(|subject| !subject.is_empty());
    let subject = subject.map(AlarmSubject::new).transpose().map_err(|error| wrong.push(error)).ok();
    let by = Identity::new(by).map_err(|error| wrong.push(FieldError::new("by", error.problem))).ok();
    let until = until.map_err(|error| wrong.push(error)).ok();
    match (rule, subject, by, until) {
        (Some(rule), Some(subject), Some(by), Some(until)) => {
            Ok(Command::SilenceAlarm(SilenceAlarm { rule, subject, until, by }))
        }
        _ => Err(wrong),
    }
}

impl Alarms {
    fn alarm(&self, view: &AlarmView) -> pb::Alarm {
        let row = &view.row;
        pb::Alarm {
            rule: view.rule.to_string(),
            subject: view.subject.to_string(),
            severity: severity(row.reading.severity).into(),
            raised: row.is_raised(),
            raised_time: Some(timestamp(row.raised)),
            recovered_time: row.recovered.map(timestamp),
            seen_time: Some(timestamp(row.seen)),
            value: row.reading.value,
            threshold: row.reading.threshold,
            unit: view.rule.unit().to_owned(),
            text: row.reading.text.clone(),
            local_to: if view.local { self.0.name().to_owned() } else { String::new() },
            silenced_until: view.silenced_until.map(timestamp),
            told: row.told.iter().map(told).collect(),
            id: row.id.to_string(),
        }
    }
}

fn severity(severity: AlarmSeverity) -> pb::AlarmSeverity {
    match severity {
        AlarmSeverity::Warning => pb::AlarmSeverity::Warning,
        AlarmSeverity::Critical => pb::AlarmSeverity::Critical,
    }
}

fn told(told: &Told) -> pb::AlarmTold {
    pb::AlarmTold {
        target: told.target.to_string(),
        recovered: told.news == AlarmNews::Recovered,
        time: Some(timestamp(told.at)),
        times: told.times,
    }
}

fn silence(view: &SilenceView) -> pb::Silence {
    pb::Silence {
        rule: view.rule.to_string(),
        subject: view.subject.as_ref().map(ToString::to_string).unwrap_or_default(),
        since_time: Some(timestamp(view.row.since)),
        until_time: Some(timestamp(view.row.until)),
        by: view.row.by.to_string(),
    }
}

fn target(view: TargetView) -> pb::AlarmTarget {
    pb::AlarmTarget {
        name: view.name.to_string(),
        kind: view.kind.to_owned(),
        sent: view.sent,
        failed: view.failed,
        error: view.error.unwrap_or_default(),
    }
}
