//! Whatever stands in a cron field: an error, or a schedule whose instants ascend, are counted right and cost little.

use super::PreparedCron;
use crate::domain::{CronSchedule, DstRule, Millis, Timestamp};

/// Instants that one expression is asked for.
const INSTANTS: usize = 64;
/// Where the counting and the walking are compared.
const COUNTED: u64 = 1000;

/// The rule for clock changes, the time to begin at, then `zone|expression`.
pub(crate) fn cron(data: &[u8]) {
    let Some((head, text)) = data.split_first_chunk::<9>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (zone, expression) = text.split_once('|').unwrap_or(("UTC", text));
    let rules =
        [DstRule::Auto, DstRule::SkipSecond, DstRule::SkipFirst, DstRule::ShiftFirst, DstRule::ShiftBoth];
    let dst = rules[usize::from(head[0]) % rules.len()];
    let schedule = CronSchedule { expression: expression.into(), time_zone: zone.into(), dst };
    let Ok(cron) = PreparedCron::new(&schedule) else { return };
    let [_, time @ ..] = *head;
    // Even so of times beyond the last one: they are that one.
    let now = Timestamp::from_millis(u64::from_le_bytes(time) % (Timestamp::MAX.as_millis() + 1000));
    walk(&cron.anchored_at(now), now);
}

fn walk(cron: &PreparedCron, now: Timestamp) {
    let instants = cron.next_after(now, INSTANTS);
    assert_eq!(cron.check_fires(now).is_ok(), !instants.is_empty(), "whether it fires");
    assert!(instants.first().is_none_or(|first| *first > now), "{now}: {instants:?}");
    assert!(instants.is_sorted_by(|one, next| one < next), "{instants:?}");
    let _ = cron.words();
    let Some(last) = instants.last().copied() else { return };
    assert_eq!(cron.count_between(now, last), instants.len() as u64, "{now} to {last}: {instants:?}");
    assert_eq!(cron.instants_between(now, last, INSTANTS), instants, "up to {last}");
    let tail = cron.last_between(now, last, 3);
    assert_eq!(tail, instants[instants.len() - tail.len()..], "the last three");
    let _ = cron.local(last);
    let far = last + Millis::from_secs(COUNTED * 86_400);
    assert!(cron.count_between(now, far) >= instants.len() as u64, "{now} to {far}");
}
