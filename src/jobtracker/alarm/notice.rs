//! What a target is told: the stable shape of a webhook's body, and the words of a mail. `docs/alarms.md` has both.

use std::fmt::Write as _;

use serde::Serialize;

use super::AlarmView;
use crate::domain::{AlarmRule, AlarmSeverity, AlarmSubject};
use crate::machine::alarm::{AlarmNews, Owed};

/// Alarms that a mail names one by one.
const MAIL_LINES_MAX: usize = 100;

/// One alarm that a target is to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) alarm: AlarmView,
    pub(super) owed: Owed,
}

/// Who tells.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    /// The cluster's id; empty if the node belongs to none yet.
    pub(super) cluster: String,
    pub(super) node: String,
}

/// The body of a webhook. Fields are added, never changed.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    version: u32,
    /// The same whenever the same news are sent again.
    event_id: String,
    /// The same for all that is told of one rule and subject.
    dedup_key: String,
    state: &'static str,
    /// How often the target was told before that it is raised.
    repeated: u32,
    rule: &'static str,
    subject: String,
    severity: &'static str,
    text: String,
    value: i64,
    threshold: i64,
    unit: &'static str,
    raised_at: Option<String>,
    recovered_at: Option<String>,
    /// `cluster`, or `node` if only the node that tells knows.
    scope: &'static str,
    cluster: String,
    node: String,
}

impl Teller {
    pub(super) fn body(&self, notice: &Notice) -> Body {
        let AlarmView { rule, subject, local, row, .. } = &notice.alarm;
        let state = state(notice.owed.news);
        let dedup_key = self.dedup_key(*rule, subject, *local);
        Body {
            version: 1,
            event_id: format!("{dedup_key}/{}/{state}/{}", row.id, notice.owed.times),
            dedup_key,
            state,
            repeated: notice.owed.times,
            rule: rule.as_str(),
            subject: subject.to_string(),
            severity: row.reading.severity.as_str(),
            text: row.reading.text.clone(),
            value: row.reading.value,
            threshold: row.reading.threshold,
            unit: rule.unit(),
            raised_at: Some(row.raised.to_string()),
            recovered_at: row.recovered.map(|at| at.to_string()),
            scope: if *local { "node" } else { "cluster" },
            cluster: self.cluster.clone(),
            node: self.node.clone(),
        }
    }

    /// What `raftsman alarm test` sends.
    pub(super) fn test_body(&self) -> Body {
        let id = fastrand::u64(..);
        Body {
            version: 1,
            event_id: format!("{}/test/{id:016x}", self.cluster),
            dedup_key: format!("{}/test", self.cluster),
            state: "test",
            repeated: 0,
            rule: "test",
            subject: "test".into(),
            severity: AlarmSeverity::Warning.as_str(),
            text: TEST.into(),
            value: 0,
            threshold: 0,
            unit: "",
            raised_at: None,
            recovered_at: None,
            scope: "cluster",
            cluster: self.cluster.clone(),
            node: self.node.clone(),
        }
    }

    fn dedup_key(&self, rule: AlarmRule, subject: &AlarmSubject, local: bool) -> String {
        let cluster = &self.cluster;
        // What two nodes know each by itself are two alarms, also if they judge the same.
        let whose = if local { format!("@{}", self.node) } else { String::new() };
        format!("{cluster}/{rule}/{subject}{whose}")
    }

    /// The subject and the text of a mail about all of them.
    pub(super) fn mail(&self, notices: &[Notice]) -> (String, String) {
        let mut text = String::new();
        for notice in notices.iter().take(MAIL_LINES_MAX) {
            line(&mut text, notice);
        }
        if notices.len() > MAIL_LINES_MAX {
            let more = notices.len() - MAIL_LINES_MAX;
            writeln!(text, "and {more} more: raftsman alarm list").expect("a String takes everything");
        }
        write!(text, "\nTold by JobTracker {} of cluster {}.\n", self.node, self.cluster)
            .expect("a String takes everything");
        (title(notices), text)
    }

    pub(super) fn test_mail(&self) -> (String, String) {
        (
            "[raftsman] test".into(),
            format!("{TEST}\n\nTold by JobTracker {} of cluster {}.\n", self.node, self.cluster),
        )
    }
}

const TEST: &str = "This is a test: alarms reach you.";

fn state(news: AlarmNews) -> &'static str {
    match news {
        AlarmNews::Raised => "raised",
        AlarmNews::Recovered => "recovered",
    }
}

/// The worst comes first.
fn title(notices: &[Notice]) -> String {
    let worst = |notice: &&Notice| {
        let raised = notice.owed.news == AlarmNews::Raised;
        (raised, raised.then_some(notice.alarm.row.reading.severity))
    };
    let Some(worst) = notices.iter().rev().max_by_key(worst) else { return "[raftsman] no alarm".into() };
    let more = match notices.len() {
        1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    format!("[raftsman] {} {} {}{more}", word(worst), worst.alarm.rule, worst.alarm.subject)
}

fn word(notice: &Notice) -> &'static str {
    match (notice.owed.news, notice.alarm.row.reading.severity) {
        (AlarmNews::Recovered, _) => "RECOVERED",
        (AlarmNews::Raised, AlarmSeverity::Critical) => "CRITICAL",
        (AlarmNews::Raised, AlarmSeverity::Warning) => "WARNING",
    }
}

fn line(text: &mut String, notice: &Notice) {
    let AlarmView { rule, subject, row, .. } = &notice.alarm;
    let over = row.recovered.map_or(String::new(), |at| format!(", recovered {at}"));
    writeln!(text, "{} {rule} {subject}: {}", word(notice), row.reading.text)
        .expect("a String takes everything");
    writeln!(text, "    raised {}{over}", row.raised).expect("a String takes everything");
}

#[cfg(test)]
mod tests;
