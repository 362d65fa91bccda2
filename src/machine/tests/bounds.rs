//! Each command is bounded, and what one leaves over the next ones finish.

use std::sync::Arc;

use super::memory_base::MemoryBase;
use super::script::{self, Names};
use crate::domain::{AlarmRule, AlarmSubject};
use crate::machine::limits::{ALARM_SUBJECTS_MAX, EXPIRE_MAX, RIPEN_MAX};
use crate::machine::{Effect, Key, Machine};

struct Player {
    machine: Machine,
    base: Arc<MemoryBase>,
    names: Names,
}

impl Player {
    fn new() -> Player {
        let base = Arc::new(MemoryBase::default());
        Player { machine: Machine::open(Arc::clone(&base) as _).unwrap(), base, names: Names::default() }
    }

    /// Plays one line; returns how many rows it wrote, the machine's own aside.
    fn play(&mut self, line: &str) -> usize {
        let entry = script::entry(line, &self.names, self.machine.tables().meta().limits);
        self.machine.apply(self.machine.applied_index() + 1, &entry).unwrap();
        let Some(layer) = self.machine.seal() else { return 0 };
        self.base.write(&layer);
        self.machine.flushed(&layer);
        layer.len() - 1
    }

    fn rows_from(&self, from: &Key, to: &Key) -> usize {
        self.machine.tables().scan(std::ops::Bound::Included(from), to).count()
    }

