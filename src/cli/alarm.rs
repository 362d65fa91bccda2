//! `raftsman alarm`: what is wrong, since when, and who was told.

use clap::Subcommand;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::Global;
use super::connect::ANSWER_BYTES_MAX;
use super::failure::{Failure, Outcome};
use super::json::{self, Object};
use super::output::{Column, Format, Row, Shape, column, say, wide};
use crate::client::ClientError;
use crate::domain::Millis;
use crate::wire::pb::alarm_service_client::AlarmServiceClient;
use crate::wire::{duration, pb};

/// See and silence alarms, and try who is told
#[derive(Debug, clap::Args)]
pub(super) struct AlarmCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List alarms, raised and recently recovered
    ///
    /// With --here the JobTracker of --addr answers for itself, leader or not, also without a leader: with the alarms
    /// that only it knows. docs/alarms.md says what each rule means and what to do.
    ///
    /// Examples:
    ///   raftsman alarm list --raised
    ///   raftsman alarm list --addr n2:5870 --here
    #[command(visible_alias = "ls", verbatim_doc_comment)]
    List(List),
    /// List who is told of alarms, and how that went at the JobTracker that answers
    Targets {
        /// Ask the JobTracker of --addr, not whoever leads
        #[arg(long)]
        here: bool,
    },
    /// List the silences that are in force
    Silences,
    /// Tell nobody of an alarm for a while; it is listed all the same
    ///
    /// Examples:
    ///   raftsman alarm silence backlog_age trade --for 2h
    ///   raftsman alarm silence tasktracker_offline --for 30m --by alice
    #[command(verbatim_doc_comment)]
    Silence {
        #[command(flatten)]
        which: Which,
        /// For how long, at most 90 days
        #[arg(long = "for", value_name = "SPAN", default_value = "1h")]
        span: Millis,
        /// Who wants that, for people; else the name of this machine
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// End a silence before its time
    Unsilence {
        #[command(flatten)]
        which: Which,
        /// Who wants that, for people; else the name of this machine
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Send a test notification to a target, from the JobTracker that leads
    ///
    /// Example:
    ///   raftsman alarm test mail
    #[command(verbatim_doc_comment)]
    Test {
        /// The target: the name of a webhook, or mail
        target: String,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only alarms that are raised
    #[arg(long)]
    raised: bool,
    /// Only this rule, such as dead_run
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Ask the JobTracker of --addr, not whoever leads
    #[arg(long)]
    here: bool,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The rule, such as backlog_age
    rule: String,
    /// The subject, such as a node group; else all of the rule
    subject: Option<String>,
}

const COLUMNS: [Column; 11] = [
    column("RULE"),
    column("SUBJECT"),
    column("STATE"),
    column("SEVERITY"),
    column("SINCE"),
    column("TEXT"),
    column("SILENCED_UNTIL"),
    wide("LOCAL_TO"),
    wide("VALUE"),
    wide("THRESHOLD"),
    wide("TOLD"),
];
const TARGETS: [Column; 5] =
    [column("TARGET"), column("KIND"), column("SENT"), column("FAILED"), column("ERROR")];
const SILENCES: [Column; 4] = [column("RULE"), column("SUBJECT"), column("UNTIL"), column("BY")];

impl AlarmCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::List(list) => list.run(global).await,
            Verb::Targets { here } => {
                let answer = ask(global, pb::ListAlarmsRequest::default(), here).await?;
                let rows: Vec<Row> = answer.targets.iter().map(target).collect();
                Ok(global.output().print(Shape::Many, &TARGETS, &rows)?)
            }
            Verb::Silences => {
                let answer = ask(global, pb::ListAlarmsRequest::default(), false).await?;
                let rows: Vec<Row> = answer.silences.iter().map(silence).collect();
                Ok(global.output().print(Shape::Many, &SILENCES, &rows)?)
            }
            Verb::Silence { which, span, by } => which.silence(global, span, by).await,
            Verb::Unsilence { which, by } => which.unsilence(global, by).await,
            Verb::Test { target } => test(global, target).await,
        }
    }
}

