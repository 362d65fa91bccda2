//! Each rule begins, stays and ends; and what a new leader may say.

use std::time::Instant;

use super::*;
use crate::domain::{AlarmId, AlarmSeverity, Identity, RunId, Timestamp};
use crate::jobtracker::alarm::evaluate::{Evaluation, Present, Rows};
use crate::machine::alarm::AlarmRow;
use crate::machine::command::AlarmState;

/// A node that judges what it is shown, and the rows as the machine would have them.
struct Watch {
    start: Instant,
    second: u64,
    evaluation: Evaluation,
    rows: Rows,
    options: AlarmOptions,
    raised: u64,
}

const BEGAN: u64 = 1_000_000;

impl Watch {
    fn new() -> Watch {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let (rows, options) = (Rows::new(), AlarmOptions::default());
        Watch { start, second: 0, evaluation: Evaluation::new(start), rows, options, raised: 0 }
    }

    fn now(&self) -> Present {
        let monotonic = self.start + Duration::from_secs(self.second);
        Present { monotonic, time: Timestamp::from_millis((BEGAN + self.second) * 1000) }
    }

    /// A node that has watched for no time leads.
    fn another_leader(&mut self) {
        self.evaluation = Evaluation::new(self.now().monotonic);
    }

    /// Looks every five seconds until `second`, and tells what began and what ended, with the second.
    fn until(&mut self, second: u64, find: impl Fn(Timestamp) -> Vec<Finding>) -> Vec<String> {
        let mut told = Vec::new();
        while self.second + 5 <= second {
            self.second += 5;
            let now = self.now();
            for change in self.evaluation.step(now, &self.options, find(now.time), &self.rows) {
                let place = (change.rule, change.subject.clone());
                let before = self.rows.get(&place).cloned();
                let stood = before.as_ref().is_some_and(AlarmRow::is_raised);
                let (row, word) = match change.to {
                    AlarmState::Raised(reading) => {
                        self.raised += 1;
                        let id = AlarmId::from_u64(self.raised);
                        (AlarmRow::raise(before.as_ref(), id, reading, now.time), "raised")
                    }
                    AlarmState::Recovered => {
                        (before.unwrap().recover(now.time, false).expect("only what stands ends"), "over")
                    }
                };
                self.rows.insert(place, row);
                if !(stood && word == "raised") {
                    told.push(format!("{} {} {} {word}", self.second, change.rule, change.subject));
                }
            }
        }
        told
    }
}

fn group() -> NodeGroup {
    NodeGroup::new("trade").unwrap()
}

fn time(second: u64) -> Timestamp {
    Timestamp::from_millis((BEGAN + second) * 1000)
}

fn cluster(numbers: impl Fn(Timestamp) -> Numbers) -> impl Fn(Timestamp) -> Vec<Finding> {
    move |now| of_the_cluster(&Numbers { now, ..numbers(now) }, &Lately::default(), &AlarmOptions::default())
}

fn backlog(count: usize, since: Option<u64>, online: usize) -> Numbers {
    let backlog = Backlog { count, oldest: since.map(time), late: None };
    let groups = BTreeMap::from([(group(), backlog)]);
    Numbers { groups, online: BTreeMap::from([(group(), online)]), ..Numbers::default() }
}

fn quiet() -> impl Fn(Timestamp) -> Vec<Finding> {
    cluster(|_| Numbers::default())
}

fn lately(finished: Finished) -> impl Fn(Timestamp) -> Vec<Finding> {
    move |_| {
        let groups = BTreeMap::from([(group(), finished)]);
        let lately = Lately { failures: groups.clone(), deaths: groups };
        of_the_cluster(&Numbers::default(), &lately, &AlarmOptions::default())
    }
}

fn here(local: Local) -> impl Fn(Timestamp) -> Vec<Finding> {
    move |_| of_this_node(&Local { node: "n1".into(), ..local.clone() }, &AlarmOptions::default())
}

#[test]
fn ready_runs_that_nobody_takes_are_an_alarm_after_half_a_minute_and_until_a_minute_without_them() {
    let mut watch = Watch::new();
    assert_eq!(watch.until(30, cluster(|_| backlog(3, None, 0))), [""; 0]);
    assert_eq!(watch.until(100, cluster(|_| backlog(3, None, 0))), ["35 no_tasktracker trade raised"]);
    assert_eq!(watch.until(155, cluster(|_| backlog(3, None, 1))), [""; 0]);
    assert_eq!(watch.until(300, cluster(|_| backlog(3, None, 1))), ["165 no_tasktracker trade over"]);
}

