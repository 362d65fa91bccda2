//! The shapes that receivers rely on.

use expect_test::expect;

use super::*;
use crate::domain::{AlarmId, Timestamp};
use crate::machine::alarm::{AlarmReading, AlarmRow};

fn notice(rule: AlarmRule, subject: &str, severity: AlarmSeverity, over: bool) -> Notice {
    let reading = AlarmReading { severity, value: 3, threshold: 1, text: format!("{subject} is bad") };
    let raised = Timestamp::from_millis(1_000);
    let row = AlarmRow::raise(None, AlarmId::from_u64(7 << 20), reading, raised);
    let row = if over { row.recover(Timestamp::from_millis(61_000), false).unwrap() } else { row };
    let news = if over { AlarmNews::Recovered } else { AlarmNews::Raised };
    let subject = AlarmSubject::new(subject).unwrap();
    let alarm = AlarmView { rule, subject, local: rule == AlarmRule::DiskLow, row, silenced_until: None };
    Notice { alarm, owed: Owed { news, times: 0 } }
}

fn teller() -> Teller {
    Teller { cluster: "c1".into(), node: "n1".into() }
}

#[test]
fn the_body_of_a_webhook_has_a_stable_shape() {
    let dead = notice(AlarmRule::DeadRun, "trade", AlarmSeverity::Warning, false);
    expect![[r#"{"version":1,"event_id":"c1/dead_run/trade/7.0/raised/0","dedup_key":"c1/dead_run/trade","state":"raised","repeated":0,"rule":"dead_run","subject":"trade","severity":"warning","text":"trade is bad","value":3,"threshold":1,"unit":"runs","raised_at":"1970-01-01T00:00:01.000Z","recovered_at":null,"scope":"cluster","cluster":"c1","node":"n1"}"#]]
        .assert_eq(&serde_json::to_string(&teller().body(&dead)).unwrap());
    let disk = notice(AlarmRule::DiskLow, "n1", AlarmSeverity::Critical, true);
    expect![[r#"{"version":1,"event_id":"c1/disk_low/n1@n1/7.0/recovered/0","dedup_key":"c1/disk_low/n1@n1","state":"recovered","repeated":0,"rule":"disk_low","subject":"n1","severity":"critical","text":"n1 is bad","value":3,"threshold":1,"unit":"percent","raised_at":"1970-01-01T00:00:01.000Z","recovered_at":"1970-01-01T00:01:01.000Z","scope":"node","cluster":"c1","node":"n1"}"#]]
        .assert_eq(&serde_json::to_string(&teller().body(&disk)).unwrap());
}

#[test]
fn a_mail_names_the_worst_in_its_subject_and_each_in_its_text() {
    let notices = [
        notice(AlarmRule::DeadRun, "trade", AlarmSeverity::Warning, false),
        notice(AlarmRule::JobTrackerDown, "n2", AlarmSeverity::Critical, true),
        notice(AlarmRule::NoTaskTracker, "stock", AlarmSeverity::Critical, false),
    ];
    let (subject, text) = teller().mail(&notices);
    assert_eq!(subject, "[raftsman] CRITICAL no_tasktracker stock and 2 more");
    expect![[r#"
        WARNING dead_run trade: trade is bad
            raised 1970-01-01T00:00:01.000Z
        RECOVERED jobtracker_down n2: n2 is bad
            raised 1970-01-01T00:00:01.000Z, recovered 1970-01-01T00:01:01.000Z
        CRITICAL no_tasktracker stock: stock is bad
            raised 1970-01-01T00:00:01.000Z

        Told by JobTracker n1 of cluster c1.
    "#]]
    .assert_eq(&text);
    let (subject, _) = teller().mail(&notices[1..2]);
    assert_eq!(subject, "[raftsman] RECOVERED jobtracker_down n2");
}

#[test]
fn a_mail_about_very_many_alarms_stays_readable() {
    let many = vec![notice(AlarmRule::DeadRun, "trade", AlarmSeverity::Warning, false); 250];
    let (subject, text) = teller().mail(&many);
    assert_eq!(subject, "[raftsman] WARNING dead_run trade and 249 more");
    assert_eq!(text.matches("WARNING").count(), MAIL_LINES_MAX);
    assert!(text.contains("and 150 more: raftsman alarm list"), "{text}");
}
