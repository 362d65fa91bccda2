//! The rules: which numbers are bad, and what to say about them. Pure.
//!
//! An alarm that stands ends only when its value is well below the threshold ([`Level::Near`] keeps it), so that a value
//! that wavers about the threshold is one alarm and not many.

use std::collections::BTreeMap;
use std::time::Duration;

use super::evaluate::{Finding, Level};
use super::numbers::{Backlog, Finished, Numbers};
use super::options::AlarmOptions;
use crate::domain::{AlarmRule, AlarmSubject, Millis, NodeGroup};
use crate::machine::alarm::AlarmReading;

/// An alarm ends below this part of its threshold.
const NEAR_PERCENT: i64 = 80;

/// What happened within each rule's window.
#[derive(Debug, Default)]
pub(super) struct Lately {
    pub(super) failures: BTreeMap<NodeGroup, Finished>,
    pub(super) deaths: BTreeMap<NodeGroup, Finished>,
}

/// What one node knows of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Local {
    pub(super) node: String,
    /// How long it has known no leader, or no majority if it leads; none if it is part of no cluster.
    pub(super) leaderless: Option<Duration>,
    /// How much of the disk is free, and whether that is too little.
    pub(super) disk: Option<(u64, u64)>,
    /// Files that are open, and how many may be.
    pub(super) files: Option<(u64, u64)>,
    /// Bytes that are taken, and how many the machine has.
    pub(super) memory: Option<(u64, u64)>,
}

/// What is found, by rules that are on.
struct Findings<'a> {
    options: &'a AlarmOptions,
    found: Vec<Finding>,
}

impl Findings<'_> {
    /// What is bad at `threshold` and beyond.
    fn above(&mut self, rule: AlarmRule, subject: &str, (value, threshold): (i64, i64), text: String) {
        let level = match () {
            () if value >= threshold => Level::Bad,
            () if value >= threshold.saturating_mul(NEAR_PERCENT) / 100 => Level::Near,
            () => return,
        };
        self.add(rule, subject, level, (value, threshold), text);
    }

    fn add(&mut self, rule: AlarmRule, subject: &str, level: Level, numbers: (i64, i64), text: String) {
        let Ok(subject) = AlarmSubject::new(subject) else { return };
        if self.options.is_on(rule) {
            let severity = self.options.severity(rule);
            let (value, threshold) = numbers;
            let reading = AlarmReading { severity, value, threshold, text };
            self.found.push(Finding { rule, subject, level, reading });
        }
    }
}

/// What the leader finds.
pub(super) fn of_the_cluster(numbers: &Numbers, lately: &Lately, options: &AlarmOptions) -> Vec<Finding> {
    let mut findings = Findings { options, found: Vec::new() };
    for (group, backlog) in &numbers.groups {
        backlog_rules(&mut findings, numbers, group, backlog);
    }
    failures(&mut findings, &lately.failures);
    deaths(&mut findings, &lately.deaths);
    tasktrackers(&mut findings, numbers);
    jobtrackers(&mut findings, numbers);
    feedback(&mut findings, numbers);
    findings.found
}

fn backlog_rules(findings: &mut Findings<'_>, numbers: &Numbers, group: &NodeGroup, backlog: &Backlog) {
    let limits = &findings.options.thresholds;
    let (age_max, count_max) = (limits.backlog_age_max, limits.backlog_count_max);
    let (late_max, name) = (limits.cron_lateness_max, group.as_str());
    let count = integer(backlog.count as u64);
    if numbers.online.get(group).copied().unwrap_or_default() == 0 {
        let text = format!("{count} runs are ready and no TaskTracker of node group {name} is online");
        findings.add(AlarmRule::NoTaskTracker, name, Level::Bad, (count, 1), text);
    }
    let text = format!("{count} runs are ready in node group {name}");
    findings.above(AlarmRule::BacklogCount, name, (count, integer(count_max)), text);
    if let Some(oldest) = backlog.oldest {
        let age = numbers.now.since(oldest);
        let text = format!("the oldest of {count} ready runs of node group {name} waits for {}", shown(age));
        findings.above(AlarmRule::BacklogAge, name, (ms(age), ms(age_max)), text);
    }
    if let Some((run, due)) = backlog.late {
        let late = numbers.now.since(due);
        let text = format!("run {run} of node group {name} was due {} ago and has not started", shown(late));
        findings.above(AlarmRule::CronLateness, name, (ms(late), ms(late_max)), text);
    }
}

fn failures(findings: &mut Findings<'_>, groups: &BTreeMap<NodeGroup, Finished>) {
    let limits = &findings.options.thresholds;
    let (percent, least) = (limits.failure_percent, limits.failure_min_finished);
    for (group, finished) in groups {
        let bad = finished.failed.saturating_add(finished.dead);
        let all = bad.saturating_add(finished.succeeded);
        if all < least.max(1) {
            continue;
        }
        let is = (u128::from(bad) * 100 / u128::from(all)) as u64;
        let text = format!("{bad} of the {all} runs of node group {group} that finished lately failed");
        let numbers = (integer(is), integer(percent));
        findings.above(AlarmRule::FailureRatio, group.as_str(), numbers, text);
    }
}