#[test]
fn what_flaps_is_one_alarm_or_none() {
    let mut watch = Watch::new();
    let flapping = |now: Timestamp| backlog(3, None, usize::from(now.as_millis() / 1000 % 20 < 10));
    assert_eq!(watch.until(600, cluster(flapping)), [""; 0], "it never holds for half a minute");
    watch.until(700, cluster(|_| backlog(3, None, 0)));
    assert_eq!(watch.until(1300, cluster(flapping)), [""; 0], "it is never gone for a minute");
}

#[test]
fn a_run_that_waits_too_long_is_an_alarm_until_the_wait_is_well_below() {
    let mut watch = Watch::new();
    let told = watch.until(700, cluster(|_| backlog(3, Some(0), 1)));
    assert_eq!(told, ["600 backlog_age trade raised"]);
    let near = |now: Timestamp| {
        let since = Some(now.as_millis() / 1000 - BEGAN - 500);
        backlog(3, since, 1)
    };
    assert_eq!(watch.until(1500, cluster(near)), [""; 0], "500 s are more than 80 % of 600 s");
    assert_eq!(watch.until(2000, cluster(|_| backlog(3, None, 1))), ["1565 backlog_age trade over"]);
}

#[test]
fn too_many_ready_runs_are_an_alarm_after_a_minute() {
    let mut watch = Watch::new();
    assert_eq!(watch.until(300, cluster(|_| backlog(99_999, None, 1))), [""; 0]);
    let told = watch.until(400, cluster(|_| backlog(100_000, None, 1)));
    assert_eq!(told, ["365 backlog_count trade raised"]);
    assert_eq!(watch.until(800, cluster(|_| backlog(80_000, None, 1))), [""; 0]);
    assert_eq!(watch.until(900, cluster(|_| backlog(79_999, None, 1))), ["865 backlog_count trade over"]);
}

#[test]
fn four_failures_of_five_are_an_alarm_if_enough_finished() {
    let mut watch = Watch::new();
    let few = Finished { succeeded: 0, failed: 19, dead: 0 };
    assert_eq!(watch.until(100, lately(few)), [""; 0]);
    let fine = Finished { succeeded: 21, failed: 79, dead: 0 };
    assert_eq!(watch.until(200, lately(fine)), [""; 0]);
    let bad = Finished { succeeded: 20, failed: 80, dead: 0 };
    assert_eq!(watch.until(300, lately(bad)), ["205 failure_ratio trade raised"]);
    assert_eq!(watch.until(500, lately(Finished::default())), ["365 failure_ratio trade over"]);
}

#[test]
fn a_dead_run_is_an_alarm_at_once_and_names_how_many() {
    let mut watch = Watch::new();
    let dead = Finished { succeeded: 1_000, failed: 0, dead: 2 };
    assert_eq!(watch.until(10, lately(dead)), ["5 dead_run trade raised"]);
    let row = watch.rows.values().next().unwrap();
    assert_eq!(row.reading.text, "2 runs of node group trade are dead: no retries or reclaims are left");
    assert_eq!((row.reading.value, row.reading.severity), (2, AlarmSeverity::Warning));
}

#[test]
fn an_instant_that_does_not_start_is_an_alarm() {
    let late = |_| {
        let backlog = Backlog { count: 1, oldest: None, late: Some((RunId::default(), time(0))) };
        Numbers {
            groups: BTreeMap::from([(group(), backlog)]),
            online: BTreeMap::from([(group(), 1)]),
            ..Numbers::default()
        }
    };
    let mut watch = Watch::new();
    assert_eq!(watch.until(100, cluster(late)), ["60 cron_lateness trade raised"]);
    assert_eq!(watch.until(200, quiet()), ["165 cron_lateness trade over"]);
}