    fn check(&self) {
        let broken: Vec<String> = self.machine.check().unwrap().iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[test]
fn a_rule_has_so_many_subjects_and_a_new_one_takes_the_place_of_the_one_that_recovered_first() {
    let mut player = Player::new();
    let many: Vec<String> =
        (1..=ALARM_SUBJECTS_MAX).map(|n| format!("raise tasktracker_offline trade/w{n}")).collect();
    player.play(&format!("at 1 {}", many.join(" + ")));
    let (from, to) = Key::alarms();
    assert_eq!(player.rows_from(&from, &to), ALARM_SUBJECTS_MAX);
    assert_eq!(player.play("at 2 raise tasktracker_offline trade/late"), 0, "all of them are raised");
    player.play("at 3 recover tasktracker_offline trade/w7");
    player.play("at 4 recover tasktracker_offline trade/w3");
    assert_eq!(player.play("at 5 raise tasktracker_offline trade/late"), 2, "one goes and one comes");
    let kept = |who: &str| {
        let key = Key::Alarm(AlarmRule::TaskTrackerOffline, AlarmSubject::new(who).unwrap());
        player.machine.tables().get(&key).unwrap().is_some()
    };
    assert_eq!([kept("trade/w7"), kept("trade/w3"), kept("trade/late")], [false, true, true]);
    assert_eq!(player.play("at 6 raise disk_low n1"), 1, "another rule has room of its own");
    player.check();
}

/// Commands until one writes nothing; each writes at most `most` rows.
fn until_quiet(player: &mut Player, line: &str, most: usize) -> usize {
    for times in 0..100 {
        match player.play(line) {
            0 => return times,
            wrote => assert!(wrote <= most, "{line} wrote {wrote} rows, more than {most}"),
        }
    }
    panic!("{line} never comes to an end");
}

#[test]
fn an_expiry_that_leaves_old_runs_behind_says_so() {
    let mut player = Player::new();
    player.play("at 0 limits kept=1000");
    player.play("at 0 online w1 trade 4000");
    let jobs: Vec<String> = (0..=EXPIRE_MAX).map(|n| format!("t{n} trade deadline=1")).collect();
    player.play(&format!("at 0 submit {}", jobs.join(" , ")));
    player.play("at 10 tick");
    let more = |player: &mut Player| {
        let entry = script::entry("at 9000000 expire", &player.names, player.machine.tables().meta().limits);
        let applied = player.machine.apply(player.machine.applied_index() + 1, &entry).unwrap();
        applied.effects.contains(&Effect::MoreToExpire)
    };
    assert!(more(&mut player));
    assert!(!more(&mut player), "the second takes the rest");
}

#[test]
fn an_old_client_session_is_found_behind_any_number_of_used_ones() {
    let mut player = Player::new();
    let used = 2 * EXPIRE_MAX;
    let opens: Vec<String> = (0..used).map(|n| format!("open c{n}")).collect();
    player.play(&format!("at 9000000 {}", opens.join(" + ")));
    player.play("at 9000000 open old");
    player.play("at 9000000 limits clients=60000");
    let keep: Vec<String> = (0..used).map(|n| format!("cancel trade/x req=1.{n}:1")).collect();
    player.play(&format!("at 18000000 {}", keep.join(" + ")));
    let first = "0.0".parse().map(Key::Client).unwrap();
    let last = Key::Client("999.0".parse().unwrap());
    assert_eq!(player.rows_from(&first, &last), used + 1);
    for _ in 0..4 {
        player.play("at 18000000 expire");
    }
    assert_eq!(player.rows_from(&first, &last), used);
    player.check();
}

#[test]
fn a_log_longer_than_one_command_may_remove_goes_in_parts() {
    let mut player = Player::new();
    player.names.sessions.insert("w1".into(), "1.0".parse().unwrap());
    player.play("at 1 online w1 trade 1");
    player.play("at 1 submit t1 trade + dispatch w1 1");
    let lines = vec!["x"; 5 * EXPIRE_MAX].join(" ");
    player.play(&format!("at 1 log 2.1 from=0 {lines}"));
    player.play("at 1 complete 2.1 success");
    player.play("at 1 limits kept=1");
    let times = until_quiet(&mut player, "at 99 expire", EXPIRE_MAX + 8);
    assert_eq!(times, 6);
    assert_eq!(player.rows_from(&Key::Job("0.0".parse().unwrap()), &Key::first_tracker()), 0);
    player.check();
}

#[test]
fn a_full_group_is_forgotten_though_an_older_one_is_not_full() {
    let mut player = Player::new();
    for (group, count, at) in [("idle", EXPIRE_MAX + 9, 2), ("busy", EXPIRE_MAX + 500, 12)] {
        let jobs: Vec<String> =
            (0..count).map(|n| format!("t{n} {group} at={at} misfire=skip misfire_after=0")).collect();
        player.play(&format!("at 1 submit {}", jobs.join(" , ")));
        player.play(&format!("at {} tick", at + 1));
    }
    player.play(&format!("at 14 limits runs={}", EXPIRE_MAX + 100));
    until_quiet(&mut player, "at 15 expire", 4 * EXPIRE_MAX + 8);
    let group = |name: &str| match player.machine.tables().get(&Key::Group(name.parse().unwrap())) {
        Ok(Some(crate::machine::row::Row::Group(row))) => row.kept,
        other => panic!("{other:?}"),
    };
    assert_eq!((group("idle"), group("busy")), (EXPIRE_MAX as u64 + 9, EXPIRE_MAX as u64 + 100));
    player.check();
}

#[test]
fn a_dead_periodic_job_with_many_runs_is_forgotten_in_a_few_commands() {
    let mut player = Player::new();
    player.play("at 0 limits kept=1");
    player.play("at 0 submit r trade every=1 norely misfire=skip misfire_after=0 deadline=1");
    // Instants that run and end one by one, so that each has a row of its own.
    player.names.sessions.insert("w1".into(), "3.0".parse().unwrap());
    player.play("at 0 online w1 trade 1");
    let runs = EXPIRE_MAX + 200;
    for at in 0..runs {
        let dispatch = player.machine.applied_index() + 1;
        player.play(&format!("at {at} tick + dispatch w1 1"));
        player.play(&format!("at {at} complete {dispatch}.0 success"));
    }
    player.play(&format!("at {runs} cancel trade/r"));
    player.check();
    let times = until_quiet(&mut player, &format!("at {} expire", runs * 2), 3 * EXPIRE_MAX + 8);
    assert_eq!(times, 2);
    assert_eq!(player.rows_from(&Key::Job("0.0".parse().unwrap()), &Key::first_tracker()), 0);
}

#[test]
fn many_jobs_due_at_once_ripen_a_bounded_number_a_tick() {
    let mut player = Player::new();
    let jobs = 5000;
    let batch = |from: usize, what: &str| {
        let jobs: Vec<String> = (from..from + jobs).map(|n| format!("t{n} trade {what}")).collect();
        format!("at 1 submit {}", jobs.join(" , "))
    };
    player.play(&batch(0, "at=1000"));
    player.play(&batch(jobs, "every=1000 count=1 first=1000"));
    // Each job's run and its rhythm, and the group.
    let times = until_quiet(&mut player, "at 1000 tick", 2 * RIPEN_MAX + 1);
    assert_eq!(times, (2 * jobs).div_ceil(RIPEN_MAX));
    let ready = player.machine.tables().indexes().ready(&"trade".parse().unwrap()).map(|ready| ready.len());
    assert_eq!(ready, Some(2 * jobs));
    player.check();
}