fn deaths(findings: &mut Findings<'_>, groups: &BTreeMap<NodeGroup, Finished>) {
    for (group, finished) in groups.iter().filter(|(_, finished)| finished.dead > 0) {
        let text =
            format!("{} runs of node group {group} are dead: no retries or reclaims are left", finished.dead);
        let numbers = (integer(finished.dead), 1);
        findings.add(AlarmRule::DeadRun, group.as_str(), Level::Bad, numbers, text);
    }
}

fn tasktrackers(findings: &mut Findings<'_>, numbers: &Numbers) {
    let limits = &findings.options.thresholds;
    let (after, missed_for) = (limits.tasktracker_offline_after, limits.tasktracker_missed_for);
    for (group, who, since) in &numbers.silent {
        let away = numbers.now.since(*since);
        if away >= after && away < missed_for {
            let text = format!("TaskTracker {who} of node group {group} fell silent {} ago", shown(away));
            let subject = format!("{group}/{who}");
            let numbers = (ms(away), ms(after));
            findings.add(AlarmRule::TaskTrackerOffline, &subject, Level::Bad, numbers, text);
        }
    }
}

fn jobtrackers(findings: &mut Findings<'_>, numbers: &Numbers) {
    let limits = &findings.options.thresholds;
    let (down, skew_max) = (limits.jobtracker_down_after, limits.clock_skew_max);
    for (name, silence) in &numbers.silences {
        let silence = Millis::from(*silence);
        if silence >= down {
            let text = format!("JobTracker {name} has not answered the leader for {}", shown(silence));
            findings.add(AlarmRule::JobTrackerDown, name, Level::Bad, (ms(silence), ms(down)), text);
        }
    }
    for (name, skew) in &numbers.skews {
        let text = format!("the clock of JobTracker {name} is {skew} ms from the majority's");
        let is = skew.unsigned_abs();
        // The bound itself is still right.
        findings.above(AlarmRule::ClockSkew, name, (integer(is), ms(skew_max).saturating_add(1)), text);
    }
}

fn feedback(findings: &mut Findings<'_>, numbers: &Numbers) {
    let threshold = integer(findings.options.thresholds.feedback_percent);
    for (group, (kept, most)) in numbers.feedback.iter().filter(|(_, (kept, _))| *kept > 0) {
        let percent = u128::from(*kept) * 100 / u128::from((*most).max(1));
        let percent = i64::try_from(percent).unwrap_or(i64::MAX);
        let text = format!("{kept} of at most {most} feedback are kept for JobClients of group {group}");
        findings.above(AlarmRule::FeedbackBacklog, group.as_str(), (percent, threshold), text);
    }
}

/// What a node finds about itself.
pub(super) fn of_this_node(local: &Local, options: &AlarmOptions) -> Vec<Finding> {
    let mut findings = Findings { options, found: Vec::new() };
    let (limits, node) = (&options.thresholds, local.node.as_str());
    if let Some(leaderless) = local.leaderless.map(Millis::from)
        && leaderless >= limits.no_leader_after
    {
        let text = format!("JobTracker {node} has known no leader with a majority for {}", shown(leaderless));
        let numbers = (ms(leaderless), ms(limits.no_leader_after));
        findings.add(AlarmRule::NoLeader, node, Level::Bad, numbers, text);
    }
    if let Some((free, least)) = local.disk
        && free < least
    {
        let text = format!("{free} % of the disk of JobTracker {node} are free: submits are refused");
        findings.add(AlarmRule::DiskLow, node, Level::Bad, (integer(free), integer(least)), text);
    }
    if let Some((open, most)) = local.files.filter(|(_, most)| *most > 0) {
        let percent = integer((u128::from(open) * 100 / u128::from(most)) as u64);
        let text = format!("JobTracker {node} has {open} of {most} files and connections open");
        let threshold = integer(limits.open_files_percent);
        findings.above(AlarmRule::OpenFiles, node, (percent, threshold), text);
    }
    if let Some((taken, machine)) = local.memory {
        let most = if limits.memory_max == 0 { machine / 4 * 3 } else { limits.memory_max };
        let text = format!("JobTracker {node} takes {} MiB of memory", taken >> 20);
        if most > 0 {
            findings.above(AlarmRule::Memory, node, (integer(taken), integer(most)), text);
        }
    }
    findings.found
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn ms(span: Millis) -> i64 {
    integer(span.get())
}

/// For people: seconds are enough.
fn shown(span: Millis) -> String {
    let seconds = span.get() / 1000;
    match seconds {
        0 => format!("{} ms", span.get()),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests;