#[test]
fn a_tasktracker_that_fell_silent_is_missed_for_a_day() {
    let silent = |_| {
        let who = Identity::new("w1").unwrap();
        Numbers { silent: vec![(group(), who, time(0))], ..Numbers::default() }
    };
    let mut watch = Watch::new();
    assert_eq!(watch.until(100, cluster(silent)), ["30 tasktracker_offline trade/w1 raised"]);
    let day = 24 * 3600;
    assert_eq!(
        watch.until(day + 100, cluster(silent)),
        [format!("{} tasktracker_offline trade/w1 over", day + 60)]
    );
}

#[test]
fn a_jobtracker_that_is_silent_or_has_a_wrong_clock_is_named() {
    let bad = |_| Numbers {
        silences: vec![("n2".into(), Duration::from_secs(11)), ("n3".into(), Duration::from_secs(9))],
        skews: vec![("n2".into(), -501), ("n3".into(), 500)],
        ..Numbers::default()
    };
    let mut watch = Watch::new();
    let told = watch.until(50, cluster(bad));
    assert_eq!(told, ["5 jobtracker_down n2 raised", "5 clock_skew n2 raised"]);
}

#[test]
fn feedback_that_nobody_takes_is_an_alarm_before_it_is_dropped() {
    let kept = |kept| {
        move |_| Numbers { feedback: BTreeMap::from([(group(), (kept, 1_000))]), ..Numbers::default() }
    };
    let mut watch = Watch::new();
    assert_eq!(watch.until(100, cluster(kept(799))), [""; 0]);
    assert_eq!(watch.until(200, cluster(kept(800))), ["105 feedback_backlog trade raised"]);
    assert_eq!(watch.until(300, cluster(kept(640))), [""; 0], "64 % is a fifth below");
    assert_eq!(watch.until(400, cluster(kept(639))), ["365 feedback_backlog trade over"]);
}

#[test]
fn a_node_tells_of_itself() {
    let local = Local {
        leaderless: Some(Duration::from_secs(10)),
        disk: Some((9, 10)),
        files: Some((800, 1000)),
        memory: Some((76, 100)),
        ..Local::default()
    };
    let mut watch = Watch::new();
    let names = ["no_leader", "disk_low", "open_files", "memory"];
    assert_eq!(watch.until(10, here(local)), names.map(|rule| format!("5 {rule} n1 raised")));
    let well = Local {
        leaderless: None,
        disk: Some((10, 10)),
        files: Some((600, 1000)),
        memory: Some((50, 100)),
        ..Local::default()
    };
    assert_eq!(watch.until(100, here(well)), names.map(|rule| format!("75 {rule} n1 over")));
}

#[test]
fn a_new_leader_neither_raises_again_what_stands_nor_ends_what_it_has_not_watched() {
    let mut watch = Watch::new();
    let dead = Finished { succeeded: 0, failed: 0, dead: 1 };
    assert_eq!(watch.until(5, lately(dead)), ["5 dead_run trade raised"]);
    watch.another_leader();
    assert_eq!(watch.until(100, lately(dead)), [""; 0]);
    let id = watch.rows.values().next().unwrap().id;
    // It began without samples, so it sees no dead run; that says nothing before it has watched for the window.
    watch.another_leader();
    assert_eq!(watch.until(695, lately(Finished::default())), [""; 0]);
    let told = watch.until(900, lately(Finished::default()));
    assert_eq!(told, ["760 dead_run trade over"]);
    assert_eq!(watch.rows.values().next().unwrap().id, id, "it was one alarm all the time");
}

#[test]
fn a_rule_that_is_off_finds_nothing_and_what_stands_of_it_ends() {
    let mut watch = Watch::new();
    watch.until(50, cluster(|_| backlog(3, None, 0)));
    watch.options.off.insert(AlarmRule::NoTaskTracker);
    let options = watch.options.clone();
    let told = watch.until(200, move |now| {
        of_the_cluster(&Numbers { now, ..backlog(3, None, 0) }, &Lately::default(), &options)
    });
    assert_eq!(told, ["115 no_tasktracker trade over"]);
}

#[test]
fn what_stays_raised_is_written_down_about_once_a_minute() {
    let mut watch = Watch::new();
    watch.until(605, cluster(|_| backlog(3, None, 0)));
    assert!((9..=11).contains(&watch.raised), "{} writes in ten minutes", watch.raised);
    assert_eq!(watch.rows.len(), 1);
}
