//! What is an alarm, and who is told. The same on all JobTrackers: whoever leads judges by its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{AlarmRule, AlarmSeverity, AlarmTarget, Millis};

/// How a node judges and tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmOptions {
    /// How often everything is judged.
    pub evaluate_every: Duration,
    /// How long a rule must not hold before its alarm is over.
    pub recover_after: Duration,
    /// How often a target is told again of what stays raised; zero is once.
    pub repeat_every: Millis,
    /// Rules that are not judged.
    pub off: BTreeSet<AlarmRule>,
    /// What is not as [`default_severity`] says.
    pub severities: BTreeMap<AlarmRule, AlarmSeverity>,
    /// Who is told of a rule; a rule that is not here is told to all.
    pub routes: BTreeMap<AlarmRule, BTreeSet<AlarmTarget>>,
    pub thresholds: Thresholds,
    pub webhooks: Vec<WebhookOptions>,
    /// How long a webhook may take to answer.
    pub webhook_timeout: Duration,
    pub mail: Option<MailOptions>,
}

/// Where each rule begins to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub no_tasktracker_after: Duration,
    pub backlog_age_max: Millis,
    pub backlog_count_max: u64,
    /// How long a backlog must be too large.
    pub backlog_count_after: Duration,
    pub failure_percent: u64,
    pub failure_min_finished: u64,
    pub failure_window: Duration,
    pub dead_run_window: Duration,
    pub cron_lateness_max: Millis,
    pub tasktracker_offline_after: Millis,
    /// A TaskTracker that stays away for this long is missed no more.
    pub tasktracker_missed_for: Millis,
    pub jobtracker_down_after: Millis,
    pub clock_skew_max: Millis,
    pub no_leader_after: Millis,
    pub feedback_percent: u64,
    pub open_files_percent: u64,
    /// Zero: three quarters of the machine's.
    pub memory_max: u64,
}

/// A URL that alarms are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookOptions {
    pub name: AlarmTarget,
    pub url: String,
    /// Holds the secret by which bodies are signed.
    pub secret_file: Option<PathBuf>,
}

/// How mails go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailOptions {
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// Empty sends without a login.
    pub user: String,
    pub password_file: PathBuf,
    pub from: String,
    pub to: Vec<String>,
    /// What comes within this time goes into one mail.
    pub batch: Duration,
    pub timeout: Duration,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// Begins in plain text and must become TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
    Plain,
}

/// The name of the target that gets mails.
pub const MAIL_TARGET: &str = "mail";

impl Default for AlarmOptions {
    fn default() -> AlarmOptions {
        AlarmOptions {
            evaluate_every: Duration::from_secs(5),
            recover_after: Duration::from_secs(60),
            repeat_every: Millis::ZERO,
            off: BTreeSet::new(),
            severities: BTreeMap::new(),
            routes: BTreeMap::new(),
            thresholds: Thresholds::default(),
            webhooks: Vec::new(),
            webhook_timeout: Duration::from_secs(10),
            mail: None,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            no_tasktracker_after: Duration::from_secs(30),
            backlog_age_max: Millis::from_secs(600),
            backlog_count_max: 100_000,
            backlog_count_after: Duration::from_secs(60),
            failure_percent: 80,
            failure_min_finished: 20,
            failure_window: Duration::from_secs(300),
            dead_run_window: Duration::from_secs(600),
            cron_lateness_max: Millis::from_secs(60),
            tasktracker_offline_after: Millis::from_secs(30),
            tasktracker_missed_for: Millis::from_secs(24 * 3600),
            jobtracker_down_after: Millis::from_secs(10),
            clock_skew_max: Millis::new(500),
            no_leader_after: Millis::from_secs(10),
            feedback_percent: 80,
            open_files_percent: 80,
            memory_max: 0,
        }
    }
}

/// Critical is what keeps jobs from running, or a failure away from that.
pub const fn default_severity(rule: AlarmRule) -> AlarmSeverity {
    match rule {
        AlarmRule::NoTaskTracker
        | AlarmRule::FailureRatio
        | AlarmRule::JobTrackerDown
        | AlarmRule::NoLeader
        | AlarmRule::DiskLow
        | AlarmRule::OpenFiles => AlarmSeverity::Critical,
        AlarmRule::BacklogAge
        | AlarmRule::BacklogCount
        | AlarmRule::DeadRun
        | AlarmRule::CronLateness
        | AlarmRule::TaskTrackerOffline
        | AlarmRule::ClockSkew
        | AlarmRule::Memory
        | AlarmRule::FeedbackBacklog => AlarmSeverity::Warning,
    }
}

impl AlarmOptions {
    pub fn is_on(&self, rule: AlarmRule) -> bool {
        !self.off.contains(&rule)
    }

    pub fn severity(&self, rule: AlarmRule) -> AlarmSeverity {
        self.severities.get(&rule).copied().unwrap_or(default_severity(rule))
    }

    /// Whether this target is told of this rule.
    pub fn hears(&self, target: &AlarmTarget, rule: AlarmRule) -> bool {
        self.routes.get(&rule).is_none_or(|targets| targets.contains(target))
    }

    /// Everybody who is told of anything.
    pub fn targets(&self) -> Vec<AlarmTarget> {
        let mail = self.mail.iter().map(|_| mail_target());
        self.webhooks.iter().map(|webhook| webhook.name.clone()).chain(mail).collect()
    }

    /// How long a rule must hold before its alarm is raised.
    pub(super) fn hold(&self, rule: AlarmRule) -> Duration {
        match rule {
            AlarmRule::NoTaskTracker => self.thresholds.no_tasktracker_after,
            AlarmRule::BacklogCount => self.thresholds.backlog_count_after,
            AlarmRule::BacklogAge
            | AlarmRule::FailureRatio
            | AlarmRule::DeadRun
            | AlarmRule::CronLateness
            | AlarmRule::TaskTrackerOffline
            | AlarmRule::JobTrackerDown
            | AlarmRule::ClockSkew
            | AlarmRule::NoLeader
            | AlarmRule::DiskLow
            | AlarmRule::OpenFiles
            | AlarmRule::Memory
            | AlarmRule::FeedbackBacklog => Duration::ZERO,
        }
    }

    /// How far back a rule looks; a node that has not watched for as long cannot say that it is over.
    pub(super) fn window(&self, rule: AlarmRule) -> Duration {
        match rule {
            AlarmRule::FailureRatio => self.thresholds.failure_window,
            AlarmRule::DeadRun => self.thresholds.dead_run_window,
            AlarmRule::NoTaskTracker
            | AlarmRule::BacklogAge
            | AlarmRule::BacklogCount
            | AlarmRule::CronLateness
            | AlarmRule::TaskTrackerOffline
            | AlarmRule::JobTrackerDown
            | AlarmRule::ClockSkew
            | AlarmRule::NoLeader
            | AlarmRule::DiskLow
            | AlarmRule::OpenFiles
            | AlarmRule::Memory
            | AlarmRule::FeedbackBacklog => Duration::ZERO,
        }
    }
}

pub(super) fn mail_target() -> AlarmTarget {
    AlarmTarget::new(MAIL_TARGET).expect("it is printable")
}
