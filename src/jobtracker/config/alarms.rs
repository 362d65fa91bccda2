//! `[alarms]` and `[smtp]`: lists of `NAME=VALUE` become what the node is run with; what does not is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use reqwest::Url;

use super::relations::Rule;
use super::{AlarmSettings, Config, SmtpSecurity};
use crate::domain::{AlarmRule, AlarmSeverity, AlarmTarget};
use crate::jobtracker::alarm::{
    AlarmOptions, MAIL_TARGET, MailOptions, MailSecurity, Thresholds, WebhookOptions,
};

/// Webhooks that one cluster may have.
const WEBHOOKS_MAX: usize = 16;

/// The settings as the node has them. What cannot be read was refused before.
pub(super) fn options(config: &Config) -> AlarmOptions {
    let set = &config.alarms;
    AlarmOptions {
        evaluate_every: set.evaluate_every.into(),
        recover_after: set.recover_after.into(),
        repeat_every: set.repeat_every,
        off: set.off.iter().filter_map(|rule| rule.parse().ok()).collect(),
        severities: set.severities.iter().filter_map(|text| severity(text).ok()).collect(),
        routes: set.routes.iter().filter_map(|text| route(text).ok()).collect(),
        thresholds: thresholds(set),
        webhooks: webhooks(set),
        webhook_timeout: set.webhook_timeout.into(),
        mail: mail(config),
    }
}

fn thresholds(set: &AlarmSettings) -> Thresholds {
    Thresholds {
        no_tasktracker_after: set.no_tasktracker_after.into(),
        backlog_age_max: set.backlog_age_max,
        backlog_count_max: set.backlog_count_max,
        backlog_count_after: set.backlog_count_after.into(),
        failure_percent: set.failure_percent,
        failure_min_finished: set.failure_min_finished,
        failure_window: set.failure_window.into(),
        dead_run_window: set.dead_run_window.into(),
        cron_lateness_max: set.cron_lateness_max,
        tasktracker_offline_after: set.tasktracker_offline_after,
        tasktracker_missed_for: set.tasktracker_missed_for,
        jobtracker_down_after: set.jobtracker_down_after,
        clock_skew_max: set.clock_skew_max,
        no_leader_after: set.no_leader_after,
        feedback_percent: set.feedback_percent,
        open_files_percent: set.open_files_percent,
        memory_max: set.memory_max.0,
    }
}

fn webhooks(set: &AlarmSettings) -> Vec<WebhookOptions> {
    let secrets: BTreeMap<AlarmTarget, PathBuf> = set
        .webhook_secrets
        .iter()
        .filter_map(|text| named(text).ok())
        .map(|(name, file)| (name, PathBuf::from(file)))
        .collect();
    let webhook = |(name, url): (AlarmTarget, &str)| WebhookOptions {
        secret_file: secrets.get(&name).cloned(),
        url: url.to_owned(),
        name,
    };
    set.webhooks.iter().filter_map(|text| named(text).ok()).map(webhook).collect()
}

fn mail(config: &Config) -> Option<MailOptions> {
    let smtp = &config.smtp;
    (!smtp.host.is_empty()).then(|| MailOptions {
        host: smtp.host.clone(),
        port: u16::try_from(smtp.port).unwrap_or_default(),
        security: match smtp.security {
            SmtpSecurity::StartTls => MailSecurity::StartTls,
            SmtpSecurity::Tls => MailSecurity::Tls,
            SmtpSecurity::Plain => MailSecurity::Plain,
        },
        user: smtp.user.clone(),
        password_file: smtp.password_file.clone(),
        from: smtp.from.clone(),
        to: smtp.to.clone(),
        batch: smtp.batch.into(),
        timeout: smtp.timeout.into(),
    })
}

/// Every word of the lists that cannot be read.
pub(super) fn wrong_words(config: &Config) -> Vec<Rule> {
    let set = &config.alarms;
    let mut rules = Vec::new();
    let mut tell = |key, problem: Option<String>| rules.extend(problem.map(|problem| (false, key, problem)));
    for rule in &set.off {
        tell("alarms.off", rule.parse::<AlarmRule>().err().map(|error| error.problem));
    }
    for text in &set.severities {
        tell("alarms.severities", severity(text).err());
    }
    let mut targets = BTreeSet::new();
    for text in &set.webhooks {
        tell("alarms.webhooks", webhook(text, &mut targets).err());
    }
    for text in &set.webhook_secrets {
        let known = |(name, _)| known(&name, &targets);
        tell("alarms.webhook_secrets", named(text).and_then(known).err());
    }
    if !config.smtp.host.is_empty() {
        targets.extend(AlarmTarget::new(MAIL_TARGET));
    }
    for text in &set.routes {
        let known =
            |(_, names): (_, BTreeSet<AlarmTarget>)| names.iter().try_for_each(|name| known(name, &targets));
        tell("alarms.routes", route(text).and_then(known).err());
    }
    let count = set.webhooks.len();
    tell(
        "alarms.webhooks",
        (count > WEBHOOKS_MAX).then(|| format!("has {count} entries; at most {WEBHOOKS_MAX}")),
    );
    rules
}

/// `NAME=VALUE`.
fn named(text: &str) -> Result<(AlarmTarget, &str), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("has {text:?}; give NAME=VALUE"))?;
    let name = AlarmTarget::new(name.trim())
        .map_err(|error| format!("has {text:?}, whose name {}", error.problem))?;
    Ok((name, value.trim()))
}

fn webhook(text: &str, targets: &mut BTreeSet<AlarmTarget>) -> Result<(), String> {
    let (name, url) = named(text)?;
    let right = Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    if !right {
        return Err(format!("has {name}, which is no URL such as https://ops.example/hook"));
    }
    if name.as_str() == MAIL_TARGET || name.as_str().contains('+') {
        return Err(format!("has {name}; give it a name without `+` that is not `{MAIL_TARGET}`"));
    }
    if targets.insert(name.clone()) {
        Ok(())
    } else {
        Err(format!("has {name} twice; give each a name of its own"))
    }
}

fn known(name: &AlarmTarget, targets: &BTreeSet<AlarmTarget>) -> Result<(), String> {
    let names: Vec<&str> = targets.iter().map(AlarmTarget::as_str).collect();
    let all = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    if targets.contains(name) {
        Ok(())
    } else {
        Err(format!("names {name}, which is no target; there are: {all}"))
    }
}

fn of_rule(text: &str) -> Result<(AlarmRule, &str), String> {
    let (rule, value) = text.split_once('=').ok_or_else(|| format!("has {text:?}; give RULE=VALUE"))?;
    Ok((rule.trim().parse::<AlarmRule>().map_err(|error| error.problem)?, value.trim()))
}

fn severity(text: &str) -> Result<(AlarmRule, AlarmSeverity), String> {
    let (rule, severity) = of_rule(text)?;
    Ok((rule, severity.parse::<AlarmSeverity>().map_err(|error| error.problem)?))
}

fn route(text: &str) -> Result<(AlarmRule, BTreeSet<AlarmTarget>), String> {
    let (rule, names) = of_rule(text)?;
    let names = names.split('+').map(str::trim).filter(|name| !name.is_empty());
    let names: Result<BTreeSet<_>, _> = names.map(AlarmTarget::new).collect();
    Ok((rule, names.map_err(|error| format!("has {text:?}, whose target {}", error.problem))?))
}