fn whom(by: Option<String>) -> String {
    let host = || hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let name = by.unwrap_or_else(|| format!("cli@{}", host()));
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

async fn ask(
    global: &Global,
    mut request: pb::ListAlarmsRequest,
    here: bool,
) -> Result<pb::ListAlarmsResponse, Failure> {
    if here {
        request.consistency = pb::Consistency::Stale.into();
        let mut service: AlarmServiceClient<Channel> =
            AlarmServiceClient::new(global.connect.straight().await?);
        let answer = service.list_alarms(request).await;
        return Ok(answer.map_err(|status| ClientError::Refused(status.into()))?.into_inner());
    }
    let client = global.connect.client().await?;
    let call = async |via, request| {
        AlarmServiceClient::new(via).max_decoding_message_size(ANSWER_BYTES_MAX).list_alarms(request).await
    };
    Ok(client.read(request, call).await?)
}

impl List {
    async fn run(self, global: &Global) -> Outcome {
        let request = pb::ListAlarmsRequest {
            raised_only: self.raised,
            rule: self.rule.unwrap_or_default(),
            consistency: 0,
        };
        let answer = ask(global, request, self.here).await?;
        let rows: Vec<Row> = answer.alarms.iter().map(alarm).collect();
        Ok(global.output().print(Shape::Many, &COLUMNS, &rows)?)
    }
}

impl Which {
    async fn silence(self, global: &Global, span: Millis, by: Option<String>) -> Outcome {
        let request = pb::SilenceAlarmRequest {
            rule: self.rule,
            subject: self.subject.unwrap_or_default(),
            span: Some(duration(span)),
            by: whom(by),
        };
        let client = global.connect.client().await?;
        let call = async |via, request| AlarmServiceClient::new(via).silence_alarm(request).await;
        let answer = client.call(request.clone(), call).await?;
        let until = json::time(answer.until_time);
        self::done(global, &request.rule, &request.subject, &format!("silenced until {until}"))
    }

    async fn unsilence(self, global: &Global, by: Option<String>) -> Outcome {
        let subject = self.subject.unwrap_or_default();
        let request = pb::UnsilenceAlarmRequest { rule: self.rule, subject, by: whom(by) };
        let client = global.connect.client().await?;
        let call = async |via, request| AlarmServiceClient::new(via).unsilence_alarm(request).await;
        client.call(request.clone(), call).await?;
        self::done(global, &request.rule, &request.subject, "not silenced")
    }
}

fn done(global: &Global, rule: &str, subject: &str, what: &str) -> Outcome {
    let row = Row {
        id: rule.to_owned(),
        cells: vec![rule.to_owned(), all_or(subject), what.to_owned()],
        json: json!({"rule": rule, "subject": subject, "result": what}),
    };
    let columns = [column("RULE"), column("SUBJECT"), column("RESULT")];
    Ok(global.output().print(Shape::One, &columns, &[row])?)
}

async fn test(global: &Global, target: String) -> Outcome {
    let client = global.connect.client().await?;
    let request = pb::TestTargetRequest { target: target.clone() };
    let call = async |via, request| AlarmServiceClient::new(via).test_target(request).await;
    let answer = client.call(request, call).await?;
    if !answer.delivered {
        let problem = format!("{target} was not told by {}: {}", answer.node, answer.error);
        return Err(Failure::Failed(anyhow::anyhow!(problem)));
    }
    if matches!(global.output().format, Format::Table | Format::Wide) {
        say(format_args!("{target} was told by {}", answer.node));
        return Ok(());
    }
    let row = Row {
        id: target.clone(),
        cells: Vec::new(),
        json: json!({"target": target, "delivered": true, "node": answer.node}),
    };
    Ok(global.output().print(Shape::One, &[], &[row])?)
}

fn all_or(subject: &str) -> String {
    if subject.is_empty() { "all".into() } else { subject.to_owned() }
}

fn alarm(alarm: &pb::Alarm) -> Row {
    let state = if alarm.raised { "raised" } else { "recovered" };
    let since = if alarm.raised { alarm.raised_time } else { alarm.recovered_time };
    let told: Vec<String> = alarm.told.iter().map(|told| told.target.clone()).collect();
    Row {
        id: format!("{}/{}", alarm.rule, alarm.subject),
        cells: vec![
            alarm.rule.clone(),
            alarm.subject.clone(),
            state.into(),
            severity(alarm).into(),
            json::time(since),
            alarm.text.clone(),
            json::time(alarm.silenced_until),
            alarm.local_to.clone(),
            format!("{} {}", alarm.value, alarm.unit),
            format!("{} {}", alarm.threshold, alarm.unit),
            told.join(","),
        ],
        json: alarm_json(alarm),
    }
}

fn severity(alarm: &pb::Alarm) -> &'static str {
    match alarm.severity() {
        pb::AlarmSeverity::Critical => "critical",
        pb::AlarmSeverity::Warning => "warning",
        pb::AlarmSeverity::Unspecified => "",
    }
}

fn alarm_json(alarm: &pb::Alarm) -> Value {
    let told: Vec<Value> = alarm.told.iter().map(told_json).collect();
    Object::default()
        .with("rule", alarm.rule.as_str())
        .with("subject", alarm.subject.as_str())
        .with("severity", severity(alarm))
        .with("raised", alarm.raised)
        .time("raised_time", alarm.raised_time)
        .time("recovered_time", alarm.recovered_time)
        .time("seen_time", alarm.seen_time)
        .with("value", alarm.value)
        .with("threshold", alarm.threshold)
        .with("unit", alarm.unit.as_str())
        .with("text", alarm.text.as_str())
        .text("local_to", &alarm.local_to)
        .time("silenced_until", alarm.silenced_until)
        .with("told", told)
        .with("id", alarm.id.as_str())
        .done()
}

fn told_json(told: &pb::AlarmTold) -> Value {
    Object::default()
        .with("target", told.target.as_str())
        .with("recovered", told.recovered)
        .time("time", told.time)
        .with("times", told.times)
        .done()
}

fn target(target: &pb::AlarmTarget) -> Row {
    Row {
        id: target.name.clone(),
        cells: vec![
            target.name.clone(),
            target.kind.clone(),
            target.sent.to_string(),
            target.failed.to_string(),
            target.error.clone(),
        ],
        json: Object::default()
            .with("name", target.name.as_str())
            .with("kind", target.kind.as_str())
            .with("sent", target.sent)
            .with("failed", target.failed)
            .text("error", &target.error)
            .done(),
    }
}

fn silence(silence: &pb::Silence) -> Row {
    Row {
        id: silence.rule.clone(),
        cells: vec![
            silence.rule.clone(),
            all_or(&silence.subject),
            json::time(silence.until_time),
            silence.by.clone(),
        ],
        json: Object::default()
            .with("rule", silence.rule.as_str())
            .text("subject", &silence.subject)
            .time("since_time", silence.since_time)
            .time("until_time", silence.until_time)
            .with("by", silence.by.as_str())
            .done(),
    }
}
